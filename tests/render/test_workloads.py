"""A pod and its workers' jobs in words, and what alarms say of a window around them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.errors import Unreachable
from bot.domain.paging import Reach
from bot.domain.rules import Finding, Severity
from bot.domain.samples import Figures
from bot.domain.workloads import Jobs, Pod
from bot.render import alarms, workloads
from bot.render.workloads import Around
from tests.support.limits import default_thresholds

ASKED = datetime(2026, 11, 24, 16, 4, 2, tzinfo=UTC)
PROD = Environment("prod", ("lsstcam",))
POD = Pod("prompt-redis-0", "2", ready=True, created=ASKED)


def at(seconds: int) -> datetime:
    return ASKED + timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("pod", "words"),
    [
        (replace(POD, started=at(-6 * 86400)), "prompt-redis-0, ready for 6 days"),
        (
            replace(POD, restarts=1, last_ended="OOMKilled", last_ended_at=at(-60)),
            "prompt-redis-0, ready, restarted 1 time, last ended OOMKilled 16:03:02 UTC",
        ),
        (replace(POD, leaving=True), "prompt-redis-0, is being stopped"),
        (replace(POD, ready=False), "prompt-redis-0, not ready"),
        (
            replace(POD, ready=False, waiting="CrashLoopBackOff"),
            "prompt-redis-0, does not run: CrashLoopBackOff",
        ),
    ],
)
def test_a_pod_in_words(pod: Pod, words: str) -> None:
    assert workloads.pod(pod, ASKED) == words


@pytest.mark.parametrize(
    ("jobs", "likely"),
    [
        (None, "KEDA or the workers have stopped"),
        (Jobs(0, 1700), "it is KEDA: no job runs"),
        (Jobs(3, paused=True), "it is KEDA: it is paused"),
        (Jobs(1700, 1700), "it is the workers: jobs run, and read nothing"),
    ],
)
def test_what_has_stopped(jobs: Jobs | None, likely: str) -> None:
    assert likely in workloads.stopped(jobs)


def test_an_alarm_links_to_the_window_it_falls_into() -> None:
    finding = Finding("unreachable", Severity.CRITICAL, ASKED)
    away = Incident(
        7,
        "prod",
        "unreachable",
        "",
        ASKED,
        ASKED,
        {"unreachable": finding},
        Figures(ASKED, kind=Unreachable.REFUSED.value, tries=3),
    )
    around = Around(window=12, announcement="https://example.slack.com/archives/C1/p1")
    _, blocks, _ = alarms.incident(
        away,
        PROD,
        escalate_after=timedelta(minutes=10),
        targets="",
        reach=Reach(),
        now=ASKED,
        thresholds=default_thresholds(),
        around=around,
    )
    foot = blocks[-1]["elements"][0]["text"]
    assert foot.startswith("in <https://example.slack.com/archives/C1/p1|window 12>")
