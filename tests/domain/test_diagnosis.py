"""Which link of the chain has likely failed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.alarms import Figures, Finding, Incident, Rule, Severity, family
from bot.domain.diagnosis import Part, adds_fail, backlog, diagnose, growing, kind_of
from bot.domain.errors import Unreachable
from bot.domain.runbook import topics

NOW = datetime(2026, 11, 24, 5, 29, 58, tzinfo=UTC)
FIGURES = Figures(NOW, waiting=860, visits=5, arriving=4.6, read=0.0)


def incident(rule: Rule, figures: Figures = FIGURES) -> Incident:
    finding = Finding(rule, Severity.WARNING, NOW - timedelta(minutes=3))
    return Incident(31, "prod", family(rule), "lsstcam", NOW, NOW, {rule: finding}, figures)


@pytest.mark.parametrize(
    ("figures", "unmoved", "part", "likely"),
    [
        (FIGURES, False, Part.WORKERS, "KEDA or the workers."),
        (replace(FIGURES, read=2.2), True, Part.WORKERS, "KEDA or the workers."),
        (replace(FIGURES, read=None), True, Part.WORKERS, "KEDA or the workers."),
        (
            replace(FIGURES, read=None),
            False,
            Part.WORKERS,
            "workers do not keep up; how fast they read is not known yet.",
        ),
        (
            replace(FIGURES, read=3.1),
            False,
            Part.WORKERS,
            "all workers are busy. Read 3.1 of 4.6 entries/s.",
        ),
        (
            replace(FIGURES, read=3.1, arriving=None),
            False,
            Part.WORKERS,
            "all workers are busy. Read 3.1 entries/s.",
        ),
        (
            replace(FIGURES, read=6.0),
            False,
            Part.WORKERS,
            "all workers are busy with what has piled up. Read 6.0, arriving 4.6 entries/s.",
        ),
        (
            replace(FIGURES, lag_known=False),
            True,
            Part.GROUP,
            "Redis reports no lag (nil), so KEDA starts no jobs.",
        ),
    ],
)
def test_why_entries_wait(figures: Figures, *, unmoved: bool, part: Part, likely: str) -> None:
    found = backlog(figures, unmoved=unmoved)
    assert (found.part, found.likely, found.topic) == (part, likely, "not reading")
    assert found.looks == ("jobs", "grafana")


@pytest.mark.parametrize(
    ("rule", "part", "topic"),
    [
        (Rule.BACKLOG, Part.WORKERS, "not reading"),
        (Rule.EXPIRING, Part.WORKERS, "not reading"),
        (Rule.STALLED, Part.WORKERS, "not reading"),
        (Rule.LAG, Part.WORKERS, "not reading"),
        (Rule.MISSING, Part.GROUP, "no group"),
        (Rule.UNREACHABLE, Part.REDIS, "unreachable"),
        (Rule.PENDING, Part.WORKERS, "unconfirmed"),
        (Rule.MEMORY, Part.REDIS, "trim"),
        (Rule.CONSUMERS, Part.GROUP, "statistics"),
        (Rule.SILENT, Part.PRODUCER, "silent producer"),
    ],
)
def test_the_link_that_a_rule_points_to(rule: Rule, part: Part, topic: str) -> None:
    found = diagnose(incident(rule))
    assert (found.part, found.topic) == (part, topic)


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("kind", ["", *(each.value for each in Unreachable)])
def test_every_topic_exists_and_every_guess_is_a_sentence(rule: Rule, kind: str) -> None:
    found = diagnose(incident(rule, replace(FIGURES, kind=kind)))
    assert found.topic in topics()
    assert found.likely.endswith(".")
    assert not set(found.looks) - {"jobs", "grafana", "argocd"}


def test_the_bot_sees_redis_and_not_the_telescope() -> None:
    assert "The bot sees Redis, not the telescope." in diagnose(incident(Rule.SILENT)).likely


@pytest.mark.parametrize("kind", Unreachable)
def test_in_which_way_redis_is_away(kind: Unreachable) -> None:
    for said in (kind.value, kind.name, kind.name.lower()):
        assert kind_of(replace(FIGURES, kind=said)) is kind
    assert adds_fail(kind) is (kind not in {Unreachable.PASSWORD, Unreachable.UNRESOLVED})


def test_a_kind_that_nobody_knows() -> None:
    assert kind_of(replace(FIGURES, kind="is asleep")) is None
    assert adds_fail(None)


@pytest.mark.parametrize(
    ("arriving", "read", "expected"),
    [(4.6, 0.0, True), (4.6, 4.6, False), (None, 0.0, False), (4.6, None, False), (0, 5, False)],
)
def test_what_grows(arriving: float | None, read: float | None, *, expected: bool) -> None:
    assert growing(replace(FIGURES, arriving=arriving, read=read)) is expected
