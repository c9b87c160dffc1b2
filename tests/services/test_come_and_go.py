"""What comes and goes: one message, one alarm at pagers, and pages that people can stand."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta

import pytest

from bot.domain.alarms import Incident
from bot.domain.oncall import PageEvent, key_of
from bot.domain.paging import Fate, fate
from bot.storage.outbox import Outbox
from tests.support.a_post import DAY, GROUP, KEY, POLL, SECOND, Post
from tests.support.a_watch import ANA, BEN, MINUTE

QUARTER = timedelta(minutes=15)


@dataclass(frozen=True)
class Seen:
    """What people saw: messages in the channel, lines in their threads, and pages.

    Parameters
    ----------
    resolves
        Ends that are due by now.
    """

    messages: int
    thread: Counter[str]
    triggers: Counter[str]
    keys: set[str]
    resolves: Counter[str]
    acknowledged: Counter[str]


async def seen(post: Post) -> Seen:
    with closing(sqlite3.connect(post.file)) as file:
        (messages,) = file.execute("SELECT count(*) FROM posts").fetchone()
        talk = file.execute("SELECT content FROM outbox WHERE lane = 'talk'").fetchall()
    alarms = await post.alarms()
    pages = await Outbox(post.database).about(*map(key_of, alarms))
    told = [
        each.content
        for each in pages
        for alarm in alarms
        if each.content.incident == alarm.id
        and (each.content.due is None or each.content.due <= post.now)
        and fate(each, pages, alarm) is not Fate.AGAIN
    ]

    def of(step: PageEvent) -> Counter[str]:
        return Counter(each.target for each in told if each.step is step)

    return Seen(
        messages,
        Counter(json.loads(content)["values"].get("turn", "") for (content,) in talk),
        of(PageEvent.TRIGGER),
        {each.key for each in told},
        of(PageEvent.RESOLVE),
        of(PageEvent.ACKNOWLEDGE),
    )


async def redis_comes_and_goes(
    post: Post, away: timedelta, back: timedelta, length: timedelta
) -> None:
    """Let Redis be away and there, again and again."""
    begun = post.now
    while post.now < begun + length:
        inside = (post.now + POLL - begun) % (away + back)
        await (post.door.shut() if timedelta(0) < inside <= away else post.door.open())
        await post.passes(POLL)
    await post.door.open()


async def the_alarm(post: Post) -> Incident:
    (alarm,) = await post.alarms()
    return alarm


@pytest.fixture
async def watched(post: Post) -> Post:
    """One that has been watched for a while."""
    await post.passes(3 * MINUTE)
    return post


async def test_most_of_the_time_away(watched: Post) -> None:
    begun = watched.now
    await redis_comes_and_goes(watched, 25 * SECOND, 5 * SECOND, 20 * MINUTE)
    alarm, found = await the_alarm(watched), await seen(watched)
    assert alarm.opened - begun <= 3 * MINUTE
    assert alarm.relapses == 0, "it is never over"
    assert found.messages == 1
    assert found.triggers == {"group": 1, "duty": 1, "nightly": 1}
    await watched.passes(2 * MINUTE)
    assert (await the_alarm(watched)).resolved is not None


async def test_a_minute_away_and_half_a_minute_there(watched: Post) -> None:
    await redis_comes_and_goes(watched, 60 * SECOND, 30 * SECOND, 24 * MINUTE)
    alarm, found = await the_alarm(watched), await seen(watched)
    assert alarm.relapses == 15
    assert found.messages == 1
    assert len(found.keys) == 1
    assert found.triggers == {"group": 3, "duty": 3, "nightly": 3}
    assert not found.resolves
    assert found.thread["relapsed"] == 3, "of the later ones its message alone tells"
    assert found.thread["resolved"] <= 4
    await watched.passes(QUARTER + MINUTE)
    assert (await seen(watched)).resolves == {"duty": 1, "nightly": 1}, "and that only once"


async def test_a_crash_loop_that_somebody_owns(watched: Post) -> None:
    await redis_comes_and_goes(watched, 40 * SECOND, 20 * SECOND, 40 * SECOND)
    alarm = await the_alarm(watched)
    first = (await seen(watched)).triggers
    await watched.people.own(alarm.id, ANA, watched.now)
    await watched.passes(20 * SECOND)
    assert (await the_alarm(watched)).resolved is not None
    await redis_comes_and_goes(watched, 40 * SECOND, 20 * SECOND, 4 * MINUTE)
    alarm, found = await the_alarm(watched), await seen(watched)
    assert (alarm.relapses, alarm.owner) == (4, ANA)
    assert found.messages == 1
    assert len(found.keys) == 1
    assert found.triggers == first, "somebody is on it"
    assert found.acknowledged == {"duty": 1}
    assert not found.thread["called"]
    assert not found.resolves


async def test_workers_stall_again_and_again(watched: Post) -> None:
    for _ in range(40 * MINUTE // (210 * SECOND)):
        for _ in range(5):
            await watched.announce(20)
            await watched.passes(30 * SECOND)
        for _ in range(4):
            await watched.read()
            await watched.passes(15 * SECOND)
    found = await seen(watched)
    assert (await the_alarm(watched)).relapses > 6
    assert found.messages == 1
    assert len(found.keys) == 1
    assert set(found.triggers) == {"duty"}, "it never is critical"
    assert found.triggers["duty"] <= 4
    assert not found.resolves


async def test_one_outage(watched: Post) -> None:
    await watched.door.shut()
    await watched.passes(7 * POLL)
    assert (await the_alarm(watched)).resolved is None
    await watched.door.open()
    await watched.passes(3 * POLL)
    assert (await the_alarm(watched)).resolved is not None, "over after 10 s"
    # It was away for longer than the share takes, and yet a hiccup is none.
    await watched.door.shut()
    await watched.passes(POLL)
    await watched.door.open()
    await watched.passes(QUARTER)
    alarm, found = await the_alarm(watched), await seen(watched)
    assert alarm.relapses == 0
    assert found.messages == 1
    assert found.triggers == {"group": 1, "duty": 1, "nightly": 1}
    assert found.resolves == {"duty": 1, "nightly": 1}


async def test_a_hiccup_after_an_outage_for_a_leader_that_is_new(watched: Post) -> None:
    await watched.door.shut()
    await watched.passes(7 * POLL)
    await watched.door.open()
    await watched.passes(3 * POLL)
    watched.begin("second")
    await watched.door.shut()
    await watched.passes(POLL)
    assert (await the_alarm(watched)).relapses == 0


async def test_a_group_that_comes_and_goes(watched: Post) -> None:
    for _ in range(10):
        await watched.redis.xgroup_destroy(KEY, GROUP)
        await watched.passes(30 * SECOND)
        await watched.redis.xgroup_create(KEY, GROUP, "$")
        await watched.passes(60 * SECOND)
    found = await seen(watched)
    assert (await the_alarm(watched)).relapses == 9
    assert found.messages == 1
    assert len(found.keys) == 1
    assert found.triggers == {"group": 2, "duty": 2, "nightly": 2}
    assert not found.resolves


@pytest.mark.parametrize(("pause", "same"), [(QUARTER - POLL, True), (QUARTER + POLL, False)])
async def test_what_comes_back_later_is_another_one(
    watched: Post, pause: timedelta, same: bool
) -> None:
    await watched.redis.xgroup_destroy(KEY, GROUP)
    await watched.passes(2 * POLL)
    await watched.redis.xgroup_create(KEY, GROUP, "$")
    await watched.passes(3 * POLL)
    ended = (await the_alarm(watched)).resolved
    assert ended is not None
    await watched.passes(ended + pause - 2 * POLL - watched.now)
    await watched.redis.xgroup_destroy(KEY, GROUP)
    await watched.passes(2 * POLL)
    last, *others = await watched.alarms()
    assert last.resolved is None
    assert (not others) is same
    assert len((await seen(watched)).keys) == (1 if same else 2)
    assert bool((await seen(watched)).resolves) is not same


async def test_an_owner_is_called_when_it_comes_back_and_the_on_call_if_nothing_is_done(
    watched: Post,
) -> None:
    async def goes(length: timedelta) -> None:
        await watched.redis.xgroup_destroy(KEY, GROUP)
        await watched.passes(length)

    async def comes(length: timedelta) -> None:
        await watched.redis.xgroup_create(KEY, GROUP, "$")
        await watched.passes(length)

    await goes(MINUTE)
    alarm = await the_alarm(watched)
    await watched.people.own(alarm.id, ANA, watched.now)
    await comes(4 * MINUTE)
    await goes(30 * SECOND)
    assert (await seen(watched)).thread["called"] == 0, "it is in their hands"
    await comes(MINUTE)
    await goes(30 * SECOND)
    alarm = await the_alarm(watched)
    called = alarm.called
    assert called is not None
    assert (await seen(watched)).thread["called"] == 1
    for _ in range(2):
        await comes(MINUTE)
        await goes(MINUTE)
    assert (await seen(watched)).thread["called"] == 1, "not at every return"
    assert (await seen(watched)).triggers["duty"] == 1
    await watched.passes(called + 10 * MINUTE - watched.now - POLL)
    assert (await seen(watched)).triggers["duty"] == 1
    await watched.passes(2 * POLL)
    assert (await seen(watched)).triggers == {"group": 2, "duty": 2, "nightly": 2}
    # Whoever takes it now is its owner, as at the first time.
    await watched.people.own(alarm.id, BEN, watched.now)
    await watched.passes(11 * MINUTE)
    alarm, found = await the_alarm(watched), await seen(watched)
    assert (alarm.owner, alarm.called) == (BEN, None)
    assert found.triggers == {"group": 2, "duty": 2, "nightly": 2}
    assert found.acknowledged == {"duty": 2}


async def test_becoming_critical_waits_for_nothing(watched: Post) -> None:
    await watched.announce()
    await watched.passes(2 * MINUTE + POLL)
    assert (await seen(watched)).triggers == {"duty": 1}
    await watched.passes(3 * MINUTE)
    assert (await seen(watched)).triggers == {"duty": 2}, "told of a warning 3 min ago"
    await watched.passes(5 * MINUTE)
    assert (await seen(watched)).triggers == {"duty": 2}


async def test_a_person_calls_whenever_they_want(watched: Post) -> None:
    await watched.redis.xgroup_destroy(KEY, GROUP)
    await watched.passes(MINUTE)
    alarm = await the_alarm(watched)
    assert (await seen(watched)).triggers["group"] == 1
    await watched.people.escalate(alarm.id, ANA, watched.now)
    assert (await seen(watched)).triggers["group"] == 2


async def test_whose_page_was_dropped_is_told_when_it_comes_back(watched: Post) -> None:
    await watched.redis.xgroup_destroy(KEY, GROUP)
    await watched.passes(2 * POLL)
    outbox = Outbox(watched.database)
    taken, *others = await outbox.pages(watched.now)
    await outbox.sent(taken, watched.now)
    await watched.redis.xgroup_create(KEY, GROUP, "$")
    await watched.passes(3 * POLL)
    for each in others:
        await outbox.drop(each, watched.now, Fate.OVER.value)
    await watched.redis.xgroup_destroy(KEY, GROUP)
    await watched.passes(2 * POLL)
    triggers = (await seen(watched)).triggers
    assert triggers.pop(taken.content.target) == 1
    assert triggers == {each.content.target: 2 for each in others}


async def test_by_day_five_short_outages_are_one(post: Post) -> None:
    post.now = DAY
    await post.passes(3 * MINUTE)
    # Three of fifteen minutes; no single one would do.
    await redis_comes_and_goes(post, MINUTE, 2 * MINUTE, 12 * MINUTE)
    alarm, found = await the_alarm(post), await seen(post)
    assert alarm.opened - DAY <= QUARTER
    assert found.messages == 1
    assert alarm.relapses <= 1
