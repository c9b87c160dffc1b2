"""A relay between the bot and Redis that stops a clear at a chosen moment, and counts clears."""

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from types import TracebackType
from typing import Self

_CHUNK = 2**20
_LONGEST = 300
"""Bytes of the two keys by which a clear is known, and of what stands between them."""

_CLEAR = re.compile(rb"cleared:[\w:]+:(\d+)\r\n\$\d+\r\nprompt-redis-bot:done:\1\r\n")
_PING = b"PING\r\n"


class Moment(Enum):
    """When the world stops."""

    GREETING = auto()
    """The PING before a change stays here."""
    SENT = auto()
    """The change stays here, as in a buffer on its way; `let_go` hands it on."""
    MADE = auto()
    """Redis has made the change, and its answer stays here."""


@dataclass(eq=False)
class _Line:
    """One connection of the bot."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter
    tail: bytes = b""
    deaf: bool = False
    held: bytes = b""


@dataclass
class Relay:
    """Stands before one Redis.

    `clears` counts by request how often a clear was handed to Redis.
    """

    redis: int | str
    """Its port, or the path of its socket."""
    port: int = 0
    clears: Counter[int] = field(default_factory=Counter)
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    request: int = 0
    muted: bool = False
    """Whether nothing goes through any more, in either direction, and nothing says so."""
    _moment: Moment | None = None
    _lines: list[_Line] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        assert self._server is not None
        self._server.close()
        for line in self._lines:
            line.client.close()
            line.server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def stop_at(self, moment: Moment | None, *, request: int = 1) -> None:
        """Stop the next clear of a request, once; `reached` is set then."""
        self._moment, self.request = moment, request

    async def let_go(self) -> None:
        """Hand on what was held on its way, although whoever sent it is gone."""
        for line in self._lines:
            if line.held:
                line.server.write(line.held)
                await line.server.drain()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer), name="relay")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        if isinstance(self.redis, str):
            answers, server = await asyncio.open_unix_connection(self.redis)
        else:
            answers, server = await asyncio.open_connection("127.0.0.1", self.redis)
        line = _Line(client, server)
        self._lines.append(line)
        down = asyncio.create_task(self._down(line, answers), name="relay's answers")
        try:
            await self._up(line, reader)
            await down
        except ConnectionError:
            pass  # it was killed; the other side of the line learns of it below
        finally:
            down.cancel()
            await asyncio.gather(down, return_exceptions=True)
            client.close()
            server.close()

    async def _up(self, line: _Line, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(_CHUNK):
            if self.muted:
                continue
            text = line.tail + data
            requests = [
                int(found[1]) for found in _CLEAR.finditer(text) if found.end() > len(line.tail)
            ]
            line.tail = text[-_LONGEST:]
            hit = self.request in requests
            if (self._moment is Moment.GREETING and data.endswith(_PING)) or (
                self._moment is Moment.SENT and hit
            ):
                line.held, self._moment = data, None
                self.reached.set()
                return
            if self._moment is Moment.MADE and hit:
                line.deaf, self._moment = True, None
            self.clears.update(requests)
            line.server.write(data)
        # Redis learns that nobody listens any more, and what it was given before is done.
        line.server.write_eof()

    async def _down(self, line: _Line, answers: asyncio.StreamReader) -> None:
        while data := await answers.read(_CHUNK):
            if line.deaf:
                self.reached.set()
            elif not self.muted:
                line.client.write(data)
