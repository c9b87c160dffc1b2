"""The model of everything that holds requests, and what must be true of it at every moment."""

import asyncio
import shutil
import sqlite3
from collections import Counter
from collections.abc import Awaitable
from datetime import UTC, datetime
from itertools import combinations
from pathlib import Path
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant

from bot.domain.approvals import State
from bot.domain.errors import Refused
from bot.storage.database import Database
from tests.proof.replicas import EVERYBODY, Execution, Known, Redis, Replica, meet

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
