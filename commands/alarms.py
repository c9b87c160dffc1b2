"""`alarms`: what fires now, and what has fired."""

import asyncio

from bot.command import Call, Purpose, Read, Reply
from bot.render import alarms

_LAST = 20


async def run(call: Call) -> Reply:
    """List what fires, and the silences."""
    firing, silences = await asyncio.gather(
        call.services.alarms.firing(), call.services.alarms.silences(call.now)
    )
    links = await call.services.alarms.links(firing)
    text, blocks, buttons = alarms.firing(call.environment, firing, silences, call.now, links)
    return Reply(blocks, text, (*buttons, *call.reading_buttons))


async def run_history(call: Call) -> Reply:
    """List the last ones, whether they still fire or not."""
    found = await call.services.alarms.history(_LAST)
    links = await call.services.alarms.links(found)
    text, blocks = alarms.history(call.environment, found, call.now, links)
    return Reply(blocks, text, call.reading_buttons)


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
