"""Kubernetes, as far as Prompt Redis needs it: its StatefulSet, its pod, its workers' jobs.

Calls are raw JSON through the library's own client: it keeps configuration, TLS and the token's
rotation; its typed APIs would cost a second and 90 MiB, and are not imported. It is imported with
the first call, in a thread. Every call has a time limit, none is repeated by itself, and none goes
through a proxy of the environment. Counts of zero are absent in Kubernetes' answers, not 0.
"""

import asyncio
import importlib
import json
import ssl
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog

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
    RESTARTED_AT,
    ROLLING,
    Application,
    ClusterLocation,
    Event,
    Jobs,
    Permission,
    Pod,
    Workload,
)

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

_log = structlog.get_logger()

CALL_LIMIT = 3.0
"""Seconds; the library's own limit is 300."""

CHANGE_LIMIT = 10.0
"""Seconds, for the server too."""

JOBS_IN_A_PAGE = 250
"""Some 2 MiB of JSON."""

_MOST_PAGES = 20
_LONGEST = 300
"""Characters of a sentence of Kubernetes' that are kept."""

_METHODS = {"create": "POST", "patch": "PATCH"}
_ALPHA = {"argoproj.io", "keda.sh"}
"""API groups that are read in version v1alpha1; the others are in v1."""

_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15}
_UNITS |= {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}


@dataclass(frozen=True)
class _Call:
    """A call, and what it is about as a Role names it: ``get``, ``statefulsets.apps``.

    The name is empty for all of a resource, the namespace where it is in none. The body is sent as
    JSON of the type `content`; the limit is in seconds.
    """

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    content: str = "application/json"
    limit: float | None = None

    @property
    def method(self) -> str:
        return _METHODS.get(self.verb, "GET")

    @property
    def path(self) -> str:
        plural, _, group = self.resource.partition(".")
        version = "v1alpha1" if group in _ALPHA else "v1"
        parts = ["apis", group, version] if group else ["api", version]
        if self.namespace:
            parts += ["namespaces", self.namespace]
        return "/".join(["", *parts, plural, *([self.name] if self.name else [])])

    def failed(self, status: int, body: bytes) -> ClusterError:
        """Give the error behind a status that is none of success; the body may be any text."""
        match status:
            case 401:
                return ClusterUnreachable(ClusterTrouble.TOKEN)
            case 403:
                where = self.namespace or "the cluster"
                return ClusterForbidden(self.verb, self.resource, self.name, where)
            case 404:
                return ClusterMissing(self.resource, self.name, self.namespace)
            case 409:
                return ClusterConflict()
            case _ if status in (408, 429) or status >= 500:  # noqa: PLR2004 -- the server's own
                return ClusterUnreachable(ClusterTrouble.UNWELL)
            case _:
                return ClusterRefused(status, _sentence(body))


class KubernetesCluster:
    """The Prompt Redis of one environment, in Kubernetes.

    Every method raises `ClusterError` where Kubernetes does not do its part.

    Parameters
    ----------
    kubeconfig
        Its path, where the location names a context; None for the usual place.
    load
        Fills a client configuration of the library's otherwise.
    limit
        Seconds for a call.
    """

    def __init__(
        self,
        location: ClusterLocation,
        *,
        kubeconfig: str | None = None,
        load: Callable[[Any], None] | None = None,
        limit: float = CALL_LIMIT,
    ) -> None:
        self._location = location
        self._kubeconfig = kubeconfig
        self._load = load
        self._limit = limit
        self._opening = asyncio.Lock()
        self._api: ApiClient | None = None
        self._retired: ApiClient | None = None

    async def aclose(self) -> None:
        """Close its connections."""
        await self._forget()
        await self._forget()

    async def workload(self) -> Workload:
        """Look at the StatefulSet and its pods."""
        its = self._location
        get = _Call("get", "statefulsets.apps", its.namespace, its.statefulset)
        statefulset, first = await asyncio.gather(self._answer(get), self._pod(0))
        replicas = statefulset["spec"].get("replicas", 1)
        others = await asyncio.gather(*(self._pod(number) for number in range(1, replicas)))
        pods = tuple(pod for pod in (first, *others) if pod is not None)
        return _workload(statefulset, pods)

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
        its = self._location
        template = {"metadata": {"annotations": {RESTARTED_AT: stamp}}}
        patch = _Call(
            "patch",
            "statefulsets.apps",
            its.namespace,
            its.statefulset,
            query={"fieldManager": "prompt-redis-bot", "timeout": f"{CHANGE_LIMIT:.0f}s"},
            body={"metadata": {"resourceVersion": version}, "spec": {"template": template}},
            content="application/strategic-merge-patch+json",
            limit=CHANGE_LIMIT,
        )
        await self._answer(patch)

    async def events(self, limit: int = 5) -> tuple[Event, ...]:
        """Give what Kubernetes reported last of the StatefulSet and its first pod, newest last."""
        its = self._location
        found: list[Event] = []
        for name in (its.statefulset, its.pod):
            query = {"fieldSelector": f"involvedObject.name={name}", "limit": "100"}
            answer = await self._answer(_Call("list", "events", its.namespace, query=query))
            found += [_event(each) for each in answer["items"]]
        found.sort(key=lambda event: event.at or datetime.min.replace(tzinfo=UTC))
        return tuple(found[-limit:])

    async def jobs(self, instrument: str) -> Jobs | None:
        """Count the jobs that run for an instrument; None where that is not configured.

        What their ScaledJob says is left out where it may not be read.
        """
        if self._location.jobs is None:
            return None
        name = self._location.jobs.format(instrument=instrument)
        running, scaled = await asyncio.gather(self._running(name), self._scaled_job(name))
        if scaled is None:
            return Jobs(running)
        return Jobs(
            running=running,
            # KEDA's own default.
            most=_at(scaled, "spec", "maxReplicaCount", default=100),
            paused=_at(scaled, "metadata", "annotations", "autoscaling.keda.sh/paused") == "true",
        )

    async def application(self) -> Application | None:
        """Ask Argo CD how the deployment is; None where that is not configured."""
        if self._location.argocd is None:
            return None
        call = _Call("get", "applications.argoproj.io", *self._location.argocd)
        status = (await self._answer(call)).get("status")
        return Application(
            sync=_at(status, "sync", "status", default="unknown"),
            health=_at(status, "health", "status", default="unknown"),
            phase=_at(status, "operationState", "phase"),
        )

    async def may(self, permission: Permission) -> bool:
        """Ask whether the bot has a permission; asking needs none."""
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": asdict(permission)},
        }
        review = _Call("create", "selfsubjectaccessreviews.authorization.k8s.io", body=body)
        return bool((await self._answer(review))["status"]["allowed"])

    async def _pod(self, number: int) -> Pod | None:
        its = self._location
        call = _Call("get", "pods", its.namespace, f"{its.statefulset}-{number}")
        try:
            return _pod(await self._answer(call))
        except ClusterMissing:
            return None

    async def _running(self, namespace: str) -> int:
        running, onwards = 0, ""
        for _ in range(_MOST_PAGES):
            query = {"limit": str(JOBS_IN_A_PAGE)} | ({"continue": onwards} if onwards else {})
            answer = await self._answer(_Call("list", "jobs.batch", namespace, query=query))
            running += sum(bool(_at(each, "status", "active")) for each in answer["items"])
            onwards = _at(answer, "metadata", "continue")
            if not onwards:
                break
        return running

    async def _scaled_job(self, name: str) -> Any:
        with suppress(ClusterForbidden, ClusterMissing):
            return await self._answer(_Call("get", "scaledjobs.keda.sh", name, name))
        return None

    async def _answer(self, call: _Call) -> Any:
        """Make a call, and give the object that is answered.

        Raises
        ------
        ClusterError
            For every answer that is none of success, and for none.
        """
        limit = call.limit or self._limit
        try:
            async with asyncio.timeout(limit):
                api = await self._opened()
                method, url, headers, sent, _ = await api.param_serialize(
                    call.method,
                    call.path,
                    query_params=list(call.query.items()),
                    header_params={"Accept": "application/json", "Content-Type": call.content},
                    body=call.body,
                    auth_settings=["BearerToken"],
                )
                answer = await api.call_api(method, url, headers, sent, _request_timeout=limit)
                with closing(answer.response) as response:
                    status, body = response.status, await response.read()
        except TimeoutError as error:
            raise ClusterUnreachable(ClusterTrouble.TIMED_OUT) from error
        except aiohttp.ClientConnectorDNSError as error:
            raise ClusterUnreachable(ClusterTrouble.UNRESOLVED) from error
        except (aiohttp.ClientSSLError, ssl.SSLError) as error:
            # The cluster's authority is read once; a new one is found by reading it again.
            await self._forget()
            raise ClusterUnreachable(ClusterTrouble.CERTIFICATE) from error
        except aiohttp.ClientConnectorError as error:
            raise ClusterUnreachable(ClusterTrouble.REFUSED) from error
        except (aiohttp.ClientError, ConnectionError) as error:
            raise ClusterUnreachable(ClusterTrouble.DISCONNECTED) from error
        if not 200 <= status < 300:  # noqa: PLR2004 -- HTTP's successes
            if status == 401:  # noqa: PLR2004 -- token, or authority, has been replaced
                await self._forget()
            raise call.failed(status, body)
        try:
            return json.loads(body)
        except ValueError as error:
            raise ClusterUnreachable(ClusterTrouble.UNWELL) from error

    async def _opened(self) -> "ApiClient":
        async with self._opening:
            if self._api is None:
                self._api = await self._open()
            return self._api

    async def _open(self) -> "ApiClient":
        client, config = await asyncio.to_thread(_library)
        configuration = client.Configuration()
        # Or calls inside the cluster would go through HTTPS_PROXY: the networks in NO_PROXY are not
        # understood by what the library stands on.
        configuration.client_session_kwargs = {"trust_env": False}
        try:
            if self._load is not None:
                self._load(configuration)
            elif self._location.context is None:
                config.load_incluster_config(client_configuration=configuration)
            else:
                await config.load_kube_config(
                    config_file=self._kubeconfig,
                    context=self._location.context,
                    client_configuration=configuration,
                    persist_config=False,
                )
        except (config.ConfigException, OSError, ValueError) as error:
            _log.warning("no way to ask Kubernetes", reason=str(error))
            raise ClusterUnreachable(ClusterTrouble.CONFIGURATION) from error
        api: ApiClient = client.ApiClient(configuration)
        return api

    async def _forget(self) -> None:
        """Drop the client: the next call reads token, authority and kubeconfig anew.

        It is closed one round later, when no other call uses it any more.
        """
        ended, self._retired, self._api = self._retired, self._api, None
        if ended is not None:
            await ended.rest_client.close()


def _library() -> tuple[Any, Any]:
    return (
        importlib.import_module("kubernetes.aio.client"),
        importlib.import_module("kubernetes.aio.config"),
    )


def quantity(text: str) -> int | None:
    """Read a quantity such as ``4Gi`` or ``512M``, in bytes; None for what is none."""
    number = text.rstrip("kKMGTPi")
    unit = _UNITS.get(text[len(number) :])
    try:
        return None if unit is None else int(float(number) * unit)
    except ValueError:
        return None


def _at(found: Any, *path: str, default: Any = "") -> Any:
    """Give what stands at a path; the default where a step is left out, or null."""
    for step in path:
        found = found.get(step) if found else None
    return default if found is None else found


def _workload(statefulset: Any, pods: tuple[Pod, ...]) -> Workload:
    """Read a StatefulSet."""
    metadata, spec, status = (_at(statefulset, each) for each in ("metadata", "spec", "status"))
    container = spec["template"]["spec"]["containers"][0]
    claims = _at(spec, "volumeClaimTemplates")
    return Workload(
        name=metadata["name"],
        version=metadata["resourceVersion"],
        generation=_at(metadata, "generation", default=0),
        observed=_at(status, "observedGeneration", default=0),
        # Left out, it is 1.
        replicas=_at(spec, "replicas", default=1),
        ready=_at(status, "readyReplicas", default=0),
        updated=_at(status, "updatedReplicas", default=0),
        revision=_at(status, "currentRevision"),
        wanted_revision=_at(status, "updateRevision"),
        strategy=_at(spec, "updateStrategy", "type", default=ROLLING),
        partition=_at(spec, "updateStrategy", "rollingUpdate", "partition", default=0),
        stamp=_at(spec, "template", "metadata", "annotations", RESTARTED_AT),
        image=_at(container, "image"),
        chart=_at(metadata, "labels", "helm.sh/chart"),
        storage=_storage(claims[0]["spec"]) if claims else "",
        append_only=_append_only([*_at(container, "command"), *_at(container, "args")]),
        memory_limit=quantity(_at(container, "resources", "limits", "memory", default="none")),
        pods=pods,
    )


def _pod(pod: Any) -> Pod:
    """Read a pod with one container."""
    metadata, status = pod["metadata"], pod.get("status")
    conditions = {each["type"]: each for each in _at(status, "conditions")}
    containers = _at(status, "containerStatuses")
    container = containers[0] if containers else {}
    state = _at(container, "state")
    ended = _at(state, "terminated") or _at(container, "lastState", "terminated")
    waiting = _at(state, "waiting")
    if not containers and _at(conditions, "PodScheduled", "status") == "False":
        waiting = conditions["PodScheduled"]
    if _at(state, "terminated"):
        waiting = {"reason": _at(ended, "reason", default="ended")}
    return Pod(
        name=metadata["name"],
        uid=metadata["uid"],
        ready=_at(conditions, "Ready", "status") == "True",
        image=_at(container, "image"),
        created=_time(_at(metadata, "creationTimestamp")),
        started=_time(_at(state, "running", "startedAt")),
        leaving="deletionTimestamp" in metadata,
        restarts=_at(container, "restartCount", default=0),
        waiting=_at(waiting, "reason"),
        why=_at(waiting, "message")[:_LONGEST],
        last_ended=_at(ended, "reason"),
        last_ended_at=_time(_at(ended, "finishedAt")),
    )


def _event(event: Any) -> Event:
    """Read an event, of the old kind or the new one."""
    at = _at(event, "lastTimestamp") or _at(event, "eventTime")
    return Event(
        at=_time(at or _at(event, "metadata", "creationTimestamp")),
        reason=_at(event, "reason"),
        text=_at(event, "message")[:_LONGEST],
    )


def _storage(claim: Any) -> str:
    size = _at(claim, "resources", "requests", "storage", default="a volume")
    kind = _at(claim, "storageClassName")
    return f"{size} on {kind}" if kind else str(size)


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


def _time(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
