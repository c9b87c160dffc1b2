"""Socket Mode: two connections, so that a reconnect of one loses nothing.

The library reconnects by itself; this module keeps it from hammering Slack while it does, gives
every attempt a fresh URL, and tells when nothing has been connected for too long.
"""

import asyncio
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from time import time
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.async_internals import run_async_bolt_app, send_async_response
from slack_bolt.async_app import AsyncApp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest

from bot.domain.errors import FatalError
from bot.slack.api import Proxy, SlackApi

_log = structlog.get_logger()

_CONNECTIONS = 2
_PING_SECONDS = 5
_HANDSHAKE_SECONDS = 10
_CLOSE_SECONDS = 1.0
"""For taking leave; a Slack that hangs takes none."""
_LONG_LIVED = 30.0
"""Seconds; a connection that was replaced sooner counts as a failed one."""
_LONGEST_PAUSE = 30.0
LONGEST_ABSENCE = timedelta(minutes=3)
"""Time without any connection after which the process is better started anew."""


class Sockets:
    """Connects a Bolt app to Slack.

    Parameters
    ----------
    connected
        Is told the number of open connections whenever it is looked at.
    """

    def __init__(
        self,
        app: AsyncApp,
        api: SlackApi,
        app_token: str,
        proxy: Proxy,
        *,
        connected: Callable[[int], None],
    ) -> None:
        self._app = app
        self._api = api
        self._token = app_token
        self._proxy = proxy
        self._connected = connected
        self._clients: list[_Client] = []
        self._connected_at: datetime | None = None

    async def connect(self) -> None:
        """Connect.

        Raises
        ------
        FatalError
            If Slack refuses the token, or cannot be reached.
        """
        # The library would try a bad token for ever, without a word.
        url = await self._api.open_connection(self._token)
        self._clients = [_Client(self._api, self._token, self._proxy) for _ in range(_CONNECTIONS)]
        self._clients[0].wss_uri = url
        for client in self._clients:
            client.socket_mode_request_listeners.append(self._handle)
        try:
            async with asyncio.timeout(LONGEST_ABSENCE.total_seconds()):
                await asyncio.gather(*(client.connect() for client in self._clients))  # type: ignore[no-untyped-call]
        except TimeoutError as error:
            raise FatalError(
                "Slack gives an address for Socket Mode, but no WebSocket connection opens there. "
                "Check that the proxy lets wss:// through."
            ) from error

    async def aclose(self) -> None:
        """Disconnect; what Slack delivers from now on goes to another replica or is lost."""
        await asyncio.gather(*(client.let_go() for client in self._clients))
        self._connected(0)

    async def count(self) -> int:
        """Count the open connections."""
        open_ones = [await client.is_connected() for client in self._clients]
        return sum(open_ones)

    async def tick(self, now: datetime) -> None:
        """Watch over the connections.

        Raises
        ------
        FatalError
            If none has been open for three minutes.
        """
        count = await self.count()
        self._connected(count)
        if count or self._connected_at is None:
            self._connected_at = now
        elif now - self._connected_at > LONGEST_ABSENCE:
            minutes = LONGEST_ABSENCE.seconds // 60
            raise FatalError(
                f"No connection to Slack for {minutes} min, although the library kept trying. "
                "The process ends so that it is started anew."
            )

    async def _handle(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        started = time()
        response = await run_async_bolt_app(self._app, request)
        await send_async_response(client, request, response, started)


class _Client(SocketModeClient):
    """The library's client, with pauses between its reconnects."""

    def __init__(self, api: SlackApi, app_token: str, proxy: Proxy) -> None:
        super().__init__(app_token=app_token, web_client=api.anonymous, ping_interval=_PING_SECONDS)
        self._opened = 0.0
        self._short_lived = 0
        session: Any = _Dialler(self, self.aiohttp_client_session, proxy)
        self.aiohttp_client_session = session

    async def let_go(self) -> None:
        """Close the connection, with a word where Slack still takes one."""
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self.close()  # type: ignore[no-untyped-call]
        except TimeoutError:
            await self.aiohttp_client_session.close()

    async def issue_new_wss_url(self) -> str:
        # After too_many_websockets the library asks again at once, hundreds of times a second.
        loop = asyncio.get_running_loop()
        self._short_lived = self._short_lived + 1 if loop.time() - self._opened < _LONG_LIVED else 0
        if self._short_lived > 1:
            pause = min(2.0 ** (self._short_lived - 2), _LONGEST_PAUSE)
            pause *= 0.75 + secrets.randbelow(50) / 100
            _log.warning("reconnecting to Slack after a pause", seconds=round(pause, 1))
            await asyncio.sleep(pause)
        self._opened = loop.time()
        answer = await self.web_client.apps_connections_open(app_token=self.app_token)
        return str(answer["url"])


class _Dialler:
    """Stands where the library expects its session, and opens WebSockets our way."""

    def __init__(self, client: SocketModeClient, session: Any, proxy: Proxy) -> None:
        self._client = client
        self._session = session
        self._proxy = proxy

    @property
    def closed(self) -> bool:
        return bool(self._session.closed)

    async def close(self) -> None:
        await self._session.close()

    async def ws_connect(self, url: str, **settings: Any) -> Any:
        # A URL is good for one attempt; the library would try a dead one for ever.
        self._client.wss_uri = None
        settings["proxy"] = self._proxy.for_url(url)
        async with asyncio.timeout(_HANDSHAKE_SECONDS):
            return await self._session.ws_connect(url, **settings)
