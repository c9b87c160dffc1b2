"""Who is in a user group, and what people and groups are called.

Membership decides who may change a stream, so it is believed for half a minute and no longer, and
a look-up that failed is never remembered. Names are for reading alone.
"""

from collections.abc import Callable
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from bot.domain.errors import CannotLookUp
from bot.domain.people import People, Person
from bot.slack.patience import SlackRefused
from bot.slack.web import Web

_log = structlog.get_logger()

BELIEVED_SECONDS = 30.0
NAMES_SECONDS = 3600.0


class Directory:
    """Asks Slack about people.

    Parameters
    ----------
    web
        Calls to Slack.
    clock
        Seconds on any steady clock.
    """

    def __init__(self, web: Web, clock: Callable[[], float]) -> None:
        self._web = web
        self._clock = clock
        self._members: dict[str, tuple[float, frozenset[str]]] = {}
        self._groups: tuple[float, dict[str, str]] = (-NAMES_SECONDS, {})
        self._users: dict[str, str] = {}
        self._complained = False

    async def members(self, usergroup: str) -> frozenset[str]:
        """Give the IDs of a user group's members.

        Raises
        ------
        CannotLookUp
            If Slack does not tell.
        """
        now = self._clock()
        asked, known = self._members.get(usergroup, (-BELIEVED_SECONDS, frozenset()))
        if now - asked < BELIEVED_SECONDS:
            return known
        try:
            found = await self._web.members(usergroup)
        except SlackRefused as error:
            self._members.pop(usergroup, None)
            raise CannotLookUp(error.code) from error
        self._members[usergroup] = (now, found)
        return found

    async def names(self, people: People) -> str:
        """Give a list of people as people read it, without mentioning anybody."""
        parts = [await self._group(group) for group in people.usergroups]
        parts += [await self._user(user) for user in people.users]
        *most, last = parts or [""]
        return f"{', '.join(most)} and {last}" if most else last

    async def zone(self, person: Person) -> ZoneInfo | None:
        """Give a person's time zone; None where Slack does not tell, or nobody knows it."""
        try:
            _, name = await self._web.user(person.id)
            return ZoneInfo(name) if name else None
        except SlackRefused as error:
            self._complain(error)
        except (ZoneInfoNotFoundError, ValueError):
            _log.warning("Slack tells of a time zone that nobody knows")
        return None

    async def _group(self, usergroup: str) -> str:
        now = self._clock()
        if now - self._groups[0] >= NAMES_SECONDS:
            try:
                self._groups = (now, await self._web.usergroups())
            except SlackRefused as error:
                self._complain(error)
                # Asked again in a minute, not at every card.
                self._groups = (now - NAMES_SECONDS + 60, self._groups[1])
        return self._groups[1].get(usergroup, usergroup)

    async def _user(self, user: str) -> str:
        if user not in self._users:
            try:
                self._users[user], _ = await self._web.user(user)
            except SlackRefused as error:
                self._complain(error)
                return user
        return self._users[user]

    def _complain(self, error: SlackRefused) -> None:
        if not self._complained:
            self._complained = True
            _log.warning("Slack does not tell names, so IDs are shown", code=error.code)
