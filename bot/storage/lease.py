"""What one process alone does: what the leader does, a day's chore, an answer to Slack.

The leader's lease is one row, renewed by compare-and-set; it shares the fate of the state that it
guards. Times are the database's own, because two replicas need not agree on theirs. Between two
renewals a leader that hangs may believe in its lease for longer than it lasts: what must not happen
twice has a compare-and-set of its own.
"""

from datetime import date, datetime, timedelta

import structlog
from sqlalchemy import or_, select, update

from bot.domain.errors import StateError
from bot.metrics import Metrics
from bot.storage.database import Clock, Database
from bot.storage.schema import chores, deliveries, leadership

LEASE = timedelta(seconds=12)
"""How long a leader that is not heard of stays the leader."""

_log = structlog.get_logger()


class Leader:
    """Says whether this process leads, and keeps it leading.

    Parameters
    ----------
    metrics
        Note after each renewal whether this process leads.
    lease
        How long it lasts without being renewed.

    Attributes
    ----------
    trouble
        What kept it from renewing the lease; empty where nothing did.
    """

    def __init__(
        self,
        database: Database,
        metrics: Metrics,
        *,
        lease: timedelta = LEASE,
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._lease = lease
        self._leads = self._led = False
        self.trouble = ""

    def leads(self) -> bool:
        """Tell whether this process leads, as far as it knows."""
        return self._leads

    def led(self) -> bool:
        """Tell whether this process leads, or led when the database was last heard of.

        Where it has lost the database, nobody may do the leader's work.
        """
        return self._led

    async def tick(self, _: datetime) -> None:
        """Become or stay the leader; without the database nobody is."""
        free = or_(
            leadership.c.holder.is_(None),
            leadership.c.holder == self._database.process,
            leadership.c.until <= Clock(),
        )
        values = {"holder": self._database.process, "until": Clock(self._lease.total_seconds())}
        try:
            await self._database.read_clock()
            leads = await self._database.change(update(leadership).where(free).values(values)) == 1
            self._led, self.trouble = leads, ""
        except StateError as error:
            _log.warning("the leadership could not be renewed", reason=str(error))
            leads, self.trouble = False, str(error).rstrip(".")
        if leads != self._leads:
            _log.info("this process leads" if leads else "this process leads no longer")
        self._leads = leads
        self._metrics.leads(leads)

    async def holder(self) -> str | None:
        """Name the process that leads; None where there is none, or the database is away."""
        query = select(leadership.c.holder).where(leadership.c.until > Clock())
        try:
            found = await self._database.fetch(query)
        except StateError:
            return None
        return found[0].holder if found else None

    async def aclose(self) -> None:
        """Let another process lead at once."""
        self._led = False
        if self._leads:
            self._leads = False
            own = update(leadership).where(leadership.c.holder == self._database.process)
            try:
                await self._database.change(own.values(holder=None, until=None))
            except StateError as error:
                _log.warning("the leadership runs out by itself", reason=str(error))


class Chores:
    """Gives what is done once a day to the first process that asks for it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def claim(self, name: str, day: date) -> bool:
        """Take a day's chore; False if it has been taken."""
        insertion = self._database.insert(chores).values(name=name, day=day)
        return await self._database.change(insertion.on_conflict_do_nothing()) == 1


class Deliveries:
    """Remembers which of Slack's deliveries have come: one may be repeated, to another replica."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def first(self, trigger: str, now: datetime) -> datetime | None:
        """Tell when a delivery came first, by Slack's ``trigger_id``; None if that is now."""
        insertion = self._database.insert(deliveries).values(trigger=trigger, came=now, times=1)
        statement = insertion.on_conflict_do_update(
            index_elements=["trigger"], set_={"times": deliveries.c.times + 1}
        ).returning(deliveries.c.came, deliveries.c.times)
        [delivery] = await self._database.fetch(statement)
        return None if delivery.times == 1 else delivery.came
