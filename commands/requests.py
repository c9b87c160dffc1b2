"""`requests`: what is asked for and not decided, or one request in full."""

from bot.command import Call, Purpose, Read, Reply, Right
from bot.render.approvals import details, listed


async def run(call: Call) -> Reply:
    """List the open requests, or show one with all that its plan names."""
    if not call.arguments.words:
        text, blocks, buttons = listed(
            call.environment, await call.services.approvals.live(), call.now
        )
        return Reply(blocks, text, (*buttons[:2], *call.reading_buttons))
    request = await call.services.approvals.find(call.number)
    approvers = await call.services.approvals.approvers()
    text, blocks, _ = details(request, call.environment, approvers, call.now)
    return Reply(blocks, text, call.reading_buttons)


COMMANDS = (
    Read(
        name="requests",
        usage="[ID]",
        summary="what is asked for and not yet decided; with an ID, one request in full",
        purpose=Purpose.CHANGE,
        right=Right.ANYBODY,
        run=run,
        details="With an ID it also lists every visit or entry that the plan is about.",
    ),
)
