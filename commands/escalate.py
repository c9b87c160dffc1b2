"""`escalate`: have the on-call told of an alarm now, without waiting for the clock."""

from collections.abc import AsyncIterator

from bot.command import Act, Call, Purpose, Reply, Right
from bot.render.pages import escalated


async def run(call: Call) -> AsyncIterator[Reply]:
    """Tell everybody who is told at this hour."""
    incident, targets = await call.services.alarms.escalate(call.number, call.person, call.now)
    text, blocks, buttons = escalated(incident, targets, call.person.name, call.now)
    yield Reply(blocks, text, buttons)


COMMANDS = (
    Act(
        name="escalate",
        usage="ID",
        summary="tell on-call of an alarm now",
        purpose=Purpose.ALARMS,
        right=Right.OPERATOR,
        run=run,
        details="Tells every target of this hour, owned or not. `oncall` shows who that is.",
    ),
)
