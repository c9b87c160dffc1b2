"""Who leads: one row, renewed by compare-and-set.

It shares the fate of the state that it guards. Times are the database's own, because two
replicas need not agree on theirs. Between two renewals a leader that hangs may believe in its
lease for longer than it lasts: what must not happen twice has a compare-and-set of its own.
"""

from datetime import timedelta

from sqlalchemy import or_, select, update

from bot.storage.clock import Clock
from bot.storage.database import Database
from bot.storage.schema import leadership

LEASE = timedelta(seconds=12)
"""How long a leader that is not heard of stays the leader."""


class Leadership:
    """One process's part in it.

    Parameters
    ----------
    database
        Where the row is.
    holder
        Name of this process, which no other has.
    lease
        How long it lasts without being renewed.
    """

    def __init__(self, database: Database, holder: str, *, lease: timedelta = LEASE) -> None:
        self._database = database
        self._holder = holder
        self._lease = lease

    async def renew(self) -> bool:
        """Become or stay the leader; False if another process is."""
        statement = (
            update(leadership)
            .where(
                or_(
                    leadership.c.holder.is_(None),
                    leadership.c.holder == self._holder,
                    leadership.c.until <= Clock(),
                )
            )
            .values(holder=self._holder, until=Clock(self._lease.total_seconds()))
        )
        async with self._database.statement() as connection:
            return (await connection.execute(statement)).rowcount == 1

    async def release(self) -> None:
        """Let another process lead at once."""
        statement = (
            update(leadership)
            .where(leadership.c.holder == self._holder)
            .values(holder=None, until=None)
        )
        async with self._database.statement() as connection:
            await connection.execute(statement)

    async def holder(self) -> str | None:
        """Name the leader; None if there is none."""
        query = select(leadership.c.holder).where(leadership.c.until > Clock())
        async with self._database.statement() as connection:
            name: str | None = (await connection.execute(query)).scalar()
        return name
