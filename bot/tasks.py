"""The work behind deliveries: started after the acknowledgement, kept track of, and bounded.

Bolt runs listeners without limit and forgets them; a task nobody holds may be collected midway.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

import structlog

_log = structlog.get_logger()


class Tasks:
    """Runs work, some of it at once, and lets what runs finish.

    Parameters
    ----------
    at_once
        How many may run; further ones wait.
    waiting
        How many may wait; see `full`.
    """

    def __init__(self, *, at_once: int = 50, waiting: int = 500) -> None:
        self._slots = asyncio.Semaphore(at_once)
        self._most = at_once + waiting
        self._tasks: set[asyncio.Task[None]] = set()
        self.closed = False

    @property
    def full(self) -> bool:
        """True if no more should be taken on."""
        return self.closed or len(self._tasks) >= self._most

    def start(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """Run work as soon as there is room."""
        task = asyncio.create_task(self._run(work), name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, work: Coroutine[Any, Any, None]) -> None:
        async with self._slots:
            try:
                await work
            except Exception:  # noqa: BLE001 -- nobody awaits this task; the log is its only way out
                _log.exception("a delivery was not answered")

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
        await asyncio.gather(*late, return_exceptions=True)
