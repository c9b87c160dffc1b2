"""Silences: made, lifted once, and found while they are active."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Row, insert, or_, select, update

from bot.domain.alarms import Silence
from bot.domain.approvals import Entry
from bot.domain.environments import Person
from bot.storage.audit import add_entry
from bot.storage.database import Database
from bot.storage.numbers import next_number
from bot.storage.schema import silences


class Silences:
    """Keeps silences.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(self, draft: Silence, entry: Callable[[Silence], Entry]) -> Silence:
        """Keep a new silence, and give it with its number.

        Parameters
        ----------
        draft
            The silence, without its number.
        entry
            Makes the audit's line, once the number is known.
        """
        async with self._database.transaction() as connection:
            silence = replace(draft, id=await next_number(connection))
            await connection.execute(
                insert(silences).values(
                    id=silence.id,
                    environment=silence.environment,
                    person=silence.by.id,
                    person_name=silence.by.name,
                    reason=silence.reason,
                    starts=silence.starts,
                    ends=silence.ends,
                    instrument=silence.instrument,
                    rule=silence.rule,
                    incident=silence.incident,
                    lifted=silence.lifted,
                )
            )
            await add_entry(connection, entry(silence))
        return silence

    async def lift(self, number: int, now: datetime, entry: Entry) -> Silence | None:
        """End a silence early.

        Parameters
        ----------
        number
            Which.
        now
            When.
        entry
            The audit's line.

        Returns
        -------
        Silence or None
            As it is now; None if there is none, or somebody was first.
        """
        lifting = (
            update(silences)
            .where(silences.c.id == number, silences.c.lifted.is_(None))
            .values(lifted=now)
            .returning(silences)
        )
        async with self._database.transaction() as connection:
            row = (await connection.execute(lifting)).one_or_none()
            if row is None:
                return None
            await add_entry(connection, entry)
        return _silence(row)

    async def find(self, number: int) -> Silence | None:
        """Give one silence."""
        query = select(silences).where(silences.c.id == number)
        async with self._database.statement() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else _silence(row)

    async def active(self, environment: str, now: datetime) -> list[Silence]:
        """Give those of an environment that hold something at this moment, oldest first."""
        return await self._select(
            silences.c.environment == environment,
            silences.c.lifted.is_(None),
            silences.c.starts <= now,
            or_(silences.c.ends.is_(None), silences.c.ends > now),
        )

    async def between(self, environment: str, since: datetime, until: datetime) -> list[Silence]:
        """Give those of an environment that held something at any moment of a time."""
        return await self._select(
            silences.c.environment == environment,
            silences.c.starts < until,
            or_(silences.c.lifted.is_(None), silences.c.lifted > since),
            or_(silences.c.ends.is_(None), silences.c.ends > since),
        )

    async def _select(self, *conditions: ColumnElement[bool]) -> list[Silence]:
        query = select(silences).where(*conditions).order_by(silences.c.id)
        async with self._database.statement() as connection:
            rows = (await connection.execute(query)).all()
        return [_silence(row) for row in rows]


def _silence(row: Row[Any]) -> Silence:
    return Silence(
        id=row.id,
        environment=row.environment,
        by=Person(row.person, row.person_name),
        reason=row.reason,
        starts=row.starts,
        ends=row.ends,
        instrument=row.instrument,
        rule=row.rule,
        incident=row.incident,
        lifted=row.lifted,
    )
