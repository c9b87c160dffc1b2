"""`clear`: discard what waits, up to the last entry that the card showed."""

from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from datetime import datetime

from bot.command import Call, Change
from bot.domain.approvals import NUMBER, Confirmation, Outcome, Plan, Request
from bot.domain.changes import Clearing, Facts, Survey
from bot.domain.environments import Environment
from bot.domain.errors import RedisError, UserError
from bot.render import plans
from bot.render.forms import Choice, Form, Text, Tick
from bot.render.words import amount, clock, count, duration
from bot.services.approvals import Approved
from bot.services.environments import Services

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


def form(call: Call) -> Form | None:
    """Ask for what was not typed."""
    if call.arguments.words:
        return None
    return Form(
        command="clear",
        title="Clear a stream",
        submit="Ask for it",
        fields=(
            Choice("instrument", "Instrument", call.environment.instruments),
            Tick("delete", "How", "Delete the key itself: no copy, no undo"),
            Text("reason", "Why nobody needs these visits", optional=True),
        ),
        explained=(
            "Waiting entries are discarded once somebody has approved it. They are kept for a "
            "while, so that they can be put back."
        ),
    )


async def plan(call: Call) -> Plan:
    """Look at what waits, and at what else is in the stream."""
    environment, instrument = call.environment, call.instrument()
    subject = f"{environment.label} {instrument}"
    survey = await call.services.streams.survey(instrument)
    if survey is None or survey.group is None:
        what = "stream" if survey is None else "group"
        raise UserError(
            f"{subject} has no {what}, so there is nothing to clear. "
            f"`bootstrap {instrument}` creates it.",
            suggestion="bootstrap",
        )
    if survey.length == 0 or survey.last is None:
        raise UserError(f"There is nothing to clear: the stream of {subject} is empty.")
    delete = "delete" in call.arguments.options
    oldest = survey.visits[0].oldest if survey.visits else None
    expiration = environment.expiration
    bound = Clearing(
        instrument=instrument,
        last=survey.last,
        last_added=survey.last_added,
        added=survey.added,
        last_delivered=survey.group.last_delivered,
        waiting=survey.entries,
        visits=plans.visits_of(survey.visits),
        capped=survey.capped,
        length=survey.length,
        unconfirmed=survey.group.pending,
        copy=not delete and not (await call.services.streams.server()).memory_full,
        delete=delete,
        skipped=oldest.skipped_at(expiration) if oldest is not None and expiration else None,
    )
    return propose(environment, bound, survey, call.now)


def propose(environment: Environment, bound: Clearing, survey: Survey, now: datetime) -> Plan:
    """Say what would be discarded."""
    subject = f"{environment.label} {bound.instrument}"
    return Plan(
        subject=subject,
        headline=_headline(bound),
        facts=(
            ("Discarded", _discarded(bound, survey, now)),
            *_tidied(bound),
            *_others(bound, survey),
            (
                "Untouched",
                "nothing. If an entry arrives before it is done, nothing is done"
                if bound.delete
                else "whatever arrives after this card; group and workers",
            ),
            ("Undo", _undo(environment, bound, now)),
            plans.observing_line(environment, survey.last_added.added, now),
        ),
        streams=(environment.stream(bound.instrument),),
        bound=bound.mapping(),
        warning=plans.night_warning(environment, survey, now),
        listing=plans.visit_lines(survey.visits, now),
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
    first = survey.visits[0].oldest.id.added if survey.visits else None
    last = bound.last.added
    when = "at unknown times"
    if first is not None and last is not None:
        begin, end = (clock(at, seconds=True, now=now) for at in (first, last))
        when = f"{begin} UTC" if begin == end else f"{begin} to {end} UTC"
    return f"waiting visits that arrived {when}; workers will never see them"


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
    lost = "deleted with the stream" if bound.delete else "these entries are gone for them too"
    return [("Other groups", f"{plans.few([plans.named(name) for name in survey.others])}: {lost}")]


def _undo(environment: Environment, bound: Clearing, now: datetime) -> str:
    if bound.delete:
        return "none: `--delete` keeps no copy"
    if not bound.copy:
        return "none: Redis is out of memory, so no copy can be kept"
    if bound.waiting == 0:
        return "none, and none is needed: all of it was read"
    restore = f"`restore {NUMBER}`"
    kept = f"{restore} for {duration(environment.keep_cleared)}"
    if bound.skipped is None:
        return kept
    if bound.skipped <= now:
        return f"{kept}; the workers would skip the oldest visit already"
    until = min(bound.skipped, now + environment.keep_cleared)
    return f"{restore} until {clock(until, now=now)} UTC; later the workers would skip them"


def _confirmation(bound: Clearing, subject: str) -> Confirmation:
    if bound.delete:
        after = "There is no undo. If an entry arrives before it is done, nothing is done."
    else:
        after = "Entries that arrive from now on are kept."
    if not bound.waiting:
        text = f"{count(bound.length, 'entry')} already read will be removed. {after}"
        return Confirmation(f"Tidy up {subject}?", text, "Remove them", "Keep them")
    visits = count(bound.visits, "visit") if bound.visits else count(bound.waiting, "entry")
    least = "at least " if bound.capped else ""
    text = f"{least}{count(bound.waiting, 'entry')} that no worker has read will not be processed."
    title = f"Discard {least}{visits} of {subject}?"
    text = f"{text[0].upper()}{text[1:]} {after}"
    return Confirmation(title, text, "Discard them", "Keep them")


async def run(services: Services, approved: Approved) -> AsyncIterator[str | Facts]:
    """Do it, in one step; then count the visits that arrived since the card."""
    facts = await services.changes.clear(approved)
    # The marker knows the entries; that they are visits is told where Redis still answers.
    with suppress(RedisError):
        instrument = Clearing.read(approved.request.plan.bound).instrument
        survey = await services.streams.survey(instrument)
        if survey is not None and str(survey.entries) == facts.get("waiting_after"):
            facts = {**facts, "visits_after": str(plans.visits_of(survey.visits))}
    yield facts


def tell(environment: Environment, request: Request, facts: Facts) -> Outcome:
    """Say what was discarded, or why nothing was."""
    bound = Clearing.read(request.plan.bound)
    read = count(bound.visits, "visit") if bound.visits else count(bound.waiting, "entry")
    these = "the visit" if read.startswith("1 ") and bound.visits else f"all {read}"
    if bound.capped:
        these = "everything on the card"
    reasons = {**_REASONS, "all_read": f"Workers had read {these} by the time {{who}} approved."}
    refused = plans.not_made(request, facts, "nothing was discarded", reasons)
    if refused is not None:
        return refused
    return _deleted(bound, facts) if bound.delete else _cleared(environment, request, bound, facts)


def _cleared(environment: Environment, request: Request, bound: Clearing, facts: Facts) -> Outcome:
    discarded, now_waiting = plans.number(facts, "discarded"), plans.number(facts, "waiting_after")
    now = plans.figure(now_waiting)
    if now_waiting:
        now = amount(now_waiting, plans.number(facts, "visits_after") or 0)
        now += ", arrived after the card, kept"
    told = [("Waiting, before", plans.figure(discarded)), ("Waiting, now", now)]
    if discarded is not None and discarded < bound.waiting:
        read = bound.waiting - discarded
        told.append(("Read meanwhile", f"{count(read, 'entry')} of those on the card"))
    if settled := plans.number(facts, "settled"):
        told.append(("Settled", count(settled, "unconfirmed entry")))
    if not discarded:
        headline = f"{plans.figure(plans.number(facts, 'tidied'))} already read tidied up"
    else:
        # Of a part of them nobody knows how many visits they were.
        visits = bound.visits if discarded == bound.waiting and not bound.capped else 0
        headline = f"{amount(discarded, visits)} discarded"
    undone = bool(discarded and plans.number(facts, "copied"))
    notes = ("There is no undo: no copy was kept.",) if discarded else ()
    return plans.made(
        facts,
        headline,
        (*told, ("Stream", plans.length(facts))),
        counts=("discarded", "settled"),
        notes=(_kept(environment, request, bound),) if undone else notes,
        undo=f"restore {request.id}" if undone else "",
    )


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


def _deleted(bound: Clearing, facts: Facts) -> Outcome:
    entries = plans.figure(plans.number(facts, "length_before"))
    pending, names = plans.number(facts, "pending_before"), plans.number(facts, "consumers_before")
    waiting = amount(bound.waiting, bound.visits, capped=bound.capped)
    return plans.made(
        facts,
        f"the stream was deleted with {entries} and created anew",
        (
            ("Waiting, before", f"{waiting}, as on the card"),
            ("Waiting, now", count(0, "entry")),
            ("Stream", plans.length(facts)),
            ("Unconfirmed", f"{plans.figure(pending)} before, 0 now"),
            ("Consumer names", f"{plans.figure(names, 'name')} before, 0 now"),
        ),
        counts=("groups_dropped",),
        notes=("There is no undo: `--delete` keeps no copy.",),
    )


COMMANDS = (
    Change(
        name="clear",
        usage="INSTRUMENT [--delete] [--reason …]",
        summary="discard what waits, when nobody needs it",
        plan=plan,
        run=run,
        tell=tell,
        form=form,
        details=(
            "Discards the entries that the card shows, and no other: whatever arrives later is "
            "kept. The stream and its group are there at every moment, so neither workers nor "
            "KEDA get an error. What is discarded is kept for a day: `restore` puts it back.\n"
            "`--delete` does what the written procedure says, DEL and XGROUP CREATE, in one step: "
            "no copy, no undo, and only if nothing has arrived since the card."
        ),
    ),
)
