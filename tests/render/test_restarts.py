"""How a restart is drawn: each step with its time, and what the alarms say around it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.errors import Unreachable
from bot.domain.rules import Finding, Severity, default_thresholds
from bot.domain.samples import Figures
from bot.domain.streams import Loading
from bot.domain.workloads import Jobs, Pod, Progress
from bot.render import alarms, workloads
from bot.render.workloads import Around
from commands import restart

ASKED = datetime(2026, 11, 24, 16, 4, 2, tzinfo=UTC)
PROD = Environment("prod", ("lsstcam",))
POD = Pod("prompt-redis-0", "2", ready=True, created=ASKED)


def at(seconds: int) -> datetime:
    return ASKED + timedelta(seconds=seconds)


STOPPED = Progress(ASKED, at(4), known=True, stopped=at(3), pod=POD)
STARTED = replace(STOPPED, at=at(24), started=at(17))


@pytest.mark.parametrize(
    ("seen", "lines"),
    [
        (
            Progress(ASKED, at(1), known=True, pod=replace(POD, leaving=True)),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "… 16:04:03  the old pod is stopping",
                "    then: new pod started, answers PING, streams and groups are there",
            ],
        ),
        (
            replace(STOPPED, pod=replace(POD, ready=False, waiting="ContainerCreating")),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "✓ 16:04:05  old pod stopped",
                "… 16:04:06  the new pod is starting: ContainerCreating",
                "    then: answers PING, streams and groups are there",
            ],
        ),
        (
            replace(STARTED, loading=Loading(40.4, None)),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "✓ 16:04:05  old pod stopped",
                "✓ 16:04:19  new pod started (14 s)",
                "… 16:04:26  Redis is loading its data, 40 % read",
                "    then: streams and groups are there",
            ],
        ),
        (
            replace(STARTED, redis=Unreachable.REFUSED.value),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "✓ 16:04:05  old pod stopped",
                "✓ 16:04:19  new pod started (14 s)",
                "… 16:04:26  Redis refuses the connection",
                "    then: streams and groups are there",
            ],
        ),
        (
            replace(STARTED, answered=at(22)),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "✓ 16:04:05  old pod stopped",
                "✓ 16:04:19  new pod started (14 s)",
                "✓ 16:04:24  answers PING",
                "… 16:04:26  looking for streams and groups",
            ],
        ),
        (
            replace(STOPPED, cluster="Kubernetes does not answer", other="2026-11-24T16:04:04Z"),
            [
                "✓ 16:04:02  restart asked of Kubernetes",
                "… 2026-11-24T16:04:04Z  somebody else has asked for another restart",
                "✓ 16:04:05  old pod stopped",
                "… 16:04:06  the new pod is starting",
                "    then: answers PING, streams and groups are there",
                "… 16:04:06  Kubernetes does not answer; Redis is watched all the same",
            ],
        ),
    ],
)
def test_each_step_has_its_time(seen: Progress, lines: list[str]) -> None:
    held = "Alarms about Redis away or a missing group are held until this ends, at most 10 min."
    assert restart.so_far(seen).split("\n") == [*lines, held]


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
        now=ASKED,
        thresholds=default_thresholds(),
        around=around,
    )
    foot = blocks[-1]["elements"][0]["text"]
    assert foot.startswith("in <https://example.slack.com/archives/C1/p1|window 12>")
