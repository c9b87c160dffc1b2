"""Requests for changes in one environment: asked, voted on, carried out once, told.

Every step is one compare-and-set in the database, with what must be said about it in the same
transaction. Of two people, or two replicas, one is first, and the other is told so.
"""

import secrets
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from bot.domain.alarms import Hours
from bot.domain.approvals import (
    SILENT_AFTER,
    Entry,
    Happened,
    Outcome,
    Plan,
    Request,
    State,
    Vote,
)
from bot.domain.environments import Environment, Person, Right
from bot.domain.errors import NotAllowed
from bot.domain.night import is_night
from bot.domain.notices import Notice, Said
from bot.domain.oncall import Page
from bot.domain.refusals import NotCounted, Occupied, Why, check_reason
from bot.domain.workloads import GIVEN_UP_AFTER
from bot.services.rights import Rights
from bot.storage.approvals import OneIsOpen, Requests

_log = structlog.get_logger()

_TRIES = 20
"""Compare-and-sets in a row that others win; every one of them brought the request further."""

_SEAL = object()


@dataclass(frozen=True)
class Approved:
    """The right to carry out one request, made here alone, after the deciding compare-and-set."""

    request: Request
    seal: object

    def __post_init__(self) -> None:
        if self.seal is not _SEAL:
            raise TypeError("only the approvals service approves")


class Approvals:
    """One environment's requests.

    Parameters
    ----------
    environment
        Whose, and by which policy.
    requests
        Where they are kept.
    rights
        Knows who may ask and approve.
    executor
        Name of this process.
    carry_out
        Starts what was approved.
    changed
        Is called after every step, so that cards and notices follow at once.
    ended
        Counts a request that has come to its end.
    told_alone
        Gives the pages for a vote that breaks the glass.
    """

    def __init__(
        self,
        environment: Environment,
        requests: Requests,
        rights: Rights,
        *,
        executor: str,
        carry_out: Callable[[Approved], None],
        changed: Callable[[], None],
        ended: Callable[[Request], None],
        told_alone: Callable[[Request, Vote], Awaitable[Sequence[Page]]],
    ) -> None:
        self._environment = environment
        self._requests = requests
        self._rights = rights
        self._executor = executor
        self._carry_out = carry_out
        self._changed = changed
        self._ended = ended
        self._told_alone = told_alone

    async def request(
        self,
        command: str,
        arguments: str,
        plan: Plan,
        person: Person,
        now: datetime,
        *,
        reason: str = "",
    ) -> Request:
        """Ask for a change.

        Raises
        ------
        Occupied
            If another request for one of its streams, or for the Redis under it, is open.
        UserError
            If the reason is too long for a card.
        """
        check_reason(reason)
        policy = self._environment.policy
        draft = Request(
            id=0,
            environment=self._environment.name,
            command=command,
            arguments=arguments,
            reason=reason,
            requester=person,
            plan=plan,
            key=secrets.token_hex(16),
            asked=now,
            expires=now + policy.expires,
            needed=policy.approvals,
            self_approval=policy.self_approval,
        )
        try:
            created = await self._requests.create(
                draft, executor=self._executor, entry=lambda made: _entry(made, now)
            )
        except OneIsOpen as error:
            raise Occupied(error.request) from error
        self._changed()
        return created

    async def find(self, number: int) -> Request:
        """Give one request of this environment.

        Raises
        ------
        NotCounted
            If there is none, or it is another environment's.
        """
        found = await self._requests.find(number)
        if found is None:
            raise NotCounted(Why.UNKNOWN, number)
        if found.environment != self._environment.name:
            raise NotCounted(Why.ELSEWHERE, number, found)
        return found

    async def live(self) -> list[Request]:
        """Give the requests that are not at their end."""
        return await self._requests.live(self._environment.name)

    async def outages(self, now: datetime) -> list[Hours]:
        """Give the time of approved changes that keep everybody from Redis, at most 10 min each."""
        del now
        return [
            Hours(each.started, each.started + GIVEN_UP_AFTER)
            for each in await self.live()
            if each.plan.outage and each.started is not None
        ]

    async def approvers(self) -> str:
        """Say who may approve, as people read it."""
        return await self._rights.named(Right.APPROVER)

    async def approve(
        self, number: int, person: Person, now: datetime, *, alone: bool = False, reason: str = ""
    ) -> Request:
        """Vote for a request; enough votes carry it out.

        Raises
        ------
        NotCounted
            If the vote breaks a rule; nothing was changed.
        NotAllowed, CannotLookUp
            If the person is no approver, or nobody knows at this moment.
        """
        check_reason(reason)
        vote = Vote(person, now, alone, reason)
        for _ in range(_TRIES):
            request = await self._open(number, now)
            await self._check_vote(request, vote)
            # Looked up before the compare-and-set, all of them at this click: whoever voted
            # earlier may no longer be an approver, and who asked no operator.
            voters = {each.person.id for each in request.votes} | {person.id}
            approvers = await self._rights.having(Right.APPROVER, voters)
            if person.id not in approvers:
                await self._rights.require(Right.APPROVER, person)
            after = request.voted(vote, approvers, self._executor)
            if after.state is State.APPROVED:
                await self._check_requester(request)
            elif any(each.person.id == person.id for each in request.votes):
                # A second vote that decides counts: the right of the first may have lapsed.
                raise NotCounted(Why.TWICE, number, request, at=now)
            notices = [Notice(Said.ALONE, request.environment, request.id)] if alone else []
            pages = await self._told_alone(request, vote) if alone else ()
            if await self._replace(request, after, notices, _entry(after, now), pages=pages):
                if after.state is State.APPROVED:
                    self._carry_out(Approved(after, _SEAL))
                return after
        raise NotCounted(Why.BUSY, number)

    async def deny(
        self, number: int, person: Person, now: datetime, *, reason: str = ""
    ) -> Request:
        """Say no to a request.

        Raises
        ------
        NotCounted, NotAllowed, CannotLookUp
            As in `approve`.
        """
        check_reason(reason)
        await self._rights.require(Right.APPROVER, person)
        return await self._end(number, now, lambda request: request.denied(person, reason, now))

    async def withdraw(self, number: int, person: Person, now: datetime) -> Request:
        """Take a request back.

        Raises
        ------
        NotCounted
            If somebody else asked for it, or it is no longer open.
        """

        def withdrawn(request: Request) -> Request:
            if request.requester.id != person.id:
                raise NotCounted(Why.NOT_YOURS, number, request)
            return request.withdrawn(now)

        return await self._end(number, now, withdrawn)

    async def tick(self, now: datetime) -> None:
        """Let requests expire that nobody decided in time; any process may be the one."""
        for request in await self._requests.due(now):
            if request.environment == self._environment.name:
                expired = request.expired(now)
                await self._replace(request, expired, [_told(request)], _entry(expired, now))

    async def begin(self, approved: Approved, now: datetime) -> Request | None:
        """Begin the execution; None where it has been taken from this process."""
        request = approved.request
        running = request.running(now)
        return running if await self._replace(request, running) else None

    async def beat(self, request: Request, now: datetime) -> bool:
        """Give a sign of life of an execution; False where it has been taken away."""
        return await self._requests.beat(request.id, self._executor, now)

    async def progress(self, request: Request, lines: tuple[str, ...], now: datetime) -> Request:
        """Show how far an execution has come."""
        after = request.progressed(lines, now)
        return after if await self._replace(request, after) else request

    async def finish(self, request: Request, outcome: Outcome, now: datetime) -> bool:
        """Record what came of a request; False where another process has recorded it."""
        after = request.finished(outcome, now)
        return await self._replace(request, after, [_told(request)], _entry(after, now))

    async def abandoned(self, now: datetime) -> list[Request]:
        """Give the requests whose process has died, and those of which nobody knows the end."""
        silent = [each for each in await self._requests.executing() if each.silent(now)]
        found = [*silent, *await self._requests.doubtful()]
        return [each for each in found if each.environment == self._environment.name]

    async def take_up(self, request: Request, now: datetime) -> Approved | None:
        """Take over the execution of a process that has died; None where another one was first."""
        after = request.taken_up(self._executor, now)
        return Approved(after, _SEAL) if await self._replace(request, after) else None

    async def hand_over(self, request: Request, now: datetime) -> bool:
        """Let the next leader take up an execution at once, because this process ends."""
        return await self._requests.beat(request.id, self._executor, now - 2 * SILENT_AFTER)

    async def interrupt(self, request: Request, outcome: Outcome, now: datetime) -> bool:
        """Record what is known of a request whose process has died."""
        after = request.interrupted(outcome, now)
        if request.state is State.INTERRUPTED:
            if outcome.happened is Happened.UNKNOWN:
                return False
            notice = replace(_told(request), said=Said.RESOLVED)
        else:
            notice = _told(request)
        return await self._replace(request, after, [notice], _entry(after, now))

    async def _end(self, number: int, now: datetime, end: Callable[[Request], Request]) -> Request:
        for _ in range(_TRIES):
            request = await self._open(number, now)
            after = end(request)
            if await self._replace(request, after, [_told(request)], _entry(after, now)):
                return after
        raise NotCounted(Why.BUSY, number)

    async def _open(self, number: int, now: datetime) -> Request:
        request = await self.find(number)
        if request.state is State.OPEN and request.expires <= now:
            # Its buttons are about to go; a click in between must not count.
            expired = request.expired(now)
            await self._replace(request, expired, [_told(request)], _entry(expired, now))
            request = await self.find(number)
        if request.state is not State.OPEN:
            raise NotCounted(Why.OVER, number, request, at=now)
        return request

    async def _check_vote(self, request: Request, vote: Vote) -> None:
        environment = self._environment

        async def refuse(why: Why) -> None:
            who = await self._rights.named(Right.APPROVER) if why is Why.OWN else ""
            raise NotCounted(why, request.id, request, who=who, at=vote.at)

        if environment.read_only:
            await refuse(Why.READ_ONLY)
        if vote.alone and not environment.policy.break_glass:
            await refuse(Why.GLASS)
        if vote.alone and not vote.reason:
            await refuse(Why.REASON)
        if not request.counts(vote):
            await refuse(Why.OWN)
        if (
            environment.protect_observing
            and not vote.reason
            and is_night(environment.site, vote.at)
        ):
            await refuse(Why.NIGHT)

    async def _check_requester(self, request: Request) -> None:
        try:
            await self._rights.require(Right.OPERATOR, request.requester)
        except NotAllowed as error:
            raise NotCounted(Why.REQUESTER, request.id, request) from error

    async def _replace(
        self,
        before: Request,
        after: Request,
        notices: list[Notice] | None = None,
        entry: Entry | None = None,
        *,
        pages: Sequence[Page] = (),
    ) -> bool:
        done = await self._requests.replace(
            before,
            after,
            notices=notices or [],
            pages=pages,
            entry=entry,
            writer=self._executor,
        )
        if done:
            self._changed()
            if after.state.final and not before.state.final:
                self._ended(after)
        return done


def _told(request: Request) -> Notice:
    return Notice(Said.OUTCOME, request.environment, request.id)


def _entry(request: Request, now: datetime) -> Entry:
    """Write what the audit keeps of a step."""
    outcome = request.outcome
    alone = next((vote.reason for vote in request.votes if vote.alone), "")
    given = " · ".join(vote.reason for vote in request.votes if vote.reason)
    return Entry(
        at=now,
        environment=request.environment,
        action=f"{request.command} {request.arguments}".strip(),
        person=request.requester,
        result=request.state.value,
        request=request.id,
        approvers=tuple(vote.person.name for vote in request.votes),
        reason=request.reason,
        answer=request.answer or alone or given,
        alone=request.alone,
        before=outcome.before if outcome else {},
        after={**outcome.after, "happened": outcome.happened.value} if outcome else {},
    )
