"""What `tests/data/state/` holds: databases written by the release before the second migration.

Its storage wrote every value here, one step after the other, on SQLite and on PostgreSQL.
"""

from datetime import UTC, datetime, timedelta

from bot.domain.alarms import Holding, Incident, Silence, Skipped
from bot.domain.approvals import (
    AuditLine,
    Confirmation,
    Happened,
    Outcome,
    Plan,
    Request,
    State,
    Vote,
)
from bot.domain.environments import BOT, Person
from bot.domain.maintenance import Stage, Window, Word
from bot.domain.notices import Notice, Said
from bot.domain.oncall import Page, PageEvent
from bot.domain.rules import Finding, Severity
from bot.domain.samples import Figures, Minute, Sample
from bot.domain.streams import EntryId

NOW = datetime(2026, 11, 24, 3, 4, 5, 678901, UTC)
SECOND, MINUTE, HOUR = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1)
ANA, BEN, CAY = Person("U0ANA", "Ana"), Person("U0BEN", "Ben “B.” 🔭"), Person("U0CAY", "Cay")
KEY = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"

_SMALL = Plan("PROD latiss", "read again from the beginning")
_WHOLE = Plan(
    subject="PROD lsstcam",
    headline="discard 1,204 waiting entries = 7 visits",
    facts=(("Entries", "1,204"), ("Visits", "7")),
    streams=("instrument:lsstcam",),
    bound={"last": "1795498255163-2", "added": "88123"},
    asks=False,
    warning="No undo: “really”.\nNone.",
    listing=("visit 2026112300017 · 172", "visit 2026112300018 · 172"),
    confirmation=Confirmation("Sure?", "It is gone then.", "Yes", "No"),
    outage="Redis is restarting",
)


def _request(number: int, plan: Plan, **others: object) -> Request:
    return Request(
        id=number,
        environment="prod",
        command="clear",
        arguments="lsstcam",
        reason="stale since the\nshutdown — “twice” 🔭",
        requester=ANA,
        plan=plan,
        key=f"{number:032x}",
        asked=NOW + number * MINUTE,
        expires=NOW + number * MINUTE + HOUR,
        taken_by="pod-0-taker",
        **others,  # type: ignore[arg-type]
    )


REQUESTS = [
    _request(
        1,
        _WHOLE,
        needed=2,
        state=State.DONE,
        version=5,
        votes=(
            Vote(CAY, NOW + 2 * MINUTE, reason="agreed by phone"),
            Vote(BEN, NOW + 3 * MINUTE),
        ),
        started=NOW + 3 * MINUTE,
        executor="pod-1-0f1e2d3c",
        heartbeat=NOW + 4 * MINUTE,
        progress=("found 1,204", "discarded"),
        ended=NOW + 4 * MINUTE,
        outcome=Outcome(
            Happened.YES,
            "1,204 entries = 7 visits discarded",
            facts=(("Waiting", "1,204 → 0"),),
            before={"entries": "1,204"},
            after={"entries": "0"},
            notes=("Workers go on by themselves.",),
            undo="restore 1",
            well=False,
            offers=(("Look", "status lsstcam"),),
            aside=("visit 2026112300017",),
        ),
    ),
    _request(
        2,
        _SMALL,
        state=State.FAILED,
        version=3,
        votes=(Vote(BEN, NOW + 3 * MINUTE, alone=True, reason="nobody else is up"),),
        started=NOW + 3 * MINUTE,
        executor="pod-1-0f1e2d3c",
        heartbeat=NOW + 3 * MINUTE,
        ended=NOW + 4 * MINUTE,
        outcome=Outcome(Happened.NO, "nothing was changed", failed=True),
    ),
    _request(
        3,
        _SMALL,
        state=State.INTERRUPTED,
        version=2,
        votes=(Vote(BEN, NOW + 4 * MINUTE),),
        started=NOW + 4 * MINUTE,
        executor="pod-2-0f1e2d3c",
        heartbeat=NOW + 4 * MINUTE,
        ended=NOW + 6 * MINUTE,
        outcome=Outcome(Happened.UNKNOWN, "nobody knows"),
    ),
    _request(
        4,
        _SMALL,
        state=State.DENIED,
        version=1,
        ended=NOW + 5 * MINUTE,
        ended_by=CAY,
        answer="not tonight",
    ),
    _request(5, _SMALL, state=State.WITHDRAWN, version=1, ended=NOW + 6 * MINUTE, ended_by=ANA),
    _request(6, _SMALL, state=State.EXPIRED, version=1, ended=NOW + 2 * HOUR),
    _request(
        7,
        _SMALL,
        state=State.APPROVED,
        version=1,
        votes=(Vote(BEN, NOW + 8 * MINUTE),),
        started=NOW + 8 * MINUTE,
        executor="pod-1-0f1e2d3c",
        heartbeat=NOW + 8 * MINUTE,
    ),
    _request(
        8,
        _SMALL,
        state=State.RUNNING,
        version=3,
        votes=(Vote(BEN, NOW + 9 * MINUTE),),
        started=NOW + 9 * MINUTE,
        executor="pod-1-0f1e2d3c",
        heartbeat=NOW + 10 * MINUTE,
        progress=("waits for the new pod",),
    ),
    _request(9, _WHOLE, needed=2, version=1, votes=(Vote(BEN, NOW + 10 * MINUTE),)),
    _request(10, _SMALL, self_approval=True),
]
"""Every state a request may be in; the last one is as it was asked for."""

INCIDENTS = [
    Incident(
        id=11,
        environment="prod",
        name="backlog",
        instrument="lsstcam",
        began=NOW - MINUTE,
        opened=NOW,
        findings={
            "expiring": Finding("expiring", Severity.CRITICAL, NOW + SECOND),
            "backlog": Finding("backlog", Severity.WARNING, NOW - MINUTE),
        },
        figures=Figures(
            at=NOW + MINUTE,
            waiting=1204,
            visits=7,
            capped=True,
            wait=timedelta(minutes=31, microseconds=1),
            oldest_visit="2026112300017 “odd”",
            first_skipped=NOW + 29 * MINUTE,
            arriving=4.25,
            read=0.1,
            read_last=NOW - 3 * MINUTE,
            between_visits=timedelta(seconds=37.5),
            unconfirmed=3,
            consumers=412,
            lag_known=False,
            answers_in=timedelta(microseconds=412),
        ),
        worst=Severity.CRITICAL,
        highest_waiting=1300,
        highest_visits=8,
        highest_capped=True,
        highest_wait=timedelta(minutes=32),
        skipped=(Skipped("2026112300017", 172, NOW + MINUTE), Skipped("…18", 1, NOW + HOUR)),
        was_held=True,
        owner=BEN,
        owned=NOW + 2 * MINUTE,
        asked=NOW + 3 * HOUR,
        critical_since=NOW + SECOND,
        told={"prompt": NOW + MINUTE, "phones": NOW + 2 * MINUTE},
        drawn=NOW + 2 * MINUTE,
        version=3,
    ),
    Incident(
        id=12,
        environment="prod",
        name="unreachable",
        instrument="",
        began=NOW,
        opened=NOW + MINUTE,
        findings={"unreachable": Finding("unreachable", Severity.CRITICAL, NOW)},
        figures=Figures(
            NOW + MINUTE,
            kind="refused",
            address="prompt-redis.prod:6379",
            tries=12,
            memory=5_000_000_000,
            memory_limit=6_000_000_000,
        ),
        worst=Severity.CRITICAL,
        held=Holding.SILENCE,
        was_held=True,
        version=1,
    ),
    Incident(
        id=13,
        environment="dev",
        name="pending",
        instrument="latiss",
        began=NOW,
        opened=NOW + MINUTE,
        findings={"pending": Finding("pending", Severity.WARNING, NOW)},
        figures=Figures(NOW + MINUTE, unconfirmed=12),
        resolved=NOW + 2 * MINUTE,
        drawn=NOW + 2 * MINUTE,
        version=1,
    ),
]
SILENCES = [
    Silence(14, "prod", BEN, "known: “off”\n🔭", NOW, NOW + 8760 * HOUR, instrument="lsstcam"),
    Silence(15, "prod", ANA, "drill", NOW, None, rule="unreachable"),
    Silence(16, "prod", ANA, "this one", NOW, None, incident=11),
    Silence(17, "prod", ANA, "slip", NOW, NOW + HOUR, instrument="latiss", lifted=NOW + MINUTE),
]


def _window(number: int, start: datetime, **others: object) -> Window:
    return Window(
        id=number,
        environment="prod",
        starts=start,
        ends=start + HOUR,
        reason="Redis “8.10” 🔭\nupgrade",
        owner=ANA,
        announced=NOW,
        **others,  # type: ignore[arg-type]
    )


WINDOWS = [
    _window(
        18,
        NOW,
        stage=Stage.ENDED,
        version=2,
        started=NOW + SECOND,
        started_by=BEN,
        ended=NOW + HOUR,
        ended_by=CAY,
        closing="all well",
        said=frozenset({(Word.ENDING.value, NOW + 50 * MINUTE)}),
        updates=1,
        edited=True,
    ),
    _window(
        19, NOW + 5 * HOUR, stage=Stage.CANCELLED, version=1, ended=NOW, ended_by=ANA, edited=True
    ),
    _window(
        20,
        NOW + 24 * HOUR,
        during_observing=True,
        version=1,
        said=frozenset(
            {
                (Word.HOUR_BEFORE.value, NOW + 23 * HOUR),
                (Word.MINUTES_BEFORE.value, NOW + 24 * HOUR - 10 * MINUTE),
            }
        ),
        edited=True,
    ),
    _window(21, NOW + 48 * HOUR),
]
"""Ended, cancelled, changed once and reminded of, and as it was announced."""

SAMPLES = [
    Sample(
        instrument="lsstcam",
        at=NOW,
        reached=True,
        there=True,
        waiting=172,
        visits=1,
        capped=True,
        wait=timedelta(seconds=12.5),
        unconfirmed=2,
        consumers=412,
        length=8_000_000_000,
        added=9_000_000_000,
        last_delivered=EntryId(1795498255163, 18446744073709551615),
        lag=172,
        announced=1,
    ),
    Sample("latiss", NOW + SECOND, reached=False),
]
MINUTES = [
    Minute(
        instrument="lsstcam",
        at=NOW.replace(second=0, microsecond=0),
        samples=6,
        reached=5,
        waiting=172,
        wait=timedelta(seconds=12.5),
        unconfirmed=2,
        added=9_000_000_000,
        announced=1,
    ),
    Minute("latiss", NOW.replace(second=0, microsecond=0), 6, 0, 0, None, 0, 0, 0),
]
AUDIT = [
    AuditLine(
        at=NOW,
        environment="prod",
        action="clear lsstcam “now”",
        person=ANA,
        result="done",
        request=1,
        approvers=("Cay", "Ben “B.” 🔭"),
        reason="stale",
        answer="agreed by phone",
        alone=True,
        before={"entries": "1,204", "visits": "7"},
        after={"entries": "0", "happened": "yes"},
    ),
    AuditLine(NOW + MINUTE, "prod", "prune", BOT, "failed", answer="Redis is away"),
    AuditLine(NOW + MINUTE, "dev", "approve 1", BEN, "refused"),
]
NOTICES = [
    Notice(Said.OUTCOME, "prod", 1),
    Notice(Said.TRANSITION, "prod", 11, {"turn": "opened", "by": "Ben “B.” 🔭", "at": "x"}),
    Notice(Said.WINDOW, "prod", 18, {"word": "started"}, "#rubin-ops"),
    Notice(Said.SUMMARY, "prod", None, {"night": "2026-11-23"}),
]
"""The first was sent, the second was tried once and waits; the others were never tried."""

PAGES = [
    Page(
        target=target,
        step=step,
        key="prompt-redis-bot:prod:11:20261124T030405Z",
        environment="prod",
        label="PROD",
        instrument="lsstcam",
        rule="expiring",
        severity=Severity.CRITICAL,
        summary="1,204 entries wait — “31 min”",
        details=(("Visits", "7"), ("Longest wait", "31 min")),
        link="https://example.slack.com/archives/C1/p1",
        at=NOW + MINUTE,
        incident=11,
    )
    for target, step in (("prompt", PageEvent.TRIGGER), ("phones", PageEvent.TRIGGER))
] + [
    Page(
        target="prompt",
        step=PageEvent.TRIGGER,
        key="by hand",
        environment="prod",
        label="PROD",
        instrument="",
        rule=None,
        severity=Severity.CRITICAL,
        summary="come",
        details=(),
        link="",
        at=NOW,
    )
]
"""The first was sent, the second was tried once and waits; the third was never tried."""
