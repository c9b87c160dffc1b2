"""What is done once a day, whoever is the first to do it."""

from datetime import date

from bot.storage.database import Database
from bot.storage.schema import chores


class Chores:
    """Gives each day's chore to one process.

    Parameters
    ----------
    database
        Where it is kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, name: str, day: date) -> bool:
        """Take a day's chore; False if it has been taken."""
        insertion = self._database.insert(chores).values(name=name, day=day)
        async with self._database.statement() as connection:
            taken = await connection.execute(insertion.on_conflict_do_nothing())
            return taken.rowcount == 1
