"""What must be said once: written with the change that it tells of, sent afterwards.

Notices in Slack and pages are two lanes of one table: a page never waits behind chatter.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import structlog
from sqlalchemy import ColumnElement, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.approvals import AuditLine
from bot.domain.notices import ANSWERED_WITHIN, NOT_KNOWN, NOT_TAKEN_YET, Content, Notice, Queued
from bot.domain.oncall import Page
from bot.storage.audit import add_line
from bot.storage.database import Database
from bot.storage.posts import new_key, unclaimed, want
from bot.storage.rows import Rows
from bot.storage.schema import outbox

TOO_OLD = timedelta(hours=24)
"""What could not be said by then is not said any more."""

_MINUTE = timedelta(minutes=1)

_log = structlog.get_logger()

_TALK, _PAGE = "talk", "page"
_PERHAPS = or_(outbox.c.perhaps, outbox.c.claimed_by.is_not(None))
"""Whoever had it and has not given it back may have sent it."""

_NOTICES: Rows[Queued[Notice]] = Rows(outbox, Queued)
_PAGES: Rows[Queued[Page]] = Rows(outbox, Queued)


class Outbox:
    """Gives notices and pages to send, each to one process at a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def listen(self) -> asyncio.Event:
        """Give an event that is set whenever this process writes something new."""
        return self._database.listen()

    async def add(
        self, now: datetime, *contents: Notice | Page, line: AuditLine | None = None
    ) -> list[int]:
        """Queue what no step of a request, an incident or a window brings along; give its IDs.

        Parameters
        ----------
        line
            What the audit says of it.
        """
        async with self._database.transaction() as connection:
            added = await add_all(connection, contents, writer=self._database.process, now=now)
            if line is not None:
                await add_line(connection, line)
        self._database.wake()
        return added

    async def settled(self, ids: Sequence[int]) -> dict[int, str]:
        """Wait until these are sent or given up, for as long as a person waits for an answer.

        Returns
        -------
        dict
            Why each is not sent; empty for one that is. `NOT_KNOWN` where the database fails.
        """
        query = select(outbox.c.id, outbox.c.closed, outbox.c.why).where(outbox.c.id.in_(ids))
        rows = await self._database.wait_for(
            partial(self._database.fetch, query),
            lambda found: all(row.closed is not None for row in found),
            ANSWERED_WITHIN,
        )
        found = {row.id: NOT_TAKEN_YET if row.closed is None else row.why for row in rows or ()}
        return {each: found.get(each, NOT_KNOWN) for each in ids}

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

    async def about(self, *keys: str) -> list[Queued[Page]]:
        """Give all pages that bear one of these keys, sent or not, oldest first."""
        query = select(outbox).where(outbox.c.about.in_(keys)).order_by(outbox.c.id)
        return [_PAGES.read(row) for row in await self._database.fetch(query)]

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
            As it is at this moment; `attempts` and `perhaps` tell of those before this one. None
            if it has been sent, or another process was first.
        """
        at = self._database.time(now)
        statement = (
            update(outbox)
            .where(outbox.c.id == queued.id, outbox.c.closed.is_(None), unclaimed(outbox, at))
            .values(
                claimed_by=self._database.process,
                claimed_until=at + (until - now),
                attempts=outbox.c.attempts + 1,
                perhaps=_PERHAPS,
            )
            .returning(outbox.c.attempts, outbox.c.perhaps)
        )
        for row in await self._database.fetch(statement):
            # Nothing else of it ever changes.
            return replace(queued, attempts=row.attempts - 1, perhaps=row.perhaps)
        return None

    async def sent(self, queued: Queued[Content], now: datetime, *notices: Notice) -> None:
        """Record that it has been said, with what must be said of that."""
        await self.give_up(queued, now, "", *notices)

    async def failed(
        self,
        queued: Queued[Content],
        now: datetime,
        *notices: Notice,
        not_before: datetime,
        why: str = "",
        perhaps: bool = True,
    ) -> None:
        """Give it back as claimed, for a later time; the attempt counts.

        Parameters
        ----------
        notices
            What must be said of that.
        perhaps
            Whether it may have been sent all the same.
        """
        # Not if its time ran out, and another process is at it now.
        mine = outbox.c.attempts == queued.attempts + 1
        values = {"not_before": not_before, "why": why, "perhaps": queued.perhaps or perhaps}
        await self._change(queued, now, mine, values, notices)

    async def give_up(
        self, queued: Queued[Content], now: datetime, why: str, *notices: Notice
    ) -> None:
        """Record that it will not be said."""
        values = {"closed": now, "why": why}
        await self._change(queued, now, outbox.c.closed.is_(None), values, notices)

    async def drop(self, queued: Queued[Page], now: datetime, why: str) -> None:
        """Record that it is not sent any more, unless somebody is at it."""
        free = and_(outbox.c.closed.is_(None), unclaimed(outbox, now))
        await self._change(queued, now, free, {"closed": now, "why": why, "perhaps": _PERHAPS}, ())

    async def _change(
        self,
        queued: Queued[Content],
        now: datetime,
        still: ColumnElement[bool],
        values: dict[str, Any],
        notices: Sequence[Notice],
    ) -> None:
        """Give it back as changed, have its alarm drawn anew, and say what must be said of it."""
        content: Notice | Page = queued.content
        statement = (
            update(outbox)
            .where(outbox.c.id == queued.id, still)
            .values(claimed_by=None, claimed_until=None, **values)
        )
        if isinstance(content, Notice):
            await self._database.change(statement)
            self._database.tell()
            return
        async with self._database.transaction() as connection:
            if (await connection.execute(statement)).rowcount == 0:
                return
            if content.incident:
                await want(connection, content.incident)
            for notice in notices:
                if not await _waits(connection, notice):
                    await add_all(connection, [notice], writer=self._database.process, now=now)
        self._database.wake()

    async def _due(
        self, lane: str, rows: Rows[Queued[Content]], now: datetime, own: bool, limit: int
    ) -> list[Queued[Content]]:
        query = (
            select(outbox)
            .where(
                outbox.c.lane == lane,
                outbox.c.closed.is_(None),
                unclaimed(outbox, self._database.time(now)),
                or_(
                    outbox.c.not_before.is_(None),
                    outbox.c.not_before <= now,
                    # Written later than now: the clock was set back.
                    outbox.c.written > now + _MINUTE,
                ),
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
) -> list[int]:
    """Queue notices and pages in a transaction that is under way; give their IDs, in order."""
    rows = [
        {
            **_filed(content),
            "content": content,
            "written": now,
            "writer": writer,
            "key": new_key(),
            "attempts": 0,
            "perhaps": False,
            "why": "",
        }
        for content in contents
    ]
    if not rows:
        return []
    added = insert(outbox).returning(outbox.c.id, sort_by_parameter_order=True)
    return list((await connection.execute(added, rows)).scalars())


async def _waits(connection: AsyncConnection, notice: Notice) -> bool:
    """Tell whether a notice that is drawn when it is sent waits for that already.

    One that somebody is at may have been drawn before what has changed now.
    """
    query = select(outbox).where(
        outbox.c.lane == _TALK,
        outbox.c.said == notice.said.value,
        outbox.c.subject == notice.subject,
        outbox.c.closed.is_(None),
        outbox.c.claimed_by.is_(None),
    )
    # Nobody begins to draw it before this transaction ends.
    rows = await connection.execute(query.with_for_update())
    return any(_NOTICES.read(row).content.values == notice.values for row in rows)


def _filed(content: Notice | Page) -> dict[str, str | int | datetime | None]:
    if isinstance(content, Notice):
        lane, said, subject, about = _TALK, content.said.value, content.subject, ""
    else:
        lane, said, subject = _PAGE, content.step.value, content.incident or None
        about = content.key
    return {
        "lane": lane,
        "said": said,
        "subject": subject,
        "about": about,
        "not_before": content.due,
    }


def _named(content: Notice | Page) -> dict[str, str]:
    if isinstance(content, Notice):
        return {"said": content.said.value}
    return {"target": content.target, "incident": str(content.incident)}
