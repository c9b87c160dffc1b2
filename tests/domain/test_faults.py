"""What breaks is found within its time, and is over when it is mended."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest

from bot.domain.errors import Unreachable
from bot.domain.rules import RULES, ConsumersLimits, Severity, Thresholds
from bot.domain.samples import Sample
from tests.domain.a_night import (
    DEFAULTS,
    GB,
    HOUR,
    MINUTE,
    POLL,
    RECORDED,
    SECOND,
    Poll,
    Stream,
    Watch,
    World,
    first_waits,
    recorded,
    steady,
)

BEGIN = datetime(2026, 11, 24, 4, tzinfo=UTC)
EVERY_RULE = Thresholds(frozenset(RULES))


def in_the_night(seed: int = 1, thresholds: Thresholds = DEFAULTS) -> tuple[World, Watch]:
    """Give a night that has gone well for an hour."""
    random = Random(seed)
    world = World(Stream(steady(random, BEGIN), random, slowest=30 * SECOND), BEGIN)
    watch = Watch(thresholds, dusk=BEGIN)
    watch.watch(world.until(BEGIN + HOUR))
    # Not in the middle of a visit.
    watch.watch(world.until(world.stream.next_visit - POLL))
    assert not watch.notes
    return world, watch


def until(world: World, watch: Watch, rule: str, severity: Severity | None) -> float:
    """Seconds until a rule is that bad; None is over."""
    took = first_waits(
        lambda watch: (watch.found[rule].severity if rule in watch.found else None) is severity,
        world,
        watch,
    )
    return took.total_seconds()


def over(world: World, watch: Watch) -> float:
    """Seconds until nothing is found any more."""
    return first_waits(lambda watch: not watch.found, world, watch).total_seconds()


@pytest.mark.parametrize("seed", range(5))
def test_workers_stop(seed: int) -> None:
    world, watch = in_the_night(seed)
    visit = world.stream.next_visit
    world.stream.speed = 0
    until(world, watch, "stalled", Severity.WARNING)
    assert 2 * MINUTE <= world.now - visit < 2 * MINUTE + 2 * POLL
    assert watch.found["stalled"].since == visit
    world.stream.speed = None
    # Reading resumes within seconds; then it must go on for a minute.
    assert 55 <= over(world, watch) <= 85


def test_keda_stops_and_the_last_workers_read_on() -> None:
    world, watch = in_the_night()
    for speed in (6, 3, 1, 0.5):
        world.stream.speed = speed
        watch.watch(world.until(world.now + 20 * SECOND))
    world.stream.speed = 0
    stopped = world.now
    until(world, watch, "stalled", Severity.WARNING)
    assert world.now - stopped < 2 * MINUTE + 2 * POLL
    until(world, watch, "backlog", Severity.WARNING)
    assert world.now - stopped < 5 * MINUTE
    world.stream.speed = None
    assert over(world, watch) < 120


def test_a_single_reading_is_no_recovery() -> None:
    world, watch = in_the_night()
    world.stream.speed = 0
    until(world, watch, "stalled", Severity.WARNING)
    for _ in range(5):
        world.stream.speed = 0.4
        watch.watch(world.until(world.now + POLL))
        world.stream.speed = 0
        watch.watch(world.until(world.now + 90 * SECOND))
        assert "stalled" in watch.found


def test_slow_growth() -> None:
    world, watch = in_the_night()
    begin = world.now
    world.stream.speed = 3.1
    # The longest wait grows by 20 s a minute.
    until(world, watch, "backlog", Severity.WARNING)
    assert 9 * MINUTE < world.now - begin < 14 * MINUTE
    assert "stalled" not in watch.found
    until(world, watch, "backlog", Severity.CRITICAL)
    assert world.now - begin < 36 * MINUTE
    until(world, watch, "expiring", Severity.CRITICAL)
    assert [(rule, what) for _, rule, what in watch.notes] == [
        ("backlog", "warning"),
        ("backlog", "critical"),
        ("expiring", "critical"),
    ]
    world.stream.speed = 30
    over(world, watch)
    assert world.stream.sample(world.now, 0).waiting < 4 * 172


@pytest.mark.parametrize("seed", range(5))
def test_a_backlog_that_shrinks_is_none(seed: int) -> None:
    world, watch = in_the_night(seed)
    world.stream.speed = 0
    watch.watch(world.until(world.stream.next_visit + 115 * SECOND))
    # Nothing new, and the old is read slowly: the longest wait passes three minutes for a while.
    world.stream.announcing = False
    world.stream.speed = 3.5
    for poll in world.until(world.now + 8 * MINUTE):
        watch.see(poll)
        assert not watch.found
    assert not world.stream.waiting


def test_the_producer_stops() -> None:
    world, watch = in_the_night(thresholds=EVERY_RULE)
    stopped = world.now
    last = world.stream.newest
    world.stream.announcing = False
    until(world, watch, "silent", Severity.WARNING)
    assert last is not None
    assert watch.found["silent"].since == last
    assert timedelta(0) <= world.now - last - 20 * MINUTE < POLL
    assert world.now - stopped < 20 * MINUTE
    world.stream.announcing = True
    assert over(world, watch) <= 65


def test_silence_in_the_day_before_does_not_count() -> None:
    world, watch = in_the_night(thresholds=EVERY_RULE)
    world.stream.announcing = False
    watch.night, watch.dusk = False, None
    watch.watch(world.until(world.now + 2 * HOUR))
    assert not watch.found
    watch.night, watch.dusk = True, world.now
    assert until(world, watch, "silent", Severity.WARNING) == 20 * 60
    watch.night, watch.dusk = False, None
    assert over(world, watch) == 5


@pytest.mark.parametrize("backlog", [False, True])
def test_stream_or_group_is_deleted(backlog: bool) -> None:
    world, watch = in_the_night()
    if backlog:
        world.stream.speed = 0
        until(world, watch, "stalled", Severity.WARNING)
    world.stream.delete()
    deleted = world.now
    assert until(world, watch, "missing", Severity.CRITICAL) == 10
    assert watch.found["missing"].since == deleted + POLL
    watch.watch(world.until(world.now + 20 * MINUTE))
    assert set(watch.found) == {"missing"}
    world.stream.create()
    world.stream.speed = None
    assert until(world, watch, "missing", None) == 15
    assert over(world, watch) <= 5


def test_a_person_deletes_and_creates_within_a_poll() -> None:
    world, watch = in_the_night()
    world.stream.delete()
    watch.watch(world.until(world.now + POLL))
    world.stream.create()
    watch.watch(world.until(world.now + 10 * MINUTE))
    assert not watch.notes


@pytest.mark.parametrize(("night", "seconds"), [(True, 35), (False, 185)])
def test_redis_does_not_answer(night: bool, seconds: int) -> None:
    world, watch = in_the_night()
    watch.night = night
    world.away = Unreachable.REFUSED
    begin = world.now
    assert until(world, watch, "unreachable", Severity.CRITICAL) == seconds
    assert watch.found["unreachable"].since == begin + POLL
    watch.watch(world.until(world.now + 10 * MINUTE))
    assert set(watch.found) == {"unreachable"}
    world.away = None
    # The first good poll, and ten seconds.
    assert until(world, watch, "unreachable", None) == 15
    assert not watch.found


def test_a_hiccup_of_two_polls_is_none() -> None:
    world, watch = in_the_night()
    for _ in range(20):
        world.away = Unreachable.TIMED_OUT
        watch.watch(world.until(world.now + 2 * POLL))
        world.away = None
        watch.watch(world.until(world.now + 16 * POLL))
    assert not watch.notes


def test_while_redis_is_away_everything_else_stays_as_it_was() -> None:
    world, watch = in_the_night()
    world.stream.speed = 0
    until(world, watch, "stalled", Severity.CRITICAL)
    before = dict(watch.found)
    assert set(before) == {"backlog", "stalled"}
    world.away = Unreachable.REFUSED
    for poll in world.until(world.now + 30 * MINUTE):
        watch.see(poll)
        assert {rule: each for rule, each in watch.found.items() if rule in before} == before
    assert set(watch.found) == {*before, "unreachable"}
    world.away, world.stream.speed = None, None
    watch.watch(world.until(world.now + 5 * MINUTE))
    assert not watch.found


def test_what_could_not_be_read_while_redis_was_away_is_no_stall() -> None:
    world, watch = in_the_night()
    watch.night = False
    world.stream.speed = 0
    watch.watch(world.until(world.stream.next_visit + 30 * SECOND))
    world.away = Unreachable.LOADING
    watch.watch(world.until(world.now + 70 * SECOND))
    world.away = None
    # 160 s without a reading, of which Redis was there for 90.
    watch.watch(world.until(world.now + 60 * SECOND))
    world.stream.speed = None
    watch.watch(world.until(world.now + 10 * MINUTE))
    assert not watch.notes


def test_redis_runs_out_of_memory() -> None:
    world, watch = in_the_night()
    world.limit = 4 * GB
    world.memory = int(3.2 * GB)
    watch.watch(world.until(world.now + MINUTE))
    assert not watch.notes
    full = world.now
    world.memory += 1
    assert until(world, watch, "memory", Severity.WARNING) == 5
    watch.watch(world.until(world.now + 5 * MINUTE))
    assert full - MINUTE <= watch.found["memory"].since <= full + MINUTE
    world.memory = 3 * GB + 1
    watch.watch(world.until(world.now + MINUTE))
    assert set(watch.found) == {"memory"}
    world.memory = 3 * GB
    assert over(world, watch) == 5


def test_redis_reports_no_lag_so_no_worker_starts() -> None:
    world, watch = in_the_night()
    visit = world.stream.next_visit
    world.stream.nil = True
    world.stream.speed = 0
    until(world, watch, "unknown_lag", Severity.WARNING)
    assert MINUTE <= world.now - visit <= MINUTE + 2 * POLL
    assert set(watch.found) == {"unknown_lag"}
    world.stream.nil = False
    world.stream.speed = None
    assert 60 <= over(world, watch) <= 70


def test_workers_crash_while_they_read() -> None:
    world, watch = in_the_night()
    for _ in range(9):
        world.stream.lost += 1
        watch.watch(world.until(world.now + 3 * MINUTE))
    assert not watch.notes
    world.stream.lost += 1
    assert 60 <= until(world, watch, "pending", Severity.WARNING) <= 70
    # An hour after the first one there are nine.
    lasted = until(world, watch, "pending", None)
    assert 30 * 60 < lasted < 36 * 60
    watch.watch(world.until(world.now + HOUR))
    assert not watch.found


def test_lost_entries_are_settled() -> None:
    world, watch = in_the_night()
    world.stream.lost = 40
    until(world, watch, "pending", Severity.WARNING)
    world.stream.lost = 0
    # In-flight entries may hide it from the first polls.
    assert over(world, watch) <= 30
    # The settled ones are no base for new ones.
    world.stream.lost = 10
    until(world, watch, "pending", Severity.WARNING)


def test_many_old_lost_entries_are_not_news() -> None:
    world, _ = in_the_night()
    world.stream.lost = 5000
    watch = Watch().watch(world.until(world.now + 2 * HOUR))
    assert not watch.notes


def test_counts_where_they_are_on() -> None:
    world, watch = in_the_night(
        thresholds=replace(EVERY_RULE, limits={"consumers": ConsumersLimits(above=20_000)})
    )
    world.stream.consumers = 20_001
    assert until(world, watch, "consumers", Severity.WARNING) == 5
    world.stream.consumers = 300
    assert over(world, watch) == 5
    world.stream.speed = 0
    until(world, watch, "lag", Severity.WARNING)
    # Two thousand wait after twelve visits, for two minutes.
    assert world.stream.sample(world.now, 0).waiting > 2000
    assert until(world, watch, "backlog", Severity.CRITICAL) < 10 * 60


def an_outage(watch: Watch, world: World) -> list[tuple[float, str, str]]:
    """Workers are gone for 33 minutes and then catch up; minutes, rule, what."""
    begin = world.stream.next_visit
    world.stream.speed = 0
    watch.watch(world.until(begin + 33 * MINUTE))
    world.stream.speed = 22
    watch.watch(world.until(begin + 50 * MINUTE))
    return [(round((at - begin) / MINUTE, 1), rule, what) for at, rule, what in watch.notes]


def test_an_outage_from_its_first_warning_to_its_end() -> None:
    world, watch = in_the_night()
    notes = an_outage(watch, world)
    expected = [
        (2, "stalled", "warning"),
        (4, "backlog", "warning"),
        (5, "stalled", "critical"),
        (10, "backlog", "critical"),
        (30, "expiring", "critical"),
        (34, "stalled", "over"),
    ]
    assert [(rule, what) for _, rule, what in notes[:6]] == [each[1:] for each in expected]
    for (found, *_), (due, *_) in zip(notes, expected, strict=False):
        assert due <= found < due + 0.3
    rest = [(rule, what) for _, rule, what in notes[6:]]
    assert rest == [
        ("expiring", "over"),
        ("backlog", "warning"),
        ("backlog", "over"),
    ]


@pytest.mark.parametrize("minute", [1, 3, 4.5, 8, 20, 31, 33.5, 36, 40, 42])
def test_a_restart_in_the_middle_fires_neither_twice_nor_loses(minute: float) -> None:
    world, watch = in_the_night()
    plain = an_outage(watch, world)
    world, watch = in_the_night()
    begin = world.stream.next_visit
    world.stream.speed = 0
    samples: list[Sample] = []
    restarted = False
    for end, speed in ((33, 22), (50, 22)):
        for poll in world.until(begin + end * MINUTE):
            if not restarted and poll.at >= begin + minute * MINUTE:
                # What holds is in the database, too.
                watch, restarted = watch.restarted(samples), True
            samples.append(poll.sample)
            watch.see(poll)
        world.stream.speed = speed
    notes = [(round((at - begin) / MINUTE, 1), rule, what) for at, rule, what in watch.notes]
    assert notes == plain


def test_a_restart_without_any_samples_keeps_what_holds() -> None:
    world, watch = in_the_night()
    world.stream.speed = 0
    until(world, watch, "expiring", Severity.CRITICAL)
    notes = len(watch.notes)
    watch = watch.restarted([])
    watch.watch(world.until(world.now + 10 * MINUTE))
    assert [rule for _, rule, what in watch.notes[notes:] if what == "over"] == []
    assert set(watch.found) == {"backlog", "stalled", "expiring"}


def test_a_restart_while_redis_is_away_keeps_what_holds() -> None:
    world, watch = in_the_night()
    world.away = Unreachable.REFUSED
    until(world, watch, "unreachable", Severity.CRITICAL)
    since = watch.found["unreachable"].since
    polls = list(world.until(world.now + 2 * MINUTE))
    watch = watch.restarted(
        [replace(poll.sample, at=since + i * POLL) for i, poll in enumerate(polls)]
    )
    watch.watch(world.until(world.now + MINUTE))
    assert watch.found["unreachable"].since == since
    assert len(watch.notes) == 1


def test_memory_is_bounded() -> None:
    world, watch = in_the_night()
    world.stream.speed = 0
    watch.watch(world.until(world.now + 2 * HOUR))
    assert len(watch.record.history.recent) <= 37
    assert len(watch.record.history.minutes) <= 61


def test_a_recorded_night(rewrite: bool) -> None:
    expected = RECORDED.with_suffix(".expected")
    watch = Watch()
    lines = []
    for sample in recorded(RECORDED):
        known = len(watch.notes)
        watch.see(Poll(sample, None, GB, None))
        for at, rule, what in watch.notes[known:]:
            since = f", since {watch.found[rule].since:%H:%M:%S}" if rule in watch.found else ""
            lines.append(f"{at:%H:%M:%S} {rule}: {what}{since}\n")
    if rewrite:
        expected.write_text("".join(lines), "utf-8")
    assert lines == expected.read_text("utf-8").splitlines(keepends=True)
