"""`prune`: remove consumer names that workers left behind."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

from bot.command import Act, Call, Purpose, Reply
from bot.domain.approvals import AuditLine
from bot.domain.changes import LEAST_IDLE, Pruned
from bot.domain.environments import Environment
from bot.domain.errors import UserError
from bot.render.blocks import Button, Markup, code, context, join, mark, section
from bot.render.words import clock, count, duration

_SHOWN_EVERY = timedelta(seconds=2)
"""Slack takes about one edit a second; names go some hundreds at a time, and far quicker."""

_DROPPED_SHOWN = 10


async def run(call: Call) -> AsyncIterator[Reply]:
    """Remove them, some hundreds at a time."""
    environment, instrument, idle = call.environment, call.instrument(), _idle(call)
    (look,) = await call.services.streams.look([instrument])
    if look.missing:
        raise UserError(
            f"{environment.label} {instrument} has no group, so it has no consumer names. "
            f"`bootstrap {instrument}` creates it.",
            suggestion="bootstrap",
        )
    steps = call.services.changes.prune(instrument, idle)
    # The first step only looks: what is refused, or fails, is told before the channel hears of it.
    done, shown = await anext(steps), call.now
    yield _progress(environment, instrument, idle, done, call.now)
    async for done in steps:
        now = datetime.now(UTC)
        if now - shown >= _SHOWN_EVERY:
            shown = now
            yield _progress(environment, instrument, idle, done, now)
    removed = f"{done.removed:,} of {done.names:,} names removed"
    await call.services.audit.add(
        AuditLine(
            call.now,
            environment.name,
            f"prune {instrument}",
            call.person,
            "done",
            answer=removed,
            after={"removed": str(done.removed)},
        )
    )
    yield pruned(environment, instrument, idle, done, datetime.now(UTC))


def _idle(call: Call) -> timedelta:
    idle = call.span("idle", max(call.environment.consumer_idle, LEAST_IDLE))
    if idle < LEAST_IDLE:
        raise call.mistake(
            "`--idle` must be at least 1h: a name that was idle for less may be that of a worker "
            "at work."
        )
    return idle


def _progress(
    environment: Environment, instrument: str, idle: timedelta, far: Pruned, now: datetime
) -> Reply:
    first = (
        f"🔧 *{environment.label} {instrument}: removing consumer names idle for more than "
        f"{duration(idle)}.*"
    )
    removed = mark("\n{} of {} removed.", f"{far.removed:,}", _names(far.left_behind))
    updated = context(mark("updated {} UTC", clock(now, seconds=True)))
    return Reply(first, [section(first + removed), updated])


def pruned(
    environment: Environment, instrument: str, idle: timedelta, done: Pruned, now: datetime
) -> Reply:
    """Draw what a removal of consumer names has come to."""
    complete = done.removed == done.left_behind
    emoji = "🟢" if complete and not done.dropped else "🟡"
    if done.left_behind == 0:
        say = f"no consumer name is idle for more than {duration(idle)}, none removed"
    elif complete:
        say = f"{_names(done.removed)} removed"
    else:
        say = f"{done.removed:,} of {_names(done.left_behind)} removed, then the group was gone"
    first = f"{emoji} *{environment.label} {instrument}: {say}.*"
    figures = [
        ("Names, before", f"{done.names:,}"),
        ("Names, now", f"{done.names - done.removed:,}, and those of new workers"),
        ("Limit", f"idle for more than {duration(idle)}, nothing unconfirmed"),
    ]
    blocks = [section(first, figures)]
    if done.dropped:
        blocks.append(section(_dropped(done)))
    blocks.append(context(mark("updated {} UTC", clock(now, seconds=True))))
    return Reply(first, blocks, (Button("Consumers", "consumers", instrument),))


def _dropped(done: Pruned) -> Markup:
    shown = [
        mark("{}: {}", code(name), count(entries, "entry"))
        for name, entries in done.dropped[:_DROPPED_SHOWN]
    ]
    if len(done.dropped) > _DROPPED_SHOWN:
        shown.append(mark("and {} more", count(len(done.dropped) - _DROPPED_SHOWN, "name")))
    return mark(
        "🟡 *{} became unconfirmed while names were removed, and left that list with them.* Their "
        "workers go on as before; if one of them dies, nobody sees it here.\n{}",
        count(sum(entries for _, entries in done.dropped), "entry"),
        join("\n", shown),
    )


def _names(number: int) -> str:
    return count(number, "consumer name")


COMMANDS = (
    Act(
        name="prune",
        usage="[INSTRUMENT] [--idle 2h]",
        summary="remove consumer names that workers left behind",
        purpose=Purpose.CHANGE,
        run=run,
        details=(
            "Removes names with nothing unconfirmed that were idle for longer than `--idle`, at "
            "least 1h. Needs no approval: a worker whose name is removed gets it back with its "
            "next read."
        ),
    ),
)
