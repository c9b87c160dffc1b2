"""How long what is kept is kept. The audit stays for good."""

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import Table, delete, func, select

from bot.domain.approvals import LIVE
from bot.storage.database import Database
from bot.storage.schema import (
    alarms,
    chores,
    deliveries,
    minutes,
    outbox,
    posts,
    requests,
    samples,
    silences,
    windows,
)

KEPT = timedelta(days=365)
"""Requests with their cards, alarms, silences, windows, and what was said of them."""

DELIVERIES = timedelta(days=1)
"""Slack repeats within minutes."""

CHORES = timedelta(days=30)

SAMPLES = timedelta(hours=24)
MINUTES = timedelta(days=30)

BATCH = 2000
"""Samples that are deleted at once; a day of them would keep everybody else waiting."""


async def forget(database: Database, now: datetime) -> None:
    """Delete what is too old.

    What holds something stays, however old: a request its streams, an alarm that fires its name,
    a silence or a window that has not ended.
    """
    year = now - KEPT
    over = (
        (requests, (requests.c.asked < year) & requests.c.state.not_in(LIVE)),
        (alarms, alarms.c.resolved < year),
        (windows, windows.c.ended < year),
    )
    async with database.transaction() as connection:
        for table, old in over:
            numbers = select(table.c.id).where(old)
            await connection.execute(delete(posts).where(posts.c.subject.in_(numbers)))
            await connection.execute(delete(table).where(old))
        ended = func.coalesce(silences.c.lifted, silences.c.ends)
        await connection.execute(delete(silences).where(ended < year))
        await connection.execute(delete(outbox).where(outbox.c.closed < year))
        await connection.execute(delete(deliveries).where(deliveries.c.came < now - DELIVERIES))
        await connection.execute(delete(chores).where(chores.c.day < (now - CHORES).date()))
    await _forget_before(database, samples, now - SAMPLES)
    await _forget_before(database, minutes, now - MINUTES)


async def _forget_before(database: Database, table: Table, before: datetime) -> None:
    environment: str | None = ""
    while environment is not None:
        # From one to the next in the index: a list of them would take a look at every row.
        following = select(func.min(table.c.environment)).where(table.c.environment > environment)
        [(environment,)] = await database.fetch(following)
        if environment is not None:
            await _forget_of(database, table, environment, before)


async def _forget_of(database: Database, table: Table, environment: str, before: datetime) -> None:
    own = table.c.environment == environment
    oldest = select(table.c.at).where(own, table.c.at < before).order_by(table.c.at).limit(BATCH)
    last = select(func.max(oldest.subquery().c.at))
    while True:
        # In two statements: PostgreSQL plans the second one well when it knows the time.
        [(until,)] = await database.fetch(last)
        if until is None:
            return
        await database.change(delete(table).where(own, table.c.at <= until))
        # Whoever waits for a connection gets it before the next batch does.
        await asyncio.sleep(0)
