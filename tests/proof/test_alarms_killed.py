"""The bot is killed at every step of an alarm, and started again on what it left.

Each time: the alarm is there, its message and what its thread says are there once, the on-call's
page was sent, at most twice, and always with the same key.
"""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tests.proof.processes import Bot, a_bot
from tests.proof.state import StateFile
from tests.support.a_watch import SHORT, Alarmed, a_minute_passes, seen
from tests.support.faults import Fault
from tests.support.pager_servers import WEBHOOK_KEY, PagerServers
from tests.support.world import DEV, PROD, World

SETTLED = (
    "SELECT (SELECT count(*) FROM outbox WHERE closed IS NULL)"
    " + (SELECT count(*) FROM posts WHERE shown < wanted) = 0"
    " AND (SELECT count(*) FROM alarms) > 0"
)
"""Everything is drawn, said and paged."""


@dataclass
class Scene:
    """A stream that is about to lose its group, and the bot that will not live to see its end."""

    world: World
    pagers: PagerServers
    state: StateFile
    stack: AsyncExitStack
    prod: Alarmed
    bot: Bot | None = None

    async def start(self) -> Bot:
        bot = a_bot(self.world.configuration(), self.world.secrets)
        self.bot = await self.stack.enter_async_context(bot)
        return self.bot

    async def kill(self) -> None:
        assert self.bot is not None
        await self.bot.kill()
        await self.world.slack.connected(0)
        self.world.slack.heal()
        self.pagers.faults.clear()
        self.state.thaw()

    async def lose(self) -> None:
        """Delete the group."""
        redis = self.world.redis[PROD]
        await redis.xgroup_destroy("instrument:lsstcam", "lsstcam_consumer_group")

    async def recover(self) -> None:
        """Create it again, and let the time pass after which it counts as there."""
        assert self.bot is not None
        await self.world.group()
        await seen(self.world, "reached AND there")
        await self.bot.stop()
        a_minute_passes(self.world)


@pytest.fixture
async def scene(world: World) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack, PagerServers() as pagers:
        hook = {"name": "hook", "kind": "webhook", "url": pagers.webhook, "on": "fire"}
        world.environ["PROMPT_REDIS_ONCALL_HOOK_KEY"] = WEBHOOK_KEY
        world.settings = {
            "alarms": SHORT,
            "oncall": {"targets": [hook]},
        }
        await world.group()
        for each in ("hsc", "latiss", "lsstcam"):
            await world.group(DEV, each)
        state = StateFile(world.folder / "state.db")
        scene = Scene(world, pagers, state, stack, Alarmed(world))
        await scene.start()
        await seen(world, "reached AND there")
        yield scene


# --- the steps: each returns at the moment at which the bot is killed ------------------------


async def opened_and_not_paged(scene: Scene) -> None:
    scene.state.freeze("alarms", "NEW.told != OLD.told")
    await scene.lose()
    await scene.state.frozen()
    assert scene.state.ask("SELECT count(*) FROM outbox") == [(0,)]


async def not_posted(scene: Scene) -> None:
    posts = len(scene.world.slack.calls_of("chat.postMessage"))
    scene.world.slack.fail("chat.postMessage", Fault(hang=60, times=None))
    await scene.lose()
    await scene.world.slack.until(
        lambda: len(scene.world.slack.calls_of("chat.postMessage")) > posts, 15
    )
    assert scene.prod.roots == []


async def posted_and_not_recorded(scene: Scene) -> None:
    scene.state.freeze("posts", "NEW.ts IS NOT NULL")
    await scene.lose()
    await scene.prod.root("PROD lsstcam: missing")
    await scene.state.frozen()


async def posted_without_an_answer(scene: Scene) -> None:
    scene.world.slack.fail("chat.postMessage", Fault(lost=True, times=None))
    scene.world.slack.fail("conversations.history", Fault(hang=60, times=None))
    await scene.lose()
    await scene.prod.root("PROD lsstcam: missing")


async def paged_and_not_recorded(scene: Scene) -> None:
    scene.state.freeze("outbox", "NEW.closed IS NOT NULL AND NEW.lane = 'page'")
    await scene.lose()
    await scene.state.frozen()
    assert len(scene.pagers.sent_to("webhook")) == 1


async def told_in_the_thread_and_not_recorded(scene: Scene) -> None:
    scene.state.freeze("outbox", "NEW.closed IS NOT NULL AND NEW.lane = 'talk'")
    await scene.lose()
    await scene.prod.told(await scene.prod.root(), "on-call told: hook ")
    await scene.state.frozen()


async def all_is_told(scene: Scene) -> None:
    await scene.lose()
    await scene.state.until(SETTLED)


STEPS: list[Callable[[Scene], Awaitable[None]]] = [
    opened_and_not_paged,
    not_posted,
    posted_and_not_recorded,
    posted_without_an_answer,
    paged_and_not_recorded,
    told_in_the_thread_and_not_recorded,
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_killed(scene: Scene, step: Callable[[Scene], Awaitable[None]]) -> None:
    await step(scene)
    await scene.kill()
    bot = await scene.start()
    root = await scene.prod.root("PROD lsstcam: missing")
    await scene.prod.told(root, "on-call told: hook ")
    await scene.state.until(SETTLED)
    assert scene.prod.roots == [root]
    assert len(scene.prod.thread(root)) == 1
    once(scene, {"trigger"})
    assert scene.state.ask("SELECT count(*) FROM alarms WHERE resolved IS NULL") == [(1,)]
    assert bot.errors == []
    await bot.stop()


# --- the end ---------------------------------------------------------------------------------


async def resolved_and_not_recorded(scene: Scene) -> None:
    scene.state.freeze("alarms", "NEW.resolved IS NOT NULL")
    await scene.start()
    await scene.state.frozen()


async def its_end_paged_and_not_recorded(scene: Scene) -> None:
    scene.state.freeze("outbox", "NEW.closed IS NOT NULL AND NEW.lane = 'page'")
    await scene.start()
    await scene.state.frozen()
    assert len(scene.pagers.sent_to("webhook")) == 2


ENDS: list[Callable[[Scene], Awaitable[None]]] = [
    resolved_and_not_recorded,
    its_end_paged_and_not_recorded,
]


@pytest.mark.parametrize("step", ENDS, ids=lambda step: step.__name__)
async def test_killed_when_it_ends(scene: Scene, step: Callable[[Scene], Awaitable[None]]) -> None:
    await all_is_told(scene)
    root = await scene.prod.root()
    await scene.recover()
    await step(scene)
    await scene.kill()
    bot = await scene.start()
    await scene.prod.says(root, "Stream and group are there.*")
    await scene.prod.told(root, "resolved after")
    await scene.state.until(SETTLED)
    assert scene.prod.roots == [root]
    assert root.buttons == []
    assert len(scene.prod.thread(root)) == 2
    once(scene, {"trigger", "resolve"})
    assert scene.state.ask("SELECT count(*) FROM alarms WHERE resolved IS NULL") == [(0,)]
    assert bot.errors == []
    await bot.stop()


def once(scene: Scene, steps: set[str]) -> None:
    """Each page was sent; one whose sending was cut off may have come twice, as the same."""
    pages = [each.content for each in scene.pagers.sent_to("webhook")]
    sent = Counter(str(each["step"]) for each in pages)
    assert set(sent) == steps
    assert max(sent.values()) <= 2
    assert len({each["key"] for each in pages}) == 1
    assert len({each["delivery"] for each in pages}) == len(steps), "a repeat is known as one"
