"""`alarms`: what fires now, and what has fired."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from bot.command import Call, Purpose, Read, Reply
from bot.domain.alarms import Incident, Silence
from bot.domain.blindness import Blindness
from bot.domain.environments import Environment
from bot.domain.errors import RedisUnusable
from bot.domain.rules import Severity
from bot.domain.streams import outage_of
from bot.render import blindness
from bot.render.alarms import HELD, name, on_it, own_buttons, silence_line
from bot.render.blocks import Block, Drawn, Markup, context, join, link, mark, paragraphs, section
from bot.render.errors import tried
from bot.render.rules import first_line, peak, skipped, where
from bot.render.words import SAFE, clock, count, in_minutes

_LAST = 20
_LISTED = 20
_BUTTONS = 2


async def run(call: Call) -> Reply:
    """List what fires, and the silences."""
    firing, silences, blind, looks = await asyncio.gather(
        call.services.alarms.firing(),
        call.services.alarms.silences(call.now),
        call.services.watch.blindness(call.now),
        call.services.streams.look(call.environment.instruments),
    )
    links = await call.services.alarms.links(firing)
    unseen = await call.services.alarms.unseen(firing)
    text, blocks, buttons = list_alarms(
        call.environment,
        firing,
        silences,
        call.now,
        links,
        blind=blind,
        outage=outage_of(looks),
        unseen=unseen,
    )
    return Reply(text, blocks, (*buttons, *call.reading_buttons))


async def run_history(call: Call) -> Reply:
    """List the last ones, whether they still fire or not."""
    found = await call.services.alarms.history(_LAST)
    links = await call.services.alarms.links(found)
    reach = await call.services.oncall.reach(*found)
    told = {number for number, each in reach.items() if each.told}
    return Reply(*history(call.environment, found, call.now, links, told), call.reading_buttons)


# What is answered.


def list_alarms(
    environment: Environment,
    incidents: Sequence[Incident],
    silences: Sequence[Silence],
    now: datetime,
    links: Mapping[int, str],
    *,
    blind: Blindness | None = None,
    outage: RedisUnusable | None = None,
    unseen: Mapping[int, str] = {},
) -> Drawn:
    """Draw the alarms that fire, and the silences; `links` are their messages, by number.

    Parameters
    ----------
    outage
        Why Redis is of no use at this moment; an alarm comes of it only if it lasts.
    unseen
        Why the channel does not show an alarm, by number.
    """
    first = _first(environment, incidents)
    blocks = [section(first)]
    if outage is not None and not incidents:
        first = _not_yet(environment, outage)
        blocks = [section(join("\n", [first, tried(outage)]))]
    if blind is not None:
        # What fired when somebody looked last is worth knowing; that nothing did is not.
        known = blocks if incidents else []
        first = blindness.line(environment, blind, now)
        blocks = [section(f"{first}\n{blindness.meaning(blind)}"), *known]
    drawn = [_firing(each, now, links, unseen.get(each.id, "")) for each in incidents[:_LISTED]]
    blocks += paragraphs(drawn, len(incidents))
    if silences:
        quiet = [silence_line(each, now) for each in silences[:_LISTED]]
        blocks += paragraphs(["*Silences*", *quiet], len(silences) + 1)
    blocks.append(context(f"{clock(now, seconds=True)} UTC"))
    return first, blocks, own_buttons(incidents, _BUTTONS)


def history(
    environment: Environment,
    incidents: Sequence[Incident],
    now: datetime,
    links: Mapping[int, str],
    told: Collection[int] = (),
) -> tuple[str, list[Block]]:
    """Draw the last alarms, newest first, whether they still fire or not.

    Parameters
    ----------
    told
        Numbers of those that on-call was told of.
    """
    if not incidents:
        first = f"🟢 *{environment.label}: no alarm has fired yet.*"
        return first, [section(first)]
    first = f"*{environment.label}: the last {count(len(incidents), 'alarm')}.*"
    drawn = [_was(each, now, links, told=each.id in told) for each in incidents[:_LISTED]]
    return first, [section(first), *paragraphs(drawn, len(incidents))]


def _first(environment: Environment, incidents: Sequence[Incident]) -> str:
    label = environment.label
    if not incidents:
        return f"🟢 *{label}: no alarm is firing.*"
    critical = sum(each.severity is Severity.CRITICAL for each in incidents)
    what = count(len(incidents), "alarm") + (" is" if len(incidents) == 1 else " are")
    if len(incidents) == 1:
        bad = "critical" if critical else "a warning"
    else:
        bad = f"{critical:,} of them critical" if critical else "none critical"
    return mark("{} *{}: {} firing, {}.*", "🔴" if critical else "🟡", label, what, bad)


def _not_yet(environment: Environment, outage: RedisUnusable) -> str:
    colour = "⚪" if outage.kind.blind else "🔴"
    return f"{colour} *{environment.label}: no alarm is firing yet, but {outage.says}.*"


def _firing(
    incident: Incident, now: datetime, links: Mapping[int, str], unseen: str = ""
) -> Markup:
    parts = [f"since {clock(incident.since, now=now)} UTC ({in_minutes(now - incident.since)})"]
    parts.append(on_it(incident, now) or "nobody owns it")
    if incident.held is not None:
        parts.append(HELD[incident.held])
    lines = [first_line(incident, now), ", ".join(parts) + _link(incident, links)]
    if unseen:
        lines.append(mark("the channel does not see it: {}", unseen))
    return join("\n      ", lines)


def _was(incident: Incident, now: datetime, links: Mapping[int, str], *, told: bool) -> Markup:
    if incident.resolved is None:
        return _firing(incident, now, links)
    ended = incident.resolved
    bad = "critical" if incident.worst is Severity.CRITICAL else "a warning"
    first = f"🟢 {incident.id} *{where(incident)}* {incident.name.replace('_', ' ')}, {bad}"
    began, lasted = clock(incident.began, now=now), in_minutes(ended - incident.began)
    parts = [f"{began} to {clock(ended, now=now)} UTC ({lasted})"]
    if incident.highest_waiting:
        parts.append(f"highest {peak(incident)}")
    if incident.relapses:
        parts.append(f"came back {count(incident.relapses, 'time')}")
    if incident.skipped:
        parts.append(f"{skipped(incident)} skipped, {SAFE}")
    if incident.owner is not None:
        parts.append(name(incident.owner.name))
    if told:
        parts.append("on-call told")
    return join("\n      ", [first, ", ".join(parts) + _link(incident, links)])


def _link(incident: Incident, links: Mapping[int, str]) -> Markup:
    url = links.get(incident.id)
    return mark(", {}", link(url, f"alarm {incident.id}")) if url else Markup()


COMMANDS = (
    Read(
        name="alarms",
        summary="what fires, for how long, and who is on it",
        purpose=Purpose.ALARMS,
        run=run,
        aliases=("alerts",),
        details=(
            "Each alarm is one message in the channel, kept up to date; what happens to it is told "
            "in its thread. Silences are listed too. `alarms history` shows what is over."
        ),
    ),
    Read(
        name="alarms history",
        summary=f"the last {_LAST} alarms: how long, how bad, who was on it",
        purpose=Purpose.ALARMS,
        run=run_history,
        aliases=("alerts history",),
    ),
)
