"""Bad days of what changes something: each ends in words, and nothing happens unsaid."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from datetime import UTC, datetime, timedelta
from enum import Enum, auto

import pytest
from redis.asyncio import Redis

from tests.clients.a_stream import age
from tests.support.slack_server import Fault, Message
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown

KEY, GROUP = "instrument:lsstcam", "lsstcam_consumer_group"


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
    await ended(
        bot, card, "nothing was changed: Redis is a read-only replica: workers cannot read either"
    )


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


# --- what is cut midway ----------------------------------------------------------------------


class Cut(Enum):
    """How a way ends."""

    THERE = auto()
    """It is cut before the command."""
    MUTE = auto()
    """The command goes nowhere, and nothing says so."""
    NEXT = auto()
    """The command is answered, and is the last one."""


@asynccontextmanager
async def cutting(
    redis: Redis, after: bytes, *, times: int, how: Cut = Cut.THERE
) -> AsyncIterator[str]:
    """Give the URL of a way to Redis that ends at the given number of a command, for good."""
    seen, tasks = 0, set[asyncio.Task[None]]()
    port = redis.connection_pool.connection_kwargs["port"]

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(serve(reader, writer)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        answers, server = await asyncio.open_connection("127.0.0.1", port)
        passing = asyncio.create_task(_pass(answers, writer))
        try:
            while seen < times and (data := await reader.read(2**20)):
                seen += data.count(after)
                if seen < times or how is Cut.NEXT:
                    server.write(data)
                if seen >= times and how is not Cut.THERE:
                    await reader.read()
        finally:
            passing.cancel()
            writer.close()
            server.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    server.close()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await server.wait_closed()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(2**20):
        writer.write(data)


async def left_behind(redis: Redis, names: int) -> None:
    pipeline = redis.pipeline(transaction=False)
    for number in range(names):
        pipeline.xgroup_createconsumer(KEY, GROUP, f"idle-{number}w")
    await pipeline.execute()
    await age(redis, "idle", timedelta(hours=3))


async def test_a_prune_that_is_cut_midway_says_what_it_did(world: World, redis: Redis) -> None:
    await world.group()
    await left_behind(redis, 3000)
    async with cutting(redis, b"DELCONSUMER", times=501) as url:
        world.urls[PROD] = url
        async with world.bot():
            answer = await world.type("prune")
            said = "500 of 3,000 consumer names removed, then it stopped"
            await world.slack.until(lambda: said in answer.text, LONGEST_WAIT, answer.text)
            assert "Of 500 more nobody knows" in shown(answer)
            assert "`prune lsstcam` goes on" in shown(answer)
            audit = shown(await world.type("audit"))
            assert "*stopped*" in audit
            assert "500 of 3,000 names removed" in audit
    assert len(await redis.xinfo_consumers(KEY, GROUP)) == 2500


@pytest.mark.parametrize("left", [1, 0], ids=["a batch", "nothing"])
async def test_a_daily_prune_that_is_cut_midway_is_in_the_audit(
    world: World, redis: Redis, left: int
) -> None:
    await world.group()
    await left_behind(redis, 1500)
    now = datetime.now(UTC)
    world.settings = {"prune": {"daily": f"{now - timedelta(minutes=1):%H:%M}"}}
    async with cutting(redis, b"DELCONSUMER", times=500 * left + 1) as url:
        world.urls[PROD] = url
        async with world.bot():
            said = f"{500 * left:,} of 1,500 names removed, perhaps 500 more, then stopped: Redis"
            async with asyncio.timeout(LONGEST_WAIT):
                while said not in shown(answer := await world.type("audit")):  # noqa: ASYNC110 -- it tells nobody
                    await asyncio.sleep(0.1)
            assert "*stopped*" in shown(answer)


async def test_a_prune_that_the_end_of_the_process_cuts_is_in_the_audit(
    world: World, redis: Redis
) -> None:
    """Its message hangs, so it does not come to its end while the process waits."""
    await world.group()
    await left_behind(redis, 3000)
    async with cutting(redis, b"DELCONSUMER", times=501, how=Cut.MUTE) as url:
        world.urls[PROD] = url
        async with world.bot():
            for method in ("chat.postMessage", "chat.update"):
                world.slack.fail(method, Fault(hang=600, times=None))
            await world.slack.command("prune", channel=PROD, user="U0ANA")
            async with asyncio.timeout(LONGEST_WAIT):
                while len(await redis.xinfo_consumers(KEY, GROUP)) > 2500:  # noqa: ASYNC110 -- Redis tells nobody
                    await asyncio.sleep(0.05)
        world.slack.heal()
    async with world.bot():
        audit = shown(await world.type("audit"))
        assert "*stopped*" in audit
        assert "500 of 3,000 names removed" in audit


async def test_a_restore_that_is_cut_midway_says_what_it_did(world: World, redis: Redis) -> None:
    async with cutting(redis, b"prompt-redis-bot:done:2", times=1, how=Cut.NEXT) as url:
        world.urls[PROD] = url
        async with world.bot():
            await world.group()
            await world.announce(35, detectors=172)
            await ended(world, await card_of(world), "🟢 *PROD lsstcam: 6,020 entries")
            await world.type("restore 1")
            card = await world.slack.until(
                lambda: next((m for m in world.slack.messages(PROD) if "put back" in m.text), None)
            )
            await ended(world, card, "🔴 *PROD lsstcam: it stopped midway, Redis")
            assert "5,000 of 6,020 entries are back" in shown(card)
            audit = shown(await world.type("audit"))
            assert "5,000 of 6,020 entries are back, then it stopped" in audit
            late = await world.type("approve 2")
            assert "it has failed" in late.text
            assert "nothing was changed" not in shown(late).lower()
    assert await redis.xlen(KEY) == 5000


async def test_a_prune_that_the_audit_does_not_take_is_told_all_the_same(
    world: World, redis: Redis
) -> None:
    async with world.bot():
        await world.group()
        await left_behind(redis, 20)
        with closing(sqlite3.connect(world.folder / "state.db", isolation_level=None)) as other:
            other.execute(
                "CREATE TRIGGER full BEFORE INSERT ON audit "
                "BEGIN SELECT RAISE(ABORT, 'no room for it'); END"
            )
            answer = await world.type("prune")
            await world.slack.until(
                lambda: "20 consumer names removed" in answer.text, LONGEST_WAIT, answer.text
            )
        assert "This is not in the audit. The bot's database" in shown(answer)
        assert "othing was changed" not in shown(answer)
