"""The audit: one line for each action and each refusal, kept for good."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.approvals import AuditLine
from bot.domain.notices import Post
from bot.storage.database import Database
from bot.storage.posts import POSTS
from bot.storage.rows import Rows
from bot.storage.schema import audit

_LINES = Rows(audit, AuditLine)


class Audit:
    """Adds to the audit and reads its end; never changes it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, line: AuditLine) -> None:
        """Add a line."""
        async with self._database.statement() as connection:
            await add_line(connection, line)

    async def latest(self, environment: str, limit: int) -> list[tuple[AuditLine, Post | None]]:
        """Give the last lines of an environment, newest first, each with its request's card."""
        query = select(audit).where(audit.c.environment == environment)
        rows = await self._database.fetch(query.order_by(audit.c.id.desc()).limit(limit))
        lines = [_LINES.read(row) for row in rows]
        cards = select(POSTS.table).where(
            POSTS.table.c.subject.in_({line.request for line in lines if line.request is not None})
        )
        found = {card.subject: card for card in map(POSTS.read, await self._database.fetch(cards))}
        return [(line, found.get(line.request or 0)) for line in lines]

    async def after(
        self, environment: str, action: str, since: datetime, until: datetime
    ) -> list[Mapping[str, str]]:
        """Give the figures after each time that this was done in a span of time."""
        query = select(audit.c.after).where(
            audit.c.environment == environment,
            audit.c.action == action,
            audit.c.result.in_(("done", "stopped")),
            audit.c.at >= since,
            audit.c.at < until,
        )
        return [row.after for row in await self._database.fetch(query)]


async def add_line(connection: AsyncConnection, line: AuditLine) -> None:
    """Add a line in a transaction that is under way."""
    await connection.execute(insert(audit).values(_LINES.write(line)))
