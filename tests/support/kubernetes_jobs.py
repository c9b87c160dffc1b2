"""Lists that a client may select from and page through, and the Jobs of an instrument's workers.

No list of Jobs was recorded: these have the shape that batch/v1 documents, as KEDA makes them.
"""

import base64
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from tests.support.kubernetes_recordings import Json, Recording, failure

_BEGAN = datetime(2026, 11, 23, 19, tzinfo=UTC)
_TERM = re.compile(r"(?P<key>[^=!]+)(?P<sign>==?|!=)(?P<value>[^=!]*)")


def jobs(instrument: str, *, running: int = 0, succeeded: int = 0, failed: int = 0) -> list[Json]:
    """Make that many Jobs, in the order of their names: running and finished ones mixed."""
    ends = ["running"] * running + ["Complete"] * succeeded + ["Failed"] * failed
    made = [_job(instrument, number, end) for number, end in enumerate(ends)]
    return sorted(made, key=lambda job: str(job["metadata"]["name"]))


def listed(kind: str, version: int, items: list[Json], query: Mapping[str, str]) -> Recording:
    """Answer a list: what is selected, as many as asked for, and the way to the next page."""
    # A list has said once what its items are: they have neither kind nor apiVersion.
    chosen = [
        {key: value for key, value in item.items() if key not in {"kind", "apiVersion"}}
        for item in items
        if _selected(item, query)
    ]
    start = 0
    if token := query.get("continue"):
        try:
            start = int(base64.b64decode(token, validate=True))
        except ValueError:
            return failure(400, "BadRequest", "continue key is not valid")
    stop = start + (int(query.get("limit", "0")) or len(chosen))
    metadata: Json = {"resourceVersion": str(version)}
    if stop < len(chosen):
        metadata["continue"] = base64.b64encode(str(stop).encode()).decode()
        if not query.keys() & {"labelSelector", "fieldSelector"}:
            metadata["remainingItemCount"] = len(chosen) - stop
    group = "batch/v1" if kind == "JobList" else "apps/v1" if kind == "StatefulSetList" else "v1"
    body = {"kind": kind, "apiVersion": group, "metadata": metadata, "items": chosen[start:stop]}
    return Recording("GET", "", query, 200, body=body)


def _selected(item: Json, query: Mapping[str, str]) -> bool:
    labels = item["metadata"].get("labels", {})
    return _matches(query.get("labelSelector", ""), lambda key: labels.get(key, "")) and _matches(
        query.get("fieldSelector", ""), lambda key: _field(item, key)
    )


def _matches(selector: str, value_of: Callable[[str], str]) -> bool:
    for term in filter(None, selector.split(",")):
        match = _TERM.fullmatch(term)
        if match is None:
            raise NotImplementedError(f"This server does not know such a selector: {term}")
        equal = value_of(match["key"]) == match["value"]
        if equal == (match["sign"] == "!="):
            return False
    return True


def _field(item: Json, path: str) -> str:
    if path == "status.successful":
        # The one field of Jobs that is not called as it is selected.
        return str(item["status"].get("succeeded", 0))
    value: Json | str = item
    for key in path.split("."):
        value = value.get(key, "") if isinstance(value, dict) else ""
    return str(value)


def _job(instrument: str, number: int, end: str) -> Json:
    name = f"prompt-keda-{instrument}"
    digest = sha256(f"{name} {number}".encode()).hexdigest()
    uid = "-".join((digest[:8], digest[8:12], digest[12:16], digest[16:20], digest[20:32]))
    began = _BEGAN + timedelta(seconds=number)
    labels = {"app.kubernetes.io/managed-by": "keda-operator", "scaledjob.keda.sh/name": name}
    own = f"{name}-{digest[-5:]}"
    pods = {"batch.kubernetes.io/controller-uid": uid, "batch.kubernetes.io/job-name": own}
    return {
        "metadata": {
            "name": own,
            "generateName": f"{name}-",
            "namespace": name,
            "uid": uid,
            "resourceVersion": str(100 + number),
            "generation": 1,
            "creationTimestamp": _written(began),
            "labels": labels,
            "ownerReferences": [
                {
                    "apiVersion": "keda.sh/v1alpha1",
                    "kind": "ScaledJob",
                    "name": name,
                    "uid": "88e4dcae-5392-4d5b-8e08-bc428260a81f",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "parallelism": 1,
            "completions": 1,
            "backoffLimit": 0,
            "selector": {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}},
            "template": {
                "metadata": {"labels": labels | pods},
                "spec": {
                    "containers": [{"name": instrument, "image": "prompt-service:15.2.0"}],
                    "restartPolicy": "Never",
                },
            },
            "completionMode": "NonIndexed",
            "suspend": False,
            "podReplacementPolicy": "TerminatingOrFailed",
        },
        "status": _status(end, began),
    }


def _status(end: str, began: datetime) -> Json:
    status: Json = {"startTime": _written(began), "uncountedTerminatedPods": {}}
    if end == "running":
        return status | {"active": 1, "ready": 1, "terminating": 0}
    ended = _written(began + timedelta(minutes=1))
    passed = end == "Complete"
    condition = {"status": "True", "lastProbeTime": ended, "lastTransitionTime": ended}
    reason = {"reason": "CompletionsReached" if passed else "BackoffLimitExceeded"}
    kinds = ("SuccessCriteriaMet", "Complete") if passed else ("FailureTarget", "Failed")
    status["conditions"] = [{"type": kind} | condition | reason for kind in kinds]
    status |= {"ready": 0, "terminating": 0, "succeeded" if passed else "failed": 1}
    return status | {"completionTime": ended} if passed else status


def _written(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
