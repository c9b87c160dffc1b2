"""Durations are read in few forms; a moment where it can be one, and asked back where not."""

import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from bot.domain.times import (
    FARTHEST,
    LONGEST_DURATION,
    MOMENTS,
    WhenError,
    format_duration,
    parse_duration,
    parse_when,
    zones,
)

CHILE, SLAC = ZoneInfo("America/Santiago"), ZoneInfo("America/Los_Angeles")
NOW = datetime(2026, 11, 24, 14, 30, 12, 345678, UTC)

nows = st.datetimes(
    datetime(2024, 1, 1),  # noqa: DTZ001 -- hypothesis adds the zone
    datetime(2034, 12, 31),  # noqa: DTZ001 -- the same
    timezones=st.sampled_from([UTC, CHILE, SLAC, ZoneInfo("Australia/Lord_Howe")]),
)
places = st.sampled_from(
    [
        *[("UTC", UTC), ("utc", UTC), ("Chile", CHILE), ("CHILE", CHILE), ("slac", SLAC)],
        *[("America/Los_Angeles", SLAC), ("america/santiago", CHILE), ("GMT", UTC)],
        ("Asia/Kathmandu", ZoneInfo("Asia/Kathmandu")),
        ("Europe/Paris", ZoneInfo("Europe/Paris")),
        *[("-03:30", timezone(timedelta(hours=-3.5))), ("+1400", timezone(timedelta(hours=14)))],
    ]
)  # fmt: skip
ahead = st.integers(0, 364 * 86_400).map(lambda seconds: timedelta(seconds=seconds))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def asked(text: str, now: datetime = NOW, zone: ZoneInfo | None = SLAC) -> str:
    with pytest.raises(WhenError) as caught:
        parse_when(text.split(), now, zone)
    assert "?" in str(caught.value), "it is a question"
    return str(caught.value)


# SLAC is eight hours behind UTC on that day, Chile three.
@pytest.mark.parametrize(
    ("text", "at", "words"),
    [
        ("2026-11-24T15:00Z", "2026-11-24T15:00", 1),
        ("2026-11-24t15:00z", "2026-11-24T15:00", 1),
        ("2026-11-24T15:00:30Z", "2026-11-24T15:00:30", 1),
        ("2026-11-24T15:00+00:00", "2026-11-24T15:00", 1),
        ("2026-11-24T12:00-0300", "2026-11-24T15:00", 1),
        ("2026-11-24T15:00", "2026-11-24T23:00", 1),
        ("2026-11-24T15:00 Chile", "2026-11-24T18:00", 2),
        ("2026-11-24T15:00Z UTC", "2026-11-24T15:00", 2),
        ("2026-11-24T15:00-03:00 Chile", "2026-11-24T18:00", 2),
        ("15:00", "2026-11-24T23:00", 1),
        ("15:00 UTC", "2026-11-24T15:00", 2),
        ("15:00Z", "2026-11-24T15:00", 1),
        ("15:00 +00:00", "2026-11-24T15:00", 2),
        ("9:05", "2026-11-24T17:05", 1),
        ("15:00 chile", "2026-11-24T18:00", 2),
        ("15:00 SLAC", "2026-11-24T23:00", 2),
        ("23:30 Europe/Paris", "2026-11-24T22:30", 2),
        ("23:30 europe/paris", "2026-11-24T22:30", 2),
        ("today 15:00 UTC", "2026-11-24T15:00", 3),
        ("Tomorrow 15:00", "2026-11-25T23:00", 2),
        ("tomorrow 00:00 Chile", "2026-11-25T03:00", 3),
        ("tomorrow 15:00Z", "2026-11-25T15:00", 2),
        # There it is half past eleven.
        ("today 23:31 Asia/Tokyo", "2026-11-24T14:31", 3),
        ("tomorrow 04:00 Asia/Tokyo", "2026-11-24T19:00", 3),
        ("2026-11-24 15:00", "2026-11-24T23:00", 2),
        ("2026-11-24 15:00 UTC", "2026-11-24T15:00", 3),
        ("2027-02-28 23:59:59 utc", "2027-02-28T23:59:59", 3),
        ("in 2h", "2026-11-24T16:30:12", 2),
        ("IN 1H30M", "2026-11-24T16:00:12", 2),
        ("in 1s", "2026-11-24T14:30:13", 2),
        ("in 366d", "2027-11-25T14:30:12", 2),
    ],
)  # fmt: skip
@pytest.mark.parametrize("rest", ["", " 1h", " 1h Redis upgrade", " 90 minutes"])
def test_a_time_is_read_and_the_rest_left(text: str, at: str, words: int, rest: str) -> None:
    assert parse_when((text + rest).split(), NOW, SLAC) == (utc(at), words)


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("", f"When? Write {MOMENTS}."),
        ("14:00 UTC", "14:00 UTC has passed today; did you mean `tomorrow 14:00 UTC`?"),
        ("today 06:30", "06:30 SLAC has passed today; did you mean `tomorrow 06:30 SLAC`?"),
        ("04:00 Asia/Tokyo", "has passed today; did you mean `tomorrow 04:00 Asia/Tokyo`?"),
        ("2026-11-23 15:00 Chile", "now it is 2026-11-24 14:30 UTC. Which time did you mean?"),
        ("0001-01-01T00:00Z", "0001-01-01 00:00 UTC has passed"),
        ("2026-11-24T14:30:12Z", "2026-11-24 14:30:12 UTC has passed"),
        ("9999-12-31 23:59 SLAC", "a year ahead. Which time of the coming year did you mean?"),
        ("2027-11-25T14:31Z", "2027-11-25 14:31 UTC is more than a year ahead"),
        ("in 367d", "In 367d is more than a year ahead."),
        ("in 9999d", "must not be longer than 3650d"),
        ("in", "In how long? After `in` comes a duration; it must be a duration such as 90s"),
        ("in two hours", "it must be a duration such as 90s, 15m, 2h, 1h30m or 1d, not 'two'."),
        ("in 0m", "That is now. In how long?"),
        ("tomorrow", "At what time? Write `tomorrow 15:00 UTC`."),
        ("2026-11-25", "At what time? Write `2026-11-25 15:00 UTC`."),
        ("2027-02-29 15:00", "The calendar has no `2027-02-29` (year-month-day)."),
        ("2026-24-11T15:00Z", "The calendar has no `2026-24-11`"),
        ("24:00", "When is `24:00`? The hours of a day go from 00:00 to 23:59."),
        ("12:60 UTC", "When is `12:60`?"),
        ("3pm", f"When is `3pm`? I can read {MOMENTS}."),
        ("tomorrow `15h`", "When is `'15h'`?"),
        ("15:00UTC", "When is `15:00UTC`?"),
        ("٣:٠٠", "When is `٣:٠٠`?"),
        ("x" * 99, f"When is `{'x' * 40}…`?"),
        ("15:00+15:00", "Which time zone did you mean? None is at `+15:00`."),
        ("15:00 +03:99", "None is at `+03:99`."),
        ("15:00 Chille", "zone nor a duration; did you mean `15:00 Chile`?"),
        ("15:00 PST", "did you mean `15:00 SLAC`?"),
        ("15:00 CLST 1h", "did you mean `15:00 Chile`?"),
        ("15:00 Europe/Pariss", "did you mean `15:00 Europe/Paris`?"),
        ("15:00 upgrade Redis", "`upgrade` is neither a time zone nor a duration"),
        ("15:00 localtime", "`localtime` is neither"),
        ("15:00 ../etc/passwd", "`../etc/passwd` is neither"),
        ("15:00 America", "`America` is neither"),
        ("15:00Z Chile", "Which of the two is it, `UTC` or `Chile`?"),
        ("2026-11-24T15:00-03:00 SLAC", "Which of the two is it, `-03:00` or `SLAC`?"),
    ],
)  # fmt: skip
def test_what_is_no_time_is_asked_back(text: str, question: str) -> None:
    assert question in asked(text)


def test_without_a_zone_it_is_asked_which() -> None:
    assert asked("tomorrow 15:00 1h", zone=None) == (
        "15:00 in which time zone? Write `15:00 UTC`, `15:00 Chile`, `15:00 SLAC`, or an IANA "
        "name such as `15:00 Europe/Paris`."
    )
    at = utc("2026-11-24T15:00")
    assert parse_when(["15:00", "UTC", "1h"], NOW, None) == (at, 2)
    assert parse_when(["2026-11-24T15:00Z", "1h"], NOW, None) == (at, 1)
    assert parse_when(["in", "1h"], NOW, None)[1] == 2


@pytest.mark.parametrize(
    ("now", "text", "kind", "choices"),
    [
        # California: forward on 14 March 2027 at 02:00, back on 1 November 2026 at 02:00.
        ("2027-03-13T12:00", "2027-03-14 02:30 SLAC", "does not come",
         ["2027-03-14T09:30:00Z` (01:30 SLAC)", "2027-03-14T10:30:00Z` (03:30 SLAC)"]),
        ("2026-10-31T12:00", "2026-11-01T01:30 America/Los_Angeles", "comes twice",
         ["2026-11-01T08:30:00Z` (01:30 SLAC)", "2026-11-01T09:30:00Z` (01:30 SLAC)"]),
        # In Chile at midnight: forward on 6 September 2026, back on 4 April 2027.
        ("2026-09-05T12:00", "tomorrow 00:30 Chile", "does not come",
         ["2026-09-06T03:30:00Z` (23:30 Chile)", "2026-09-06T04:30:00Z` (01:30 Chile)"]),
        ("2027-04-03T12:00", "23:30 Chile", "comes twice",
         ["2027-04-04T02:30:00Z` (23:30 Chile)", "2027-04-04T03:30:00Z` (23:30 Chile)"]),
        # The first of the two has passed.
        ("2027-04-04T03:00", "23:30 Chile", "comes twice",
         ["2027-04-04T03:30:00Z` (23:30 Chile)"]),
    ],
)  # fmt: skip
def test_where_clocks_are_put_forward_or_back_it_is_asked_which(
    now: str, text: str, kind: str, choices: list[str]
) -> None:
    question = asked(text, utc(now))
    assert kind in question
    assert [f"{each})" for each in re.findall(r"`(\d.*?)\)", question)] == choices


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("01:59:59 SLAC", "2027-03-14T09:59:59"),
        ("03:00 SLAC", "2027-03-14T10:00"),
        ("tomorrow 01:30 SLAC", "2027-03-15T08:30"),
    ],
)
def test_beside_the_change_a_time_is_clear(text: str, at: str) -> None:
    assert parse_when(text.split(), utc("2027-03-14T08:30"), None)[0] == utc(at)


@given(nows, ahead, places, st.sampled_from(["{:%Y-%m-%d} {:%H:%M:%S}", "{:%Y-%m-%dT}{:%H:%M:%S}"]))
def test_what_a_clock_shows_is_read_again(
    now: datetime, gap: timedelta, place: tuple[str, timezone | ZoneInfo], form: str
) -> None:
    at = (now.astimezone(UTC) + gap + timedelta(seconds=1)).replace(microsecond=0)
    name, zone = place
    local = at.astimezone(zone)
    typed = form.format(local, local).split()
    twice = local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset()
    if twice:
        asked(" ".join([*typed, name]), now)
    else:
        words = [*typed, name, "1h", "Redis"]
        assert parse_when(words, now, None) == (at, len(typed) + 1)
        if isinstance(zone, ZoneInfo):
            assert parse_when([*typed, "1h"], now, zone) == (at, len(typed))
    iso = local.isoformat()
    assert parse_when([iso, "1h"], now, SLAC) == (at, 1)


@given(nows, st.integers(1, FARTHEST // timedelta(seconds=1)))
def test_after_a_duration_it_is_that_much_later(now: datetime, seconds: int) -> None:
    gap = timedelta(seconds=seconds)
    at, words = parse_when(["in", format_duration(gap), "1h"], now, None)
    assert words == 2
    assert at.tzinfo is UTC
    assert timedelta(0) < at - now.astimezone(UTC) <= gap


@given(nows, st.integers(0, 23), st.integers(0, 59), places)
def test_a_time_of_day_is_today_or_what_is_offered(
    now: datetime, hour: int, minute: int, place: tuple[str, timezone | ZoneInfo]
) -> None:
    name, zone = place
    assume(isinstance(zone, ZoneInfo))
    text = f"{hour}:{minute:02} {name}"
    try:
        at, words = parse_when(text.split(), now, None)
    except WhenError as error:
        question = str(error)
    else:
        question = ""
        assert words == 2
        assert at >= now.astimezone(UTC)
        assert at.astimezone(zone).date() == now.astimezone(zone).date()
        assert (at.astimezone(zone).hour, at.astimezone(zone).minute) == (hour, minute)
    offered = re.findall(r"`([^`]+)`", question)
    assert bool(offered) == (bool(question) and "which day then?" not in question)
    for each in offered:
        at, words = parse_when(each.split(), now, None)
        assert at >= now.astimezone(UTC)
        assert words == len(each.split())


pieces = st.sampled_from(
    [
        *("in", "today", "tomorrow", "15:00", "02:30", "23:59:59", "2026-11-24", "2027-03-14"),
        *("2026-11-24T15:00", "UTC", "Chile", "slac", "Europe/Paris", "+02:00", "1h", "0m", "–"),
    ]
)


@settings(max_examples=300)
@given(nows, st.lists(pieces | st.text(max_size=12), max_size=5), st.sampled_from([None, CHILE]))
@example(NOW, ["15:00", "\0"], None)
@example(NOW, ["15:00", "\ud800"], None)
def test_no_words_break_the_parser(now: datetime, words: list[str], zone: ZoneInfo | None) -> None:
    with suppress(WhenError):
        at, taken = parse_when(words, now, zone)
        assert at.tzinfo is UTC
        assert at.microsecond == 0
        assert timedelta(0) <= at - now.astimezone(UTC) <= FARTHEST
        assert 1 <= taken <= len(words)
        # What was taken means the same without the rest.
        assert parse_when(words[:taken], now, zone) == (at, taken)


def test_a_naive_now_is_rejected() -> None:
    with pytest.raises(ValueError, match="without time zone"):
        parse_when(["in", "1h"], NOW.replace(tzinfo=None), None)


@pytest.mark.parametrize(
    ("at", "expected"),
    [
        ("2026-11-24T16:00", ("16:00", "13:00", "08:00")),
        ("2026-07-01T16:00", ("16:00", "12:00", "09:00")),
        ("2026-11-24T02:00", ("02:00", "Mon 23 Nov 23:00", "Mon 23 Nov 18:00")),
        ("2028-03-01T05:30", ("05:30", "02:30", "Tue 29 Feb 21:30")),
    ],
)
def test_the_places_clocks_are_shown(at: str, expected: tuple[str, ...]) -> None:
    shown = zones(utc(at))
    assert shown == tuple(zip(("UTC", "Chile", "SLAC"), expected, strict=True))
    assert zones(utc(at).astimezone(CHILE)) == shown


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("15m", 15 * 60),
        ("2h", 2 * 3600),
        ("1h30m", 5400),
        ("1d", 86_400),
        ("1d2h3m4s", 86_400 + 2 * 3600 + 3 * 60 + 4),
        ("3600s", 3600),
        ("0s", 0),
        ("007m", 420),
        ("3650d", 3650 * 86_400),
    ],
)
def test_a_duration_is_read(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text",
    ["", "s", "15", "15 minutes", "1.5h", "-5m", "30m1h", "1h1h", "5M", " 5m", "5m\n", "٣m", "1w"],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must be a duration such as 90s, 15m, 2h, 1h30m or 1d"):
        parse_duration(text)


def test_the_message_repeats_what_was_written() -> None:
    with pytest.raises(ValueError, match=r"1d, not '15 minutes'$"):
        parse_duration("15 minutes")


@pytest.mark.parametrize("text", ["3651d", "3650d1s", "99999999999d", "9" * 5000 + "s"])
def test_ten_years_are_enough(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must not be longer than 3650d$"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.9, "0s"), (90, "1m30s"), (3600, "1h"), (5400, "1h30m"), (90_061, "1d1h1m1s")],
)
def test_a_duration_is_written_in_its_largest_units(seconds: float, text: str) -> None:
    assert format_duration(timedelta(seconds=seconds)) == text


def test_a_negative_duration_is_not_written() -> None:
    with pytest.raises(ValueError, match="negative"):
        format_duration(timedelta(seconds=-1))


@given(st.integers(min_value=0, max_value=LONGEST_DURATION // timedelta(seconds=1)))
def test_what_is_written_is_read_again(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(ValueError):
        assert timedelta(0) <= parse_duration(text) <= LONGEST_DURATION
