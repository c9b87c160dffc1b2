"""What becomes of an incident when its rules are looked at again: pure steps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from bot.domain.alarms import (
    BY_RESTART,
    EDIT_EVERY,
    PIERCING,
    Figures,
    Finding,
    Holding,
    Hours,
    Incident,
    Rule,
    Severity,
    Silence,
    Skipped,
    family,
)


class Transition(Enum):
    """What may happen to an incident that its thread is told."""

    SEVERITY = "severity"
    LEADING = "leading"
    OWNED = "owned"
    ASKED = "asked"
    ESCALATED = "escalated"
    HELD = "held"
    SHOWN = "shown"
    RESOLVED = "resolved"


@dataclass(frozen=True)
class Step:
    """One step of an incident.

    Parameters
    ----------
    incident
        As it is now; its version is one higher where something is to be kept.
    transitions
        What its thread is told.
    redraw
        Whether its message is wanted anew.
    """

    incident: Incident
    transitions: tuple[Transition, ...] = ()
    redraw: bool = False


def by_incident(findings: Iterable[Finding]) -> dict[Rule, dict[Rule, Finding]]:
    """Group findings of one stream, or of one Redis, by the rule that names their incident."""
    grouped: dict[Rule, dict[Rule, Finding]] = {}
    for finding in findings:
        grouped.setdefault(family(finding.rule), {})[finding.rule] = finding
    return grouped


def holding(
    incident: Incident,
    silences: Sequence[Silence],
    windows: Sequence[Hours],
    now: datetime,
    *,
    restarts: Sequence[Hours] = (),
) -> Holding | None:
    """Tell what keeps an incident out of the channel at this moment.

    A window holds everything but `expiring`; an approved restart what it brings about itself; a
    silence holds what it matches, but nothing that pierces silences.
    """
    rules = set(incident.findings)
    in_window = any(each.starts <= now < each.ends for each in windows)
    if in_window and Rule.EXPIRING not in rules:
        return Holding.WINDOW
    if incident.name in BY_RESTART and any(each.starts <= now < each.ends for each in restarts):
        return Holding.RESTART
    if rules & set(PIERCING):
        return None
    if any(each.active(now) and each.matches(incident) for each in silences):
        return Holding.SILENCE
    return None


def opened(
    environment: str,
    name: Rule,
    instrument: str,
    findings: Mapping[Rule, Finding],
    figures: Figures,
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


def advanced(incident: Incident, findings: Mapping[Rule, Finding], held: Holding | None) -> Step:
    """Look at a firing incident again.

    Parameters
    ----------
    incident
        With its newest figures.
    findings
        What holds now, by rule; not empty.
    held
        What keeps it out of the channel now.
    """
    now = incident.figures.at
    after = _worse(replace(incident, findings=findings), now)
    transitions: list[Transition] = []
    if after.severity is not incident.severity:
        transitions.append(Transition.SEVERITY)
    elif after.leading is not incident.leading:
        transitions.append(Transition.LEADING)
    if held is not incident.held:
        after = replace(after, held=held, was_held=after.was_held or held is not None)
        if held is None:
            transitions.append(Transition.SHOWN)
        elif incident.held is None:
            transitions.append(Transition.HELD)
    changed = (
        bool(transitions) or held is not incident.held or set(findings) != set(incident.findings)
    )
    stale = incident.drawn is None or now - incident.drawn >= EDIT_EVERY
    if not changed and not stale:
        return Step(after)
    redraw = held is None or incident.held is None
    after = replace(after, drawn=now, version=incident.version + 1)
    return Step(
        after, tuple(transitions) if held is None or Transition.HELD in transitions else (), redraw
    )


def resolved(incident: Incident, now: datetime) -> Step:
    """End an incident; one that was never shown ends as quietly as it lived."""
    after = replace(
        incident, resolved=now, critical_since=None, drawn=now, version=incident.version + 1
    )
    shown = incident.held is None
    return Step(after, (Transition.RESOLVED,) if shown else (), redraw=True)


def with_skipped(incident: Incident, skipped: Iterable[Skipped]) -> Incident:
    """Add visits that workers skip from now on; those that are known already stay as they are."""
    known = {each.visit for each in incident.skipped}
    new = tuple(each for each in skipped if each.visit not in known)
    return replace(incident, skipped=(*incident.skipped, *new)) if new else incident


def escalates(incident: Incident, after: timedelta, now: datetime) -> bool:
    """Tell whether it has been critical and without owner for so long that on-call is told."""
    since = incident.critical_since
    return since is not None and incident.owner is None and now - since >= after


def owner_is_due(incident: Incident, after: timedelta, now: datetime) -> bool:
    """Tell whether it is time to ask the owner whether they are still on it."""
    if incident.owner is None or incident.owned is None:
        return False
    return now - (incident.asked or incident.owned) >= after


def _worse(incident: Incident, now: datetime) -> Incident:
    """Keep since when it is critical, and that it ever was."""
    if incident.severity is Severity.CRITICAL:
        since = incident.critical_since or now
        return replace(incident, worst=Severity.CRITICAL, critical_since=since)
    return replace(incident, critical_since=None)
