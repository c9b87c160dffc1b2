"""`settle`: acknowledge entries that were read long ago and never confirmed."""

from collections.abc import AsyncIterator
from datetime import timedelta

from bot.command import Call, Change, Purpose, Right
from bot.domain.approvals import Plan
from bot.domain.changes import Facts, Settling
from bot.domain.errors import UserError
from bot.domain.times import parse_duration
from bot.render import settles
from bot.render.groups import JUST_READ
from bot.render.words import duration
from bot.services.approvals import Approved

_DEFAULT = timedelta(hours=1)


async def plan(call: Call) -> Plan:
    """List what would be acknowledged."""
    instrument = call.instrument()
    idle = _idle(call)
    subject = f"{call.environment.label} {instrument}"
    entries = await call.services.changes.unconfirmed(instrument, idle)
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
    survey = await call.services.changes.survey(instrument)
    pending = survey.group.pending if survey is not None and survey.group is not None else 0
    bound = Settling(
        instrument=instrument,
        idle=idle,
        ids=tuple(each.entry.id for each in entries),
        visits=len({each.entry.visit for each in entries} - {None}),
        unconfirmed=max(pending, len(entries)),
    )
    return settles.plan(call.environment, bound, entries, call.now)


def _idle(call: Call) -> timedelta:
    typed = call.arguments.options.get("idle")
    if typed is None:
        return _DEFAULT
    usage = call.registry[call.name].usage_line
    try:
        idle = parse_duration(typed.lower())
    except ValueError as error:
        raise UserError(f"`--idle` {error}.", usage=usage) from error
    if idle < JUST_READ:
        raise UserError(
            "`--idle` must be at least 1m: a worker may be about to confirm what it has just read.",
            usage=usage,
        )
    return idle


async def run(call: Call, approved: Approved) -> AsyncIterator[str | Facts]:
    """Do it, in one step."""
    yield await call.services.changes.settle(approved)


COMMANDS = (
    Change(
        name="settle",
        usage="[INSTRUMENT] [--idle 1h] [--reason …]",
        summary="take entries off the list of unconfirmed ones that no worker will confirm",
        purpose=Purpose.CHANGE,
        right=Right.OPERATOR,
        plan=plan,
        run=run,
        tell=settles.tell,
        details=(
            "Acknowledges entries that were read longer ago than `--idle` and never confirmed; "
            "the card lists them by visit and detector, at most 1,000 at a time. Nothing is "
            "processed or skipped by it: their detectors were skipped when their worker died."
        ),
    ),
)
