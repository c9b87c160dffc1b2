"""Kubernetes through the library's own client, from a server that answers as a real one did."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import certifi
import pytest
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from bot.clients.kubernetes import KubernetesCluster, quantity
from bot.domain.errors import (
    ClusterConflict,
    ClusterError,
    ClusterForbidden,
    ClusterMissing,
    ClusterRefused,
    ClusterTrouble,
    ClusterUnreachable,
)
from bot.domain.workloads import (
    Application,
    ClusterLocation,
    Hindrance,
    Jobs,
    Permission,
    hindrance,
)
from tests.support.kubernetes_server import (
    RESTARTED_AT,
    TOKEN,
    Call,
    Cluster,
    Phase,
    failure,
    recorded,
)
from tests.support.waits import LONGEST_WAIT

STAMP = "2026-11-25T16:04:02Z"
LOCATION = ClusterLocation(
    "prompt-redis",
    "prompt-redis",
    context="usdf-prompt-processing",
    argocd=("argocd", "prompt-redis"),
    jobs="prompt-keda-{instrument}",
)


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster() as server:
        yield server


@pytest.fixture
async def bot(cluster: Cluster, tmp_path: Path) -> AsyncIterator[KubernetesCluster]:
    kubernetes = KubernetesCluster(LOCATION, kubeconfig=str(cluster.kubeconfig(tmp_path)), limit=2)
    yield kubernetes
    await kubernetes.aclose()


async def test_what_runs(bot: KubernetesCluster) -> None:
    found = await bot.workload()
    assert (found.name, found.image, found.chart) == ("prompt-redis", "redis:8.10.0", "redis-1.2.0")
    assert (found.replicas, found.ready, found.updated) == (1, 1, 1)
    assert (found.strategy, found.partition, found.stamp) == ("RollingUpdate", 0, "")
    assert found.storage == "100Gi on wekafs--sdf-k8s01"
    assert found.append_only
    assert found.memory_limit == 4 * 2**30
    assert not found.rolling_out
    (pod,) = found.pods
    assert pod.name == "prompt-redis-0"
    assert pod.ready
    assert pod.started is not None
    assert not pod.stuck
    assert found.replaced(["another"])
    assert not found.replaced([pod.uid])


@pytest.mark.parametrize(
    ("phase", "ready", "waiting", "stuck"),
    [
        ("not_observed", 1, "", False),
        ("old_pod_terminating", 1, "", False),
        ("no_pod", 0, None, False),
        ("new_pod_not_ready", 0, "ContainerCreating", False),
        ("crashloop", 0, "CrashLoopBackOff", True),
        ("pull_error", 0, "ImagePullBackOff", True),
        ("unschedulable", 0, "Unschedulable", True),
    ],
)
async def test_a_rollout_that_is_under_way(
    bot: KubernetesCluster,
    cluster: Cluster,
    phase: Phase,
    ready: int,
    waiting: str | None,
    stuck: bool,
) -> None:
    before = (await bot.workload()).uids
    cluster.phase = phase
    found = await bot.workload()
    assert found.ready == ready
    assert found.rolling_out
    assert not found.replaced(before)
    assert [pod.waiting for pod in found.pods] == ([] if waiting is None else [waiting])
    assert (found.stuck is not None) == stuck
    assert (hindrance(found) is Hindrance.STUCK) == stuck


async def test_a_rollout_that_is_complete(bot: KubernetesCluster, cluster: Cluster) -> None:
    before = (await bot.workload()).uids
    cluster.phase = "complete"
    found = await bot.workload()
    assert found.replaced(before)
    assert found.uids != before


@pytest.mark.parametrize(
    ("phase", "why"),
    [
        ("ondelete", Hindrance.ON_DELETE),
        ("partition", Hindrance.PARTITION),
        ("replicas0", Hindrance.NO_REPLICAS),
    ],
)
async def test_what_kubectl_would_call_complete(
    bot: KubernetesCluster, cluster: Cluster, phase: Phase, why: Hindrance
) -> None:
    before = (await bot.workload()).uids
    cluster.phase = phase
    found = await bot.workload()
    assert hindrance(found) is why
    assert not found.replaced(before)


async def test_a_restart_is_asked_for_as_kubectl_does(
    bot: KubernetesCluster, cluster: Cluster
) -> None:
    before = await bot.workload()
    await bot.restart(STAMP, before.version)
    (patch,) = [call for call in cluster.calls if call.method == "PATCH"]
    assert patch.content_type == "application/strategic-merge-patch+json"
    assert patch.body == {
        "metadata": {"resourceVersion": before.version},
        "spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: STAMP}}}},
    }
    after = await bot.workload()
    assert after.stamp == STAMP
    assert after.generation == before.generation + 1
    with pytest.raises(ClusterConflict):
        await bot.restart("2026-11-25T16:05:00Z", before.version)
    await bot.restart(STAMP, after.version)
    assert (await bot.workload()).generation == after.generation


async def test_jobs_and_their_limit(bot: KubernetesCluster, cluster: Cluster) -> None:
    cluster.set_jobs("lsstcam", running=700, succeeded=25, failed=15)
    assert await bot.jobs("lsstcam") == Jobs(700, 1700, paused=False)
    pages = [call for call in cluster.calls if call.path.endswith("/jobs")]
    assert len(pages) == 3
    cluster.paused = True
    found = await bot.jobs("lsstcam")
    assert found is not None
    assert found.paused


async def test_jobs_without_their_scaledjob(bot: KubernetesCluster, cluster: Cluster) -> None:
    cluster.set_jobs("lsstcam", running=3)
    cluster.fault("GET", "scaledjobs", answer=failure(403, "Forbidden", "no"))
    assert await bot.jobs("lsstcam") == Jobs(3)


async def test_the_deployment(bot: KubernetesCluster, cluster: Cluster) -> None:
    assert await bot.application() == Application("Synced", "Healthy", "Succeeded")
    cluster.in_sync = False
    assert await bot.application() == Application("OutOfSync", "Progressing", "Succeeded")


async def test_events_are_in_their_order(bot: KubernetesCluster) -> None:
    found = await bot.events(limit=3)
    assert len(found) == 3
    assert found[-1].reason
    assert [each.at for each in found] == sorted(each.at for each in found if each.at)


async def test_rights_are_asked_for_one_by_one(bot: KubernetesCluster, cluster: Cluster) -> None:
    cluster.allowed = lambda asked: asked["verb"] != "patch"
    needed = LOCATION.permissions(("lsstcam",))
    allowed = {(each.verb, each.resource): await bot.may(each) for each in needed}
    assert not allowed.pop(("patch", "statefulsets"))
    assert all(allowed.values())
    assert {each.namespace for each in needed} == {"prompt-redis", "prompt-keda-lsstcam", "argocd"}


def used(call: Call) -> Permission:
    """Which permission a call needs."""
    path = re.fullmatch(
        r"/apis?(?:/(?P<group>[\w.]+))?/v\w+/namespaces/(?P<where>[\w-]+)/(?P<what>\w+)(?:/(?P<name>[\w-]+))?",
        call.path,
    )
    assert path, call.path
    name = path["name"] or ""
    verb = "patch" if call.method == "PATCH" else "get" if name else "list"
    return Permission(verb, path["group"] or "", path["what"], name, path["where"])


async def test_the_rights_are_those_that_are_used(bot: KubernetesCluster, cluster: Cluster) -> None:
    workload = await bot.workload()
    await bot.restart(STAMP, workload.version)
    await bot.events()
    await bot.jobs("lsstcam")
    await bot.application()
    needed = LOCATION.permissions(("lsstcam",))
    assert {used(call) for call in cluster.calls} == set(needed)


# --- what goes wrong -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "error"),
    [
        ("error-401-bad-token", ClusterUnreachable(ClusterTrouble.TOKEN)),
        (
            "error-403-get-statefulset",
            ClusterForbidden("get", "statefulsets.apps", "prompt-redis", "prompt-redis"),
        ),
        (
            "error-404-statefulset",
            ClusterMissing("statefulsets.apps", "prompt-redis", "prompt-redis"),
        ),
        (
            "error-404-no-such-resource",
            ClusterMissing("statefulsets.apps", "prompt-redis", "prompt-redis"),
        ),
        ("error-409-patch-stale-resourceversion", ClusterConflict()),
        ("error-etcd-hang-patch", ClusterUnreachable(ClusterTrouble.UNWELL)),
    ],
)
async def test_refusals(
    bot: KubernetesCluster, cluster: Cluster, file: str, error: ClusterError
) -> None:
    cluster.fault("GET", "statefulsets", answer=recorded(file))
    with pytest.raises(type(error)) as found:
        await bot.workload()
    assert vars(found.value) == vars(error)
    assert str(found.value) == str(error)


async def test_what_its_validation_refuses(bot: KubernetesCluster, cluster: Cluster) -> None:
    cluster.fault("PATCH", "statefulsets", answer=recorded("error-422-invalid"))
    with pytest.raises(ClusterRefused, match="HTTP 422"):
        await bot.restart(STAMP, "1")


async def test_a_frozen_server_costs_its_time_limit(
    bot: KubernetesCluster, cluster: Cluster
) -> None:
    cluster.fault("GET", "statefulsets", hang=True)
    async with asyncio.timeout(LONGEST_WAIT):
        with pytest.raises(ClusterUnreachable) as found:
            await bot.workload()
    assert found.value.kind is ClusterTrouble.TIMED_OUT


async def test_a_connection_that_is_cut(bot: KubernetesCluster, cluster: Cluster) -> None:
    # aiohttp itself asks once more where a connection that was kept is cut.
    cluster.fault("GET", "statefulsets", cut=True, times=2)
    with pytest.raises(ClusterUnreachable) as found:
        await bot.workload()
    assert found.value.kind is ClusterTrouble.DISCONNECTED


async def test_a_server_that_is_gone_and_comes_back(
    bot: KubernetesCluster, cluster: Cluster
) -> None:
    await bot.workload()
    await cluster.stop()
    with pytest.raises(ClusterUnreachable):
        await bot.workload()
    with pytest.raises(ClusterUnreachable) as found:
        await bot.workload()
    assert found.value.kind is ClusterTrouble.REFUSED
    await cluster.start_again()
    assert (await bot.workload()).ready == 1


async def test_no_kubeconfig(tmp_path: Path) -> None:
    for site in (LOCATION, ClusterLocation("prompt-redis", "prompt-redis")):
        bot = KubernetesCluster(site, kubeconfig=str(tmp_path / "nowhere"))
        with pytest.raises(ClusterUnreachable) as found:
            await bot.workload()
        assert found.value.kind is ClusterTrouble.CONFIGURATION
        await bot.aclose()


async def test_a_context_that_is_not_there(cluster: Cluster, tmp_path: Path) -> None:
    file = cluster.kubeconfig(tmp_path, contexts=("another",))
    bot = KubernetesCluster(LOCATION, kubeconfig=str(file))
    with pytest.raises(ClusterUnreachable) as found:
        await bot.workload()
    assert found.value.kind is ClusterTrouble.CONFIGURATION
    await bot.aclose()


async def test_no_proxy_of_the_environment_is_used(
    bot: KubernetesCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        # Nobody listens there.
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert (await bot.workload()).ready == 1


async def test_a_kubeconfig_with_a_new_token_is_read_anew(cluster: Cluster, tmp_path: Path) -> None:
    file = cluster.kubeconfig(tmp_path)
    text = file.read_text("utf-8")
    file.write_text(text.replace(TOKEN, "the one before"), "utf-8")
    bot = KubernetesCluster(LOCATION, kubeconfig=str(file))
    with pytest.raises(ClusterUnreachable) as found:
        await bot.workload()
    assert found.value.kind is ClusterTrouble.TOKEN
    file.write_text(text, "utf-8")
    assert (await bot.workload()).ready == 1
    await bot.aclose()


async def test_the_token_of_a_pod_rotates(cluster: Cluster, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(TOKEN, "utf-8")
    environ = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": "1"}
    make: Any = InClusterConfigLoader
    loader = make(str(token), certifi.where(), environ=environ)

    def load(configuration: Any) -> None:
        loader._load_config()
        # The fake speaks plain HTTP.
        loader.host = cluster.url
        loader._set_config(configuration)

    bot = KubernetesCluster(ClusterLocation("prompt-redis", "prompt-redis"), load=load)
    await bot.workload()
    token.write_text("rotated", "utf-8")
    loader.token_expires_at = loader.token_expires_at.replace(year=2000)
    with suppress(ClusterUnreachable):
        await bot.workload()
    assert {call.authorization for call in cluster.calls} == {f"bearer {TOKEN}", "bearer rotated"}
    await bot.aclose()


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4Gi", 4 * 2**30),
        ("512Mi", 2**29),
        ("1.5Gi", 3 * 2**29),
        ("128M", 128_000_000),
        ("1000", 1000),
        ("64k", 64_000),
        ("much", None),
        ("4Zi", None),
    ],
)
def test_quantities(text: str, size: int | None) -> None:
    assert quantity(text) == size


def test_nothing_secret_is_in_an_error() -> None:
    errors = [ClusterUnreachable(kind) for kind in ClusterTrouble]
    assert TOKEN not in json.dumps([str(error) for error in errors])
