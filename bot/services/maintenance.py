"""Maintenance of one environment: windows that are announced, started, ended, and told in time.

Alarms are held from the start of a window to its end, see `hours`. Every step is one
compare-and-set in the database, with what must be said about it in the same transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from bot.domain.alarms import Hours, Incident
from bot.domain.approvals import Request
from bot.domain.environments import Environment, Person
from bot.domain.errors import Refused, UserError
from bot.domain.maintenance import Stage, Window, Word
from bot.domain.night import Night
from bot.services.windows import Keeper
from bot.storage.alarms import Incidents
from bot.storage.approvals import Requests
from bot.storage.outbox import Outbox

_FOREVER = timedelta(days=3650)
_RECENT_REQUESTS = 50

LONGEST = timedelta(days=7)
"""A longer window is a slip of the finger; alarms would be held all that time."""

LONGEST_TEXT = 2500
"""Characters of a reason or an update: as many as an announcement shows whole."""


@dataclass(frozen=True)
class Rules:
    """What a window must keep to, in the words of the environment.

    Parameters
    ----------
    night
        Gives the night that a time comes too close to; None where it comes to none.
    refusal
        Says so to a person.
    """

    night: Callable[[datetime, datetime], Night | None]
    refusal: Callable[[datetime, datetime, Night], str]


@dataclass(frozen=True)
class Closing:
    """What is told at the end of a window: what was held, what fires, what was carried out."""

    held: Sequence[Incident]
    firing: Sequence[Incident]
    requests: Sequence[Request]


class Maintenance:
    """One environment's windows.

    Parameters
    ----------
    environment
        Whose.
    keeper
        Writes their steps.
    outbox, incidents, requests
        What is said, and what was held and carried out.
    rules
        What they keep to.
    zone
        Gives a person's time zone in Slack; None where Slack does not tell.
    writer
        Name of this process.
    changed
        Is called after every step, so that messages and notices follow at once.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        keeper: Keeper,
        outbox: Outbox,
        incidents: Incidents,
        requests: Requests,
        rules: Rules,
        zone: Callable[[Person], Awaitable[ZoneInfo | None]],
        writer: str,
        changed: Callable[[], None],
    ) -> None:
        self._environment = environment
        self._keeper = keeper
        self._outbox = outbox
        self._incidents = incidents
        self._requests = requests
        self._rules = rules
        self.zone_of = zone
        self._writer = writer
        self._changed = changed
        self.ended = asyncio.Event()

    async def windows(self) -> list[Window]:
        """Give the windows that are not over, the next first."""
        return await self._keeper.open()

    async def find(self, number: int) -> Window:
        """Give one window.

        Raises
        ------
        UserError
            If there is none of that number here.
        """
        return await self._keeper.find(number)

    async def hours(self, now: datetime) -> list[Hours]:
        """Give the time during which alarms are held; a window holds until somebody ends it."""
        return [
            Hours(each.started or each.starts, now + _FOREVER)
            for each in await self.windows()
            if each.stage is Stage.STARTED
        ]

    async def between(self, since: datetime, until: datetime) -> list[Hours]:
        """Give the time of each window that was under way at any moment of a time."""
        found = await self._keeper.between(since, until)
        return [
            Hours(each.started, each.ended or until) for each in found if each.started is not None
        ]

    async def inside(self) -> Window | None:
        """Give the window that has been started and is not over."""
        open_ones = await self.windows()
        return next((each for each in open_ones if each.stage is Stage.STARTED), None)

    async def announce(self, text: str, person: Person, now: datetime) -> list[str]:
        """Say something once, in the channel and the mirrors; nothing is held.

        Returns
        -------
        list
            The mirrors that hear of it.
        """
        _check_text(text)
        values = {"word": "announce", "text": text, "by": person.name, "at": now.isoformat()}
        for place, channel in self._keeper.places():
            notice = self._keeper.notice(None, {**values, "place": place}, channel)
            await self._outbox.add(notice, writer=self._writer, now=now)
        self._changed()
        return list(self._keeper.mirrors)

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
        """Announce a window.

        Raises
        ------
        UserError
            If its times make no sense, or it overlaps another one.
        Refused
            If it comes too close to the night.
        """
        _check_text(reason)
        self._check(starts, ends, now, during_observing=during_observing)
        draft = self._draft(starts, ends, reason, person, now)
        draft = replace(draft, during_observing=during_observing)
        return await self._keeper.create(draft, "maintenance schedule", ())

    async def start_now(
        self,
        duration: timedelta,
        reason: str,
        person: Person,
        now: datetime,
        *,
        during_observing: bool = False,
    ) -> Window:
        """Announce a window that starts at once.

        Raises
        ------
        UserError, Refused
            As in `schedule`.
        """
        _check_text(reason)
        ends = now + duration
        self._check(now, ends, now, during_observing=during_observing)
        draft = self._draft(now, ends, reason, person, now)
        draft = replace(
            draft,
            during_observing=during_observing,
            stage=Stage.STARTED,
            started=now,
            started_by=person,
        )
        # The announcement itself says to the channel that it has started.
        return await self._keeper.create(
            draft, "maintenance start", self._keeper.mirrors, Word.STARTED
        )

    async def start(self, number: int, person: Person, now: datetime) -> Window:
        """Start a planned window, perhaps before its time.

        Raises
        ------
        UserError
            If it has started already, or is over.
        """

        def begun(window: Window) -> Window:
            if window.stage is not Stage.SCHEDULED:
                raise UserError(f"Window {number} is {window.stage.value} already.")
            after = window.begun(now, person)
            self._check(after.starts, after.ends, now, during_observing=window.during_observing)
            return after

        return await self._keeper.step(
            number, begun, Word.STARTED, person, now, action=f"maintenance start {number}"
        )

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
        """Change the times of a planned window.

        Raises
        ------
        UserError, Refused
            As in `schedule`; or if it has started: then `extend` is meant.
        """

        def moved(window: Window) -> Window:
            if window.stage is not Stage.SCHEDULED:
                raise UserError(
                    f"Window {number} is {window.stage.value} already. "
                    f"`maintenance extend {number} 30m` gives it more time."
                )
            agreed = during_observing or window.during_observing
            self._check(starts, ends, now, during_observing=agreed)
            return window.moved(starts, ends, during_observing=agreed, now=now)

        action = f"maintenance change {number}"
        return await self._keeper.step(number, moved, Word.CHANGED, person, now, action=action)

    async def extend(
        self,
        number: int,
        duration: timedelta,
        person: Person,
        now: datetime,
        *,
        during_observing: bool = False,
    ) -> Window:
        """Give a window more time.

        Raises
        ------
        UserError, Refused
            As in `schedule`.
        """

        def longer(window: Window) -> Window:
            _alive(window)
            # One that overruns gets the time from now on.
            ends = max(window.ends, now) + duration
            agreed = during_observing or window.during_observing
            self._check(window.starts, ends, now, during_observing=agreed)
            return window.moved(window.starts, ends, during_observing=agreed, now=now)

        action = f"maintenance extend {number}"
        return await self._keeper.step(number, longer, Word.CHANGED, person, now, action=action)

    async def update(self, number: int, text: str, person: Person, now: datetime) -> Window:
        """Write something into the thread of a window.

        Raises
        ------
        UserError
            If it is over.
        """
        _check_text(text)

        def updated(window: Window) -> Window:
            _alive(window)
            return window.updated()

        action = f"maintenance update {number}"
        return await self._keeper.step(
            number, updated, Word.UPDATE, person, now, action=action, text=text
        )

    async def end(self, number: int, text: str, person: Person, now: datetime) -> Window:
        """End a window: alarms are no longer held, and all is looked at at once.

        Raises
        ------
        UserError
            If it has not started, or is over.
        """
        _check_text(text)

        def over(window: Window) -> Window:
            if window.stage is Stage.SCHEDULED:
                raise UserError(
                    f"Window {number} has not started. `maintenance cancel {number}` takes it back."
                )
            _alive(window)
            return window.over(person, text, now)

        action = f"maintenance end {number}"
        ended = await self._keeper.step(number, over, Word.ENDED, person, now, action=action)
        self.ended.set()
        return ended

    async def cancel(self, number: int, person: Person, now: datetime) -> Window:
        """Take a planned window back.

        Raises
        ------
        UserError
            If it has started, or is over.
        """

        def cancelled(window: Window) -> Window:
            if window.stage is Stage.STARTED:
                raise UserError(f"Window {number} has started. `maintenance end {number}` ends it.")
            _alive(window)
            return window.cancelled(person, now)

        action = f"maintenance cancel {number}"
        return await self._keeper.step(
            number, cancelled, Word.CANCELLED, person, now, action=action
        )

    async def tick(self, now: datetime) -> None:
        """Start what is to start, and remind of what is due."""
        await self._keeper.tick(now)

    async def closing(self, window: Window) -> Closing:
        """Tell what a window held, what still fires, and what was carried out during it."""
        name = self._environment.name
        started, ended = window.started or window.starts, window.ended or window.ends
        during = await self._incidents.between(name, started, ended)
        requests = await self._requests.recent(name, _RECENT_REQUESTS)
        return Closing(
            held=[each for each in during if each.was_held],
            firing=await self._incidents.firing(name),
            requests=[
                each
                for each in requests
                if each.started is not None and started <= each.started <= ended and each.outcome
            ],
        )

    def _draft(
        self, starts: datetime, ends: datetime, reason: str, person: Person, now: datetime
    ) -> Window:
        return Window(0, self._environment.name, starts, ends, reason, person, announced=now)

    def _check(
        self, starts: datetime, ends: datetime, now: datetime, *, during_observing: bool
    ) -> None:
        if ends <= starts or ends - starts > LONGEST:
            raise UserError("A window takes at least a minute and at most 7 days.")
        if ends <= now:
            raise UserError("That is over already. When shall it be?")
        night = self._rules.night(starts, ends)
        if night is not None and not during_observing:
            raise Refused(self._rules.refusal(starts, ends, night))


def _alive(window: Window) -> None:
    if window.stage.final:
        raise UserError(f"Window {window.id} is {window.stage.value} already.")


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise UserError(
            f"That may have {LONGEST_TEXT:,} characters, this has {len(text):,}. "
            "Link to the longer text instead."
        )
