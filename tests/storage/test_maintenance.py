import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from bot.domain import maintenance
from bot.domain.maintenance import Window, Word
from bot.storage.database import Database
from bot.storage.maintenance import Overlaps, Windows
from bot.storage.steps import Effects
from tests.storage.drafts import ANA, BEN, HOUR, MINUTE, NOW, START, make, notice, step, window


@pytest.fixture
def windows(database: Database) -> Windows:
    return Windows(database)


async def made(windows: Windows, draft: Window | None = None) -> Window:
    return await make(windows, draft or window())


def ids(found: Sequence[Window]) -> list[int]:
    return [each.id for each in found]


@pytest.mark.parametrize(
    ("starts", "ends", "meets"),
    [
        (START - HOUR, START, False),
        (START - HOUR, START + timedelta(microseconds=1), True),
        (START, START + HOUR, True),
        (START + MINUTE, START + 2 * MINUTE, True),
        (START - MINUTE, START + 2 * HOUR, True),
        (START + HOUR - timedelta(microseconds=1), START + 2 * HOUR, True),
        (START + HOUR, START + 2 * HOUR, False),
    ],
)
async def test_what_shares_a_moment_is_refused_and_what_touches_is_not(
    windows: Windows, starts: datetime, ends: datetime, meets: bool
) -> None:
    one = await made(windows)
    if meets:
        with pytest.raises(Overlaps) as caught:
            await made(windows, window(starts, ends))
        assert caught.value.window == one
        # Of another environment, or over: not in the way.
        other = await made(windows, replace(window(starts, ends), environment="dev"))
        assert other.id == 2, "a refusal uses up no number"
        await step(windows, one, one.cancelled(BEN, NOW))
    assert ids(await windows.open("prod")) == ([] if meets else [1])
    again = await made(windows, window(starts, ends))
    assert again in await windows.open("prod")


async def test_one_that_overruns_its_end_is_in_the_way_until_it_ends(windows: Windows) -> None:
    one = await made(windows)
    one = await step(windows, one, one.begun(START))
    late = START + 3 * HOUR

    async def start_another(at: datetime) -> Window:
        draft = replace(window(at), announced=at).begun(at)
        return await make(windows, draft, now=at)

    for at in (START + 2 * HOUR, late):
        with pytest.raises(Overlaps):
            await start_another(at)
    # It may be over by then.
    tomorrow = await make(windows, window(late + HOUR), now=late)
    # The one that waits cannot be begun early, nor the one that goes on extended into it.
    with pytest.raises(Overlaps):
        await step(windows, tomorrow, tomorrow.begun(late), now=late)
    extended = one.extended(2 * HOUR, during_observing=False, now=late)
    with pytest.raises(Overlaps) as caught:
        await step(windows, one, extended, now=late)
    assert caught.value.window == tomorrow
    assert ids(await windows.open("prod")) == [1, 2]
    await step(windows, one, one.over(ANA, "", late), now=late)
    assert (await start_another(late)).id == 3


async def test_changed_times_are_looked_at_again_but_not_ones_own(windows: Windows) -> None:
    one = await made(windows)
    two = await made(windows, window(START + HOUR))
    later = one.changed(START + MINUTE, START + HOUR + MINUTE, during_observing=True, now=NOW)
    with pytest.raises(Overlaps) as caught:
        await step(windows, one, later)
    assert caught.value.window == two
    assert await windows.find(one.id) == one, "a refusal changes nothing"
    earlier = one.changed(START - MINUTE, START + HOUR, during_observing=True, now=NOW)
    assert await windows.find((await step(windows, one, earlier)).id) == earlier


async def test_two_that_move_into_the_same_place_do_not_both(windows: Windows) -> None:
    apart = [await made(windows, window(START + 2 * n * HOUR)) for n in range(10)]
    there = START + 100 * HOUR

    async def move(one: Window) -> bool:
        moved = one.changed(there, there + HOUR, during_observing=False, now=NOW)
        return await windows.replace(one, moved, now=NOW)

    new = made(windows, window(there))
    answers = await asyncio.gather(*(move(one) for one in apart), new, return_exceptions=True)
    assert sum(isinstance(each, Overlaps) for each in answers) == 10
    assert sum(each.starts == there for each in await windows.open("prod")) == 1


async def test_a_step_does_not_unsay_what_another_process_has_said(windows: Windows) -> None:
    one = await made(windows)
    silent = Effects([notice(one.id)], redraw=False)
    reminded = one.having_said(maintenance.Due(Word.MINUTES_BEFORE, START))
    await step(windows, one, reminded, silent)
    assert not reminded.edited, "what its announcement shows is as it was"
    assert not await windows.replace(one, one.begun(START), now=NOW)
    started = await step(windows, reminded, reminded.begun(START))
    late = reminded.having_said(maintenance.Due(Word.ENDING, START))
    assert not await windows.replace(reminded, late, silent, now=NOW)
    assert await windows.find(one.id) == started


async def test_windows_are_found(windows: Windows) -> None:
    late, early = await made(windows, window(START + 5 * HOUR)), await made(windows)
    dev = await made(windows, replace(window(), environment="dev"))
    assert await windows.open("prod") == [early, late]
    early = await step(windows, early, early.begun(START), now=START)
    late = await step(windows, late, late.cancelled(ANA, NOW))
    assert await windows.open("prod") == [early]
    assert await windows.open("dev") == [dev]
    assert await windows.latest("prod", 9) == [early, late]
    assert await windows.latest("prod", 1) == [early]
    early = await step(windows, early, early.over(ANA, "", START + HOUR), now=START + HOUR)
    assert await windows.open("prod") == []
    assert await windows.find(dev.id) == dev


async def test_a_chart_is_given_those_that_went_on_in_its_time(windows: Windows) -> None:
    one = await made(windows)
    one = await step(windows, one, one.begun(START), now=START)
    ended = START + 3 * HOUR
    one = await step(windows, one, one.over(ANA, "", ended), now=ended)
    two = await made(windows, window(START + 5 * HOUR))
    two = await step(windows, two, two.begun(two.starts), now=two.starts)
    never = await made(windows, window(START + 6 * HOUR))
    await step(windows, never, never.cancelled(ANA, NOW))
    far = START + 100 * HOUR
    assert await windows.between("prod", NOW, far) == [one, two]
    assert await windows.between("prod", START + 2 * HOUR, START + 4 * HOUR) == [one]
    assert await windows.between("prod", NOW, START) == []
    assert await windows.between("prod", ended, far) == [two], "it still goes on"
    assert await windows.between("dev", NOW, far) == []
