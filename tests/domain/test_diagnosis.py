"""Which link of the chain has likely failed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.alarms import Incident
from bot.domain.errors import Unreachable
from bot.domain.rules import RULES, Finding, Link, Severity, rule_of
from bot.domain.runbook import topics
from bot.domain.samples import Figures

NOW = datetime(2026, 11, 24, 5, 29, 58, tzinfo=UTC)
FIGURES = Figures(NOW, waiting=860, visits=5, arriving=4.6, read=0.0)


def incident(rule: str, figures: Figures = FIGURES) -> Incident:
    finding = Finding(rule, Severity.WARNING, NOW - timedelta(minutes=3))
    return Incident(
        31, "prod", rule_of(rule).incident, "lsstcam", NOW, NOW, {rule: finding}, figures
    )


@pytest.mark.parametrize(
    ("figures", "unmoved", "link", "likely"),
    [
        (FIGURES, False, Link.WORKERS, "KEDA or the workers."),
        (replace(FIGURES, read=2.2), True, Link.WORKERS, "KEDA or the workers."),
        (replace(FIGURES, read=None), True, Link.WORKERS, "KEDA or the workers."),
        (
            replace(FIGURES, read=None),
            False,
            Link.WORKERS,
            "workers do not keep up; how fast they read is not known yet.",
        ),
        (
            replace(FIGURES, read=3.1),
            False,
            Link.WORKERS,
            "all workers are busy. Read 3.1 of 4.6 entries/s.",
        ),
        (
            replace(FIGURES, read=3.1, arriving=None),
            False,
            Link.WORKERS,
            "all workers are busy. Read 3.1 entries/s.",
        ),
        (
            replace(FIGURES, read=6.0),
            False,
            Link.WORKERS,
            "all workers are busy with what has piled up. Read 6.0, arriving 4.6 entries/s.",
        ),
        (
            replace(FIGURES, lag_known=False),
            True,
            Link.GROUP,
            "Redis reports no lag (nil), so KEDA starts no jobs.",
        ),
    ],
)
def test_why_entries_wait(figures: Figures, *, unmoved: bool, link: Link, likely: str) -> None:
    found = incident("stalled" if unmoved else "backlog", figures).diagnosis
    assert (found.link, found.likely, found.topic) == (link, likely, "not reading")
    assert found.looks == ("jobs", "grafana")


@pytest.mark.parametrize(
    ("rule", "link", "topic"),
    [
        ("backlog", Link.WORKERS, "not reading"),
        ("expiring", Link.WORKERS, "not reading"),
        ("stalled", Link.WORKERS, "not reading"),
        ("lag", Link.WORKERS, "not reading"),
        ("missing", Link.GROUP, "no group"),
        ("unreachable", Link.REDIS, "unreachable"),
        ("pending", Link.WORKERS, "unconfirmed"),
        ("memory", Link.REDIS, "trim"),
        ("consumers", Link.GROUP, "statistics"),
        ("silent", Link.PRODUCER, "silent producer"),
    ],
)
def test_the_link_that_a_rule_points_to(rule: str, link: Link, topic: str) -> None:
    found = incident(rule).diagnosis
    assert (found.link, found.topic) == (link, topic)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", ["", *(each.value for each in Unreachable)])
def test_every_topic_exists_and_every_guess_is_a_sentence(rule: str, kind: str) -> None:
    found = incident(rule, replace(FIGURES, kind=kind)).diagnosis
    assert found.topic in topics()
    assert found.likely.endswith(".")
    assert not set(found.looks) - {"jobs", "grafana", "argocd"}


def test_the_bot_sees_redis_and_not_the_telescope() -> None:
    assert "The bot sees Redis, not the telescope." in incident("silent").diagnosis.likely


@pytest.mark.parametrize("kind", Unreachable)
def test_in_which_way_redis_is_away(kind: Unreachable) -> None:
    for said in (kind.value, kind.name, kind.name.lower()):
        assert replace(FIGURES, kind=said).unreachable is kind


def test_a_kind_that_nobody_knows() -> None:
    assert replace(FIGURES, kind="is asleep").unreachable is None


@pytest.mark.parametrize(
    ("arriving", "read", "expected"),
    [(4.6, 0.0, True), (4.6, 4.6, False), (None, 0.0, False), (4.6, None, False), (0, 5, False)],
)
def test_what_grows(arriving: float | None, read: float | None, *, expected: bool) -> None:
    assert replace(FIGURES, arriving=arriving, read=read).growing is expected
