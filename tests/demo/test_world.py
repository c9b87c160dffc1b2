"""The simulated telescope, workers and servers."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from bot.demo.processes import Processes
from bot.demo.terminal import parse
from bot.demo.visits import DETECTORS, Pace, Producer, visit_entries
from bot.demo.world import World
from bot.domain.environments import Environment
from bot.domain.errors import UserError
from tests.support.ports import rollout_port

STREAM, GROUP = "instrument:lsstcam", "lsstcam_consumer_group"
QUICK = Pace(visits=(2, 2.5), poll=0.05, processing=(0, 0.01))
FIELDS = [
    *("salIndex", "scriptSalIndex", "instrument", "groupId", "coordinateSystem", "startTime"),
    *("rotationSystem", "cameraAngle", "filters", "dome", "duration", "nimages", "survey"),
    *("totalCheckpoints", "private_sndStamp", "position", "detector"),
]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """Both environments, their servers started, nobody at work yet."""
    processes = Processes(tmp_path / "run")
    made = World(processes, tmp_path, pace=QUICK, first_port=rollout_port())
    try:
        await made.start()
        yield made
        await made.aclose()
    finally:
        await processes.aclose()


async def waiting(redis: Redis) -> int:
    (group,) = await redis.xinfo_groups(STREAM)
    return len(await redis.xrange(STREAM, f"({group['last-delivered-id']}", "+") or ())


async def until(redis: Redis, *, some: bool) -> None:
    async with asyncio.timeout(60):
        while bool(await waiting(redis)) is not some:  # noqa: ASYNC110 -- Redis tells nobody
            await asyncio.sleep(0.02)


def test_a_visit_has_the_real_fields() -> None:
    now = datetime(2026, 11, 24, 5, 26, 57, 118000, UTC)
    for instrument, name in (("lsstcam", "LSSTCam"), ("latiss", "LATISS"), ("hsc", "HSC")):
        entries = visit_entries(instrument, 3, now, Random(1))
        assert [list(entry) for entry in entries] == [FIELDS] * 3
        assert {entry["instrument"] for entry in entries} == {name}
        # TAI is 37 s ahead of UTC.
        assert {entry["groupId"] for entry in entries} == {"2026-11-24T05:27:34.118"}
        assert float(entries[0]["private_sndStamp"]) == pytest.approx(now.timestamp() + 37)
        assert [entry["detector"] for entry in entries] == ["0", "1", "2"]
        assert all(isinstance(value, str) for entry in entries for value in entry.values())


async def test_a_burst_is_one_visit_of_each_instrument(dev: Redis) -> None:
    environment = Environment("dev", ("hsc", "latiss", "lsstcam"))
    producer = Producer(dev, environment, DETECTORS["dev"], Pace())
    assert await producer.announce() == 103 + 1 + 189
    assert await dev.xlen("instrument:hsc") == 103


async def test_what_cannot_be_added_is_not_repeated() -> None:
    async with Redis(port=1, retry=Retry(NoBackoff(), 0)) as nowhere:
        producer = Producer(nowhere, Environment("prod", ("lsstcam",)), DETECTORS["prod"], Pace())
        assert await producer.announce() == 0


async def test_workers_read_and_confirm_every_entry(world: World) -> None:
    redis = world.servers["prod"].redis
    running = asyncio.create_task(world.run())
    await until(redis, some=True)
    await until(redis, some=False)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (group,) = await redis.xinfo_groups(STREAM)
    assert group["pending"] == 0
    assert group["consumers"] > 600


async def test_a_stall_is_a_backlog_until_recovery(world: World) -> None:
    redis = world.servers["prod"].redis
    running = asyncio.create_task(world.run())
    await until(redis, some=True)
    assert "stopped" in await world.stall()
    async with asyncio.timeout(60):
        while await waiting(redis) < 2 * 172:  # noqa: ASYNC110 -- the same
            await asyncio.sleep(0.02)
    await world.recover()
    await until(redis, some=False)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_broken_group_and_a_killed_server_lose_nothing(world: World) -> None:
    server = world.servers["prod"]
    redis = server.redis
    environment = world.environments["prod"]
    (before,) = await redis.xinfo_groups(STREAM)
    producer = Producer(redis, environment, DETECTORS["prod"], Pace())
    await world.break_group()
    assert await redis.xinfo_groups(STREAM) == []
    assert await producer.announce() == 172
    length = await redis.xlen(STREAM)
    await world.kill_redis()
    assert not server.running
    assert "not there" in await world.break_group()
    assert await producer.announce() == 0
    url = server.url
    await world.recover()
    assert server.url == url
    assert await redis.xlen(STREAM) == length
    (after,) = await redis.xinfo_groups(STREAM)
    assert after["last-delivered-id"] == before["last-delivered-id"]
    assert after["lag"] == 172


async def test_a_restart_keeps_data_and_address(world: World) -> None:
    server = world.servers["dev"]
    length = await server.redis.xlen(STREAM)
    first = (await server.redis.info("server"))["run_id"]
    await server.stop()
    assert not server.running
    await server.start()
    assert await server.redis.xlen(STREAM) == length
    assert (await server.redis.info("server"))["run_id"] != first


async def test_closing_the_processes_ends_them_all(tmp_path: Path) -> None:
    processes = Processes(tmp_path)
    stubborn = await processes.start("sh", "-c", "trap '' TERM; sleep 60", log=tmp_path / "log")
    await processes.aclose()
    with pytest.raises(ProcessLookupError):
        os.kill(stubborn.pid, 0)


@pytest.mark.parametrize(
    ("text", "steps"),
    [
        ("stall@30,recover@90", [(30, "stall"), (90, "recover")]),
        (
            " Recover @ 9.5s , kill redis@3",
            [(3, "kill redis"), (9.5, "recover")],
        ),
        ("break group@0", [(0, "break group")]),
    ],
)
def test_scripts(text: str, steps: list[tuple[float, str]]) -> None:
    assert parse(text) == steps


@pytest.mark.parametrize(
    "text", ["", "stall", "stall@", "stall@-1", "stall@1e9", "x@1", "stall@1,"]
)
def test_scripts_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UserError, match="the actions are"):
        parse(text)


async def test_the_world_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """redis-py now and then takes a cancellation for a timeout of its own."""
    processes = Processes(tmp_path / "run")
    pace = Pace(visits=(0.2, 0.4), poll=0.01, processing=(0, 0.005))
    world = World(processes, tmp_path, pace=pace, first_port=rollout_port())
    chance = Random(430)
    try:
        await world.start()
        for _ in range(15):
            running = asyncio.create_task(world.run())
            for _ in range(chance.randrange(20, 200)):
                await world.servers["dev"].redis.ping()
            running.cancel()
            _, still = await asyncio.wait({running}, timeout=30)
            assert not still
        await world.aclose()
    finally:
        await processes.aclose()
