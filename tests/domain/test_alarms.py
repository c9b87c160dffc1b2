"""Incidents in any order of findings, people, silences, windows, failures, deaths and leaders."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    initialize,
    precondition,
    rule,
)

from bot.domain.alarms import (
    Holding,
    Holds,
    Hours,
    Incident,
    Silence,
    Transition,
    advanced,
    calls_owner,
    escalates,
    opened,
    owner_is_due,
    pages_at,
    relapsed,
    resolved,
    tells_again,
)
from bot.domain.environments import Person
from bot.domain.errors import StateError
from bot.domain.night import is_night
from bot.domain.rules import Finding, Severity
from bot.domain.samples import Figures
from bot.services.alarms import About, Alarms
from tests.support.a_watch import ANA, BEN, MINUTE, NIGHT, ONE, Leaders
from tests.support.an_oncall import TARGETS
from tests.support.limits import default_thresholds
from tests.support.machines import run_machine, walk_machine

DAY = datetime(2026, 11, 24, 15, tzinfo=UTC)
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL
BACKLOG = ("backlog", "a")
KINDS: dict[About, tuple[str, ...]] = {
    BACKLOG: ("backlog", "stalled", "unknown_lag", "expiring"),
    ("missing", "a"): ("missing",),
    ("unreachable", ""): ("unreachable",),
    ("pending", "a"): ("pending",),
}
PIERCING = {"missing", "unreachable", "expiring"}
EITHER = ("backlog", "stalled")

# --- tables ----------------------------------------------------------------------------------


def firing(*rules: str, severity: Severity = WARNING, now: datetime = NIGHT) -> Incident:
    findings = {each: Finding(each, severity, now - MINUTE) for each in rules}
    name = next(subject[0] for subject, kinds in KINDS.items() if rules[0] in kinds)
    instrument = "" if name == "unreachable" else "a"
    return replace(opened("prod", name, instrument, findings, Figures(now)), id=7)


def silence(**what: Any) -> Silence:
    return Silence(9, "prod", ANA, "known", NIGHT - MINUTE, NIGHT + 60 * MINUTE, **what)


WINDOW = Hours(NIGHT - MINUTE, NIGHT + MINUTE)


@pytest.mark.parametrize(
    ("rules", "silences", "windows", "held"),
    [
        (("backlog",), [], [], None),
        (("backlog",), [silence(instrument="a")], [], Holding.SILENCE),
        (("backlog",), [silence(instrument="b")], [], None),
        (("backlog",), [silence(rule="stalled")], [], Holding.SILENCE),
        (("backlog",), [silence(rule="pending")], [], None),
        (("backlog",), [silence(incident=7)], [], Holding.SILENCE),
        (("backlog",), [silence(incident=8)], [], None),
        (("backlog",), [silence(instrument="a", lifted=NIGHT)], [], None),
        (("backlog", "expiring"), [silence(instrument="a")], [], None),
        (("missing",), [silence(rule="missing")], [], None),
        (("unreachable",), [silence(incident=7)], [], None),
        (("backlog",), [], [WINDOW], Holding.WINDOW),
        (("missing",), [], [WINDOW], Holding.WINDOW),
        (("unreachable",), [], [WINDOW], Holding.WINDOW),
        (("backlog", "expiring"), [], [WINDOW], None),
        (("backlog",), [silence(rule="backlog")], [WINDOW], Holding.WINDOW),
        (("backlog",), [], [Hours(NIGHT - MINUTE, NIGHT)], None),
        (("backlog",), [], [Hours(NIGHT, NIGHT + MINUTE)], Holding.WINDOW),
    ],
)
def test_what_holds_it(
    rules: tuple[str, ...], silences: list[Silence], windows: list[Hours], held: Holding | None
) -> None:
    assert Holds(silences, windows).on(firing(*rules), NIGHT) is held


@pytest.mark.parametrize(
    ("rule", "held"),
    [
        ("missing", Holding.RESTART),
        ("unreachable", Holding.RESTART),
        ("backlog", None),
        ("expiring", None),
        ("pending", None),
    ],
)
def test_a_restart_holds_what_it_brings_about(rule: str, held: Holding | None) -> None:
    assert Holds(restarts=[WINDOW]).on(firing(rule), NIGHT) is held
    assert Holds([], [WINDOW], [WINDOW]).on(firing(rule), NIGHT) is (
        None if rule == "expiring" else Holding.WINDOW
    )
    over = Hours(NIGHT - 11 * MINUTE, NIGHT - MINUTE)
    assert Holds(restarts=[over]).on(firing(rule), NIGHT) is None


@pytest.mark.parametrize(
    ("before", "found", "transitions"),
    [
        ({"backlog": WARNING}, {"backlog": WARNING}, ()),
        ({"backlog": WARNING}, {"backlog": CRITICAL}, (Transition.SEVERITY,)),
        ({"backlog": CRITICAL}, {"backlog": WARNING}, (Transition.SEVERITY,)),
        ({"backlog": WARNING}, dict.fromkeys(EITHER, WARNING), (Transition.LEADING,)),
        (dict.fromkeys(EITHER, WARNING), {"stalled": WARNING}, ()),
        ({"backlog": WARNING}, {"expiring": CRITICAL}, (Transition.SEVERITY,)),
    ],
)
def test_what_its_thread_is_told(
    before: dict[str, Severity], found: dict[str, Severity], transitions: tuple[Transition, ...]
) -> None:
    was = {each: Finding(each, bad, NIGHT) for each, bad in before.items()}
    incident = replace(firing("backlog"), findings=was)
    findings = {each: Finding(each, bad, NIGHT) for each, bad in found.items()}
    step = advanced(incident, findings, None)
    changed = set(before) != set(found) or bool(transitions)
    assert step.transitions == transitions
    assert step.redraw is changed
    assert step.incident.version == incident.version + changed


def test_figures_alone_are_drawn_every_15_seconds() -> None:
    incident = firing("backlog")
    for seconds, drawn in ((5, False), (14, False), (15, True)):
        later = replace(incident, figures=Figures(NIGHT + timedelta(seconds=seconds)))
        assert advanced(later, later.findings, None).redraw is drawn


def test_a_hold_begins_and_ends_at_once() -> None:
    incident = firing("backlog")
    held = advanced(incident, incident.findings, Holding.SILENCE)
    assert (held.transitions, held.redraw) == ((Transition.HELD,), True)
    worse = {"backlog": Finding("backlog", CRITICAL, NIGHT)}
    quiet = advanced(held.incident, worse, Holding.SILENCE)
    assert (quiet.transitions, quiet.redraw) == ((), False)
    shown = advanced(quiet.incident, worse, None)
    assert (shown.transitions, shown.redraw) == ((Transition.SHOWN,), True)
    assert resolved(shown.incident, NIGHT).transitions == (Transition.RESOLVED,)
    assert resolved(quiet.incident, NIGHT).transitions == ()


def test_the_two_clocks() -> None:
    critical = firing("missing", severity=CRITICAL)
    ten, thirty = 10 * MINUTE, 30 * MINUTE
    assert not escalates(critical, ten, NIGHT + ten - MINUTE)
    assert escalates(critical, ten, NIGHT + ten)
    owned = critical.owned_by(ANA, NIGHT + MINUTE)
    assert not escalates(owned, ten, NIGHT + 60 * MINUTE)
    assert not owner_is_due(owned, thirty, NIGHT + thirty)
    assert owner_is_due(owned, thirty, NIGHT + thirty + MINUTE)
    asked = owned.asked_again(NIGHT + thirty + MINUTE)
    assert not owner_is_due(asked, thirty, NIGHT + 60 * MINUTE)
    assert not escalates(firing("backlog"), ten, NIGHT + 60 * MINUTE)


def test_nobody_is_called_while_it_ends() -> None:
    ten, thirty, later = 10 * MINUTE, 30 * MINUTE, NIGHT + 60 * MINUTE
    critical = firing("missing", severity=CRITICAL)
    over = {each.rule: replace(each, ends=later) for each in critical.findings.values()}
    ending = replace(critical, findings=over)
    assert ending.ending
    assert not escalates(ending, ten, later)
    assert not owner_is_due(ending.owned_by(ANA, NIGHT), thirty, later)
    limits = default_thresholds()
    assert pages_at(critical, ten, NIGHT, night=True, thresholds=limits) == NIGHT
    assert pages_at(ending, ten, NIGHT, night=True, thresholds=limits) is None
    # One that is so still is not ending, whatever else of it is over; nor is one that is over.
    both = {**over, "other": Finding("other", WARNING, NIGHT)}
    assert not replace(critical, findings=both).ending
    assert not resolved(ending, later).incident.ending


def test_an_owner_who_is_called_in_vain_is_none() -> None:
    ten, back = 10 * MINUTE, NIGHT + 6 * MINUTE
    owned = firing("missing", severity=CRITICAL).owned_by(ANA, NIGHT)
    over = resolved(owned, NIGHT + 5 * MINUTE).incident
    returned = relapsed(over, owned.findings, Figures(back), None).incident
    assert (returned.id, returned.owner, returned.resolved) == (owned.id, ANA, None)
    assert calls_owner(returned, back)
    assert not calls_owner(replace(returned, owned=NIGHT + MINUTE), back), "it is in their hands"
    called = returned.called_back(back)
    assert not calls_owner(called, back + ten), "once for each return"
    later = replace(called, relapsed=back + MINUTE)
    assert not calls_owner(later, back + ten - MINUTE)
    assert calls_owner(later, back + ten)
    limits = default_thresholds()
    assert pages_at(called, ten, back, night=True, thresholds=limits) == back + ten
    assert not escalates(called, ten, back + ten - MINUTE)
    assert escalates(called, ten, back + ten)
    assert escalates(later.called_back(back + ten), ten, back + ten), "nothing was done at first"
    assert not escalates(called.owned_by(BEN, back + MINUTE), ten, back + ten)


@pytest.mark.parametrize(
    ("told", "changes", "worse", "escalated", "again"),
    [
        (0, {}, False, False, False),
        (0, {}, False, True, False),
        (9, {"relapsed": 10}, False, False, False),
        (0, {"relapsed": 10}, False, False, True),
        (0, {"critical_since": 5}, False, False, True),
        (9, {}, True, False, True),
        (0, {"relapsed": 10, "owner": ANA}, True, False, False),
        (0, {"relapsed": 10, "owner": ANA, "called": 1}, False, True, True),
        (2, {"relapsed": 1, "owner": ANA, "called": 1}, False, True, False),
    ],
)
def test_who_is_told_once_more(
    told: int, changes: dict[str, Any], worse: bool, escalated: bool, again: bool
) -> None:
    now = NIGHT + 10 * MINUTE
    times: dict[str, Any] = {
        name: NIGHT + value * MINUTE if isinstance(value, int) else value
        for name, value in changes.items()
    }
    critical = firing("missing", severity=CRITICAL)
    incident = replace(critical, told={"duty": NIGHT + told * MINUTE}, **times)
    assert tells_again(incident, "duty", now, worse=worse, escalated=escalated) is again


def test_what_begins_to_end_is_drawn_at_once() -> None:
    incident = firing("missing", severity=CRITICAL)
    over = {each.rule: replace(each, ends=NIGHT) for each in incident.findings.values()}
    step = advanced(incident, over, None)
    assert (step.transitions, step.redraw) == ((), True)
    assert not advanced(step.incident, over, None).redraw
    assert advanced(step.incident, incident.findings, None).redraw


# --- any order -------------------------------------------------------------------------------

subjects = st.sampled_from([BACKLOG, BACKLOG, *KINDS])
picks = st.integers(0, 7)
leaders = st.sampled_from([0, 1])
rarely = st.sampled_from([False, False, True])


class AnyOrder(Leaders):
    """Everything that can happen to incidents."""

    def __init__(self, template: Path, file: Path, met: Counter[str]) -> None:
        super().__init__(template, file, met)
        self.found: dict[About, dict[str, Severity]] = {each: {} for each in KINDS}
        self.windows: list[Hours] = []
        self.critical: dict[int, datetime] = {}

    @initialize(day=rarely, subject=st.sampled_from(list(KINDS)), pick=picks, leader=leaders)
    def begin(self, day: bool, subject: About, pick: int, leader: int) -> None:
        self.now = DAY if day else NIGHT
        self.appears_or_changes(subject, pick, CRITICAL)
        self.looks(leader, both=False)

    # --- what is found, and what people do ---------------------------------------------------

    @rule(subject=subjects, pick=picks, bad=st.sampled_from([WARNING, CRITICAL]))
    def appears_or_changes(self, subject: About, pick: int, bad: Severity) -> None:
        which = KINDS[subject][pick % len(KINDS[subject])]
        severity = CRITICAL if which in PIERCING else bad if which in EITHER else WARNING
        self.found[subject][which] = severity

    @rule(subject=subjects, pick=picks, all_of_it=rarely)
    def vanishes(self, subject: About, pick: int, all_of_it: bool) -> None:
        self.found[subject].pop(KINDS[subject][pick % len(KINDS[subject])], None)
        if all_of_it:
            self.found[subject].clear()

    @precondition(lambda self: not set(EITHER).isdisjoint(self.found[BACKLOG]))
    @rule(leader=leaders, worse=st.booleans())
    def eases_or_worsens(self, leader: int, worse: bool) -> None:
        self.found[BACKLOG].pop("expiring", None)
        for which in set(self.found[BACKLOG]) & set(EITHER):
            self.found[BACKLOG][which] = CRITICAL if worse else WARNING
        self.looks(leader, both=False)

    @rule(seconds=st.sampled_from([1, 16, 61, 301, 601, 1801]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @precondition(lambda self: self.firing())
    @rule(pick=picks, seconds=st.sampled_from([16, 301, 899, 900]), leader=leaders)
    def it_comes_back(self, pick: int, seconds: int, leader: int) -> None:
        incident = self.firing()[pick % len(self.firing())]
        subject = (incident.name, incident.instrument)
        found = self.found[subject]
        self.found[subject] = {}
        self.looks(leader, both=False)
        self.time_passes(seconds)
        self.found[subject] = found
        self.looks(1 - leader, both=False)
        if found:
            [last] = [each for each in self.firing() if (each.name, each.instrument) == subject]
            assert (last.id == incident.id) == (seconds < 900)
            assert last.owner == (incident.owner if seconds < 900 else None)

    @precondition(lambda self: self.firing())
    @rule(seconds=st.sampled_from([601, 1801]), leader=leaders)
    def it_goes_on(self, seconds: int, leader: int) -> None:
        self.looks(leader, both=False)
        self.time_passes(seconds)
        self.looks(leader, both=False)

    @precondition(lambda self: self.firing())
    @rule(pick=picks, who=st.sampled_from([ANA, BEN]), sleeps=st.booleans(), leader=leaders)
    def own(self, pick: int, who: Person, sleeps: bool, leader: int) -> None:
        incident = self.firing()[pick % len(self.firing())]
        assert self.run(self.people.own(incident.id, who, self.now)).owner == who
        if sleeps:
            self.time_passes(1801)
            self.looks(leader, both=False)

    @precondition(lambda self: self.firing())
    @rule(pick=picks)
    def escalate(self, pick: int) -> None:
        incident = self.firing()[pick % len(self.firing())]
        self.run(self.people.escalate(incident.id, ANA, self.now))
        self.by_hand[incident.id] += 1

    @rule(pick=picks, minutes=st.sampled_from([1, 8, 40]))
    def silence(self, pick: int, minutes: int) -> None:
        what: list[dict[str, Any]] = [{"instrument": "a"}, *({"rule": name} for name, _ in KINDS)]
        what += [{"incident": each.id} for each in self.firing()]
        ends = self.now + minutes * MINUTE
        draft = Silence(0, "prod", ANA, "known", self.now, ends, **what[pick % len(what)])
        self.run(self.people.silence(draft))

    @rule(minutes=st.sampled_from([1, 8, 40]))
    def window(self, minutes: int) -> None:
        self.windows = [Hours(self.now, self.now + minutes * MINUTE)]

    @rule()
    def holds_end(self) -> None:
        self.windows = []
        for each in self.run(self.silences.active("prod", self.now)):
            self.run(self.people.unsilence(each.id, ANA, self.now))

    # --- who looks ---------------------------------------------------------------------------

    async def look(
        self, alarms: Alarms, known: dict[About, Incident], found: dict[About, Any]
    ) -> None:
        holds = Holds(await self.silences.active("prod", self.now), self.windows)
        for subject, kinds in found.items():
            since = self.now - MINUTE
            findings = {each: Finding(each, bad, since) for each, bad in kinds.items()}
            figures = Figures(self.now, waiting=len(kinds))
            await alarms.look(subject, known.get(subject), findings, figures, holds)

    async def look_now(self, *leading: int) -> None:
        known = [await self.leaders[each].unresolved() for each in leading]
        await asyncio.gather(
            *(
                self.look(self.leaders[each], firing, self.found)
                for each, firing in zip(leading, known, strict=True)
            )
        )

    @rule(leader=leaders, both=st.booleans())
    def looks(self, leader: int, both: bool) -> None:
        before = {each.id: each for each in self.run(self.incidents.latest("prod", 1000))}
        asked, called = self.mentions("asked"), self.mentions("called")
        self.run(self.look_now(*((0, 1) if both else (leader,))))
        for incident in self.firing():
            self.is_as_found(incident, before.get(incident.id))
            due = before.get(incident.id)
            wanted = due is not None and self.owner_was_due(due) and incident.held is None
            calls = incident.called == self.now
            assert self.mentions("asked")[incident.id] - asked[incident.id] == (
                wanted and not calls
            ), incident
            assert self.mentions("called")[incident.id] - called[incident.id] <= calls or (
                incident.asked == self.now
            )
            self.met["asked"] += wanted
            self.met["called"] += calls
        assert {(each.name, each.instrument) for each in self.firing()} == {
            subject for subject, kinds in self.found.items() if kinds
        }, "nothing is lost, and nothing fires for longer"

    @rule(leader=leaders, trouble=st.sampled_from(["before", "after"]))
    def looks_in_vain(self, leader: int, trouble: str) -> None:
        """Look while the database fails, or its answer is lost."""
        self.incidents.trouble = trouble
        try:
            self.run(self.look_now(leader))
        except StateError:
            self.met[trouble] += 1
        self.incidents.trouble = ""

    @rule(leader=leaders)
    def an_old_leader_looks_late(self, leader: int) -> None:
        """Look at what was found before the other one looked."""
        known = self.run(self.leaders[leader].unresolved())
        self.run(self.look_now(1 - leader))
        self.run(self.look(self.leaders[leader], known, self.found))

    @rule(leader=leaders)
    def dies_and_starts_again(self, leader: int) -> None:
        self.leaders[leader] = self.leader(leader)

    # --- what must be true after a look ------------------------------------------------------

    def owner_was_due(self, before: Incident) -> bool:
        if before.owner is None or before.owned is None:
            return False
        return self.now - (before.asked or before.owned) >= 30 * MINUTE

    def is_as_found(self, incident: Incident, before: Incident | None) -> None:
        kinds = self.found[incident.name, incident.instrument]
        assert set(incident.findings) == set(kinds)
        critical = CRITICAL in kinds.values()
        assert incident.severity is (CRITICAL if critical else WARNING)
        silences = self.run(self.silences.active("prod", self.now))
        expected = None
        if any(each.starts <= self.now < each.ends for each in self.windows):
            expected = None if "expiring" in kinds else Holding.WINDOW
        elif not set(kinds) & PIERCING and any(each.matches(incident) for each in silences):
            expected = Holding.SILENCE
        assert incident.held is expected
        self.met["held"] += expected is not None
        assert expected or self.posts()[incident.id] == 1, "what is not held is shown"

        self.met["eased"] += not critical and incident.id in self.critical
        since = self.critical.setdefault(incident.id, self.now)
        since = max(since, incident.relapsed or since)
        if not critical:
            del self.critical[incident.id]
        assert (incident.critical_since is not None) == critical
        assert incident.critical_since is None or incident.critical_since <= since
        self.is_told(incident, before)

    def is_told(self, incident: Incident, before: Incident | None) -> None:
        night = is_night(ONE.site, self.now)
        at_once = night and set(incident.findings) & PIERCING
        since = incident.critical_since
        if incident.owner is not None:
            since = since and incident.called
        overdue = since and self.now - since >= 10 * MINUTE
        known = set(before.told) if before else set()
        hearing = {each.name for each in TARGETS if each.name != "nightly" or night}
        wanted = hearing if at_once or overdue else {"duty"}
        told = known | (wanted if incident.held is None else set())
        assert set(incident.told) == told
        self.met["escalated"] += bool(overdue) and bool(told - known)
        self.met["at once"] += bool(at_once) and bool(told - known)

    def last_of_all(self) -> None:
        self.found = {each: {} for each in KINDS}
        self.run(self.look_now(0))


def test_any_order(tmp_path: Path) -> None:
    run_machine(
        lambda template, file: AnyOrder(template, file, Counter()), tmp_path, examples=40, steps=30
    )


def test_one_order_that_meets_everything(tmp_path: Path) -> None:
    # Which of these a random run meets is luck; that the machine can meet them is not.
    met: Counter[str] = Counter()

    def walk(one: AnyOrder) -> None:
        one.begin(day=False, subject=("missing", "a"), pick=0, leader=0)
        one.appears_or_changes(BACKLOG, 0, CRITICAL)
        one.looks_in_vain(0, "before")
        one.looks_in_vain(1, "after")
        one.it_goes_on(601, 0)
        one.eases_or_worsens(1, worse=False)
        one.own(0, ANA, sleeps=True, leader=0)
        one.own(1, BEN, sleeps=False, leader=0)
        one.window(8)
        one.looks(0, both=True)
        one.vanishes(BACKLOG, 0, all_of_it=True)
        one.looks(1, both=False)
        one.time_passes(301)
        one.appears_or_changes(BACKLOG, 0, CRITICAL)
        one.looks(0, both=True)
        one.it_goes_on(601, 0)
        one.it_goes_on(601, 1)

    walk_machine(lambda template, file: AnyOrder(template, file, met), tmp_path, walk)
    wanted = ("before", "after", "held", "asked", "escalated", "at once", "eased", "ended")
    assert all(met[word] for word in (*wanted, "relapsed", "called")), met
