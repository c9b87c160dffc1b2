"""Verdicts, waits and skips, as tables of times."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.errors import RedisForbidden, RedisUnreachable, Unreachable
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
    Verdict,
    Waiting,
    sent_in_utc,
    worst_verdict,
)

NOW = datetime(2026, 11, 24, 5, 31, tzinfo=UTC)
STALLED = timedelta(minutes=2)


def stream(waiting: int, oldest_seconds: float | None = None) -> Stream:
    oldest = None
    if oldest_seconds is not None:
        at = NOW - timedelta(seconds=oldest_seconds)
        oldest = Entry(EntryId(int(at.timestamp() * 1000), 0))
    group = Group(Waiting(waiting, 1, oldest=oldest), 0, 1, EntryId(1, 0), waiting)
    return Stream(10, EntryId(1, 0), None, group)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("facts", "unmoved_since", "verdict"),
    [
        (stream(0), None, Verdict.HEALTHY),
        (stream(0), ago(9999), Verdict.HEALTHY),
        (stream(172, 59), ago(9999), Verdict.HEALTHY),
        (stream(172, 60), None, Verdict.WAITING),
        (stream(172, 300), NOW, Verdict.WAITING),
        (stream(172, 300), ago(119), Verdict.WAITING),
        (stream(172, 300), ago(120), Verdict.NOT_READING),
        # The first burst of a night: the last reading was hours ago, and that is no stall.
        (stream(172, 70), ago(9999), Verdict.WAITING),
        (stream(172, 120), ago(9999), Verdict.NOT_READING),
        # Entries whose ID is no time.
        (stream(3), ago(60), Verdict.WAITING),
        (stream(3), ago(121), Verdict.NOT_READING),
        (Stream(3, EntryId(1, 0), None, None), None, Verdict.MISSING),
        (NoStream(), None, Verdict.MISSING),
        (OtherKey("hash"), None, Verdict.MISSING),
        (Forbidden(RedisForbidden(Unreachable.FORBIDDEN, "x:1")), None, Verdict.UNKNOWN),
        (NoAnswer(RedisUnreachable(Unreachable.REFUSED, "x:1")), None, Verdict.UNREACHABLE),
    ],
)
def test_verdicts(facts: StreamState, unmoved_since: datetime | None, verdict: Verdict) -> None:
    assert Look("lsstcam", NOW, facts, unmoved_since).verdict(STALLED) is verdict


def test_the_worst_verdict_leads() -> None:
    assert (
        worst_verdict([Verdict.HEALTHY, Verdict.NOT_READING, Verdict.WAITING])
        is Verdict.NOT_READING
    )
    assert (
        worst_verdict([Verdict.MISSING, Verdict.UNREACHABLE, Verdict.UNKNOWN])
        is Verdict.UNREACHABLE
    )


def test_an_entry_is_skipped_by_its_stamp_which_is_tai() -> None:
    sent = sent_in_utc("1795498255.5")
    assert sent == datetime.fromtimestamp(1795498218.5, UTC)
    entry = Entry(EntryId(1795498260000, 0), sent=sent)
    assert entry.skipped_at(timedelta(hours=1)) == datetime.fromtimestamp(1795501818.5, UTC)


def test_an_entry_without_a_stamp_is_skipped_by_its_id() -> None:
    entry = Entry(EntryId(1795498260000, 0))
    assert entry.skipped_at(timedelta(hours=1)) == datetime.fromtimestamp(1795501860, UTC)
    assert Entry(EntryId(0, 1)).skipped_at(timedelta(hours=1)) is None


@pytest.mark.parametrize("stamp", [None, "", "soon", "nan", "inf", "1e300"])
def test_a_stamp_that_is_no_time_is_none(stamp: str | None) -> None:
    assert sent_in_utc(stamp) is None


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_ids_are_two_64_bit_integers(milliseconds: int, sequence: int) -> None:
    entry_id = EntryId(milliseconds, sequence)
    assert EntryId.parse(str(entry_id)) == entry_id
    assert entry_id.added is None or entry_id.added.tzinfo is UTC
