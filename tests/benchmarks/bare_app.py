"""A Bolt app that acknowledges, echoes, posts a card and changes it: the floor to compare with.

Over two sockets, like the bot.
"""

import asyncio
import os
from collections.abc import Awaitable, Callable
from typing import Any

from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

CARD = {"type": "section", "text": {"type": "mrkdwn", "text": "a card"}}
BUTTONS = {
    "type": "actions",
    "elements": [
        {
            "type": "button",
            "action_id": "approve",
            "text": {"type": "plain_text", "text": "Approve"},
        }
    ],
}


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
        if body.get("text") == "card":
            await client.chat_postMessage(
                channel=body["channel_id"], text="a card", blocks=[CARD, BUTTONS]
            )
        else:
            await respond(f"echo {body.get('text')}")

    async def change(ack: Callable[[], Awaitable[Any]], body: dict[str, Any]) -> None:
        await ack()
        await client.chat_update(
            channel=body["channel"]["id"], ts=body["message"]["ts"], text="done", blocks=[CARD]
        )

    app.command("/prompt-redis")(echo)
    app.action("approve")(change)
    for _ in range(2):
        handler = AsyncSocketModeHandler(app, os.environ["SLACK_APP_TOKEN"])
        await handler.connect_async()  # type: ignore[no-untyped-call]
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
