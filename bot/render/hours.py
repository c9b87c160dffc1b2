"""Hours of maintenance, as people in three places read them, and how they lie to the night."""

from datetime import UTC, datetime, timedelta

from bot.domain.environments import Environment
from bot.domain.night import next_dawn, next_dusk, next_night
from bot.domain.when import zones
from bot.render.blocks import Markup, mark
from bot.render.words import clock, duration

_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


def span(starts: datetime, ends: datetime) -> str:
    """Write ``Tue 24 Nov 16:00–17:00 UTC``; the day twice where it is another one."""
    starts, ends = starts.astimezone(UTC), ends.astimezone(UTC)
    if starts.date() == ends.date():
        return f"{_day(starts)} {starts:%H:%M}–{ends:%H:%M} UTC"
    return f"{_day(starts)} {starts:%H:%M} – {_day(ends)} {ends:%H:%M} UTC"


def lasting(length: timedelta) -> str:
    """Write ``41 min``: to the minute, under one minute to the second."""
    return duration(length if length < _MINUTE else length // _MINUTE * _MINUTE)


def your_time(starts: datetime, ends: datetime) -> Markup:
    """Let Slack write the hours in the reader's own zone."""
    longer = "{date_short_pretty} at " if ends - starts >= _DAY / 2 else ""
    return mark(
        "<!date^{}^{{date_short_pretty}} at {{time}}|{}> to <!date^{}^{}|{}>",
        int(starts.timestamp()),
        f"{clock(starts)} UTC",
        int(ends.timestamp()),
        longer + "{time}",
        f"{clock(ends)} UTC",
    )


def whole(at: datetime) -> datetime:
    """Give the nearest whole minute: dusk and dawn are not known better than that."""
    return (at + _MINUTE / 2).replace(second=0, microsecond=0)


def elsewhere(at: datetime) -> str:
    """Write ``13:00 Chile · 08:00 SLAC``, with the day where it is another one than in UTC."""
    _, *others = zones(at)
    return " · ".join(f"{time} {place}" for place, time in others)


def everywhere(starts: datetime, ends: datetime) -> list[tuple[str, str]]:
    """Give the hours in UTC, in Chile and at SLAC."""
    both = zip(zones(starts), zones(ends), strict=True)
    return [(place, f"{first} to {last}") for (place, first), (_, last) in both]


def observing(
    starts: datetime, ends: datetime, dawn: datetime | None, dusk: datetime | None
) -> str:
    """Say when observing ends before a window and starts again after it; empty where unknown.

    Parameters
    ----------
    starts, ends
        The window.
    dawn
        End of the night before it.
    dusk
        Beginning of the night after it.
    """
    if dusk is None:
        return ""
    dusk, dawn = whole(dusk), None if dawn is None else whole(dawn)
    if dawn is not None and starts < dawn:
        until = "after the window" if ends < dawn else "in the window"
        return f"it is night until {clock(dawn)} UTC, {until}"
    if dusk < ends:
        return f"starts again {clock(dusk)} UTC: {lasting(ends - dusk)} of the window are at night"
    before = f"ends {clock(dawn)}, " if dawn is not None and starts - dawn < _DAY else ""
    return f"{before}starts again {clock(dusk)} UTC: {lasting(dusk - ends)} to spare"


def nights_around(
    environment: Environment, starts: datetime
) -> tuple[datetime | None, datetime | None]:
    """Give the end of the night before a time, or of the one it is in, and the next beginning.

    Parameters
    ----------
    environment
        Where.
    starts
        When the window starts.
    """
    site = environment.site
    dusk = next_dusk(site, starts)
    now = next_night(site, starts)
    if now is not None and now.begins is not None and now.begins <= starts:
        return now.ends, dusk
    # By day the night before began less than a day ago, wherever there is one each day.
    dawn = next_dawn(site, starts - _DAY)
    return (dawn if dawn is not None and dawn <= starts else None), dusk


def _day(at: datetime) -> str:
    return f"{at:%a} {at.day} {at:%b}"
