"""Values for the tests of the state."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from hypothesis import strategies as st

from bot.domain.alarms import Holding, Incident, Silence, Skipped
from bot.domain.approvals import AuditLine, Confirmation, Happened, Outcome, Plan, Request, Vote
from bot.domain.environments import Person
from bot.domain.maintenance import Stage, Window, Word
from bot.domain.notices import Notice, Said
from bot.domain.oncall import Page, PageEvent
from bot.domain.rules import RULES, Finding, Severity
from bot.domain.samples import Figures
from bot.storage.approvals import Requests
from bot.storage.steps import Effects, Steps, Versioned

NOW = datetime(2026, 11, 24, 3, 4, 5, 678901, UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
START = NOW + HOUR
ANA = Person("U0ANA", "Ana")
BEN = Person("U0BEN", "Ben")
CAY = Person("U0CAY", "Cay")
STREAM = "instrument:lsstcam"

# Any value of each kind.

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
# Of text columns PostgreSQL takes no NUL; the bot's names of environments hold none.
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
FACTS = st.lists(st.tuples(WORDS, WORDS), max_size=4).map(tuple)
NAMES = st.lists(WORDS, max_size=4).map(tuple)
VALUES = st.dictionaries(WORDS, WORDS, max_size=4)
COUNTS = st.integers(0, 2**31 - 1)
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 -- hypothesis adds the zone
DURATIONS = st.timedeltas(timedelta(0), timedelta(days=99_999_999))
RATES = st.floats(allow_nan=False, allow_infinity=False)
PEOPLE = st.builds(Person, TEXT, TEXT)
PLANS = st.builds(
    Plan,
    subject=WORDS,
    headline=WORDS,
    facts=FACTS,
    streams=NAMES,
    bound=VALUES,
    asks=st.booleans(),
    warning=WORDS,
    listing=NAMES,
    confirmation=st.none() | st.builds(Confirmation, WORDS, WORDS, WORDS, WORDS),
    outage=WORDS,
)
OUTCOMES = st.builds(
    Outcome,
    happened=st.sampled_from(Happened),
    headline=WORDS,
    facts=FACTS,
    before=VALUES,
    after=VALUES,
    notes=NAMES,
    undo=WORDS,
    well=st.booleans(),
    failed=st.booleans(),
    offers=FACTS,
    aside=NAMES,
)
VOTES = st.builds(Vote, PEOPLE, TIMES, st.booleans(), WORDS)
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
FINDINGS = st.builds(
    Finding,
    st.sampled_from(list(RULES)),
    st.sampled_from(Severity),
    TIMES,
    st.none() | TIMES,
    st.booleans(),
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
    owner=st.none() | PEOPLE,
    owned=st.none() | TIMES,
    asked=st.none() | TIMES,
    critical_since=st.none() | TIMES,
    told=st.dictionaries(WORDS, TIMES, max_size=3),
    resolved=st.none() | TIMES,
    relapses=COUNTS,
    relapsed=st.none() | TIMES,
    called=st.none() | TIMES,
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
    details=FACTS,
    link=WORDS,
    at=TIMES,
    incident=COUNTS,
)
NOTICES = st.builds(Notice, st.sampled_from(Said), WORDS, st.none() | COUNTS, VALUES, channel=WORDS)
WINDOWS = st.builds(
    Window,
    id=st.just(0),
    environment=TEXT,
    starts=TIMES,
    ends=TIMES,
    reason=TEXT,
    owner=PEOPLE,
    announced=TIMES,
    during_observing=st.booleans(),
    stage=st.sampled_from(Stage),
    version=st.integers(0, 1000),
    started=st.none() | TIMES,
    started_by=st.none() | PEOPLE,
    ended=st.none() | TIMES,
    ended_by=st.none() | PEOPLE,
    closing=TEXT,
    said=st.frozensets(st.tuples(st.sampled_from([word.value for word in Word]), TIMES)),
    updates=COUNTS,
    edited=st.booleans(),
)

# One value of each kind.


def draft(*streams: str, environment: str = "prod") -> Request:
    return Request(
        id=0,
        environment=environment,
        command="clear",
        arguments="lsstcam",
        reason="stale since the\nshutdown — “twice” 🔭",
        requester=ANA,
        plan=Plan(
            subject="PROD lsstcam",
            headline="discard 1,204 waiting entries = 7 visits",
            facts=(("Entries", "1,204"), ("Visits", "7")),
            streams=streams or (STREAM,),
            bound={"last": "1795498255163-2"},
            warning="No undo.",
            listing=("a visit", "another"),
            confirmation=Confirmation("Sure?", "It is gone then.", "Yes", "No"),
        ),
        key="4b1d",
        asked=NOW,
        expires=NOW + timedelta(minutes=30),
        taken_by="one",
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


def window(starts: datetime = START, ends: datetime | None = None) -> Window:
    return Window(
        id=0,
        environment="prod",
        starts=starts,
        ends=ends or starts + HOUR,
        reason="Redis “8.10” 🔭\nupgrade",
        owner=ANA,
        announced=NOW,
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


def line(action: str = "clear lsstcam", request: int | None = None) -> AuditLine:
    return AuditLine(
        at=NOW,
        environment="prod",
        action=action,
        person=ANA,
        result="done",
        request=request,
        approvers=("Ben", "Cay"),
        reason="“yes”\n",
        answer="go on",
        alone=True,
        before={"entries": "1,204"},
        after={"entries": "0"},
    )


# What is done to them.

Kept = TypeVar("Kept", bound=Versioned)


async def make(
    kept: Steps[Kept],
    value: Kept,
    effects: Callable[[Kept], Effects] = lambda _: Effects(),
    now: datetime = NOW,
) -> Kept:
    return await kept.create(value, effects, now=now)


async def step(
    kept: Steps[Kept],
    before: Kept,
    after: Kept,
    effects: Effects = Effects(),  # noqa: B008 -- frozen
    now: datetime = NOW,
) -> Kept:
    assert await kept.replace(before, after, effects, now=now)
    return after


async def create(requests: Requests, request: Request | None = None) -> Request:
    return await make(requests, request or draft())


async def end(requests: Requests, request: Request) -> Request:
    """Withdraw it, so that its streams are free."""
    return await step(requests, request, request.withdrawn(NOW))


async def resolve(incidents: Steps[Incident], old: Incident, at: datetime = NOW) -> Incident:
    new = replace(old, resolved=at, version=old.version + 1)
    return await step(incidents, old, new, Effects(redraw=False))
