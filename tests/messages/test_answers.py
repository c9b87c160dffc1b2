"""What every command that looks answers, however the streams are doing."""

from datetime import timedelta

from tests.support.a_watch import looked_at
from tests.support.expected import Expected, answered
from tests.support.world import DEV, PROD, World

LOOKING = {
    "status": "",
    "stats": "stats",
    "stats-of-one": "stats lsstcam",
    "pending": "pending",
    "pending-of-one": "pending lsstcam",
    "ping": "ping",
    "consumers": "consumers",
    "chart": "chart",
    "alarms": "alarms",
    "alarms-history": "alarms history",
    "about": "about",
    "requests": "requests",
    "audit": "audit",
    "maintenance": "maintenance",
    "maintenance-list": "maintenance list",
    "oncall": "oncall",
    "upgrade": "upgrade",
}
OF_STREAMS = ("status", "stats", "stats-of-one", "pending", "ping", "consumers", "upgrade")
MINUTE = 60


async def look(world: World, expected: Expected, *names: str, state: str = "") -> None:
    await looked_at(world, 4)
    for name in names:
        for place, channel in (("prod", PROD), ("dev", DEV)):
            answer = await answered(world, LOOKING[name], channel)
            expected.message("-".join(filter(None, (state, name, place))), answer)


async def groups(world: World) -> None:
    await world.group()
    for each in ("hsc", "latiss", "lsstcam"):
        await world.group(DEV, each)


async def age(world: World, ids: list[str], seconds: int) -> None:
    """Let what was read lie unconfirmed for some time."""
    await world.redis[PROD].xclaim(
        "instrument:lsstcam",
        "lsstcam_consumer_group",
        "3f0c91ab-worker",
        0,
        ids,  # type: ignore[arg-type]
        idle=seconds * 1000,
    )


async def test_nothing_yet(world: World, expected: Expected) -> None:
    async with world.bot():
        await look(world, expected, *LOOKING)


async def test_healthy(world: World, expected: Expected) -> None:
    await groups(world)
    await world.announce(2, ago=90)
    await world.read(6)
    await world.announce(1, ago=12)
    await world.read(3)
    async with world.bot():
        await look(world, expected, *LOOKING)


async def test_at_night(world: World, expected: Expected) -> None:
    world.ahead = timedelta(hours=-10)
    await groups(world)
    await world.announce(2, ago=30)
    await world.read(6)
    async with world.bot():
        await look(world, expected, *LOOKING)


async def test_waiting(world: World, expected: Expected) -> None:
    await groups(world)
    await world.announce(1, detectors=172, ago=50)
    await world.read(150)
    await world.announce(1, detectors=172, ago=13)
    await world.announce(1, ago=20, channel=DEV, instrument="hsc")
    async with world.bot():
        await look(world, expected, *OF_STREAMS)


async def test_not_reading(world: World, expected: Expected) -> None:
    await groups(world)
    await world.announce(7, detectors=172, ago=10 * MINUTE)
    await world.announce(2, ago=61 * MINUTE, channel=DEV, instrument="latiss")
    async with world.bot():
        await look(world, expected, *OF_STREAMS)


async def test_too_old(world: World, expected: Expected) -> None:
    await groups(world)
    await world.announce(3, detectors=5, ago=65 * MINUTE)
    await world.announce(1, detectors=5, ago=40 * MINUTE)
    async with world.bot():
        await look(world, expected, *OF_STREAMS)


async def test_more_than_is_counted(world: World, expected: Expected) -> None:
    await groups(world)
    await world.announce(30, detectors=189, ago=5 * MINUTE)
    async with world.bot():
        await look(world, expected, *OF_STREAMS)


async def test_unconfirmed(world: World, expected: Expected) -> None:
    await groups(world)
    ids = await world.announce(5, ago=45 * MINUTE)
    await world.read(12, confirm=False)
    await age(world, ids[:12], 38 * MINUTE + 30)
    await world.redis[PROD].xdel("instrument:lsstcam", ids[0])
    async with world.bot():
        await look(world, expected, *OF_STREAMS)
    await world.redis[PROD].xack("instrument:lsstcam", "lsstcam_consumer_group", *ids[1:])
    world.ahead += timedelta(seconds=1)
    async with world.bot():
        await look(world, expected, *OF_STREAMS, state="one")


async def test_no_group(world: World, expected: Expected) -> None:
    await world.announce(3, ago=MINUTE)
    await world.announce(1, ago=MINUTE, channel=DEV, instrument="hsc")
    async with world.bot():
        await look(world, expected, *OF_STREAMS)


async def test_lag_is_unknown(world: World, expected: Expected) -> None:
    await groups(world)
    ids = await world.announce(2, detectors=5, ago=MINUTE)
    await world.read(10)
    await world.redis[PROD].xgroup_setid("instrument:lsstcam", "lsstcam_consumer_group", ids[3])
    async with world.bot():
        await look(world, expected, *OF_STREAMS)


async def test_another_key(world: World, expected: Expected) -> None:
    await world.redis[PROD].hset("instrument:lsstcam", "a", "b")
    async with world.bot():
        await look(world, expected, *OF_STREAMS)


async def test_unreachable(world: World, expected: Expected) -> None:
    world.urls = {PROD: "redis://127.0.0.1:1", DEV: "redis://127.0.0.1:2"}
    async with world.bot():
        await look(world, expected, *LOOKING)


async def test_not_allowed(world: World, expected: Expected) -> None:
    redis = world.redis[PROD]
    await redis.execute_command("ACL SETUSER little on >pw +ping +client")  # type: ignore[no-untyped-call]
    world.urls[PROD] = world.urls[PROD].replace("redis://", "redis://little@")
    world.environ["PROMPT_REDIS_PROD_PASSWORD"] = "pw"
    try:
        async with world.bot():
            await look(world, expected, *OF_STREAMS)
    finally:
        await redis.execute_command("ACL DELUSER little")  # type: ignore[no-untyped-call]


async def test_read_only(world: World, expected: Expected) -> None:
    world.settings["environments"]["prod"]["read_only"] = True
    await groups(world)
    async with world.bot():
        await look(world, expected, *LOOKING)
