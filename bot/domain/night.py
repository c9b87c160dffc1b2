"""The observing night: when the Sun is below the twilight line, and the day that names it.

The night is told in whole seconds: it begins with the first second that finds the Sun below the
line and ends with the first that does not. Whoever asks about a night, and whenever, hears the
same two times, so they can be compared and stored. Where the season changes the Sun's height as
much as the hour does, from half a degree to a twentieth from a pole, the first of several crossings
may be passed over, and a time be hours or days off. No telescope stands there.

Every time that is passed in must be aware; a naive one is a `ValueError`.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import ephem

_SECOND, _MINUTE, _DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(days=1)
_YEAR = 366


@dataclass(frozen=True)
class Site:
    """Where the telescope stands, and how dark it must be to observe.

    The defaults are those of Rubin Observatory on Cerro Pachón.

    Parameters
    ----------
    latitude
        Degrees, north positive.
    longitude
        Degrees, east positive.
    elevation
        Metres above sea level.
    twilight
        Altitude of the Sun's centre in degrees below which it is night.
    """

    latitude: float = -30.244628
    longitude: float = -70.74941
    elevation: float = 2650
    twilight: float = -12


@dataclass(frozen=True)
class Night:
    """An unbroken time during which the Sun is below the twilight line.

    Parameters
    ----------
    begins
        First second of the night (UTC); `None` if it began more than a year earlier.
    ends
        First second after the night (UTC); `None` if it lasts for more than another year.
    """

    begins: datetime | None
    ends: datetime | None


def sun_altitude(site: Site, now: datetime) -> float:
    """Altitude of the Sun's centre in degrees, negative below the horizon, without refraction."""
    return _altitude(_observer(site), ephem.Sun(), _utc(now))


def is_night(site: Site, now: datetime) -> bool:
    """Whether the Sun is below the site's twilight line, at the whole second."""
    return sun_altitude(site, _second(now)) < site.twilight


def night_at(site: Site, now: datetime) -> Night | None:
    """Find the night that a time is in; `None` by day."""
    if not is_night(site, now):
        return None
    return Night(_change(site, now, back=True), _change(site, now))


def next_night(site: Site, now: datetime) -> Night | None:
    """Find the current night, by day the next; `None` if a year passes without one."""
    dusk = next_dusk(site, now) if not is_night(site, now) else now
    return None if dusk is None else night_at(site, dusk)


def next_dusk(site: Site, now: datetime) -> datetime | None:
    """Tell when the Sun next sinks below the twilight line, at night that of the next night.

    UTC, always after `now`; `None` if a year passes without a change.
    """
    day = next_dawn(site, now) if is_night(site, now) else now
    return None if day is None else _change(site, day)


def next_dawn(site: Site, now: datetime) -> datetime | None:
    """Tell when the Sun next rises to the twilight line, by day that of the next night.

    UTC, always after `now`; `None` if a year passes without a change.
    """
    night = now if is_night(site, now) else next_dusk(site, now)
    return None if night is None else _change(site, night)


def nights_around(site: Site, at: datetime) -> tuple[datetime | None, datetime | None]:
    """Give the end of the night before a time, or of the one it is in, and the next beginning."""
    night = night_at(site, at)
    # By day the last change was a dawn.
    return (night.ends if night else _change(site, at, back=True)), next_dusk(site, at)


def day_obs(now: datetime) -> date:
    """Observing day of a time: the date in UTC−12.

    Rubin's convention (SITCOMTN-032): the day turns at noon UTC, so that a whole night in Chile
    carries the date of its evening.

    """
    return (_utc(now) - timedelta(hours=12)).date()


def _utc(now: datetime) -> datetime:
    if now.utcoffset() is None:
        raise ValueError(f"a time without time zone: {now!r}")
    return now.astimezone(UTC)


def _second(now: datetime) -> datetime:
    return _utc(now).replace(microsecond=0)


def _observer(site: Site) -> ephem.Observer:
    observer = ephem.Observer()
    observer.lat = math.radians(site.latitude)
    observer.lon = math.radians(site.longitude)
    observer.elevation = site.elevation
    observer.horizon = math.radians(site.twilight)
    # No air, no refraction: the twilight line is geometric.
    observer.pressure = 0
    return observer


def _altitude(observer: ephem.Observer, sun: ephem.Sun, now: datetime) -> float:
    observer.date = ephem.Date(now)
    sun.compute(observer)
    return math.degrees(sun.alt)


def _dark_at(site: Site) -> Callable[[datetime], bool]:
    observer, sun = _observer(site), ephem.Sun()
    return lambda now: _altitude(observer, sun, now) < site.twilight


def _change(site: Site, now: datetime, *, back: bool = False) -> datetime | None:
    """First second after the next change between day and night, or after the last one."""
    dark, observer, sun = _dark_at(site), _observer(site), ephem.Sun()
    start, ahead, way = _second(now), -1 if back else 1, "previous" if back else "next"
    starts_dark = dark(start)
    sets = starts_dark is back
    try:
        # From a second before the start: what lies within 10 ms of it would be passed over.
        found = getattr(observer, f"{way}_{'setting' if sets else 'rising'}")(
            sun, ephem.Date(start - ahead * _SECOND), use_center=True
        )
    except ephem.CircumpolarError:
        pass
    else:
        early = _of(found) - _SECOND
        late = early + 3 * _SECOND
        if dark(early) is not sets and dark(late) is sets:
            return _first(dark, early, late)
    # None on this day, or a night of so few minutes that the search by hour angle did not settle.
    # Each day's lowest or highest Sun shows both, and at the poles the change of the season; each
    # search begins a minute on, or it would find the same once more.
    culmination = getattr(observer, f"{way}_{'transit' if starts_dark else 'antitransit'}")
    here = start
    for _ in range(_YEAR):
        there = _of(culmination(sun, ephem.Date(here + ahead * _MINUTE)))
        if dark(there) is not starts_dark:
            return _first(dark, *sorted((here, there)))
        here = there
    return None


def _of(found: ephem.Date) -> datetime:
    at: datetime = found.datetime()
    return at.replace(tzinfo=UTC, microsecond=0)


def _first(dark: Callable[[datetime], bool], early: datetime, late: datetime) -> datetime:
    """First second that is as the later of two times, between which day and night change."""
    seconds, becomes = range((late - early) // _SECOND), dark(late)
    count = bisect_left(seconds, x=True, key=lambda n: dark(early + _SECOND * n) is becomes)
    return early + _SECOND * count
