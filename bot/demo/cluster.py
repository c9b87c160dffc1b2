"""What runs Redis in the demo: this machine, told of as Kubernetes would tell of it.

A restart ends the embedded server and starts it again, in the order and at about the pace of a
rollout; the bot asks for it, and watches it, through the same service as a real one.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime

from bot.demo.servers import Server
from bot.domain.errors import ClusterConflict
from bot.domain.workloads import Application, Event, Jobs, Pod, Workload

STOPPING = 2.0
STARTING = 3.0
"""Seconds until the old pod is gone, and from there until the new one runs."""


class EmbeddedCluster:
    """One embedded server, as a StatefulSet with one pod.

    Parameters
    ----------
    server
        Which.
    running
        Counts an instrument's workers.
    pace
        Times faster than usual.
    """

    def __init__(
        self, server: Server, running: Callable[[str], tuple[int, int]], *, pace: float = 1.0
    ) -> None:
        self._server = server
        self._running = running
        self._pace = pace
        self._changed = asyncio.Event()
        self._events: list[Event] = []
        self._rollout: asyncio.Task[None] | None = None
        self._pod: Pod | None = self._fresh(1)
        self._workload = Workload(
            name="prompt-redis",
            version="1",
            generation=1,
            observed=1,
            replicas=1,
            ready=1,
            updated=1,
            revision="1",
            wanted_revision="1",
            image="valkey (embedded)",
            chart="the demo",
            storage="this machine's disk",
            append_only=True,
        )

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
        pods = () if self._pod is None else (self._state(self._pod),)
        ready = sum(pod.ready for pod in pods)
        return replace(self._workload, pods=pods, ready=ready)

    async def restart(self, stamp: str, version: str) -> None:
        """Begin a rollout; the same stamp once more changes nothing."""
        if stamp == self._workload.stamp:
            return
        if version != self._workload.version:
            raise ClusterConflict
        number = self._workload.generation + 1
        self._workload = replace(
            self._workload,
            stamp=stamp,
            version=str(number),
            generation=number,
            observed=number,
            updated=0,
            wanted_revision=str(number),
        )
        self._rollout = asyncio.create_task(self._roll_out(number), name="rollout of the demo")

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

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[asyncio.Event]:
        """Give an event that is set with each step of a rollout."""
        yield self._changed

    async def _roll_out(self, number: int) -> None:
        if self._pod is not None:
            self._show(replace(self._pod, leaving=True), "Killing", "the embedded server stops")
        await asyncio.sleep(STOPPING / self._pace)
        await self._server.stop()
        self._show(None, "SuccessfulDelete", "the old one is gone")
        await asyncio.sleep(STARTING / self._pace)
        await self._server.start()
        self._workload = replace(self._workload, updated=1, revision=str(number))
        self._show(self._fresh(number), "Started", "the new one runs")

    def _show(self, pod: Pod | None, reason: str, text: str) -> None:
        self._pod = pod
        self._events.append(Event(datetime.now(UTC), reason, text))
        self._changed.set()

    def _fresh(self, number: int) -> Pod:
        now = datetime.now(UTC)
        return Pod(
            "prompt-redis-0",
            f"demo-{number}",
            ready=True,
            image="valkey (embedded)",
            created=now,
            started=now,
        )

    def _state(self, pod: Pod) -> Pod:
        if pod.leaving or self._server.running:
            return pod
        # Killed in the terminal: nothing starts it again but `recover`, or a restart.
        return replace(pod, ready=False, started=None, waiting="Completed", last_ended="Error")
