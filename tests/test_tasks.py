"""Tracked work: some at once, a bound on the rest, an end for all of it."""

import asyncio

import pytest

from bot.tasks import Tasks


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
    await asyncio.sleep(0.01)
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
    assert "a delivery was not answered" in "".join(capsys.readouterr())


async def test_a_drain_lets_work_finish_and_cuts_what_does_not() -> None:
    tasks = Tasks()
    ended: list[str] = []

    async def quick() -> None:
        await asyncio.sleep(0.01)
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
