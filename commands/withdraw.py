"""`withdraw`: the requester takes a request back."""

from collections.abc import AsyncIterator

from bot.command import Act, Call, Purpose, Reply, privately
from bot.domain.environments import Right


async def run(call: Call) -> AsyncIterator[Reply]:
    """Close the request."""
    request = await call.services.approvals.withdraw(call.number, call.person, call.now)
    text = f"Request {request.id} is withdrawn. Nothing was changed."
    yield privately(f"{text} {await call.unseen(request.id)}".strip())


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
