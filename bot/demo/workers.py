"""The workers of one stream, and the scaler that starts them.

Both copy the real ones, faults included. A worker reads one entry without blocking, acknowledges it
at once, and any Redis error ends it. The scaler looks at the group's lag: where Redis does not know
it nobody is started, and where the group is missing jobs are started that die.
"""

import asyncio
from random import Random
from typing import Any
from uuid import uuid4

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.demo.ending import asked_to_end

ENTRIES_PER_WORKER = 10
"""A worker ends after so many entries."""


class Workers:
    """Everybody who reads one stream.

    Parameters
    ----------
    redis
        The environment's Redis, without retries.
    stream, group
        What they read, and as whom.
    most
        How many work at the same time.
    poll
        Seconds between two looks at the lag.
    processing
        Shortest and longest time that one entry takes, in seconds.

    Attributes
    ----------
    reading
        False makes every worker end after its entry, and nobody is started.
    """

    def __init__(
        self,
        redis: Redis,
        *,
        stream: str,
        group: str,
        most: int,
        poll: float,
        processing: tuple[float, float],
    ) -> None:
        self._redis = redis
        self._stream = stream
        self._group = group
        self._most = most
        self._poll = poll
        self._processing = processing
        self._random = Random()
        self._working = 0
        self.reading = True

    @property
    def working(self) -> int:
        """How many work now."""
        return self._working

    @property
    def most(self) -> int:
        """How many work at most."""
        return self._most

    async def run(self) -> None:
        """Scale until cancelled; the workers end with it."""
        async with asyncio.TaskGroup() as jobs:
            while not asked_to_end():
                wanted = await self._lag() if self.reading else 0
                if asked_to_end():
                    break
                for _ in range(min(wanted, self._most) - self._working):
                    self._working += 1
                    jobs.create_task(self._work())
                await asyncio.sleep(self._poll)

    async def _lag(self) -> int:
        try:
            groups: list[dict[str, Any]] = await self._redis.xinfo_groups(self._stream)
            for group in groups:
                if group["name"] == self._group:
                    return int(group["lag"] or 0)
            return int(await self._redis.xlen(self._stream))
        except RedisError:
            return 0

    async def _work(self) -> None:
        try:
            await self._read(f"{uuid4()}")
        except RedisError:
            return
        finally:
            self._working -= 1

    async def _read(self, name: str) -> None:
        for _ in range(ENTRIES_PER_WORKER):
            if not self.reading or asked_to_end():
                return
            reply: Any = await self._redis.xreadgroup(
                self._group, name, {self._stream: ">"}, count=1
            )
            if not reply:
                return
            [[_, [(entry_id, _)]]] = reply
            await self._redis.xack(self._stream, self._group, entry_id)
            await asyncio.sleep(self._random.uniform(*self._processing))
