"""Samples of the streams: each look for a day, the worst of each minute for a month."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, Table, and_, case, func, select

from bot.domain.samples import Minute, Sample
from bot.domain.streams import EntryId
from bot.storage.database import Database
from bot.storage.schema import minutes, samples

_KEY = ("environment", "instrument", "at")


class Samples:
    """Keeps samples.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, environment: str, found: Sequence[Sample]) -> None:
        """Keep what one look found; what is there already stays."""
        if not found:
            return
        insertion = self._database.insert(samples).on_conflict_do_nothing(index_elements=_KEY)
        rows = [
            {
                "environment": environment,
                "instrument": each.instrument,
                "at": each.at,
                "reached": each.reached,
                "there": each.there,
                "waiting": each.waiting,
                "visits": each.visits,
                "capped": each.capped,
                "wait": each.wait,
                "unconfirmed": each.unconfirmed,
                "consumers": each.consumers,
                "length": each.length,
                "added": each.added,
                "last_delivered": str(each.last_delivered),
                "lag": each.lag,
                "announced": each.announced,
            }
            for each in found
        ]
        async with self._database.transaction() as connection:
            await connection.execute(insertion, rows)

    async def add_minutes(self, environment: str, found: Sequence[Minute]) -> None:
        """Keep minutes. What a process before this one saw of the same minute is added up."""
        if not found:
            return
        insertion = self._database.insert(minutes)
        more = insertion.excluded
        statement = insertion.on_conflict_do_update(
            index_elements=_KEY,
            set_={
                **{name: minutes.c[name] + more[name] for name in _SUMS},
                **{name: _worse(minutes.c[name], more[name]) for name in _PEAKS},
            },
        )
        rows = [{"environment": environment, **vars(each)} for each in found]
        async with self._database.transaction() as connection:
            await connection.execute(statement, rows)

    async def recent(
        self, environment: str, since: datetime, instrument: str | None = None
    ) -> list[Sample]:
        """Give the samples from a time on, in order of time.

        Parameters
        ----------
        environment
            Whose.
        since
            From when.
        instrument
            Whose stream; None for every one.
        """
        rows = await self._select(samples, environment, since, instrument)
        return [_sample(row) for row in rows]

    async def minutes(
        self,
        environment: str,
        since: datetime,
        instrument: str | None = None,
        until: datetime | None = None,
    ) -> list[Minute]:
        """Give the minutes that begin in a time, in order of time.

        Parameters
        ----------
        environment
            Whose.
        since, until
            From when until when; None is for ever.
        instrument
            Whose stream; None for every one.
        """
        rows = await self._select(minutes, environment, since, instrument, until)
        return [_minute(row) for row in rows]

    async def _select(
        self,
        table: Table,
        environment: str,
        since: datetime,
        instrument: str | None,
        until: datetime | None = None,
    ) -> Sequence[Row[Any]]:
        wanted = and_(table.c.environment == environment, table.c.at >= since)
        if instrument is not None:
            wanted &= table.c.instrument == instrument
        if until is not None:
            wanted &= table.c.at < until
        query = select(table).where(wanted).order_by(table.c.at, table.c.instrument)
        async with self._database.statement() as connection:
            return (await connection.execute(query)).all()


_SUMS = ("samples", "reached", "announced")
_PEAKS = ("waiting", "wait", "unconfirmed", "added")


def _worse(one: ColumnElement[Any], other: ColumnElement[Any]) -> ColumnElement[Any]:
    # Where either is null, and so nothing waited, the other one counts.
    return case((one > other, one), else_=func.coalesce(other, one))


def _sample(row: Row[Any]) -> Sample:
    return Sample(
        instrument=row.instrument,
        at=row.at,
        reached=row.reached,
        there=row.there,
        waiting=row.waiting,
        visits=row.visits,
        capped=row.capped,
        wait=row.wait,
        unconfirmed=row.unconfirmed,
        consumers=row.consumers,
        length=row.length,
        added=row.added,
        last_delivered=EntryId.parse(row.last_delivered),
        lag=row.lag,
        announced=row.announced,
    )


def _minute(row: Row[Any]) -> Minute:
    return Minute(
        instrument=row.instrument,
        at=row.at,
        samples=row.samples,
        reached=row.reached,
        waiting=row.waiting,
        wait=row.wait,
        unconfirmed=row.unconfirmed,
        added=row.added,
        announced=row.announced,
    )
