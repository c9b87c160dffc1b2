"""`pending`: what was read and never confirmed."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.command import Call, Purpose, Read, Reply
from bot.domain.changes import JUST_READ
from bot.domain.environments import Environment
from bot.domain.streams import EntryId, Pending, PendingEntry
from bot.domain.times import format_duration
from bot.render.blocks import Block, Button, join, mark, section
from bot.render.streams import missing, together
from bot.render.words import SAFE, clock, count, duration, rough

_SHORT_NAME = 8
_CONSUMERS_SHOWN = 5
_LIMITS = tuple(timedelta(minutes=each) for each in (60, 30, 10, 5, 1))
"""Times without a sign after which unconfirmed entries are offered to be settled."""


@dataclass(frozen=True)
class Offer:
    """Unconfirmed entries of one instrument that somebody may ask to settle.

    Each of them has been silent for `idle` at least.
    """

    instrument: str
    idle: timedelta
    entries: int

    @property
    def button(self) -> Button:
        """Asks for it."""
        return Button(f"Ask to settle {count(self.entries, 'entry')}", "settle", self.typed)

    @property
    def typed(self) -> str:
        """What would be typed after `settle`."""
        return f"{self.instrument} --idle {format_duration(self.idle)}"


async def run(call: Call) -> Reply:
    """List the oldest unconfirmed entries of the instruments that were named."""
    environment, instruments = call.environment, call.instruments()
    streams = call.services.streams
    _, listed = await asyncio.gather(
        streams.readable(instruments),
        asyncio.gather(*(streams.pending(each) for each in instruments)),
    )
    found = dict(zip(instruments, listed, strict=True))
    offer = await _offer(call, found)
    totals = {name: each.total for name, each in found.items() if each is not None}
    say = "nothing unconfirmed"
    if total := sum(totals.values()):
        worst = max(totals, key=lambda name: totals[name])
        say = f"{count(total, 'unconfirmed entry')}, most in {worst}"
    drawn = [_drawn(environment, *each, offer) for each in found.items()]
    offered = (offer.button,) if offer else ()
    return Reply(*together(environment, drawn, say), (*call.reading_buttons, *offered))


async def _offer(call: Call, found: Mapping[str, Pending | None]) -> Offer | None:
    """Offer to settle what no worker will confirm: the instrument with most of it."""
    old = None if call.environment.read_only else to_settle(found)
    if old is None:
        return None
    # Only the oldest ten were listed; this counts those that the button would ask for.
    entries = await call.services.streams.unconfirmed(*old)
    return Offer(*old, len(entries)) if entries else None


def to_settle(found: Mapping[str, Pending | None]) -> tuple[str, timedelta] | None:
    """Pick the instrument with the most old entries, and an idle time that they all exceed."""
    worst: tuple[int, str, timedelta] | None = None
    for instrument, pending in found.items():
        silent = [each.idle for each in pending.oldest] if pending is not None else []
        old = [idle for idle in silent if idle >= JUST_READ]
        if pending is None or not old or (worst is not None and worst[0] >= pending.total):
            continue
        limit = next(each for each in _LIMITS if each <= min(old))
        worst = (pending.total, instrument, limit)
    return worst[1:] if worst is not None else None


def _drawn(
    environment: Environment, instrument: str, found: Pending | None, offer: Offer | None
) -> tuple[str, list[Block]]:
    """Draw what one instrument's workers read and never confirmed; None is a missing group."""
    if found is None:
        return missing(environment, instrument)
    where = f"{environment.label} {instrument}"
    if found.total == 0:
        first = f"🟢 *{where}: nothing unconfirmed.*"
        return first, [
            section(
                first + " Workers confirm an entry as soon as they read it, "
                "so this list is normally empty."
            )
        ]
    longest = max((one.idle for one in found.oldest), default=timedelta(0))
    if longest < JUST_READ:
        first = (
            f"🟢 *{where}: {count(found.total, 'entry')} read {duration(longest)} ago, not "
            "confirmed yet.*"
        )
        meaning = "A worker confirms within moments. Look again in a minute."
    else:
        say, meaning = _lost(found.total, longest)
        first = f"🟡 *{where}: {say}.*"
        meaning += "\n*Next:* `runbook unconfirmed`"
        if offer is not None and offer.instrument == instrument:
            meaning += f", or ask to take them off this list: `settle {offer.typed}`"
    return first, [section(f"{first}\n{meaning}"), *_entries(found)]


def _lost(total: int, longest: timedelta) -> tuple[str, str]:
    """Say that entries were lost, and what it means."""
    if total == 1:
        meaning = (
            "Its worker most likely died. Redis will not hand the entry out again, so one "
            "detector of one visit was skipped. The image is safe."
        )
        return f"1 entry was read but never confirmed, {rough(longest)} ago", meaning
    meaning = (
        "Their workers most likely died. Redis will not hand the entries out again, so these "
        f"detectors were skipped. The {SAFE}."
    )
    oldest = f"the oldest {rough(longest)} ago"
    return f"{total:,} entries were read but never confirmed, {oldest}", meaning


def _entries(found: Pending) -> Iterator[Block]:
    if found.total == 1 and found.oldest:
        one = found.oldest[0]
        figures = [
            ("Visit", _visit(one)),
            ("Detector", one.entry.detector or "unknown"),
            ("Read by", f"{_reader(one)}, silent for {duration(one.idle)}"),
        ]
        yield section(mark("Entry {}", one.entry.id), figures)
        return
    oldest = [
        f"{_visit(one)} · detector {one.entry.detector or 'unknown'} · "
        f"silent {duration(one.idle)}\n      read by {_reader(one)} · entry {one.entry.id}"
        for one in found.oldest
    ]
    title = "All of them" if len(oldest) == found.total else f"The oldest {len(oldest)}"
    ends = [
        ("Oldest", _arrived(found.oldest[0].entry.id if found.oldest else None)),
        ("Newest", _arrived(found.newest)),
    ]
    yield section(mark("*{}*\n{}", title, join("\n", oldest)), ends)
    shown = [
        f"{_cut(name)}: {count(entries, 'entry')}"
        for name, entries in found.consumers[:_CONSUMERS_SHOWN]
    ]
    more = len(found.consumers) - len(shown)
    if more:
        shown.append(f"and {count(more, 'name')} more")
    yield section(mark("*By consumer*\n{}", join("\n", shown)))


def _visit(one: PendingEntry) -> str:
    visit = one.entry.visit
    if visit is None:
        return "visit unknown: the entry was trimmed away"
    return f"{visit}, {one.entry.survey}" if one.entry.survey else visit


def _reader(one: PendingEntry) -> str:
    times = {1: "once", 2: "twice"}.get(one.deliveries, f"{one.deliveries} times")
    return f"{_cut(one.consumer)}, {times}"


def _cut(name: str) -> str:
    return name if len(name) <= _SHORT_NAME else f"{name[:_SHORT_NAME]}…"


def _arrived(entry_id: EntryId | None) -> str:
    added = entry_id.added if entry_id else None
    return f"{entry_id}, arrived {clock(added, seconds=True)} UTC" if added else str(entry_id)


COMMANDS = (
    Read(
        name="pending",
        usage="[INSTRUMENT]",
        summary="entries that were read and never confirmed, with visit and detector",
        purpose=Purpose.LOOK,
        run=run,
        details=(
            "Workers confirm an entry as soon as they have read it, so this list is normally "
            "empty. What stays here was read by a worker that died; Redis never hands it out again."
        ),
    ),
)
