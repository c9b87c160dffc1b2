"""Pages on their way: claimed, tried again, given up; and the mention in Slack."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from shutil import copy

import pytest
from sqlalchemy import select, text, update

from bot.clients.pagers import (
    Calls,
    Notifier,
    PagerDuty,
    Squadcast,
    Webhook,
)
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
from bot.metrics import Metrics
from bot.preflight import check
from bot.services.oncall import Receipts
from bot.slack.api import Proxy, SlackApi
from bot.slack.directory import Channels
from bot.slack.paging import AT_ONCE, Mention, Pager
from bot.slack.posting import CLAIMED_FOR
from bot.storage.database import Database
from bot.storage.lease import Leader
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts, add_post
from bot.storage.schema import outbox as table
from bot.storage.schema import posts
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
BUSY = PageFailed("duty cannot take it now (HTTP 503)", permanent=False)
REFUSED = PageFailed("duty refuses our key (HTTP 403)", permanent=True)


@dataclass
class Scripted(Notifier):
    """A target that answers as scripted, and then well; while `held` is set it does not answer."""

    kind = Kind("scripted", "a script")

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

    @property
    def receipts(self) -> dict[str, Receipt]:
        return self.outcomes.last

    async def failed(self) -> list[Notice]:
        """What the channel is told of targets that cannot be reached."""
        return [each.content for each in await self.outbox.notices(NOW + GIVEN_UP_AFTER)]

    def outbox_of(self, process: str) -> Outbox:
        return Outbox(as_process(self.database, process))

    def pager(self, *notifiers: Notifier, holder: str = "one") -> Pager:
        return Pager(
            self.outbox_of(holder),
            {each.name: each for each in notifiers},
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
    assert await desk.failed() == []
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


async def test_a_page_never_waits_for_another_target(desk: Desk) -> None:
    slow, quick = Scripted("slow", held=asyncio.Event()), Scripted("quick")
    await desk.write(*(replace(PAGE, target="slow", key=f"{n}") for n in range(20)))
    await desk.write(replace(PAGE, target="quick"))
    pager = desk.pager(slow, quick)
    await pager.tick(NOW)
    await asyncio.gather(*pager._lanes["quick"]._tasks)
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
    duty = Scripted("duty", [BUSY] * 12)
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


async def test_people_are_told_once_after_three_tries(desk: Desk) -> None:
    duty = Scripted("duty", [BUSY] * 5)
    await desk.write(PAGE)
    pager, now = desk.pager(duty), NOW
    for tries in range(1, 7):
        await turn(pager, now)
        assert len(await desk.failed()) == (tries >= 3)
        now += timedelta(minutes=5)
    [notice] = await desk.failed()
    values = {"target": "duty", "reason": BUSY.reason, "given up": "no"}
    assert notice == Notice(Said.TARGET_FAILED, "prod", 31, values)
    assert desk.receipts["duty"].outcome is Told.SENT


@pytest.mark.parametrize("before", [0, 1, 2, 3])
async def test_a_permanent_failure_gives_up_at_once(desk: Desk, before: int) -> None:
    duty = Scripted("duty", [*[BUSY] * before, REFUSED])
    await desk.write(PAGE)
    pager, now = desk.pager(duty), NOW
    for _ in range(before + 3):
        await turn(pager, now)
        now += timedelta(minutes=5)
    assert len(duty.told) == before + 1
    assert len(await desk.failed()) == 1
    assert desk.counted["given_up"] == 1
    assert await desk.rows() == [(True, REFUSED.reason)]
    assert desk.receipts["duty"].reason == REFUSED.reason
    if before < 2:
        assert (await desk.failed())[0].values["given up"] == "yes"


@pytest.mark.parametrize(
    ("asked", "least", "most"), [(600, 600, 601), (1, 2, 3), (0, 2, 3), (7200, 7200, 7201)]
)
async def test_retry_after_is_honoured(desk: Desk, asked: int, least: int, most: int) -> None:
    limited = PageFailed("…", permanent=False, retry_after=timedelta(seconds=asked))
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
    assert await desk.rows() == [(False, "")]
    while not (await desk.rows())[0][0]:
        now += timedelta(minutes=1)
        await turn(pager, now)
    assert timedelta(0) < NOW + GIVEN_UP_AFTER - now <= timedelta(minutes=5)
    assert desk.counted["given_up"] == 1
    assert desk.receipts["duty"].outcome is Told.GIVEN_UP
    assert len(await desk.failed()) == 1
    assert await desk.rows() == [(True, BUSY.reason)]


async def test_who_asks_for_more_than_a_day_is_given_up(desk: Desk) -> None:
    limited = PageFailed("…", permanent=False, retry_after=timedelta(hours=24))
    await desk.write(PAGE)
    await turn(desk.pager(Scripted("duty", [limited])))
    assert desk.counted == {"given_up": 1}
    assert len(await desk.failed()) == 1


async def test_a_target_that_is_no_more(desk: Desk) -> None:
    await desk.write(PAGE)
    await turn(desk.pager(Scripted("another")))
    assert (await desk.failed())[0].values["reason"] == "there is no target duty any more"
    assert desk.counted == {"given_up": 1}


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


async def test_an_end_follows_its_beginning(desk: Desk) -> None:
    duty = Scripted("duty", held=asyncio.Event())
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await pager.tick(NOW)
    await desk.write(END)
    await pager.tick(NOW)
    await pager.tick(NOW)
    assert duty.held is not None
    duty.held.set()
    await settled(pager)
    assert duty.steps == [PageEvent.TRIGGER]
    await turn(pager)
    assert duty.steps == [PageEvent.TRIGGER, PageEvent.RESOLVE]


async def test_nobody_is_woken_for_what_is_over(desk: Desk) -> None:
    duty = Scripted("duty", [BUSY])
    await desk.write(PAGE)
    pager = desk.pager(duty)
    await turn(pager)
    await desk.write(END, replace(PAGE, key="another alarm"))
    later = NOW + timedelta(minutes=1)
    await turn(pager, later)
    assert [(page.step, page.key) for page, _, _ in duty.told[1:]] == [
        (PageEvent.RESOLVE, PAGE.key),
        (PageEvent.TRIGGER, "another alarm"),
    ]
    assert await desk.rows() == [(True, "the alarm is over"), (True, ""), (True, "")]
    assert await desk.failed() == []


async def test_what_is_over_is_not_opened_again_by_an_old_try(desk: Desk) -> None:
    duty = Scripted("duty", [BUSY])
    await desk.write(PAGE)
    await turn(desk.pager(duty))
    # Another process knows nothing of the try, which is not due yet.
    await desk.write(END)
    pager = desk.pager(duty, holder="two")
    await turn(pager, NOW + SECOND)
    await turn(pager, NOW + timedelta(minutes=1))
    assert duty.steps == [PageEvent.TRIGGER, PageEvent.RESOLVE]
    assert await desk.rows() == [(True, "the alarm is over"), (True, "")]


async def test_an_end_is_sent_when_it_is_due(desk: Desk) -> None:
    duty, due = Scripted("duty"), NOW + timedelta(minutes=15)
    await desk.write(replace(END, due=due))
    pager = desk.pager(duty)
    await turn(pager, due - SECOND)
    assert duty.steps == []
    await turn(pager, due)
    assert duty.steps == [PageEvent.RESOLVE]


async def test_what_is_paged_after_the_end_is_sent(desk: Desk) -> None:
    duty = Scripted("duty")
    await desk.write(END)
    pager = desk.pager(duty)
    await turn(pager)
    await desk.write(PAGE)
    await turn(pager)
    assert duty.steps == [PageEvent.RESOLVE, PageEvent.TRIGGER]


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
    await desk.write(*(replace(each, target="group") for each in (OWNED, END)))
    pager = desk.pager(mention)
    await turn(pager)
    await turn(pager)
    assert slack.messages(PROD) == []
    assert await desk.rows() == [(True, ""), (True, "")]


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
    ("error", "permanent"),
    [
        ("invalid_auth", True),
        ("is_archived", True),
        ("missing_scope", True),
        ("not_in_channel", False),
        ("internal_error", False),
    ],
)
async def test_what_slack_refuses(
    slack: SlackServer, mention: Mention, error: str, *, permanent: bool
) -> None:
    slack.fail("chat.postMessage", Fault(error=error))
    with pytest.raises(PageFailed) as caught:
        await mention.notify(PAGE, key="row")
    assert str(caught.value) == f"Slack does not take the mention of group ({error})"
    assert caught.value.permanent is permanent


async def test_a_channel_that_is_not_known_yet(web: SlackApi) -> None:
    unknown = Mention(GROUP, web, Channels(web, {"prod": "no-such-channel"}))
    with pytest.raises(PageFailed, match="no channel") as caught:
        await unknown.notify(PAGE)
    assert not caught.value.permanent


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
