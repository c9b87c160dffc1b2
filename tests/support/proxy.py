"""A forward proxy on loopback that remembers who asked for what.

It tunnels CONNECT and forwards requests with an absolute URI, WebSocket upgrades included, so
that a test can prove which connections go through a proxy and which do not.
"""

import asyncio
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

_HEAD_SECONDS = 10
_CHUNK = 65_536


@dataclass(frozen=True)
class ProxyRequest:
    """One request to the proxy: the method, the target as asked, and where it leads."""

    method: str
    target: str
    host: str
    port: int


class ProxyServer:
    """The proxy; `refuse_with` makes it answer that status and forward nothing."""

    def __init__(self, *, refuse_with: int | None = None) -> None:
        self.refuse_with = refuse_with
        self.requests: list[ProxyRequest] = []
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._port = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._start, "127.0.0.1", 0)
        self._port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._server is not None:
            await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def targets(self) -> list[str]:
        """The targets as asked: host:port of a tunnel, or an absolute URI."""
        return [request.target for request in self.requests]

    @property
    def hosts(self) -> set[str]:
        """Every host:port that was asked for."""
        return {f"{request.host}:{request.port}" for request in self.requests}

    def _start(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="proxy connection")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_SECONDS):
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            await self._forward(head, reader, writer)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            pass  # the client sees a closed connection, as with a real proxy
        finally:
            writer.close()

    async def _forward(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        line, *headers = head.rstrip("\r\n").split("\r\n")
        method, target, version = line.split(" ")
        address = urlsplit(f"//{target}" if method == "CONNECT" else target)
        host, port = address.hostname or "", address.port or 80
        self.requests.append(ProxyRequest(method, target, host, port))
        if self.refuse_with is not None:
            refusal = f"HTTP/1.1 {self.refuse_with} Refused\r\nContent-Length: 0\r\n"
            writer.write(f"{refusal}Connection: close\r\n\r\n".encode())
            await writer.drain()
            return
        upstream_reader, upstream = await asyncio.open_connection(host, port)
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            else:
                path = target[target.index(address.netloc) + len(address.netloc) :] or "/"
                kept = "\r\n".join([f"{method} {path} {version}", *_onward(headers)])
                upstream.write(f"{kept}\r\n\r\n".encode("latin-1"))
            await _join(reader, writer, upstream_reader, upstream)
        finally:
            upstream.close()


def _onward(headers: list[str]) -> list[str]:
    """Drop what is meant for the proxy; one request for each connection, but for WebSockets."""
    names = [header.partition(":")[0].strip().lower() for header in headers]
    kept = [
        header
        for header, name in zip(headers, names, strict=True)
        if not name.startswith("proxy-") and (name != "connection" or "upgrade" in names)
    ]
    return kept if "upgrade" in names else [*kept, "Connection: close"]


async def _join(
    client_reader: asyncio.StreamReader,
    client: asyncio.StreamWriter,
    upstream_reader: asyncio.StreamReader,
    upstream: asyncio.StreamWriter,
) -> None:
    up = asyncio.create_task(_pump(client_reader, upstream), name="proxy upload")
    try:
        await _pump(upstream_reader, client)
    finally:
        up.cancel()
        await asyncio.gather(up, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
