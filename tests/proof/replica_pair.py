"""Two replicas on one PostgreSQL, through all their lives; and people who go on meanwhile."""

import asyncio
import os
import re
import sys
import time
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from itertools import count
from random import Random
from typing import Any

import asyncpg  # type: ignore[import-untyped]

from tests.proof.processes import Bot
from tests.proof.relays import Relay
from tests.support.pager_servers import PagerServers
from tests.support.slack_server import Delivery, Message
from tests.support.two_people import ANA, BEN
from tests.support.waits import LONGEST_WAIT
from tests.support.world import DEV, ELSEWHERE, PROD, World

SOON = 1.5
"""Seconds after which a person types a command again that nobody seems to have heard."""


class Replica:
    """One process after the other, each with the same file and folder."""

    def __init__(self, world: World, name: str) -> None:
        self.folder = world.folder / name
        self.folder.mkdir()
        its = replace(world, folder=self.folder)
        self._configuration, self._secrets = its.configuration(), its.secrets
        self._process: Process | None = None
        self.lives: list[Bot] = []

    @property
    def bot(self) -> Bot:
        return self.lives[-1]

    async def launch(self) -> Bot:
        """Start it; it is not ready yet."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "bot", "--config", str(self._configuration), "run"),
            stdin=DEVNULL,
            stdout=DEVNULL,
            stderr=PIPE,
            env={"PATH": os.environ["PATH"], **self._secrets},
        )
        self.lives.append(Bot(self._process))
        return self.bot

    async def start(self) -> Bot:
        """Start it, and wait until it is ready."""
        await (await self.launch()).until_logged("ready")
        return self.bot

    def terminate(self) -> None:
        """SIGTERM."""
        assert self._process is not None
        self._process.terminate()

    async def ended(self, within: float) -> float:
        """Wait until it has ended well; give the seconds from now on that it took."""
        assert self._process is not None
        begun = time.monotonic()
        try:
            async with asyncio.timeout(within):
                code = await self._process.wait()
        except TimeoutError:
            raise AssertionError(f"it still runs after {within} s: {self.bot.log}") from None
        assert code == 0, f"exit code {code}: {self.bot.log}"
        return time.monotonic() - begun

    async def aclose(self) -> None:
        if self.lives:
            await self.bot.kill()

    @property
    def leads(self) -> bool:
        """Tell whether it lives and says that it leads."""
        if self._process is None or self._process.returncode is not None:
            return False
        said = [line["event"] for line in self.bot.log if "this process leads" in line["event"]]
        return bool(said) and said[-1] == "this process leads"


@dataclass
class StateServer:
    """The state that both share, seen from outside."""

    pool: Any

    async def ask(self, query: str, *values: object) -> list[Any]:
        return list(await self.pool.fetch(query, *values))

    async def seen(self, query: str, *values: object, seconds: float) -> list[Any]:
        """Ask until there is an answer, or the time is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not (found := await self.ask(query, *values)):  # noqa: ASYNC110 -- a database tells nobody
                    await asyncio.sleep(0.05)
                return found
        return []

    async def until(self, query: str, *values: object, seconds: float = LONGEST_WAIT) -> list[Any]:
        """Wait for an answer."""
        found = await self.seen(query, *values, seconds=seconds)
        assert found, f"nothing within {seconds} s: {query} {values}"
        return found

    async def end_lease(self) -> None:
        """Let the lease run out, which stands for the time that it lasts; whoever holds it."""
        await self.ask("UPDATE leadership SET until = now()")

    async def bury(self) -> None:
        """Let the minute pass for which others wait for the dead, while no process lives."""
        for table in ("posts", "outbox"):
            await self.ask(f"UPDATE {table} SET claimed_until = now() WHERE claimed_by IS NOT NULL")  # noqa: S608
        await self.ask(
            "UPDATE requests SET heartbeat = now() - interval '60 seconds'"
            " WHERE state IN ('approved', 'running')"
        )
        await self.end_lease()

    async def settled(self) -> None:
        """Wait until all is drawn, said, sent and carried out: a second one would be there then."""
        left = (
            "SELECT 'outbox' AS of, to_jsonb(outbox) AS row FROM outbox WHERE closed IS NULL"
            " UNION ALL SELECT 'posts', to_jsonb(posts) FROM posts WHERE shown < wanted"
            " UNION ALL SELECT 'requests', to_jsonb(requests) FROM requests WHERE ended IS NULL"
        )
        found = await self.seen(
            f"SELECT 1 WHERE NOT EXISTS ({left})",
            seconds=LONGEST_WAIT,
        )
        assert found, [tuple(row) for row in await self.ask(left)]


@asynccontextmanager
async def a_state_server(url: str) -> AsyncIterator[StateServer]:
    async with asyncpg.create_pool(url.replace("+asyncpg", ""), min_size=1, max_size=8) as pool:
        yield StateServer(pool)


@dataclass
class Killer:
    """Kills replicas, each by a clock of its own."""

    state: StateServer
    unready: int = 0
    leaders: int = 0
    kills: int = 0

    async def hunt(self, replica: Replica, random: Random, kills: int) -> None:
        """Start and kill one of them again and again; at the end it is dead."""
        for _ in range(kills):
            bot = await replica.launch()
            if random.random() < 0.7:
                await bot.until_logged("ready")
            # From 0.2 to 3 s, the short ones more often: most of what it does takes that long.
            await asyncio.sleep(0.2 * 15 ** random.random())
            self.leaders += replica.leads
            self.unready += all(line["event"] != "ready" for line in bot.log)
            await bot.kill()
            self.kills += 1
            # The other one may lead, and goes on believing it: then there are two for a moment.
            await self.state.end_lease()


@dataclass
class People:
    """They type, read nothing, and type again what nobody heard."""

    world: World
    state: StateServer
    typed: list[Delivery] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def type(self, text: str, channel: str, user: str = ANA) -> Delivery:
        slack = self.world.slack
        if not slack.connections:
            await slack.until(lambda: slack.connections, LONGEST_WAIT, "connection of any replica")
        delivery = await slack.command(text, channel=channel, user=user)
        self.typed.append(delivery)
        return delivery

    async def answered(self, delivery: Delivery, seconds: float) -> bool:
        """Wait for an answer; False where none comes."""
        try:
            await self.world.slack.until(lambda: delivery.replies, seconds)
        except TimeoutError:
            return False
        return True

    async def insist(
        self, text: str, query: str, *values: object, channel: str = PROD, user: str = ANA
    ) -> list[Any]:
        """Type it until the database says that it was done, perhaps after the last kill."""
        async with asyncio.timeout(5 * LONGEST_WAIT):
            while True:
                await self.type(text, channel, user)
                if found := await self.state.seen(query, *values, seconds=SOON):
                    return found

    async def chat(self, random: Random) -> None:
        """Ask this and that, on any replica."""
        while not self.over.is_set():
            text = random.choice(("ping", "stats", "about", "alarms", "maintenance list", "audit"))
            await self.answered(await self.type(text, random.choice((PROD, DEV))), 1)

    async def break_and_mend(self, instrument: str) -> None:
        """Let an alarm of dev begin and end, again and again."""
        stream, group = f"instrument:{instrument}", f"{instrument}_consumer_group"
        while not self.over.is_set():
            await self.world.redis[DEV].xgroup_destroy(stream, group)
            ((alarm,),) = await self.state.until(
                # What is over before the next leader has looked is told to nobody.
                "SELECT id FROM alarms WHERE instrument = $1 AND resolved IS NULL"
                " AND told LIKE '%hook%'",
                instrument,
            )
            await self.world.group(DEV, instrument)
            # What breaks again sooner, `alarms.relapse` later, would be the same alarm.
            await self.state.until(
                "SELECT id FROM alarms WHERE id = $1 AND resolved < now() - interval '2 seconds'",
                alarm,
            )

    async def clear(self, instrument: str) -> None:
        """Ask for clears in prod, and approve them."""
        while not self.over.is_set():
            await self.world.announce(1, instrument=instrument)
            ((number,),) = await self.insist(
                f"clear {instrument}",
                "SELECT id FROM requests WHERE arguments = $1 AND ended IS NULL",
                instrument,
            )
            await self.insist(
                f"approve {number}",
                "SELECT id FROM requests WHERE id = $1 AND state <> 'open'",
                number,
                user=BEN,
            )
            await self.state.until(
                "SELECT id FROM requests WHERE id = $1 AND ended IS NOT NULL", number
            )

    async def maintain(self) -> None:
        """Announce windows in prod; one starts by itself, the next is started by hand."""
        staged = "SELECT id FROM windows WHERE id = $1 AND stage = "
        for number in count(1):
            if self.over.is_set():
                return
            when = "in 2s" if number % 2 else "in 3h"
            ((window,),) = await self.insist(
                f"maintenance schedule {when} 30m work {number}",
                "SELECT id FROM windows WHERE reason = $1",
                f"work {number}",
            )
            if number % 2:
                await self.state.until(f"{staged} 'started'", window)
            else:
                await self.insist(f"maintenance start {window}", f"{staged} 'started'", window)
            await self.insist(f"maintenance end {window}", f"{staged} 'ended'", window)


@dataclass
class Pair:
    """Both replicas, and all that is around them."""

    world: World
    state: StateServer
    replicas: list[Replica]
    pagers: PagerServers
    relay: Relay

    def in_turn(self) -> tuple[Replica, Replica]:
        """Give the leader, and the other one."""
        (leader,) = (each for each in self.replicas if each.leads)
        (other,) = (each for each in self.replicas if each is not leader)
        return leader, other

    async def both_start(self) -> None:
        await asyncio.gather(*(each.start() for each in self.replicas))


@dataclass
class Shown:
    """What people read in the end, beside what the database and Redis know."""

    pair: Pair

    def messages(self, channel: str, ending: str) -> list[Message]:
        """Give what stands in the channel itself, deleted or not."""
        return [
            each
            for each in self.pair.world.slack.messages(channel, deleted=True)
            if each.thread_ts is None and each.ephemeral_to is None and re.search(ending, each.text)
        ]

    def thread(self, root: Message) -> list[str]:
        messages = self.pair.world.slack.messages(root.channel, deleted=True)
        return [each.text for each in messages if each.thread_ts == root.ts]

    def nothing_twice(self) -> None:
        """See that no key was posted twice, whatever stands in the message."""
        by_key = defaultdict(list)
        for each in self.pair.world.slack.messages(deleted=True):
            if _key(each):
                by_key[_key(each)].append((each.ts, each.text))
        assert {key: found for key, found in by_key.items() if len(found) > 1} == {}

    async def alarms(self) -> int:
        """See that each was shown once, and resolved once in its thread; count those told.

        Told there is what the target took, once: the page of a process that died may be in nobody's
        hands until the alarm is over.
        """
        took = await self._pages("said = 'trigger' AND why = ''")
        rows = await self.pair.state.ask("SELECT id, resolved FROM alarms ORDER BY id")
        for number, resolved in rows:
            assert resolved, number
            roots = self.messages(DEV, rf"Alarm {number}$")
            assert len(roots) == 1, _brief(roots)
            assert "resolved after" in roots[0].text
            said = self.thread(roots[0])
            told = sum("on-call told: hook " in text for text in said)
            ended = sum("resolved after" in text for text in said)
            assert (told, ended) == (number in took, 1), said
            assert len(said) == told + ended, said
        return len(took)

    async def windows(self) -> int:
        """See that each window was announced, started and ended once, there and in the mirror."""
        rows = await self.pair.state.ask(
            "SELECT windows.id, key FROM windows JOIN posts ON subject = windows.id"
        )
        for number, key in rows:
            found = self.messages(PROD, rf"Window {number}$")
            announced = [each for each in found if _key(each) == key]
            assert len(announced) == 1, _brief(found)
            assert "maintenance is over after " in announced[0].text, _brief(found)
            assert self.thread(announced[0]) == []
            found.remove(announced[0])
            for lines in (found, self.messages(ELSEWHERE, rf"Window {number}$")):
                began = sum(" has started" in each.text for each in lines)
                over = sum(" is over" in each.text for each in lines)
                assert (began, over, len(lines)) == (1, 1, 2), _brief(lines)
        return len(rows)

    async def requests(self) -> int:
        """See that each request was carried out at most once, and that all agree on it."""
        state, redis = self.pair.state, self.pair.world.redis[PROD]
        rows = await state.ask("SELECT id, state, arguments FROM requests ORDER BY id")
        for number, ended, instrument in rows:
            marker = str(await redis.get(f"prompt-redis-bot:done:{number}"))
            made = "result=done" in marker
            assert await redis.exists(f"cleared:instrument:{instrument}:{number}") == made
            assert self.pair.relay.clears[number] <= 1, f"request {number} twice in Redis"
            assert (ended, made) in {("done", True), ("interrupted", True), ("interrupted", False)}
            cards = self.messages(PROD, rf"Request {number}\b")
            assert len(cards) == 1, _brief(cards)
            assert ("interrupted; " in cards[0].text) == (ended == "interrupted"), cards[0].text
            assert (" discarded.*" in cards[0].text) == made, cards[0].text
            mentions = self.thread(cards[0])
            assert len(mentions) == 1, mentions
            how = "is done" if ended == "done" else "was interrupted while it ran"
            assert mentions[0].startswith(f"<@{ANA}> request {number} {how}: "), mentions
            assert ("nothing was changed" in mentions[0]) != made, mentions
            audit: list[Any] = await state.ask(
                "SELECT result, after FROM audit WHERE request = $1 ORDER BY id", number
            )
            assert [result for result, _ in audit] == ["open", "approved", ended], audit
            happened = f'"happened": "{"yes" if made else "no"}"'
            assert happened in audit[-1][1].replace('":"', '": "'), audit
        return len(rows)

    async def pages(self) -> int:
        """See that each page came, at most twice, and then as the same; the end comes last.

        Who may have heard of an alarm hears of its end. Of one that was over before anybody could
        send its page, nobody hears at all.
        """
        by_alarm: defaultdict[int, list[tuple[str, str]]] = defaultdict(list)
        for each in self.pair.pagers.sent_to("webhook"):
            by_alarm[each.content["incident"]].append(
                (each.content["step"], each.content["delivery"])
            )
        rows = await self.pair.state.ask("SELECT id FROM alarms")
        unsent = await self._pages("said = 'trigger' AND why = 'the alarm is over'")
        assert set(by_alarm) | unsent == {number for (number,) in rows}
        for number, sent in by_alarm.items():
            steps = [step for step, _ in sent]
            assert steps == sorted(steps, reverse=True), f"alarm {number}: {sent}"
            # Nobody is woken by a process that takes over when it is over already.
            assert "trigger" in steps or number in unsent, f"alarm {number}: {sent}"
            assert steps[-1] == "resolve", f"alarm {number}: {sent}"
            assert len(set(sent)) <= 2, f"alarm {number}: {sent}"
            assert max(Counter(sent).values()) <= 2, f"alarm {number}: {sent}"
        return sum(map(len, by_alarm.values()))

    async def _pages(self, what: str) -> set[int]:
        """Give the numbers of the alarms that have such a page."""
        query = f"SELECT subject FROM outbox WHERE lane = 'page' AND {what}"  # noqa: S608 -- from above
        return {number for (number,) in await self.pair.state.ask(query)}


def _key(message: Message) -> str:
    """Give that by which a post is found again; empty for what is no post."""
    return str(((message.metadata or {}).get("event_payload") or {}).get("key", ""))


def _brief(messages: Sequence[Message]) -> list[tuple[str, str, str]]:
    """Give of messages what tells why there are two."""
    return [(each.ts, _key(each), each.text) for each in messages]
