"""What a consumer group still has on its books, drawn: unconfirmed entries and consumer names."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.changes import Pruned
from bot.domain.environments import Environment
from bot.domain.streams import Consumers, EntryId, Pending, PendingEntry
from bot.domain.times import format_duration
from bot.render.blocks import Block, Button, Markup, code, context, join, mark, section
from bot.render.words import clock, count, duration, rough

JUST_READ = timedelta(seconds=60)
"""Workers confirm at once; an entry read more recently than this is on its way."""

_SHORT_NAME = 8
_CONSUMERS_SHOWN = 5
_DROPPED_SHOWN = 10
_LIMITS = tuple(timedelta(minutes=each) for each in (60, 30, 10, 5, 1))
"""Times without a sign after which unconfirmed entries are offered to be settled."""


@dataclass(frozen=True)
class Offer:
    """Unconfirmed entries of one instrument that somebody may ask to settle.

    Parameters
    ----------
    instrument
        Whose.
    idle
        For how long each of them has been silent at least.
    entries
        How many.
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


def to_settle(found: Mapping[str, Pending | None]) -> tuple[str, timedelta] | None:
    """Pick the instrument with the most old entries, and an idle time that they all exceed."""
    worst: tuple[int, str, timedelta] | None = None
    for instrument, pending_ in found.items():
        silent = [each.idle for each in pending_.oldest] if pending_ is not None else []
        old = [idle for idle in silent if idle >= JUST_READ]
        if pending_ is None or not old or (worst is not None and worst[0] >= pending_.total):
            continue
        limit = next(each for each in _LIMITS if each <= min(old))
        worst = (pending_.total, instrument, limit)
    return worst[1:] if worst is not None else None


def to_prune(environment: Environment, found: Mapping[str, Consumers | None]) -> str | None:
    """Pick the instrument with the most names left behind; None where there are none."""
    if environment.read_only:
        return None
    idle = {name: each.idle or 0 for name, each in found.items() if each is not None}
    worst = max(idle, key=lambda name: idle[name], default=None)
    return worst if worst is not None and idle[worst] else None


def pending(
    environment: Environment, found: Mapping[str, Pending | None], offer: Offer | None = None
) -> tuple[Markup, list[Block]]:
    """Draw, by instrument, what workers read and never confirmed; None is a missing group."""
    drawn = [_pending(environment, *each, offer) for each in found.items()]
    totals = {name: each.total for name, each in found.items() if each is not None}
    worst = max(totals, key=lambda name: totals[name], default="")
    if sum(totals.values()):
        say = f"{count(sum(totals.values()), 'unconfirmed entry')}, most in {worst}"
    else:
        say = "nothing unconfirmed"
    return _together(environment, drawn, say)


def consumers(
    environment: Environment, found: Mapping[str, Consumers | None]
) -> tuple[Markup, list[Block]]:
    """Draw, by instrument, how many consumer names there are; None is a missing group."""
    drawn = [_consumers(environment, *each) for each in found.items()]
    names = sum(each.names for each in found.values() if each is not None)
    return _together(environment, drawn, count(names, "consumer name"))


def _together(
    environment: Environment, drawn: Sequence[tuple[Markup, list[Block]]], say: str
) -> tuple[Markup, list[Block]]:
    """Put several streams below one first line, with the colour of the worst."""
    if len(drawn) == 1:
        return drawn[0]
    colour = max((text[0] for text, _ in drawn), key="🟢⚪🟡🔴".index)
    first = mark("{} *{}: {} streams, {}.*", colour, environment.label, len(drawn), say)
    return first, [section(first), *(block for _, blocks in drawn for block in blocks)]


def _pending(
    environment: Environment, instrument: str, found: Pending | None, offer: Offer | None
) -> tuple[Markup, list[Block]]:
    where = f"{environment.label} {instrument}"
    if found is None:
        return _missing(environment, instrument)
    if found.total == 0:
        first = mark("🟢 *{}: nothing unconfirmed.*", where)
        return first, [
            section(
                first + " Workers confirm an entry as soon as they read it, "
                "so this list is normally empty."
            )
        ]
    longest = max((one.idle for one in found.oldest), default=timedelta(0))
    if longest < JUST_READ:
        first = mark(
            "🟢 *{}: {} read {} ago, not confirmed yet.*",
            where,
            count(found.total, "entry"),
            duration(longest),
        )
        meaning = "A worker confirms within moments. Look again in a minute."
    else:
        first = mark("🟡 *{}: {}.*", where, _lost(found.total, longest))
        meaning = f"{_lost_meaning(found.total)}\n*Next:* `runbook unconfirmed`"
        if offer is not None and offer.instrument == instrument:
            meaning += f", or ask to take them off this list: `settle {offer.typed}`"
    return first, [section(mark("{}\n{}", first, meaning)), *_entries(found)]


def _lost(total: int, longest: timedelta) -> str:
    if total == 1:
        return f"1 entry was read but never confirmed, {rough(longest)} ago"
    return f"{total:,} entries were read but never confirmed, the oldest {rough(longest)} ago"


def _lost_meaning(total: int) -> str:
    if total == 1:
        return (
            "Its worker most likely died. Redis will not hand the entry out again, so one "
            "detector of one visit was skipped. The image is safe."
        )
    return (
        "Their workers most likely died. Redis will not hand the entries out again, so these "
        "detectors were skipped. The images are safe."
    )


def _entries(found: Pending) -> Iterator[Block]:
    if found.total == 1 and found.oldest:
        one = found.oldest[0]
        yield section(
            mark("Entry {}", one.entry.id),
            [
                ("Visit", mark("{}", _visit(one))),
                ("Detector", mark("{}", one.entry.detector or "unknown")),
                ("Read by", mark("{}, {}, silent for {}", *_reader(one), duration(one.idle))),
            ],
        )
        return
    oldest = [
        mark(
            "{} · detector {} · silent {}\n      read by {}, {} · entry {}",
            _visit(one),
            one.entry.detector or "unknown",
            duration(one.idle),
            *_reader(one),
            one.entry.id,
        )
        for one in found.oldest
    ]
    title = "All of them" if len(oldest) == found.total else f"The oldest {len(oldest)}"
    yield section(
        mark("*{}*\n{}", title, join("\n", oldest)),
        [
            ("Oldest", mark("{}", _arrived(found.oldest[0].entry.id if found.oldest else None))),
            ("Newest", mark("{}", _arrived(found.newest))),
        ],
    )
    shown = [
        mark("{}: {}", _cut(name), count(entries, "entry"))
        for name, entries in found.consumers[:_CONSUMERS_SHOWN]
    ]
    more = len(found.consumers) - len(shown)
    if more:
        shown.append(mark("and {} more", count(more, "name")))
    yield section(mark("*By consumer*\n{}", join("\n", shown)))


def _visit(one: PendingEntry) -> str:
    visit = one.entry.visit
    if visit is None:
        return "visit unknown: the entry was trimmed away"
    return f"{visit}, {one.entry.survey}" if one.entry.survey else visit


def _reader(one: PendingEntry) -> tuple[str, str]:
    times = {1: "once", 2: "twice"}.get(one.deliveries, f"{one.deliveries} times")
    return _cut(one.consumer), times


def _cut(name: str) -> str:
    return name if len(name) <= _SHORT_NAME else f"{name[:_SHORT_NAME]}…"


def _arrived(entry_id: EntryId | None) -> str:
    added = entry_id.added if entry_id else None
    return f"{entry_id}, arrived {clock(added, seconds=True)} UTC" if added else str(entry_id)


def _missing(environment: Environment, instrument: str) -> tuple[Markup, list[Block]]:
    first = mark(
        "🔴 *{} {}: missing, there is no stream or no group.* No worker can read.",
        environment.label,
        instrument,
    )
    return first, [section(first)]


def _consumers(
    environment: Environment, instrument: str, found: Consumers | None
) -> tuple[Markup, list[Block]]:
    if found is None:
        return _missing(environment, instrument)
    where = f"{environment.label} {instrument}"
    limit = rough(environment.consumer_idle)
    if found.idle is None:
        first = mark("🟢 *{}: {}.*", where, count(found.names, "consumer name"))
        return first, [
            section(
                first + "\nThese are names ever used, not workers that run. So many are only "
                "counted at night: looking at each would hold up Redis, and the workers with it."
            )
        ]
    first = mark(
        "🟢 *{}: {}, {} idle for more than {}.*",
        where,
        count(found.names, "consumer name"),
        f"{found.idle:,}",
        limit,
    )
    longest = duration(found.longest_idle) if found.longest_idle is not None else "unknown"
    return first, [
        section(
            first + "\nThese are names ever used, not workers that run: each worker brings a new "
            "one, and none is ever removed.",
            [
                ("Names", mark("{}", f"{found.names:,}")),
                (f"Idle for more than {limit}", mark("{}", f"{found.idle:,}")),
                ("With something unconfirmed", mark("{}", f"{found.busy:,}")),
                ("Longest idle", mark("{}", longest if found.names else "no name yet")),
            ],
        )
    ]


def pruning(
    environment: Environment, instrument: str, idle: timedelta, far: Pruned, now: datetime
) -> tuple[Markup, list[Block]]:
    """Draw a removal of consumer names that has begun, and how far it has come."""
    first = mark(
        "🔧 *{} {}: removing consumer names idle for more than {}.*",
        environment.label,
        instrument,
        duration(idle),
    )
    removed = mark("{} of {} removed.", f"{far.removed:,}", _names(far.left_behind))
    return first, [section(first + "\n" + removed), _updated(now)]


def pruned(
    environment: Environment, instrument: str, idle: timedelta, done: Pruned, now: datetime
) -> tuple[Markup, list[Block]]:
    """Draw what a removal of consumer names has come to."""
    unread = sum(entries for _, entries in done.dropped)
    complete = done.removed == done.left_behind
    emoji = "🟢" if complete and not unread else "🟡"
    if done.left_behind == 0:
        said = f"no consumer name is idle for more than {duration(idle)}, none removed"
    elif complete:
        said = f"{_names(done.removed)} removed"
    else:
        said = f"{done.removed:,} of {_names(done.left_behind)} removed, then the group was gone"
    first = mark("{} *{} {}: {}.*", emoji, environment.label, instrument, said)
    figures = [
        ("Names, before", mark("{}", f"{done.names:,}")),
        ("Names, now", mark("{}", f"{done.names - done.removed:,}, and those of new workers")),
        ("Limit", mark("idle for more than {}, nothing unconfirmed", duration(idle))),
    ]
    blocks = [section(first, figures)]
    if done.dropped:
        blocks.append(section(_dropped(done.dropped, unread)))
    return first, [*blocks, _updated(now)]


def _dropped(dropped: Sequence[tuple[str, int]], unread: int) -> Markup:
    shown = [
        mark("{}: {}", code(name), count(entries, "entry"))
        for name, entries in dropped[:_DROPPED_SHOWN]
    ]
    if len(dropped) > _DROPPED_SHOWN:
        shown.append(mark("and {} more", count(len(dropped) - _DROPPED_SHOWN, "name")))
    return mark(
        "🟡 *{} became unconfirmed while names were removed, and left that list with them.* Their "
        "workers go on as before; if one of them dies, nobody sees it here.\n{}",
        count(unread, "entry"),
        join("\n", shown),
    )


def _names(number: int) -> str:
    return count(number, "consumer name")


def _updated(now: datetime) -> Block:
    return context(mark("updated {} UTC", clock(now, seconds=True)))
