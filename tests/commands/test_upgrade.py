"""What the bot tells of the pod, the jobs and the deployment, and what it says where it may not."""

from collections.abc import AsyncIterator
from copy import deepcopy
from pathlib import Path

import pytest

from tests.support.a_rollout import configure
from tests.support.kubernetes_server import Cluster, Recording, failure, recorded
from tests.support.waits import LONGEST_WAIT
from tests.support.world import World, shown


@pytest.fixture
async def cluster(world: World, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with Cluster() as server:
        configure(world, server, tmp_path)
        world.settings["alarms"] = {
            "links": {"argocd": "https://argocd.example/prompt-redis"},
            "poll": "1s",
            "rules": {
                "unreachable": {"day": "2s", "night": "2s"},
                "stalled": {"warning": "1s", "critical": "1m"},
            },
        }
        yield server


@pytest.fixture
async def bot(world: World, cluster: Cluster) -> AsyncIterator[World]:
    del cluster
    async with world.bot():
        await world.group()
        yield world


def killed(cluster: Cluster) -> None:
    """Let the pod tell that its container was killed for its memory."""
    pod = deepcopy(recorded("pods-list-stable").body["items"][0])
    (container,) = pod["status"]["containerStatuses"]
    container["restartCount"] = 1
    container["lastState"] = {
        "terminated": {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-25T06:40:09Z"}
    }
    answer = deepcopy(recorded("pod-get-stable"))
    cluster.fault(
        "GET",
        "pods/prompt-redis-0",
        answer=type(answer)("GET", "", {}, 200, answer.headers, {**answer.body, **pod}),
        times=None,
    )


async def test_what_runs_and_the_steps(bot: World) -> None:
    answer = await bot.type("upgrade")
    assert answer.text.startswith("🔧 *PROD runs valkey ")
    for words in (
        "from redis-1.2.0",
        "*Image*\nredis:8.10.0",
        "*Argo CD*\nSynced, Healthy, last sync Succeeded",
        "*Pods*\n1 of 1 ready; prompt-redis-0, ready for",
        "*Maintenance*\nnone planned",
        "<https://github.com/lsst-sqre/charts/releases|releases>",
        "Chart.yaml#L10|the chart's version line>",
        "<https://argocd.example/prompt-redis|Argo CD>",
        "`/prompt-redis ping`",
    ):
        assert words in shown(answer), words
    await bot.slack.click(answer, "Announce maintenance…", user="U0ANA")
    form = await bot.slack.until(lambda: next(iter(bot.slack.views), None))
    assert form.callback_id.startswith("prompt-redis:maintenance")


async def test_a_planned_window_is_named_and_linked(bot: World) -> None:
    await bot.type("maintenance schedule in 2h 1h Redis upgrade")
    await bot.slack.until(lambda: next((m for m in bot.slack.messages() if "📣" in m.text), None))
    answer = await bot.type("upgrade")
    assert "|window 1>, from " in shown(answer)
    assert "Announce maintenance…" not in [each["text"]["text"] for _, each in answer.elements()]


@pytest.mark.parametrize(
    ("refusal", "words"),
    [
        (
            failure(403, "Forbidden", "no"),
            "does not allow the bot to get applications.argoproj.io prompt-redis in argocd",
        ),
        (
            recorded("error-404-no-such-resource"),
            "Kubernetes has no applications.argoproj.io prompt-redis in argocd",
        ),
    ],
)
async def test_an_argo_cd_that_may_not_be_read(
    bot: World, cluster: Cluster, refusal: Recording, words: str
) -> None:
    cluster.fault("GET", "applications", answer=refusal, times=None)
    answer = shown(await bot.type("upgrade"))
    assert words in answer
    assert "*Chart*\nredis-1.2.0" in answer


async def test_a_cluster_and_a_redis_that_are_away(bot: World, cluster: Cluster) -> None:
    await cluster.stop()
    answer = shown(await bot.type("upgrade"))
    assert "*Chart*\nunknown: Kubernetes " in answer
    assert "*Redis*\nvalkey " in answer


async def test_a_pod_that_does_not_start_comes_first(bot: World, cluster: Cluster) -> None:
    cluster.phase = "pull_error"
    answer = await bot.type("upgrade")
    assert answer.text.endswith("Its pod does not start: ImagePullBackOff.")
    cluster.phase = "old_pod_terminating"
    assert (await bot.type("upgrade")).text.endswith("A rollout is under way.")


# --- beside other answers --------------------------------------------------------------------


async def test_stats_names_pod_and_jobs(bot: World, cluster: Cluster) -> None:
    cluster.set_jobs("lsstcam", running=12)
    killed(cluster)
    answer = shown(await bot.type("stats"))
    assert "*Jobs*\n12 of 1,700 run" in answer
    assert "Pod prompt-redis-0, ready for " in answer
    assert "restarted 1 time, last ended OOMKilled" in answer
    assert "06:40:09 UTC" in answer


async def test_what_may_not_be_read_is_left_out(bot: World, cluster: Cluster) -> None:
    cluster.fault("GET", "jobs", answer=failure(403, "Forbidden", "no"), times=None)
    cluster.fault("GET", "pods", answer=failure(403, "Forbidden", "no"), times=None)
    answer = shown(await bot.type("stats"))
    assert "healthy" in answer
    assert "Jobs" not in answer
    assert "Pod" not in answer


async def test_a_paused_keda_is_what_stopped(bot: World, cluster: Cluster) -> None:
    cluster.set_jobs("lsstcam", running=0)
    cluster.paused = True
    await bot.announce(2, ago=300)
    alarm = await bot.slack.until(
        lambda: next((m for m in bot.slack.messages() if "not reading" in m.text), None), 15
    )
    assert "*Jobs*\n0 of 1,700 run; KEDA is paused, it starts none" in shown(alarm)
    answer = shown(await bot.type("stats"))
    assert "it is KEDA: it is paused, and starts no jobs" in answer


async def test_an_alarm_names_the_pod_and_offers_a_restart(world: World, cluster: Cluster) -> None:
    killed(cluster)
    world.settings["environments"]["prod"]["redis"] = {"url": "redis://127.0.0.1:9"}
    async with world.bot():
        alarm = await world.slack.until(
            lambda: next((m for m in world.slack.messages() if "does not answer" in m.text), None),
            LONGEST_WAIT,
        )
        assert "*Pod*\nprompt-redis-0, ready for " in shown(alarm)
        assert "last ended OOMKilled" in shown(alarm)
        labels = [each["text"]["text"] for _, each in alarm.elements()]
        assert labels == ["I'm on it", "Restart…", "Figures now"]
        delivery = await world.slack.click(alarm, "Restart…", user="U0ANA")
        assert "is in the channel" in (await delivery.reply()).text
        card = await world.slack.until(
            lambda: next((m for m in world.slack.messages() if "restart Redis" in m.text), None)
        )
        assert "*Waiting*\nlsstcam: unknown" in shown(card)


async def test_no_restart_where_the_pod_does_not_start(world: World, cluster: Cluster) -> None:
    cluster.phase = "crashloop"
    world.settings["environments"]["prod"]["redis"] = {"url": "redis://127.0.0.1:9"}
    async with world.bot():
        alarm = await world.slack.until(
            lambda: next((m for m in world.slack.messages() if "does not answer" in m.text), None),
            LONGEST_WAIT,
        )
        assert "does not run: CrashLoopBackOff" in shown(alarm)
        assert "Restart…" not in [each["text"]["text"] for _, each in alarm.elements()]
