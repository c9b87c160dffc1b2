"""The composition root: everything is built here, connected, and ended in order.

What is built is passed on as values; nobody else reads the configuration or the environment.
"""

import asyncio
import importlib
import pkgutil
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from time import time

import click
import structlog

import commands
from bot import __version__, config
from bot.clients.prompt_redis import PromptRedis
from bot.command import Deployment, Place, Registry
from bot.dispatch import Dispatcher
from bot.domain.environments import Environment
from bot.domain.errors import FatalError, SameRedis
from bot.domain.night import Site
from bot.loops import Beat, Loops
from bot.metrics import Metrics
from bot.render import errors
from bot.render.blocks import message
from bot.services.identities import Identities
from bot.services.rooms import Room
from bot.services.streams import Streams
from bot.slack.app import SlackApp
from bot.slack.channels import Channels
from bot.slack.http import Events
from bot.slack.network import Proxy
from bot.slack.sockets import Sockets
from bot.slack.tasks import Tasks
from bot.slack.web import Web as SlackWeb
from bot.web import Web

_log = structlog.get_logger()

COMMAND_LIMIT = timedelta(seconds=60)
DRAIN_SECONDS = 20.0
"""Kubernetes kills after 30 s; the rest is for closing connections."""
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


async def _serve(
    settings: config.Settings,
    secrets: config.Secrets,
    proxy: Proxy,
    stack: AsyncExitStack,
    events: tuple[asyncio.Event, asyncio.Event],
) -> None:
    """Build from the inside out; the stack ends it all in the opposite order."""
    stop, ready = events
    metrics = Metrics()
    rooms = {
        environment.name: _room(environment, settings, secrets, metrics, stack)
        for environment in _environments(settings)
    }
    slack = SlackWeb(secrets.slack_bot_token.get_secret_value(), secrets.slack_api_url, proxy)
    stack.push_async_callback(slack.aclose)
    identity = await slack.identify()
    if identity.missing_scopes:
        _log.warning("the Slack app lacks scopes", missing=sorted(identity.missing_scopes))
    channels = Channels(slack, {name: one.channel for name, one in settings.environments.items()})
    identities = Identities(rooms, partial(_refuse, slack, channels))
    await channels.resolve()
    shared = await identities.look()
    if shared:
        raise config.ConfigurationError([str(error) for error in shared])

    registry = find_commands()
    places = (Place(room.environment, channels.mention(name)) for name, room in rooms.items())
    deployment = Deployment(settings.slack.command, __version__, _now(), tuple(places))
    tasks = Tasks()
    app = SlackApp(
        web=slack,
        identity=identity,
        channels=channels,
        dispatcher=Dispatcher(
            registry,
            rooms,
            deployment,
            metrics,
            allow=identities.check,
            clock=_now,
            limit=COMMAND_LIMIT,
        ),
        registry=registry,
        tasks=tasks,
        labels={name: room.environment.label for name, room in rooms.items()},
    )
    sockets, requests = None, None
    if secrets.slack_app_token is not None and settings.slack.mode == "socket":
        app_token = secrets.slack_app_token.get_secret_value()
        sockets = Sockets(app.bolt, slack, app_token, proxy, connected=metrics.slack_connections)
    elif secrets.slack_signing_secret is not None:
        requests = Events(app.bolt, secrets.slack_signing_secret.get_secret_value(), clock=time)
    loops = Loops(
        [
            Beat("identities", COMPARE_SERVERS_EVERY, identities.tick),
            *([Beat("slack", WATCH_SLACK_EVERY, sockets.tick)] if sockets else []),
        ],
        clock=_now,
    )

    async def livez() -> list[str]:
        return [f"loop {name} is stuck" for name in loops.stuck(_now())]

    async def readyz() -> list[str]:
        if stop.is_set() or not ready.is_set():
            return ["stopping" if stop.is_set() else "starting"]
        return ["not connected to Slack"] if sockets and not await sockets.count() else []

    async def figures() -> bytes:
        # Looked at when asked for, so that no figure is older than its scrape.
        looks = (room.streams.look(room.environment.instruments) for room in rooms.values())
        await asyncio.gather(*looks)
        return metrics.text()

    web = Web(
        settings.http.host,
        settings.http.port,
        livez=livez,
        readyz=readyz,
        metrics=figures,
        events=requests.answer if requests else None,
    )
    # Ended in this order: nothing new is taken, what runs is finished, then the rest is closed.
    stack.push_async_callback(web.aclose)
    stack.push_async_callback(tasks.drain, DRAIN_SECONDS)
    await web.start()
    if sockets is not None:
        stack.push_async_callback(sockets.aclose)
        await sockets.connect()
    _log.info("ready", version=__version__, environments=list(rooms), port=web.port)
    ready.set()
    await loops.run(stop)
    _log.info("stopping")


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


def _room(
    environment: Environment,
    settings: config.Settings,
    secrets: config.Secrets,
    metrics: Metrics,
    stack: AsyncExitStack,
) -> Room:
    password = secrets.redis_passwords.get(environment.name)
    redis = PromptRedis(
        settings.environments[environment.name].redis.url,
        password.get_secret_value() if password else None,
    )
    stack.push_async_callback(redis.aclose)
    return Room(environment, Streams(environment, redis, clock=_now, looked=metrics.looked))


def _environments(settings: config.Settings) -> list[Environment]:
    """Take over from the configuration what the domain needs to know."""
    observing = settings.observing
    site = Site(observing.latitude, observing.longitude, observing.elevation, observing.twilight)
    built = []
    for name, one in settings.environments.items():
        alarms = settings.alarms_for(name)
        built.append(
            Environment(
                name=name,
                instruments=tuple(one.instruments),
                site=site,
                stream_template=settings.streams.stream,
                group_template=settings.streams.group,
                expiration=one.expiration,
                stalled_after=alarms.rules.stalled.warning,
                consumer_idle=settings.prune.idle,
                links={key: url for key, url in alarms.links if url is not None},
            )
        )
    return built


def _now() -> datetime:
    return datetime.now(UTC)
