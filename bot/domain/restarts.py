"""How far a restart has come: what was seen of it so far, of Kubernetes and of Redis itself.

Read from both at every look, never remembered by a process: whoever looks next goes on from there.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Self

from bot.domain.approvals import Request
from bot.domain.bounds import Restarting
from bot.domain.streams import Loading
from bot.domain.workloads import GIVEN_UP_AFTER, LATE_ANSWER, ROLLING, Pod, Workload

SILENT_FOR = timedelta(minutes=2)
"""Redis is back, and Kubernetes has not answered for so long: nobody is kept waiting for it."""


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


def outdated(workload: Workload, plan: Restarting) -> Hindrance | None:
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
    at
        When it was looked at.
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
    pod
        The pod, as last seen.
    image
        What the StatefulSet runs.
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
        return self.at - self.asked >= GIVEN_UP_AFTER

    @property
    def never_asked(self) -> bool:
        """True if Kubernetes was not told, and will not be any more."""
        return not self.known and not self.cluster and self.at - self.asked >= LATE_ANSWER

    def saw_cluster(self, workload: Workload, plan: Restarting, wanted: str) -> Self:
        """Fold what Kubernetes shows.

        Parameters
        ----------
        workload
            As it is now.
        plan
            With the pods that were to be replaced.
        wanted
            The stamp of this restart.
        """
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
