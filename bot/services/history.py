"""What the watch has kept of one environment: figures over time, alarms and silences.

Only looks at what is there: without a watch, or in its first minutes, there is little of it.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import groupby

from bot.domain.alarms import Incident, Silence
from bot.domain.environments import Environment
from bot.domain.samples import RATES_OVER, Minute, Rates, Sample, rates
from bot.storage.alarms import Incidents
from bot.storage.samples import Samples
from bot.storage.silences import Silences

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
"""Samples are kept for so long."""


class History:
    """One environment's past; every method raises `StateError` where the database is away.

    Parameters
    ----------
    environment
        Whose.
    samples, incidents, silences
        Where they are kept.
    clock
        Gives the time in UTC.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        samples: Samples,
        incidents: Incidents,
        silences: Silences,
        clock: Callable[[], datetime],
    ) -> None:
        self._environment = environment.name
        self._samples = samples
        self._incidents = incidents
        self._silences = silences
        self._clock = clock

    async def minutes(self, instrument: str, since: datetime) -> list[Minute]:
        """Give the minutes of a stream from a time on, the one that runs included."""
        first = since.replace(second=0, microsecond=0)
        kept: list[Minute] = []
        begin, now = first, self._clock()
        while begin < now:
            # A day at a time: a month at once would keep the event loop busy for too long.
            end = begin + DAY
            kept += await self._samples.minutes(self._environment, begin, instrument, end)
            begin = end
        # A minute is kept when it is over; of what came after the last one there are samples.
        after = kept[-1].at + MINUTE if kept else first
        newer = await self.samples(instrument, max(after, now - DAY))
        by_minute = groupby(newer, key=lambda each: each.at.replace(second=0, microsecond=0))
        return [*kept, *(Minute.of(list(several)) for _, several in by_minute)]

    async def samples(self, instrument: str, since: datetime) -> list[Sample]:
        """Give every look at a stream from a time on; they are kept for a day."""
        return await self._samples.recent(self._environment, since, instrument)

    async def rates(self, instrument: str) -> Rates:
        """Tell how fast entries come and go at present."""
        return rates(await self.samples(instrument, self._clock() - RATES_OVER))

    async def incidents(self, since: datetime) -> list[Incident]:
        """Give the alarms that fired at any moment from a time on, held or not."""
        return await self._incidents.between(self._environment, since, self._clock())

    async def firing(self) -> list[Incident]:
        """Give the alarms that fire now, held or not, oldest first."""
        return await self._incidents.firing(self._environment)

    async def silences(self, since: datetime) -> list[Silence]:
        """Give the silences that held something at any moment from a time on."""
        return await self._silences.between(self._environment, since, self._clock())
