"""Has a chart drawn by a process of its own, which ends with it.

The library that draws takes half a second to import and 60 MiB to keep. A process that watches for
months has neither to spare, and gets both back from one that ends. One picture at a time: two at
once would take twice the memory.
"""

import asyncio
import pickle
import sys
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

from bot.domain.samples import Minute, Sample
from bot.render.chart import Marks, draw

LIMIT = 30.0
"""Seconds for a picture; on a slow machine it takes three."""


async def drawn(
    title: str,
    points: Sequence[Minute | Sample],
    since: datetime,
    until: datetime,
    marks: Marks,
    *,
    expiration: timedelta | None,
) -> bytes:
    """Draw a chart as `bot.render.chart.draw` does, after those who asked before.

    Raises
    ------
    RuntimeError
        If the process that draws has failed; the text is its last line.
    TimeoutError
        If it takes too long.
    """
    isolated = ("-I",) if sys.flags.isolated else ()
    sent = pickle.dumps((title, points, since, until, marks, expiration))
    async with _turn(asyncio.get_running_loop()), asyncio.timeout(LIMIT):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *isolated,
            "-m",
            __name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            picture, said = await process.communicate(sent)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode != 0:
        lines = said.decode("utf-8", "replace").strip().splitlines()
        raise RuntimeError(f"no chart was drawn: {lines[-1] if lines else process.returncode}")
    return picture


@cache
def _turn(loop: asyncio.AbstractEventLoop) -> asyncio.Lock:
    """Give the lock of a loop; a process has one, its tests have many."""
    del loop
    return asyncio.Lock()


def _main() -> None:
    # From its parent alone, through a pipe that nobody else holds.
    title, points, since, until, marks, expiration = pickle.load(sys.stdin.buffer)  # noqa: S301
    picture = draw(title, points, since, until, marks, expiration=expiration)
    sys.stdout.buffer.write(picture)


if __name__ == "__main__":
    _main()
