"""What the plans and outcomes of several changes say: amounts, the sky, why nothing was done.

Text here is plain and for people; whoever draws it escapes it. What others wrote into a stream is
put on one line and cut, so that it cannot pass for a line of the card.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.domain.approvals import Happened, Outcome, Request
from bot.domain.changes import DONE, FENCED, RESULT, Facts, Survey, VisitCount
from bot.domain.environments import Environment
from bot.domain.night import is_night
from bot.domain.streams import Entry
from bot.render.streams import QUIET, sky
from bot.render.words import amount, clock, count, duration

_LONGEST_NAME = 60
_FEW = 3

_GONE_WRONG: Mapping[str, str] = {
    "no_stream": "The stream was gone by the time {who} approved. `bootstrap` creates it.",
    "no_group": "The group was gone by the time {who} approved. `bootstrap` creates it.",
    "recreated": "Somebody deleted the stream and created it anew after the card.",
    "changing": "The stream was trimmed all the time while its entries were counted. Ask again.",
}
"""Reasons that any change may meet."""

_AUDITED = ("lag", "waiting", "length", "pending", "consumers", "last_delivered")
"""The facts that the audit tells before and after."""

_OTHERWISE = "What Redis held was no longer what the card shows."


def named(text: str | None) -> str:
    """Show a name that somebody else wrote: on one line, cut, and not as code."""
    plain = " ".join((text or "").replace("`", "'").split())
    return plain if len(plain) <= _LONGEST_NAME else f"{plain[:_LONGEST_NAME]}…"


def visits_of(visits: Sequence[VisitCount]) -> int:
    """Count the visits that have a name."""
    return sum(1 for each in visits if each.oldest.visit is not None)


def found(survey: Survey, *, adjective: str = "") -> str:
    """Write how many entries a survey counted."""
    visits = visits_of(survey.visits)
    return amount(survey.entries, visits, capped=survey.capped, adjective=adjective)


def visit(entry: Entry) -> str:
    """Name the visit of an entry, with its survey: ``2026-11-24T04:53:50.204 (BLOCK-430)``."""
    if entry.visit is None:
        return "no visit named"
    return f"{named(entry.visit)} ({named(entry.survey)})" if entry.survey else named(entry.visit)


def few(names: Sequence[str]) -> str:
    """Name the first few, and how many more there are."""
    more = len(names) - _FEW
    return ", ".join(names[:_FEW]) + (f" and {more:,} more" if more > 0 else "")


def visit_lines(visits: Sequence[VisitCount], now: datetime) -> tuple[str, ...]:
    """List visits: name, entries, and when the first entry arrived."""
    lines = []
    for each in visits:
        added = each.oldest.id.added
        at = f"{clock(added, seconds=True, now=now)} UTC" if added else "at an unknown time"
        lines.append(f"{visit(each.oldest)}: {count(each.entries, 'entry')}, arrived {at}")
    return tuple(lines)


def observing_line(
    environment: Environment,
    announced: datetime | None,
    now: datetime,
    *,
    never: str = "No visit announced yet",
) -> tuple[str, str]:
    """Say whether it is night, and when a visit was announced last: a line of the card."""
    night = is_night(environment.site, now)
    says = f"yes, {sky(environment, now)}" if night else "no, by day"
    return "Observing", f"{says}. {_last_announced(announced, now, never)}"


def night_warning(environment: Environment, survey: Survey, now: datetime) -> str:
    """Say at night that visits arrive, as far as Redis shows it; empty by day."""
    if not is_night(environment.site, now):
        return ""
    night = f"It is {sky(environment, now)}"
    announced = survey.last_added.added
    if announced is None or now - announced > QUIET:
        return f"{night}. {_last_announced(announced, now)}."
    times = [each.oldest.id.added for each in survey.visits if each.oldest.visit is not None]
    known = [each for each in times if each is not None]
    if len(known) <= _FEW:
        return f"{night}, and the last visit was announced {duration(now - announced)} ago."
    every = (known[-1] - known[0]) / (len(known) - 1)
    return f"{night} and visits arrive every {duration(every)}."


def _last_announced(
    announced: datetime | None, now: datetime, never: str = "No visit announced yet"
) -> str:
    return never if announced is None else f"Last visit announced {duration(now - announced)} ago"


def not_made(
    request: Request, facts: Facts, headline: str, reasons: Mapping[str, str]
) -> Outcome | None:
    """Say why nothing was done; None where something was.

    Parameters
    ----------
    facts
        Of the execution, or from the marker.
    headline
        What did not happen: ``nothing was discarded``.
    reasons
        Sentences by the facts' reason, beside those that every change may meet; ``{who}`` is
        whoever approved.
    """
    if facts.get(RESULT) == FENCED:
        return Outcome(
            Happened.NO,
            "nothing was changed",
            notes=("It was interrupted before it began, and can no longer happen. Ask again.",),
        )
    if facts.get(RESULT) == DONE:
        return None
    return outdated(request, facts, headline, {**_GONE_WRONG, **reasons}, _OTHERWISE)


def outdated(
    request: Request, facts: Facts, headline: str, reasons: Mapping[str, str], otherwise: str
) -> Outcome:
    """Say that what was found was no longer what the card shows, so that nothing was done."""
    who = named(request.votes[-1].person.name) if request.votes else "an approver"
    sentence = reasons.get(facts.get("why", ""), otherwise).replace("{who}", who)
    return Outcome(Happened.NO, headline, notes=(sentence,))


def number(facts: Facts, name: str) -> int | None:
    """Read a figure; None where it is not among the facts, or is none."""
    text = facts.get(name, "")
    return int(text) if text.removeprefix("-").isdecimal() else None


def figure(value: int | None, noun: str = "entry") -> str:
    """Write a figure with its unit, or that it is unknown."""
    return "unknown: Redis did not say" if value is None else count(value, noun)


def length(facts: Facts) -> str:
    """Write how many entries the stream had, and has: ``130,792 entries before, 688 now``."""
    after = number(facts, "length_after")
    now = "unknown" if after is None else f"{after:,}"
    return f"{figure(number(facts, 'length_before'))} before, {now} now"


def made(
    facts: Facts,
    headline: str,
    told: Sequence[tuple[str, str]],
    *,
    counts: Sequence[str] = (),
    notes: Sequence[str] = (),
    undo: str = "",
    well: bool = True,
) -> Outcome:
    """Say what was done, and have the audit keep the figures before and after.

    Parameters
    ----------
    counts
        Names of further facts for the audit: how much was done.
    """
    before, after = (
        {
            ("last read" if fact == "last_delivered" else fact): facts[f"{fact}_{when}"]
            for fact in _AUDITED
            if f"{fact}_{when}" in facts
        }
        for when in ("before", "after")
    )
    after |= {name.replace("_", " "): facts[name] for name in counts if name in facts}
    return Outcome(
        Happened.YES,
        headline,
        facts=tuple(told),
        before=before,
        after=after,
        notes=tuple(notes),
        undo=undo,
        well=well,
    )
