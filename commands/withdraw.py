"""`withdraw`: the requester takes a request back."""

from collections.abc import AsyncIterator

from bot.command import Act, Call, Purpose, Reply, Right, privately
from bot.render.blocks import mark


async def run(call: Call) -> AsyncIterator[Reply]:
    """Close the request."""
    request = await call.services.approvals.withdraw(call.number, call.person, call.now)
    yield privately(mark("Request {} is withdrawn. Nothing was changed.", request.id))


COMMANDS = (
    Act(
        name="withdraw",
        usage="ID",
        summary="take your own request back; also the card's button",
        purpose=Purpose.CHANGE,
        right=Right.ANYBODY,
        run=run,
    ),
)
