"""The end of maintenance, told to a channel: what was done, how it is now, what still fires."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from bot.domain.alarms import Incident
from bot.domain.approvals import Happened, Request
from bot.domain.environments import Environment
from bot.domain.maintenance import Window
from bot.domain.streams import Look, ServerInfo, Verdict, worst
from bot.render.blocks import (
    BUTTONS_IN_MESSAGE,
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
from bot.render.findings import claim, where
from bot.render.windows import by_whom, label, late_mark, took, whole
from bot.render.words import clock, count, quick

Drawn = tuple[Markup, list[Block], list[Button]]

_LISTED = 10
_LONGEST_LABEL = 16


def ended(
    window: Window,
    environment: Environment,
    now: datetime,
    *,
    requests: Sequence[Request],
    held: Sequence[Incident],
    firing: Sequence[Incident],
    state: tuple[str, str],
    links: Mapping[int, str] | None = None,
    dusk: datetime | None = None,
    late: timedelta = timedelta(0),
) -> Drawn:
    """Draw the closing notice.

    Parameters
    ----------
    window
        What is over.
    environment
        Where.
    now
        The time of this drawing.
    requests
        What was carried out during the window.
    held
        Alarms that were held during the window.
    firing
        Alarms that fire now.
    state
        How the streams are, and what is wrong with them, from `readiness`.
    links
        Address of each alarm's message, by its number.
    dusk
        When the next night begins.
    late
        How long after its time it is said.
    """
    how, trouble = state
    place = label(environment)
    if firing:
        what = count(len(firing), "alarm") + (" is firing:" if len(firing) == 1 else " are firing:")
        about = "; ".join(_claim(each, now) for each in firing)
        opening = mark("🟡 *{} maintenance is over, but {}* ", place, what)
        first = Markup(truncate(opening + mark("{}", about), FIRST_LINE))
        named = [_linked(each, links or {}, now) for each in firing[:_LISTED]]
        top = opening + join("; ", named)
    elif trouble:
        first = top = mark(
            "🟡 *{} maintenance is over after {}, but {}.* Window {}",
            place,
            took(window),
            trouble,
            window.id,
        )
    else:
        first = top = mark(
            "🟢 *{} maintenance is over after {}. Prompt processing is ready.* Window {}",
            place,
            took(window),
            window.id,
        )
    facts = [("Done", _done(requests)), ("Now", how), ("Held", _held(held, firing))]
    foot = [
        by_whom(window, "ended", now),
        *([f"next night from {clock(whole(dusk))} UTC"] if dusk else []),
    ]
    blocks = [
        section(top),
        fields([(title, mark("{}", text)) for title, text in facts if text]),
        *typed(window.closing.strip()),
        context(mark("{}", " · ".join(foot))),
        *late_mark(late),
    ]
    free = [each for each in firing if each.owner is None][: BUTTONS_IN_MESSAGE - 1]
    buttons = [
        Button(_own(each, len(free)), "own", str(each.id), word=str(each.id)) for each in free
    ]
    return first, blocks, [*buttons, Button("Alarms", "alarms")] if firing else []


def readiness(
    environment: Environment, looks: Sequence[Look], server: ServerInfo | None
) -> tuple[str, str]:
    """Say how the streams are after maintenance, and what is wrong; the latter empty if nothing.

    Parameters
    ----------
    environment
        Where.
    looks
        A look at each stream.
    server
        What Redis says of itself; None where it does not answer.
    """
    verdicts = {look.instrument: look.verdict(environment.stalled_after) for look in looks}
    parts = [f"{look.instrument}: {_short(look, verdicts[look.instrument])}" for look in looks]
    if server is not None:
        parts.append(f"Redis answers in {quick(server.answered_in)}")
    bad = worst(verdicts.values()) if verdicts else Verdict.HEALTHY
    if server is None or bad is Verdict.UNREACHABLE:
        return ", ".join(parts), "Redis does not answer"
    if bad is Verdict.HEALTHY:
        return ", ".join(parts), ""
    which = next(name for name, verdict in verdicts.items() if verdict is bad)
    return ", ".join(parts), f"{truncate(which, _LONGEST_LABEL)} is {bad.value}"


def _done(requests: Sequence[Request]) -> str:
    parts = [
        f"{each.outcome.headline}, request {each.id}"
        for each in requests[:_LISTED]
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


def _linked(incident: Incident, links: Mapping[int, str], now: datetime) -> Markup:
    text, url = _claim(incident, now), links.get(incident.id)
    return link(url, text) if url else mark("{}", text)


def _short(look: Look, verdict: Verdict) -> str:
    if look.group is None:
        return "the group is missing" if look.missing else verdict.value
    waiting = look.group.waiting
    at_least = "at least " if waiting.capped else ""
    return f"{at_least}{waiting.entries:,} waiting, group there"


def _own(incident: Incident, free: int) -> str:
    return "I'm on it" if free == 1 else f"I'm on {incident.id}"
