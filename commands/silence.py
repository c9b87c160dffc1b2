"""`silence`: hear nothing of something for a while; what it holds is shown."""

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.command import Act, Call, Purpose, Reply
from bot.domain.alarms import Incident, Silence
from bot.domain.environments import Environment
from bot.domain.errors import UserError
from bot.domain.rules import BACKLOG, RULES, Rule, rule_of
from bot.domain.times import format_duration, parse_duration
from bot.grammar import did_you_mean, quoted, whole_number
from bot.render.alarms import LONGEST_SUBJECT, name, silence_subject, silence_until
from bot.render.blocks import Button, Drawn, context, join, mark, section, truncate, typed
from bot.render.forms import Choice, Form, Text
from bot.render.rules import first_line, never_held
from bot.render.words import clock, duration

_SHORTEST, _LONGEST = timedelta(minutes=1), timedelta(days=7)

UNTIL_RESOLVED = "resolved"

_HEADS = 10
_LENGTHS = ("30m", "1h", "2h", "4h", UNTIL_RESOLVED)


def form(call: Call) -> Form | None:
    """Ask for what was not typed, or not clicked."""
    words = call.arguments.words
    if words and not (call.clicked and len(words) == 1):
        return None
    # Those that name incidents, and can be held.
    rules = (each.name for each in RULES.values() if not each.joins and not each.pierces)
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
        explained=f"{never_held()} The channel sees what is silenced, by whom, and why.",
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
    drawn = silenced(
        call.environment,
        made,
        [each for each in matching if each.id in held],
        [each for each in matching if each.id not in held],
        call.now,
    )
    yield Reply(*drawn)


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
    if whole_number(word) is None:
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
    if not _SHORTEST <= length <= _LONGEST:
        raise call.mistake(
            f"A silence lasts from {format_duration(_SHORTEST)} to {format_duration(_LONGEST)}."
        )
    return call.now + length


# What is answered.


def silenced(
    environment: Environment,
    silences: Sequence[Silence],
    held: Sequence[Incident],
    piercing: Sequence[Incident],
    now: datetime,
) -> Drawn:
    """Draw silences that have just begun: of several instruments, or a single one.

    Parameters
    ----------
    held
        Alarms that fire and are held from now on.
    piercing
        Alarms that fire, are of what is silenced, and are shown all the same.
    """
    one, several = silences[0], len(silences) > 1
    names = ", ".join(each.instrument for each in silences)
    about = f"alarms of {names}" if several else silence_subject(one)
    lasting = "" if one.ends is None else f" ({duration(one.ends - one.starts)})"
    first = (
        f"🔧 *{environment.label}: {name(one.by.name)} silences "
        f"{truncate(about, LONGEST_SUBJECT)} {silence_until(one.ends, now)}{lasting}.* "
        f"Silence {', '.join(str(each.id) for each in silences)}"
    )
    blocks = [
        section(first),
        *typed(one.reason),
        section(join("\n", _holds(one, held, piercing, now))),
        context(f"{clock(now, seconds=True)} UTC"),
    ]
    buttons = [
        Button(
            f"End silence {each.id}" if several else "End this silence",
            "unsilence",
            str(each.id),
            word=str(each.id),
        )
        for each in silences[:3]
    ]
    return first, blocks, [*buttons, Button("Alarms", "alarms")]


def _holds(
    silence: Silence, held: Sequence[Incident], piercing: Sequence[Incident], now: datetime
) -> Iterator[str]:
    """Say what a silence holds, and what it does not."""
    rule = None if silence.rule is None else rule_of(rule_of(silence.rule).head)
    if held:
        yield "*Held from now on:*"
        yield from _heads(held, now)
    elif rule is not None and rule.pierces:
        yield "*It holds nothing,* because what it names pierces every silence."
    else:
        yield "*Nothing of it fires now.* What begins to fire is held."
    if piercing:
        yield "*Shown all the same:*"
        yield from _heads(piercing, now)
    if rule is BACKLOG:
        yield "When visits are about to be skipped (expiring), it is shown all the same."
    elif rule is not None and not rule.pierces:
        yield "Other alarms are shown as before."
    else:
        yield never_held(named=True)


def _heads(incidents: Sequence[Incident], now: datetime) -> Iterator[str]:
    yield from (mark("      {}", first_line(each, now)) for each in incidents[:_HEADS])
    if len(incidents) > _HEADS:
        yield f"      and {len(incidents) - _HEADS:,} more"


# What `help silence` tells.


def details() -> str:
    """Tell which rules there are, which of them are one alarm, and which no silence holds."""
    held = [each for each in RULES.values() if not each.pierces]
    families = (
        f" A {name}, its {_names(others)} are one alarm, so each of these names silences it."
        for name in RULES
        if (others := [each for each in held if each.joins == name])
    )
    piercing = sorted(
        (each for each in RULES.values() if each.pierces), key=lambda each: each.joins
    )
    return (
        "DURATION is from 1m to 7d; `resolved` means until what fires now is over. Rules: "
        f"{', '.join(f'`{name}`' for name in RULES)}.{''.join(families)} "
        f"{_names(piercing)} are shown in spite of any silence. "
        "`unsilence ID` ends it early."
    )


def _names(rules: Iterable[Rule[Any]]) -> str:
    *others, last = (f"`{each.name}`" for each in rules)
    return f"{', '.join(others)} and {last}" if others else last


COMMANDS = (
    Act(
        name="silence",
        usage="(INSTRUMENT|RULE|ID) (DURATION|resolved) REASON",
        summary="hear nothing of an instrument, a rule or one alarm for a while",
        purpose=Purpose.ALARMS,
        run=run,
        form=form,
        details=details,
    ),
)
