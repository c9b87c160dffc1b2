"""Silences, drawn: what one holds, what it does not, and until when."""

from collections.abc import Sequence
from datetime import datetime

from bot.domain.alarms import Incident, Silence
from bot.domain.environments import Environment
from bot.domain.rules import rule_of
from bot.render.blocks import (
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
from bot.render.findings import headline, name
from bot.render.words import clock, duration

Drawn = tuple[Markup, list[Block], list[Button]]

_LISTED = 10
_LONGEST_REASON = 120
_LONGEST_SUBJECT = 40


def subject(silence: Silence) -> str:
    """Say what a silence is about."""
    if silence.incident is not None:
        return f"alarm {silence.incident}"
    if silence.rule is not None:
        return f"{silence.rule} alarms"
    return f"alarms of {truncate(silence.instrument, _LONGEST_SUBJECT)}"


def until(ends: datetime | None, now: datetime) -> str:
    """Say until when something is silenced."""
    return "until resolved" if ends is None else f"until {clock(ends, now=now)} UTC"


def line(silence: Silence, now: datetime) -> Markup:
    """Draw a silence in one line."""
    return mark(
        "{} {}, {}, by {}: {}",
        silence.id,
        subject(silence),
        until(silence.ends, now),
        name(silence.by.name),
        code(truncate(" ".join(silence.reason.split()), _LONGEST_REASON) or "no reason"),
    )


def silence_preview(
    silences: Sequence[Silence],
    held: Sequence[Incident],
    piercing: Sequence[Incident],
    now: datetime,
) -> Markup:
    """Say what silences hold, and what they do not.

    Parameters
    ----------
    silences
        What is silenced.
    held
        Alarms that fire and are held from now on.
    piercing
        Alarms that fire, are of what is silenced, and are shown all the same.
    now
        The time of this drawing.
    """
    lines = []
    if held:
        lines += [mark("*Held from now on:*"), *_heads(held, now)]
    elif _only_piercing(silences):
        lines.append(mark("*It holds nothing,* because what it names pierces every silence."))
    else:
        lines.append(mark("*Nothing of it fires now.* What begins to fire is held."))
    if piercing:
        lines += [mark("*Shown all the same:*"), *_heads(piercing, now)]
    lines.append(mark("{}", _always(silences)))
    return join("\n", lines)


def silenced(
    environment: Environment,
    silences: Sequence[Silence],
    held: Sequence[Incident],
    piercing: Sequence[Incident],
    now: datetime,
) -> Drawn:
    """Draw silences that have just begun; the parameters are those of `silence_preview`."""
    one = silences[0]
    names = ", ".join(each.instrument for each in silences)
    about = subject(one) if len(silences) == 1 else f"alarms of {names}"
    lasting = "" if one.ends is None else f" ({duration(one.ends - one.starts)})"
    numbers = ", ".join(str(each.id) for each in silences)
    first = mark(
        "🔧 *{}: {} silences {} {}{}.* Silence {}",
        environment.label,
        name(one.by.name),
        truncate(about, _LONGEST_SUBJECT),
        until(one.ends, now),
        lasting,
        numbers,
    )
    blocks = [
        section(first),
        *typed(one.reason),
        section(silence_preview(silences, held, piercing, now)),
        context(mark("{} UTC", clock(now, seconds=True))),
    ]
    buttons = [
        Button(
            "End this silence" if len(silences) == 1 else f"End silence {each.id}",
            "unsilence",
            str(each.id),
            word=str(each.id),
        )
        for each in silences[:3]
    ]
    return first, blocks, [*buttons, Button("Alarms", "alarms")]


def unsilenced(environment: Environment, silence: Silence, by: str, now: datetime) -> Drawn:
    """Draw a silence that somebody has ended early."""
    first = mark(
        "🔧 *{}: {} ends the silence of {}.* Silence {}",
        environment.label,
        name(by),
        subject(silence),
        silence.id,
    )
    text = mark("{}\nWhat still fires is shown again within seconds.", first)
    foot = context(mark("{} UTC", clock(now, seconds=True)))
    return first, [section(text), foot], [Button("Alarms", "alarms")]


def _heads(incidents: Sequence[Incident], now: datetime) -> list[Markup]:
    lines = [mark("      {}", headline(each, now)) for each in incidents[:_LISTED]]
    if len(incidents) > _LISTED:
        lines.append(mark("      and {} more", f"{len(incidents) - _LISTED:,}"))
    return lines


def _only_piercing(silences: Sequence[Silence]) -> bool:
    """Tell whether all that is silenced pierces; of a backlog, only its end does."""
    return all(
        each.rule is not None and rule_of(rule_of(each.rule).incident).pierces for each in silences
    )


def _always(silences: Sequence[Silence]) -> str:
    """Name what is shown in spite of them."""
    rules = [each.rule for each in silences]
    if all(rule is not None and rule_of(rule).incident == "backlog" for rule in rules):
        return "When visits are about to be skipped (expiring), it is shown all the same."
    if all(rule is not None for rule in rules) and not _only_piercing(silences):
        return "Other alarms are shown as before."
    return (
        "Never held: a missing stream or group (missing), a Redis that does not answer "
        "(unreachable), and visits that are about to be skipped (expiring)."
    )
