"""What the bot says when it cannot know, through the front door."""

import asyncio
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from tests.support.a_watch import SHORT, Alarmed
from tests.support.night import observing
from tests.support.slack_server import Message
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


async def answered(world: World, path: str) -> tuple[int, str]:
    """Ask the bot over HTTP."""
    port = world.settings["http"]["port"]
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def typed(world: World, line: str, words: str) -> Message:
    """Type a command until its answer says something."""
    async with asyncio.timeout(LONGEST_WAIT):
        while words not in shown(answer := await world.type(line)):
            pass
    return answer


@pytest.mark.parametrize("jump", [2 * HOUR, -2 * HOUR])
async def test_a_clock_that_is_set_does_not_kill_the_process(
    world: World, jump: timedelta, unused_tcp_port: int
) -> None:
    world.settings = {"alarms": SHORT, "http": {"port": unused_tcp_port}}
    async with world.bot():
        await world.group()
        world.jumped += jump
        assert await answered(world, "/livez") == (200, "ok")
        await asyncio.sleep(0)
        assert "PONG" in (await world.type("ping")).text
        assert await answered(world, "/livez") == (200, "ok")


AT_NIGHT: dict[str, Any] = {
    "alarms": SHORT,
    "oncall": {
        "targets": [{"name": "group", "kind": "slack", "usergroup": "S0ONCALL", "on": "fire"}]
    },
    **observing(night=True),
}


async def test_a_window_that_was_missed_holds_nothing(world: World) -> None:
    world.settings = AT_NIGHT
    channel = Alarmed(world)
    async with world.bot():
        await world.group()
        card = await channel.done(
            "maintenance schedule --during-observing in 1h 10m upgrade", "maintenance, "
        )
    world.ahead += 12 * HOUR
    await world.redis[PROD].xgroup_destroy("instrument:lsstcam", "lsstcam_consumer_group")
    async with world.bot():
        missed = await channel.said("🟡 *PROD maintenance was missed")
        assert "does not start" in shown(missed)
        await channel.until(lambda: "was missed" in card.text, card.text)
        assert not list(card.elements())
        alarm = await channel.root("missing")
        assert "held" not in shown(alarm)
        await channel.told(alarm, "on-call told: group")
        assert "no maintenance is planned" in (await world.type("maintenance list")).text
    said = [each for each in world.slack.messages(PROD) if "has started" in each.text]
    assert said == []


async def test_a_window_that_overruns_holds_for_its_margin(world: World) -> None:
    world.settings = AT_NIGHT
    channel = Alarmed(world)
    async with world.bot():
        await world.group()
        await channel.done(
            "maintenance start --during-observing 10m upgrade", "maintenance has started"
        )
        await world.redis[PROD].xgroup_destroy("instrument:lsstcam", "lsstcam_consumer_group")
        world.ahead += 39 * MINUTE
        await typed(world, "alarms", "held by the maintenance window")
        assert channel.roots == []
        world.ahead += 2 * MINUTE
        alarm = await channel.root("missing")
        assert "held" not in shown(alarm)
        window = await channel.until(
            lambda: next(
                (
                    each
                    for each in world.slack.messages(PROD)
                    if "overrun" in each.text and "no longer held" in shown(each)
                ),
                None,
            ),
            "the overrunning window",
        )
        assert "<@U0ANA>" in window.text


@contextmanager
def locked(world: World) -> Iterator[None]:
    """Keep the bot from writing into its database."""
    with closing(sqlite3.connect(world.folder / "state.db", isolation_level=None)) as file:
        file.execute("BEGIN IMMEDIATE")
        yield
        file.execute("ROLLBACK")


async def test_a_database_that_takes_no_writes_is_said_in_the_channel(
    world: World, unused_tcp_port: int
) -> None:
    world.settings = {"alarms": SHORT, "http": {"port": unused_tcp_port}}
    channel = Alarmed(world)
    await world.group()
    async with world.bot():
        assert "no alarm is firing" in shown(await typed(world, "alarms", "no alarm is firing"))
        with locked(world):
            await world.announce(detectors=172)
            world.ahead += 2 * MINUTE
            told = await channel.said("nobody has looked since")
            assert told.text.startswith("⚪ *PROD: nobody has looked since ")
            answer = await typed(world, "alarms", "The bot's database is locked by somebody else")
            assert "nobody has looked since" in answer.text
            assert "🟢" not in shown(answer)
            for command in ("", "stats"):
                assert "nobody has looked since" in shown(await world.type(command)), command
            status, text = await answered(world, "/readyz")
            assert status == 503
            assert "PROD: nobody has looked since" in text
            _, figures = await answered(world, "/metrics")
            (late,) = re.findall(r'watch_late_seconds{environment="prod"} (\S+)', figures)
            assert float(late) > 30
        await channel.said("🟢 *PROD is looked at again")
        await channel.root("PROD lsstcam")
        await typed(world, "alarms", "firing")
        assert await answered(world, "/readyz") == (200, "ok")
    said = [each for each in world.slack.messages(PROD) if "looked" in each.text]
    assert len([each for each in said if not each.ephemeral_to]) == 2


async def test_a_clock_set_forward_ends_nothing_without_a_word(
    world: World, unused_tcp_port: int
) -> None:
    world.settings = {**AT_NIGHT, "http": {"port": unused_tcp_port}}
    channel = Alarmed(world)
    async with world.bot():
        alarm = await channel.root("missing")
        await channel.told(alarm, "on-call told: group")
        await world.type("silence lsstcam 1h known")
        await world.type("bootstrap lsstcam")
        card = await channel.said("so no worker can read")
        await channel.done(
            "maintenance start --during-observing 3h upgrade", "maintenance has started"
        )
        world.jumped += 2 * HOUR
        told = await channel.said("the bot's clock was set 2 h forward")
        assert "these silences have ended" in shown(told)
        await channel.until(lambda: "expired" in card.text, card.text)
        await channel.told(card, "<@U0ANA>")
        assert "the bot's clock was set" in (await world.type("alarms")).text
        assert "clock was set" in (await answered(world, "/readyz"))[1]
        assert (await answered(world, "/livez"))[0] == 200
        assert "alarms are held" in shown(await world.type(""))
        world.ahead += 2 * MINUTE
        await channel.said("PROD is looked at again")
        async with asyncio.timeout(LONGEST_WAIT):
            while await answered(world, "/readyz") != (200, "ok"):
                pass
    told_on_call = [each for each in channel.thread(alarm) if "on-call told" in each]
    assert len(told_on_call) == 1


async def test_a_clock_set_back_ends_nothing_and_holds_up_nothing(world: World) -> None:
    world.settings = AT_NIGHT
    channel = Alarmed(world)
    async with world.bot():
        alarm = await channel.root("missing")
        await channel.told(alarm, "on-call told: group")
        await world.type("silence lsstcam 1h known")
        await channel.done(
            "maintenance start --during-observing 1h upgrade", "maintenance has started"
        )
        world.jumped -= 2 * HOUR
        await channel.said("the bot's clock was set 2 h back")
        short = shown(await world.type(""))
        assert "1 silenced" in short
        assert "alarms are held" in short
        # What begins now is shown and paged now, not in two hours.
        await channel.done("maintenance end 6 done", "maintenance is over")
        await world.type("unsilence 5")
        await world.group()
        await channel.says(alarm, "resolved")
    told_on_call = [each for each in channel.thread(alarm) if "on-call told" in each]
    assert len(told_on_call) == 1


async def test_in_http_mode_it_stays_ready_to_say_what_is_wrong(
    world: World, unused_tcp_port: int
) -> None:
    world.settings = {
        "alarms": SHORT,
        "slack": {"mode": "http"},
        "http": {"port": unused_tcp_port},
    }
    async with world.bot():
        assert await answered(world, "/readyz") == (200, "ok")
        with locked(world):
            assert await answered(world, "/readyz") == (200, "ok")
