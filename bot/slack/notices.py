"""Says once what must be said once: what belongs into a thread, and new messages in a channel.

The process that wrote a notice sends it, and failing that the leader. Whoever sends it claims it
first; one that may have been sent already is looked for in the channel before it is sent again.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from time import monotonic

import structlog

from bot.domain.errors import StateError
from bot.domain.notices import Queued, Said
from bot.render.blocks import message
from bot.slack.channels import Channels
from bot.slack.patience import SlackRefused
from bot.slack.posts import AGAIN_AFTER
from bot.slack.telling import Telling
from bot.slack.web import Web
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts
from bot.tasks import Tasks

_log = structlog.get_logger()

CLAIMED_FOR = timedelta(seconds=60)
LONGEST_PAUSE = 60
"""Seconds between two tries, at most: when Slack is there again, people wait for what was held."""

_GIVEN = 50.0
_LOOK_BACK = timedelta(minutes=1)
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
        web: Web,
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
