"""One run of the demo: start everything, say what to try, do what is typed, end everything."""

import asyncio
import signal
import sys
import tempfile
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

from bot import FAILED, INVALID
from bot.demo import configuration, local_slack
from bot.demo.processes import Processes
from bot.demo.terminal import ScriptStep, Terminal, parse
from bot.demo.world import World
from bot.domain.errors import FatalError, UserError
from bot.services.workloads import Cluster


class Serve(Protocol):
    """Runs the bot, as `bot.app.serve` does; the demo does not know the one, and is handed it."""

    def __call__(
        self,
        path: Path,
        environ: Mapping[str, str],
        stop: asyncio.Event,
        ready: asyncio.Event,
        *,
        clusters: Mapping[str, Cluster],
    ) -> Coroutine[Any, Any, int]:
        """Serve until `stop` is set; gives the exit code."""
        ...


WELCOME = """
Open {url}

  You are Ana; choose somebody else with "Act as". PROD is #lsstcam-prompt-processing,
  dev is #dm-prompt-processing. Type there, for example:

    /prompt-redis                 the short status
    /prompt-redis stats           what waits, and whether it is read
    /prompt-redis pending         what was read and never confirmed
    /prompt-redis clear           discard what waits: then "Act as" Ben approves it
    /prompt-redis restart         restart Redis: Ben approves, and everybody watches it come back
    /prompt-redis alarms          what is wrong, and who is on it (stall, then 3 min of patience)
    /prompt-redis chart           the last hours as a picture
    /prompt-redis maintenance     announce work on Redis, and hold the alarms
    /prompt-redis audit           who asked, who approved, what it did
    /prompt-redis runbook         what to do
    /prompt-redis help            all the rest

  Type here:  stall | break group | kill redis | recover | quit

  The page is open to everybody who reaches this machine. The bot's log is {log}.
"""


async def run(serve: Serve, *, folder: Path, port: int, script: str | None) -> int:
    """Run the demo until Ctrl-C, SIGTERM or `quit`.

    Parameters
    ----------
    serve
        Runs the bot in this process.
    folder
        Keeps local-slack from one run to the next.
    port
        Of the page; the next free one is taken.
    script
        Actions by the clock; None for none.

    Returns
    -------
    int
        0 when it was ended, 1 if something did not start, 2 for a script that cannot be read.
    """
    try:
        steps = parse(script) if script else []
    except UserError as error:
        print(error, file=sys.stderr)
        return INVALID
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    session = _Session(serve, Path.cwd() / folder, stop)
    running = asyncio.create_task(session.run(port, steps))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({running, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not session.serving:
            # Still starting: nobody waits for npm to come to its end.
            running.cancel()
        return await running
    except FatalError as error:
        print(f"\n{error}", file=sys.stderr)
        return FAILED
    except asyncio.CancelledError:
        return 0
    finally:
        stopped.cancel()


class _Session:
    def __init__(self, serve: Serve, folder: Path, stop: asyncio.Event) -> None:
        self._serve = serve
        self._folder = folder
        self._stop = stop
        self._began = monotonic()
        self.serving = False

    async def run(self, port: int, steps: list[ScriptStep]) -> int:
        run_folder = Path(tempfile.mkdtemp(prefix="prompt-redis-demo-"))
        async with AsyncExitStack() as stack:
            processes = Processes(run_folder)
            stack.push_async_callback(processes.aclose)
            world = World(processes, run_folder)
            self._say("starting the local Slack and two embedded Valkey servers ...")
            program = await local_slack.install(processes, self._folder / "local-slack")
            slack = await local_slack.start(processes, program, run_folder, port)
            await world.start()
            stack.push_async_callback(world.aclose)
            self._say("visits are announced and read; starting the bot ...")
            urls = {name: server.url for name, server in world.servers.items()}
            path = configuration.of_bot(run_folder, urls)
            self.serving = True
            ready = asyncio.Event()
            environ = configuration.environ(slack.url)
            serving = self._serve(path, environ, self._stop, ready, clusters=world.clusters)
            return await self._watch(world, slack, asyncio.create_task(serving), ready, steps)

    async def _watch(
        self,
        world: World,
        slack: local_slack.LocalSlack,
        bot: asyncio.Task[int],
        ready: asyncio.Event,
        steps: list[ScriptStep],
    ) -> int:
        """Let the world turn, and do what is wanted, until that, the bot or the Slack ends."""
        terminal = Terminal(world, self._stop)
        waiting = asyncio.create_task(ready.wait())
        gone = asyncio.create_task(slack.process.wait())
        turning = [asyncio.create_task(world.run()), asyncio.create_task(terminal.run())]
        tasks: list[asyncio.Task[Any]] = [waiting, gone, *turning]
        try:
            await asyncio.wait({bot, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if ready.is_set():
                self._say("the bot is connected.")
                print(WELCOME.format(url=slack.url, log=self._folder / "bot.log"), flush=True)
                tasks.append(asyncio.create_task(terminal.follow(steps)))
                with terminal:
                    await asyncio.wait({bot, gone, *turning}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            left = gone.done()
            self._stop.set()
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        code = await bot
        if left:
            raise FatalError("The local Slack has ended, and the demo with it.")
        for end in ended:
            if isinstance(end, Exception):
                raise end
        return code

    def _say(self, text: str) -> None:
        print(f"[{monotonic() - self._began:4.1f} s] {text}", flush=True)
