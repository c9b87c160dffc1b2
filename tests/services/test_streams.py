"""Looks that are shared, and what is remembered between them."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import cast

from bot.clients.prompt_redis import PromptRedis
from bot.domain.environments import Environment
from bot.domain.streams import EntryId, Group, Stream, StreamState, Waiting
from bot.metrics import Metrics
from bot.services.streams import Streams
from bot.storage.database import Database
from bot.storage.positions import Positions

NOW = datetime(2026, 11, 24, 5, 31, tzinfo=UTC)


class SlowRedis:
    """Answers when told to; counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.reached, self.answer = asyncio.Event(), asyncio.Event()
        self.last_delivered = EntryId(1, 0)

    async def look(self, streams: Sequence[tuple[str, str]]) -> tuple[list[StreamState], None]:
        self.asked += 1
        self.reached.set()
        await self.answer.wait()
        group = Group(Waiting(), 0, 0, self.last_delivered, 0)
        return [Stream(0, EntryId(0, 0), None, group) for _ in streams], None

    async def takes_writes(self) -> None:
        """All is well."""


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def made(redis: SlowRedis, clock: Clock) -> Streams:
    environment = Environment("prod", ("lsstcam",))
    positions = Positions(cast("Database", None))
    return Streams(
        environment,
        cast("PromptRedis", redis),
        positions,
        Metrics(),
        clock=clock,
        monotonic=lambda: clock().timestamp(),
    )


async def test_who_asks_during_a_look_shares_the_next_one() -> None:
    redis = SlowRedis()
    streams = made(redis, Clock())
    first = asyncio.create_task(streams.look(["lsstcam"]))
    await redis.reached.wait()
    others = [asyncio.create_task(streams.look(["lsstcam"])) for _ in range(100)]
    await asyncio.sleep(0)
    redis.answer.set()
    await asyncio.gather(first, *others)
    assert redis.asked == 2


async def test_one_who_gives_up_takes_nobody_along() -> None:
    redis = SlowRedis()
    streams = made(redis, Clock())
    impatient = asyncio.create_task(streams.look(["lsstcam"]))
    patient = asyncio.create_task(streams.look(["lsstcam"]))
    await asyncio.sleep(0)
    impatient.cancel()
    redis.answer.set()
    assert (await patient)[0].instrument == "lsstcam"


async def test_how_long_the_last_delivered_id_stands_is_remembered() -> None:
    redis, clock = SlowRedis(), Clock()
    redis.answer.set()
    streams = made(redis, clock)

    async def since() -> datetime | None:
        (look,) = await streams.look(["lsstcam"])
        return look.unmoved_since

    assert await since() == NOW
    clock.now += timedelta(minutes=3)
    assert await since() == NOW
    redis.last_delivered = EntryId(2, 0)
    assert await since() == clock.now
