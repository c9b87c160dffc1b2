"""Incidents, listed: those that fire, those that are over; and what the thread of one is told."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bot.domain.alarms import Holding, Incident, Silence, Skipped, Transition
from bot.domain.environments import Environment
from bot.domain.rules import Severity
from bot.render.alarms import HELD
from bot.render.blocks import (
    Block,
    Button,
    Markup,
    context,
    join,
    link,
    mark,
    section,
    truncate,
    typed,
)
from bot.render.figures import SAFE, minutes, skipped
from bot.render.findings import claim, headline, name, short_of, where
from bot.render.resolved import outcome
from bot.render.silences import line, until
from bot.render.words import clock, count

Drawn = tuple[Markup, list[Block], list[Button]]

_LISTED = 20
_IN_A_BLOCK = 5
_BUTTONS = 2
_VISITS_IN_A_BLOCK = 60
_VISITS_LISTED = 180
"""More do not fit into one message."""

_LONGEST_VISIT = 32


def firing(
    environment: Environment,
    incidents: Sequence[Incident],
    silences: Sequence[Silence],
    now: datetime,
    links: Mapping[int, str] | None = None,
) -> Drawn:
    """Draw the alarms that fire, the worst first, and the silences.

    Parameters
    ----------
    environment
        Where.
    incidents
        In the order in which they are listed.
    silences
        Those that hold something at this moment.
    now
        When it is read.
    links
        Address of each one's message, by its number.
    """
    first = _first(environment, incidents)
    blocks = [section(first)]
    drawn = [_firing(each, now, links or {}) for each in incidents[:_LISTED]]
    blocks += _paragraphs(drawn, len(incidents))
    if silences:
        quiet = [line(each, now) for each in silences[:_LISTED]]
        blocks += _paragraphs([mark("*Silences*"), *quiet], len(silences) + 1)
    blocks.append(context(mark("{} UTC", clock(now, seconds=True))))
    free = [each for each in incidents if each.owner is None]
    buttons = [
        Button(_own(each, len(free)), "own", str(each.id), word=str(each.id))
        for each in free[:_BUTTONS]
    ]
    return first, blocks, buttons


def history(
    environment: Environment,
    incidents: Sequence[Incident],
    now: datetime,
    links: Mapping[int, str] | None = None,
) -> tuple[Markup, list[Block]]:
    """Draw the last alarms, newest first, whether they still fire or not."""
    if not incidents:
        first = mark("🟢 *{}: no alarm has fired yet.*", environment.label)
        return first, [section(first)]
    first = mark("*{}: the last {}.*", environment.label, count(len(incidents), "alarm"))
    drawn = [_was(each, now, links or {}) for each in incidents[:_LISTED]]
    return first, [section(first), *_paragraphs(drawn, len(incidents))]


def summary_line(incidents: Sequence[Incident], silences: Sequence[Silence], now: datetime) -> str:
    """Say in a few words what fires and what is silenced, for the short status."""
    parts = []
    if not incidents:
        parts.append("none firing")
    else:
        critical = sum(each.severity is Severity.CRITICAL for each in incidents)
        worst = f", {critical} critical" if critical else ""
        numbers = ", ".join(str(each.id) for each in incidents[:3])
        more = "…" if len(incidents) > 3 else ""  # noqa: PLR2004 -- as many as are named
        parts.append(f"{len(incidents)} firing{worst} ({numbers}{more})")
        held = sum(each.held is not None for each in incidents)
        if held:
            parts.append(f"{held} of them held")
    if silences:
        ends = [each.ends for each in silences]
        known = [at for at in ends if at is not None]
        last = until(None if len(known) < len(ends) else max(known), now)
        parts.append(f"{len(silences)} silenced {last}")
    return ", ".join(parts)


def worst(incidents: Sequence[Incident], now: datetime) -> tuple[Markup, Button | None] | None:
    """Give the first line of the worst alarm that is shown, and its button, for the short status.

    Parameters
    ----------
    incidents
        Those that fire, the worst first.
    now
        When it is read.
    """
    shown = next((each for each in incidents if each.held is None), None)
    if shown is None:
        return None
    own = Button("I'm on it", "own", str(shown.id)) if shown.owner is None else None
    return headline(shown, now), own


def owned(incident: Incident) -> tuple[Markup, list[Block]]:
    """Tell whoever took an incident what follows from it."""
    first = mark("You are on alarm {} ({}). Its message says so.", incident.id, where(incident))
    more = (
        "On-call knows of it already."
        if incident.told
        else "On-call is not told by the clock any more."
    )
    text = mark("{}\n{} You alone are asked from time to time whether you still are.", first, more)
    return first, [section(text)]


def transition(
    incident: Incident, transition: Transition, now: datetime, *, by: str = ""
) -> tuple[Markup, list[Block], list[Button]]:
    """Draw one transition.

    Parameters
    ----------
    incident
        As it was then.
    transition
        What happened.
    now
        When.
    by
        Who had the on-call told; empty where the clock did.
    """
    if transition is Transition.ASKED:
        return _asked(incident)
    first = mark(
        "{} *{}, alarm {}:* {} {} UTC",
        _emoji(incident, transition),
        where(incident),
        incident.id,
        _said(incident, transition, now, by),
        clock(now, seconds=True),
    )
    blocks = [section(first)]
    if transition is Transition.RESOLVED and incident.skipped:
        blocks += _catch_up(incident.skipped)
    return first, blocks, []


def _emoji(incident: Incident, transition: Transition) -> str:
    if transition is Transition.RESOLVED:
        return "🟢"
    return "🔴" if incident.severity is Severity.CRITICAL else "🟡"


def _said(incident: Incident, transition: Transition, now: datetime, by: str) -> str:
    match transition:
        case Transition.SEVERITY:
            critical = incident.severity is Severity.CRITICAL
            return f"{'critical now' if critical else 'a warning again'}, {claim(incident, now)}."
        case Transition.LEADING:
            return f"{claim(incident, now)}."
        case Transition.OWNED:
            who = name(incident.owner.name) if incident.owner else "nobody"
            return f"{who} is on it."
        case Transition.ESCALATED:
            told = ", ".join(_just_told(incident)) or "nobody"
            return f"{name(by)} has on-call told: {told}." if by else f"on-call is told: {told}."
        case Transition.HELD:
            held = HELD[incident.held or Holding.SILENCE]
            return f"{held}; its figures above go on, nobody is told."
        case Transition.SHOWN:
            return f"no longer held, and still firing: {claim(incident, now)}."
        case Transition.RESOLVED:
            lasted = minutes((incident.resolved or now) - incident.began)
            return f"resolved after {lasted}. {outcome(incident)}"
        case Transition.ASKED:
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
    shown, more = skipped[:_VISITS_LISTED], skipped[_VISITS_LISTED:]
    for at in range(0, len(shown), _VISITS_IN_A_BLOCK):
        yield from typed("\n".join(_visit(each) for each in shown[at : at + _VISITS_IN_A_BLOCK]))
    if more:
        entries = count(sum(each.entries for each in more), "entry")
        last = truncate(more[-1].visit, _LONGEST_VISIT)
        yield section(mark("and {} more ({}), the last one {}", f"{len(more):,}", entries, last))


def _visit(each: Skipped) -> str:
    visit = truncate(each.visit, _LONGEST_VISIT) or "unknown"
    return f"{visit}  {count(each.entries, 'entry')}"


def _first(environment: Environment, incidents: Sequence[Incident]) -> Markup:
    label = environment.label
    if not incidents:
        return mark("🟢 *{}: no alarm is firing.*", label)
    critical = sum(each.severity is Severity.CRITICAL for each in incidents)
    colour = "🔴" if critical else "🟡"
    if len(incidents) == 1:
        return mark("{} *{}: 1 alarm is firing, {}.*", colour, label, _severity(incidents[0]))
    bad = f"{critical:,} of them critical" if critical else "none critical"
    number = f"{len(incidents):,}"
    return mark("{} *{}: {} alarms are firing, {}.*", colour, label, number, bad)


def _severity(incident: Incident) -> str:
    return incident.severity.value if incident.severity is Severity.CRITICAL else "a warning"


def _own(incident: Incident, free: int) -> str:
    return "I'm on it" if free == 1 else f"I'm on {incident.id}"


def _firing(incident: Incident, now: datetime, links: Mapping[int, str]) -> Markup:
    since = f"since {clock(incident.began, now=now)} UTC ({minutes(now - incident.began)})"
    parts = [since, _who(incident, now)]
    if incident.held is not None:
        parts.append(HELD[incident.held])
    below = mark("{}", ", ".join(parts))
    return join("\n      ", [headline(incident, now), below + _link(incident, links)])


def _who(incident: Incident, now: datetime) -> str:
    if incident.owner is None:
        return "nobody owns it"
    since = f" since {clock(incident.owned, now=now)}" if incident.owned else ""
    return f"{name(incident.owner.name)} is on it{since}"


def _was(incident: Incident, now: datetime, links: Mapping[int, str]) -> Markup:
    if incident.resolved is None:
        return _firing(incident, now, links)
    ended = incident.resolved
    first = mark(
        "🟢 {} *{}* {}, {}",
        incident.id,
        where(incident),
        incident.name.replace("_", " "),
        "critical" if incident.worst is Severity.CRITICAL else "a warning",
    )
    began, lasted = clock(incident.began, now=now), minutes(ended - incident.began)
    parts = [f"{began} to {clock(ended, now=now)} UTC ({lasted})"]
    if incident.highest_waiting:
        parts.append(f"highest {short_of(incident)}")
    if incident.skipped:
        parts.append(f"{skipped(incident)} skipped, images are safe")
    if incident.owner is not None:
        parts.append(name(incident.owner.name))
    if incident.told:
        parts.append("on-call told")
    return join("\n      ", [first, mark("{}", ", ".join(parts)) + _link(incident, links)])


def _link(incident: Incident, links: Mapping[int, str]) -> Markup:
    url = links.get(incident.id)
    return mark(", {}", link(url, f"alarm {incident.id}")) if url else Markup()


def _paragraphs(lines: Sequence[Markup], total: int) -> list[Block]:
    lines = list(lines)
    if total > len(lines):
        lines.append(mark("and {} more", f"{total - len(lines):,}"))
    return [
        section(join("\n", lines[at : at + _IN_A_BLOCK]))
        for at in range(0, len(lines), _IN_A_BLOCK)
    ]
