"""Looking at one environment's streams, and at the server that holds them.

Commands that ask while a look is under way share the next one, so a crowd in the channel costs
Redis no more than one person does, and nobody gets figures from before they asked. Looks never wait
for the bot's database: where each group stands is left in `Positions`, and a loop writes it down.
"""

import asyncio
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from time import perf_counter

from bot.clients.prompt_redis import PromptRedis
from bot.domain.changes import MOST_SETTLED, Archive, Survey
from bot.domain.environments import Environment
from bot.domain.errors import RedisError, RedisUnreachable, RedisUnusable
from bot.domain.streams import (
    Consumers,
    EntryId,
    Look,
    Memory,
    NoAnswer,
    Pending,
    PendingEntry,
    ServerInfo,
    Stream,
    StreamState,
    outage_of,
)
from bot.metrics import Metrics
from bot.storage.positions import Positions

MOST_SIGHTINGS = 5000
"""A day of visits that nobody reads; beyond, half of them tell a little less."""


@dataclass(frozen=True)
class Watched:
    """One look at everything: by instrument, the memory where it may be asked, and how long."""

    looks: Mapping[str, Look]
    memory: Memory | None
    took: timedelta

    @property
    def outage(self) -> RedisUnusable | None:
        """Why Redis is of no use, to workers or else to the bot; None where it is."""
        return outage_of(self.looks.values())


class Sightings:
    """Since when the entries of one stream are known to be there, by a clock that nobody sets.

    Kept is the last ID of the stream at each look that found a new one, from where the group stands
    on: what is after one of them and not after the next came in between.
    """

    def __init__(self) -> None:
        self._last: list[EntryId] = []
        self._at: list[float] = []

    def looked(self, state: StreamState, at: float) -> None:
        """Take over what a look found; one without an answer tells nothing."""
        if not isinstance(state, Stream):
            return
        if self._last and state.last_added < self._last[-1]:
            # Made anew.
            self._last, self._at = [], []
        if not self._last or state.last_added > self._last[-1]:
            self._last.append(state.last_added)
            self._at.append(at)
        read = bisect_left(self._last, state.group.last_delivered) if state.group else 0
        drop = slice(0, read) if len(self._last) <= MOST_SIGHTINGS else slice(0, None, 2)
        del self._last[drop], self._at[drop]

    def of(self, entry: EntryId) -> float | None:
        """Tell when an entry was first seen to be there."""
        place = bisect_left(self._last, entry)
        return self._at[place] if place < len(self._last) else None


class Streams:
    """One environment's streams.

    What a look finds is remembered in `positions`, and told in `metrics`. Methods other than looks
    raise `RedisError` where Redis does not answer, or refuses; but `last_seen` asks the bot's
    database and raises `StateError`, and `run_id` raises neither.
    """

    def __init__(
        self,
        environment: Environment,
        redis: PromptRedis,
        positions: Positions,
        metrics: Metrics,
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._environment = environment
        self._redis = redis
        self._positions = positions
        self._metrics = metrics
        self._clock = clock
        self._monotonic = monotonic
        self._looking = asyncio.Lock()
        self._next: asyncio.Task[Mapping[str, Look]] | None = None
        self._standing: dict[str, tuple[EntryId, float]] = {}
        self._sightings: defaultdict[str, Sightings] = defaultdict(Sightings)
        self._recalled: dict[str, tuple[EntryId, float]] = {}

    async def look(self, instruments: Collection[str]) -> list[Look]:
        """Look at the streams of these instruments, in one round trip.

        A Redis that does not answer is something found, not an error.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._take_turn())
        # Shielded: the person who asked first may give up, the others still want to know.
        looks = await asyncio.shield(self._next)
        return [looks[instrument] for instrument in instruments]

    async def readable(self, instruments: Collection[str]) -> list[Look]:
        """Look at streams, where what is in them matters only if workers can read.

        Raises
        ------
        RedisUnreachable
            If they cannot.
        """
        looks = await self.look(instruments)
        for look in looks:
            if look.outage is not None and not look.read:
                raise look.outage
        return looks

    async def _take_turn(self) -> Mapping[str, Look]:
        async with self._looking:
            self._next = None
            return (await self.watch()).looks

    async def watch(self) -> Watched:
        """Look at every stream and at the server's memory, in one round trip, sharing nothing.

        Whether Redis takes writes is tried beside it, on a connection of its own.
        """
        environment = self._environment
        (states, memory, took), refuses = await asyncio.gather(
            self._ask(), self._redis.takes_writes()
        )
        if not isinstance(refuses, RedisUnreachable):
            # Fine, or the bot may not try: then nobody knows.
            refuses = None
        now = self._clock()
        looks = {
            instrument: replace(self._look(instrument, now, state), refuses=refuses)
            for instrument, state in zip(environment.instruments, states, strict=True)
        }
        self._metrics.looked(environment.name, looks.values(), took)
        self._positions.looked(environment.name, looks.values())
        return Watched(looks, memory, took)

    async def _ask(self) -> tuple[Sequence[StreamState], Memory | None, timedelta]:
        instruments = self._environment.instruments
        started = perf_counter()
        states: Sequence[StreamState]
        memory = None
        try:
            states, memory = await self._redis.look(
                [self._environment.keys(i) for i in instruments]
            )
        except RedisUnreachable as error:
            states = [NoAnswer(error)] * len(instruments)
        return states, memory, timedelta(seconds=perf_counter() - started)

    def recall(self, instrument: str, last_delivered: EntryId, since: datetime) -> None:
        """Take over since when the oldest waiting entry was there when the group stood there."""
        passed = (self._clock() - since).total_seconds()
        self._recalled[instrument] = last_delivered, self._monotonic() - passed

    def _look(self, instrument: str, now: datetime, state: StreamState) -> Look:
        """Add what is known from the looks before: since when the group and what waits are there.

        Kept are not times but how long ago they were: the clock may be set in between.
        """
        at = self._monotonic()
        sightings = self._sightings[instrument]
        sightings.looked(state, at)
        if not isinstance(state, Stream) or state.group is None:
            return Look(instrument, now, state)
        last_delivered, oldest = state.group.last_delivered, state.group.waiting.oldest
        stands = self._standing.get(instrument)
        if stands is None or stands[0] != last_delivered:
            stands = self._standing[instrument] = (last_delivered, at)
        times = [] if oldest is None else [sightings.of(oldest.id)]
        recalled = self._recalled.get(instrument)
        if recalled is not None and recalled[0] == last_delivered:
            times.append(recalled[1])
        since = min((each for each in times if each is not None), default=None)
        return Look(
            instrument,
            now,
            state,
            now - timedelta(seconds=at - stands[1]),
            None if oldest is None or since is None else now - timedelta(seconds=at - since),
        )

    async def last_seen(self, instrument: str) -> tuple[EntryId, datetime] | None:
        """Tell where the group stood when any process last saw it, and when that was."""
        return await self._positions.last(self._environment.name, instrument)

    async def server(self) -> ServerInfo:
        """Ask the server how it is."""
        return await self._redis.server()

    async def run_id(self) -> str | None:
        """Give the identity of the server process; None where it does not tell now."""
        try:
            return (await self._redis.server()).run_id or None
        except RedisError:
            return None

    async def pending(self, instrument: str) -> Pending | None:
        """List what was read and never confirmed; None where stream or group is missing."""
        return await self._redis.pending(*self._environment.keys(instrument))

    async def unconfirmed(self, instrument: str, idle: timedelta) -> Sequence[PendingEntry] | None:
        """List the oldest entries that were read that long ago, and never confirmed.

        As many as one `settle` takes; None where stream or group is missing.
        """
        pending = await self._redis.pending(
            *self._environment.keys(instrument), most=MOST_SETTLED, idle=idle
        )
        return None if pending is None else pending.oldest

    async def consumers(self, instrument: str) -> Consumers | None:
        """Count consumer names, and those left behind; None where the group is missing."""
        return await self._redis.consumers(
            *self._environment.keys(instrument), self._environment.consumer_idle
        )

    async def survey(self, instrument: str, after: EntryId | None = None) -> Survey | None:
        """Look at a stream with all that a plan shows; None where there is no such stream.

        Counting begins after `after`, or else after the group's last delivered ID.
        """
        return await self._redis.survey(*self._environment.keys(instrument), after)

    async def archive(
        self, instrument: str, clear: int, after: EntryId, last: EntryId
    ) -> Archive | None:
        """Find what the clear of this request kept; None where it is kept no more.

        What waited then are the entries after the first ID, up to the second.
        """
        return await self._redis.archive(self._environment.stream(instrument), clear, after, last)
