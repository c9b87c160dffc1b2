"""`clear`: discard what waits, up to the last entry that the card showed."""

from collections.abc import AsyncIterator
from contextlib import suppress

from bot.command import Call, Change, Purpose, Right
from bot.domain.approvals import Plan
from bot.domain.changes import Clearing, Facts
from bot.domain.errors import RedisError, UserError
from bot.render import clears
from bot.render.blocks import Markup
from bot.render.changes import visits_of
from bot.render.forms import Choice, Form, Text, Tick
from bot.services.approvals import Approved


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
        explained=Markup(
            "Waiting entries are discarded once somebody has approved it. They are kept for a "
            "while, so that they can be put back."
        ),
    )


async def plan(call: Call) -> Plan:
    """Look at what waits, and at what else is in the stream."""
    environment = call.environment
    instrument = call.instrument()
    survey = await call.services.changes.survey(instrument)
    if survey is None or survey.group is None:
        what = "stream" if survey is None else "group"
        raise UserError(
            f"{environment.label} {instrument} has no {what}, so there is nothing to clear. "
            f"`bootstrap {instrument}` creates it.",
            suggestion="bootstrap",
        )
    if survey.length == 0 or survey.last is None:
        raise UserError(
            f"There is nothing to clear: the stream of {environment.label} {instrument} is empty."
        )
    delete = "delete" in call.arguments.options
    oldest = survey.visits[0].oldest if survey.visits else None
    expiration = environment.expiration
    skipped = oldest.skipped_at(expiration) if oldest is not None and expiration else None
    bound = Clearing(
        instrument=instrument,
        last=survey.last,
        last_added=survey.last_added,
        added=survey.added,
        last_delivered=survey.group.last_delivered,
        waiting=survey.entries,
        visits=visits_of(survey.visits),
        capped=survey.capped,
        length=survey.length,
        unconfirmed=survey.group.pending,
        copy=not delete and not await call.services.changes.memory_full(),
        delete=delete,
        skipped=skipped,
    )
    return clears.plan(environment, bound, survey, call.now)


async def run(call: Call, approved: Approved) -> AsyncIterator[str | Facts]:
    """Do it, in one step; then count the visits that arrived since the card."""
    facts = await call.services.changes.clear(approved)
    # The marker knows the entries; that they are visits is told where Redis still answers.
    with suppress(RedisError):
        survey = await call.services.changes.survey(call.instrument())
        if survey is not None and str(survey.entries) == facts.get("waiting_after"):
            facts = {**facts, "visits_after": str(visits_of(survey.visits))}
    yield facts


COMMANDS = (
    Change(
        name="clear",
        usage="INSTRUMENT [--delete] [--reason …]",
        summary="discard what waits, when nobody needs it",
        purpose=Purpose.CHANGE,
        right=Right.OPERATOR,
        plan=plan,
        run=run,
        tell=clears.tell,
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
