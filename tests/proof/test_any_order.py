"""People, two replicas and their deaths in any order: once, never unapproved, never lost."""

import sys
from collections import Counter
from collections.abc import Awaitable
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
)

from bot.domain.approvals import Happened, Outcome, Request, State
from bot.domain.environments import Environment, Person, Policy
from bot.domain.errors import Refused
from bot.services.approvals import Approved
from tests.proof.replicas import (
    ACCESS,
    EVERYBODY,
    Execution,
    Known,
    Office,
    Replica,
    check_votes,
    meet,
    plan,
    vote_counts,
)
from tests.support.machines import run_machine, walk_machine

Result = TypeVar("Result")
Move = tuple[str, Person, int]

SILENCE = timedelta(seconds=30)
EXPIRES = timedelta(minutes=30)
DOUBT = Outcome(Happened.UNKNOWN, "nobody knows yet")

people = st.sampled_from(EVERYBODY)
replicas = st.sampled_from([0, 1])
streams = st.sampled_from([("a",), ("a",), ("b",), ("a", "b"), ("*",)])
picks = st.integers(0, 5)
mostly = st.sampled_from([True, True, True, False])
kinds = st.sampled_from(["approve"] * 8 + ["alone", "deny", "withdraw"])


class AnyOrder(Office):
    """Everything that can happen to requests."""

    @initialize(needed=st.sampled_from([1, 1, 1, 2, 3]), self_approval=st.booleans(), glass=mostly)
    def open(self, needed: int, self_approval: bool, glass: bool) -> None:
        self.policy = Policy(needed, self_approval, EXPIRES, glass)
        self.environment = Environment(
            "prod", ("a", "b"), access=ACCESS, policy=self.policy, protect_observing=False
        )
        self.replicas = [
            Replica(self.environment, self.database, self.rights, self.handed_out) for _ in range(2)
        ]

    # --- what people do ----------------------------------------------------------------------

    @rule(who=people, keys=st.lists(streams, min_size=1, max_size=3), first=replicas)
    def ask(self, who: Person, keys: list[tuple[str, ...]], first: int) -> None:
        """Ask at once for this many."""
        held = [each.request.plan.streams for each in self.live()]
        free = [each for each in keys if not any(meet(each, other) for other in held)]
        answers = self.at_once(
            *(
                self.replicas[(first + place) % 2].approvals.request(
                    "clear", "a", plan(each), who, self.now
                )
                for place, each in enumerate(keys)
            )
        )
        made = [each for each in answers if isinstance(each, Request)]
        assert all(
            isinstance(each, Refused) and each.request for each in answers if each not in made
        )
        assert bool(made) == bool(free), "one of those that may have it gets it"
        for request in made:
            self.known[request.id] = Known(request)
        held = [each.request.plan.streams for each in self.live()]
        assert all(any(meet(each, other) for other in held) for each in keys)

    @precondition(lambda self: self.known)
    @rule(pick=picks, who=people, alone=st.booleans(), reason=mostly, replica=replicas)
    def approve(self, pick: int, who: Person, alone: bool, reason: bool, replica: int) -> None:
        known = self.one_of_them(pick)
        expected = vote_counts(
            known, self.policy, self.rights, self.now, who.id, alone=alone, reason=reason
        )
        (answer,) = self.at_once(
            self.replicas[replica].approve(
                known.request.id,
                who,
                self.now,
                alone=alone,
                reason="because" if reason else "",
            )
        )
        assert expected == (answer.state if isinstance(answer, Request) else None)
        self.voted(known, who, answer)

    @precondition(lambda self: self.known)
    @rule(pick=picks, who=people, kind=st.sampled_from(["deny", "withdraw"]), replica=replicas)
    def say_no(self, pick: int, who: Person, kind: str, replica: int) -> None:
        known = self.one_of_them(pick)
        allowed = (
            who.id in self.rights["S0APPR"] if kind == "deny" else who == known.request.requester
        )
        is_open = known.state is State.OPEN and known.request.expires > self.now
        (answer,) = self.at_once(self.move(known.request.id, kind, who, replica))
        assert isinstance(answer, Request) == (allowed and is_open)

    @precondition(lambda self: self.known)
    @rule(
        pick=picks,
        moves=st.lists(st.tuples(kinds, people, replicas), min_size=2, max_size=6),
        tick=st.booleans(),
    )
    def all_at_once(self, pick: int, moves: list[Move], tick: bool) -> None:
        known = self.one_of_them(pick)
        was_open = known.state is State.OPEN and known.request.expires > self.now
        work = [self.move(known.request.id, *each) for each in moves]
        ticks = [each.approvals.tick(self.now) for each in self.replicas] if tick else []
        answers = self.at_once(*work, *ticks)[: len(moves)]
        counted = [each for each in answers if isinstance(each, Request)]
        assert was_open or not counted
        assert sum(each.state is not State.OPEN for each in counted) <= 1, "one decides"
        for (_, who, _), answer in zip(moves, answers, strict=True):
            self.voted(known, who, answer)

    def move(self, number: int, kind: str, who: Person, replica: int) -> Awaitable[Request]:
        approvals = self.replicas[replica].approvals
        match kind:
            case "deny":
                return approvals.deny(number, who, self.now, reason="no")
            case "withdraw":
                return approvals.withdraw(number, who, self.now)
            case _:
                alone = kind == "alone"
                return self.replicas[replica].approve(
                    number, who, self.now, alone=alone, reason="because"
                )

    def voted(self, known: Known, who: Person, answer: object) -> None:
        if isinstance(answer, Request) and answer.state in {State.OPEN, State.APPROVED}:
            known.votes.add(who.id)
            known.counted += 1
            if answer.state is State.APPROVED:
                known.heartbeat = self.now

    @rule(group=st.sampled_from(["S0OPER", "S0APPR"]), who=st.none() | people)
    def change_rights(self, group: str, who: Person | None) -> None:
        """Take a right from one person, and give it back to the others."""
        self.rights[group] = {each.id for each in EVERYBODY if each != who}

    # --- what becomes of it ------------------------------------------------------------------

    def handed_out(self, approved: Approved) -> None:
        known = self.known[approved.request.id]
        known.handed_out += 1
        assert known.handed_out == 1, "twice"
        check_votes(approved.request, self.policy, self.rights, self.now)

    @rule(seconds=st.sampled_from([1, 5, 10, 29, 31, 31, 31, 31, 600, 1801]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        for each in self.at_work():
            if each.request is not None and not each.silent:
                alive = self.run(each.approvals.beat(each.approved.request, self.now))
                known = self.known[each.number]
                assert alive == known.executing
                if alive:
                    known.heartbeat = self.now

    @rule(both=st.booleans(), first=replicas)
    def tick(self, both: bool, first: int) -> None:
        chosen = self.replicas if both else self.replicas[first : first + 1]
        self.at_once(*(each.approvals.tick(self.now) for each in chosen))
        due = [each for each in self.live() if each.request.expires <= self.now]
        assert all(self.state(each) is not State.OPEN for each in due)

    @precondition(lambda self: self.at_work())
    @rule(pick=picks, twice=st.booleans())
    def begin(self, pick: int, twice: bool) -> None:
        self.begun(self.picked(pick), twice=twice)

    def begun(self, execution: Execution, *, twice: bool = False) -> None:
        known = self.known[execution.number]
        begun = self.at_once(
            *(execution.approvals.begin(execution.approved, self.now) for _ in range(1 + twice))
        )
        execution.request = next((each for each in begun if each), execution.request)
        known.begun += sum(each is not None for each in begun)
        assert known.begun <= 1
        assert any(begun) == (known.state is State.APPROVED)
        if any(begun):
            known.heartbeat = self.now

    @precondition(lambda self: self.at_work())
    @rule(pick=picks, arrives=st.booleans())
    def make_the_change(self, pick: int, arrives: bool) -> None:
        self.sent(self.picked(pick), arrives=arrives)

    def sent(self, execution: Execution, *, arrives: bool) -> None:
        if execution.request is not None and not execution.sent:
            execution.sent = True
            self.redis.under_way.append(execution.number)
            if arrives:
                self.redis.arrive(execution.number)

    @precondition(lambda self: self.redis.under_way)
    @rule(pick=picks)
    def arrive_late(self, pick: int) -> None:
        self.redis.arrive(self.redis.under_way[pick % len(self.redis.under_way)])

    @precondition(lambda self: self.at_work())
    @rule(pick=picks)
    def show_progress(self, pick: int) -> None:
        execution = self.picked(pick)
        if execution.request is not None:
            after = self.run(execution.approvals.progress(execution.request, ("so far",), self.now))
            if after is not execution.request:
                self.known[execution.number].heartbeat = self.now
            execution.request = after

    @precondition(lambda self: self.at_work())
    @rule(pick=picks, doubt=st.booleans())
    def finish(self, pick: int, doubt: bool) -> None:
        self.finished(self.picked(pick), doubt=doubt)

    @precondition(lambda self: self.at_work())
    @rule(pick=picks, arrives=mostly, sure=mostly)
    def carry_out(self, pick: int, arrives: bool, sure: bool) -> None:
        execution = self.picked(pick)
        self.begun(execution)
        self.everything_is_told_once()
        self.sent(execution, arrives=arrives)
        self.finished(execution, doubt=not sure)

    def finished(self, execution: Execution, *, doubt: bool) -> None:
        known = self.known[execution.number]
        if execution.request is None:
            return
        outcome = DOUBT if doubt and execution.sent else self.redis.fence(execution.number)
        recorded = self.run(execution.approvals.finish(execution.request, outcome, self.now))
        assert recorded == (known.state is State.RUNNING)
        known.doubtful = known.doubtful or (recorded and outcome is DOUBT)
        for replica in self.replicas:
            if execution in replica.executions:
                replica.executions.remove(execution)

    @precondition(lambda self: self.at_work())
    @rule(pick=picks)
    def lose_the_database(self, pick: int) -> None:
        execution = self.picked(pick)
        execution.silent = not execution.silent

    @rule(replica=replicas)
    def die_and_start_again(self, replica: int) -> None:
        self.replicas[replica].start()

    @rule(both=st.booleans(), first=replicas, reachable=mostly)
    def take_up(self, both: bool, first: int, reachable: bool) -> None:
        """Look after the dead as the leader does; for a moment two may believe to lead."""
        silent = {
            number
            for number, each in self.known.items()
            if each.executing and each.heartbeat and self.now - each.heartbeat > SILENCE
        }
        doubtful = {number for number, each in self.known.items() if each.doubtful}
        chosen = self.replicas if both else self.replicas[first : first + 1]
        recorded: Counter[int] = Counter()

        async def look(replica: Replica) -> None:
            found = await replica.approvals.abandoned(self.now)
            assert both or {each.id for each in found} == silent | doubtful
            for request in found:
                outcome = self.redis.fence(request.id) if reachable else DOUBT
                done = await replica.approvals.interrupt(request, outcome, self.now)
                recorded[request.id] += done

        self.at_once(*(look(each) for each in chosen))
        told = silent | (doubtful if reachable else set())
        assert recorded == Counter(told)
        for number in told:
            self.resolved[number] += number in doubtful
            self.known[number].doubtful = not reachable

    def teardown(self) -> None:
        """After everybody died and a day has passed, all of them have come to their end."""
        try:
            if sys.exc_info()[0] is None and self.known:
                for replica in (0, 1):
                    self.die_and_start_again(replica)
                self.time_passes(86400)
                self.tick(both=True, first=0)
                self.everything_is_told_once()
                self.take_up(both=True, first=0, reachable=True)
                self.everything_is_told_once()
                assert self.live() == []
                while self.redis.under_way:
                    self.arrive_late(0)
                self.everything_is_told_once()
                self.count_what_was_met()
        finally:
            self.file.close()
            self.run(self.database.aclose())
            self.runner.close()


def test_any_order(tmp_path: Path) -> None:
    run_machine(
        lambda template, file: AnyOrder(template, file, Counter()), tmp_path, examples=110, steps=40
    )


def test_one_order_that_meets_everything(tmp_path: Path) -> None:
    # Which of these a random run meets is luck; that the machine can meet them is not.
    met: Counter[str] = Counter()
    ana, ben, carla, _ = EVERYBODY

    def walk(one: AnyOrder) -> None:
        def ask_and_approve() -> None:
            one.ask(ana, [("a",)], 0)
            one.everything_is_told_once()
            one.approve(0, ben, alone=False, reason=True, replica=0)
            one.everything_is_told_once()

        one.open(needed=1, self_approval=False, glass=True)
        ask_and_approve()
        one.carry_out(0, arrives=True, sure=True)
        one.everything_is_told_once()
        ask_and_approve()
        one.carry_out(0, arrives=True, sure=False)
        one.take_up(both=True, first=0, reachable=True)
        one.everything_is_told_once()
        ask_and_approve()
        one.begin(0, twice=True)
        one.die_and_start_again(0)
        one.time_passes(31)
        one.take_up(both=False, first=1, reachable=True)
        one.everything_is_told_once()
        for kind, who in (("deny", carla), ("withdraw", ana)):
            one.ask(ana, [("a",)], 0)
            one.say_no(0, who, kind, 1)
            one.everything_is_told_once()
        one.ask(ana, [("a",)], 0)
        one.time_passes(1801)
        one.tick(both=True, first=0)

    walk_machine(lambda template, file: AnyOrder(template, file, met), tmp_path, walk)
    wanted = ("done", "interrupted", "expired", "denied", "withdrawn", "made", "resolved")
    assert all(met[word] for word in wanted), met
