"""Maintenance windows: announced, started, ended, and what is said of each in time.

    scheduled → started → ended
    scheduled → cancelled
    scheduled → missed      the bot was away until its end had passed

A window is a value, like a request: each step gives a new one with the next version, and whoever
writes it compares the version first. What was said of it is part of it, so nothing is said twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Self

from bot.domain.alarms import Incident
from bot.domain.approvals import Request
from bot.domain.environments import Environment, Person
from bot.domain.errors import Refused, UserError
from bot.domain.night import Night, next_night
from bot.domain.times import clock, lasting, whole

OVERRUN_EVERY = timedelta(minutes=15)
LATE = timedelta(seconds=5)
"""A notice that comes later than this after its time says so."""

LONGEST_WINDOW = timedelta(days=7)
"""A longer one is a slip of the finger; alarms would be held all that time."""

LONGEST_TEXT = 2500
"""Characters of a reason or an update, which an announcement shows whole, and a form carries on."""

_TICK = timedelta(microseconds=1)


class Stage(Enum):
    """Where a window is on its way."""

    SCHEDULED = "scheduled"
    STARTED = "started"
    ENDED = "ended"
    CANCELLED = "cancelled"
    MISSED = "missed"

    @property
    def final(self) -> bool:
        """True if nothing more will happen to it."""
        return self in (Stage.ENDED, Stage.CANCELLED, Stage.MISSED)


class Word(Enum):
    """What is said of a window, once."""

    STARTED = "started"
    """In the channel and the mirrors: it has started."""
    ENDED = "ended"
    """In the channel and the mirrors: it is over."""
    HOUR_BEFORE = "hour before"
    """In its thread, to the owner: 60 min before it starts."""
    MINUTES_BEFORE = "minutes before"
    """In its thread, to the owner: 10 min before it starts."""
    ENDING = "ending"
    """In its thread, to the owner: 10 min before it ends."""
    OVERRUNNING = "overrunning"
    """In its thread, to the owner: past its end, every 15 min."""
    RELEASED = "released"
    """In its thread, to the owner: so long past its end that it holds no alarm any more."""
    MISSED = "missed"
    """In the channel: its end had passed before anybody could start it."""
    UPDATE = "update"
    """In its thread: what somebody wrote."""
    CHANGED = "changed"
    """In its thread: its times were changed."""
    CANCELLED = "cancelled"
    """In its thread: it does not take place."""


REMINDERS = {Word.HOUR_BEFORE: timedelta(minutes=60), Word.MINUTES_BEFORE: timedelta(minutes=10)}
"""How long before the start the owner is reminded."""

ENDING_BEFORE = timedelta(minutes=10)
"""How long before the end the owner is reminded."""


@dataclass(frozen=True)
class Due:
    """Something that is due to be said of a window."""

    word: Word
    at: datetime


@dataclass(frozen=True)
class Window:
    """One maintenance window.

    Parameters
    ----------
    id
        From the sequence that requests, alarms and silences share.
    starts, ends
        As announced.
    owner
        Who announced it; reminders mention them alone.
    during_observing
        True where somebody said that it may touch the night.
    stage, version
        Where it is on its way; the version grows with every step.
    started, ended
        When it really was; `ended` also for one that did not take place.
    started_by
        Who started it; None where it started by itself.
    ended_by, closing
        Who ended or cancelled it, and what they wrote.
    said
        What was said of it already: word and its time, so that a changed time is said anew.
    """

    id: int
    environment: str
    starts: datetime
    ends: datetime
    reason: str
    owner: Person
    announced: datetime
    during_observing: bool = False
    stage: Stage = Stage.SCHEDULED
    version: int = 0
    started: datetime | None = None
    started_by: Person | None = None
    ended: datetime | None = None
    ended_by: Person | None = None
    closing: str = ""
    said: frozenset[tuple[str, datetime]] = field(default=frozenset())
    updates: int = 0
    edited: bool = False

    @property
    def planned(self) -> timedelta:
        """How long it is to take."""
        return self.ends - self.starts

    def lasts_until(self, now: datetime) -> datetime:
        """Tell the first moment after it; one that overruns its end still goes on at `now`."""
        return max(self.ends, now + _TICK) if self.stage is Stage.STARTED else self.ends

    def meets(self, other: "Window", now: datetime) -> bool:
        """Tell whether two windows of one environment would share a moment.

        Parameters
        ----------
        other
            One that has not ended, as this one.
        now
            The time, which one that has started lasts until, and with it.
        """
        return self.starts < other.lasts_until(now) and other.starts < self.lasts_until(now)

    def begun(self, now: datetime, person: Person | None = None) -> Self:
        """Start it, at its time or earlier; an early start keeps the duration.

        Raises
        ------
        UserError
            If it has started already, or is over; as each of these steps where it cannot be.
        """
        self._must(self.stage is Stage.SCHEDULED)
        ends = self.ends if now >= self.starts else now + self.planned
        starts = min(now, self.starts)
        return self._next(
            stage=Stage.STARTED, started=now, started_by=person, starts=starts, ends=ends
        )

    def changed(
        self, starts: datetime, ends: datetime, *, during_observing: bool, now: datetime
    ) -> Self:
        """Change the times of a planned one."""
        more = f"`maintenance extend {self.id} 30m` gives it more time."
        self._must(self.stage is Stage.SCHEDULED, more)
        return self._moved(starts, ends, during_observing, now)

    def extended(self, duration: timedelta, *, during_observing: bool, now: datetime) -> Self:
        """Give it more time; one that overruns gets it from now on."""
        self._must(not self.stage.final)
        return self._moved(self.starts, max(self.ends, now) + duration, during_observing, now)

    def over(self, person: Person, closing: str, now: datetime) -> Self:
        """End it."""
        if self.stage is Stage.SCHEDULED:
            raise UserError(
                f"Window {self.id} has not started. `maintenance cancel {self.id}` takes it back."
            )
        self._must(not self.stage.final)
        return self._next(stage=Stage.ENDED, ended=now, ended_by=person, closing=closing)

    def cancelled(self, person: Person, now: datetime) -> Self:
        """Cancel it before it starts."""
        if self.stage is Stage.STARTED:
            raise UserError(f"Window {self.id} has started. `maintenance end {self.id}` ends it.")
        self._must(not self.stage.final)
        return self._next(stage=Stage.CANCELLED, ended=now, ended_by=person)

    def missed(self, now: datetime) -> Self:
        """Let one pass that nobody started in time: it would hold alarms for nothing."""
        self._must(self.stage is Stage.SCHEDULED)
        return self._next(stage=Stage.MISSED, ended=now)

    @property
    def released(self) -> bool:
        """Whether it was said that it overruns for so long that it holds no alarm any more."""
        return any(word == Word.RELEASED.value and at > self.ends for word, at in self.said)

    def updated(self) -> Self:
        """Count an update."""
        self._must(not self.stage.final)
        return self._next(updates=self.updates + 1, edited=True)

    def _must(self, possible: bool, instead: str = "") -> None:
        if not possible:
            raise UserError(f"Window {self.id} is {self.stage.value} already. {instead}".strip())

    def _moved(
        self, starts: datetime, ends: datetime, during_observing: bool, now: datetime
    ) -> Self:
        # Of what would have been reminded of by now, people just heard.
        reminders = [Due(word, starts - before) for word, before in REMINDERS.items()]
        reminders.append(Due(Word.ENDING, ends - ENDING_BEFORE))
        heard = {(each.word.value, each.at) for each in reminders if each.at <= now}
        return self._next(
            starts=starts,
            ends=ends,
            during_observing=self.during_observing or during_observing,
            said=self.said | heard,
            edited=True,
        )

    def having_said(self, *things: Due) -> Self:
        """Note what is being said of it."""
        return self._next(said=self.said | {(each.word.value, each.at) for each in things})

    def due(self, now: datetime) -> tuple[Due, ...]:
        """Give the reminders whose time has come and that were not said yet, in order.

        Of several that were missed while nobody looked, only the last of a kind is worth saying;
        of what comes before the start or the end, nothing once that has come.
        """
        if self.stage is Stage.SCHEDULED and now < self.starts:
            wanted = [
                Due(word, self.starts - before)
                for word, before in REMINDERS.items()
                # Announced later than that: nobody needs to be reminded of what they just said.
                if self.announced < self.starts - before
            ]
            wanted = [each for each in wanted if each.at <= now][-1:]
        elif self.stage is Stage.STARTED:
            wanted = self._due_while_started(now)
        else:
            wanted = []
        return tuple(each for each in wanted if (each.word.value, each.at) not in self.said)

    def _due_while_started(self, now: datetime) -> list[Due]:
        if now >= self.ends:
            times = (now - self.ends) // OVERRUN_EVERY
            return [Due(Word.OVERRUNNING, self.ends + times * OVERRUN_EVERY)]
        ending = Due(Word.ENDING, self.ends - ENDING_BEFORE)
        begun = self.started or self.starts
        return [ending] if begun < ending.at <= now else []

    def _next(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Closing:
    """What is told at the end of a window: what was held, what fires, what was carried out."""

    held: Sequence[Incident]
    firing: Sequence[Incident]
    requests: Sequence[Request]


def check_times(environment: Environment, window: Window, now: datetime) -> Window:
    """Give a window back whose times make sense and that keeps its distance from the night.

    Raises
    ------
    UserError, Refused
        With what to do instead.
    """
    if window.ends <= window.starts or window.planned > LONGEST_WINDOW:
        raise UserError("A window takes at least a minute and at most 7 days.")
    if window.ends <= now:
        raise UserError("That is over already. When shall it be?")
    at_night = night_refusal(environment, window.starts, window.ends)
    if at_night is not None and not window.during_observing:
        raise Refused(at_night)
    return window


def night_conflict(environment: Environment, starts: datetime, ends: datetime) -> Night | None:
    """Find the first night that a window does not keep its distance from.

    Only where nights are the telescope's; anywhere else a window may be at any hour.
    """
    if not environment.observes:
        return None
    margin = environment.margin
    night = next_night(environment.site, starts - margin)
    if night is None or (night.begins is not None and night.begins >= ends + margin):
        return None
    return night


def night_refusal(
    environment: Environment, starts: datetime, ends: datetime, *, ticked: bool = False
) -> str | None:
    """Say why a window cannot be then, with the times of dusk and dawn, and what to do.

    Parameters
    ----------
    ticked
        True in a form, where a box is ticked to say that it may be all the same.

    Returns
    -------
    str or None
        None if it keeps its distance from the night.
    """
    night = night_conflict(environment, starts, ends)
    if night is None:
        return None
    begins, over = whole(night.begins or starts), whole(night.ends or ends)
    kept = f"and {lasting(environment.margin)} are kept free"
    when_it_is = f"It is night at the telescope from {clock(begins)} to {clock(over)} UTC."
    dawn = ""
    if starts < begins:
        when_it_is = f"It will be night at the telescope from {clock(begins)} UTC."
        remedy = "Shorten it"
        dawn = "" if ticked else f" The night ends at {clock(over)} UTC."
        if ends > begins:
            how = f"This window runs {_up(ends - begins)} into it."
        else:
            how = f"This window ends {lasting(begins - ends)} before, {kept}."
    elif starts >= over:
        how, remedy = f"This window begins {lasting(starts - over)} after, {kept}.", "Begin later"
    elif ends > over:
        how, remedy = f"This window begins {_up(over - starts)} before it ends.", "Begin later"
    else:
        how, remedy = "This window is all at night.", "Choose the day"
    agreed = 'tick "during observing"' if ticked else "add `--during-observing`"
    return f"{when_it_is} {how} {remedy}, or {agreed} and say who agreed.{dawn}"


def _up(length: timedelta) -> str:
    """Write a length in whole minutes, rounded up: nobody is promised less than it is."""
    minute = timedelta(minutes=1)
    return lasting(-(-length // minute) * minute)
