"""Changing one environment's streams, exactly as the plans that were approved say."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime, timedelta

from bot.clients.prompt_redis import PromptRedis
from bot.clients.redis_changes import RedisChanges
from bot.domain.approvals import Request
from bot.domain.changes import (
    LEAST_IDLE,
    MOST_SETTLED,
    Archive,
    Clearing,
    Facts,
    GroupStart,
    Marker,
    Pruned,
    Repairing,
    Restoring,
    Settling,
    Starting,
    Survey,
)
from bot.domain.environments import Environment
from bot.domain.errors import Refused
from bot.domain.streams import EntryId, PendingEntry
from bot.services.approvals import Approved
from bot.storage.positions import Positions


class Changes:
    """Looks at what a plan needs, and carries out what was approved.

    Every method that asks Redis raises `RedisError` where Redis does not answer, or refuses.

    Parameters
    ----------
    environment
        Whose streams.
    reads, writes
        Its Redis, for looking and for changing.
    positions
        Remembers where each group was seen last.
    """

    def __init__(
        self,
        environment: Environment,
        reads: PromptRedis,
        writes: RedisChanges,
        positions: Positions,
    ) -> None:
        self._environment = environment
        self._reads = reads
        self._writes = writes
        self._positions = positions

    async def survey(self, instrument: str, after: EntryId | None = None) -> Survey | None:
        """Look at a stream with all that a plan shows; None where there is no such stream.

        Parameters
        ----------
        instrument
            Whose stream.
        after
            Where counting begins; None for the group's last delivered ID.
        """
        return await self._reads.survey(*self._names(instrument), after)

    async def last_seen(self, instrument: str) -> tuple[EntryId, datetime] | None:
        """Tell where the group stood when the bot last saw it, and when that was."""
        return await self._positions.last(self._environment.name, instrument)

    async def memory_full(self) -> bool:
        """Tell whether Redis has no memory left for a copy."""
        return (await self._reads.server()).memory_full

    async def unconfirmed(
        self, instrument: str, idle: timedelta, most: int = MOST_SETTLED
    ) -> Sequence[PendingEntry] | None:
        """List the oldest entries that were read that long ago, and never confirmed.

        Returns
        -------
        Sequence or None
            At most `most` of them; None where stream or group is missing.
        """
        return await self._reads.unconfirmed(*self._names(instrument), idle, most)

    async def archive(
        self, instrument: str, clear: int, after: EntryId, last: EntryId
    ) -> Archive | None:
        """Find what a clear kept; None where it is kept no more.

        Parameters
        ----------
        instrument
            Whose stream.
        clear
            ID of the request that cleared it.
        after, last
            What waited then: entries after the first ID, up to the second.
        """
        key = self._archive_key(instrument, clear)
        return await self._reads.archive(key, after, _restored_key(clear), last=last)

    async def clear(self, approved: Approved) -> Facts:
        """Discard what the plan showed, and move the group past it, in one step."""
        request = approved.request
        bound = Clearing.read(request.plan.bound)
        stream, group = self._names(bound.instrument)
        if bound.delete:
            return await self._writes.delete(
                stream=stream,
                group=group,
                marker=_marker(request),
                last_added=bound.last_added,
                added=bound.added,
            )
        return await self._writes.clear(
            stream=stream,
            group=group,
            archive=self._archive_key(bound.instrument, request.id),
            marker=_marker(request),
            last=bound.last,
            last_delivered=bound.last_delivered,
            added=bound.added,
            had_waiting=bound.waiting > 0,
            keep=self._environment.keep_cleared,
            copy=bound.copy,
        )

    def restore(self, approved: Approved) -> AsyncIterator[Facts]:
        """Put back what a clear kept, part by part; the last facts have the result."""
        bound = Restoring.read(approved.request.plan.bound)
        stream, group = self._names(bound.instrument)
        return self._writes.restore(
            stream=stream,
            group=group,
            archive=self._archive_key(bound.instrument, bound.clear),
            after=bound.after,
            last=bound.last,
            restored_key=_restored_key(bound.clear),
            marker=_marker(approved.request),
        )

    async def bootstrap(self, approved: Approved) -> Facts:
        """Create the groups that are missing, and their streams."""
        bound = Starting.read(approved.request.plan.bound)
        starts = [
            GroupStart(*self._names(instrument), after)
            for instrument, after in zip(bound.instruments, bound.starts, strict=True)
        ]
        return await self._writes.bootstrap(starts, _marker(approved.request))

    async def settle(self, approved: Approved) -> Facts:
        """Acknowledge the entries that the plan listed, where they are still unconfirmed."""
        bound = Settling.read(approved.request.plan.bound)
        stream, group = self._names(bound.instrument)
        return await self._writes.settle(
            stream=stream,
            group=group,
            idle=bound.idle,
            ids=bound.ids,
            marker=_marker(approved.request),
        )

    async def repair(self, approved: Approved) -> Facts:
        """Make the lag that Redis reports exact again."""
        bound = Repairing.read(approved.request.plan.bound)
        stream, group = self._names(bound.instrument)
        return await self._writes.repair(
            stream=stream, group=group, marker=_marker(approved.request)
        )

    async def prune(self, instrument: str, idle: timedelta) -> AsyncIterator[Pruned]:
        """Remove consumer names with nothing unconfirmed that are idle past the limit.

        Raises
        ------
        Refused
            If nothing may be changed here, or the limit is below `LEAST_IDLE`.
        RedisError
            If Redis does not answer, or refuses.
        """
        if self._environment.read_only:
            raise Refused(f"{self._environment.label} is read-only, so nothing is removed there.")
        if idle < LEAST_IDLE:
            raise Refused("A consumer name must be idle for at least 1 h before it is removed.")
        stream, group = self._names(instrument)
        async for pruned in self._writes.prune(stream=stream, group=group, idle=idle):
            yield pruned

    async def fence(self, request: Request) -> Facts | None:
        """Find out what became of a request, and make sure that it cannot happen any more.

        Returns
        -------
        Facts or None
            What its marker in Redis says; None where nobody can tell.
        """
        return await self._writes.fence(_marker(request))

    def _names(self, instrument: str) -> tuple[str, str]:
        return self._environment.stream(instrument), self._environment.group(instrument)

    def _archive_key(self, instrument: str, clear: int) -> str:
        return f"cleared:{self._environment.stream(instrument)}:{clear}"


def _restored_key(clear: int) -> str:
    return f"prompt-redis-bot:restored:{clear}"


def _marker(request: Request) -> Marker:
    return Marker(request.id, request.key)
