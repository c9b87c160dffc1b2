"""`maintenance`: work on Redis, announced, started, ended, and told to everybody in time."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

from bot.command import Act, Call, Purpose, Read, Reply, privately
from bot.domain.errors import UserError
from bot.domain.maintenance import LONGEST_TEXT, LONGEST_WINDOW, Window, night_refusal
from bot.domain.times import WhenError, format_duration, parse_duration, parse_when
from bot.grammar import NO_WORDS, did_you_mean, has_words, quoted, split_words, whole_number
from bot.render.forms import Checked, Choice, Day, Filled, Form, Found, Text, Tick, TimeOfDay
from bot.render.maintenance import announced, confirmation, listed, told

_SHORTEST = timedelta(minutes=1)

OBSERVING = "during-observing"

_LENGTHS = ("30m", "1h", "2h", "4h")
_ZONES = ("UTC", "Chile", "SLAC")


def _form(command: str, call: Call) -> Form | None:
    """Ask for the hours, and for a new window why."""
    changes = command == "maintenance change"
    words = call.arguments.words
    if words and not (changes and call.clicked and len(words) == 1):
        return None
    if changes and not words:
        return None
    reason = Text("reason", "What for", longest=LONGEST_TEXT)
    return Form(
        command=command,
        title="Change the window" if changes else "Announce maintenance",
        submit="Look at it",
        fields=(
            Day("date", "Day", call.now.date()),
            TimeOfDay("time", "From", optional=True),
            # Not every client that draws forms draws a time picker.
            Text("clock", "Or the time, typed, such as 16:00", optional=True, lines=False),
            Choice("zone", "In the time of", _ZONES, initial="UTC"),
            Choice("duration", "How long", _LENGTHS, initial="1h", optional=True),
            Text("other", "Or another duration, such as 90m", optional=True, lines=False),
            *(() if changes else (reason,)),
            Tick(OBSERVING, "Night", "during observing, as agreed"),
        ),
        explained="Nothing is posted yet: next you see the hours in UTC, Chile and at SLAC.",
        typed=" ".join(words),
    )


def _check(command: str, filled: Filled) -> Found:
    """Look over the hours; show them in three zones, and the night, before anything is posted."""
    values, now = filled.values, filled.now
    if "date" not in values:
        return None
    try:
        clock = values.get("clock", "").strip() or values.get("time", "")
        # A date that nobody touched is today's.
        at = f"{values['date']}T{clock}" if values["date"] else clock
        typed = (at, values.get("zone") or "UTC")
        starts, _ = parse_when(typed, now, None)
    except WhenError as error:
        return {"time": str(error).replace("`", "")}
    other = values.get("other", "").strip()
    try:
        length = _length(other or values.get("duration", ""))
    except ValueError as error:
        return {"other" if other or "duration" not in values else "duration": str(error)}
    ends, environment = starts + length, filled.environment
    agreed = values.get(OBSERVING, "")
    at_night = night_refusal(environment, starts, ends, ticked=True)
    if at_night is not None and not agreed:
        return {"time": at_night}
    reason = values.get("reason", "").strip()
    if reason and not has_words(reason):
        return {"reason": NO_WORDS}
    line = [
        *([f"--{OBSERVING}"] if agreed else []),
        *([filled.typed] if filled.typed else []),
        f"{starts:%Y-%m-%dT%H:%MZ}",
        format_duration(length),
        *([reason] if reason else []),
    ]
    changes = command == "maintenance change"
    return Form(
        command=command,
        title="Change the window" if changes else "Announce maintenance",
        submit="Change it" if changes else "Announce it",
        fields=(),
        explained=confirmation(environment, starts, ends),
        typed=" ".join(line),
        repeated=reason,
    )


def _first(call: Call) -> Form | None:
    """Ask for a new window, whatever the command that was typed."""
    if call.arguments.words:
        known = [each.name.removeprefix("maintenance ") for each in FAMILY]
        word = call.arguments.words[0]
        raise UserError(
            f"I don't know `maintenance {quoted(word)}`." + did_you_mean(word, known),
            usage=f"maintenance [{'|'.join(known)}]",
        )
    return _form("maintenance schedule", call)


def _text_form(call: Call) -> Form | None:
    """Ask for the text where a click lacks it."""
    if not call.clicked or call.arguments.rest or len(call.arguments.words) != 1:
        return None
    return Form(
        command="maintenance update",
        title="Post an update",
        submit="Post it",
        fields=(Text("text", "What there is to say", longest=LONGEST_TEXT),),
        typed=call.arguments.typed,
    )


async def run_list(call: Call) -> Reply:
    """List the windows that are not over."""
    windows = await call.services.maintenance.windows()
    text, blocks, buttons = listed(call.environment, windows, call.now)
    return Reply(text, blocks, (*call.reading_buttons, *buttons))


async def run(call: Call) -> AsyncIterator[Reply]:
    """List the windows, where no form can be opened."""
    yield await run_list(call)


async def run_announce(call: Call) -> AsyncIterator[Reply]:
    """Say something once; there is no window."""
    places = await call.services.maintenance.announce(call.arguments.rest, call.person, call.now)
    yield privately(announced(places))


async def _start(call: Call) -> Window:
    """Start a planned window, or a new one."""
    first, reason = call.arguments.words[0], call.arguments.rest
    if whole_number(first) is not None and not reason:
        return await call.services.maintenance.start(call.number, call.person, call.now)
    length = _duration(call, first)
    if not reason:
        raise call.mistake("Say in a few words what for: the announcement shows it.")
    return await call.services.maintenance.schedule(
        call.now, call.now + length, reason, call.person, call.now, during_observing=_agreed(call)
    )


async def _schedule(call: Call) -> Window:
    line = call.arguments.line
    starts, taken = await _when(call, call.arguments.words)
    words = split_words(line)
    if len(words) <= taken + 1:
        raise call.mistake(
            "After the time come how long it takes and what for, such as `1h Redis upgrade`."
        )
    reason = line[words[taken].end() :].strip()
    if not has_words(reason):
        raise call.mistake(NO_WORDS)
    return await call.services.maintenance.schedule(
        starts,
        starts + _duration(call, words[taken].group()),
        reason,
        call.person,
        call.now,
        during_observing=_agreed(call),
    )


async def _change(call: Call) -> Window:
    number, (_, *words) = call.number, call.arguments.words
    starts, taken = await _when(call, words)
    if len(words) != taken + 1:
        what = f"`{quoted(words[taken + 1])}` is too much" if words[taken:] else "It is missing"
        raise call.mistake(f"After the time comes how long it takes, such as `1h`. {what}.")
    ends = starts + _duration(call, words[taken])
    return await call.services.maintenance.change(
        number, starts, ends, call.person, call.now, during_observing=_agreed(call)
    )


async def _extend(call: Call) -> Window:
    length = _duration(call, call.arguments.words[1])
    return await call.services.maintenance.extend(
        call.number, length, call.person, call.now, during_observing=_agreed(call)
    )


async def _update(call: Call) -> Window:
    text = call.arguments.rest
    return await call.services.maintenance.update(call.number, text, call.person, call.now)


async def _end(call: Call) -> Window:
    text = call.arguments.rest
    return await call.services.maintenance.end(call.number, text, call.person, call.now)


async def _cancel(call: Call) -> Window:
    return await call.services.maintenance.cancel(call.number, call.person, call.now)


def _stepping(step: Callable[[Call], Awaitable[Window]]) -> Callable[[Call], AsyncIterator[Reply]]:
    """Tell whoever takes a step how the window stands; everybody else reads the announcement."""

    async def run(call: Call) -> AsyncIterator[Reply]:
        window = await step(call)
        post = await call.services.posts.settled(window.id)
        yield privately(told(window, call.now, post))

    return run


async def _when(call: Call, words: Sequence[str]) -> tuple[datetime, int]:
    """Read WHEN; a time without a zone is in the person's own, as Slack knows it."""
    zone = await call.services.groups.zone(call.person)
    try:
        starts, taken = parse_when(words, call.now, zone)
    except WhenError as error:
        raise call.mistake(str(error)) from error
    return starts.astimezone(UTC), taken


def _duration(call: Call, text: str) -> timedelta:
    try:
        return _length(text)
    except ValueError as error:
        raise call.mistake(str(error)) from error


def _length(text: str) -> timedelta:
    """Read how long a window takes.

    Raises
    ------
    ValueError
        If it is no duration, or none for a window; the text is for people.
    """
    try:
        length = parse_duration(text.lower())
    except ValueError as error:
        raise ValueError(f"How long it takes {error}.") from error
    if not _SHORTEST <= length <= LONGEST_WINDOW:
        raise ValueError(
            f"It takes from {format_duration(_SHORTEST)} to {format_duration(LONGEST_WINDOW)}."
        )
    return length


def _agreed(call: Call) -> bool:
    return OBSERVING in call.arguments.options


_act = partial(Act, purpose=Purpose.MAINTENANCE)

FAMILY = (
    _act(
        name="maintenance announce",
        usage="TEXT",
        summary="say something once, in the channel and its mirrors; holds no alarm",
        run=run_announce,
        details="Shown as typed; nobody is pinged. For work that takes time, announce a window.",
    ),
    _act(
        name="maintenance start",
        usage=f"[--{OBSERVING}] (DURATION|ID) [REASON]",
        summary="start a window now: a new one with DURATION and REASON, or the planned one ID",
        run=_stepping(_start),
        details="Alarms are held until it is ended, except that visits are about to be skipped.",
    ),
    _act(
        name="maintenance schedule",
        usage=f"[--{OBSERVING}] WHEN DURATION REASON",
        summary="announce a window",
        run=_stepping(_schedule),
        form=Checked(
            partial(_form, "maintenance schedule"), partial(_check, "maintenance schedule")
        ),
        details=(
            "WHEN: `2026-11-24T15:00Z`, `15:00`, `tomorrow 15:00`, `in 2h`, with a zone after the "
            "time: `UTC`, `Chile`, `SLAC` or an IANA name; without one it is in your own, as "
            f"Slack knows it. Options come first. At night PROD needs `--{OBSERVING}`: say who "
            "agreed. It starts by itself; you are reminded in its thread."
        ),
    ),
    _act(
        name="maintenance change",
        usage=f"[--{OBSERVING}] ID WHEN DURATION",
        summary="change the times of a planned window",
        run=_stepping(_change),
        form=Checked(partial(_form, "maintenance change"), partial(_check, "maintenance change")),
    ),
    _act(
        name="maintenance extend",
        usage=f"[--{OBSERVING}] ID DURATION",
        summary="give a window more time",
        run=_stepping(_extend),
    ),
    _act(
        name="maintenance update",
        usage="ID TEXT",
        summary="tell in a window's thread how it goes",
        run=_stepping(_update),
        form=_text_form,
    ),
    _act(
        name="maintenance end",
        usage="ID [TEXT]",
        summary="end a window: the channel hears what was done and what still fires",
        run=_stepping(_end),
    ),
    _act(
        name="maintenance cancel",
        usage="ID",
        summary="take a planned window back",
        run=_stepping(_cancel),
    ),
    Read(
        name="maintenance list",
        summary="what is planned or under way",
        purpose=Purpose.MAINTENANCE,
        run=run_list,
    ),
)

COMMANDS = (
    _act(
        name="maintenance",
        usage="[SUBCOMMAND…]",
        summary="announce work on Redis in a form",
        run=run,
        form=_first,
        details=(
            "The form shows the hours in UTC, Chile and at SLAC, and how far the night is, before "
            "anything is posted. A window holds alarms from its start to its end."
        ),
    ),
    *FAMILY,
)
