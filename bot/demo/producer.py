"""The next-visit fan-out of one environment.

It announces a visit for each instrument every 37 s or so. Like the real one it does not repeat what
it could not add: a visit that is announced while Redis is away never reaches the stream.
"""

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime
from random import Random

from redis.asyncio import Redis
from redis.exceptions import RedisError

from bot.demo.ending import asked_to_end
from bot.demo.visits import visit
from bot.domain.environments import Environment


class Producer:
    """Adds visits to the streams of one environment.

    Parameters
    ----------
    redis
        The environment's Redis, without retries.
    environment
        Names the streams.
    detectors
        Active detectors of each instrument.
    interval
        Shortest and longest time between visits, in seconds.
    """

    def __init__(
        self,
        redis: Redis,
        environment: Environment,
        detectors: Mapping[str, int],
        interval: tuple[float, float],
    ) -> None:
        self._redis = redis
        self._environment = environment
        self._detectors = detectors
        self._interval = interval
        self._random = Random()

    async def run(self) -> None:
        """Announce visits until cancelled, the first at once."""
        shortest, longest = self._interval
        # With the real 20 and 60 s the mean is 37 s, as it is on a good night.
        usual = shortest + (longest - shortest) * 0.275
        while True:
            await self.announce()
            if asked_to_end():
                return
            await asyncio.sleep(self._random.triangular(shortest, longest, usual))

    async def announce(self) -> int:
        """Announce one visit for each instrument.

        Returns
        -------
        int
            How many entries were added; 0 where Redis is away.
        """
        added = 0
        for instrument, detectors in self._detectors.items():
            stream = self._environment.stream(instrument)
            burst = self._redis.pipeline(transaction=False)
            for entry in visit(instrument, detectors, datetime.now(UTC), self._random):
                burst.execute_command("XADD", stream, "*", *_flat(entry))
            try:
                added += len(await burst.execute())
            except RedisError:
                continue
        return added


def _flat(entry: Mapping[str, str]) -> list[str]:
    return [word for pair in entry.items() for word in pair]
