"""The fake Kubernetes answers what a real one did, asked by the bot's own client."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from kubernetes.aio import client, config

from tests.support.kubernetes_rollout import Rollout
from tests.support.kubernetes_server import (
    RESTARTED_AT,
    Cluster,
    Phase,
    recorded,
)

STATEFULSETS = "/apis/apps/v1/namespaces/prompt-redis/statefulsets"
STATEFULSET = f"{STATEFULSETS}/prompt-redis"
POD = "/api/v1/namespaces/prompt-redis/pods/prompt-redis-0"
EVENTS = "/api/v1/namespaces/prompt-redis/events"
JOBS = "/apis/batch/v1/namespaces/prompt-keda-lsstcam/jobs"
APPLICATION = "/apis/argoproj.io/v1alpha1/namespaces/argocd/applications/prompt-redis"
REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
STRATEGIC = "application/strategic-merge-patch+json"
STAMP = "2026-11-23T21:04:05Z"

Answer = tuple[int, Any]


class Client:
    """The real client, with raw JSON."""

    def __init__(self, api: client.ApiClient) -> None:
        self.api = api

    async def ask(
        self,
        path: str,
        query: dict[str, str] | None = None,
        *,
        method: str = "GET",
        body: Any = None,
        content_type: str = "application/json",
        seconds: float = 5,
    ) -> Answer:
        response = await self.open(
            path, query, method=method, body=body, content_type=content_type, seconds=seconds
        )
        text = await response.read()
        return response.status, _parsed(text)

    async def open(
        self,
        path: str,
        query: dict[str, str] | None = None,
        *,
        method: str = "GET",
        body: Any = None,
        content_type: str = "application/json",
        seconds: float = 5,
    ) -> Any:
        request = await self.api.param_serialize(
            method,
            path,
            query_params=list((query or {}).items()),
            header_params={"Content-Type": content_type},
            body=body,
            auth_settings=["BearerToken"],
        )
        return await self.api.call_api(*request, _request_timeout=seconds)

    async def restart(
        self, stamp: str = STAMP, *, version: str | None = None, seconds: float = 5
    ) -> Answer:
        return await self.ask(
            STATEFULSET,
            method="PATCH",
            body=restart(stamp, version=version),
            content_type=STRATEGIC,
            seconds=seconds,
        )


def _parsed(text: bytes) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text.decode()


def restart(stamp: str, *, version: str | None = None) -> dict[str, Any]:
    template = {"metadata": {"annotations": {RESTARTED_AT: stamp}}}
    body: dict[str, Any] = {"spec": {"template": template}}
    if version is not None:
        body["metadata"] = {"resourceVersion": version}
    return body


def stamp_of(statefulset: Any) -> str | None:
    annotations = statefulset["spec"]["template"]["metadata"].get("annotations", {})
    found: str | None = annotations.get(RESTARTED_AT)
    return found


def uid_of(pod: Any) -> str:
    return str(pod["metadata"]["uid"])


async def all_of(lines: AsyncIterator[Any]) -> list[Any]:
    return [line async for line in lines]


def without_version(thing: Any) -> Any:
    metadata = {k: v for k, v in thing["metadata"].items() if k != "resourceVersion"}
    return {**thing, "kind": "", "apiVersion": "", "metadata": metadata}


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with Cluster() as cluster:
        yield cluster


@pytest.fixture
async def bot(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Client]:
    configuration = client.Configuration()
    await config.load_kube_config(  # type: ignore[no-untyped-call]
        config_file=str(cluster.kubeconfig(tmp_path, ("here", "there"))),
        context="there",
        client_configuration=configuration,
    )
    async with client.ApiClient(configuration) as api:
        yield Client(api)


# --- the rollout ---------------------------------------------------------------------------------


async def test_at_rest_it_answers_what_was_recorded(cluster: Cluster, bot: Client) -> None:
    assert await bot.ask(STATEFULSET) == (200, recorded("statefulset-get-stable").body)
    assert await bot.ask(POD) == (200, recorded("pod-get-stable").body)
    assert await bot.ask("/version") == (200, recorded("version").body)
    assert [call.path for call in cluster.calls] == [STATEFULSET, POD, "/version"]
    assert {call.authorization for call in cluster.calls} == {"Bearer prompt-bot-token"}


# The other phases were recorded after more restarts: their generations and revisions differ.
@pytest.mark.parametrize(
    ("phase", "statefulset", "pods"),
    [
        ("not_observed", "phase1-not-observed", "stable"),
        ("old_pod_terminating", "phase2-old-pod-terminating", "phase2-old-pod-terminating"),
        ("new_pod_not_ready", "phase3-new-pod-not-ready", "phase3-new-pod-not-ready"),
        ("complete", "phase4-complete", "phase4-complete"),
    ],
)
async def test_a_rollout_looks_as_recorded(
    cluster: Cluster, bot: Client, phase: Phase, statefulset: str, pods: str
) -> None:
    cluster.phase = phase

    _, seen = await bot.ask(STATEFULSET)
    _, pod = await bot.ask(POD)

    look = recorded(f"statefulset-get-{statefulset}").body
    assert without_version(seen) == without_version(look)
    [item] = recorded(f"pods-list-{pods}").body["items"]
    assert without_version(pod) == without_version(item)


async def test_between_two_pods_there_is_none(cluster: Cluster, bot: Client) -> None:
    cluster.phase = "no_pod"

    status, missing = await bot.ask(POD)
    _, seen = await bot.ask(STATEFULSET)

    like = recorded("error-404-statefulset").body
    assert status == 404
    assert missing["message"] == 'pods "prompt-redis-0" not found'
    assert missing.keys() == like.keys()
    assert seen["status"]["replicas"] == 0
    with pytest.raises(ValueError, match="No such phase"):
        cluster.phase = "nowhere"  # type: ignore[assignment]


async def test_a_restart_takes_its_course(cluster: Cluster, bot: Client) -> None:
    steps: list[tuple[float, Phase]] = [
        (0.0, "not_observed"),
        (0.01, "old_pod_terminating"),
        (0.02, "no_pod"),
        (0.03, "new_pod_not_ready"),
        (0.04, "complete"),
    ]
    hooked: list[tuple[Phase, Phase]] = []

    async def remember(phase: Phase) -> None:
        hooked.append((phase, cluster.phase))

    cluster.after_patch, cluster.on_phase = steps, remember
    _, old = await bot.ask(POD)

    status, answer = await bot.restart()
    assert status == 200
    assert answer == recorded("statefulset-patch-restart").body | {
        "metadata": answer["metadata"],
        "spec": answer["spec"],
    }
    assert (answer["metadata"]["generation"], answer["status"]["observedGeneration"]) == (2, 1)
    assert (answer["metadata"]["resourceVersion"], stamp_of(answer)) == ("262", STAMP)
    await cluster.settled()

    _, new = await bot.ask(POD)
    _, seen = await bot.ask(STATEFULSET)
    assert [phase for phase, _ in hooked] == [phase for _, phase in steps]
    assert hooked[2] == ("no_pod", "old_pod_terminating")
    assert uid_of(new) != uid_of(old)
    assert new["metadata"]["labels"]["controller-revision-hash"] in seen["status"].values()
    assert stamp_of(seen) == new["metadata"]["annotations"][RESTARTED_AT] == STAMP
    assert seen["status"]["currentRevision"] == seen["status"]["updateRevision"]
    assert int(seen["metadata"]["resourceVersion"]) > 262


# --- the patch -----------------------------------------------------------------------------------


async def test_the_same_stamp_again_changes_nothing(cluster: Cluster, bot: Client) -> None:
    first = await bot.restart()
    again = await bot.restart()

    assert again == first
    assert again[1]["metadata"]["generation"] == 2
    assert cluster.phase == "not_observed"


async def test_a_plan_of_yesterday_is_refused(cluster: Cluster, bot: Client) -> None:
    _, seen = await bot.ask(STATEFULSET)
    version = seen["metadata"]["resourceVersion"]
    await bot.restart("2026-11-23T20:00:00Z", version=version)

    stale = await bot.restart(version=version)
    fresh, _ = await bot.restart(version=cluster.statefulset["metadata"]["resourceVersion"])

    assert stale == (409, recorded("error-409-patch-stale-resourceversion").body)
    assert fresh == 200


async def test_it_takes_annotations_as_a_strategic_merge_alone(
    cluster: Cluster, bot: Client
) -> None:
    async def patch(body: Any, content_type: str = STRATEGIC) -> Answer:
        return await bot.ask(STATEFULSET, method="PATCH", body=body, content_type=content_type)

    other, _ = await patch(restart(STAMP), "application/json")
    invalid = await patch(recorded("error-422-invalid").body | {"spec": {"serviceName": "other"}})
    unknown, _ = await patch({"spec": {"template": {"spec": {"containers": []}}}})
    number, _ = await patch({"metadata": {"annotations": {"who": 5}}})
    noted, answer = await patch({"metadata": {"annotations": {"who": "ana"}}})
    _, removed = await patch({"metadata": {"annotations": {"who": None}}})

    assert other == 415
    assert invalid == (422, recorded("error-422-invalid").body)
    assert (unknown, number) == (501, 501)
    assert (noted, answer["metadata"]["annotations"]) == (200, {"who": "ana"})
    assert "annotations" not in removed["metadata"]
    assert cluster.statefulset["metadata"]["generation"] == 1
    assert cluster.calls[0].content_type == "application/json"
    assert cluster.calls[0].body == restart(STAMP)


# --- what else is there --------------------------------------------------------------------------


async def test_events_are_selected_by_their_object(cluster: Cluster, bot: Client) -> None:
    query = dict(recorded("events-list-rollout").query)

    _, events = await bot.ask(EVENTS, query)
    _, none = await bot.ask(EVENTS, {"fieldSelector": "involvedObject.name=prompt-redis-0"})
    _, warnings = await bot.ask(EVENTS, {"fieldSelector": "type!=Normal"})
    cluster.events.append(events["items"][0] | {"type": "Warning"})
    _, more = await bot.ask(EVENTS, {"fieldSelector": "type!=Normal"})

    assert events["items"] == recorded("events-list-rollout").body["items"]
    assert (none["items"], warnings["items"]) == ([], [])
    assert len(more["items"]) == 1


async def test_keda_and_argo_cd_have_two_states_each(cluster: Cluster, bot: Client) -> None:
    def scaled_job(instrument: str) -> str:
        place = f"prompt-keda-{instrument}"
        return f"/apis/keda.sh/v1alpha1/namespaces/{place}/scaledjobs/{place}"

    cluster.set_jobs("latiss")
    assert await bot.ask(scaled_job("lsstcam")) == (200, recorded("scaledjob-get").body)
    assert await bot.ask(APPLICATION) == (200, recorded("application-get").body)
    cluster.paused, cluster.in_sync = True, False

    _, paused = await bot.ask(scaled_job("latiss"))
    assert paused["metadata"]["name"] == "prompt-keda-latiss"
    assert paused["metadata"]["annotations"]["autoscaling.keda.sh/paused"] == "true"
    _, application = await bot.ask(APPLICATION)
    assert application == recorded("application-get-outofsync-progressing").body
    assert (await bot.ask(scaled_job("nowhere")))[0] == 403


async def test_a_test_decides_what_the_bot_may(cluster: Cluster, bot: Client) -> None:
    cluster.allowed = lambda attributes: attributes["verb"] == "patch"
    for name in ("patch-statefulset", "delete-pod"):
        recording = recorded(f"selfsubjectaccessreview-{name}")
        attributes = recording.body["spec"]["resourceAttributes"]
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"group": "", **attributes}},
        }
        assert await bot.ask(REVIEWS, method="POST", body=body) == (201, recording.body)


@pytest.mark.parametrize(
    "name",
    [
        "error-403-other-name",
        "error-403-list-by-label",
        "error-403-delete-pod",
    ],
)
async def test_whatever_else_is_asked_is_refused_as_recorded(bot: Client, name: str) -> None:
    recording = recorded(name)

    answer = await bot.ask(recording.path, dict(recording.query), method=recording.method)

    assert answer == (recording.status, recording.body)


async def test_tokens_are_checked(cluster: Cluster) -> None:
    async def ask(headers: dict[str, str]) -> Answer:
        async with aiohttp.request("GET", cluster.url + STATEFULSET, headers=headers) as response:
            assert response.headers["Content-Type"] == "application/json"
            return response.status, await response.json()

    assert await ask({}) == (403, recorded("error-403-anonymous").body)
    assert await ask({"Authorization": "Bearer x"}) == (401, recorded("error-401-bad-token").body)


# --- faults --------------------------------------------------------------------------------------


async def test_a_kind_that_is_not_installed_has_no_status(cluster: Cluster, bot: Client) -> None:
    missing = recorded("error-404-no-such-resource")
    cluster.fault("GET", "/argoproj.io/", answer=missing)

    assert await bot.ask(APPLICATION) == (404, "404 page not found\n")


async def test_the_client_repeats_a_get_that_is_cut_on_a_used_connection(
    cluster: Cluster, bot: Client
) -> None:
    await bot.ask("/version")
    cluster.fault("GET", "statefulsets", answer=recorded("error-etcd-hang-get"))

    assert (await bot.ask(STATEFULSET))[0] == 200

    assert [call.path for call in cluster.calls] == ["/version", STATEFULSET, STATEFULSET]


async def test_the_recorded_phases_in_order_are_the_recorded_rollout() -> None:
    rollout = Rollout()
    rollout.patch(restart("2026-11-23T19:00:16Z"))
    made = [rollout.statefulset["status"]]
    for phase in ("old_pod_terminating", "no_pod", "new_pod_not_ready", "complete"):
        rollout.enter(phase)
        made.append(rollout.statefulset["status"])

    real = [line["object"]["status"] for line in _lines("watch-statefulset-rollout-unheld")]
    ours = [_counts(status) for status in made]
    # The moment between the last two is not a phase: the old pod is not Ready, and still there.
    assert ours == [_counts(status) for number, status in enumerate(real) if number != 2]


def _lines(name: str) -> list[Any]:
    return recorded(name).lines or []


def _counts(status: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in status.items() if key.endswith("eplicas")}
