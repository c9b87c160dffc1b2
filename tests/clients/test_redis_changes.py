"""Clearing: exactly what the plan showed, or nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.clients.redis_changes import RedisChanges
from bot.domain.changes import Marker
from bot.domain.streams import EntryId
from tests.clients.a_stream import (
    ARCHIVE,
    GROUP,
    KEY,
    add,
    delete,
    everything,
    group,
    out_of_memory,
    plan,
    read,
)


async def test_a_clear_discards_what_waits_and_keeps_what_is_newer(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 30)
    read_before = await read(stream, 10)
    planned = await plan(stream)
    newer = await add(stream, 4)
    facts = await changes.clear(**planned)
    assert facts == {
        "result": "done",
        "discarded": "20",
        "tidied": "10",
        "settled": "0",
        "newer": "4",
        "length_before": "34",
        "length_after": "4",
        "last_delivered_before": str(read_before[-1]),
        "last_delivered_after": str(planned["bound"].last),
        "waiting_before": "24",
        "waiting_after": "4",
        "copied": "34",
    }
    assert await stream.xlen(KEY) == 4
    its = await group(stream)
    assert (its["lag"], its["last-delivered-id"]) == (4, str(planned["bound"].last))
    assert await read(stream, 100) == newer
    assert (await group(stream))["lag"] == 0


async def test_the_copy_has_no_groups_and_expires(changes: RedisChanges, stream: Redis) -> None:
    await stream.xgroup_create(KEY, "another", "$")
    await add(stream, 3)
    facts = await changes.clear(**{**await plan(stream), "keep": timedelta(minutes=5)})
    assert facts["copied"] == "3"
    assert await stream.xlen(ARCHIVE) == 3
    assert await stream.xinfo_groups(ARCHIVE) == []
    assert 295_000 < await stream.pttl(ARCHIVE) <= 300_000
    assert len(await stream.xinfo_groups(KEY)) == 2


async def test_consumers_stay_and_unconfirmed_entries_up_to_the_plan_are_settled(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 1300)
    await read(stream, 1200, confirm=False)
    planned = await plan(stream)
    await add(stream, 10)
    await read(stream, 105, confirm=False)
    # 100 of the plan are read and 5 of the newer ones: nothing of the plan waits any more.
    assert (await changes.clear(**planned))["why"] == "all_read"
    planned["bound"] = replace(planned["bound"], waiting=0)
    facts = await changes.clear(**planned)
    assert (facts["settled"], facts["tidied"], facts["discarded"]) == ("1300", "1300", "0")
    assert (facts["newer"], facts["waiting_before"], facts["waiting_after"]) == ("10", "5", "5")
    its = await group(stream)
    assert (its["pending"], its["consumers"], its["lag"]) == (5, 1, 5)


async def test_what_is_left_of_the_plan_is_cleared_when_workers_read_on(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 30)
    planned = await plan(stream)
    await read(stream, 29)
    facts = await changes.clear(**planned)
    assert (facts["discarded"], facts["tidied"]) == ("1", "29")
    assert (await group(stream))["lag"] == 0


async def test_a_lag_that_redis_did_not_know_is_known_after_a_clear(
    changes: RedisChanges, stream: Redis
) -> None:
    ids = await add(stream, 30)
    await stream.xdel(KEY, str(ids[20]))
    assert (await group(stream))["lag"] is None
    planned = await plan(stream)
    await add(stream, 3)
    await changes.clear(**planned)
    assert (await group(stream))["lag"] == 3


async def test_the_lag_is_right_too_where_nothing_waited(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 30)
    await stream.xgroup_setid(KEY, GROUP, "$", entries_read=5)
    assert (await group(stream))["lag"] == 25
    facts = await changes.clear(**await plan(stream))
    assert (facts["tidied"], facts["discarded"]) == ("30", "0")
    await add(stream, 2)
    assert (await group(stream))["lag"] == 2


async def test_an_id_with_the_largest_sequence_number(changes: RedisChanges, stream: Redis) -> None:
    largest = 2**64 - 1
    await stream.xadd(KEY, {"groupId": "a"}, f"5-{largest}")
    await stream.xadd(KEY, {"groupId": "b"}, "6-0")
    planned = await plan(stream, last=EntryId(5, largest))
    facts = await changes.clear(**planned)
    assert (facts["discarded"], facts["newer"]) == ("1", "1")
    assert (await group(stream))["last-delivered-id"] == f"5-{largest}"
    await stream.xadd(KEY, {"groupId": "c"}, f"{largest}-{largest}")
    facts = await changes.clear(**{**await plan(stream), "marker": Marker(9, "k")})
    assert (facts["discarded"], facts["newer"]) == ("2", "0")


async def _gone(redis: Redis) -> None:
    await redis.delete(KEY)


async def _no_group(redis: Redis) -> None:
    await redis.xgroup_destroy(KEY, GROUP)


async def _recreated(redis: Redis) -> None:
    await redis.delete(KEY)
    await redis.xgroup_create(KEY, GROUP, "$", mkstream=True)
    await add(redis, 4)


async def _recreated_and_busy(redis: Redis) -> None:
    await redis.delete(KEY)
    for number in range(40):
        await redis.xadd(KEY, {"groupId": "old"}, f"{number + 1}-0")
    await redis.xgroup_create(KEY, GROUP, "$")


async def _moved_back(redis: Redis) -> None:
    await redis.xgroup_setid(KEY, GROUP, "0")


async def _all_read(redis: Redis) -> None:
    await read(redis, 100)


async def _archive_exists(redis: Redis) -> None:
    await redis.set(ARCHIVE, "of an older database")


@pytest.mark.parametrize(
    ("meanwhile", "why"),
    [
        (_gone, "no_stream"),
        (_no_group, "no_group"),
        (_recreated, "recreated"),
        (_recreated_and_busy, "recreated"),
        (_moved_back, "moved_back"),
        (_all_read, "all_read"),
        (_archive_exists, "archive_exists"),
    ],
)
async def test_a_plan_that_no_longer_holds_changes_nothing(
    changes: RedisChanges, stream: Redis, meanwhile: Any, why: str
) -> None:
    await add(stream, 30)
    await read(stream, 10)
    planned = await plan(stream)
    await meanwhile(stream)
    before = await everything(stream)
    assert await changes.clear(**planned) == {"result": "stale", "why": why}
    assert await everything(stream) == before


async def test_entries_that_the_plan_did_not_show_as_waiting_are_not_discarded(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 5)
    planned = await plan(stream, waiting=0)
    before = await everything(stream)
    assert await changes.clear(**planned) == {"result": "stale", "why": "waiting"}
    assert await everything(stream) == before


async def test_without_memory_there_is_no_copy_and_a_clear_that_promised_none_works(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 30)
    await read(stream, 10, confirm=False)
    planned = await plan(stream)
    await add(stream, 2)
    before = await everything(stream)
    async with out_of_memory(stream):
        assert await changes.clear(**planned) == {"result": "stale", "why": "memory"}
        assert await everything(stream) == before
        facts = await changes.clear(**{**planned, "bound": replace(planned["bound"], copy=False)})
        again = await changes.clear(**planned)
    assert (facts["result"], facts["discarded"], facts["copied"]) == ("done", "20", "0")
    assert again == facts
    assert not await stream.exists(ARCHIVE)
    assert (await group(stream))["lag"] == 2


async def test_without_memory_a_clear_of_read_entries_works_too(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 30)
    await read(stream, 30)
    planned = await plan(stream, copy=False)
    async with out_of_memory(stream):
        facts = await changes.clear(**planned)
    assert (facts["result"], facts["tidied"]) == ("done", "30")
    assert (await group(stream))["lag"] == 0


async def test_delete_is_what_the_procedure_says(changes: RedisChanges, stream: Redis) -> None:
    await add(stream, 30)
    (*_, last) = await read(stream, 10, confirm=False)
    planned = await plan(stream)
    facts = await delete(changes, planned)
    assert facts == {
        "result": "done",
        "discarded": "30",
        "length_before": "30",
        "length_after": "0",
        "last_delivered_before": str(last),
        "pending_before": "10",
        "consumers_before": "1",
        "groups_dropped": "1",
    }
    assert await delete(changes, planned) == facts
    its = await group(stream)
    assert (its["lag"], its["pending"], its["consumers"]) == (0, 0, 0)
    await add(stream, 3)
    assert (await group(stream))["lag"] == 3


async def test_delete_without_memory_leaves_a_stream(changes: RedisChanges, stream: Redis) -> None:
    await add(stream, 30)
    planned = await plan(stream)
    async with out_of_memory(stream):
        facts = await delete(changes, planned)
    assert facts["result"] == "done"
    assert (await group(stream))["lag"] == 0


async def test_delete_makes_a_group_that_was_missing(changes: RedisChanges, stream: Redis) -> None:
    await add(stream, 3)
    planned = await plan(stream)
    await _no_group(stream)
    facts = await delete(changes, planned)
    assert (facts["last_delivered_before"], facts["groups_dropped"]) == ("none", "0")
    assert (await group(stream))["lag"] == 0


@pytest.mark.parametrize(("meanwhile", "why"), [(_gone, "no_stream"), (_recreated, "arrived")])
async def test_delete_of_what_nobody_saw_changes_nothing(
    changes: RedisChanges, stream: Redis, meanwhile: Any, why: str
) -> None:
    await add(stream, 3)
    planned = await plan(stream)
    await meanwhile(stream)
    before = await everything(stream)
    assert await delete(changes, planned) == {"result": "stale", "why": why}
    assert await everything(stream) == before


async def test_delete_when_one_more_arrived_changes_nothing(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 3)
    planned = await plan(stream)
    await add(stream, 1)
    assert await delete(changes, planned) == {"result": "stale", "why": "arrived"}
    assert await stream.xlen(KEY) == 4
    # The same ID was the last one, and something was added before it: recreated, with more.
    assert await delete(changes, await plan(stream, added=3)) == {
        "result": "stale",
        "why": "arrived",
    }
