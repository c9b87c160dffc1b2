from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.night import (
    Night,
    Site,
    day_obs,
    is_night,
    next_dawn,
    next_dusk,
    next_night,
    night_at,
    sun_altitude,
)

SECOND = timedelta(seconds=1)
PACHON = Site()
MAUNA_KEA = Site(latitude=19.8261, longitude=-155.4747, elevation=4205)
GREENWICH = Site(latitude=51.4769, longitude=0.0, elevation=45)
SVALBARD = Site(latitude=78.22, longitude=15.65, elevation=10)
NORTH_POLE = Site(latitude=90, longitude=0, elevation=0)
SOUTH_POLE = Site(latitude=-90, longitude=0, elevation=2835)
UMEA = Site(latitude=65, longitude=20, elevation=0)
ALWAYS_NIGHT = Site(twilight=90)
NEVER_NIGHT = Site(twilight=-90)

times = st.datetimes(
    min_value=datetime(2015, 1, 1),  # noqa: DTZ001 -- hypothesis adds the zone itself
    max_value=datetime(2035, 12, 31),  # noqa: DTZ001
    timezones=st.just(UTC),
)
sites = st.builds(
    Site,
    latitude=st.floats(-90, 90) | st.sampled_from([-90, -66.6, 0, 66.6, 89.9, 90]),
    longitude=st.floats(-180, 180) | st.sampled_from([-180, 0, 180]),
    elevation=st.floats(0, 5000),
    twilight=st.floats(-18, 0),
)
temperate_sites = st.builds(
    Site,
    latitude=st.floats(-45, 45),
    longitude=st.floats(-180, 180),
    twilight=st.floats(-18, 0),
)
# Polar searches go through a year, which takes a fraction of a second.
slow = settings(deadline=None, max_examples=60)
unhurried = settings(deadline=None)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def edges_of(night: Night | None) -> tuple[datetime, datetime]:
    assert night is not None
    assert night.begins is not None
    assert night.ends is not None
    return night.begins, night.ends


# Computed with astropy alone: get_sun and AltAz without pressure, one altitude a minute.
@pytest.mark.parametrize(
    ("site", "noon", "dusk", "dawn"),
    [
        (PACHON, "2024-06-21T16:00", "2024-06-21T22:47:12", "2024-06-22T10:42:55"),
        (PACHON, "2024-12-21T16:00", "2024-12-22T00:45:32", "2024-12-22T08:37:43"),
        (PACHON, "2024-02-29T16:00", "2024-03-01T00:09:45", "2024-03-01T09:41:08"),
        (MAUNA_KEA, "2024-02-29T23:00", "2024-03-01T05:14:42", "2024-03-01T15:53:17"),
        (GREENWICH, "2025-03-20T12:00", "2025-03-20T19:26:10", "2025-03-21T04:47:25"),
    ],
)
def test_night_of_a_known_date(site: Site, noon: str, dusk: str, dawn: str) -> None:
    begins, ends = edges_of(next_night(site, utc(noon)))
    assert abs(begins - utc(dusk)) < 5 * SECOND
    assert abs(ends - utc(dawn)) < 5 * SECOND


@pytest.fixture
def sun_of_astropy() -> Iterator[Any]:
    # Slow to import, and only needed here.
    from astropy import coordinates, units  # noqa: PLC0415
    from astropy.time import Time  # noqa: PLC0415
    from astropy.utils import iers  # noqa: PLC0415

    def altitudes(site: Site, when: list[datetime]) -> list[float]:
        place = coordinates.EarthLocation(
            lat=site.latitude * units.deg,
            lon=site.longitude * units.deg,
            height=site.elevation * units.m,
        )
        time = Time([moment.replace(tzinfo=None) for moment in when], scale="utc")
        frame = coordinates.AltAz(obstime=time, location=place)
        return [float(alt) for alt in coordinates.get_sun(time).transform_to(frame).alt.deg]

    with (
        iers.conf.set_temp("auto_download", False),  # noqa: FBT003 -- astropy's signature
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        yield altitudes


@pytest.mark.parametrize("site", [PACHON, MAUNA_KEA, GREENWICH])
def test_dusk_and_dawn_agree_with_astropy(site: Site, sun_of_astropy: Any) -> None:
    edges: list[datetime] = []
    for days in range(0, 11 * 365, 13):
        noon = utc("2015-01-01T12:00") + timedelta(days=days)
        edges += [edge for edge in (next_dusk(site, noon), next_dawn(site, noon)) if edge]
    before = sun_of_astropy(site, [edge - 30 * SECOND for edge in edges])
    after = sun_of_astropy(site, [edge + 30 * SECOND for edge in edges])
    # Where the Sun sinks and rises, astropy's own time is found between the two by proportion.
    errors = [
        abs(60 * (site.twilight - low) / (high - low) - 30)
        for low, high in zip(before, after, strict=True)
    ]
    assert len(errors) == 2 * len(range(0, 11 * 365, 13))
    assert max(errors) < 5


@pytest.mark.parametrize(
    ("site", "now", "altitude"),
    [
        (NORTH_POLE, "2024-06-20T20:51", 23.44),
        (SOUTH_POLE, "2024-06-20T20:51", -23.44),
        (Site(latitude=0, longitude=0, elevation=0), "2024-03-20T12:07", 90),
        (Site(latitude=0, longitude=180, elevation=0), "2024-03-20T12:07", -90),
        (Site(latitude=0, longitude=-180, elevation=0), "2024-03-20T12:07", -90),
    ],
)
def test_altitude_of_solstice_and_equinox(site: Site, now: str, altitude: float) -> None:
    assert sun_altitude(site, utc(now)) == pytest.approx(altitude, abs=0.2)


@slow
@given(sites, times)
def test_night_is_the_sun_below_the_line(site: Site, now: datetime) -> None:
    now = now.replace(microsecond=0)
    assert is_night(site, now) == (sun_altitude(site, now) < site.twilight)


@slow
@given(sites, times)
def test_edges_turn_day_into_night_and_back(site: Site, now: datetime) -> None:
    dusk, dawn = next_dusk(site, now), next_dawn(site, now)
    if dusk is not None:
        assert dusk > now
        assert not is_night(site, dusk - SECOND)
        assert is_night(site, dusk)
    if dawn is not None:
        assert dawn > now
        assert is_night(site, dawn - SECOND)
        assert not is_night(site, dawn)


@slow
@given(sites, times)
def test_night_at_holds_the_time_asked_for(site: Site, now: datetime) -> None:
    night = night_at(site, now)
    assert (night is not None) == is_night(site, now)
    if night is not None:
        assert night.begins is None or night.begins <= now
        assert night.ends is None or night.ends > now
        assert night == next_night(site, now)


@unhurried
@given(temperate_sites, times, st.floats(0, 1))
def test_every_moment_of_a_night_gives_the_same_night(
    site: Site, now: datetime, part: float
) -> None:
    night = next_night(site, now)
    begins, ends = edges_of(night)
    assert night_at(site, begins) == night
    assert night_at(site, begins + part * (ends - SECOND - begins)) == night
    assert night_at(site, ends - timedelta(microseconds=1)) == night
    assert night_at(site, begins - timedelta(microseconds=1)) is None
    assert night_at(site, ends) is None


@unhurried
@given(temperate_sites, times)
def test_every_day_has_a_dusk_and_a_dawn(site: Site, now: datetime) -> None:
    dusk, dawn = next_dusk(site, now), next_dawn(site, now)
    assert dusk is not None
    assert dawn is not None
    assert max(dusk, dawn) - now < timedelta(hours=25)


@pytest.mark.parametrize("site", [SVALBARD, NORTH_POLE, SOUTH_POLE, UMEA])
@pytest.mark.parametrize("month", range(1, 13))
def test_polar_sites_have_a_next_night(site: Site, month: int) -> None:
    begins, ends = edges_of(next_night(site, datetime(2024, month, 21, 12, tzinfo=UTC)))
    assert begins < ends


@pytest.mark.parametrize("latitude", [89.4, 89.98])
@pytest.mark.parametrize("pole", [1, -1])
@pytest.mark.parametrize("season", ["2024-02-12", "2024-04-16", "2024-08-16", "2024-10-19"])
def test_near_a_pole_no_hour_of_the_other_kind_is_passed_over(
    latitude: float, pole: int, season: str
) -> None:
    site = Site(latitude=pole * latitude, longitude=70, elevation=0)
    for days in range(12):
        now = utc(f"{season}T05:21") + timedelta(days=days)
        night = is_night(site, now)
        change = next_dawn(site, now) if night else next_dusk(site, now)
        assert change is not None
        soon = min(change, now + timedelta(days=20))
        hours = [now + timedelta(hours=n) for n in range(int((soon - now) / timedelta(hours=1)))]
        assert [each for each in hours if is_night(site, each) is not night] == []


def test_a_night_of_sixteen_weeks_at_the_pole() -> None:
    begins, ends = edges_of(night_at(NORTH_POLE, utc("2024-12-21T12:00")))
    # The days on which the Sun's declination passes −12°.
    assert begins.date() == date(2024, 10, 24)
    assert ends.date() == date(2025, 2, 16)


def test_white_nights_wait_for_the_end_of_summer() -> None:
    dusk = next_dusk(UMEA, utc("2024-06-21T12:00"))
    assert dusk is not None
    assert utc("2024-08-01T00:00") < dusk < utc("2024-09-01T00:00")


def test_a_sun_that_always_is_below_the_line() -> None:
    now = utc("2024-02-29T12:00")
    assert is_night(ALWAYS_NIGHT, now)
    assert night_at(ALWAYS_NIGHT, now) == Night(begins=None, ends=None)
    assert next_night(ALWAYS_NIGHT, now) == Night(begins=None, ends=None)
    assert next_dusk(ALWAYS_NIGHT, now) is None
    assert next_dawn(ALWAYS_NIGHT, now) is None


def test_a_sun_that_never_is_below_the_line() -> None:
    now = utc("2024-02-29T12:00")
    assert not is_night(NEVER_NIGHT, now)
    assert night_at(NEVER_NIGHT, now) is None
    assert next_night(NEVER_NIGHT, now) is None
    assert next_dusk(NEVER_NIGHT, now) is None
    assert next_dawn(NEVER_NIGHT, now) is None


@pytest.mark.parametrize("latitude", [65.0, 51.4769, -30.244628])
@pytest.mark.parametrize("minutes", range(0, 180, 17))
def test_a_night_of_minutes_is_found(latitude: float, minutes: int) -> None:
    place = Site(latitude=latitude, longitude=0, elevation=0)
    around = [utc("2024-06-09T23:45") + 10 * n * SECOND for n in range(180)]
    midnight = min(around, key=lambda time: sun_altitude(place, time))
    tangent = replace(place, twilight=sun_altitude(place, midnight) + 0.0005)
    night = next_night(tangent, midnight - timedelta(hours=1, minutes=minutes))
    begins, ends = edges_of(night)
    assert begins <= midnight < ends
    assert ends - begins < timedelta(minutes=10)
    assert night_at(tangent, midnight) == night


def test_the_first_night_after_white_nights_may_last_three_minutes() -> None:
    """The library's own setting of the Sun is that of the next day here."""
    place = Site(-68.26756296700736, 147.1034260869264, 3404.4811695469875, -17.297369097320715)
    night = Night(utc("2027-03-09T14:21:21"), utc("2027-03-09T14:24:13"))
    assert next_night(place, utc("2026-10-30T04:29:18")) == night


@given(st.dates(date(2015, 1, 1), date(2035, 12, 31)), st.floats(0, 1, exclude_max=True))
def test_day_obs_lasts_from_noon_to_noon(day: date, part: float) -> None:
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=UTC)
    inside = min(part * timedelta(days=1), timedelta(days=1) - timedelta(microseconds=1))
    assert day_obs(noon + inside) == day
    assert day_obs(noon - timedelta(microseconds=1)) == day - timedelta(days=1)


@pytest.mark.parametrize(
    ("now", "day"),
    [
        ("2024-02-29T11:59:59", date(2024, 2, 28)),
        ("2024-02-29T12:00:00", date(2024, 2, 29)),
        ("2024-03-01T11:59:59", date(2024, 2, 29)),
        ("2024-03-01T12:00:00", date(2024, 3, 1)),
        ("2025-01-01T04:00:00", date(2024, 12, 31)),
    ],
)
def test_day_obs_turns_at_noon_utc(now: str, day: date) -> None:
    assert day_obs(utc(now)) == day


@unhurried
@given(times)
def test_a_night_in_chile_has_one_day_obs(now: datetime) -> None:
    begins, ends = edges_of(next_night(PACHON, now))
    evening = begins.astimezone(ZoneInfo("America/Santiago")).date()
    assert day_obs(begins) == day_obs(ends) == evening


@pytest.mark.parametrize(
    "function", [sun_altitude, is_night, night_at, next_night, next_dusk, next_dawn]
)
def test_naive_times_are_rejected(function: Any) -> None:
    with pytest.raises(ValueError, match="without time zone"):
        function(PACHON, datetime(2024, 2, 29, 12))  # noqa: DTZ001 -- naive on purpose


def test_day_obs_rejects_naive_times() -> None:
    with pytest.raises(ValueError, match="without time zone"):
        day_obs(datetime(2024, 2, 29, 12))  # noqa: DTZ001 -- naive on purpose


@pytest.mark.parametrize(
    "zone", [ZoneInfo("America/Santiago"), timezone(timedelta(hours=14)), ZoneInfo("Asia/Kolkata")]
)
def test_other_zones_are_converted(zone: Any) -> None:
    now = utc("2024-02-29T12:30")
    local = now.astimezone(zone)
    assert sun_altitude(PACHON, local) == sun_altitude(PACHON, now)
    assert next_night(PACHON, local) == next_night(PACHON, now)
    dusk = next_dusk(PACHON, local)
    assert dusk is not None
    assert dusk.tzinfo is UTC
    assert day_obs(local) == day_obs(now) == date(2024, 2, 29)
