"""`restore`: put back what a clear discarded, while it is kept."""

from collections.abc import AsyncIterator

from bot.command import Call, Change, Purpose, Right
from bot.domain.approvals import Happened, Plan, Request
from bot.domain.changes import RESULT, Clearing, Facts, Restoring
from bot.domain.errors import UserError
from bot.domain.streams import EntryId
from bot.grammar import quoted
from bot.render import restores
from bot.render.changes import visits_of
from bot.render.words import clock
from bot.services.approvals import Approved


async def plan(call: Call) -> Plan:
    """Find what the clear kept, and how the stream is."""
    request = await _cleared(call)
    cleared = Clearing.read(request.plan.bound)
    after = _delivered_then(request, cleared)
    archive = await call.services.changes.archive(
        cleared.instrument, request.id, after, cleared.last
    )
    if archive is None:
        raise UserError(
            f"What request {request.id} discarded is no longer there: it is back already, or was "
            f"kept until {_kept_until(call, request)}."
        )
    if archive.entries == 0:
        raise UserError(f"What request {request.id} discarded is back already.")
    survey = await call.services.changes.survey(cleared.instrument)
    if survey is None or survey.group is None:
        raise UserError(
            f"There is no stream or no group to put anything back into. "
            f"`bootstrap {cleared.instrument}` creates it.",
            suggestion="bootstrap",
        )
    if await call.services.changes.memory_full():
        raise UserError("Redis is out of memory, so nothing can be put back.", suggestion="ping")
    bound = Restoring(
        instrument=cleared.instrument,
        clear=request.id,
        after=after,
        last=cleared.last,
        entries=archive.entries,
        visits=visits_of(archive.visits),
        restored=archive.restored,
    )
    return restores.plan(
        call.environment, bound, archive, survey, cleared=request.started, now=call.now
    )


async def _cleared(call: Call) -> Request:
    """Find the clear that was meant.

    Raises
    ------
    UserError
        If it is none, or kept nothing.
    """
    word = call.arguments.words[0].removeprefix("#")
    if not word.isascii() or not word.isdigit() or len(word) > len(str(2**63)):
        raise UserError(
            f"`{quoted(word)}` is no ID. The card of the clear has its number.",
            usage=call.registry[call.name].usage_line,
        )
    request = await call.services.approvals.find(int(word))
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


def _delivered_then(request: Request, cleared: Clearing) -> EntryId:
    """Tell where the group stood when it was cleared: workers may have read since the card."""
    kept = request.outcome.before.get("last read") if request.outcome else None
    return EntryId.parse(kept) if kept else cleared.last_delivered


def _kept_until(call: Call, request: Request) -> str:
    at = request.started or request.asked
    return f"{clock(at + call.environment.keep_cleared, now=call.now)} UTC"


async def run(call: Call, approved: Approved) -> AsyncIterator[str | Facts]:
    """Put it back, part by part, so that no worker waits long for Redis."""
    async for facts in call.services.changes.restore(approved):
        yield facts if RESULT in facts else restores.progress(facts)


COMMANDS = (
    Change(
        name="restore",
        usage="ID",
        summary="put back what a clear discarded, while it is kept",
        purpose=Purpose.CHANGE,
        right=Right.OPERATOR,
        plan=plan,
        run=run,
        tell=restores.tell,
        details=(
            "ID is the number of the request that cleared the stream. Entries go back to the end "
            "of the stream with new IDs, so their waiting time starts anew; the workers still "
            "count from when the visit was announced, and the card says which they would skip."
        ),
    ),
)
