"""A stream with its group, as producer and workers leave it; and a relay that loses answers."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from redis.asyncio import Redis

from bot.clients.redis_changes import RedisChanges
from bot.domain.changes import Clearing, Facts, Marker, Restoring, Settling
from bot.domain.streams import EntryId

KEY, GROUP = "instrument:lsstcam", "lsstcam_consumer_group"
ARCHIVE, RESTORED = f"cleared:{KEY}:7", "prompt-redis-bot:restored:7"
MARKER = Marker(7, "a-random-key")
DAY = timedelta(days=1)


async def add(redis: Redis, count: int, key: str = KEY, *, detectors: int = 10) -> list[EntryId]:
    """Add entries, so many for each visit."""
    pipeline = redis.pipeline(transaction=False)
    for number in range(count):
        entry: Any = {"groupId": f"visit {number // detectors}", "detector": number % detectors}
        pipeline.xadd(key, entry)
    return [EntryId.parse(each) for each in await pipeline.execute()]


async def read(
    redis: Redis, count: int, key: str = KEY, *, confirm: bool = True, consumer: str = "worker"
) -> list[EntryId]:
    """Read entries as workers do."""
    group = group_of(key)
    answer: Any = await redis.xreadgroup(group, consumer, {key: ">"}, count=count)
    ids = [entry_id for _, given in answer for entry_id, _ in given]
    if confirm and ids:
        await redis.xack(key, group, *ids)
    return [EntryId.parse(each) for each in ids]


def group_of(key: str) -> str:
    return f"{key.removeprefix('instrument:')}_consumer_group"


async def group(redis: Redis, key: str = KEY) -> dict[str, Any]:
    """XINFO's figures of the group."""
    groups = await redis.xinfo_groups(key)
    return next(dict(each) for each in groups if each["name"] == group_of(key))


async def entries(
    redis: Redis, key: str = KEY, after: str = "-", last: str = "+"
) -> list[tuple[str, dict[str, str]]]:
    """Entries with their fields."""
    found: Any = await redis.xrange(key, after, last)
    return list(found)


async def waiting(redis: Redis, key: str = KEY) -> int:
    """Entries that the group was not given."""
    its = await group(redis, key)
    return len(await entries(redis, key, f"({its['last-delivered-id']}"))


async def plan(redis: Redis, key: str = KEY, **others: Any) -> dict[str, Any]:
    """What a plan to clear says now, or is to say, as arguments."""
    about, its = await redis.xinfo_stream(key), await group(redis, key)
    seen: dict[str, Any] = {
        "last": EntryId.parse(about["last-generated-id"]),
        "added": about["entries-added"],
        "last_delivered": EntryId.parse(its["last-delivered-id"]),
        "waiting": await waiting(redis, key),
        **others,
    }
    return {"stream": key, "group": group_of(key), **clearing(**seen)}


def clearing(last: EntryId, marker: Marker = MARKER, **seen: Any) -> dict[str, Any]:
    """What such a plan is bound to, for which request, and how long a copy is kept."""
    bound = Clearing(
        **{
            "instrument": "lsstcam",
            "last": last,
            "last_added": last,
            "visits": 0,
            "capped": False,
            "length": 0,
            "unconfirmed": 0,
            "copy": True,
            "delete": False,
            "skipped": None,
            **seen,
        }
    )
    return {"bound": bound, "marker": marker, "keep": DAY}


async def delete(changes: RedisChanges, planned: dict[str, Any]) -> Facts:
    """Delete the stream of a plan to clear."""
    return await changes.delete(**{name: planned[name] for name in planned if name != "keep"})


def settling(ids: Sequence[EntryId], idle: timedelta = timedelta(0)) -> dict[str, Any]:
    """What a plan to settle says, as arguments."""
    bound = Settling("lsstcam", idle, tuple(ids), visits=0, unconfirmed=len(ids))
    return {"stream": KEY, "group": GROUP, "bound": bound}


def restoring(cleared: Facts, clear: int = 7) -> dict[str, Any]:
    """What a plan to restore says, as arguments."""
    bound = Restoring(
        instrument="lsstcam",
        clear=clear,
        after=EntryId.parse(cleared["last_delivered_before"]),
        last=EntryId.parse(cleared["last_delivered_after"]),
        entries=0,
        visits=0,
        restored=0,
    )
    return {"stream": KEY, "group": GROUP, "bound": bound}


async def everything(redis: Redis) -> dict[str, bytes]:
    """All that is stored, to prove that nothing was written."""
    async with Redis(port=redis.connection_pool.connection_kwargs["port"]) as raw:
        return {key.decode(): await _dump(raw, key) async for key in raw.scan_iter()}


async def _dump(raw: Redis, key: bytes | str) -> bytes:
    dump: Any = await raw.dump(key)
    return bytes(dump)


async def restored(changes: RedisChanges, cleared: Facts, **others: Any) -> list[Facts]:
    """Restore what a clear discarded, and give all that is said on the way."""
    arguments = {"marker": Marker(8, "another-random-key"), **restoring(cleared), **others}
    return [facts async for facts in changes.restore(**arguments)]


async def age(redis: Redis, names: str, idle: timedelta, key: str = KEY) -> None:
    """Let consumers have been idle for so long; only a dump of the stream can say so.

    Their names end in w: the time behind a name may begin with a byte that is a digit.
    """
    async with Redis(port=redis.connection_pool.connection_kwargs["port"]) as raw:
        dump = await _dump(raw, key)
        # The name, then when it was seen last; at the end the format's version and a checksum.
        seen = int((time.time() - idle.total_seconds()) * 1000).to_bytes(8, "little")
        body = re.sub(
            re.compile(rb"(%s-\d+w).{8}" % names.encode(), re.DOTALL),
            lambda match: match[1] + seen,
            dump[:-8],
        )
        checksum = _crc64(body).to_bytes(8, "little")
        await raw.restore(key, 0, body + checksum, replace=True)


def _crc64(data: bytes) -> int:
    """CRC-64 as Redis has it (Jones), bit by bit."""
    value = 0
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x95AC9329AC4BC9B5 if value & 1 else 0)
    return value


@dataclass
class Relay:
    """Stands between the bot and Redis.

    `lose_answer` hands the next change on and cuts the connection before its answer;
    `swallow` cuts it before the change, which `release` hands on later. With `then_refuse` no
    further connection works. `before_change` is called before each change is handed on; what
    counts as a change holds `change`.
    """

    port: int = 0
    lose_answer: bool = False
    swallow: bool = False
    then_refuse: bool = False
    refusing: bool = False
    swallowed: bytes = b""
    change: bytes = b"prompt-redis-bot:done"
    before_change: Callable[[], Awaitable[None]] | None = None
    _upstream: list[asyncio.StreamWriter] = field(default_factory=list)

    async def release(self) -> None:
        self._upstream[0].write(self.swallowed)
        await self._upstream[0].drain()

    async def _accept(
        self, port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self.refusing:
            writer.close()
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        self._upstream.append(server_writer)
        deaf = asyncio.Event()

        async def down() -> None:
            while data := await server_reader.read(2**20):
                if deaf.is_set():
                    writer.close()
                else:
                    writer.write(data)

        answers = asyncio.create_task(down())
        while data := await reader.read(2**20):
            is_change = self.change in data
            if is_change and self.before_change:
                await self.before_change()
            if is_change and (self.lose_answer or self.swallow):
                self.refusing = self.then_refuse
                if self.swallow:
                    self.swallow, self.swallowed = False, data
                    # It stays open towards Redis, like the buffer of a process that hangs.
                    self._upstream.insert(0, server_writer)
                    writer.close()
                    break
                self.lose_answer = False
                deaf.set()
            server_writer.write(data)
        else:
            server_writer.close()
        await answers
        writer.close()


@asynccontextmanager
async def a_relay(port: int) -> AsyncIterator[Relay]:
    relay = Relay()
    tasks: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(relay._accept(port, reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    relay.port = server.sockets[0].getsockname()[1]
    try:
        yield relay
    finally:
        server.close()
        for upstream in relay._upstream:
            upstream.close()
        await asyncio.gather(*tasks)


@asynccontextmanager
async def out_of_memory(redis: Redis) -> AsyncIterator[None]:
    await redis.config_set("maxmemory", 1)
    try:
        yield
    finally:
        await redis.config_set("maxmemory", 0)
