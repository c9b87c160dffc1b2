import asyncio
from datetime import date, timedelta

from sqlalchemy import select

from bot.metrics import Metrics
from bot.storage.database import Clock, Database
from bot.storage.lease import LEASE, Chores, Deliveries, Leader
from bot.storage.schema import leadership
from tests.storage.drafts import NOW
from tests.support.databases import as_process
from tests.support.waits import LONGEST_WAIT


def leading(database: Database, lease: timedelta = LEASE) -> Leader:
    return Leader(database, Metrics(), lease=lease)


async def renewed(leader: Leader) -> bool:
    await leader.tick(NOW)
    return leader.leads()


async def test_one_leads_and_stays_the_leader(database: Database) -> None:
    one, two = leading(as_process(database, "one")), leading(as_process(database, "two"))
    assert await one.holder() is None
    assert await renewed(one)
    assert await renewed(one)
    assert not await renewed(two)
    assert await two.holder() == "one"


async def test_of_many_at_once_one_leads(database: Database) -> None:
    all_of_them = [leading(as_process(database, f"{n}")) for n in range(10)]
    leads = await asyncio.gather(*(renewed(each) for each in all_of_them))
    assert leads.count(True) == 1


async def test_who_releases_it_makes_room_at_once(database: Database) -> None:
    one, two = leading(as_process(database, "one")), leading(as_process(database, "two"))
    await renewed(one)
    await two.aclose()
    assert await two.holder() == "one", "it was not another's to release"
    await one.aclose()
    assert await two.holder() is None
    assert await renewed(two)
    assert not await renewed(one)


async def test_a_lease_that_ran_out_is_taken_over(database: Database) -> None:
    one = leading(as_process(database, "one"), lease=timedelta(milliseconds=40))
    two = leading(as_process(database, "two"))
    assert await renewed(one)
    async with asyncio.timeout(LONGEST_WAIT):
        while not await renewed(two):  # noqa: ASYNC110 -- the database's own clock has to move
            await asyncio.sleep(0.01)
    assert await one.holder() == "two"
    assert not await renewed(one)


async def test_a_lease_lasts_as_long_as_it_says(database: Database) -> None:
    await renewed(leading(as_process(database, "one")))
    query = select(leadership.c.until, Clock().label("now"))
    async with database.statement() as connection:
        until, now = (await connection.execute(query)).one()
    assert timedelta(0) <= LEASE - (until - now) < timedelta(seconds=2)


async def test_the_leader_of_a_sqlite_file_is_gone_when_it_is_opened(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    await renewed(leading(as_process(database, "dead")))
    await database.aclose()
    database = await Database.open(sqlite_url)
    try:
        assert await renewed(leading(as_process(database, "new")))
    finally:
        await database.aclose()


async def test_the_leader_of_a_shared_database_stays_when_another_opens_it(
    postgresql_url: str,
) -> None:
    first = await Database.open(postgresql_url)
    assert await renewed(leading(as_process(first, "one")))
    second = await Database.open(postgresql_url)
    try:
        assert not await renewed(leading(as_process(second, "two")))
    finally:
        await first.aclose()
        await second.aclose()


async def test_a_days_chore_is_taken_once(database: Database) -> None:
    chores = Chores(database)
    day = date(2026, 11, 24)
    taken = await asyncio.gather(*(chores.claim("prune", day) for _ in range(10)))
    assert taken.count(True) == 1
    assert not await chores.claim("prune", day)
    assert await chores.claim("prune", date(2026, 11, 25))
    assert await chores.claim("another", day)


async def test_a_delivery_is_first_once(database: Database) -> None:
    deliveries = Deliveries(database)
    assert await deliveries.first("T1", NOW) is None
    assert await deliveries.first("T1", NOW + timedelta(seconds=3)) == NOW
    assert await deliveries.first("T1", NOW) == NOW, "at the same moment, too"
    assert await deliveries.first("T2", NOW) is None
