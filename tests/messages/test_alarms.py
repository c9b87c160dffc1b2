"""Every alarm from its first message to its last, what its thread says, and whom it pages."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis

from tests.support.a_watch import Alarmed, all_said, counted
from tests.support.expected import Expected, answered, content
from tests.support.pager_servers import ROUTING_KEY, SQUADCAST_KEY, WEBHOOK_KEY, PagerServers
from tests.support.slack_workspace import mentions
from tests.support.two_people import ANA, BEN
from tests.support.world import DEV, PROD, World

STREAM, GROUP = "instrument:lsstcam", "lsstcam_consumer_group"
NIGHT = timedelta(hours=-10, minutes=-15)
LINKS = {
    "grafana": "https://grafana.example/d/prompt",
    "argocd": "https://argocd.example/prompt",
    "jobs": "https://argocd.example/jobs",
    "support": "https://slack.example/support",
}


@pytest.fixture
async def pagers() -> AsyncIterator[PagerServers]:
    async with PagerServers() as servers:
        yield servers


@pytest.fixture
def world(world: World) -> World:
    world.settings["alarms"] = {"poll": "1s", "links": LINKS}
    world.ahead = NIGHT
    return world


@pytest.fixture
def paged(world: World, pagers: PagerServers) -> World:
    """Everybody who can be told is told of prod."""
    targets = [
        {"name": "duty", "kind": "pagerduty", "url": pagers.pagerduty, "on": "fire"},
        {"name": "hook", "kind": "webhook", "url": pagers.webhook, "on": "escalate"},
        {"name": "squad", "kind": "squadcast", "url": pagers.squadcast, "on": "escalate"},
        {"name": "group", "kind": "slack", "usergroup": "S0ONCALL", "on": "escalate"},
    ]
    world.settings["oncall"] = {"targets": [{**each, "environments": ["prod"]} for each in targets]}
    world.environ["PROMPT_REDIS_ONCALL_DUTY_KEY"] = ROUTING_KEY
    world.environ["PROMPT_REDIS_ONCALL_HOOK_KEY"] = WEBHOOK_KEY
    world.environ["PROMPT_REDIS_ONCALL_SQUAD_KEY"] = SQUADCAST_KEY
    return world


class Scene:
    """A bad hour, moment by moment."""

    def __init__(self, world: World, expected: Expected) -> None:
        self.world = world
        self.expected = expected
        self._last: dict[tuple[str, str], Any] = {}

    async def passes(self, *, minutes: float = 0, steps: int = 1, looks: int = 1) -> None:
        """Let time pass, with looks at every stream after each step, until all is said."""
        for _ in range(steps):
            self.world.ahead += timedelta(minutes=minutes) / steps
            await self.looked(looks)
        await all_said(self.world)

    async def looked(self, times: int) -> None:
        """Wait for looks at this moment; when the next one has begun, they are worked off."""
        assert self.world.stands_at is not None
        now = f"{self.world.stands_at + self.world.ahead:%Y-%m-%d %H:%M:%S.%f}"
        looks = f"SELECT count(*) AS n FROM samples WHERE at >= '{now}' GROUP BY environment, instrument"  # noqa: S608, E501 -- from the clock
        await counted(self.world, f"SELECT count(*) >= 4 FROM ({looks}) WHERE n > {times}")  # noqa: S608 -- the same

    def shows(self, stage: str) -> None:
        """Expect every alarm that has changed since the last stage, with its thread."""
        for place, channel in (("prod", PROD), ("dev", DEV)):
            alarmed = Alarmed(self.world, channel)
            for root in alarmed.roots:
                number = root.text.rsplit(" ", 1)[1]
                found = {**content(root), "thread": alarmed.thread(root)}
                if self._last.get((place, number)) != found:
                    self._last[place, number] = found
                    self.expected.value(f"{stage}-{place}-alarm-{number}", found)

    async def at(self, stage: str, *, minutes: float = 0, steps: int = 1, looks: int = 1) -> None:
        await self.passes(minutes=minutes, steps=steps, looks=looks)
        self.shows(stage)


async def groups(world: World) -> None:
    await world.group()
    for each in ("hsc", "latiss", "lsstcam"):
        await world.group(DEV, each)


def paging(world: World, pagers: PagerServers) -> dict[str, Any]:
    """Give every page that was sent, by whom it was sent to."""
    texts = [each.all_text for each in world.slack.messages(PROD) if not each.ephemeral_to]
    group = [text for text in texts if any("subteam" in each for each in mentions(text))]
    # A page does not wait for the message that it links to, nor the other way round.
    sent = {
        to: [
            {
                key: value
                for key, value in json.loads(each.body).items()
                if key not in {"link", "links", "sent_at"}
            }
            for each in pagers.sent_to(to)
        ]
        for to in ("pagerduty", "webhook", "squadcast")
    }
    return {**sent, "group": group}


async def test_workers_stop(paged: World, pagers: PagerServers, expected: Expected) -> None:
    world = paged
    scene = Scene(world, expected)
    await groups(world)
    await world.announce(1, detectors=172)
    await world.read(172)
    async with world.bot():
        await scene.passes()
        await world.announce(1, detectors=172)
        await scene.at("01-minute-2", minutes=2)
        await world.announce(3, detectors=172)
        await scene.at("02-minute-5", minutes=3)
        expected.message("03-stats", await answered(world, "stats"))
        expected.message("03-status", await answered(world, ""))
        expected.message("03-alarms", await answered(world, "alarms"))
        await scene.at("04-minute-8", minutes=3)
        await scene.at("05-minute-20", minutes=12)
        expected.message("05-own", await answered(world, "own 1"))
        await scene.at("06-owned", minutes=1)
        expected.message("06-own-again", await answered(world, "own 1"))
        await scene.at("07-minute-33", minutes=12)
        await scene.at("08-minute-52", minutes=19)
        await scene.at("09-minute-64", minutes=12)
        await world.read(300)
        await scene.at("10-being-read", minutes=0.5)
        await world.read(1000)
        await scene.at("11-read", minutes=0.5)
        await scene.at("12-resolved", minutes=2)
        expected.message("13-alarms", await answered(world, "alarms"))
        expected.message("13-history", await answered(world, "alarms history"))
        expected.message("13-oncall", await answered(world, "oncall"))
        expected.message("13-audit", await answered(world, "audit"))
        await world.announce(2, detectors=172)
        await scene.at("14-again", minutes=6, steps=4)
        expected.message("14-alarms", await answered(world, "alarms"))
        await world.read(1000)
        await scene.at("15-resolved-again", minutes=3, steps=2)
        expected.message("15-history", await answered(world, "alarms history"))
        # Pagers hear of the end when it is sure.
        await scene.passes(minutes=16)
    expected.value("16-pages", paging(world, pagers))


async def test_what_is_wrong_with_streams(world: World, expected: Expected) -> None:
    """In dev a group is deleted, a stream, and a position is set by hand."""
    scene = Scene(world, expected)
    redis = world.redis[DEV]
    await groups(world)
    for each in ("hsc", "latiss", "lsstcam"):
        await world.announce(1, detectors=172, channel=DEV, instrument=each)
    await world.read(172, channel=DEV, instrument="hsc")
    await world.read(172, channel=DEV, instrument="latiss")
    await world.read(100, channel=DEV)
    ids: Any = await redis.xrange(STREAM, count=20)
    async with world.bot():
        await scene.passes()
        await redis.xgroup_destroy("instrument:hsc", "hsc_consumer_group")
        await redis.delete("instrument:latiss")
        await redis.xgroup_setid(STREAM, GROUP, ids[-1][0])
        await scene.at("01-wrong", minutes=0.5, looks=2)
        await scene.at("02-minute-2", minutes=1.5)
        expected.message("03-alarms", await answered(world, "alarms", DEV))
        expected.message("03-status", await answered(world, "", DEV))
        expected.message("03-stats", await answered(world, "stats", DEV))
        typed = "silence hsc 1h known, being repaired"
        expected.message("04-silence", await answered(world, typed, DEV))
        expected.message("04-silence-rule", await answered(world, "silence missing 2h x", DEV))
        await scene.at("05-silenced", minutes=1)
        expected.message("05-alarms", await answered(world, "alarms", DEV))
        expected.message("06-unsilence", await answered(world, "unsilence 1", DEV))
        await scene.at("06-unsilenced", minutes=1)
        await scene.at("07-minute-30", minutes=25)
        await redis.xgroup_create("instrument:hsc", "hsc_consumer_group", "0")
        await redis.xgroup_create("instrument:latiss", "latiss_consumer_group", "0", mkstream=True)
        await world.read(500, channel=DEV)
        await world.read(500, channel=DEV, instrument="hsc")
        await scene.at("08-repaired", minutes=1)
        await scene.at("09-resolved", minutes=3, steps=2)
        expected.message("09-history", await answered(world, "alarms history", DEV))
    expected.channel("10-channel", world, DEV)


async def test_redis_is_away(
    paged: World, pagers: PagerServers, prod: Redis, expected: Expected
) -> None:
    world = paged
    scene = Scene(world, expected)
    await groups(world)
    await world.announce(1, ago=5)
    await world.read(3)
    await world.announce(2, detectors=20, ago=2)
    away = dict(world.urls)
    async with world.bot():
        await scene.passes(minutes=0.5)
    world.urls[PROD] = "redis://127.0.0.1:1"
    async with world.bot():
        await scene.at("01-away", minutes=0.5)
        await scene.at("02-minute-2", minutes=1)
        expected.message("02-alarms", await answered(world, "alarms"))
        await scene.at("03-minute-5", minutes=3)
        expected.message("03-escalate", await answered(world, "escalate 1"))
        await all_said(world)
        await scene.at("04-minute-15", minutes=10)
        expected.message("04-own", await answered(world, "own 1", user=ANA))
        await scene.at("05-minute-50", minutes=35)
    world.urls = away
    async with world.bot():
        await scene.at("06-back", minutes=0.5)
        await scene.at("07-resolved", minutes=2, steps=2)
        await prod.hset("instrument:hsc", "a", "b")
        await scene.passes(minutes=16)
    expected.value("08-pages", paging(world, pagers))
    expected.channel("09-channel", world)


async def test_rarer_rules(world: World, prod: Redis, expected: Expected) -> None:
    """Unconfirmed entries, memory, lag, consumer names, silence of the sky."""
    world.settings["alarms"]["rules"] = {
        "lag": {"enabled": True, "above": 100, "for": "1m"},
        "consumers": {"enabled": True, "above": 10},
        "silent": {"enabled": True, "for": "20m"},
        "stalled": {"enabled": False},
        "backlog": {"enabled": False},
    }
    scene = Scene(world, expected)
    await groups(world)
    await world.announce(1, detectors=172)
    await world.read(172)
    try:
        async with world.bot():
            await scene.passes()
            await world.announce(2, detectors=172)
            for number in range(20):
                await world.read(1, confirm=False, consumer=f"worker-{number}")
            used: Any = await prod.info("memory")
            await prod.config_set("maxmemory", str(int(used["used_memory"] * 1.1)))
            await scene.at("01-wrong", minutes=2, steps=2)
            await scene.at("02-minute-12", minutes=10, steps=2)
            expected.message("02-alarms", await answered(world, "alarms"))
            await world.read(400)
            await scene.at("03-minute-35", minutes=23)
            await prod.config_set("maxmemory", "0")
            await world.announce(1, detectors=172)
            await world.read(400)
            await scene.at("04-resolved", minutes=4, steps=4)
    finally:
        await prod.config_set("maxmemory", "0")
    expected.channel("05-channel", world)


async def test_people_and_alarms(paged: World, pagers: PagerServers, expected: Expected) -> None:
    """Told by hand, silenced until it is over, and held by a window."""
    world = paged
    scene = Scene(world, expected)
    await groups(world)
    async with world.bot():
        await scene.passes()
        expected.message("01-page", await answered(world, "oncall page All is <!channel> dark"))
        await all_said(world)
        expected.message("01-test", await answered(world, "oncall test"))
        await all_said(world)
        await answered(world, "maintenance start 30m a new disk")
        await world.redis[PROD].xgroup_destroy(STREAM, GROUP)
        await scene.at("02-held", minutes=1, looks=2)
        expected.message("02-alarms", await answered(world, "alarms"))
        expected.message("02-status", await answered(world, ""))
        await scene.at("03-window-is-over", minutes=31)
        expected.message("04-silence", await answered(world, "silence 3 resolved we know"))
        await scene.at("04-silenced", minutes=1)
        expected.message("04-alarms", await answered(world, "alarms"))
        expected.message("04-own-by-another", await answered(world, "own 3", user=BEN))
        await world.group()
        await scene.at("05-resolved", minutes=2, steps=2)
        expected.message("05-history", await answered(world, "alarms history"))
        await scene.passes(minutes=16)
    expected.value("06-pages", paging(world, pagers))
    expected.channel("07-channel", world)
