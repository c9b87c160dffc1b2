"""What must be said once: written with the change that it tells of, sent afterwards.

Notices in Slack and pages are two lanes of one table: a page never waits behind chatter.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

import structlog
from sqlalchemy import Row, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.notices import Notice, Queued, QueuedPage, Said
from bot.domain.oncall import Page, PageEvent
from bot.storage.alarm_documents import read_page, write_page
from bot.storage.database import Database
from bot.storage.documents import read_values, write_values
from bot.storage.posts import new_key
from bot.storage.schema import outbox

TOO_OLD = timedelta(hours=24)
"""What could not be said by then is not said any more."""

_log = structlog.get_logger()


class _Lane(Enum):
    TALK = "talk"
    PAGE = "page"


_Waiting = TypeVar("_Waiting", Queued, QueuedPage)


class Outbox:
    """Gives notices and pages to send, each to one process at a time.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, notice: Notice, *, writer: str, now: datetime) -> None:
        """Queue a notice that no change of a request or an incident brings along."""
        async with self._database.transaction() as connection:
            await add_notices(connection, [notice], writer=writer, now=now)

    async def add_page(self, page: Page, *, writer: str, now: datetime) -> None:
        """Queue a page that no change of an incident brings along: by hand, or a test."""
        async with self._database.transaction() as connection:
            await add_pages(connection, [page], writer=writer, now=now)

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
        rows = await self._due(_Lane.TALK, now, writer, limit)
        return await self._young([_queued(row) for row in rows], now)

    async def pages(
        self, now: datetime, *, writer: str | None = None, limit: int = 50
    ) -> list[QueuedPage]:
        """Give the pages that are due and that nobody is at, as `waiting` gives the notices."""
        rows = await self._due(_Lane.PAGE, now, writer, limit)
        return await self._young([_queued_page(row) for row in rows], now)

    async def is_over(self, queued: QueuedPage) -> bool:
        """Tell whether it opens an alarm whose end was written later for the same target."""
        page = queued.page
        if page.step is not PageEvent.TRIGGER or not page.incident:
            return False
        query = select(outbox).where(
            outbox.c.lane == _Lane.PAGE.value,
            outbox.c.said == PageEvent.RESOLVE.value,
            outbox.c.subject == page.incident,
            # Sent or not, and whoever sent it: that one may be dead by now.
            outbox.c.id > queued.id,
        )
        async with self._database.statement() as connection:
            rows = (await connection.execute(query)).all()
        ends = [_queued_page(row).page for row in rows]
        return any((each.target, each.key) == (page.target, page.key) for each in ends)

    async def claim(
        self, queued: _Waiting, holder: str, now: datetime, until: datetime
    ) -> _Waiting | None:
        """Take a notice or a page, to send it.

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
        Queued or QueuedPage or None
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
            .returning(outbox.c.attempts)
        )
        async with self._database.statement() as connection:
            attempts = (await connection.execute(statement)).scalar_one_or_none()
        # Nothing else of it ever changes.
        return None if attempts is None else replace(queued, attempts=attempts - 1)

    async def sent(self, queued: Queued | QueuedPage, now: datetime) -> None:
        """Record that it has been said."""
        await self._close(queued, now, "")

    async def failed(self, queued: Queued | QueuedPage, *, not_before: datetime) -> None:
        """Give it back as claimed, for a later time; the attempt counts."""
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

    async def give_up(self, queued: Queued | QueuedPage, now: datetime, why: str) -> None:
        """Record that it will not be said."""
        await self._close(queued, now, why)

    async def _due(
        self, lane: _Lane, now: datetime, writer: str | None, limit: int
    ) -> Sequence[Row[Any]]:
        query = (
            select(outbox)
            .where(
                outbox.c.lane == lane.value,
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
            return (await connection.execute(query)).all()

    async def _young(self, found: Sequence[_Waiting], now: datetime) -> list[_Waiting]:
        young = []
        for queued in found:
            if now - queued.written < TOO_OLD:
                young.append(queued)
                continue
            _log.warning("a notice or a page is too old to be sent", **_named(queued))
            await self.give_up(queued, now, "not said within a day")
        return young

    async def _close(self, queued: Queued | QueuedPage, now: datetime, why: str) -> None:
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
            "lane": _Lane.TALK.value,
            "said": notice.said.value,
            "environment": notice.environment,
            "subject": notice.subject,
            "values": write_values(notice.values),
            "channel": notice.channel or None,
            **_new(writer, now),
        }
        for notice in notices
    ]
    if rows:
        await connection.execute(insert(outbox), rows)


async def add_pages(
    connection: AsyncConnection, pages: Sequence[Page], *, writer: str, now: datetime
) -> None:
    """Queue pages in a transaction that is under way."""
    rows = [
        {
            "lane": _Lane.PAGE.value,
            "said": page.step.value,
            "environment": page.environment,
            "subject": page.incident or None,
            "values": write_page(page),
            **_new(writer, now),
        }
        for page in pages
    ]
    if rows:
        await connection.execute(insert(outbox), rows)


def _new(writer: str, now: datetime) -> dict[str, Any]:
    return {"written": now, "writer": writer, "key": new_key(), "attempts": 0, "why": ""}


def _queued(row: Row[Any]) -> Queued:
    notice = Notice(
        said=Said(row.said),
        environment=row.environment,
        subject=row.subject,
        values=read_values(_values(row)),
        channel=row.channel or "",
    )
    return Queued(row.id, notice, row.written, row.key, row.attempts)


def _queued_page(row: Row[Any]) -> QueuedPage:
    return QueuedPage(row.id, read_page(_values(row)), row.written, row.key, row.attempts)


def _values(row: Row[Any]) -> str:
    values: str = row._mapping["values"]  # noqa: SLF001 -- the public name; `row.values` is a method
    return values


def _named(queued: Queued | QueuedPage) -> dict[str, str]:
    if isinstance(queued, Queued):
        return {"said": queued.notice.said.value}
    return {"target": queued.page.target, "incident": str(queued.page.incident)}
