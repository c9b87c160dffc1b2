"""`prune`: remove consumer names that workers left behind."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from bot.command import Act, Call, Purpose, Reply, Right
from bot.domain.changes import LEAST_IDLE
from bot.domain.errors import UserError
from bot.domain.streams import NoStream, Stream
from bot.render import groups
from bot.render.blocks import Button

_SHOWN_EVERY = timedelta(seconds=2)
"""Slack takes about one edit a second; names go some hundreds at a time, and far quicker."""


async def run(call: Call) -> AsyncIterator[Reply]:
    """Remove them, some hundreds at a time."""
    environment, instrument, idle = call.environment, call.instrument(), _idle(call)
    (look,) = await call.services.streams.look([instrument])
    if isinstance(look.state, NoStream) or (isinstance(look.state, Stream) and look.group is None):
        raise UserError(
            f"{environment.label} {instrument} has no group, so it has no consumer names. "
            f"`bootstrap {instrument}` creates it.",
            suggestion="bootstrap",
        )
    steps = call.services.changes.prune(instrument, idle)
    # The first step only looks: what is refused, or fails, is told before the channel hears of it.
    done, shown = await anext(steps), call.now
    text, blocks = groups.pruning(environment, instrument, idle, done, call.now)
    yield Reply(blocks, text)
    async for done in steps:
        now = datetime.now(UTC)
        if now - shown >= _SHOWN_EVERY:
            shown = now
            text, blocks = groups.pruning(environment, instrument, idle, done, now)
            yield Reply(blocks, text)
    removed = f"{done.removed:,} of {done.names:,} names removed"
    await call.services.ledger.note(
        f"prune {instrument}",
        call.person,
        "done",
        call.now,
        answer=removed,
        after={"removed": str(done.removed)},
    )
    text, blocks = groups.pruned(environment, instrument, idle, done, datetime.now(UTC))
    yield Reply(blocks, text, (Button("Consumers", "consumers", instrument),))


def _idle(call: Call) -> timedelta:
    idle = call.span("idle", max(call.environment.consumer_idle, LEAST_IDLE))
    if idle < LEAST_IDLE:
        raise call.mistake(
            "`--idle` must be at least 1h: a name that was idle for less may be that of a worker "
            "at work."
        )
    return idle


COMMANDS = (
    Act(
        name="prune",
        usage="[INSTRUMENT] [--idle 2h]",
        summary="remove consumer names that workers left behind",
        purpose=Purpose.CHANGE,
        right=Right.OPERATOR,
        run=run,
        details=(
            "Removes names with nothing unconfirmed that were idle for longer than `--idle`, at "
            "least 1h. Needs no approval: a worker whose name is removed gets it back with its "
            "next read."
        ),
    ),
)
