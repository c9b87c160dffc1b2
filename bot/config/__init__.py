"""Reads the configuration: a YAML file, and secrets from the environment only."""

from bot.config.document import ConfigurationError
from bot.config.settings import Secrets, Settings, json_schema, load, load_secrets

__all__ = [
    "ConfigurationError",
    "Secrets",
    "Settings",
    "json_schema",
    "load",
    "load_secrets",
]
