"""Visits: their entries, who announces them, and who reads them.

All of it copies the real ones, faults included. What the fan-out could not add is not repeated, so
a visit that is announced while Redis is away never reaches the stream. A worker reads one entry
without blocking, confirms it at once, and any Redis error ends it. The scaler looks at the group's
lag: where Redis does not know it nobody is started, and where the group is missing jobs are started
that die.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import uuid4

from redis.asyncio import Redis
from redis.asyncio.client import Pipeline
from redis.exceptions import RedisError

from bot.domain.environments import Environment

DETECTORS: Mapping[str, Mapping[str, int]] = {
    "prod": {"lsstcam": 172},
    "dev": {"hsc": 103, "latiss": 1, "lsstcam": 189},
}
"""Active detectors of each instrument, by environment."""

_TAI_MINUS_UTC = timedelta(seconds=37)

_ENTRIES_PER_WORKER = 10
"""A worker ends after so many entries."""

_PAST_VISITS = 12
_BETWEEN_VISITS = timedelta(seconds=37)
_ENTRIES_PER_NAME = 3
"""So many entries each past worker read: with prod's 172 detectors that leaves 688 names."""


class Pace(NamedTuple):
    """How fast the world turns, in seconds.

    Parameters
    ----------
    visits
        Shortest and longest time between visits.
    poll
        Between two looks of the scaler.
    processing
        Shortest and longest time that a worker spends on an entry.
    """

    visits: tuple[float, float] = (20, 60)
    poll: float = 2
    processing: tuple[float, float] = (0.2, 0.6)


REAL_PACE = Pace()


@dataclass(frozen=True)
class _Camera:
    """What differs from one instrument to the next in the entries."""

    name: str
    sal_index: int
    filters: tuple[str, ...]
    exposure: float


_CAMERAS: Mapping[str, _Camera] = {
    "lsstcam": _Camera("LSSTCam", 1, ("u_24", "g_6", "r_57", "i_39", "z_20", "y_10"), 30.0),
    "latiss": _Camera("LATISS", 2, ("SDSSg_65mm~empty", "SDSSr_65mm~empty"), 30.0),
    "hsc": _Camera("HSC", 999, ("HSC-G", "HSC-R2", "HSC-I2"), 60.0),
}


def visit_entries(
    instrument: str, detectors: int, now: datetime, random: Random
) -> list[dict[str, str]]:
    """Make the entries of one visit, one for each active detector.

    Every value is text, as in the real stream. Times are TAI, which is 37 s ahead of UTC.
    """
    camera = _CAMERAS[instrument]
    announced = now + _TAI_MINUS_UTC
    position = [round(random.uniform(0, 360), 6), round(random.uniform(-75, 5), 6)]
    common = {
        "salIndex": str(camera.sal_index),
        "scriptSalIndex": str(random.randrange(100_000, 200_000)),
        "instrument": camera.name,
        "groupId": announced.strftime("%Y-%m-%dT%H:%M:%S.") + f"{announced.microsecond // 1000:03}",
        "coordinateSystem": "2",
        "startTime": f"{announced.timestamp() + 5:.3f}",
        "rotationSystem": "2",
        "cameraAngle": f"{random.uniform(0, 360):.4f}",
        "filters": random.choice(camera.filters),
        "dome": "2",
        "duration": f"{camera.exposure + 2.4:.1f}",
        "nimages": "1",
        "survey": f"BLOCK-{random.randrange(400, 440)}",
        "totalCheckpoints": "1",
        "private_sndStamp": f"{announced.timestamp():.6f}",
        "position": json.dumps(position),
    }
    return [common | {"detector": str(detector)} for detector in range(detectors)]


async def write_past(redis: Redis, environment: Environment, detectors: Mapping[str, int]) -> None:
    """Create streams and groups on an empty server, with visits that have been read.

    With it the first look at the streams resembles a real evening.
    """
    random, now = Random(), datetime.now(UTC)
    for instrument, active in detectors.items():
        stream, group = environment.stream(instrument), environment.group(instrument)
        await redis.xgroup_create(stream, group, "0", mkstream=True, entries_read=0)
        past = redis.pipeline(transaction=False)
        for number in range(_PAST_VISITS, 0, -1):
            at = now - number * _BETWEEN_VISITS
            for entry in visit_entries(instrument, active, at, random):
                _add(past, stream, entry, f"{at.timestamp() * 1000:.0f}-*")
        for _ in range(0, _PAST_VISITS * active, _ENTRIES_PER_NAME):
            past.xreadgroup(group, f"{uuid4()}", {stream: ">"}, count=_ENTRIES_PER_NAME, noack=True)
        await past.execute()


class Producer:
    """The next-visit fan-out of one environment: a visit for each instrument every 37 s or so.

    Parameters
    ----------
    redis
        The environment's, without retries.
    detectors
        Active ones of each instrument.
    """

    def __init__(
        self, redis: Redis, environment: Environment, detectors: Mapping[str, int], pace: Pace
    ) -> None:
        self._redis = redis
        self._environment = environment
        self._detectors = detectors
        self._pace = pace
        self._random = Random()

    async def run(self) -> None:
        """Announce visits until cancelled, the first at once."""
        shortest, longest = self._pace.visits
        # With the real 20 and 60 s the mean is 37 s, as it is on a good night.
        usual = shortest + (longest - shortest) * 0.275
        while True:
            await self.announce()
            if _asked_to_end():
                return
            await asyncio.sleep(self._random.triangular(shortest, longest, usual))

    async def announce(self) -> int:
        """Announce one visit for each instrument; give the entries added, 0 without a Redis."""
        added = 0
        for instrument, detectors in self._detectors.items():
            burst = self._redis.pipeline(transaction=False)
            for entry in visit_entries(instrument, detectors, datetime.now(UTC), self._random):
                _add(burst, self._environment.stream(instrument), entry)
            try:
                added += len(await burst.execute())
            except RedisError:
                continue
        return added


class Workers:
    """Everybody who reads one stream, and the scaler that starts them.

    Parameters
    ----------
    redis
        The environment's, without retries.
    most
        How many work at the same time.

    Attributes
    ----------
    working
        How many work now.
    reading
        False makes every worker end after its entry, and nobody is started.
    """

    def __init__(self, redis: Redis, stream: str, group: str, most: int, pace: Pace) -> None:
        self._redis = redis
        self._stream = stream
        self._group = group
        self.most = most
        self._pace = pace
        self._random = Random()
        self.working = 0
        self.reading = True

    async def run(self) -> None:
        """Scale until cancelled; the workers end with it."""
        async with asyncio.TaskGroup() as jobs:
            while not _asked_to_end():
                wanted = await self._lag() if self.reading else 0
                if _asked_to_end():
                    break
                for _ in range(min(wanted, self.most) - self.working):
                    self.working += 1
                    jobs.create_task(self._work())
                await asyncio.sleep(self._pace.poll)

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
        name = f"{uuid4()}"
        try:
            for _ in range(_ENTRIES_PER_WORKER):
                if not self.reading or _asked_to_end() or not await self._read(name):
                    return
        except RedisError:
            return
        finally:
            self.working -= 1

    async def _read(self, name: str) -> bool:
        reply: Any = await self._redis.xreadgroup(self._group, name, {self._stream: ">"}, count=1)
        if not reply:
            return False
        [[_, [(entry_id, _)]]] = reply
        await self._redis.xack(self._stream, self._group, entry_id)
        await asyncio.sleep(self._random.uniform(*self._pace.processing))
        return True


def _add(pipeline: Pipeline, stream: str, entry: Mapping[str, str], entry_id: str = "*") -> None:
    words = (word for pair in entry.items() for word in pair)
    pipeline.execute_command("XADD", stream, entry_id, *words)


def _asked_to_end() -> bool:
    """Tell whether the current task was cancelled, although it still runs.

    A cancellation that arrives while redis-py looks whether a connection still has data to read can
    be taken for that look's own timeout, and is lost: seen once in some hundred ends of the demo,
    which then did not end. So a loop around Redis also asks.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
