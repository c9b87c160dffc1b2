"""The bot's database: SQLite by default, PostgreSQL where two replicas share it.

Everything that is wrong with it leaves here as a `StateError`, at start as a `FatalError` with
the remedy; neither holds the URL, which may hold a password.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Any, Self, TypeVar
from uuid import uuid4

from sqlalchemy import (
    Column,
    Executable,
    Integer,
    MetaData,
    Row,
    Table,
    delete,
    insert,
    make_url,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.expression import FunctionElement

from bot.domain.errors import FatalError, StateError
from bot.storage.engines import PostgresqlServer, SqliteFile
from bot.storage.errors import state_errors
from bot.storage.migrations import bring_up_to_date, is_current
from bot.storage.rows import Time
from bot.storage.schema import chores, leadership, outbox, posts

WAIT = timedelta(seconds=5)
"""How long to wait for a connection, and for somebody else's lock."""

FILE_WAIT = timedelta(seconds=2)
"""The same for SQLite, whose statements wait one after the other, each so long: a person would wait
for all that came before."""

STATEMENT = timedelta(seconds=10)
"""The longest that one statement may take."""

UPGRADE = timedelta(minutes=5)
"""The longest that one step of a migration may take, or another process's migration."""

_LOOK_AGAIN = 1.0
"""Seconds after which somebody who waits looks whether another process has done it."""

_Found = TypeVar("_Found")


class Clock(FunctionElement[datetime]):
    """The database's own time, some seconds from now."""

    type = Time()
    inherit_cache = False

    def __init__(self, seconds: float = 0) -> None:
        super().__init__()
        self.seconds = seconds


@compiles(Clock, "postgresql")
def _postgresql_clock(clock: Clock, _: Any, **__: Any) -> str:
    return f"(clock_timestamp() + interval '{clock.seconds:.3f} seconds')"


@compiles(Clock, "sqlite")
def _sqlite_clock(clock: Clock, _: Any, **__: Any) -> str:
    # The text that SQLAlchemy stores for a time, so that the two compare.
    return f"strftime('%Y-%m-%d %H:%M:%f000', 'now', '{clock.seconds:+.3f} seconds')"


class Database:
    """The open database; `open` makes one.

    Its methods raise `StateError` where the database does not do what it is asked.
    """

    def __init__(
        self, place: SqliteFile | PostgresqlServer, engine: AsyncEngine, process: str = ""
    ) -> None:
        self._place = place
        self._engine = engine
        self.process = process
        self._listeners: list[asyncio.Event] = []
        self._clock: tuple[datetime, float] | None = None
        self._told = asyncio.Event()
        self._single = engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    async def open(cls, url: str, process: str = "", *, wait: timedelta = WAIT) -> Self:
        """Connect, and bring the tables up to date.

        Parameters
        ----------
        process
            Name of this process, which no other has: what it writes and claims bears it. It may be
            empty where there is no other.

        Raises
        ------
        FatalError
            If it cannot be used; the text says why and what to do.
        """
        place = _place(url, wait)
        with _fatal(place), state_errors():
            place.acquire()
            return await cls._open(place, process, wait)

    @classmethod
    async def examine(cls, url: str, *, wait: timedelta = WAIT) -> str:
        """Say how a start would find the database, and change nothing in it.

        A bot that runs meanwhile is not disturbed.

        Raises
        ------
        FatalError
            If it cannot be used; the text says why and what to do.
        """
        place = _place(url, wait)
        with _fatal(place):
            if place.missing:
                return f"{place.where} will be created"
            database = cls(place, place.engine(STATEMENT, wait))
            try:
                current = await database._look()
                await database._prove(current=current)
            finally:
                await database._engine.dispose()
        return "opens, and its tables are current" if current else "opens; a start will upgrade it"

    @classmethod
    async def _open(
        cls, place: SqliteFile | PostgresqlServer, process: str, wait: timedelta
    ) -> Self:
        database = cls(place, place.engine(STATEMENT, wait), process)
        try:
            if not await database._look():
                # Connections of its own, which may take their time.
                patient = cls(place, place.engine(UPGRADE, UPGRADE))
                try:
                    async with patient.transaction() as connection:
                        await connection.run_sync(bring_up_to_date)
                finally:
                    await patient._engine.dispose()
            await database._prove(current=True)
            if place.exclusive:
                await database._bury()
        except BaseException:
            await database.aclose()
            raise
        return database

    async def _look(self) -> bool:
        """Tell whether the tables are those of this release, in a session of its own."""
        with state_errors():
            await self._place.prove(self._engine)
        async with self.statement() as connection:
            return await connection.run_sync(is_current)

    async def _prove(self, *, current: bool) -> None:
        """See that it takes writes: that it can be read says nothing about that."""
        async with self.transaction() as connection:
            if current:
                # A row of its own, so that no other process's lock is in the way.
                own = {"name": f"check {uuid4()}", "day": date(1970, 1, 1)}
                await connection.execute(insert(chores).values(own))
                await connection.execute(delete(chores).where(chores.c.name == own["name"]))
            else:
                table = Table("prompt_redis_bot_check", MetaData(), Column("number", Integer))
                await connection.run_sync(table.create)
                await connection.run_sync(table.drop)

    async def aclose(self) -> None:
        """Close every connection."""
        try:
            await self._engine.dispose()
        finally:
            self._place.release()

    def listen(self) -> asyncio.Event:
        """Give an event that is set whenever this process wants something shown, said or sent."""
        self._listeners.append(asyncio.Event())
        return self._listeners[-1]

    def wake(self) -> None:
        """Have everything that is new shown, said and sent at once."""
        for each in self._listeners:
            each.set()

    def tell(self) -> None:
        """Have those look again who wait for what becomes of a message."""
        told, self._told = self._told, asyncio.Event()
        told.set()

    async def wait_for(
        self,
        look: Callable[[], Awaitable[_Found]],
        enough: Callable[[_Found], bool],
        longest: timedelta,
    ) -> _Found | None:
        """Look until it is enough, or for so long; give what was found last, None for nothing.

        A database that fails or hangs meanwhile raises nothing: what is waited for has been asked
        for already, and whoever asked must not read that nothing was changed.
        """
        found: _Found | None = None
        with suppress(TimeoutError, StateError):
            async with asyncio.timeout(longest.total_seconds()):
                while True:
                    told = self._told
                    found = await look()
                    if enough(found):
                        break
                    with suppress(TimeoutError):
                        # It may be another process that does it.
                        async with asyncio.timeout(_LOOK_AGAIN):
                            await told.wait()
        return found

    async def read_clock(self) -> None:
        """Learn the database's time, by which processes agree on what is claimed or silent."""
        [(at,)] = await self.fetch(select(Clock().label("at")))
        self._clock = at, monotonic()

    def time(self, now: datetime) -> datetime:
        """Tell the database's time, from when it was last read; until it was, this process's."""
        if self._clock is None:
            return now
        at, read = self._clock
        return at + timedelta(seconds=monotonic() - read)

    async def ping(self) -> None:
        """Write a row as it is: a database that can only be read is of no use."""
        await self.change(update(leadership).values(holder=leadership.c.holder))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for statements that take effect together, or not at all."""
        with state_errors():
            async with self._connected(self._engine) as connection, connection.begin():
                await self._place.begin(connection)
                yield connection

    @asynccontextmanager
    async def statement(self) -> AsyncIterator[AsyncConnection]:
        """Give a connection for one statement: a single round trip."""
        with state_errors():
            async with self._connected(self._single) as connection:
                yield connection

    @asynccontextmanager
    async def _connected(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        """Give a connection, and give it back whatever happens.

        Who is cancelled while it is taken from the pool would lose it: then nobody gives it back
        before the garbage collector does, and on SQLite there is no other.
        """
        connection = engine.connect()
        taking = asyncio.ensure_future(connection.start())
        try:
            await asyncio.shield(taking)
        except asyncio.CancelledError:
            taking.add_done_callback(_give_back)
            raise
        try:
            yield connection
        finally:
            await asyncio.shield(connection.close())

    async def fetch(self, statement: Executable) -> Sequence[Row[Any]]:
        """Give the rows of one statement."""
        async with self.statement() as connection:
            return (await connection.execute(statement)).all()

    async def change(self, statement: Executable) -> int:
        """Execute one statement, and tell how many rows it changed."""
        async with self.statement() as connection:
            return (await connection.execute(statement)).rowcount

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """Make an insertion that can say what to do about a conflict."""
        return self._place.insert(table)

    async def _bury(self) -> None:
        # The file was another process's, which is gone: nothing is claimed, and nobody leads.
        nobody = {"claimed_by": None, "claimed_until": None}
        async with self.transaction() as connection:
            for table, more in ((posts, {}), (outbox, {"perhaps": True})):
                claimed = table.c.claimed_by.is_not(None)
                await connection.execute(update(table).where(claimed).values(nobody | more))
            await connection.execute(update(leadership).values(holder=None, until=None))


def _give_back(taking: asyncio.Future[AsyncConnection]) -> None:
    """Give back a connection that nobody waits for any more."""
    if not taking.cancelled() and taking.exception() is None:
        closing = asyncio.ensure_future(taking.result().close())
        _CLOSING.add(closing)
        closing.add_done_callback(_CLOSING.discard)


_CLOSING: set[asyncio.Future[None]] = set()
"""Held, because a task that nobody holds may be collected midway."""


@contextmanager
def _fatal(place: SqliteFile | PostgresqlServer) -> Iterator[None]:
    """Give the remedy for a database that a start cannot do without."""
    try:
        yield
    except StateError as error:
        raise FatalError(
            f"The bot's database {place.where} {error.kind.value}. "
            f"{error.kind.remedy}, then start the bot again."
        ) from error


def _place(text: str, wait: timedelta) -> SqliteFile | PostgresqlServer:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        url = None
    match url and url.get_backend_name():
        case "sqlite" if url:
            return SqliteFile(url, min(wait, FILE_WAIT))
        case "postgresql" if url:
            return PostgresqlServer(url, wait)
    # Not even a part of it is shown: who knows where in it the password stands.
    raise FatalError(
        "state.url is no address of a database. Write sqlite+aiosqlite:/// and a path, or "
        "postgresql+asyncpg://USER:PASSWORD@HOST/DATABASE (in PROMPT_REDIS_STATE_URL)."
    )
