"""`restore`: put back what a clear discarded, while it is kept."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from bot.command import Call, Change
from bot.domain.approvals import Happened, Outcome, Plan, Request
from bot.domain.changes import FENCED, RESULT, STALE, Archive, Clearing, Facts, Restoring, Survey
from bot.domain.environments import Environment
from bot.domain.errors import UserError
from bot.domain.streams import EntryId
from bot.grammar import quoted, whole_number
from bot.render import plans
from bot.render.words import CATCH_UP, amount, clock, count, duration
from bot.services.approvals import Approved
from bot.services.environments import Services

_REASONS: Mapping[str, str] = {
    "no_archive": "The entries were no longer kept by the time {who} approved, or were back "
    "already."
}


async def plan(call: Call) -> Plan:
    """Find what the clear kept, and how the stream is."""
    environment, streams, now = call.environment, call.services.streams, call.now
    request = await _cleared(call)
    cleared = Clearing.read(request.plan.bound)
    instrument = cleared.instrument
    # Workers may have read between the card and the clear.
    delivered = request.outcome.before.get("last read") if request.outcome else None
    after = EntryId.parse(delivered) if delivered else cleared.last_delivered
    archive = await streams.archive(instrument, request.id, after, cleared.last)
    if archive is None:
        until = (request.started or request.asked) + environment.keep_cleared
        raise UserError(
            f"What request {request.id} discarded is no longer there: it is back already, or was "
            f"kept until {clock(until, now=now)} UTC."
        )
    if archive.entries == 0:
        raise UserError(f"What request {request.id} discarded is back already.")
    survey = await streams.survey(instrument)
    if survey is None or survey.group is None:
        raise UserError(
            f"There is no stream or no group to put anything back into. "
            f"`bootstrap {instrument}` creates it.",
            suggestion="bootstrap",
        )
    if (await streams.server()).memory_full:
        raise UserError("Redis is out of memory, so nothing can be put back.", suggestion="ping")
    bound = Restoring(
        instrument=instrument,
        clear=request.id,
        after=after,
        last=cleared.last,
        entries=archive.entries,
        visits=plans.visits_of(archive.visits),
        restored=archive.restored,
    )
    return propose(environment, bound, archive, survey, cleared=request.started, now=now)


def propose(
    environment: Environment,
    bound: Restoring,
    archive: Archive,
    survey: Survey,
    *,
    cleared: datetime | None,
    now: datetime,
) -> Plan:
    """Say which entries would go back."""
    when = f" {clock(cleared, now=now)} UTC" if cleared else ""
    facts = [("Goes back", f"what request {bound.clear} discarded{when}")]
    if bound.restored:
        facts.append(("Back already", count(bound.restored, "entry")))
    if environment.expiration is not None:
        facts.append(("Skipped", _skipped(archive, environment.expiration, now)))
    return Plan(
        subject=f"{environment.label} {bound.instrument}",
        headline=f"put back {amount(bound.entries, bound.visits)}",
        facts=(
            *facts,
            ("Waiting time", _waiting_time(archive, survey)),
            ("Untouched", f"what waits now: {plans.found(survey)}; group and workers"),
            plans.observing_line(environment, survey.last_added.added, now),
        ),
        streams=(environment.stream(bound.instrument),),
        bound=bound.mapping(),
        warning=plans.night_warning(environment, survey, now),
        listing=plans.visit_lines(archive.visits, now),
    )


async def _cleared(call: Call) -> Request:
    """Find the clear that was meant; mistakes are those of a request that kept nothing."""
    word = call.arguments.words[0]
    number = whole_number(word)
    if number is None:
        raise call.mistake(
            f"`{quoted(word.removeprefix('#'))}` is no ID. The card of the clear has its number."
        )
    request = await call.services.approvals.find(number)
    if request.command != "clear":
        raise UserError(
            f"Request {request.id} was a `{request.command}`; only a `clear` can be restored."
        )
    outcome = request.outcome
    if outcome is None:
        raise UserError(f"Request {request.id} is {request.state.value}: it discarded nothing.")
    if outcome.happened is Happened.UNKNOWN:
        raise UserError(f"Nobody knows yet whether request {request.id} discarded anything.")
    if outcome.happened is Happened.NO:
        raise UserError(f"Request {request.id} discarded nothing, so there is nothing to put back.")
    if not outcome.undo:
        notes = " ".join(outcome.notes) or "All that it removed was read already."
        raise UserError(f"Request {request.id} cannot be restored. {notes}")
    return request


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
        return f"{amount(entries, visits)} all the same: {old}. {CATCH_UP.capitalize()}"
    first = f"; the first visit from {clock(min(ahead), now=now)} UTC on" if ahead else ""
    return f"none now{first}. {CATCH_UP.capitalize()}"


def _waiting_time(archive: Archive, survey: Survey) -> str:
    oldest = archive.visits[0].oldest.id if archive.visits else None
    if oldest is not None and survey.last_added < oldest:
        return "goes on: the entries keep their IDs"
    return "starts anew: the entries get new IDs, at the end of the stream"


async def run(services: Services, approved: Approved) -> AsyncIterator[str | Facts]:
    """Put it back, part by part, so that no worker waits long for Redis."""
    async for facts in services.changes.restore(approved):
        yield facts if RESULT in facts else progress(facts)


def progress(facts: Facts) -> str:
    """Say how far it has come."""
    restored, total = plans.number(facts, "restored"), plans.number(facts, "total")
    if restored is None or total is None:
        return "Entries go back"
    return f"{restored:,} of {count(total, 'entry')} are back"


def tell(_: Environment, request: Request, facts: Facts) -> Outcome:
    """Say what is back, or why nothing is."""
    bound = Restoring.read(request.plan.bound)
    restored = plans.number(facts, "restored") or 0
    rest = f"`restore {bound.clear}` goes on where it stopped; nothing comes back twice."
    if facts.get(RESULT) == FENCED:
        # Each part is a step of its own, and only the last one sets the marker.
        done = f"{request.progress[-1]}. " if request.progress else ""
        return Outcome(
            Happened.NO, "not everything was put back", notes=(f"It was interrupted. {done}{rest}",)
        )
    refused = plans.not_made(request, facts, "nothing was put back", _REASONS)
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
    told = [("Stream", plans.length(facts))]
    same = plans.number(facts, "same_ids")
    if same is not None and same < restored:
        told.append(("Waiting time", "starts anew: the entries have new IDs"))
    return plans.made(
        facts,
        f"{amount(restored, visits)} put back",
        told,
        counts=("restored",),
        notes=("Workers read them like any other. `stats` shows how they do.",),
    )


COMMANDS = (
    Change(
        name="restore",
        usage="ID",
        summary="put back what a clear discarded, while it is kept",
        plan=plan,
        run=run,
        tell=tell,
        details=(
            "ID is the number of the request that cleared the stream. Entries go back to the end "
            "of the stream with new IDs, so their waiting time starts anew; the workers still "
            "count from when the visit was announced, and the card says which they would skip."
        ),
    ),
)
