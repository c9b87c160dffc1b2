"""A fake Kubernetes API server that answers with what a real one answered.

The bot's own client talks to it over a loopback socket. A test moves the rollout (`phase`, `move`,
`after_patch`), breaks things (`fault`, `stop`) and reads what was asked (`calls`).
"""

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import yaml
from aiohttp import web

from tests.support.kubernetes_contents import TOKEN, Contents
from tests.support.kubernetes_recordings import Call, Recording, failure, recorded
from tests.support.kubernetes_rollout import RESTARTED_AT, Phase
from tests.support.waits import LONGEST_WAIT

__all__ = [
    "RESTARTED_AT",
    "TOKEN",
    "Call",
    "Cluster",
    "Fault",
    "Phase",
    "Recording",
    "failure",
    "recorded",
]

_SHUTDOWN_SECONDS = 1.0
_ACCEPTING = 5
_OF_THE_WIRE = frozenset({"content-length", "date", "transfer-encoding"})


@dataclass(frozen=True, eq=False)
class Fault:
    """What goes wrong with the next `times` requests (None: until healed).

    Parameters
    ----------
    method, part
        Of the requests that it meets: the method, and a part of path and query.
    answer
        Is sent instead of the true answer.
    hang
        No answer ever comes.
    cut
        The connection is closed without an answer.
    late
        The request is performed all the same, that many seconds after its client was let down.
    """

    method: str
    part: str
    answer: Recording | None = None
    hang: bool = False
    cut: bool = False
    late: float | None = None
    times: int | None = 1

    def __post_init__(self) -> None:
        outcomes = (self.answer is not None) + self.hang + self.cut
        if outcomes != 1:
            raise ValueError("A fault is one of answer, hang and cut")

    @property
    def replaces(self) -> bool:
        """True if the request is not performed, but for what `late` says."""
        return self.answer is not None or self.cut


class Faults:
    """All that wait for their requests, in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: dict[Fault, int | None] = {}

    def add(self, fault: Fault) -> None:
        self._waiting[fault] = fault.times

    def heal(self, fault: Fault | None = None) -> None:
        """Forget one, or all."""
        if fault is None:
            self._waiting.clear()
        else:
            self._waiting.pop(fault, None)

    def take(self, call: Call) -> Fault | None:
        """Answer the fault for this request, and use it up."""
        for fault, left in self._waiting.items():
            if fault.method == call.method and fault.part in call.target:
                if left == 1:
                    del self._waiting[fault]
                elif left is not None:
                    self._waiting[fault] = left - 1
                return fault
        return None


class Cluster(Contents):
    """One API server with one Prompt Redis, on a free port of 127.0.0.1; see also `Contents`.

    Parameters
    ----------
    token
        What it accepts as the bot's bearer token: another one is 401, none at all 403.

    Attributes
    ----------
    calls
        Every request so far, in order, failed ones included.
    after_patch
        Each restart goes through these phases, at so many seconds after its PATCH; one that is
        asked for meanwhile begins when the first has ended.
    on_phase
        Is awaited before each phase that comes by `after_patch` or `move`: what it does to a Redis
        is done when the phase shows.
    """

    def __init__(self, *, token: str = TOKEN) -> None:
        super().__init__(token)
        self.calls: list[Call] = []
        self.after_patch: Sequence[tuple[float, Phase]] = ()
        self.on_phase: Callable[[Phase], Awaitable[None]] | None = None
        self._faults = Faults()
        self._one_rollout = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._open: set[asyncio.Transport] = set()
        self._runner: web.AppRunner | None = None
        self._socket: socket.socket | None = None
        self._port = 0

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()
        for task in self._tasks:
            task.cancel()
        ends = await asyncio.gather(*self._tasks, return_exceptions=True)
        broken = [end for end in ends if isinstance(end, Exception)]
        if broken and exc is None:
            raise broken[0]

    # --- where it is -------------------------------------------------------------------------

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def kubeconfig(
        self, folder: Path, contexts: Sequence[str] = ("usdf-prompt-processing",)
    ) -> Path:
        """Write a kubeconfig with these contexts, the first of which is the current one."""
        file = folder / "kubeconfig"
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "fake", "cluster": {"server": self.url}}],
            "users": [{"name": "prompt-bot", "user": {"token": self._token}}],
            "contexts": [
                {"name": name, "context": {"cluster": "fake", "user": "prompt-bot"}}
                for name in contexts
            ],
            "current-context": contexts[0],
        }
        file.write_text(yaml.safe_dump(content), "utf-8")
        return file

    async def stop(self) -> None:
        """Be gone: whatever is asked now is cut off, and connections are refused from now on."""
        runner, self._runner = self._runner, None
        if runner is None or self._socket is None:
            return
        # asyncio forgets a connection that is being accepted when it stops listening: it is never
        # closed, and its client waits. So first accept no more, and let the last ones arrive.
        asyncio.get_running_loop().remove_reader(self._socket)
        for _ in range(_ACCEPTING):
            await asyncio.sleep(0)
        for transport in self._open:
            transport.abort()
        await runner.cleanup()

    async def start_again(self) -> None:
        """Listen on the same port."""
        await self._listen()

    async def _listen(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        # A client that goes away ends its handler at once: that is how a request hangs.
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await runner.setup()
        self._socket = socket.create_server(("127.0.0.1", self._port))
        await web.SockSite(runner, self._socket).start()
        self._runner = runner
        self._port = self._socket.getsockname()[1]

    # --- what goes on in it ------------------------------------------------------------------

    async def move(self, phase: Phase) -> None:
        """Await `on_phase`, and show the phase; setting `phase` does the latter alone."""
        if self.on_phase is not None:
            await self.on_phase(phase)
        self.phase = phase

    async def until(
        self,
        condition: Callable[[], bool],
        timeout: float = LONGEST_WAIT,  # noqa: ASYNC109 - a test's patience
    ) -> None:
        """Wait until something is so; it is asked after each request and each change."""
        async with asyncio.timeout(timeout):
            while not condition():
                await self._rollout.news()

    async def settled(self) -> None:
        """Wait until every scripted phase has come and every late change is made."""
        while pending := [task for task in self._tasks if not task.done()]:
            await asyncio.wait(pending)
        for task in self._tasks:
            task.result()

    # --- what goes wrong ---------------------------------------------------------------------

    def fault(
        self,
        method: str,
        part: str,
        *,
        answer: Recording | None = None,
        hang: bool = False,
        cut: bool = False,
        late: float | None = None,
        times: int | None = 1,
    ) -> Fault:
        """Let the next requests go wrong; see `Fault`."""
        fault = Fault(
            method=method,
            part=part,
            answer=answer,
            hang=hang,
            cut=cut,
            late=late,
            times=times,
        )
        self._faults.add(fault)
        return fault

    def heal(self, fault: Fault | None = None) -> None:
        """Forget one fault, or all."""
        self._faults.heal(fault)

    # --- how it answers ----------------------------------------------------------------------

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        transport = request.transport
        assert transport is not None, "a request that is handled has just arrived"
        self._open.add(transport)
        try:
            call = await _read(request)
            if self._runner is None:
                return _closed(request)
            self.calls.append(call)
            self._rollout.wake()
            fault = self._faults.take(call)
            try:
                if fault is not None and fault.hang:
                    await asyncio.Event().wait()
                if fault is None or not fault.replaces:
                    answer: Recording | None = self._perform(call)
                else:
                    answer = fault.answer
                return await self._send(request, answer)
            finally:
                if fault is not None and fault.late is not None:
                    self._spawn(self._perform_late(call, fault.late), "late change")
        finally:
            self._open.discard(transport)

    async def _send(self, request: web.Request, answer: Recording | None) -> web.StreamResponse:
        if answer is None or answer.status is None:
            return _closed(request)
        plain = isinstance(answer.body, str)
        headers = {
            "Audit-Id": str(uuid4()),
            "Cache-Control": "no-cache, private",
            "Content-Type": "text/plain; charset=utf-8" if plain else "application/json",
        }
        headers |= {k: v for k, v in answer.headers.items() if k.lower() not in _OF_THE_WIRE}
        text = answer.body if plain else json.dumps(answer.body)
        return web.Response(status=answer.status, body=text.encode(), headers=headers)

    def _perform(self, call: Call) -> Recording:
        """Do what is asked, and let a restart take its course."""
        before = self.generation
        answer = self.answer(call)
        if self.after_patch and self.generation != before:
            self._spawn(self._roll_out(tuple(self.after_patch)), "rollout")
        return answer

    # --- what goes on by itself --------------------------------------------------------------

    async def _roll_out(self, steps: Sequence[tuple[float, Phase]]) -> None:
        async with self._one_rollout:
            loop = asyncio.get_running_loop()
            began = loop.time()
            for seconds, phase in steps:
                await asyncio.sleep(began + seconds - loop.time())
                await self.move(phase)

    async def _perform_late(self, call: Call, seconds: float) -> None:
        await asyncio.sleep(seconds)
        self._perform(call)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self._tasks.append(asyncio.create_task(work, name=f"fake Kubernetes: {name}"))


async def _read(request: web.Request) -> Call:
    body: Any = await request.read()
    with suppress(ValueError):
        body = json.loads(body)
    return Call(
        method=request.method,
        path=request.path,
        query=dict(request.query),
        content_type=request.headers.get("Content-Type", ""),
        body=body or None,
        authorization=request.headers.get("Authorization", ""),
    )


def _closed(request: web.Request, response: web.StreamResponse | None = None) -> web.StreamResponse:
    """Close the connection; what is written to it already still arrives."""
    if request.transport is not None:
        request.transport.close()
    return web.Response() if response is None else response
