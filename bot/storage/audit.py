"""The audit: one line for each action and each refusal, kept for good."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.approvals import Entry
from bot.domain.environments import Person
from bot.domain.notices import Post
from bot.storage.database import Database
from bot.storage.documents import read_names, read_values, write_names, write_values
from bot.storage.posts import COLUMNS as POST
from bot.storage.posts import read_post
from bot.storage.schema import audit, posts


class Audit:
    """Adds to the audit and reads its end.

    Parameters
    ----------
    database
        Where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, entry: Entry) -> None:
        """Add a line."""
        async with self._database.statement() as connection:
            await add_entry(connection, entry)

    async def latest(self, environment: str, limit: int) -> list[tuple[Entry, Post | None]]:
        """Give the last lines of an environment, newest first, each with its request's card."""
        query = (
            select(audit, *POST)
            .outerjoin(posts, posts.c.subject == audit.c.request)
            .where(audit.c.environment == environment)
            .order_by(audit.c.id.desc())
            .limit(limit)
        )
        async with self._database.statement() as connection:
            rows = (await connection.execute(query)).all()
        return [(_entry(row), None if row.post_id is None else read_post(row)) for row in rows]

    async def after(
        self, environment: str, action: str, since: datetime, until: datetime
    ) -> list[Mapping[str, str]]:
        """Give the figures after each time that this was done in a span of time."""
        query = select(audit.c.after).where(
            audit.c.environment == environment,
            audit.c.action == action,
            audit.c.result == "done",
            audit.c.at >= since,
            audit.c.at < until,
        )
        async with self._database.statement() as connection:
            rows = (await connection.execute(query)).all()
        return [read_values(row.after) for row in rows]


async def add_entry(connection: AsyncConnection, entry: Entry) -> None:
    """Add a line in a transaction that is under way."""
    await connection.execute(
        insert(audit).values(
            at=entry.at,
            environment=entry.environment,
            action=entry.action,
            person=entry.person.id,
            person_name=entry.person.name,
            result=entry.result,
            request=entry.request,
            approvers=write_names(entry.approvers),
            reason=entry.reason,
            answer=entry.answer,
            alone=entry.alone,
            before=write_values(entry.before),
            after=write_values(entry.after),
        )
    )


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        at=row.at,
        environment=row.environment,
        action=row.action,
        person=Person(row.person, row.person_name),
        result=row.result,
        request=row.request,
        approvers=read_names(row.approvers),
        reason=row.reason,
        answer=row.answer,
        alone=row.alone,
        before=read_values(row.before),
        after=read_values(row.after),
    )
