"""Which Redis is whose: the same address leads to different servers in different clusters.

A bot that runs in the wrong one would show, and later change, dev under the name of PROD. Servers
tell themselves apart by `run_id`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime

import structlog

from bot.domain.errors import SameRedis
from bot.services.environments import Services

_log = structlog.get_logger()


class Identities:
    """Looks out for two environments on one Redis.

    Parameters
    ----------
    rooms
        Every environment with its streams, in the configuration's order.
    tell
        Is told once for each environment that is refused.
    """

    def __init__(
        self,
        rooms: Mapping[str, Services],
        tell: Callable[[str, SameRedis], Awaitable[None]],
    ) -> None:
        self._rooms = rooms
        self._tell = tell
        self._refused: dict[str, SameRedis] = {}

    def check(self, environment: str) -> None:
        """Refuse an environment that shares its Redis with an earlier one.

        Raises
        ------
        SameRedis
            If it does.
        """
        if environment in self._refused:
            raise self._refused[environment]

    async def look(self) -> list[SameRedis]:
        """Ask every server who it is; one that does not answer is asked again another time."""
        run_ids = await asyncio.gather(*(room.streams.run_id() for room in self._rooms.values()))
        first: dict[str, str] = {}
        found: dict[str, SameRedis] = {}
        for room, run_id in zip(self._rooms.values(), run_ids, strict=True):
            environment = room.environment
            if run_id is None:
                # Known to be wrong stays wrong until its server says otherwise.
                if environment.name in self._refused:
                    found[environment.name] = self._refused[environment.name]
            elif run_id in first:
                found[environment.name] = SameRedis(first[run_id], environment.label)
            else:
                first[run_id] = environment.label
        self._refused, known = found, self._refused
        for name, error in found.items():
            if name not in known:
                _log.error("two environments on one Redis", environment=name, reason=str(error))
                await self._tell(name, error)
        return list(found.values())

    async def tick(self, _: datetime) -> None:
        """Look again: a server that was away at the start may have come back as the wrong one."""
        await self.look()
