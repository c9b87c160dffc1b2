"""`consumers`: how many names a group has, and how many were left behind."""

import asyncio

from bot.command import Call, Purpose, Read, Reply, Right
from bot.domain.night import is_night
from bot.domain.streams import Consumers, NoAnswer
from bot.render.blocks import Button
from bot.render.groups import consumers, to_prune

MOST_AT_NIGHT = 50_000
"""At night, more names than these are not looked at one by one.

Measured: 91 to 132 ms of server time at 100,000 names, during which no worker reads.
"""


async def run(call: Call) -> Reply:
    """Count the names of the instruments that were named."""
    instruments = call.instruments()
    looks = await call.services.streams.look(instruments)
    for look in looks:
        if isinstance(look.state, NoAnswer):
            # Asking once more would only take as long again.
            raise look.state.error
    night = is_night(call.environment.site, call.now)
    names = [look.group.consumers if look.group else 0 for look in looks]

    async def count(instrument: str, known: int) -> Consumers | None:
        if night and known > MOST_AT_NIGHT:
            return Consumers(known)
        return await call.services.streams.consumers(instrument)

    found = await asyncio.gather(*map(count, instruments, names))
    by_instrument = dict(zip(instruments, found, strict=True))
    text, blocks = consumers(call.environment, by_instrument)
    most = to_prune(call.environment, by_instrument)
    offered = (Button("Prune", "prune", most),) if most else ()
    return Reply(blocks, text, (*call.reading_buttons, *offered))


COMMANDS = (
    Read(
        name="consumers",
        usage="[INSTRUMENT]",
        summary="how many consumer names there are, and how many were left behind",
        purpose=Purpose.LOOK,
        right=Right.ANYBODY,
        run=run,
        details=(
            "Every worker brings a new name and none is ever removed, so the number of names says "
            "nothing about how many workers run. `prune` removes those that were left behind."
        ),
    ),
)
