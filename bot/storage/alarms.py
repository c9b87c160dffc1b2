"""Incidents, and the silences that hold them.

At most one incident about one thing is firing, whatever two processes find at the same moment.
"""

from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.alarms import Incident, Silence
from bot.domain.notices import Subject
from bot.domain.rules import Severity
from bot.storage.database import Database
from bot.storage.rows import Rows
from bot.storage.schema import alarms, silences
from bot.storage.steps import Steps

_FIRING = alarms.c.resolved.is_(None)


class AlreadyOpen(Exception):
    """An incident about the same thing is firing."""

    def __init__(self, incident: Incident) -> None:
        super().__init__(f"incident {incident.id} is firing")
        self.incident = incident


class Incidents(Steps[Incident]):
    """Keeps incidents; `create` raises `AlreadyOpen` where one about the same thing fires.

    One that is held gets its first message when it is drawn and nothing holds it any more.
    """

    def __init__(self, database: Database) -> None:
        super().__init__(database, Rows(alarms, Incident), Subject.ALARM)

    async def firing(self, environment: str) -> list[Incident]:
        """Give those of an environment that are not resolved, held or not, oldest first."""
        return await self._select(_FIRING, alarms.c.environment == environment)

    async def last(self, environment: str, name: str, instrument: str) -> Incident | None:
        """Give the newest one about something, whether it fires or not; None for none."""
        query = (
            select(alarms)
            .where(
                alarms.c.environment == environment,
                alarms.c.name == name,
                alarms.c.instrument == instrument,
            )
            .order_by(alarms.c.id.desc())
            .limit(1)
        )
        rows = await self._database.fetch(query)
        return self._rows.read(rows[0]) if rows else None

    async def between(self, environment: str, since: datetime, until: datetime) -> list[Incident]:
        """Give those of an environment that fired at any moment of a time, oldest first."""
        return await self._select(
            alarms.c.environment == environment,
            alarms.c.opened < until,
            or_(_FIRING, alarms.c.resolved >= since),
        )

    def _shown(self, incident: Incident) -> bool:
        return incident.held is None

    def _urgent(self, incident: Incident) -> bool:
        return incident.severity is Severity.CRITICAL and incident.resolved is None

    async def _check(
        self, connection: AsyncConnection, before: Incident | None, after: Incident, _: datetime
    ) -> None:
        if before is not None:
            return
        same = select(alarms).where(
            _FIRING,
            alarms.c.environment == after.environment,
            alarms.c.name == after.name,
            alarms.c.instrument == after.instrument,
        )
        firing = (await connection.execute(same)).one_or_none()
        if firing is not None:
            raise AlreadyOpen(self._rows.read(firing))


class Silences(Steps[Silence]):
    """Keeps silences."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, Rows(silences, Silence), None)

    async def active(self, environment: str, now: datetime) -> list[Silence]:
        """Give those of an environment that hold something at this moment, oldest first."""
        return await self._select(
            silences.c.environment == environment,
            silences.c.lifted.is_(None),
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
