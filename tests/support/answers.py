"""A server that answers whatever a test wants, where a real one cannot be brought to it."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

SETTING_UP = (b"CLIENT", b"HELLO")


@asynccontextmanager
async def answering(
    answer: Callable[[], bytes], tls: ssl.SSLContext | None = None
) -> AsyncIterator[str]:
    """Run a server that is well while a connection is made, then answers so; gives its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                if line.startswith(b"*"):
                    await reader.readline()
                    name = (await reader.readline()).strip()
                    writer.write(b"+OK\r\n" if name in SETTING_UP else answer())
                    await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
