"""Brings what a channel shows to what the database wants shown, each message as its subject is now.

A card is drawn from its request, an alarm from its incident, whenever that has changed. So a crash,
a lost answer or an hour without Slack costs nothing: the next look finds the message behind, and
draws it as it is then.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from bot.domain.errors import StateError
from bot.domain.notices import Post, Subject
from bot.slack.drawers import Drawer
from bot.slack.patience import SlackRefused
from bot.slack.web import Web
from bot.storage.posts import Posts
from bot.tasks import Tasks

_log = structlog.get_logger()

CLAIMED_FOR = timedelta(seconds=60)
"""How long a process has for one card; then another one may take it for dead."""

AGAIN_AFTER = timedelta(seconds=5)

_GIVEN = 50.0
"""Seconds after which a card is given up for now; less than `CLAIMED_FOR`."""

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
        web: Web,
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
