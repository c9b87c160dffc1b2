"""What runs one environment's Redis: its pod, its workers' jobs, its deployment; and restarting it.

Kubernetes is beside the point for most of what people ask: where it is away, or may not be read,
that is left out of an answer and never delays it for long.

A restart is asked of Kubernetes as kubectl does, with a stamp that is fixed by the approval:
whoever asks again changes nothing. What has come of it is read from Kubernetes and from Redis, by
this process or by the one that leads after it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from bot.domain.approvals import Request
from bot.domain.changes import RESULT, STALE, Facts, Restarting
from bot.domain.environments import Environment
from bot.domain.errors import (
    ClusterConflict,
    ClusterError,
    ClusterInDoubt,
    ClusterUnreachable,
    RedisError,
    RedisUnreachable,
    Refused,
)
from bot.domain.streams import EntryId, Look, Stream
from bot.domain.times import duration
from bot.domain.workloads import (
    RESTART_LIMIT,
    Application,
    Event,
    Hindrance,
    Jobs,
    Pod,
    Progress,
    Restarted,
    StreamAfter,
    Workload,
    hindrance_since,
    stamp,
)
from bot.services.approvals import Approved
from bot.services.streams import Streams

_log = structlog.get_logger()

ANSWER_WITHIN = 1.5
"""Seconds for which an answer about something else waits for Kubernetes."""

FRESH = timedelta(seconds=10)
"""What is known of the pod is good for so long, in an answer about something else."""

LOOK_EVERY = 0.5
"""Seconds between two looks at a restart: a watch of Kubernetes' would save no more than that."""

ASK_AGAIN = 1.0
"""Seconds between two tries to ask for one: a server that is not well is spared what it can be."""

ASK_FOR = timedelta(seconds=60)
"""How long an API server without an answer is asked again."""

_NEVER = EntryId(0, 0)

NEVER_ASKED = "never_asked"


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


class Workloads:
    """One environment's workload; no cluster where none is configured."""

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
        if not self._is_fresh:
            with suppress(TimeoutError):
                async with asyncio.timeout(ANSWER_WITHIN):
                    await self._look()
        if self._seen is None or not self._is_fresh:
            return None
        workload = self._seen[1]
        return workload.stuck or next(iter(workload.pods), None)

    async def jobs(self, instrument: str) -> Jobs | None:
        """Count the jobs of an instrument; None where nobody can tell in time."""
        if self._cluster is None:
            return None
        try:
            async with asyncio.timeout(ANSWER_WITHIN):
                return await self._cluster.jobs(instrument)
        except (ClusterError, TimeoutError) as error:
            _log.info("jobs could not be counted", reason=str(error), instrument=instrument)
            return None

    async def _look(self) -> None:
        try:
            workload = await self.cluster.workload()
        except ClusterError as error:
            _log.info("the pod could not be looked at", reason=str(error))
        else:
            self._seen = self._clock(), workload

    @property
    def _is_fresh(self) -> bool:
        return self._seen is not None and self._clock() - self._seen[0] <= FRESH


class Restarts:
    """One environment's restarts."""

    def __init__(
        self,
        environment: Environment,
        workloads: Workloads,
        streams: Streams,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._environment = environment
        self._workloads = workloads
        self._streams = streams
        self._clock = clock

    async def inspect(self) -> tuple[Workload, Restarting, list[Look]]:
        """Look at everything that a plan shows, and give what its execution is bound to.

        Raises
        ------
        ClusterError
            If Kubernetes does not do its part; Redis may be away, it is all the more a reason.
        Refused
            If Kubernetes is not configured.
        """
        workload = await self._workloads.inspect()
        looks = await self._streams.look(self._environment.instruments)
        try:
            server = await self._streams.server()
            version, run_id = server.named, server.run_id
        except RedisError:
            version = run_id = ""
        stood = {each.instrument: await self._stood(each) for each in looks}
        known = [each for each in looks if stood[each.instrument] is not None]
        bound = Restarting(
            generation=workload.generation,
            uids=workload.uids,
            image=workload.image,
            version=version,
            run_id=run_id,
            instruments=tuple(each.instrument for each in known),
            stood=tuple(each for each in stood.values() if each is not None),
            added=tuple(_last_added(each) for each in known),
        )
        return workload, bound, looks

    async def _stood(self, look: Look) -> EntryId | None:
        """Tell where a group stands, or stood before Redis was away; None where there is none."""
        if look.group is not None:
            return look.group.last_delivered
        if look.outage is None:
            return None
        seen = await self._streams.last_seen(look.instrument)
        return seen[0] if seen else None

    async def run(self, approved: Approved) -> AsyncIterator[Progress | Facts | Restarted]:
        """Ask for the restart, and watch it to its end; the last of what it gives are facts.

        Raises
        ------
        ClusterError
            If it was not asked for.
        ClusterInDoubt
            If nobody knows whether it was.
        """
        refused = await self._ask(approved.request)
        if refused is not None:
            yield {RESULT: STALE, "why": refused.value}
            return
        async for each in self._watch(approved.request, asked=True):
            yield each

    def resume(self, approved: Approved) -> AsyncIterator[Progress | Facts | Restarted]:
        """Watch a restart further that another process has asked for; nothing is asked again."""
        return self._watch(approved.request, asked=False)

    async def look_back(self, request: Request) -> Facts | Restarted | None:
        """Tell what came of a restart of which nobody knew; None while nobody does.

        Raises
        ------
        ClusterError
            If Kubernetes does not do its part.
        """
        bound = Restarting.read(request.plan.bound)
        workload = await self._workloads.cluster.workload()
        progress = Progress(request.started or request.asked, self._clock())
        progress = progress.saw_cluster(workload, bound, stamp(request))
        if not progress.known:
            return {RESULT: NEVER_ASKED} if progress.never_asked else None
        progress = await self._look_at_redis(progress, bound)
        if progress.back or progress.overdue:
            return await self._ended(progress, bound, bound.added)
        return None

    async def _ask(self, request: Request) -> Hindrance | None:
        """Ask for it, and see that it was taken; tell why not, where the plan no longer holds."""
        cluster = self._workloads.cluster
        began = answered = self._clock()
        bound, wanted = Restarting.read(request.plan.bound), stamp(request)
        version, sent, lost = "", False, False
        while True:
            try:
                workload = await cluster.workload()
                if workload.stamp == wanted:
                    return None
                refused = hindrance_since(workload, bound)
                if refused is not None:
                    return refused
                # Once sent, always the same: of several, at most one is taken.
                version, sent = version or workload.version, True
                await cluster.restart(wanted, version)
            except ClusterConflict as error:
                # Its status has changed, or somebody has changed more; the next look tells.
                version, answered = "", self._clock()
                if answered - began >= RESTART_LIMIT:
                    raise ClusterInDoubt if lost else _contended() from error
            except ClusterUnreachable as error:
                # No answer is not a no: it is looked up before anything is said.
                _log.warning("Kubernetes did not answer a restart", reason=str(error))
                lost = lost or sent
                if self._clock() - answered >= ASK_FOR:
                    raise ClusterInDoubt if sent else error from error
            else:
                return None
            await asyncio.sleep(ASK_AGAIN)

    async def _watch(
        self, request: Request, *, asked: bool
    ) -> AsyncIterator[Progress | Facts | Restarted]:
        bound = Restarting.read(request.plan.bound)
        progress = Progress(request.started or request.asked, self._clock(), known=asked)
        before: Sequence[EntryId] = bound.added
        while True:
            if progress.away is None and progress.answered is None:
                before = await self._announced(bound, before)
            progress = await self._look(progress, bound, stamp(request))
            yield progress
            if progress.never_asked:
                yield {RESULT: NEVER_ASKED}
                return
            if progress.overdue or (progress.back and await self._streams_answer()):
                yield await self._ended(progress, bound, before)
                return
            await asyncio.sleep(LOOK_EVERY)

    async def _look(self, progress: Progress, bound: Restarting, wanted: str) -> Progress:
        """Look at Kubernetes and at Redis, at the same time; neither waits for the other's end."""
        seen, after = await asyncio.gather(self._workload(), self._look_at_redis(progress, bound))
        after = replace(after, at=self._clock())
        if isinstance(seen, Workload):
            after = after.saw_cluster(seen, bound, wanted)
        else:
            after = replace(after, cluster=str(seen))
        if after.answered is not None and not bound.run_id and after.stopped is None:
            # Which Redis it is can be told by the pod alone: this is still the old one.
            after = replace(after, answered=None)
        return after

    async def _workload(self) -> Workload | ClusterError:
        try:
            return await self._workloads.cluster.workload()
        except ClusterError as error:
            return error

    async def _look_at_redis(self, progress: Progress, bound: Restarting) -> Progress:
        try:
            server = await self._streams.server()
        except RedisUnreachable as error:
            away = progress.away or self._clock()
            return replace(progress, redis=error.kind.value, loading=None, away=away, answered=None)
        except RedisError:
            # It answers, and does not tell which one it is.
            return replace(progress, redis="", answered=progress.answered or self._clock())
        if bound.run_id and server.run_id == bound.run_id:
            return replace(progress, redis="", loading=None, answered=None)
        if server.loading is not None:
            away = progress.away or self._clock()
            return replace(progress, redis="", loading=server.loading, away=away, answered=None)
        if server.refuses is not None:
            away, how = progress.away or self._clock(), server.refuses.kind.value
            return replace(progress, redis=how, loading=None, away=away, answered=None)
        answered = progress.answered or self._clock()
        return replace(progress, redis="", loading=None, answered=answered)

    async def _streams_answer(self) -> bool:
        looks = await self._streams.look(self._environment.instruments)
        return all(each.outage is None for each in looks)

    async def _announced(self, bound: Restarting, known: Sequence[EntryId]) -> tuple[EntryId, ...]:
        """Look at what was announced last, as long as the old Redis answers."""
        looks = await self._streams.look(bound.instruments)
        return tuple(
            max(_last_added(look), before) for look, before in zip(looks, known, strict=True)
        )

    async def _ended(
        self, progress: Progress, bound: Restarting, before: Sequence[EntryId]
    ) -> Restarted:
        """Find out what has come of it; `before` is what was announced last, by instrument."""
        ended = Restarted(progress, bound)
        if not progress.back:
            ended = replace(ended, events=await self._events())
        if progress.answered is None:
            return ended
        try:
            ended = replace(ended, version=(await self._streams.server()).named)
        except RedisError as error:
            _log.info("the version could not be asked", reason=str(error))
        looks = await self._streams.look(self._environment.instruments)
        known = dict(zip(bound.instruments, zip(bound.stood, before, strict=True), strict=True))
        asked = EntryId(int(progress.asked.timestamp() * 1000), 0)
        streams = []
        for look in looks:
            stood, last = known.get(look.instrument, (None, _NEVER))
            if last == _NEVER:
                # Redis was away before anybody looked.
                last = min(_last_added(look), asked)
            streams.append(
                StreamAfter(
                    look.instrument,
                    waiting=look.group.waiting.entries if look.group else None,
                    stood=stood if look.missing else None,
                    before=None if last == asked else last.added,
                    after=await self._first_after(look, last),
                )
            )
        return replace(ended, streams=tuple(streams))

    async def _first_after(self, look: Look, last: EntryId) -> datetime | None:
        """Tell when the first visit was announced after the last one before; None where none."""
        if _last_added(look) <= last:
            return None
        try:
            survey = await self._streams.survey(look.instrument, last)
        except RedisError:
            return None
        return survey.visits[0].oldest.id.added if survey and survey.visits else None

    async def _events(self) -> tuple[str, ...]:
        """Give what Kubernetes reported last, or why it does not."""
        try:
            found = await self._workloads.cluster.events()
        except ClusterError as error:
            return (str(error),)
        return tuple(
            f"{each.at:%H:%M:%S} {each.reason}: {each.text}" if each.at else each.text
            for each in found
        )


def _contended() -> ClusterError:
    return ClusterError(
        "somebody else has changed it at the same moment, again and again for "
        f"{duration(RESTART_LIMIT)}",
        "Look who keeps changing the StatefulSet, then ask again: `upgrade`.",
    )


def _last_added(look: Look) -> EntryId:
    return look.state.last_added if isinstance(look.state, Stream) else _NEVER
