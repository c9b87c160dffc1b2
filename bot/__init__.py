"""The bot that watches and tends Prompt Redis, the Redis Streams of Prompt Processing."""

__version__ = "0.1.0"
