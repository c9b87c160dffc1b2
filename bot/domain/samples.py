"""What the watch sees: one look as a sample, and what samples add up to over time.

Rates are differences between samples. A record is what rules remember of a stream, or of the Redis
under all of them: a value of which every sample gives the next one. It is built anew after a
restart by folding the samples that were kept, which lack the oldest entry and the newest. Memory is
bounded: the last minutes in full, the hour before them as the lowest of each minute.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import reduce
from itertools import chain, groupby
from typing import Any, NamedTuple, Self

from bot.domain.errors import Unreachable
from bot.domain.streams import Entry, EntryId, Look, Stream

RATES_OVER = timedelta(minutes=5)
"""Rates are told over this time: a visit comes as a burst every 37 s or so."""

REMEMBERED = timedelta(hours=1)
"""Nothing older is remembered by rules; folding the samples of this time is enough."""

IDLE = timedelta(minutes=30)
"""After so long without an entry the workers are gone, and the next ones start cold."""

ALIKE = 0.05
"""Entries per second; rates that are shown as one figure are taken as the same."""

LOOKS_KEPT = timedelta(minutes=15)
"""Polls without an answer are told one by one for so long."""

POLLS = 3
"""As many polls in a row without an answer are more than a hiccup."""

_IN_FULL = timedelta(minutes=3)
_MINUTE = timedelta(minutes=1)
_HOUR = timedelta(hours=1)
_ZERO = timedelta(0)
_BARS = "▁▂▃▄▅▆▇█"
_BAR = timedelta(minutes=5)
# A single visit of 172 entries, read within seconds, must not look like trouble.
_FULL_BAR = 1000


@dataclass(frozen=True)
class Sample:
    """One look at one stream, as it is kept.

    Parameters
    ----------
    there
        Whether the stream and its group were there; None where Redis did not tell.
    waiting, visits, capped
        Entries that no worker has read, their visits, and whether the count stopped.
    wait
        Age in the stream of the oldest of them; None where nothing waits, or its ID is no time.
    unconfirmed, consumers, length
        Entries read and never confirmed, consumer names, entries in the stream.
    last_delivered
        Where the group stands.
    lag
        What Redis itself reports; None is unknown.
    announced
        Visits that were first seen with this sample.
    oldest, first_skipped
        The entry that waits longest, and when workers begin to skip it; not kept in the database.
    newest
        When the newest entry ever was added; not kept either.
    """

    instrument: str
    at: datetime
    reached: bool
    there: bool | None = None
    waiting: int = 0
    visits: int = 0
    capped: bool = False
    wait: timedelta | None = None
    unconfirmed: int = 0
    consumers: int = 0
    length: int = 0
    added: int = 0
    last_delivered: EntryId = field(default=EntryId(0, 0))
    lag: int | None = None
    announced: int = 0
    oldest: Entry | None = None
    first_skipped: datetime | None = None
    newest: datetime | None = None


def sample(look: Look, last_visit: str | None, expiration: timedelta | None) -> Sample:
    """Keep of a look what rules and charts need.

    Parameters
    ----------
    last_visit
        Name of the newest visit in the look before; None where there was none.
    expiration
        Age at which workers drop an entry; None where they never do.
    """
    state, group = look.state, look.group
    if not look.read:
        return Sample(look.instrument, look.at, reached=False)
    if not isinstance(state, Stream):
        there = False if look.missing else None
        return Sample(look.instrument, look.at, reached=True, there=there)
    visit = state.newest.visit if state.newest else None
    new = visit is not None and last_visit is not None and visit != last_visit
    seen = Sample(
        look.instrument,
        look.at,
        reached=True,
        there=group is not None,
        length=state.length,
        added=state.added,
        announced=int(new),
        newest=state.last_added.added,
    )
    if group is None:
        return seen
    oldest = group.waiting.oldest
    return replace(
        seen,
        waiting=group.waiting.entries,
        visits=group.waiting.visits,
        capped=group.waiting.capped,
        wait=look.longest_wait,
        unconfirmed=group.pending,
        consumers=group.consumers,
        last_delivered=group.last_delivered,
        lag=group.lag,
        oldest=oldest,
        first_skipped=oldest.skipped_at(expiration) if oldest and expiration else None,
    )


@dataclass(frozen=True)
class Minute:
    """The worst of one minute of one stream: what is kept of samples for a month.

    Parameters
    ----------
    at
        Begin of the minute.
    samples, reached
        How many looks there were, and how many of them Redis answered.
    waiting, wait, unconfirmed
        The highest of each; `wait` is None where nothing waited.
    added
        Entries ever added, at the end of the minute.
    announced
        Visits that were first seen in it.
    """

    instrument: str
    at: datetime
    samples: int
    reached: int
    waiting: int
    wait: timedelta | None
    unconfirmed: int
    added: int
    announced: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> "Minute":
        """Take the worst of the samples of one minute of one stream; at least one."""
        waits = [each.wait for each in samples if each.wait is not None]
        return cls(
            instrument=samples[0].instrument,
            at=samples[0].at.replace(second=0, microsecond=0),
            samples=len(samples),
            reached=sum(each.reached for each in samples),
            waiting=max(each.waiting for each in samples),
            wait=max(waits, default=None),
            unconfirmed=max(each.unconfirmed for each in samples),
            added=max(each.added for each in samples),
            announced=sum(each.announced for each in samples),
        )


@dataclass(frozen=True)
class Rates:
    """How fast entries come and go; None where that is not known.

    Parameters
    ----------
    arriving, read
        Entries per second.
    between_visits
        Mean time between two visits.
    """

    arriving: float | None = None
    read: float | None = None
    between_visits: timedelta | None = None


def rates(samples: Sequence[Sample]) -> Rates:
    """Tell how fast entries come and go, from samples in the order of time."""
    known = [each for each in samples if each.reached and each.there]
    if len(known) < 2:  # noqa: PLR2004 -- a difference takes two
        return Rates()
    first, last = known[0], known[-1]
    seconds = (last.at - first.at).total_seconds()
    added = last.added - first.added
    if seconds <= 0 or added < 0:
        # The stream was created anew in between.
        return Rates()
    read = None
    if not first.capped and not last.capped:
        read = max(added - (last.waiting - first.waiting), 0) / seconds
    visits = sum(each.announced for each in known[1:])
    between = timedelta(seconds=seconds / visits) if visits else None
    return Rates(added / seconds, read, between)


def highest(minutes: Iterable[Minute], now: datetime) -> int | None:
    """Tell how many entries waited at most in the last hour; None where nothing tells."""
    return max((each for each in _bars(minutes, now) if each is not None), default=None)


def sparkline(minutes: Iterable[Minute], now: datetime) -> str:
    """Draw how many entries waited in the last hour.

    Parameters
    ----------
    minutes
        Those of the hour, in any order; others are left out.
    now
        The end of the hour.

    Returns
    -------
    str
        Twelve characters, one for each five minutes and the most that waited in them; a space
        where nothing tells.
    """
    bars = _bars(minutes, now)
    full = max(_FULL_BAR, *(each or 0 for each in bars))
    top = len(_BARS) - 1
    return "".join(" " if each is None else _BARS[each * top // full] for each in bars)


def _bars(minutes: Iterable[Minute], now: datetime) -> list[int | None]:
    bars: list[int | None] = [None] * (_HOUR // _BAR)
    # The minute that is not over yet belongs to the last bar.
    end = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
    for each in minutes:
        back = (end - each.at - timedelta(microseconds=1)) // _BAR
        if each.reached and 0 <= back < len(bars):
            bars[-1 - back] = max(bars[-1 - back] or 0, each.waiting)
    return bars


class Mark(NamedTuple):
    """What rules need of one sample; of an older minute, the lowest of each figure.

    Parameters
    ----------
    at
        When; of a minute, its first sample.
    waiting, capped
        Entries that no worker has read, and whether the count stopped.
    wait
        Age of the oldest of them; as `unread` where its ID is no time.
    unread
        How long entries have waited while nothing was read.
    nil, lag
        True where entries wait and Redis reports no lag; what it reports, else 0.
    unconfirmed, consumers
        Entries read and never confirmed; consumer names.
    skipped, vague
        When workers begin to skip what waits; True where entries wait and that is not known.
    """

    at: datetime
    waiting: int = 0
    capped: bool = False
    wait: timedelta = _ZERO
    unread: timedelta = _ZERO
    nil: bool = False
    lag: int = 0
    unconfirmed: int = 0
    consumers: int = 0
    skipped: datetime | None = None
    vague: bool = False

    def lowest(self, later: "Mark") -> "Mark":
        """Take the lower of each figure, so that a limit is passed only if both pass it."""
        mine: tuple[Any, ...] = self[:-2]
        skipped = later.skipped if self.skipped else None
        return Mark._make((*map(min, mine, later), skipped, self.vague and later.vague))


@dataclass(frozen=True, slots=True)
class History:
    """Marks in the order of time.

    Parameters
    ----------
    recent
        Of the last minutes, one for each sample.
    minutes
        Those before them, one a minute, for an hour in all.
    """

    recent: tuple[Mark, ...] = ()
    minutes: tuple[Mark, ...] = ()

    @property
    def last(self) -> Mark | None:
        """The newest mark."""
        return self.recent[-1] if self.recent else None

    def with_mark(self, mark: Mark) -> "History":
        """Remember one more; what is too old becomes a minute, and is forgotten later."""
        recent, minutes = (*self.recent, mark), self.minutes
        full = mark.at - _IN_FULL
        if recent[0].at < full:
            old = next(i for i, each in enumerate(recent) if each.at >= full)
            for each in recent[:old]:
                if minutes and each.at - minutes[-1].at < _MINUTE:
                    minutes = (*minutes[:-1], minutes[-1].lowest(each))
                else:
                    minutes = (*minutes, each)
            recent = recent[old:]
        if minutes and minutes[0].at < mark.at - REMEMBERED:
            minutes = tuple(each for each in minutes if each.at >= mark.at - REMEMBERED)
        return History(recent, minutes)

    def forward(self) -> Iterator[Mark]:
        """Go through all marks, oldest first."""
        return chain(self.minutes, self.recent)

    def back(self) -> Iterator[Mark]:
        """Go through all marks, newest first."""
        return chain(reversed(self.recent), reversed(self.minutes))

    def since(self, holds: Callable[[Mark], bool]) -> datetime | None:
        """Tell since when something has held without a break; None where it does not hold now."""
        first = None
        for mark in self.back():
            if not holds(mark):
                break
            first = mark.at
        return first


@dataclass(frozen=True, slots=True)
class Arrivals:
    """When entries were added.

    Parameters
    ----------
    added
        Entries ever added; None before the first sample.
    last
        When the newest was; before one was seen to arrive, the earliest time that is known.
    woke
        When the first one after the last pause of `IDLE` was.
    """

    added: int | None = None
    last: datetime | None = None
    woke: datetime | None = None

    def seen(self, sample: Sample, *, waited: bool) -> "Arrivals":
        """Fold a sample of a stream that is there.

        Parameters
        ----------
        waited
            Whether something had waited before: then workers were called for already.
        """
        newest = min(sample.newest, sample.at) if sample.newest else sample.at
        began, last, woke = arrival(sample), self.last, self.woke
        if last is None:
            last = newest
        elif sample.added not in {self.added, 0}:
            first = began or newest
            if not waited and first - last >= IDLE:
                woke = first
            last = max(newest, last)
        if began is not None:
            # A pause shows in a single sample, too; 0-0 is a new group, and tells no time.
            read = sample.last_delivered.added
            if read is not None and began - read >= IDLE:
                woke = began
        return Arrivals(sample.added, last, woke)


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """What is remembered of one stream.

    Parameters
    ----------
    at
        Time of the newest sample; None before the first.
    told
        Whether that one told how the stream is; while it does not, all else stays as it was.
    last_delivered
        Where the group was last seen to stand.
    stands_since
        Since when it has stood there: it moved, was first seen, or Redis came back.
    read_last
        When it was last seen to move; None where it was not.
    waiting_since
        Since when every sample has found entries waiting; None where the newest found none.
    missing, missing_since
        Polls in a row that found no stream or no group; the first of the last such ones.
    there_since
        Since when every sample has found stream and group; None where the newest did not.
    away
        Polls in a row that Redis did not answer.
    """

    at: datetime | None = None
    told: bool = False
    history: History = field(default=History())
    arrivals: Arrivals = field(default=Arrivals())
    last_delivered: EntryId | None = None
    stands_since: datetime | None = None
    read_last: datetime | None = None
    waiting_since: datetime | None = None
    missing: int = 0
    missing_since: datetime | None = None
    there_since: datetime | None = None
    away: int = 0

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "StreamRecord":
        """Build it from samples of one stream, in the order of time."""
        return reduce(StreamRecord.seen, samples, cls())

    def seen(self, sample: Sample) -> "StreamRecord":
        """Fold the next sample.

        One that is not newer changes nothing; one that is much older means that the clock was set
        back, and begins a new record.
        """
        if self.at is not None and sample.at <= self.at:
            return self if self.at - sample.at < _MINUTE else StreamRecord().seen(sample)
        if not sample.reached:
            return replace(self, at=sample.at, told=False, away=self.away + 1)
        if sample.there is None:
            return replace(self, at=sample.at, told=False)
        return self._with_group(sample) if sample.there else self._without_group(sample)

    def _with_group(self, sample: Sample) -> "StreamRecord":
        at, waits = sample.at, sample.waiting > 0
        moved = self.last_delivered is not None and sample.last_delivered != self.last_delivered
        # While Redis is away nothing can be read, so that time is no stall.
        stands = self.stands_since if not moved and self.away < POLLS else None
        stands = stands or at
        waiting_since = (self.waiting_since or at) if waits else None
        unread = at - max(stands, arrival(sample) or waiting_since or at)
        wait = unread if sample.wait is None else sample.wait
        mark = Mark(
            at,
            sample.waiting,
            sample.capped,
            wait if waits else _ZERO,
            unread,
            waits and sample.lag is None,
            sample.lag or 0,
            sample.unconfirmed,
            sample.consumers,
            sample.first_skipped if waits else None,
            waits and sample.oldest is None,
        )
        return StreamRecord(
            at=at,
            told=True,
            history=self.history.with_mark(mark),
            arrivals=self.arrivals.seen(sample, waited=self.waiting_since is not None),
            last_delivered=sample.last_delivered,
            stands_since=stands,
            read_last=at if moved else self.read_last,
            waiting_since=waiting_since,
            missing=0,
            missing_since=self.missing_since,
            there_since=self.there_since or at,
        )

    def _without_group(self, sample: Sample) -> "StreamRecord":
        arrivals = self.arrivals
        if sample.added:
            arrivals = arrivals.seen(sample, waited=self.waiting_since is not None)
        return replace(
            self,
            at=sample.at,
            told=True,
            history=self.history.with_mark(Mark(sample.at)),
            arrivals=arrivals,
            waiting_since=None,
            missing=self.missing + 1,
            missing_since=self.missing_since if self.missing else sample.at,
            there_since=None,
            away=0,
        )


def arrival(sample: Sample) -> datetime | None:
    """Tell when the oldest waiting entry was added; None where nothing waits, or nobody knows."""
    return sample.at - sample.wait if sample.waiting and sample.wait is not None else None


@dataclass(frozen=True, slots=True)
class ServerRecord:
    """What is remembered of the Redis under the streams of one environment.

    Parameters
    ----------
    at
        Time of the newest poll; None before the first.
    failed, failing_since
        Polls in a row that found it of no use; the first of the last such ones.
    blind
        True if the newest poll was refused to the bot alone, and workers may be well.
    answering_since
        Since when every poll has been answered; None where the newest was not.
    failures
        Polls without an answer that may count, oldest first: when, and until when each counts.
    memory, memory_limit
        As last told, in bytes; None where it was not told, or there is no limit.
    memories
        The lowest of each minute of the last hour, and when the minute began.
    """

    at: datetime | None = None
    failed: int = 0
    failing_since: datetime | None = None
    blind: bool = False
    answering_since: datetime | None = None
    failures: tuple[tuple[datetime, datetime], ...] = ()
    memory: int | None = None
    memory_limit: int | None = None
    memories: tuple[tuple[datetime, int], ...] = ()

    @classmethod
    def of(cls, samples: Iterable[Sample]) -> "ServerRecord":
        """Build it from samples of any of the streams, in the order of time; memory is not told."""
        record = cls()
        for at, poll in groupby(samples, key=lambda sample: sample.at):
            answered = any(sample.reached for sample in poll)
            record = record.answered(at) if answered else record.unanswered(at)
        return record

    def answered(
        self, at: datetime, memory: int | None = None, memory_limit: int | None = None
    ) -> Self:
        """Fold a poll that Redis answered.

        Parameters
        ----------
        memory, memory_limit
            What it told of its memory, in bytes; without `memory` what was known stays.
        """
        record = self._at(at)
        record = replace(
            record, at=at, failed=0, blind=False, answering_since=record.answering_since or at
        )
        if memory is None:
            return record
        memories = record.memories
        if memories and at - memories[-1][0] < _MINUTE:
            begin, lowest = memories[-1]
            memories = (*memories[:-1], (begin, min(lowest, memory)))
        else:
            memories = (*(each for each in memories if each[0] >= at - REMEMBERED), (at, memory))
        return replace(record, memory=memory, memory_limit=memory_limit, memories=memories)

    def unanswered(self, at: datetime, *, blind: bool = False) -> Self:
        """Fold a poll that found it of no use, to workers or only to the bot."""
        record = self._at(at)
        return replace(
            record,
            at=at,
            failed=record.failed + 1,
            failing_since=record.failing_since if record.failed else at,
            blind=blind,
            answering_since=None,
            failures=(*record.failures, (at, at)),
        )

    def failed_since(self, begin: datetime) -> tuple[list[datetime], timedelta]:
        """Give the polls without an answer since then, and for how long there was none in all."""
        looks = [(max(at, begin), until) for at, until in self.failures if until >= begin]
        return [at for at, _ in looks], sum((until - at for at, until in looks), _ZERO)

    def anew(self, since: datetime) -> Self:
        """Count no failure from before: an alarm was over then."""
        return replace(self, failures=tuple(each for each in self.failures if each[0] >= since))

    def _at(self, at: datetime) -> Self:
        """Itself at the time of another poll, or a new one where the clock was set back."""
        if self.at is not None and at < self.at - _MINUTE:
            return type(self)()
        failures = self.failures
        if self.failed and failures:
            # Until this poll nobody knew better, unless the bot itself was away.
            begin, _ = failures[-1]
            failures = (*failures[:-1], (begin, min(at, begin + _MINUTE)))
        return replace(
            self, failures=tuple(each for each in failures if each[1] >= at - LOOKS_KEPT)
        )


@dataclass(frozen=True)
class Figures:
    """What a message shows of the stream, or of Redis, at one moment; all as they were looked at.

    Parameters
    ----------
    waiting, visits, capped
        Entries that wait, their visits, True for at least.
    first_skipped
        When workers begin to skip it; None where they never do, or nothing waits.
    arriving, read
        Entries per second; None is unknown.
    read_last
        When something was last read, as far as the bot knows.
    between_visits
        Mean time between two visits; None is unknown.
    unconfirmed, consumers
        Entries read and never confirmed; consumer names.
    lag_known
        False where Redis reports no lag (nil).
    answers_in
        Round-trip time of Redis.
    kind, address, tries
        In which way Redis is of no use, where, and how often it was tried.
    words
        What Redis itself says of it.
    memory, memory_limit
        Resident memory and its limit, in bytes; None is no limit.
    """

    at: datetime
    waiting: int = 0
    visits: int = 0
    capped: bool = False
    wait: timedelta | None = None
    oldest_visit: str = ""
    first_skipped: datetime | None = None
    arriving: float | None = None
    read: float | None = None
    read_last: datetime | None = None
    between_visits: timedelta | None = None
    unconfirmed: int = 0
    consumers: int = 0
    lag_known: bool = True
    answers_in: timedelta | None = None
    kind: str = ""
    address: str = ""
    tries: int = 0
    words: str = ""
    memory: int = 0
    memory_limit: int | None = None

    @property
    def nothing_read(self) -> bool:
        """Whether it is known that nothing is read."""
        return self.read is not None and self.read < ALIKE

    @property
    def growing(self) -> bool:
        """Whether it is known that more arrives than is read."""
        if self.arriving is None or self.read is None:
            return False
        return self.arriving > self.read + ALIKE

    @property
    def answers(self) -> bool:
        """Whether Redis answered at this look, although its alarm still fires."""
        return self.answers_in is not None and not self.kind and not self.tries

    @property
    def unreachable(self) -> Unreachable | None:
        """In which way Redis does not answer; None where that is not known."""
        return next((kind for kind in Unreachable if kind.value == self.kind), None)
