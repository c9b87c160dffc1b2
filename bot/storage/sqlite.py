"""SQLite: one file, which belongs to one process as long as it runs."""

import fcntl
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Table, event
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.domain.errors import FatalError, StateError, StateTrouble


class SqliteFile:
    """The file and the lock beside it.

    Parameters
    ----------
    url
        From the configuration.
    patience
        How long to wait for somebody else's lock.

    Raises
    ------
    FatalError
        If the URL names no file, or one in a folder that does not exist.
    """

    exclusive = True

    def __init__(self, url: URL, patience: timedelta) -> None:
        name = url.database or ""
        if not name or name == ":memory:" or name.startswith("file:"):
            raise FatalError(
                "state.url names no file. Write sqlite+aiosqlite:/// and the file's path, such as "
                "sqlite+aiosqlite:////data/prompt-redis-bot.db."
            )
        self._path = Path(name).absolute()
        self.where = str(self._path)
        self._patience = patience
        self._lock: int | None = None
        if not self._path.parent.is_dir():
            raise FatalError(
                f"The bot's database is to be {self.where}, but there is no folder "
                f"{self._path.parent}. Create it, or name another file in state.url."
            )

    @property
    def missing(self) -> bool:
        """Whether a start would create it.

        Raises
        ------
        StateError
            If it would have to, and may not.
        """
        if self._path.exists():
            return False
        if not os.access(self._path.parent, os.W_OK):
            raise StateError(StateTrouble.READ_ONLY)
        return True

    def acquire(self) -> None:
        """Take the file for this process: SQLite's own locks end with each transaction.

        Raises
        ------
        FatalError
            If another process has it.
        """
        lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            raise FatalError(
                f"The bot's database {self.where} is in use by another process of the bot. Stop "
                "that one first; for two replicas set state.url to a PostgreSQL database."
            ) from None
        except OSError:
            os.close(lock)
            raise
        self._lock = lock

    def release(self) -> None:
        """Give the file to the next process."""
        # The lock's file stays: whoever removed it could remove the next process's lock.
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def engine(self, _: timedelta, __: timedelta) -> AsyncEngine:
        """Make what gives connections: one, because SQLite has one writer at a time anyway."""
        engine = create_async_engine(
            URL.create("sqlite+aiosqlite", database=self.where),
            connect_args={"timeout": self._patience.total_seconds()},
            hide_parameters=True,
            pool_size=1,
            max_overflow=0,
        )
        event.listen(engine.sync_engine, "connect", _prepare)
        return engine

    async def begin(self, connection: AsyncConnection) -> None:
        """Begin a transaction that will write: a later upgrade of a read lock cannot wait."""
        await connection.exec_driver_sql("BEGIN IMMEDIATE")

    def insert(self, table: Table) -> Insert:
        """Make an insertion that can say what to do about a conflict."""
        return insert(table)


def _prepare(connection: Any, _: Any) -> None:
    # Python would begin transactions by itself, and too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # With the log, NORMAL survives the death of this process whole. A power cut may cost the last
    # moments, never the file; FULL would wait for the disk with each heartbeat. What must not
    # happen twice is marked in Redis as well.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()
