"""Looking at what runs one environment's Redis: its pod, its workers' jobs, its deployment.

Kubernetes is beside the point for most of what people ask: where it is away, or may not be read,
that is left out of an answer and never delays it for long.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import structlog

from bot.domain.environments import Environment
from bot.domain.errors import ClusterError, Refused
from bot.domain.workloads import Application, Event, Jobs, Pod, Workload

_log = structlog.get_logger()

Result = TypeVar("Result")

PATIENCE = 1.5
"""Seconds for which an answer about something else waits for Kubernetes."""

FRESH = timedelta(seconds=10)
"""What is known of the pod is good for so long, in an answer about something else."""


class Cluster(Protocol):
    """What runs a Redis: Kubernetes, or in the demo this machine.

    Every method raises `ClusterError` where it does not do its part.
    """

    async def workload(self) -> Workload:
        """Look at the StatefulSet and its pods."""
        ...

    async def restart(self, stamp: str, version: str) -> None:
        """Ask for a restart; the same stamp once more changes nothing.

        Raises
        ------
        ClusterConflict
            If the workload is no longer of this version.
        """
        ...

    async def events(self) -> tuple[Event, ...]:
        """Give what was reported last, newest last."""
        ...

    async def jobs(self, instrument: str) -> Jobs | None:
        """Count an instrument's jobs; None where that is not configured."""
        ...

    async def application(self) -> Application | None:
        """Tell how the deployment is; None where that is not configured."""
        ...

    def changes(self) -> AbstractAsyncContextManager[asyncio.Event]:
        """Give an event that is set when something has changed, as far as that is told."""
        ...


class Workloads:
    """One environment's workload.

    Parameters
    ----------
    environment
        Whose.
    cluster
        What runs it; None where that is not configured.
    clock
        Gives the time in UTC.
    """

    def __init__(
        self, environment: Environment, cluster: Cluster | None, *, clock: Callable[[], datetime]
    ) -> None:
        self._environment = environment
        self._cluster = cluster
        self._clock = clock
        self._seen: tuple[datetime, Workload] | None = None

    @property
    def cluster(self) -> Cluster:
        """What runs it.

        Raises
        ------
        Refused
            If that is not configured.
        """
        if self._cluster is None:
            name = self._environment.name
            raise Refused(
                f"The bot does not know where {self._environment.label} runs: its configuration "
                f"has no environments.{name}.kubernetes. `runbook restart` says it by hand.",
                suggestion="runbook restart",
            )
        return self._cluster

    @property
    def configured(self) -> bool:
        """Whether it is known what runs it."""
        return self._cluster is not None

    @property
    def memory_limit(self) -> int | None:
        """Limit of the container as last seen, in bytes; None where none is known."""
        return self._seen[1].memory_limit if self._seen else None

    async def tick(self, now: datetime) -> None:
        """Look at the workload, so that its limit is known to the rules."""
        del now
        if self._cluster is not None:
            await self._look()

    async def inspect(self) -> Workload:
        """Look at the workload.

        Raises
        ------
        ClusterError
            If Kubernetes does not do its part.
        Refused
            If it is not configured.
        """
        return await self.cluster.workload()

    async def application(self) -> Application | None:
        """Ask how the deployment is; None where that is not configured.

        Raises
        ------
        ClusterError
            If Kubernetes does not do its part.
        """
        return await self.cluster.application()

    async def pod(self) -> Pod | None:
        """Give the pod as it is now; None where nobody can tell in time."""
        if self._cluster is None:
            return None
        if self._seen is None or self._clock() - self._seen[0] > FRESH:
            await self._patiently(self._look())
        if self._seen is None or self._clock() - self._seen[0] > FRESH:
            return None
        workload = self._seen[1]
        return workload.stuck or next(iter(workload.pods), None)

    async def jobs(self, instrument: str) -> Jobs | None:
        """Count the jobs of an instrument; None where nobody can tell in time."""
        if self._cluster is None:
            return None
        return await self._patiently(self._jobs(self._cluster, instrument))

    async def _look(self) -> None:
        try:
            workload = await self.cluster.workload()
        except ClusterError as error:
            _log.info("the pod could not be looked at", reason=str(error))
        else:
            self._seen = self._clock(), workload

    async def _jobs(self, cluster: Cluster, instrument: str) -> Jobs | None:
        try:
            return await cluster.jobs(instrument)
        except ClusterError as error:
            _log.info("jobs could not be counted", reason=str(error), instrument=instrument)
            return None

    async def _patiently(self, work: Coroutine[Any, Any, Result]) -> Result | None:
        try:
            async with asyncio.timeout(PATIENCE):
                return await work
        except TimeoutError:
            return None
