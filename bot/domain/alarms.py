"""Alarms: what becomes of what rules find, and what holds it.

An incident is a value, like a request: each step gives a new one with the next version, and whoever
writes it compares the version first. All rules about a backlog of one stream are one incident,
whose severity and first line change with them.

    firing → resolved → firing …

One that fires may be held back from the channel, owned by a person, and escalated to the on-call.
What fires again soon after its end is the same incident: its message and its owner live on.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Self

from bot.domain.environments import Person
from bot.domain.rules import RULES, Diagnosis, Finding, Rule, Severity, Thresholds, rule_of
from bot.domain.samples import Figures

EDIT_EVERY = timedelta(seconds=15)
"""Figures alone change a message at most this often."""

RELAPSES_TOLD = 3
"""So many returns of an incident are told in its thread; of later ones its message alone tells."""

TOLD_EVERY = timedelta(minutes=10)
"""A target is told of one incident at most this often; it may become critical, or somebody call."""

OWNED_FOR = timedelta(minutes=5)
"""An incident that fires again within this time is still in the hands of whoever took it."""

CALLED_EVERY = timedelta(minutes=10)
"""Its owner is mentioned at most this often because it fires again."""


@dataclass(frozen=True)
class Skipped:
    """A visit that workers skip, because it waited for too long.

    Parameters
    ----------
    cut
        True where the count ended with it, so that more may be skipped.
    """

    visit: str
    entries: int
    at: datetime
    cut: bool = False


class Transition(Enum):
    """What may happen to an incident that its thread tells."""

    SEVERITY = "severity"
    LEADING = "leading"
    OWNED = "owned"
    ASKED = "asked"
    RELAPSED = "relapsed"
    CALLED = "called"
    ESCALATED = "escalated"
    HELD = "held"
    SHOWN = "shown"
    RESOLVED = "resolved"


class Holding(Enum):
    """What keeps an incident out of the channel."""

    SILENCE = "silence"
    WINDOW = "window"
    RESTART = "restart"


@dataclass(frozen=True)
class Incident:
    """One alarm, from its first finding to its end.

    Parameters
    ----------
    id
        From the sequence that requests, silences and windows share.
    name
        The rule that names it, and with it the family of those that fire.
    instrument
        Whose stream; empty for the Redis under all of them.
    began
        Since when what it is about has been so, the first time.
    findings
        Rules that hold now, by rule; the last ones where it is resolved.
    highest_waiting, highest_visits, highest_capped, highest_wait
        Peaks so far.
    skipped
        Visits that are skipped because of it, in order.
    held
        What keeps it out of the channel; None where it is shown.
    was_held
        True if something ever did.
    owner, owned
        Who is on it, and since when.
    asked
        When the owner was last mentioned: to be asked whether they still are, or to be called.
    called
        Since when the owner has been called, because it fires again, and has done nothing.
    critical_since
        Since when it is critical without a break; None where it is not.
    told
        Names of the targets that were told, and when they last were.
    relapses, relapsed
        How often it has fired again, and when it last did.
    drawn
        When its message was last wanted anew for its figures.
    version
        Grows with every change that is kept.
    """

    id: int
    environment: str
    name: str
    instrument: str
    began: datetime
    opened: datetime
    findings: Mapping[str, Finding]
    figures: Figures
    worst: Severity = Severity.WARNING
    highest_waiting: int = 0
    highest_visits: int = 0
    highest_capped: bool = False
    highest_wait: timedelta | None = None
    skipped: tuple[Skipped, ...] = ()
    held: Holding | None = None
    was_held: bool = False
    owner: Person | None = None
    owned: datetime | None = None
    asked: datetime | None = None
    critical_since: datetime | None = None
    told: Mapping[str, datetime] = field(default_factory=dict)
    resolved: datetime | None = None
    relapses: int = 0
    relapsed: datetime | None = None
    called: datetime | None = None
    drawn: datetime | None = None
    version: int = 0

    @property
    def severity(self) -> Severity:
        """How bad it is now: the worst of what holds."""
        worst = (each.severity is Severity.CRITICAL for each in self.findings.values())
        return Severity.CRITICAL if any(worst) else Severity.WARNING

    @property
    def rule(self) -> Rule[Any]:
        """The rule that names it."""
        return rule_of(self.name)

    @property
    def family(self) -> list[Rule[Any]]:
        """The rules that are this incident where they hold."""
        return [rule for rule in RULES.values() if rule.head == self.name]

    @property
    def leading(self) -> str:
        """The rule that its first line is about: of those that are critical, else of all."""

        def order(rule: str) -> tuple[bool, int]:
            return self.findings[rule].severity is not Severity.CRITICAL, -rule_of(rule).leads

        return min(self.findings, key=order, default=self.name)

    @property
    def since(self) -> datetime:
        """Since when what it is about has been so, this time."""
        now = [each.since for each in self.findings.values()]
        return min(now, default=self.began) if self.relapses else self.began

    @property
    def ends(self) -> datetime | None:
        """When it is resolved if all stays as it is; None while anything of it is still so."""
        ends = [each.ends for each in self.findings.values()]
        known = [each for each in ends if each is not None]
        return max(known) if known and len(known) == len(ends) else None

    @property
    def ending(self) -> bool:
        """Whether nothing of it is so any more, though not for long enough to be over.

        Nobody is called for it.
        """
        return self.resolved is None and self.ends is not None

    @property
    def skipped_capped(self) -> bool:
        """Whether at least what is listed is skipped, and perhaps more."""
        return any(each.cut for each in self.skipped)

    @property
    def pierces(self) -> bool:
        """Whether no silence holds it."""
        return any(rule_of(each).pierces for each in self.findings)

    @property
    def at_once(self) -> bool:
        """Whether at night every target is told of it at once."""
        return any(rule_of(each).at_once for each in self.findings)

    @property
    def diagnosis(self) -> Diagnosis:
        """What has likely failed, from what holds and from the figures."""
        likely = self.rule.likely
        return likely if isinstance(likely, Diagnosis) else likely(self.figures, self.findings)

    def owned_by(self, person: Person, now: datetime) -> Self:
        """Let somebody be on it; this stops the clock."""
        return self._next(owner=person, owned=now, asked=None, called=None)

    def asked_again(self, now: datetime) -> Self:
        """Note that the owner was asked whether they are still on it."""
        return self._next(asked=now)

    def called_back(self, now: datetime) -> Self:
        """Note that the owner is called, because it fires again; mentioned only now and then."""
        lately = self.asked is not None and now - self.asked < CALLED_EVERY
        return self._next(called=self.called or now, asked=self.asked if lately else now)

    def told_to(self, targets: Collection[str], now: datetime) -> Self:
        """Note that targets are told."""
        return self._next(told={**self.told, **dict.fromkeys(targets, now)})

    def _next(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Silence:
    """Somebody's wish to hear nothing of something for a while. Its state follows from the time.

    Parameters
    ----------
    instrument, rule, incident
        What it holds: everything of an instrument, everything of a rule, or one incident.
    starts, ends
        From when until when; `ends` is None until the incidents that it holds are resolved.
    lifted
        When somebody ended it early.
    version
        Grows when it is lifted.
    """

    id: int
    environment: str
    by: Person
    reason: str
    starts: datetime
    ends: datetime | None
    instrument: str = ""
    rule: str | None = None
    incident: int | None = None
    lifted: datetime | None = None
    version: int = 0

    def lifted_at(self, now: datetime) -> Self:
        """End it early."""
        return replace(self, lifted=now, version=self.version + 1)

    def active(self, now: datetime) -> bool:
        """Tell whether it holds anything at this moment."""
        # Not asked whether it has begun: all begin at once, and the clock may be set back.
        return self.lifted is None and (self.ends is None or now < self.ends)

    def matches(self, incident: Incident) -> bool:
        """Tell whether it is about an incident; what pierces silences it does not hold."""
        if self.incident is not None:
            return self.incident == incident.id
        if self.rule is not None:
            return rule_of(self.rule).head == incident.name
        return self.instrument == incident.instrument


@dataclass(frozen=True)
class Hours:
    """A time during which an environment's alarms are held; `expiring` pierces it."""

    starts: datetime
    ends: datetime

    def lasts(self, now: datetime) -> bool:
        """Tell whether it has begun and is not over."""
        return self.starts <= now < self.ends


@dataclass(frozen=True)
class Advance:
    """What becomes of an incident at one look, or of one thing that somebody does.

    Parameters
    ----------
    incident
        As it is now; its version is one higher where something is to be kept.
    """

    incident: Incident
    transitions: tuple[Transition, ...] = ()
    redraw: bool = False


def by_incident(findings: Iterable[Finding]) -> dict[str, dict[str, Finding]]:
    """Group findings of one stream, or of one Redis, by the rule that names their incident."""
    grouped: dict[str, dict[str, Finding]] = {}
    for finding in findings:
        grouped.setdefault(rule_of(finding.rule).head, {})[finding.rule] = finding
    return grouped


@dataclass(frozen=True)
class Holds:
    """What keeps incidents out of the channel at this moment, of those that there are."""

    silences: Sequence[Silence] = ()
    windows: Sequence[Hours] = ()
    restarts: Sequence[Hours] = ()

    def on(self, incident: Incident, now: datetime) -> Holding | None:
        """Tell what holds an incident.

        A window holds all but what pierces windows; an approved restart what it brings about
        itself; a silence what it matches, but nothing that pierces silences.
        """
        if any(each.lasts(now) for each in self.windows) and not any(
            rule_of(each).pierces_windows for each in incident.findings
        ):
            return Holding.WINDOW
        if incident.rule.by_restart and any(each.lasts(now) for each in self.restarts):
            return Holding.RESTART
        if incident.pierces:
            return None
        if any(each.active(now) and each.matches(incident) for each in self.silences):
            return Holding.SILENCE
        return None


def opened(
    environment: str, name: str, instrument: str, findings: Mapping[str, Finding], figures: Figures
) -> Incident:
    """Begin an incident; its number comes with its first writing."""
    now = figures.at
    incident = Incident(
        id=0,
        environment=environment,
        name=name,
        instrument=instrument,
        began=min(each.since for each in findings.values()),
        opened=now,
        findings=findings,
        figures=figures,
        drawn=now,
    )
    return _worse(seen(incident, figures), now)


def seen(incident: Incident, figures: Figures) -> Incident:
    """Take over newer figures and their peaks; nothing else has happened."""
    waits = [each for each in (incident.highest_wait, figures.wait) if each is not None]
    higher = figures.waiting > incident.highest_waiting
    return replace(
        incident,
        figures=figures,
        highest_waiting=figures.waiting if higher else incident.highest_waiting,
        highest_visits=figures.visits if higher else incident.highest_visits,
        highest_capped=figures.capped if higher else incident.highest_capped,
        highest_wait=max(waits, default=None),
    )


def advanced(incident: Incident, findings: Mapping[str, Finding], held: Holding | None) -> Advance:
    """Look at a firing incident again, which has its newest figures; something holds."""
    now = incident.figures.at
    after = _worse(replace(incident, findings=findings), now)
    transitions: list[Transition] = []
    if after.severity is not incident.severity:
        transitions.append(Transition.SEVERITY)
    elif after.leading != incident.leading:
        transitions.append(Transition.LEADING)
    if held is not incident.held:
        after = replace(after, held=held, was_held=after.was_held or held is not None)
        if held is None:
            transitions.append(Transition.SHOWN)
        elif incident.held is None:
            transitions.append(Transition.HELD)
    changed = (
        bool(transitions)
        or held is not incident.held
        or set(findings) != set(incident.findings)
        or after.ending is not incident.ending
    )
    # The clock may have been set back since.
    stale = incident.drawn is None or abs(now - incident.drawn) >= EDIT_EVERY
    if not changed and not stale:
        return Advance(after)
    redraw = held is None or incident.held is None
    after = replace(after, drawn=now, version=incident.version + 1)
    return Advance(
        after, tuple(transitions) if held is None or Transition.HELD in transitions else (), redraw
    )


def relapsed(
    incident: Incident, findings: Mapping[str, Finding], figures: Figures, held: Holding | None
) -> Advance:
    """Let one that was over fire again."""
    now = figures.at
    after = replace(
        incident,
        findings=findings,
        resolved=None,
        relapses=incident.relapses + 1,
        relapsed=now,
        held=held,
        was_held=incident.was_held or held is not None,
        drawn=now,
        version=incident.version + 1,
    )
    transitions = (Transition.RELAPSED,) if held is None else ()
    return Advance(_worse(seen(after, figures), now), transitions, redraw=True)


def resolved(incident: Incident, now: datetime) -> Advance:
    """End an incident; one that was never shown ends as quietly as it lived."""
    after = replace(
        incident, resolved=now, critical_since=None, drawn=now, version=incident.version + 1
    )
    shown = incident.held is None
    return Advance(after, (Transition.RESOLVED,) if shown else (), redraw=True)


def with_skipped(incident: Incident, skipped: Iterable[Skipped]) -> Incident:
    """Add visits that workers skip from now on; those that are known already stay as they are."""
    known = {each.visit for each in incident.skipped}
    new = tuple(each for each in skipped if each.visit not in known)
    return replace(incident, skipped=(*incident.skipped, *new)) if new else incident


def is_told(incident: Incident, transition: Transition) -> bool:
    """Tell whether the thread is told of a step; of what comes and goes it has heard enough."""
    match transition:
        case Transition.SEVERITY | Transition.LEADING | Transition.RELAPSED:
            return incident.relapses <= RELAPSES_TOLD
        case Transition.RESOLVED:
            return incident.relapses <= RELAPSES_TOLD or bool(incident.skipped)
        case _:
            return True


def escalates(incident: Incident, after: timedelta, now: datetime) -> bool:
    """Tell whether it has been critical and without owner for so long that on-call is told.

    An owner who was called when it came back, and has done nothing for as long, is none.
    """
    if incident.ending or incident.critical_since is None:
        return False
    since = incident.critical_since if incident.owner is None else incident.called
    return since is not None and now - since >= after


def tells_again(
    incident: Incident, target: str, now: datetime, *, worse: bool, escalated: bool
) -> bool:
    """Tell whether a target that was told of an incident is told once more.

    Parameters
    ----------
    worse
        It has just become critical, for the first time.
    escalated
        Nobody is on it, or its owner does nothing.
    """
    last = incident.told[target]
    if incident.owner is not None and not escalated:
        return False
    news = (incident.relapsed, incident.called, incident.critical_since)
    new = any(at is not None and at > last for at in news)
    return worse or (new and now - last >= TOLD_EVERY)


def pages_at(
    incident: Incident, after: timedelta, now: datetime, *, night: bool, thresholds: Thresholds
) -> datetime | None:
    """Tell when on-call is told if all goes on as it is; None where that is not known.

    Parameters
    ----------
    after
        On-call is told of a critical one that nobody has owned for so long.
    """
    if incident.ending:
        return None
    if incident.severity is Severity.CRITICAL:
        if night and incident.at_once and incident.called is None:
            return now
        return (incident.called or incident.critical_since or now) + after
    times = []
    for rule in incident.family:
        if rule.critical_at is not None and rule.name in thresholds.enabled:
            finding = incident.findings.get(rule.name)
            at = rule.critical_at(incident.figures, finding, thresholds.of(rule))
            if at is not None:
                times.append(at if night and rule.at_once else at + after)
    return min(times, default=None)


def owner_is_due(incident: Incident, after: timedelta, now: datetime) -> bool:
    """Tell whether it is time to ask the owner whether they are still on it."""
    if incident.owner is None or incident.owned is None or incident.ending:
        return False
    return now - (incident.asked or incident.owned) >= after


def calls_owner(incident: Incident, now: datetime) -> bool:
    """Tell whether its owner is to be called: critical, it fires again a while after they came."""
    owned, back, asked = incident.owned, incident.relapsed, incident.asked
    if incident.owner is None or owned is None or back is None:
        return False
    if incident.ending or incident.severity is not Severity.CRITICAL or back - owned <= OWNED_FOR:
        return False
    if incident.called is None:
        return True
    return asked is None or (asked < back and now - asked >= CALLED_EVERY)


def _worse(incident: Incident, now: datetime) -> Incident:
    """Keep since when it is critical, and that it ever was."""
    if incident.severity is Severity.CRITICAL:
        # Later than now it was before the clock was set back: it counts from now on.
        since = min(incident.critical_since or now, now)
        return replace(incident, worst=Severity.CRITICAL, critical_since=since)
    return replace(incident, critical_since=None)
