"""The one way in which a request, an incident, a silence or a window is made, and takes a step.

A step is a compare-and-set: it leads from one version of a value to the next, and of two people,
or two replicas, one is first. The row, the message to draw, what must be said, who must be paged
and the line of the audit are written in one transaction, or nothing is: a crash loses none of it
and repeats none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, Protocol, TypeVar

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.approvals import AuditLine
from bot.domain.notices import Notice, Subject
from bot.domain.oncall import Page
from bot.storage.audit import add_line
from bot.storage.database import Database
from bot.storage.outbox import add_all
from bot.storage.posts import add_post, want
from bot.storage.rows import Rows
from bot.storage.schema import IDS, counters


@dataclass(frozen=True)
class Effects:
    """What a step brings along."""

    notices: Sequence[Notice] = ()
    pages: Sequence[Page] = ()
    line: AuditLine | None = None
    redraw: bool = True


class Versioned(Protocol):
    """A dataclass with a number, whose version grows by one with each step."""

    @property
    def id(self) -> int:
        """From the one sequence of numbers that people type."""

    @property
    def environment(self) -> str:
        """Whose it is."""

    @property
    def version(self) -> int:
        """How many steps led to it."""


_Value = TypeVar("_Value", bound=Versioned)


class Steps(Generic[_Value]):
    """Keeps values of one kind.

    Parameters
    ----------
    subject
        What their messages are about; None for what has none.
    """

    def __init__(self, database: Database, rows: Rows[_Value], subject: Subject | None) -> None:
        self._database = database
        self._rows = rows
        self._subject = subject

    async def create(
        self,
        draft: _Value,
        effects: Callable[[_Value], Effects] = lambda _: Effects(),
        *,
        now: datetime,
    ) -> _Value:
        """Keep a new value, want its message, and give it with its number.

        A refusal uses up no number.

        Parameters
        ----------
        effects
            Gives what it brings along, once the number is known.
        now
            When notices and pages are written.
        """
        async with self._database.transaction() as connection:
            taken = update(counters).where(counters.c.name == IDS)
            taken = taken.values(value=counters.c.value + 1)
            # Whoever else wants a number waits until this transaction ends, so that what is
            # checked in it stays true.
            number = (await connection.execute(taken.returning(counters.c.value))).scalar_one()
            new: _Value = replace(draft, id=number)  # type: ignore[type-var]
            await self._check(connection, None, new, now)
            await connection.execute(insert(self._rows.table).values(self._values(new)))
            await self._take_effect(connection, new, effects(new), now)
        self._database.wake()
        return new

    async def replace(
        self, before: _Value, after: _Value, effects: Effects = Effects(), *, now: datetime
    ) -> bool:
        """Take a step, with all that it brings along; False if somebody was first.

        Parameters
        ----------
        before, after
            The value as it was found, and its next version.
        effects
            What the step brings along.
        now
            When notices and pages are written.
        """
        if (after.id, after.version) != (before.id, before.version + 1):
            raise ValueError("a step leads from one version to the next")
        table = self._rows.table
        step = (
            update(table)
            .where(table.c.id == before.id, table.c.version == before.version)
            # All of it: what the watch remembers between two steps is in `before` already.
            .values(self._values(after))
        )
        async with self._database.transaction() as connection:
            if (await connection.execute(step)).rowcount == 0:
                return False
            await self._check(connection, before, after, now)
            await self._take_effect(connection, after, effects, now)
        self._database.wake()
        return True

    async def find(self, number: int) -> _Value | None:
        """Give one."""
        found = await self._select(self._rows.table.c.id == number)
        return found[0] if found else None

    async def latest(self, environment: str, limit: int) -> list[_Value]:
        """Give the last ones of an environment, whatever became of them, newest first."""
        table = self._rows.table
        query = select(table).where(table.c.environment == environment)
        rows = await self._database.fetch(query.order_by(table.c.id.desc()).limit(limit))
        return [self._rows.read(row) for row in rows]

    async def _select(
        self, *conditions: ColumnElement[bool], order: Sequence[ColumnElement[Any]] = ()
    ) -> list[_Value]:
        table = self._rows.table
        query = select(table).where(*conditions).order_by(*order, table.c.id)
        return [self._rows.read(row) for row in await self._database.fetch(query)]

    def _values(self, value: _Value) -> dict[str, Any]:
        """Give what is written of a value, by column."""
        return self._rows.write(value)

    async def _check(
        self, connection: AsyncConnection, before: _Value | None, after: _Value, now: datetime
    ) -> None:
        """Raise an error if another value is in the way of a new one, or of a step."""

    def _shown(self, _: _Value) -> bool:
        """Tell whether a first message is wanted for a value."""
        return True

    def _urgent(self, _: _Value) -> bool:
        """Tell whether its message goes before those of others."""
        return False

    async def _take_effect(
        self, connection: AsyncConnection, value: _Value, effects: Effects, now: datetime
    ) -> None:
        if self._subject is not None and effects.redraw:
            urgent = self._urgent(value)
            drawn = await want(connection, value.id, urgent=urgent)
            if not drawn and self._shown(value):
                environment = value.environment
                await add_post(connection, value.id, environment, self._subject, urgent=urgent)
        for contents in (effects.notices, effects.pages):
            await add_all(connection, contents, writer=self._database.process, now=now)
        if effects.line:
            await add_line(connection, effects.line)
