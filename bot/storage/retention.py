"""How long what is kept is kept. The audit stays for good."""

from datetime import datetime, timedelta

from sqlalchemy import delete, select

from bot.domain.approvals import LIVE
from bot.storage.database import Database
from bot.storage.schema import chores, deliveries, outbox, posts, requests, votes

REQUESTS = timedelta(days=365)
"""Requests with their votes and cards, and what was said of them."""

DELIVERIES = timedelta(days=1)
"""Slack repeats within minutes."""

CHORES = timedelta(days=30)


async def forget(database: Database, now: datetime) -> None:
    """Delete what is too old. A request that holds its streams stays, however old."""
    old = (requests.c.asked < now - REQUESTS) & requests.c.state.not_in(
        [state.value for state in LIVE]
    )
    ids = select(requests.c.id).where(old)
    async with database.transaction() as connection:
        await connection.execute(delete(posts).where(posts.c.subject.in_(ids)))
        await connection.execute(delete(votes).where(votes.c.request.in_(ids)))
        await connection.execute(delete(requests).where(old))
        await connection.execute(delete(outbox).where(outbox.c.closed < now - REQUESTS))
        await connection.execute(delete(deliveries).where(deliveries.c.came < now - DELIVERIES))
        await connection.execute(delete(chores).where(chores.c.day < (now - CHORES).date()))
