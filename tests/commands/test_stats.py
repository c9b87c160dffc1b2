"""`stats` through the front door, on real streams."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from bot.domain.samples import Minute, Sample
from bot.storage.database import Database
from bot.storage.samples import Samples
from tests.support.slack_server import Message
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, PROD, World, shown

MINUTE = timedelta(minutes=1)


def minute(at: datetime) -> Minute:
    return Minute("lsstcam", at, 12, 12, 172, timedelta(seconds=24), 0, 0, 1)


def look(at: datetime, added: int) -> Sample:
    return Sample("lsstcam", at, reached=True, there=True, added=added, announced=3)


@asynccontextmanager
async def state(world: World) -> AsyncIterator[Database]:
    """Open the bot's database before the bot does."""
    database = await Database.open(f"sqlite+aiosqlite:///{world.folder / 'state.db'}")
    yield database
    await database.aclose()


def labels(answer: Message) -> list[str]:
    """Give the labels of the figures, in their order."""
    fields = [each for block in answer.blocks for each in block.get("fields", ())]
    return [each["text"].split("\n")[0].strip("*") for each in fields]


async def test_a_stream_that_is_read_is_healthy(world: World) -> None:
    await world.group()
    await world.announce(visits=2)
    await world.read(6)
    async with world.bot():
        answer = await world.type("stats")
    assert answer.text.startswith("🟢 *PROD lsstcam: healthy, 0 entries waiting.*")
    assert answer.ephemeral_to == "U0ANA"
    assert "BLOCK-430" in shown(answer)
    assert "6 entries in the stream" in shown(answer)
    assert answer.buttons == ["Refresh", "Share in channel", "Chart", "What do these mean?"]


async def test_the_first_line_of_the_message_is_its_notification(bot: World) -> None:
    await bot.group()
    for text in ("stats", "ping", "pending", "consumers", "about", "help", ""):
        answer = await bot.type(text)
        assert shown(answer).startswith(answer.text), text
        assert len(answer.text) <= 110, text


async def test_a_burst_that_just_came_is_healthy(bot: World) -> None:
    await bot.group()
    await bot.announce(detectors=172)
    answer = await bot.type("stats")
    assert "healthy, 172 entries = 1 visit waiting" in answer.text


async def test_entries_that_wait_for_minutes_are_waiting(bot: World) -> None:
    await bot.group()
    await bot.announce(visits=4, ago=100)
    answer = await bot.type("stats lsstcam")
    assert answer.text.startswith(
        "🟡 *PROD lsstcam: waiting, 12 entries = 4 visits waiting 1 min.*"
    )
    assert "1 min 40 s, visit 2026-11-24T05:27:00.118" in shown(answer)
    assert "in 58 min" in shown(answer)


async def test_two_looks_tell_that_nothing_is_read(world: World) -> None:
    world.settings = {"alarms": {"rules": {"stalled": {"warning": "1s", "critical": "2s"}}}}
    async with world.bot():
        await world.group()
        await world.announce(visits=7, ago=250)
        assert "PROD lsstcam: waiting" in (await world.type("stats")).text
        async with asyncio.timeout(LONGEST_WAIT):
            answer = await world.type("stats")
            while "not reading" not in answer.text:
                answer = await world.type("stats")
    assert "🔴 *PROD lsstcam: not reading, 21 entries = 7 visits waiting 4 min.*" in answer.text
    assert "Nothing has been read since" in shown(answer)
    assert "*Likely:*" in shown(answer)


async def test_several_streams_are_summed_up_by_the_worst(bot: World) -> None:
    for instrument in ("hsc", "latiss", "lsstcam"):
        await bot.group(DEV, instrument)
    assert "dev: 3 streams, all healthy, 0 entries waiting" in (await bot.type("stats", DEV)).text
    await bot.announce(visits=2, ago=300, channel=DEV, instrument="latiss")
    answer = await bot.type("stats", DEV)
    assert "dev: 3 streams, worst is latiss, waiting, 6 entries = 2 visits" in answer.text
    assert "dev hsc: healthy" in shown(answer)


async def test_dev_never_drops_and_says_nothing_of_skipping(bot: World) -> None:
    await bot.group(DEV, "hsc")
    await bot.announce(ago=7200, channel=DEV, instrument="hsc")
    answer = await bot.type("stats hsc", DEV)
    assert "2 h" in shown(answer)
    assert "skipped" not in shown(answer).lower()


async def test_overdue_entries_are_already_skipped(bot: World) -> None:
    await bot.group()
    await bot.announce(ago=4000)
    answer = await bot.type("stats")
    assert "since " in shown(answer)
    assert "the images are safe" in shown(answer)


# --- where Redis' own lag is nil or wrong, the true count is shown --------------------------------


async def test_nil_lag_after_deleting_a_waiting_entry(bot: World) -> None:
    await bot.group()
    ids = await bot.announce(visits=3)
    await bot.redis[PROD].xdel("instrument:lsstcam", ids[4])
    answer = await bot.type("stats")
    assert await _lag(bot.redis[PROD]) is None
    assert "8 entries = 3 visits waiting" in answer.text
    assert "Redis itself reports no lag (nil), so KEDA may start no workers" in shown(answer)


async def test_nil_lag_after_creating_a_group_at_the_end_of_a_stream(bot: World) -> None:
    await bot.announce(visits=3)
    await bot.group()
    await bot.announce(visits=1)
    assert await _lag(bot.redis[PROD]) is None
    assert "3 entries = 1 visit waiting" in (await bot.type("stats")).text


async def test_wrong_lag_after_a_trim_past_the_last_delivered_id(bot: World) -> None:
    await bot.group()
    await bot.announce(visits=50, detectors=10)
    await bot.read(200)
    await bot.redis[PROD].xtrim("instrument:lsstcam", maxlen=100, approximate=False)
    assert await _lag(bot.redis[PROD]) == 300
    answer = await bot.type("stats")
    assert "100 entries = 10 visits waiting" in answer.text
    assert "Redis itself reports a lag of 300 entries" in shown(answer)


async def test_more_than_the_cap_is_at_least(bot: World) -> None:
    await bot.group()
    pipeline = bot.redis[PROD].pipeline(transaction=False)
    for number in range(5200):
        pipeline.xadd("instrument:lsstcam", {"groupId": f"g{number // 172}", "detector": "1"})
    await pipeline.execute()
    answer = await bot.type("stats")
    assert "at least 5,000 entries = at least 30 visits waiting" in answer.text
    assert "Redis itself" not in shown(answer)


# --- what the watch has kept of the last hour -----------------------------------------------------


async def test_figures_are_in_their_order(world: World) -> None:
    await world.group()
    await world.announce(visits=2)
    await world.read(6)
    now = datetime.now(UTC)
    async with state(world) as database:
        samples = Samples(database)
        await samples.add_minutes("prod", [minute(now - MINUTE * n) for n in range(59, 4, -1)])
        looks = [look(now - MINUTE * 4, added=6 - 1104), look(now - MINUTE, added=6 - 276)]
        await samples.add("prod", looks)
    async with world.bot():
        answer = await world.type("stats")
    assert labels(answer) == [
        "Waiting",
        "Longest wait",
        "Last visit",
        "Arriving",
        "Read",
        "Unconfirmed",
    ]
    assert "24 s in the last hour" in shown(answer)
    assert re.search(r"\*Arriving\*\n4\.\d entries/s \(a visit every 1 min\b", shown(answer))
    assert re.search(r"\*Read\*\n4\.\d entries/s", shown(answer))
    assert re.search(r"Waiting, last hour  [▁▂]{12}  highest 172 entries", shown(answer))


async def test_a_backlog_says_when_the_first_visit_is_skipped(world: World) -> None:
    await world.group()
    await world.announce(visits=4, ago=100)
    async with world.bot():
        answer = await world.type("stats")
    assert labels(answer) == [
        "Waiting",
        "Longest wait",
        "First skipped",
        "Arriving",
        "Read",
        "Unconfirmed",
    ]


async def test_where_nothing_is_skipped_the_last_visit_is_said(world: World) -> None:
    await world.group(DEV, "hsc")
    await world.announce(ago=300, channel=DEV, instrument="hsc")
    async with world.bot():
        answer = await world.type("stats hsc", DEV)
    assert labels(answer)[:4] == ["Waiting", "Longest wait", "Last visit", "Arriving"]


async def test_a_bot_that_has_just_started_says_so(world: World) -> None:
    await world.group()
    async with world.bot():
        answer = await world.type("stats")
    assert re.search(r"\*Read\*\nunknown: the bot watches since \d\d:\d\d UTC", shown(answer)), (
        shown(answer)
    )


async def test_the_bots_own_database_may_be_away(world: World) -> None:
    await world.group()
    await world.announce()
    async with world.bot():
        await world.type("stats")
        other = sqlite3.connect(world.folder / "state.db", isolation_level=None)
        other.execute("ALTER TABLE samples RENAME TO gone")
        other.execute("ALTER TABLE alarms RENAME TO gone_too")
        other.close()
        answer = await world.type("stats")
    assert "healthy, 3 entries = 1 visit waiting" in answer.text
    assert "before unknown: the bot's database does not answer" in shown(answer)
    assert "Waiting, last hour: unknown, the bot's database does not answer" in shown(answer)


async def test_an_open_alarm_is_named_and_can_be_owned(world: World) -> None:
    world.settings = {"alarms": {"poll": "1s"}}
    for instrument in ("hsc", "latiss", "lsstcam"):
        await world.group(DEV, instrument)
    async with world.bot():
        await world.slack.until(
            lambda: any("Alarm 1" in shown(each) for each in world.slack.messages(PROD)), 10
        )
        answer = await world.type("stats")
    assert "alarm 1 is open, nobody owns it" in shown(answer)
    assert answer.buttons == ["Refresh", "Share in channel", "I'm on it", "Chart"]


# --- what is missing, or something else, is a verdict ---------------------------------------------


async def test_a_missing_stream_is_a_verdict(bot: World) -> None:
    answer = await bot.type("stats")
    assert answer.text.startswith("🔴 *PROD lsstcam: missing, there is no stream.*")


async def test_a_missing_group_is_a_verdict(bot: World) -> None:
    await bot.announce()
    answer = await bot.type("stats")
    assert "missing, there is no group to read its 3 entries" in answer.text


async def test_a_key_of_another_type_is_a_verdict(bot: World) -> None:
    await bot.redis[PROD].set("instrument:lsstcam", "oops")
    answer = await bot.type("stats")
    assert answer.text.startswith(
        "🔴 *PROD lsstcam: missing, its key holds a string, not a stream.* No worker can read."
    )


async def test_a_redis_that_is_away_is_a_verdict(world: World) -> None:
    world.urls[PROD] = "redis://127.0.0.1:1"
    async with world.bot():
        answer = await world.type("stats")
        assert "PROD lsstcam: unreachable, Redis refuses the connection" in answer.text
        assert "127.0.0.1:1" in shown(answer)
        await world.group(DEV, "hsc")
        assert "dev hsc: healthy" in (await world.type("stats hsc", DEV)).text


@pytest.mark.parametrize("fields", [{"x": "y"}, {"groupId": "<!channel>", "survey": "<@U1>"}])
async def test_entries_that_others_wrote_cannot_hurt(bot: World, fields: dict[str, str]) -> None:
    await bot.group()
    entry: Any = fields
    await bot.redis[PROD].xadd("instrument:lsstcam", entry, "1-1")
    answer = await bot.type("stats")
    assert "1 entry" in answer.text
    assert answer.mentions() == []


async def _lag(redis: Redis) -> int | None:
    groups = await redis.xinfo_groups("instrument:lsstcam")
    lag: int | None = groups[0]["lag"]
    return lag
