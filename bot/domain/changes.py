"""What a change needs to know of a stream before it, and what it tells after.

`Survey` is a look with everything that a plan shows; `Marker` is the proof in Redis that a change
was made; `Facts` are the figures that the change itself counted, in the same atomic step.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

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
    length
        Entries in the stream.
    first, last
        IDs of the first and the last entry in it; None where it is empty.
    last_added
        ID of the last entry ever added.
    added
        How many were ever added.
    group
        The consumer group; None where it is missing.
    others
        Names of further groups of this stream.
    after
        Where the count began: an ID that was asked for, else the group's last delivered one.
    entries, capped
        Entries after it; True where the count stopped, so there are at least this many.
    newest
        ID of the newest entry that was counted.
    visits
        Distinct visits among them.
    """

    length: int
    first: EntryId | None
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
    """Entries that a clear kept.

    Parameters
    ----------
    key
        Where they are kept.
    entries
        How many were waiting when they were cleared and are still to be put back.
    visits
        Distinct visits among them.
    expires
        Until when they are kept.
    restored
        How many of the waiting ones have been put back already.
    """

    key: str
    entries: int
    visits: tuple[VisitCount, ...]
    expires: datetime | None
    restored: int = 0


@dataclass(frozen=True)
class GroupStart:
    """A group to create, and the ID of the last entry that it need not see."""

    stream: str
    group: str
    after: EntryId


@dataclass(frozen=True)
class Pruned:
    """How far the removal of consumer names has come.

    Parameters
    ----------
    names
        How many there were.
    left_behind
        How many of them have nothing pending and are idle past the limit.
    removed
        How many of those have been removed.
    dropped
        Name and count of each that held unconfirmed entries after all; they are gone.
    """

    names: int
    left_behind: int
    removed: int = 0
    dropped: tuple[tuple[str, int], ...] = ()
