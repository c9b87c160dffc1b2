import asyncio
from datetime import date

from bot.storage.chores import Chores
from bot.storage.database import Database


async def test_a_days_chore_is_taken_once(database: Database) -> None:
    chores = Chores(database)
    day = date(2026, 11, 24)
    taken = await asyncio.gather(*(chores.claim("prune", day) for _ in range(10)))
    assert taken.count(True) == 1
    assert not await chores.claim("prune", day)
    assert await chores.claim("prune", date(2026, 11, 25))
    assert await chores.claim("another", day)
