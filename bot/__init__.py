"""The bot that watches and tends Prompt Redis, the Redis Streams of Prompt Processing."""

from importlib.metadata import version

__version__ = version("prompt-redis-bot")
