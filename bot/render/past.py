"""What the last hour adds to the figures of a stream, and whose the open alarms are.

A figure that is not known says why.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.domain.samples import RATES_OVER, Minute, Rates, Sample, highest, sparkline
from bot.domain.streams import Look
from bot.domain.workloads import Jobs
from bot.render.blocks import Markup, mark
from bot.render.words import clock, count, duration

HOUR = timedelta(hours=1)
COUNTED = 5000
"""Waiting entries are counted no further."""

LATE = timedelta(minutes=2)
"""Time without a look after which it is said."""

_LEAST = 0.05


@dataclass(frozen=True)
class Past:
    """What is known of a stream's last hour.

    Parameters
    ----------
    started
        When this process began to watch.
    minutes
        The hour, in order of time; None where the bot's database is away.
    rates
        How fast entries come and go.
    """

    started: datetime
    minutes: Sequence[Minute] | None = None
    rates: Rates = field(default=Rates())

    @property
    def seen(self) -> Sequence[Minute]:
        """Minutes in which Redis answered."""
        return [each for each in self.minutes or () if each.reached]


def is_known(point: Minute | Sample) -> bool:
    """Tell whether Redis answered, and the stream and its group were there."""
    return bool(point.reached) and (isinstance(point, Minute) or bool(point.there))


def waiting(entries: int) -> str:
    """Write how many entries waited, as far as they are counted."""
    return ("at least " if entries >= COUNTED else "") + count(entries, "entry")


def longest_wait(past: Past, look: Look) -> str:
    """Say how long entries waited at most: where nothing is wrong, the past is what counts."""
    now = look.longest_wait
    if not past.seen:
        so_far = "nothing waits now" if now is None else f"{duration(now)} now"
        return f"{so_far}, before unknown: {_why(past, look.at)}"
    waits = [each.wait for each in past.seen if each.wait is not None]
    longest = max([*waits, now] if now is not None else waits, default=timedelta())
    first = past.seen[0].at
    whole = first - (look.at - HOUR) <= LATE
    during = "in the last hour" if whole else f"since {clock(first, now=look.at)} UTC"
    return f"{duration(longest) if longest else 'none'} {during}"


def speeds(past: Past, now: datetime) -> Iterator[tuple[str, Markup]]:
    """Say how fast entries arrive, and how fast they are read."""
    rates = past.rates
    if rates.arriving is None:
        arriving = f"unknown: {_why(past, now)}"
    else:
        pace = rates.between_visits
        arriving = _speed(rates.arriving)
        if pace is not None and rates.arriving:
            arriving += f" (a visit every {duration(pace)})"
    yield "Arriving", mark("{}", arriving)
    if rates.read is not None:
        read = _speed(rates.read)
    elif rates.arriving is not None:
        read = "unknown: more wait than are counted"
    else:
        read = f"unknown: {_why(past, now)}"
    yield "Read", mark("{}", read)


def too_slow(past: Past, running: Jobs | None = None) -> Markup | None:
    """Say what is likely where reading goes on, but too slowly; None where it does not."""
    read, arriving = past.rates.read, past.rates.arriving
    if read is None or arriving is None or not _LEAST <= read < arriving:
        return None
    known = ""
    if running is not None:
        most = "" if running.most is None else f" of {running.most:,}"
        known = f"; {running.running:,}{most} jobs are running"
    return mark(
        "*Likely:* all workers are busy. Read {} of {} entries/s{}.",
        f"{read:,.1f}",
        f"{arriving:,.1f}",
        known,
    )


def last_hour(past: Past, now: datetime) -> Markup:
    """Draw how many entries waited in the last hour."""
    most = highest(past.seen, now)
    if most is None:
        return mark("Waiting, last hour: unknown, {}", _why(past, now))
    return mark("Waiting, last hour  {}  highest {}", sparkline(past.seen, now), waiting(most))


def _speed(rate: float) -> str:
    return "under 0.1 entries/s" if 0 < rate < _LEAST else f"{rate:,.1f} entries/s"


def _why(past: Past, now: datetime) -> str:
    """Say why a figure of the past is not known."""
    if past.minutes is None:
        return "the bot's database does not answer"
    if now - past.started < RATES_OVER:
        return f"the bot watches since {clock(past.started, now=now)} UTC"
    return f"the bot has seen too little of it in the last {duration(RATES_OVER)}"
