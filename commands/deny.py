"""`deny`: an approver's no to a request."""

from collections.abc import AsyncIterator

from bot.command import Act, Call, Purpose, Reply, privately
from bot.domain.environments import Right
from bot.render.forms import Form, Text


def form(call: Call) -> Form | None:
    """Ask whoever clicked for a reason; it may be left out."""
    if not call.clicked or call.arguments.rest or not call.arguments.words:
        return None
    return Form(
        command="deny",
        title="Deny the request",
        submit="Deny",
        fields=[Text("reason", "Why?", optional=True)],
        explained=f"Request {call.number}: nothing is changed, and the requester is told why.",
        typed=call.arguments.typed,
    )


async def run(call: Call) -> AsyncIterator[Reply]:
    """Close the request."""
    request = await call.services.approvals.deny(
        call.number, call.person, call.now, reason=call.arguments.rest
    )
    name = request.requester.name
    told = await call.unseen(request.id) or f"{name} is told in its thread."
    yield privately(f"Request {request.id} is denied. {told}")


COMMANDS = (
    Act(
        name="deny",
        usage="ID [REASON]",
        summary="say no to a request; also the card's button",
        purpose=Purpose.CHANGE,
        # The service looks up who may, at each click and with all who voted before.
        right=Right.ANYBODY,
        run=run,
        form=form,
        details="One no is enough, and nothing is changed. The requester is told, with the reason.",
    ),
)
