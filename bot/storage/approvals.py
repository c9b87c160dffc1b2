"""Requests for changes. At most one at a time is live for each stream."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.approvals import EVERYTHING, LIVE, Happened, Request, State
from bot.domain.notices import Subject
from bot.storage.database import Database
from bot.storage.rows import Rows
from bot.storage.schema import requests
from bot.storage.steps import Steps

_LIVE = requests.c.state.in_(LIVE)
_CARRIED_OUT = requests.c.state.in_([State.APPROVED, State.RUNNING])


class OneIsOpen(Exception):
    """Another request for one of the streams, or for the Redis under them, is live."""

    def __init__(self, request: Request) -> None:
        super().__init__(f"request {request.id} is {request.state.value}")
        self.request = request


class Requests(Steps[Request]):
    """Keeps requests; `create` raises `OneIsOpen` where another one holds a stream."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, Rows(requests, Request), Subject.REQUEST)

    def silent(self, request: Request, now: datetime) -> bool:
        """Tell whether its executor has not been heard of for too long, by the database's time."""
        return request.silent(self._database.time(now))

    async def beat(
        self, number: int, executor: str, now: datetime, *, ago: timedelta = timedelta(0)
    ) -> bool:
        """Give a sign of life of an execution; False if it is not this process's any more.

        Parameters
        ----------
        ago
            How old it is.
        """
        statement = (
            update(requests)
            .where(requests.c.id == number, requests.c.executor == executor, _CARRIED_OUT)
            .values(heartbeat=self._database.time(now) - ago)
        )
        return await self._database.change(statement) == 1

    def _values(self, value: Request) -> dict[str, Any]:
        values = super()._values(value)
        if value.heartbeat is not None:
            # Whatever step it takes is a sign of life.
            values["heartbeat"] = self._database.time(value.heartbeat)
        return values

    async def live(self, environment: str) -> list[Request]:
        """Give those of an environment that hold their streams, oldest first."""
        return await self._select(_LIVE, requests.c.environment == environment)

    async def due(self, now: datetime) -> list[Request]:
        """Give the open ones whose time is up, of every environment."""
        return await self._select(requests.c.state == State.OPEN, requests.c.expires <= now)

    async def executing(self) -> list[Request]:
        """Give those that are being carried out, of every environment."""
        return await self._select(_CARRIED_OUT)

    async def doubtful(self) -> list[Request]:
        """Give the interrupted ones of which nobody knows whether the change was made."""
        return await self._select(
            requests.c.state == State.INTERRUPTED, requests.c.happened == Happened.UNKNOWN
        )

    async def _check(
        self, connection: AsyncConnection, before: Request | None, after: Request, _: datetime
    ) -> None:
        if before is not None:
            return
        others = select(requests).where(_LIVE, requests.c.environment == after.environment)
        for row in (await connection.execute(others.order_by(requests.c.id))).all():
            other = self._rows.read(row)
            if _meet(after.plan.streams, other.plan.streams):
                raise OneIsOpen(other)


def _meet(first: Iterable[str], second: Iterable[str]) -> bool:
    first, second = set(first), set(second)
    return EVERYTHING in first or EVERYTHING in second or bool(first & second)
