"""`prune`: remove consumer names that workers left behind."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import structlog

from bot.command import Act, Call, Purpose, Reply
from bot.domain.approvals import AuditLine
from bot.domain.changes import LEAST_IDLE, Pruned
from bot.domain.errors import RedisError, StateError, UserError
from bot.render.blocks import Block, Button, code, context, join, section
from bot.render.words import clock, count, duration

_SHOWN_EVERY = timedelta(seconds=2)
"""Slack takes about one edit a second; names go some hundreds at a time, and far quicker."""

_DROPPED_SHOWN = 10

_log = structlog.get_logger()


async def run(call: Call) -> AsyncIterator[Reply]:
    """Remove them, some hundreds at a time."""
    environment, instrument, idle = call.environment, call.instrument(), _idle(call)
    subject = f"{environment.label} {instrument}"
    (look,) = await call.services.streams.look([instrument])
    if look.missing:
        raise UserError(
            f"{subject} has no group, so it has no consumer names. "
            f"`bootstrap {instrument}` creates it.",
            suggestion="bootstrap",
        )
    cut: RedisError | None = None
    unwritten: StateError | None = None
    async with aclosing(call.services.changes.prune(instrument, idle)) as steps:
        # The first only looks: what is refused, or fails, is told before the channel hears of it.
        done, shown = await anext(steps), call.now
        ended = False
        try:
            yield _progress(subject, idle, done, call.now)
            async for done in steps:
                now = datetime.now(UTC)
                if now - shown >= _SHOWN_EVERY:
                    shown = now
                    yield _progress(subject, idle, done, now)
            ended = True
        except RedisError as error:
            cut = error
        finally:
            # Whatever cuts it, also the end of this process: what was removed is gone.
            why = f", then stopped: {cut.says}" if cut else "" if ended else ", then stopped"
            line = AuditLine(
                call.now,
                environment.name,
                f"prune {instrument}",
                call.person,
                "done" if ended else "stopped",
                answer=done.figures + why,
                after={"removed": str(done.removed)},
            )
            try:
                await call.services.audit.add(line)
            except StateError as error:
                unwritten = error
                _log.exception("a prune could not be written to the audit", removed=done.removed)
    buttons = [Button("Consumers", "consumers", instrument)]
    if cut is not None:
        buttons.insert(0, Button("Go on", "prune", call.arguments.typed or instrument))
    text, blocks = pruned(subject, idle, done, datetime.now(UTC), cut=cut, instrument=instrument)
    if unwritten is not None:
        blocks.append(section(f"This is not in the audit. {unwritten}"))
    yield Reply(text, blocks, tuple(buttons))


def _idle(call: Call) -> timedelta:
    idle = call.span("idle", max(call.environment.consumer_idle, LEAST_IDLE))
    if idle < LEAST_IDLE:
        raise call.mistake(
            "`--idle` must be at least 1h: a name that was idle for less may be that of a worker "
            "at work."
        )
    return idle


def _progress(subject: str, idle: timedelta, far: Pruned, now: datetime) -> Reply:
    first = f"🔧 *{subject}: removing consumer names idle for more than {duration(idle)}.*"
    removed = f"{far.removed:,} of {_names(far.left_behind)} removed."
    return Reply(first, [section(f"{first}\n{removed}"), _updated(now)])


def pruned(
    subject: str,
    idle: timedelta,
    done: Pruned,
    now: datetime,
    *,
    cut: RedisError | None = None,
    instrument: str = "",
) -> tuple[str, list[Block]]:
    """Draw what a removal of consumer names has come to; `cut` is what stopped it midway."""
    complete = done.removed == done.left_behind
    emoji = "🟢" if complete and not done.dropped else "🟡"
    if done.left_behind == 0:
        say = f"no consumer name is idle for more than {duration(idle)}, none removed"
    elif complete:
        say = f"{_names(done.removed)} removed"
    elif cut is not None:
        say = f"{done.removed:,} of {_names(done.left_behind)} removed, then it stopped"
    else:
        say = f"{done.removed:,} of {_names(done.left_behind)} removed, then the group was gone"
    first = f"{emoji} *{subject}: {say}.*"
    figures = [
        ("Names, before", f"{done.names:,}"),
        ("Names, now", f"{done.names - done.removed:,}, and those of new workers"),
        ("Limit", f"idle for more than {duration(idle)}, nothing unconfirmed"),
    ]
    if done.unsure:
        figures[1] = ("Names, now", f"unknown: {done.names - done.removed:,}, or fewer")
    blocks = [section(first, figures)]
    if cut is not None:
        blocks.append(section(_cut(done, cut, instrument)))
    if done.dropped:
        blocks.append(section(_dropped(done)))
    return first, [*blocks, _updated(now)]


def _cut(done: Pruned, cut: RedisError, instrument: str) -> str:
    lost = f" Of {done.unsure:,} more nobody knows: no answer came." if done.unsure else ""
    return f"{cut.says}.{lost} `prune {instrument}` goes on where it stopped."


def _updated(now: datetime) -> Block:
    return context(f"updated {clock(now, seconds=True)} UTC")


def _dropped(done: Pruned) -> str:
    shown = [
        f"{code(name)}: {count(entries, 'entry')}"
        for name, entries in done.dropped[:_DROPPED_SHOWN]
    ]
    if len(done.dropped) > _DROPPED_SHOWN:
        shown.append(f"and {count(len(done.dropped) - _DROPPED_SHOWN, 'name')} more")
    entries = count(sum(entries for _, entries in done.dropped), "entry")
    lost = "became unconfirmed while names were removed, and left that list with them"
    then = "Their workers go on as before; if one of them dies, nobody sees it here."
    return join("\n", [f"🟡 *{entries} {lost}.* {then}", *shown])


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
