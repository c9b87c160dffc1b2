"""What is the same for every call of one process: its name, its version, the places it serves."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime

from bot.domain.environments import Environment
from bot.render.blocks import Markup


@dataclass(frozen=True)
class Place:
    """An environment and the channel in which it is spoken to: a link, or a name."""

    environment: Environment
    channel: Markup


@dataclass(frozen=True)
class Deployment:
    """What is the same for every call of one process.

    Parameters
    ----------
    slash
        The slash command, such as ``/prompt-redis``.
    version
        The bot's version.
    started
        When the process began.
    places
        Every environment it serves.
    workspace
        Address of the Slack workspace, for links to messages; empty where it is not known.
    leader
        Names the process that leads; None where there is none.
    """

    slash: str
    version: str
    started: datetime
    places: tuple[Place, ...]
    workspace: str = ""
    leader: Callable[[], Awaitable[str | None]] | None = None
