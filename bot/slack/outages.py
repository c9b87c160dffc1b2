"""Says in an environment's channel that nobody looks, without the database, which may be why."""

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from secrets import token_hex

import structlog

from bot.domain.alarms import Silence
from bot.domain.blindness import Blindness
from bot.domain.errors import BotError, StateError
from bot.render import blindness
from bot.render.blocks import Drawn, message
from bot.services.environments import Services
from bot.slack.api import SlackApi, SlackRefused
from bot.slack.directory import Channels

_log = structlog.get_logger()

_LOOK_BACK = timedelta(minutes=1)

_GIVEN = 20.0
"""Seconds for one try; while Slack hangs this loop must not look as if it did."""

_SURE = 15
"""Turns of a second for which a watch must be late: one that only slept, with the whole process,
looks before that."""


@dataclass
class _Outage:
    """An outage of one watch, and what of it the channel has been told."""

    blind: Blindness
    key: str
    turns: int = 0
    told: bool = False
    tried: datetime | None = None


class Outages:
    """Tells of each outage of a watch once, and once of its end.

    The process that looks does, or that looked until it lost the database.
    """

    def __init__(self, api: SlackApi, channels: Channels, services: Mapping[str, Services]) -> None:
        self._api = api
        self._channels = channels
        self._services = services
        self._outages: dict[str, _Outage] = {}

    async def tick(self, now: datetime) -> None:
        """Tell what has begun, and what is over."""
        for name, services in self._services.items():
            blind, known = services.watch.blind(now), self._outages.get(name)
            if blind is not None and known is None:
                known = self._outages[name] = _Outage(blind, token_hex(8))
            if known is None:
                continue
            if not known.told and blind is not None:
                known.blind, known.turns = blind, known.turns + 1
                if known.turns < _SURE and blind.clock_set is None:
                    continue
                _log.error("nobody looks", environment=name, reason=blind.why)
                ended = await _ended(services, known.blind, now)
                drawn = blindness.outage(services.environment, known.blind, now, ended)
                known.told = await self._tell(name, known, drawn, now)
            elif not known.told and known.tried is None:
                del self._outages[name]
            elif blind is None:
                over = _Outage(known.blind, f"{known.key}-over", tried=known.tried)
                drawn = blindness.over(services.environment, known.blind, now)
                if await self._tell(name, over, drawn, now):
                    del self._outages[name]

    async def _tell(self, name: str, outage: _Outage, drawn: Drawn, now: datetime) -> bool:
        channel = self._channels.id_of(name)
        if channel is None:
            return True
        text, blocks, _ = drawn
        since = (outage.tried - _LOOK_BACK).timestamp() if outage.tried else None
        outage.tried = outage.tried or now
        try:
            async with asyncio.timeout(_GIVEN):
                await self._api.post(
                    channel, message(text, blocks), key=outage.key, perhaps_since=since, urgent=True
                )
        except (SlackRefused, BotError, TimeoutError) as error:
            _log.warning("nobody could be told that nobody looks", reason=str(error))
            return False
        return True


async def _ended(services: Services, blind: Blindness, now: datetime) -> list[Silence]:
    """Find the silences that a clock that was set forward has ended, where the database tells."""
    if blind.clock_set is None or blind.clock_set < timedelta(0):
        return []
    before = now - blind.clock_set
    with suppress(StateError):
        between = await services.alarms.silences_between(before, now)
        return [each for each in between if each.ends is not None and each.ends <= now]
    return []
