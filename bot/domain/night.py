"""The observing night: when the Sun is below the twilight line, and the day that names it.

The night is told in whole seconds: it begins with the first second that finds the Sun below the
line and ends with the first that does not. Whoever asks about a night, and whenever, hears the
same two times, so they can be compared and stored.
"""

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import ephem

_SECOND, _DAY = timedelta(seconds=1), timedelta(days=1)
# Well under the twelve hours between the Sun's lowest and highest altitude, so that three samples
# in a row cannot hold both.
_STEP = timedelta(hours=1)
# The sky turns by 7.5° in half a step, and the turn is no further than that from its sample.
_TURN = 8
_YEAR = timedelta(days=366)


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
    """Altitude of the Sun's centre above the horizon, without refraction.

    Parameters
    ----------
    site
        Where to look from.
    now
        Any aware time.

    Returns
    -------
    float
        Degrees, negative below the horizon.

    Raises
    ------
    ValueError
        The time is naive.
    """
    return _altitude_at(site)(_utc(now))


def is_night(site: Site, now: datetime) -> bool:
    """Whether the Sun is below the site's twilight line, at the whole second.

    Parameters
    ----------
    site
        Where to look from.
    now
        Any aware time; `ValueError` for a naive one.
    """
    return sun_altitude(site, _second(now)) < site.twilight


def night_at(site: Site, now: datetime) -> Night | None:
    """Find the night that a time is in; `None` by day.

    Parameters
    ----------
    site
        Where to look from.
    now
        Any aware time; `ValueError` for a naive one.
    """
    if not is_night(site, now):
        return None
    return Night(_change(site, now, -_STEP), _change(site, now, _STEP))


def next_night(site: Site, now: datetime) -> Night | None:
    """Find the current night, by day the next; `None` if a year passes without one.

    Parameters
    ----------
    site
        Where to look from.
    now
        Any aware time; `ValueError` for a naive one.
    """
    dusk = next_dusk(site, now) if not is_night(site, now) else now
    return None if dusk is None else night_at(site, dusk)


def next_dusk(site: Site, now: datetime) -> datetime | None:
    """Tell when the Sun next sinks below the twilight line, at night that of the next night.

    Parameters
    ----------
    site
        Where to look from.
    now
        Any aware time; `ValueError` for a naive one.

    Returns
    -------
    datetime or None
        UTC, always after `now`; `None` if a year passes without a change.
    """
    day = next_dawn(site, now) if is_night(site, now) else now
    return None if day is None else _change(site, day, _STEP)


def last_dawn(site: Site, now: datetime) -> datetime | None:
    """Tell when the Sun last rose to the twilight line; `None` if a year passed without it.

    Parameters
    ----------
    site
        Where to look from.
    now
        Any aware time; `ValueError` for a naive one. At night it is the dawn before that night.
    """
    day = now
    if is_night(site, now):
        dusk = _change(site, now, -_STEP)
        if dusk is None:
            return None
        day = dusk - _SECOND
    return _change(site, day, -_STEP)


def next_dawn(site: Site, now: datetime) -> datetime | None:
    """Tell when the Sun next rises to the twilight line, by day that of the next night.

    Parameters
    ----------
    site
        Where to look from.
    now
        Any aware time; `ValueError` for a naive one.

    Returns
    -------
    datetime or None
        UTC, always after `now`; `None` if a year passes without a change.
    """
    night = now if is_night(site, now) else next_dusk(site, now)
    return None if night is None else _change(site, night, _STEP)


def nights_around(site: Site, at: datetime) -> tuple[datetime | None, datetime | None]:
    """Give the end of the night before a time, or of the one it is in, and the next beginning."""
    dusk = next_dusk(site, at)
    now = next_night(site, at)
    if now is not None and now.begins is not None and now.begins <= at:
        return now.ends, dusk
    # By day the night before began less than a day ago, wherever there is one each day.
    dawn = next_dawn(site, at - _DAY)
    return (dawn if dawn is not None and dawn <= at else None), dusk


def day_obs(now: datetime) -> date:
    """Observing day of a time: the date in UTC−12.

    Rubin's convention (SITCOMTN-032): the day turns at noon UTC, so that a whole night in Chile
    carries the date of its evening.

    Parameters
    ----------
    now
        Any aware time; `ValueError` for a naive one.
    """
    return (_utc(now) - timedelta(hours=12)).date()


def _utc(now: datetime) -> datetime:
    if now.utcoffset() is None:
        raise ValueError(f"a time without time zone: {now!r}")
    return now.astimezone(UTC)


def _second(now: datetime) -> datetime:
    return _utc(now).replace(microsecond=0)


def _altitude_at(site: Site) -> Callable[[datetime], float]:
    observer = ephem.Observer()
    observer.lat = math.radians(site.latitude)
    observer.lon = math.radians(site.longitude)
    observer.elevation = site.elevation
    # No air, no refraction: the twilight line is geometric.
    observer.pressure = 0
    sun = ephem.Sun()

    def altitude(now: datetime) -> float:
        observer.date = ephem.Date(now)
        sun.compute(observer)
        return math.degrees(sun.alt)

    return altitude


def _change(site: Site, now: datetime, step: timedelta) -> datetime | None:
    """First second after the next change between day and night, or with a step back, the last."""
    altitude = _altitude_at(site)
    start = _second(now)

    def dark(time: datetime) -> bool:
        return altitude(time) < site.twilight

    starts_dark = dark(start)
    sign = -1 if starts_dark else 1
    beyond = _beyond(lambda time: sign * (altitude(time) - site.twilight), start, step)
    if beyond is None:
        return None
    early, late = sorted((start, beyond))
    # With a step back, the later side of the change is the one where the search started.
    ends_dark = starts_dark is (late == start)
    return _first(lambda time: dark(time) is ends_dark, early, late)


def _beyond(
    distance: Callable[[datetime], float], start: datetime, step: timedelta
) -> datetime | None:
    """Time just past the nearest change: the twilight line's distance in degrees is negative."""
    near, here = start, start
    to_near, to_here = distance(start - step), distance(start)
    for _ in range(_YEAR // _STEP):
        far = here + step
        to_far = distance(far)
        if to_far < 0:
            return far
        # A night or day shorter than the step would hide between the samples.
        if to_here < _TURN and to_near >= to_here <= to_far:
            turn = _first(
                lambda time: distance(time + _SECOND) > distance(time), *sorted((near, far))
            )
            if distance(turn) < 0:
                return turn
        near, here = here, far
        to_near, to_here = to_here, to_far
    return None


def _first(holds: Callable[[datetime], bool], early: datetime, late: datetime) -> datetime:
    """First second from which on something holds; the end where that is none before it."""
    seconds = range((late - early) // _SECOND)
    count = bisect_left(seconds, x=True, key=lambda n: holds(early + _SECOND * n))
    return early + _SECOND * count
