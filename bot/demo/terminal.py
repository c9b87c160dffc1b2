"""What people do to the demo's world, typed or written in `--script`: one after the other."""

import asyncio
import os
import re
import sys
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic
from typing import NamedTuple

from redis.exceptions import RedisError

from bot.demo.world import World
from bot.domain.errors import FatalError, UserError

ACTIONS: Mapping[str, Callable[[World], Awaitable[str]]] = {
    "stall": World.stall,
    "break group": World.break_group,
    "kill redis": World.kill_redis,
    "recover": World.recover,
}


class ScriptStep(NamedTuple):
    """An action, and when: seconds after the start."""

    at: float
    action: str


def parse(text: str) -> list[ScriptStep]:
    """Read ``stall@30,recover@90``: actions with their seconds, in any order.

    Raises
    ------
    UserError
        If it is anything else.
    """
    steps = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([a-z ]+?)\s*@\s*(\d{1,6}(?:\.\d+)?)s?\s*", part.lower())
        if found is None or found.group(1) not in ACTIONS:
            raise UserError(
                f"--script: I cannot read {part.strip()!r}. Write for example stall@30,recover@90; "
                f"the actions are {', '.join(ACTIONS)}."
            )
        steps.append(ScriptStep(float(found.group(2)), found.group(1)))
    return sorted(steps)


class Terminal:
    """Does what is typed while it is entered; nothing where nobody can type.

    Parameters
    ----------
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

    async def follow(self, steps: list[ScriptStep]) -> None:
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
        if action not in ACTIONS:
            print(f"Type one of: {', '.join(ACTIONS)}, quit.", flush=True)
            return
        try:
            said = await ACTIONS[action](self._world)
        except (FatalError, RedisError) as error:
            said = f"that did not work: {error}"
        print(f"> {action}: {said}", flush=True)
