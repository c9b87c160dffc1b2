"""The workload under a Prompt Redis: its StatefulSet, its pod, and how far a restart has come.

Kubernetes leaves counts of zero out, and calls a rollout complete that replaced no pod; what counts
as restarted here is stricter than what ``kubectl rollout status`` says. How far a restart has come
is read from Kubernetes and from Redis at every look, never remembered by a process: whoever looks
next goes on from there.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Self

from bot.domain.approvals import Request
from bot.domain.changes import Restarting
from bot.domain.streams import EntryId, Loading

RESTART_LIMIT = timedelta(minutes=10)
"""A restart that has not ended by then has failed, and holds no alarm any longer."""

LATE_ANSWER = timedelta(minutes=2)
"""A change that was sent, and is not there after this time, will not come: servers answer within
60 s, and the bot asks for less."""

SILENT_FOR = timedelta(minutes=2)
"""Redis is back, and Kubernetes has not answered for so long: nobody is kept waiting for it."""

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
class Permission:
    """One permission that the bot needs in Kubernetes, in a Role's words.

    The name is empty where it is for all of the resource.
    """

    verb: str
    group: str
    resource: str
    name: str
    namespace: str


PERMISSIONS = (
    Permission("get", "apps", "statefulsets", "{statefulset}", "{namespace}"),
    Permission("patch", "apps", "statefulsets", "{statefulset}", "{namespace}"),
    Permission("get", "", "pods", "{statefulset}-0", "{namespace}"),
    Permission("list", "", "events", "", "{namespace}"),
    Permission("list", "batch", "jobs", "", "{jobs}"),
    Permission("get", "keda.sh", "scaledjobs", "{jobs}", "{jobs}"),
    Permission("get", "argoproj.io", "applications", "{application}", "{argocd}"),
)
"""All of them; `check` asks for each, and the manifests grant them and no more."""


@dataclass(frozen=True)
class ClusterLocation:
    """Where a Prompt Redis runs in Kubernetes.

    Parameters
    ----------
    context
        Of the kubeconfig; None for the cluster in which this process runs.
    argocd
        Namespace and name of its application; None where it is not read.
    jobs
        Name of each instrument's ScaledJob and its namespace, with ``{instrument}`` in it; None
        where they are not read.
    """

    namespace: str
    statefulset: str
    context: str | None = None
    argocd: tuple[str, str] | None = None
    jobs: str | None = None

    @property
    def pod(self) -> str:
        """Name of its first pod."""
        return f"{self.statefulset}-0"

    def permissions(self, instruments: tuple[str, ...]) -> list[Permission]:
        """Give each permission that is needed here, its names filled in."""
        argocd, jobs = [self.argocd] if self.argocd else [], self.jobs or ""
        names = dict.fromkeys(jobs.format(instrument=each) for each in instruments)
        places: dict[str, list[dict[str, str]]] = {
            "{namespace}": [{"namespace": self.namespace, "statefulset": self.statefulset}],
            "{jobs}": [{"jobs": each} for each in names if each],
            "{argocd}": [{"argocd": where, "application": name} for where, name in argocd],
        }
        return [
            replace(each, name=each.name.format(**place), namespace=each.namespace.format(**place))
            for each in PERMISSIONS
            for place in places[each.namespace]
        ]


@dataclass(frozen=True)
class Pod:
    """One pod with one container, as Kubernetes tells of it.

    Parameters
    ----------
    name, uid
        The name stays when a pod is replaced, the UID does not.
    ready
        Whether it is Ready; of Redis that says nothing about its data being loaded.
    started
        Since when its container runs; None where it does not.
    leaving
        True while it is being stopped.
    waiting, why
        Why its container does not run, in Kubernetes' word and sentence; empty where it does.
    last_ended
        How its container ended last, such as ``OOMKilled``.
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
        """Tell whether every pod is another one than before, runs, and is all that is wanted."""
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
    """Something that Kubernetes reports of the workload, in a word and in a sentence.

    `at` is when it was last seen; None where nobody knows.
    """

    at: datetime | None
    reason: str
    text: str


@dataclass(frozen=True)
class Jobs:
    """The workers of one instrument that run, and as many as KEDA starts.

    Nothing is known of KEDA where its ScaledJob may not be read.
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


class Hindrance(Enum):
    """Why a restart would replace no pod, or not what was planned; the value is for the audit."""

    NO_REPLICAS = "no_replicas"
    ON_DELETE = "on_delete"
    PARTITION = "partition"
    STUCK = "stuck"
    CHANGED = "changed"
    REPLACED = "replaced"


def hindrance(workload: Workload) -> Hindrance | None:
    """Tell why a restart would replace no pod, although Kubernetes would take it."""
    if workload.replicas == 0:
        return Hindrance.NO_REPLICAS
    if workload.strategy != ROLLING:
        return Hindrance.ON_DELETE
    if workload.partition > 0:
        return Hindrance.PARTITION
    if workload.stuck is not None:
        return Hindrance.STUCK
    return None


def hindrance_since(workload: Workload, plan: Restarting) -> Hindrance | None:
    """Tell why a plan no longer holds; None where it does."""
    if workload.generation != plan.generation:
        return Hindrance.CHANGED
    if workload.uids != plan.uids:
        return Hindrance.REPLACED
    return hindrance(workload)


def stamp(request: Request) -> str:
    """Give the time of an approval as Kubernetes is told it: the same from every process."""
    at = request.started or request.asked
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Progress:
    """A restart as it was seen last.

    Parameters
    ----------
    asked
        When it was approved, and asked of Kubernetes.
    known
        Whether Kubernetes was seen to have taken it.
    stopped, started
        When the old pod was gone, and when the new one's container ran.
    replaced
        Whether every pod is replaced and Ready.
    loading
        How far Redis has read its data; None where it does not read.
    answered
        When the new Redis was first seen to answer.
    away
        When Redis was first seen not to answer.
    redis, cluster
        What is the matter with Redis and with Kubernetes at this look; empty where nothing is.
    heard
        When Kubernetes answered last.
    other
        When somebody else asked for a further restart, as it is written; empty where nobody did.
    """

    asked: datetime
    at: datetime
    known: bool = False
    stopped: datetime | None = None
    started: datetime | None = None
    replaced: bool = False
    loading: Loading | None = None
    answered: datetime | None = None
    away: datetime | None = None
    redis: str = ""
    cluster: str = ""
    heard: datetime | None = None
    pod: Pod | None = None
    image: str = ""
    other: str = ""

    @property
    def back(self) -> bool:
        """True if pods and Redis are as they should be, as far as anybody can tell."""
        if self.answered is None:
            return False
        heard = self.heard or self.asked
        return self.replaced or (bool(self.cluster) and self.at - heard >= SILENT_FOR)

    @property
    def overdue(self) -> bool:
        """True if it has lasted for too long."""
        return self.at - self.asked >= RESTART_LIMIT

    @property
    def never_asked(self) -> bool:
        """True if Kubernetes was not told, and will not be any more."""
        return not self.known and not self.cluster and self.at - self.asked >= LATE_ANSWER

    def saw_cluster(self, workload: Workload, plan: Restarting, wanted: str) -> Self:
        """Fold what Kubernetes shows; `wanted` is the stamp of this restart."""
        fresh = [pod for pod in workload.pods if pod.uid not in plan.uids]
        gone = len(fresh) == len(workload.pods)
        # No earlier than it was asked for: the cluster's clock may be another one.
        made = [max(pod.created, self.asked) for pod in fresh if pod.created is not None]
        runs = [max(pod.started, self.asked) for pod in fresh if pod.started is not None]
        ours = workload.stamp == wanted
        known = self.known or ours or workload.generation != plan.generation
        return replace(
            self,
            known=known,
            # The next pod is made as soon as the old one is gone.
            stopped=min([*made, self.stopped or self.at]) if gone else None,
            started=max(runs) if gone and fresh and len(runs) == len(fresh) else None,
            replaced=known and workload.replaced(plan.uids),
            cluster="",
            heard=self.at,
            pod=workload.stuck or next(iter(workload.pods), None),
            image=workload.image,
            other="" if ours or not known else workload.stamp,
        )


@dataclass(frozen=True)
class StreamAfter:
    """What a restart has left of one stream.

    Parameters
    ----------
    waiting
        Entries that wait; None where there is no group.
    stood
        Where its group stood before, which is missing now; None where none is.
    before, after
        When the last visit before the restart was announced, and the first one since; None where
        nobody knows, or none was.
    """

    instrument: str
    waiting: int | None
    stood: EntryId | None
    before: datetime | None
    after: datetime | None


@dataclass(frozen=True)
class Restarted:
    """How a restart has ended, well or not.

    Parameters
    ----------
    version
        Which Redis answers now; empty where nobody could ask.
    streams
        What is left of each; empty where Redis does not answer.
    events
        What Kubernetes reported last, where it has not ended well.
    """

    progress: Progress
    plan: Restarting
    version: str = ""
    streams: tuple[StreamAfter, ...] = ()
    events: tuple[str, ...] = ()
