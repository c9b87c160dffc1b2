"""The composition root: everything is built here, connected, and ended in order.

What is built is passed on as values; nobody else reads the configuration or the environment.
"""

import asyncio
import importlib
import pkgutil
import platform
from collections.abc import Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import monotonic, time

import click
import structlog

import commands
from bot import __version__, config
from bot.command import Deployment, Place, Registry
from bot.dispatch import Dispatcher
from bot.domain.errors import FatalError, SameRedis, StateError
from bot.execution import Execution
from bot.loops import Beat, Loops
from bot.metrics import Metrics
from bot.render import errors
from bot.render.blocks import message
from bot.rooms import Shared, environments, room
from bot.services.identities import Identities
from bot.services.leadership import Leader
from bot.services.positions import LastSeen
from bot.services.pruning import Pruning
from bot.services.rooms import Room
from bot.slack.app import SlackApp
from bot.slack.channels import Channels
from bot.slack.http import Events
from bot.slack.network import Proxy
from bot.slack.notices import Notices
from bot.slack.people import Directory
from bot.slack.posts import Cards
from bot.slack.sockets import Sockets
from bot.slack.web import Web as SlackWeb
from bot.storage.approvals import Requests
from bot.storage.chores import Chores
from bot.storage.database import Database
from bot.storage.deliveries import Deliveries
from bot.storage.leadership import Leadership
from bot.storage.outbox import Outbox
from bot.storage.positions import Positions
from bot.storage.posts import Posts
from bot.storage.retention import forget
from bot.tasks import Tasks
from bot.web import Web

_log = structlog.get_logger()

COMMAND_LIMIT = timedelta(seconds=60)
DRAIN_SECONDS = 18.0
FLUSH_SECONDS = 3.0
"""Kubernetes kills after 30 s; the rest is for closing connections."""
SECOND = timedelta(seconds=1)
RENEW_EVERY = timedelta(seconds=5)
TAKE_UP_EVERY = timedelta(seconds=5)
PRUNE_EVERY = timedelta(minutes=1)
FORGET_EVERY = timedelta(hours=6)
WATCH_SLACK_EVERY = timedelta(seconds=5)
COMPARE_SERVERS_EVERY = timedelta(minutes=1)
FATAL, INVALID = 1, 2


async def serve(
    path: Path, environ: Mapping[str, str], stop: asyncio.Event, ready: asyncio.Event
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

    Returns
    -------
    int
        The exit code: 0 after `stop`, 2 if the configuration is invalid, 1 for any other reason.
        The reason is on standard error.
    """
    serving = asyncio.create_task(_configured(path, environ, stop, ready))
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
    path: Path, environ: Mapping[str, str], stop: asyncio.Event, ready: asyncio.Event
) -> None:
    settings = config.load(path, environ)
    secrets = config.load_secrets(settings, environ)
    async with AsyncExitStack() as stack:
        await _serve(settings, secrets, Proxy(environ), stack, (stop, ready))


@dataclass(frozen=True)
class _Parts:
    """What the process is made of, once it is built."""

    settings: config.Settings
    metrics: Metrics
    database: Database
    leader: Leader
    holder: str
    rooms: Mapping[str, Room]
    seen: LastSeen
    execution: Execution
    outbox: Outbox
    cards: Cards
    notices: Notices
    sockets: Sockets | None
    requests: Events | None
    identities: Identities
    tasks: tuple[Tasks, Tasks]


async def _serve(
    settings: config.Settings,
    secrets: config.Secrets,
    proxy: Proxy,
    stack: AsyncExitStack,
    events: tuple[asyncio.Event, asyncio.Event],
) -> None:
    stop, ready = events
    parts = await _build(settings, secrets, proxy, stack)
    loops = Loops(_beats(parts), clock=_now)
    web = _web(parts, loops, stop, ready)
    # Ended in this order: nothing new is taken, what runs is finished, then the rest is closed.
    stack.push_async_callback(web.aclose)
    stack.push_async_callback(_finish, parts)
    await web.start()
    if parts.sockets is not None:
        stack.push_async_callback(parts.sockets.aclose)
        await parts.sockets.connect()
    _log.info("ready", version=__version__, environments=list(parts.rooms), port=web.port)
    ready.set()
    await loops.run(stop)
    _log.info("stopping")


async def _build(
    settings: config.Settings, secrets: config.Secrets, proxy: Proxy, stack: AsyncExitStack
) -> _Parts:
    """Build from the inside out; the stack ends it all in the opposite order."""
    metrics = Metrics()
    # The pod's name tells people which replica it is; the rest, one start from the next.
    holder = f"{platform.node()}-{token_hex(4)}"
    database = await Database.open(secrets.state_url.get_secret_value())
    stack.push_async_callback(database.aclose)
    slack = SlackWeb(secrets.slack_bot_token.get_secret_value(), secrets.slack_api_url, proxy)
    stack.push_async_callback(slack.aclose)
    identity = await slack.identify()
    if identity.missing_scopes:
        _log.warning("the Slack app lacks scopes", missing=sorted(identity.missing_scopes))
    channels = Channels(slack, {name: one.channel for name, one in settings.environments.items()})
    await channels.resolve()

    leader = Leader(Leadership(database, holder), metrics.leads)
    stack.push_async_callback(leader.aclose)
    served = environments(settings)
    registry = find_commands()
    deployment = Deployment(
        slash=settings.slack.command,
        version=__version__,
        started=_now(),
        places=tuple(Place(one, channels.mention(one.name)) for one in served),
        workspace=identity.url,
        leader=leader.holder,
    )
    rooms: dict[str, Room] = {}
    deliveries, executions = Tasks(), Tasks(at_once=20)
    execution = Execution(registry, rooms, deployment, tasks=executions, clock=_now)
    kept, posts, outbox = Requests(database), Posts(database), Outbox(database)
    cards = Cards(slack, channels, posts=posts, requests=kept, rooms=rooms, holder=holder)
    notices = Notices(
        slack,
        channels,
        outbox=outbox,
        posts=posts,
        requests=kept,
        rooms=rooms,
        holder=holder,
        leads=leader.leads,
    )

    def changed() -> None:
        cards.wake.set()
        notices.wake.set()

    seen = LastSeen(Positions(database))
    shared = Shared(
        settings=settings,
        secrets=secrets,
        database=database,
        seen=seen,
        directory=Directory(slack, monotonic),
        metrics=metrics,
        holder=holder,
        carry_out=execution.start,
        changed=changed,
        clock=_now,
    )
    rooms |= {one.name: room(one, shared, stack) for one in served}
    identities = Identities(rooms, partial(_refuse, slack, channels))
    same = await identities.look()
    if same:
        raise config.ConfigurationError([str(error) for error in same])

    dispatcher = Dispatcher(
        registry,
        rooms,
        deployment,
        metrics,
        allow=identities.check,
        first=Deliveries(database).first,
        clock=_now,
        limit=COMMAND_LIMIT,
    )
    app = SlackApp(
        web=slack,
        identity=identity,
        channels=channels,
        dispatcher=dispatcher,
        registry=registry,
        tasks=deliveries,
        labels={name: each.environment.label for name, each in rooms.items()},
    )
    sockets, requests = None, None
    if secrets.slack_app_token is not None and settings.slack.mode == "socket":
        app_token = secrets.slack_app_token.get_secret_value()
        sockets = Sockets(app.bolt, slack, app_token, proxy, connected=metrics.slack_connections)
    elif secrets.slack_signing_secret is not None:
        requests = Events(app.bolt, secrets.slack_signing_secret.get_secret_value(), clock=time)
    return _Parts(
        settings=settings,
        metrics=metrics,
        database=database,
        leader=leader,
        holder=holder,
        rooms=rooms,
        seen=seen,
        execution=execution,
        outbox=outbox,
        cards=cards,
        notices=notices,
        sockets=sockets,
        requests=requests,
        identities=identities,
        tasks=(deliveries, executions),
    )


def _beats(parts: _Parts) -> list[Beat]:
    """List what is done again and again, by every process or by the leader alone."""
    leads = parts.leader.leads

    async def expire(now: datetime) -> None:
        for each in parts.rooms.values():
            await each.approvals.tick(now)

    beats = [
        Beat("identities", COMPARE_SERVERS_EVERY, parts.identities.tick),
        Beat("leadership", RENEW_EVERY, parts.leader.tick),
        Beat("expiry", SECOND, expire),
        Beat("cards", SECOND, parts.cards.tick, wake=parts.cards.wake),
        Beat("notices", SECOND, parts.notices.tick, wake=parts.notices.wake),
        Beat("positions", SECOND, parts.seen.tick, wake=parts.seen.wake),
        Beat("interrupted", TAKE_UP_EVERY, parts.execution.tick, when=leads),
        Beat("retention", FORGET_EVERY, partial(forget, parts.database), when=leads),
    ]
    daily = parts.settings.prune.daily
    if daily is not None:
        chores = Chores(parts.database)
        pruning = Pruning(parts.rooms, chores, parts.outbox, daily=daily, holder=parts.holder)
        beats.append(Beat("prune", PRUNE_EVERY, pruning.tick, when=leads))
    if parts.sockets is not None:
        beats.append(Beat("slack", WATCH_SLACK_EVERY, parts.sockets.tick))
    return beats


def _web(parts: _Parts, loops: Loops, stop: asyncio.Event, ready: asyncio.Event) -> Web:
    async def livez() -> list[str]:
        return [f"loop {name} is stuck" for name in loops.stuck(_now())]

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
        # Looked at when asked for, so that no figure is older than its scrape.
        rooms = parts.rooms.values()
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


async def _finish(parts: _Parts) -> None:
    """Let what runs come to its end, then show, say and write down what came of it."""
    await asyncio.gather(*(tasks.drain(DRAIN_SECONDS) for tasks in parts.tasks))
    for service in (parts.cards, parts.notices):
        with suppress(StateError):
            await service.tick(_now())
        await service.aclose(FLUSH_SECONDS)
    with suppress(StateError):
        await parts.seen.tick(_now())


async def _refuse(slack: SlackWeb, channels: Channels, environment: str, error: SameRedis) -> None:
    """Tell a channel that its environment is refused from now on."""
    text, blocks = errors.same_redis(error)
    channel = channels.id_of(environment)
    if channel is not None:
        await slack.post(channel, message(text, blocks))


def find_commands() -> Registry:
    """Collect the subcommands of every module in `commands`.

    Raises
    ------
    ValueError
        If two of them claim one name.
    """
    return Registry(
        command
        for module in pkgutil.iter_modules(commands.__path__)
        for command in importlib.import_module(f"commands.{module.name}").COMMANDS
    )


def _now() -> datetime:
    return datetime.now(UTC)
