"""`pending`: what was read and never confirmed."""

import asyncio

from bot.command import Call, Purpose, Read, Reply, Right
from bot.render.groups import pending


async def run(call: Call) -> Reply:
    """List the oldest unconfirmed entries of the instruments that were named."""
    instruments = call.instruments()
    found = await asyncio.gather(*(call.streams.pending(one) for one in instruments))
    text, blocks = pending(call.environment, dict(zip(instruments, found, strict=True)))
    return Reply(blocks, text, call.reading_buttons)


COMMANDS = (
    Read(
        name="pending",
        usage="[INSTRUMENT]",
        summary="entries that were read and never confirmed, with visit and detector",
        purpose=Purpose.LOOK,
        right=Right.ANYBODY,
        run=run,
        details=(
            "Workers confirm an entry as soon as they have read it, so this list is normally "
            "empty. What stays here was read by a worker that died; Redis never hands it out again."
        ),
    ),
)
