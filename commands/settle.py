"""`settle`: acknowledge entries that were read long ago and never confirmed."""

from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import datetime, timedelta

from bot.command import Call, Change
from bot.domain.approvals import Outcome, Plan, Request
from bot.domain.changes import JUST_READ, MOST_SETTLED, Facts, Settling
from bot.domain.environments import Environment
from bot.domain.errors import UserError
from bot.domain.streams import PendingEntry
from bot.render.plans import few, figure, made, named, not_made, number, visit
from bot.render.words import SAFE, amount, clock, count, duration
from bot.services.approvals import Approved
from bot.services.environments import Services

_DEFAULT = timedelta(hours=1)

_REASONS: Mapping[str, str] = {
    "none_left": "None of them was still unconfirmed and idle by the time {who} approved."
}


async def plan(call: Call) -> Plan:
    """List what would be acknowledged."""
    instrument, environment = call.instrument(), call.environment
    subject = f"{environment.label} {instrument}"
    idle = call.span("idle", _DEFAULT)
    if idle < JUST_READ:
        raise call.mistake(
            "`--idle` must be at least 1m: a worker may be about to confirm what it has just read."
        )
    entries = await call.services.streams.unconfirmed(instrument, idle)
    if entries is None:
        raise UserError(
            f"{subject} has no stream or no group. `bootstrap {instrument}` creates it.",
            suggestion="bootstrap",
        )
    if not entries:
        raise UserError(
            f"There is nothing to settle: {subject} has no entry that was read more than "
            f"{duration(idle)} ago and never confirmed.",
            suggestion="pending",
        )
    survey = await call.services.streams.survey(instrument)
    pending = survey.group.pending if survey is not None and survey.group is not None else 0
    bound = Settling(
        instrument=instrument,
        idle=idle,
        ids=tuple(each.entry.id for each in entries),
        visits=len({each.entry.visit for each in entries} - {None}),
        unconfirmed=max(pending, len(entries)),
    )
    return propose(environment, bound, entries, call.now)


def propose(
    environment: Environment, bound: Settling, entries: Sequence[PendingEntry], now: datetime
) -> Plan:
    """Say which entries would be acknowledged; the oldest comes first."""
    visits = list(dict.fromkeys(visit(each.entry) for each in entries if each.entry.visit))
    oldest = entries[0].idle
    facts = [
        ("Read", f"by workers, more than {duration(bound.idle)} ago, and never confirmed"),
        ("Oldest", f"read {duration(oldest)} ago, at {clock(now - oldest, now=now)} UTC"),
        ("Visits", few(visits) if visits else "unknown: the entries were trimmed away"),
        ("So", "they leave the list of unconfirmed entries; Redis never hands them out anyway"),
        ("Already skipped", f"these detectors. The {SAFE}; the list tells which ones"),
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


async def run(services: Services, approved: Approved) -> AsyncIterator[str | Facts]:
    """Do it, in one step."""
    yield await services.changes.settle(approved)


def tell(_: Environment, request: Request, facts: Facts) -> Outcome:
    """Say what was acknowledged, or why nothing was."""
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
    return made(
        facts,
        f"{amount(settled, visits)} settled" if settled is not None else "entries settled",
        told,
        counts=("settled", "kept"),
        notes=(f"`requests {request.id}` keeps the list, by visit and detector.",),
    )


COMMANDS = (
    Change(
        name="settle",
        usage="[INSTRUMENT] [--idle 1h] [--reason …]",
        summary="take entries off the list of unconfirmed ones that no worker will confirm",
        plan=plan,
        run=run,
        tell=tell,
        details=(
            "Acknowledges entries that were read longer ago than `--idle` and never confirmed; "
            "the card lists them by visit and detector, at most 1,000 at a time. Nothing is "
            "processed or skipped by it: their detectors were skipped when their worker died."
        ),
    ),
)
