import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings

from bot.domain import maintenance
from bot.domain.approvals import Entry
from bot.domain.maintenance import Window, Word
from bot.domain.notices import Notice, Said, Subject
from bot.storage.approvals import Requests
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.maintenance import Overlaps, Windows
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts
from tests.storage.alarm_drafts import MINUTE, line
from tests.storage.drafts import ANA, BEN, NOW, create
from tests.storage.window_drafts import HOUR, START, WINDOWS, window


def said(made: Window, place: str = "channel", channel: str = "") -> Notice:
    return Notice(Said.WINDOW, made.environment, made.id, {"place": place}, channel)


def of(action: str, at: datetime = NOW) -> Entry:
    return replace(line(action), at=at)


@pytest.fixture
def windows(database: Database) -> Windows:
    return Windows(database)


async def made(windows: Windows, draft: Window | None = None) -> Window:
    return await windows.create(
        draft or window(), entry=lambda made: line(f"maintenance {made.id}"), writer="one"
    )


async def stepped(windows: Windows, old: Window, new: Window, now: datetime = NOW) -> Window:
    assert await windows.replace(old, new, entry=of("step", now), writer="one")
    return new


async def written(database: Database) -> tuple[list[Notice], list[str], list[tuple[int, int]]]:
    """What waits to be said, the audit's lines, and which announcements are wanted how often."""
    waiting = await Outbox(database).waiting(NOW, limit=1000)
    lines = await Audit(database).latest("prod", 1000)
    behind = await Posts(database).behind(NOW, limit=1000)
    return (
        [each.notice for each in waiting],
        [entry.action for entry, _ in lines][::-1],
        [(post.subject, post.wanted) for post in behind],
    )


def ids(found: Sequence[Window]) -> list[int]:
    return [each.id for each in found]


# One database for all of them: each has an environment of its own, so none is in the way.
_numbers = count(1)


@given(draft=WINDOWS, after=WINDOWS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_a_window_comes_back_as_it_was_written(
    windows: Windows, draft: Window, after: Window
) -> None:
    draft = replace(draft, environment=f"{draft.environment}{next(_numbers)}")
    one = await made(windows, draft)
    assert one == replace(draft, id=one.id)
    assert await windows.find(one.id) == one
    fixed = ("id", "environment", "reason", "owner", "announced")
    kept = {name: getattr(one, name) for name in fixed}
    step = replace(after, version=one.version + 1, **kept)
    assert await windows.replace(one, step, writer="one")
    assert await windows.find(one.id) == step


async def test_a_new_window_brings_all_that_belongs_to_it(
    windows: Windows, database: Database
) -> None:
    await create(Requests(database))
    one = await windows.create(
        window(),
        notices=lambda made: [said(made), said(made, "mirror", "dm-observing")],
        entry=lambda made: line(f"maintenance schedule {made.id}"),
        writer="one",
    )
    assert one.id == 2, "requests and windows have one sequence"
    queued = await Outbox(database).waiting(NOW, writer="one")
    assert [each.notice for each in queued] == [said(one), said(one, "mirror", "dm-observing")]
    assert {each.written for each in queued} == {NOW}
    [(newest, _), _] = await Audit(database).latest("prod", 9)
    assert newest == line("maintenance schedule 2")
    post = await Posts(database).find(2)
    assert post is not None
    assert (post.kind, post.environment, post.wanted) == (Subject.WINDOW, "prod", 1)
    assert await windows.find(1) is None


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
    windows: Windows, database: Database, starts: datetime, ends: datetime, meets: bool
) -> None:
    one = await made(windows)
    if meets:
        with pytest.raises(Overlaps) as caught:
            await made(windows, window(starts, ends))
        assert caught.value.window == one
        assert await written(database) == ([], ["maintenance 1"], [(1, 1)])
        # Of another environment, or over: not in the way.
        other = await made(windows, replace(window(starts, ends), environment="dev"))
        assert other.id == 2, "a refusal uses up no number"
        await stepped(windows, one, one.cancelled(BEN, NOW))
    assert ids(await windows.open("prod")) == ([] if meets else [1])
    again = await made(windows, window(starts, ends))
    assert again in await windows.open("prod")


async def test_one_that_overruns_its_end_is_in_the_way_until_it_ends(windows: Windows) -> None:
    one = await made(windows)
    one = await stepped(windows, one, one.begun(START))
    late = START + 3 * HOUR

    async def start_another(at: datetime) -> Window:
        draft = replace(window(at), announced=at).begun(at)
        return await windows.create(draft, entry=lambda _: of("start", at), writer="one")

    for at in (START + 2 * HOUR, late):
        with pytest.raises(Overlaps):
            await start_another(at)
    # It may be over by then.
    tomorrow = await windows.create(
        window(late + HOUR), entry=lambda _: of("schedule", late), writer="one"
    )
    # The one that waits cannot be begun early, nor the one that goes on extended into it.
    with pytest.raises(Overlaps):
        await stepped(windows, tomorrow, tomorrow.begun(late), late)
    extended = one.extended(2 * HOUR, during_observing=False, now=late)
    with pytest.raises(Overlaps) as caught:
        await stepped(windows, one, extended, late)
    assert caught.value.window == tomorrow
    assert ids(await windows.open("prod")) == [1, 2]
    await stepped(windows, one, one.over(ANA, "", late), late)
    assert (await start_another(late)).id == 3


async def test_changed_times_are_looked_at_again_but_not_ones_own(windows: Windows) -> None:
    one = await made(windows)
    two = await made(windows, window(START + HOUR))
    later = one.changed(START + MINUTE, START + HOUR + MINUTE, during_observing=True, now=NOW)
    with pytest.raises(Overlaps) as caught:
        await stepped(windows, one, later)
    assert caught.value.window == two
    assert await windows.find(one.id) == one, "a refusal changes nothing"
    earlier = one.changed(START - MINUTE, START + HOUR, during_observing=True, now=NOW)
    assert await windows.find((await stepped(windows, one, earlier)).id) == earlier


async def test_of_twenty_at_once_one_is_made(windows: Windows, database: Database) -> None:
    async def attempt(n: int) -> Window:
        return await windows.create(
            window(START + n * MINUTE),
            notices=lambda made: [said(made)],
            entry=lambda made: line(f"maintenance {made.id}"),
            writer="one",
        )

    answers = await asyncio.gather(*(attempt(n) for n in range(20)), return_exceptions=True)
    [one] = [each for each in answers if isinstance(each, Window)]
    refused = [each.window for each in answers if isinstance(each, Overlaps)]
    assert refused == [one] * 19
    assert await written(database) == ([said(one)], ["maintenance 1"], [(1, 1)])


async def test_two_that_move_into_the_same_place_do_not_both(windows: Windows) -> None:
    apart = [await made(windows, window(START + 2 * n * HOUR)) for n in range(10)]
    there = START + 100 * HOUR

    async def move(one: Window) -> bool:
        moved = one.changed(there, there + HOUR, during_observing=False, now=NOW)
        return await windows.replace(one, moved, entry=of("change"), writer="one")

    new = made(windows, window(there))
    answers = await asyncio.gather(*(move(one) for one in apart), new, return_exceptions=True)
    assert sum(isinstance(each, Overlaps) for each in answers) == 10
    assert sum(each.starts == there for each in await windows.open("prod")) == 1


async def test_of_twenty_steps_at_once_one_is_taken(windows: Windows, database: Database) -> None:
    one = await made(windows)
    steps = [one.over(replace(BEN, name=f"Ben {n}"), "done", NOW) for n in range(20)]
    taken = await asyncio.gather(
        *(
            windows.replace(one, step, notices=[said(one)], entry=of("end"), writer="one")
            for step in steps
        )
    )
    assert taken.count(True) == 1
    assert await windows.find(one.id) == steps[taken.index(True)]
    assert await written(database) == ([said(one)], ["maintenance 1", "end"], [(1, 2)])


async def test_of_ten_reminders_at_once_one_is_said(windows: Windows, database: Database) -> None:
    one = await made(windows)
    reminded = one.having_said(maintenance.Due(Word.MINUTES_BEFORE, START))
    taken = await asyncio.gather(
        *(
            windows.replace(one, reminded, notices=[said(one)], redraw=False, writer="one", now=NOW)
            for _ in range(10)
        )
    )
    assert taken.count(True) == 1
    assert await windows.find(one.id) == reminded
    assert await written(database) == ([said(one)], ["maintenance 1"], [(1, 1)])


async def test_a_step_does_not_unsay_what_another_process_has_said(windows: Windows) -> None:
    one = await made(windows)
    reminded = one.having_said(maintenance.Due(Word.MINUTES_BEFORE, START))
    assert await windows.replace(one, reminded, writer="one")
    assert not await windows.replace(one, one.begun(START), writer="two")
    started = reminded.begun(START).having_said(maintenance.Due(Word.STARTED, START))
    assert await windows.replace(reminded, started, writer="two")
    assert not await windows.replace(
        reminded, reminded.having_said(maintenance.Due(Word.ENDING, START)), writer="one"
    )
    assert await windows.find(one.id) == started


@pytest.mark.parametrize("jump", [0, 2, -1])
async def test_a_step_leads_to_the_next_version(windows: Windows, jump: int) -> None:
    one = await made(windows)
    with pytest.raises(ValueError, match="next"):
        await windows.replace(one, replace(one, updates=1, version=jump), writer="one")


async def test_what_fails_leaves_nothing_behind(windows: Windows, database: Database) -> None:
    one = await made(windows)
    before = await written(database)
    naive = replace(line("end"), at=NOW.replace(tzinfo=None))
    # What fails is written last.
    with pytest.raises(Exception, match="without a zone"):
        await windows.replace(
            one, one.over(BEN, "", NOW), notices=[said(one)], entry=naive, writer="one", now=NOW
        )
    with pytest.raises(TypeError, match="nothing to say"):
        await windows.create(
            window(START + HOUR), notices=_failing, entry=lambda _: line("start"), writer="one"
        )
    assert await written(database) == before
    assert await windows.recent("prod", 9) == [one]
    assert (await made(windows, window(START + HOUR))).id == 2


def _failing(_: Window) -> list[Notice]:
    raise TypeError("nothing to say")


async def test_windows_are_found(windows: Windows) -> None:
    late, early = await made(windows, window(START + 5 * HOUR)), await made(windows)
    dev = await made(windows, replace(window(), environment="dev"))
    assert await windows.open("prod") == [early, late]
    early = await stepped(windows, early, early.begun(START), START)
    late = await stepped(windows, late, late.cancelled(ANA, NOW))
    assert await windows.open("prod") == [early]
    assert await windows.open("dev") == [dev]
    assert await windows.recent("prod", 9) == [early, late]
    assert await windows.recent("prod", 1) == [early]
    early = await stepped(windows, early, early.over(ANA, "", START + HOUR), START + HOUR)
    assert await windows.open("prod") == []
    assert await windows.find(dev.id) == dev


async def test_a_chart_is_given_those_that_went_on_in_its_time(windows: Windows) -> None:
    one = await made(windows)
    one = await stepped(windows, one, one.begun(START), START)
    ended = START + 3 * HOUR
    one = await stepped(windows, one, one.over(ANA, "", ended), ended)
    two = await made(windows, window(START + 5 * HOUR))
    two = await stepped(windows, two, two.begun(two.starts), two.starts)
    never = await made(windows, window(START + 6 * HOUR))
    await stepped(windows, never, never.cancelled(ANA, NOW))
    far = START + 100 * HOUR
    assert await windows.between("prod", NOW, far) == [one, two]
    assert await windows.between("prod", START + 2 * HOUR, START + 4 * HOUR) == [one]
    assert await windows.between("prod", NOW, START) == []
    assert await windows.between("prod", ended, far) == [two], "it still goes on"
    assert await windows.between("dev", NOW, far) == []
