"""The local Slack: one process with a page for people and the Web API for the bot.

It listens on every interface of the machine, which cannot be changed.
"""

import asyncio
import json
import socket
from pathlib import Path

import aiohttp

from bot.demo import workspace
from bot.demo.processes import Processes, last_line
from bot.domain.errors import FatalError

START_LIMIT = 20.0
"""Seconds until its page must answer."""

_PORTS_TRIED = 100


class LocalSlack:
    """One local Slack.

    Parameters
    ----------
    processes
        Starts and ends it.
    program
        local-slack, see `npm`.
    run_folder
        For its configuration, its log and uploaded files.
    first_port
        Its port, or the next one that is free.

    Attributes
    ----------
    url
        Address of the page.
    """

    def __init__(
        self, processes: Processes, program: Path, run_folder: Path, first_port: int
    ) -> None:
        self._processes = processes
        self._program = program
        self._folder = run_folder
        self._log = run_folder / "local-slack.log"
        self._port = free_port(first_port)
        self._process: asyncio.subprocess.Process | None = None
        self.url = f"http://localhost:{self._port}"

    async def start(self) -> None:
        """Start it and wait until it answers.

        Raises
        ------
        FatalError
            If it does not.
        """
        config = self._folder / "local-slack.json"
        config.write_text(json.dumps(workspace.local_slack_config(), indent=2), "utf-8")
        self._process = await self._processes.start(
            *(self._program, "--config", config, "--port", str(self._port)),
            *("--files-dir", self._folder / "files"),
            log=self._log,
            folder=self._folder,
        )
        loop = asyncio.get_running_loop()
        limit = loop.time() + START_LIMIT
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session:
            while not await self._answers(session):
                if self._process.returncode is not None or loop.time() > limit:
                    raise FatalError(f"The local Slack did not start: {last_line(self._log)}")
                await asyncio.sleep(0.05)

    async def ended(self) -> None:
        """Wait for an end that nobody asked for.

        Raises
        ------
        FatalError
            When it comes.
        """
        if self._process is not None:
            await self._process.wait()
            raise FatalError(f"The local Slack has ended: {last_line(self._log)}")

    async def _answers(self, session: aiohttp.ClientSession) -> bool:
        try:
            async with session.get(f"{self.url}/_control/state") as response:
                state = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return False
        return any(app["appId"] == workspace.APP_ID for app in state["apps"])


def free_port(first: int) -> int:
    """Give a port on which nobody listens, on no interface.

    Parameters
    ----------
    first
        Preferred; otherwise one of the next.

    Raises
    ------
    FatalError
        If all of them are taken.
    """
    for port in range(first, min(first + _PORTS_TRIED, 65536)):
        # macOS lets one program have the loopback and another the rest: ask for both.
        if _is_free(port, "127.0.0.1") and _is_free(port, ""):
            return port
    raise FatalError(f"Every port from {first} on is taken; choose another one with --port.")


def _is_free(port: int, host: str) -> bool:
    every_family = not host and socket.has_dualstack_ipv6()
    try:
        with socket.create_server(
            (host, port),
            family=socket.AF_INET6 if every_family else socket.AF_INET,
            dualstack_ipv6=every_family,
        ):
            return True
    except OSError:
        return False
