"""The loops: a bad tick stops nothing, a fatal one everything."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.errors import FatalError
from bot.loops import GRACE, Beat, Loops, Tasks
from tests.support.waits import LONGEST_WAIT

NOW = datetime(2026, 11, 24, tzinfo=UTC)
SOON = timedelta(milliseconds=1)


def the_loops(*beats: Beat, monotonic: Callable[[], float] = lambda: 0.0) -> Loops:
    return Loops(beats, clock=lambda: NOW, monotonic=monotonic)


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

    async with asyncio.timeout(LONGEST_WAIT):
        await the_loops(Beat("bad", SOON, bad), Beat("good", SOON, good)).run(stop)
    assert min(seen.values()) >= 3


async def test_a_fatal_tick_ends_the_process() -> None:
    async def fatal(_: datetime) -> None:
        raise FatalError("no connection")

    async def idle(_: datetime) -> None:
        return

    loops = the_loops(Beat("idle", SOON, idle), Beat("fatal", SOON, fatal))
    with pytest.raises(FatalError, match="no connection"):
        async with asyncio.timeout(LONGEST_WAIT):
            await loops.run(asyncio.Event())


async def test_a_tick_that_never_returns_is_stuck() -> None:
    now = 1000.0
    stop = asyncio.Event()

    async def hang(_: datetime) -> None:
        await asyncio.sleep(3600)

    loops = the_loops(Beat("hanging", timedelta(seconds=5), hang), monotonic=lambda: now)
    running = asyncio.create_task(loops.run(stop))
    await asyncio.sleep(0)
    now += (timedelta(seconds=5) + GRACE).total_seconds()
    assert loops.stuck() == []
    now += 1
    assert loops.stuck() == ["hanging"]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


# Tasks that run once.


async def test_some_run_at_once_and_the_rest_wait() -> None:
    tasks = Tasks(at_once=2, waiting=3)
    release, running = asyncio.Event(), 0

    async def work() -> None:
        nonlocal running
        running += 1
        await release.wait()

    for number in range(5):
        assert not tasks.full
        tasks.start(work(), f"work {number}")
    assert tasks.full
    for _ in range(10):
        await asyncio.sleep(0)
    assert running == 2
    release.set()
    await tasks.drain(1)
    assert running == 5


async def test_one_that_fails_is_logged_and_hurts_no_other(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tasks = Tasks()
    done = asyncio.Event()

    async def fail() -> None:
        raise RuntimeError("no fuel")

    async def work() -> None:
        done.set()

    tasks.start(fail(), "failing")
    tasks.start(work(), "working")
    await tasks.drain(1)
    assert done.is_set()
    assert "work failed" in "".join(capsys.readouterr())


async def test_a_drain_lets_work_finish_and_cuts_what_does_not() -> None:
    tasks = Tasks()
    ended: list[str] = []

    async def quick() -> None:
        await asyncio.sleep(0)
        ended.append("quick")

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("endless")

    tasks.start(endless(), "endless")
    tasks.start(quick(), "quick")
    await tasks.drain(0.1)
    assert ended == ["quick", "endless"]
    assert tasks.full, "nothing more is taken on"
