"""Who is told of what, and in which words."""

from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.clients.pagers import PagerDuty, Squadcast, Webhook
from bot.domain.alarms import Incident
from bot.domain.approvals import Plan, Request, Vote
from bot.domain.environments import Environment, Person
from bot.domain.errors import UserError
from bot.domain.notices import Notice, Said
from bot.domain.oncall import (
    On,
    Page,
    PageEvent,
    PageFailed,
    Target,
    Told,
    When,
    key_of,
    pause_after,
)
from bot.domain.rules import RULES, Finding, Severity
from bot.domain.samples import Figures
from bot.metrics import Metrics
from bot.services.oncall import Oncall, Receipts
from bot.slack.paging import Mention
from bot.storage.database import Database
from bot.storage.outbox import Outbox
from tests.support.an_oncall import Lists, an_oncall

NOW = datetime(2026, 11, 24, 5, 57, tzinfo=UTC)
NOON = NOW.replace(hour=18)
SECOND = timedelta(seconds=1)
ANA, BEN = Person("U0ANA", "Ana"), Person("U0BEN", "Ben")
PROD = Environment("prod", ("lsstcam",))
TARGETS = (
    Target("group", Mention.kind, usergroup="S0ONCALL"),
    Target("duty", PagerDuty.kind, ("prod",), on=On.FIRE),
    Target("nightly", Squadcast.kind, ("all",), When.OBSERVING),
    Target("office", Webhook.kind, ("dev", "prod"), When.DAY, On.FIRE),
    Target("dev-only", Webhook.kind, ("dev",), on=On.FIRE),
)
INCIDENT = Incident(
    id=31,
    environment="prod",
    name="backlog",
    instrument="lsstcam",
    began=NOW - timedelta(minutes=30),
    opened=NOW - timedelta(minutes=27),
    findings={
        "expiring": Finding("expiring", Severity.CRITICAL, NOW),
        "backlog": Finding("backlog", Severity.WARNING, NOW),
    },
    figures=Figures(NOW),
)


LISTS = Lists({"S0ONCALL": {ANA.id, "U0BEN"}})


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(f"sqlite+aiosqlite:///{tmp_path / 'state.db'}")
    yield database
    await database.aclose()


@pytest.fixture
def oncall(database: Database) -> Oncall:
    return an_oncall(PROD, database, TARGETS, groups=LISTS)


async def written(database: Database) -> list[Page]:
    return [each.content for each in await Outbox(database).pages(NOW + timedelta(seconds=1))]


@pytest.mark.parametrize(
    ("rules", "night", "escalated", "names"),
    [
        (["backlog"], True, False, ["duty"]),
        (["backlog"], False, False, ["duty", "office"]),
        (["backlog"], True, True, ["group", "duty", "nightly"]),
        (["backlog"], False, True, ["group", "duty", "office"]),
        (["missing"], True, False, ["group", "duty", "nightly"]),
        (["unreachable"], True, False, ["group", "duty", "nightly"]),
        (["backlog", "expiring"], True, False, ["group", "duty", "nightly"]),
        (["missing", "expiring"], False, False, ["duty", "office"]),
        (["stalled", "pending", "memory"], True, False, ["duty"]),
    ],
)
def test_who_is_told(
    oncall: Oncall, rules: Collection[str], *, night: bool, escalated: bool, names: list[str]
) -> None:
    now = NOW if night else NOON
    found = oncall.wanted(firing(rules), now, escalated=escalated)
    assert [each.target for each in found] == names


def firing(rules: Collection[str], told: Collection[str] = ()) -> Incident:
    findings = {each: Finding(each, RULES[each].severity, NOW) for each in rules}
    return replace(INCIDENT, findings=findings, told=dict.fromkeys(told, NOW))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(st.sampled_from(list(RULES)), min_size=1),
    st.sampled_from([NOW, NOON]),
    st.booleans(),
    st.sets(st.sampled_from([each.name for each in TARGETS])),
)
def test_nobody_is_told_out_of_hours_or_twice(
    oncall: Oncall, rules: list[str], now: datetime, escalated: bool, told: set[str]
) -> None:
    found = {each.target for each in oncall.wanted(firing(rules, told), now, escalated=escalated)}
    hearing = {each.name for each in TARGETS if each.hears("prod", night=now is NOW)}
    assert found <= hearing - told
    if escalated:
        assert found == hearing - told


def test_pauses_double_up_to_five_minutes() -> None:
    seconds = [pause_after(attempts, 0).total_seconds() for attempts in range(10)]
    assert seconds == [2, 4, 8, 16, 32, 64, 128, 240, 240, 240]
    assert pause_after(0, 1) == timedelta(seconds=2.5)
    assert pause_after(100_000, 1) == timedelta(minutes=5)


def test_an_environment_knows_its_own_targets(oncall: Oncall) -> None:
    assert [each.name for each in oncall.targets] == ["group", "duty", "nightly", "office"]
    assert oncall.receipts == {}
    by_night = [each.name for each in oncall.hearing(NOW)]
    assert by_night == ["group", "duty", "nightly"]


def test_who_knows_already_is_not_wanted(oncall: Oncall) -> None:
    told = replace(INCIDENT, told={"duty": NOW})
    found = oncall.wanted(told, NOW, escalated=False)
    assert [each.target for each in found] == ["group", "nightly"]


def test_pages_about_an_incident(oncall: Oncall) -> None:
    first, second = oncall.about(INCIDENT, ["group", "duty", "dev-only"], PageEvent.TRIGGER, NOW)
    assert (first.target, second.target) == ("group", "duty")
    assert first == replace(second, target="group")
    assert first.key == key_of(INCIDENT) == "prompt-redis-bot:prod:31:20261124T053000Z"
    assert first.summary == "PROD: alarm 31"
    assert first.details == (("Waiting", "1 entry"),)
    assert (first.environment, first.label, first.instrument) == ("prod", "PROD", "lsstcam")
    assert (first.rule, first.severity) == ("expiring", Severity.CRITICAL)
    assert (first.at, first.incident, first.step) == (NOW, 31, PageEvent.TRIGGER)


def test_the_end_has_the_same_key_and_no_mention(oncall: Oncall) -> None:
    [end] = oncall.about(INCIDENT, ["group", "duty", "gone"], PageEvent.RESOLVE, NOW)
    assert (end.target, end.step, end.key) == ("duty", PageEvent.RESOLVE, key_of(INCIDENT))


def test_pagerduty_alone_hears_that_somebody_is_on_it(oncall: Oncall) -> None:
    names = [each.name for each in TARGETS]
    pages = oncall.about(INCIDENT, names, PageEvent.ACKNOWLEDGE, NOW)
    assert [each.target for each in pages] == ["duty"]


def test_an_alarm_of_a_new_database_has_a_key_of_its_own() -> None:
    again = replace(INCIDENT, opened=NOW + timedelta(days=90))
    assert key_of(again) != key_of(INCIDENT)


async def test_a_call_by_hand(oncall: Oncall, database: Database) -> None:
    text = "KEDA does not\nstart <!channel> jobs"
    targets = await oncall.call(text, ANA, NOW)
    pages = await written(database)
    names = ["group", "duty", "nightly"]
    assert [each.name for each in targets] == [each.target for each in pages] == names
    assert pages[0].summary == "PROD: Ana calls for help: KEDA does not start <!channel> jobs"
    assert (pages[0].incident, pages[0].rule, pages[0].severity) == (0, None, Severity.CRITICAL)
    await oncall.call(text, ANA, NOW + timedelta(milliseconds=1))
    assert len({page.key for page in await written(database)}) == 2


async def test_a_test_says_that_it_is_one(oncall: Oncall, database: Database) -> None:
    await oncall.test(ANA, NOW)
    pages = await written(database)
    assert [page.target for page in pages] == ["group", "duty", "nightly", "office"]
    assert {page.summary for page in pages} == {"PROD: a test by Ana, nothing is wrong"}
    assert {page.severity for page in pages} == {Severity.WARNING}
    [key] = {page.key for page in pages}
    await oncall.call("help", ANA, NOW)
    assert {page.key for page in await written(database)} > {key}


async def test_nobody_to_tell_is_said(database: Database) -> None:
    nobody = an_oncall(PROD, database, TARGETS[-1:])
    with pytest.raises(UserError, match="PROD has no on-call target for this hour"):
        await nobody.call("help", ANA, NOW)
    with pytest.raises(UserError, match="Nobody would be told"):
        await nobody.test(ANA, NOW)
    assert await written(database) == []


# A vote that breaks the glass.


async def told_alone(oncall: Oncall, at: datetime = NOW) -> list[Page]:
    plan = Plan("instrument:lsstcam", "clear instrument:lsstcam", ())
    asked = NOW - timedelta(minutes=6)
    request = Request(
        id=8,
        environment="prod",
        command="clear",
        arguments="lsstcam",
        reason="",
        requester=BEN,
        plan=plan,
        key="k",
        asked=asked,
        expires=asked + timedelta(minutes=30),
    )
    return await oncall.alone(request, Vote(ANA, at, alone=True, reason="nobody answers"))


async def test_whoever_goes_on_alone_is_told_of(oncall: Oncall) -> None:
    pages = await told_alone(oncall)
    assert [page.target for page in pages] == ["group", "duty", "nightly"]
    assert pages[0].summary == ("PROD: Ana went on alone with request 8: clear instrument:lsstcam")
    assert pages[0].details == (("Asked by", "Ben"), ("Why alone", "nobody answers"))
    assert (pages[0].key, pages[0].severity) == ("prompt-redis-bot:prod:alone:8", Severity.CRITICAL)
    by_day = await told_alone(oncall, NOON)
    assert [page.target for page in by_day] == ["group", "duty", "office"]


# What came of it.


@pytest.mark.parametrize(
    ("outcomes", "said"),
    [
        ("s", [Said.ONCALL]),
        ("ffs", [Said.TARGET_FAILED, Said.ONCALL]),
        ("ffffffs", [Said.TARGET_FAILED, Said.ONCALL]),
        ("fff", [Said.TARGET_FAILED]),
        ("g", [Said.TARGET_FAILED]),
        ("fffg", [Said.TARGET_FAILED, Said.TARGET_FAILED]),
    ],
)
async def test_what_came_of_a_page_is_said(
    database: Database, outcomes: str, said: list[Said]
) -> None:
    metrics, outbox, now = Metrics(), Outbox(database), NOW
    receipts = Receipts(outbox, metrics)
    oncall = an_oncall(PROD, database, TARGETS)
    await outbox.add(NOW, *oncall.about(INCIDENT, ["duty"], PageEvent.TRIGGER, NOW))
    notices: list[Notice] = []
    for outcome in outcomes:
        [waiting] = await outbox.pages(now)
        queued = await outbox.claim(waiting, now, now + SECOND)
        assert queued is not None
        if outcome == "s":
            await receipts.taken(queued, now)
        else:
            again = now + SECOND if outcome == "f" else None
            await receipts.failed(queued, PageFailed("no answer"), now, again)
        now += SECOND
        for each in await outbox.notices(now + 2 * SECOND):
            notices.append(each.content)
            await outbox.sent(each, now)
    assert [each.said for each in notices] == said
    for notice in notices:
        assert (notice.environment, notice.subject) == ("prod", 31)
        assert notice.values == {
            "about": key_of(INCIDENT),
            "summary": "",
            "severity": "critical",
        }
    kinds = {"s": Told.SENT, "f": Told.FAILED, "g": Told.GIVEN_UP}
    assert receipts.last["duty"].outcome is kinds[outcomes[-1]]
    counted = f'notifications_total{{outcome="{kinds[outcomes[0]].value}",target="duty"}}'
    assert counted in metrics.text().decode()
    reach = (await oncall.reach(INCIDENT))[INCIDENT.id]
    assert reach == await oncall.reached(key_of(INCIDENT))
    assert (set(reach.told), set(reach.failed)) == (
        ({"duty"}, set()) if outcomes[-1] == "s" else (set(), {"duty"})
    )
