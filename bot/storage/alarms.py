"""Incidents: each step is one compare-and-set, with its message, what must be said, and its pages.

At most one incident about one thing is firing, whatever two processes find at the same moment.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.alarms import Holding, Incident
from bot.domain.approvals import Entry
from bot.domain.environments import Person
from bot.domain.notices import Notice, Subject
from bot.domain.oncall import Page
from bot.domain.rules import Severity
from bot.storage.alarm_documents import (
    read_figures,
    read_findings,
    read_skipped,
    read_told,
    write_figures,
    write_findings,
    write_skipped,
    write_told,
)
from bot.storage.audit import add_entry
from bot.storage.database import Database
from bot.storage.numbers import next_number
from bot.storage.outbox import add_notices, add_pages
from bot.storage.posts import add_post, want
from bot.storage.schema import alarms, posts

_FIRING = alarms.c.resolved.is_(None)


class AlreadyOpen(Exception):
    """An incident about the same thing is firing.

    Parameters
    ----------
    incident
        That one.
    """

    def __init__(self, incident: Incident) -> None:
        super().__init__(f"incident {incident.id} is firing")
        self.incident = incident


class Incidents:
    """Keeps incidents.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def open(
        self,
        draft: Incident,
        *,
        shown: bool,
        notices: Callable[[Incident], Sequence[Notice]] | None = None,
        pages: Callable[[Incident], Sequence[Page]] | None = None,
        entry: Callable[[Incident], Entry] | None = None,
        writer: str,
    ) -> Incident:
        """Keep a new incident, with all that it brings along.

        Parameters
        ----------
        draft
            The incident, without its number.
        shown
            Whether a message is wanted for it.
        notices, pages, entry
            Make what must be said, who must be told, and the audit's line, once the number is
            known.
        writer
            This process, which is the first to send them.

        Returns
        -------
        Incident
            The same with its number. A refusal uses up none.

        Raises
        ------
        AlreadyOpen
            If one about the same thing is firing.
        """
        same = and_(
            _FIRING,
            alarms.c.environment == draft.environment,
            alarms.c.name == draft.name,
            alarms.c.instrument == draft.instrument,
        )
        async with self._database.transaction() as connection:
            number = await next_number(connection)
            firing = (await connection.execute(select(alarms).where(same))).one_or_none()
            if firing is not None:
                raise AlreadyOpen(_incident(firing))
            incident = replace(draft, id=number)
            await connection.execute(
                insert(alarms).values(
                    id=number,
                    environment=incident.environment,
                    name=incident.name,
                    instrument=incident.instrument,
                    opened=incident.opened,
                    **_progress(incident),
                )
            )
            if shown:
                await add_post(connection, number, incident.environment, Subject.ALARM)
            await _tell(
                connection,
                incident,
                notices=notices(incident) if notices else (),
                pages=pages(incident) if pages else (),
                entry=entry(incident) if entry else None,
                writer=writer,
            )
        return incident

    async def was_shown(self, number: int) -> bool:
        """Tell whether a message was ever wanted for it."""
        query = select(posts.c.id).where(posts.c.subject == number)
        async with self._database.statement() as connection:
            return (await connection.execute(query)).first() is not None

    async def replace(
        self,
        old: Incident,
        new: Incident,
        *,
        notices: Sequence[Notice] = (),
        pages: Sequence[Page] = (),
        entry: Entry | None = None,
        redraw: bool,
        writer: str,
    ) -> bool:
        """Take a step, with all that it brings along; False if somebody was first.

        Parameters
        ----------
        old, new
            The incident before and after; its version grows by one.
        notices, pages
            What must be said of it, and who must be told.
        entry
            The audit's line.
        redraw
            Whether its message is wanted anew; one that was held gets its first message when
            nothing holds it any more.
        writer
            This process, which is the first to send notices and pages.
        """
        if (new.id, new.version) != (old.id, old.version + 1):
            raise ValueError("a step leads from one version of an incident to the next")
        step = (
            update(alarms)
            .where(alarms.c.id == old.id, alarms.c.version == old.version)
            .values(**_progress(new))
        )
        async with self._database.transaction() as connection:
            if (await connection.execute(step)).rowcount == 0:
                return False
            if redraw and not await want(connection, new.id) and new.held is None:
                await add_post(connection, new.id, new.environment, Subject.ALARM)
            await _tell(connection, new, notices=notices, pages=pages, entry=entry, writer=writer)
        return True

    async def find(self, number: int) -> Incident | None:
        """Give one incident."""
        found = await self._select(select(alarms).where(alarms.c.id == number))
        return found[0] if found else None

    async def firing(self, environment: str) -> list[Incident]:
        """Give those of an environment that are not resolved, held or not, oldest first."""
        return await self._select(_of(environment).where(_FIRING).order_by(alarms.c.id))

    async def history(self, environment: str, limit: int) -> list[Incident]:
        """Give the last ones of an environment, resolved or not, newest first."""
        return await self._select(_of(environment).order_by(alarms.c.id.desc()).limit(limit))

    async def between(self, environment: str, since: datetime, until: datetime) -> list[Incident]:
        """Give those of an environment that fired at any moment of a time, oldest first.

        Parameters
        ----------
        environment
            Whose.
        since, until
            From when until when; one that was resolved before, or opened after, is left out.
        """
        lasted = and_(alarms.c.opened < until, or_(_FIRING, alarms.c.resolved >= since))
        return await self._select(_of(environment).where(lasted).order_by(alarms.c.id))

    async def _select(self, query: Select[Any]) -> list[Incident]:
        async with self._database.statement() as connection:
            rows = (await connection.execute(query)).all()
        return [_incident(row) for row in rows]


def _of(environment: str) -> Select[Any]:
    return select(alarms).where(alarms.c.environment == environment)


async def _tell(
    connection: AsyncConnection,
    incident: Incident,
    *,
    notices: Sequence[Notice],
    pages: Sequence[Page],
    entry: Entry | None,
    writer: str,
) -> None:
    now = entry.at if entry else _latest(incident)
    await add_notices(connection, notices, writer=writer, now=now)
    await add_pages(connection, pages, writer=writer, now=now)
    if entry:
        await add_entry(connection, entry)


def _latest(incident: Incident) -> datetime:
    times = (incident.owned, incident.asked, incident.drawn, incident.resolved)
    known = (time for time in times if time is not None)
    return max(incident.opened, incident.figures.at, *known, *incident.told.values())


def _progress(incident: Incident) -> dict[str, Any]:
    # The columns that a step can change.
    owner, held = incident.owner, incident.held
    return {
        "began": incident.began,
        "findings": write_findings(incident.findings),
        "figures": write_figures(incident.figures),
        "worst": incident.worst.value,
        "highest_waiting": incident.highest_waiting,
        "highest_visits": incident.highest_visits,
        "highest_capped": incident.highest_capped,
        "highest_wait": incident.highest_wait,
        "skipped": write_skipped(incident.skipped),
        "held": held and held.value,
        "was_held": incident.was_held,
        "owner": owner and owner.id,
        "owner_name": owner and owner.name,
        "owned": incident.owned,
        "asked": incident.asked,
        "critical_since": incident.critical_since,
        "told": write_told(incident.told),
        "resolved": incident.resolved,
        "drawn": incident.drawn,
        "version": incident.version,
    }


def _incident(row: Row[Any]) -> Incident:
    return Incident(
        id=row.id,
        environment=row.environment,
        name=row.name,
        instrument=row.instrument,
        began=row.began,
        opened=row.opened,
        findings=read_findings(row.findings),
        figures=read_figures(row.figures),
        worst=Severity(row.worst),
        highest_waiting=row.highest_waiting,
        highest_visits=row.highest_visits,
        highest_capped=row.highest_capped,
        highest_wait=row.highest_wait,
        skipped=read_skipped(row.skipped),
        held=None if row.held is None else Holding(row.held),
        was_held=row.was_held,
        owner=None if row.owner is None else Person(row.owner, row.owner_name),
        owned=row.owned,
        asked=row.asked,
        critical_since=row.critical_since,
        told=read_told(row.told),
        resolved=row.resolved,
        drawn=row.drawn,
        version=row.version,
    )
