"""What an incident's thread is told: one line for each turn, and at the end what was skipped."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from bot.domain.alarms import Holding, Incident, Severity, Skipped
from bot.domain.turns import Turn
from bot.render.alarms import HELD
from bot.render.blocks import Block, Button, Markup, mark, section, truncate, typed
from bot.render.figures import SAFE, minutes
from bot.render.findings import claim, name, where
from bot.render.resolved import outcome
from bot.render.words import clock, count

_IN_A_BLOCK = 60
_LISTED = 180
"""More do not fit into one message."""

_LONGEST_VISIT = 32


def transition(
    incident: Incident, turn: Turn, now: datetime, *, by: str = ""
) -> tuple[Markup, list[Block], list[Button]]:
    """Draw one turn.

    Parameters
    ----------
    incident
        As it was then.
    turn
        What happened.
    now
        When.
    by
        Who had the on-call told; empty where the clock did.
    """
    if turn is Turn.ASKED:
        return _asked(incident)
    first = mark(
        "{} *{}, alarm {}:* {} {} UTC",
        _emoji(incident, turn),
        where(incident),
        incident.id,
        _said(incident, turn, now, by),
        clock(now, seconds=True),
    )
    blocks = [section(first)]
    if turn is Turn.RESOLVED and incident.skipped:
        blocks += _catch_up(incident.skipped)
    return first, blocks, []


def _emoji(incident: Incident, turn: Turn) -> str:
    if turn is Turn.RESOLVED:
        return "🟢"
    return "🔴" if incident.severity is Severity.CRITICAL else "🟡"


def _said(incident: Incident, turn: Turn, now: datetime, by: str) -> str:
    match turn:
        case Turn.SEVERITY:
            critical = incident.severity is Severity.CRITICAL
            return f"{'critical now' if critical else 'a warning again'}, {claim(incident, now)}."
        case Turn.LEADING:
            return f"{claim(incident, now)}."
        case Turn.OWNED:
            who = name(incident.owner.name) if incident.owner else "nobody"
            return f"{who} is on it."
        case Turn.ESCALATED:
            told = ", ".join(_just_told(incident)) or "nobody"
            return f"{name(by)} has on-call told: {told}." if by else f"on-call is told: {told}."
        case Turn.HELD:
            held = HELD[incident.held or Holding.SILENCE]
            return f"{held}; its figures above go on, nobody is told."
        case Turn.SHOWN:
            return f"no longer held, and still firing: {claim(incident, now)}."
        case Turn.RESOLVED:
            lasted = minutes((incident.resolved or now) - incident.began)
            return f"resolved after {lasted}. {outcome(incident)}"
        case Turn.ASKED:
            return "still on it?"


def _just_told(incident: Incident) -> list[str]:
    last = max(incident.told.values(), default=None)
    return [each for each, at in incident.told.items() if at == last]


def _asked(incident: Incident) -> tuple[Markup, list[Block], list[Button]]:
    """Ask the owner, and nobody else, whether they still are."""
    owner = mark("<@{}>", incident.owner.id) if incident.owner else Markup()
    since = f" since {clock(incident.owned)} UTC" if incident.owned else ""
    text = mark(
        "{} {}, alarm {} still fires, and you are on it{}. Still?",
        owner,
        where(incident),
        incident.id,
        since,
    )
    return text, [section(text)], [Button("Still on it", "own", str(incident.id))]


def _catch_up(skipped: Sequence[Skipped]) -> Iterator[Block]:
    """List the visits that daytime catch-up can take, as they are, to be copied."""
    yield section(
        mark(
            "*Skipped, for catch-up* ({}; {})",
            count(len(skipped), "visit"),
            SAFE[:1].lower() + SAFE[1:],
        )
    )
    shown, more = skipped[:_LISTED], skipped[_LISTED:]
    for at in range(0, len(shown), _IN_A_BLOCK):
        yield from typed("\n".join(_line(each) for each in shown[at : at + _IN_A_BLOCK]))
    if more:
        entries = count(sum(each.entries for each in more), "entry")
        last = truncate(more[-1].visit, _LONGEST_VISIT)
        yield section(mark("and {} more ({}), the last one {}", f"{len(more):,}", entries, last))


def _line(each: Skipped) -> str:
    visit = truncate(each.visit, _LONGEST_VISIT) or "unknown"
    return f"{visit}  {count(each.entries, 'entry')}"
