"""Values that a column holds as JSON: written and read field by field, and back exactly.

What is not there reads as its default, so that a field can be added without a migration.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from bot.domain.approvals import Confirmation, Happened, Outcome, Plan


def write_names(names: Sequence[str]) -> str:
    """Write a list of words or lines."""
    return write_document(list(names))


def read_names(text: str) -> tuple[str, ...]:
    """Read a list of words or lines."""
    return tuple(json.loads(text))


def write_values(values: Mapping[str, str]) -> str:
    """Write figures by name."""
    return write_document(dict(values))


def read_values(text: str) -> dict[str, str]:
    """Read figures by name."""
    values: dict[str, str] = json.loads(text)
    return values


def write_plan(plan: Plan) -> str:
    """Write what the approver reads."""
    asked = plan.confirmation
    return write_document(
        {
            "subject": plan.subject,
            "headline": plan.headline,
            "facts": plan.facts,
            "streams": plan.streams,
            "bound": dict(plan.bound),
            "asks": plan.asks,
            "warning": plan.warning,
            "listing": plan.listing,
            "confirmation": asked
            and {"title": asked.title, "text": asked.text, "yes": asked.yes, "no": asked.no},
            "outage": plan.outage,
        }
    )


def read_plan(text: str) -> Plan:
    """Read what the approver reads."""
    document = json.loads(text)
    asked = document.get("confirmation")
    return Plan(
        subject=document["subject"],
        headline=document["headline"],
        facts=_pairs(document, "facts"),
        streams=tuple(document.get("streams", ())),
        bound=document.get("bound", {}),
        asks=document.get("asks", True),
        warning=document.get("warning", ""),
        listing=tuple(document.get("listing", ())),
        confirmation=asked
        and Confirmation(asked["title"], asked["text"], asked["yes"], asked["no"]),
        outage=document.get("outage", ""),
    )


def write_outcome(outcome: Outcome) -> str:
    """Write what came of a request."""
    return write_document(
        {
            "happened": outcome.happened.value,
            "headline": outcome.headline,
            "facts": outcome.facts,
            "failed": outcome.failed,
            "offers": outcome.offers,
            "aside": outcome.aside,
            "before": dict(outcome.before),
            "after": dict(outcome.after),
            "notes": outcome.notes,
            "undo": outcome.undo,
            "well": outcome.well,
        }
    )


def read_outcome(text: str) -> Outcome:
    """Read what came of a request."""
    document = json.loads(text)
    return Outcome(
        happened=Happened(document["happened"]),
        headline=document["headline"],
        facts=_pairs(document, "facts"),
        failed=document.get("failed", False),
        offers=_pairs(document, "offers"),
        aside=tuple(document.get("aside", ())),
        before=document.get("before", {}),
        after=document.get("after", {}),
        notes=tuple(document.get("notes", ())),
        undo=document.get("undo", ""),
        well=document.get("well", True),
    )


def write_document(document: Any) -> str:
    """Write JSON, escaped: neither a NUL nor half a character reaches the database as such."""
    return json.dumps(document, separators=(",", ":"))


def _pairs(document: Mapping[str, Any], name: str) -> tuple[tuple[str, str], ...]:
    return tuple((label, text) for label, text in document.get(name, ()))
