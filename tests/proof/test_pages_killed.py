"""The bot is killed while somebody calls for whoever is on call, and started again.

Each time: all targets are told, or none; who is told is told with one key, and the audit knows it.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import pytest

from tests.proof.processes import Bot, a_bot
from tests.proof.state import StateFile
from tests.support.pager_servers import ROUTING_KEY, WEBHOOK_KEY, PagerServers
from tests.support.world import PROD, World

_LAST = 'NEW.content LIKE \'%"target":"hook"%\''
_ROWS = "SELECT (SELECT count(*) FROM outbox), (SELECT count(*) FROM audit)"
_SETTLED = "SELECT count(*) = 0 FROM outbox WHERE closed IS NULL"


@dataclass
class Scene:
    """Two targets, and the bot that does not live to tell both."""

    world: World
    pagers: PagerServers
    state: StateFile
    stack: AsyncExitStack
    bot: Bot | None = None

    async def start(self) -> None:
        bot = a_bot(self.world.configuration(), self.world.secrets)
        self.bot = await self.stack.enter_async_context(bot)

    async def killed(self, table: str, when: str, change: str) -> None:
        """Call for the on-call, kill the bot at a change of its database, start another one."""
        self.state.freeze(table, when, change)
        await self.world.slack.command("oncall page All is dark", channel=PROD, user="U0ANA")
        await self.state.frozen()
        assert self.bot is not None
        await self.bot.kill()
        await self.world.slack.connected(0)
        self.state.thaw()
        self.kept = self.state.ask(_ROWS)[0]
        await self.start()
        await self.state.until(_SETTLED)


@pytest.fixture
async def scene(world: World) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack, PagerServers() as pagers:
        world.settings = {
            "oncall": {
                "targets": [
                    {"name": "duty", "kind": "pagerduty", "url": pagers.pagerduty},
                    {"name": "hook", "kind": "webhook", "url": pagers.webhook},
                ]
            }
        }
        world.environ["PROMPT_REDIS_ONCALL_DUTY_KEY"] = ROUTING_KEY
        world.environ["PROMPT_REDIS_ONCALL_HOOK_KEY"] = WEBHOOK_KEY
        scene = Scene(world, pagers, StateFile(world.folder / "state.db"), stack)
        await scene.start()
        yield scene


@pytest.mark.parametrize(("table", "when"), [("outbox", _LAST), ("audit", "true")])
async def test_killed_while_it_is_written(scene: Scene, table: str, when: str) -> None:
    await scene.killed(table, when, "INSERT")
    assert scene.kept == (0, 0)
    assert scene.pagers.received == []


async def test_killed_while_it_is_sent(scene: Scene) -> None:
    await scene.killed("outbox", "NEW.closed IS NOT NULL AND NEW.lane = 'page'", "UPDATE")
    assert scene.kept == (2, 1)
    for to, key in (("pagerduty", "dedup_key"), ("webhook", "key")):
        told = scene.pagers.sent_to(to)
        assert 1 <= len(told) <= 2
        assert len({each.content[key] for each in told}) == 1
