"""`pending`: what was read and never confirmed."""

import asyncio
from collections.abc import Mapping

from bot.command import Call, Purpose, Read, Reply, Right
from bot.domain.streams import Pending
from bot.render.groups import Offer, pending, to_settle


async def run(call: Call) -> Reply:
    """List the oldest unconfirmed entries of the instruments that were named."""
    instruments = call.instruments()
    found = await asyncio.gather(*(call.services.streams.pending(one) for one in instruments))
    by_instrument = dict(zip(instruments, found, strict=True))
    offer = await _offer(call, by_instrument)
    text, blocks = pending(call.environment, by_instrument, offer)
    offered = (offer.button,) if offer else ()
    return Reply(blocks, text, (*call.reading_buttons, *offered))


async def _offer(call: Call, found: Mapping[str, Pending | None]) -> Offer | None:
    """Offer to settle what no worker will confirm: the instrument with most of it."""
    old = None if call.environment.read_only else to_settle(found)
    if old is None:
        return None
    # Only the oldest ten were listed; this counts those that the button would ask for.
    entries = await call.services.streams.unconfirmed(*old)
    return Offer(*old, len(entries)) if entries else None


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
