"""What people on call are told, and what the channel hears of it."""

from collections.abc import Iterable
from datetime import datetime

from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.oncall import Page
from bot.domain.paging import Reach
from bot.render.blocks import (
    FIRST_LINE,
    Button,
    Drawn,
    Markup,
    code,
    context,
    join,
    link,
    mark,
    section,
    truncate,
    typed,
)
from bot.render.rules import emoji, facts, plain_claim, where
from bot.render.words import clock

LONGEST_TARGET = 40
_ROOM = 40
"""Characters for the names of targets in a first line."""
_LISTED = 15
_LONGEST_REASON = 200


def page_words(
    incident: Incident, environment: Environment
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Put an alarm into words for a lock screen or a pager: one plain line, and what else helps."""
    now, diagnosis = incident.figures.at, incident.diagnosis
    over = incident.resolved is not None
    claim = f"alarm {incident.id} is resolved" if over else plain_claim(incident, now)
    places = [
        (f"Look at {each}", url)
        for each in diagnosis.looks
        if (url := environment.link(each, incident.instrument)) is not None
    ]
    details = (
        ("Alarm", str(incident.id)),
        *facts(incident, environment, now),
        ("Likely", diagnosis.likely),
        ("Runbook", f"runbook {diagnosis.topic}"),
        *places,
    )
    return truncate(f"{where(incident)}: {claim}", FIRST_LINE), details


def mention(page: Page, usergroup: str) -> Drawn:
    """Draw a page for Slack: a new message, because edits notify nobody.

    Parameters
    ----------
    usergroup
        ID of the user group to mention; empty for none.
    """
    summary = truncate(page.summary, FIRST_LINE)
    group = mark("<!subteam^{}> ", usergroup) if usergroup else Markup()
    blocks = [section(mark("{}{}.", group, summary.removesuffix(".")))]
    if page.summary != summary:
        blocks += typed(page.summary)
    if not page.incident:
        return summary, blocks, []
    label = f"Alarm {page.incident}"
    blocks.append(section(link(page.link, label) if page.link else label))
    return summary, blocks, [Button("I'm on it", "own", str(page.incident))]


def reach_words(reach: Reach, now: datetime, *, zone: str = "") -> list[str]:
    """Say whom pages have reached, whom not, and who is being told.

    Parameters
    ----------
    zone
        What comes behind the last time.
    """
    at: dict[str, list[str]] = {}
    for name, when in reach.told.items():
        at.setdefault(clock(when, seconds=True, now=now), []).append(name)
    told = ", ".join(f"{names(each)} {when}" for when, each in at.items())
    parts = [f"on-call told: {told}{zone}"] if told else []
    if reach.waiting:
        parts.append(f"being told: {names(reach.waiting)}")
    if reach.failed:
        who = "" if told or reach.waiting else "on-call "
        parts.append(f"{who}could not be told: {names(reach.failed)}")
    return parts


def names(targets: Iterable[str], room: int = _ROOM) -> str:
    """Name targets, as many as there is room for."""
    shown = [truncate(each, LONGEST_TARGET) for each in targets]
    most = len(shown)
    while most > 1 and len(", ".join(shown[:most])) > room:
        most -= 1
    more = f" and {len(shown) - most:,} more" if most < len(shown) else ""
    return ", ".join(shown[:most]) + more


def by_phone(environment: Environment) -> Markup:
    """Say what to do where a page reaches nobody."""
    support = environment.link("support")
    where_to = mark(" ({})", link(support, "support")) if support else Markup()
    return mark("call whoever is on call by phone{}", where_to)


def reached(
    environment: Environment, reach: Reach, incident: Incident | None, summary: str, now: datetime
) -> Drawn | None:
    """Draw whom a page has reached; nothing where it has reached nobody.

    Parameters
    ----------
    incident
        What it is about; None for one by hand or a test.
    summary
        What one by hand says.
    """
    if not reach.told:
        return None
    said = "; ".join(reach_words(reach, now, zone=" UTC"))
    if incident is not None:
        first = f"{emoji(incident)} *{where(incident)}, alarm {incident.id}:* {said}."
        return first, [section(first)], []
    first = f"🟢 *{environment.label}: {said}.*"
    return first, [section(first), *typed(summary)], []


def not_reached(
    environment: Environment, reach: Reach, incident: Incident | None, summary: str, now: datetime
) -> Drawn | None:
    """Draw that somebody who is to be told could not be; see `reached`."""
    if incident is not None and incident.resolved:
        return _open(environment, reach, incident, now) if reach.open else None
    if not reach.failed:
        return None
    number = str(incident.id) if incident is not None else ""
    of, label = f" of alarm {number}" if number else "", environment.label
    nobody = not (reach.told or reach.waiting)
    if nobody:
        first = f"🔴 *{label}: on-call could not be told{of}: {names(reach.failed)}.*"
    else:
        targets = "target" if len(reach.failed) == 1 else "targets"
        first = f"🔴 *{label}: on-call {targets} {names(reach.failed)} could not be told{of}.*"
    why = [f"Why: {failure(reason)}" for reason in dict.fromkeys(reach.failed.values())]
    others = Reach(reach.told, reach.waiting)
    lines = [*why[:_LISTED], "It is tried again, for up to 24 h."]
    lines += [f"{part[0].upper()}{part[1:]}." for part in reach_words(others, now, zone=" UTC")]
    remedy = by_phone(environment) if nobody else "`oncall` shows who else there is"
    text = join("\n", [first, *lines, mark("*Next:* {}.", remedy)])
    blocks = [section(text), *(typed(summary) if summary else [])]
    buttons = [Button("I'm on it", "own", number)] if number else []
    return (
        first,
        [*blocks, context(f"{clock(now, seconds=True)} UTC")],
        [*buttons, Button("On-call", "oncall")],
    )


def _open(environment: Environment, reach: Reach, incident: Incident, now: datetime) -> Drawn:
    """Draw that somebody could not be told of an end."""
    first = (
        f"🟡 *{environment.label}: {names(reach.open)} could not be told that alarm {incident.id} "
        "is over.*"
    )
    why = [f"Why: {failure(reason)}" for reason in dict.fromkeys(reach.open.values())]
    lines = [
        first,
        *why[:_LISTED],
        "It is tried again, for up to 24 h; until then it is open there.",
    ]
    at = context(f"{clock(now, seconds=True)} UTC")
    return first, [section(join("\n", lines)), at], [Button("On-call", "oncall")]


def failure(text: str) -> str:
    """Show why somebody could not be told, as it was reported: letter by letter, and cut."""
    return code(truncate(" ".join(text.split()), _LONGEST_REASON) or "unknown")
