"""Changing one environment's streams, exactly as the plans that were approved say.

And the daily removal of consumer names, by the leader, at the hour that is configured. A healthy
one is silent: the audit has it. Only a name that held unconfirmed entries is told.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime, time, timedelta

import structlog

from bot.clients.redis_changes import RedisChanges
from bot.domain.approvals import AuditLine, Request
from bot.domain.changes import (
    LEAST_IDLE,
    Clearing,
    Facts,
    Marker,
    Pruned,
    Repairing,
    Restoring,
    Settling,
    Starting,
)
from bot.domain.environments import BOT, Environment
from bot.domain.errors import RedisError, Refused
from bot.domain.notices import Notice, Said
from bot.services.approvals import Approved
from bot.storage.audit import Audit
from bot.storage.lease import Chores
from bot.storage.outbox import Outbox

_log = structlog.get_logger()

PRUNE_AT_LATEST = timedelta(hours=2)
"""After the hour that is configured; a bot that starts later leaves it for the next day."""


class Changes:
    """Carries out what was approved.

    Every method but `prune`, which may be asked again, raises `RedisInDoubt` where nobody knows
    whether the change was made, and another `RedisError` where it was not.
    """

    def __init__(self, environment: Environment, redis: RedisChanges) -> None:
        self._environment = environment
        self._redis = redis

    async def clear(self, approved: Approved) -> Facts:
        """Discard what the plan showed, and move the group past it, in one step."""
        bound, marker = Clearing.read(approved.request.plan.bound), _marker(approved.request)
        keys = self._environment.keys(bound.instrument)
        if bound.delete:
            return await self._redis.delete(*keys, bound, marker)
        return await self._redis.clear(*keys, bound, marker, keep=self._environment.keep_cleared)

    def restore(self, approved: Approved) -> AsyncIterator[Facts]:
        """Put back what a clear kept, part by part; the last facts have the result."""
        bound = Restoring.read(approved.request.plan.bound)
        keys = self._environment.keys(bound.instrument)
        return self._redis.restore(*keys, bound, _marker(approved.request))

    async def bootstrap(self, approved: Approved) -> Facts:
        """Create the groups that are missing, and their streams."""
        bound = Starting.read(approved.request.plan.bound)
        groups = map(self._environment.keys, bound.instruments)
        starts = zip(groups, bound.starts, strict=True)
        return await self._redis.bootstrap(dict(starts), _marker(approved.request))

    async def settle(self, approved: Approved) -> Facts:
        """Acknowledge the entries that the plan listed, where they are still unconfirmed."""
        bound = Settling.read(approved.request.plan.bound)
        keys = self._environment.keys(bound.instrument)
        return await self._redis.settle(*keys, bound, _marker(approved.request))

    async def repair(self, approved: Approved) -> Facts:
        """Make the lag that Redis reports exact again."""
        bound = Repairing.read(approved.request.plan.bound)
        keys = self._environment.keys(bound.instrument)
        return await self._redis.repair(*keys, _marker(approved.request))

    async def prune(self, instrument: str, idle: timedelta) -> AsyncGenerator[Pruned]:
        """Remove consumer names with nothing unconfirmed that are idle past the limit.

        Raises
        ------
        Refused
            If nothing may be changed here, or the limit is below `LEAST_IDLE`.
        """
        if self._environment.read_only:
            raise Refused(f"{self._environment.label} is read-only, so nothing is removed there.")
        if idle < LEAST_IDLE:
            raise Refused("A consumer name must be idle for at least 1 h before it is removed.")
        keys = self._environment.keys(instrument)
        async with aclosing(self._redis.prune(*keys, idle)) as steps:
            async for pruned in steps:
                yield pruned

    async def fence(self, request: Request) -> Facts | None:
        """Find out what became of a request, and make sure that it cannot happen any more.

        Gives what its marker in Redis says; None where nobody can tell.
        """
        return await self._redis.fence(_marker(request))


class DailyPrune:
    """Prunes one environment by itself, at a time of day in UTC."""

    def __init__(
        self,
        environment: Environment,
        changes: Changes,
        audit: Audit,
        chores: Chores,
        outbox: Outbox,
        *,
        daily: time,
    ) -> None:
        self._environment = environment
        self._changes = changes
        self._audit = audit
        self._chores = chores
        self._outbox = outbox
        self._daily = daily

    async def tick(self, now: datetime) -> None:
        """Prune where it is time and nobody has today."""
        due = datetime.combine(now.date(), self._daily, now.tzinfo)
        if self._environment.read_only or not due <= now < due + PRUNE_AT_LATEST:
            return
        if await self._chores.claim(f"prune {self._environment.name}", now.date()):
            for instrument in self._environment.instruments:
                await self._prune(instrument, now)

    async def _prune(self, instrument: str, now: datetime) -> None:
        environment, action = self._environment, f"prune {instrument}"
        last, result, why = None, "stopped", ", then stopped"
        try:
            async for step in self._changes.prune(instrument, environment.consumer_idle):
                last = step
            result, why = "done", ""
        except RedisError as error:
            _log.warning("the daily prune failed", instrument=instrument, reason=str(error))
            if last is None:
                line = AuditLine(now, environment.name, action, BOT, "failed", answer=str(error))
                await self._audit.add(line)
                return
            why = f", then stopped: {error.says}"
        finally:
            # Also where this process ends midway: what was removed is gone.
            if last is not None:
                after = {"removed": str(last.removed)}
                answer = last.figures + why
                await self._audit.add(
                    AuditLine(
                        now, environment.name, action, BOT, result, answer=answer, after=after
                    )
                )
        if last is not None and last.dropped:
            entries = sum(count for _, count in last.dropped)
            text = (
                f"🟡 {environment.label} {instrument}: the daily prune removed "
                f"{len(last.dropped)} names that held {entries} unconfirmed entries. "
                "These are no longer listed as unconfirmed."
            )
            notice = Notice(Said.DROPPED, environment.name, values={"text": text})
            await self._outbox.add(now, notice)


def _marker(request: Request) -> Marker:
    return Marker(request.id, request.key)
