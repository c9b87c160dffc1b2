"""What is said once a day: the night's summary after dawn, and the check before dusk."""

from datetime import timedelta

import pytest

from tests.support.a_watch import all_said, looked_at
from tests.support.expected import Expected
from tests.support.slack_server import Message
from tests.support.world import PROD, World

NIGHT = timedelta(hours=-10, minutes=-15)
AFTER_DAWN = timedelta(hours=-6, minutes=-30)
BEFORE_DUSK = timedelta(hours=7, minutes=50)
STREAM, GROUP = "instrument:lsstcam", "lsstcam_consumer_group"


@pytest.fixture
def world(world: World) -> World:
    world.settings["alarms"]["rules"]["missing"]["enabled"] = True
    return world


async def said(world: World, sign: str) -> Message:
    """Run the bot at this hour, until it has said what is due."""
    async with world.bot():
        found = await world.slack.until(
            lambda: next((m for m in world.slack.messages(PROD) if sign in m.text), None)
        )
        await all_said(world)
    return found


async def the_night(world: World) -> None:
    """Let some visits come, of which one is left and one entry is never confirmed."""
    world.ahead = NIGHT
    await world.group()
    await world.announce(3, detectors=172, ago=30)
    await world.read(515)
    await world.read(1, confirm=False)
    for minutes in (0, 2, 4):
        world.ahead = NIGHT + timedelta(minutes=minutes)
        await world.announce(1, detectors=172)
        async with world.bot():
            await looked_at(world, 4)


async def test_a_summary(world: World, expected: Expected) -> None:
    await the_night(world)
    world.ahead = AFTER_DAWN
    await said(world, "🌅")
    expected.channel("channel", world)


async def test_a_night_that_nobody_watched(world: World, expected: Expected) -> None:
    await world.group()
    world.ahead = AFTER_DAWN
    await said(world, "🌅")
    expected.channel("channel", world)


async def test_a_check(world: World, expected: Expected) -> None:
    await world.group()
    world.ahead = BEFORE_DUSK - timedelta(hours=3)
    async with world.bot():
        await world.type("silence lsstcam 12h known since the checkout")
        await world.announce(1)
        await world.type("clear lsstcam")
        await all_said(world)
    await world.redis[PROD].xgroup_destroy(STREAM, GROUP)
    world.ahead = BEFORE_DUSK
    world.settings["environments"]["prod"]["read_only"] = True
    await said(world, "before the night")
    expected.channel("channel", world)
