"""Socket Mode of the fake Slack: the connections, and what can go wrong with them."""

import asyncio
import contextlib
import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from tests.support.slack_faults import Faults, cut
from tests.support.slack_workspace import Json, Workspace

MOST_CONNECTIONS = 10
_CLOSE_SECONDS = 0.5


@dataclass(eq=False)
class Connection:
    """One open WebSocket."""

    number: int
    socket: web.WebSocketResponse
    request: web.Request
    frozen: bool = False
    sent: list[Any] = field(default_factory=list)

    async def send(self, payload: Any) -> bool:
        """Send JSON, or text as it is; false when the connection is gone."""
        text = payload if isinstance(payload, str) else json.dumps(payload)
        try:
            await self.socket.send_str(text)
        except ConnectionError:
            return False
        self.sent.append(payload)
        return True

    def abort(self) -> None:
        """Reset the connection without a closing frame."""
        if self.request.transport is not None:
            self.request.transport.abort()


class Sockets:
    """Accepts WebSockets and hands acknowledgements to the deliveries."""

    def __init__(
        self, workspace: Workspace, faults: Faults, acknowledge: Callable[[int, Json], None]
    ) -> None:
        self._workspace = workspace
        self._faults = faults
        self._acknowledge = acknowledge
        self._numbers = itertools.count(1)
        self._turn = itertools.count()
        self.open: list[Connection] = []
        self.attempts = 0
        self.refusals = 0
        self.handshake_seconds = 0.0
        self.too_many = False

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get("/link/", self._link)

    def next(self) -> Connection | None:
        """Answer the connection whose turn it is."""
        if not self.open:
            return None
        return self.open[next(self._turn) % len(self.open)]

    async def _link(self, request: web.Request) -> web.StreamResponse:
        self.attempts += 1
        self._workspace.changed()

        async def perform() -> web.StreamResponse:
            return await self._accept(request)

        return await self._faults.answer(request, "ws", perform)

    async def _accept(self, request: web.Request) -> web.StreamResponse:
        if self.refusals:
            self.refusals -= 1
            return web.Response(status=503, text="refused")
        if self.handshake_seconds:
            await self._faults.pause(self.handshake_seconds)
        socket = web.WebSocketResponse(
            autoping=False, autoclose=False, compress=False, timeout=_CLOSE_SECONDS
        )
        await socket.prepare(request)
        connection = Connection(next(self._numbers), socket, request)
        if self.too_many or len(self.open) >= MOST_CONNECTIONS:
            await connection.send(disconnection("too_many_websockets"))
            await socket.close()
            return socket
        await self._serve(connection)
        return socket

    async def _serve(self, connection: Connection) -> None:
        self.open.append(connection)
        try:
            await connection.send(self._hello())
            self._workspace.changed()
            await self._read(connection)
        finally:
            # A reset cancels this handler, so the count is right even for a frozen socket.
            self.open.remove(connection)
            self._workspace.changed()

    async def _read(self, connection: Connection) -> None:
        while True:
            message = await connection.socket.receive()
            if connection.frozen:
                await self._faults.closing.wait()
                cut(connection.request)
                return
            match message.type:
                case WSMsgType.PING:
                    await _quietly_pong(connection.socket, message.data)
                case WSMsgType.TEXT:
                    self._receive(connection, message.data)
                case WSMsgType.PONG | WSMsgType.BINARY:
                    pass
                case _:
                    await connection.socket.close()
                    return

    def _receive(self, connection: Connection, text: str) -> None:
        body = json.loads(text)
        self._acknowledge(connection.number, body)
        self._workspace.changed()

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self.open),
            "debug_info": {
                "host": "applink-1",
                "build_number": 1,
                "approximate_connection_time": 18060,
            },
            "connection_info": {"app_id": self._workspace.app_id},
        }

    async def close(self, *, abrupt: bool) -> None:
        """Close every connection, with a closing frame or without."""
        for connection in self.open:
            if abrupt:
                connection.abort()
        if not abrupt:
            await asyncio.gather(*(connection.socket.close() for connection in self.open))


async def _quietly_pong(socket: web.WebSocketResponse, data: bytes) -> None:
    # receive() says next that the connection is gone.
    with contextlib.suppress(ConnectionError):
        await socket.pong(data)


def disconnection(reason: str) -> Json:
    return {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-1"}}
