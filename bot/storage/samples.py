"""Samples of the streams: each look for a day, the worst of each minute for a month."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, case, func, select

from bot.domain.samples import Minute, Sample
from bot.storage.database import Database
from bot.storage.rows import Rows
from bot.storage.schema import minutes, samples

DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)

_SAMPLES = Rows(samples, Sample)
_MINUTES = Rows(minutes, Minute)
_KEY = ("environment", "instrument", "at")
_SUMS = ("samples", "reached", "announced")
_PEAKS = ("waiting", "wait", "unconfirmed", "added")

_Value = TypeVar("_Value", Sample, Minute)


class Samples:
    """Keeps samples."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, environment: str, found: Sequence[Sample]) -> None:
        """Keep what one look found; what is there already stays."""
        insertion = self._database.insert(samples).on_conflict_do_nothing(index_elements=_KEY)
        rows = [{"environment": environment, **_SAMPLES.write(each)} for each in found]
        if rows:
            async with self._database.transaction() as connection:
                await connection.execute(insertion, rows)

    async def add_minutes(self, environment: str, found: Sequence[Minute]) -> None:
        """Keep minutes. What a process before this one saw of the same minute is added up."""
        insertion = self._database.insert(minutes)
        more = insertion.excluded
        statement = insertion.on_conflict_do_update(
            index_elements=_KEY,
            set_={
                **{name: minutes.c[name] + more[name] for name in _SUMS},
                **{name: _worse(minutes.c[name], more[name]) for name in _PEAKS},
            },
        )
        rows = [{"environment": environment, **_MINUTES.write(each)} for each in found]
        if rows:
            async with self._database.transaction() as connection:
                await connection.execute(statement, rows)

    async def recent(
        self, environment: str, since: datetime, instrument: str | None = None
    ) -> list[Sample]:
        """Give the samples from a time on, in order of time; of every stream, or of one."""
        return await self._select(_SAMPLES, environment, since, instrument, None)

    async def minutes(
        self,
        environment: str,
        since: datetime,
        instrument: str | None = None,
        until: datetime | None = None,
    ) -> list[Minute]:
        """Give the minutes that begin in a time, in order of time; of every stream, or of one."""
        return await self._select(_MINUTES, environment, since, instrument, until)

    async def minutes_until_now(
        self, environment: str, since: datetime, instrument: str, now: datetime
    ) -> list[Minute]:
        """Give the minutes of a stream from a time on, the one that runs included.

        Without a watch, or in its first minutes, there are few.
        """
        first = since.replace(second=0, microsecond=0)
        kept: list[Minute] = []
        begin = first
        while begin < now:
            # A day at a time: a month at once would keep the event loop busy for too long.
            kept += await self.minutes(environment, begin, instrument, begin + DAY)
            begin += DAY
        # A minute is kept when it is over; of what came after the last one there are samples.
        after = kept[-1].at + _MINUTE if kept else first
        newer = await self.recent(environment, max(after, now - DAY), instrument)
        by_minute = groupby(newer, key=lambda each: each.at.replace(second=0, microsecond=0))
        return [*kept, *(Minute.of(list(several)) for _, several in by_minute)]

    async def _select(
        self,
        rows: Rows[_Value],
        environment: str,
        since: datetime,
        instrument: str | None,
        until: datetime | None,
    ) -> list[_Value]:
        table = rows.table
        query = select(table).where(table.c.environment == environment, table.c.at >= since)
        if instrument is not None:
            query = query.where(table.c.instrument == instrument)
        if until is not None:
            query = query.where(table.c.at < until)
        found = await self._database.fetch(query.order_by(table.c.at, table.c.instrument))
        return [rows.read(row) for row in found]


def _worse(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    # Where either is null, and so nothing waited, the other one counts.
    return case((one > other, one), else_=func.coalesce(other, one))
