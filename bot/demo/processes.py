"""The demo's child processes: none of them may outlive the demo.

Each leads a session of its own, so that Ctrl-C reaches the demo first and the bot still has its
Slack and its Redis while it closes. The guard ends them where the demo cannot, see `guard`.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from bot.demo import guard
from bot.domain.errors import FatalError

_GRACE = 3.0
"""Seconds that a process has to end by itself before it is killed."""


class Processes:
    """Starts and ends processes, and knows which are left.

    Parameters
    ----------
    run_folder
        What is written for this run alone; removed with the last process.
    """

    def __init__(self, run_folder: Path) -> None:
        self._running: set[asyncio.subprocess.Process] = set()
        self._guard = subprocess.Popen(  # noqa: S603 -- our own file
            [sys.executable, "-I", guard.__file__, str(run_folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    async def start(
        self,
        *command: str | Path,
        log: Path,
        folder: Path | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> asyncio.subprocess.Process:
        """Start a program.

        Parameters
        ----------
        log
            File that receives what it prints.
        folder, environ
            Its working directory and its environment; None for the demo's.

        Raises
        ------
        FatalError
            If this machine cannot run it.
        """
        try:
            with log.open("ab") as output:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=environ,
                    start_new_session=True,
                )
        except OSError as error:
            raise FatalError(f"{command[0]} cannot be run here: {error.strerror}.") from error
        self._running.add(process)
        self._tell_guard("+", process)
        return process

    async def end(
        self, process: asyncio.subprocess.Process, ask: signal.Signals = signal.SIGTERM
    ) -> None:
        """End a process and what it started, by force where it does not listen to `ask`."""
        _signal(process, ask)
        try:
            await asyncio.wait_for(process.wait(), _GRACE)
        except TimeoutError:
            _signal(process, signal.SIGKILL)
            await process.wait()
        self._running.discard(process)
        self._tell_guard("-", process)

    async def aclose(self) -> None:
        """End every process that is left, the guard included."""
        await asyncio.gather(*(self.end(process) for process in list(self._running)))
        if self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.close()
        await asyncio.to_thread(self._guard.wait)

    def _tell_guard(self, sign: str, process: asyncio.subprocess.Process) -> None:
        # Without a guard (somebody killed it) the demo still ends its processes itself.
        if self._guard.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._guard.stdin.write(f"{sign}{process.pid}\n".encode())
                self._guard.stdin.flush()


def _signal(process: asyncio.subprocess.Process, which: signal.Signals) -> None:
    # Its process group and not it alone: npm runs node. A process that ended and was waited for
    # has given its ID back, so it is asked first.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, which)


def last_line(log: Path) -> str:
    """Give what a process printed last, for the sentence that says why it ended."""
    lines = [line.strip() for line in log.read_text("utf-8", "replace").splitlines()]
    return next((line for line in reversed(lines) if line), "it printed nothing")
