"""The slash command alone: the short status of the environment."""

import asyncio

from bot.command import Call, Purpose, Read, Reply, Right
from bot.domain.errors import RedisError, StateError
from bot.domain.streams import Server
from bot.render.approvals import summary
from bot.render.blocks import Button
from bot.render.streams import status


async def run(call: Call) -> Reply:
    """Look at every stream, at the server and at the requests, at the same time."""
    looks, server, requests = await asyncio.gather(
        call.streams.look(call.instruments()), _server(call), _requests(call)
    )
    text, blocks = status(
        call.environment, looks, server, slash=call.deployment.slash, requests=requests
    )
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


async def _requests(call: Call) -> str:
    try:
        return summary(await call.approvals.live(), call.now)
    except StateError as error:
        # The bot's own trouble hides no stream.
        return f"unknown: the database {error.kind.value}"


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
