"""Which of several processes does what only one may do."""

from collections.abc import Callable
from datetime import datetime

import structlog

from bot.domain.errors import StateError
from bot.storage.leadership import Leadership

_log = structlog.get_logger()


class Leader:
    """Says whether this process leads, and keeps it leading.

    Parameters
    ----------
    leadership
        The row in the database.
    told
        Is told after each renewal whether this process leads.
    """

    def __init__(self, leadership: Leadership, told: Callable[[bool], None]) -> None:
        self._leadership = leadership
        self._told = told
        self._leads = False

    def leads(self) -> bool:
        """Tell whether this process leads, as far as it knows."""
        return self._leads

    async def tick(self, _: datetime) -> None:
        """Become or stay the leader; without the database nobody is."""
        try:
            leads = await self._leadership.renew()
        except StateError as error:
            _log.warning("the leadership could not be renewed", reason=str(error))
            leads = False
        if leads != self._leads:
            _log.info("this process leads" if leads else "this process leads no longer")
        self._leads = leads
        self._told(leads)

    async def holder(self) -> str | None:
        """Name the process that leads; None where there is none, or the database is away."""
        try:
            return await self._leadership.holder()
        except StateError:
            return None

    async def aclose(self) -> None:
        """Let another process lead at once."""
        if self._leads:
            self._leads = False
            try:
                await self._leadership.release()
            except StateError as error:
                _log.warning("the leadership runs out by itself", reason=str(error))
