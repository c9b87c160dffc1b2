"""`settle`, drawn: which unconfirmed entries would be acknowledged, and which were."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.domain.approvals import Happened, Outcome, Plan, Request
from bot.domain.changes import MOST_SETTLED, Facts, Settling
from bot.domain.environments import Environment
from bot.domain.streams import PendingEntry
from bot.render.changes import amount, audit, few, figure, named, not_made, number, visit
from bot.render.words import clock, count, duration

_REASONS: Mapping[str, str] = {
    "none_left": "None of them was still unconfirmed and idle by the time {who} approved.",
}


def plan(
    environment: Environment, bound: Settling, entries: Sequence[PendingEntry], now: datetime
) -> Plan:
    """Say which entries would be acknowledged.

    Parameters
    ----------
    environment, bound
        Where, and what the execution is bound to.
    entries
        The entries, oldest first.
    now
        When the look was taken.
    """
    visits = list(dict.fromkeys(visit(each.entry) for each in entries if each.entry.visit))
    oldest = entries[0]
    read = now - oldest.idle
    facts = [
        ("Read", f"by workers, more than {duration(bound.idle)} ago, and never confirmed"),
        ("Oldest", f"read {duration(oldest.idle)} ago, at {clock(read, now=now)} UTC"),
        ("Visits", few(visits) if visits else "unknown: the entries were trimmed away"),
        ("So", "they leave the list of unconfirmed entries; Redis never hands them out anyway"),
        ("Already skipped", "these detectors. The images are safe; the list tells which ones"),
        ("Untouched", "what waits, and what was confirmed or handed out again by then"),
        ("Undo", "none"),
    ]
    left = bound.unconfirmed - len(entries)
    if left > 0:
        more = f"read less than {duration(bound.idle)} ago"
        if len(entries) == MOST_SETTLED:
            more = f"a card takes {MOST_SETTLED:,} at a time, the oldest first"
        facts.insert(1, ("Left", f"{count(left, 'entry')}: {more}"))
    return Plan(
        subject=f"{environment.label} {bound.instrument}",
        headline=f"settle {amount(len(entries), bound.visits, adjective='unconfirmed')}",
        facts=tuple(facts),
        streams=(environment.stream(bound.instrument),),
        bound=bound.mapping(),
        listing=tuple(_line(each) for each in entries),
    )


def _line(one: PendingEntry) -> str:
    where = visit(one.entry) if one.entry.visit else "visit unknown: trimmed away"
    return (
        f"{where}, detector {named(one.entry.detector) or 'unknown'}, "
        f"silent for {duration(one.idle)}, entry {one.entry.id}"
    )


def tell(environment: Environment, request: Request, facts: Facts) -> Outcome:
    """Say what was acknowledged, or why nothing was."""
    del environment
    refused = not_made(request, facts, "nothing was settled", _REASONS)
    if refused is not None:
        return refused
    bound = Settling.read(request.plan.bound)
    settled = number(facts, "settled")
    told = [
        ("Unconfirmed, before", figure(number(facts, "pending_before"))),
        ("Unconfirmed, now", figure(number(facts, "pending_after"))),
    ]
    if gone := number(facts, "gone"):
        told.append(("Confirmed meanwhile", count(gone, "entry")))
    if kept := number(facts, "kept"):
        told.append(("Kept", f"{count(kept, 'entry')}: handed out again since the card"))
    visits = bound.visits if settled == len(bound.ids) else 0
    return Outcome(
        Happened.YES,
        f"{amount(settled, visits)} settled" if settled is not None else "entries settled",
        facts=tuple(told),
        before=audit(facts, {"pending": "pending_before"}),
        after=audit(facts, {"pending": "pending_after", "settled": "settled", "kept": "kept"}),
        notes=(f"`requests {request.id}` keeps the list, by visit and detector.",),
    )
