"""Finds local-slack in the demo's folder, or installs it there with npm.

It is installed beside its place and then moved, so that an installation that was interrupted is
never taken for a whole one. Once it is there npm and the network are not asked again.
"""

import asyncio
import json
import platform
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from bot.demo.processes import Processes, last_line
from bot.domain.errors import FatalError

VERSION = "0.1.8"

LIMIT = 300.0
"""Seconds that an installation may take; the program has some 95 MB."""

_PLATFORMS = {
    ("Linux", "x86_64"): "linux-x64",
    ("Linux", "aarch64"): "linux-arm64",
    ("Darwin", "x86_64"): "darwin-x64",
    ("Darwin", "arm64"): "darwin-arm64",
}

_NO_ANSWER = (
    "EAI_AGAIN",
    "ECONNREFUSED",
    "ECONNRESET",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT",
    "ETIMEDOUT",
    "FETCH_ERROR",
)
"""npm's words for a registry that cannot be reached."""


def package(system: str, machine: str) -> str:
    """Name of the package that holds local-slack for a platform.

    Parameters
    ----------
    system, machine
        As `platform` names them.

    Raises
    ------
    FatalError
        If there is none.
    """
    try:
        return f"local-slack-{_PLATFORMS[system, machine]}"
    except KeyError:
        raise FatalError(
            f"The demo's local Slack does not exist for {system} on {machine}: "
            "it needs Linux or macOS, on x64 or arm64."
        ) from None


async def local_slack(processes: Processes, folder: Path, say: Callable[[str], None]) -> Path:
    """Give the path of local-slack, installed where it is not there yet.

    Parameters
    ----------
    processes
        Runs npm.
    folder
        Where the demo keeps what a second run needs again.
    say
        Told when there is something to wait for.

    Raises
    ------
    FatalError
        If it cannot be installed; the text says what to do.
    """
    name = package(platform.system(), platform.machine())
    installed = folder / "local-slack"
    module = installed / "node_modules" / name
    program = module / "bin" / "local-slack"
    if program.exists() and _version(module) == VERSION:
        return program
    npm = shutil.which("npm")
    if npm is None:
        raise FatalError(
            "Node with npm is needed once, for the demo's local Slack, and npm is not in the PATH. "
            "Install it with `apt install npm`, `dnf install npm`, `brew install node` or from "
            "https://nodejs.org, then start the demo again."
        )
    say(f"Installing local-slack {VERSION} with npm, this once …")
    with tempfile.TemporaryDirectory(prefix="installing-", dir=folder) as beside:
        await _install(processes, npm, f"{name}@{VERSION}", Path(beside))
        shutil.rmtree(installed, ignore_errors=True)
        (Path(beside) / "prefix").rename(installed)
    if not program.exists():
        raise FatalError(f"npm installed {name}, and {program} is not in it.")
    return program


async def _install(processes: Processes, npm: str, wanted: str, folder: Path) -> None:
    prefix, log = folder / "prefix", folder / "npm.log"
    prefix.mkdir()
    process = await processes.start(
        *(npm, "install", "--prefix", prefix, "--no-save", "--no-package-lock", "--no-audit"),
        *("--no-fund", "--loglevel=error", "--fetch-retries=1", "--fetch-retry-mintimeout=1000"),
        wanted,
        log=log,
        folder=folder,
    )
    try:
        code = await asyncio.wait_for(process.wait(), LIMIT)
    except TimeoutError:
        raise FatalError(f"npm did not install {wanted} within {LIMIT:.0f} s. {_REMEDY}") from None
    finally:
        await processes.end(process)
    if code:
        printed = log.read_text("utf-8", "replace")
        if any(word in printed for word in _NO_ANSWER):
            raise FatalError(f"The npm registry does not answer. {_REMEDY}")
        if "E404" in printed or "ETARGET" in printed:
            raise FatalError(f"The npm registry does not have {wanted}. {_REMEDY}")
        raise FatalError(f"npm could not install {wanted}: {_reason(printed) or last_line(log)}")


_REMEDY = (
    "The first demo needs the network once. `npm config get registry` shows which registry is "
    "asked; behind a proxy set HTTPS_PROXY. Then start the demo again."
)


def _reason(printed: str) -> str | None:
    # "npm error code E…" and the path of a log say less than the line between them.
    lines = [line.removeprefix("npm error ").strip() for line in printed.splitlines()]
    return next((line for line in lines if line and not line.startswith(("npm ", "code "))), None)


def _version(module: Path) -> str | None:
    try:
        return str(json.loads((module / "package.json").read_text("utf-8"))["version"])
    except (OSError, ValueError, KeyError):
        return None
