"""What the bot is told in the demo: the same file and variables as anywhere else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bot.demo import workspace
from bot.demo.visits import DETECTORS


def write(run_folder: Path, redis: Mapping[str, str]) -> Path:
    """Write the bot's configuration file.

    Parameters
    ----------
    run_folder
        Receives the file, and later the bot's database.
    redis
        URL of each environment's Redis.

    Returns
    -------
    Path
        The file.
    """
    operators = [workspace.ANA.id, workspace.CARLA.id]
    approvers = [workspace.BEN.id, workspace.CARLA.id]
    rules: Mapping[str, dict[str, Any]] = {
        "prod": {
            "expiration": "3600s",
            # This Slack knows no groups, so people are named.
            "access": {
                "operators": {"usergroups": [], "users": operators},
                "approvers": {"usergroups": [], "users": approvers},
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
        for name, (_, channel) in workspace.CHANNELS.items()
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
    """Make the variables that the bot reads.

    Parameters
    ----------
    slack_url
        Address of the local Slack.
    """
    return {
        "SLACK_BOT_TOKEN": workspace.BOT_TOKEN,
        "SLACK_APP_TOKEN": workspace.APP_TOKEN,
        "SLACK_SIGNING_SECRET": workspace.SIGNING_SECRET,
        "SLACK_API_URL": f"{slack_url}/api/",
        # A proxy for the internet has no way to this machine.
        "NO_PROXY": "localhost,127.0.0.1",
    }
