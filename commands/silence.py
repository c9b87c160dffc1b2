"""`silence`: hear nothing of something for a while; what it holds is shown."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta

from bot.command import Act, Call, Purpose, Reply
from bot.domain.alarms import Silence
from bot.domain.errors import UserError
from bot.domain.rules import RULES
from bot.domain.times import format_duration, parse_duration
from bot.grammar import did_you_mean, quoted
from bot.render.alarms import silenced
from bot.render.blocks import mark
from bot.render.forms import Choice, Form, Text
from bot.render.rules import never_held

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(days=7)

UNTIL_RESOLVED = "resolved"

_LENGTHS = ("30m", "1h", "2h", "4h", UNTIL_RESOLVED)


def form(call: Call) -> Form | None:
    """Ask for what was not typed, or not clicked."""
    words = call.arguments.words
    if words and not (call.clicked and len(words) == 1):
        return None
    # Those that name incidents, and can be held.
    rules = (each.name for each in RULES.values() if not each.family and not each.pierces)
    what = Choice("instrumentruleid", "What", (*call.environment.instruments, *rules))
    return Form(
        command="silence",
        title="Silence alarms",
        submit="Silence",
        fields=(
            *(() if words else (what,)),
            Choice("durationresolved", "How long (resolved: until it is over)", _LENGTHS),
            Text("reason", "Why nobody needs to hear of it"),
        ),
        explained=mark("{} The channel sees what is silenced, by whom, and why.", never_held()),
        typed=call.arguments.typed,
    )


async def run(call: Call) -> AsyncIterator[Reply]:
    """Silence it, and show what that holds."""
    drafts = await _drafts(call)
    firing = await call.services.alarms.firing()
    held = {each.id for draft in drafts for each in await call.services.alarms.preview(draft)}
    matching = [each for each in firing if any(draft.matches(each) for draft in drafts)]
    if drafts[0].ends is None and not held:
        raise call.mistake(
            "Nothing of that fires and can be held, so `resolved` would end at once. Give a "
            "duration, such as `2h`."
        )
    made = [await call.services.alarms.silence(draft) for draft in drafts]
    text, blocks, buttons = silenced(
        call.environment,
        made,
        [each for each in matching if each.id in held],
        [each for each in matching if each.id not in held],
        call.now,
    )
    yield Reply(blocks, text, buttons)


async def _drafts(call: Call) -> list[Silence]:
    """Read what is to be silenced: one silence, or one for each instrument."""
    environment, instruments = call.environment, call.environment.instruments
    draft = Silence(
        id=0,
        environment=environment.name,
        by=call.person,
        reason=call.arguments.rest,
        starts=call.now,
        ends=_ends(call),
    )
    word = call.arguments.words[0].lower()
    if word == "all" or word in instruments:
        named = instruments if word == "all" else (word,)
        return [replace(draft, instrument=each) for each in named]
    if word.replace("-", "_") in RULES:
        return [replace(draft, rule=word.replace("-", "_"))]
    if not word.lstrip("#").isdigit():
        raise call.mistake(
            f"`{quoted(word)}` is no instrument of {environment.label}, no rule and no ID."
            + did_you_mean(word, (*instruments, *RULES))
        )
    incident = await call.services.alarms.find(call.number)
    if incident.resolved is not None:
        raise UserError(f"Alarm {incident.id} is resolved already; there is nothing to silence.")
    return [replace(draft, incident=incident.id)]


def _ends(call: Call) -> datetime | None:
    typed = call.arguments.words[1].lower()
    if typed == UNTIL_RESOLVED:
        return None
    try:
        length = parse_duration(typed)
    except ValueError as error:
        raise call.mistake(
            f"How long it lasts {error}; or `{UNTIL_RESOLVED}`: until it is over."
        ) from error
    if not SHORTEST <= length <= LONGEST:
        raise call.mistake(
            f"A silence lasts from {format_duration(SHORTEST)} to {format_duration(LONGEST)}."
        )
    return call.now + length


COMMANDS = (
    Act(
        name="silence",
        usage="(INSTRUMENT|RULE|ID) (DURATION|resolved) REASON",
        summary="hear nothing of an instrument, a rule or one alarm for a while",
        purpose=Purpose.ALARMS,
        run=run,
        form=form,
        details=(
            "DURATION is from 1m to 7d; `resolved` means until what fires now is over. Rules: "
            + ", ".join(f"`{name}`" for name in RULES)
            + ". A backlog, its `stalled`, `unknown_lag` and `lag` are one alarm, so each of these "
            "names silences it. `missing`, `unreachable` and `expiring` are shown in spite of any "
            "silence. `unsilence ID` ends it early."
        ),
    ),
)
