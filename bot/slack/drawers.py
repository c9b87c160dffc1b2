"""What each kind of message looks like now: requests, alarms, windows, from the database."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from bot.domain import night
from bot.domain.alarms import Incident, Rule, family
from bot.domain.notices import Post
from bot.domain.people import Right
from bot.render import alarms, approvals, maintenance
from bot.render.blocks import Message, message
from bot.render.workloads import NOTHING_KNOWN, Around
from bot.services.environments import Services
from bot.slack.channels import Channels
from bot.slack.patience import SlackRefused
from bot.storage.alarms import Incidents
from bot.storage.approvals import Requests
from bot.storage.maintenance import Windows

_LOOK_BACK = timedelta(minutes=1)


@dataclass(frozen=True)
class Drawing:
    """A message, where it goes, and since when it may have been posted."""

    shown: Message
    channel: str
    since: datetime


class Drawer(Protocol):
    """Draws one kind of message."""

    async def draw(self, post: Post, now: datetime) -> Drawing:
        """Draw a post's subject as it is now.

        Raises
        ------
        SlackRefused
            If its channel is not known, or it is of nothing that is there.
        """
        ...


class RequestDrawer:
    """Draws the cards of requests.

    Parameters
    ----------
    requests
        What to draw.
    rooms
        Every environment's services, by name.
    channels
        Knows the channel of each environment.
    """

    def __init__(
        self, requests: Requests, rooms: Mapping[str, Services], channels: Channels
    ) -> None:
        self._requests = requests
        self._rooms = rooms
        self._channels = channels

    async def draw(self, post: Post, now: datetime) -> Drawing:
        """Draw a request as it is now."""
        request = await self._requests.find(post.subject)
        room = self._rooms.get(post.environment)
        channel = post.channel or self._channels.id_of(post.environment)
        if request is None or room is None or channel is None:
            raise SlackRefused("no channel for it")
        approvers = await room.rights.named(Right.APPROVER)
        window = await room.maintenance.inside()
        text, blocks, buttons = approvals.card(
            request, room.environment, approvers, now, window=window.id if window else None
        )
        return Drawing(message(text, blocks, buttons=buttons), channel, request.asked - _LOOK_BACK)


class AlarmDrawer:
    """Draws the one message of each alarm.

    Parameters
    ----------
    incidents
        What to draw.
    rooms
        Every environment's services, by name.
    channels
        Knows the channel of each environment's alarms.
    """

    def __init__(
        self, incidents: Incidents, rooms: Mapping[str, Services], channels: Channels
    ) -> None:
        self._incidents = incidents
        self._rooms = rooms
        self._channels = channels

    async def draw(self, post: Post, now: datetime) -> Drawing:
        """Draw an alarm as it is now."""
        incident = await self._incidents.find(post.subject)
        room = self._rooms.get(post.environment)
        channel = post.channel or self._channels.alarms_of(post.environment)
        if incident is None or room is None or channel is None:
            raise SlackRefused("no channel for it")
        text, blocks, buttons = alarms.incident(
            incident,
            room.environment,
            escalate_after=room.alarms.escalate_after,
            targets=room.alarms.told_now(now),
            now=now,
            thresholds=room.alarms.thresholds,
            around=await _around(incident, room),
        )
        shown = message(text, blocks, buttons=buttons)
        return Drawing(shown, channel, incident.opened - _LOOK_BACK)


async def _around(incident: Incident, room: Services) -> Around:
    """Find out what is known around an alarm; what cannot be told in time is left out."""
    if incident.resolved is not None:
        return NOTHING_KNOWN
    backlog = family(incident.name) is Rule.BACKLOG
    window, pod, jobs = await asyncio.gather(
        room.maintenance.inside(),
        _nothing() if backlog else room.workloads.pod(),
        room.workloads.jobs(incident.instrument) if backlog else _nothing(),
    )
    return Around(
        pod=pod,
        jobs=jobs,
        restartable=room.workloads.configured,
        window=window.id if window else None,
        announcement=await room.addresses.of(window.id) if window else "",
    )


async def _nothing() -> None:
    return None


class WindowDrawer:
    """Draws the announcement of each maintenance window.

    Parameters
    ----------
    windows
        What to draw.
    rooms
        Every environment's services, by name.
    channels
        Knows the channel of each environment.
    """

    def __init__(self, windows: Windows, rooms: Mapping[str, Services], channels: Channels) -> None:
        self._windows = windows
        self._rooms = rooms
        self._channels = channels

    async def draw(self, post: Post, now: datetime) -> Drawing:
        """Draw a window as it is now."""
        window = await self._windows.find(post.subject)
        room = self._rooms.get(post.environment)
        channel = post.channel or self._channels.id_of(post.environment)
        if window is None or room is None or channel is None:
            raise SlackRefused("no channel for it")
        site = room.environment.site
        dawn = night.last_dawn(site, window.starts)
        dusk = night.next_dusk(site, window.starts)
        text, blocks, buttons = maintenance.card(
            window, room.environment, now, dawn=dawn, dusk=dusk
        )
        shown = message(text, blocks, buttons=buttons)
        return Drawing(shown, channel, window.announced - _LOOK_BACK)
