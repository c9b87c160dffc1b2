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
    votes,
    windows,
)

REQUESTS = timedelta(days=365)
"""Requests with their votes and cards, alarms, silences, windows, and what was said of them."""

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
    old = (requests.c.asked < now - REQUESTS) & requests.c.state.not_in(
        [state.value for state in LIVE]
    )
    ids = select(requests.c.id).where(old)
    over = alarms.c.resolved < now - REQUESTS
    ended = func.coalesce(silences.c.lifted, silences.c.ends) < now - REQUESTS
    closed = windows.c.ended < now - REQUESTS
    async with database.transaction() as connection:
        await connection.execute(delete(posts).where(posts.c.subject.in_(ids)))
        await connection.execute(delete(votes).where(votes.c.request.in_(ids)))
        await connection.execute(delete(requests).where(old))
        alarm_ids = select(alarms.c.id).where(over)
        await connection.execute(delete(posts).where(posts.c.subject.in_(alarm_ids)))
        await connection.execute(delete(alarms).where(over))
        await connection.execute(delete(silences).where(ended))
        window_ids = select(windows.c.id).where(closed)
        await connection.execute(delete(posts).where(posts.c.subject.in_(window_ids)))
        await connection.execute(delete(windows).where(closed))
        await connection.execute(delete(outbox).where(outbox.c.closed < now - REQUESTS))
        await connection.execute(delete(deliveries).where(deliveries.c.came < now - DELIVERIES))
        await connection.execute(delete(chores).where(chores.c.day < (now - CHORES).date()))
    await _forget_before(database, samples, now - SAMPLES)
    await _forget_before(database, minutes, now - MINUTES)


async def _forget_before(database: Database, table: Table, before: datetime) -> None:
    environment: str | None = ""
    while environment is not None:
        # From one to the next in the index: a list of them would take a look at every row.
        following = select(func.min(table.c.environment)).where(table.c.environment > environment)
        async with database.statement() as connection:
            environment = (await connection.execute(following)).scalar()
        if environment is not None:
            await _forget_of(database, table, environment, before)


async def _forget_of(database: Database, table: Table, environment: str, before: datetime) -> None:
    own = table.c.environment == environment
    oldest = select(table.c.at).where(own, table.c.at < before).order_by(table.c.at).limit(BATCH)
    last = select(func.max(oldest.subquery().c.at))
    while True:
        async with database.statement() as connection:
            # In two statements: PostgreSQL plans the second one well when it knows the time.
            until = (await connection.execute(last)).scalar()
            if until is None:
                return
            await connection.execute(delete(table).where(own, table.c.at <= until))
        # Whoever waits for a connection gets it before the next batch does.
        await asyncio.sleep(0)
