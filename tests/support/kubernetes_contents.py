"""What is in the fake cluster, and the answer to each request.

Rights are those of the bot's Roles: whatever else is asked for is forbidden in RBAC's words. No
list of Jobs was recorded: these have the shape that batch/v1 documents, as KEDA makes them.
"""

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from tests.support.kubernetes_recordings import Call, Json, Recording, failure, recorded
from tests.support.kubernetes_rollout import Phase, Rollout

TOKEN = "prompt-bot-token"

_BOT = "system:serviceaccount:prompt-bot:prompt-bot"
_STRATEGIC = "application/strategic-merge-patch+json"
_TARGET = re.compile(
    r"/(?:api|apis/(?P<group>[^/]+))/[^/]+/namespaces/(?P<namespace>[^/]+)"
    r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+))?"
)
_BY_NAME = re.compile(r"metadata\.name==?([^,]+)")
_VERBS = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}


class Contents:
    """One Prompt Redis with its workers and its Argo CD application.

    Attributes
    ----------
    jobs, events
        The workers by instrument (see `set_jobs`), and the events of Prompt Redis: a test may
        change both.
    in_sync, paused
        What Argo CD says of the application, and whether KEDA is told to start no worker.
    allowed
        Decides a SelfSubjectAccessReview by its `resourceAttributes`; requests themselves are
        forbidden by a fault.
    """

    def __init__(self, token: str = TOKEN) -> None:
        self.jobs: dict[str, list[Json]] = {}
        self.events: list[Json] = recorded("events-list-rollout").body["items"]
        self.in_sync = True
        self.paused = False
        self.allowed: Callable[[Json], bool] = lambda _: True
        self._token = token
        self._rollout = Rollout()
        self.set_jobs("lsstcam", running=3, succeeded=2)

    @property
    def phase(self) -> Phase:
        """How far the rollout is."""
        return self._rollout.phase

    @phase.setter
    def phase(self, phase: Phase) -> None:
        self._rollout.enter(phase)

    @property
    def statefulset(self) -> Json:
        """The StatefulSet as a GET answers it now."""
        return self._rollout.statefulset

    @property
    def pod(self) -> Json | None:
        """The pod as a GET answers it now; None where there is none."""
        return self._rollout.pod

    @property
    def generation(self) -> int:
        """Of the StatefulSet: one more with every restart that is asked for."""
        return self._rollout.generation

    def set_jobs(
        self, instrument: str, *, running: int = 0, succeeded: int = 0, failed: int = 0
    ) -> None:
        """Let an instrument have these Jobs; one that was never set has no namespace."""
        made = jobs(instrument, running=running, succeeded=succeeded, failed=failed)
        self.jobs[instrument] = made

    def answer(self, call: Call) -> Recording:
        """Do what is asked, and say what came of it."""
        # The library writes the scheme in small letters for a pod's own token.
        scheme, _, token = call.authorization.partition(" ")
        if call.authorization and (scheme.lower(), token) != ("bearer", self._token):
            return recorded("error-401-bad-token")
        if call.path == "/version":
            return recorded("version")
        if not call.authorization:
            return recorded("error-403-anonymous")
        if call.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews":
            return self._review(call.body)
        target = _TARGET.fullmatch(call.path)
        if target is None:
            return recorded("error-404-no-such-resource")
        group, namespace, resource = target["group"] or "", target["namespace"], target["resource"]
        name, verb = target["name"] or "", _VERBS.get(call.method, "get")
        if not name and verb == "get":
            # RBAC takes the name out of such a selector, so that a Role can name the object.
            by_name = _BY_NAME.search(call.query.get("fieldSelector", ""))
            verb, name = "list", by_name[1] if by_name else ""
        perform = self._granted().get((namespace, group, resource, name, verb))
        if perform is None:
            return _forbidden(verb, group, resource, name, namespace)
        return perform(call)

    def _granted(self) -> dict[tuple[str, str, str, str, str], Callable[[Call], Recording]]:
        """The bot's Roles, and what is done by each right: namespace, group, resource, name, verb.

        Without a name a right is for all of the resource.
        """
        workload = ("prompt-redis", "apps", "statefulsets", "prompt-redis")
        pod = ("prompt-redis", "", "pods", "prompt-redis-0")
        application = ("argocd", "argoproj.io", "applications", "prompt-redis")
        rights = {
            (*workload, "get"): lambda _: _found(self.statefulset, *workload[1:]),
            (*workload, "patch"): self._patch,
            (*pod, "get"): lambda _: _found(self.pod, *pod[1:]),
            ("prompt-redis", "", "events", "", "list"): self._list_events,
            (*application, "get"): lambda _: self._application(),
        }
        for instrument in self.jobs:
            place = f"prompt-keda-{instrument}"
            rights[place, "batch", "jobs", "", "list"] = self._list_jobs
            rights[place, "keda.sh", "scaledjobs", place, "get"] = self._scaled_job
        return rights

    def _list_events(self, call: Call) -> Recording:
        return self._list(call, "EventList", self.events)

    def _list_jobs(self, call: Call) -> Recording:
        return self._list(call, "JobList", self.jobs[_instrument(call)])

    def _list(self, call: Call, kind: str, items: list[Json]) -> Recording:
        return listed(kind, self._rollout.version, items, call.query)

    def _patch(self, call: Call) -> Recording:
        if call.content_type != _STRATEGIC:
            # A real one would take a merge patch too; the bot sends what kubectl sends.
            return recorded("scaledjob-patch-strategic-415")
        return self._rollout.patch(call.body)

    def _application(self) -> Recording:
        return recorded(
            "application-get" if self.in_sync else "application-get-outofsync-progressing"
        )

    def _scaled_job(self, call: Call) -> Recording:
        answer = recorded("scaledjob-get-paused" if self.paused else "scaledjob-get")
        text = json.dumps(answer.body).replace("lsstcam", _instrument(call))
        return Recording("GET", "", {}, answer.status, answer.headers, json.loads(text))

    def _review(self, asked: Json) -> Recording:
        """Answer whether the bot may; a refusal gives no reason."""
        attributes = asked["spec"]["resourceAttributes"]
        answer = recorded(
            "selfsubjectaccessreview-patch-statefulset"
            if self.allowed(attributes)
            else "selfsubjectaccessreview-delete-pod"
        )
        answer.body["spec"]["resourceAttributes"] = {k: v for k, v in attributes.items() if v}
        return answer


def _instrument(call: Call) -> str:
    return call.path.partition("/namespaces/prompt-keda-")[2].partition("/")[0]


def _found(thing: Json | None, group: str, resource: str, name: str) -> Recording:
    if thing is not None:
        return Recording("GET", "", {}, 200, body=thing)
    details = {"name": name, "group": group, "kind": resource}
    details = {key: value for key, value in details.items() if value}
    message = f'{_qualified(group, resource)} "{name}" not found'
    return failure(404, "NotFound", message, details=details)


def _forbidden(verb: str, group: str, resource: str, name: str, namespace: str) -> Recording:
    details = {"name": name, "group": group, "kind": resource}
    details = {key: value for key, value in details.items() if value}
    what = f'{_qualified(group, resource)} "{name}"' if name else _qualified(group, resource)
    message = f'{what} is forbidden: User "{_BOT}" cannot {verb} resource "{resource}" in API '
    message += f'group "{group}" in the namespace "{namespace}"'
    return failure(403, "Forbidden", message, details=details)


def _qualified(group: str, resource: str) -> str:
    return f"{resource}.{group}" if group else resource


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
