"""`unsilence`: end a silence early."""

from collections.abc import AsyncIterator

from bot.command import Act, Call, Purpose, Reply
from bot.render.alarms import unsilenced


async def run(call: Call) -> AsyncIterator[Reply]:
    """End it."""
    silence = await call.services.alarms.unsilence(call.number, call.person, call.now)
    text, blocks, buttons = unsilenced(call.environment, silence, call.person.name, call.now)
    yield Reply(blocks, text, buttons)


COMMANDS = (
    Act(
        name="unsilence",
        usage="ID",
        summary="end a silence early",
        purpose=Purpose.ALARMS,
        run=run,
        details="What still fires is shown again at once. `alarms` lists the silences.",
    ),
)
