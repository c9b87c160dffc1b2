"""Maintenance from its announcement to its end, and what both channels hear of it."""

from datetime import timedelta

import pytest

from tests.support.a_watch import all_said, looked_at
from tests.support.expected import Expected, answered
from tests.support.slack_server import Message
from tests.support.two_people import BEN
from tests.support.world import DEV, ELSEWHERE, PROD, World

MINUTE = timedelta(minutes=1)


@pytest.fixture
def world(world: World) -> World:
    """Hours pass here at once, after which somebody must have looked."""
    world.settings["alarms"]["poll"] = "1s"
    return world


async def posted(world: World, words: str, channel: str = PROD) -> Message:
    """Wait for a message, in a thread or not."""
    await all_said(world)
    return await world.slack.until(
        lambda: next(
            (
                each
                for each in world.slack.messages(channel)
                if words in each.all_text and not each.ephemeral_to
            ),
            None,
        ),
        what=f"{words!r} in {channel}",
    )


async def becomes(world: World, card: Message, words: str) -> None:
    await all_said(world)
    await world.slack.until(lambda: words in card.text, what=f"{words!r}, not {card.text!r}")


async def more(world: World, card: Message) -> None:
    """Wait until the thread says one thing more."""

    def said() -> int:
        return sum(each.thread_ts == card.ts for each in world.slack.messages(PROD))

    before = said()
    await world.slack.until(lambda: said() > before, what=f"more about {card.text}")
    await all_said(world)


async def test_planned(world: World, expected: Expected) -> None:
    world.settings["environments"]["prod"]["mirrors"] = ["coffee"]
    world.settings["alarms"]["links"] = {"downtime": "https://announce.example/form"}
    await world.group()
    async with world.bot():
        typed = "maintenance schedule 2026-11-24T18:00Z 1h Redis 8.10 upgrade"
        expected.message("01-answer", await answered(world, typed))
        card = await posted(world, "Redis 8.10 upgrade")
        expected.message("02-planned", card)
        expected.message("02-status", await answered(world, ""))
        expected.message("02-list", await answered(world, "maintenance list"))
        expected.message("02-upgrade", await answered(world, "upgrade"))
        expected.message(
            "03-change", await answered(world, "maintenance change 1 2026-11-24T18:30Z 90m")
        )
        await becomes(world, card, "18:30")
        expected.message("04-changed", card)
        world.ahead += timedelta(hours=1, minutes=50)
        await more(world, card)
        world.ahead += 52 * MINUTE
        await more(world, card)
        world.ahead += 10 * MINUTE
        await becomes(world, card, "has started")
        await posted(world, "has started", ELSEWHERE)
        expected.message("05-started", card)
        await looked_at(world, 4)
        expected.message("05-status", await answered(world, ""))
        typed = "maintenance update 1 half way, <!channel>"
        expected.message("06-update", await answered(world, typed))
        await posted(world, "half way")
        expected.message("07-extend", await answered(world, "maintenance extend 1 30m"))
        await becomes(world, card, "20:30")
        expected.message("08-extended", card)
        world.ahead += timedelta(hours=1, minutes=52)
        await more(world, card)
        world.ahead += 15 * MINUTE
        await more(world, card)
        expected.message("09-overrunning", card)
        expected.message("10-end", await answered(world, "maintenance end 1 all went well"))
        await becomes(world, card, "is over")
        await posted(world, "is over", ELSEWHERE)
        expected.message("11-ended", card)
        expected.message("12-end-again", await answered(world, "maintenance end 1"))
        expected.message("12-cancel-ended", await answered(world, "maintenance cancel 1"))
        expected.message("12-list", await answered(world, "maintenance list"))
        expected.message("12-audit", await answered(world, "audit"))
    expected.channel("13-channel", world)
    expected.channel("13-mirror", world, ELSEWHERE)


async def test_at_once_and_cancelled(world: World, expected: Expected) -> None:
    await world.group()
    async with world.bot():
        expected.message("01-start", await answered(world, "maintenance start 30m a new disk"))
        card = await posted(world, "a new disk")
        expected.message("02-started", card)
        expected.message("03-start-again", await answered(world, "maintenance start 30m another"))
        await world.redis[PROD].xgroup_destroy("instrument:lsstcam", "lsstcam_consumer_group")
        await answered(world, "maintenance end 1")
        await becomes(world, card, "is over")
        expected.message("04-ended", card)
        await answered(world, "maintenance schedule tomorrow 15:00 Chile 2h a long one")
        plan = await posted(world, "a long one")
        expected.message("05-planned-in-chile", plan)
        expected.message("06-other", await answered(world, "maintenance cancel 2", user=BEN))
        expected.message("07-cancel", await answered(world, "maintenance cancel 2"))
        await becomes(world, plan, "cancelled")
        expected.message("08-cancelled", plan)
        typed = "maintenance announce New chart tomorrow, <!here> nothing to do"
        expected.message("09-announced", await answered(world, typed))
        await answered(world, "maintenance start 1h for dev", DEV)
        dev = await posted(world, "for dev", DEV)
        expected.message("10-dev", dev)
    expected.channel("11-channel", world)


async def test_forms(world: World, expected: Expected) -> None:
    await world.group()
    async with world.bot():
        for typed in (
            "maintenance schedule",
            "maintenance start",
            "maintenance announce",
            "silence lsstcam",
            "silence",
            "clear",
            "oncall page",
        ):
            expected.message(typed.replace(" ", "-"), await answered(world, typed))
        await answered(world, "maintenance schedule 2026-11-24T18:00Z 1h upgrade")
        for name in ("change", "update", "end", "cancel", "extend"):
            expected.message(name, await answered(world, f"maintenance {name} 1"))


async def test_at_night(world: World, expected: Expected) -> None:
    world.ahead = timedelta(hours=-10)
    await world.group()
    async with world.bot():
        expected.message("1-refused", await answered(world, "maintenance start 1h hurry"))
        typed = "maintenance start --during-observing 1h agreed with the summit"
        expected.message("2-answer", await answered(world, typed))
        expected.message("3-started", await posted(world, "agreed with the summit"))
