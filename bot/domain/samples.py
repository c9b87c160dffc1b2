"""Samples of a stream over time: what the watch loop keeps of each look, and what they add up to.

Rates are differences between samples: of entries ever added, and of those that no longer wait.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.streams import Entry, EntryId, Look, NoAnswer, Stream

RATES_OVER = timedelta(minutes=5)
"""Rates are told over this time: a visit comes as a burst every 37 s or so."""

_BARS = "▁▂▃▄▅▆▇█"
_BAR = timedelta(minutes=5)
_HOUR = timedelta(hours=1)
# A single visit of 172 entries, read within seconds, must not look like trouble.
_FULL_BAR = 1000


@dataclass(frozen=True)
class Sample:
    """One look at one stream, as it is kept.

    Parameters
    ----------
    instrument
        Whose stream.
    at
        When.
    reached
        Whether Redis answered.
    there
        Whether the stream and its group were there; None where Redis did not tell.
    waiting, visits, capped
        Entries that no worker has read, their visits, and whether the count stopped.
    wait
        Age in the stream of the oldest of them; None where nothing waits, or its ID is no time.
    unconfirmed, consumers, length
        Entries read and never confirmed, consumer names, entries in the stream.
    added
        Entries ever added.
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
    look
        What was found.
    last_visit
        Name of the newest visit in the look before; None where there was none.
    expiration
        Age at which workers drop an entry; None where they never do.
    """
    facts = look.state
    if not isinstance(facts, Stream):
        reached = not isinstance(facts, NoAnswer)
        there = False if look.missing else None
        return Sample(look.instrument, look.at, reached, there)
    group = facts.group
    visit = facts.newest.visit if facts.newest else None
    new = visit is not None and last_visit is not None and visit != last_visit
    if group is None:
        return Sample(
            look.instrument,
            look.at,
            reached=True,
            there=False,
            length=facts.length,
            added=facts.added,
            announced=int(new),
            newest=facts.last_added.added,
        )
    oldest = group.waiting.oldest
    return Sample(
        look.instrument,
        look.at,
        reached=True,
        there=True,
        waiting=group.waiting.entries,
        visits=group.waiting.visits,
        capped=group.waiting.capped,
        wait=look.longest_wait,
        unconfirmed=group.pending,
        consumers=group.consumers,
        length=facts.length,
        added=facts.added,
        last_delivered=group.last_delivered,
        lag=group.lag,
        announced=int(new),
        oldest=oldest,
        first_skipped=oldest.skipped_at(expiration) if oldest and expiration else None,
        newest=facts.last_added.added,
    )


@dataclass(frozen=True)
class Minute:
    """The worst of one minute of one stream: what is kept of samples for a month.

    Parameters
    ----------
    instrument
        Whose stream.
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


def arriving(minutes: Sequence[Minute]) -> float | None:
    """Tell how many entries per second were added, from minutes in the order of time.

    None where fewer than two minutes tell, or the stream was created anew in between.
    """
    known = [each for each in minutes if each.reached]
    if len(known) < 2:  # noqa: PLR2004 -- a difference takes two
        return None
    seconds = (known[-1].at - known[0].at).total_seconds()
    added = known[-1].added - known[0].added
    return added / seconds if seconds > 0 and added >= 0 else None


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
