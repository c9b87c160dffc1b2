"""Windows in words: the line that names one, lists of them, and what whoever acted is told."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from bot.domain.environments import Environment
from bot.domain.maintenance import LATE, Stage, Window
from bot.domain.times import zones
from bot.render.blocks import (
    FIRST_LINE,
    Block,
    Button,
    Markup,
    code,
    context,
    join,
    mark,
    section,
    truncate,
    typed,
)
from bot.render.findings import name
from bot.render.words import clock, count, duration

Drawn = tuple[Markup, list[Block], list[Button]]

_LONGEST_LABEL = 16
_LONGEST_REASON = 80
_LISTED = 20
_IN_A_BLOCK = 5
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


def first_line(
    emoji: str, environment: Environment, what: str, window: Window, *, comma: bool = False
) -> Markup:
    """Write a first line: what it says is whole, the reason is what fits beside it."""
    joint = "," if comma else ""
    before = f"{emoji} *{label(environment)} maintenance{joint} {what}: "
    after = f".* Window {window.id}"
    # Escaping lengthens what Slack is sent, and that is what is counted.
    room = FIRST_LINE - len(before) - len(after)
    while True:
        text = _short_reason(window, room)
        line = mark("{}{}{}", before, text, after)
        if len(line) <= FIRST_LINE or room <= 1:
            return line
        room -= len(line) - FIRST_LINE


def reason(window: Window, first: Markup) -> list[Block]:
    """Show the reason as typed, where the first line does not say all of it."""
    whole = window.reason.strip()
    return [] if mark(": {}.*", whole.rstrip(".")) in first else typed(whole)


def _short_reason(window: Window, room: int) -> str:
    """Give the reason in one line of at most so many characters, without formatting."""
    line = re.sub(r"[*`~]", "'", " ".join(window.reason.split())).rstrip(".")
    return truncate(line, max(room, 1))


def by_whom(window: Window, did: str, now: datetime) -> str:
    """Write ``ended by Ana 16:41 UTC``."""
    by = f" by {name(window.ended_by.name)}" if window.ended_by else ""
    at = f" {clock(window.ended, now=now)} UTC" if window.ended else ""
    return f"{did}{by}{at}"


def when(window: Window) -> str:
    """Write the announced hours."""
    return span(window.starts, window.ends)


def took(window: Window) -> str:
    """Write how long it really took."""
    begun = window.started or window.starts
    return lasting((window.ended or window.ends) - begun)


def late_mark(late: timedelta) -> list[Block]:
    """Mark what is said long after its time."""
    return [context(mark("said {} late", lasting(late)))] if late > LATE else []


def nearest(length: timedelta) -> str:
    """Write a length to the nearest minute."""
    minute = timedelta(minutes=1)
    return lasting(length) if length < minute else lasting((length + minute / 2) // minute * minute)


def label(environment: Environment) -> str:
    """Name the environment, short enough for a first line."""
    return truncate(environment.label, _LONGEST_LABEL)


def updated(now: datetime) -> Markup:
    """Write the time of the last edit."""
    return mark("updated {} UTC", clock(now, seconds=True))


def listed(environment: Environment, windows: Sequence[Window], now: datetime) -> Drawn:
    """Draw the windows that are not over, the next first."""
    more = [Button("Announce a window…", "maintenance")]
    if not windows:
        first = mark("📣 *{}: no maintenance is planned.*", label(environment))
        return first, [section(first)], more
    what = count(len(windows), "maintenance window")
    first = mark("📣 *{}: {}.*", label(environment), what)
    lines = [
        mark(
            "*{}* {}, {}, by {}: {}",
            each.id,
            when(each),
            _stands(each, now),
            name(each.owner.name),
            code(truncate(" ".join(each.reason.split()), _LONGEST_REASON) or "no reason"),
        )
        for each in windows[:_LISTED]
    ]
    if len(windows) > _LISTED:
        lines.append(mark("and {} more", f"{len(windows) - _LISTED:,}"))
    blocks = [
        section(join("\n", lines[at : at + _IN_A_BLOCK]))
        for at in range(0, len(lines), _IN_A_BLOCK)
    ]
    return first, [section(first), *blocks, context(mark("{} UTC", clock(now, seconds=True)))], more


def summary_line(windows: Sequence[Window], now: datetime) -> str:
    """Say in a few words what maintenance is planned or under way, for the short status."""
    if not windows:
        return "none planned"
    one = windows[0]
    if one.stage is Stage.STARTED:
        line = f"window {one.id} until {clock(one.ends, now=now)} UTC, alarms are held"
    else:
        line = f"window {one.id}, {when(one)}"
    more = f", and {len(windows) - 1} more" if len(windows) > 1 else ""
    return f"{line}{more}"


def told(window: Window, now: datetime) -> tuple[Markup, list[Block]]:
    """Tell whoever acted, in private, how the window stands now."""
    text = mark("Window {} {}. Its announcement says so.", window.id, _how(window, now))
    return text, [section(text)]


def announced(mirrors: Sequence[str]) -> tuple[Markup, list[Block]]:
    """Tell whoever announced something where it is said.

    Parameters
    ----------
    mirrors
        Names or IDs of the channels beside this one.
    """
    others = [
        mark("<#{}>", each) if re.fullmatch(r"[CG][A-Z0-9]{6,}", each) else mark("#{}", each)
        for each in mirrors
    ]
    text = mark("It is announced in {}.", join(", ", [Markup("this channel"), *others]))
    return text, [section(text)]


def confirmation(
    environment: Environment,
    starts: datetime,
    ends: datetime,
    dawn: datetime | None,
    dusk: datetime | None,
) -> Markup:
    """Show what would be announced: the hours in three zones, and how far the night is.

    Parameters
    ----------
    environment
        Where.
    starts, ends
        The window.
    dawn, dusk
        As in `observing`.
    """
    lines = [
        mark(
            "📣 *{} maintenance, {}* ({})",
            label(environment),
            span(starts, ends),
            lasting(ends - starts),
        ),
        *(mark("*{}*  {}", place, hours) for place, hours in everywhere(starts, ends)),
    ]
    spare = observing(starts, ends, dawn, dusk)
    if spare:
        lines.append(mark("*Observing*  {}", spare))
    lines.append(Markup("Nothing is posted yet."))
    return join("\n", lines)


def span(starts: datetime, ends: datetime) -> str:
    """Write ``Tue 24 Nov 16:00–17:00 UTC``; the day twice where it is another one."""
    starts, ends = starts.astimezone(UTC), ends.astimezone(UTC)
    if starts.date() == ends.date():
        return f"{_day(starts)} {starts:%H:%M}–{ends:%H:%M} UTC"
    return f"{_day(starts)} {starts:%H:%M} – {_day(ends)} {ends:%H:%M} UTC"


def lasting(length: timedelta) -> str:
    """Write ``41 min``: to the minute, under one minute to the second."""
    return duration(length if length < _MINUTE else length // _MINUTE * _MINUTE)


def your_time(starts: datetime, ends: datetime) -> Markup:
    """Let Slack write the hours in the reader's own zone."""
    longer = "{date_short_pretty} at " if ends - starts >= _DAY / 2 else ""
    return mark(
        "<!date^{}^{{date_short_pretty}} at {{time}}|{}> to <!date^{}^{}|{}>",
        int(starts.timestamp()),
        f"{clock(starts)} UTC",
        int(ends.timestamp()),
        longer + "{time}",
        f"{clock(ends)} UTC",
    )


def whole(at: datetime) -> datetime:
    """Give the nearest whole minute: dusk and dawn are not known better than that."""
    return (at + _MINUTE / 2).replace(second=0, microsecond=0)


def elsewhere(at: datetime) -> str:
    """Write ``13:00 Chile · 08:00 SLAC``, with the day where it is another one than in UTC."""
    _, *others = zones(at)
    return " · ".join(f"{time} {place}" for place, time in others)


def everywhere(starts: datetime, ends: datetime) -> list[tuple[str, str]]:
    """Give the hours in UTC, in Chile and at SLAC."""
    both = zip(zones(starts), zones(ends), strict=True)
    return [(place, f"{first} to {last}") for (place, first), (_, last) in both]


def observing(
    starts: datetime, ends: datetime, dawn: datetime | None, dusk: datetime | None
) -> str:
    """Say when observing ends before a window and starts again after it; empty where unknown.

    Parameters
    ----------
    starts, ends
        The window.
    dawn
        End of the night before it.
    dusk
        Beginning of the night after it.
    """
    if dusk is None:
        return ""
    dusk, dawn = whole(dusk), None if dawn is None else whole(dawn)
    if dawn is not None and starts < dawn:
        until = "after the window" if ends < dawn else "in the window"
        return f"it is night until {clock(dawn)} UTC, {until}"
    if dusk < ends:
        return f"starts again {clock(dusk)} UTC: {lasting(ends - dusk)} of the window are at night"
    before = f"ends {clock(dawn)}, " if dawn is not None and starts - dawn < _DAY else ""
    return f"{before}starts again {clock(dusk)} UTC: {lasting(dusk - ends)} to spare"


def _stands(window: Window, now: datetime) -> str:
    if window.stage is Stage.STARTED:
        if now >= window.ends:
            return f"overrunning for {lasting(now - window.ends)}"
        return f"under way, {lasting(window.ends - now)} to go"
    return f"in {lasting(window.starts - now)}" if window.starts > now else "about to start"


def _how(window: Window, now: datetime) -> str:
    match window.stage:
        case Stage.SCHEDULED:
            zones = elsewhere(window.starts)
            return f"is announced for {when(window)} ({zones}). It starts by itself"
        case Stage.STARTED:
            return f"is under way until {clock(window.ends, now=now)} UTC. Alarms are held"
        case Stage.ENDED:
            return f"is over after {took(window)}. Alarms are shown again"
        case Stage.CANCELLED:
            return "is cancelled"


def _day(at: datetime) -> str:
    return f"{at:%a} {at.day} {at:%b}"
