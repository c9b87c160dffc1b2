"""Sending a change to Prompt Redis once, and knowing afterwards whether it was made.

Nothing is sent twice by itself: redis-py's retries made one command run twice. A change is one
script that records what it did under the request's marker. Where its answer is lost, the marker
tells; and where the marker tells nothing, it is fenced, so that a change that still lies in a
buffer, or in a process that stands still, can never be made any more.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis.asyncio import Redis

from bot.clients.redis_connection import (
    CONNECT_SECONDS,
    Script,
    address_of,
    connect,
    named,
    translated,
)
from bot.domain.changes import FENCED, RESULT, Facts, Marker
from bot.domain.errors import (
    RedisError,
    RedisInDoubt,
    RedisRefused,
    RedisUnreachable,
    Refusal,
    Unreachable,
)

ANSWER_SECONDS = 5.0
_TRIES = 2
_SURELY_NOT_MADE = {
    Unreachable.REFUSED,
    Unreachable.UNRESOLVED,
    Unreachable.LOADING,
    Unreachable.PASSWORD,
    Unreachable.DISK_FULL,
}
"""Answers, or no connection to send it on."""


class MarkedRedis:
    """Sends changes, each on a connection of its own that has just answered a PING.

    Parameters
    ----------
    url
        ``redis://`` or ``rediss://``, without a password.
    password
        From the environment; None where Redis asks for none.
    """

    def __init__(self, url: str, password: str | None = None) -> None:
        self._url, self._password = url, password
        self.address = address_of(connect(url, password, answer=ANSWER_SECONDS, retries=0))
        self._fence = Script("fence", "marker")
        self._recorded = Script("recorded", "marker")

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Redis]:
        """Give a connection that works.

        Raises
        ------
        RedisError
            If there is none; nothing was sent then.
        """
        redis = connect(self._url, self._password, answer=ANSWER_SECONDS, retries=0, single=True)
        try:
            with translated(self.address):
                async with asyncio.timeout(CONNECT_SECONDS):
                    await redis.ping()
            yield redis
        finally:
            await redis.aclose()

    async def ask(
        self, redis: Redis, script: Script, keys: Sequence[str], *arguments: object
    ) -> list[Any]:
        """Run a script once, and give its answer.

        Raises
        ------
        RedisError
            If there is none; whether the script ran is not known then.
        """
        texts = (str(argument) for argument in arguments)
        with translated(self.address):
            answer: Any = await redis.eval(script.text, len(keys), *keys, *texts)
            return list(answer)

    async def change(
        self,
        script: Script,
        keys: Sequence[str],
        marker: Marker,
        *arguments: object,
        redis: Redis | None = None,
    ) -> Facts:
        """Make a change, unless the marker says that it was made.

        Parameters
        ----------
        script
            Its last key is the marker, its first argument the request's random key.
        keys
            The other keys.
        marker
            The request.
        arguments
            The other arguments.
        redis
            From `connected`; None to connect now.

        Returns
        -------
        Facts
            What it did, or what it did when it was made before.

        Raises
        ------
        RedisInDoubt
            If the answer is lost and the marker cannot be read.
        RedisError
            If it was not made, and cannot be made any more by what was sent.
        """
        if redis is None:
            async with self.connected() as connection:
                return await self.change(script, keys, marker, *arguments, redis=connection)
        try:
            answer = await self.ask(redis, script, [*keys, marker.name], marker.key, *arguments)
        except RedisUnreachable as error:
            if error.kind in _SURELY_NOT_MADE:
                raise
            return await self._after_doubt(marker, error)
        return named(answer)

    async def fence(self, marker: Marker) -> Facts | None:
        """Find out what a change did, or make sure that it cannot be made any more.

        Returns
        -------
        Facts or None
            What the change recorded, or ``result`` fenced. None if nothing is recorded and no
            fence can be set, for want of memory.

        Raises
        ------
        RedisError
            If Redis does not answer, or refuses.
        """
        async with self.connected() as redis:
            try:
                return named(await self.ask(redis, self._fence, [marker.name], marker.key))
            except RedisRefused as error:
                if error.kind is not Refusal.MEMORY:
                    raise
            return named(await self.ask(redis, self._recorded, [marker.name], marker.key)) or None

    async def _after_doubt(self, marker: Marker, error: RedisUnreachable) -> Facts:
        for _ in range(_TRIES):
            try:
                facts = await self.fence(marker)
            except RedisUnreachable:
                continue
            except RedisError as refusal:
                raise RedisInDoubt(self.address) from refusal
            if facts is None:
                break
            if facts[RESULT] == FENCED:
                raise error
            return facts
        raise RedisInDoubt(self.address) from error
