"""One run of the demo: starts everything, has the bot served, and ends everything again.

However it ends, no process is left behind, and nothing of the run but the installed local Slack.
"""

import asyncio
import signal
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from bot.demo import configuration, npm, workspace
from bot.demo.local_slack import LocalSlack
from bot.demo.processes import Processes
from bot.demo.script import Step, parse
from bot.demo.terminal import TYPED, Terminal
from bot.demo.world import Pace, World
from bot.domain.errors import FatalError

Serve = Callable[[Path, Mapping[str, str], asyncio.Event, asyncio.Event], Awaitable[int]]
"""Serves the bot: configuration file, environment, told to stop, tells that Slack is connected."""

CLOSING_LIMIT = 10.0
"""Seconds that the bot has to close."""

_Started = TypeVar("_Started")


async def run(
    serve: Serve,
    *,
    folder: Path,
    port: int = 3000,
    script: str | None = None,
    stdin: int | None = None,
    pace: Pace | None = None,
) -> int:
    """Run the demo until Ctrl-C, SIGTERM, ``quit``, or the end of the bot.

    Parameters
    ----------
    serve
        Runs the bot in this event loop.
    folder
        Where the local Slack is installed, and what is written while it runs.
    port
        Of the page; if it is taken the next free one.
    script
        Faults by clock, such as ``stall@30,recover@90``.
    stdin
        Descriptor on which people type; None where nobody does.
    pace
        How fast visits come; the real pace where it is None.

    Returns
    -------
    int
        Exit code: 0, 2 for a script that makes no sense, 1 for what cannot start, or the bot's.
    """
    try:
        steps = () if script is None else parse(script, TYPED)
    except FatalError as error:
        print(error, file=sys.stderr)
        return 2
    stop = asyncio.Event()
    with _signals(stop):
        try:
            return await _Session(serve, folder.resolve(), pace or Pace(), stop).run(
                port, steps, stdin
            )
        except FatalError as error:
            print(error, file=sys.stderr)
            return 1


class _Session:
    def __init__(self, serve: Serve, folder: Path, pace: Pace, stop: asyncio.Event) -> None:
        self._serve = serve
        self._folder = folder
        self._pace = pace
        self._stop = stop
        self._began = time.monotonic()

    async def run(self, port: int, steps: tuple[Step, ...], stdin: int | None) -> int:
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            run_folder = Path(tempfile.mkdtemp(prefix="run-", dir=self._folder))
        except OSError as error:
            raise FatalError(f"{self._folder} cannot be written: {error.strerror}.") from error
        processes = Processes(run_folder)
        world = World(processes, run_folder, self._pace)
        try:
            slack = await _unless(self._stop, self._start(processes, world, run_folder, port))
            if slack is None:
                return 0
            return await self._serve_bot(world, slack, run_folder, steps, stdin)
        finally:
            await world.aclose()
            await processes.aclose()

    async def _start(
        self, processes: Processes, world: World, run_folder: Path, port: int
    ) -> LocalSlack:
        program = await npm.local_slack(processes, self._folder, self._say_when)
        self._say_when("Starting two Valkey servers, with visits of the last minutes …")
        await world.start()
        self._say_when("Starting the local Slack …")
        slack = LocalSlack(processes, program, run_folder, port)
        await slack.start()
        return slack

    async def _serve_bot(
        self,
        world: World,
        slack: LocalSlack,
        run_folder: Path,
        steps: tuple[Step, ...],
        stdin: int | None,
    ) -> int:
        self._say_when("Starting the bot …")
        config = configuration.write(
            run_folder, {name: server.url for name, server in world.servers.items()}
        )
        ready = asyncio.Event()
        bot = asyncio.ensure_future(
            self._serve(config, configuration.environ(slack.url), self._stop, ready)
        )

        async def at_the_terminal() -> None:
            await ready.wait()
            self._greet(slack.url)
            await Terminal(world, self._stop, _say).run(stdin, steps)

        beside = [
            asyncio.create_task(part)
            for part in (world.run(), slack.ended(), at_the_terminal(), self._stop.wait())
        ]
        try:
            await asyncio.wait({bot, *beside}, return_when=asyncio.FIRST_COMPLETED)
            # Who asked for the end, or failed, before all the others are ended.
            ended = [part for part in beside if part.done()]
            _say("Ending …")
            self._stop.set()
            await asyncio.wait({bot}, timeout=CLOSING_LIMIT)
            for part in ended:
                part.result()
            if not bot.done():
                raise FatalError(f"The bot did not close within {CLOSING_LIMIT:.0f} s.")
            return bot.result()
        finally:
            for part in (bot, *beside):
                part.cancel()
            await asyncio.gather(bot, *beside, return_exceptions=True)

    def _say_when(self, text: str) -> None:
        _say(f"{time.monotonic() - self._began:5.1f} s  {text}")

    def _greet(self, url: str) -> None:
        self._say_when("Ready.")
        channels = " or ".join(
            f"#{name} ({environment})" for environment, (_, name) in workspace.CHANNELS.items()
        )
        people = ", ".join(person.real_name for person in workspace.PEOPLE)
        for line in (
            "",
            f"Open {url}",
            f"In {channels} type, for example:",
            "  /prompt-redis            how it stands",
            "  /prompt-redis stats      what waits, and for how long",
            "  /prompt-redis pending    what was read and never confirmed",
            "  /prompt-redis help       what else there is: ping, consumers, about",
            f"*Act as* on the page chooses who types: {people}.",
            f"Here in the terminal type: {', '.join(TYPED)}. Ctrl-C ends it all.",
            "The page is open to your whole network, and asks for no password.",
            "",
        ):
            _say(line)


async def _unless(
    stop: asyncio.Event, starting: Coroutine[None, None, _Started]
) -> _Started | None:
    """Give what was started; None where the demo was ended meanwhile."""
    start, stopping = asyncio.create_task(starting), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({start, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return start.result() if start.done() else None
    finally:
        for task in (start, stopping):
            task.cancel()
        await asyncio.gather(start, stopping, return_exceptions=True)


@contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    endings = (signal.SIGINT, signal.SIGTERM)
    for ending in endings:
        loop.add_signal_handler(ending, stop.set)
    try:
        yield
    finally:
        for ending in endings:
            loop.remove_signal_handler(ending)


def _say(line: str) -> None:
    # Flushed, because a pipe would keep it back until the demo ends.
    print(line, flush=True)
