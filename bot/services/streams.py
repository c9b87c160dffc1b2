"""Looking at one environment's streams, and at the server that holds them.

Commands that ask while a look is under way share the next one, so a crowd in the channel costs
Redis no more than one person does, and nobody gets figures from before they asked. Looks never wait
for the bot's database: where each group stands is left in `Positions`, and a loop writes it down.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter

from bot.clients.prompt_redis import PromptRedis
from bot.domain.changes import MOST_SETTLED, Archive, Survey
from bot.domain.environments import Environment
from bot.domain.errors import RedisError, RedisUnreachable
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
)
from bot.metrics import Metrics
from bot.storage.positions import Positions


@dataclass(frozen=True)
class Watched:
    """One look at everything: by instrument, the memory where it may be asked, and how long."""

    looks: Mapping[str, Look]
    memory: Memory | None
    took: timedelta


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
    ) -> None:
        self._environment = environment
        self._redis = redis
        self._positions = positions
        self._metrics = metrics
        self._clock = clock
        self._looking = asyncio.Lock()
        self._next: asyncio.Task[Mapping[str, Look]] | None = None
        self._standing: dict[str, tuple[EntryId, datetime]] = {}

    async def look(self, instruments: Collection[str]) -> list[Look]:
        """Look at the streams of these instruments, in one round trip.

        A Redis that does not answer is something found, not an error.
        """
        if self._next is None:
            self._next = asyncio.create_task(self._take_turn())
        # Shielded: the person who asked first may give up, the others still want to know.
        looks = await asyncio.shield(self._next)
        return [looks[instrument] for instrument in instruments]

    async def _take_turn(self) -> Mapping[str, Look]:
        async with self._looking:
            self._next = None
            return (await self.watch()).looks

    async def watch(self) -> Watched:
        """Look at every stream and at the server's memory, in one round trip, sharing nothing."""
        environment = self._environment
        started = perf_counter()
        states: Sequence[StreamState]
        memory = None
        try:
            states, memory = await self._redis.look(
                [environment.keys(each) for each in environment.instruments]
            )
        except RedisUnreachable as error:
            states = [NoAnswer(error)] * len(environment.instruments)
        now = self._clock()
        looks = {
            instrument: Look(instrument, now, state, self._unmoved_since(instrument, state, now))
            for instrument, state in zip(environment.instruments, states, strict=True)
        }
        took = timedelta(seconds=perf_counter() - started)
        self._metrics.looked(environment.name, looks.values(), took)
        self._positions.looked(environment.name, looks.values())
        return Watched(looks, memory, took)

    def _unmoved_since(self, instrument: str, state: StreamState, now: datetime) -> datetime | None:
        """Remember where the last delivered ID stands, and since which look."""
        if not isinstance(state, Stream) or state.group is None:
            return None
        last_delivered = state.group.last_delivered
        known = self._standing.get(instrument)
        if known is None or known[0] != last_delivered:
            known = self._standing[instrument] = (last_delivered, now)
        return known[1]

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
