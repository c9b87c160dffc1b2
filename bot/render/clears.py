"""`clear`, drawn: what would be discarded, and what was."""

from collections.abc import Mapping
from datetime import datetime

from bot.domain.approvals import NUMBER, Confirmation, Happened, Outcome, Plan, Request
from bot.domain.changes import Clearing, Facts, Survey
from bot.domain.environments import Environment
from bot.render.changes import (
    amount,
    audit,
    between,
    few,
    figure,
    length,
    named,
    night_warning,
    not_made,
    number,
    observing,
    visit_lines,
)
from bot.render.words import clock, count, duration

_HEADLINE = 64
"""Characters that leave room for names in the first line."""

_REASONS: Mapping[str, str] = {
    "waiting": "Nothing waits on the card, but entries waited by the time {who} approved. Nobody "
    "agreed to discard those.",
    "moved_back": "Somebody moved the group back after the card, so more would have been discarded "
    "than the card shows.",
    "memory": "Redis had run out of memory by the time {who} approved, so no copy could be kept. "
    "A new card will say that there is no undo.",
    "archive_exists": "Redis keeps a copy under this request's number already, and it was not "
    "overwritten. Ask again.",
    "arrived": "Entries arrived after the card, and `--delete` would have discarded them too. "
    "Without `--delete` they are kept.",
}


def plan(environment: Environment, bound: Clearing, survey: Survey, now: datetime) -> Plan:
    """Say what would be discarded.

    Parameters
    ----------
    environment, bound
        Where, and what the execution is bound to.
    survey
        The look that it was taken from.
    now
        When that was.
    """
    subject = f"{environment.label} {bound.instrument}"
    return Plan(
        subject=subject,
        headline=_headline(bound),
        facts=(
            ("Discarded", _discarded(bound, survey, now)),
            *_tidied(bound),
            *_others(bound, survey),
            ("Untouched", _untouched(bound)),
            ("Undo", _undo(environment, bound, now)),
            observing(environment, survey, now),
        ),
        streams=(environment.stream(bound.instrument),),
        bound=bound.mapping(),
        warning=night_warning(environment, survey, now),
        listing=visit_lines(survey.visits, now),
        confirmation=_confirmation(bound, subject),
    )


def _headline(bound: Clearing) -> str:
    if bound.waiting == 0 and not bound.delete:
        return f"tidy up {count(bound.length, 'entry')}, all of them read already"
    verb = "delete the stream with" if bound.delete else "discard"
    whole, entries = (
        f"{verb} {amount(bound.waiting, visits, capped=bound.capped, adjective='waiting')}"
        for visits in (bound.visits, 0)
    )
    return whole if len(whole) <= _HEADLINE else entries


def _discarded(bound: Clearing, survey: Survey, now: datetime) -> str:
    if bound.waiting == 0:
        return "nothing: no entry waits"
    # Where the count stopped, the last of the plan was not among those that were counted.
    first = survey.visits[0].oldest.id if survey.visits else None
    when = between(first, bound.last, now)
    return f"waiting visits that {when}; workers will never see them"


def _tidied(bound: Clearing) -> list[tuple[str, str]]:
    """Say what goes that nobody waits for."""
    read = ""
    if bound.capped:
        read = f"whatever of the {count(bound.length, 'entry')} in the stream was read already"
    elif bound.length > bound.waiting:
        read = f"{count(bound.length - bound.waiting, 'entry')} already read"
    if bound.delete:
        names = "all consumer names (workers bring theirs anew)"
        unconfirmed = count(bound.unconfirmed, "unconfirmed entry") if bound.unconfirmed else ""
        return [("Deleted too", "; ".join(part for part in (read, unconfirmed, names) if part))]
    facts = [("Tidied up", f"{read} (no effect on anyone)")] if read else []
    if bound.unconfirmed:
        facts.append(("Unconfirmed", f"{count(bound.unconfirmed, 'entry')}, settled too"))
    return facts


def _others(bound: Clearing, survey: Survey) -> list[tuple[str, str]]:
    if not survey.others:
        return []
    names = few([named(name) for name in survey.others])
    if bound.delete:
        return [("Other groups", f"{names}: deleted with the stream")]
    return [("Other groups", f"{names}: these entries are gone for them too")]


def _untouched(bound: Clearing) -> str:
    if bound.delete:
        return "nothing. If an entry arrives before it is done, nothing is done"
    return "whatever arrives after this card; group and workers"


def _undo(environment: Environment, bound: Clearing, now: datetime) -> str:
    if bound.delete:
        return "none: `--delete` keeps no copy"
    if not bound.copy:
        return "none: Redis is out of memory, so no copy can be kept"
    if bound.waiting == 0:
        return "none, and none is needed: all of it was read"
    restore = f"`restore {NUMBER}`"
    if bound.skipped is None:
        return f"{restore} for {duration(environment.keep_cleared)}"
    if bound.skipped <= now:
        kept = duration(environment.keep_cleared)
        return f"{restore} for {kept}; the workers would skip the oldest visit already"
    until = min(bound.skipped, now + environment.keep_cleared)
    return f"{restore} until {clock(until, now=now)} UTC; later the workers would skip them"


def _confirmation(bound: Clearing, subject: str) -> Confirmation:
    visits = count(bound.visits, "visit") if bound.visits else count(bound.waiting, "entry")
    least = "at least " if bound.capped else ""
    title = f"Discard {least}{visits} of {subject}?" if bound.waiting else f"Tidy up {subject}?"
    text = (
        f"{least}{count(bound.waiting, 'entry')} that no worker has read will not be processed."
        if bound.waiting
        else f"{count(bound.length, 'entry')} already read will be removed."
    )
    text = text[0].upper() + text[1:]
    if bound.delete:
        text += " There is no undo. If an entry arrives before it is done, nothing is done."
    else:
        text += " Entries that arrive from now on are kept."
    yes = "Discard them" if bound.waiting else "Remove them"
    return Confirmation(title, text, yes, "Keep them")


def tell(environment: Environment, request: Request, facts: Facts) -> Outcome:
    """Say what was discarded, or why nothing was."""
    bound = Clearing.read(request.plan.bound)
    read = count(bound.visits, "visit") if bound.visits else count(bound.waiting, "entry")
    these = "the visit" if read.startswith("1 ") and bound.visits else f"all {read}"
    if bound.capped:
        these = "everything on the card"
    reasons = {**_REASONS, "all_read": f"Workers had read {these} by the time {{who}} approved."}
    refused = not_made(request, facts, "nothing was discarded", reasons)
    if refused is not None:
        return refused
    return _deleted(bound, facts) if bound.delete else _cleared(environment, request, bound, facts)


def _cleared(environment: Environment, request: Request, bound: Clearing, facts: Facts) -> Outcome:
    discarded, now_waiting = number(facts, "discarded"), number(facts, "waiting_after")
    settled, copied = number(facts, "settled"), number(facts, "copied")
    now = figure(now_waiting)
    if now_waiting:
        now = amount(now_waiting, number(facts, "visits_after") or 0)
        now += ", arrived after the card, kept"
    told: list[tuple[str, str]] = [("Waiting, before", figure(discarded)), ("Waiting, now", now)]
    if discarded is not None and discarded < bound.waiting:
        read = bound.waiting - discarded
        told.append(("Read meanwhile", f"{count(read, 'entry')} of those on the card"))
    if settled:
        told.append(("Settled", count(settled, "unconfirmed entry")))
    told.append(("Stream", length(facts)))
    undone = bool(discarded and copied)
    return Outcome(
        Happened.YES,
        _done(bound, discarded, number(facts, "tidied")),
        facts=tuple(told),
        before=audit(
            facts,
            {
                "waiting": "waiting_before",
                "length": "length_before",
                "last read": "last_delivered_before",
            },
        ),
        after=audit(
            facts,
            {
                "waiting": "waiting_after",
                "length": "length_after",
                "discarded": "discarded",
                "settled": "settled",
                "last read": "last_delivered_after",
            },
        ),
        notes=(_kept(environment, request, bound),) if undone else _no_undo(discarded),
        undo=f"restore {request.id}" if undone else "",
    )


def _done(bound: Clearing, discarded: int | None, tidied: int | None) -> str:
    if not discarded:
        return f"{figure(tidied)} already read tidied up"
    # Of a part of them nobody knows how many visits they were.
    visits = bound.visits if discarded == bound.waiting and not bound.capped else 0
    return f"{amount(discarded, visits)} discarded"


def _kept(environment: Environment, request: Request, bound: Clearing) -> str:
    at = request.started or request.asked
    until = at + environment.keep_cleared
    kept = f"The entries are kept until {clock(until, now=at)} UTC."
    undo = f"Undo: `restore {request.id}`"
    if bound.skipped is None:
        return f"{undo}. {kept}"
    if bound.skipped <= at:
        return f"{undo}, but workers skip the oldest visit already. {kept}"
    useful = min(bound.skipped, until)
    return f"{undo}, useful until {clock(useful, now=at)} UTC. {kept}"


def _no_undo(discarded: int | None) -> tuple[str, ...]:
    return ("There is no undo: no copy was kept.",) if discarded else ()


def _deleted(bound: Clearing, facts: Facts) -> Outcome:
    entries = number(facts, "length_before")
    pending, names = number(facts, "pending_before"), number(facts, "consumers_before")
    waiting = amount(bound.waiting, bound.visits, capped=bound.capped)
    return Outcome(
        Happened.YES,
        f"the stream was deleted with {figure(entries)} and created anew",
        facts=(
            ("Waiting, before", f"{waiting}, as on the card"),
            ("Waiting, now", count(0, "entry")),
            ("Stream", length(facts)),
            ("Unconfirmed", f"{figure(pending)} before, 0 now"),
            ("Consumer names", f"{figure(names, 'name')} before, 0 now"),
        ),
        before=audit(
            facts,
            {
                "length": "length_before",
                "pending": "pending_before",
                "consumers": "consumers_before",
                "last read": "last_delivered_before",
            },
        ),
        after=audit(facts, {"length": "length_after", "groups dropped": "groups_dropped"}),
        notes=("There is no undo: `--delete` keeps no copy.",),
    )
