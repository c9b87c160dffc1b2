"""Maintenance windows.

No two windows of an environment that may still take place share a moment, whatever two processes
write at once.
"""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.maintenance import Stage, Window
from bot.domain.notices import Subject
from bot.storage.database import Database
from bot.storage.rows import Rows
from bot.storage.schema import IDS, counters, windows
from bot.storage.steps import Steps

_OPEN = windows.c.stage.in_([stage for stage in Stage if not stage.final])
_BY_START = windows.c.starts, windows.c.id


class Overlaps(Exception):
    """Another window of the environment is in the way; of several the one that starts first."""

    def __init__(self, window: Window) -> None:
        super().__init__(f"window {window.id} is {window.stage.value}")
        self.window = window


class Windows(Steps[Window]):
    """Keeps maintenance windows.

    Whatever gives a window its times raises `Overlaps` where another one is in the way.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database, Rows(windows, Window), Subject.WINDOW)

    async def open(self, environment: str) -> list[Window]:
        """Give those of an environment that are scheduled or started, by their start."""
        return await self._select(_OPEN, windows.c.environment == environment, order=_BY_START)

    async def between(self, environment: str, since: datetime, until: datetime) -> list[Window]:
        """Give those of an environment that really went on at any moment of a time, by start."""
        return await self._select(
            windows.c.environment == environment,
            windows.c.started < until,
            or_(windows.c.ended.is_(None), windows.c.ended > since),
            order=[windows.c.started],
        )

    async def _check(
        self, connection: AsyncConnection, before: Window | None, after: Window, now: datetime
    ) -> None:
        if before is not None:
            unmoved = (after.starts, after.ends) == (before.starts, before.ends)
            if unmoved or after.stage.final:
                return
            # The row that a new window takes its number from: from here on nobody else gives a
            # window its times. SQLite has one writer at a time anyway.
            await connection.execute(
                select(counters).where(counters.c.name == IDS).with_for_update()
            )
        others = select(windows).where(_OPEN, windows.c.environment == after.environment)
        for row in (await connection.execute(others.order_by(*_BY_START))).all():
            other = self._rows.read(row)
            if other.id != after.id and after.meets(other, now):
                raise Overlaps(other)
