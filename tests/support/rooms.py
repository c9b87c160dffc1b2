"""Rooms for tests that enter below the front door."""

from typing import Any

from bot.domain.environments import Environment
from bot.services.rooms import Room


def bare_room(environment: Environment, **services: Any) -> Room:
    """Make a room with these services and no others."""
    names = (
        "streams",
        "changes",
        "approvals",
        "ledger",
        "history",
        "alarms",
        "nights",
        "maintenance",
        "workloads",
        "restarts",
        "addresses",
        "roster",
    )
    given: dict[str, Any] = {name: services.get(name) for name in names}
    return Room(environment, **given)
