"""The daily removal of consumer names, by the leader, at the hour that is configured.

A healthy one is silent: the audit has it. Only a name that held unconfirmed entries is told.
"""

from collections.abc import Mapping
from datetime import datetime, time, timedelta

import structlog

from bot.domain.environments import BOT
from bot.domain.errors import RedisError
from bot.domain.notices import Notice, Said
from bot.services.environments import Services
from bot.storage.chores import Chores
from bot.storage.outbox import Outbox

_log = structlog.get_logger()

LATEST = timedelta(hours=2)
"""After the hour that is configured; a bot that starts later leaves it for the next day."""


class Pruning:
    """Prunes by itself.

    Parameters
    ----------
    rooms
        Every environment's services, by name.
    chores
        Knows whether today's was done.
    outbox
        Where it is told.
    daily
        At which time of day, in UTC.
    holder
        Name of this process.
    """

    def __init__(
        self,
        rooms: Mapping[str, Services],
        chores: Chores,
        outbox: Outbox,
        *,
        daily: time,
        holder: str,
    ) -> None:
        self._rooms = rooms
        self._chores = chores
        self._outbox = outbox
        self._daily = daily
        self._holder = holder

    async def tick(self, now: datetime) -> None:
        """Prune where it is time and nobody has today."""
        due = datetime.combine(now.date(), self._daily, now.tzinfo)
        if not due <= now < due + LATEST:
            return
        for room in self._rooms.values():
            if room.environment.read_only:
                continue
            if await self._chores.claim(f"prune {room.environment.name}", now.date()):
                await self._prune(room, now)

    async def _prune(self, room: Services, now: datetime) -> None:
        environment = room.environment
        for instrument in environment.instruments:
            action = f"prune {instrument}"
            try:
                steps = [
                    step async for step in room.changes.prune(instrument, environment.consumer_idle)
                ]
            except RedisError as error:
                _log.warning("the daily prune failed", instrument=instrument, reason=str(error))
                await room.ledger.note(action, BOT, "failed", now, answer=str(error))
                continue
            if not steps:
                continue
            last = steps[-1]
            removed = f"{last.removed:,} of {last.names:,} names removed"
            figures = {"removed": str(last.removed)}
            await room.ledger.note(action, BOT, "done", now, answer=removed, after=figures)
            if last.dropped:
                entries = sum(count for _, count in last.dropped)
                text = (
                    f"🟡 {environment.label} {instrument}: the daily prune removed "
                    f"{len(last.dropped)} names that held {entries} unconfirmed entries. "
                    "These are no longer listed as unconfirmed."
                )
                notice = Notice(Said.DROPPED, environment.name, values={"text": text})
                await self._outbox.add(notice, writer=self._holder, now=now)
