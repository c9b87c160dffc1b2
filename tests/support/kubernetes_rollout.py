"""The StatefulSet `prompt-redis` and its pod, in one phase of a rollout after the other.

What they look like is recorded; generation, revisions, annotations, the pod's UID and the
resourceVersions are carried from phase to phase, so that they fit what was patched.
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args
from uuid import uuid4

from tests.support.kubernetes_recordings import Json, Recording, failure, recorded

Phase = Literal[
    "stable",
    "not_observed",
    "old_pod_terminating",
    "no_pod",
    "new_pod_not_ready",
    "complete",
    "crashloop",
    "pull_error",
    "unschedulable",
    "ondelete",
    "partition",
    "replicas0",
]
"""A rollout goes through the second to the sixth; the others are where it can get stuck or end."""

J = TypeVar("J", Json, Json | None)

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"

_STATEFULSETS: dict[Phase, str] = {
    "stable": "stable",
    "not_observed": "phase1-not-observed",
    "old_pod_terminating": "phase2-old-pod-terminating",
    "new_pod_not_ready": "phase3-new-pod-not-ready",
    "complete": "phase4-complete",
    "crashloop": "failed-crashloop",
    "pull_error": "failed-pull-error",
    "unschedulable": "failed-unschedulable",
    "ondelete": "ondelete-after-restart",
    "partition": "partition1-after-restart",
    "replicas0": "replicas0",
}
_NEW_PODS: dict[Phase, str] = {
    "new_pod_not_ready": "phase3-new-pod-not-ready",
    "complete": "phase4-complete",
    "crashloop": "failed-crashloop",
    "pull_error": "failed-pull-error",
    "unschedulable": "failed-unschedulable",
}
_WITHOUT_POD = frozenset[Phase]({"no_pod", "replicas0"})
_AT_REST = frozenset[Phase]({"stable", "complete"})
_WITHOUT_RESTART = frozenset[Phase]({"stable", "replicas0"})


@dataclass(frozen=True)
class _Template:
    """A pod template, as far as it ever changes here."""

    annotations: Mapping[str, str]
    revision: str


@dataclass(frozen=True)
class _Pod:
    uid: str
    template: _Template


class Rollout:
    """The two objects as they are now."""

    def __init__(self) -> None:
        self.statefulset: Json = recorded("statefulset-get-stable").body
        self.pod: Json | None = recorded("pod-get-stable").body
        self.version = int(self.statefulset["metadata"]["resourceVersion"])
        self._news = asyncio.Event()
        self._phase: Phase = "stable"
        self._patched = False
        self._annotations: dict[str, str] = {}
        self._generation = self._observed = int(self.statefulset["metadata"]["generation"])
        revision = self.statefulset["status"]["currentRevision"]
        self._first = self._template = _Template({}, revision)
        self._current = self._wanted = revision
        uid = recorded("pod-get-stable").body["metadata"]["uid"]
        self._now: _Pod | None = _Pod(uid, self._template)
        self._uids = {uid}

    @property
    def phase(self) -> Phase:
        return self._phase

    def enter(self, phase: Phase) -> None:
        """Show this phase from now on; the same one again changes nothing."""
        if phase not in get_args(Phase):
            raise ValueError(f"No such phase: {phase}")
        if phase == self._phase:
            return
        before, self._phase = self._phase, phase
        self._assume_restart()
        if phase != "not_observed":
            self._observe()
        if phase in _WITHOUT_POD:
            self._now = None
        elif self._now is None or (phase in _NEW_PODS and before not in _NEW_PODS):
            self._now = _Pod(self._new_uid(), self._template)
        if phase in _AT_REST and self._now is not None:
            self._current = self._now.template.revision
        elif phase == "replicas0":
            self._current = self._template.revision
        self._publish()

    def patch(self, change: Json) -> Recording:
        """Merge annotations into the StatefulSet, or refuse, as the API server does."""
        metadata = dict(change.get("metadata", {}))
        version = metadata.pop("resourceVersion", None)
        if version not in {None, self.statefulset["metadata"]["resourceVersion"]}:
            return recorded("error-409-patch-stale-resourceversion")
        if change.get("spec", {}).keys() - {"template"}:
            return recorded("error-422-invalid")
        template = dict(change.get("spec", {}).get("template", {}).get("metadata", {}))
        own, pods = metadata.pop("annotations", {}), template.pop("annotations", {})
        if _beyond(own, pods, change) or metadata or template:
            return failure(501, "", f"This server merges annotations, and nothing else: {change}")
        annotations = _merged(self._template.annotations, pods)
        restarted = annotations != self._template.annotations
        self._annotations = _merged(self._annotations, own)
        if restarted:
            self._template = self._template_with(annotations)
            self._generation += 1
            self._patched = True
            if self._phase in _AT_REST:
                self._phase = "not_observed"
        self._publish()
        answer = Recording("PATCH", "", {}, 200, body=deepcopy(self.statefulset))
        if restarted and self._phase != "not_observed":
            # Its controller sees the change a moment later, and has nothing that it could replace.
            self._observe()
            self._publish()
        return answer

    @property
    def generation(self) -> int:
        """It goes up by one with every new template."""
        return self._generation

    async def news(self) -> None:
        """Wait for the next change, or request."""
        await self._news.wait()

    def wake(self) -> None:
        """End every wait for news."""
        self._news.set()
        self._news = asyncio.Event()

    def _assume_restart(self) -> None:
        """Let a rollout that nobody asked for here be one that somebody else has begun."""
        if self._patched or self._phase in _WITHOUT_RESTART or self._wanted != self._current:
            return
        # In the first phase the recorded revision is still the old one; in the gap it is the same.
        seen = self._phase not in {"not_observed", "no_pod"}
        look = _recorded_statefulset(self._phase if seen else "old_pod_terminating")
        annotations = look["spec"]["template"]["metadata"]["annotations"]
        self._template = _Template(annotations, look["status"]["updateRevision"])
        self._generation += 1

    def _observe(self) -> None:
        self._observed, self._wanted = self._generation, self._template.revision

    def _template_with(self, annotations: Mapping[str, str]) -> _Template:
        if annotations == self._first.annotations:
            return self._first
        text = json.dumps(dict(annotations), sort_keys=True)
        return _Template(
            annotations, f"prompt-redis-{hashlib.sha256(text.encode()).hexdigest()[:10]}"
        )

    def _new_uid(self) -> str:
        """The recorded UID for the first pod of a kind, another one for each further one."""
        name = _NEW_PODS.get(self._phase)
        uid = "" if name is None else _recorded_pod(name)["metadata"]["uid"]
        if not uid or uid in self._uids:
            uid = str(uuid4())
        self._uids.add(uid)
        return uid

    def _publish(self) -> None:
        """Draw both anew; what has changed gets a resourceVersion."""
        self.pod = self._next(self.pod, self._draw_pod())
        self.statefulset = self._next(self.statefulset, self._draw_statefulset())
        self.wake()

    def _next(self, before: J, after: J) -> J:
        if _same(before, after):
            return before
        self.version += 1
        if after is not None:
            after["metadata"]["resourceVersion"] = str(self.version)
        return after

    def _draw_statefulset(self) -> Json:
        look = _recorded_statefulset(
            "complete" if self._phase == "stable" and self._template.annotations else self._phase
        )
        look["metadata"]["generation"] = self._generation
        _annotate(look["metadata"], self._annotations)
        _annotate(look["spec"]["template"]["metadata"], self._template.annotations)
        status = look["status"]
        status["observedGeneration"] = self._observed
        status["currentRevision"], status["updateRevision"] = self._current, self._wanted
        if self._phase in _AT_REST and self._current != self._wanted:
            # Restarted once more in the middle: the next rollout has not touched its pod yet.
            status.pop("updatedReplicas")
        return look

    def _draw_pod(self) -> Json | None:
        if self._now is None:
            return None
        annotations = self._now.template.annotations
        name = _NEW_PODS.get(self._phase, "phase4-complete" if annotations else "stable")
        look = _recorded_pod(name)
        metadata = look["metadata"]
        metadata["uid"] = self._now.uid
        metadata["labels"]["controller-revision-hash"] = self._now.template.revision
        _annotate(metadata, annotations)
        if self._phase == "old_pod_terminating":
            leaving = _recorded_pod("phase2-old-pod-terminating")["metadata"]
            for key in ("generation", "deletionTimestamp", "deletionGracePeriodSeconds"):
                metadata[key] = leaving[key]
        return look


def _recorded_statefulset(phase: Phase) -> Json:
    if phase == "no_pod":
        # Nobody asked in this moment, but a watch was told of it.
        lines = recorded("watch-statefulset-rollout-unheld").lines or []
        gap: Json = next(
            line["object"] for line in lines if line["object"]["status"]["replicas"] == 0
        )
        return gap
    look: Json = recorded(f"statefulset-get-{_STATEFULSETS[phase]}").body
    return look


def _recorded_pod(name: str) -> Json:
    """The one pod of a recorded list; in a list, items have neither kind nor apiVersion."""
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        **recorded(f"pods-list-{name}").body["items"][0],
    }


def _annotate(metadata: Json, annotations: Mapping[str, str]) -> None:
    metadata.pop("annotations", None)
    if annotations:
        metadata["annotations"] = dict(annotations)


def _merged(annotations: Mapping[str, str], change: Mapping[str, str | None]) -> dict[str, str]:
    """Merge as Kubernetes does: null removes."""
    both = {**annotations, **change}
    return {key: value for key, value in both.items() if value is not None}


def _beyond(own: object, pods: object, change: Json) -> bool:
    """Tell whether there is more in a patch than two sets of annotations with text in them."""
    rest = change.keys() - {"metadata", "spec", "apiVersion", "kind"}
    more = change.get("spec", {}).get("template", {}).keys() - {"metadata"}
    texts = all(
        isinstance(each, dict)
        and all(value is None or isinstance(value, str) for value in each.values())
        for each in (own, pods)
    )
    return bool(rest or more) or not texts


def _same(one: Json | None, other: Json | None) -> bool:
    """Compare without the resourceVersion."""
    if one is None or other is None:
        return one is other
    version = other["metadata"]["resourceVersion"]
    return one | {"metadata": one["metadata"] | {"resourceVersion": version}} == other
