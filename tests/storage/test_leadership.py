import asyncio
from datetime import timedelta

from sqlalchemy import select

from bot.storage.clock import Clock
from bot.storage.database import Database
from bot.storage.leadership import LEASE, Leadership
from bot.storage.schema import leadership


async def test_one_leads_and_stays_the_leader(database: Database) -> None:
    one, two = Leadership(database, "one"), Leadership(database, "two")
    assert await one.holder() is None
    assert await one.renew()
    assert await one.renew()
    assert not await two.renew()
    assert await two.holder() == "one"


async def test_of_many_at_once_one_leads(database: Database) -> None:
    all_of_them = [Leadership(database, f"{n}") for n in range(10)]
    leads = await asyncio.gather(*(each.renew() for each in all_of_them))
    assert leads.count(True) == 1


async def test_who_releases_it_makes_room_at_once(database: Database) -> None:
    one, two = Leadership(database, "one"), Leadership(database, "two")
    await one.renew()
    await two.release()
    assert await two.holder() == "one", "it was not another's to release"
    await one.release()
    assert await two.holder() is None
    assert await two.renew()
    assert not await one.renew()


async def test_a_lease_that_ran_out_is_taken_over(database: Database) -> None:
    one = Leadership(database, "one", lease=timedelta(milliseconds=40))
    two = Leadership(database, "two")
    assert await one.renew()
    assert not await two.renew()
    async with asyncio.timeout(5):
        while not await two.renew():  # noqa: ASYNC110 -- the database's own clock has to move
            await asyncio.sleep(0.01)
    assert await one.holder() == "two"
    assert not await one.renew()


async def test_a_lease_lasts_as_long_as_it_says(database: Database) -> None:
    await Leadership(database, "one").renew()
    query = select(leadership.c.until, Clock().label("now"))
    async with database.statement() as connection:
        until, now = (await connection.execute(query)).one()
    assert timedelta(0) <= LEASE - (until - now) < timedelta(seconds=2)


async def test_the_leader_of_a_sqlite_file_is_gone_when_it_is_opened(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    await Leadership(database, "dead").renew()
    await database.aclose()
    database = await Database.open(sqlite_url)
    try:
        assert await Leadership(database, "new").renew()
    finally:
        await database.aclose()


async def test_the_leader_of_a_shared_database_stays_when_another_opens_it(
    postgresql_url: str,
) -> None:
    first = await Database.open(postgresql_url)
    assert await Leadership(first, "one").renew()
    second = await Database.open(postgresql_url)
    try:
        assert not await Leadership(second, "two").renew()
    finally:
        await first.aclose()
        await second.aclose()
