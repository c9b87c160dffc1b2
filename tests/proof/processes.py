"""The bot as processes of its own, which can be killed as the kernel kills them."""

import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.support.waits import LONGEST_WAIT

_log = logging.getLogger(__name__)


class Bot:
    """One process, and what it logged."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self.log: list[dict[str, Any]] = []
        self._logged = asyncio.Event()
        self._reading = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            text = line.decode()
            # What is no log line is a traceback, or the interpreter's last words.
            said = json.loads(text) if text.startswith("{") else {"level": "error", "event": text}
            self.log.append(said)
            # pytest shows it beside a test that fails.
            _log.warning("%s: %s", self._process.pid, said)
            self._logged.set()
        self._logged.set()

    async def until_logged(self, event: str) -> dict[str, Any]:
        async with asyncio.timeout(LONGEST_WAIT):
            while True:
                for line in self.log:
                    if line["event"] == event:
                        return line
                assert not self._reading.done(), self.log
                self._logged.clear()
                await self._logged.wait()

    @property
    def errors(self) -> list[dict[str, Any]]:
        return [line for line in self.log if line["level"] in {"error", "critical"}]

    async def kill(self) -> None:
        """SIGKILL: nothing is finished, closed, or given back."""
        if self._process.returncode is None:
            self._process.kill()
        await self._ended()

    async def stop(self) -> None:
        """SIGTERM, as Kubernetes says it."""
        if self._process.returncode is None:
            self._process.terminate()
        await self._ended()
        assert self._process.returncode == 0, self.log

    async def _ended(self) -> None:
        async with asyncio.timeout(LONGEST_WAIT):
            await self._process.wait()
            await self._reading


@asynccontextmanager
async def a_bot(configuration: Path, secrets: Mapping[str, str]) -> AsyncIterator[Bot]:
    """Start the bot; however the test ends, the process ends with it."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "bot", "--config", str(configuration), "run"),
        stdin=DEVNULL,
        stdout=DEVNULL,
        stderr=PIPE,
        env={"PATH": os.environ["PATH"], **secrets},
    )
    bot = Bot(process)
    try:
        await bot.until_logged("ready")
        yield bot
    finally:
        await bot.kill()
