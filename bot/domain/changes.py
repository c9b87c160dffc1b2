"""What a change needs to know of a stream before it, what it is bound to, and what it tells after.

`Survey` is a look with everything that a plan shows. What the card showed, and the execution
compares, is a bound such as `Clearing`; it travels as text in `Plan.bound`. `Marker` is the proof
in Redis that a change was made; `Facts` are the figures that the change itself counted, in the same
atomic step.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from types import UnionType
from typing import Any, Self, get_args, get_origin, get_type_hints

from bot.domain.streams import Entry, EntryId, Group

Facts = Mapping[str, str]
"""What a change found and did, by name; `result` says whether it was made."""

RESULT = "result"
DONE, STALE, FENCED = "done", "stale", "fenced"
"""Values of `result`: made; the plan no longer held; somebody made sure that it cannot be made."""


@dataclass(frozen=True)
class Marker:
    """Where Redis keeps that a request was carried out, and the request's random key."""

    request: int
    key: str

    @property
    def name(self) -> str:
        """Its key in Redis."""
        return f"prompt-redis-bot:done:{self.request}"


def archive_key(stream: str, clear: int) -> str:
    """Give the key under which a clear, by its request's ID, keeps the stream as it was."""
    return f"cleared:{stream}:{clear}"


def restored_key(clear: int) -> str:
    """Give the key that holds how far what a clear discarded was put back."""
    return f"prompt-redis-bot:restored:{clear}"


@dataclass(frozen=True)
class VisitCount:
    """Entries of one visit, in the order of their first entry."""

    oldest: Entry
    entries: int


@dataclass(frozen=True)
class Survey:
    """A stream in one atomic look, with all that a plan shows.

    Parameters
    ----------
    last, last_added, added
        The last entry in it, the last one ever, and how many there ever were.
    others
        Names of further groups of this stream.
    after
        Where the count began: an ID that was asked for, else the group's last delivered one.
    entries, capped, newest, visits
        What comes after it; capped where the count stopped, so there are at least this many.
    """

    length: int
    last: EntryId | None
    last_added: EntryId
    added: int
    group: Group | None
    others: tuple[str, ...]
    after: EntryId
    entries: int
    capped: bool
    newest: Entry | None
    visits: tuple[VisitCount, ...]


@dataclass(frozen=True)
class Archive:
    """What waited when it was cleared and is still to be put back; `restored` entries are back."""

    entries: int
    visits: tuple[VisitCount, ...]
    expires: datetime | None
    restored: int = 0


@dataclass(frozen=True)
class Pruned:
    """How far the removal of consumer names has come.

    Of all `names` those were `left_behind` that have nothing pending and are idle past the limit;
    `dropped` has name and count of each that held unconfirmed entries after all, gone with it.
    Of `unsure` names nobody knows: they were sent to Redis, and its answer was lost.
    """

    names: int
    left_behind: int
    removed: int = 0
    dropped: tuple[tuple[str, int], ...] = ()
    unsure: int = 0

    @property
    def figures(self) -> str:
        """What was removed, for the audit."""
        said = f"{self.removed:,} of {self.names:,} names removed"
        return f"{said}, perhaps {self.unsure:,} more" if self.unsure else said


MOST_SETTLED = 1000
"""Entries that one `settle` takes: a card with more is read by nobody."""

JUST_READ = timedelta(seconds=60)
"""Workers confirm at once; an entry read more recently than this is on its way."""

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
    """What a clear is bound to: the stream and its group as the card showed them.

    Parameters
    ----------
    last
        Newest entry of the plan; what came later is not touched.
    last_added, added
        The last entry ever, and how many there ever were.
    waiting, visits, capped
        What waited; capped where the count stopped.
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
    """What putting back is bound to: the request that cleared, and what is still to be put back.

    What waited then are the entries `after` an ID, up to the `last` one; `restored` of them are
    back already.
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


@dataclass(frozen=True)
class Restarting(_Bound):
    """What a restart is bound to.

    Parameters
    ----------
    generation, uids
        Of the StatefulSet, and of the pods that are to be replaced.
    version, run_id
        What Redis said of itself; empty where it did not answer.
    instruments, stood, added
        Those that had a group, where each stood, and the last entry that was ever added.
    """

    generation: int
    uids: tuple[str, ...]
    image: str
    version: str
    run_id: str
    instruments: tuple[str, ...]
    stood: tuple[EntryId, ...]
    added: tuple[EntryId, ...]


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
