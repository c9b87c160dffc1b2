"""An incident that is over: how long it took, how bad it was, which visits were skipped."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from bot.domain.alarms import Incident
from bot.render.blocks import Block, Markup, context, mark, section
from bot.render.figures import SAFE, amount, memory, minutes, skipped
from bot.render.findings import name, where
from bot.render.words import clock, count, duration

BRIEF = timedelta(minutes=10)
"""What was over by then, and concerned nobody, leaves few words."""


def resolved(incident: Incident, now: datetime) -> tuple[Markup, list[Block]]:
    """Draw an incident that is over; nothing more can be done about it."""
    ended = incident.resolved or now
    lasted = ended - incident.began
    first = mark(
        "🟢 *{}: resolved after {}. {}* Alarm {}",
        where(incident),
        minutes(lasted),
        outcome(incident),
        incident.id,
    )
    blocks = [section(first, _remains(incident, ended, brief=_is_brief(incident, lasted)))]
    if incident.name == "unreachable":
        blocks.append(
            section(
                mark(
                    "*Check:* a visit announced while Redis was away is not in the stream, because "
                    "the fan-out service does not keep it: it is skipped. {}.",
                    SAFE,
                )
            )
        )
    foot = f"history in the thread · updated {clock(ended, seconds=True)} UTC"
    return first, [*blocks, context(mark("{}", foot))]


def _is_brief(incident: Incident, lasted: timedelta) -> bool:
    concerned = incident.skipped or incident.owner is not None or incident.told
    return lasted < BRIEF and not concerned


def outcome(incident: Incident) -> str:
    """Say how it is now that it is over."""
    figures = incident.figures
    match incident.name:
        case "unreachable":
            return "Redis answers again."
        case "missing":
            return "Stream and group are there."
        case "memory":
            return f"Redis uses {memory(figures)}."
        case "pending" if figures.unconfirmed:
            return f"{count(figures.unconfirmed, 'entry')} unconfirmed."
        case "pending":
            return "Nothing is unconfirmed."
        case "consumers":
            return f"{count(figures.consumers, 'consumer name')} now."
        case "silent":
            return "Visits come again, or it is day."
        case _ if incident.skipped:
            were = "visit was" if len(incident.skipped) == 1 else "visits were"
            return f"{len(incident.skipped):,} {were} skipped."
        case _:
            return "No visit was skipped."


def _remains(incident: Incident, ended: datetime, *, brief: bool) -> Iterator[tuple[str, Markup]]:
    began = clock(incident.began, seconds=True, now=ended)
    yield "From, to", mark("{} to {} UTC", began, clock(ended, seconds=True))
    if incident.name == "backlog":
        highest = amount(
            incident.highest_waiting, incident.highest_visits, capped=incident.highest_capped
        )
        yield "Highest", mark("{} waiting", highest)
        if not brief and incident.highest_wait is not None:
            yield "Longest wait", mark("{}", duration(incident.highest_wait))
        if incident.skipped:
            yield "Skipped", mark("{}", _all_skipped(incident, ended))
    if incident.owner is not None:
        since = f" from {clock(incident.owned, now=ended)} UTC" if incident.owned else ""
        yield "Who", mark("{} was on it{}", name(incident.owner.name), since)
    if incident.told:
        told = clock(min(incident.told.values()), now=ended)
        yield "On-call", mark("told at {} UTC", told)


def _all_skipped(incident: Incident, ended: datetime) -> str:
    times = [each.at for each in incident.skipped]
    first, last = (clock(at, now=ended) for at in (min(times), max(times)))
    span = f"{first} to {last}" if first != last else first
    return f"{skipped(incident)}, {span} UTC; list in the thread for catch-up. {SAFE}."
