"""Work in the background: ticks that are called again and again, and tasks that run once.

The only place that waits for the next tick: what else waits does so between two tries of a call,
or two looks at what is being changed. A tick that raises is logged and called again at its next
time, so one bad item stops no loop; only a `FatalError` ends the process. Tasks are the work behind
Slack's deliveries: Bolt starts listeners without limit and forgets them, and a task that nobody
holds may be collected midway, so they are held, bounded and waited for here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.domain.errors import FatalError, StateError

_log = structlog.get_logger()

NOT_YET = timedelta(seconds=1)
"""How soon one that does not lead asks again whether it does: a new leader begins at once."""

GRACE = timedelta(seconds=60)
"""How much later than planned a turn may end before the loop counts as stuck. While the database
is locked each statement waits, in a queue with those of all loops; to be killed would not help, and
would take the one word that the channel hears of it."""


LAST_TURN = timedelta(seconds=2)
"""How long the turns that are under way at the end of the process may go on."""

SETTLED_WITHIN = 1.0
"""Seconds in which work that is cancelled has written down what it must."""


@dataclass(frozen=True)
class Beat:
    """A service's tick, and how often it is called.

    Parameters
    ----------
    name
        For the log.
    every
        From the end of one turn to the next.
    wake
        Brings the next turn at once when set.
    when
        Tells whether to call it at all; False for a follower's turn of the leader's work.
    """

    name: str
    every: timedelta
    tick: Callable[[datetime], Awaitable[None]]
    wake: asyncio.Event | None = None
    when: Callable[[], bool] | None = None


class Loops:
    """Calls ticks until told to stop.

    Parameters
    ----------
    clock
        Gives ticks the time.
    monotonic
        Measures how long a turn takes: a clock that is set must not look like a loop that hangs.
    """

    def __init__(
        self,
        beats: Sequence[Beat],
        *,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._beats = beats
        self._clock = clock
        self._monotonic = monotonic
        self._turned = {beat.name: monotonic() for beat in beats}

    def stuck(self) -> list[str]:
        """Name the loops whose turn is overdue."""
        now = self._monotonic()
        return [
            beat.name
            for beat in self._beats
            if now - self._turned[beat.name] > (beat.every + GRACE).total_seconds()
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Call every tick until `stop` is set.

        Raises
        ------
        FatalError
            If a tick raised it.
        """
        try:
            async with asyncio.TaskGroup() as group:
                turning = [
                    group.create_task(self._run(beat, stop), name=f"loop {beat.name}")
                    for beat in self._beats
                ]
                await stop.wait()
                # Whoever asks what hangs does not keep the process from its end.
                _, late = await asyncio.wait(turning, timeout=LAST_TURN.total_seconds())
                for task in late:
                    _log.warning("a turn cut short by the end of the process", task=task.get_name())
                    task.cancel()
        except* FatalError as errors:
            raise errors.exceptions[0] from None

    async def _run(self, beat: Beat, stop: asyncio.Event) -> None:
        while not stop.is_set():
            if beat.wake is not None:
                beat.wake.clear()
            due = beat.when is None or beat.when()
            try:
                if due:
                    await beat.tick(self._clock())
            except FatalError:
                raise
            except StateError as error:
                # Nothing is wrong here, and a traceback each second would hide what is.
                _log.error("a tick failed", loop=beat.name, reason=str(error))
            except Exception:  # noqa: BLE001 -- a loop survives one bad item, and says so
                _log.exception("a tick failed", loop=beat.name)
            self._turned[beat.name] = self._monotonic()
            await _rest(beat, stop, beat.every if due else min(beat.every, NOT_YET))


async def _rest(beat: Beat, stop: asyncio.Event, longest: timedelta) -> None:
    """Sleep until the next turn, or the end."""
    try:
        async with asyncio.timeout(longest.total_seconds()):
            if beat.wake is None:
                await stop.wait()
            else:
                await _either(stop, beat.wake)
    except TimeoutError:
        return


async def _either(*events: asyncio.Event) -> None:
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


class Tasks:
    """Runs work, some of it at once, and lets what runs finish.

    Parameters
    ----------
    at_once
        How many may run; further ones wait.
    waiting
        How many may wait; see `full`.
    of_one, waiting_of_one
        The same of one person; None sets no bound.
    """

    def __init__(
        self,
        *,
        at_once: int = 50,
        waiting: int = 500,
        of_one: int | None = None,
        waiting_of_one: int = 0,
    ) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._of_one, self._most_of_one = of_one, (of_one or self._most) + waiting_of_one
        self._people: dict[str, asyncio.Semaphore] = {}
        self._tasks: dict[asyncio.Task[None], str] = {}
        self.closed = False

    @property
    def full(self) -> bool:
        """True if no more should be taken on."""
        return self.closed or len(self._tasks) >= self._most

    def full_of(self, person: str) -> bool:
        """Tell whether one person has so much under way that no more of theirs is taken on."""
        return sum(each == person for each in self._tasks.values()) >= self._most_of_one

    def start(
        self,
        work: Coroutine[Any, Any, None],
        name: str,
        person: str = "",
        *,
        cut: Callable[[bool], None] | None = None,
    ) -> None:
        """Run work as soon as there is room, for all and for whoever wants it.

        Parameters
        ----------
        cut
            Is called where the end of the process cuts it short, with whether it had begun.
        """
        begun = asyncio.Event()
        task = asyncio.create_task(self._run(work, name, person, begun), name=name)
        self._tasks[task] = person

        def ended(task: asyncio.Task[None]) -> None:
            del self._tasks[task]
            if person not in self._tasks.values():
                self._people.pop(person, None)
            if task.cancelled():
                # One that never began would otherwise be complained of.
                work.close()
                if cut is not None:
                    cut(begun.is_set())

        task.add_done_callback(ended)

    async def _run(
        self, work: Coroutine[Any, Any, None], name: str, person: str, begun: asyncio.Event
    ) -> None:
        own: AbstractAsyncContextManager[None] = nullcontext()
        if self._of_one is not None:
            own = self._people.setdefault(person, asyncio.Semaphore(self._of_one))
        # What waits for its own person holds no slot of anybody else's.
        async with own, self._slots:
            begun.set()
            try:
                await work
            except StateError as error:
                _log.error("work was given up", task=name, reason=str(error))
            except Exception:  # noqa: BLE001 -- nobody awaits this task; the log is its only way out
                _log.exception("work failed", task=name)

    @property
    def running(self) -> bool:
        """True if anything runs, or waits to."""
        return bool(self._tasks)

    async def settled(self) -> None:
        """Wait until nothing runs."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def drain(self, seconds: float) -> None:
        """Take on nothing more, and let what runs finish; what has not by then is cancelled."""
        self.closed = True
        if not self._tasks:
            return
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            _log.warning("work cut short by the end of the process", task=task.get_name())
            task.cancel()
        if late:
            await asyncio.wait(late, timeout=SETTLED_WITHIN)
