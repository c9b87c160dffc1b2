"""The slash command alone: the short status of the environment."""

import asyncio

from bot.command import Call, Purpose, Read, Reply, Right
from bot.domain.errors import RedisError
from bot.domain.streams import Server
from bot.render.blocks import Button
from bot.render.streams import status


async def run(call: Call) -> Reply:
    """Look at every stream and at the server, at the same time."""
    looks, server = await asyncio.gather(call.streams.look(call.instruments()), _server(call))
    text, blocks = status(call.environment, looks, server, call.deployment.slash)
    buttons = (
        Button("Stats", "stats"),
        Button("Pending", "pending"),
        Button("Runbook", "runbook"),
        Button("Help", "help"),
    )
    return Reply(blocks, text, buttons)


async def _server(call: Call) -> Server | None:
    try:
        return await call.streams.server()
    except RedisError:
        # The streams' verdict says it; the status is still worth showing.
        return None


COMMANDS = (
    Read(
        name="",
        usage="",
        summary="the short status of this channel's environment",
        purpose=Purpose.LOOK,
        right=Right.ANYBODY,
        run=run,
    ),
)
