"""What Kubernetes answers, translated: JSON objects into values, statuses into errors.

Counts of zero are absent in its answers, not 0.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.errors import (
    ClusterConflict,
    ClusterError,
    ClusterForbidden,
    ClusterMissing,
    ClusterRefused,
    ClusterTrouble,
    ClusterUnreachable,
)
from bot.domain.workloads import RESTARTED_AT, ROLLING, Application, Event, Jobs, Pod, Workload

Object = Mapping[str, Any]

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}

_LONGEST = 300
"""Characters of a sentence of Kubernetes' that are kept."""


@dataclass(frozen=True)
class About:
    """What a call is about, as a Role names it; the name is empty for all of a resource."""

    verb: str
    resource: str
    name: str
    namespace: str


def error_of(status: int, body: bytes, about: About) -> ClusterError:
    """Give the error behind a status that is none of success.

    Parameters
    ----------
    status, body
        As answered; the body is a Status object, or any text.
    about
        What was asked for.
    """
    match status:
        case 401:
            return ClusterUnreachable(ClusterTrouble.TOKEN)
        case 403:
            return ClusterForbidden(about.verb, about.resource, about.name, about.namespace)
        case 404:
            return ClusterMissing(about.resource, about.name, about.namespace)
        case 409:
            return ClusterConflict()
        case 408 | 429:
            return ClusterUnreachable(ClusterTrouble.UNWELL)
        case _ if status >= 500:  # noqa: PLR2004 -- the server's own errors
            return ClusterUnreachable(ClusterTrouble.UNWELL)
        case _:
            return ClusterRefused(status, _sentence(body))


def workload_of(statefulset: Object, pods: tuple[Pod, ...]) -> Workload:
    """Read a StatefulSet."""
    metadata, spec = statefulset["metadata"], statefulset["spec"]
    status = statefulset.get("status", {})
    template = spec["template"]
    container = template["spec"]["containers"][0]
    strategy = spec.get("updateStrategy", {})
    claims = spec.get("volumeClaimTemplates", ())
    limit = container.get("resources", {}).get("limits", {}).get("memory")
    return Workload(
        name=metadata["name"],
        version=metadata["resourceVersion"],
        generation=metadata.get("generation", 0),
        observed=status.get("observedGeneration", 0),
        # Left out, it is 1.
        replicas=spec.get("replicas", 1),
        ready=status.get("readyReplicas", 0),
        updated=status.get("updatedReplicas", 0),
        revision=status.get("currentRevision", ""),
        wanted_revision=status.get("updateRevision", ""),
        strategy=strategy.get("type", ROLLING),
        partition=(strategy.get("rollingUpdate") or {}).get("partition", 0),
        stamp=(template.get("metadata", {}).get("annotations") or {}).get(RESTARTED_AT, ""),
        image=container.get("image", ""),
        chart=(metadata.get("labels") or {}).get("helm.sh/chart", ""),
        storage=_storage(claims[0]["spec"]) if claims else "",
        append_only=_append_only([*container.get("command", ()), *container.get("args", ())]),
        memory_limit=quantity(limit) if limit else None,
        pods=pods,
    )


def pod_of(pod: Object) -> Pod:
    """Read a pod with one container."""
    metadata, status = pod["metadata"], pod.get("status", {})
    conditions = {each["type"]: each for each in status.get("conditions", ())}
    containers = status.get("containerStatuses", ())
    container: Object = containers[0] if containers else {}
    state = container.get("state") or {}
    ended = state.get("terminated") or (container.get("lastState") or {}).get("terminated") or {}
    waiting = state.get("waiting") or {}
    scheduled = conditions.get("PodScheduled", {})
    if not containers and scheduled.get("status") == "False":
        waiting = scheduled
    if state.get("terminated"):
        waiting = {"reason": ended.get("reason", "ended")}
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        ready=conditions.get("Ready", {}).get("status") == "True",
        image=container.get("image", ""),
        created=_time(metadata.get("creationTimestamp")),
        started=_time((state.get("running") or {}).get("startedAt")),
        leaving="deletionTimestamp" in metadata,
        restarts=container.get("restartCount", 0),
        waiting=waiting.get("reason", ""),
        why=waiting.get("message", "")[:_LONGEST],
        last_ended=ended.get("reason", ""),
        last_ended_at=_time(ended.get("finishedAt")),
    )


def event_of(event: Object) -> Event:
    """Read an event, of the old kind or the new one."""
    at = event.get("lastTimestamp") or event.get("eventTime")
    made = event.get("metadata", {}).get("creationTimestamp")
    return Event(
        at=_time(at or made),
        reason=event.get("reason", ""),
        text=event.get("message", "")[:_LONGEST],
        warning=event.get("type") == "Warning",
    )


def jobs_of(running: int, scaled: Object | None) -> Jobs:
    """Add to the jobs that run what their ScaledJob says; None where it may not be read."""
    if scaled is None:
        return Jobs(running)
    annotations = scaled.get("metadata", {}).get("annotations") or {}
    return Jobs(
        running=running,
        # KEDA's own default.
        most=scaled.get("spec", {}).get("maxReplicaCount", 100),
        paused=annotations.get("autoscaling.keda.sh/paused") == "true",
    )


def application_of(application: Object) -> Application:
    """Read an Argo CD application."""
    status = application.get("status", {})
    return Application(
        sync=status.get("sync", {}).get("status", "unknown"),
        health=status.get("health", {}).get("status", "unknown"),
        phase=status.get("operationState", {}).get("phase", ""),
    )


def quantity(text: str) -> int | None:
    """Read a quantity such as ``4Gi`` or ``512M``, in bytes; None for what is none."""
    number = text.rstrip("kKMGTPi")
    unit = _UNITS.get(text[len(number) :])
    try:
        return None if unit is None else int(float(number) * unit)
    except ValueError:
        return None


def _storage(claim: Object) -> str:
    size = claim.get("resources", {}).get("requests", {}).get("storage", "a volume")
    kind = claim.get("storageClassName")
    return f"{size} on {kind}" if kind else size


def _append_only(arguments: list[str]) -> bool | None:
    words = " ".join(arguments).split()
    if "--appendonly" not in words[:-1]:
        return None
    return words[words.index("--appendonly") + 1].strip("'\"") == "yes"


def _sentence(body: bytes) -> str:
    try:
        return str(json.loads(body).get("message", ""))[:_LONGEST]
    except (ValueError, AttributeError):
        return body.decode("utf-8", "replace").strip()[:_LONGEST]


def _time(text: str | None) -> datetime | None:
    return None if not text else datetime.fromisoformat(text)
