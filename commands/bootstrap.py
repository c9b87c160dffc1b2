"""`bootstrap`: create the streams and groups that are missing."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.command import Call, Change
from bot.domain.approvals import Happened, Outcome, Plan, Request
from bot.domain.changes import Facts, Starting, Survey
from bot.domain.environments import Environment
from bot.domain.errors import UserError
from bot.domain.streams import EntryId
from bot.grammar import quoted
from bot.render.plans import figure, found, not_made, number, visits_of
from bot.render.words import CATCH_UP, amount, clock, count
from bot.services.approvals import Approved
from bot.services.environments import Services

_BEGINNING = EntryId(0, 0)
_LARGEST = 2**64 - 1

_RECENT = timedelta(minutes=1)
"""The bot looks every few seconds; what it saw longer ago may be out of date."""


@dataclass(frozen=True)
class Start:
    """A group that would be created, and the entries that this concerns.

    Parameters
    ----------
    after
        The entry after which it begins.
    survey
        The stream, counted after that entry; None where there is no stream.
    seen
        Where the bot last saw the group, and when; None where it never did.
    unread
        The stream, counted after that place; None as above.
    """

    instrument: str
    after: EntryId
    survey: Survey | None
    seen: tuple[EntryId, datetime] | None = None
    unread: Survey | None = None


async def plan(call: Call) -> Plan:
    """Find the groups that are missing, and where each should begin."""
    environment = call.environment
    place = _place(call)
    # Several may be named, or all of them; without a name only the one that there is.
    names = call.instruments() if call.arguments.words else (call.instrument(),)
    looked = await asyncio.gather(*(_start(call, name, place) for name in names))
    starts = [start for start in looked if start is not None]
    if not starts:
        has = "has its group" if len(names) == 1 else "have their groups"
        raise UserError(
            f"There is nothing to bootstrap: {environment.label} {', '.join(names)} {has}."
        )
    return propose(environment, starts, call.now)


def propose(environment: Environment, starts: Sequence[Start], now: datetime) -> Plan:
    """Say which groups would be created, and what is processed, skipped, or processed twice."""
    missing = tuple(start.instrument for start in starts)
    facts: list[tuple[str, str]] = []
    for start in starts:
        whose = "" if len(starts) == 1 else f", {start.instrument}"
        facts += [
            (f"Stream{whose}", _stream(start)),
            (f"Creates{whose}", _creates(environment, start, now)),
            (f"So{whose}", _so(start, now)),
        ]
    return Plan(
        subject=f"{environment.label} {', '.join(missing)}",
        headline=_headline(starts),
        facts=(*facts, ("Deletes", "nothing")),
        streams=tuple(environment.stream(name) for name in missing),
        bound=Starting(missing, tuple(start.after for start in starts)).mapping(),
        asks=False,
    )


def _place(call: Call) -> EntryId | str:
    """Read where a group should begin: an entry, ``start``, ``end``, or empty for the usual."""
    wanted = call.arguments.options.get("from", "").lower()
    if wanted in ("", "start", "end"):
        return wanted
    found = re.fullmatch(r"([0-9]{1,20})-([0-9]{1,20})", wanted)
    if found is None or any(int(part) > _LARGEST for part in found.groups()):
        raise call.mistake(
            f"`{quoted(wanted)}` is no entry ID. It takes `start`, `end`, or an ID such as "
            "`1795498255163-2`: the last entry that need not be read."
        )
    return EntryId.parse(wanted)


async def _start(call: Call, instrument: str, place: EntryId | str) -> Start | None:
    """Choose where a group should begin; None where it is there."""
    streams = call.services.streams
    survey = await streams.survey(instrument)
    if survey is None:
        # An empty stream begins at its beginning: whatever arrives is later.
        return Start(instrument, _BEGINNING, None)
    if survey.group is not None:
        return None
    seen = await streams.last_seen(instrument)
    after = end = survey.last_added
    if isinstance(place, EntryId):
        after = place
    elif place == "start":
        after = _BEGINNING
    elif not place and seen is not None:
        # A stream that was created anew, or came back from an older copy, does not reach as far: a
        # group that begins beyond its end would skip entries that are still to come.
        after = min(seen[0], end)
    if after > end:
        raise call.mistake(
            f"`{after}` lies beyond the last entry that was ever added, `{end}`: entries still to "
            "come would be skipped. `--from end` begins there."
        )
    counted = await streams.survey(instrument, after)
    unread = await streams.survey(instrument, seen[0]) if seen else None
    return Start(instrument, after, counted, seen, unread)


def _headline(starts: Sequence[Start]) -> str:
    if len(starts) > 1:
        return f"{len(starts)} groups are missing, so no worker can read"
    what = "group" if starts[0].survey is not None else "stream"
    return f"the {what} is missing, so no worker can read"


def _stream(start: Start) -> str:
    if start.survey is None:
        return "missing"
    if start.survey.length == 0:
        return "there, empty"
    if start.unread is not None and start.unread.entries:
        return f"there, {found(start.unread)} since the group was last seen"
    return f"there, {count(start.survey.length, 'entry')}"


def _creates(environment: Environment, start: Start, now: datetime) -> str:
    group = environment.group(start.instrument)
    if start.survey is None:
        return f"{environment.stream(start.instrument)}, empty, and {group}"
    if start.seen is not None and start.after == start.seen[0]:
        seen = clock(start.seen[1], seconds=True, now=now)
        return f"{group}, from {start.after} (last read, {seen} UTC)"
    if start.after == _BEGINNING:
        return f"{group}, from the start of the stream"
    if start.after == start.survey.last_added:
        return f"{group}, from the end of the stream ({start.after})"
    return f"{group}, from {start.after}"


def _so(start: Start, now: datetime) -> str:
    """Say what is processed, skipped, or processed twice."""
    survey = start.survey
    if survey is None or survey.length == 0:
        return "what arrives from now on is processed; there is nothing else"
    processed = _processed(survey)
    if start.seen is None or start.unread is None:
        return f"{processed}; {_of_unknown(survey)}"
    place, at = start.seen
    # After the last look workers may have read on, until the group was gone.
    read_on = f", unless workers read on after {clock(at, now=now)} UTC"
    doubt = read_on if now - at > _RECENT else ""
    if start.after >= min(place, survey.last_added):
        skipped = _between(start.unread, survey, start.after)
        if skipped:
            return f"{processed}; {skipped} skipped{doubt}. {CATCH_UP.capitalize()}"
        return f"{processed}, none twice{doubt}"
    return f"{processed}; of these {_between(survey, start.unread, place) or 'none'} twice"


def _processed(survey: Survey) -> str:
    if survey.entries == 0:
        return "only what arrives from now on is processed"
    if len(survey.visits) == 1 and not survey.capped:
        return f"{found(survey)} is processed"
    return f"{found(survey)} are processed"


def _of_unknown(survey: Survey) -> str:
    """Say what cannot be known where the bot never saw the group."""
    before = survey.length - survey.entries
    if before <= 0:
        return "the bot never saw the group, so some of them may be processed twice"
    return (
        f"the bot never saw the group: of {count(before, 'entry')} before that, those that no "
        f"worker has read are skipped. {CATCH_UP.capitalize()}"
    )


def _between(longer: Survey, shorter: Survey, until: EntryId) -> str:
    """Write how many entries one count has, and another one that begins later has not."""
    visits = [each for each in longer.visits if each.oldest.id <= until]
    if longer.capped or shorter.capped:
        # Whole visits of the longer count that are surely over before the other one begins.
        entries = sum(each.entries for each in visits[:-1])
        return amount(entries, visits_of(visits[:-1]), capped=True) if visits else ""
    entries = longer.entries - shorter.entries
    return amount(entries, visits_of(visits)) if entries > 0 else ""


async def run(services: Services, approved: Approved) -> AsyncIterator[str | Facts]:
    """Do it, all streams in one step."""
    yield await services.changes.bootstrap(approved)


def tell(environment: Environment, request: Request, facts: Facts) -> Outcome:
    """Say which groups were created, or why none was."""
    refused = not_made(request, facts, "no group was created", {})
    if refused is not None:
        return refused
    bound = Starting.read(request.plan.bound)
    created = facts.get("created", "").split(",")
    new = [name for name in bound.instruments if environment.stream(name) in created]
    old = [name for name in bound.instruments if name not in new]
    if not new:
        return Outcome(
            Happened.NO,
            "no group had to be created",
            notes=("Somebody has created it since the card; it was left as it is.",),
        )
    waiting = {name: number(facts, f"waiting_{environment.stream(name)}") for name in new}
    told: list[tuple[str, str]] = []
    for name in new:
        whose = "" if len(bound.instruments) == 1 else f", {name}"
        told.append((f"Created{whose}", environment.group(name)))
        told.append((f"Waiting, now{whose}", figure(waiting[name])))
    if old:
        told.append(("Left as they are", f"{', '.join(old)}: their groups were there by then"))
    which = "the group is there" if len(new) == 1 else f"{len(new)} groups are there"
    return Outcome(
        Happened.YES,
        f"{which}, workers can read",
        facts=tuple(told),
        before={f"group {name}": "missing" for name in new},
        after={f"waiting {name}": str(amount) for name, amount in waiting.items()},
        notes=("`stats` shows whether they do.",),
    )


COMMANDS = (
    Change(
        name="bootstrap",
        usage="[INSTRUMENT…] [--from ID|start|end]",
        summary="create the streams and groups that are missing",
        plan=plan,
        run=run,
        tell=tell,
        details=(
            "A group that is there is left as it is, and nothing is deleted. By default a group "
            "begins where the bot saw it last, else at the end of the stream. `--from start` reads "
            "the whole stream again, `--from end` only what arrives from now on, and `--from ID` "
            "what comes after that entry. The card says what is processed, skipped, or processed "
            "twice. `all` means every instrument."
        ),
    ),
)
