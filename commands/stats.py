"""`stats`: what waits, for how long, and whether it is being read."""

import asyncio
from collections.abc import Sequence

from bot.command import Call, Purpose, Read, Reply, Right
from bot.domain.alarms import Incident
from bot.domain.errors import StateError
from bot.domain.streams import Look
from bot.render.blocks import BUTTONS_IN_MESSAGE, Button
from bot.render.past import HOUR, Past
from bot.render.streams import stats

_PATIENCE = 2.0
"""Seconds for which the figures of now wait for those of the past."""


async def run(call: Call) -> Reply:
    """Look at the streams of the instruments that were named."""
    instruments = call.instruments()
    looks, firing, pasts, pod, jobs = await asyncio.gather(
        call.services.streams.look(instruments),
        _firing(call, instruments),
        asyncio.gather(*(_past(call, each) for each in instruments)),
        call.services.workloads.pod(),
        asyncio.gather(*(call.services.workloads.jobs(each) for each in instruments)),
    )
    known = dict(zip(instruments, pasts, strict=True))
    running = {name: each for name, each in zip(instruments, jobs, strict=True) if each}
    text, blocks = stats(call.environment, looks, known, firing, pod=pod, jobs=running)
    return Reply(blocks, text, tuple(_buttons(call, looks, firing))[:BUTTONS_IN_MESSAGE])


def _buttons(call: Call, looks: Sequence[Look], firing: Sequence[Incident]) -> list[Button]:
    worst = max(looks, key=lambda each: each.verdict(call.environment.stalled_after).badness)
    free = [each for each in firing if each.owner is None]
    return [
        *call.reading_buttons,
        *(Button("I'm on it", "own", str(each.id)) for each in free[:1]),
        Button("Chart", "chart", worst.instrument),
        Button("What do these mean?", "help", "stats"),
    ]


async def _past(call: Call, instrument: str) -> Past:
    """Give what is known of the last hour; the bot's own database may be away."""
    started = call.deployment.started
    try:
        async with asyncio.timeout(_PATIENCE):
            minutes = await call.services.history.minutes(instrument, call.now - HOUR)
            return Past(started, minutes, await call.services.history.rates(instrument))
    except (StateError, TimeoutError):
        return Past(started)


async def _firing(call: Call, instruments: Sequence[str]) -> list[Incident]:
    """Give the open alarms about these streams, or the Redis under them."""
    try:
        async with asyncio.timeout(_PATIENCE):
            firing = await call.services.history.firing()
    except (StateError, TimeoutError):
        return []
    return [each for each in firing if each.instrument in ("", *instruments)]


COMMANDS = (
    Read(
        name="stats",
        usage="[INSTRUMENT…]",
        summary="what waits, for how long, and whether workers read it",
        purpose=Purpose.LOOK,
        right=Right.ANYBODY,
        run=run,
        details=(
            "*healthy*: nothing waits, or for less than 60 s. *waiting*: for longer. "
            "*not reading*: entries wait and nothing was read for 2 min or more; known after two "
            "looks that far apart. *missing*: no stream, or no group. *unreachable*: Redis does "
            "not answer. *unknown*: the bot may not read it, or the key is no stream.\n"
            "An *entry* is one detector of one *visit*. *Waiting* entries were read by no worker; "
            "they are counted, up to 5,000. *Unconfirmed* ones were read and never acknowledged. "
            "*Arriving* and *Read* are means over the last 5 min."
        ),
    ),
)
