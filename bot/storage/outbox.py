"""What must be said once: written with the change that it tells of, sent afterwards.

Notices in Slack and pages are two lanes of one table: a page never waits behind chatter.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.notices import Content, Notice, Queued
from bot.domain.oncall import Page, PageEvent
from bot.storage.database import Database
from bot.storage.posts import new_key, unclaimed
from bot.storage.rows import Rows
from bot.storage.schema import outbox

TOO_OLD = timedelta(hours=24)
"""What could not be said by then is not said any more."""

_log = structlog.get_logger()

_TALK, _PAGE = "talk", "page"
_NOTICES: Rows[Queued[Notice]] = Rows(outbox, Queued)
_PAGES: Rows[Queued[Page]] = Rows(outbox, Queued)


class Outbox:
    """Gives notices and pages to send, each to one process at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def listen(self) -> asyncio.Event:
        """Give an event that is set whenever this process writes something new."""
        return self._database.listen()

    async def add(self, now: datetime, *contents: Notice | Page) -> None:
        """Queue what no step of a request, an incident or a window brings along."""
        async with self._database.transaction() as connection:
            await add_all(connection, contents, writer=self._database.process, now=now)
        self._database.wake()

    async def notices(
        self, now: datetime, *, own: bool = False, limit: int = 50
    ) -> list[Queued[Notice]]:
        """Give the notices that are due and that nobody is at, oldest first.

        One that has waited for a day is given up, and told in the log.

        Parameters
        ----------
        own
            Whether to give only those that this process has written.
        """
        return await self._due(_TALK, _NOTICES, now, own, limit)

    async def pages(
        self, now: datetime, *, own: bool = False, limit: int = 50
    ) -> list[Queued[Page]]:
        """Give the pages that are due and that nobody is at, as `notices` gives the notices."""
        return await self._due(_PAGE, _PAGES, now, own, limit)

    async def is_over(self, queued: Queued[Page]) -> bool:
        """Tell whether it opens an alarm whose end was written later for the same target."""
        page = queued.content
        if page.step is not PageEvent.TRIGGER or not page.incident:
            return False
        query = select(outbox).where(
            outbox.c.lane == _PAGE,
            outbox.c.said == PageEvent.RESOLVE.value,
            outbox.c.subject == page.incident,
            # Sent or not, and whoever sent it: that one may be dead by now.
            outbox.c.id > queued.id,
        )
        ends = [_PAGES.read(row).content for row in await self._database.fetch(query)]
        return any((each.target, each.key) == (page.target, page.key) for each in ends)

    async def claim(
        self, queued: Queued[Content], now: datetime, until: datetime
    ) -> Queued[Content] | None:
        """Take a notice or a page, to send it.

        Parameters
        ----------
        queued
            As it was found waiting.
        now, until
            From when until when it is this process's.

        Returns
        -------
        Queued or None
            As it is at this moment; `attempts` counts those before this one. None if it has been
            sent, or another process was first.
        """
        statement = (
            update(outbox)
            .where(outbox.c.id == queued.id, outbox.c.closed.is_(None), unclaimed(outbox, now))
            .values(
                claimed_by=self._database.process,
                claimed_until=until,
                attempts=outbox.c.attempts + 1,
            )
            .returning(outbox.c.attempts)
        )
        for (attempts,) in await self._database.fetch(statement):
            # Nothing else of it ever changes.
            return replace(queued, attempts=attempts - 1)
        return None

    async def sent(self, queued: Queued[Content], now: datetime) -> None:
        """Record that it has been said."""
        await self.give_up(queued, now, "")

    async def failed(self, queued: Queued[Content], *, not_before: datetime) -> None:
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
        await self._database.change(statement)

    async def give_up(self, queued: Queued[Content], now: datetime, why: str) -> None:
        """Record that it will not be said."""
        statement = (
            update(outbox)
            .where(outbox.c.id == queued.id, outbox.c.closed.is_(None))
            .values(claimed_by=None, claimed_until=None, closed=now, why=why)
        )
        await self._database.change(statement)

    async def _due(
        self, lane: str, rows: Rows[Queued[Content]], now: datetime, own: bool, limit: int
    ) -> list[Queued[Content]]:
        query = (
            select(outbox)
            .where(
                outbox.c.lane == lane,
                outbox.c.closed.is_(None),
                unclaimed(outbox, now),
                or_(outbox.c.not_before.is_(None), outbox.c.not_before <= now),
            )
            .order_by(outbox.c.id)
            .limit(limit)
        )
        if own:
            query = query.where(outbox.c.writer == self._database.process)
        young = []
        for queued in map(rows.read, await self._database.fetch(query)):
            if now - queued.written < TOO_OLD:
                young.append(queued)
                continue
            _log.warning("a notice or a page is too old to be sent", **_named(queued.content))
            await self.give_up(queued, now, "not said within a day")
        return young


async def add_all(
    connection: AsyncConnection, contents: Sequence[Notice | Page], *, writer: str, now: datetime
) -> None:
    """Queue notices and pages in a transaction that is under way."""
    rows = [
        {
            **_filed(content),
            "content": content,
            "written": now,
            "writer": writer,
            "key": new_key(),
            "attempts": 0,
            "why": "",
        }
        for content in contents
    ]
    if rows:
        await connection.execute(insert(outbox), rows)


def _filed(content: Notice | Page) -> dict[str, str | int | datetime | None]:
    if isinstance(content, Notice):
        lane, said, subject, due = _TALK, content.said.value, content.subject, None
    else:
        lane, said, subject, due = _PAGE, content.step.value, content.incident or None, content.due
    return {"lane": lane, "said": said, "subject": subject, "not_before": due}


def _named(content: Notice | Page) -> dict[str, str]:
    if isinstance(content, Notice):
        return {"said": content.said.value}
    return {"target": content.target, "incident": str(content.incident)}
