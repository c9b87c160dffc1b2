"""The demo's Slack: the program local-slack, from npm, kept in the demo's folder.

A second run finds it there and needs neither npm nor a network.
"""

import asyncio
import json
import platform
import shutil
import socket
from pathlib import Path
from typing import NamedTuple

import aiohttp

from bot.demo import configuration
from bot.demo.processes import Processes, last_line
from bot.domain.errors import FatalError

_VERSION = "0.1.8"
_INSTALL_LIMIT = 120.0
_START_LIMIT = 20.0
"""Seconds."""

_PACKAGES = {
    ("Linux", "x86_64"): "local-slack-linux-x64",
    ("Linux", "aarch64"): "local-slack-linux-arm64",
    ("Darwin", "x86_64"): "local-slack-darwin-x64",
    ("Darwin", "arm64"): "local-slack-darwin-arm64",
}


class LocalSlack(NamedTuple):
    """Address of its page, without a slash at the end, and its process."""

    url: str
    process: asyncio.subprocess.Process


async def install(processes: Processes, folder: Path) -> Path:
    """Find local-slack in this folder, or install it there with npm; give the program.

    Raises
    ------
    FatalError
        If npm is missing, fails, or has nothing for this machine.
    """
    machine = (platform.system(), platform.machine())
    package = _PACKAGES.get(machine)
    if package is None:
        raise FatalError(
            f"The demo's local Slack is not made for {' '.join(machine)}. "
            "Run the demo on Linux or macOS, on x86-64 or ARM."
        )
    program = folder / "node_modules" / package / "bin" / "local-slack"
    if program.exists():
        return program
    npm = shutil.which("npm")
    if npm is None:
        raise FatalError(
            "The demo needs npm once, to install its local Slack, and npm is not here. Install "
            "Node.js with npm (Debian: apt-get install nodejs npm; macOS: brew install node)."
        )
    folder.mkdir(parents=True, exist_ok=True)  # noqa: ASYNC240 -- one local folder
    log = folder / "npm.log"
    arguments = ["install", "--prefix", str(folder), "--no-save", "--no-package-lock"]
    # Without a network npm would try for minutes before it says so.
    arguments += ["--fetch-retries=1", "--fetch-retry-mintimeout=1000"]
    arguments += ["--no-audit", "--no-fund", f"{package}@{_VERSION}"]
    process = await processes.start(npm, *arguments, log=log)
    try:
        async with asyncio.timeout(_INSTALL_LIMIT):
            code = await process.wait()
    except TimeoutError:
        code = None
    await processes.end(process)
    if code != 0 or not program.exists():
        raise FatalError(
            f"npm could not install {package} {_VERSION}: {_reason(log)}. The demo needs the npm "
            f"registry once; check the network and its proxy. All that npm said is in {log}."
        )
    return program


def _reason(log: Path) -> str:
    """Find what npm complained about first; what it says last is where its own log is."""
    for line in log.read_text("utf-8", "replace").splitlines():
        if line.startswith(("npm error", "npm ERR!")):
            return line.removeprefix("npm error").removeprefix("npm ERR!").strip()
    return last_line(log)


async def start(processes: Processes, program: Path, run_folder: Path, port: int) -> LocalSlack:
    """Start it, on this port or the next free one.

    Raises
    ------
    FatalError
        If it does not start.
    """
    config = run_folder / "local-slack.json"
    config.write_text(json.dumps(configuration.of_local_slack()), "utf-8")
    log = run_folder / "local-slack.log"
    free = _free_port(port)
    files = str(run_folder / "uploads")
    process = await processes.start(
        program, "--config", config, "--port", str(free), "--files-dir", files, log=log
    )
    url = f"http://localhost:{free}"
    try:
        async with asyncio.timeout(_START_LIMIT), aiohttp.ClientSession() as http:
            while not await _answers(http, url):
                if process.returncode is not None:
                    raise FatalError(f"The local Slack did not start: {last_line(log)}")
                await asyncio.sleep(0.1)
    except TimeoutError as error:
        raise FatalError(f"The local Slack does not answer at {url}.") from error
    return LocalSlack(url, process)


async def _answers(http: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with http.get(f"{url}/_control/state") as answer:
            return answer.status == 200  # noqa: PLR2004 -- HTTP's OK
    except aiohttp.ClientError:
        return False


def _free_port(first: int) -> int:
    """Find a port that nobody listens on; local-slack itself listens on every address."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("", port))
            except OSError:
                continue
            return port
    raise FatalError(f"No port from {first} to {first + 99} is free. Give another --port.")
