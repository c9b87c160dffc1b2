"""What an incident and a page hold as JSON: written field by field, and back exactly.

As in `bot.storage.documents`, what is not there reads as its default.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.domain.alarms import Skipped
from bot.domain.oncall import Page, PageEvent
from bot.domain.rules import Finding, Severity
from bot.domain.samples import Figures
from bot.storage.documents import write_document
from bot.storage.schema import MICROSECOND

_FIGURES = {field.name for field in fields(Figures)}
_TIMES = {"at", "first_skipped", "read_last"}
_DURATIONS = {"wait", "between_visits", "answers_in"}
"""Of the figures; the others are JSON as they are."""


def write_findings(findings: Mapping[str, Finding]) -> str:
    """Write the rules that hold."""
    return write_document(
        [
            {
                "rule": finding.rule,
                "severity": finding.severity.value,
                "since": _time(finding.since),
            }
            for finding in findings.values()
        ]
    )


def read_findings(text: str) -> dict[str, Finding]:
    """Read the rules that hold."""
    findings = (
        Finding(each["rule"], Severity(each["severity"]), datetime.fromisoformat(each["since"]))
        for each in json.loads(text)
    )
    return {finding.rule: finding for finding in findings}


def write_figures(figures: Figures) -> str:
    """Write what a message shows."""
    return write_document({name: _plain(value) for name, value in vars(figures).items()})


def read_figures(text: str) -> Figures:
    """Read what a message shows."""
    document = json.loads(text)
    return Figures(**{name: _figure(name, document[name]) for name in _FIGURES & document.keys()})


def write_skipped(skipped: Sequence[Skipped]) -> str:
    """Write visits that were skipped."""
    return write_document([[each.visit, each.entries, _time(each.at)] for each in skipped])


def read_skipped(text: str) -> tuple[Skipped, ...]:
    """Read visits that were skipped."""
    return tuple(
        Skipped(visit, entries, datetime.fromisoformat(at))
        for visit, entries, at in json.loads(text)
    )


def write_told(told: Mapping[str, datetime]) -> str:
    """Write who was told, and when."""
    return write_document({name: _time(at) for name, at in told.items()})


def read_told(text: str) -> dict[str, datetime]:
    """Read who was told, and when."""
    return {name: datetime.fromisoformat(at) for name, at in json.loads(text).items()}


def write_page(page: Page) -> str:
    """Write what a target is told."""
    return write_document(
        {
            "target": page.target,
            "step": page.step.value,
            "key": page.key,
            "environment": page.environment,
            "label": page.label,
            "instrument": page.instrument,
            "rule": page.rule,
            "severity": page.severity.value,
            "summary": page.summary,
            "details": page.details,
            "link": page.link,
            "at": _time(page.at),
            "incident": page.incident,
        }
    )


def read_page(text: str) -> Page:
    """Read what a target is told."""
    document = json.loads(text)
    return Page(
        target=document["target"],
        step=PageEvent(document["step"]),
        key=document["key"],
        environment=document["environment"],
        label=document["label"],
        instrument=document["instrument"],
        rule=document["rule"],
        severity=Severity(document["severity"]),
        summary=document["summary"],
        details=tuple((label, words) for label, words in document["details"]),
        link=document["link"],
        at=datetime.fromisoformat(document["at"]),
        incident=document.get("incident", 0),
    )


def _time(value: datetime) -> str:
    if value.tzinfo is None:
        raise ValueError("a time without a zone")
    return value.astimezone(UTC).isoformat()


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return _time(value)
        case timedelta():
            return value // MICROSECOND
        case _:
            return value


def _figure(name: str, value: Any) -> Any:
    if value is None:
        return None
    if name in _TIMES:
        return datetime.fromisoformat(value)
    return value * MICROSECOND if name in _DURATIONS else value
