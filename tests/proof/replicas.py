"""Two replicas of the approvals on one database, the executions in their hands, and Redis."""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count

from bot.domain.approvals import EVERYTHING, Happened, Outcome, Plan, Request, State
from bot.domain.environments import Access, Environment, People, Person, Policy
from bot.metrics import Metrics
from bot.services.approvals import Approvals, Approved
from bot.services.rights import Rights
from bot.storage.approvals import Requests
from bot.storage.database import Database
from tests.support.an_oncall import an_oncall

EVERYBODY = tuple(Person(f"U0{name.upper()}", name) for name in ("ana", "ben", "carla", "dan"))
ACCESS = Access(operators=People(usergroups=("S0OPER",)), approvers=People(usergroups=("S0APPR",)))


@dataclass(eq=False)
class Execution:
    """One approved request, in the hands of one process."""

    approved: Approved
    approvals: Approvals
    request: Request | None = None
    sent: bool = False
    silent: bool = False
    """It lives, and has lost its database."""

    @property
    def number(self) -> int:
        return self.approved.request.id


@dataclass
class Redis:
    """What of Redis matters here: changes under way, changes made, fences."""

    under_way: list[int] = field(default_factory=list)
    made: Counter[int] = field(default_factory=Counter)
    fenced: set[int] = field(default_factory=set)

    def arrive(self, number: int) -> None:
        self.under_way.remove(number)
        if number not in self.fenced:
            self.made[number] += 1

    def fence(self, number: int) -> Outcome:
        if self.made[number]:
            return Outcome(Happened.YES, "it was made")
        self.fenced.add(number)
        return Outcome(Happened.NO, "it was not made")


class Replica:
    """One process: it can die, and another one takes its place."""

    _names = count(1)

    def __init__(
        self,
        environment: Environment,
        database: Database,
        rights: dict[str, set[str]],
        carry_out: Callable[[Approved], None],
    ) -> None:
        self._environment, self._database, self._rights = environment, database, rights
        self._carry_out = carry_out
        self.start()

    def start(self) -> None:
        self.executions: list[Execution] = []
        self.approvals = Approvals(
            self._environment,
            Requests(self._database),
            Rights(self._environment, self),
            an_oncall(self._environment, self._database, ()),
            Metrics(),
            executor=f"process {next(self._names)}",
            look=asyncio.Event(),
        )

    async def approve(
        self, number: int, person: Person, now: datetime, *, alone: bool, reason: str
    ) -> Request:
        """Vote, and hand to an execution what that has approved, as the dispatcher does."""
        voted = await self.approvals.approve(number, person, now, alone=alone, reason=reason)
        if isinstance(voted, Request):
            return voted
        self.executions.append(Execution(voted, self.approvals))
        self._carry_out(voted)
        return voted.request

    async def members(self, group: str) -> frozenset[str]:
        # As a question to Slack, it lets others go first.
        await asyncio.sleep(0)
        return frozenset(self._rights[group])

    async def names(self, _: People) -> str:
        return "some people"


@dataclass
class Known:
    """What must be true of one request."""

    request: Request
    state: State = State.OPEN
    votes: set[str] = field(default_factory=set)
    counted: int = 0
    handed_out: int = 0
    begun: int = 0
    heartbeat: datetime | None = None
    doubtful: bool = False

    @property
    def executing(self) -> bool:
        return self.state in {State.APPROVED, State.RUNNING}


def plan(streams: Sequence[str]) -> Plan:
    return Plan("PROD", "change it", streams=tuple(streams))


def meet(one: Sequence[str], other: Sequence[str]) -> bool:
    return EVERYTHING in {*one, *other} or bool(set(one) & set(other))


def vote_counts(
    known: Known,
    policy: Policy,
    rights: Mapping[str, set[str]],
    now: datetime,
    who: str,
    *,
    alone: bool,
    reason: bool,
) -> State | None:
    """Tell to which state a vote must lead; None where it must not count."""
    requester = known.request.requester.id
    over = known.state is not State.OPEN or known.request.expires <= now
    glass = alone and not (policy.break_glass and reason)
    own = not alone and not policy.self_approval and who == requester
    twice = not alone and who in known.votes
    if over or glass or own or twice or who not in rights["S0APPR"]:
        return None
    voters = known.votes | {who}
    if not policy.self_approval:
        voters -= {requester}
    if not alone and len(voters & rights["S0APPR"]) < policy.approvals:
        return State.OPEN
    return State.APPROVED if requester in rights["S0OPER"] else None


def check_votes(
    request: Request, policy: Policy, rights: Mapping[str, set[str]], now: datetime
) -> None:
    """Prove that what a replica is about to carry out was approved as it must be."""
    approvers = rights["S0APPR"]
    voters = {vote.person.id for vote in request.votes}
    assert len(voters) == len(request.votes)
    alone = [vote for vote in request.votes if vote.alone and vote.person.id in approvers]
    if alone:
        assert policy.break_glass
        assert alone[0].reason
    else:
        own = set() if policy.self_approval else {request.requester.id}
        assert len((voters & approvers) - own) >= policy.approvals
    assert request.requester.id in rights["S0OPER"]
    assert now < request.expires
