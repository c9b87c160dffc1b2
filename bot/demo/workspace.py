"""The demo's Slack workspace: its people, its channels, and the bot in both of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Person:
    """Somebody whom the page's *Act as* offers.

    Parameters
    ----------
    id
        Slack's user ID.
    name
        Short name.
    real_name
        Name and part, as the page shows it.
    """

    id: str
    name: str
    real_name: str


ANA = Person("U0ANA0001", "ana", "Ana (operator)")
BEN = Person("U0BEN0002", "ben", "Ben (approver)")
CARLA = Person("U0CARLA03", "carla", "Carla (operator and approver)")
DAN = Person("U0DAN0004", "dan", "Dan (neither)")
PEOPLE = (ANA, BEN, CARLA, DAN)

BOT_USER = "U0PRBOT05"

CHANNELS: Mapping[str, tuple[str, str]] = {
    "prod": ("C0LSSTCAM1", "lsstcam-prompt-processing"),
    "dev": ("C0DMPP0002", "dm-prompt-processing"),
}
"""ID and name of each environment's channel."""

BOT_TOKEN = "xoxb-demo"  # noqa: S105 -- known to this local Slack alone
APP_TOKEN = "xapp-demo"  # noqa: S105 -- the same
SIGNING_SECRET = "demo-signing-secret"  # noqa: S105 -- the same

APP_ID = "A0PRBOT001"


def local_slack_config() -> dict[str, Any]:
    """Make what local-slack is told of all this."""
    return {
        "workspace": {"name": "Prompt Redis demo", "domain": "demo", "teamId": "T0DEMO001"},
        "apps": [
            {
                "appId": APP_ID,
                "botUserId": BOT_USER,
                "botName": "prompt-redis",
                "botToken": BOT_TOKEN,
                "appToken": APP_TOKEN,
                "signingSecret": SIGNING_SECRET,
                "mode": "socket",
            }
        ],
        "users": [
            {"id": person.id, "name": person.name, "real_name": person.real_name}
            for person in PEOPLE
        ],
        "channels": [
            {
                "id": channel,
                "name": name,
                "members": [*(person.id for person in PEOPLE), BOT_USER],
            }
            for channel, name in CHANNELS.values()
        ],
    }
