"""Where the answers to one delivery go: to the person alone, into the channel, or into a form."""

import re
from html import unescape

import structlog

from bot.dispatch import Answer
from bot.render.blocks import Markup, Message, context, mark, message, section
from bot.render.forms import view
from bot.slack.deliveries import Delivery
from bot.slack.patience import SlackRefused
from bot.slack.uploads import Picture
from bot.slack.web import Web

_log = structlog.get_logger()

_NOT_HERE = ("not_in_channel", "channel_not_found")


class Conversation:
    """Shows the answers to one delivery.

    Parameters
    ----------
    web
        Calls to Slack.
    delivery
        What is answered.
    """

    def __init__(self, web: Web, delivery: Delivery) -> None:
        self._web = web
        self._delivery = delivery
        self._posted: str | None = None

    async def show(self, answer: Answer) -> None:
        """Show an answer; one for the channel takes the place of the one before."""
        reply = answer.reply
        if answer.form is not None:
            await self._open(answer)
        elif reply.picture is not None:
            await self._show_picture(answer, reply.picture)
        elif answer.public:
            await self._post(answer)
        elif answer.shared or self._delivery.thread is not None:
            # What was asked for below a message is answered there, whatever the answer is.
            await self._share(answer)
        else:
            await self.whisper(
                message(reply.text, reply.blocks, made_by=answer.command, buttons=reply.buttons)
            )

    async def whisper(self, shown: Message) -> None:
        """Answer the person alone."""
        delivery = self._delivery
        if delivery.response_url is None:
            await self._web.whisper(delivery.channel, delivery.person.id, shown)
            return
        await self._web.answer(
            delivery.response_url,
            shown,
            replace=delivery.replaces,
            channel=delivery.channel,
            person=delivery.person.id,
        )

    async def _open(self, answer: Answer) -> None:
        if answer.form is None or self._delivery.trigger is None:
            return
        try:
            await self._web.open_form(
                self._delivery.trigger, view(answer.form, self._delivery.channel)
            )
        except SlackRefused as error:
            _log.warning("a form could not be opened", code=error.code)
            text = mark(
                "The form did not open (Slack said {}). Nothing was changed. Try again, or type "
                "it: `help {}` shows how.",
                error.code,
                answer.form.command,
            )
            await self.whisper(message(text, [section(text)]))

    async def _post(self, answer: Answer) -> None:
        """Show what is being done to the whole channel, and who does it."""
        reply, delivery = answer.reply, self._delivery
        by = context(mark("by {}", delivery.person.name))
        shown = message(reply.text, [*reply.blocks, by], buttons=reply.buttons)
        try:
            if self._posted is None:
                self._posted = await self._web.post(delivery.channel, shown)
            else:
                await self._web.update(delivery.channel, self._posted, shown)
        except SlackRefused as error:
            # It was done all the same, so at least the person must hear of it.
            _log.warning("what was done could not be shown to the channel", code=error.code)
            await self.whisper(shown)

    async def _show_picture(self, answer: Answer, content: bytes) -> None:
        """Show a picture to the whole channel, who asked for it, and what it shows in words."""
        reply, delivery = answer.reply, self._delivery
        by = context(mark("Asked for by {}", delivery.person.name))
        first, blocks = unescape(re.sub(r"[*`]", "", reply.text)), [*reply.blocks, by]
        picture = Picture(content, f"{answer.command}.png", first)
        try:
            await self._web.uploads.show(
                delivery.channel, picture, message(reply.text, blocks).plain
            )
        except SlackRefused as error:
            _log.warning("a picture could not be shown to the channel", code=error.code)
            why = _no_picture(error.code)
            await self.whisper(message(why, [section(why), *reply.blocks]))

    async def _share(self, answer: Answer) -> None:
        """Show an answer to the whole channel, and whose idea that was."""
        asked = "Asked for by {}" if self._delivery.thread else "Shared by {}"
        by = context(mark(asked, self._delivery.person.name))
        shown = message(answer.reply.text, [*answer.reply.blocks, by])
        try:
            await self._web.post(self._delivery.channel, shown, thread=self._delivery.thread)
        except SlackRefused as error:
            _log.warning("an answer could not be shared", code=error.code)
            await self.whisper(_not_shared(error.code))


def _no_picture(code: str) -> Markup:
    """Say why there are only words."""
    if code == "missing_scope":
        return Markup(
            "No picture: the Slack app lacks the scope `files:write`. Whoever deploys the bot must "
            "add it, and install the app again."
        )
    if code in _NOT_HERE:
        return Markup("No picture: I am not in this channel. Invite me, then try again.")
    return mark("No picture: Slack said {}. Try again in a moment.", code)


def _not_shared(code: str) -> Message:
    if code in _NOT_HERE:
        text = Markup("I cannot share this: I am not in this channel. Invite me, then try again.")
    else:
        text = mark("I could not share this: Slack said {}. Try again in a moment.", code)
    return message(text, [section(text)])
