"""What people on call are told, and what the channel hears of it."""

from datetime import datetime

from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.oncall import Page
from bot.render.blocks import (
    FIRST_LINE,
    Button,
    Drawn,
    Markup,
    code,
    context,
    link,
    mark,
    section,
    truncate,
    typed,
)
from bot.render.rules import facts, plain_claim, where
from bot.render.words import clock

LONGEST_TARGET = 40
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


def target_failed(
    environment: Environment,
    target: str,
    reason: str,
    *,
    incident: int,
    given_up: bool,
    now: datetime,
) -> Drawn:
    """Draw that somebody who is to be told could not be.

    Parameters
    ----------
    reason
        Why, without any address or key.
    incident
        Number of the alarm; 0 for a page by hand or a test.
    given_up
        True if it is not tried any more.
    """
    named, of = truncate(target, LONGEST_TARGET), f" of alarm {incident}" if incident else ""
    first = f"🔴 *{environment.label}: on-call target {named} could not be told{of}.*"
    what = "It is not tried any more." if given_up else "It is tried again, for up to 24 h."
    text = (
        f"{first}\nWhy: {failure(reason)}\n{what} *Next:* call them another way; `oncall` shows "
        "who else there is."
    )
    buttons = [Button("I'm on it", "own", str(incident))] if incident else []
    return (
        first,
        [section(text), context(f"{clock(now, seconds=True)} UTC")],
        [*buttons, Button("On-call", "oncall")],
    )


def failure(text: str) -> str:
    """Show why somebody could not be told, as it was reported: letter by letter, and cut."""
    return code(truncate(" ".join(text.split()), _LONGEST_REASON) or "unknown")
