"""Incidents, silences, pages and samples for the tests of the state."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from bot.domain.alarms import Holding, Incident, Silence, Skipped
from bot.domain.approvals import Entry
from bot.domain.environments import Person
from bot.domain.notices import Notice, Said
from bot.domain.oncall import Page, PageEvent
from bot.domain.rules import RULES, Finding, Severity
from bot.domain.samples import Figures
from bot.storage.alarms import Incidents
from bot.storage.silences import Silences
from tests.storage.drafts import ANA, BEN, NOW

MINUTE = timedelta(minutes=1)

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
# Of text columns PostgreSQL takes no NUL; the bot's names of environments hold none.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
COUNTS = st.integers(0, 2**31 - 1)
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis adds the zone
DURATIONS = st.timedeltas(timedelta(0), timedelta(days=99_999_999))
RATES = st.floats(allow_nan=False)
FINDINGS = st.builds(Finding, st.sampled_from(list(RULES)), st.sampled_from(Severity), TIMES)
FIGURES = st.builds(
    Figures,
    at=TIMES,
    waiting=COUNTS,
    visits=COUNTS,
    capped=st.booleans(),
    wait=st.none() | DURATIONS,
    oldest_visit=WORDS,
    first_skipped=st.none() | TIMES,
    arriving=st.none() | RATES,
    read=st.none() | RATES,
    read_last=st.none() | TIMES,
    between_visits=st.none() | DURATIONS,
    unconfirmed=COUNTS,
    consumers=COUNTS,
    lag_known=st.booleans(),
    answers_in=st.none() | DURATIONS,
    kind=WORDS,
    address=WORDS,
    tries=COUNTS,
    memory=st.integers(0, 2**63),
    memory_limit=st.none() | st.integers(0, 2**63),
)


def _by_rule(findings: list[Finding]) -> Mapping[str, Finding]:
    return {finding.rule: finding for finding in findings}


INCIDENTS = st.builds(
    Incident,
    id=st.just(0),
    environment=TEXT,
    name=st.sampled_from(list(RULES)),
    instrument=TEXT,
    began=TIMES,
    opened=TIMES,
    findings=st.lists(FINDINGS, max_size=5).map(_by_rule),
    figures=FIGURES,
    worst=st.sampled_from(Severity),
    highest_waiting=COUNTS,
    highest_visits=COUNTS,
    highest_capped=st.booleans(),
    highest_wait=st.none() | DURATIONS,
    skipped=st.lists(st.builds(Skipped, WORDS, COUNTS, TIMES), max_size=3).map(tuple),
    held=st.none() | st.sampled_from(Holding),
    was_held=st.booleans(),
    owner=st.none() | st.builds(Person, TEXT, TEXT),
    owned=st.none() | TIMES,
    asked=st.none() | TIMES,
    critical_since=st.none() | TIMES,
    told=st.dictionaries(WORDS, TIMES, max_size=3),
    resolved=st.none() | TIMES,
    drawn=st.none() | TIMES,
    version=st.integers(0, 1000),
)
PAGES = st.builds(
    Page,
    target=WORDS,
    step=st.sampled_from(PageEvent),
    key=WORDS,
    environment=TEXT,
    label=WORDS,
    instrument=WORDS,
    rule=st.none() | st.sampled_from(list(RULES)),
    severity=st.sampled_from(Severity),
    summary=WORDS,
    details=st.lists(st.tuples(WORDS, WORDS), max_size=3).map(tuple),
    link=WORDS,
    at=TIMES,
    incident=COUNTS,
)


def incident(
    name: str = "backlog", instrument: str = "lsstcam", *, environment: str = "prod"
) -> Incident:
    return Incident(
        id=0,
        environment=environment,
        name=name,
        instrument=instrument,
        began=NOW - MINUTE,
        opened=NOW,
        findings={name: Finding(name, Severity.WARNING, NOW - MINUTE)},
        figures=Figures(NOW, waiting=172, wait=timedelta(minutes=3)),
    )


def page(number: int = 0, target: str = "prompt") -> Page:
    return Page(
        target=target,
        step=PageEvent.TRIGGER,
        key=f"prod-{number}",
        environment="prod",
        label="PROD",
        instrument="lsstcam",
        rule="backlog",
        severity=Severity.CRITICAL,
        summary="172 entries wait — “3 min”",
        details=(("Visits", "1"), ("Longest wait", "3 min")),
        link="https://example.slack.com/archives/C1/p1",
        at=NOW,
        incident=number,
    )


def notice(number: int) -> Notice:
    return Notice(Said.TRANSITION, "prod", number, {"turn": "opened"})


def line(action: str) -> Entry:
    return Entry(NOW, "prod", action, ANA, "done")


async def resolve(incidents: Incidents, old: Incident, at: datetime = NOW) -> Incident:
    new = replace(old, resolved=at, version=old.version + 1)
    assert await incidents.replace(old, new, redraw=False, writer="one")
    return new


def silence(*, environment: str = "prod") -> Silence:
    return Silence(
        id=0,
        environment=environment,
        by=BEN,
        reason="known: “LSSTCam”\nis off 🔭",
        starts=NOW,
        ends=NOW + 30 * MINUTE,
        instrument="lsstcam",
    )


async def silenced(silences: Silences, draft: Silence) -> Silence:
    return await silences.create(draft, lambda made: line(f"silence {made.id}"))
