"""What the tests of the watch share: its parts on a real database, and alarms in the channel."""

import asyncio
import re
import shutil
import sqlite3
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeVar

from hypothesis.stateful import RuleBasedStateMachine, invariant
from pydantic import TypeAdapter

from bot.clients.prompt_redis import PromptRedis
from bot.domain.alarms import RELAPSES_TOLD, TOLD_EVERY, Incident
from bot.domain.environments import Environment, Person
from bot.domain.errors import StateError, StateTrouble
from bot.domain.notices import Notice
from bot.domain.oncall import Page, PageEvent, Target, key_of
from bot.metrics import Metrics
from bot.services.alarms import Alarms
from bot.services.approvals import Approvals
from bot.services.maintenance import Maintenance
from bot.services.rights import Rights
from bot.services.streams import Streams
from bot.services.watch import Watch
from bot.services.workloads import Cluster, Workloads
from bot.storage.alarms import Incidents, Silences
from bot.storage.approvals import Requests
from bot.storage.database import Database
from bot.storage.lease import Leader
from bot.storage.maintenance import Windows
from bot.storage.outbox import Outbox
from bot.storage.positions import Positions
from bot.storage.posts import Posts
from bot.storage.samples import Samples
from bot.storage.watches import Watches
from tests.support.an_oncall import TARGETS, Lists, an_oncall
from tests.support.databases import as_process
from tests.support.limits import default_thresholds
from tests.support.slack_server import Message
from tests.support.waits import LONGEST_WAIT
from tests.support.world import PROD, World, shown

Result = TypeVar("Result")
Found = TypeVar("Found")

ONE = Environment("prod", ("a",))
NIGHT = datetime(2026, 11, 24, 3, tzinfo=UTC)
ANA, BEN = Person("U0ANA", "ana"), Person("U0BEN", "ben")
MINUTE = timedelta(minutes=1)
_NOTICE, _PAGE = TypeAdapter(Notice), TypeAdapter(Page)


def nothing() -> None:
    """Nobody waits for what changed."""


class Flaky(Incidents):
    """A database that fails once: before it does its part, or when it has done it."""

    trouble = ""

    async def create(self, *arguments: Any, **named: Any) -> Incident:
        self._fail("before")
        made = await super().create(*arguments, **named)
        self._fail("after")
        return made

    async def replace(self, *arguments: Any, **named: Any) -> bool:
        self._fail("before")
        done = await super().replace(*arguments, **named)
        self._fail("after")
        return done

    def _fail(self, moment: str) -> None:
        if self.trouble == moment:
            self.trouble = ""
            raise StateError(StateTrouble.LOCKED)


def the_alarms(
    environment: Environment,
    database: Database,
    writer: str,
    *,
    incidents: Incidents | None = None,
    targets: Sequence[Target] = TARGETS,
    look: asyncio.Event | None = None,
) -> Alarms:
    database = as_process(database, writer)
    return Alarms(
        environment,
        incidents=incidents or Incidents(database),
        silences=Silences(database),
        oncall=an_oncall(environment, database, targets),
        posts=Posts(database, "https://example.slack.com/"),
        thresholds=default_thresholds(),
        escalate=10 * MINUTE,
        still_on_it=30 * MINUTE,
        relapse=15 * MINUTE,
        look=look or asyncio.Event(),
    )


@dataclass
class Watched:
    """An environment's watch, and the services that hold its alarms."""

    watch: Watch
    alarms: Alarms
    maintenance: Maintenance
    approvals: Approvals
    workloads: Workloads
    leader: Leader


def a_watch(
    environment: Environment,
    redis: PromptRedis,
    database: Database,
    writer: str,
    *,
    clock: Callable[[], datetime],
    metrics: Metrics | None = None,
    targets: Sequence[Target] = TARGETS,
    cluster: Cluster | None = None,
) -> Watched:
    """Build the watch over an environment, as the bot does."""
    database = as_process(database, writer)
    metrics = metrics or Metrics()
    streams = Streams(
        environment,
        redis,
        Positions(database),
        metrics,
        clock=clock,
        monotonic=lambda: clock().timestamp(),
    )

    maintenance = Maintenance(
        environment,
        windows=Windows(database),
        outbox=Outbox(database),
        incidents=Incidents(database),
        requests=Requests(database),
        mirrors=(),
    )
    approvals = Approvals(
        environment,
        Requests(database),
        Rights(environment, Lists()),
        an_oncall(environment, database, targets),
        metrics,
        executor=writer,
        look=maintenance.ended,
    )
    workloads = Workloads(environment, cluster, clock=clock)
    alarms = the_alarms(environment, database, writer, targets=targets, look=maintenance.ended)
    leader = Leader(database, metrics)
    watch = Watch(
        environment,
        streams,
        alarms,
        Samples(database),
        maintenance=maintenance,
        approvals=approvals,
        workloads=workloads,
        metrics=metrics,
        leader=leader,
        watches=Watches(database),
        monotonic=lambda: clock().timestamp(),
    )
    return Watched(watch, alarms, maintenance, approvals, workloads, leader)


class Leaders(RuleBasedStateMachine):
    """Two leaders, old and new, and what must be true at every moment of what they keep."""

    def __init__(self, template: Path, file: Path, met: Counter[str]) -> None:
        super().__init__()
        self.met = met
        shutil.copy(template, file)
        self.runner = asyncio.Runner()
        self.database = self.run(Database.open(f"sqlite+aiosqlite:///{file}"))
        self.file = sqlite3.connect(f"file:{file}?mode=ro", uri=True, isolation_level=None)
        self.incidents = Flaky(self.database)
        self.silences = Silences(self.database)
        self.people = the_alarms(ONE, self.database, "people")
        self.leaders = [self.leader(number) for number in range(2)]
        self.by_hand: Counter[int] = Counter()
        self.now = NIGHT

    def run(self, work: Awaitable[Result]) -> Result:
        async def awaited() -> Result:
            return await work

        return self.runner.run(awaited())

    def leader(self, number: int) -> Alarms:
        return the_alarms(ONE, self.database, f"leader {number}", incidents=self.incidents)

    def firing(self) -> list[Incident]:
        return self.run(self.incidents.firing("prod"))

    def posts(self) -> Counter[int]:
        return Counter(number for (number,) in self.file.execute("SELECT subject FROM posts"))

    def mentions(self, turn: str) -> Counter[int]:
        """Count how often the owner of each incident was mentioned, to be asked or called."""
        query = "SELECT subject, content FROM outbox WHERE said = 'asked'"
        return Counter(
            number
            for number, content in self.file.execute(query)
            if _NOTICE.validate_json(content).values["turn"] == turn
        )

    @invariant()
    def one_of_each(self) -> None:
        query = "SELECT name, instrument, count(*) FROM alarms WHERE resolved IS NULL GROUP BY 1, 2"
        assert all(number == 1 for _, _, number in self.file.execute(query))
        posts = self.posts()
        assert all(number == 1 for number in posts.values())
        said: Counter[tuple[int, str]] = Counter()
        talk = "SELECT subject, content FROM outbox WHERE lane = 'talk'"
        for number, content in self.file.execute(talk):
            assert posts[number], "what was never shown is not talked about"
            said[number, _NOTICE.validate_json(content).values["turn"]] += 1
        query = "SELECT id, resolved, relapses FROM alarms"
        for number, over, relapses in self.file.execute(query):
            ends = relapses + (over is not None)
            assert said[number, "resolved"] <= min(ends, RELAPSES_TOLD + 1)
            assert said[number, "relapsed"] <= min(relapses, RELAPSES_TOLD)
            if not relapses:
                assert said[number, "resolved"] == (over is not None and posts[number] == 1)
            self.met["relapsed"] += relapses

    @invariant()
    def told_once(self) -> None:
        for incident in self.run(self.incidents.latest("prod", 1000)):
            query = "SELECT content FROM outbox WHERE lane = 'page' AND subject = ? ORDER BY id"
            rows = self.file.execute(query, (incident.id,))
            mine: list[Page] = [_PAGE.validate_json(content) for (content,) in rows]
            assert {each.key for each in mine} <= {key_of(incident)}
            begun = [each for each in mine if each.step is PageEvent.TRIGGER]
            assert {each.target for each in begun} == set(incident.told)
            for target in incident.told:
                times = [each.at for each in begun if each.target == target]
                soon = sum(later - at < TOLD_EVERY for at, later in pairwise(times))
                assert soon <= 1 + self.by_hand[incident.id], "critical once, or by hand"
            ends = [each for each in mine if each.step is PageEvent.RESOLVE]
            assert {each.due and each.due - each.at for each in ends} <= {15 * MINUTE}
            # Of an end after which it fired again nobody hears.
            ended = Counter(each.target for each in ends if each.at == incident.resolved)
            over = set(incident.told) - {"group"} if incident.resolved else set()
            assert ended == Counter(over), "who was told of it is told of its end"
            self.met["ended"] += bool(over)
            assert {each.target for each in mine if each.step is PageEvent.ACKNOWLEDGE} <= {"duty"}

    def last_of_all(self) -> None:
        """Let everything be well again."""
        raise NotImplementedError

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.last_of_all()
                assert self.firing() == []
                self.one_of_each()
                self.told_once()
        finally:
            self.file.close()
            self.run(self.database.aclose())
            self.runner.close()


# --- at the front door -----------------------------------------------------------------------

SHORT: dict[str, Any] = {
    "poll": "1s",
    "relapse": "1s",
    "rules": {
        "stalled": {"warning": "2s", "critical": "4s"},
        "backlog": {"warning": "2s", "critical": "1m", "for": "1s", "least": 5},
        "expiring": {"within": "7s"},
        "unreachable": {"night": "1s", "day": "1s"},
        "unknown_lag": {"for": "1s"},
    },
}
"""Alarms that fire within seconds, and whose ends pagers are told of as soon."""


@dataclass
class Alarmed:
    """A channel, as those who read it see its alarms."""

    world: World
    id: str = PROD
    patience: float = LONGEST_WAIT

    @property
    def roots(self) -> list[Message]:
        """Every root message of an alarm that was ever posted, deleted ones included."""
        return [
            each
            for each in self.world.slack.messages(self.id, deleted=True)
            if each.thread_ts is None
            and each.ephemeral_to is None
            and re.search(r"Alarm \d+$", each.text)
        ]

    def thread(self, root: Message) -> list[str]:
        return [
            each.text
            for each in self.world.slack.messages(self.id)
            if each.thread_ts == root.ts and each.ephemeral_to is None
        ]

    async def root(self, text: str = "") -> Message:
        """Wait for the message of an alarm that says something."""
        return await self.until(
            lambda: next((m for m in self.roots if text in m.text and not m.deleted), None),
            f"an alarm with {text!r}",
        )

    async def says(self, root: Message, text: str) -> None:
        """Wait until a message says something, anywhere in it."""
        await self.until(lambda: text in root.all_text, f"{text!r}, not {root.text!r}")

    async def told(self, root: Message, text: str) -> str:
        """Wait until a thread says something."""
        return await self.until(
            lambda: next((each for each in self.thread(root) if text in each), None),
            f"{text!r} in the thread of {root.text!r}",
        )

    async def done(self, typed: str, text: str, user: str = "U0ANA") -> Message:
        """Type something that all are to see, and wait for what it says."""
        await self.world.slack.command(typed, channel=self.id, user=user)
        return await self.said(text)

    async def said(self, text: str) -> Message:
        """Wait for a message in the channel."""
        messages = self.world.slack.messages
        return await self.until(
            lambda: next(
                (each for each in messages(self.id) if text in each.text and not each.thread_ts),
                None,
            ),
            repr(text),
        )

    async def until(self, find: Callable[[], Found | None], what: str) -> Found:
        return await self.world.slack.until(find, self.patience, what)


async def listed(world: World, words: str) -> None:
    """Wait until `alarms` lists it."""
    async with asyncio.timeout(LONGEST_WAIT):
        while words not in shown(await world.type("alarms")):  # noqa: ASYNC110 -- it is asked
            await asyncio.sleep(0.2)


def a_minute_passes(world: World) -> None:
    """Let a minute pass for the watch, while the bot is down.

    What it remembers is dated back, which stands for the time after which a rule takes what was
    wrong for over.
    """
    with closing(sqlite3.connect(world.folder / "state.db")) as file, file:
        earlier = "strftime('%Y-%m-%d %H:%M:%f000', at, '-61 seconds')"
        file.execute(f"UPDATE samples SET at = {earlier}")  # noqa: S608 -- a constant


async def time_passes(world: World, length: timedelta, *, step: timedelta) -> None:
    """Let time pass for a bot that runs: its clock jumps, and after each jump it has a look."""
    for _ in range(length // step):
        world.ahead += step
        await seen(world, f"at >= '{world.clock():%Y-%m-%d %H:%M:%S.%f}'")


async def seen(world: World, condition: str) -> None:
    """Wait until the newest sample of every stream is so."""
    newest = "(SELECT *, max(at) FROM samples GROUP BY environment, instrument)"
    await counted(world, f"SELECT count(*) = 0 FROM {newest} WHERE NOT ({condition})")  # noqa: S608 -- from the tests


async def looked_at(world: World, streams: int) -> None:
    """Wait until the watch has looked, at a time that stands still."""
    assert world.stands_at is not None
    now = f"{world.stands_at + world.ahead:%Y-%m-%d %H:%M:%S.%f}"
    await counted(world, f"SELECT count(*) >= {streams} FROM samples WHERE at >= '{now}'")  # noqa: S608 -- the same


async def counted(world: World, query: str) -> None:
    """Wait until a query of the bot's database answers 1."""
    async with asyncio.timeout(LONGEST_WAIT):
        while True:
            with closing(sqlite3.connect(world.folder / "state.db")) as file:
                if file.execute(query).fetchone() == (1,):
                    return
            await asyncio.sleep(0.1)


async def all_said(world: World) -> None:
    """Wait until channels show all that there is to show, and pages are sent that are due.

    For a clock that stands still: what could not be sent is to be tried again in a while, and no
    while passes.
    """
    anew = "SET not_before = NULL WHERE not_before IS NOT NULL AND claimed_by IS NULL"
    # The end of an alarm waits for its time.
    later = f"lane = 'page' AND attempts = 0 AND not_before > '{world.clock():%Y-%m-%d %H:%M:%S}'"
    behind = "SELECT count(*) FROM posts WHERE shown < wanted"
    open_now = f"FROM outbox WHERE closed IS NULL AND NOT coalesce({later}, 0)"
    waiting = f"SELECT count(*) {open_now}"
    # What came of pages is said when all of them have been sent.
    talk = f"lane = 'page' OR NOT EXISTS (SELECT * {open_now} AND lane = 'page')"
    async with asyncio.timeout(LONGEST_WAIT):
        while True:
            state = sqlite3.connect(world.folder / "state.db", timeout=0)
            # Whoever holds the lock now is on this very thread.
            with closing(state) as file, suppress(sqlite3.OperationalError), file:
                if file.execute(f"SELECT ({behind}) + ({waiting})").fetchone() == (0,):
                    return
                file.execute(f"UPDATE posts {anew}")
                file.execute(f"UPDATE outbox {anew} AND NOT coalesce({later}, 0) AND ({talk})")
            await asyncio.sleep(0.05)
