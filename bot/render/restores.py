"""`restore`, drawn: which entries of a clear would go back, and which did."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.domain.approvals import Happened, Outcome, Plan, Request
from bot.domain.changes import FENCED, RESULT, STALE, Archive, Facts, Restoring, Survey
from bot.domain.environments import Environment
from bot.render.changes import (
    IMAGES_SAFE,
    amount,
    audit,
    found,
    length,
    night_warning,
    not_made,
    number,
    observing,
    visit_lines,
)
from bot.render.words import clock, count, duration

_REASONS: Mapping[str, str] = {
    "no_archive": "The entries were no longer kept by the time {who} approved, or were back "
    "already.",
}


def plan(
    environment: Environment,
    bound: Restoring,
    archive: Archive,
    survey: Survey,
    *,
    cleared: datetime | None,
    now: datetime,
) -> Plan:
    """Say which entries would go back.

    Parameters
    ----------
    environment, bound
        Where, and what the execution is bound to.
    archive
        What the clear kept.
    survey
        The stream as it is.
    cleared
        When the clear was carried out.
    now
        When the look was taken.
    """
    when = f" {clock(cleared, now=now)} UTC" if cleared else ""
    facts = [("Goes back", f"what request {bound.clear} discarded{when}")]
    if bound.restored:
        facts.append(("Back already", count(bound.restored, "entry")))
    if environment.expiration is not None:
        facts.append(("Skipped", _skipped(archive, environment.expiration, now)))
    facts += [
        ("Waiting time", _waiting_time(archive, survey)),
        ("Untouched", f"what waits now: {found(survey)}; group and workers"),
        observing(environment, survey, now),
    ]
    return Plan(
        subject=f"{environment.label} {bound.instrument}",
        headline=f"put back {amount(bound.entries, bound.visits)}",
        facts=tuple(facts),
        streams=(environment.stream(bound.instrument),),
        bound=bound.mapping(),
        warning=night_warning(environment, survey, now),
        listing=visit_lines(archive.visits, now),
    )


def _skipped(archive: Archive, expiration: timedelta, now: datetime) -> str:
    """Say which entries the workers would drop all the same: they count from the announcement."""
    entries, visits, ahead = 0, 0, []
    for each in archive.visits:
        at = each.oldest.skipped_at(expiration)
        if at is not None and at <= now:
            entries += each.entries
            visits += each.oldest.visit is not None
        elif at is not None:
            ahead.append(at)
    if entries:
        old = f"announced more than {duration(expiration)} ago"
        return f"{amount(entries, visits)} all the same: {old}. {IMAGES_SAFE}"
    first = f"; the first visit from {clock(min(ahead), now=now)} UTC on" if ahead else ""
    return f"none now{first}. {IMAGES_SAFE}"


def _waiting_time(archive: Archive, survey: Survey) -> str:
    oldest = archive.visits[0].oldest.id if archive.visits else None
    if oldest is not None and survey.last_added < oldest:
        return "goes on: the entries keep their IDs"
    return "starts anew: the entries get new IDs, at the end of the stream"


def progress(facts: Facts) -> str:
    """Say how far it has come."""
    restored, total = number(facts, "restored"), number(facts, "total")
    if restored is None or total is None:
        return "Entries go back"
    return f"{restored:,} of {count(total, 'entry')} are back"


def tell(environment: Environment, request: Request, facts: Facts) -> Outcome:
    """Say what is back, or why nothing is."""
    del environment
    bound = Restoring.read(request.plan.bound)
    restored = number(facts, "restored") or 0
    rest = f"`restore {bound.clear}` goes on where it stopped; nothing comes back twice."
    if facts.get(RESULT) == FENCED:
        # Each part is a step of its own, and only the last one sets the marker.
        done = f"{request.progress[-1]}. " if request.progress else ""
        return Outcome(
            Happened.NO, "not everything was put back", notes=(f"It was interrupted. {done}{rest}",)
        )
    refused = not_made(request, facts, "nothing was put back", _REASONS)
    if refused is not None:
        if facts.get(RESULT) == STALE and restored > bound.restored:
            return replace(
                refused,
                happened=Happened.YES,
                headline=f"{count(restored, 'entry')} are back, the rest is not",
                after={"restored": str(restored)},
                notes=(*refused.notes, rest),
                well=False,
            )
        return refused
    visits = bound.visits if restored == bound.entries else 0
    told = [("Stream", length(facts))]
    same = number(facts, "same_ids")
    if same is not None and same < restored:
        told.append(("Waiting time", "starts anew: the entries have new IDs"))
    return Outcome(
        Happened.YES,
        f"{amount(restored, visits)} put back",
        facts=tuple(told),
        before=audit(facts, {"length": "length_before"}),
        after=audit(facts, {"length": "length_after", "restored": "restored"}),
        notes=("Workers read them like any other. `stats` shows how they do.",),
    )
