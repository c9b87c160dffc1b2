"""`stats` through the front door, on real streams."""

import asyncio
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.support.world import DEV, PROD, World, shown


async def test_a_stream_that_is_read_is_healthy(bot: World) -> None:
    await bot.group()
    await bot.announce(visits=2)
    await bot.read(6)
    answer = await bot.type("stats")
    assert answer.text.startswith("🟢 *PROD lsstcam: healthy, 0 entries waiting.*")
    assert answer.ephemeral_to == "U0ANA"
    assert "BLOCK-430" in shown(answer)
    assert "6 entries in the stream" in shown(answer)
    assert answer.buttons == ["Refresh", "Share in channel", "What do these mean?"]


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
        async with asyncio.timeout(5):
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
        "⚪ *PROD lsstcam: unknown, its key holds a string, not a stream.*"
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
