"""The one sequence of numbers that people type: of requests, alarms, silences and windows."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.storage.schema import counters

NAME = "ids"


async def next_number(connection: AsyncConnection) -> int:
    """Take the next number; it is given back if the transaction does not take place.

    Whoever else wants one waits until then, so that what is checked meanwhile stays true.
    """
    taken = await connection.execute(
        update(counters)
        .where(counters.c.name == NAME)
        .values(value=counters.c.value + 1)
        .returning(counters.c.value)
    )
    return int(taken.scalar_one())
