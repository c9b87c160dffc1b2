"""Durations are read in the few forms that people write, and in no other."""

from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.durations import LONGEST, format_duration, parse_duration


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


@given(st.integers(min_value=0, max_value=LONGEST // timedelta(seconds=1)))
def test_what_is_written_is_read_again(seconds: int) -> None:
    duration = timedelta(seconds=seconds)
    assert parse_duration(format_duration(duration)) == duration


@given(st.text())
def test_no_text_breaks_the_parser(text: str) -> None:
    with suppress(ValueError):
        assert timedelta(0) <= parse_duration(text) <= LONGEST
