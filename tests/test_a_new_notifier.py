"""A notifier is one class: with it a kind is configured, checked, described, told and tried.

It is given to the process and to `check`, as the guide for developers has it, and nowhere else.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from bot.clients.pagers import NOTIFIERS, HttpNotifier
from bot.domain.oncall import Kind, Page
from bot.preflight import check
from tests.support.a_watch import SHORT, Alarmed, seen
from tests.support.pager_servers import PagerServers
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown


class Bell(HttpNotifier):
    """A kind of target that no release knows: all that a further one takes."""

    kind = Kind("bell", "the bell in the hall", key="clapper")

    def content(self, page: Page, key: str) -> Mapping[str, Any]:
        return {"ring": page.summary, "by": self._key, "step": page.step.value, "once": key}


@pytest.fixture
async def pagers() -> AsyncIterator[PagerServers]:
    async with PagerServers() as servers:
        yield servers


async def rung(pagers: PagerServers, times: int) -> None:
    async with asyncio.timeout(LONGEST_WAIT):
        while len(pagers.sent_to("bell")) < times:  # noqa: ASYNC110 -- a pager tells nobody
            await asyncio.sleep(0.02)


async def test_from_the_file_to_a_page(
    world: World, pagers: PagerServers, capsys: pytest.CaptureFixture[str]
) -> None:
    world.pagers = (*NOTIFIERS, Bell)
    bell = {"name": "hall", "kind": "bell", "environments": ["prod"], "on": "fire"}
    world.settings = {"alarms": SHORT, "oncall": {"targets": [bell]}}
    assert await check(world.configuration(), world.secrets, world.pagers) == 2
    said = capsys.readouterr().err
    assert "oncall.targets[0].url: is missing; kind bell calls an address" in said
    bell["url"] = pagers.bell
    assert await check(world.configuration(), world.secrets, world.pagers) == 2
    said = capsys.readouterr().err
    assert "PROMPT_REDIS_ONCALL_HALL_KEY: is not set; the url of on-call target `hall`" in said
    world.environ["PROMPT_REDIS_ONCALL_HALL_KEY"] = "brass"
    await check(world.configuration(), world.secrets, world.pagers)
    assert "ok      on-call target hall: 127.0.0.1 takes" in capsys.readouterr().out

    await world.group()
    prod = Alarmed(world)
    async with world.bot():
        answer = await world.type("oncall", user="U0BEN")
        assert "*hall*, now: the bell in the hall\n" in shown(answer)
        await prod.done("oncall test", "ana tries 1 on-call target")
        await rung(pagers, 1)
        await world.redis[PROD].xgroup_destroy("instrument:lsstcam", "lsstcam_consumer_group")
        await prod.root("PROD lsstcam: missing")
        await rung(pagers, 2)
        assert "last told" in shown(await world.type("oncall", user="U0BEN"))
        await seen(world, "environment = 'dev' OR NOT there")
    test, page = (each.content for each in pagers.sent_to("bell"))
    assert test["ring"] == "PROD: a test by ana, nothing is wrong"
    assert page["ring"].startswith("PROD lsstcam: missing, no")
    assert (page["by"], page["step"]) == ("brass", "trigger")
