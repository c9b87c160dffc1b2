"""Where each group stood when it was last looked at, so that a new one can begin there.

Looks never wait for the database: they leave what they saw here, and a loop writes it down.
"""

import asyncio
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from bot.domain.streams import EntryId, Look
from bot.storage.positions import Positions


class LastSeen:
    """Remembers the last delivered ID of every stream.

    Parameters
    ----------
    positions
        Where they are kept.
    """

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._known: dict[tuple[str, str], EntryId] = {}
        self._new: defaultdict[str, dict[str, EntryId]] = defaultdict(dict)
        self.wake = asyncio.Event()

    def looked(self, environment: str, looks: Collection[Look]) -> None:
        """Take over what a look found; a missing group keeps the place where it stood."""
        for look in looks:
            if look.group is None:
                continue
            stands = look.group.last_delivered
            if self._known.get((environment, look.instrument)) != stands:
                self._known[environment, look.instrument] = stands
                self._new[environment][look.instrument] = stands
                self.wake.set()

    async def tick(self, now: datetime) -> None:
        """Write down what is new.

        Raises
        ------
        StateError
            If the database does not take it; it is offered again.
        """
        for environment in list(self._new):
            seen = self._new.pop(environment)
            try:
                await self._positions.keep(environment, seen, now)
            except Exception:
                self._new[environment] = seen | self._new[environment]
                raise
