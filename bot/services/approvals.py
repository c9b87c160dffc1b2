"""Requests for changes in one environment: asked, voted on, carried out once, told.

Every step is one compare-and-set in the database, with what must be said about it in the same
transaction. Of two people, or two replicas, one is first, and the other is told so.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.alarms import Hours
from bot.domain.approvals import (
    LONGEST_REASON,
    SILENT_AFTER,
    AuditLine,
    Happened,
    Outcome,
    Plan,
    Request,
    State,
    Vote,
)
from bot.domain.environments import Environment, Person, Right, label_of
from bot.domain.errors import Refused, UserError
from bot.domain.notices import ANSWERED_WITHIN, Notice, Said
from bot.domain.times import clock, duration
from bot.domain.workloads import RESTART_LIMIT
from bot.metrics import Metrics
from bot.services.oncall import Oncall
from bot.services.rights import Rights
from bot.storage.approvals import OneIsOpen, Requests
from bot.storage.steps import Effects

_TRIES = 20
"""Compare-and-sets in a row that others win; every one of them brought the request further."""

_SEAL = object()
_NOTHING = Effects()


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
    oncall
        Is told of a vote that breaks the glass.
    look
        Has everything looked at when set: a restart that held alarms has ended.
    """

    def __init__(
        self,
        environment: Environment,
        requests: Requests,
        rights: Rights,
        oncall: Oncall,
        metrics: Metrics,
        *,
        executor: str,
        look: asyncio.Event,
    ) -> None:
        self._environment = environment
        self._requests = requests
        self._rights = rights
        self._oncall = oncall
        self._metrics = metrics
        self._executor = executor
        self._look = look

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
        Refused
            If another request for one of its streams, or for the Redis under it, is open.
        UserError
            If the reason is too long for a card.
        """
        _check_reason(reason)
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
            taken_by=self._executor,
        )
        try:
            return await self._requests.create(
                draft, lambda made: Effects(line=_line(made, now)), now=now
            )
        except OneIsOpen as error:
            raise _occupied(error.request) from error

    async def find(self, number: int) -> Request:
        """Give one request of this environment.

        Raises
        ------
        Refused
            If there is none, or it is another environment's.
        """
        found = await self._requests.find(number)
        if found is None:
            raise Refused(f"There is no request {number}. `requests` lists those that are open.")
        if found.environment != self._environment.name:
            there = label_of(found.environment)
            raise Refused(
                f"Request {number} is about {there}, and this is the channel of "
                f"{self._environment.label}: nothing was changed. Decide it in the channel of "
                f"{there}."
            )
        return found

    async def live(self) -> list[Request]:
        """Give the requests that are not at their end."""
        return await self._requests.live(self._environment.name)

    async def outages(self, now: datetime) -> list[Hours]:
        """Give the time of approved changes that keep everybody from Redis, at most 10 min each."""
        return [
            # The clock may have been set back since.
            Hours(min(each.started, now), min(each.started, now) + RESTART_LIMIT)
            for each in await self.live()
            if each.plan.outage and each.started is not None
        ]

    async def approvers(self) -> str:
        """Say who may approve, as people read it."""
        return await self._rights.named(Right.APPROVER)

    async def approve(
        self, number: int, person: Person, now: datetime, *, alone: bool = False, reason: str = ""
    ) -> Request | Approved:
        """Vote for a request.

        Returns
        -------
        Request or Approved
            As it is after the vote; where this one decided, the right to carry it out, which the
            caller hands to the execution at once.

        Raises
        ------
        Refused
            If the vote breaks a rule, or the person is no approver; nothing was changed.
        CannotLookUp
            If nobody knows at this moment who is one.
        """
        _check_reason(reason)
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
                raise Refused(
                    f"You have approved request {number} already. It needs another approver as "
                    "well; nothing was counted twice."
                )
            notices = [Notice(Said.ALONE, request.environment, request.id)] if alone else []
            pages = await self._oncall.alone(request, vote) if alone else ()
            effects = Effects(notices, pages, _line(after, now))
            if await self._replace(request, after, now, effects):
                return Approved(after, _SEAL) if after.state is State.APPROVED else after
        raise _busy(number)

    async def deny(
        self, number: int, person: Person, now: datetime, *, reason: str = ""
    ) -> Request:
        """Say no to a request.

        Raises
        ------
        Refused, CannotLookUp
            As in `approve`.
        """
        _check_reason(reason)
        await self._rights.require(Right.APPROVER, person)
        return await self._end(number, now, lambda request: request.denied(person, reason, now))

    async def withdraw(self, number: int, person: Person, now: datetime) -> Request:
        """Take a request back.

        Raises
        ------
        Refused
            If somebody else asked for it, or it is no longer open.
        """

        def withdrawn(request: Request) -> Request:
            if request.requester.id != person.id:
                raise Refused(
                    f"Only {request.requester.name}, who asked, can withdraw request {number}. "
                    f"Nothing was changed. An approver can deny it: `deny {number} REASON`."
                )
            return request.withdrawn(now)

        return await self._end(number, now, withdrawn)

    async def tick(self, now: datetime) -> None:
        """Let requests expire that nobody decided in time; any process may be the one."""
        for request in await self._requests.due(now):
            if request.environment == self._environment.name:
                expired = request.expired(now)
                await self._replace(request, expired, now, _ended(expired, now))

    async def begin(self, approved: Approved, now: datetime) -> Request | None:
        """Begin the execution; None where it has been taken from this process."""
        request = approved.request
        running = request.running(now)
        return running if await self._replace(request, running, now) else None

    async def beat(self, request: Request, now: datetime) -> bool:
        """Give a sign of life of an execution; False where it has been taken away."""
        return await self._requests.beat(request.id, self._executor, now)

    async def progress(self, request: Request, lines: tuple[str, ...], now: datetime) -> Request:
        """Show how far an execution has come; give the request as it is from now on."""
        after = request.progressed(lines, now)
        if await self._replace(request, after, now):
            return after
        return await self._still_ours(request) or request

    async def finish(self, request: Request, outcome: Outcome, now: datetime) -> bool:
        """Record what came of a request; False where another process has recorded it."""
        after = request.finished(outcome, now)
        if await self._replace(request, after, now, _ended(after, now)):
            return True
        ours = await self._still_ours(request)
        if ours is None:
            return False
        after = ours.finished(outcome, now)
        return await self._replace(ours, after, now, _ended(after, now))

    async def _still_ours(self, request: Request) -> Request | None:
        """Read a request again whose step was not taken; None where this process lost it.

        A database that was away may have taken the step before, and its answer was lost.
        """
        found = await self._requests.find(request.id)
        if found is None or found.executor != self._executor:
            return None
        return found if found.state is State.RUNNING else None

    async def abandoned(self, now: datetime) -> list[Request]:
        """Give the requests whose process has died, and those of which nobody knows the end."""
        silent = [
            each for each in await self._requests.executing() if self._requests.silent(each, now)
        ]
        found = [*silent, *await self._requests.doubtful()]
        return [each for each in found if each.environment == self._environment.name]

    async def take_up(self, request: Request, now: datetime) -> Approved | None:
        """Take over the execution of a process that has died; None where another one was first."""
        after = request.taken_up(self._executor, now)
        return Approved(after, _SEAL) if await self._replace(request, after, now) else None

    async def hand_over(self, request: Request, now: datetime) -> bool:
        """Let the next leader take up an execution at once, because this process ends."""
        return await self._requests.beat(request.id, self._executor, now, ago=2 * SILENT_AFTER)

    async def interrupt(self, request: Request, outcome: Outcome, now: datetime) -> bool:
        """Record what is known of a request whose process has died."""
        after = request.interrupted(outcome, now)
        if request.state is State.INTERRUPTED:
            if outcome.happened is Happened.UNKNOWN:
                return False
            notice = replace(_told(request), said=Said.RESOLVED)
        else:
            notice = _told(request)
        return await self._replace(request, after, now, Effects([notice], line=_line(after, now)))

    async def refused(self, number: int, why: str, now: datetime) -> bool:
        """Close an open request whose card its channel refuses: nobody could decide it.

        Returns
        -------
        bool
            True if there is nothing to show any more.
        """
        request = await self._requests.find(number)
        if request is None or request.state is not State.OPEN:
            return request is None or (request.state is State.FAILED and not request.votes)
        headline = f"nothing was changed: its card could not be shown, {why}"
        after = request.finished(Outcome(Happened.NO, headline), now)
        values = {"person": request.requester.id, "what": "request", "why": why}
        told = Notice(Said.REFUSED, request.environment, number, values)
        # Until then whoever asked is told in the answer.
        notices = [told] if now - request.asked > ANSWERED_WITHIN else []
        effects = Effects(notices, line=_line(after, now), redraw=False)
        return await self._replace(request, after, now, effects)

    async def _end(self, number: int, now: datetime, end: Callable[[Request], Request]) -> Request:
        for _ in range(_TRIES):
            request = await self._open(number, now)
            after = end(request)
            if await self._replace(request, after, now, _ended(after, now)):
                return after
        raise _busy(number)

    async def _open(self, number: int, now: datetime) -> Request:
        request = await self.find(number)
        if request.state is State.OPEN and request.expires <= now:
            # Its buttons are about to go; a click in between must not count.
            expired = request.expired(now)
            await self._replace(request, expired, now, _ended(expired, now))
            request = await self.find(number)
        if request.state is not State.OPEN:
            raise Refused(_over(request, now))
        return request

    async def _check_vote(self, request: Request, vote: Vote) -> None:
        environment, number = self._environment, request.id
        label = environment.label
        if environment.read_only:
            raise Refused(
                f"{label} is read-only by the bot's configuration: nothing may be changed there, "
                f"and request {number} was not carried out."
            )
        if vote.alone and not environment.policy.break_glass:
            raise Refused(
                f"Nobody decides alone in {label}: the bot's configuration says so "
                "(`approval.break_glass`). Nothing was changed."
            )
        if vote.alone and not vote.reason:
            raise Refused(
                "Deciding alone needs a reason, which everybody reads. Nothing was changed. "
                f"Type `approve {number} --alone REASON`."
            )
        if not request.counts(vote):
            raise Refused(
                f"You asked for this yourself, so another approver must decide. Request {number} "
                f"is still open until {clock(request.expires)} UTC. "
                f"Approvers: {await self.approvers()}."
            )
        if not vote.reason and environment.wants_reason(vote.at):
            raise Refused(
                f"It is night at the telescope, so {label} is changed only with a reason. Nothing "
                f"was changed yet. Type `approve {number} REASON`."
            )

    async def _check_requester(self, request: Request) -> None:
        requester = request.requester
        if not await self._rights.having(Right.OPERATOR, {requester.id}):
            raise Refused(
                f"{requester.name} is no longer an operator of {self._environment.label}, so "
                f"request {request.id} cannot be carried out. Nothing was changed. An operator can "
                "ask for the same."
            )

    async def _replace(
        self, before: Request, after: Request, now: datetime, effects: Effects = _NOTHING
    ) -> bool:
        done = await self._requests.replace(before, after, effects, now=now)
        if done and after.state.final and not before.state.final:
            self._metrics.request(after.command, after.state.value)
            if after.plan.outage:
                self._look.set()
        return done


def _told(request: Request) -> Notice:
    return Notice(Said.OUTCOME, request.environment, request.id)


def _ended(request: Request, now: datetime) -> Effects:
    return Effects([_told(request)], line=_line(request, now))


def _line(request: Request, now: datetime) -> AuditLine:
    """Write what the audit keeps of a step."""
    outcome = request.outcome
    alone = next((vote.reason for vote in request.votes if vote.alone), "")
    given = " · ".join(vote.reason for vote in request.votes if vote.reason)
    return AuditLine(
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


def _check_reason(reason: str) -> None:
    if len(reason) > LONGEST_REASON:
        raise UserError(
            f"A reason may have {LONGEST_REASON:,} characters, this one has {len(reason):,}. "
            "Link to the longer text instead."
        )


def _occupied(request: Request) -> Refused:
    """Name the request that stands in the way of another one."""
    asked = f"{request.command} {request.arguments}".strip().replace("`", "'")
    until = f" until {clock(request.expires)} UTC" if request.state is State.OPEN else ""
    return Refused(
        f"One at a time: request {request.id} (`{asked}`, by {request.requester.name}) is "
        f"{request.state.value}{until} for the same Redis or stream. Nothing was asked.",
        request=request.id,
    )


def _busy(number: int) -> Refused:
    return Refused(f"Others were quicker, again and again. Look at request {number} once more.")


def _over(request: Request, now: datetime) -> str:
    """Say what has become of a request that is no longer open."""
    number, state = request.id, request.state
    ended = f"{clock(request.ended, now=now)} UTC" if request.ended else ""
    if request.outcome is not None and not request.votes:
        return f"Request {number} was closed at {ended}: {request.outcome.headline}."
    last = request.votes[-1].person.name if request.votes else "Somebody"
    if state in (State.APPROVED, State.RUNNING):
        before = duration(now - request.votes[-1].at)
        return (
            f"{last} approved this {before} before you. Request {number} is already running; "
            "nothing was done twice."
        )
    if state in (State.DONE, State.FAILED):
        failed = request.outcome is not None and request.outcome.failed
        not_done = "it has failed" if failed else "it changed nothing"
        how = "it is done" if state is State.DONE else not_done
        return (
            f"{last} approved this before you, and since {ended} {how}. Request {number} is "
            "closed; nothing was done twice."
        )
    if state is State.EXPIRED:
        return (
            f"Request {number} expired unanswered at {ended}. Nothing was changed. "
            f"Type `{request.command} {request.arguments}` to ask again."
        )
    if state is State.INTERRUPTED:
        return f"Request {number} was interrupted at {ended}. Its card says what is known."
    name = request.ended_by.name if request.ended_by else "Somebody"
    verb = "denied" if state is State.DENIED else "withdrew"
    return f"{name} {verb} request {number} at {ended}. Nothing was changed."
