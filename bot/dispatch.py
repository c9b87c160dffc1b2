"""From a typed line to replies: find the subcommand, read its arguments, check the right, run it.

The one place where errors become replies. What a person can act on is told to that person; all
else is logged with its traceback under a reference code, and the person gets the code.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import aclosing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, cast

import structlog

from bot.command import SHARE, Act, Call, Change, Command, Deployment, Read, Registry, Reply
from bot.domain.approvals import AuditLine
from bot.domain.environments import Person, Right
from bot.domain.errors import CannotLookUp, Refused, StateError, UserError
from bot.domain.notices import NOT_KNOWN
from bot.execution import Execution
from bot.metrics import Metrics
from bot.render import errors
from bot.render.blocks import section
from bot.render.forms import Form
from bot.render.words import clock
from bot.services.environments import Identities, Services
from bot.storage.lease import Deliveries

_log = structlog.get_logger()

# Without 0, 1, I and O, which are read aloud wrongly.
_REFERENCE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


LATE_COPY = timedelta(seconds=10)
"""A copy of a delivery that comes later than this is a replay, not Slack's own haste."""

_LONGEST_ACTION = 500
"""Characters of a refused line that the audit keeps."""

_KEPT = (Refused, CannotLookUp)
"""Refusals that the audit keeps; a slip of the finger is none."""


class _Copy(Exception):
    """A delivery that another replica, or another connection, has taken at the same time."""


@dataclass(frozen=True)
class Line:
    """A line as it was typed, by whom and in which environment's channel.

    Parameters
    ----------
    trigger
        ID that every copy of one delivery shares; None where there is none.
    foreign
        True for a person of another workspace.
    """

    text: str
    person: Person
    environment: str
    trigger: str | None = None
    clicked: bool = False
    foreign: bool = False


@dataclass(frozen=True)
class Answer:
    """A reply, and where it goes.

    Parameters
    ----------
    command
        Name of the subcommand whose answer this is; empty for the short status and for errors.
    shared
        True if the person asked to show it to the channel.
    public
        True for what was done: it is shown in the channel, and takes the place of the one before.
    """

    reply: Reply
    command: str = ""
    shared: bool = False
    public: bool = False
    form: Form | None = None


Show = Callable[[Answer], Awaitable[None]]


class Dispatcher:
    """Answers lines.

    Parameters
    ----------
    identities
        Refuse an environment that shares its Redis with another one.
    deliveries
        Remember what has come, for all replicas.
    limit
        Time after which a step of a command is given up.
    """

    def __init__(
        self,
        registry: Registry,
        services: Mapping[str, Services],
        deployment: Deployment,
        execution: Execution,
        metrics: Metrics,
        *,
        identities: Identities,
        deliveries: Deliveries,
        clock: Callable[[], datetime],
        limit: timedelta,
    ) -> None:
        self._registry = registry
        self._services = services
        self._deployment = deployment
        self._execution = execution
        self._metrics = metrics
        self._identities = identities
        self._deliveries = deliveries
        self._clock = clock
        self._limit = limit.total_seconds()
        self._under_way = Counter[tuple[str, str]]()

    async def answer(self, line: Line, show: Show) -> None:
        """Answer a line, perhaps in several steps.

        Raises
        ------
        Exception
            What showing the last answer raised; the line itself never raises.
        """
        started = perf_counter()
        reference = "".join(secrets.choice(_REFERENCE_LETTERS) for _ in range(4))
        # What was typed may be anything; only names of ours reach a log line or a metric.
        name = "unknown"
        # Never unbound: a delivery is a task of its own, and sending the answer is part of it.
        structlog.contextvars.bind_contextvars(
            command=name, person=line.person.id, environment=line.environment, reference=reference
        )
        command: Command | None = None
        answer: Answer | None = None
        try:
            _welcome(line)
            command, rest = self._registry.find(line.text)
            name = command.name or "status"
            structlog.contextvars.bind_contextvars(command=name)
            # Closed whatever happens: what was begun is written down.
            async with aclosing(self._steps(command, rest, line)) as steps:
                while True:
                    async with asyncio.timeout(self._limit):
                        following = await anext(steps, None)
                    if following is None:
                        break
                    if answer is not None:
                        await self._show_on_the_way(answer, show)
                    answer = following
            outcome = "ok"
        except _Copy:
            return
        except Exception as error:  # noqa: BLE001 -- this is the one place for it
            answer, outcome = self._mistake(error, line, reference)
            if isinstance(error, _KEPT) and not isinstance(command, Read):
                await self._note_refusal(line, answer.reply.text)
        took = timedelta(seconds=perf_counter() - started)
        self._metrics.command(name, outcome, took)
        _log.info("command answered", outcome=outcome, seconds=round(took.total_seconds(), 3))
        if answer is not None:
            await show(answer)

    async def _show_on_the_way(self, answer: Answer, show: Show) -> None:
        try:
            await show(answer)
        except Exception:  # noqa: BLE001 -- what is being done goes on, whether Slack shows it or not
            _log.exception("progress could not be shown")

    async def _steps(self, command: Command, rest: str, line: Line) -> AsyncGenerator[Answer]:
        words = rest.split()
        shared = isinstance(command, Read) and bool(words) and words[-1].lower() == SHARE
        if shared:
            rest = rest[: -len(SHARE)]
        self._identities.check(line.environment)
        call = Call(
            command=command,
            arguments=command.grammar.parse(rest),
            person=line.person,
            services=self._services[line.environment],
            deployment=self._deployment,
            registry=self._registry,
            now=self._clock(),
            clicked=line.clicked,
        )
        form = command.form(call) if command.form else None
        if form is not None:
            yield Answer(Reply(""), command.name, form=form)
            return
        if call.arguments.missing:
            raise call.mistake("Something is missing.")
        match command:
            case Read():
                if command.right is not Right.ANYBODY:
                    await call.services.rights.require(command.right, call.person)
                with self._room(command, call):
                    reply = await command.run(call)
                yield Answer(reply, command.name, shared)
            case Act():
                await self._admit(command, call, line)
                run = cast("AsyncGenerator[Reply]", command.run(call))
                async with aclosing(run) as replies:
                    async for reply in replies:
                        if reply.approved is not None:
                            self._execution.start(reply.approved)
                        yield Answer(reply, command.name, public=not reply.private)
            case Change():
                await self._admit(command, call, line)
                yield Answer(await self._ask(command, call))

    @contextmanager
    def _room(self, command: Read, call: Call) -> Iterator[None]:
        """Let one person have only so many of a command under way that takes much.

        Raises
        ------
        UserError
            If there are.
        """
        mine = (call.person.id, command.name)
        if command.at_once is not None and self._under_way[mine] >= command.at_once:
            raise UserError(
                f"You have {command.at_once} of `{command.name}` under way. Ask again when they "
                "have come."
            )
        self._under_way[mine] += 1
        try:
            yield
        finally:
            self._under_way[mine] -= 1
            self._under_way += Counter()

    async def _admit(self, command: Command, call: Call, line: Line) -> None:
        """Let through once, whichever replica it comes to, what its sender may do.

        Raises
        ------
        Refused
            For a late copy.
        _Copy
            For one that came at the same time; nobody waits for a second answer.
        """
        came = await self._deliveries.first(line.trigger, call.now) if line.trigger else None
        if came is not None:
            if call.now - came > LATE_COPY:
                raise Refused("I have had this one before, so nothing was done twice.")
            raise _Copy
        await call.services.rights.require(command.right, call.person)

    async def _ask(self, command: Change[Any], call: Call) -> Reply:
        """Make a plan, and ask for its approval."""
        if call.environment.read_only:
            raise Refused(
                f"{call.environment.label} is read-only: nothing may be changed there. "
                f"The bot's configuration says so (environments.{call.environment.name}.read_only)."
            )
        plan = await command.plan(call)
        options = {key: value for key, value in call.arguments.options.items() if key != "reason"}
        typed = replace(call.arguments, options=options, rest="").typed
        reason = call.arguments.options.get("reason", call.arguments.rest)
        request = await call.services.approvals.request(
            command.name, typed, plan, call.person, call.now, reason=reason
        )
        until, number = clock(request.expires, now=request.asked), request.id
        post = await call.services.posts.settled(number)
        if post is None:
            text = (
                f"Request {number} is asked for, open until {until} UTC. Nobody knows whether its "
                f"card is in the channel: {NOT_KNOWN}. `requests {number}` shows it as soon as it "
                "does."
            )
        elif post.current:
            text = (
                f"Request {number} is in the channel, open until {until} UTC. You are "
                "mentioned in its thread when it is decided."
            )
        elif post.given_up:
            text = (
                f"Request {number} is closed, nothing was changed: its card could not be shown, "
                f"{post.reason}."
            )
        else:
            text = (
                f"Request {number} is asked for, open until {until} UTC, and not in the channel: "
                f"{post.reason}. It comes as soon as it can; `requests {number}` shows it "
                "meanwhile."
            )
        return Reply(text, [section(text)])

    async def _note_refusal(self, line: Line, why: str) -> None:
        """Keep in the audit what was refused, and why."""
        try:
            await self._services[line.environment].audit.add(
                AuditLine(
                    self._clock(),
                    line.environment,
                    line.text[:_LONGEST_ACTION],
                    line.person,
                    "refused",
                    answer=why,
                )
            )
        except StateError:
            _log.exception("a refusal could not be written to the audit", refused=why)

    def _mistake(self, error: Exception, line: Line, reference: str) -> tuple[Answer, str]:
        """Say what the person can do about an error; and the word for it in metrics."""
        environment = self._services[line.environment].environment
        (text, blocks, buttons), outcome = errors.draw(
            error, environment, self._deployment.slash, reference, self._limit
        )
        if isinstance(error, StateError | CannotLookUp):
            _log.error("what the bot itself relies on failed", exc_info=error)
        elif outcome == "timeout":
            _log.error("command given up", limit=self._limit, exc_info=error)
        elif outcome == "failed":
            _log.error("command failed", exc_info=error)
        return Answer(Reply(text, blocks, buttons)), outcome


def _welcome(line: Line) -> None:
    """Refuse people of other workspaces, whatever they type."""
    if line.foreign:
        raise Refused("You are from another workspace, so I did nothing. Ask somebody here.")
