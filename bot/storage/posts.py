"""Messages that channels should show: where each is, and whether it shows the newest version."""

import asyncio
import secrets
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import ColumnElement, Table, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.notices import ANSWERED_WITHIN, Post, Subject
from bot.storage.database import Database
from bot.storage.rows import Rows
from bot.storage.schema import posts

_HOUR = timedelta(hours=1)

POSTS = Rows(posts, Post)


class Posts:
    """Finds messages that are behind, and lets one process at a time draw each.

    Parameters
    ----------
    workspace
        Address of the Slack workspace; empty where it is not known.
    """

    def __init__(self, database: Database, workspace: str = "") -> None:
        self._database = database
        self._workspace = workspace

    def listen(self) -> asyncio.Event:
        """Give an event that is set whenever this process writes something new."""
        return self._database.listen()

    async def find(self, subject: int) -> Post | None:
        """Give the post of a request, an incident or a window."""
        found = await self._database.fetch(select(posts).where(posts.c.subject == subject))
        return POSTS.read(found[0]) if found else None

    async def address(self, subject: int) -> str:
        """Give the address of the message of a request, an alarm or a window; empty for none."""
        post = await self.find(subject)
        return post.address(self._workspace) if post else ""

    async def settled(self, subject: int, longest: timedelta = ANSWERED_WITHIN) -> Post | None:
        """Wait until a channel shows a message as it is wanted, or refuses it; give its post.

        At the latest after some time, as it is then. None if there is none, or the database fails.
        """
        return await self._database.wait_for(
            partial(self.find, subject),
            lambda post: post is None or post.current or bool(post.refused),
            longest,
        )

    async def behind(self, now: datetime, limit: int = 200) -> list[Post]:
        """Give the posts to draw anew that nobody is at: urgent ones, then new ones, come first."""
        query = (
            select(posts)
            .where(
                posts.c.shown < posts.c.wanted,
                self._free(now),
                or_(
                    posts.c.not_before.is_(None),
                    posts.c.not_before <= now,
                    # No pause is so long: the clock was set back.
                    posts.c.not_before > now + _HOUR,
                ),
            )
            .order_by(posts.c.urgent.desc(), posts.c.ts.is_not(None), posts.c.id)
            .limit(limit)
        )
        return [POSTS.read(row) for row in await self._database.fetch(query)]

    async def claim(self, post: Post, now: datetime, until: datetime) -> Post | None:
        """Take a post, to draw it.

        Parameters
        ----------
        post
            As it was found to be behind.
        now, until
            From when until when it is this process's.

        Returns
        -------
        Post or None
            As it is at this moment; `tried` tells of attempts before this one. None if it has
            been drawn, or another process was first.
        """
        at = self._database.time(now)
        statement = (
            update(posts)
            .where(posts.c.id == post.id, posts.c.shown < posts.c.wanted, self._free(now))
            .values(
                claimed_by=self._database.process,
                claimed_until=at + (until - now),
                attempts=posts.c.attempts + 1,
            )
            .returning(posts)
        )
        for row in await self._database.fetch(statement):
            claimed = POSTS.read(row)
            return replace(claimed, attempts=claimed.attempts - 1)
        return None

    async def shown(self, post: Post, *, channel: str, ts: str, version: int) -> bool:
        """Record what a channel shows now; False if another process has taken the post.

        Parameters
        ----------
        version
            The claimed post's `wanted`, which was drawn.
        """
        return await self._release(
            post, channel=channel, ts=ts, shown=version, attempts=0, not_before=None, refused=""
        )

    async def release(self, post: Post, *, not_before: datetime, refused: str = "") -> bool:
        """Give it back undrawn, for a later time; False if another process has taken it."""
        return await self._release(post, not_before=not_before, refused=refused)

    async def give_up(self, post: Post, refused: str) -> bool:
        """Record that it stays as it is, or away; False if another process has taken it."""
        return await self._release(post, shown=post.wanted, not_before=None, refused=refused)

    async def forget(self, post: Post) -> None:
        """Have it posted anew: its message can no longer be edited. Whoever holds it keeps it."""
        statement = (
            update(posts)
            # Not if it has been posted anew already.
            .where(posts.c.id == post.id, posts.c.key == post.key)
            .values(ts=None, former=post.ts, attempts=0, key=new_key(), wanted=posts.c.wanted + 1)
        )
        await self._database.change(statement)

    def _free(self, now: datetime) -> ColumnElement[bool]:
        """Say that no other process is at a post; who asks knows what this one is at.

        What this one could not give back, because the database refused, waits for nothing.
        """
        return or_(
            posts.c.claimed_by == self._database.process,
            unclaimed(posts, self._database.time(now)),
        )

    async def _release(self, post: Post, **values: Any) -> bool:
        statement = (
            update(posts)
            .where(posts.c.id == post.id, posts.c.claimed_by == self._database.process)
            .values(claimed_by=None, claimed_until=None, **values)
        )
        done = await self._database.change(statement) == 1
        self._database.tell()
        return done


async def add_post(
    connection: AsyncConnection,
    subject: int,
    environment: str,
    kind: Subject,
    *,
    urgent: bool = False,
) -> None:
    """Want a message for something new, in a transaction that is under way."""
    await connection.execute(
        insert(posts).values(
            subject=subject,
            kind=kind,
            environment=environment,
            wanted=1,
            shown=0,
            key=new_key(),
            attempts=0,
            urgent=urgent,
        )
    )


async def want(connection: AsyncConnection, subject: int, *, urgent: bool | None = None) -> bool:
    """Ask for a message to be drawn anew, in a transaction that is under way.

    Parameters
    ----------
    urgent
        Whether it goes before others from now on; None leaves that as it is.

    Returns
    -------
    bool
        False if there is none to draw.
    """
    wanted = await connection.execute(
        update(posts)
        .where(posts.c.subject == subject)
        .values(wanted=posts.c.wanted + 1, **({} if urgent is None else {"urgent": urgent}))
    )
    return wanted.rowcount == 1


def unclaimed(table: Table, now: datetime) -> ColumnElement[bool]:
    """Say that no process is at a row, or has been for too long."""
    return or_(table.c.claimed_until.is_(None), table.c.claimed_until <= now)


def new_key() -> str:
    """Make up a key by which a message is found again."""
    return secrets.token_hex(16)
