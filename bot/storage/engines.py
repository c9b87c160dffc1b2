"""Where the database is: a SQLite file, which belongs to one process, or a PostgreSQL server."""

import fcntl
import os
import tempfile
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import Any

from sqlalchemy import URL, Table, event, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.domain.errors import FatalError, StateError, StateTrouble
from bot.storage.errors import state_errors

MOST_CONNECTIONS = 5
"""Most of them at once; a bot's statements take milliseconds."""

_RESTED = 5.0
"""Seconds without use after which a connection is tried before it is used again."""

_EMPTY = 2**18
"""Bytes of a database without a row."""

_LOOKS_FOR_POOLER = 3
"""A pooler that others use as well may by chance give back the same session."""

_OPTIONS = frozenset({"host", "port", "ssl", "sslmode"})
"""What may stand behind the question mark of the URL."""


class SqliteFile:
    """A file of SQLite and the lock beside it: one process has it as long as it runs.

    Raises
    ------
    FatalError
        If the URL names no file, or one in a folder that does not exist.
    """

    exclusive = True

    def __init__(self, url: URL, wait: timedelta) -> None:
        name = url.database or ""
        if not name or name == ":memory:" or name.startswith("file:"):
            raise FatalError(
                "state.url names no file. Write sqlite+aiosqlite:/// and the file's path, such as "
                "sqlite+aiosqlite:////data/prompt-redis-bot.db."
            )
        self._path = Path(name).absolute()
        self.where = str(self._path)
        self._wait = wait
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
            If it would have to, and may not, or has no room.
        """
        if self._path.exists():
            return False
        # As much as the empty tables take.
        with state_errors(), tempfile.NamedTemporaryFile(dir=self._path.parent) as file:
            file.write(bytes(_EMPTY))
            file.flush()
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
            connect_args={"timeout": self._wait.total_seconds()},
            hide_parameters=True,
            pool_size=1,
            max_overflow=0,
        )
        event.listen(engine.sync_engine, "connect", _prepare)
        return engine

    async def begin(self, connection: AsyncConnection) -> None:
        """Begin a transaction that will write: a later upgrade of a read lock cannot wait."""
        await connection.exec_driver_sql("BEGIN IMMEDIATE")

    async def prove(self, _: AsyncEngine) -> None:
        """Do nothing: nobody stands between."""

    def insert(self, table: Table) -> sqlite.Insert:
        """Make an insertion that can say what to do about a conflict."""
        return sqlite.insert(table)


def _prepare(connection: Any, _: Any) -> None:
    # Python would begin transactions by itself, and too late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    # With the log, NORMAL survives the death of this process whole. A power cut may cost the last
    # moments, never the file; FULL would wait for the disk with each heartbeat. What must not
    # happen twice is marked in Redis as well.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.close()


class PostgresqlServer:
    """One database of a PostgreSQL server, which several replicas share.

    Raises
    ------
    FatalError
        If the URL has an option that the driver does not know.
    """

    exclusive = False

    def __init__(self, url: URL, wait: timedelta) -> None:
        unknown = sorted(set(url.query) - _OPTIONS)
        if unknown:
            raise FatalError(
                f"state.url has the option {unknown[0]}, which is not known. Known are "
                f"{', '.join(sorted(_OPTIONS))}."
            )
        # The driver's name for libpq's option.
        query = {"ssl" if key == "sslmode" else key: text for key, text in url.query.items()}
        self._url = url.set(drivername="postgresql+asyncpg", query=query)
        host = url.host or query.get("host") or "localhost"
        self.where = f"{url.database} at {host}:{url.port or 5432}"
        self._wait = wait

    missing = False

    def acquire(self) -> None:
        """Do nothing: the server is everybody's."""

    def release(self) -> None:
        """Do nothing, likewise."""

    def engine(self, statement: timedelta, lock: timedelta) -> AsyncEngine:
        """Make what gives connections.

        Parameters
        ----------
        statement
            The longest that one statement may take.
        lock
            The longest that it may wait for somebody else.
        """
        engine = create_async_engine(
            self._url,
            connect_args={
                "timeout": self._wait.total_seconds(),
                # The server's limits end a slow statement; the driver's, a little later, one whose
                # server is gone without a word.
                "command_timeout": statement.total_seconds() + 2,
                "server_settings": {
                    "application_name": "prompt-redis-bot",
                    "statement_timeout": _milliseconds(statement),
                    "lock_timeout": _milliseconds(lock),
                    "idle_in_transaction_session_timeout": _milliseconds(statement),
                },
            },
            hide_parameters=True,
            pool_size=MOST_CONNECTIONS,
            max_overflow=0,
            pool_timeout=statement.total_seconds(),
            pool_use_lifo=True,
        )
        event.listen(engine.sync_engine, "checkin", _rest)
        event.listen(engine.sync_engine, "checkout", _try)
        return engine

    async def begin(self, _: AsyncConnection) -> None:
        """Do nothing: the driver begins by itself."""

    async def prove(self, engine: AsyncEngine) -> None:
        """See that each connection has a session of its own: the bot's limits are set in it.

        Raises
        ------
        StateError
            If a pooler changes them from one transaction to the next.
        """
        backend = text("SELECT pg_backend_pid()")
        async with engine.connect() as one, engine.connect() as other:
            for _ in range(_LOOKS_FOR_POOLER):
                before = (await one.execute(backend)).scalar_one()
                await one.rollback()
                others = (await other.execute(backend)).scalar_one()
                # Asked before the next: a pooler with one session would have none for it.
                if others == before or (await one.execute(backend)).scalar_one() != before:
                    raise StateError(StateTrouble.POOLED)
                await one.rollback()
                await other.rollback()

    def insert(self, table: Table) -> postgresql.Insert:
        """Make an insertion that can say what to do about a conflict."""
        return postgresql.insert(table)


def _milliseconds(duration: timedelta) -> str:
    return str(duration // timedelta(milliseconds=1))


def _rest(_: Any, record: Any) -> None:
    record.info["rested_since"] = monotonic()


def _try(connection: Any, record: Any, _: Any) -> None:
    # SQLAlchemy's own `pool_pre_ping` costs three round trips before every single statement. The
    # driver knows at once when a server closes; only a silent end has to be looked for.
    if connection.driver_connection.is_closed():
        raise DisconnectionError
    if monotonic() - record.info.get("rested_since", monotonic()) < _RESTED:
        return
    try:
        connection.ping()
    except Exception as error:
        raise DisconnectionError from error
