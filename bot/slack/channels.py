"""Which channel speaks for which environment.

Channels are known by ID. A name from the configuration is looked up among the channels that the
bot is in; one that is not found is looked for again when somebody types where nothing is known.
"""

import re
from collections.abc import Mapping

import structlog

from bot.domain.errors import FatalError
from bot.render.blocks import Markup, mark
from bot.slack.patience import SlackRefused
from bot.slack.web import Web

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
        self, web: Web, wanted: Mapping[str, str], alarms: Mapping[str, str] | None = None
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
