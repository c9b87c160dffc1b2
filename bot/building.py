"""The composition root: everything that a process is made of, built from the inside out.

What is built is passed on as values; nobody else reads the configuration or the environment.
"""

import importlib
import pkgutil
import platform
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from secrets import token_hex
from time import monotonic, time

import structlog

import commands
from bot import __version__, config
from bot.clients.pager_calls import Calls
from bot.clients.pagers import Heartbeat
from bot.command import Deployment, Place, Registry
from bot.dispatch import Dispatcher
from bot.domain.errors import SameRedis
from bot.domain.oncall import Receipt
from bot.execution import Execution
from bot.messengers import Means, Messengers, messengers
from bot.metrics import Metrics
from bot.render import errors
from bot.render.blocks import message
from bot.rooms import Shared, environments, room
from bot.services.addresses import Addresses
from bot.services.environments import Services
from bot.services.identities import Identities
from bot.services.leadership import Leader
from bot.services.positions import LastSeen
from bot.services.watch import Watch
from bot.services.workloads import Cluster
from bot.slack.app import SlackApp
from bot.slack.channels import Channels
from bot.slack.http import Events
from bot.slack.network import Proxy
from bot.slack.people import Directory
from bot.slack.sockets import Sockets
from bot.slack.web import Web as SlackWeb
from bot.storage.database import Database
from bot.storage.deliveries import Deliveries
from bot.storage.leadership import Leadership
from bot.storage.positions import Positions
from bot.storage.posts import Posts
from bot.tasks import Tasks
from bot.watching import Surroundings, heartbeat

_log = structlog.get_logger()

COMMAND_LIMIT = timedelta(seconds=60)


@dataclass(frozen=True)
class Parts:
    """What the process is made of, once it is built."""

    settings: config.Settings
    metrics: Metrics
    database: Database
    leader: Leader
    holder: str
    rooms: Mapping[str, Services]
    seen: LastSeen
    execution: Execution
    speaking: Messengers
    sockets: Sockets | None
    requests: Events | None
    identities: Identities
    watches: Mapping[str, Watch]
    heartbeat: Heartbeat | None
    tasks: tuple[Tasks, Tasks]
    clock: Callable[[], datetime]


async def build(
    settings: config.Settings,
    secrets: config.Secrets,
    proxy: Proxy,
    stack: AsyncExitStack,
    *,
    clusters: Mapping[str, Cluster],
    clock: Callable[[], datetime],
) -> Parts:
    """Build from the inside out; the stack ends it all in the opposite order.

    Parameters
    ----------
    settings, secrets, proxy
        The configuration.
    stack
        Ends what was built.
    clusters
        What runs the Redis of an environment, by its name, where that is not Kubernetes.
    clock
        Gives the time in UTC.
    """
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
    channels = _channels(slack, settings)
    await channels.resolve()

    leader = Leader(Leadership(database, holder), metrics.leads)
    stack.push_async_callback(leader.aclose)
    served = environments(settings)
    registry = find_commands()
    deployment = Deployment(
        slash=settings.slack.command,
        version=__version__,
        started=clock(),
        places=tuple(Place(one, channels.mention(one.name)) for one in served),
        workspace=identity.url,
        leader=leader.holder,
    )
    rooms: dict[str, Services] = {}
    deliveries, executions = Tasks(), Tasks(at_once=20)
    execution = Execution(registry, rooms, deployment, tasks=executions, clock=clock)
    calls = Calls(proxy.for_url, clock=clock)
    stack.push_async_callback(calls.aclose)
    receipts: dict[str, Receipt] = {}
    addresses = Addresses(Posts(database), identity.url)
    speaking = messengers(
        Means(
            settings=settings,
            secrets=secrets,
            slack=slack,
            channels=channels,
            addresses=addresses,
            calls=calls,
            database=database,
            rooms=rooms,
            metrics=metrics,
            receipts=receipts,
            holder=holder,
            leads=leader.leads,
            clock=clock,
        )
    )
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
        changed=speaking.changed,
        clusters=clusters,
        clock=clock,
    )
    around = Surroundings(
        settings=settings,
        database=database,
        metrics=metrics,
        receipts=receipts,
        addresses=addresses,
        holder=holder,
        changed=speaking.changed,
    )
    watches: dict[str, Watch] = {}
    for one in served:
        rooms[one.name], watches[one.name] = room(one, shared, around, stack)
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
        clock=clock,
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
        environments={name: each.environment for name, each in rooms.items()},
        margin=settings.maintenance.margin,
    )
    sockets, requests = _ways(
        app, slack, settings, secrets, proxy, connected=metrics.slack_connections
    )
    return Parts(
        settings=settings,
        metrics=metrics,
        database=database,
        leader=leader,
        holder=holder,
        rooms=rooms,
        seen=seen,
        execution=execution,
        speaking=speaking,
        sockets=sockets,
        requests=requests,
        identities=identities,
        watches=watches,
        heartbeat=heartbeat(settings, secrets, calls),
        tasks=(deliveries, executions),
        clock=clock,
    )


def _channels(slack: SlackWeb, settings: config.Settings) -> Channels:
    named = settings.environments
    alarms = {name: settings.alarms_for(name).channel for name in named}
    return Channels(
        slack,
        {name: one.channel for name, one in named.items()},
        {name: channel for name, channel in alarms.items() if channel is not None},
    )


def _ways(
    app: SlackApp,
    slack: SlackWeb,
    settings: config.Settings,
    secrets: config.Secrets,
    proxy: Proxy,
    *,
    connected: Callable[[int], None],
) -> tuple[Sockets | None, Events | None]:
    """Build the way on which Slack's deliveries come: sockets, or requests to us."""
    if secrets.slack_app_token is not None and settings.slack.mode == "socket":
        app_token = secrets.slack_app_token.get_secret_value()
        return Sockets(app.bolt, slack, app_token, proxy, connected=connected), None
    if secrets.slack_signing_secret is not None:
        return None, Events(app.bolt, secrets.slack_signing_secret.get_secret_value(), clock=time)
    return None, None


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
