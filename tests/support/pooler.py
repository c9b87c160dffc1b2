"""A pooler before PostgreSQL, like PgBouncer in transaction mode: all clients share one session.

It speaks as much of the protocol as that takes: what a client sends is handed on until the server
says that no transaction is open, and then it is the next one's turn.
"""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import parse_qs, urlsplit

_SSL_REQUEST = 80877103
_READY, _IDLE, _LEAVES = b"Z", b"I", b"X"


class _Pooler:
    """One session of the server, and whose turn it is."""

    def __init__(self, socket: str, *, settings: bool) -> None:
        self._socket = socket
        self._settings = settings
        self._turn = asyncio.Lock()
        self._greeting = b""
        self.opened: list[asyncio.StreamWriter] = []
        self._server: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        """Serve one client to its end."""
        try:
            first = await _startup(client)
            if struct.unpack("!I", first[4:8])[0] == _SSL_REQUEST:
                answers.write(b"N")
                first = await _startup(client)
            if b"statement_timeout" in first and not self._settings:
                text = b"SFATAL\0C08P01\0Munsupported startup parameter: statement_timeout\0\0"
                answers.write(b"E" + struct.pack("!I", len(text) + 4) + text)
                return
            async with self._turn:
                await self._connect(first)
            answers.write(self._greeting)
            while True:
                message = await _message(client)
                async with self._turn:
                    await self._connect(first)
                    await self._transaction(message, client, answers)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it is gone
        finally:
            answers.close()

    async def _connect(self, first: bytes) -> None:
        if self._server is None:
            self._server = await asyncio.open_unix_connection(self._socket)
            self.opened.append(self._server[1])
            self._server[1].write(first)
            self._greeting = await self._until_idle(None)

    async def _transaction(
        self, message: bytes, client: asyncio.StreamReader, answers: asyncio.StreamWriter
    ) -> None:
        assert self._server is not None
        if message[:1] == _LEAVES:
            raise ConnectionError
        back = asyncio.create_task(self._until_idle(answers))
        try:
            while message[:1] != _LEAVES:
                self._server[1].write(message)
                following = asyncio.create_task(_message(client))
                await asyncio.wait({back, following}, return_when=asyncio.FIRST_COMPLETED)
                if back.done():
                    following.cancel()
                    await asyncio.gather(following, return_exceptions=True)
                    return
                message = await following
        finally:
            if not back.done():
                # A session with a transaction that nobody ends is of no use to the next one.
                back.cancel()
                self._server[1].close()
                self._server = None
        raise ConnectionError

    async def _until_idle(self, answers: asyncio.StreamWriter | None) -> bytes:
        """Hand on what the server answers, until no transaction is open."""
        assert self._server is not None
        seen = b""
        while True:
            message = await _message(self._server[0])
            seen += message
            if answers is not None:
                answers.write(message)
            if message[:1] == _READY and message[5:6] == _IDLE:
                return seen


async def _startup(client: asyncio.StreamReader) -> bytes:
    size = await client.readexactly(4)
    return size + await client.readexactly(struct.unpack("!I", size)[0] - 4)


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(5)
    return head + await reader.readexactly(struct.unpack("!I", head[1:])[0] - 4)


@asynccontextmanager
async def pooled(url: str, *, settings: bool = True) -> AsyncIterator[str]:
    """Give the URL of a database behind a pooler.

    Parameters
    ----------
    settings
        Whether it takes the settings that a session begins with.
    """
    parts = urlsplit(url)
    socket = f"{parse_qs(parts.query)['host'][0]}/.s.PGSQL.5432"
    pooler, tasks = _Pooler(socket, settings=settings), set[asyncio.Task[None]]()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.create_task(pooler.serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"postgresql+asyncpg://postgres@127.0.0.1:{port}{parts.path}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for each in pooler.opened:
            each.close()
            await each.wait_closed()
        await server.wait_closed()
