"""What must be said once: written with the change that it tells of, sent afterwards."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.notices import Notice, Queued, Said
from bot.storage.database import Database
from bot.storage.documents import read_values, write_values
from bot.storage.posts import new_key
from bot.storage.schema import outbox

TOO_OLD = timedelta(hours=24)
"""What could not be said by then is not said any more."""

_log = structlog.get_logger()


class Outbox:
    """Gives notices to send, each to one process at a time.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, notice: Notice, *, writer: str, now: datetime) -> None:
        """Queue a notice that no change of a request brings along."""
        async with self._database.transaction() as connection:
            await add_notices(connection, [notice], writer=writer, now=now)

    async def waiting(
        self, now: datetime, *, writer: str | None = None, limit: int = 50
    ) -> list[Queued]:
        """Give the notices that are due and that nobody is at, oldest first.

        One that has waited for a day is given up, and told in the log.

        Parameters
        ----------
        now
            The time.
        writer
            Process whose notices to give; None gives everybody's.
        limit
            Most of them to give.
        """
        query = (
            select(outbox)
            .where(
                outbox.c.closed.is_(None),
                or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= now),
                or_(outbox.c.not_before.is_(None), outbox.c.not_before <= now),
            )
            .order_by(outbox.c.id)
            .limit(limit)
        )
        if writer is not None:
            query = query.where(outbox.c.writer == writer)
        async with self._database.statement() as connection:
            rows = (await connection.execute(query)).all()
        waiting = []
        for queued in map(_queued, rows):
            if now - queued.written < TOO_OLD:
                waiting.append(queued)
                continue
            _log.warning("a notice is too old to be said", said=queued.notice.said.value)
            await self.give_up(queued, now, "not said within a day")
        return waiting

    async def claim(
        self, queued: Queued, holder: str, now: datetime, until: datetime
    ) -> Queued | None:
        """Take a notice, to send it.

        Parameters
        ----------
        queued
            As it was found waiting.
        holder
            Process that will send it.
        now, until
            From when until when it is the holder's.

        Returns
        -------
        Queued or None
            As it is at this moment; `attempts` counts those before this one. None if it has been
            sent, or another process was first.
        """
        statement = (
            update(outbox)
            .where(
                outbox.c.id == queued.id,
                outbox.c.closed.is_(None),
                or_(outbox.c.claimed_until.is_(None), outbox.c.claimed_until <= now),
            )
            .values(claimed_by=holder, claimed_until=until, attempts=outbox.c.attempts + 1)
            .returning(outbox)
        )
        async with self._database.statement() as connection:
            row = (await connection.execute(statement)).one_or_none()
        return None if row is None else _queued(row, claims=1)

    async def sent(self, queued: Queued, now: datetime) -> None:
        """Record that it has been said."""
        await self._close(queued, now, "")

    async def failed(self, queued: Queued, *, not_before: datetime) -> None:
        """Give a claimed notice back, for a later time."""
        statement = (
            update(outbox)
            .where(
                outbox.c.id == queued.id,
                # Not if its time ran out, and another process is at it now.
                outbox.c.attempts == queued.attempts + 1,
            )
            .values(claimed_by=None, claimed_until=None, not_before=not_before)
        )
        async with self._database.statement() as connection:
            await connection.execute(statement)

    async def give_up(self, queued: Queued, now: datetime, why: str) -> None:
        """Record that it will not be said."""
        await self._close(queued, now, why)

    async def _close(self, queued: Queued, now: datetime, why: str) -> None:
        statement = (
            update(outbox)
            .where(outbox.c.id == queued.id, outbox.c.closed.is_(None))
            .values(claimed_by=None, claimed_until=None, closed=now, why=why)
        )
        async with self._database.statement() as connection:
            await connection.execute(statement)


async def add_notices(
    connection: AsyncConnection, notices: Sequence[Notice], *, writer: str, now: datetime
) -> None:
    """Queue notices in a transaction that is under way."""
    rows = [
        {
            "said": notice.said.value,
            "environment": notice.environment,
            "request": notice.request,
            "values": write_values(notice.values),
            "written": now,
            "writer": writer,
            "key": new_key(),
            "attempts": 0,
            "why": "",
        }
        for notice in notices
    ]
    await connection.execute(insert(outbox), rows)


def _queued(row: Row[Any], *, claims: int = 0) -> Queued:
    values = row._mapping  # noqa: SLF001 -- the public name; `row.values` would be a method
    notice = Notice(
        said=Said(row.said),
        environment=row.environment,
        request=row.request,
        values=read_values(values["values"]),
    )
    return Queued(
        id=row.id,
        notice=notice,
        written=row.written,
        key=row.key,
        attempts=row.attempts - claims,
    )
