"""Kubernetes, as far as Prompt Redis needs it: its StatefulSet, its pod, its workers' jobs."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.clients.kubernetes_answers import (
    About,
    application_of,
    error_of,
    event_of,
    jobs_of,
    pod_of,
    workload_of,
)
from bot.clients.kubernetes_connection import CALL_LIMIT, Connection, Load
from bot.domain.errors import ClusterError, ClusterForbidden, ClusterMissing
from bot.domain.workloads import (
    RESTARTED_AT,
    RIGHTS,
    Application,
    Event,
    Jobs,
    Pod,
    Right,
    Workload,
)

_log = structlog.get_logger()

CHANGE_LIMIT = 10.0
"""Seconds, for the server too."""

WATCHED_FOR = 45
"""Seconds after which a watch ends and is begun anew, as Kubernetes' own clients do."""

AGAIN_AFTER = 2.0
"""Seconds from the end of a watch that failed to the next one."""

JOBS_IN_A_PAGE = 250
"""Some 2 MiB of JSON."""

_MOST_PAGES = 20

_APPS = "/apis/apps/v1/namespaces"
_CORE = "/api/v1/namespaces"


@dataclass(frozen=True)
class Site:
    """Where a Prompt Redis runs in Kubernetes.

    Parameters
    ----------
    namespace, statefulset
        Of Redis.
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

    def rights(self, instruments: tuple[str, ...]) -> list[tuple[Right, str]]:
        """Give each right that is needed here, its names filled in, and its namespace."""
        application = self.argocd[1] if self.argocd else ""
        places: dict[str, list[tuple[str, str]]] = {
            "redis": [(self.namespace, "")],
            "argocd": [(self.argocd[0], "")] if self.argocd else [],
            "jobs": [],
        }
        if self.jobs is not None:
            names = dict.fromkeys(self.jobs.format(instrument=each) for each in instruments)
            places["jobs"] = [(name, name) for name in names]
        found = []
        for right in RIGHTS:
            for namespace, jobs in places[right.where]:
                name = right.name.format(
                    statefulset=self.statefulset, application=application, jobs=jobs
                )
                wanted = Right(right.verb, right.group, right.resource, name, right.where)
                found.append((wanted, namespace))
        return found


class Kubernetes:
    """The Prompt Redis of one environment, in Kubernetes.

    Every method raises `ClusterError` where Kubernetes does not do its part.

    Parameters
    ----------
    site
        Where it is.
    kubeconfig
        Path of the kubeconfig, where the site names a context; None for the usual place.
    load
        Fills a client configuration otherwise.
    limit
        Seconds for a call.
    """

    def __init__(
        self,
        site: Site,
        *,
        kubeconfig: str | None = None,
        load: Load | None = None,
        limit: float = CALL_LIMIT,
    ) -> None:
        self._site = site
        self._limit = limit
        self._connection = Connection(site.context, kubeconfig=kubeconfig, load=load, limit=limit)

    async def aclose(self) -> None:
        """Close its connections."""
        await self._connection.aclose()

    async def workload(self) -> Workload:
        """Look at the StatefulSet and its pods."""
        site = self._site
        path = f"{_APPS}/{site.namespace}/statefulsets/{site.statefulset}"
        about = About("get", "statefulsets.apps", site.statefulset, site.namespace)
        statefulset, first = await asyncio.gather(self._get(path, about), self._pod(0))
        replicas = statefulset["spec"].get("replicas", 1)
        others = await asyncio.gather(*(self._pod(number) for number in range(1, replicas)))
        pods = tuple(pod for pod in (first, *others) if pod is not None)
        return workload_of(statefulset, pods)

    async def restart(self, stamp: str, version: str) -> None:
        """Ask for a rollout restart, as kubectl does.

        Raises
        ------
        ClusterConflict
            If the StatefulSet is another one than was read, by its resourceVersion.
        ClusterUnreachable
            If no answer came. It may have been done, or be done later; look before you speak. The
            same stamp once more changes nothing.

        Parameters
        ----------
        stamp
            The time of the request, which makes it this one.
        version
            The resourceVersion that was read.
        """
        site = self._site
        annotations = {RESTARTED_AT: stamp}
        body = {
            "metadata": {"resourceVersion": version},
            "spec": {"template": {"metadata": {"annotations": annotations}}},
        }
        await self._connection.call(
            "PATCH",
            f"{_APPS}/{site.namespace}/statefulsets/{site.statefulset}",
            About("patch", "statefulsets.apps", site.statefulset, site.namespace),
            query={"fieldManager": "prompt-redis-bot", "timeout": f"{CHANGE_LIMIT:.0f}s"},
            body=body,
            content="application/strategic-merge-patch+json",
            limit=CHANGE_LIMIT,
        )

    async def events(self, limit: int = 5) -> tuple[Event, ...]:
        """Give what Kubernetes reported last of the StatefulSet and its first pod, newest last."""
        site = self._site
        found: list[Event] = []
        for name in (site.statefulset, site.pod):
            answer = await self._get(
                f"{_CORE}/{site.namespace}/events",
                About("list", "events", "", site.namespace),
                {"fieldSelector": f"involvedObject.name={name}", "limit": "100"},
            )
            found += [event_of(each) for each in answer["items"]]
        found.sort(key=lambda event: event.at or datetime.min.replace(tzinfo=UTC))
        return tuple(found[-limit:])

    async def jobs(self, instrument: str) -> Jobs | None:
        """Count the jobs that run for an instrument; None where that is not configured."""
        if self._site.jobs is None:
            return None
        name = self._site.jobs.format(instrument=instrument)
        running, scaled = await asyncio.gather(self._running(name), self._scaled(name))
        return jobs_of(running, scaled)

    async def application(self) -> Application | None:
        """Ask Argo CD how the deployment is; None where that is not configured."""
        if self._site.argocd is None:
            return None
        namespace, name = self._site.argocd
        path = f"/apis/argoproj.io/v1alpha1/namespaces/{namespace}/applications/{name}"
        about = About("get", "applications.argoproj.io", name, namespace)
        return application_of(await self._get(path, about))

    async def may(self, right: Right, namespace: str) -> bool:
        """Ask whether the bot has a right; asking needs none."""
        attributes = {
            "namespace": namespace,
            "verb": right.verb,
            "group": right.group,
            "resource": right.resource,
        }
        if right.name:
            attributes["name"] = right.name
        answer = await self._connection.call(
            "POST",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
            About("create", "selfsubjectaccessreviews.authorization.k8s.io", "", "the cluster"),
            body={
                "apiVersion": "authorization.k8s.io/v1",
                "kind": "SelfSubjectAccessReview",
                "spec": {"resourceAttributes": attributes},
            },
        )
        return bool(answer["status"]["allowed"])

    @asynccontextmanager
    async def changes(self) -> AsyncIterator[asyncio.Event]:
        """Give an event that is set whenever the pod has changed, as far as a watch tells.

        It only saves waiting: whoever is woken looks for themselves, and looks every few seconds
        without being woken, for watches end, are cut off, and may be forbidden.
        """
        changed = asyncio.Event()
        watching = asyncio.create_task(self._watch(changed), name="watch of the pod")
        try:
            yield changed
        finally:
            watching.cancel()
            with suppress(asyncio.CancelledError):
                await watching

    async def _watch(self, changed: asyncio.Event) -> None:
        while True:
            try:
                await self._watch_once(changed)
            except ClusterForbidden:
                return
            except (ClusterError, ValueError) as error:
                # A line that was cut off is no JSON.
                _log.info("a watch ended", reason=str(error))
                await asyncio.sleep(AGAIN_AFTER)

    async def _watch_once(self, changed: asyncio.Event) -> None:
        """List the pod, and tell of each change after that until the watch ends."""
        site = self._site
        path = f"{_CORE}/{site.namespace}/pods"
        only = {"fieldSelector": f"metadata.name={site.pod}"}
        listed = await self._get(path, About("list", "pods", site.pod, site.namespace), only)
        changed.set()
        # From the list's version: the pod's own may be too old by far.
        query = only | {
            "watch": "1",
            "resourceVersion": listed["metadata"]["resourceVersion"],
            "timeoutSeconds": str(WATCHED_FOR),
        }
        async with self._connection.request(
            "GET", path, query=query, limit=WATCHED_FOR + self._limit
        ) as response:
            if response.status != 200:  # noqa: PLR2004 -- HTTP's word for it
                about = About("watch", "pods", site.pod, site.namespace)
                raise error_of(response.status, await response.read(), about)
            async for line in response.content:
                if json.loads(line)["type"] == "ERROR":
                    # Too old a version (410), or a time limit of the server's own: listed anew.
                    return
                changed.set()

    async def _pod(self, number: int) -> Pod | None:
        site = self._site
        name = f"{site.statefulset}-{number}"
        try:
            path = f"{_CORE}/{site.namespace}/pods/{name}"
            return pod_of(await self._get(path, About("get", "pods", name, site.namespace)))
        except ClusterMissing:
            return None

    async def _running(self, namespace: str) -> int:
        running, onwards = 0, ""
        for _ in range(_MOST_PAGES):
            query = {"limit": str(JOBS_IN_A_PAGE)} | ({"continue": onwards} if onwards else {})
            path = f"/apis/batch/v1/namespaces/{namespace}/jobs"
            answer = await self._get(path, About("list", "jobs.batch", "", namespace), query)
            running += sum(bool(each.get("status", {}).get("active")) for each in answer["items"])
            onwards = answer.get("metadata", {}).get("continue", "")
            if not onwards:
                break
        return running

    async def _scaled(self, name: str) -> Mapping[str, Any] | None:
        path = f"/apis/keda.sh/v1alpha1/namespaces/{name}/scaledjobs/{name}"
        try:
            found: Mapping[str, Any] = await self._get(
                path, About("get", "scaledjobs.keda.sh", name, name)
            )
        except (ClusterForbidden, ClusterMissing):
            return None
        return found

    async def _get(self, path: str, about: About, query: Mapping[str, str] | None = None) -> Any:
        return await self._connection.call("GET", path, about, query=query)
