"""Slash commands, buttons and forms: each is read as a typed line, and its answer is shown.

Slack wants an acknowledgement within three seconds, so it gets one before anything else is done.
Then a task of its own reads the delivery, has the dispatcher answer the line, and shows the answer:
to the person alone, in the channel, or as a form.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from logging import getLogger
from time import monotonic
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult

from bot.command import SHARE, Command, Registry
from bot.dispatch import LATE_COPY, Answer, Dispatcher, Line
from bot.domain.environments import Environment, Person
from bot.domain.notices import why_refused
from bot.grammar import Grammar
from bot.loops import Tasks
from bot.render.blocks import ACTION_PREFIX, Block, Message, context, join, mark, message, section
from bot.render.forms import Checked, Filled, Form, Found, view
from bot.services.environments import Services
from bot.slack.api import Identity, SlackApi, SlackRefused
from bot.slack.directory import Channels

_log = structlog.get_logger()

BUSY = (
    "Nothing was done: more commands came at once than I can take, or I am just being restarted. "
    "Try again in a moment."
)

TOO_MANY = (
    "Nothing was done: too many of your commands still wait for their answers. Try again when they "
    "have come."
)

CUT_SHORT = (
    "I am being restarted, and could not finish this. Look at how things stand before you try "
    "again."
)

FIGURES = "figures"
"""Word of a button whose answer goes below its message, where commands cannot be typed."""

_REMEMBERED = 10_000
"""Deliveries remembered, to know a copy; Slack repeats one within minutes."""

_COPIES_SECONDS = LATE_COPY.total_seconds()
_OURS = re.compile(f"^{re.escape(ACTION_PREFIX)}")


@dataclass(frozen=True)
class Delivery:
    """One slash command, click or form, as the line that it amounts to.

    Parameters
    ----------
    line
        What was typed, or would have been.
    channel, team
        IDs of the channel it came from, and of the person's workspace.
    response_url
        Where a private answer goes; None for a form.
    trigger
        ID that every copy shares; opens a form, once and within three seconds.
    replaces
        True if the answer takes the place of the message that was clicked.
    thread
        Timestamp of the message below which the answer is shown to all; None for the usual place.
    """

    line: str
    person: Person
    channel: str
    response_url: str | None = None
    team: str = ""
    trigger: str | None = None
    replaces: bool = False
    clicked: bool = False
    thread: str | None = None


def trigger(body: Mapping[str, Any]) -> str | None:
    """Give the ID that every copy of one delivery shares."""
    found = body.get("trigger_id")
    return found if isinstance(found, str) else None


def from_slash(body: Mapping[str, Any]) -> Delivery:
    """Read a slash command."""
    return Delivery(
        line=str(body.get("text") or ""),
        person=Person(body["user_id"], str(body.get("user_name") or body["user_id"])),
        channel=body["channel_id"],
        response_url=body.get("response_url"),
        team=str(body.get("team_id") or ""),
        trigger=trigger(body),
    )


def from_button(body: Mapping[str, Any], registry: Registry) -> Delivery:
    """Read a click: the action ID names the subcommand, the value holds its arguments."""
    action = body["actions"][0]
    name, _, word = action["action_id"].removeprefix(ACTION_PREFIX).partition(":")
    words = [_spaced(name, registry), str(action.get("value") or "")]
    if word in (SHARE, FIGURES):
        words.append(SHARE)
    made_by = str(action.get("block_id") or "")
    return Delivery(
        line=" ".join(words).strip(),
        person=_person(body),
        channel=body["channel"]["id"],
        response_url=body.get("response_url"),
        team=_team(body),
        trigger=trigger(body),
        clicked=True,
        thread=_message(body) if word == FIGURES else None,
        replaces=word != SHARE and made_by == f"{ACTION_PREFIX}{name}",
    )


def from_form(body: Mapping[str, Any], registry: Registry) -> Delivery:
    """Read a submitted form: the callback ID names the subcommand, the fields its arguments."""
    view = body["view"]
    command = _form_of(view, registry)
    channel, said = _kept(view)
    typed = Grammar(command.usage, command.usage_line).line(_values(view))
    return Delivery(
        line=" ".join(part for part in (command.name, said, typed) if part),
        person=_person(body),
        channel=channel,
        team=_team(body),
        trigger=trigger(body),
    )


def look_over(
    body: Mapping[str, Any], registry: Registry, environment: Environment, *, now: datetime
) -> Found:
    """Look over a submitted form, where its subcommand does; None where nothing is to be said."""
    view = body["view"]
    command = _form_of(view, registry)
    if not isinstance(command.form, Checked):
        return None
    return command.form.check(Filled(_values(view), _kept(view)[1], environment, now))


def _form_of(view: Mapping[str, Any], registry: Registry) -> Command:
    return registry.find(_spaced(view["callback_id"].removeprefix(ACTION_PREFIX), registry))[0]


def _values(view: Mapping[str, Any]) -> dict[str, str]:
    """Give what a form's fields hold, by their names."""
    return {
        action_id: _value(state)
        for fields in view["state"]["values"].values()
        for action_id, state in fields.items()
    }


def _kept(view: Mapping[str, Any]) -> tuple[str, str]:
    """Give what travels with a form: the channel it was opened in, and what the click had said."""
    channel, _, said = str(view["private_metadata"]).partition(" ")
    return channel, said


def _spaced(name: str, registry: Registry) -> str:
    """Give a two-word name its space back."""
    spaced = name.replace("-", " ")
    return spaced if any(spaced == command.name for command in registry) else name


def _message(body: Mapping[str, Any]) -> str | None:
    """Give the timestamp of the clicked message, or of the one that its thread is below."""
    message = body.get("message") or {}
    found = message.get("thread_ts") or (body.get("container") or {}).get("message_ts")
    return str(found) if found else None


def _team(body: Mapping[str, Any]) -> str:
    """Give the person's own workspace; in a shared channel it is not the app's."""
    return str(body["user"].get("team_id") or (body.get("team") or {}).get("id") or "")


def _person(body: Mapping[str, Any]) -> Person:
    user = body["user"]
    return Person(user["id"], str(user.get("name") or user.get("username") or user["id"]))


def _whose(body: Mapping[str, Any]) -> str:
    """Give the ID of whoever sent a delivery, whatever it is; it may be none of Slack's."""
    user = body.get("user")
    return str((user.get("id") if isinstance(user, Mapping) else body.get("user_id")) or "")


def _at_first_field(body: Mapping[str, Any], why: str) -> Found:
    fields = body["view"]["state"]["values"]
    return {next(iter(fields)): why} if fields else None


def _value(state: Mapping[str, Any]) -> str:
    """Give what a field holds, whatever kind of field it is."""
    if state.get("selected_option"):
        return str(state["selected_option"]["value"])
    if state.get("selected_options"):
        return " ".join(option["value"] for option in state["selected_options"])
    found = state.get("value") or state.get("selected_date") or state.get("selected_time")
    return str(found or "")


class Conversation:
    """Shows the answers to one delivery: to the person alone, in the channel, or as a form."""

    def __init__(self, api: SlackApi, delivery: Delivery) -> None:
        self._api = api
        self._delivery = delivery
        self._posted: str | None = None

    async def show(self, answer: Answer) -> None:
        """Show an answer; what is done takes the place of what was shown of it before."""
        reply, place = answer.reply, self._delivery
        asked_for = answer.shared or place.thread is not None
        if not (answer.form or reply.picture or answer.public or asked_for):
            made_by = answer.command
            await self.whisper(
                message(reply.text, reply.blocks, made_by=made_by, buttons=reply.buttons)
            )
            return
        try:
            if answer.form is not None:
                await self._open(answer.form)
            elif reply.picture is not None:
                await self._show_picture(answer, reply.picture)
            elif answer.public:
                await self._post(self._signed(answer, "by {}"))
            else:
                # What was asked for below a message is answered there, whatever the answer is.
                shown = self._signed(answer, "Asked for by {}" if place.thread else "Shared by {}")
                await self._api.post(place.channel, shown, thread=place.thread)
        except SlackRefused as error:
            _log.warning("an answer could not be shown", command=answer.command, code=error.code)
            await self.whisper(self._instead(answer, error.code))

    async def whisper(self, shown: Message) -> None:
        """Answer the person alone."""
        place = self._delivery
        if place.response_url is None:
            await self._api.whisper(place.channel, place.person.id, shown)
            return
        await self._api.answer(
            place.response_url,
            shown,
            replace=place.replaces,
            channel=place.channel,
            person=place.person.id,
        )

    async def _open(self, form: Form) -> None:
        if self._delivery.trigger is not None:
            await self._api.open_form(self._delivery.trigger, view(form, self._delivery.channel))

    async def _post(self, shown: Message) -> None:
        """Show what is being done, in one message from its beginning to its end."""
        if self._posted is None:
            self._posted = await self._api.post(self._delivery.channel, shown)
        else:
            await self._api.update(self._delivery.channel, self._posted, shown)

    async def _show_picture(self, answer: Answer, content: bytes) -> None:
        """Show a picture, and what it shows in words."""
        await self._api.show_picture(
            self._delivery.channel,
            content,
            name=f"{answer.command}.png",
            described=re.sub(r"[*`]", "", answer.reply.text),
            text=self._signed(answer, "Asked for by {}").plain,
        )

    def _signed(self, answer: Answer, by: str) -> Message:
        """Draw an answer for all; it says whose doing it is."""
        reply = answer.reply
        blocks = [*reply.blocks, context(mark(by, self._delivery.person.name))]
        return message(reply.text, blocks, buttons=reply.buttons if answer.public else ())

    def _instead(self, answer: Answer, code: str) -> Message:
        """Draw what the person reads where Slack does not show an answer."""
        if answer.form is not None:
            text = (
                f"The form did not open (Slack said {code}). Nothing was changed. Try again, "
                f"or type it: `help {answer.form.command}` shows how."
            )
        elif answer.reply.picture is not None:
            text = _no_picture(code)
            return message(text, [section(text), *answer.reply.blocks])
        elif answer.public:
            # It was done all the same, so at least the person must hear of it.
            reply = answer.reply
            unseen = section(f"The channel does not see this: {why_refused(code)}.")
            return message(reply.text, [*reply.blocks, unseen], buttons=reply.buttons)
        else:
            text = f"I could not share this: {why_refused(code)}. Try again later."
        return message(text, [section(text)])


def _no_picture(code: str) -> str:
    if code == "missing_scope":
        return (
            "No picture: the Slack app lacks the scope `files:write`. Whoever deploys the bot must "
            "add it, and install the app again."
        )
    return f"No picture: {why_refused(code)}. Try again later."


class SlackApp:
    """Takes deliveries from Slack and answers them.

    Slack is acknowledged first. The rest is a task: what raises within about 10 ms of an
    acknowledgement takes it back.
    """

    def __init__(
        self,
        *,
        api: SlackApi,
        identity: Identity,
        channels: Channels,
        dispatcher: Dispatcher,
        registry: Registry,
        tasks: Tasks,
        apologies: Tasks,
        services: Mapping[str, Services],
    ) -> None:
        self._api = api
        self._identity = identity
        self._channels = channels
        self._dispatcher = dispatcher
        self._registry = registry
        self._tasks = tasks
        self._apologies = apologies
        self._services = services
        self._seen: OrderedDict[str, float] = OrderedDict()
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
            client=self._api.anonymous,
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
        if why := self._crowded(body):
            await ack(text=why, response_type="ephemeral")
            return
        await ack()
        self._accept(body, from_slash)

    async def _button(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        await ack()
        self._accept(body, lambda body: from_button(body, self._registry))

    async def _form(self, ack: AsyncAck, body: dict[str, Any]) -> None:
        why = self._crowded(body)
        # What was typed stays in the form; one without a field is answered as a click is.
        found = _at_first_field(body, why) if why else self._look_over(body)
        if isinstance(found, Form):
            shown = view(found, _kept(body["view"])[0])
            await ack(response_action="update", view=shown)
            return
        if found:
            await ack(response_action="errors", errors=found)
            return
        await ack()
        self._accept(body, lambda body: from_form(body, self._registry))

    def _look_over(self, body: Mapping[str, Any]) -> Found:
        """Look over a form before it is acknowledged; asks nobody, so that it takes no time."""
        try:
            name = self._channels.speaks_for(_kept(body["view"])[0])
            if name is None:
                return None
            environment = self._services[name].environment
            return look_over(body, self._registry, environment, now=datetime.now(UTC))
        except Exception:  # noqa: BLE001 -- still a typed command, whose errors are told elsewhere
            _log.exception("a form could not be looked over")
            return None

    def _accept(
        self, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Delivery]
    ) -> None:
        """Hand a delivery over, unless a copy of it was a moment ago; a late one gets a word."""
        key = trigger(body)
        if key is not None:
            if monotonic() - self._seen.get(key, -_COPIES_SECONDS) < _COPIES_SECONDS:
                return
            self._seen.setdefault(key, monotonic())
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)

        def apologise(why: str) -> None:
            if not self._apologies.full:
                self._apologies.start(self._apologise(body, read, why), name=f"apology {key}")

        if why := self._crowded(body):
            apologise(why)
            return
        self._tasks.start(
            self._work(body, read),
            name=f"delivery {key}",
            person=_whose(body),
            cut=lambda begun: apologise(CUT_SHORT if begun else BUSY),
        )

    def _crowded(self, body: Mapping[str, Any]) -> str:
        """Say why a delivery cannot be taken on now; empty where it can."""
        if self._tasks.full:
            return BUSY
        return TOO_MANY if self._tasks.full_of(_whose(body)) else ""

    async def _apologise(
        self, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Delivery], why: str
    ) -> None:
        delivery = replace(read(body), replaces=False)
        with suppress(SlackRefused):
            await Conversation(self._api, delivery).whisper(message(why, [section(why)]))

    async def _work(
        self, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Delivery]
    ) -> None:
        delivery = read(body)
        environment = await self._channels.environment(delivery.channel, monotonic())
        if environment is None:
            await Conversation(self._api, delivery).whisper(self._elsewhere())
            return
        line = Line(
            text=delivery.line,
            person=delivery.person,
            environment=environment,
            trigger=delivery.trigger,
            clicked=delivery.clicked,
            foreign=bool(delivery.team) and delivery.team != self._identity.team_id,
        )
        await self._dispatcher.answer(line, Conversation(self._api, delivery).show)

    def _elsewhere(self) -> Message:
        """Say where the command can be typed."""
        labels = {name: each.environment.label for name, each in self._services.items()}
        places = [
            mark("{} is in {}", label, self._channels.mention(name))
            for name, label in labels.items()
        ]
        text = mark(
            "This channel has no environment. {}: type the command there.", join(", ", places)
        )
        blocks: list[Block] = [section(text)]
        lost = [f"#{channel} ({labels[name]})" for name, channel in self._channels.unknown.items()]
        if lost:
            blocks.append(
                section(
                    mark(
                        "I am not in {}, or it does not exist. If this is that channel, type "
                        "{} and try again in half a minute.",
                        join(", ", lost),
                        mark("`/invite` <@{}>", self._identity.user_id),
                    )
                )
            )
        return message(text, blocks)
