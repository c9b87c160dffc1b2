"""The loops: a bad tick stops nothing, a fatal one everything."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.errors import FatalError
from bot.loops import GRACE, Beat, Loops

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SOON = timedelta(milliseconds=1)


async def test_a_tick_that_fails_is_called_again_and_stops_no_other() -> None:
    stop, seen = asyncio.Event(), {"bad": 0, "good": 0}

    async def bad(_: datetime) -> None:
        seen["bad"] += 1
        raise RuntimeError("no fuel")

    async def good(now: datetime) -> None:
        assert now == NOW
        seen["good"] += 1
        if min(seen.values()) >= 3:
            stop.set()

    async with asyncio.timeout(5):
        await Loops([Beat("bad", SOON, bad), Beat("good", SOON, good)], clock=lambda: NOW).run(stop)
    assert min(seen.values()) >= 3


async def test_a_fatal_tick_ends_the_process() -> None:
    async def fatal(_: datetime) -> None:
        raise FatalError("no connection")

    async def idle(_: datetime) -> None:
        return

    loops = Loops([Beat("idle", SOON, idle), Beat("fatal", SOON, fatal)], clock=lambda: NOW)
    with pytest.raises(FatalError, match="no connection"):
        async with asyncio.timeout(5):
            await loops.run(asyncio.Event())


async def test_a_tick_that_never_returns_is_stuck() -> None:
    now = NOW
    stop = asyncio.Event()

    async def hang(_: datetime) -> None:
        await asyncio.sleep(3600)

    loops = Loops([Beat("hanging", timedelta(seconds=5), hang)], clock=lambda: now)
    running = asyncio.create_task(loops.run(stop))
    await asyncio.sleep(0)
    now += timedelta(seconds=5) + GRACE
    assert loops.stuck(now) == []
    now += timedelta(seconds=1)
    assert loops.stuck(now) == ["hanging"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
