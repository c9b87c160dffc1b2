"""What happened before the demo began: visits that were read, and the names of who read them.

With it the first look at the streams resembles a real evening.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from uuid import uuid4

from redis.asyncio import Redis

from bot.demo.visits import visit
from bot.domain.environments import Environment

VISITS = 12
"""Visits in the past, for each instrument."""

BETWEEN_VISITS = timedelta(seconds=37)

ENTRIES_PER_NAME = 3
"""So many entries each past worker read: with prod's 172 detectors that leaves 688 names."""


async def write(redis: Redis, environment: Environment, detectors: Mapping[str, int]) -> None:
    """Create streams and groups, and fill them with visits that have been read.

    Parameters
    ----------
    redis
        An empty server.
    environment
        Names the streams.
    detectors
        Active detectors of each instrument.
    """
    random = Random()
    now = datetime.now(UTC)
    for instrument, active in detectors.items():
        stream, group = environment.stream(instrument), environment.group(instrument)
        await redis.xgroup_create(stream, group, "0", mkstream=True, entries_read=0)
        past = redis.pipeline(transaction=False)
        for number in range(VISITS, 0, -1):
            at = now - number * BETWEEN_VISITS
            for entry in visit(instrument, active, at, random):
                words = (word for pair in entry.items() for word in pair)
                past.execute_command("XADD", stream, f"{at.timestamp() * 1000:.0f}-*", *words)
        for _ in range(0, VISITS * active, ENTRIES_PER_NAME):
            past.xreadgroup(group, f"{uuid4()}", {stream: ">"}, count=ENTRIES_PER_NAME, noack=True)
        await past.execute()
