"""The bot is killed while Redis restarts, and started again: the end is told once, and is true."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.proof.processes import Bot, a_bot
from tests.proof.state import StateFile
from tests.support.a_rollout import a_rollout
from tests.support.kubernetes_server import Cluster
from tests.support.slack_server import Message
from tests.support.two_people import ANA, BEN, asked
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown


@dataclass
class Scene:
    """A restart that is approved, and the bot that will not live to see its end."""

    world: World
    cluster: Cluster
    state: StateFile
    stack: AsyncExitStack

    async def start(self) -> Bot:
        bot = a_bot(self.world.configuration(), self.world.secrets)
        started = await self.stack.enter_async_context(bot)
        await self.world.slack.connected(2)
        return started

    async def kill(self, bot: Bot) -> None:
        await bot.kill()
        await self.world.slack.connected(0)
        self.cluster.heal()

    def patches(self) -> int:
        return sum(call.method == "PATCH" for call in self.cluster.calls)

    def about_it(self) -> list[Message]:
        return [
            message
            for message in self.world.slack.messages(PROD, deleted=True)
            if f"<@{ANA}> request 1" in message.text
        ]

    async def ended(self, card: Message, words: str) -> None:
        """See what came of it, and that nothing more is said after that."""
        await self.world.slack.until(
            lambda: words in card.text, LONGEST_WAIT, f"{words} not {card.text}"
        )
        await self.world.slack.until(lambda: next(iter(self.about_it()), None))
        await self.state.until("SELECT count(*) = 0 FROM outbox WHERE closed IS NULL")
        assert len(self.about_it()) == 1
        cards = [m for m in self.world.slack.messages(PROD) if m.text == card.text]
        assert len(cards) == 1


@pytest.fixture
async def scene(world: World, tmp_path: Path) -> AsyncIterator[Scene]:
    async with a_rollout(world, tmp_path) as cluster, AsyncExitStack() as stack:
        await world.group()
        yield Scene(world, cluster, StateFile(tmp_path / "state.db"), stack)


async def approved(scene: Scene) -> Message:
    card = await asked(scene.world, "restart")
    await scene.world.slack.click(card, "Approve", user=BEN)
    return card


@pytest.mark.parametrize("words", ["the old pod is stopping", "the new pod is starting"])
async def test_in_the_middle_of_the_rollout(scene: Scene, words: str) -> None:
    bot = await scene.start()
    card = await approved(scene)
    await scene.world.slack.until(lambda: words in shown(card))
    await scene.kill(bot)
    await scene.cluster.settled()
    scene.state.age_executions()
    await scene.start()
    await scene.ended(card, "🟢 *PROD: Redis is back after ")
    assert scene.patches() == 1


async def test_before_the_answer_to_a_restart_that_was_made(scene: Scene) -> None:
    bot = await scene.start()
    scene.cluster.fault("PATCH", "", hang=True, late=0.0)
    card = await approved(scene)
    await scene.cluster.until(lambda: scene.patches() == 1)
    await scene.kill(bot)
    scene.state.age_executions()
    await scene.start()
    await scene.ended(card, "🟢 *PROD: Redis is back after ")
    assert scene.patches() == 1
    assert scene.cluster.generation == 2


async def test_before_a_restart_that_was_never_made(scene: Scene) -> None:
    bot = await scene.start()
    card = await asked(scene.world, "restart")
    scene.cluster.fault("GET", "statefulsets", hang=True, times=None)
    await scene.world.slack.click(card, "Approve", user=BEN)
    await scene.state.until("SELECT state = 'running' FROM requests")
    await scene.kill(bot)
    # So long ago that what was sent, if anything was, cannot come any more.
    past = "strftime('%Y-%m-%d %H:%M:%f000', 'now', '-180 seconds')"
    scene.state.run(f"UPDATE requests SET heartbeat = {past}, started = {past}")  # noqa: S608 -- ours
    await scene.start()
    await scene.ended(card, "🟡 *PROD: nothing was restarted.*")
    assert "interrupted before Kubernetes was asked" in shown(card)
    assert scene.patches() == 0
    assert scene.cluster.generation == 1
