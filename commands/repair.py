"""`repair`: make the lag that Redis reports, and KEDA reads, right again."""

from collections.abc import AsyncIterator

from bot.command import Call, Change, Purpose, Right
from bot.domain.approvals import Plan
from bot.domain.changes import Facts, Repairing
from bot.domain.errors import UserError
from bot.render import repairs
from bot.render.changes import found
from bot.services.approvals import Approved


async def plan(call: Call) -> Plan:
    """Compare what Redis reports with what is counted."""
    instrument = call.instrument()
    subject = f"{call.environment.label} {instrument}"
    survey = await call.services.changes.survey(instrument)
    if survey is None or survey.group is None:
        what = "stream" if survey is None else "group"
        raise UserError(
            f"{subject} has no {what}. `bootstrap {instrument}` creates it.",
            suggestion="bootstrap",
        )
    bound = Repairing(instrument, survey.group.lag, survey.entries, survey.capped)
    if bound.lag == bound.waiting and not bound.capped:
        raise UserError(
            f"There is nothing to repair: Redis reports the right lag for {subject}, "
            f"{found(survey)}.",
            suggestion="stats",
        )
    return repairs.plan(call.environment, bound, survey)


async def run(call: Call, approved: Approved) -> AsyncIterator[str | Facts]:
    """Count and set, in one step."""
    yield await call.services.changes.repair(approved)


COMMANDS = (
    Change(
        name="repair",
        usage="[INSTRUMENT]",
        summary="make the lag that Redis reports, and KEDA reads, right again",
        purpose=Purpose.CHANGE,
        right=Right.OPERATOR,
        plan=plan,
        run=run,
        tell=repairs.tell,
        details=(
            "After deletes and trims Redis may report no lag, or a wrong one, and KEDA starts no "
            "workers, or too many. This sets the group to where it stands, with the number of "
            "entries read as it is counted: nothing is read, skipped or deleted by it."
        ),
    ),
)
