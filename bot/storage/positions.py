"""Where each group stood when it was last looked at, so that a new one can begin there."""

import asyncio
from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import select

from bot.domain.streams import EntryId, Look
from bot.storage.database import Database
from bot.storage.schema import positions


class Positions:
    """Remembers the last delivered ID of every stream.

    Looks never wait for the database: they leave what they saw here, and `tick` writes it down;
    `wake` is set where there is something to write.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
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
            rows = [
                {"environment": environment, "instrument": each, "entry": entry, "seen": now}
                for each, entry in seen.items()
            ]
            insertion = self._database.insert(positions).values(rows)
            newer = {name: insertion.excluded[name] for name in ("entry", "seen")}
            try:
                await self._database.change(
                    insertion.on_conflict_do_update(
                        index_elements=["environment", "instrument"], set_=newer
                    )
                )
            except Exception:
                self._new[environment] = seen | self._new[environment]
                raise

    async def last(self, environment: str, instrument: str) -> tuple[EntryId, datetime] | None:
        """Give the last delivered ID and when it was seen; None if it never was."""
        query = select(positions.c.entry, positions.c.seen).where(
            positions.c.environment == environment, positions.c.instrument == instrument
        )
        found = await self._database.fetch(query)
        return (found[0].entry, found[0].seen) if found else None
