"""The running process: builds the parts, serves until it is told to stop, and ends in order."""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import click
import structlog

from bot import __version__, config
from bot.building import Parts, build
from bot.domain.errors import FatalError, StateError
from bot.loops import Beat, Loops
from bot.services.pruning import Pruning
from bot.services.workloads import Cluster
from bot.slack.network import Proxy
from bot.storage.chores import Chores
from bot.storage.outbox import Outbox
from bot.storage.retention import forget
from bot.web import Web

_log = structlog.get_logger()

DRAIN_SECONDS = 15.0
FLUSH_SECONDS = 3.0
"""Kubernetes kills after 30 s; the rest is for closing connections."""
SECOND = timedelta(seconds=1)
RENEW_EVERY = timedelta(seconds=2)
TAKE_UP_EVERY = timedelta(seconds=5)
ONCE_A_MINUTE = timedelta(minutes=1)
FORGET_EVERY = timedelta(hours=1)
WATCH_SLACK_EVERY = timedelta(seconds=5)
COMPARE_SERVERS_EVERY = timedelta(minutes=1)
FATAL, INVALID = 1, 2


def utc_now() -> datetime:
    """Give the time in UTC."""
    return datetime.now(UTC)


async def serve(
    path: Path,
    environ: Mapping[str, str],
    stop: asyncio.Event,
    ready: asyncio.Event,
    *,
    clusters: Mapping[str, Cluster] | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> int:
    """Run the bot.

    Parameters
    ----------
    path
        The configuration file.
    environ
        Holds the secrets.
    stop
        Ends it when set: what runs is finished first.
    ready
        Is set when Slack is connected.
    clusters
        What runs the Redis of an environment, by its name, where that is not Kubernetes.
    clock
        Gives the time in UTC.

    Returns
    -------
    int
        The exit code: 0 after `stop`, 2 if the configuration is invalid, 1 for any other reason.
        The reason is on standard error.
    """
    serving = asyncio.create_task(
        _configured(path, environ, stop, ready, clusters=clusters or {}, clock=clock)
    )
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not ready.is_set():
            # Still starting, perhaps waiting for Slack: there is nothing yet to finish.
            serving.cancel()
        await serving
    except asyncio.CancelledError:
        return 0
    except config.ConfigurationError as error:
        click.echo(str(error), err=True)
        return INVALID
    except FatalError as error:
        click.echo(str(error), err=True)
        return FATAL
    finally:
        stopping.cancel()
    return 0


async def _configured(
    path: Path,
    environ: Mapping[str, str],
    stop: asyncio.Event,
    ready: asyncio.Event,
    *,
    clusters: Mapping[str, Cluster],
    clock: Callable[[], datetime],
) -> None:
    settings = config.load(path, environ)
    secrets = config.load_secrets(settings, environ)
    async with AsyncExitStack() as stack:
        proxy = Proxy(environ)
        parts = await build(settings, secrets, proxy, stack, clusters=clusters, clock=clock)
        await _serve(parts, stack, stop, ready)


async def _serve(
    parts: Parts, stack: AsyncExitStack, stop: asyncio.Event, ready: asyncio.Event
) -> None:
    loops = Loops(_beats(parts), clock=parts.clock)
    web = _web(parts, loops, stop, ready)
    # Ended in this order: nothing new is taken, what runs is finished, then the rest is closed.
    stack.push_async_callback(web.aclose)
    stack.push_async_callback(_finish, parts)
    await web.start()
    # Known before the first turn of what only the leader does.
    await parts.leader.tick(parts.clock())
    if parts.sockets is not None:
        stack.push_async_callback(parts.sockets.aclose)
        await parts.sockets.connect()
    # Before all of that: another one leads while this one finishes what runs.
    stack.push_async_callback(parts.leader.aclose)
    _log.info("ready", version=__version__, environments=list(parts.rooms), port=web.port)
    ready.set()
    await loops.run(stop)
    _log.info("stopping")


def _beats(parts: Parts) -> list[Beat]:
    """List what is done again and again, by every process or by the leader alone."""
    leads = parts.leader.leads

    async def expire(now: datetime) -> None:
        for each in parts.rooms.values():
            await each.approvals.tick(now)

    beats = [
        Beat("identities", COMPARE_SERVERS_EVERY, parts.identities.tick),
        Beat("leadership", RENEW_EVERY, parts.leader.tick),
        Beat("expiry", SECOND, expire),
        Beat("cards", SECOND, parts.speaking.cards.tick, wake=parts.speaking.cards.wake),
        Beat("notices", SECOND, parts.speaking.notices.tick, wake=parts.speaking.notices.wake),
        Beat("pages", SECOND, parts.speaking.pager.tick, wake=parts.speaking.pager.wake),
        Beat("positions", SECOND, parts.seen.tick, wake=parts.seen.wake),
        Beat("interrupted", TAKE_UP_EVERY, parts.execution.tick, when=leads),
        Beat("retention", FORGET_EVERY, partial(forget, parts.database), when=leads),
    ]
    for name, watch in parts.watches.items():
        every = parts.settings.alarms_for(name).poll
        room = parts.rooms[name]
        # The end of a window, or of a restart, has everything looked at at once.
        ended = room.maintenance.ended
        beats += [
            Beat(f"watch {name}", every, watch.tick, wake=ended, when=leads),
            Beat(f"maintenance {name}", SECOND, room.maintenance.tick, when=leads),
            Beat(f"nights {name}", ONCE_A_MINUTE, room.nights.tick, when=leads),
            Beat(f"workload {name}", ONCE_A_MINUTE, room.workloads.tick, when=leads),
        ]
    if parts.heartbeat is not None:
        beats.append(Beat("heartbeat", ONCE_A_MINUTE, partial(_heart, parts), when=leads))
    daily = parts.settings.prune.daily
    if daily is not None:
        chores = Chores(parts.database)
        outbox = Outbox(parts.database)
        pruning = Pruning(parts.rooms, chores, outbox, daily=daily, holder=parts.holder)
        beats.append(Beat("prune", ONCE_A_MINUTE, pruning.tick, when=leads))
    if parts.sockets is not None:
        beats.append(Beat("slack", WATCH_SLACK_EVERY, parts.sockets.tick))
    return beats


async def _heart(parts: Parts, now: datetime) -> None:
    """Beat as long as every watch looks."""
    if parts.heartbeat is None:
        return
    late = [name for name, watch in parts.watches.items() if watch.late(now)]
    if late:
        _log.error("no heartbeat: a watch does not look", environments=late)
        return
    await parts.heartbeat.beat()


def _web(parts: Parts, loops: Loops, stop: asyncio.Event, ready: asyncio.Event) -> Web:
    async def livez() -> list[str]:
        return [f"loop {name} is stuck" for name in loops.stuck(parts.clock())]

    async def readyz() -> list[str]:
        if stop.is_set() or not ready.is_set():
            return ["stopping" if stop.is_set() else "starting"]
        wrong = []
        if parts.sockets and not await parts.sockets.count():
            wrong.append("not connected to Slack")
        try:
            await parts.database.ping()
        except StateError as error:
            wrong.append(str(error))
        return wrong

    async def figures() -> bytes:
        # The leader's watch has just looked; a follower looks when it is asked.
        leads = parts.leader.leads()
        late = [
            name for name, watch in parts.watches.items() if not leads or watch.late(parts.clock())
        ]
        rooms = [parts.rooms[name] for name in late]
        await asyncio.gather(*(each.streams.look(each.environment.instruments) for each in rooms))
        return parts.metrics.text()

    return Web(
        parts.settings.http.host,
        parts.settings.http.port,
        livez=livez,
        readyz=readyz,
        metrics=figures,
        events=parts.requests.answer if parts.requests else None,
    )


async def _finish(parts: Parts) -> None:
    """Let what runs come to its end, then show, say and write down what came of it."""
    parts.execution.let_go()
    await asyncio.gather(*(tasks.drain(DRAIN_SECONDS) for tasks in parts.tasks))
    await parts.speaking.finish(parts.clock(), FLUSH_SECONDS)
    with suppress(StateError):
        await parts.seen.tick(parts.clock())
