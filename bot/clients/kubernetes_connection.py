"""Calls to a Kubernetes API server: raw JSON through the library's own client.

The library keeps configuration, TLS and the token's rotation; its typed APIs would cost a second
and 90 MiB, and are not imported. It is imported with the first call, in a thread. Every call has a
time limit, none is repeated by itself, and none goes through a proxy of the environment.
"""

import asyncio
import importlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import aiohttp
import structlog

from bot.clients.kubernetes_answers import About, error_of
from bot.domain.errors import ClusterTrouble, ClusterUnreachable

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

_log = structlog.get_logger()

CALL_LIMIT = 3.0
"""Seconds; the library's own limit is 300."""

Load = Callable[[Any], None]
"""Fills a client configuration of the library's."""


class Connection:
    """One API server, as one identity.

    Parameters
    ----------
    context
        Of the kubeconfig; None for the token of the pod in which this process runs.
    kubeconfig
        Its path; None for the usual place.
    load
        Fills the configuration otherwise.
    limit
        Seconds for a call.
    """

    def __init__(
        self,
        context: str | None = None,
        *,
        kubeconfig: str | None = None,
        load: Load | None = None,
        limit: float = CALL_LIMIT,
    ) -> None:
        self._context = context
        self._kubeconfig = kubeconfig
        self._load = load
        self._limit = limit
        self._opening = asyncio.Lock()
        self._api: ApiClient | None = None
        self._retired: ApiClient | None = None

    async def aclose(self) -> None:
        """Close it."""
        await self._forget()
        await self._forget()

    async def call(
        self,
        method: str,
        path: str,
        about: About,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: str = "application/json",
        limit: float | None = None,
    ) -> Any:
        """Make a call, and give the object that is answered.

        Raises
        ------
        ClusterError
            For every answer that is none of success, and for none.

        Parameters
        ----------
        method, path, query, body, content
            What is sent; the body is JSON of the type `content`.
        about
            What it is about, for the error.
        limit
            Seconds; None for the connection's own.
        """
        async with self.request(
            method, path, query=query, body=body, content=content, limit=limit
        ) as response:
            answer = await response.read()
            if not 200 <= response.status < 300:  # noqa: PLR2004 -- HTTP's successes
                if response.status == 401:  # noqa: PLR2004 -- token, or authority, has been replaced
                    await self._forget()
                raise error_of(response.status, answer, about)
            try:
                return json.loads(answer)
            except ValueError as error:
                raise ClusterUnreachable(ClusterTrouble.UNWELL) from error

    @asynccontextmanager
    async def request(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content: str = "application/json",
        limit: float | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Send a request, and translate whatever goes wrong with it, also while it is read."""
        limit = self._limit if limit is None else limit
        try:
            async with asyncio.timeout(limit), AsyncExitStack() as stack:
                api = await self._opened()
                method, url, headers, sent, _ = await api.param_serialize(
                    method,
                    path,
                    query_params=list((query or {}).items()),
                    header_params={"Accept": "application/json", "Content-Type": content},
                    body=body,
                    auth_settings=["BearerToken"],
                )
                answer = await api.call_api(method, url, headers, sent, _request_timeout=limit)
                stack.callback(answer.response.close)
                yield answer.response
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
            elif self._context is None:
                config.load_incluster_config(client_configuration=configuration)
            else:
                await config.load_kube_config(
                    config_file=self._kubeconfig,
                    context=self._context,
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
