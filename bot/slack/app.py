"""The Slack edge: one listener each for slash commands, buttons and forms.

Slack is acknowledged before anything else is done. Then the work is handed to a tracked task and
the listener returns: what raises within about 10 ms of an acknowledgement takes it back.
"""

import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from logging import getLogger
from time import monotonic
from typing import Any

import structlog
from slack_bolt.async_app import AsyncAck, AsyncApp
from slack_bolt.authorization import AuthorizeResult

from bot.command import Registry
from bot.dispatch import LATE_COPY, Dispatcher, Line
from bot.domain.environments import Environment
from bot.render.blocks import ACTION_PREFIX, Block, Markup, Message, mark, message, section
from bot.render.forms import Form, Found, view
from bot.slack.channels import Channels
from bot.slack.conversation import Conversation
from bot.slack.deliveries import (
    Delivery,
    from_button,
    from_form,
    from_slash,
    look_over,
    opened_in,
    trigger,
)
from bot.slack.web import Identity, Web
from bot.tasks import Tasks

_log = structlog.get_logger()

REMEMBERED = 10_000
"""Deliveries remembered, to know a copy; Slack repeats one within minutes."""

COPIES_SECONDS = LATE_COPY.total_seconds()

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
    environments
        Every environment by name, for what a form can be told before it is acknowledged.
    margin
        What maintenance keeps free before and after the night.
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
        environments: Mapping[str, Environment] | None = None,
        margin: timedelta = timedelta(0),
    ) -> None:
        self._web = web
        self._identity = identity
        self._channels = channels
        self._dispatcher = dispatcher
        self._registry = registry
        self._tasks = tasks
        self._labels = labels
        self._environments = environments or {}
        self._margin = margin
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
        found = self._look_over(body)
        if isinstance(found, Form):
            shown = view(found, opened_in(body))
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
            channel = opened_in(body)
            environment = next(
                (
                    each
                    for name, each in self._environments.items()
                    if self._channels.id_of(name) == channel
                ),
                None,
            )
            if environment is None:
                return None
            now = datetime.now(UTC)
            return look_over(body, self._registry, environment, margin=self._margin, now=now)
        except Exception:  # noqa: BLE001 -- still a typed command, whose errors are told elsewhere
            _log.exception("a form could not be looked over")
            return None

    def _accept(
        self, body: Mapping[str, Any], read: Callable[[Mapping[str, Any]], Delivery]
    ) -> None:
        """Hand a delivery over, unless a copy of it was a moment ago; a late one gets a word."""
        key = trigger(body)
        if key is not None:
            if monotonic() - self._seen.get(key, -COPIES_SECONDS) < COPIES_SECONDS:
                return
            self._seen.setdefault(key, monotonic())
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
            await Conversation(self._web, delivery).whisper(self._elsewhere())
            return
        line = Line(
            text=delivery.line,
            person=delivery.person,
            environment=environment,
            trigger=delivery.trigger,
            clicked=delivery.clicked,
            foreign=bool(delivery.team) and delivery.team != self._identity.team_id,
        )
        await self._dispatcher.answer(line, Conversation(self._web, delivery).show)

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
