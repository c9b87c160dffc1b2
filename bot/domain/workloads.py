"""The workload under a Prompt Redis: its StatefulSet, its pod, and how far a restart has come.

Kubernetes leaves counts of zero out, and calls a rollout complete that replaced no pod; what counts
as restarted here is stricter than what ``kubectl rollout status`` says.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

GIVEN_UP_AFTER = timedelta(minutes=10)
"""A restart that has not ended by then has failed, and holds no alarm any longer."""

LATE_ANSWER = timedelta(minutes=2)
"""A change that was sent, and is not there after this time, will not come: servers answer within
60 s, and the bot asks for less."""

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""The annotation on the pod template by which kubectl asks for a rollout restart."""

ROLLING = "RollingUpdate"

_STUCK = frozenset(
    {
        "CrashLoopBackOff",
        "CreateContainerConfigError",
        "CreateContainerError",
        "ErrImageNeverPull",
        "ErrImagePull",
        "ImageInspectError",
        "ImagePullBackOff",
        "InvalidImageName",
        "RunContainerError",
        "Unschedulable",
    }
)
"""Reasons that do not pass by themselves: a second restart replaces no pod that has one."""


@dataclass(frozen=True)
class Right:
    """One right that the bot needs in Kubernetes.

    Parameters
    ----------
    verb, group, resource, name
        As a Role has them; the name is empty where it is for all of the resource.
    where
        In which namespace: ``redis``, ``jobs`` or ``argocd``.
    """

    verb: str
    group: str
    resource: str
    name: str
    where: str


RIGHTS = (
    Right("get", "apps", "statefulsets", "{statefulset}", "redis"),
    Right("patch", "apps", "statefulsets", "{statefulset}", "redis"),
    Right("get", "", "pods", "{statefulset}-0", "redis"),
    Right("list", "", "pods", "{statefulset}-0", "redis"),
    Right("watch", "", "pods", "{statefulset}-0", "redis"),
    Right("list", "", "events", "", "redis"),
    Right("list", "batch", "jobs", "", "jobs"),
    Right("get", "keda.sh", "scaledjobs", "{jobs}", "jobs"),
    Right("get", "argoproj.io", "applications", "{application}", "argocd"),
)
"""All of them; `check` asks for each, and the manifests grant them and no more."""


@dataclass(frozen=True)
class Pod:
    """One pod, as Kubernetes tells of it.

    Parameters
    ----------
    name, uid
        The name stays when a pod is replaced, the UID does not.
    ready
        Whether it is Ready; of Redis that says nothing about its data being loaded.
    image
        What its container runs.
    created, started
        When it was made, and since when its container runs; None where it does not.
    leaving
        True while it is being stopped.
    restarts
        How often its container was started again.
    waiting, why
        Why its container does not run, in Kubernetes' word and sentence; empty where it does.
    last_ended, last_ended_at
        How its container ended last, such as ``OOMKilled``, and when.
    """

    name: str
    uid: str
    ready: bool
    image: str = ""
    created: datetime | None = None
    started: datetime | None = None
    leaving: bool = False
    restarts: int = 0
    waiting: str = ""
    why: str = ""
    last_ended: str = ""
    last_ended_at: datetime | None = None

    @property
    def stuck(self) -> bool:
        """True if it does not start, and waiting or restarting will not help."""
        return self.waiting in _STUCK


@dataclass(frozen=True)
class Workload:
    """A StatefulSet and its pods at one moment.

    Parameters
    ----------
    name
        Of the StatefulSet.
    version
        Its resourceVersion: a change that carries it is refused once anything else has changed.
    generation, observed
        Number of its specification, and the one that its controller has seen.
    replicas, ready, updated
        Pods wanted, Ready, and made from the newest specification.
    revision, wanted_revision
        Of the pods that were, and of those that shall be.
    strategy, partition
        How pods are replaced; those below the partition are not.
    stamp
        When a restart was last asked for, as it is written; empty where none was.
    image, chart
        What it runs, and by which chart it was deployed.
    storage
        What its data is kept on; empty where it is kept on nothing.
    append_only
        Whether Redis is told to keep an append-only file; None where its arguments do not say.
    memory_limit
        Of its container, in bytes; None where there is none.
    pods
        Those that are there now.
    """

    name: str
    version: str
    generation: int
    observed: int
    replicas: int
    ready: int
    updated: int
    revision: str
    wanted_revision: str
    strategy: str = ROLLING
    partition: int = 0
    stamp: str = ""
    image: str = ""
    chart: str = ""
    storage: str = ""
    append_only: bool | None = None
    memory_limit: int | None = None
    pods: tuple[Pod, ...] = ()

    @property
    def rolling_out(self) -> bool:
        """True while pods are being replaced, or wait to be."""
        return (
            self.observed < self.generation
            or self.revision != self.wanted_revision
            or any(pod.leaving for pod in self.pods)
        )

    @property
    def stuck(self) -> Pod | None:
        """The pod that does not start and will not by itself; None where there is none."""
        return next((pod for pod in self.pods if pod.stuck), None)

    @property
    def uids(self) -> tuple[str, ...]:
        """UIDs of its pods, in their order."""
        return tuple(pod.uid for pod in self.pods)

    def replaced(self, before: Collection[str]) -> bool:
        """Tell whether every pod is another one than before, runs, and is all that is wanted.

        Parameters
        ----------
        before
            UIDs of the pods that were to be replaced.
        """
        fresh = [pod for pod in self.pods if pod.uid not in before and not pod.leaving]
        return (
            self.replicas > 0
            and self.observed >= self.generation
            and self.revision == self.wanted_revision
            and self.ready == self.updated == self.replicas == len(fresh)
            and all(pod.ready for pod in fresh)
        )


@dataclass(frozen=True)
class Event:
    """Something that Kubernetes reports of the workload.

    Parameters
    ----------
    at
        When it was last seen; None where nobody knows.
    reason, text
        In a word, and in a sentence.
    warning
        True where it is no ordinary one.
    """

    at: datetime | None
    reason: str
    text: str
    warning: bool = False


@dataclass(frozen=True)
class Jobs:
    """The workers of one instrument, as KEDA runs them.

    Parameters
    ----------
    running
        Jobs that run now.
    most
        As many as KEDA starts; None where that may not be read.
    paused
        Whether KEDA is told to start none; None where that may not be read.
    """

    running: int
    most: int | None = None
    paused: bool | None = None


@dataclass(frozen=True)
class Application:
    """What Argo CD says of the deployment: ``Synced``, ``Healthy``, ``Succeeded``."""

    sync: str
    health: str
    phase: str = ""
