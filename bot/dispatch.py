"""From a typed line to a reply: find the subcommand, read its arguments, run it.

The one place where errors become replies. What a person can act on is told to that person; all
else is logged with its traceback under a reference code, and the person gets the code.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter

import structlog

from bot.command import SHARE, Call, Deployment, Person, Read, Registry, Reply
from bot.domain.errors import RedisForbidden, RedisUnreachable, SameRedis, UserError
from bot.metrics import Metrics
from bot.render import errors
from bot.render.blocks import Block, Markup
from bot.services.rooms import Room

_log = structlog.get_logger()

# Without 0, 1, I and O, which are read aloud wrongly.
_REFERENCE_LETTERS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"


@dataclass(frozen=True)
class Line:
    """A line as it was typed, by whom and in which environment's channel."""

    text: str
    person: Person
    environment: str


@dataclass(frozen=True)
class Answer:
    """A reply, and where it goes.

    Parameters
    ----------
    reply
        What to show.
    command
        Name of the subcommand whose answer this is; empty for the short status and for errors.
    shared
        True if the person asked to show it to the channel.
    """

    reply: Reply
    command: str = ""
    shared: bool = False


class Dispatcher:
    """Answers lines.

    Parameters
    ----------
    registry
        Every subcommand.
    rooms
        Every environment's services, by name.
    deployment
        What is the same for every call.
    metrics
        Counts commands.
    allow
        Raises `SameRedis` for an environment that is refused.
    clock
        Gives the time in UTC.
    limit
        Time after which a command is given up.
    """

    def __init__(
        self,
        registry: Registry,
        rooms: Mapping[str, Room],
        deployment: Deployment,
        metrics: Metrics,
        *,
        allow: Callable[[str], None],
        clock: Callable[[], datetime],
        limit: timedelta,
    ) -> None:
        self._registry = registry
        self._rooms = rooms
        self._deployment = deployment
        self._metrics = metrics
        self._allow = allow
        self._clock = clock
        self._limit = limit.total_seconds()

    async def answer(self, line: Line) -> Answer:
        """Answer a line. Never raises but `asyncio.CancelledError`."""
        started = perf_counter()
        reference = "".join(secrets.choice(_REFERENCE_LETTERS) for _ in range(4))
        # What was typed may be anything; only names of ours reach a log line or a metric.
        name = "unknown"
        # Never unbound: a delivery is a task of its own, and sending the answer is part of it.
        structlog.contextvars.bind_contextvars(
            command=name, person=line.person.id, environment=line.environment, reference=reference
        )
        environment = self._rooms[line.environment].environment
        try:
            command, rest = self._registry.find(line.text)
            name = command.name or "status"
            structlog.contextvars.bind_contextvars(command=name)
            async with asyncio.timeout(self._limit):
                answer, outcome = await self._run(command, rest, line), "ok"
        except UserError as error:
            answer, outcome = self._mistake(error), "refused"
        except SameRedis as error:
            answer, outcome = _answer(*errors.same_redis(error)), "refused"
        except RedisUnreachable as error:
            answer, outcome = _answer(*errors.unreachable(error, environment)), "unreachable"
        except RedisForbidden as error:
            answer, outcome = _answer(*errors.forbidden(error, environment)), "forbidden"
        except TimeoutError:
            _log.exception("command given up", limit=self._limit)
            answer, outcome = _answer(*errors.too_slow(self._limit, reference)), "timeout"
        except Exception:  # noqa: BLE001 -- this is the one place for it
            _log.exception("command failed")
            answer, outcome = _answer(*errors.fault(reference)), "failed"
        took = timedelta(seconds=perf_counter() - started)
        self._metrics.command(name, outcome, took)
        _log.info("command answered", outcome=outcome, seconds=round(took.total_seconds(), 3))
        return answer

    async def _run(self, command: Read, rest: str, line: Line) -> Answer:
        words = rest.split()
        shared = bool(words) and words[-1].lower() == SHARE
        if shared:
            rest = rest[: -len(SHARE)]
        self._allow(line.environment)
        room = self._rooms[line.environment]
        reply = await command.run(
            Call(
                name=command.name,
                arguments=command.parse(rest),
                person=line.person,
                environment=room.environment,
                streams=room.streams,
                deployment=self._deployment,
                registry=self._registry,
                now=self._clock(),
            )
        )
        return Answer(reply, command.name, shared)

    def _mistake(self, error: UserError) -> Answer:
        text, blocks, buttons = errors.mistake(error, self._deployment.slash)
        return Answer(Reply(blocks, text, buttons))


def _answer(text: Markup, blocks: Sequence[Block]) -> Answer:
    return Answer(Reply(blocks, text))
