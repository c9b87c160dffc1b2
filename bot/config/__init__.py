"""The configuration of one process."""

from bot.config.document import ConfigurationError, Secrets, json_schema, load, load_secrets
from bot.config.settings import Settings, oncall_variable

__all__ = [
    "ConfigurationError",
    "Secrets",
    "Settings",
    "json_schema",
    "load",
    "load_secrets",
    "oncall_variable",
]
