"""Two replicas of the approvals on one database, the executions in their hands, and Redis."""

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import combinations, count
from pathlib import Path
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from bot.domain.approvals import EVERYTHING, Happened, Outcome, Plan, Request, State
from bot.domain.environments import Access, Environment, People, Person, Policy
from bot.domain.errors import Refused
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

    async def zone(self, _: Person) -> None:
        return None


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


Result = TypeVar("Result")

NEXT = {
    State.OPEN: {State.APPROVED, State.DENIED, State.WITHDRAWN, State.EXPIRED},
    State.APPROVED: {State.RUNNING, State.INTERRUPTED},
    State.RUNNING: {State.DONE, State.FAILED, State.INTERRUPTED},
}
UNAPPROVED = {State.OPEN, State.DENIED, State.WITHDRAWN, State.EXPIRED}


class Office(RuleBasedStateMachine):
    """Two replicas, the people before them, and what must be true of their requests."""

    replicas: list[Replica]

    def __init__(self, template: Path, file: Path, met: Counter[str]) -> None:
        super().__init__()
        self.met = met
        shutil.copy(template, file)
        self.runner = asyncio.Runner()
        self.database = self.run(Database.open(f"sqlite+aiosqlite:///{file}"))
        self.file = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)
        self.now = datetime(2026, 11, 24, 3, 4, 5, tzinfo=UTC)
        self.redis = Redis()
        self.known: dict[int, Known] = {}
        self.resolved: Counter[int] = Counter()
        everybody = {each.id for each in EVERYBODY}
        self.rights = {"S0OPER": everybody, "S0APPR": everybody}

    def run(self, work: Awaitable[Result]) -> Result:
        async def awaited() -> Result:
            return await work

        return self.runner.run(awaited())

    def at_once(self, *work: Awaitable[Any]) -> list[Any]:
        async def gathered() -> list[Any]:
            return await asyncio.gather(*work, return_exceptions=True)

        results = self.runner.run(gathered())
        for each in results:
            if isinstance(each, BaseException) and not isinstance(each, Refused):
                raise each
        return results

    def one_of_them(self, pick: int) -> Known:
        """Pick a request, and rather one that lives."""
        candidates = [*self.live(), *self.known.values()]
        return candidates[pick % len(candidates)]

    def at_work(self) -> list[Execution]:
        return [each for replica in self.replicas for each in replica.executions]

    def picked(self, pick: int) -> Execution:
        at_work = self.at_work()
        return at_work[pick % len(at_work)]

    # --- what must be true at every moment ---------------------------------------------------

    def live(self) -> list[Known]:
        return [each for each in self.known.values() if not each.state.final]

    def state(self, known: Known) -> State:
        query = "SELECT state FROM requests WHERE id = ?"
        ((state,),) = self.file.execute(query, [known.request.id]).fetchall()
        return State(state)

    @invariant()
    def everything_is_told_once(self) -> None:
        said = self.counted("SELECT subject, said, count(*) FROM outbox GROUP BY 1, 2")
        audit = self.counted("SELECT request, result, count(*) FROM audit GROUP BY 1, 2")
        rows = self.file.execute("SELECT id, state, happened FROM requests").fetchall()
        assert {row[0] for row in rows} == set(self.known)
        for number, word, happened in rows:
            known, state = self.known[number], State(word)
            assert state is known.state or state in NEXT.get(known.state, set())
            known.state = state
            assert said[number, "outcome"] == state.final
            assert said[number, "resolved"] == self.resolved[number]
            assert said[number, "alone"] <= known.handed_out
            assert audit[number, "open"] == 1 + known.counted - known.handed_out
            assert audit[number, "approved"] == known.handed_out
            for final in (each for each in State if each.final):
                again = self.resolved[number] if final is State.INTERRUPTED else 0
                assert audit[number, final.value] == (state is final) * (1 + again)
            assert (known.handed_out == 0) == (state in UNAPPROVED)
            assert self.redis.made[number] <= 1
            assert happened != "yes" or self.redis.made[number]
            assert happened != "no" or not self.redis.made[number]
            assert not self.redis.made[number] or known.begun

    def counted(self, query: str) -> Counter[tuple[int, str]]:
        return Counter({(row[0], row[1]): row[2] for row in self.file.execute(query)})

    @invariant()
    def one_at_a_time(self) -> None:
        for one, other in combinations(self.live(), 2):
            assert not meet(one.request.plan.streams, other.request.plan.streams)

    def count_what_was_met(self) -> None:
        self.met.update(each.state.value for each in self.known.values())
        self.met["resolved"] += self.resolved.total()
        self.met["made"] += self.redis.made.total()
        ((alone,),) = self.file.execute("SELECT count(*) FROM outbox WHERE said = 'alone'")
        self.met["alone"] += alone
