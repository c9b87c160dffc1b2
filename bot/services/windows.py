"""Writes the steps of maintenance windows, with what must be said of each, in time and once."""

from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from bot.domain.approvals import Entry
from bot.domain.environments import BOT, Environment, Person
from bot.domain.errors import Refused, UserError
from bot.domain.maintenance import Said as Due
from bot.domain.maintenance import Stage, Window, Word
from bot.domain.notices import Notice, Said
from bot.storage.maintenance import Overlaps, Windows

_log = structlog.get_logger()

_TRIES = 5
"""Compare-and-sets in a row that others may win."""


class Keeper:
    """Keeps one environment's windows.

    Parameters
    ----------
    environment
        Whose.
    windows
        Where they are kept.
    mirrors
        Further channels that hear of starts and ends.
    writer
        Name of this process.
    changed
        Is called after every step, so that messages and notices follow at once.
    """

    def __init__(
        self,
        environment: Environment,
        windows: Windows,
        *,
        mirrors: Sequence[str],
        writer: str,
        changed: Callable[[], None],
    ) -> None:
        self._environment = environment
        self._windows = windows
        self.mirrors = tuple(mirrors)
        self._writer = writer
        self._changed = changed

    async def open(self) -> list[Window]:
        """Give the windows that are not over, the next first."""
        return await self._windows.open(self._environment.name)

    async def between(self, since: datetime, until: datetime) -> list[Window]:
        """Give the windows that were under way at any moment of a time."""
        return await self._windows.between(self._environment.name, since, until)

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

    async def create(
        self, draft: Window, action: str, mirrors: Sequence[str], word: Word | None = None
    ) -> Window:
        """Announce a window.

        Raises
        ------
        UserError
            If it overlaps another one.
        """

        def notices(made: Window) -> list[Notice]:
            if word is None:
                return []
            places = [("mirror", each) for each in mirrors]
            return self._about(made, word, draft.announced, draft.owner, places=places)

        def entry(made: Window) -> Entry:
            typed = f"{action} (window {made.id})"
            return self._entry(typed, draft.owner, draft.announced, draft.reason)

        try:
            made = await self._windows.create(
                draft, notices=notices, entry=entry, writer=self._writer
            )
        except Overlaps as error:
            raise _overlapping(error) from error
        self._changed()
        return made

    async def step(
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
        for _ in range(_TRIES):
            before = await self.find(number)
            after = step(before)
            notices = self._about(after, word, now, person, text=text)
            if await self._replace(before, after, notices, self._entry(action, person, now, text)):
                return after
        raise Refused("Others changed this window at the same time. Look once more, and try again.")

    async def _replace(
        self,
        before: Window,
        after: Window,
        notices: Sequence[Notice],
        entry: Entry | None,
        *,
        redraw: bool = True,
        now: datetime | None = None,
    ) -> bool:
        try:
            done = await self._windows.replace(
                before,
                after,
                notices=notices,
                entry=entry,
                redraw=redraw,
                writer=self._writer,
                now=now,
            )
        except Overlaps as error:
            raise _overlapping(error) from error
        if done:
            self._changed()
        return done

    async def tick(self, now: datetime) -> None:
        """Start what is to start, and remind of what is due."""
        for window in await self.open():
            try:
                await self._look(window, now)
            except (UserError, Overlaps):
                _log.exception("a window could not be looked after", window=window.id)

    async def _look(self, window: Window, now: datetime) -> None:
        if window.stage is Stage.SCHEDULED and window.starts <= now:
            after = window.begun(now)
            notices = self._about(after, Word.STARTED, window.starts, window.owner)
            entry = self._entry(f"maintenance start {window.id}", BOT, now)
            await self._replace(window, after, notices, entry)
            return
        due = window.due(now)
        if due:
            notices = [notice for each in due for notice in self._reminder(window, each)]
            # Nothing that the announcement shows has changed.
            await self._replace(
                window, window.having_said(*due), notices, None, redraw=False, now=now
            )

    def _reminder(self, window: Window, due: Due) -> list[Notice]:
        values = {
            "word": due.word.value,
            "at": due.at.isoformat(),
            "place": "thread",
            "by": window.owner.name,
            "text": "",
        }
        return [self.notice(window.id, values)]

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
            places = self.places() if everywhere else [("thread", "")]
        values = {"word": word.value, "at": at.isoformat(), "by": person.name, "text": text}
        return [
            self.notice(window.id, {**values, "place": place}, channel) for place, channel in places
        ]

    def places(self) -> list[tuple[str, str]]:
        """Give every place that hears of a start and an end, and its channel."""
        return [("channel", ""), *(("mirror", each) for each in self.mirrors)]

    def notice(self, window: int | None, values: dict[str, str], channel: str = "") -> Notice:
        """Give what is said of a window, or of none."""
        return Notice(Said.WINDOW, self._environment.name, window, values, channel)

    def _entry(self, action: str, person: Person, now: datetime, reason: str = "") -> Entry:
        return Entry(now, self._environment.name, action, person, "done", reason=reason)


def _overlapping(error: Overlaps) -> UserError:
    window = error.window
    return UserError(
        f"That overlaps window {window.id} ({window.reason[:60]}). Extend that one? "
        f"`maintenance extend {window.id} 1h`"
    )
