"""Maintenance windows, drawn: the one announcement, what is said of it, and why not then."""

from datetime import datetime, timedelta

from bot.domain.environments import Environment
from bot.domain.maintenance import Stage, Window, Word
from bot.domain.night import Night
from bot.render.blocks import (
    FIRST_LINE,
    Block,
    Button,
    Markup,
    context,
    fields,
    join,
    link,
    mark,
    section,
    truncate,
    typed,
)
from bot.render.findings import name
from bot.render.windows import (
    by_whom,
    elsewhere,
    first_line,
    label,
    lasting,
    late_mark,
    nearest,
    observing,
    reason,
    took,
    updated,
    when,
    whole,
    your_time,
)
from bot.render.words import clock

Drawn = tuple[Markup, list[Block], list[Button]]

EXPECT = "up to 1 min without Redis; visits announced in it are skipped"
"""What maintenance of Redis costs, as the restarts of the past have shown."""

_HELD = "Alarms of {} are held, except that visits are about to be skipped."


def card(
    window: Window,
    environment: Environment,
    now: datetime,
    *,
    dawn: datetime | None = None,
    dusk: datetime | None = None,
) -> Drawn:
    """Draw the announcement of a window as it is now.

    Parameters
    ----------
    window
        What to draw.
    environment
        Where.
    now
        The time of this drawing, for the foot.
    dawn, dusk
        When observing ends before the window, and when it starts again; None where not known.
    """
    match window.stage:
        case Stage.SCHEDULED:
            return _scheduled(window, environment, now, dawn, dusk)
        case Stage.STARTED:
            return _under_way(window, environment, now)
        case Stage.ENDED | Stage.CANCELLED:
            return _over(window, environment, now)


def started(window: Window, environment: Environment, now: datetime, *, late: timedelta) -> Drawn:
    """Draw the line that tells a channel of the start.

    Parameters
    ----------
    window
        What has started.
    environment
        Where.
    now
        The time of this drawing.
    late
        How long after its time it is said.
    """
    del now
    first = _begun(window, environment)
    text = section(mark("{}\n{}", first, _HELD.format(environment.label)))
    return first, [text, *reason(window, first), *late_mark(late)], []


def reminder(word: Word, window: Window, now: datetime, late: timedelta) -> Drawn:
    """Draw what the owner alone is reminded of, in the thread.

    Parameters
    ----------
    word
        Of what.
    window
        The window, as it is now.
    now
        The time of this drawing.
    late
        How long after its time it is said.
    """
    place = label(Environment(window.environment, ()))
    number = str(window.id)
    longer = Button("+30 min", "maintenance extend", f"{number} 30m")
    end = Button("End now", "maintenance end", number)
    buttons = [longer, end]
    match word:
        case Word.HOUR_BEFORE | Word.MINUTES_BEFORE:
            left, at = max(window.starts - now, timedelta(0)), clock(window.starts)
            said, more = f"begins in {nearest(left)}, at {at} UTC.", "It starts by itself."
            buttons = [
                Button("Start now", "maintenance start", number),
                Button("Change…", "maintenance change", number),
                Button("Cancel window", "maintenance cancel", number),
            ]
        case Word.ENDING:
            left, at = max(window.ends - now, timedelta(0)), clock(window.ends)
            said, more = f"is to end in {nearest(left)}, at {at} UTC.", "End it when it is done."
        case Word.OVERRUNNING:
            over, at = max(now - window.ends, timedelta(0)), clock(window.ends)
            since = f"for {lasting(over)}" if over >= timedelta(minutes=1) else "as of now"
            said = f"has overrun its end, {at} UTC, {since}."
            more = "Alarms are held until you end it."
        case _:
            raise ValueError(f"{word} reminds nobody")
    text = mark("<@{}> maintenance of {} {} Window {}", window.owner.id, place, said, window.id)
    return text, [section(mark("{}\n{}", text, more)), *late_mark(late)], buttons


def update(
    window: Window, text: str, by: str, now: datetime, late: timedelta = timedelta(0)
) -> Drawn:
    """Draw what somebody wrote into the thread of a window, as it was typed."""
    del now
    first = mark("<@{}> {} writes about window {}:", window.owner.id, name(by), window.id)
    return _cut(first + " " + _one_line(text)), [section(first), *typed(text), *late_mark(late)], []


def changed(window: Window, by: str, now: datetime, late: timedelta = timedelta(0)) -> Drawn:
    """Draw in the thread that the times are others now."""
    del now
    times = when(window)
    if window.stage is Stage.STARTED:
        times = f"it goes on until {clock(window.ends, now=window.starts)} UTC"
    text = mark("<@{}> {} changed window {}: {}.", window.owner.id, name(by), window.id, times)
    return text, [section(text), *late_mark(late)], []


def cancelled(window: Window, by: str, now: datetime, late: timedelta = timedelta(0)) -> Drawn:
    """Draw in the thread that a window does not take place."""
    del now
    text = mark(
        "<@{}> {} cancelled window {}: it does not take place.",
        window.owner.id,
        name(by),
        window.id,
    )
    return text, [section(text), *late_mark(late)], []


def announcement(
    environment: Environment, text: str, by: str, late: timedelta = timedelta(0)
) -> Drawn:
    """Draw what somebody announces without a window, as it was typed; pings nobody."""
    first = mark("📣 *{}: {} announces:*", environment.label, name(by))
    return _cut(first + " " + _one_line(text)), [section(first), *typed(text), *late_mark(late)], []


def night_refusal(
    environment: Environment,
    starts: datetime,
    ends: datetime,
    night: Night,
    margin: timedelta,
    *,
    ticked: bool = False,
) -> str:
    """Say why a window cannot be then, with the times of dusk and dawn, and what to do.

    Parameters
    ----------
    environment
        Where.
    starts, ends
        The window.
    night
        The night that it touches.
    margin
        What is kept free before and after the night.
    ticked
        True in a form, where a box is ticked to say that it may be all the same.
    """
    del environment
    begins, over = whole(night.begins or starts), whole(night.ends or ends)
    kept = f"and {lasting(margin)} are kept free"
    when_it_is = f"It is night at the telescope from {clock(begins)} to {clock(over)} UTC."
    dawn = ""
    if starts < begins:
        when_it_is = f"It will be night at the telescope from {clock(begins)} UTC."
        remedy = "Shorten it"
        dawn = "" if ticked else f" The night ends at {clock(over)} UTC."
        if ends > begins:
            how = f"This window runs {_up(ends - begins)} into it."
        else:
            how = f"This window ends {lasting(begins - ends)} before, {kept}."
    elif starts >= over:
        how, remedy = f"This window begins {lasting(starts - over)} after, {kept}.", "Begin later"
    elif ends > over:
        how, remedy = f"This window begins {_up(over - starts)} before it ends.", "Begin later"
    else:
        how, remedy = "This window is all at night.", "Choose the day"
    agreed = 'tick "during observing"' if ticked else "add `--during-observing`"
    return f"{when_it_is} {how} {remedy}, or {agreed} and say who agreed.{dawn}"


def _scheduled(
    window: Window,
    environment: Environment,
    now: datetime,
    dawn: datetime | None,
    dusk: datetime | None,
) -> Drawn:
    first = first_line("📣", environment, when(window), window, comma=True)
    spare = observing(window.starts, window.ends, dawn, dusk)
    facts = [
        ("Your time", your_time(window.starts, window.ends)),
        ("Elsewhere", mark("{}", elsewhere(window.starts))),
        ("Expect", mark("{}", EXPECT)),
        *([("Observing", mark("{}", spare))] if spare else []),
    ]
    lines = [
        mark(
            "Announced by {}. Alarms of {} are held during the window.",
            name(window.owner.name),
            environment.label,
        )
    ]
    if window.during_observing:
        lines.append(Markup("Announced as agreed *during observing*."))
    wider = environment.link("downtime")
    if wider is not None:
        form = link(wider, "the form in df-announce")
        lines.append(mark("*Wider downtime?* Also fill in {}.", form))
    blocks = [section(first), *reason(window, first), fields(facts), section(join("\n", lines))]
    if window.version:
        blocks.append(context(updated(now)))
    number = str(window.id)
    buttons = [
        Button("Start now", "maintenance start", number),
        Button("Change…", "maintenance change", number),
        Button("Cancel window", "maintenance cancel", number),
    ]
    return first, blocks, buttons


def _under_way(window: Window, environment: Environment, now: datetime) -> Drawn:
    first = _begun(window, environment)
    if now >= window.ends:
        past = f"should have ended at {clock(window.ends, now=now)} UTC"
        first = first_line("📣", environment, past, window)
    # Who announced it has the reminders: told where it is not whoever started it.
    own = window.started_by is not None and window.started_by.id == window.owner.id
    announced = "" if own else f"announced by {name(window.owner.name)} · "
    by = f" by {name(window.started_by.name)}" if window.started_by else ""
    begun = clock(window.started or window.starts, now=now)
    foot = (
        f"{announced}started{by} {begun} UTC · updates in the thread · "
        f"updated {clock(now, seconds=True)} UTC"
    )
    number = str(window.id)
    return (
        first,
        [
            section(mark("{}\n{}", first, _HELD.format(environment.label))),
            *reason(window, first),
            context(mark("{}", foot)),
        ],
        [
            Button("+30 min", "maintenance extend", f"{number} 30m"),
            Button("Post an update…", "maintenance update", number),
            Button("End now", "maintenance end", number),
        ],
    )


def _over(window: Window, environment: Environment, now: datetime) -> Drawn:
    done = window.stage is Stage.ENDED
    what = f"is over after {took(window)}" if done else f"is cancelled, {when(window)}"
    first = first_line("📣", environment, what, window)
    foot = (
        f"announced by {name(window.owner.name)} for {when(window)} · "
        f"{by_whom(window, 'ended' if done else 'cancelled', now)} · "
    )
    blocks = [
        section(first),
        *reason(window, first),
        *typed(window.closing.strip()),
        context(mark("{}{}", foot, updated(now))),
    ]
    return first, blocks, []


def _begun(window: Window, environment: Environment) -> Markup:
    begun = window.started or window.starts
    until = f"until {clock(window.ends, now=begun)} UTC ({nearest(window.ends - begun)})"
    return first_line("📣", environment, f"has started, {until}", window)


def _one_line(text: str) -> Markup:
    return mark("{}", " ".join(text.split()))


def _cut(line: Markup) -> Markup:
    return Markup(truncate(line, FIRST_LINE))


def _up(length: timedelta) -> str:
    """Write a length in whole minutes, rounded up: nobody is promised less than it is."""
    minute = timedelta(minutes=1)
    return lasting(-(-length // minute) * minute)
