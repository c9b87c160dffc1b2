"""The process: builds every part from the configuration, serves until it is told to stop.

The one place that knows all parts, and the last that reads the configuration: what is built here is
passed on as objects. It is read from the top: `serve`, what a process consists of, what each
environment consists of, what is done again and again, and how it ends.
"""

import asyncio
import importlib
import pkgutil
import platform
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from secrets import token_hex
from time import monotonic

import click
import structlog

import commands
from bot import FAILED, INVALID, __version__, config
from bot.clients.kubernetes import KubernetesCluster
from bot.clients.pagers import NOTIFIERS, Calls, Heartbeat, HttpNotifier
from bot.clients.prompt_redis import PromptRedis
from bot.clients.redis_changes import RedisChanges
from bot.command import Deployment, Place, Registry
from bot.dispatch import Dispatcher
from bot.domain.environments import Environment
from bot.domain.errors import FatalError, SameRedis, StateError
from bot.execution import Execution
from bot.loops import Beat, Loops, Tasks
from bot.metrics import Metrics
from bot.render import errors
from bot.render.blindness import in_short
from bot.render.blocks import message
from bot.render.pages import page_words
from bot.services.alarms import Alarms
from bot.services.approvals import Approvals
from bot.services.changes import Changes, DailyPrune
from bot.services.environments import Identities, Services
from bot.services.maintenance import Maintenance
from bot.services.nights import Nights
from bot.services.oncall import Oncall, Receipts
from bot.services.rights import Rights
from bot.services.streams import Streams
from bot.services.watch import Pulse, Watch
from bot.services.workloads import Cluster, Restarts, Workloads
from bot.slack.api import Proxy, SlackApi
from bot.slack.app import SlackApp
from bot.slack.directory import Channels, Directory
from bot.slack.http import Events
from bot.slack.outages import Outages
from bot.slack.paging import Pager, kinds, notifiers
from bot.slack.posting import Cards, Notices
from bot.slack.sockets import Sockets
from bot.storage.alarms import Incidents, Silences
from bot.storage.approvals import Requests
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.lease import Chores, Deliveries, Leader
from bot.storage.maintenance import Windows
from bot.storage.outbox import Outbox
from bot.storage.positions import Positions
from bot.storage.posts import Posts
from bot.storage.retention import forget
from bot.storage.samples import Samples
from bot.storage.watches import Watches
from bot.web import Web

_log = structlog.get_logger()

COMMAND_LIMIT = timedelta(seconds=60)
APOLOGY_SECONDS = 1.0
AT_ONCE_OF_ONE, WAITING_OF_ONE = 25, 75
"""Commands of one person that run and wait: whoever sends more keeps nobody else waiting."""
END_SECONDS = 22.0
"""From SIGTERM to the end, whatever hangs: what is left then is left to the next process."""
DRAIN_SECONDS = 9.0
"""For what Slack has delivered, and for what was approved."""
STARTED_LATE_SECONDS = 3.0
"""For what the last of these deliveries has started."""
FLUSH_SECONDS = 2.0
"""For cards, and once more for what is said below them."""
SECOND = timedelta(seconds=1)
RENEW_EVERY = timedelta(seconds=2)
TAKE_UP_EVERY = timedelta(seconds=5)
ONCE_A_MINUTE = timedelta(minutes=1)
FORGET_EVERY = timedelta(hours=1)
WATCH_SLACK_EVERY = timedelta(seconds=5)


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
    pagers: Sequence[type[HttpNotifier]] = NOTIFIERS,
    clock: Callable[[], datetime] = utc_now,
    monotonic: Callable[[], float] = monotonic,
) -> int:
    """Run the bot.

    Parameters
    ----------
    stop
        Ends it when set: what runs is finished first.
    ready
        Is set when Slack is connected.
    clusters
        What runs the Redis of an environment, by its name, where that is not Kubernetes.
    pagers
        The classes of on-call targets beside a mention in Slack.
    monotonic
        Counts the seconds that pass, whatever the clock is set to.

    Returns
    -------
    int
        The exit code: 0 after `stop`, 2 if the configuration is invalid, 1 for any other reason.
        The reason is on standard error.
    """
    stopping = asyncio.create_task(stop.wait())
    try:
        settings = config.load(path, environ, kinds(pagers))
        secrets = config.load_secrets(settings, environ)
        app = App(
            settings,
            secrets,
            Proxy(environ),
            clusters=clusters or {},
            clock=clock,
            monotonic=monotonic,
        )
        serving = asyncio.create_task(_serve(app, pagers, stop, ready))
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not serving.done():
            await _ended(serving, END_SECONDS if ready.is_set() else 0)
        await serving
    except asyncio.CancelledError:
        return 0
    except config.ConfigurationError as error:
        click.echo(str(error), err=True)
        return INVALID
    except FatalError as error:
        click.echo(str(error), err=True)
        return FAILED
    finally:
        stopping.cancel()
    return 0


async def _ended(serving: asyncio.Task[None], seconds: float) -> None:
    """Let a process end by itself for a while; one that still starts has nothing to finish."""
    await asyncio.wait({serving}, timeout=seconds)
    if not serving.done():
        serving.cancel()
        await asyncio.wait({serving}, timeout=1)
    if not serving.done():
        _log.warning("what could not be closed is left")
        raise asyncio.CancelledError


async def _serve(
    app: "App", pagers: Sequence[type[HttpNotifier]], stop: asyncio.Event, ready: asyncio.Event
) -> None:
    async with AsyncExitStack() as stack:
        await app.open(stack, pagers)
        loops = Loops(app.beats(), clock=app.clock, monotonic=app.monotonic)
        web = app.web(loops, stop, ready)
        # Ended in this order: nothing new is taken, what runs is finished, then the rest is closed.
        stack.push_async_callback(app.apologise)
        stack.push_async_callback(web.aclose)
        stack.push_async_callback(app.finish)
        await web.start()
        # Known before the first turn of what only the leader does.
        await app.leader.tick(app.clock())
        if app.sockets is not None:
            stack.push_async_callback(app.sockets.aclose)
            await app.sockets.connect()
        # The first thing of all at the end: another process leads while this one finishes.
        stack.push_async_callback(app.leader.aclose)
        _log.info("ready", version=__version__, environments=list(app.services), port=web.port)
        ready.set()
        await loops.run(stop)
        _log.info("stopping")


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


class App:
    """Every part of one process, there once `open` has built it."""

    def __init__(
        self,
        settings: config.Settings,
        secrets: config.Secrets,
        proxy: Proxy,
        *,
        clusters: Mapping[str, Cluster],
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._secrets = secrets
        self._proxy = proxy
        self._clusters = clusters
        self.clock, self.monotonic = clock, monotonic
        self._metrics = Metrics()
        self.services: dict[str, Services] = {}
        self.sockets: Sockets | None = None
        self._events: Events | None = None
        self._watches: dict[str, Watch] = {}
        self._was_ready = False
        self._deliveries = Tasks(of_one=AT_ONCE_OF_ONE, waiting_of_one=WAITING_OF_ONE)
        self._executions, self._apologies = Tasks(at_once=20), Tasks(at_once=10, waiting=1000)

    async def open(self, stack: AsyncExitStack, pagers: Sequence[type[HttpNotifier]]) -> None:
        """Connect to the database and to Slack, and build the rest; the stack closes it all.

        Raises
        ------
        FatalError
            If the database or Slack cannot be used.
        config.ConfigurationError
            If two environments have the same Redis.
        """
        settings, secrets = self._settings, self._secrets
        proxy, clock = self._proxy, self.clock
        self._stack = stack
        # The pod's name tells people which replica it is; the rest, one start from the next.
        process = f"{platform.node()}-{token_hex(4)}"
        database = await Database.open(secrets.state_url, process)
        stack.push_async_callback(database.aclose)
        slack = SlackApi(secrets.slack_bot_token, secrets.slack_api_url, proxy)
        stack.push_async_callback(slack.aclose)
        identity = await slack.identify()
        if identity.missing_scopes:
            _log.warning("the Slack app lacks scopes", missing=sorted(identity.missing_scopes))
        places = settings.environments
        alarms = {name: settings.alarms_for(name).channel for name in places}
        channels = Channels(
            slack,
            {name: one.channel for name, one in places.items()},
            {name: channel for name, channel in alarms.items() if channel is not None},
        )
        await channels.resolve()
        self._database, self._slack, self._channels = database, slack, channels

        self._requests, self._audit = Requests(database), Audit(database)
        self._incidents, self._silences = Incidents(database), Silences(database)
        self._windows, self._samples = Windows(database), Samples(database)
        self._posts, self._outbox = Posts(database, identity.url), Outbox(database)
        self._positions, self._chores = Positions(database), Chores(database)
        self._looks = Watches(database)

        self.leader = Leader(database, self._metrics)
        self._directory = Directory(slack, self.monotonic)
        self._calls = Calls(proxy.for_url, clock=clock)
        stack.push_async_callback(self._calls.aclose)
        self._receipts = Receipts(self._outbox, self._metrics)

        served = settings.served()
        deployment = Deployment(
            slash=settings.slack.command,
            version=__version__,
            started=clock(),
            places=tuple(Place(one, channels.mention(one.name)) for one in served),
            workspace=identity.url,
            leader=self.leader.holder,
        )
        registry = find_commands()
        self._execution = Execution(registry, self.services, tasks=self._executions, clock=clock)

        self._cards = Cards(slack, channels, self.services, self._posts)
        self._notices = Notices(
            slack, channels, self.services, self._outbox, self._posts, leader=self.leader
        )
        self._outages = Outages(slack, channels, self.services)
        self._pager = Pager(
            self._outbox,
            notifiers(
                settings.targets,
                secrets.oncall_keys,
                pagers,
                calls=self._calls,
                api=slack,
                channels=channels,
            ),
            self._incidents,
            self.services,
            leader=self.leader,
            receipts=self._receipts,
            posts=self._posts,
        )
        for one in served:
            self._add(one)

        self._identities = Identities(self.services, self._refuse)
        dispatcher = Dispatcher(
            registry,
            self.services,
            deployment,
            self._execution,
            self._metrics,
            identities=self._identities,
            deliveries=Deliveries(database),
            clock=clock,
            limit=COMMAND_LIMIT,
        )
        slack_app = SlackApp(
            api=slack,
            identity=identity,
            channels=channels,
            dispatcher=dispatcher,
            registry=registry,
            tasks=self._deliveries,
            apologies=self._apologies,
            services=self.services,
        )
        if settings.slack.mode == "socket":
            connected, token = self._metrics.slack_connections, secrets.slack_app_token
            self.sockets = Sockets(slack_app.bolt, slack, token, proxy, connected=connected)
        else:
            self._events = Events(slack_app.bolt, secrets.slack_signing_secret)
        stack.push_async_callback(self.leader.aclose)
        same = await self._identities.look()
        if same:
            raise config.ConfigurationError([str(error) for error in same])

    # One environment.

    def _add(self, environment: Environment) -> None:
        """Build an environment's services and its watch."""
        name, clock = environment.name, self.clock
        settings = self._settings.alarms_for(name)
        url = self._settings.environments[name].redis.url
        password = self._secrets.redis_passwords.get(name)
        reads = PromptRedis(url, password)
        self._stack.push_async_callback(reads.aclose)
        rights = Rights(environment, self._directory)
        streams = Streams(
            environment,
            reads,
            self._positions,
            self._metrics,
            clock=clock,
            monotonic=self.monotonic,
        )
        oncall = Oncall(
            environment,
            self._settings.targets,
            words=page_words,
            groups=self._directory,
            receipts=self._receipts,
            outbox=self._outbox,
        )
        maintenance = Maintenance(
            environment,
            windows=self._windows,
            outbox=self._outbox,
            incidents=self._incidents,
            requests=self._requests,
            mirrors=self._settings.environments[name].mirrors,
        )
        workloads = Workloads(environment, self._cluster(name), clock=clock)

        approvals = Approvals(
            environment,
            self._requests,
            rights,
            oncall,
            self._metrics,
            executor=self._database.process,
            look=maintenance.ended,
        )
        alarms = Alarms(
            environment,
            incidents=self._incidents,
            silences=self._silences,
            oncall=oncall,
            posts=self._posts,
            thresholds=settings.thresholds(),
            escalate=settings.escalate,
            still_on_it=settings.still_on_it,
            relapse=settings.relapse,
            look=maintenance.ended,
        )
        watch = Watch(
            environment,
            streams,
            alarms,
            self._samples,
            maintenance=maintenance,
            approvals=approvals,
            workloads=workloads,
            metrics=self._metrics,
            leader=self.leader,
            watches=self._looks,
            monotonic=self.monotonic,
        )
        self._watches[name] = watch
        self.services[name] = Services(
            environment=environment,
            streams=streams,
            watch=watch,
            changes=Changes(environment, RedisChanges(url, password)),
            approvals=approvals,
            audit=self._audit,
            samples=self._samples,
            alarms=alarms,
            oncall=oncall,
            nights=Nights(
                environment,
                streams,
                samples=self._samples,
                incidents=self._incidents,
                silences=self._silences,
                requests=self._requests,
                windows=self._windows,
                chores=self._chores,
                outbox=self._outbox,
                audit=self._audit,
                summary=self._settings.observing.night_summary,
                check=self._settings.observing.dusk_check,
            ),
            maintenance=maintenance,
            workloads=workloads,
            restarts=Restarts(environment, workloads, streams, clock=clock),
            posts=self._posts,
            rights=rights,
            groups=self._directory,
        )

    def _cluster(self, name: str) -> Cluster | None:
        """Build the way to what runs an environment's Redis; None where none is configured."""
        place = self._settings.environments[name].kubernetes
        if name in self._clusters or place is None:
            return self._clusters.get(name)
        kubernetes = KubernetesCluster(place.location, kubeconfig=self._secrets.kubeconfig)
        self._stack.push_async_callback(kubernetes.aclose)
        return kubernetes

    # What speaks by itself.

    async def _refuse(self, environment: str, error: SameRedis) -> None:
        """Tell a channel that its environment is refused from now on."""
        text, blocks, _ = errors.same_redis(error)
        channel = self._channels.id_of(environment)
        if channel is not None:
            await self._slack.post(channel, message(text, blocks))

    # What is done again and again.

    def beats(self) -> list[Beat]:
        """List what is done again and again, by every process or by the leader alone."""
        leads = self.leader.leads

        async def expire(now: datetime) -> None:
            for each in self.services.values():
                await each.approvals.tick(now)

        beats = [
            Beat("identities", ONCE_A_MINUTE, self._identities.tick),
            Beat("outages", SECOND, self._outages.tick),
            Beat("leadership", RENEW_EVERY, self.leader.tick),
            Beat("expiry", SECOND, expire),
            Beat("cards", SECOND, self._cards.tick, wake=self._cards.wake),
            Beat("notices", SECOND, self._notices.tick, wake=self._notices.wake),
            Beat("pages", SECOND, self._pager.tick, wake=self._pager.wake),
            Beat("positions", SECOND, self._positions.tick, wake=self._positions.wake),
            Beat("interrupted", TAKE_UP_EVERY, self._execution.tick, when=leads),
            Beat("retention", FORGET_EVERY, partial(forget, self._database), when=leads),
        ]
        for name, watch in self._watches.items():
            every = self._settings.alarms_for(name).poll
            services = self.services[name]
            beats += [
                Beat(f"watch {name}", every, watch.tick, wake=watch.wake, when=leads),
                Beat(f"maintenance {name}", SECOND, services.maintenance.tick, when=leads),
                Beat(f"nights {name}", ONCE_A_MINUTE, services.nights.tick, when=leads),
                Beat(f"workload {name}", ONCE_A_MINUTE, services.workloads.tick, when=leads),
            ]
            if (daily := self._settings.prune.daily) is not None:
                prune = DailyPrune(
                    services.environment,
                    services.changes,
                    services.audit,
                    self._chores,
                    self._outbox,
                    daily=daily,
                )
                beats.append(Beat(f"prune {name}", ONCE_A_MINUTE, prune.tick, when=leads))
        if self._settings.oncall.heartbeat is not None:
            key = self._secrets.heartbeat_key
            heartbeat = Heartbeat(self._settings.oncall.heartbeat, key, self._calls)
            pulse = Pulse(self._watches, heartbeat)
            beats.append(Beat("heartbeat", ONCE_A_MINUTE, pulse.tick, when=leads))
        if self.sockets is not None:
            beats.append(Beat("slack", WATCH_SLACK_EVERY, self.sockets.tick))
        return beats

    def web(self, loops: Loops, stop: asyncio.Event, ready: asyncio.Event) -> Web:
        """Build what answers over HTTP."""

        async def livez() -> list[str]:
            return [f"loop {name} is stuck" for name in loops.stuck()]

        async def readyz() -> list[str]:
            if stop.is_set() or not ready.is_set():
                return ["stopping" if stop.is_set() else "starting"]
            if self._was_ready and self._events is not None:
                # Whom Slack cannot reach can tell nobody what is wrong.
                return []
            wrong = await self._wrong()
            self._was_ready = self._was_ready or not wrong
            return wrong

        return Web(
            self._settings.http.host,
            self._settings.http.port,
            livez=livez,
            readyz=readyz,
            metrics=self._figures,
            events=self._events.answer if self._events else None,
        )

    async def _wrong(self) -> list[str]:
        """Say what keeps this process from its work."""
        wrong = []
        if self.sockets and not await self.sockets.count():
            wrong.append("not connected to Slack")
        try:
            await self._database.ping()
        except StateError as error:
            wrong.append(str(error))
        now = self.clock()
        for each in self.services.values():
            blind = each.watch.blind(now)
            if blind is not None:
                wrong.append(f"{each.environment.label}: {in_short(blind, now)}")
        return wrong

    async def _figures(self) -> bytes:
        # The leader's watch has just looked; a follower looks when it is asked.
        stale = []
        for name, watch in self._watches.items():
            late = watch.late()
            self._metrics.watch_late(name, late)
            if late is None or late or not watch.looked:
                stale.append(self.services[name])
        await asyncio.gather(*(each.streams.look(each.environment.instruments) for each in stale))
        return self._metrics.text()

    async def finish(self) -> None:
        """Let what runs come to its end, then show, say, send and write down what came of it."""
        self._execution.let_go()
        began = monotonic()
        # First these: one that is an approval starts an execution.
        await self._deliveries.drain(DRAIN_SECONDS)
        left = DRAIN_SECONDS - (monotonic() - began)
        await self._executions.drain(max(left, STARTED_LATE_SECONDS))
        await asyncio.gather(self._tell(), self._pager.finish(self.clock(), 2 * FLUSH_SECONDS))
        with suppress(StateError):
            await self._positions.tick(self.clock())

    async def apologise(self) -> None:
        """Say to whoever came too late that nothing was done."""
        await self._apologies.drain(APOLOGY_SECONDS)

    async def _tell(self) -> None:
        """Show how everything stands, then say what belongs below it."""
        await self._cards.finish(self.clock(), FLUSH_SECONDS)
        await self._notices.finish(self.clock(), FLUSH_SECONDS)
