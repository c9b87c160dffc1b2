"""`requests`: what is asked for and not decided, or one request in full."""

from datetime import datetime

from bot.command import Call, Purpose, Read, Reply
from bot.domain.approvals import Request, State
from bot.domain.environments import Environment
from bot.render.approvals import headline, request_card
from bot.render.blocks import Block, Button, join, section
from bot.render.words import clock, count, duration

_LISTED = 40
"""Lines of a plan's longer list that one message shows."""

_BUTTONS = 2


async def run(call: Call) -> Reply:
    """List the open requests, or show one with all that its plan names."""
    if call.arguments.words:
        request = await call.services.approvals.find(call.number)
        approvers = await call.services.approvals.approvers()
        return Reply(*in_full(request, call.environment, approvers, call.now), call.reading_buttons)
    requests = await call.services.approvals.live()
    if not requests:
        first = f"🟢 *{call.environment.label}: no request is open.*"
        return Reply(first, [section(first)], call.reading_buttons)
    first = f"🔧 *{call.environment.label}: {count(len(requests), 'request')} open.*"
    lines = section(join("\n", [_line(call, each) for each in requests]))
    buttons = [
        Button(f"Request {each.id}", "requests", str(each.id), word=str(each.id))
        for each in requests[:_BUTTONS]
    ]
    return Reply(first, [section(first), lines], (*buttons, *call.reading_buttons))


def _line(call: Call, request: Request) -> str:
    until = "being carried out"
    if request.state is State.OPEN:
        until = f"until {clock(request.expires, now=call.now)} UTC"
    return (
        f"{headline(request)}\n      {request.state.value}, asked "
        f"{duration(call.now - request.asked)} ago, {until}"
    )


def in_full(
    request: Request, environment: Environment, approvers: str, now: datetime
) -> tuple[str, list[Block]]:
    """Draw the card as it is now, with the longer list of its plan."""
    first, blocks, _ = request_card(request, environment, approvers, now)
    listing = request.plan.listing
    if listing:
        lines = list(listing[:_LISTED])
        if len(listing) > _LISTED:
            lines.append(f"and {len(listing) - _LISTED:,} more")
        blocks.append(section(join("\n", lines)))
    return first, blocks


COMMANDS = (
    Read(
        name="requests",
        usage="[ID]",
        summary="what is asked for and not yet decided; with an ID, one request in full",
        purpose=Purpose.CHANGE,
        run=run,
        details="With an ID it also lists every visit or entry that the plan is about.",
    ),
)
