"""Which channel speaks for which environment, who is in a user group, and what people are called.

Channels are known by ID. A name from the configuration is looked up among the channels that the
bot is in; one that is not found is looked for again when somebody types where nothing is known.

Membership decides who may change a stream, so it is believed for half a minute and no longer, and
a look-up that failed is never remembered. Names are for reading alone.
"""

import re
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from bot.domain.environments import People, Person
from bot.domain.errors import CannotLookUp, FatalError
from bot.render.blocks import Markup, escape, mark
from bot.slack.api import SlackApi, SlackRefused

_log = structlog.get_logger()

RETRY_SECONDS = 30.0
"""Lost channels are looked for again no sooner."""
BELIEVED_SECONDS = 30.0
NAMES_SECONDS = 3600.0


class Channels:
    """Finds the environment of a channel, and the channels of an environment.

    Parameters
    ----------
    wanted
        Channel name or ID by environment.
    alarms
        The same, for environments whose alarms have a channel of their own.
    """

    def __init__(
        self, api: SlackApi, wanted: Mapping[str, str], alarms: Mapping[str, str] | None = None
    ) -> None:
        self._api = api
        self._wanted = wanted
        self._alarms = alarms or {}
        self._own = {name: one for name, one in wanted.items() if _is_id(one)}
        self._ids: dict[str, str] = {}
        self._listed = -RETRY_SECONDS

    async def resolve(self) -> None:
        """Look up the names that are not known yet.

        Raises
        ------
        FatalError
            If a name turns out to be the channel of another environment.
        """
        if not self._lost or not await self._list():
            return
        for name, channel in self.unknown.items():
            found = self._id(channel)
            owner = None if found is None else self.speaks_for(found)
            if owner is not None:
                # Whoever had it keeps it, also in a process that goes on.
                raise FatalError(
                    f"{name} and {owner} have one and the same channel, {channel}: nobody could "
                    "tell which is meant. Give each environment its own."
                )
            if found is not None:
                self._own[name] = found
        for environment, channel in self._lost:
            _log.error(
                "no such channel, or the bot is not in it; invite it there",
                channel=channel,
                environment=environment,
            )

    @property
    def _lost(self) -> list[tuple[str, str]]:
        alarms = [(name, one) for name, one in self._alarms.items() if self._id(one) is None]
        return [*self.unknown.items(), *alarms]

    @property
    def unknown(self) -> dict[str, str]:
        """Channel name by environment, of those that were not found."""
        return {name: one for name, one in self._wanted.items() if name not in self._own}

    async def environment(self, channel: str, now: float) -> str | None:
        """Find the environment of a channel; None where there is none.

        Parameters
        ----------
        now
            Seconds on any steady clock: lost names are looked for at most every 30 s.
        """
        if self.speaks_for(channel) is None and self._lost and self._may_list(now):
            await self.resolve()
        # Buttons of alarms are pressed where alarms are shown.
        shown = [name for name, alarms in self._alarms.items() if self._id(alarms) == channel]
        return self.speaks_for(channel) or (shown[0] if len(shown) == 1 else None)

    def speaks_for(self, channel: str) -> str | None:
        """Give the environment whose own channel this is known to be."""
        return next((name for name, own in self._own.items() if own == channel), None)

    def id_of(self, environment: str) -> str | None:
        """Give the ID of the environment's channel; None where it is not known."""
        return self._own.get(environment)

    def alarms_of(self, environment: str) -> str | None:
        """Give the ID of the channel of the environment's alarms; None where it is not known."""
        return self._id(self._alarms.get(environment, "")) or self.id_of(environment)

    def mention(self, environment: str) -> Markup:
        """Name the environment's channel, as a link where its ID is known."""
        channel = self.id_of(environment)
        return mark("<#{}>", channel) if channel else escape(f"#{self._wanted[environment]}")

    async def named(self, channel: str, now: float) -> str | None:
        """Give the ID of any other channel that the bot is in; None where it is in none such.

        Parameters
        ----------
        channel
            Name or ID.
        now
            Seconds on any steady clock: the list is asked for at most every 30 s.
        """
        if self._id(channel) is None and self._may_list(now):
            await self._list()
        return self._id(channel)

    def _id(self, channel: str) -> str | None:
        return channel if _is_id(channel) else self._ids.get(channel)

    def _may_list(self, now: float) -> bool:
        if now - self._listed < RETRY_SECONDS:
            return False
        self._listed = now
        return True

    async def _list(self) -> bool:
        """Learn the names of channels; one that is known keeps its ID, whatever it is renamed."""
        try:
            found = await self._api.channels()
        except SlackRefused as error:
            _log.error("Slack does not tell which channels the bot is in", code=error.code)
            return False
        self._ids = {name: id_ for id_, name in found.items()} | self._ids
        return True


def _is_id(channel: str) -> bool:
    return re.fullmatch("[CG][A-Z0-9]{6,}", channel) is not None


class Directory:
    """Asks Slack about people.

    Parameters
    ----------
    clock
        Seconds on any steady clock.
    """

    def __init__(self, api: SlackApi, clock: Callable[[], float]) -> None:
        self._api = api
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
            found = await self._api.members(usergroup)
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
            _, name = await self._api.user(person.id)
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
                self._groups = (now, await self._api.usergroups())
            except SlackRefused as error:
                self._complain(error)
                # Asked again in a minute, not at every card.
                self._groups = (now - NAMES_SECONDS + 60, self._groups[1])
        return self._groups[1].get(usergroup, usergroup)

    async def _user(self, user: str) -> str:
        if user not in self._users:
            try:
                self._users[user], _ = await self._api.user(user)
            except SlackRefused as error:
                self._complain(error)
                return user
        return self._users[user]

    def _complain(self, error: SlackRefused) -> None:
        if not self._complained:
            self._complained = True
            _log.warning("Slack does not tell names, so IDs are shown", code=error.code)
