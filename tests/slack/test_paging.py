"""Pages on their way: claimed, tried again, given up; and the mention in Slack."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy
from typing import Any

import pytest
from sqlalchemy import select, text, update

from bot.clients.pagers import (
    Calls,
    Notifier,
    PagerDuty,
    Squadcast,
    Webhook,
)
from bot.domain.alarms import Incident
from bot.domain.notices import Notice, Said, Subject
from bot.domain.oncall import (
    GIVEN_UP_AFTER,
    Kind,
    Page,
    PageEvent,
    PageFailed,
    Receipt,
    Target,
    Told,
)
from bot.domain.paging import Reach
from bot.metrics import Metrics
from bot.preflight import check
from bot.services.oncall import Receipts
from bot.slack.api import Proxy, SlackApi
from bot.slack.directory import Channels
from bot.slack.paging import AT_ONCE, Mention, Pager
from bot.slack.posting import CLAIMED_FOR
from bot.storage.alarms import Incidents
from bot.storage.database import Database
from bot.storage.lease import Leader
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts, add_post
from bot.storage.schema import counters, posts
from bot.storage.schema import outbox as table
from tests.storage.drafts import incident
from tests.support.an_oncall import A_PAGE
from tests.support.databases import as_process
from tests.support.faults import Fault, rate_limited
from tests.support.pager_servers import (
    ROUTING_KEY,
    SQUADCAST_KEY,
    WEBHOOK_KEY,
    PagerServers,
)
from tests.support.slack_server import SlackServer
from tests.support.world import PROD, World

NOW = datetime(2026, 11, 24, 5, 57, tzinfo=UTC)
SECOND = timedelta(seconds=1)
PAGE = replace(A_PAGE, link="", at=NOW)
"""Its link is found when it is sent."""
_PAGES = table.c.lane == "page"
GROUP = Target("group", Mention.kind, usergroup="S0ONCALL")
OWNED, END = (replace(PAGE, step=each) for each in (PageEvent.ACKNOWLEDGE, PageEvent.RESOLVE))
BUSY = PageFailed("duty cannot take it now (HTTP 503)")
REFUSED = PageFailed("duty refuses our key (HTTP 403)", slow=True)
LOST = PageFailed("the connection to duty was lost", perhaps=True)


@dataclass
class Scripted(Notifier):
    """A target that answers as scripted, and then well; while `held` is set it does not answer."""

    kind = Kind("scripted", "a script", events=tuple(PageEvent))

    name: str
    answers: list[Exception | None] = field(default_factory=list)
    held: asyncio.Event | None = None
    told: list[tuple[Page, str, datetime | None]] = field(default_factory=list)

    async def notify(
        self, page: Page, *, key: str = "", perhaps_since: datetime | None = None
    ) -> None:
        self.told.append((page, key, perhaps_since))
        if self.held is not None:
            await self.held.wait()
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer

    @property
    def steps(self) -> list[PageEvent]:
        return [page.step for page, _, _ in self.told]


class Leading(Leader):
    """Leads as long as the desk says so."""

    def __init__(self, desk: "Desk") -> None:
        super().__init__(desk.database, Metrics())
        self.desk = desk

    def leads(self) -> bool:
        return self.desk.leading


@dataclass
class Desk:
    """An outbox, and what the pager says of it."""

    database: Database
    outbox: Outbox
    leading: bool = True

    def __post_init__(self) -> None:
        self.metrics = Metrics()
        self.outcomes = Receipts(self.outbox, self.metrics)

    @property
    def counted(self) -> dict[str, int]:
        """How often a try of any target ended in each way."""
        found = re.findall(
            r'_notifications_total{outcome="(\w+)",target="[^"]+"} (\d+)',
            self.metrics.text().decode(),
        )
        return {outcome: int(times) for outcome, times in found}

    async def said(self, said: Said) -> list[Notice]:
        """Take what waits to be said of pages, as if it were said now."""
        waiting = await self.outbox.notices(NOW + GIVEN_UP_AFTER)
        found = [each for each in waiting if each.content.said is said]
        for each in found:
            await self.outbox.sent(each, NOW + GIVEN_UP_AFTER)
        return [each.content for each in found]

    async def fires(self) -> Incident:
        """Let the alarm that the pages are about fire."""
        async with self.database.transaction() as connection:
            await connection.execute(update(counters).values(value=PAGE.incident - 1))
        return await Incidents(self.database).create(incident(), now=NOW)

    async def step(self, before: Incident, **changes: Any) -> Incident:
        """Let something happen to the alarm."""
        after = replace(before, version=before.version + 1, **changes)
        assert await Incidents(self.database).replace(before, after, now=NOW)
        return after

    @property
    def receipts(self) -> dict[str, Receipt]:
        return self.outcomes.last

    def outbox_of(self, process: str) -> Outbox:
        return Outbox(as_process(self.database, process))

    def pager(self, *notifiers: Notifier, holder: str = "one") -> Pager:
        return Pager(
            self.outbox_of(holder),
            {each.name: each for each in notifiers},
            Incidents(self.database),
            {},
            leader=Leading(self),
            receipts=self.outcomes,
            posts=Posts(self.database, "https://example.slack.com/"),
        )

    async def write(self, *pages: Page, writer: str = "one", now: datetime = NOW) -> None:
        await self.outbox_of(writer).add(now, *pages)

    async def rows(self) -> list[tuple[bool, str]]:
        """Whether each page is at its end, and why it was not sent."""
        async with self.database.statement() as connection:
            query = select(table.c.closed, table.c.why).where(_PAGES).order_by(table.c.id)
            return [(row.closed is not None, row.why) for row in await connection.execute(query)]

    async def waits(self, now: datetime) -> float | None:
        """Seconds until the first page is due again."""
        async with self.database.statement() as connection:
            row = (await connection.execute(select(table.c.not_before).where(_PAGES))).first()
        return None if row is None else float((row.not_before - now).total_seconds())


async def turn(pager: Pager, now: datetime = NOW) -> None:
    """Let the pager do what is due, and come to an end of it."""
    await pager.tick(now)
    await settled(pager)


async def settled(pager: Pager) -> None:
    for lane in pager._lanes.values():
        await asyncio.gather(*lane._tasks)


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with its tables, to copy: making them takes longer than most tests."""
    path = tmp_path_factory.mktemp("pages") / "state.db"

    async def migrate() -> None:
        await (await Database.open(f"sqlite+aiosqlite:///{path}")).aclose()

    asyncio.run(migrate())
    return path


@pytest.fixture
async def desk(migrated: Path, tmp_path: Path) -> AsyncIterator[Desk]:
    path = copy(migrated, tmp_path / "state.db")
    database = await Database.open(f"sqlite+aiosqlite:///{path}")
    yield Desk(database, Outbox(database))
    await database.aclose()


# --- sending ---------------------------------------------------------------------------------


async def test_a_page_is_sent_once(desk: Desk) -> None:
    duty = Scripted("duty")
    async with desk.database.transaction() as connection:
        await add_post(connection, 31, "prod", Subject.ALARM)
        await connection.execute(update(posts).values(channel=PROD, ts="1764049798.000100"))
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await turn(pager)
    await turn(pager, NOW + SECOND)
    [(page, key, since)] = duty.told
    link = f"https://example.slack.com/archives/{PROD}/p1764049798000100"
    assert page == replace(PAGE, link=link)
    assert key
    assert since is None
    assert desk.counted == {"sent": 1}
    assert desk.receipts["duty"].outcome is Told.SENT
    assert await desk.said(Said.TARGET_FAILED) == []
    assert await desk.rows() == [(True, "")]


async def test_each_process_sends_its_own_and_the_leader_everybodys(desk: Desk) -> None:
    duty = Scripted("duty")
    desk.leading = False
    await desk.write(PAGE, writer="another")
    pager = desk.pager(duty)
    await turn(pager)
    assert duty.told == []
    desk.leading = True
    await turn(pager)
    assert len(duty.told) == 1


async def test_two_processes_send_a_page_once(desk: Desk) -> None:
    duty = Scripted("duty")
    await desk.write(*(replace(PAGE, key=f"{n}") for n in range(AT_ONCE)))
    pagers = [desk.pager(duty, holder=f"{n}") for n in range(3)]
    await asyncio.gather(*(each.tick(NOW) for each in pagers))
    await asyncio.gather(*(settled(each) for each in pagers))
    assert sorted(page.key for page, _, _ in duty.told) == ["0", "1", "2", "3"]


async def test_a_page_of_a_dead_process_is_sent_by_the_next(desk: Desk) -> None:
    await desk.write(PAGE)
    [queued] = await desk.outbox.pages(NOW)
    await desk.outbox.claim(queued, NOW, NOW + CLAIMED_FOR)
    duty = Scripted("duty")
    pager = desk.pager(duty)
    await turn(pager, NOW + CLAIMED_FOR - SECOND)
    assert duty.told == []
    await turn(pager, NOW + CLAIMED_FOR)
    [(_, key, since)] = duty.told
    assert (key, since) == (queued.key, NOW), "it may have been sent"


async def test_prod_waits_for_no_page_of_dev(desk: Desk) -> None:
    slow = Scripted("duty", held=asyncio.Event())
    pages = [replace(PAGE, environment="dev", key=f"{n}") for n in range(20)]
    await desk.write(*pages)
    await desk.write(PAGE)
    pager = desk.pager(slow)
    await pager.tick(NOW)
    assert slow.held is not None
    slow.held.set()
    await settled(pager)
    assert [page.environment for page, _, _ in slow.told] == ["dev"] * AT_ONCE + ["prod"]


async def test_a_page_never_waits_for_another_target(desk: Desk) -> None:
    slow, quick = Scripted("slow", held=asyncio.Event()), Scripted("quick")
    await desk.write(*(replace(PAGE, target="slow", key=f"{n}") for n in range(20)))
    await desk.write(replace(PAGE, target="quick"))
    pager = desk.pager(slow, quick)
    await pager.tick(NOW)
    await asyncio.gather(*pager._lanes["prod", "quick"]._tasks)
    assert len(quick.told) == 1
    assert slow.held is not None
    slow.held.set()
    await settled(pager)
    assert len(slow.told) == AT_ONCE, "the others wait where every process finds them"
    for _ in range(5):
        await turn(pager)
    assert len(slow.told) == 20


async def test_a_hanging_target_does_not_hold_the_loop(desk: Desk) -> None:
    slow = Scripted("duty", held=asyncio.Event())
    await desk.write(PAGE)
    pager = desk.pager(slow)
    async with asyncio.timeout(30):
        await pager.tick(NOW)
        await pager.tick(NOW)
        await pager.finish(NOW, 0.01)
    assert len(slow.told) <= 1
    [queued] = await desk.outbox.pages(NOW + CLAIMED_FOR)
    assert queued.attempts == 1, "it may have been sent; the next process sees to it"


# --- failures --------------------------------------------------------------------------------


async def test_it_is_tried_again_ever_more_rarely(desk: Desk) -> None:
    duty = Scripted("duty", [LOST] * 12)
    await desk.write(PAGE)
    pager = desk.pager(duty)
    now, pauses = NOW, []
    for _ in range(12):
        await turn(pager, now)
        pause = await desk.waits(now)
        assert pause is not None
        await turn(pager, now + timedelta(seconds=pause - 0.001))
        pauses.append(pause)
        now += timedelta(seconds=pause)
    expected = [2, 4, 8, 16, 32, 64, 128, 240, 240, 240, 240, 240]
    for pause, least in zip(pauses, expected, strict=True):
        assert least <= pause <= 1.25 * least + 0.5
    assert len(duty.told) == 12
    await turn(pager, now)
    assert desk.counted == {"failed": 12, "sent": 1}
    assert {(key, since) for _, key, since in duty.told[1:]} == {(duty.told[0][1], NOW)}


async def test_people_are_told_once_and_at_once(desk: Desk) -> None:
    duty = Scripted("duty", [BUSY] * 5)
    await desk.write(PAGE)
    pager, now = desk.pager(duty), NOW
    await turn(pager, now)
    values = {"about": PAGE.key, "summary": "", "severity": "critical"}
    assert await desk.said(Said.TARGET_FAILED) == [Notice(Said.TARGET_FAILED, "prod", 31, values)]
    for _ in range(6):
        now += timedelta(minutes=5)
        await turn(pager, now)
    assert await desk.said(Said.TARGET_FAILED) == []
    assert desk.receipts["duty"].outcome is Told.SENT
    [told] = await desk.said(Said.ONCALL)
    assert (told.subject, told.values) == (31, values)


async def test_what_becomes_of_several_targets_is_said_together(desk: Desk) -> None:
    """What waits to be said is drawn when it is said, so one notice is enough."""
    names = ["one", "two", "three", "four"]
    await desk.write(*(replace(PAGE, target=each) for each in names))
    pager = desk.pager(
        Scripted("one", [BUSY]), Scripted("two", [REFUSED]), Scripted("three"), Scripted("four")
    )
    await turn(pager)
    assert len(await desk.said(Said.TARGET_FAILED)) == 1
    assert len(await desk.said(Said.ONCALL)) == 1


async def test_what_may_have_been_drawn_already_is_said_again(desk: Desk) -> None:
    slow = Scripted("slow", [BUSY], held=asyncio.Event())
    await desk.write(PAGE, replace(PAGE, target="slow"))
    pager = desk.pager(Scripted("duty", [BUSY]), slow)
    await pager.tick(NOW)
    await asyncio.gather(*pager._lanes["prod", "duty"]._tasks)
    [first] = await desk.outbox.notices(NOW)
    assert await desk.outbox.claim(first, NOW, NOW + SECOND)
    assert slow.held is not None
    slow.held.set()
    await settled(pager)
    [second] = await desk.outbox.notices(NOW)
    assert second.content == first.content
    assert second.id != first.id


async def test_whatever_is_answered_is_tried_again(desk: Desk) -> None:
    """Somebody may put right what is refused; until then it is tried more rarely."""
    duty = Scripted("duty", [REFUSED] * 9)
    await desk.write(PAGE)
    pager, now, pauses = desk.pager(duty), NOW, []
    for _ in range(9):
        await turn(pager, now)
        pause = await desk.waits(now)
        assert pause is not None
        pauses.append(pause)
        now += timedelta(seconds=pause)
    for pause, least in zip(pauses, [10, 20, 40, 80, 160, 320, 600, 600, 600], strict=True):
        assert least <= pause <= 1.25 * least + 0.5
    await turn(pager, now)
    assert desk.counted == {"failed": 9, "sent": 1}
    assert await desk.rows() == [(True, "")]


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(600, 600, 601), (1, 2, 3), (0, 2, 3), (7200, 7200, 7201)]
)
async def test_retry_after_is_honoured(desk: Desk, asked: int, least: int, most: int) -> None:
    limited = PageFailed("…", retry_after=timedelta(seconds=asked))
    await desk.write(PAGE)
    await turn(desk.pager(Scripted("duty", [limited])))
    pause = await desk.waits(NOW)
    assert pause is not None
    assert least <= pause < most


async def test_after_a_day_it_is_given_up(desk: Desk) -> None:
    duty = Scripted("duty", [BUSY] * 2000)
    await desk.write(PAGE)
    pager, now = desk.pager(duty), NOW
    for hours in (0, 1, 2, 12, 23, 23.8):
        now = NOW + timedelta(hours=hours)
        await turn(pager, now)
    assert await desk.rows() == [(False, BUSY.reason)]
    while not (await desk.rows())[0][0]:
        now += timedelta(minutes=1)
        await turn(pager, now)
    assert timedelta(0) < NOW + GIVEN_UP_AFTER - now <= timedelta(minutes=5)
    assert desk.counted["given_up"] == 1
    assert desk.receipts["duty"].outcome is Told.GIVEN_UP
    assert len(await desk.said(Said.TARGET_FAILED)) == 1
    assert await desk.rows() == [(True, BUSY.reason)]


async def test_who_asks_for_more_than_a_day_is_given_up(desk: Desk) -> None:
    limited = PageFailed("…", retry_after=timedelta(hours=24))
    await desk.write(PAGE)
    await turn(desk.pager(Scripted("duty", [limited])))
    assert desk.counted == {"given_up": 1}
    assert len(await desk.said(Said.TARGET_FAILED)) == 1


async def test_a_target_that_is_no_more(desk: Desk) -> None:
    await desk.write(PAGE)
    await turn(desk.pager(Scripted("another")))
    assert desk.receipts["duty"].reason == "there is no target duty any more"
    assert len(await desk.said(Said.TARGET_FAILED)) == 1


async def test_a_fault_of_ours_costs_no_page_and_no_key(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    duty = Scripted("duty", [ValueError("https://example.com/s3cr3t"), TimeoutError()])
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await turn(pager)
    assert desk.receipts["duty"].reason == "duty could not be told, by a fault of the bot"
    await turn(pager, NOW + timedelta(minutes=1))
    assert desk.receipts["duty"].reason == "duty has not answered within 50 s"
    await turn(pager, NOW + timedelta(minutes=2))
    assert desk.receipts["duty"].outcome is Told.SENT
    printed = "".join(capsys.readouterr())
    assert "ValueError" in printed
    assert "s3cr3t" not in printed


async def test_a_page_goes_without_its_link_if_need_be(desk: Desk) -> None:
    duty = Scripted("duty")
    await desk.write(PAGE, replace(PAGE, incident=0, key="by hand"))
    async with desk.database.transaction() as connection:
        await connection.execute(text("DROP TABLE posts"))
    await turn(desk.pager(duty))
    assert [page.link for page, _, _ in duty.told] == ["", ""]


# --- beginning and end -----------------------------------------------------------------------


OVER, UNTOLD = "the alarm is over", "it was not told of the alarm"


async def test_an_end_follows_its_beginning(desk: Desk) -> None:
    duty = Scripted("duty", held=asyncio.Event())
    alarm = await desk.fires()
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await pager.tick(NOW)
    await desk.step(alarm, resolved=NOW)
    await desk.write(END)
    await pager.tick(NOW)
    await pager.tick(NOW)
    assert duty.held is not None
    duty.held.set()
    await settled(pager)
    assert duty.steps == [PageEvent.TRIGGER]
    await turn(pager)
    assert duty.steps == [PageEvent.TRIGGER, PageEvent.RESOLVE]


async def test_nobody_is_called_for_what_is_over(desk: Desk) -> None:
    duty = Scripted("duty", [BUSY])
    alarm = await desk.fires()
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await turn(pager)
    await desk.step(alarm, resolved=NOW)
    await desk.write(END, replace(PAGE, incident=0, key="by hand"))
    later = NOW + timedelta(minutes=1)
    for _ in range(3):
        await turn(pager, later)
    assert [page.key for page, _, _ in duty.told[1:]] == ["by hand"]
    assert await desk.rows() == [(True, OVER), (True, UNTOLD), (True, "")]


async def test_an_end_that_is_not_heard_is_said(desk: Desk) -> None:
    duty = Scripted("duty", [None, BUSY, BUSY, BUSY, BUSY])
    alarm = await desk.fires()
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await turn(pager)
    await desk.step(alarm, resolved=NOW)
    await desk.write(END)
    said = []
    for minutes in range(0, 20, 5):
        await turn(pager, NOW + timedelta(minutes=minutes))
        said.append(len(await desk.said(Said.TARGET_FAILED)))
    assert said == [0, 0, 1, 0]
    assert Reach.of(await desk.outbox.about(PAGE.key)).open == {"duty": BUSY.reason}


async def test_who_may_have_been_told_hears_of_the_end(desk: Desk) -> None:
    """An alarm that stays open for ever would hide the next one."""
    duty = Scripted("duty", [LOST, BUSY])
    alarm = await desk.fires()
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await turn(pager)
    await turn(pager, NOW + timedelta(minutes=1))
    await desk.step(alarm, resolved=NOW)
    await desk.write(END)
    for _ in range(2):
        await turn(pager, NOW + timedelta(minutes=2))
    assert duty.steps == [PageEvent.TRIGGER, PageEvent.TRIGGER, PageEvent.RESOLVE]
    assert await desk.rows() == [(True, OVER), (True, "")]


async def test_what_another_process_had_in_its_hands_may_have_been_told(desk: Desk) -> None:
    alarm = await desk.fires()
    await desk.write(PAGE)
    [queued] = await desk.outbox.pages(NOW)
    await desk.outbox.claim(queued, NOW, NOW + CLAIMED_FOR)
    await desk.step(alarm, resolved=NOW)
    await desk.write(END)
    duty = Scripted("duty")
    pager = desk.pager(duty)
    await turn(pager, NOW + SECOND)
    assert duty.told == [], "it may be under way"
    for _ in range(2):
        await turn(pager, NOW + CLAIMED_FOR)
    assert duty.steps == [PageEvent.RESOLVE]


async def test_nobody_is_called_while_it_ends(desk: Desk) -> None:
    duty = Scripted("duty")
    alarm = await desk.fires()
    found = alarm.findings["backlog"]
    ends = {"backlog": replace(found, ends=NOW + timedelta(minutes=1))}
    alarm = await desk.step(alarm, findings=ends)
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await turn(pager, NOW + SECOND)
    assert duty.told == []
    await desk.step(alarm, findings={"backlog": found})
    await turn(pager, NOW + 2 * SECOND)
    assert duty.steps == [PageEvent.TRIGGER], "it is so again"


async def test_what_fires_again_is_not_said_to_be_over(desk: Desk) -> None:
    duty = Scripted("duty")
    alarm = await desk.fires()
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await turn(pager)
    alarm = await desk.step(alarm, resolved=NOW)
    due = NOW + timedelta(minutes=15)
    await desk.write(replace(END, due=due))
    alarm = await desk.step(alarm, resolved=None)
    later = NOW + timedelta(minutes=10)
    await desk.step(alarm, resolved=later)
    await desk.write(replace(END, at=later, due=due + timedelta(minutes=10)))
    await turn(pager, due)
    assert duty.steps == [PageEvent.TRIGGER]
    await turn(pager, due + timedelta(minutes=10))
    assert duty.steps == [PageEvent.TRIGGER, PageEvent.RESOLVE]
    assert await desk.rows() == [(True, ""), (True, "the alarm fires again"), (True, "")]


async def test_a_newer_page_takes_the_place_of_one_that_could_not_be_sent(desk: Desk) -> None:
    duty = Scripted("duty", [BUSY])
    await desk.fires()
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await turn(pager)
    await desk.write(replace(PAGE, summary="worse"))
    for minutes in range(3):
        await turn(pager, NOW + timedelta(minutes=minutes))
    assert [page.summary for page, _, _ in duty.told] == [PAGE.summary, "worse"]


@pytest.mark.parametrize("well", [True, False])
async def test_somebody_is_on_it_where_they_were_told(desk: Desk, *, well: bool) -> None:
    duty = Scripted("duty", [] if well else [BUSY])
    await desk.fires()
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await turn(pager)
    await desk.write(OWNED)
    await turn(pager)
    told = [PageEvent.TRIGGER, PageEvent.ACKNOWLEDGE]
    assert duty.steps == (told if well else told[:1]), "not before its beginning"
    for _ in range(2):
        await turn(pager, NOW + timedelta(minutes=1))
    assert duty.steps == (told if well else [PageEvent.TRIGGER, *told])


# --- over the wire ---------------------------------------------------------------------------


Make = Callable[[PagerServers, Calls], Notifier]
MAKES: Sequence[Make] = (
    lambda servers, calls: PagerDuty(
        Target("pagerduty", PagerDuty.kind, url=servers.pagerduty), ROUTING_KEY, calls
    ),
    lambda servers, calls: Squadcast(
        Target("squadcast", Squadcast.kind, url=servers.squadcast), SQUADCAST_KEY, calls
    ),
    lambda servers, calls: Webhook(
        Target("webhook", Webhook.kind, url=servers.webhook), WEBHOOK_KEY, calls
    ),
)


@pytest.mark.parametrize("make", MAKES, ids=["pagerduty", "squadcast", "webhook"])
@pytest.mark.parametrize(
    "fault",
    [Fault(lost=True), Fault(dropped=True), Fault(hang=9), Fault(status=500), rate_limited("3")],
    ids=["lost", "dropped", "hanging", "in trouble", "limited"],
)
async def test_a_page_arrives_in_the_end(desk: Desk, make: Make, fault: Fault) -> None:
    async with (
        PagerServers() as servers,
        Calls(lambda _: None, clock=lambda: NOW, seconds=0.2) as calls,
    ):
        notifier = make(servers, calls)
        servers.fail(notifier.name, fault)
        await desk.write(replace(PAGE, target=notifier.name))
        pager = desk.pager(notifier)
        await turn(pager)
        await turn(pager, NOW + timedelta(minutes=1))
        first, second = (each.content for each in servers.received)
        assert first == second
        assert desk.counted == {"failed": 1, "sent": 1}
        if notifier.name == "pagerduty":
            assert servers.alerts == {PAGE.key: "triggered"}
        if notifier.name == "webhook":
            assert first["delivery"] == second["delivery"] != ""


# --- the mention -----------------------------------------------------------------------------


@pytest.fixture
async def web(slack: SlackServer) -> AsyncIterator[SlackApi]:
    web = SlackApi(slack.bot_token, slack.api_url, Proxy({}))
    yield web
    await web.aclose()


@pytest.fixture
async def mention(web: SlackApi) -> Mention:
    channels = Channels(web, {"prod": "lsstcam-prompt-processing"})
    await channels.resolve()
    return Mention(GROUP, web, channels)


async def test_a_mention_is_a_new_message(slack: SlackServer, mention: Mention) -> None:
    await mention.notify(replace(PAGE, link="https://example.slack.com/archives/C0/p1"), key="row")
    [message] = slack.messages(PROD)
    assert message.text == PAGE.summary, "a locked screen shows plain words"
    assert f"<!subteam^S0ONCALL> {PAGE.summary}." in message.all_text
    assert "<https://example.slack.com/archives/C0/p1|Alarm 31>" in message.all_text
    assert message.buttons == ["I'm on it"]
    [(_, button)] = message.elements()
    assert (button["action_id"], button["value"]) == ("prompt-redis:own", "31")


async def test_nothing_but_the_group_is_mentioned(slack: SlackServer, mention: Mention) -> None:
    summary = "PROD: Ana calls for help: <!channel> <@U0BEN> <!subteam^S0OTHER> <https://x|y> &"
    await mention.notify(replace(PAGE, summary=summary, incident=0))
    [message] = slack.messages(PROD)
    assert message.mentions() == ["<!subteam^S0ONCALL>"]
    assert message.buttons == []


async def test_an_end_mentions_nobody(desk: Desk, slack: SlackServer, mention: Mention) -> None:
    """One that was written while the target was of another kind."""
    alarm = await desk.fires()
    pages = [replace(each, target="group") for each in (PAGE, OWNED, END)]
    await desk.write(pages[0])
    pager = desk.pager(mention)
    await turn(pager)
    assert len(slack.messages(PROD)) == 1
    await desk.write(pages[1])
    await turn(pager)
    await desk.step(alarm, resolved=NOW)
    await desk.write(pages[2])
    await turn(pager)
    assert len(slack.messages(PROD)) == 1
    assert await desk.rows() == [(True, "")] * 3


async def test_a_lost_post_is_looked_for(desk: Desk, slack: SlackServer, mention: Mention) -> None:
    now = datetime.now(UTC)
    await desk.write(replace(PAGE, target="group"), now=now)
    slack.fail("chat.postMessage", Fault(lost=True))
    slack.fail("conversations.history", Fault(error="internal_error", status=None))
    pager = desk.pager(mention)
    await turn(pager, now)
    assert desk.counted == {"failed": 1}
    await turn(pager, now + timedelta(minutes=1))
    assert desk.counted == {"failed": 1, "sent": 1}
    assert len(slack.messages(PROD)) == 1
    assert len(slack.calls_of("chat.postMessage")) == 1


@pytest.mark.parametrize(
    ("error", "slow"),
    [
        ("invalid_auth", True),
        ("is_archived", True),
        ("missing_scope", True),
        ("not_in_channel", False),
        ("internal_error", False),
    ],
)
async def test_what_slack_refuses(
    slack: SlackServer, mention: Mention, error: str, *, slow: bool
) -> None:
    slack.fail("chat.postMessage", Fault(error=error))
    with pytest.raises(PageFailed) as caught:
        await mention.notify(PAGE, key="row")
    assert str(caught.value) == f"Slack does not take the mention of group ({error})"
    assert caught.value.slow is slow


async def test_a_channel_that_is_not_known_yet(web: SlackApi) -> None:
    unknown = Mention(GROUP, web, Channels(web, {"prod": "no-such-channel"}))
    with pytest.raises(PageFailed, match="no channel") as caught:
        await unknown.notify(PAGE)
    assert not caught.value.slow


# --- the preflight ---------------------------------------------------------------------------


async def test_every_target_has_its_line_and_nobody_is_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    async with PagerServers() as servers:
        world.slack.workspace.usergroups = {"S0ONCALL": ["U0ANA", "U0BEN"], "S0EMPTY": []}
        world.settings["oncall"] = {
            "targets": [
                {"name": "group", "kind": "slack", "usergroup": "S0ONCALL"},
                {"name": "empty", "kind": "slack", "usergroup": "S0EMPTY"},
                {"name": "lost", "kind": "slack", "usergroup": "S0LOST"},
                {"name": "duty", "kind": "pagerduty", "url": servers.pagerduty},
                {"name": "cast", "kind": "squadcast", "url": servers.squadcast},
                {"name": "hook", "kind": "webhook", "url": servers.webhook},
                {"name": "away", "kind": "webhook", "url": "http://127.0.0.1:1/{key}"},
                {"name": "proxied", "kind": "pagerduty"},
            ]
        }
        for name in ("DUTY", "CAST", "AWAY", "PROXIED"):
            world.environ[f"PROMPT_REDIS_ONCALL_{name}_KEY"] = "s3cr3t"
        world.environ |= {"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": "127.0.0.1"}
        code = await check(world.configuration(), world.secrets)
        assert servers.received == []
    out = capsys.readouterr().out
    assert code == 1
    assert "s3cr3t" not in out
    assert world.slack.messages(PROD) == []
    lines = [line for line in out.splitlines() if "on-call target" in line]
    for line, expected in zip(
        lines,
        [
            "ok      on-call target group: user group S0ONCALL has 2 people in it",
            "FAILED  on-call target empty: nobody is in user group S0EMPTY -> add whoever",
            "FAILED  on-call target lost: Slack does not tell who is in S0LOST (no_such_subteam)",
            "ok      on-call target duty: 127.0.0.1 takes connections",
            "ok      on-call target cast: 127.0.0.1 takes connections",
            "info    on-call target hook: 127.0.0.1 takes connections; unsigned, PROMPT_REDIS_",
            "FAILED  on-call target away: away takes no connection -> check that 127.0.0.1",
            "unknown on-call target proxied: a proxy or a key is on the way there",
        ],
        strict=True,
    ):
        assert line.startswith(expected)
