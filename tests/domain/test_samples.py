"""What is kept of a look, how fast entries come and go, and the line that shows an hour."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import RedisForbidden, RedisUnreachable, Unreachable
from bot.domain.samples import Minute, Rates, Sample, highest, rates, sample, sparkline
from bot.domain.streams import (
    Entry,
    EntryId,
    Forbidden,
    Group,
    Look,
    NoAnswer,
    NoStream,
    OtherKey,
    Stream,
    StreamState,
    Waiting,
)

NOW = datetime(2026, 11, 24, 5, 31, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
EXPIRATION = timedelta(hours=1)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def entry(seconds: float, visit: str = "v", sent: datetime | None = None) -> Entry:
    return Entry(EntryId(int(ago(seconds).timestamp() * 1000), 2), visit, sent=sent)


def stream(group: Group | None, newest: Entry) -> Stream:
    return Stream(length=1700, last_added=newest.id, newest=newest, group=group, added=86_900)


def test_a_sample_keeps_what_rules_need() -> None:
    oldest = entry(252, "first", sent=ago(255))
    group = Group(Waiting(1204, 7, oldest=oldest), 3, 9412, EntryId(5, 1), None)
    newest = entry(12, "last")
    kept = sample(Look("lsstcam", NOW, stream(group, newest)), "before", EXPIRATION)
    assert kept == Sample(
        "lsstcam",
        NOW,
        reached=True,
        there=True,
        waiting=1204,
        visits=7,
        wait=timedelta(seconds=252),
        unconfirmed=3,
        consumers=9412,
        length=1700,
        added=86_900,
        last_delivered=EntryId(5, 1),
        lag=None,
        announced=1,
        oldest=oldest,
        first_skipped=ago(255) + EXPIRATION,
        newest=ago(12),
    )


@pytest.mark.parametrize(("before", "announced"), [(None, 0), ("v", 0), ("u", 1)])
def test_a_visit_is_announced_once(before: str | None, announced: int) -> None:
    group = Group(Waiting(), 0, 1, EntryId(5, 1), 0)
    kept = sample(Look("lsstcam", NOW, stream(group, entry(1))), before, None)
    assert kept.announced == announced


def test_nothing_is_skipped_where_workers_never_drop() -> None:
    group = Group(Waiting(1, 1, oldest=entry(9000)), 0, 1, EntryId(5, 1), 1)
    assert sample(Look("hsc", NOW, stream(group, entry(1))), None, None).first_skipped is None


@pytest.mark.parametrize(
    ("facts", "reached", "there"),
    [
        (NoAnswer(RedisUnreachable(Unreachable.REFUSED, "redis:6379")), False, None),
        (NoStream(), True, False),
        (OtherKey("string"), True, False),
        (Forbidden(RedisForbidden(Unreachable.FORBIDDEN, "x:1")), True, None),
    ],
)
def test_a_sample_of_no_stream(facts: StreamState, reached: bool, there: bool | None) -> None:
    assert sample(Look("lsstcam", NOW, facts), None, None) == Sample("lsstcam", NOW, reached, there)


def test_a_sample_of_a_stream_without_its_group() -> None:
    kept = sample(Look("lsstcam", NOW, stream(None, entry(12))), "before", EXPIRATION)
    assert kept == Sample(
        "lsstcam",
        NOW,
        reached=True,
        there=False,
        length=1700,
        added=86_900,
        announced=1,
        newest=ago(12),
    )


def seen(seconds: float, **figures: Any) -> Sample:
    usual = {"reached": True, "there": True}
    return Sample("lsstcam", ago(seconds), **(usual | figures))


def test_a_minute_is_the_worst_of_its_samples() -> None:
    samples = [
        seen(10, waiting=172, wait=timedelta(seconds=3), added=1000, announced=1),
        seen(5, reached=False, there=None),
        seen(0, waiting=20, wait=timedelta(seconds=8), unconfirmed=2, added=1172, announced=1),
    ]
    assert Minute.of(samples) == Minute(
        "lsstcam",
        NOW.replace(second=0),
        samples=3,
        reached=2,
        waiting=172,
        wait=timedelta(seconds=8),
        unconfirmed=2,
        added=1172,
        announced=2,
    )


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        ([], Rates()),
        ([seen(0, added=5)], Rates()),
        (
            [seen(100, added=0), seen(0, added=460, announced=4)],
            Rates(4.6, 4.6, timedelta(seconds=25)),
        ),
        ([seen(100, added=0, waiting=10), seen(0, added=460, waiting=470)], Rates(4.6, 0.0)),
        ([seen(100, added=0), seen(0, added=460, waiting=5000, capped=True)], Rates(4.6)),
        # Read and added to while Redis was away from the bot for a moment.
        ([seen(100), seen(50, reached=False), seen(0, added=100)], Rates(1.0, 1.0)),
        # Created anew.
        ([seen(100, added=460), seen(0, added=3)], Rates()),
        # Entries that wait were taken away by a trim: nothing was unread.
        ([seen(100, waiting=0), seen(0, added=10, waiting=50)], Rates(0.1, 0.0)),
    ],
)
def test_rates(samples: list[Sample], expected: Rates) -> None:
    assert rates(samples) == expected


def minute(back: int, waiting: int = 0, *, added: int = 0, reached: int = 12) -> Minute:
    at = NOW.replace(second=0) - back * MINUTE
    return Minute("lsstcam", at, 12, reached, waiting, None, 0, added, 0)


@pytest.mark.parametrize(
    ("figures", "line"),
    [
        ({}, " " * 12),
        (dict.fromkeys(range(60), 0), "▁" * 12),
        # One visit at a time is no mountain.
        ({back: 172 if back % 7 == 0 else 60 for back in range(60)}, "▂▁▂▂▂▁▂▂▁▂▂▂"),
        (dict.fromkeys(range(60), 172), "▂" * 12),
        ({back: max(0, 1204 - 172 * back) for back in range(60)}, "▁▁▁▁▁▁▁▁▁▁▃█"),
        (dict.fromkeys(range(60), 5000), "█" * 12),
        # The running minute and the four before it are the last bar.
        ({0: 1000}, " " * 11 + "█"),
        ({4: 1000}, " " * 11 + "█"),
        ({5: 1000}, " " * 10 + "█ "),
        ({59: 1000, 60: 5000, -1: 5000}, "█" + " " * 11),
    ],
)
def test_an_hour_as_a_line(figures: dict[int, int], line: str) -> None:
    minutes = [minute(back, waiting) for back, waiting in figures.items()]
    assert sparkline(minutes, NOW) == line
    assert sparkline(reversed(minutes), NOW) == line


def test_the_highest_of_the_hour() -> None:
    assert highest([], NOW) is None
    assert highest([minute(70, 9), minute(5, reached=0), minute(-3, 9)], NOW) is None
    assert highest([minute(70, 900), minute(59, 17), minute(3, 4), minute(2)], NOW) == 17


def test_minutes_without_an_answer_are_a_gap() -> None:
    minutes = [minute(back, 10, reached=0 if 20 <= back < 30 else 12) for back in range(60)]
    assert sparkline(minutes, NOW) == "▁▁▁▁▁▁  ▁▁▁▁"


@given(st.lists(st.builds(minute, st.integers(-90, 90), st.integers(0, 5000))))
def test_a_line_always_has_twelve_characters(minutes: list[Minute]) -> None:
    line = sparkline(minutes, NOW)
    assert len(line) == 12
    assert set(line) <= set(" ▁▂▃▄▅▆▇█")
    assert (highest(minutes, NOW) is None) is (line == " " * 12)
