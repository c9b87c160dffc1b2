"""Who is told of what, and in which words."""

from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.clients.pagers import PagerDuty, Squadcast, Webhook
from bot.domain.alarms import Incident
from bot.domain.environments import Environment, Person
from bot.domain.oncall import (
    On,
    PageEvent,
    Receipt,
    Target,
    Told,
    When,
    key_of,
    pause_after,
    targets_for,
)
from bot.domain.rules import RULES, Finding, Severity
from bot.domain.samples import Figures
from bot.services.oncall import Oncall
from bot.slack.paging import Mention

NOW = datetime(2026, 11, 24, 5, 57, tzinfo=UTC)
ANA = Person("U0ANA", "Ana")
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


@pytest.fixture
def oncall() -> Oncall:
    return Oncall(
        PROD,
        TARGETS,
        words=lambda incident: (f"PROD: alarm\n {incident.id}", [("Waiting", "1 entry")]),
        receipts={"duty": Receipt(NOW, Told.SENT)},
    )


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
        ([], True, False, ["duty"]),
    ],
)
def test_who_is_told(
    rules: Collection[str], *, night: bool, escalated: bool, names: list[str]
) -> None:
    found = targets_for(TARGETS, "prod", rules, night=night, escalated=escalated)
    assert [each.name for each in found] == names


@given(
    st.lists(st.sampled_from(list(RULES))),
    st.booleans(),
    st.booleans(),
    st.sets(st.sampled_from([each.name for each in TARGETS])),
    st.sampled_from(["prod", "dev", "other"]),
)
def test_nobody_is_told_out_of_hours_or_twice(
    rules: list[str], night: bool, escalated: bool, told: set[str], environment: str
) -> None:
    found = targets_for(TARGETS, environment, rules, night=night, escalated=escalated, told=told)
    for each in found:
        assert each.hears(environment, night=night)
        assert each.name not in told
    if escalated:
        hearing = {each.name for each in TARGETS if each.hears(environment, night=night)}
        assert {each.name for each in found} == hearing - told


def test_pauses_double_up_to_five_minutes() -> None:
    seconds = [pause_after(attempts, 0).total_seconds() for attempts in range(10)]
    assert seconds == [2, 4, 8, 16, 32, 64, 128, 240, 240, 240]
    assert pause_after(0, 1) == timedelta(seconds=2.5)
    assert pause_after(100_000, 1) == timedelta(minutes=5)


def test_an_environment_knows_its_own_targets(oncall: Oncall) -> None:
    assert [each.name for each in oncall.targets] == ["group", "duty", "nightly", "office"]
    assert oncall.receipts["duty"].outcome is Told.SENT


def test_who_knows_already_is_not_wanted(oncall: Oncall) -> None:
    told = replace(INCIDENT, told={"duty": NOW})
    found = oncall.wanted(told, night=True, escalated=False)
    assert [each.name for each in found] == ["group", "nightly"]


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


def test_an_alarm_of_a_new_database_has_a_key_of_its_own() -> None:
    again = replace(INCIDENT, opened=NOW + timedelta(days=90))
    assert key_of(again) != key_of(INCIDENT)


def test_a_call_by_hand(oncall: Oncall) -> None:
    text = "KEDA does not\nstart <!channel> jobs"
    [page] = oncall.by_hand(TARGETS[:1], text, ANA, NOW)
    assert page.summary == "PROD: Ana calls for help: KEDA does not start <!channel> jobs"
    assert (page.incident, page.rule, page.severity) == (0, None, Severity.CRITICAL)
    [later] = oncall.by_hand(TARGETS[:1], text, ANA, NOW + timedelta(milliseconds=1))
    assert later.key != page.key


def test_a_test_says_that_it_is_one(oncall: Oncall) -> None:
    pages = oncall.tests(oncall.targets, ANA, NOW)
    assert [page.target for page in pages] == ["group", "duty", "nightly", "office"]
    assert {page.summary for page in pages} == {"PROD: a test by Ana, nothing is wrong"}
    assert {page.severity for page in pages} == {Severity.WARNING}
    [key] = {page.key for page in pages}
    assert key not in {page.key for page in oncall.by_hand(oncall.targets, "help", ANA, NOW)}
