"""`ping`: does Redis answer, and how is the server itself."""

from bot.command import Call, Purpose, Read, Reply, Right
from bot.render.server import pong


async def run(call: Call) -> Reply:
    """Ask the server."""
    text, blocks = pong(call.environment, await call.services.streams.server(), call.now)
    return Reply(blocks, text, call.reading_buttons)


COMMANDS = (
    Read(
        name="ping",
        usage="",
        summary="does Redis answer, how fast, which version, memory, persistence",
        purpose=Purpose.LOOK,
        right=Right.ANYBODY,
        run=run,
    ),
)
