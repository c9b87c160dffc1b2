import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import text

from bot.domain.samples import Minute, Sample
from bot.domain.streams import EntryId
from bot.storage.database import Database
from bot.storage.samples import Samples
from tests.storage.drafts import NOW

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
FULL = Sample(
    instrument="lsstcam",
    at=NOW,
    reached=True,
    there=True,
    waiting=5000,
    visits=29,
    capped=True,
    wait=timedelta(days=3, microseconds=1),
    unconfirmed=7,
    consumers=16_984,
    length=2**40,
    added=2**63 - 1,
    last_delivered=EntryId(2**64 - 1, 2**64 - 1),
    lag=2**62,
    announced=1,
)
UNREACHED = Sample("lsstcam", NOW + SECOND, reached=False)
MISSING = Sample("hsc", NOW, reached=True, there=False)
AT = NOW.replace(second=0, microsecond=0)
QUIET = Minute("lsstcam", AT, 12, 12, 0, None, 3, 100, 1)


@pytest.fixture
def samples(database: Database) -> Samples:
    return Samples(database)


async def test_samples_come_back_as_they_were_in_order_of_time(samples: Samples) -> None:
    await samples.add("prod", [UNREACHED])
    await samples.add("prod", [FULL, MISSING])
    await samples.add("dev", [replace(FULL, waiting=1)])
    await samples.add("prod", [])
    # Of the stream whose name comes first, and yet the last.
    late = replace(MISSING, at=NOW + 2 * SECOND)
    await samples.add("prod", [late])
    assert await samples.recent("prod", NOW) == [MISSING, FULL, UNREACHED, late]
    assert await samples.recent("prod", NOW, "lsstcam") == [FULL, UNREACHED]
    assert await samples.recent("prod", NOW + SECOND) == [UNREACHED, late]
    assert await samples.recent("prod", NOW + 3 * SECOND) == []
    assert await samples.recent("dev", NOW) == [replace(FULL, waiting=1)]


async def test_what_was_kept_of_a_moment_stays(samples: Samples) -> None:
    await samples.add("prod", [FULL])
    await samples.add("prod", [replace(FULL, waiting=1), UNREACHED])
    assert await samples.recent("prod", NOW) == [FULL, UNREACHED]


async def test_minutes_come_back_as_they_were_in_order_of_time(samples: Samples) -> None:
    later = replace(QUIET, at=AT + MINUTE, wait=timedelta(microseconds=1), added=2**63 - 1)
    other = replace(QUIET, instrument="hsc")
    await samples.add_minutes("prod", [later, QUIET, other])
    await samples.add_minutes("prod", [])
    assert await samples.minutes("prod", AT) == [other, QUIET, later]
    assert await samples.minutes("prod", AT, "lsstcam") == [QUIET, later]
    assert await samples.minutes("prod", AT, "lsstcam", AT + MINUTE) == [QUIET]
    assert await samples.minutes("prod", AT + SECOND, until=AT + 2 * MINUTE) == [later]
    assert await samples.minutes("dev", AT) == []


@pytest.mark.parametrize(
    ("waits", "worst"),
    [((None, None), None), ((None, 5), 5), ((5, None), 5), ((5, 7), 7), ((7, 5), 7)],
)
async def test_what_two_processes_saw_of_a_minute_is_added_up(
    samples: Samples, waits: tuple[int | None, int | None], worst: int | None
) -> None:
    first, second, both = (None if each is None else each * SECOND for each in (*waits, worst))
    await samples.add_minutes("prod", [Minute("lsstcam", AT, 5, 4, 9, first, 3, 100, 1)])
    await samples.add_minutes("prod", [Minute("lsstcam", AT, 7, 7, 2, second, 8, 172, 2)])
    merged = Minute("lsstcam", AT, 12, 11, 9, both, 8, 172, 3)
    assert await samples.minutes("prod", AT) == [merged]


async def test_minutes_of_many_processes_at_once_are_all_there(samples: Samples) -> None:
    many = [replace(QUIET, instrument=f"{n}") for n in range(20)]
    await asyncio.gather(*(samples.add_minutes("prod", many) for _ in range(8)))
    assert {each.samples for each in await samples.minutes("prod", AT)} == {8 * 12}


async def test_a_look_at_many_streams_is_kept_whole(samples: Samples) -> None:
    many = [replace(FULL, instrument=f"{n:03}") for n in range(300)]
    await samples.add("prod", many)
    assert await samples.recent("prod", NOW) == many
    naive = replace(FULL, at=NOW.replace(tzinfo=None))
    with pytest.raises(Exception, match="without a zone"):
        await samples.add("dev", [FULL, naive])
    assert await samples.recent("dev", NOW) == [], "or not at all"


@pytest.mark.parametrize("table", ["samples", "minutes"])
async def test_sqlite_reads_and_forgets_no_more_than_it_must(sqlite_url: str, table: str) -> None:
    database = await Database.open(sqlite_url)
    plans = []
    for query in (
        "SELECT * FROM {} WHERE environment = '' AND instrument = '' AND at >= '' ORDER BY at",
        "SELECT * FROM {} WHERE environment = '' AND at >= '' ORDER BY at, instrument",
        "SELECT at FROM {} WHERE environment = '' AND at < '' ORDER BY at LIMIT 9",
        "DELETE FROM {} WHERE environment = '' AND at <= ''",
        "SELECT min(environment) FROM {} WHERE environment > ''",
    ):
        async with database.statement() as connection:
            answer = await connection.execute(text(f"EXPLAIN QUERY PLAN {query.format(table)}"))
            plans.append(" ".join(row.detail for row in answer))
    await database.aclose()
    assert all("at>?" in plan or "at<?" in plan for plan in plans[:4]), plans
    assert "SEARCH" in plans[4], plans
