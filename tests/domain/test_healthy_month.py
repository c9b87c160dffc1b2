"""A month of good nights makes no alarm."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

from bot.domain.errors import Unreachable
from bot.domain.night import Site, night_at
from tests.domain.a_night import (
    GB,
    HOUR,
    MINUTE,
    SECOND,
    VISIT,
    Stream,
    Watch,
    World,
    daily,
    nightly,
)

DAYS = 30
DAY = timedelta(days=1)
BEGIN = datetime(2026, 11, 1, 15, tzinfo=UTC)


def nights() -> list[tuple[datetime, datetime]]:
    """Dusk and dawn of each."""
    found = []
    for day in range(DAYS):
        night = night_at(Site(), BEGIN + day * DAY + 13 * HOUR)
        assert night is not None
        assert night.begins is not None
        assert night.ends is not None
        found.append((night.begins, night.ends))
    return found


def visits(random: Random, month: list[tuple[datetime, datetime]]) -> Iterator[datetime]:
    last = BEGIN
    for dusk, dawn in month:
        for at in (*daily(random, last, dusk), *nightly(random, dusk, dawn)):
            # Two of them are never at one time.
            last = max(at, last + 19 * SECOND)
            yield last


def events(random: Random, month: list[tuple[datetime, datetime]]) -> list[tuple[datetime, str]]:
    """What people and cron jobs do, in order."""
    found = []
    for dusk, dawn in month:
        found += [(dusk, "night"), (dawn, "day")]
    for day in range(DAYS):
        midnight = BEGIN.replace(hour=0) + day * DAY
        found += [(midnight + 18 * HOUR, "trim"), (midnight + 18.5 * HOUR, "prune")]
        if random.random() < 0.3:
            # Announced for an hour; now and then somebody does it at night.
            begin = midnight + random.choice((16, 17, 19, 28)) * HOUR + 1 * MINUTE
            back = begin + 5 * MINUTE + random.uniform(20, 60) * SECOND
            found += [(begin, "announce"), (begin + 5 * MINUTE, "down"), (back, "up")]
            found += [(begin + HOUR, "end")]
    return sorted(each for each in found if each[0] > BEGIN)


def happens(what: str, world: World, watch: Watch) -> None:
    match what:
        case "night":
            watch.night, watch.dusk = True, world.now
        case "day":
            watch.night, watch.dusk = False, None
        case "trim":
            world.stream.trim(world.now)
        case "prune":
            world.stream.consumers = 300
        case "down":
            world.away = Unreachable.REFUSED
        case "up":
            world.away = None
        case _:
            assert what in {"begin", "announce", "end"}


def test_a_healthy_month_is_silent() -> None:
    random = Random(1)
    month = nights()
    world = World(Stream(visits(random, month), random), BEGIN, limit=4 * GB)
    watch = Watch(night=False)
    polls, windows = 0, 0
    script = [(BEGIN, "begin"), *events(random, month), (BEGIN + DAYS * DAY, "end")]
    held = False
    for (_, what), (until, _) in pairwise(script):
        happens(what, world, watch)
        windows += what == "announce"
        held = what == "announce" or (held and what != "end")
        for poll in world.until(until, quiet=None if watch.night else MINUTE):
            watch.see(poll)
            polls += 1
            assert held or not watch.found, (poll.at, watch.found)
        assert held or not watch.found
    assert polls > 200_000
    assert windows > 3
    assert world.stream.added > 15_000 * VISIT
