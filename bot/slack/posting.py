"""Messages that the bot posts by itself: what a channel should show, and what must be said once.

A card is drawn from its request, an alarm from its incident, whenever that has changed. So a crash,
a lost answer or an hour without Slack costs nothing: the next look finds the message behind, and
draws it as it is then.

A notice goes into a thread, or is a new message, and is said once. Whoever sends it claims it
first; one that may have been sent already is looked for in the channel before it is sent again.
"""

import asyncio
import secrets
from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta
from time import monotonic

import structlog

from bot.domain.alarms import Holding, Incident, Transition
from bot.domain.environments import Person, Right
from bot.domain.errors import BotError, RedisError, StateError
from bot.domain.maintenance import Window, Word
from bot.domain.notices import Notice, Post, Queued, Said, Subject, why_refused
from bot.domain.paging import Reach
from bot.domain.rules import Finding, Runs, Severity
from bot.loops import Tasks
from bot.render import alarms, approvals, maintenance, nights, pages
from bot.render.blocks import Drawn, message
from bot.render.errors import refused, replaced
from bot.render.workloads import NOTHING_KNOWN, Around
from bot.services.environments import Services
from bot.slack.api import NO_ANSWER, SlackApi, SlackRefused, Turn
from bot.slack.directory import Channels
from bot.storage.lease import Leader
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts

_log = structlog.get_logger()

CLAIMED_FOR = timedelta(seconds=60)
"""How long a process has for what it sends; then another one may take it for dead."""

GIVEN = 50.0
"""Seconds after which it gives that up for now; less than `CLAIMED_FOR`."""

LOOK_BACK = timedelta(minutes=1)
"""How much earlier than the clock says something may have been posted."""

_AGAIN_AFTER = timedelta(seconds=5)

_LONGEST_PAUSE = timedelta(seconds=60)
"""Between two tries, at most: when Slack is there again, people wait for what was held."""

_LONGEST_PAUSE_OF_EDITS = timedelta(minutes=10)
"""The same, between edits that are refused for good."""

_MOST_TRIES = 100
"""Tries of what is refused for good; then only a new version is tried."""

_LOOKS = 3
"""Looks for a post that was perhaps made; then it is made, perhaps a second time."""

_BRIEFLY = 2.0
"""Seconds for which what is not urgent waits where Slack limits it, before it makes room."""

_URGENTLY = 40.0
"""The same of what is urgent: it is next in line."""

_MOST = 500
"""Notices looked at in one turn: as many as may wait for a channel that is limited."""

_AT_ONCE = 5
"""Messages of one kind at the same time."""

_NO_EDIT = ("cant_update_message", "edit_window_closed", "message_not_found")
"""How Slack says that a message can no longer be edited."""

_NO_MESSAGE = "its message is not there yet"
_OF_CHANNEL = (Said.OUTCOME, Said.RESOLVED, Said.ALONE, Said.DROPPED, Said.WINDOW, Said.ONCALL)
_IN_THREAD = (Said.OUTCOME, Said.RESOLVED, Said.TRANSITION, Said.ASKED, Said.ONCALL)


class Cards:
    """Brings up the messages that stand for something: requests, alarms, windows.

    Parameters
    ----------
    services
        Every environment's, by its name.

    Attributes
    ----------
    wake
        Set it to have what is behind brought up at once.
    """

    def __init__(
        self, api: SlackApi, channels: Channels, services: Mapping[str, Services], posts: Posts
    ) -> None:
        self._api = api
        self._channels = channels
        self._services = services
        self._posts = posts
        self._lanes = _lanes()
        self._drawing: set[int] = set()
        self._again: set[int] = set()
        self._crowded = False
        self.wake = posts.listen()

    async def tick(self, now: datetime) -> None:
        """Begin to bring up every card that is behind; Slack's slowness is waited for elsewhere."""
        for post in await self._posts.behind(now):
            # What is edited slowly keeps no new message waiting, and nobody else's.
            lane = self._lanes[post.environment, post.urgent, post.ts is None]
            if post.id in self._drawing:
                self._again.add(post.id)
            elif lane.full:
                self._crowded = True
            else:
                self._drawing.add(post.id)
                lane.start(self._bring(post, now), name=f"card {post.subject}")

    async def finish(self, now: datetime, seconds: float) -> None:
        """Bring up what is behind, also what has changed while it was drawn; then no more."""
        try:
            async with asyncio.timeout(seconds):
                await self.tick(now)
                while any(lane.running for lane in self._lanes.values()):
                    for lane in list(self._lanes.values()):
                        await lane.settled()
                    # What was being drawn is looked at once more: it may have changed meanwhile.
                    await self.tick(now)
        except StateError as error:
            _log.error("nobody knows which cards are behind at the end", reason=str(error))
        except TimeoutError:
            _log.warning("not every card could be shown before the end of the process")
        finally:
            await asyncio.gather(*(lane.drain(0) for lane in self._lanes.values()))

    async def _bring(self, post: Post, now: datetime) -> None:
        try:
            claimed = await self._posts.claim(post, now, now + CLAIMED_FOR)
            if claimed is not None:
                await self._try(claimed, now)
        except StateError as error:
            # A claim runs out by itself, and a message is found by its key.
            _log.error("a card was not drawn", subject=post.subject, reason=str(error))
        finally:
            self._drawing.discard(post.id)
            if post.id in self._again or self._crowded:
                # It changed while it was drawn, or another one waits for the room.
                self._again.discard(post.id)
                self._crowded = False
                self.wake.set()

    async def _try(self, post: Post, now: datetime) -> None:
        begun = monotonic()
        try:
            async with asyncio.timeout(GIVEN):
                await self._show(post, now)
        except SlackRefused as error:
            await self._put_off(post, error, now + timedelta(seconds=monotonic() - begun))
        except BotError as error:
            if isinstance(error, StateError):
                raise
            await self._put_off(post, SlackRefused(str(error)), now)
        except TimeoutError:
            late = now + timedelta(seconds=monotonic() - begun)
            await self._put_off(post, SlackRefused(NO_ANSWER), late)

    async def _put_off(self, post: Post, error: SlackRefused, now: datetime) -> None:
        """Leave a card for later; one that is refused for good is replaced, or told of, once."""
        _log.warning(
            "a card could not be shown",
            subject=post.subject,
            reason=error.code,
            tries=post.attempts,
        )
        refused = error.code if error.final else ""
        if post.ts is not None and post.former is None and error.code in _NO_EDIT:
            await self._posts.forget(post)
            await self._posts.release(post, not_before=now)
        elif refused and (post.attempts >= _MOST_TRIES or await self._close(post, refused, now)):
            await self._posts.give_up(post, refused)
        else:
            of_edits = refused and post.ts is not None
            longest = _LONGEST_PAUSE_OF_EDITS if of_edits else _LONGEST_PAUSE
            pause = min(_AGAIN_AFTER * 2 ** min(post.attempts, 10), longest)
            if error.retry_after is not None:
                pause = timedelta(seconds=error.retry_after)
            await self._posts.release(post, not_before=now + pause, refused=refused)

    async def _close(self, post: Post, refused: str, now: datetime) -> bool:
        """Take back what nobody has seen and nobody can see; False where it goes on."""
        services = self._services.get(post.environment)
        if services is None or post.ts is not None or post.former is not None:
            return False
        match post.kind:
            case Subject.REQUEST:
                return await services.approvals.refused(post.subject, why_refused(refused), now)
            case Subject.WINDOW:
                return await services.maintenance.refused(post.subject, why_refused(refused), now)
            case Subject.ALARM:
                return False

    async def _show(self, post: Post, now: datetime) -> None:
        alarm = post.kind is Subject.ALARM
        own = self._channels.alarms_of if alarm else self._channels.id_of
        services = self._services.get(post.environment)
        channel = post.channel or own(post.environment)
        if post.refused and post.ts is None and post.attempts % 2:
            # An alarm that its own channel refuses is shown where the environment is spoken to.
            channel = self._channels.id_of(post.environment) or channel
        if services is None or channel is None:
            raise SlackRefused("channel_not_found")
        (text, blocks, buttons), began = await _card(services, post, now)
        shown = message(text, blocks, buttons=buttons)
        turn = _turn(urgent=post.urgent)
        ts = post.ts
        if ts is None:
            # Who cannot look for it must not keep it from the channel for ever.
            look = 0 < post.attempts <= _LOOKS
            since = (began - LOOK_BACK).timestamp() if look else None
            ts = await self._api.post(channel, shown, key=post.key, perhaps_since=since, **turn)
        if post.tried or post.ts is not None:
            # One that was found again shows its subject as it was when it was posted.
            await self._api.update(channel, ts, shown, **turn)
        if post.former is not None and post.ts is None:
            await self._take_away(channel, post.former)
        await self._posts.shown(post, channel=channel, ts=ts, version=post.wanted)

    async def _take_away(self, channel: str, ts: str) -> None:
        """Take away a message that another one stands for; its thread says so where it stays."""
        try:
            await self._api.delete(channel, ts)
        except SlackRefused as error:
            if error.code == "message_not_found":
                return
            _log.warning("a message that is over could not be deleted", reason=error.code)
            text, blocks, buttons = replaced()
            with suppress(SlackRefused):
                await self._api.post(channel, message(text, blocks, buttons=buttons), thread=ts)


def _lanes() -> defaultdict[object, Tasks]:
    """Give lanes in which nothing waits: what does, waits where every process finds it."""
    return defaultdict(lambda: Tasks(at_once=_AT_ONCE, waiting=0))


def _turn(*, urgent: bool) -> Turn:
    return {"urgent": urgent, "longest": _URGENTLY if urgent else _BRIEFLY}


async def _card(services: Services, post: Post, now: datetime) -> tuple[Drawn, datetime]:
    """Draw a post's subject as it is now, and tell since when it may have been posted."""
    environment = services.environment
    match post.kind:
        case Subject.REQUEST:
            request = await services.approvals.find(post.subject)
            inside = await services.maintenance.inside()
            drawn = approvals.request_card(
                request,
                environment,
                await services.rights.named(Right.APPROVER),
                now,
                window=inside.id if inside else None,
            )
            return drawn, request.asked
        case Subject.ALARM:
            incident = await services.alarms.find(post.subject)
            reach = await services.oncall.reach(incident)
            drawn = alarms.incident(
                incident,
                environment,
                reach=reach[incident.id],
                escalate_after=services.alarms.escalate_after,
                targets=", ".join(each.name for each in services.oncall.hearing(now)),
                now=now,
                thresholds=services.alarms.thresholds,
                around=await _around(incident, services),
            )
            return drawn, incident.opened
        case Subject.WINDOW:
            window = await services.maintenance.find(post.subject)
            drawn = maintenance.card(window, environment, now)
            return drawn, window.announced


async def _around(incident: Incident, services: Services) -> Around:
    """Find out what is known around an alarm; what cannot be told in time is left out."""
    if incident.resolved is not None:
        return NOTHING_KNOWN
    runs = incident.rule.runs
    inside, pod, jobs = await asyncio.gather(
        services.maintenance.inside(),
        services.workloads.pod() if runs is Runs.POD else _nothing(),
        services.workloads.jobs(incident.instrument) if runs is Runs.JOBS else _nothing(),
    )
    return Around(
        pod=pod,
        jobs=jobs,
        restartable=services.workloads.configured,
        window=inside.id if inside else None,
        announcement=await services.posts.address(inside.id) if inside else "",
    )


async def _nothing() -> None:
    return None


class Notices:
    """Sends notices: the process that wrote one does, and failing that the leader.

    Parameters
    ----------
    services
        Every environment's, by its name.
    outbox, posts
        What to say, and below which message.
    leader
        Tells whether this process sends for the others, too.

    Attributes
    ----------
    wake
        Set it to have what waits sent at once.
    """

    def __init__(
        self,
        api: SlackApi,
        channels: Channels,
        services: Mapping[str, Services],
        outbox: Outbox,
        posts: Posts,
        *,
        leader: Leader,
    ) -> None:
        self._api = api
        self._channels = channels
        self._services = services
        self._outbox = outbox
        self._posts = posts
        self._leader = leader
        self._lanes = _lanes()
        self._sending: set[int] = set()
        self._crowded = False
        self.wake = outbox.listen()

    async def tick(self, now: datetime) -> None:
        """Begin to send what waits."""
        waiting = await self._outbox.notices(now, own=not self._leader.leads(), limit=_MOST)
        for queued in waiting:
            notice = queued.content
            lane = self._lanes[notice.environment, notice.channel, notice.urgent]
            if queued.id in self._sending:
                continue
            if lane.full:
                self._crowded = True
                continue
            self._sending.add(queued.id)
            lane.start(self._send(queued, now), name=f"notice {queued.id}")

    async def finish(self, now: datetime, seconds: float) -> None:
        """Send what waits, as far as that is possible in this time; then no more."""
        with suppress(StateError):
            await self.tick(now)
        await asyncio.gather(*(lane.drain(seconds) for lane in self._lanes.values()))

    async def _send(self, queued: Queued[Notice], now: datetime) -> None:
        try:
            claimed = await self._outbox.claim(queued, now, now + CLAIMED_FOR)
            if claimed is not None:
                await self._try(claimed, now)
        except StateError as error:
            # The claim runs out by itself, and the message is found by its key.
            _log.error("a notice was not sent, or perhaps", notice=queued.id, reason=str(error))
        finally:
            self._sending.discard(queued.id)
            if self._crowded:
                self._crowded = False
                self.wake.set()

    async def _try(self, queued: Queued[Notice], now: datetime) -> None:
        begun = monotonic()
        try:
            async with asyncio.timeout(GIVEN):
                await self._post(queued, now)
            await self._outbox.sent(queued, now)
        except SlackRefused as error:
            await self._put_off(queued, error, now + timedelta(seconds=monotonic() - begun))
        except BotError as error:
            if isinstance(error, StateError):
                raise
            await self._put_off(queued, SlackRefused(str(error)), now)
        except TimeoutError:
            late = now + timedelta(seconds=monotonic() - begun)
            await self._put_off(queued, SlackRefused(NO_ANSWER), late)

    async def _put_off(self, queued: Queued[Notice], error: SlackRefused, now: datetime) -> None:
        """Leave a notice for later; what somebody waits to see announced is given up, and told."""
        _log.warning("a notice could not be sent", notice=queued.id, reason=error.code)
        if error.final and error.code != _NO_MESSAGE and _only_now(queued.content):
            await self._outbox.give_up(queued, now, why_refused(error.code))
            return
        # To look for the message that it belongs below asks nothing of Slack.
        most = _AGAIN_AFTER if error.code == _NO_MESSAGE else _LONGEST_PAUSE
        pause = min(timedelta(seconds=2 ** min(queued.attempts, 10)), most)
        pause *= 1 + secrets.randbelow(50) / 100
        if error.retry_after is not None:
            pause = timedelta(seconds=error.retry_after)
        await self._outbox.failed(queued, now, not_before=now + pause)

    async def _post(self, queued: Queued[Notice], now: datetime) -> None:
        notice = queued.content
        services = self._services.get(notice.environment)
        if services is None:
            raise SlackRefused("no such environment")
        channel: str | None
        if notice.said is Said.REFUSED:
            channel = notice.values["person"]
        elif notice.channel:
            channel = await self._channels.named(notice.channel, monotonic())
        elif notice.said in _OF_CHANNEL:
            channel = self._channels.id_of(notice.environment)
        else:
            channel = self._channels.alarms_of(notice.environment)
        if channel is None:
            raise SlackRefused("channel_not_found")
        thread = None
        below = notice.said in _IN_THREAD or notice.values.get("place") == "thread"
        if below and notice.subject is not None:
            post = await self._posts.find(notice.subject)
            if post is not None and post.ts is not None:
                thread, channel = post.ts, post.channel or channel
            elif post is not None or notice.said is not Said.ONCALL:
                # Somebody may have had the on-call told of an alarm that is held, and has none.
                raise SlackRefused(_NO_MESSAGE)
        drawn = await _notice(services, notice, now)
        if drawn is None:
            return
        text, blocks, buttons = drawn
        since = (queued.written - LOOK_BACK).timestamp() if queued.attempts else None
        await self._api.post(
            channel,
            message(text, blocks, buttons=buttons),
            thread=thread,
            key=queued.key,
            perhaps_since=since,
            **_turn(urgent=notice.urgent),
        )


def _only_now(notice: Notice) -> bool:
    """Tell whether a notice is said now or never: it was just asked for, and they are told."""
    return notice.said is Said.REFUSED or (notice.said is Said.WINDOW and notice.subject is None)


async def _notice(services: Services, notice: Notice, now: datetime) -> Drawn | None:
    """Draw a notice from what it is about; None where there is nothing to say any more."""
    environment, values = services.environment, notice.values
    match notice.said:
        case Said.TRANSITION | Said.ASKED:
            incident = _then(await services.alarms.find(notice.subject or 0), values)
            at = datetime.fromisoformat(values["at"])
            # The transition; the key is that of older releases, see `Alarms`.
            happened = Transition(values["turn"])
            due = datetime.fromisoformat(values["due"]) if "due" in values else None
            return alarms.transition(incident, happened, at, by=values.get("by", ""), due=due)
        case Said.ONCALL | Said.TARGET_FAILED:
            reach = await _reach(services, values)
            drawn = pages.reached if notice.said is Said.ONCALL else pages.not_reached
            of = await services.alarms.find(notice.subject) if notice.subject else None
            return drawn(environment, reach, of, values.get("summary", ""), now)
        case Said.SUMMARY:
            evening = date.fromisoformat(values["evening"])
            report = await services.nights.night(values["instrument"], evening, now)
            return nights.summary(environment, report, now)
        case Said.CHECK:
            dusk = await services.nights.dusk(now)
            return nights.dusk(environment, dusk, now) if dusk else None
        case Said.REFUSED:
            return refused(environment, notice.subject or 0, values["what"], values["why"])
        case Said.WINDOW:
            late = now - datetime.fromisoformat(values["at"])
            if notice.subject is None:
                return maintenance.announcement(environment, values["text"], values["by"], late)
            window = await services.maintenance.find(notice.subject)
            return await _progress(services, window, values, now, late)
        case _:
            about = notice.subject
            request = None if about is None else await services.approvals.find(about)
            return approvals.notice(notice, request)


async def _reach(services: Services, values: Mapping[str, str]) -> Reach:
    """Tell whom pages with one key have reached by now."""
    if "about" not in values:
        # An older release wrote it.
        return Reach(failed={values["target"]: values["reason"]})
    return await services.oncall.reached(values["about"])


async def _progress(
    services: Services, window: Window, values: Mapping[str, str], now: datetime, late: timedelta
) -> Drawn:
    """Draw what is said of a maintenance window."""
    word = Word(values["word"])
    if word is Word.ENDED:
        return await _closing(services, window, now, late)
    by, written = values["by"], values["text"]
    return maintenance.said(word, window, now, by=by, written=written, late=late)


async def _closing(services: Services, window: Window, now: datetime, late: timedelta) -> Drawn:
    environment = services.environment
    closing = await services.maintenance.closing(window)
    looks = await services.streams.look(environment.instruments)
    server = None
    with suppress(RedisError):
        server = await services.streams.server()
    return maintenance.ended(
        window,
        environment,
        closing,
        now,
        state=maintenance.readiness(environment, looks, server),
        links=await services.alarms.links(closing.firing),
        late=late,
    )


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
        relapses=int(values.get("relapses", "0")),
        owner=owner,
    )
