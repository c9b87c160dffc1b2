"""Which of Slack's deliveries have come before: one repeats itself, also to another replica."""

from datetime import datetime

from bot.storage.database import Database
from bot.storage.schema import deliveries


class Deliveries:
    """Remembers deliveries.

    Parameters
    ----------
    database
        Where they are kept.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first(self, trigger: str, now: datetime) -> datetime | None:
        """Tell when a delivery came first; None if this is the first time.

        Parameters
        ----------
        trigger
            Slack's ``trigger_id``.
        now
            When it came.
        """
        insertion = self._database.insert(deliveries).values(trigger=trigger, came=now, times=1)
        statement = insertion.on_conflict_do_update(
            index_elements=["trigger"], set_={"times": deliveries.c.times + 1}
        ).returning(deliveries.c.came, deliveries.c.times)
        async with self._database.statement() as connection:
            came, times = (await connection.execute(statement)).one()
        return None if times == 1 else came
