"""The card of every change, from the question to the end, and what its thread says."""

import re
from datetime import timedelta
from typing import Any

from tests.support.expected import Expected, answered
from tests.support.slack_server import Message
from tests.support.two_people import ANA, BEN, CARLA, HOSTILE, asked, mention, two_people, until
from tests.support.world import PROD, World

STREAM, GROUP = "instrument:lsstcam", "lsstcam_consumer_group"
HOUR = timedelta(hours=1)


async def approved(world: World, card: Message, words: str) -> None:
    """Approve it, and wait until it is over and the requester knows."""
    number = card.text.split("Request ")[1].split(",")[0]
    await world.click(card, "Approve", BEN)
    await until(world, card, words)
    await mention(world, f"request {number} ")


async def one(
    world: World, expected: Expected, text: str, words: str, *, name: str | None = None
) -> Message:
    """Ask for a change and approve it."""
    name = name or text.replace(" ", "-")
    card = await asked(world, text)
    expected.message(f"{name}-1-open", card)
    await approved(world, card, words)
    expected.message(f"{name}-2-ended", card)
    return card


async def test_clear(world: World, expected: Expected) -> None:
    await world.group()
    await world.announce(7, detectors=172, ago=600)
    async with world.bot():
        card = await asked(world, "clear lsstcam --reason All-day clearing, nobody needs them")
        expected.message("1-open", card)
        expected.message("1-requests", await answered(world, "requests"))
        expected.message("1-requests-of-one", await answered(world, "requests 1"))
        expected.message("1-status", await answered(world, ""))
        world.ahead += timedelta(minutes=3)
        await world.announce(2, detectors=172)
        await approved(world, card, "7 visits discarded")
        expected.message("2-done", card)
        expected.message("2-requests-of-one", await answered(world, "requests 1"))
        undo = await asked(world, "restore 1")
        expected.message("3-undo-open", undo)
        world.ahead += timedelta(minutes=3)
        await approved(world, undo, "visits put back.*")
        expected.message("4-undo-done", undo)
        expected.message("4-cleared", card)
        expected.message("4-restored-already", await answered(world, "restore 1"))
        expected.message("4-audit", await answered(world, "audit"))
    expected.channel("5-channel", world)


async def test_clear_in_other_ways(world: World, expected: Expected) -> None:
    await world.group()
    async with world.bot():
        await world.announce(2, ago=65 * 60)
        await one(world, expected, "clear lsstcam --delete", "was deleted")
        await world.announce(1, ago=100)
        await world.read(3)
        await one(world, expected, "clear lsstcam", "🟢", name="clear-of-what-was-read")
        await world.announce(3, ago=50)
        card = await asked(world)
        await world.read(4)
        await approved(world, card, "discarded")
        expected.message("clear-of-a-part", card)
        await one(world, expected, "restore 3", "🟢")
        card = await asked(world)
        await world.read(9)
        await approved(world, card, "nothing was discarded")
        expected.message("clear-of-nothing", card)
    expected.channel("channel", world)


async def test_bootstrap(world: World, expected: Expected) -> None:
    async with world.bot():
        await one(world, expected, "bootstrap lsstcam", "🟢", name="no-stream")
        ids = await world.announce(3, ago=600)
        await world.read(4)
        await answered(world, "stats")
        await world.redis[PROD].xgroup_destroy(STREAM, GROUP)
        expected.message("stats", await answered(world, "stats"))
        card = await asked(world, "bootstrap")
        expected.message("lost-1-open", card)
        await world.announce(1)
        await approved(world, card, "🟢")
        expected.message("lost-2-done", card)
        for start in ("start", "end", ids[2]):
            await world.redis[PROD].xgroup_destroy(STREAM, GROUP)
            name = "from-an-entry" if start[0].isdigit() else f"from-{start}"
            await one(world, expected, f"bootstrap lsstcam --from {start}", "🟢", name=name)
        expected.message("there-already", await answered(world, "bootstrap lsstcam"))
        await world.redis[PROD].xgroup_destroy(STREAM, GROUP)
        card = await asked(world, "bootstrap lsstcam")
        await world.redis[PROD].xgroup_create(STREAM, GROUP, "$")
        await approved(world, card, "🟡")
        expected.message("somebody-was-quicker", card)
    expected.channel("channel", world)


async def test_settle(world: World, expected: Expected) -> None:
    await world.group()
    ids: Any = await world.announce(4, ago=7200)
    await world.read(12, confirm=False)
    consumer = "3f0c91ab-worker"
    await world.redis[PROD].xclaim(STREAM, GROUP, consumer, 0, ids, idle=5_430_000)
    async with world.bot():
        card = await asked(world, "settle lsstcam --idle 1h --reason their workers died")
        expected.message("1-open", card)
        await world.redis[PROD].xack(STREAM, GROUP, ids[0])
        await approved(world, card, "🟢")
        expected.message("2-done", card)
        expected.message("3-nothing", await answered(world, "settle lsstcam"))
        await world.announce(1, ago=100)
        await world.read(3, confirm=False)
        expected.message("4-too-young", await answered(world, "settle lsstcam --idle 30m"))
    expected.channel("5-channel", world)


async def test_repair(world: World, expected: Expected) -> None:
    await world.group()
    ids = await world.announce(2, detectors=5, ago=100)
    await world.read(10)
    async with world.bot():
        await world.redis[PROD].xgroup_setid(STREAM, GROUP, ids[3])
        await one(world, expected, "repair lsstcam", "🟢")
        await world.redis[PROD].xdel(STREAM, ids[6])
        await world.redis[PROD].xgroup_setid(STREAM, GROUP, ids[4])
        await one(world, expected, "repair", "🟡", name="repair-with-a-hole")
    expected.channel("channel", world)


async def test_prune(world: World, expected: Expected) -> None:
    await world.group()
    await world.announce(4, ago=100)
    for number in range(3):
        await world.read(1, consumer=f"worker-{number}")
    # Its end is told by the machine's own clock.
    expected.varies.append((re.compile(r"updated \d\d:\d\d:\d\d UTC"), "updated ‹time›"))
    async with world.bot():
        expected.message("nobody", await answered(world, "prune lsstcam"))
        expected.message("all-idle", await answered(world, "prune lsstcam --idle 2h"))
        expected.message("audit", await answered(world, "audit"))
    expected.channel("channel", world)


async def test_ends_without_a_change(world: World, expected: Expected) -> None:
    await world.group()
    await world.announce(2, ago=100)
    async with world.bot():
        card = await asked(world)
        expected.message("denied-form", await answered(world, "deny 1", user=BEN))
        await answered(world, "deny 1 wait for the end of the checkout", user=BEN)
        await until(world, card, "denied")
        await mention(world, "denied request 1")
        expected.message("denied", card)

        card = await asked(world, f"clear lsstcam --reason {HOSTILE}")
        expected.message("hostile", card)
        await world.click(card, "Withdraw", ANA)
        await until(world, card, "withdrawn")
        await mention(world, "request 2 is withdrawn")
        expected.message("withdrawn", card)
        expected.message("approve-withdrawn", await answered(world, "approve 2", user=BEN))

        card = await asked(world)
        world.ahead += timedelta(minutes=31)
        await until(world, card, "expired")
        await mention(world, "request 3 has expired")
        expected.message("expired", card)
        expected.message("approve-expired", await answered(world, "approve 3", user=BEN))
        expected.message("requests", await answered(world, "requests"))
        for number in (1, 2, 3):
            expected.message(f"request-{number}", await answered(world, f"requests {number}"))
        expected.message("audit", await answered(world, "audit"))
    expected.channel("channel", world)


async def test_alone(world: World, expected: Expected) -> None:
    await world.group()
    await world.announce(2, ago=100)
    async with world.bot():
        card = await asked(world, user=CARLA)
        expected.message("1-form", await answered(world, "approve 1 --alone", user=CARLA))
        expected.message("2-not-yet", await answered(world, "approve 1", user=CARLA))
        typed = "approve 1 --alone nobody else is awake"
        delivery = await world.slack.command(typed, channel=PROD, user=CARLA)
        expected.message("3-answer", await delivery.reply())
        await until(world, card, "🟢")
        await mention(world, "request 1 is done")
        expected.message("4-done", card)
        expected.message("5-audit", await answered(world, "audit"))
    expected.channel("6-channel", world)


async def test_two_votes_at_night(world: World, expected: Expected) -> None:
    world.settings |= two_people(approval={"self_approval": False, "approvals": 2})
    world.ahead = -10 * HOUR
    await world.group()
    await world.announce(2, ago=100)
    async with world.bot():
        card = await asked(world)
        expected.message("1-open", card)
        expected.message("2-form", await answered(world, "approve 1", user=BEN))
        await answered(world, "approve 1 the night is cloudy", user=BEN)
        await until(world, card, "Request 1")
        await world.slack.until(lambda: "1 of 2" in card.all_text, 30)
        expected.message("3-one-of-two", card)
        expected.message("4-twice", await answered(world, "approve 1 again", user=BEN))
        await answered(world, "approve 1 yes, cloudy", user=CARLA)
        await until(world, card, "🟢")
        await mention(world, "request 1 is done")
        expected.message("5-done", card)
    expected.channel("6-channel", world)


async def test_fails(world: World, expected: Expected) -> None:
    await world.group()
    await world.announce(2, ago=100)
    redis: Any = world.redis[PROD]
    try:
        async with world.bot():
            await redis.config_set("maxmemory", "1")
            card = await asked(world)
            expected.message("no-undo", card)
            await world.click(card, "Withdraw", ANA)
            await redis.config_set("maxmemory", "0")
            card = await asked(world)
            await redis.config_set("maxmemory", "1")
            await approved(world, card, "nothing was discarded")
            expected.message("no-memory", card)
            await redis.config_set("maxmemory", "0")
            card = await asked(world)
            await redis.execute_command("REPLICAOF 127.0.0.1 1")
            await approved(world, card, "nothing was changed")
            expected.message("replica", card)
            await redis.execute_command("REPLICAOF NO ONE")
            card = await asked(world)
            await redis.client_pause(600_000, all=False)
            await world.click(card, "Approve", BEN)
            await until(world, card, "interrupted")
            await mention(world, "request 4 was interrupted")
            expected.message("interrupted", card)
            expected.message("interrupted-audit", await answered(world, "audit"))
            await redis.client_unpause()
            await mention(world, "request 4 was interrupted while it ran: nothing was changed")
            expected.message("interrupted-and-not-done", card)
    finally:
        await redis.client_unpause()
        await redis.execute_command("REPLICAOF NO ONE")
        await redis.config_set("maxmemory", "0")
    expected.channel("channel", world)


async def test_became_read_only(world: World, expected: Expected) -> None:
    await world.group()
    await world.announce(2, ago=100)
    async with world.bot():
        card = await asked(world)
    world.settings["environments"]["prod"]["read_only"] = True
    async with world.bot():
        expected.message("answer", await answered(world, "approve 1", user=BEN))
        expected.message("card", card)
