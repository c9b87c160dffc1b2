"""Maintenance windows: each step is one compare-and-set, with its message and what must be said.

No two windows of an environment that may still take place share a moment, whatever two processes
write at once.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.approvals import Entry
from bot.domain.environments import Person
from bot.domain.maintenance import Stage, Window
from bot.domain.notices import Notice, Subject
from bot.storage.audit import add_entry
from bot.storage.database import Database
from bot.storage.documents import write_document
from bot.storage.numbers import NAME, next_number
from bot.storage.outbox import add_notices
from bot.storage.posts import add_post, want
from bot.storage.schema import counters, windows

_OPEN = windows.c.stage.in_([stage.value for stage in Stage if not stage.final])


class Overlaps(Exception):
    """Another window of the environment is in the way.

    Parameters
    ----------
    window
        The other one, as it is; of several the one that starts first.
    """

    def __init__(self, window: Window) -> None:
        super().__init__(f"window {window.id} is {window.stage.value}")
        self.window = window


class Windows:
    """Keeps maintenance windows.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self,
        draft: Window,
        *,
        notices: Callable[[Window], Sequence[Notice]] | None = None,
        entry: Callable[[Window], Entry],
        writer: str,
    ) -> Window:
        """Keep a new window and want its announcement.

        Parameters
        ----------
        draft
            The window, without its number; scheduled, or started at once.
        notices, entry
            Make what must be said, and the audit's line, once the number is known.
        writer
            This process, which is the first to send the notices.

        Returns
        -------
        Window
            The same with its number. A refusal uses up none.

        Raises
        ------
        Overlaps
            If one of the environment that has not ended is in the way.
        """
        async with self._database.transaction() as connection:
            # From here on nobody else writes the times of a window.
            window = replace(draft, id=await next_number(connection))
            line = entry(window)
            await _make_way(connection, window, line.at)
            await connection.execute(
                insert(windows).values(
                    id=window.id,
                    environment=window.environment,
                    reason=window.reason,
                    owner=window.owner.id,
                    owner_name=window.owner.name,
                    announced=window.announced,
                    **_progress(window),
                )
            )
            await add_post(connection, window.id, window.environment, Subject.WINDOW)
            told = notices(window) if notices else ()
            await add_notices(connection, told, writer=writer, now=line.at)
            await add_entry(connection, line)
        return window

    async def replace(
        self,
        old: Window,
        new: Window,
        *,
        notices: Sequence[Notice] = (),
        entry: Entry | None = None,
        redraw: bool = True,
        writer: str,
        now: datetime | None = None,
    ) -> bool:
        """Take a step, with all that it brings along; False if somebody was first.

        Parameters
        ----------
        old, new
            The window before and after; its version grows by one. What is being said of it may
            come with a step or alone; alone, its version stays.
        notices
            What must be said of it.
        entry
            The audit's line.
        redraw
            Whether its announcement is wanted anew.
        writer
            This process, which is the first to send the notices.
        now
            The time; None for that of the audit's line, or of the last that is known of it.

        Raises
        ------
        Overlaps
            If its new times meet another one of the environment that has not ended.
        """
        alone = new == replace(old, said=new.said)
        if not alone and (new.id, new.version) != (old.id, old.version + 1):
            raise ValueError("a step leads from one version of a window to the next")
        step = (
            update(windows)
            .where(
                windows.c.id == old.id,
                windows.c.version == old.version,
                # Without a version of its own; what another process has said is not unsaid.
                windows.c.said == _write_said(old.said),
            )
            .values(**_progress(new))
        )
        now = now or (entry.at if entry else _latest(new))
        async with self._database.transaction() as connection:
            moved = (new.starts, new.ends) != (old.starts, old.ends) and not new.stage.final
            if moved:
                await _hold_times(connection)
            if (await connection.execute(step)).rowcount == 0:
                return False
            if moved:
                await _make_way(connection, new, now)
            if redraw:
                await want(connection, new.id)
            await add_notices(connection, notices, writer=writer, now=now)
            if entry:
                await add_entry(connection, entry)
        return True

    async def find(self, number: int) -> Window | None:
        """Give one window."""
        found = await self._select(select(windows).where(windows.c.id == number))
        return found[0] if found else None

    async def open(self, environment: str) -> list[Window]:
        """Give those of an environment that are scheduled or started, by their start."""
        return await self._select(_open(environment))

    async def recent(self, environment: str, limit: int) -> list[Window]:
        """Give the last ones of an environment, whatever became of them, newest first."""
        own = windows.c.environment == environment
        return await self._select(
            select(windows).where(own).order_by(windows.c.id.desc()).limit(limit)
        )

    async def between(self, environment: str, since: datetime, until: datetime) -> list[Window]:
        """Give those of an environment that really went on at any moment of a time, by their start.

        Parameters
        ----------
        environment
            Whose.
        since, until
            From when until when; `started` and `ended` tell when each was.
        """
        lasted: ColumnElement[bool] = or_(windows.c.ended.is_(None), windows.c.ended > since)
        return await self._select(
            select(windows)
            .where(windows.c.environment == environment, windows.c.started < until, lasted)
            .order_by(windows.c.started, windows.c.id)
        )

    async def _select(self, query: Select[Any]) -> list[Window]:
        async with self._database.statement() as connection:
            rows = (await connection.execute(query)).all()
        return [_window(row) for row in rows]


def _open(environment: str) -> Select[Any]:
    return (
        select(windows)
        .where(windows.c.environment == environment, _OPEN)
        .order_by(windows.c.starts, windows.c.id)
    )


async def _hold_times(connection: AsyncConnection) -> None:
    # The row that a new window takes its number from; SQLite has one writer at a time anyway.
    await connection.execute(select(counters).where(counters.c.name == NAME).with_for_update())


async def _make_way(connection: AsyncConnection, window: Window, now: datetime) -> None:
    for row in (await connection.execute(_open(window.environment))).all():
        other = _window(row)
        if other.id != window.id and window.meets(other, now):
            raise Overlaps(other)


def _latest(window: Window) -> datetime:
    times = (window.announced, window.started, window.ended, *(at for _, at in window.said))
    return max(time for time in times if time is not None)


def _write_said(said: Iterable[tuple[str, datetime]]) -> str:
    # In one order, so that it can be compared.
    return write_document(sorted((word, at.astimezone(UTC).isoformat()) for word, at in said))


def _read_said(text: str) -> frozenset[tuple[str, datetime]]:
    return frozenset((word, datetime.fromisoformat(at)) for word, at in json.loads(text))


def _person(person: str | None, name: str) -> Person | None:
    return None if person is None else Person(person, name)


def _progress(window: Window) -> dict[str, Any]:
    # The columns that a step can change.
    starter, by = window.started_by, window.ended_by
    return {
        "starts": window.starts,
        "ends": window.ends,
        "during_observing": window.during_observing,
        "stage": window.stage.value,
        "version": window.version,
        "started": window.started,
        "started_by": starter and starter.id,
        "started_by_name": starter and starter.name,
        "ended": window.ended,
        "ended_by": by and by.id,
        "ended_by_name": by and by.name,
        "closing": window.closing,
        "said": _write_said(window.said),
        "updates": window.updates,
    }


def _window(row: Row[Any]) -> Window:
    return Window(
        id=row.id,
        environment=row.environment,
        starts=row.starts,
        ends=row.ends,
        reason=row.reason,
        owner=Person(row.owner, row.owner_name),
        announced=row.announced,
        during_observing=row.during_observing,
        stage=Stage(row.stage),
        version=row.version,
        started=row.started,
        started_by=_person(row.started_by, row.started_by_name),
        ended=row.ended,
        ended_by=_person(row.ended_by, row.ended_by_name),
        closing=row.closing,
        said=_read_said(row.said),
        updates=row.updates,
    )
