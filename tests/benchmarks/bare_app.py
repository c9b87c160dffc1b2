"""A Bolt app that only acknowledges and echoes, over two sockets: the floor to compare with."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient


async def main() -> None:
    """Connect and serve until killed."""
    client = AsyncWebClient(os.environ["SLACK_BOT_TOKEN"], os.environ["SLACK_API_URL"])
    app = AsyncApp(client=client)

    async def echo(
        ack: Callable[[], Awaitable[Any]],
        respond: Callable[[str], Awaitable[Any]],
        body: dict[str, Any],
    ) -> None:
        await ack()
        await respond(f"echo {body.get('text')}")

    app.command("/prompt-redis")(echo)
    for _ in range(2):
        handler = AsyncSocketModeHandler(app, os.environ["SLACK_APP_TOKEN"])
        await handler.connect_async()  # type: ignore[no-untyped-call]
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
