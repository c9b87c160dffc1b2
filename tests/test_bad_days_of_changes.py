"""Bad days of what changes something: each ends in words, and nothing happens unsaid."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from tests.support.slack_server import Message
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown


@pytest.fixture
async def redis(prod: Redis) -> AsyncIterator[Redis]:
    yield prod
    await prod.execute_command("REPLICAOF NO ONE")  # type: ignore[no-untyped-call]
    await prod.client_unpause()
    await prod.config_set("maxmemory", "0")


@pytest.fixture
async def bot(world: World, redis: Redis) -> AsyncIterator[World]:
    del redis
    async with world.bot():
        await world.group()
        await world.announce(2)
        yield world


async def card_of(world: World, text: str = "clear lsstcam") -> Message:
    answer = await world.type(text)
    assert "is in the channel" in answer.text, answer.text
    return await world.slack.until(
        lambda: next((m for m in world.slack.messages(PROD) if "asks to" in m.text), None)
    )


async def ended(world: World, card: Message, words: str) -> None:
    await world.slack.click(card, "Approve", user="U0ANA")
    await world.slack.until(
        lambda: words in card.text, LONGEST_WAIT, f"{words!r} instead of {card.text!r}"
    )


async def test_a_clear_without_memory_says_that_there_is_no_undo(bot: World, redis: Redis) -> None:
    await redis.config_set("maxmemory", "1")
    card = await card_of(bot)
    assert "none: Redis is out of memory, so no copy can be kept" in shown(card)
    await ended(bot, card, "🟢 *PROD lsstcam: 6 entries = 2 visits discarded.*")
    assert "There is no undo" in shown(card)
    assert "Undo…" not in [element["text"]["text"] for _, element in card.elements()]
    assert not [key async for key in redis.scan_iter("cleared:*")]


async def test_memory_that_runs_out_after_the_card_destroys_nothing(
    bot: World, redis: Redis
) -> None:
    card = await card_of(bot)
    assert "`restore 1`" in shown(card)
    await redis.config_set("maxmemory", "1")
    await ended(bot, card, "🟡 *PROD lsstcam: nothing was discarded.*")
    assert await redis.xlen("instrument:lsstcam") == 6


async def test_a_replica_is_not_changed(bot: World, redis: Redis) -> None:
    card = await card_of(bot)
    # Of a server that is not there: it keeps its data, and refuses writes.
    await redis.execute_command("REPLICAOF 127.0.0.1 1")  # type: ignore[no-untyped-call]
    await ended(bot, card, "nothing was changed: Redis is a replica and cannot be changed")


async def test_a_redis_that_hangs_is_not_changed_later(bot: World, redis: Redis) -> None:
    card = await card_of(bot)
    await redis.client_pause(8000)
    await ended(bot, card, "nothing was changed: Redis does not answer")
    await redis.client_unpause()
    assert await redis.xlen("instrument:lsstcam") == 6


async def test_a_user_without_the_right_changes_nothing(world: World, redis: Redis) -> None:
    await redis.execute_command("ACL SETUSER reader on >pw ~* +@all -eval -evalsha")  # type: ignore[no-untyped-call]
    world.urls[PROD] = world.urls[PROD].replace("redis://", "redis://reader@")
    world.environ["PROMPT_REDIS_PROD_PASSWORD"] = "pw"
    async with world.bot():
        await world.group()
        await world.announce(2)
        card = await card_of(world)
        await ended(world, card, "nothing was changed: Redis does not allow this")
    assert await redis.xlen("instrument:lsstcam") == 6
    await redis.execute_command("ACL DELUSER reader")  # type: ignore[no-untyped-call]


async def test_a_locked_database_stops_changes_and_not_looking(world: World) -> None:
    async with world.bot():
        await world.group()
        await world.announce()
        other = sqlite3.connect(world.folder / "state.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        try:
            # Each statement waits 2 s for the lock; in a row of many it would be longer.
            async with asyncio.timeout(30):
                delivery = await world.slack.command("clear lsstcam", channel=PROD, user="U0ANA")
                assert "healthy" in (await world.type("stats")).text
                answer = await delivery.reply()
            assert "🔴 *The bot's database is locked by somebody else.*" in answer.text
            assert "Looking still works" in shown(answer)
        finally:
            other.execute("ROLLBACK")
            other.close()
        await card_of(world)
