"""The last delivered ID of each stream, as last seen: where a lost group is to begin again."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import select

from bot.domain.streams import EntryId
from bot.storage.database import Database
from bot.storage.schema import positions


class Positions:
    """Remembers how far each stream was read.

    Parameters
    ----------
    database
        Where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, environment: str, delivered: Mapping[str, EntryId], now: datetime) -> None:
        """Keep the last delivered ID of each instrument."""
        if not delivered:
            return
        insertion = self._database.insert(positions).values(
            [
                {
                    "environment": environment,
                    "instrument": instrument,
                    "entry": str(entry),
                    "seen": now,
                }
                for instrument, entry in delivered.items()
            ]
        )
        statement = insertion.on_conflict_do_update(
            index_elements=["environment", "instrument"],
            set_={"entry": insertion.excluded.entry, "seen": insertion.excluded.seen},
        )
        async with self._database.statement() as connection:
            await connection.execute(statement)

    async def last(self, environment: str, instrument: str) -> tuple[EntryId, datetime] | None:
        """Give the last delivered ID and when it was seen; None if it never was."""
        query = select(positions.c.entry, positions.c.seen).where(
            positions.c.environment == environment, positions.c.instrument == instrument
        )
        async with self._database.statement() as connection:
            row = (await connection.execute(query)).one_or_none()
        return None if row is None else (EntryId.parse(row.entry), row.seen)
