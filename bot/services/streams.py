"""Looking at one environment's streams.

Commands that ask while a look is under way share the next one, so a crowd in the channel costs
Redis no more than one person does, and nobody gets figures from before they asked.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter

from bot.clients.prompt_redis import PromptRedis
from bot.domain.environments import Environment
from bot.domain.errors import RedisError, RedisUnreachable
from bot.domain.streams import (
    Consumers,
    EntryId,
    Look,
    Memory,
    NoAnswer,
    Pending,
    ServerInfo,
    Stream,
    StreamState,
)

Ask = Callable[[list[tuple[str, str]]], Awaitable[tuple[list[StreamState], Memory | None]]]


@dataclass(frozen=True)
class Watched:
    """One look at everything: by instrument, the memory where it may be asked, and how long."""

    looks: Mapping[str, Look]
    memory: Memory | None
    took: timedelta


class Streams:
    """One environment's streams.

    Parameters
    ----------
    environment
        Whose streams.
    redis
        Where they are.
    clock
        Gives the time of a look, in UTC.
    looked
        Is told of every look: the environment's name, what was found, how long it took.
    seen
        Is told what was found, to remember where each group stands.
    """

    def __init__(
        self,
        environment: Environment,
        redis: PromptRedis,
        *,
        clock: Callable[[], datetime],
        looked: Callable[[str, Collection[Look], timedelta], None],
        seen: Callable[[str, Collection[Look]], None] = lambda _, __: None,
    ) -> None:
        self._environment = environment
        self._redis = redis
        self._clock = clock
        self._looked = looked
        self._seen = seen
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
            return (await self._look(self._look_at_streams)).looks

    async def watch(self) -> Watched:
        """Look at every stream and at the server's memory, in one round trip, sharing nothing."""
        return await self._look(self._redis.watch)

    async def _look_at_streams(
        self, streams: list[tuple[str, str]]
    ) -> tuple[list[StreamState], Memory | None]:
        return await self._redis.look(streams), None

    async def _look(self, ask: Ask) -> Watched:
        environment = self._environment
        started = perf_counter()
        facts: list[StreamState]
        memory = None
        try:
            facts, memory = await ask(
                [
                    (environment.stream(one), environment.group(one))
                    for one in environment.instruments
                ]
            )
        except RedisUnreachable as error:
            facts = [NoAnswer(error)] * len(environment.instruments)
        now = self._clock()
        looks = {
            instrument: Look(instrument, now, found, self._unmoved_since(instrument, found, now))
            for instrument, found in zip(environment.instruments, facts, strict=True)
        }
        took = timedelta(seconds=perf_counter() - started)
        self._looked(environment.name, looks.values(), took)
        self._seen(environment.name, looks.values())
        return Watched(looks, memory, took)

    def _unmoved_since(self, instrument: str, found: StreamState, now: datetime) -> datetime | None:
        """Remember where the last delivered ID stands, and since which look."""
        if not isinstance(found, Stream) or found.group is None:
            return None
        last_delivered = found.group.last_delivered
        known = self._standing.get(instrument)
        if known is None or known[0] != last_delivered:
            known = self._standing[instrument] = (last_delivered, now)
        return known[1]

    async def run_id(self) -> str | None:
        """Give the identity of the server process; None where it does not tell now."""
        try:
            return (await self._redis.server()).run_id or None
        except RedisError:
            return None

    async def pending(self, instrument: str) -> Pending | None:
        """List what was read and never confirmed; None where stream or group is missing.

        Raises
        ------
        RedisError
            If Redis does not answer, or refuses.
        """
        return await self._redis.pending(*self._names(instrument))

    async def consumers(self, instrument: str) -> Consumers | None:
        """Count consumer names, and those left behind; None where the group is missing.

        Raises
        ------
        RedisError
            If Redis does not answer, or refuses.
        """
        return await self._redis.consumers(
            *self._names(instrument), self._environment.consumer_idle
        )

    async def server(self) -> ServerInfo:
        """Ask the server how it is.

        Raises
        ------
        RedisError
            If Redis does not answer, or refuses.
        """
        return await self._redis.server()

    def _names(self, instrument: str) -> tuple[str, str]:
        return self._environment.stream(instrument), self._environment.group(instrument)
