"""Two people and a stream: what tests of requests have in common."""

import re
from typing import Any

from tests.support.slack_server import Message
from tests.support.world import PROD, World

ANA, BEN, CARLA, DAN = "U0ANA", "U0BEN", "U0CARLA", "U0DAN"
HOSTILE = (
    "<!channel> <@U0BEN> <https://evil.example|click> `code` *bold* “curly” ‘quotes’ "
    "https://example.org 🔭 &amp; <!subteam^S1>\nsecond line"
)


def two_people(**changes: Any) -> dict[str, Any]:
    """Configure prod as it is: Ana asks, Ben and Carla approve, Carla may do both."""
    prod = {
        "approval": {"self_approval": False, "approvals": 1},
        "access": {
            "operators": {"users": [ANA, CARLA]},
            "approvers": {"users": [BEN, CARLA]},
        },
        **changes,
    }
    return {"environments": {"prod": prod}}


async def asked(world: World, text: str = "clear lsstcam", user: str = ANA) -> Message:
    """Ask for a change, and wait for its card."""
    delivery = await world.slack.command(text, channel=PROD, user=user)
    answer = await delivery.reply()
    found = re.match(r"Request (\d+) is in the channel", answer.text)
    assert found, answer.text
    ending = re.compile(rf"Request {found.group(1)}(, by \w+)?$")
    return await world.slack.until(
        lambda: next((m for m in world.slack.messages(PROD) if ending.search(m.text)), None),
        what=f"the card of {text}",
    )


async def until(world: World, card: Message, words: str) -> None:
    await world.slack.until(lambda: words in card.text, what=f"{words!r} instead of {card.text!r}")


async def mention(world: World, words: str) -> Message:
    """Wait for what the requester is told in the card's thread."""
    return await world.slack.until(
        lambda: next(
            (
                message
                for message in world.slack.messages(PROD)
                if message.thread_ts and words in message.text
            ),
            None,
        ),
        what=f"a mention with {words!r}",
    )


def buttons(card: Message) -> list[str]:
    return [element["text"]["text"] for _, element in card.elements()]


async def waiting(world: World, channel: str = PROD) -> int:
    groups: Any = await world.redis[channel].xinfo_groups("instrument:lsstcam")
    return int(groups[0]["lag"])


def typed_texts(message: Message) -> list[str]:
    return [
        block["text"]["text"]
        for block in message.blocks
        if block["type"] == "section" and block.get("text", {}).get("type") == "plain_text"
    ]
