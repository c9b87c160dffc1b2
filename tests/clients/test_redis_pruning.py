"""Removing the consumer names that workers left behind, and no others."""

from datetime import timedelta

from redis.asyncio import Redis

from bot.clients.redis_changes import RedisChanges
from bot.domain.changes import Pruned
from tests.clients.a_stream import GROUP, KEY, add, age, group, read

HOUR = timedelta(hours=1)


async def _names(redis: Redis, name: str, count: int) -> None:
    pipeline = redis.pipeline(transaction=False)
    for number in range(count):
        pipeline.xgroup_createconsumer(KEY, GROUP, f"{name}-{number}w")
    await pipeline.execute()


async def test_prune_removes_in_parts_who_is_idle_and_has_nothing_pending(
    changes: RedisChanges, stream: Redis
) -> None:
    await _names(stream, "idle", 1200)
    await _names(stream, "young", 3)
    await add(stream, 2)
    await read(stream, 1, confirm=False, consumer="busy-1w")
    await read(stream, 1, confirm=False, consumer="busy-2w")
    await age(stream, "idle", 3 * HOUR)
    await age(stream, "busy", 3 * HOUR)
    found = [pruned async for pruned in changes.prune(stream=KEY, group=GROUP, idle=2 * HOUR)]
    assert found == [
        Pruned(1205, 1200),
        Pruned(1205, 1200, 500),
        Pruned(1205, 1200, 1000),
        Pruned(1205, 1200, 1200),
    ]
    left = {each["name"] for each in await stream.xinfo_consumers(KEY, GROUP)}
    assert left == {"young-0w", "young-1w", "young-2w", "busy-1w", "busy-2w"}
    assert (await group(stream))["pending"] == 2


async def test_prune_never_takes_names_idle_for_less_than_an_hour(
    changes: RedisChanges, stream: Redis
) -> None:
    await _names(stream, "idle", 5)
    await age(stream, "idle", timedelta(minutes=55))
    short = timedelta(minutes=1)
    assert [each async for each in changes.prune(stream=KEY, group=GROUP, idle=short)] == [
        Pruned(5, 0)
    ]
    await age(stream, "idle", timedelta(minutes=65))
    found = [each async for each in changes.prune(stream=KEY, group=GROUP, idle=short)]
    assert found[-1] == Pruned(5, 5, 5)


async def test_prune_tells_what_a_worker_that_came_back_lost(
    changes: RedisChanges, stream: Redis
) -> None:
    await _names(stream, "idle", 3)
    await age(stream, "idle", 3 * HOUR)
    await add(stream, 2)
    pruning = changes.prune(stream=KEY, group=GROUP, idle=HOUR)
    await anext(pruning)
    await read(stream, 2, confirm=False, consumer="idle-1w")
    assert await anext(pruning) == Pruned(3, 3, 3, (("idle-1w", 2),))


async def test_prune_of_a_group_that_is_gone(changes: RedisChanges, stream: Redis) -> None:
    await _names(stream, "idle", 3)
    await age(stream, "idle", 3 * HOUR)
    pruning = changes.prune(stream=KEY, group=GROUP, idle=HOUR)
    assert await anext(pruning) == Pruned(3, 3)
    await stream.xgroup_destroy(KEY, GROUP)
    assert [each async for each in pruning] == [Pruned(3, 3)]
    assert [each async for each in changes.prune(stream=KEY, group=GROUP, idle=HOUR)] == [
        Pruned(0, 0)
    ]
    await stream.delete(KEY)
    assert [each async for each in changes.prune(stream=KEY, group=GROUP, idle=HOUR)] == [
        Pruned(0, 0)
    ]
