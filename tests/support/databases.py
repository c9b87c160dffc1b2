"""A database as another process has it."""

from bot.storage.database import Database


def as_process(database: Database, process: str) -> Database:
    """Give the same database with another name to claim by; the connections are shared."""
    return Database(database._place, database._engine, process)
