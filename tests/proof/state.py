"""The bot's SQLite file, seen from outside; and a way to stop the bot within a transaction."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.support.waits import LONGEST_WAIT

_FOREVER = """
CREATE VIEW forever AS
WITH RECURSIVE c(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM c) SELECT x FROM c
"""
_LOCKED_FOR = 0.3
"""Seconds; no transaction of the bot takes so long, except one that never ends."""


class StateFile:
    """The file of one bot."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def ask(self, query: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as connection:
            return connection.execute(query, values).fetchall()

    def run(self, *statements: str) -> None:
        with closing(sqlite3.connect(self.path, timeout=5)) as connection, connection:
            for statement in statements:
                connection.execute(statement)

    async def until(self, query: str) -> None:
        """Wait until a query answers something true."""
        async with asyncio.timeout(LONGEST_WAIT):
            while not self.ask(query)[0][0]:  # noqa: ASYNC110 -- a file tells nobody
                await asyncio.sleep(0.02)

    def freeze(self, table: str, when: str, change: str = "UPDATE") -> None:
        """Let the bot's next such change of a row take for ever, its transaction open."""
        self.run(
            _FOREVER,
            f"CREATE TRIGGER frozen BEFORE {change} ON {table} WHEN {when} "  # noqa: S608 -- from the tests
            "BEGIN SELECT count(*) FROM forever; END",
        )

    async def frozen(self) -> None:
        """Wait until that change has begun."""
        async with asyncio.timeout(LONGEST_WAIT):
            while not await asyncio.to_thread(self._is_locked):  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.02)

    def _is_locked(self) -> bool:
        connection = sqlite3.connect(self.path, timeout=_LOCKED_FOR, isolation_level=None)
        with closing(connection):
            try:
                connection.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                return True
            connection.execute("ROLLBACK")
            return False

    def thaw(self) -> None:
        self.run("DROP TRIGGER IF EXISTS frozen", "DROP VIEW IF EXISTS forever")

    def age_executions(self) -> None:
        """Let a minute pass for the executions of a process that is dead.

        Its last sign of life is dated back, which stands for the 30 s after which the next one
        takes it for dead. `test_two_processes` waits them out.
        """
        self.run(
            "UPDATE requests SET heartbeat = strftime('%Y-%m-%d %H:%M:%f000', 'now', '-60 seconds')"
            " WHERE state IN ('approved', 'running')"
        )
