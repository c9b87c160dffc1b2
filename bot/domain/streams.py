"""What is known of a stream at one moment, and what it means.

Entries that no worker has read are *counted*: Redis' own lag is nil or wrong after deletes and
trims, and cannot be checked from outside. Times are aware UTC datetimes.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import NamedTuple, Self

from bot.domain.errors import RedisForbidden, RedisUnreachable, RedisUnusable

TAI_AHEAD = timedelta(seconds=37)
"""TAI minus UTC since 2017-01-01 (IERS Bulletin C 52); no leap second is announced since."""

COUNT_CAP = 5000
"""Most entries to count in one call. 5000 cost 18 ms of server time, a million 0.6 to 3.7 s; what
waits is counted no further, except for a plan."""

HEALTHY_WAIT = timedelta(seconds=60)
"""A wait shorter than this is a worker that is just starting."""


_EARLIEST = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_LATEST = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


def _moment(seconds: float) -> datetime | None:
    """Read seconds since 1970; None where no entry can be from then.

    IDs and stamps are written by others: one of them in the last hour of year 9999 is a value that
    nothing can be added to.
    """
    return datetime.fromtimestamp(seconds, UTC) if _EARLIEST <= seconds < _LATEST else None


class EntryId(NamedTuple):
    """Entry ID of a stream: two 64-bit integers, compared as such."""

    milliseconds: int
    sequence: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``1795498255163-2``; anything else is a `ValueError`."""
        milliseconds, _, sequence = text.partition("-")
        return cls(int(milliseconds), int(sequence))

    def __str__(self) -> str:
        return f"{self.milliseconds}-{self.sequence}"

    @property
    def added(self) -> datetime | None:
        """When Redis took the entry; None where the ID is no time (0-0, or made up)."""
        return _moment(self.milliseconds / 1000)


@dataclass(frozen=True)
class Entry:
    """One detector of one visit.

    Parameters
    ----------
    visit
        Its ``groupId``: a name in TAI, never a time of day.
    sent
        ``private_sndStamp`` in UTC: what the workers' expiration counts from.
    """

    id: EntryId
    visit: str | None = None
    survey: str | None = None
    detector: str | None = None
    sent: datetime | None = None

    def skipped_at(self, expiration: timedelta) -> datetime | None:
        """When the workers begin to drop it."""
        born = self.sent or self.id.added
        return None if born is None else born + expiration


def sent_in_utc(private_snd_stamp: str | None) -> datetime | None:
    """Convert ``private_sndStamp``, TAI seconds, to UTC; None where it is no time."""
    try:
        sent = _moment(float(private_snd_stamp or "nan"))
    except ValueError:
        return None
    return sent and sent - TAI_AHEAD


@dataclass(frozen=True)
class Waiting:
    """Entries after the group's last delivered ID; capped where there are at least this many."""

    entries: int = 0
    visits: int = 0
    capped: bool = False
    oldest: Entry | None = None


@dataclass(frozen=True)
class Group:
    """The consumer group, as XINFO GROUPS has it, and what waits for it.

    ``lag`` is what Redis itself reports and KEDA believes; None means unknown, never 0.
    """

    waiting: Waiting
    pending: int
    consumers: int
    last_delivered: EntryId
    lag: int | None


@dataclass(frozen=True)
class Stream:
    """A stream that is there; ``group`` is None where nobody created it, or somebody deleted it.

    ``newest`` is the last entry still in the stream, ``last_added`` the ID of the last one ever,
    ``added`` how many there ever were.
    """

    length: int
    last_added: EntryId
    newest: Entry | None
    group: Group | None
    added: int = 0


@dataclass(frozen=True)
class NoStream:
    """There is no such key."""


@dataclass(frozen=True)
class OtherKey:
    """The key holds something else than a stream."""

    type: str


@dataclass(frozen=True)
class Forbidden:
    """The bot may not look at it; the error says why."""

    error: RedisForbidden


@dataclass(frozen=True)
class NoAnswer:
    """Redis did not answer; the error says how."""

    error: RedisUnreachable


StreamState = Stream | NoStream | OtherKey | Forbidden | NoAnswer


class Verdict(Enum):
    """What a stream's figures amount to, from best to worst."""

    HEALTHY = "healthy"
    WAITING = "waiting"
    UNKNOWN = "unknown"
    NOT_READING = "not reading"
    MISSING = "missing"
    UNREACHABLE = "unreachable"

    @property
    def badness(self) -> int:
        """Position in the order from best to worst."""
        return list(Verdict).index(self)


@dataclass(frozen=True)
class Look:
    """One look at one stream.

    Parameters
    ----------
    unmoved_since
        Since when the last delivered ID is known to stand where it stands.
    oldest_since
        Since when the oldest waiting entry is known to be there.
    refuses
        Why Redis takes no writes although it answers, as far as that is known.
    """

    instrument: str
    at: datetime
    state: StreamState
    unmoved_since: datetime | None = None
    oldest_since: datetime | None = None
    refuses: RedisUnreachable | None = None

    @property
    def missing(self) -> bool:
        """True if the stream or its group is known not to be there."""
        return isinstance(self.state, NoStream | OtherKey) or (
            isinstance(self.state, Stream) and self.state.group is None
        )

    @property
    def outage(self) -> RedisUnreachable | None:
        """Why Redis is of no use; None where it is, as far as that is known."""
        return self.state.error if isinstance(self.state, NoAnswer) else self.refuses

    @property
    def read(self) -> bool:
        """Whether workers can read: Redis is of use, or it only takes nothing new."""
        return self.outage is None or self.outage.kind.lets_read

    @property
    def group(self) -> Group | None:
        """The group, where there is one."""
        return self.state.group if isinstance(self.state, Stream) else None

    @property
    def longest_wait(self) -> timedelta | None:
        """Age in the stream of the oldest waiting entry; None where nothing waits.

        By its ID; where that is no time, or is ahead of the clock, since it was first seen.
        """
        if self.group is None or self.group.waiting.oldest is None:
            return None
        times = (self.group.waiting.oldest.id.added, self.oldest_since)
        since = min((each for each in times if each is not None), default=None)
        return None if since is None else max(self.at - since, timedelta(0))

    @property
    def last_announced(self) -> datetime | None:
        """When an entry was added last; None where none ever was, or its ID cannot be the time."""
        added = self.state.last_added.added if isinstance(self.state, Stream) else None
        if added is None or added - self.at > HEALTHY_WAIT:
            return None
        return min(added, self.at)

    def unread_for(self) -> timedelta:
        """How long entries are known to have waited while nothing was read.

        Nothing can be read before something waits, so it counts from the oldest waiting entry
        where the last delivered ID has stood still for longer (each dusk begins like that).
        """
        if self.unmoved_since is None:
            return timedelta(0)
        unmoved = self.at - self.unmoved_since
        return unmoved if self.longest_wait is None else min(unmoved, self.longest_wait)

    def verdict(self, stalled_after: timedelta) -> Verdict:
        """Say what the figures amount to; what waits is not being read after `stalled_after`."""
        if self.outage is not None:
            return Verdict.UNREACHABLE
        match self.state:
            case Forbidden():
                return Verdict.UNKNOWN
            case Stream() if self.group is not None:
                return self._of_waiting(stalled_after)
            case _:
                return Verdict.MISSING

    def _of_waiting(self, stalled_after: timedelta) -> Verdict:
        if self.group is None or self.group.waiting.entries == 0:
            return Verdict.HEALTHY
        # An ID that is no time leaves the wait unknown; a person should then look.
        if self.longest_wait is not None and self.longest_wait < HEALTHY_WAIT:
            return Verdict.HEALTHY
        return Verdict.NOT_READING if self.unread_for() >= stalled_after else Verdict.WAITING


def outage_of(looks: Collection[Look]) -> RedisUnusable | None:
    """Tell why Redis is of no use, to workers or else to the bot; None where it is of use."""
    forbidden = (each.state.error for each in looks if isinstance(each.state, Forbidden))
    return next((each.outage for each in looks if each.outage), next(forbidden, None))


def worst_verdict(verdicts: Iterable[Verdict]) -> Verdict:
    """Pick the verdict that a person must hear of first."""
    return max(verdicts, key=lambda verdict: verdict.badness)


@dataclass(frozen=True)
class Pending:
    """Entries that were read and never confirmed.

    `consumers` has name and count of each that has any, most first; only the `oldest` are listed.
    """

    total: int
    consumers: tuple[tuple[str, int], ...] = ()
    oldest: tuple["PendingEntry", ...] = ()
    newest: EntryId | None = None


@dataclass(frozen=True)
class PendingEntry:
    """One entry that was read and never confirmed.

    ``entry`` has no visit where a trim took the entry away after it was read.
    """

    entry: Entry
    consumer: str
    idle: timedelta
    deliveries: int


@dataclass(frozen=True)
class Consumers:
    """Consumer names of a group: names ever used, not workers that run.

    ``idle`` and ``busy`` are None where names were only counted, not looked at: how many have
    nothing pending and were idle past the limit, and how many have an unconfirmed entry.
    """

    names: int
    idle: int | None = None
    busy: int | None = None
    longest_idle: timedelta | None = None


class Memory(NamedTuple):
    """Resident memory of a Redis and its ``maxmemory``, in bytes; None where no limit is set."""

    used: int
    limit: int | None


class Loading(NamedTuple):
    """Progress of a Redis that reads its data from disk."""

    percent: float
    remaining: timedelta | None


@dataclass(frozen=True)
class ServerInfo:
    """What a Redis server says of itself.

    Parameters
    ----------
    product
        ``redis`` or ``valkey``.
    memory, memory_limit
        Resident memory and ``maxmemory`` in bytes; None where no limit is set.
    append_only, last_write_ok
        Whether an append-only file is kept, and whether its last write worked.
    run_id
        Identity of the server process, to tell two environments on one Redis.
    loading
        Set while it reads its data.
    refuses
        Why it is of no use to workers although it answers.
    memory_full
        True if it has reached ``maxmemory``, so that nothing can be added or copied.
    """

    answered_in: timedelta
    product: str
    version: str
    up_for: timedelta
    memory: int
    memory_limit: int | None
    append_only: bool
    last_write_ok: bool
    snapshot_ok: bool
    last_snapshot: datetime | None
    run_id: str
    loading: Loading | None = None
    memory_full: bool = False
    refuses: RedisUnreachable | None = None

    @property
    def named(self) -> str:
        """Product and version."""
        return f"{self.product} {self.version}"
