"""The Slack edge: one listener each for slash commands, buttons and forms.

Slack is acknowledged before anything else is done. Then the work is handed to a tracked task and
the listener returns: what raises within about 10 ms of an acknowledgement takes it back.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from logging import getLogger
from time import monotonic
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult

from bot.command import Registry
from bot.dispatch import Answer, Dispatcher, Line
from bot.render.blocks import ACTION_PREFIX, Block, Markup, Message, context, mark, message, section
from bot.slack.channels import Channels
from bot.slack.deliveries import Delivery, from_button, from_form, from_slash, trigger
from bot.slack.tasks import Tasks
from bot.slack.web import Identity, SlackRefused, Web

_log = structlog.get_logger()

REMEMBERED = 10_000
"""Deliveries remembered, to know a copy; Slack repeats one within minutes."""

BUSY = (
    "Nothing was done: more commands came at once than I can take, or I am just being restarted. "
    "Try again in a moment."
)
_OURS = re.compile(f"^{re.escape(ACTION_PREFIX)}")


class SlackApp:
    """Takes deliveries from Slack and answers them.

    Parameters
    ----------
    web
        Calls to Slack.
    identity
        Who the bot is.
    channels
        Finds environments.
    dispatcher
        Answers lines.
    registry
        Every subcommand.
    tasks
        Runs the work.
    labels
        Every environment's name, and how people read it.
    """

    def __init__(
        self,
        *,
        web: Web,
        identity: Identity,
        channels: Channels,
        dispatcher: Dispatcher,
        registry: Registry,
        tasks: Tasks,
        labels: Mapping[str, str],
    ) -> None:
        self._web = web
        self._identity = identity
        self._channels = channels
        self._dispatcher = dispatcher
        self._registry = registry
        self._tasks = tasks
        self._labels = labels
        self._seen: OrderedDict[str, None] = OrderedDict()
        self.bolt = self._bolt()

    def _bolt(self) -> AsyncApp:
        authorized = AuthorizeResult(
            enterprise_id=None,
            team_id=self._identity.team_id,
            bot_user_id=self._identity.user_id,
            bot_id=self._identity.bot_id,
        )

        async def authorize() -> AuthorizeResult:
            # Without this Bolt asks auth.test, once for each of the first commands.
            return authorized

        bolt = AsyncApp(
            name="prompt-redis-bot",
            logger=getLogger("slack_bolt"),
            client=self._web.anonymous,
            authorize=authorize,
            # Otherwise Bolt looks every 10 ms whether a listener has acknowledged; ours return
            # as soon as they have, so waiting for them is ten times quicker.
            process_before_response=True,
            request_verification_enabled=False,
            ignoring_self_events_enabled=False,
            attaching_function_token_enabled=False,
            attaching_conversation_kwargs_enabled=False,
        )
        bolt.command(re.compile(""))(self._slash)
        bolt.action(_OURS)(self._button)
        bolt.view(_OURS)(self._form)
        return bolt

    async def _slash(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        if self._tasks.full:
            await ack(text=BUSY, response_type="ephemeral")
            return
        await ack()
        self._accept(body, from_slash)

    async def _button(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        self._accept(body, lambda body: from_button(body, self._registry))

    async def _form(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        self._accept(body, lambda body: from_form(body, self._registry))

    def _accept(
        self, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Delivery]
    ) -> None:
        """Hand a delivery over, unless a copy of it was."""
        key = trigger(body)
        if key is not None:
            if key in self._seen:
                return
            self._seen[key] = None
            if len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        if not self._tasks.full:
            self._tasks.start(self._work(body, read), name=f"delivery {key}")

    async def _work(
        self, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Delivery]
    ) -> None:
        delivery = read(body)
        environment = await self._channels.environment(delivery.channel, monotonic())
        if environment is None:
            await self._whisper(delivery, self._elsewhere())
            return
        answer = await self._dispatcher.answer(Line(delivery.line, delivery.person, environment))
        if answer.shared:
            await self._share(delivery, answer)
        else:
            reply = answer.reply
            await self._whisper(
                delivery,
                message(reply.text, reply.blocks, made_by=answer.command, buttons=reply.buttons),
            )

    async def _whisper(self, delivery: Delivery, answer: Message) -> None:
        """Answer the person alone."""
        if delivery.response_url is None:
            await self._web.whisper(delivery.channel, delivery.person.id, answer)
            return
        await self._web.answer(
            delivery.response_url,
            answer,
            replace=delivery.replaces,
            channel=delivery.channel,
            person=delivery.person.id,
        )

    async def _share(self, delivery: Delivery, answer: Answer) -> None:
        """Show an answer to the whole channel, and whose idea that was."""
        by = context(mark("Shared by {}", delivery.person.name))
        shown = message(answer.reply.text, [*answer.reply.blocks, by])
        try:
            await self._web.post(delivery.channel, shown)
        except SlackRefused as error:
            _log.warning("an answer could not be shared", code=error.code)
            await self._whisper(delivery, _not_shared(error.code))

    def _elsewhere(self) -> Message:
        """Say where the command can be typed."""
        places = [
            mark("{} is in {}", label, self._channels.mention(name))
            for name, label in self._labels.items()
        ]
        text = mark(
            "This channel has no environment. {}: type the command there.",
            Markup(", ".join(places)),
        )
        blocks: list[Block] = [section(text)]
        lost = [
            mark("#{} ({})", channel, self._labels[name])
            for name, channel in self._channels.unknown.items()
        ]
        if lost:
            blocks.append(
                section(
                    mark(
                        "I am not in {}, or it does not exist. If this is that channel, type "
                        "{} and try again in half a minute.",
                        Markup(", ".join(lost)),
                        mark("`/invite` <@{}>", self._identity.user_id),
                    )
                )
            )
        return message(text, blocks)


def _not_shared(code: str) -> Message:
    if code in ("not_in_channel", "channel_not_found"):
        text = Markup("I cannot share this: I am not in this channel. Invite me, then try again.")
    else:
        text = mark("I could not share this: Slack said {}. Try again in a moment.", code)
    return message(text, [section(text)])
