"""A room: one environment and the services that its commands work with."""

from dataclasses import dataclass

from bot.domain.environments import Environment
from bot.services.streams import Streams


@dataclass(frozen=True)
class Room:
    """One environment and its services."""

    environment: Environment
    streams: Streams
