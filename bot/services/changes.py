"""Changing one environment's streams, exactly as the plans that were approved say.

A plan is bound to what the card showed. The values below are that bond: they travel as text in
`Plan.bound`, and the execution compares them with what it finds then.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from bot.clients.prompt_redis import PromptRedis
from bot.clients.redis_changes import RedisChanges
from bot.domain.approvals import Request
from bot.domain.changes import Archive, Facts, GroupStart, Marker, Pruned, Survey
from bot.domain.environments import Environment
from bot.domain.errors import Refused
from bot.domain.streams import EntryId, PendingEntry
from bot.services.approvals import Approved
from bot.storage.positions import Positions

MOST_SETTLED = 1000
"""Entries that one `settle` takes: a card with more is read by nobody."""

LEAST_IDLE = timedelta(hours=1)
"""A consumer name that was idle for less may be that of a worker at work."""


@dataclass(frozen=True)
class _Bound:
    """What an execution is bound to, and how it is written into a plan."""

    def mapping(self) -> dict[str, str]:
        """Write it as text, by name."""
        return {each.name: _written(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def read(cls, mapping: Mapping[str, str]) -> Self:
        """Read what `mapping` wrote."""
        types = get_type_hints(cls)
        return cls(
            **{each.name: _read(types[each.name], mapping[each.name]) for each in fields(cls)}
        )


@dataclass(frozen=True)
class Clearing(_Bound):
    """What a clear is bound to.

    Parameters
    ----------
    instrument
        Whose stream.
    last
        Newest entry of the plan; what came later is not touched.
    last_added, added
        ID of the last entry ever added, and how many there ever were.
    last_delivered
        Where the group stood.
    waiting, visits, capped
        What waited; True where the count stopped.
    length, unconfirmed
        Entries in the stream, and entries read and never confirmed.
    copy, delete
        Whether a copy is kept; whether the key itself is deleted.
    skipped
        When workers begin to skip what is discarded; None where they never do.
    """

    instrument: str
    last: EntryId
    last_added: EntryId
    added: int
    last_delivered: EntryId
    waiting: int
    visits: int
    capped: bool
    length: int
    unconfirmed: int
    copy: bool
    delete: bool
    skipped: datetime | None


@dataclass(frozen=True)
class Restoring(_Bound):
    """What putting back is bound to.

    Parameters
    ----------
    instrument, clear
        Whose stream, and the ID of the request that cleared it.
    after, last
        What waited then: entries after the first ID, up to the second.
    entries, visits
        What is still to be put back.
    restored
        How many entries were put back before.
    """

    instrument: str
    clear: int
    after: EntryId
    last: EntryId
    entries: int
    visits: int
    restored: int


@dataclass(frozen=True)
class Starting(_Bound):
    """What creating groups is bound to: instruments, and for each the ID after which it begins."""

    instruments: tuple[str, ...]
    starts: tuple[EntryId, ...]


@dataclass(frozen=True)
class Settling(_Bound):
    """What acknowledging is bound to: whose entries, which ones, and for how long idle."""

    instrument: str
    idle: timedelta
    ids: tuple[EntryId, ...]
    visits: int
    unconfirmed: int


@dataclass(frozen=True)
class Repairing(_Bound):
    """What a repair of the lag is bound to: whose, what Redis reported, and what was counted."""

    instrument: str
    lag: int | None
    waiting: int
    capped: bool


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


_READERS: Mapping[type, Callable[[str], Any]] = {
    str: str,
    int: int,
    bool: "yes".__eq__,
    EntryId: EntryId.parse,
    datetime: datetime.fromisoformat,
    timedelta: lambda text: timedelta(seconds=float(text)),
}


def _read(kind: Any, text: str) -> Any:
    if get_origin(kind) is tuple:
        return tuple(_READERS[get_args(kind)[0]](word) for word in text.split())
    if isinstance(kind, UnionType):
        kind = get_args(kind)[0]
        return _READERS[kind](text) if text else None
    return _READERS[kind](text)


def _written(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case datetime():
            return value.isoformat()
        case timedelta():
            return str(value.total_seconds())
        case tuple() if not isinstance(value, EntryId):
            return " ".join(map(str, value))
        case _:
            return str(value)
