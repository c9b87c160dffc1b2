"""What is said of a window in its time, and which windows and nights are in its way."""

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain.environments import Environment, Person
from bot.domain.maintenance import LATE, Due, Stage, Window, Word, night_conflict
from bot.domain.night import Night, Site, is_night
from bot.domain.times import WhenError, parse_duration, parse_when

ANA, BEN = Person("U0ANA", "Ana"), Person("U0BEN", "Ben")
SECOND, MINUTE, HOUR, DAY = (
    timedelta(seconds=1),
    timedelta(minutes=1),
    timedelta(hours=1),
    timedelta(days=1),
)
START = datetime(2026, 11, 24, 16, tzinfo=UTC)
CHILE, SLAC = "America/Santiago", "America/Los_Angeles"


def window(
    starts: datetime = START, lasts: timedelta = HOUR, announced: datetime = START - DAY
) -> Window:
    return Window(12, "prod", starts, starts + lasts, "Redis 8.10 upgrade", ANA, announced)


def prod(site: Site, margin: timedelta = timedelta(minutes=30)) -> Environment:
    return Environment("prod", (), site=site, margin=margin)


def words(due: tuple[Due, ...]) -> list[Word]:
    return [each.word for each in due]


# A year of windows, looked at every few seconds, or by processes that come and go.


def year() -> Iterator[Window]:
    """Windows as people announce them: on leap day, at midnight, when clocks change."""
    random_ = random.Random(12)
    days = [datetime(2028, 1, 1, 12, tzinfo=UTC) + n * DAY for n in range(0, 366, 6)]
    # The eves of the changes in California and in Chile, and of leap day and New Year.
    eves = ["03-11", "11-04", "04-01", "09-02", "02-28", "02-29", "12-30", "12-31"]
    days += [datetime.fromisoformat(f"2028-{eve}T12:00Z") for eve in eves]
    for day in sorted(days):
        zone = ZoneInfo(random_.choice([CHILE, SLAC]))
        clock = random_.choice(["23:50", "00:00", "00:30", "01:30", "02:30", "12:00", "18:00"])
        typed = f"tomorrow {clock} {random_.choice(['10m', '15m', '1h', '2h30m'])} Redis".split()
        try:
            starts, taken = parse_when(typed, day, zone)
        except WhenError:
            # In the hour of the change.
            continue
        lasts = parse_duration(typed[taken])
        announced = max(day, starts - random_.choice([5 * MINUTE, 30 * MINUTE, 61 * MINUTE, DAY]))
        yield window(starts, lasts, announced)


def expected(one: Window, started: datetime, until: datetime) -> list[tuple[Stage, Due]]:
    """Everything that there is to say of it, in its order, and the stage it belongs to."""
    before = [
        Due(Word.HOUR_BEFORE, one.starts - HOUR),
        Due(Word.MINUTES_BEFORE, one.starts - 10 * MINUTE),
    ]
    said = [(Stage.SCHEDULED, each) for each in before if one.announced < each.at]
    if started < one.ends - 10 * MINUTE:
        said.append((Stage.STARTED, Due(Word.ENDING, one.ends - 10 * MINUTE)))
    at = one.ends
    while at <= until:
        said.append((Stage.STARTED, Due(Word.OVERRUNNING, at)))
        at += 15 * MINUTE
    return said


def life(one: Window, looks: Iterator[datetime]) -> Iterator[tuple[datetime, Window, list[Due]]]:
    """Look at a window, start it when it is time, and say what is due."""
    for now in looks:
        if one.stage is Stage.SCHEDULED and now >= one.starts:
            one = one.begun(now)
        due = one.due(now)
        one = one.having_said(*due)
        assert one.due(now) == (), "said twice"
        yield now, one, list(due)


def looks(random_: random.Random, one: Window, until: datetime, gaps: str) -> Iterator[datetime]:
    now = one.announced
    while now <= until:
        yield now
        # Nobody need look every second for a day.
        far = now < one.starts - 70 * MINUTE
        if far and gaps == "few seconds":
            now = one.starts - 65 * MINUTE
        elif gaps == "few seconds":
            now += random_.uniform(2, 4.9) * SECOND
        else:
            now += random_.choice([3 * SECOND, MINUTE, 7 * MINUTE, 40 * MINUTE, 3 * HOUR])


def test_of_a_year_of_windows_everything_is_said_once_and_in_time() -> None:
    random_ = random.Random(8)
    windows = list(year())
    assert len(windows) > 55
    heard: set[Word] = set()
    for one in windows:
        until = one.ends + random_.choice([0, 14, 31]) * MINUTE
        said: list[Due] = []
        for now, _, due in life(one, looks(random_, one, until, "few seconds")):
            assert all(each.at <= now and now - each.at <= LATE for each in due)
            said += due
        started = one.starts + LATE
        # What comes in the last moments may not have been looked at.
        wanted = [each for _, each in expected(one, started, until)]
        assert said == [each for each in wanted if each.at <= until - LATE] or said == wanted
        heard |= {each.word for each in said}
    assert heard == {Word.HOUR_BEFORE, Word.MINUTES_BEFORE, Word.ENDING, Word.OVERRUNNING}


def test_after_a_pause_the_last_that_is_still_true_is_said() -> None:
    random_ = random.Random(9)
    late = 0
    for one in [each for each in year() for _ in range(40)]:
        until = one.ends + 2 * HOUR
        before = one.announced - SECOND
        said: list[Due] = []
        for now, after, due in life(one, looks(random_, one, until, "random")):
            things = expected(one, after.started or now, now)
            missed = [
                each
                for stage, each in things
                if stage is after.stage
                and before < each.at <= now
                and (each.word is not Word.ENDING or now < one.ends)
            ]
            assert due == missed[-1:]
            late += sum(now - each.at > LATE for each in due)
            before = now
            said += due
        assert said == sorted(said, key=lambda each: each.at)
        assert len(set(said)) == len(said)
    assert late > 100


def test_what_is_over_is_not_spoken_of() -> None:
    one = window()
    for over in (one.cancelled(BEN, START - HOUR), one.begun(START).over(ANA, "", START + HOUR)):
        assert over.due(START - 5 * MINUTE) == over.due(START + 9 * HOUR) == ()


def test_who_just_announced_it_is_not_reminded_of_it() -> None:
    assert words(window(announced=START - HOUR).due(START - 59 * MINUTE)) == []
    assert words(window(announced=START - 5 * MINUTE).due(START - MINUTE)) == []
    short = window(lasts=10 * MINUTE).begun(START)
    assert words(short.due(START + 9 * MINUTE)) == []


def test_a_start_that_was_missed_says_more_than_its_reminder() -> None:
    one = window()
    assert words(one.due(START - SECOND)) == [Word.MINUTES_BEFORE]
    assert words(one.due(START)) == []


def test_changed_times_are_reminded_of_anew_but_not_of_what_was_just_said() -> None:
    one = window()
    now = START - 55 * MINUTE
    one = one.having_said(*one.due(now))
    later = one.changed(START + 2 * HOUR, START + 3 * HOUR, during_observing=False, now=now)
    assert later.due(now) == ()
    assert later.due(START + HOUR) == (Due(Word.HOUR_BEFORE, START + HOUR),)
    sooner = one.changed(START - 25 * MINUTE, START, during_observing=False, now=now)
    assert sooner.due(START - 36 * MINUTE) == ()
    assert words(sooner.due(START - 35 * MINUTE)) == [Word.MINUTES_BEFORE]
    running = one.begun(START)
    end = running.ends
    overrun = running.having_said(*running.due(end + MINUTE))
    extended = overrun.extended(4 * MINUTE, during_observing=False, now=end + MINUTE)
    assert extended.due(end + 2 * MINUTE) == (), "who gives it 5 min more knows that it ends then"
    assert words(extended.due(end + 5 * MINUTE)) == [Word.OVERRUNNING]


@given(st.timedeltas(-3 * HOUR, 3 * HOUR), st.timedeltas(SECOND, DAY))
def test_an_early_start_keeps_the_duration_and_a_late_one_the_end(
    off: timedelta, lasts: timedelta
) -> None:
    one = window(lasts=lasts).begun(START + off)
    assert one.started == START + off
    assert one.starts == min(START, START + off)
    assert one.ends == (START + lasts if off >= timedelta(0) else START + off + lasts)
    assert (one.stage, one.version) == (Stage.STARTED, 1)


def test_every_step_gives_a_new_version() -> None:
    one = window()
    assert one.having_said(Due(Word.ENDING, START)).version == 1
    assert one.updated().updated() == replace(one, version=2, updates=2, edited=True)
    over = one.begun(START).over(BEN, "done", START + HOUR)
    assert (over.version, over.ended_by, over.closing) == (2, BEN, "done")
    final = [Stage.ENDED, Stage.CANCELLED, Stage.MISSED]
    assert [stage for stage in Stage if stage.final] == final


minutes = st.integers(0, 30).map(lambda n: START + n * MINUTE)
lengths = st.integers(1, 20).map(lambda n: n * MINUTE)


stages = st.sampled_from([Stage.SCHEDULED, Stage.STARTED])
some = st.builds(
    lambda starts, lasts, stage: replace(window(starts, lasts), stage=stage),
    minutes,
    lengths,
    stages,
)


@given(some, some, minutes)
def test_windows_meet_where_they_share_a_minute(
    first: Window, second: Window, now: datetime
) -> None:
    def covered(each: Window) -> set[datetime]:
        ends = max(each.ends, now + MINUTE) if each.stage is Stage.STARTED else each.ends
        return {each.starts + n * MINUTE for n in range((ends - each.starts) // MINUTE)}

    assert first.meets(second, now) == second.meets(first, now)
    assert first.meets(second, now) == bool(covered(first) & covered(second))


# The night.

PACHON = Site()
UMEA = Site(latitude=65, longitude=20, elevation=0)
SVALBARD = Site(latitude=78.22, longitude=15.65, elevation=10)
MARGIN = 30 * MINUTE
# As in the announcement that the messages show: night until 08:36, and from 00:24.
DAWN = datetime(2026, 11, 24, 8, 36, tzinfo=UTC)
DUSK = datetime(2026, 11, 25, 0, 24, tzinfo=UTC)


@pytest.mark.parametrize(
    ("starts", "ends", "touches"),
    [
        (DAWN + HOUR, DUSK - HOUR, None),
        (DAWN + MARGIN + 2 * MINUTE, DUSK - MARGIN - 2 * MINUTE, None),
        (DAWN + MARGIN - 2 * MINUTE, DAWN + HOUR, "before"),
        (DUSK - HOUR, DUSK - MARGIN + 2 * MINUTE, "after"),
        (DUSK - HOUR, DUSK + 5 * HOUR, "after"),
        (DUSK + HOUR, DUSK + 2 * HOUR, "after"),
        (DAWN - HOUR, DUSK + HOUR, "before"),
        (DAWN + HOUR, DAWN + 9 * DAY, "after"),
    ],
)
def test_a_window_keeps_its_distance_from_the_night(
    starts: datetime, ends: datetime, touches: str | None
) -> None:
    night = night_conflict(prod(PACHON), starts, ends)
    if touches is None:
        assert night is None
        return
    assert night is not None
    edge, near = (night.ends, DAWN) if touches == "before" else (night.begins, DUSK)
    assert edge is not None
    assert abs(edge - near) < 2 * MINUTE


def test_to_the_second() -> None:
    night = night_conflict(prod(PACHON), DUSK, DUSK + HOUR)
    assert night is not None
    assert night.begins is not None
    assert night.ends is not None
    dusk, dawn = night.begins - MARGIN, night.ends + MARGIN
    assert night_conflict(prod(PACHON), dusk - HOUR, dusk) is None
    assert night_conflict(prod(PACHON), dusk - HOUR, dusk + SECOND) == night
    assert night_conflict(prod(PACHON), dawn, dawn + HOUR) is None
    assert night_conflict(prod(PACHON), dawn - SECOND, dawn + HOUR) == night


def test_a_polar_day_has_no_night_and_a_polar_night_no_day() -> None:
    summer, winter = datetime(2026, 6, 21, tzinfo=UTC), datetime(2026, 12, 21, tzinfo=UTC)
    for hours in range(0, 24, 5):
        at = summer + hours * HOUR
        assert night_conflict(prod(SVALBARD), at, at + DAY) is None
        assert night_conflict(prod(UMEA), at, at + DAY) is None
        assert night_conflict(prod(Site(twilight=-90)), at, at + DAY) is None
        at = winter + hours * HOUR
        always = night_conflict(prod(Site(latitude=90, longitude=0)), at, at + SECOND)
        assert always is not None
        assert always.begins is not None
        assert always.begins < at - 30 * DAY
        assert night_conflict(prod(Site(twilight=90)), at, at + SECOND) == Night(None, None)


@settings(deadline=None, max_examples=60)
@given(
    site=st.sampled_from([PACHON, PACHON, UMEA, SVALBARD])
    | st.builds(Site, latitude=st.floats(-60, 60), longitude=st.floats(-180, 180)),
    starts=st.datetimes(datetime(2024, 1, 1), datetime(2034, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- hypothesis adds the zone
    lasts=st.integers(1, 12 * 60).map(lambda n: n * MINUTE),
    margin=st.integers(0, 90).map(lambda n: n * MINUTE),
)
def test_the_night_is_where_any_minute_of_it_is_dark(
    site: Site, starts: datetime, lasts: timedelta, margin: timedelta
) -> None:
    begins, ends = starts - margin, starts + lasts + margin
    dark = [
        at for n in range((ends - begins) // MINUTE) if is_night(site, at := begins + n * MINUTE)
    ]
    night = night_conflict(prod(site, margin), starts, starts + lasts)
    if dark:
        assert night is not None
        assert night.begins is None or night.begins <= dark[0]
        assert night.ends is None or night.ends > dark[0]
    elif night is not None:
        # It touches for less than a minute.
        assert night.begins is not None
        assert night.ends is not None
        assert min(ends, night.ends) - night.begins < MINUTE
