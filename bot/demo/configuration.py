"""What the local Slack and the bot are told in the demo; for the bot, the same as anywhere else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from bot.demo.visits import DETECTORS


class DemoUser(NamedTuple):
    """Somebody whom the page's *Act as* offers; the real name tells what they may do."""

    id: str
    name: str
    real_name: str


ANA = DemoUser("U0ANA0001", "ana", "Ana (operator)")
BEN = DemoUser("U0BEN0002", "ben", "Ben (approver)")
CARLA = DemoUser("U0CARLA03", "carla", "Carla (operator and approver)")
DAN = DemoUser("U0DAN0004", "dan", "Dan (neither)")
USERS = (ANA, BEN, CARLA, DAN)

CHANNELS: Mapping[str, tuple[str, str]] = {
    "prod": ("C0LSSTCAM1", "lsstcam-prompt-processing"),
    "dev": ("C0DMPP0002", "dm-prompt-processing"),
}
"""ID and name of each environment's channel."""

_BOT_USER = "U0PRBOT05"
_BOT_TOKEN = "xoxb-demo"  # noqa: S105 -- known to this local Slack alone
_APP_TOKEN = "xapp-demo"  # noqa: S105 -- the same
_SIGNING_SECRET = "demo-signing-secret"  # noqa: S105 -- the same


def of_local_slack() -> dict[str, Any]:
    """Make what local-slack is told: the workspace, its people and channels, and the bot in it."""
    members = [*(user.id for user in USERS), _BOT_USER]
    return {
        "workspace": {"name": "Prompt Redis demo", "domain": "demo", "teamId": "T0DEMO001"},
        "apps": [
            {
                "appId": "A0PRBOT001",
                "botUserId": _BOT_USER,
                "botName": "prompt-redis",
                "botToken": _BOT_TOKEN,
                "appToken": _APP_TOKEN,
                "signingSecret": _SIGNING_SECRET,
                "mode": "socket",
            }
        ],
        "users": [user._asdict() for user in USERS],
        "channels": [
            {"id": channel, "name": name, "members": members} for channel, name in CHANNELS.values()
        ],
    }


def of_bot(run_folder: Path, redis: Mapping[str, str]) -> Path:
    """Write the bot's configuration file.

    Parameters
    ----------
    run_folder
        Receives the file, and later the bot's database.
    redis
        URL of each environment's Redis.
    """
    rules: Mapping[str, dict[str, Any]] = {
        "prod": {
            "expiration": "3600s",
            # This Slack knows no groups, so people are named.
            "access": {
                "operators": {"usergroups": [], "users": [ANA.id, CARLA.id]},
                "approvers": {"usergroups": [], "users": [BEN.id, CARLA.id]},
            },
        },
        "dev": {"expiration": None, "approval": {"self_approval": True, "expires": "1h"}},
    }
    environments = {
        name: {
            "channel": channel,
            "instruments": list(DETECTORS[name]),
            "redis": {"url": redis[name]},
            **rules[name],
        }
        for name, (_, channel) in CHANNELS.items()
    }
    config = {
        "slack": {"command": "/prompt-redis", "mode": "socket"},
        "environments": environments,
        "state": {"url": f"sqlite+aiosqlite:///{run_folder / 'prompt-redis-bot.db'}"},
        "http": {"host": "127.0.0.1", "port": 0},
    }
    path = run_folder / "prompt-redis-bot.yaml"
    path.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    return path


def environ(slack_url: str) -> dict[str, str]:
    """Make the variables that the bot reads."""
    return {
        "SLACK_BOT_TOKEN": _BOT_TOKEN,
        "SLACK_APP_TOKEN": _APP_TOKEN,
        "SLACK_SIGNING_SECRET": _SIGNING_SECRET,
        "SLACK_API_URL": f"{slack_url}/api/",
        # A proxy for the internet has no way to this machine.
        "NO_PROXY": "localhost,127.0.0.1",
    }
