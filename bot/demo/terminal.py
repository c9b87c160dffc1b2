"""What people do to the demo's world: typed lines and the clock's steps, one after the other."""

import asyncio
import os
import sys
from time import monotonic

from redis.exceptions import RedisError

from bot.demo.script import ACTIONS, Step
from bot.demo.world import World
from bot.domain.errors import FatalError

HELP = f"Type one of: {', '.join(ACTIONS)}, quit."


class Terminal:
    """Does what is typed while it is entered; nothing where nobody can type.

    Parameters
    ----------
    world
        What is acted upon.
    stop
        Is set by ``quit``.
    """

    def __init__(self, world: World, stop: asyncio.Event) -> None:
        self._world = world
        self._stop = stop
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._begun = ""
        self._watched: int | None = None

    def __enter__(self) -> None:
        # Closed with `<&-`, standard input is None; a file cannot be watched, and says so.
        try:
            number = sys.stdin.fileno() if sys.stdin is not None else -1
            asyncio.get_running_loop().add_reader(number, self._typed, number)
        except (OSError, ValueError):
            return
        self._watched = number

    def __exit__(self, *_: object) -> None:
        if self._watched is not None:
            asyncio.get_running_loop().remove_reader(self._watched)
            self._watched = None

    async def run(self) -> None:
        """Do what is wanted, in its order, until cancelled."""
        while True:
            await self._do(await self._wanted.get())

    async def follow(self, steps: list[Step]) -> None:
        """Want each step at its time."""
        began = monotonic()
        for step in steps:
            await asyncio.sleep(max(0.0, step.at - (monotonic() - began)))
            self._wanted.put_nowait(step.action)

    def _typed(self, number: int) -> None:
        typed = os.read(number, 4096).decode(errors="replace")
        if not typed:
            # Closed: nobody will type any more.
            self.__exit__()
        # A line may come in pieces.
        *lines, self._begun = (self._begun + typed).split("\n")
        for line in lines:
            if action := " ".join(line.lower().split()):
                self._wanted.put_nowait(action)

    async def _do(self, action: str) -> None:
        if action in ("quit", "exit"):
            self._stop.set()
            return
        actions = {
            "stall": self._world.stall,
            "break group": self._world.break_group,
            "kill redis": self._world.kill_redis,
            "recover": self._world.recover,
        }
        if action not in actions:
            print(HELP, flush=True)
            return
        try:
            said = await actions[action]()
        except (FatalError, RedisError) as error:
            said = f"that did not work: {error}"
        print(f"> {action}: {said}", flush=True)
