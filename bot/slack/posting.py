"""Messages that the bot posts by itself: what a channel should show, and what must be said once.

A card is drawn from its request, an alarm from its incident, whenever that has changed. So a crash,
a lost answer or an hour without Slack costs nothing: the next look finds the message behind, and
draws it as it is then. What belongs into a thread is said once: whoever sends it claims it first,
and one that may have been sent already is looked for in the channel before it is sent again.
"""

import asyncio
import secrets
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from time import monotonic
from typing import Protocol

import structlog

from bot.domain import night
from bot.domain.alarms import Holding, Incident, Transition
from bot.domain.environments import Person, Right
from bot.domain.errors import RedisError, StateError
from bot.domain.maintenance import Window, Word
from bot.domain.night import next_dusk
from bot.domain.notices import Notice, Post, Queued, Said, Subject
from bot.domain.rules import Finding, Runs, Severity
from bot.loops import Tasks
from bot.render import (
    alarms,
    approvals,
    incidents,
    maintenance,
    nights,
    outcomes,
    pages,
)
from bot.render.blocks import Block, Button, Markup, Message, message
from bot.render.workloads import NOTHING_KNOWN, Around
from bot.services.environments import Services
from bot.slack.api import SlackApi, SlackRefused
from bot.slack.directory import Channels
from bot.storage.alarms import Incidents
from bot.storage.approvals import Requests
from bot.storage.maintenance import Windows
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts

_log = structlog.get_logger()


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
    runs = incident.rule.runs
    window, pod, jobs = await asyncio.gather(
        room.maintenance.inside(),
        room.workloads.pod() if runs is Runs.POD else _nothing(),
        room.workloads.jobs(incident.instrument) if runs is Runs.JOBS else _nothing(),
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


CLAIMED_FOR = timedelta(seconds=60)
"""How long a process has for one message; then another one may take it for dead."""

AGAIN_AFTER = timedelta(seconds=5)

_GIVEN = 50.0
"""Seconds after which a message is given up for now; less than `CLAIMED_FOR`."""

_DELETED = ("message_not_found", "cant_update_message")


class Cards:
    """Posts and updates messages that stand for something: cards, alarms.

    Parameters
    ----------
    web
        Calls to Slack.
    posts
        What is wanted.
    drawers
        Draw each kind of it.
    holder
        Name of this process.

    Attributes
    ----------
    wake
        Set it to have what is behind brought up at once.
    """

    def __init__(
        self,
        web: SlackApi,
        posts: Posts,
        drawers: Mapping[Subject, Drawer],
        *,
        holder: str,
    ) -> None:
        self._web = web
        self._posts = posts
        self._drawers = drawers
        self._holder = holder
        self._tasks = Tasks(at_once=5)
        self._drawing: set[int] = set()
        self._again: set[int] = set()
        self.wake = asyncio.Event()

    async def tick(self, now: datetime) -> None:
        """Begin to bring up every card that is behind; Slack's slowness is waited for elsewhere."""
        for post in await self._posts.behind(now):
            if post.id in self._drawing:
                self._again.add(post.id)
            elif not self._tasks.full:
                self._drawing.add(post.id)
                self._tasks.start(self._bring(post, now), name=f"card {post.subject}")

    async def finish(self, now: datetime, seconds: float) -> None:
        """Bring up what is behind, also what has changed while it was drawn; then no more.

        Raises
        ------
        StateError
            If the database does not tell what is behind.
        """
        try:
            async with asyncio.timeout(seconds):
                await self.tick(now)
                while self._tasks.running:
                    await self._tasks.settled()
                    # What was being drawn is looked at once more: it may have changed meanwhile.
                    await self.tick(now)
        except TimeoutError:
            _log.warning("not every card could be shown before the end of the process")
        finally:
            await self._tasks.drain(0)

    async def _bring(self, post: Post, now: datetime) -> None:
        try:
            claimed = await self._posts.claim(post, self._holder, now, now + CLAIMED_FOR)
            if claimed is not None:
                await self._draw(claimed, now)
        finally:
            self._drawing.discard(post.id)
            if post.id in self._again:
                # It changed while it was drawn.
                self._again.discard(post.id)
                self.wake.set()

    async def _draw(self, post: Post, now: datetime) -> None:
        try:
            async with asyncio.timeout(_GIVEN):
                await self._show(post, now)
        except (SlackRefused, TimeoutError) as error:
            if isinstance(error, SlackRefused) and error.code in _DELETED and post.ts is not None:
                _log.warning("a card was deleted; it is posted anew", subject=post.subject)
                await self._posts.forget(post)
                await self._posts.release(post, self._holder, not_before=now)
                return
            _log.warning("a card could not be shown", subject=post.subject, reason=str(error))
            await self._posts.release(post, self._holder, not_before=now + AGAIN_AFTER)
        except StateError:
            # The claim runs out by itself.
            _log.exception("a card could not be drawn", subject=post.subject)

    async def _show(self, post: Post, now: datetime) -> None:
        drawing = await self._drawers[post.kind].draw(post, now)
        ts = post.ts
        if ts is None:
            since = drawing.since.timestamp() if post.tried else None
            ts = await self._web.post(
                drawing.channel, drawing.shown, key=post.key, perhaps_since=since
            )
        if post.tried or post.ts is not None:
            # One that was found again shows its subject as it was when it was posted.
            await self._web.update(drawing.channel, ts, drawing.shown)
        await self._posts.shown(
            post, self._holder, channel=drawing.channel, ts=ts, version=post.wanted
        )


Drawn = tuple[Markup, list[Block], list[Button]]


class Telling:
    """Draws notices.

    Parameters
    ----------
    requests, incidents
        What they are about.
    rooms
        Every environment's services, by name.
    """

    def __init__(
        self, requests: Requests, incidents: Incidents, rooms: Mapping[str, Services]
    ) -> None:
        self._requests = requests
        self._incidents = incidents
        self._rooms = rooms

    async def draw(self, notice: Notice, now: datetime) -> Drawn | None:
        """Draw a notice; None where there is nothing to say any more.

        Raises
        ------
        SlackRefused
            If what it is about is not there.
        StateError
            If the database does not answer.
        """
        room = self._rooms.get(notice.environment)
        if room is None:
            raise SlackRefused("no such environment")
        match notice.said:
            case Said.TRANSITION | Said.ASKED | Said.PAGED:
                return await self._turn(notice)
            case Said.TARGET_FAILED:
                text, blocks, buttons = pages.target_failed(
                    room.environment,
                    notice.values["target"],
                    notice.values["reason"],
                    incident=notice.subject or 0,
                    given_up=notice.values["given up"] == "yes",
                    now=now,
                )
                return text, blocks, buttons
            case Said.SUMMARY:
                evening = date.fromisoformat(notice.values["evening"])
                report = await room.nights.night(notice.values["instrument"], evening, now)
                return nights.summary(room.environment, report, now)
            case Said.WINDOW:
                return await self._window(room, notice, now)
            case Said.CHECK:
                dusk = await room.nights.dusk(now)
                return nights.dusk(room.environment, dusk, now) if dusk else None
            case _:
                found = None
                if notice.subject is not None:
                    found = await self._requests.find(notice.subject)
                return outcomes.notice(notice, found)

    async def _window(self, room: Services, notice: Notice, now: datetime) -> Drawn:
        """Draw what is said of a maintenance window, or announced without one."""
        values, environment = notice.values, room.environment
        at = datetime.fromisoformat(values["at"])
        late = now - at
        if notice.subject is None:
            return maintenance.announcement(environment, values["text"], values["by"], late)
        window = await room.maintenance.find(notice.subject)
        match Word(values["word"]):
            case Word.STARTED:
                return maintenance.started(window, environment, now, late=late)
            case Word.ENDED:
                return await self._closing(room, window, now, late)
            case Word.UPDATE:
                return maintenance.update(window, values["text"], values["by"], now, late)
            case Word.CHANGED:
                return maintenance.changed(window, values["by"], now, late)
            case Word.CANCELLED:
                return maintenance.cancelled(window, values["by"], now, late)
            case word:
                return maintenance.reminder(word, window, now, late)

    async def _closing(
        self, room: Services, window: Window, now: datetime, late: timedelta
    ) -> Drawn:
        closing = await room.maintenance.closing(window)
        looks = await room.streams.look(room.environment.instruments)
        server = None
        with suppress(RedisError):
            server = await room.streams.server()
        return maintenance.ended(
            window,
            room.environment,
            now,
            requests=closing.requests,
            held=closing.held,
            firing=closing.firing,
            state=maintenance.readiness(room.environment, looks, server),
            links=await room.alarms.links(closing.firing),
            dusk=next_dusk(room.environment.site, now),
            late=late,
        )

    async def _turn(self, notice: Notice) -> Drawn:
        incident = await self._incidents.find(notice.subject or 0)
        if incident is None:
            raise SlackRefused("its alarm is not there")
        values = notice.values
        happened = Transition(values["turn"])
        at = datetime.fromisoformat(values["at"])
        return incidents.transition(_then(incident, values), happened, at, by=values.get("by", ""))


def _then(incident: Incident, values: Mapping[str, str]) -> Incident:
    """Give an incident as it was then, as far as that was written down; its figures go on."""
    leading = values["leading"]
    found = incident.findings.get(leading)
    since = found.since if found else incident.began
    told = values["told"].split()
    owner = incident.owner
    if owner is not None and values["owner"]:
        # Somebody else may be on it by now.
        owner = Person(owner.id, values["owner"])
    return replace(
        incident,
        findings={leading: Finding(leading, Severity(values["severity"]), since)},
        held=Holding(values["held"]) if values["held"] else None,
        told={name: at for name, at in incident.told.items() if name in told},
        owner=owner,
    )


LONGEST_PAUSE = 60
"""Seconds between two tries, at most: when Slack is there again, people wait for what was held."""

_NO_MESSAGE = "its message is not there yet"
_OF_CHANNEL = (Said.OUTCOME, Said.RESOLVED, Said.ALONE, Said.DROPPED, Said.WINDOW)
_IN_THREAD = (Said.OUTCOME, Said.RESOLVED, Said.TRANSITION, Said.ASKED, Said.PAGED)


class Notices:
    """Sends notices.

    Parameters
    ----------
    web
        Calls to Slack.
    channels
        Knows the channel of each environment.
    outbox, posts
        What to say, and below which message.
    telling
        Draws it.
    holder
        Name of this process.
    leads
        Tells whether this process sends for the others, too.

    Attributes
    ----------
    wake
        Set it to have what waits sent at once.
    """

    def __init__(
        self,
        web: SlackApi,
        channels: Channels,
        *,
        outbox: Outbox,
        posts: Posts,
        telling: Telling,
        holder: str,
        leads: Callable[[], bool],
    ) -> None:
        self._web = web
        self._channels = channels
        self._outbox = outbox
        self._posts = posts
        self._telling = telling
        self._holder = holder
        self._leads = leads
        self._tasks = Tasks(at_once=5)
        self._sending: set[int] = set()
        self.wake = asyncio.Event()

    async def tick(self, now: datetime) -> None:
        """Begin to send what waits."""
        writer = None if self._leads() else self._holder
        for queued in await self._outbox.waiting(now, writer=writer, limit=50):
            if queued.id not in self._sending and not self._tasks.full:
                self._sending.add(queued.id)
                self._tasks.start(self._send(queued, now), name=f"notice {queued.id}")

    async def aclose(self, seconds: float) -> None:
        """Let what is being sent come to its end."""
        await self._tasks.drain(seconds)

    async def _send(self, queued: Queued, now: datetime) -> None:
        try:
            claimed = await self._outbox.claim(queued, self._holder, now, now + CLAIMED_FOR)
            if claimed is not None:
                await self._try(claimed, now)
        finally:
            self._sending.discard(queued.id)

    async def _try(self, queued: Queued, now: datetime) -> None:
        try:
            async with asyncio.timeout(_GIVEN):
                await self._post(queued, now)
            await self._outbox.sent(queued, now)
        except (SlackRefused, TimeoutError) as error:
            # To look for the message that it belongs below asks nothing of Slack.
            waits = str(error) == _NO_MESSAGE
            most = AGAIN_AFTER.total_seconds() if waits else LONGEST_PAUSE
            pause = min(2**queued.attempts, most) * (1 + secrets.randbelow(50) / 100)
            _log.warning("a notice could not be sent", notice=queued.id, reason=str(error))
            await self._outbox.failed(queued, not_before=now + timedelta(seconds=pause))
        except StateError:
            # The claim runs out by itself, and the message is found by its key.
            _log.exception("a notice may have been sent", notice=queued.id)

    async def _post(self, queued: Queued, now: datetime) -> None:
        said = queued.notice
        if said.channel:
            channel = await self._channels.named(said.channel, monotonic())
        elif said.said in _OF_CHANNEL:
            channel = self._channels.id_of(said.environment)
        else:
            channel = self._channels.alarms_of(said.environment)
        if channel is None:
            raise SlackRefused("no channel for it")
        thread = None
        below = said.said in _IN_THREAD or said.values.get("place") == "thread"
        if below and said.subject is not None:
            post = await self._posts.find(said.subject)
            if post is None or post.ts is None:
                raise SlackRefused(_NO_MESSAGE)
            thread, channel = post.ts, post.channel or channel
        drawn = await self._telling.draw(said, now)
        if drawn is None:
            return
        text, blocks, buttons = drawn
        since = (queued.written - _LOOK_BACK).timestamp() if queued.attempts else None
        await self._web.post(
            channel,
            message(text, blocks, buttons=buttons),
            thread=thread,
            key=queued.key,
            perhaps_since=since,
        )
