"""What was done in one environment, and what was refused: read and added to, never changed."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.domain.approvals import Entry
from bot.domain.environments import Environment, Person
from bot.domain.notices import Post
from bot.storage.audit import Audit


class Ledger:
    """One environment's audit.

    Parameters
    ----------
    environment
        Whose.
    audit
        Where it is kept.
    """

    def __init__(self, environment: Environment, audit: Audit) -> None:
        self._environment = environment
        self._audit = audit

    async def note(
        self,
        action: str,
        person: Person,
        result: str,
        now: datetime,
        *,
        answer: str = "",
        after: Mapping[str, str] | None = None,
    ) -> None:
        """Add what was done without a request, or refused.

        Raises
        ------
        StateError
            If the database does not take it.
        """
        await self._audit.add(
            Entry(
                now,
                self._environment.name,
                action,
                person,
                result,
                answer=answer,
                after=after or {},
            )
        )

    async def latest(self, count: int) -> Sequence[tuple[Entry, Post | None]]:
        """Give the last entries, newest first, with the card of each request.

        Raises
        ------
        StateError
            If the database does not answer.
        """
        return await self._audit.latest(self._environment.name, count)
