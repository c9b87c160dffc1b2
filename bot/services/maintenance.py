"""Maintenance of one environment: windows that are announced, started, ended, and told in time.

Alarms are held from the start of a window until it is ended, see `hours`. Every step is one
compare-and-set in the database, with what must be said about it in the same transaction.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.domain.alarms import Hours
from bot.domain.approvals import AuditLine
from bot.domain.environments import BOT, Environment, Person
from bot.domain.errors import Refused, UserError
from bot.domain.maintenance import LONGEST_TEXT, Closing, Due, Stage, Window, Word, check_times
from bot.domain.notices import ANSWERED_WITHIN, Notice, Said
from bot.storage.alarms import Incidents
from bot.storage.approvals import Requests
from bot.storage.maintenance import Overlaps, Windows
from bot.storage.outbox import Outbox
from bot.storage.steps import Effects

_log = structlog.get_logger()

_RECENT_REQUESTS = 50
_TRIES = 5
"""Compare-and-sets in a row that others may win."""


class Maintenance:
    """One environment's windows.

    Parameters
    ----------
    mirrors
        Further channels that hear of starts and ends.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        windows: Windows,
        outbox: Outbox,
        incidents: Incidents,
        requests: Requests,
        mirrors: Sequence[str],
    ) -> None:
        self._environment = environment
        self._windows = windows
        self._outbox = outbox
        self._incidents = incidents
        self._requests = requests
        self._mirrors = tuple(mirrors)
        self.ended = asyncio.Event()

    async def windows(self) -> list[Window]:
        """Give the windows that are not over, the next first."""
        return await self._windows.open(self._environment.name)

    async def find(self, number: int) -> Window:
        """Give one window.

        Raises
        ------
        UserError
            If there is none of that number here.
        """
        found = await self._windows.find(number)
        if found is None or found.environment != self._environment.name:
            raise UserError(
                f"{self._environment.label} has no maintenance window {number}. "
                "`maintenance list` shows those that are planned.",
                suggestion="maintenance list",
            )
        return found

    async def hours(self, now: datetime) -> list[Hours]:
        """Give the time during which alarms are held.

        A window holds until somebody ends it; one that is forgotten, for `margin` past its end.
        """
        return [
            # The clock may have been set back since it started.
            Hours(min(each.started or each.starts, now), self._released(each))
            for each in await self.windows()
            if each.stage is Stage.STARTED
        ]

    def _released(self, window: Window) -> datetime:
        """Tell when a window holds alarms no longer, even if nobody ends it."""
        return window.ends + self._environment.margin

    async def between(self, since: datetime, until: datetime) -> list[Hours]:
        """Give the time of each window that was under way at any moment of a time."""
        found = await self._windows.between(self._environment.name, since, until)
        return [
            Hours(each.started, each.ended or until) for each in found if each.started is not None
        ]

    async def inside(self) -> Window | None:
        """Give the window that has been started and is not over."""
        open_ones = await self.windows()
        return next((each for each in open_ones if each.stage is Stage.STARTED), None)

    async def announce(self, text: str, person: Person, now: datetime) -> Mapping[str, str]:
        """Say something once, in the channel and the mirrors; nothing is held.

        Returns
        -------
        Mapping
            Each place that hears of it, with why it does not, once Slack had time to take it; the
            channel itself is the empty name.
        """
        _check_text(text)
        values = {"word": "announce", "text": text, "by": person.name, "at": now.isoformat()}
        notices = [
            self._notice(None, {**values, "place": place}, channel)
            for place, channel in self._everywhere()
        ]
        numbers = await self._outbox.add(now, *notices)
        found = await self._outbox.settled(numbers)
        return {each.channel: found[number] for each, number in zip(notices, numbers, strict=True)}

    async def schedule(
        self,
        starts: datetime,
        ends: datetime,
        reason: str,
        person: Person,
        now: datetime,
        *,
        during_observing: bool = False,
    ) -> Window:
        """Announce a window; one that begins now starts at once.

        Raises
        ------
        UserError
            If its times make no sense, or it overlaps another one.
        Refused
            If it comes too close to the night.
        """
        _check_text(reason)
        draft = Window(
            0,
            self._environment.name,
            starts,
            ends,
            reason,
            person,
            announced=now,
            during_observing=during_observing,
        )
        check_times(self._environment, draft, now)
        if starts > now:
            return await self._create(draft, "maintenance schedule")
        draft = replace(draft, stage=Stage.STARTED, started=now, started_by=person)
        # The announcement itself says to the channel that it has started.
        places = [("mirror", each) for each in self._mirrors]
        return await self._create(draft, "maintenance start", places)

    async def start(self, number: int, person: Person, now: datetime) -> Window:
        """Start a planned window, perhaps before its time."""

        def begun(window: Window) -> Window:
            return check_times(self._environment, window.begun(now, person), now)

        return await self._step(number, begun, Word.STARTED, person, now, action="start")

    async def change(
        self,
        number: int,
        starts: datetime,
        ends: datetime,
        person: Person,
        now: datetime,
        *,
        during_observing: bool = False,
    ) -> Window:
        """Change the times of a planned window."""

        def changed(window: Window) -> Window:
            after = window.changed(starts, ends, during_observing=during_observing, now=now)
            return check_times(self._environment, after, now)

        return await self._step(number, changed, Word.CHANGED, person, now, action="change")

    async def extend(
        self,
        number: int,
        duration: timedelta,
        person: Person,
        now: datetime,
        *,
        during_observing: bool = False,
    ) -> Window:
        """Give a window more time."""

        def longer(window: Window) -> Window:
            after = window.extended(duration, during_observing=during_observing, now=now)
            return check_times(self._environment, after, now)

        return await self._step(number, longer, Word.CHANGED, person, now, action="extend")

    async def update(self, number: int, text: str, person: Person, now: datetime) -> Window:
        """Write something into the thread of a window."""
        _check_text(text)
        return await self._step(
            number, Window.updated, Word.UPDATE, person, now, action="update", text=text
        )

    async def end(self, number: int, text: str, person: Person, now: datetime) -> Window:
        """End a window: alarms are no longer held, and all is looked at at once."""
        _check_text(text)

        def over(window: Window) -> Window:
            return window.over(person, text, now)

        ended = await self._step(number, over, Word.ENDED, person, now, action="end")
        self.ended.set()
        return ended

    async def cancel(self, number: int, person: Person, now: datetime) -> Window:
        """Take a planned window back."""

        def cancelled(window: Window) -> Window:
            return window.cancelled(person, now)

        return await self._step(number, cancelled, Word.CANCELLED, person, now, action="cancel")

    async def refused(self, number: int, why: str, now: datetime) -> bool:
        """Take back a window whose announcement its channel refuses: nobody would know of it.

        Returns
        -------
        bool
            True if there is nothing to show any more.
        """
        window = await self._windows.find(number)
        if window is None or window.stage.final:
            return True
        line = self._line(f"maintenance cancel {number}", BOT, now, f"not announced: {why}")
        notices = []
        if now - window.announced > ANSWERED_WITHIN:
            values = {"person": window.owner.id, "what": "window", "why": why}
            notices.append(Notice(Said.REFUSED, window.environment, number, values))
        if window.stage is Stage.STARTED:
            after = window.over(BOT, f"It could not be announced: {why}", now)
            mirrors = [("mirror", each) for each in self._mirrors]
            notices += self._about(after, Word.ENDED, now, BOT, places=mirrors)
        else:
            after = window.cancelled(BOT, now)
        done = await self._replace(window, after, Effects(notices, line=line, redraw=False), now)
        self.ended.set()
        return done

    async def closing(self, window: Window) -> Closing:
        """Tell what a window held, what still fires, and what was carried out during it."""
        name = self._environment.name
        started, ended = window.started or window.starts, window.ended or window.ends
        during = await self._incidents.between(name, started, ended)
        requests = await self._requests.latest(name, _RECENT_REQUESTS)
        return Closing(
            held=[each for each in during if each.was_held],
            firing=await self._incidents.firing(name),
            requests=[
                each
                for each in requests
                if each.started is not None and started <= each.started <= ended and each.outcome
            ],
        )

    async def tick(self, now: datetime) -> None:
        """Start what is to start, and remind of what is due."""
        for window in await self.windows():
            try:
                await self._look(window, now)
            except (UserError, Overlaps):
                _log.exception("a window could not be looked after", window=window.id)

    async def _look(self, window: Window, now: datetime) -> None:
        if window.stage is Stage.SCHEDULED and window.ends <= now:
            channel = [("channel", "")]
            notices = self._about(window, Word.MISSED, window.ends, window.owner, places=channel)
            line = self._line(f"maintenance missed {window.id}", BOT, now)
            await self._replace(window, window.missed(now), Effects(notices, line=line), now)
            return
        if window.stage is Stage.SCHEDULED and window.starts <= now:
            notices = self._about(window, Word.STARTED, window.starts, window.owner)
            line = self._line(f"maintenance start {window.id}", BOT, now)
            await self._replace(window, window.begun(now), Effects(notices, line=line), now)
            return
        due = window.due(now)
        released = Due(Word.RELEASED, self._released(window))
        if window.stage is Stage.STARTED and released.at <= now and not window.released:
            # It says that it overruns, too.
            due = (released,)
        if due:
            thread = [("thread", "")]
            notices = [
                notice
                for each in due
                for notice in self._about(window, each.word, each.at, window.owner, places=thread)
            ]
            # Before its end, nothing that the announcement shows has changed.
            effects = Effects(notices, redraw=window.ends <= now)
            await self._replace(window, window.having_said(*due), effects, now)

    async def _create(
        self, draft: Window, action: str, places: Sequence[tuple[str, str]] = ()
    ) -> Window:
        """Keep a new window; one that has started is told to these places."""
        now = draft.announced

        def effects(made: Window) -> Effects:
            return Effects(
                self._about(made, Word.STARTED, now, draft.owner, places=places),
                line=self._line(f"{action} (window {made.id})", draft.owner, now, draft.reason),
            )

        try:
            return await self._windows.create(draft, effects, now=now)
        except Overlaps as error:
            raise _overlapping(error) from error

    async def _step(
        self,
        number: int,
        step: Callable[[Window], Window],
        word: Word,
        person: Person,
        now: datetime,
        *,
        action: str,
        text: str = "",
    ) -> Window:
        """Take a step of a window, and say so.

        Raises
        ------
        UserError
            If the step cannot be taken, or would overlap another window.
        Refused
            If others were quicker, again and again.
        """
        line = self._line(f"maintenance {action} {number}", person, now, text)
        for _ in range(_TRIES):
            before = await self.find(number)
            after = step(before)
            notices = self._about(after, word, now, person, text=text)
            if await self._replace(before, after, Effects(notices, line=line), now):
                return after
        raise Refused("Others changed this window at the same time. Look once more, and try again.")

    async def _replace(
        self, before: Window, after: Window, effects: Effects, now: datetime
    ) -> bool:
        try:
            return await self._windows.replace(before, after, effects, now=now)
        except Overlaps as error:
            raise _overlapping(error) from error

    def _about(
        self,
        window: Window,
        word: Word,
        at: datetime,
        person: Person,
        *,
        text: str = "",
        places: Sequence[tuple[str, str]] | None = None,
    ) -> list[Notice]:
        """Give what must be said of a step, wherever it must be said."""
        if places is None:
            everywhere = word in (Word.STARTED, Word.ENDED)
            places = self._everywhere() if everywhere else [("thread", "")]
        values = {"word": word.value, "at": at.isoformat(), "by": person.name, "text": text}
        return [
            self._notice(window.id, {**values, "place": place}, channel)
            for place, channel in places
        ]

    def _everywhere(self) -> list[tuple[str, str]]:
        """Give every place that hears of a start and an end, and its channel."""
        return [("channel", ""), *(("mirror", each) for each in self._mirrors)]

    def _notice(self, window: int | None, values: dict[str, str], channel: str) -> Notice:
        return Notice(Said.WINDOW, self._environment.name, window, values, channel)

    def _line(self, action: str, person: Person, now: datetime, reason: str = "") -> AuditLine:
        return AuditLine(now, self._environment.name, action, person, "done", reason=reason)


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise UserError(
            f"That may have {LONGEST_TEXT:,} characters, this has {len(text):,}. "
            "Link to the longer text instead."
        )


def _overlapping(error: Overlaps) -> UserError:
    window = error.window
    return UserError(
        f"That overlaps window {window.id} ({window.reason[:60]}). Extend that one? "
        f"`maintenance extend {window.id} 1h`"
    )
