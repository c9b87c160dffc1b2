"""PostgreSQL: a server that several replicas share."""

from datetime import timedelta
from time import monotonic
from typing import Any

from sqlalchemy import URL, Table, event
from sqlalchemy.dialects.postgresql import Insert, insert
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.domain.errors import FatalError

CONNECTIONS = 5
"""Most of them at once; a bot's statements take milliseconds."""

_RESTED = 5.0
"""Seconds without use after which a connection is tried before it is used again."""

_OPTIONS = frozenset({"host", "port", "ssl", "sslmode"})
"""What may stand behind the question mark of the URL."""


class PostgresqlServer:
    """One database of a server.

    Parameters
    ----------
    url
        From the configuration, with the password.
    patience
        How long to wait for a connection.

    Raises
    ------
    FatalError
        If the URL has an option that the driver does not know.
    """

    exclusive = False

    def __init__(self, url: URL, patience: timedelta) -> None:
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
        self._patience = patience

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
                "timeout": self._patience.total_seconds(),
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
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=statement.total_seconds(),
            pool_use_lifo=True,
        )
        event.listen(engine.sync_engine, "checkin", _rest)
        event.listen(engine.sync_engine, "checkout", _try)
        return engine

    async def begin(self, _: AsyncConnection) -> None:
        """Do nothing: the driver begins by itself."""

    def insert(self, table: Table) -> Insert:
        """Make an insertion that can say what to do about a conflict."""
        return insert(table)


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
