"""Sends pages, and tells the on-call in Slack itself: by a new message, since edits wake nobody.

A page is sent by the process that wrote it, and failing that by the leader. Whoever sends it
claims it first. Every target has a lane of its own in each environment, so none waits for another
that is slow. A page is about its alarm as it is when it is sent: nobody is called for what is over.
"""

import asyncio
import secrets
import traceback
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from time import monotonic

import structlog

from bot.clients.pagers import Calls, HttpNotifier, Notifier
from bot.domain.errors import StateError
from bot.domain.notices import Queued
from bot.domain.oncall import (
    GIVEN_UP_AFTER,
    Kind,
    Page,
    PageEvent,
    PageFailed,
    Target,
    pause_after,
)
from bot.domain.paging import Fate, fate
from bot.loops import Tasks
from bot.render.blocks import message
from bot.render.pages import mention
from bot.services.environments import Services
from bot.services.oncall import Receipts
from bot.slack.api import SlackApi, SlackRefused
from bot.slack.directory import Channels
from bot.slack.posting import CLAIMED_FOR, GIVEN, LOOK_BACK
from bot.storage.alarms import Incidents
from bot.storage.lease import Leader
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts

_log = structlog.get_logger()

AT_ONCE = 4
"""Calls to one target at the same time."""

_MOST = 500
"""Pages looked at in one turn: as many as may wait for a target that hangs."""

_LONGEST = 5.0
"""Seconds for which a mention waits for its turn. Before each try it is seen what is true then."""

_NOT_INSIDE = ("channel_not_found", "not_in_channel")

_Lane = tuple[str, str]
"""An environment and a target: neither another target nor another environment is waited for."""


class Mention(Notifier):
    """Mentions a user group in the environment's channel."""

    kind = Kind(
        "slack",
        "a mention in this channel",
        needs="usergroup",
        # The rest is seen in Slack without a mention.
        events=(PageEvent.TRIGGER,),
    )

    def __init__(self, target: Target, api: SlackApi, channels: Channels) -> None:
        super().__init__(target)
        self._usergroup = target.usergroup or ""
        self._api = api
        self._channels = channels

    async def notify(
        self, page: Page, *, key: str = "", perhaps_since: datetime | None = None
    ) -> None:
        """Post the page; see `Notifier`."""
        channel = self._channels.alarms_of(page.environment)
        if channel is None:
            reason = f"{self.name} has no channel in Slack that the bot is in"
            raise PageFailed(reason)
        text, blocks, buttons = mention(page, self._usergroup)
        since = (perhaps_since - LOOK_BACK).timestamp() if perhaps_since else None
        try:
            await self._api.post(
                channel,
                message(text, blocks, buttons=buttons),
                key=key or None,
                perhaps_since=since,
                urgent=True,
                longest=_LONGEST,
                tries=1,
            )
        except SlackRefused as error:
            after = error.retry_after
            raise PageFailed(
                f"Slack does not take the mention of {self.name} ({error.code})",
                # An invitation to the channel may come at any moment.
                slow=error.final and error.code not in _NOT_INSIDE,
                perhaps=not error.final and error.code != "ratelimited",
                retry_after=None if after is None else timedelta(seconds=after),
            ) from error


def kinds(pagers: Iterable[type[Notifier]]) -> tuple[Kind, ...]:
    """Give what a target may be: a mention in Slack, or told by one of the other classes."""
    return Mention.kind, *(each.kind for each in pagers)


def notifiers(
    targets: Iterable[Target],
    keys: Mapping[str, str],
    pagers: Iterable[type[HttpNotifier]],
    *,
    calls: Calls,
    api: SlackApi,
    channels: Channels,
) -> dict[str, Notifier]:
    """Build how each target is told, by its name.

    Parameters
    ----------
    keys
        Their secrets by name, where they have one.
    pagers
        The classes beside `Mention`, by which targets are told.
    """
    by_kind = {each.kind: each for each in pagers}
    return {
        each.name: Mention(each, api, channels)
        if each.kind == Mention.kind
        else by_kind[each.kind](each, keys.get(each.name, ""), calls)
        for each in targets
    }


class Pager:
    """Sends pages.

    Parameters
    ----------
    notifiers
        How each target is told, by its name.
    incidents, services
        Know the alarm of a page as it is when it is sent, and its words.
    leader
        Tells whether this process sends for the others, too.
    posts
        Know where the message of a page's alarm is.

    Attributes
    ----------
    wake
        Set it to have what waits sent at once.
    """

    def __init__(
        self,
        outbox: Outbox,
        notifiers: Mapping[str, Notifier],
        incidents: Incidents,
        services: Mapping[str, Services],
        *,
        leader: Leader,
        receipts: Receipts,
        posts: Posts,
    ) -> None:
        self._outbox = outbox
        self._notifiers = notifiers
        self._incidents = incidents
        self._services = services
        self._leader = leader
        self._receipts = receipts
        self._posts = posts
        # Nothing waits in a lane: what does, waits where every process finds it.
        self._lanes = defaultdict[_Lane, Tasks](lambda: Tasks(at_once=AT_ONCE, waiting=0))
        self._sending: dict[int, Queued[Page]] = {}
        self.wake = outbox.listen()

    async def tick(self, now: datetime) -> None:
        """Begin to send what waits."""
        waiting = await self._outbox.pages(now, own=not self._leader.leads(), limit=_MOST)
        # What was never tried is not kept waiting by what has failed.
        for queued in sorted(waiting, key=lambda each: each.attempts > 0):
            lane = self._lanes[queued.content.environment, queued.content.target]
            if queued.id in self._sending or lane.full:
                continue
            # What happens to an alarm is told in its order.
            if _alarm(queued) in map(_alarm, self._sending.values()):
                continue
            page = await self._page(queued, now)
            if page is not None:
                self._sending[queued.id] = queued
                lane.start(self._send(queued, page, now), name=f"page {queued.id}")

    async def finish(self, now: datetime, seconds: float) -> None:
        """Send what waits, as far as that is possible in this time; then no more."""
        with suppress(StateError):
            await self.tick(now)
        await asyncio.gather(*(lane.drain(seconds) for lane in self._lanes.values()))

    async def _page(self, queued: Queued[Page], now: datetime) -> Page | None:
        """Give a page as it is to be sent now; None where it is not."""
        page = queued.content
        if not page.incident:
            return page
        incident = await self._incidents.find(page.incident)
        decided = fate(queued, await self._outbox.about(page.key), incident)
        if decided is Fate.REST:
            return None
        if decided is not Fate.SEND:
            _log.info("a page is not sent", page=queued.id, reason=decided.value)
            await self._outbox.drop(queued, now, decided.value)
            return None
        services = self._services.get(page.environment)
        if incident is None or services is None:
            return page
        return services.oncall.again(page, incident, now)

    async def _send(self, queued: Queued[Page], page: Page, now: datetime) -> None:
        try:
            claimed = await self._outbox.claim(queued, now, now + CLAIMED_FOR)
            if claimed is not None:
                await self._try(claimed, page, now)
        except StateError:
            # The claim runs out by itself, and every target knows a page that it has.
            _log.exception("a page may have been sent", page=queued.id)
        finally:
            del self._sending[queued.id]

    async def _try(self, queued: Queued[Page], page: Page, now: datetime) -> None:
        begun = monotonic()
        failure = await self._notify(queued, page)
        # What a target asks for counts from its answer, and that may have taken a while.
        now += timedelta(seconds=monotonic() - begun)
        if failure is None:
            await self._receipts.taken(queued, now)
            return
        pause = max(
            pause_after(queued.attempts, secrets.randbelow(101) / 100, slow=failure.slow),
            failure.retry_after or timedelta(0),
        )
        again = now + pause if now + pause - queued.written < GIVEN_UP_AFTER else None
        _log.warning(
            "a page could not be sent" if again else "a page is given up",
            page=queued.id,
            target=page.target,
            reason=failure.reason,
            tries=queued.attempts + 1,
        )
        await self._receipts.failed(queued, failure, now, again)

    async def _notify(self, queued: Queued[Page], page: Page) -> PageFailed | None:
        target = page.target
        notifier = self._notifiers.get(target)
        if notifier is None:
            return PageFailed(f"there is no target {target} any more", slow=True)
        if page.step not in notifier.kind.events:
            # Written while the target was of another kind.
            return None
        try:
            async with asyncio.timeout(GIVEN):
                await notifier.notify(
                    await self._with_link(page),
                    key=queued.key,
                    perhaps_since=queued.written if queued.perhaps else None,
                )
        except PageFailed as failure:
            return failure
        except TimeoutError:
            reason = f"{target} has not answered within {GIVEN:g} s"
            return PageFailed(reason, perhaps=True)
        except Exception as error:  # noqa: BLE001 -- a fault of ours must not cost a page
            # Without its text, which may hold an address and so a key.
            where = "".join(traceback.format_tb(error.__traceback__))
            _log.error("a page failed", target=target, error=type(error).__name__, where=where)
            reason = f"{target} could not be told, by a fault of the bot"
            return PageFailed(reason, perhaps=True)
        return None

    async def _with_link(self, page: Page) -> Page:
        if page.link or not page.incident:
            return page
        try:
            return replace(page, link=await self._posts.address(page.incident))
        except StateError:
            _log.exception("a page goes without its link", target=page.target)
            return page


def _alarm(queued: Queued[Page]) -> tuple[str, str]:
    return queued.content.target, queued.content.key
