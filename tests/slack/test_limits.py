"""Who goes first where Slack limits calls, and who does not wait at all."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from bot.slack.limits import Limit, Limited


def taken(log: list[str], name: str, *, refused: int = 0) -> Callable[[], Awaitable[str]]:
    """A call that is limited so many times, and notes when it is taken."""
    left = iter(range(refused))

    async def call() -> str:
        await asyncio.sleep(0)
        for _ in left:
            raise Limited(0.2)
        log.append(name)
        return name

    return call


async def test_the_most_urgent_goes_first_and_the_others_in_their_order() -> None:
    limit, log = Limit(), list[str]()
    async with asyncio.TaskGroup() as group:
        for name in ("one", "two", "three"):
            group.create_task(limit.call(taken(log, name, refused=1)))
        await asyncio.sleep(0.01)
        group.create_task(limit.call(taken(log, "page"), urgent=True))
    assert log == ["page", "one", "two", "three"]


async def test_what_is_urgent_waits_for_no_answer_to_what_is_not() -> None:
    limit, log, hangs = Limit(), list[str](), asyncio.Event()

    async def hanging() -> str:
        await hangs.wait()
        return "late"

    with pytest.raises(Limited):
        await limit.call(taken(log, "first", refused=9), longest=0.1)
    async with asyncio.TaskGroup() as group:
        late = group.create_task(limit.call(hanging))
        behind = group.create_task(limit.call(taken(log, "behind")))
        await limit.call(taken(log, "page"), urgent=True)
        assert not behind.done(), "one at a time, after a refusal"
        hangs.set()
        await late
    assert log == ["page", "behind"]


async def test_nobody_waits_while_nothing_is_refused() -> None:
    limit, log, hangs = Limit(), list[str](), asyncio.Event()

    async def hanging() -> None:
        await hangs.wait()

    async with asyncio.TaskGroup() as group:
        group.create_task(limit.call(hanging))
        await limit.call(taken(log, "other"))
        hangs.set()
    assert log == ["other"]


async def test_who_would_wait_too_long_is_told_how_long() -> None:
    limit, log = Limit(), list[str]()

    async def refused() -> None:
        raise Limited(40)

    for call in (refused, taken(log, "second")):
        with pytest.raises(Limited) as caught:
            await limit.call(call, longest=2)
        assert 39 < caught.value.seconds <= 40
    assert log == []
