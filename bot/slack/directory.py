"""Who and where in Slack: the channels of environments, the members and names of groups."""

import re
from collections.abc import Callable, Mapping
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from bot.domain.environments import People, Person
from bot.domain.errors import CannotLookUp, FatalError
from bot.render.blocks import Markup, mark
from bot.slack.api import SlackApi, SlackRefused

_log = structlog.get_logger()


_ID = re.compile(r"[CG][A-Z0-9]{6,}")
RETRY_SECONDS = 30.0


class Channels:
    """Finds the environment of a channel.

    Parameters
    ----------
    web
        Lists the channels that the bot is in.
    wanted
        Channel name or ID by environment.
    alarms
        The same, for environments whose alarms have a channel of their own.
    """

    def __init__(
        self, web: SlackApi, wanted: Mapping[str, str], alarms: Mapping[str, str] | None = None
    ) -> None:
        self._web = web
        self._wanted = dict(wanted)
        self._wanted_alarms = dict(alarms or {})
        self._alarms = {
            environment: channel
            for environment, channel in self._wanted_alarms.items()
            if _ID.fullmatch(channel)
        }
        self._environments = {
            channel: environment
            for environment, channel in wanted.items()
            if _ID.fullmatch(channel)
        }
        self._looked = self._listed = -RETRY_SECONDS
        self._others: dict[str, str] = {}

    async def resolve(self) -> None:
        """Look up the names that are not known yet.

        Raises
        ------
        FatalError
            If a name turns out to be the channel of another environment.
        """
        lost_alarms = {
            environment: name
            for environment, name in self._wanted_alarms.items()
            if environment not in self._alarms
        }
        if not self.unknown and not lost_alarms:
            return
        try:
            ids = {name: id_ async for id_, name in self._web.channels()}
        except SlackRefused as error:
            _log.error("Slack does not tell which channels the bot is in", code=error.code)
            return
        for environment, name in lost_alarms.items():
            if name in ids:
                self._alarms[environment] = ids[name]
            else:
                _log.error("no such channel for alarms, or the bot is not in it", channel=name)
        for environment, name in self.unknown.items():
            if name in ids:
                other = self._environments.setdefault(ids[name], environment)
                if other != environment:
                    raise FatalError(
                        f"{environment} and {other} have one and the same channel, {name}: nobody "
                        "could tell which is meant. Give each environment its own."
                    )
            else:
                _log.error(
                    "no such channel, or the bot is not in it; invite it there",
                    channel=name,
                    environment=environment,
                )

    @property
    def unknown(self) -> dict[str, str]:
        """Channel name by environment, of those that were not found."""
        known = set(self._environments.values())
        return {name: channel for name, channel in self._wanted.items() if name not in known}

    async def environment(self, channel: str, now: float) -> str | None:
        """Find the environment of a channel; None where there is none.

        Parameters
        ----------
        channel
            ID.
        now
            Seconds on any steady clock: lost names are looked for at most every 30 s.
        """
        if channel not in self._environments and now - self._looked >= RETRY_SECONDS:
            self._looked = now
            await self.resolve()
        if channel in self._environments:
            return self._environments[channel]
        # Buttons of alarms are pressed where alarms are shown.
        shown = [name for name, alarms in self._alarms.items() if alarms == channel]
        return shown[0] if len(shown) == 1 else None

    def alarms_of(self, environment: str) -> str | None:
        """Give the ID of the channel of the environment's alarms; None where it is not known."""
        return self._alarms.get(environment) or self.id_of(environment)

    async def named(self, channel: str, now: float) -> str | None:
        """Give the ID of any other channel that the bot is in; None where it is in none such.

        Parameters
        ----------
        channel
            Name or ID.
        now
            Seconds on any steady clock: the list is asked for at most every 30 s.
        """
        if _ID.fullmatch(channel):
            return channel
        if channel not in self._others and now - self._listed >= RETRY_SECONDS:
            self._listed = now
            try:
                self._others = {name: id_ async for id_, name in self._web.channels()}
            except SlackRefused as error:
                _log.warning("Slack does not tell which channels the bot is in", code=error.code)
        return self._others.get(channel)

    def id_of(self, environment: str) -> str | None:
        """Give the ID of the environment's channel; None where it is not known."""
        known = (channel for channel, name in self._environments.items() if name == environment)
        return next(known, None)

    def mention(self, environment: str) -> Markup:
        """Name the environment's channel, as a link where its ID is known."""
        channel = self.id_of(environment)
        return mark("<#{}>", channel) if channel else mark("#{}", self._wanted[environment])


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

    def __init__(self, web: SlackApi, clock: Callable[[], float]) -> None:
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
