"""Maintenance windows in words: hours, the announcement, what is said of each, and its end."""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from bot.domain.alarms import Incident
from bot.domain.approvals import Happened, Request
from bot.domain.environments import Environment
from bot.domain.maintenance import LATE, Closing, Stage, Window, Word
from bot.domain.night import next_dusk, nights_around
from bot.domain.notices import NOT_KNOWN, NOT_TAKEN_YET, Post
from bot.domain.streams import Look, ServerInfo, Verdict, worst_verdict
from bot.domain.times import lasting, whole, zones
from bot.render.alarms import name, own_buttons
from bot.render.blocks import (
    BUTTONS_IN_MESSAGE,
    FIRST_LINE,
    Block,
    Button,
    Drawn,
    Markup,
    code,
    context,
    escape,
    fields,
    join,
    link,
    mark,
    paragraphs,
    section,
    truncate,
    typed,
)
from bot.render.rules import claim, where
from bot.render.words import clock, count, quick

_LONGEST_LABEL = 16
_LONGEST_REASON = 80
_LISTED = 20
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


def _first_line(
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
        line = escape(f"{before}{text}{after}")
        if len(line) <= FIRST_LINE or room <= 1:
            return line
        room -= len(line) - FIRST_LINE


def reason(window: Window, first: Markup) -> list[Block]:
    """Show the reason as typed, where the first line does not say all of it."""
    whole = window.reason.strip()
    return [] if escape(f": {whole.rstrip('.')}.*") in first else typed(whole)


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
    return [context(f"said {lasting(late)} late")] if late > LATE else []


def nearest(length: timedelta) -> str:
    """Write a length to the nearest minute."""
    minute = timedelta(minutes=1)
    return lasting(length) if length < minute else lasting((length + minute / 2) // minute * minute)


def label(environment: Environment) -> str:
    """Name the environment, short enough for a first line."""
    return truncate(environment.label, _LONGEST_LABEL)


def updated(now: datetime) -> str:
    """Write the time of the last edit."""
    return f"updated {clock(now, seconds=True)} UTC"


def listed(environment: Environment, windows: Sequence[Window], now: datetime) -> Drawn:
    """Draw the windows that are not over, the next first."""
    more = [Button("Announce a window…", "maintenance")]
    if not windows:
        first = f"📣 *{label(environment)}: no maintenance is planned.*"
        return first, [section(first)], more
    what = count(len(windows), "maintenance window")
    first = f"📣 *{label(environment)}: {what}.*"
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
    blocks = paragraphs(lines, len(windows))
    return first, [section(first), *blocks, context(f"{clock(now, seconds=True)} UTC")], more


def summary_line(windows: Sequence[Window], now: datetime) -> str:
    """Say in a few words what maintenance is planned or under way, for the short status."""
    if not windows:
        return "none planned"
    one = windows[0]
    if one.stage is Stage.STARTED:
        held = "no longer held" if one.released else "held"
        line = f"window {one.id} until {clock(one.ends, now=now)} UTC, alarms are {held}"
    else:
        line = f"window {one.id}, {when(one)}"
    more = f", and {len(windows) - 1} more" if len(windows) > 1 else ""
    return f"{line}{more}"


def told(window: Window, now: datetime, post: Post | None) -> str:
    """Tell whoever acted how the window stands now, and whether its announcement says so."""
    text = f"Window {window.id} {_how(window, now)}."
    if post is None:
        return f"{text} Nobody knows whether its announcement says so: {NOT_KNOWN}."
    if post.given_up:
        return (
            f"Window {window.id} could not be announced: {post.reason}. So there is none, and "
            "no alarm is held."
        )
    if not post.current:
        return f"{text} Its announcement does not say so yet: {post.reason}."
    return f"{text} Its announcement says so."


def announced(places: Mapping[str, str]) -> Markup:
    """Tell whoever announced something where it is said, and where not.

    Parameters
    ----------
    places
        Names or IDs of the channels, and why it is not said there; this one is the empty name.
    """
    heard = [_place(each) for each, why in places.items() if not why]
    lines = [mark("It is announced in {}.", join(", ", heard))] if heard else []
    for each, why in places.items():
        if why == NOT_TAKEN_YET:
            lines.append(mark("Not yet in {}: {}.", _place(each), why))
        elif why == NOT_KNOWN:
            lines.append(mark("Nobody knows whether it is in {} yet: {}.", _place(each), why))
        elif why:
            lines.append(mark("It could not be announced in {}: {}.", _place(each), why))
    return join("\n", lines)


def _place(channel: str) -> str:
    if not channel:
        return "this channel"
    return mark("<#{}>", channel) if re.fullmatch("[CG][A-Z0-9]{6,}", channel) else f"#{channel}"


def confirmation(environment: Environment, starts: datetime, ends: datetime) -> Markup:
    """Show what would be announced: the hours in three zones, and how far the night is."""
    lines = [
        (f"📣 *{label(environment)} maintenance, {span(starts, ends)}* ({lasting(ends - starts)})"),
        *(f"*{place}*  {hours}" for place, hours in everywhere(starts, ends)),
    ]
    spare = observing(environment, starts, ends)
    if spare:
        lines.append(f"*Observing*  {spare}")
    lines.append("Nothing is posted yet.")
    return join("\n", lines)


def span(starts: datetime, ends: datetime) -> str:
    """Write ``Tue 24 Nov 16:00–17:00 UTC``; the day twice where it is another one."""
    starts, ends = starts.astimezone(UTC), ends.astimezone(UTC)
    if starts.date() == ends.date():
        return f"{_day(starts)} {starts:%H:%M}–{ends:%H:%M} UTC"
    return f"{_day(starts)} {starts:%H:%M} – {_day(ends)} {ends:%H:%M} UTC"


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


def elsewhere(at: datetime) -> str:
    """Write ``13:00 Chile · 08:00 SLAC``, with the day where it is another one than in UTC."""
    _, *others = zones(at)
    return " · ".join(f"{time} {place}" for place, time in others)


def everywhere(starts: datetime, ends: datetime) -> list[tuple[str, str]]:
    """Give the hours in UTC, in Chile and at SLAC."""
    both = zip(zones(starts), zones(ends), strict=True)
    return [(place, f"{first} to {last}") for (place, first), (_, last) in both]


def observing(environment: Environment, starts: datetime, ends: datetime) -> str:
    """Say when observing ends before a window and starts again after it; empty where unknown."""
    dawn, dusk = nights_around(environment.site, starts)
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
            held = "no longer held" if window.released else "held"
            return f"is under way until {clock(window.ends, now=now)} UTC. Alarms are {held}"
        case Stage.ENDED:
            return f"is over after {took(window)}. Alarms are shown again"
        case Stage.CANCELLED:
            return "is cancelled"
        case Stage.MISSED:
            return "was missed: the bot was away until its end had passed"


def _day(at: datetime) -> str:
    return f"{at:%a} {at.day} {at:%b}"


EXPECT = "up to 1 min without Redis; visits announced in it are skipped"
"""What maintenance of Redis costs, as the restarts of the past have shown."""

_HELD = "Alarms of {} are held, except that visits are about to be skipped."
_RELEASED = "It has overrun its end for so long that alarms of {} are no longer held."


def card(window: Window, environment: Environment, now: datetime) -> Drawn:
    """Draw the announcement of a window as it is now."""
    match window.stage:
        case Stage.SCHEDULED:
            return _scheduled(window, environment, now)
        case Stage.STARTED:
            return _under_way(window, environment, now)
        case Stage.ENDED | Stage.CANCELLED | Stage.MISSED:
            return _over(window, environment, now)


def said(
    word: Word,
    window: Window,
    now: datetime,
    *,
    by: str = "",
    written: str = "",
    late: timedelta = timedelta(0),
) -> Drawn:
    """Draw what is said of a window once, all but its end: in the channel or in its thread.

    Parameters
    ----------
    by, written
        Who changed, cancelled or updated it, and what they wrote.
    late
        How long after its time it is said.
    """
    environment = Environment(window.environment, ())
    about, more, buttons = f"window {window.id}", list[Block](), list[Button]()
    match word:
        case Word.STARTED:
            first = _begun(window, environment)
            shown = mark("{}\n{}", first, _HELD.format(environment.label))
            return first, [section(shown), *reason(window, first), *late_mark(late)], []
        case Word.MISSED:
            first = _first_line("🟡", environment, f"was missed, {when(window)}", window)
            shown = mark(
                "{}\n<@{}> the bot was away until its end had passed, so it does not start and "
                "holds no alarm. {} announces another one.",
                first,
                window.owner.id,
                code("maintenance schedule"),
            )
            return first, [section(shown), *late_mark(late)], []
        case Word.UPDATE:
            shown = mark("<@{}> {} writes about {}:", window.owner.id, name(by), about)
            first, more = _cut(shown + " " + _one_line(written)), typed(written)
        case Word.CHANGED:
            times = when(window)
            if window.stage is Stage.STARTED:
                times = f"it goes on until {clock(window.ends, now=window.starts)} UTC"
            first = shown = mark(
                "<@{}> {} changed {}: {}.", window.owner.id, name(by), about, times
            )
        case Word.CANCELLED:
            first = shown = mark(
                "<@{}> {} cancelled {}: it does not take place.", window.owner.id, name(by), about
            )
        case _:
            reminder, then, buttons = _reminder(word, window, now)
            place = label(environment)
            first = mark(
                "<@{}> maintenance of {} {} Window {}", window.owner.id, place, reminder, window.id
            )
            shown = mark("{}\n{}", first, then)
    return first, [section(shown), *more, *late_mark(late)], buttons


def _reminder(word: Word, window: Window, now: datetime) -> tuple[str, str, list[Button]]:
    """Say what the owner is reminded of, and what follows from it."""
    match word:
        case Word.HOUR_BEFORE | Word.MINUTES_BEFORE:
            left = nearest(max(window.starts - now, timedelta(0)))
            reminder = f"begins in {left}, at {clock(window.starts)} UTC."
            return reminder, "It starts by itself.", _planned_buttons(window)
        case Word.ENDING:
            left = nearest(max(window.ends - now, timedelta(0)))
            reminder = f"is to end in {left}, at {clock(window.ends)} UTC."
            return reminder, "End it when it is done.", _started_buttons(window)
        case Word.OVERRUNNING | Word.RELEASED:
            over = now - window.ends
            since = f"for {lasting(over)}" if over >= timedelta(minutes=1) else "as of now"
            reminder = f"has overrun its end, {clock(window.ends)} UTC, {since}."
            if word is Word.RELEASED or window.released:
                held = "Alarms are no longer held. Extend it, or end it."
            else:
                held = "Alarms are still held. End it when it is done."
            return reminder, held, _started_buttons(window)
        case _:
            raise ValueError(f"{word} reminds nobody")


def _planned_buttons(window: Window) -> list[Button]:
    return [
        Button("Start now", "maintenance start", str(window.id)),
        Button("Change…", "maintenance change", str(window.id)),
        Button("Cancel window", "maintenance cancel", str(window.id)),
    ]


def _started_buttons(window: Window) -> list[Button]:
    return [
        Button("+30 min", "maintenance extend", f"{window.id} 30m"),
        Button("End now", "maintenance end", str(window.id)),
    ]


def announcement(
    environment: Environment, text: str, by: str, late: timedelta = timedelta(0)
) -> Drawn:
    """Draw what somebody announces without a window, as it was typed; pings nobody."""
    first = f"📣 *{environment.label}: {name(by)} announces:*"
    return _cut(first + " " + _one_line(text)), [section(first), *typed(text), *late_mark(late)], []


def _scheduled(window: Window, environment: Environment, now: datetime) -> Drawn:
    first = _first_line("📣", environment, when(window), window, comma=True)
    spare = observing(environment, window.starts, window.ends)
    facts = [
        ("Your time", your_time(window.starts, window.ends)),
        ("Elsewhere", elsewhere(window.starts)),
        ("Expect", EXPECT),
        *([("Observing", spare)] if spare else []),
    ]
    lines = [
        (
            f"Announced by {name(window.owner.name)}. Alarms of {environment.label} are held "
            "during the window."
        )
    ]
    if window.during_observing:
        lines.append("Announced as agreed *during observing*.")
    wider = environment.link("downtime")
    if wider is not None:
        form = link(wider, "the form in df-announce")
        lines.append(mark("*Wider downtime?* Also fill in {}.", form))
    blocks = [section(first), *reason(window, first), fields(facts), section(join("\n", lines))]
    if window.edited:
        blocks.append(context(updated(now)))
    return first, blocks, _planned_buttons(window)


def _under_way(window: Window, environment: Environment, now: datetime) -> Drawn:
    first = _begun(window, environment)
    if now >= window.ends:
        past = f"should have ended at {clock(window.ends, now=now)} UTC"
        first = _first_line("📣", environment, past, window)
    # Who announced it has the reminders: told where it is not whoever started it.
    own = window.started_by is not None and window.started_by.id == window.owner.id
    announced = "" if own else f"announced by {name(window.owner.name)} · "
    by = f" by {name(window.started_by.name)}" if window.started_by else ""
    begun = clock(window.started or window.starts, now=now)
    foot = (
        f"{announced}started{by} {begun} UTC · updates in the thread · "
        f"updated {clock(now, seconds=True)} UTC"
    )
    longer, end = _started_buttons(window)
    held = _RELEASED if window.released else _HELD
    blocks = [
        section(mark("{}\n{}", first, held.format(environment.label))),
        *reason(window, first),
        context(foot),
    ]
    update = Button("Post an update…", "maintenance update", str(window.id))
    return first, blocks, [longer, update, end]


def _over(window: Window, environment: Environment, now: datetime) -> Drawn:
    match window.stage:
        case Stage.MISSED:
            what, how = f"was missed, {when(window)}", "missed, the bot was away"
        case Stage.CANCELLED:
            what, how = f"is cancelled, {when(window)}", by_whom(window, "cancelled", now)
        case _:
            what, how = f"is over after {took(window)}", by_whom(window, "ended", now)
    first = _first_line("📣", environment, what, window)
    foot = f"announced by {name(window.owner.name)} for {when(window)} · {how} · "
    blocks = [
        section(first),
        *reason(window, first),
        *typed(window.closing.strip()),
        context(foot + updated(now)),
    ]
    return first, blocks, []


def _begun(window: Window, environment: Environment) -> Markup:
    begun = window.started or window.starts
    until = f"until {clock(window.ends, now=begun)} UTC ({nearest(window.ends - begun)})"
    return _first_line("📣", environment, f"has started, {until}", window)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _cut(line: str) -> Markup:
    return truncate(escape(line), FIRST_LINE)


_TOLD = 10


def ended(
    window: Window,
    environment: Environment,
    closing: Closing,
    now: datetime,
    *,
    state: tuple[str, str],
    links: Mapping[int, str],
    late: timedelta = timedelta(0),
) -> Drawn:
    """Draw the closing notice.

    Parameters
    ----------
    state
        How the streams are, and what is wrong with them, from `readiness`.
    links
        Address of each alarm's message, by its number.
    late
        How long after its time it is said.
    """
    firing = closing.firing
    dusk = next_dusk(environment.site, now)
    how, trouble = state
    place = label(environment)
    if firing:
        what = count(len(firing), "alarm") + (" is firing:" if len(firing) == 1 else " are firing:")
        about = "; ".join(_claim(each, now) for each in firing)
        opening = f"🟡 *{place} maintenance is over, but {what}* "
        first: str = _cut(opening + about)
        named = [_linked(each, links, now) for each in firing[:_TOLD]]
        top: str = opening + join("; ", named)
    elif trouble:
        first = top = (
            f"🟡 *{place} maintenance is over after {took(window)}, but {trouble}.* Window "
            f"{window.id}"
        )
    else:
        first = top = (
            f"🟢 *{place} maintenance is over after {took(window)}. Prompt processing is "
            f"ready.* Window {window.id}"
        )
    facts = [("Done", _done(closing.requests)), ("Now", how), ("Held", _held(closing.held, firing))]
    foot = [
        by_whom(window, "ended", now),
        *([f"next night from {clock(whole(dusk))} UTC"] if dusk else []),
    ]
    blocks = [
        section(top),
        fields(fact for fact in facts if fact[1]),
        *typed(window.closing.strip()),
        context(" · ".join(foot)),
        *late_mark(late),
    ]
    buttons = [*own_buttons(firing, BUTTONS_IN_MESSAGE - 1), Button("Alarms", "alarms")]
    return first, blocks, buttons if firing else []


def readiness(
    environment: Environment, looks: Sequence[Look], server: ServerInfo | None
) -> tuple[str, str]:
    """Say how the streams are after maintenance, and what is wrong; the latter empty if nothing.

    Parameters
    ----------
    server
        What Redis says of itself; None where it does not answer.
    """
    verdicts = {look.instrument: look.verdict(environment.stalled_after) for look in looks}
    parts = [f"{look.instrument}: {_short(look, verdicts[look.instrument])}" for look in looks]
    if server is not None:
        parts.append(f"Redis answers in {quick(server.answered_in)}")
    bad = worst_verdict(verdicts.values()) if verdicts else Verdict.HEALTHY
    outage = next((look.outage for look in looks if look.outage is not None), None)
    if outage is not None or server is None:
        return ", ".join(parts), outage.says if outage else "Redis does not answer"
    if bad is Verdict.HEALTHY:
        return ", ".join(parts), ""
    which = next(name for name, verdict in verdicts.items() if verdict is bad)
    return ", ".join(parts), f"{truncate(which, _LONGEST_LABEL)} is {bad.value}"


def _done(requests: Sequence[Request]) -> str:
    parts = [
        f"{each.outcome.headline}, request {each.id}"
        for each in requests[:_TOLD]
        if each.outcome is not None and each.outcome.happened is not Happened.NO
    ]
    return "; ".join(parts)


def _held(held: Sequence[Incident], firing: Sequence[Incident]) -> str:
    if not held:
        return "no alarm during the window"
    numbers = {each.id for each in firing}
    still = sum(each.id in numbers for each in held)
    firing_still = f"{still} still firing" if still else "none still firing"
    return f"{count(len(held), 'alarm')} during the window, {firing_still}"


def _claim(incident: Incident, now: datetime) -> str:
    about = where(incident).removeprefix(Environment(incident.environment, ()).label).strip()
    return f"{about}: {claim(incident, now)}" if about else claim(incident, now)


def _linked(incident: Incident, links: Mapping[int, str], now: datetime) -> str:
    text, url = _claim(incident, now), links.get(incident.id)
    return link(url, text) if url else text


def _short(look: Look, verdict: Verdict) -> str:
    if look.group is None:
        return "the group is missing" if look.missing else verdict.value
    waiting = look.group.waiting
    at_least = "at least " if waiting.capped else ""
    return f"{at_least}{waiting.entries:,} waiting, group there"
