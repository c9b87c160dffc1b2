"""The bot that watches and tends Prompt Redis, the Redis Streams of Prompt Processing."""

__version__ = "0.1.0"

FAILED, INVALID = 1, 2
"""Exit codes of every subcommand: something went wrong, the configuration or what was typed is."""
