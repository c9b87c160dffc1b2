"""Since when each environment was last looked at, for the processes that do not look."""

from datetime import datetime

from sqlalchemy import select

from bot.domain.blindness import LATE_AFTER, Blindness
from bot.storage.database import Clock, Database
from bot.storage.schema import watches


class Watches:
    """Keeps the last look at each environment; its time is the database's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def looked(self, environment: str, why: str = "") -> None:
        """Write down that it was looked at, or why it could not be."""
        values = {"why": why} if why else {"looked": Clock(), "why": ""}
        insertion = self._database.insert(watches).values(
            environment=environment, looked=Clock(), why=why
        )
        await self._database.change(
            insertion.on_conflict_do_update(index_elements=["environment"], set_=values)
        )

    async def blindness(self, environment: str) -> Blindness | None:
        """Tell since when nobody has looked; None where somebody does, or nobody ever did."""
        query = select(watches.c.looked, watches.c.why, Clock().label("now"))
        for row in await self._database.fetch(query.where(watches.c.environment == environment)):
            looked: datetime = row.looked
            if row.now - looked > LATE_AFTER:
                return Blindness(looked, row.why or "The process that looked is gone")
        return None
