"""What the bot says when it cannot know, through the front door."""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from tests.support.a_watch import SHORT, Alarmed
from tests.support.night import observing
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


async def answered(world: World, path: str) -> tuple[int, str]:
    """Ask the bot over HTTP."""
    port = world.settings["http"]["port"]
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, await answer.text()


@pytest.mark.parametrize("jump", [2 * HOUR, -2 * HOUR])
async def test_a_clock_that_is_set_does_not_kill_the_process(
    world: World, jump: timedelta, unused_tcp_port: int
) -> None:
    world.settings = {"alarms": SHORT, "http": {"port": unused_tcp_port}}
    async with world.bot():
        await world.group()
        world.jumped += jump
        assert await answered(world, "/livez") == (200, "ok")
        await asyncio.sleep(0)
        assert "PONG" in (await world.type("ping")).text
        assert await answered(world, "/livez") == (200, "ok")
