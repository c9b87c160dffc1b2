"""`bootstrap`: create the streams and groups that are missing."""

import asyncio
import re
from collections.abc import AsyncIterator

from bot.command import Call, Change, Purpose, Right
from bot.domain.approvals import Plan
from bot.domain.changes import Facts, Survey
from bot.domain.errors import UserError
from bot.domain.streams import EntryId
from bot.grammar import quoted
from bot.render import bootstraps
from bot.render.bootstraps import Start
from bot.services.approvals import Approved

_BEGINNING = EntryId(0, 0)
_PLACES = ("start", "end")
_LARGEST = 2**64 - 1


async def plan(call: Call) -> Plan:
    """Find the groups that are missing, and where each should begin."""
    wanted = call.arguments.options.get("from", "").lower()
    _check(call, wanted)
    # Several may be named, or all of them; without a name only the one that there is.
    names = call.instruments() if call.arguments.words else (call.instrument(),)
    found = await asyncio.gather(*(_start(call, name, wanted) for name in names))
    starts = [start for start in found if start is not None]
    if not starts:
        has = "has its group" if len(names) == 1 else "have their groups"
        raise UserError(
            f"There is nothing to bootstrap: {call.environment.label} {', '.join(names)} {has}."
        )
    return bootstraps.plan(call.environment, starts, call.now)


async def _start(call: Call, instrument: str, wanted: str) -> Start | None:
    """Choose where a group should begin; None where it is there."""
    survey = await call.services.changes.survey(instrument)
    if survey is None:
        # An empty stream begins at its beginning: whatever arrives is later.
        return Start(instrument, _BEGINNING, None)
    if survey.group is not None:
        return None
    seen = await call.services.changes.last_seen(instrument)
    after = _chosen(call, wanted, survey, seen[0] if seen else None)
    counted = await call.services.changes.survey(instrument, after)
    unread = await call.services.changes.survey(instrument, seen[0]) if seen else None
    return Start(instrument, after, counted, seen, unread)


def _chosen(call: Call, wanted: str, survey: Survey, seen: EntryId | None) -> EntryId:
    end = survey.last_added
    if not wanted:
        # A stream that was created anew, or came back from an older copy, does not reach as far: a
        # group that begins beyond its end would skip entries that are still to come.
        return end if seen is None else min(seen, end)
    if wanted in _PLACES:
        return end if wanted == "end" else _BEGINNING
    asked = EntryId.parse(wanted)
    if asked > end:
        raise UserError(
            f"`{asked}` lies beyond the last entry that was ever added, `{end}`: entries still to "
            "come would be skipped. `--from end` begins there.",
            usage=call.registry[call.name].usage_line,
        )
    return asked


def _check(call: Call, wanted: str) -> None:
    if not wanted or wanted in _PLACES:
        return
    found = re.fullmatch(r"([0-9]{1,20})-([0-9]{1,20})", wanted)
    if found is None or any(int(part) > _LARGEST for part in found.groups()):
        raise UserError(
            f"`{quoted(wanted)}` is no entry ID. It takes `start`, `end`, or an ID such as "
            "`1795498255163-2`: the last entry that need not be read.",
            usage=call.registry[call.name].usage_line,
        )


async def run(call: Call, approved: Approved) -> AsyncIterator[str | Facts]:
    """Do it, all streams in one step."""
    yield await call.services.changes.bootstrap(approved)


COMMANDS = (
    Change(
        name="bootstrap",
        usage="[INSTRUMENT…] [--from ID|start|end]",
        summary="create the streams and groups that are missing",
        purpose=Purpose.CHANGE,
        right=Right.OPERATOR,
        plan=plan,
        run=run,
        tell=bootstraps.tell,
        details=(
            "A group that is there is left as it is, and nothing is deleted. By default a group "
            "begins where the bot saw it last, else at the end of the stream. `--from start` reads "
            "the whole stream again, `--from end` only what arrives from now on, and `--from ID` "
            "what comes after that entry. The card says what is processed, skipped, or processed "
            "twice. `all` means every instrument."
        ),
    ),
)
