"""An environment's services for tests that enter below the front door."""

from dataclasses import fields
from typing import Any

from bot.domain.environments import Environment
from bot.services.environments import Services


def bare_services(environment: Environment, **services: Any) -> Services:
    """Give these services and no others."""
    given: dict[str, Any] = {each.name: services.get(each.name) for each in fields(Services)}
    return Services(**{**given, "environment": environment})
