"""One environment and its services: all that its commands and loops work with.

And the rule that no two environments have one Redis.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog

from bot.domain.environments import Environment
from bot.domain.errors import SameRedis
from bot.services.alarms import Alarms
from bot.services.approvals import Approvals
from bot.services.changes import Changes
from bot.services.maintenance import Maintenance
from bot.services.nights import Nights
from bot.services.oncall import Oncall
from bot.services.rights import Groups, Rights
from bot.services.streams import Streams
from bot.services.watch import Watch
from bot.services.workloads import Restarts, Workloads
from bot.storage.audit import Audit
from bot.storage.posts import Posts
from bot.storage.samples import Samples

_log = structlog.get_logger()


@dataclass(frozen=True)
class Services:
    """One environment and its services."""

    environment: Environment
    streams: Streams
    watch: Watch
    changes: Changes
    approvals: Approvals
    audit: Audit
    samples: Samples
    alarms: Alarms
    oncall: Oncall
    nights: Nights
    maintenance: Maintenance
    workloads: Workloads
    restarts: Restarts
    posts: Posts
    rights: Rights
    groups: Groups


class Identities:
    """Looks out for two environments on one Redis; servers tell themselves apart by `run_id`.

    The same address leads to different servers in different clusters: a bot that runs in the wrong
    one would show, and later change, dev under the name of PROD. Of two, the earlier one in the
    configuration is served; `tell` is called once for each that is refused.
    """

    def __init__(
        self, services: Mapping[str, Services], tell: Callable[[str, SameRedis], Awaitable[None]]
    ) -> None:
        self._services = services
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
        run_ids = await asyncio.gather(*(each.streams.run_id() for each in self._services.values()))
        first: dict[str, str] = {}
        found: dict[str, SameRedis] = {}
        for each, run_id in zip(self._services.values(), run_ids, strict=True):
            environment = each.environment
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
