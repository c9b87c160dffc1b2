"""Requests for changes: each step is one compare-and-set, with all that it brings along.

A card to draw, what must be said, and the line of the audit are written in the transaction of
the step that they belong to, so a crash loses none and repeats none.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import groupby
from typing import Any

from sqlalchemy import ColumnElement, Row, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.approvals import EVERYTHING, LIVE, Entry, Happened, Request, State, Vote
from bot.domain.environments import Person
from bot.domain.notices import Notice, Subject
from bot.domain.oncall import Page
from bot.storage.audit import add_entry
from bot.storage.database import Database
from bot.storage.documents import (
    read_names,
    read_outcome,
    read_plan,
    write_names,
    write_outcome,
    write_plan,
)
from bot.storage.numbers import next_number
from bot.storage.outbox import add_notices, add_pages
from bot.storage.posts import add_post, want
from bot.storage.schema import requests, votes

_LIVE = requests.c.state.in_([state.value for state in LIVE])
_CARRIED_OUT = requests.c.state.in_([State.APPROVED.value, State.RUNNING.value])


class OneIsOpen(Exception):
    """Another request for one of the streams, or for the Redis under them, is live.

    Parameters
    ----------
    request
        The other one.
    """

    def __init__(self, request: Request) -> None:
        super().__init__(f"request {request.id} is {request.state.value}")
        self.request = request


class Requests:
    """Keeps requests.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def create(
        self, draft: Request, *, executor: str, entry: Callable[[Request], Entry]
    ) -> Request:
        """Keep a new request and want its card.

        Parameters
        ----------
        draft
            The request, without its number.
        executor
            Process that took it.
        entry
            Makes the audit's line, once the number is known.

        Returns
        -------
        Request
            The same with its number. A refusal uses up none.

        Raises
        ------
        OneIsOpen
            If a live one of the environment is for one of its streams.
        """
        async with self._database.transaction() as connection:
            number = await next_number(connection)
            live = _LIVE & (requests.c.environment == draft.environment)
            for other in await _read(connection, live):
                if _meet(draft.plan.streams, other.plan.streams):
                    raise OneIsOpen(other)
            request = replace(draft, id=number)
            await connection.execute(
                insert(requests).values(
                    id=number,
                    environment=request.environment,
                    command=request.command,
                    arguments=request.arguments,
                    reason=request.reason,
                    requester=request.requester.id,
                    requester_name=request.requester.name,
                    plan=write_plan(request.plan),
                    key=request.key,
                    asked=request.asked,
                    expires=request.expires,
                    needed=request.needed,
                    self_approval=request.self_approval,
                    taken_by=executor,
                    **_progress(request),
                )
            )
            await self._vote(connection, replace(draft, votes=()), request)
            await add_post(connection, number, request.environment, Subject.REQUEST)
            await add_entry(connection, entry(request))
        return request

    async def replace(
        self,
        old: Request,
        new: Request,
        *,
        notices: Sequence[Notice] = (),
        pages: Sequence[Page] = (),
        entry: Entry | None = None,
        writer: str,
    ) -> bool:
        """Take a step, with all that it brings along; False if somebody was first.

        Parameters
        ----------
        old, new
            The request before and after; its version grows by one.
        notices, pages
            What must be said of it, and who must be told.
        entry
            The audit's line.
        writer
            This process, which is the first to send the notices.
        """
        if (new.id, new.version) != (old.id, old.version + 1):
            raise ValueError("a step leads from one version of a request to the next")
        step = (
            update(requests)
            .where(requests.c.id == old.id, requests.c.version == old.version)
            .values(**_progress(new))
        )
        async with self._database.transaction() as connection:
            if (await connection.execute(step)).rowcount == 0:
                return False
            await self._vote(connection, old, new)
            await want(connection, new.id)
            now = entry.at if entry else _latest(new)
            await add_notices(connection, notices, writer=writer, now=now)
            await add_pages(connection, pages, writer=writer, now=now)
            if entry:
                await add_entry(connection, entry)
        return True

    async def beat(self, number: int, executor: str, now: datetime) -> bool:
        """Give a sign of life of an execution; False if it is not this process's any more."""
        statement = (
            update(requests)
            .where(requests.c.id == number, requests.c.executor == executor, _CARRIED_OUT)
            .values(heartbeat=now)
        )
        async with self._database.statement() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def find(self, number: int) -> Request | None:
        """Give one request."""
        found = await self._select(requests.c.id == number)
        return found[0] if found else None

    async def live(self, environment: str) -> list[Request]:
        """Give those of an environment that hold their streams, oldest first."""
        return await self._select(_LIVE & (requests.c.environment == environment))

    async def recent(self, environment: str, limit: int) -> list[Request]:
        """Give the last ones of an environment, newest first."""
        newest = (
            select(requests.c.id)
            .where(requests.c.environment == environment)
            .order_by(requests.c.id.desc())
            .limit(limit)
        )
        found = await self._select(requests.c.id.in_(newest))
        return found[::-1]

    async def due(self, now: datetime) -> list[Request]:
        """Give the open ones whose time is up, of every environment."""
        open_ones = requests.c.state == State.OPEN.value
        return await self._select(open_ones & (requests.c.expires <= now))

    async def executing(self) -> list[Request]:
        """Give those that are being carried out, of every environment."""
        return await self._select(_CARRIED_OUT)

    async def doubtful(self) -> list[Request]:
        """Give the interrupted ones of which nobody knows whether the change was made."""
        interrupted = requests.c.state == State.INTERRUPTED.value
        return await self._select(interrupted & (requests.c.happened == Happened.UNKNOWN.value))

    async def _select(self, condition: ColumnElement[bool]) -> list[Request]:
        async with self._database.statement() as connection:
            return await _read(connection, condition)

    async def _vote(self, connection: AsyncConnection, old: Request, new: Request) -> None:
        gone = {vote.person.id for vote in old.votes} - {vote.person.id for vote in new.votes}
        if gone:
            await connection.execute(
                delete(votes).where(votes.c.request == new.id, votes.c.person.in_(gone))
            )
        before = dict(enumerate(old.votes))
        rows = [
            {
                "request": new.id,
                "person": vote.person.id,
                "position": position,
                "name": vote.person.name,
                "at": vote.at,
                "alone": vote.alone,
                "reason": vote.reason,
            }
            for position, vote in enumerate(new.votes)
            if before.get(position) != vote
        ]
        if rows:
            insertion = self._database.insert(votes).values(rows)
            changed = ("position", "name", "at", "alone", "reason")
            await connection.execute(
                insertion.on_conflict_do_update(
                    index_elements=["request", "person"],
                    set_={name: insertion.excluded[name] for name in changed},
                )
            )


_VOTE = tuple(column.label(f"vote_{column.name}") for column in votes.c)


async def _read(connection: AsyncConnection, condition: ColumnElement[bool]) -> list[Request]:
    # In one statement: between two, somebody may vote.
    query = (
        select(requests, *_VOTE)
        .outerjoin(votes)
        .where(condition)
        .order_by(requests.c.id, votes.c.position)
    )
    rows = (await connection.execute(query)).all()
    return [_request(list(group)) for _, group in groupby(rows, key=lambda row: row.id)]


def _meet(first: Iterable[str], second: Iterable[str]) -> bool:
    first, second = set(first), set(second)
    return EVERYTHING in first or EVERYTHING in second or bool(first & second)


def _latest(request: Request) -> datetime:
    times = (request.ended, request.heartbeat, request.started, *(v.at for v in request.votes))
    return max((time for time in times if time is not None), default=request.asked)


def _progress(request: Request) -> dict[str, Any]:
    # The columns that a step can change.
    outcome, ended_by = request.outcome, request.ended_by
    return {
        "state": request.state.value,
        "version": request.version,
        "ended": request.ended,
        "ended_by": ended_by and ended_by.id,
        "ended_by_name": ended_by and ended_by.name,
        "answer": request.answer,
        "started": request.started,
        "executor": request.executor,
        "heartbeat": request.heartbeat,
        "progress": write_names(request.progress),
        "outcome": outcome and write_outcome(outcome),
        "happened": outcome and outcome.happened.value,
    }


def _request(rows: Sequence[Row[Any]]) -> Request:
    row = rows[0]
    return Request(
        id=row.id,
        environment=row.environment,
        command=row.command,
        arguments=row.arguments,
        reason=row.reason,
        requester=Person(row.requester, row.requester_name),
        plan=read_plan(row.plan),
        key=row.key,
        asked=row.asked,
        expires=row.expires,
        needed=row.needed,
        self_approval=row.self_approval,
        state=State(row.state),
        version=row.version,
        votes=tuple(
            Vote(
                Person(each.vote_person, each.vote_name),
                each.vote_at,
                each.vote_alone,
                each.vote_reason,
            )
            for each in rows
            if each.vote_person is not None
        ),
        ended=row.ended,
        ended_by=None if row.ended_by is None else Person(row.ended_by, row.ended_by_name),
        answer=row.answer,
        started=row.started,
        executor=row.executor,
        heartbeat=row.heartbeat,
        progress=read_names(row.progress),
        outcome=None if row.outcome is None else read_outcome(row.outcome),
    )
