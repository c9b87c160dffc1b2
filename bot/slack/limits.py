"""Slack's limits: after a 429, calls of that kind wait, and the most urgent of them goes first.

Each method has its own limit in each channel, so one that is full keeps no other waiting. While
nothing is refused nobody waits; once something was, calls go one at a time, until none waits.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from itertools import count
from time import monotonic
from typing import TypeVar

LONGEST_WAIT = 60.0
"""Seconds; a longer one is not waited for, because nobody reads the answer any more."""

_SHORTEST = 0.1
"""Seconds between two calls, also where Slack asks for none."""

_Answer = TypeVar("_Answer")


class Limited(Exception):
    """Slack takes no such call now; `seconds` tells when it does."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not for another {seconds:.0f} s")
        self.seconds = seconds


class Limit:
    """One method's limit in one channel."""

    def __init__(self) -> None:
        self._opens = 0.0
        self._one_at_a_time = False
        self._numbers = count()
        self._waiting: set[tuple[bool, int]] = set()
        self._calling: set[tuple[bool, int]] = set()
        self._changed = asyncio.Event()

    async def call(
        self,
        make: Callable[[], Awaitable[_Answer]],
        *,
        urgent: bool = False,
        longest: float = LONGEST_WAIT,
    ) -> _Answer:
        """Make a call as soon as it is its turn, and again while it is limited.

        Parameters
        ----------
        make
            Raises `Limited` where Slack answers 429.
        urgent
            True for one that goes before all that are not.
        longest
            Seconds for which it waits at most.

        Raises
        ------
        Limited
            If it would have to wait longer.
        """
        me = (not urgent, next(self._numbers))
        until = monotonic() + longest
        while True:
            await self._turn(me, until)
            self._calling.add(me)
            try:
                answer = await make()
            except Limited as limited:
                self._one_at_a_time = True
                self._opens = max(self._opens, monotonic() + max(limited.seconds, _SHORTEST))
            else:
                self._one_at_a_time = self._one_at_a_time and bool(self._waiting)
                return answer
            finally:
                self._calling.discard(me)
                self._tell()

    async def _turn(self, me: tuple[bool, int], until: float) -> None:
        self._waiting.add(me)
        try:
            while True:
                now = monotonic()
                closed = self._opens - now
                if closed <= 0 and not (self._one_at_a_time and self._is_behind(me)):
                    return
                if now + max(closed, 0) >= until:
                    raise Limited(max(closed, 1.0))
                with suppress(TimeoutError):
                    async with asyncio.timeout(closed if closed > 0 else until - now):
                        await self._changed.wait()
        finally:
            self._waiting.discard(me)
            self._tell()

    def _is_behind(self, me: tuple[bool, int]) -> bool:
        """Tell whether another one goes first; what is urgent waits for nothing that is not."""
        not_urgent, _ = me
        return me != min(self._waiting) or any(not_urgent or not each for each, _ in self._calling)

    def _tell(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
