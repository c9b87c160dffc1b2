"""Brings what a channel shows to what the database wants shown: cards, each in its current state.

A card is drawn from its request whenever the request has changed, so a crash, a lost answer or an
hour without Slack costs nothing: the next look finds the card behind, and draws it as it is then.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from bot.domain.errors import StateError
from bot.domain.notices import Post
from bot.domain.people import Right
from bot.render.approvals import card
from bot.render.blocks import message
from bot.services.rooms import Room
from bot.slack.channels import Channels
from bot.slack.patience import SlackRefused
from bot.slack.web import Web
from bot.storage.approvals import Requests
from bot.storage.posts import Posts
from bot.tasks import Tasks

_log = structlog.get_logger()

CLAIMED_FOR = timedelta(seconds=60)
"""How long a process has for one card; then another one may take it for dead."""

AGAIN_AFTER = timedelta(seconds=5)

_GIVEN = 50.0
"""Seconds after which a card is given up for now; less than `CLAIMED_FOR`."""

_DELETED = ("message_not_found", "cant_update_message")
_LOOK_BACK = timedelta(minutes=1)


class Cards:
    """Posts and updates the cards of requests.

    Parameters
    ----------
    web
        Calls to Slack.
    channels
        Knows the channel of each environment.
    posts, requests
        What is wanted, and of what.
    rooms
        Every environment's services, by name.
    holder
        Name of this process.

    Attributes
    ----------
    wake
        Set it to have what is behind brought up at once.
    """

    def __init__(
        self,
        web: Web,
        channels: Channels,
        *,
        posts: Posts,
        requests: Requests,
        rooms: Mapping[str, Room],
        holder: str,
    ) -> None:
        self._web = web
        self._channels = channels
        self._posts = posts
        self._requests = requests
        self._rooms = rooms
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

    async def aclose(self, seconds: float) -> None:
        """Let what is being drawn come to its end."""
        await self._tasks.drain(seconds)

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
                _log.warning("a card was deleted; it is posted anew", request=post.subject)
                await self._posts.forget(post)
                await self._posts.release(post, self._holder, not_before=now)
                return
            _log.warning("a card could not be shown", request=post.subject, reason=str(error))
            await self._posts.release(post, self._holder, not_before=now + AGAIN_AFTER)
        except StateError:
            # The claim runs out by itself.
            _log.exception("a card could not be drawn", request=post.subject)

    async def _show(self, post: Post, now: datetime) -> None:
        request = await self._requests.find(post.subject)
        room = self._rooms.get(post.environment)
        channel = post.channel or self._channels.id_of(post.environment)
        if request is None or room is None or channel is None:
            raise SlackRefused("no channel for it")
        approvers = await room.roster.named(Right.APPROVER)
        text, blocks, buttons = card(request, room.environment, approvers, now)
        shown = message(text, blocks, buttons=buttons)
        ts = post.ts
        if ts is None:
            since = (request.asked - _LOOK_BACK).timestamp() if post.tried else None
            ts = await self._web.post(channel, shown, key=post.key, perhaps_since=since)
        else:
            await self._web.update(channel, ts, shown)
        await self._posts.shown(post, self._holder, channel=channel, ts=ts, version=post.wanted)
