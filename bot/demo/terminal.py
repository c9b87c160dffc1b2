"""What people type where they started the demo, and what the script types for them.

A standard input that ends or is no terminal leaves the demo running: containers and CI have none.
"""

import asyncio
import os
from collections.abc import Callable, Iterable

from bot.demo.script import Step
from bot.demo.world import ACTIONS, World
from bot.domain.errors import FatalError

QUIT = "quit"

TYPED = (*ACTIONS, "help", QUIT)
"""Everything that may be typed."""


class Terminal:
    """Turns lines into actions, one after the other.

    Parameters
    ----------
    world
        Suffers the actions.
    stop
        Set by ``quit``.
    say
        Prints a line.
    """

    def __init__(self, world: World, stop: asyncio.Event, say: Callable[[str], None]) -> None:
        self._world = world
        self._stop = stop
        self._say = say
        self._lines: asyncio.Queue[str] = asyncio.Queue()

    async def run(self, stdin: int | None, steps: Iterable[Step]) -> None:
        """Do what is typed until cancelled.

        Parameters
        ----------
        stdin
            Descriptor to read lines from; None where there is none.
        steps
            By the clock, which begins now.
        """
        loop = asyncio.get_running_loop()
        clock = [loop.call_later(step.seconds, self._lines.put_nowait, step.line) for step in steps]
        reader = None if stdin is None else _Reader(stdin, self._lines)
        try:
            while True:
                await self._do(await self._lines.get())
        finally:
            for timer in clock:
                timer.cancel()
            if reader is not None:
                reader.close()

    async def _do(self, line: str) -> None:
        typed = " ".join(line.lower().split())
        if typed in ACTIONS:
            try:
                self._say(f"{typed}: {await self._world.act(typed)}")
            except FatalError as error:
                self._say(f"{typed}: {error}")
        elif typed == QUIT:
            self._stop.set()
        elif typed:
            if typed != "help":
                self._say(f"{line.strip()!r} is none of these:")
            for action, explanation in ACTIONS.items():
                self._say(f"  {action:12} {explanation}")
            self._say(f"  {QUIT:12} ends the demo, as Ctrl-C does")


class _Reader:
    # Not a thread: one that waits for a line cannot be ended, and holds up Python's exit.

    def __init__(self, descriptor: int, lines: asyncio.Queue[str]) -> None:
        self._descriptor = descriptor
        self._lines = lines
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        try:
            self._loop.add_reader(descriptor, self._read)
        except OSError:
            # Files and /dev/null are always readable and cannot be waited for: nobody types there.
            self._open = False
        else:
            self._open = True

    def close(self) -> None:
        if self._open:
            self._open = False
            self._loop.remove_reader(self._descriptor)

    def _read(self) -> None:
        try:
            read = os.read(self._descriptor, 4096)
        except OSError:
            # A terminal whose window was closed.
            read = b""
        *whole, self._rest = (self._rest + (read or b"\n")).split(b"\n")
        for line in whole:
            self._lines.put_nowait(line.decode("utf-8", "replace"))
        if not read:
            self.close()
