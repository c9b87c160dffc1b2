"""Times as people type them: durations such as ``1h30m``, moments such as ``tomorrow 15:00 SLAC``.

Durations have the same few forms in the configuration file and in typed commands. A moment is
read only where it can be one alone; whatever else was typed is asked back, with what would be
clear.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from difflib import get_close_matches
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

DURATIONS = "90s, 15m, 2h, 1h30m or 1d"
"""What a person may write for a duration, for messages."""

PATTERN = r"^(?=[0-9])(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?$"
"""Days, hours, minutes and seconds in that order, at least one of them."""

LONGEST_DURATION = timedelta(days=3650)
"""Longer ones are slips of the finger, and would overflow where they are added to a time."""

MOMENTS = "`15:00 UTC`, `tomorrow 15:00 Chile`, `2026-11-24 15:00 SLAC` or `in 2h`"
"""What a person may write for a moment, for messages."""

FARTHEST = timedelta(days=366)
"""What is farther ahead is a slip of the finger."""

_PLACES = {"UTC": "UTC", "Chile": "America/Santiago", "SLAC": "America/Los_Angeles"}
_LABELS = {name: label for label, name in _PLACES.items()}
# What people say instead, and no zone is called: it would have the wrong offset half the year.
_NICKNAMES = dict.fromkeys(("pt", "pst", "pdt"), "SLAC") | dict.fromkeys(("clt", "clst"), "Chile")
# Of the machine, or of nowhere.
_NO_ZONES = {"localtime", "factory"}

_CLOCK = re.compile(r"([0-9]{1,2}:[0-9]{2}(?::[0-9]{2})?)([Zz]|[+-][0-9]{2}:?[0-9]{2})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_OFFSET = re.compile(r"[+-][0-9]{2}:?[0-9]{2}")
_EASTERNMOST = timedelta(hours=14)
_DAYS = {"today": 0, "tomorrow": 1}
_ECHOED, _ECHOED_DURATION = 40, 24


def parse_duration(text: str) -> timedelta:
    """Read a duration of zero or more.

    Raises
    ------
    ValueError
        If it is no duration, or longer than ten years; the text is for people.
    """
    match = re.fullmatch(PATTERN, text)
    if match is None:
        given = f", not {text!r}" if len(text) <= _ECHOED_DURATION else ""
        raise ValueError(f"must be a duration such as {DURATIONS}{given}")
    try:
        days, hours, minutes, seconds = (int(figure or 0) for figure in match.groups())
        duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except (ValueError, OverflowError):
        # int() refuses thousands of digits, timedelta some nine of them.
        duration = timedelta.max
    if duration > LONGEST_DURATION:
        raise ValueError(f"must not be longer than {format_duration(LONGEST_DURATION)}")
    return duration


def format_duration(duration: timedelta) -> str:
    """Write a duration so that `parse_duration` reads it; what is less than a second is cut off.

    Raises
    ------
    ValueError
        If it is negative.
    """
    seconds = duration // timedelta(seconds=1)
    if seconds < 0:
        raise ValueError("a duration is not negative")
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{figure}{unit}" for figure, unit in parts if figure) or "0s"


class WhenError(ValueError):
    """What was typed is no time, or not one time; the text is a question for people."""


@dataclass(frozen=True)
class _Zone:
    info: tzinfo
    written: str
    """As it stands after a time, its space with it."""


@dataclass(frozen=True)
class _Typed:
    """A time as it was typed: a day, or how many days from today; a time of day; where."""

    day: date | int
    clock: time
    zone: _Zone | None
    words: int


def parse_when(words: Sequence[str], now: datetime, zone: ZoneInfo | None) -> tuple[datetime, int]:
    """Read a time from the beginning of the words.

    Parameters
    ----------
    zone
        Where the person is, for a time that names no zone; None if that is not known.

    Returns
    -------
    tuple[datetime, int]
        The moment, in UTC and whole seconds, not before `now`; how many words it took.

    Raises
    ------
    WhenError
        If they cannot mean one moment of the coming year; the text asks what would.
    ValueError
        If `now` is naive.
    """
    if now.utcoffset() is None:
        raise ValueError(f"a time without time zone: {now!r}")
    now = now.astimezone(UTC)
    if not words:
        raise WhenError(f"When? Write {MOMENTS}.")
    if words[0].lower() == "in":
        return _after(words, now), 2
    typed = _read(words)
    named = _named(words, typed)
    where = typed.zone or named or _own(zone)
    if where is None:
        written = _clock(typed.clock)
        raise WhenError(
            f"{written} in which time zone? Write `{written} UTC`, `{written} Chile`, "
            f"`{written} SLAC`, or an IANA name such as `{written} Europe/Paris`."
        )
    at = _moment(typed, where, now)
    if typed.zone and named and _local(at, named) != _local(at, typed.zone):
        raise WhenError(
            f"Which of the two is it, `{typed.zone.written.strip()}` or `{named.written.strip()}`? "
            "They differ then. Leave one out."
        )
    return at, typed.words + (named is not None)


def zones(at: datetime) -> tuple[tuple[str, str], ...]:
    """Write a time as clocks in UTC, in Chile and at SLAC show it.

    Each has ``13:00``, or ``Mon 23 Nov 21:30`` where the day is another than in UTC.
    """
    today = at.astimezone(UTC).date()
    shown = []
    for label, name in _PLACES.items():
        there = at.astimezone(ZoneInfo(name))
        day = "" if there.date() == today else f"{there:%a} {there.day} {there:%b} "
        shown.append((label, f"{day}{there:%H:%M}"))
    return tuple(shown)


def _after(words: Sequence[str], now: datetime) -> datetime:
    text = words[1].lower() if len(words) > 1 else ""
    try:
        duration = parse_duration(text)
    except ValueError as error:
        raise WhenError(f"In how long? After `in` comes a duration; it {error}.") from None
    if not duration:
        raise WhenError("That is now. In how long? Write `in 1m` or later.")
    if duration > FARTHEST:
        raise WhenError(
            f"In {format_duration(duration)} is more than a year ahead. "
            "Which time of the coming year did you mean?"
        )
    return (now + duration).replace(microsecond=0)


def _read(words: Sequence[str]) -> _Typed:
    first = words[0]
    day, separator, clock = first.partition("T") if "T" in first else first.partition("t")
    if separator and _DATE.fullmatch(day):
        return _typed(_date(day), clock, 1)
    if first.lower() in _DAYS or _DATE.fullmatch(first):
        when = _DAYS[first.lower()] if first.lower() in _DAYS else _date(first)
        if len(words) == 1:
            raise WhenError(f"At what time? Write `{first.lower()} 15:00 UTC`.")
        return _typed(when, words[1], 2)
    return _typed(0, first, 1)


def _typed(day: date | int, text: str, words: int) -> _Typed:
    match = _CLOCK.fullmatch(text)
    if match is None:
        raise WhenError(f"When is `{_echo(text)}`? I can read {MOMENTS}.")
    try:
        hour, minute, second = (int(figure) for figure in f"{match[1]}:0".split(":")[:3])
        clock = time(hour, minute, second)
    except ValueError:
        raise WhenError(
            f"When is `{match[1]}`? The hours of a day go from 00:00 to 23:59."
        ) from None
    return _Typed(day, clock, _offset(match[2]) if match[2] else None, words)


def _date(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise WhenError(
            f"Which day did you mean? The calendar has no `{text}` (year-month-day)."
        ) from None


def _offset(text: str) -> _Zone:
    try:
        ahead = datetime.strptime(text.upper(), "%z").utcoffset()
    except ValueError:
        ahead = None
    if ahead is None or abs(ahead) > _EASTERNMOST:
        raise WhenError(f"Which time zone did you mean? None is at `{text}`.")
    return _Zone(timezone(ahead), f"{text[:3]}:{text[-2:]}") if ahead else _Zone(UTC, " UTC")


def _named(words: Sequence[str], typed: _Typed) -> _Zone | None:
    """Read the zone after a time, if one is there: what begins with a figure is a duration."""
    word = words[typed.words] if len(words) > typed.words else ""
    if not word or word[0].isdigit():
        return None
    if _OFFSET.fullmatch(word):
        return _offset(word)
    for label, name in _PLACES.items():
        if word.lower() == label.lower():
            return _Zone(UTC if label == "UTC" else ZoneInfo(name), f" {label}")
    known = _names()
    name = known.get(word.lower(), "")
    if name:
        return _own(ZoneInfo(name))
    near = [_NICKNAMES[word.lower()]] if word.lower() in _NICKNAMES else []
    near += [known.get(each, "") for each in get_close_matches(word.lower()[:_ECHOED], known, 1)]
    near += [label for label in _PLACES if get_close_matches(word.lower(), [label.lower()])]
    clock = _clock(typed.clock)
    guess = f"; did you mean `{clock} {near[0]}`" if near else ""
    raise WhenError(
        f"`{_echo(word)}` is neither a time zone nor a duration{guess}? After the time come UTC, "
        "Chile, SLAC or an IANA name such as Europe/Paris, then how long, such as `1h`."
    )


def _own(zone: ZoneInfo | None) -> _Zone | None:
    return None if zone is None else _Zone(zone, f" {_LABELS.get(zone.key, zone.key)}")


@cache
def _names() -> dict[str, str]:
    return {name.lower(): name for name in available_timezones() if name.lower() not in _NO_ZONES}


def _moment(typed: _Typed, zone: _Zone, now: datetime) -> datetime:
    today = now.astimezone(zone.info).date()
    day = today + timedelta(days=typed.day) if isinstance(typed.day, int) else typed.day
    local = datetime.combine(day, typed.clock)
    written = f"{_clock(typed.clock)}{zone.written}"
    # By the day first: the times of far years cannot be converted.
    if day < today:
        raise WhenError(_passed(f"{day} {written}", now))
    if day > today + FARTHEST:
        raise WhenError(_too_far(f"{day} {written}"))
    candidates = _candidates(local, zone.info)
    at = candidates[-1]
    if at < now:
        if typed.day != 0:
            raise WhenError(_passed(f"{day} {written}", now))
        clear = _candidates(local + timedelta(days=1), zone.info)
        guess = f"did you mean `tomorrow {written}`?" if len(clear) == 1 else "which day then?"
        raise WhenError(f"{written} has passed today; {guess}")
    if at > now + FARTHEST:
        raise WhenError(_too_far(f"{day} {written}"))
    if len(candidates) > 1:
        raise WhenError(_unclear(f"{day} {written}", candidates, zone, now))
    return at


def _candidates(local: datetime, zone: tzinfo) -> list[datetime]:
    """Give what a local time may mean; two where the clocks are put back, or forward past it."""
    return sorted({local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)})


def _local(at: datetime, zone: _Zone) -> datetime:
    return at.astimezone(zone.info).replace(tzinfo=None)


def _unclear(written: str, candidates: Sequence[datetime], zone: _Zone, now: datetime) -> str:
    first, last = (_local(at, zone) for at in candidates)
    choice = " or ".join(
        f"`{at:%Y-%m-%dT%H:%M:%SZ}` ({_clock(_local(at, zone).time())}{zone.written})"
        for at in candidates
        if now <= at
    )
    if first == last:
        return f"{written} comes twice, because clocks are put back. Did you mean {choice}?"
    return f"{written} does not come, because clocks are put forward. Did you mean {choice}?"


def _passed(written: str, now: datetime) -> str:
    return f"{written} has passed: now it is {now:%Y-%m-%d %H:%M} UTC. Which time did you mean?"


def _too_far(written: str) -> str:
    return f"{written} is more than a year ahead. Which time of the coming year did you mean?"


def _clock(clock: time) -> str:
    return f"{clock:%H:%M:%S}" if clock.second else f"{clock:%H:%M}"


def _echo(text: str) -> str:
    text = text.replace("`", "'")
    return text if len(text) <= _ECHOED else f"{text[:_ECHOED]}…"


# As people read them.

_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def duration(span: timedelta) -> str:
    """Write ``4 min 12 s``, ``1 h 2 min``, ``6 days``: two units at most."""
    span = max(span, timedelta(0))
    seconds, minutes = span.seconds % 60, span.seconds // 60
    if span < _MINUTE:
        return f"{seconds} s"
    if span < _HOUR:
        return f"{minutes} min" + (f" {seconds} s" if seconds else "")
    if span < _DAY:
        return f"{minutes // 60} h" + (f" {minutes % 60} min" if minutes % 60 else "")
    return f"{span.days:,} days" if span.days > 1 else "1 day"


def lasting(length: timedelta) -> str:
    """Write ``41 min``: to the minute, under one minute to the second."""
    return duration(length if length < _MINUTE else length // _MINUTE * _MINUTE)


def clock(at: datetime, *, seconds: bool = False, now: datetime | None = None) -> str:
    """Write ``05:31``; of another day than `now`, ``Mon 23 Nov 05:31``. Always UTC."""
    at = at.astimezone(UTC)
    time = f"{at:%H:%M:%S}" if seconds else f"{at:%H:%M}"
    if now is not None and abs(at - now) >= timedelta(hours=18):
        return f"{at:%a} {at.day} {at:%b} {time}"
    return time


def whole(at: datetime) -> datetime:
    """Give the nearest whole minute: dusk and dawn are not known better than that."""
    return (at + _MINUTE / 2).replace(second=0, microsecond=0)
