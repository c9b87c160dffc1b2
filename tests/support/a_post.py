"""A stream on a real Redis, and whoever watches it on a real database, in virtual time."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from redis.asyncio import Redis

from bot.clients.prompt_redis import PromptRedis
from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.errors import StateError
from bot.domain.workloads import Application, Event, Jobs, Workload
from bot.metrics import Metrics
from bot.storage.alarms import Incidents
from bot.storage.database import Database
from tests.support.a_watch import a_watch

ENVIRONMENT = Environment("prod", ("lsstcam",), expiration=timedelta(hours=1))
KEY, GROUP = "instrument:lsstcam", "lsstcam_consumer_group"
NIGHT = datetime(2026, 11, 24, 3, 0, 2, tzinfo=UTC)
DAY = datetime(2026, 11, 24, 15, 0, 2, tzinfo=UTC)
POLL = timedelta(seconds=5)
SECOND = timedelta(seconds=1)


@dataclass
class Container:
    """What Kubernetes tells of the container of Redis: its limit."""

    limit: int | None = None

    async def workload(self) -> Workload:
        return Workload("redis", "1", 1, 1, 1, 1, 1, "1", "1", memory_limit=self.limit)

    async def restart(self, stamp: str, version: str) -> None:
        raise NotImplementedError

    async def events(self) -> tuple[Event, ...]:
        return ()

    async def jobs(self, instrument: str) -> Jobs | None:
        raise NotImplementedError

    async def application(self) -> Application | None:
        return None

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[asyncio.Event]:
        yield asyncio.Event()


class Door:
    """The way from the bot to Redis; while it is shut every connection is refused."""

    def __init__(self, redis: int) -> None:
        self._redis = redis
        self._server: asyncio.Server | None = None
        self._lines: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.port = 0

    async def open(self) -> None:
        """Let everything through."""
        if self._server is None:
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Cut what is there, and refuse what comes."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        for line in self._lines:
            line.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await server.wait_closed()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, redis = await asyncio.open_connection("127.0.0.1", self._redis)
        self._lines |= {writer, redis}
        for source, target in ((reader, redis), (there, writer)):
            task = asyncio.create_task(self._pass_on(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pass_on(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        try:
            while chunk := await source.read(65_536):
                target.write(chunk)
                await target.drain()
        except OSError:
            pass
        finally:
            target.close()
            self._lines.discard(target)


class Post:
    """A stream, and whoever watches it; time passes from look to look."""

    def __init__(self, redis: Redis, door: Door, database: Database, file: Path) -> None:
        self.redis = redis
        self.door = door
        self.reads = PromptRedis(f"redis://127.0.0.1:{door.port}")
        self.database = database
        self.file = file
        self.now = NIGHT
        self.container = Container()
        self.metrics = Metrics()
        self.visits = 0
        self.failed = 0
        self.begin("first")

    def begin(self, writer: str) -> None:
        """Start a watch that remembers nothing."""
        made = a_watch(
            ENVIRONMENT,
            self.reads,
            self.database,
            writer,
            clock=lambda: self.now,
            metrics=self.metrics,
            cluster=self.container,
        )
        self.watch, self.people, self.workloads = made.watch, made.alarms, made.workloads
        self.maintenance, self.approvals = made.maintenance, made.approvals
        self.leader = made.leader

    def told(self) -> list[str]:
        """Give what the metrics say that fires: rule and severity."""
        found = re.findall(
            r'_firing{rule="(\w+)",severity="(\w+)"} 1', self.metrics.text().decode()
        )
        return [" ".join(each) for each in found]

    async def announce(self, detectors: int = 172) -> None:
        self.visits += 1
        born = self.now.timestamp()
        pipe = self.redis.pipeline(transaction=False)
        for detector in range(detectors):
            fields: Any = {
                "groupId": f"visit {self.visits}",
                "detector": str(detector),
                "private_sndStamp": str(born + 37),
            }
            pipe.xadd(KEY, fields, f"{int(born * 1000)}-*")
        await pipe.execute()

    async def read(self, count: int = 10_000) -> None:
        answer: Any = await self.redis.xreadgroup(GROUP, "worker", {KEY: ">"}, count=count)
        for _, entries in answer:
            await self.redis.xack(KEY, GROUP, *(entry_id for entry_id, _ in entries))

    async def passes(self, length: timedelta) -> None:
        """Let time pass; a look that fails is made again at the next turn, as the loops do."""
        end = self.now + length
        while self.now < end:
            self.now += POLL
            try:
                await self.watch.tick(self.now)
            except StateError:
                self.failed += 1

    async def alarms(self) -> list[Incident]:
        return await Incidents(self.database).latest("prod", 1000)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the bot from writing into its database."""
        with closing(sqlite3.connect(self.file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
