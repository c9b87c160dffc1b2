"""The only place that sleeps: calls every service's tick, and tells whether the calls still come.

A tick that raises is logged and called again at its next turn; one bad item stops no loop. Only a
`FatalError` ends the process.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from bot.domain.errors import FatalError

_log = structlog.get_logger()

NOT_YET = timedelta(seconds=1)
"""How soon a turn that is not this process's is looked at again: a new leader begins at once."""

GRACE = timedelta(seconds=30)
"""How much later than planned a turn may end before the loop counts as stuck."""


@dataclass(frozen=True)
class Beat:
    """A service's tick, and how often it is called.

    Parameters
    ----------
    name
        For the log.
    every
        From the end of one turn to the next.
    tick
        What is called.
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
    beats
        What to call.
    clock
        Gives the time in UTC.
    """

    def __init__(self, beats: Sequence[Beat], *, clock: Callable[[], datetime]) -> None:
        self._beats = beats
        self._clock = clock
        self._turned = {beat.name: clock() for beat in beats}

    def stuck(self, now: datetime) -> list[str]:
        """Name the loops whose turn is overdue."""
        return [
            beat.name for beat in self._beats if now - self._turned[beat.name] > beat.every + GRACE
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
                for beat in self._beats:
                    group.create_task(self._run(beat, stop), name=f"loop {beat.name}")
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
            except Exception:  # noqa: BLE001 -- a loop survives one bad item, and says so
                _log.exception("a tick failed", loop=beat.name)
            self._turned[beat.name] = self._clock()
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
