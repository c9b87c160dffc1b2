"""Scripted failures, one queue for each method of a fake server."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from time import monotonic

from aiohttp import web


@dataclass(frozen=True)
class Fault:
    """What goes wrong with the next `times` requests (None: until healed).

    `hang` waits first; alone it only delays. `lost` does the work, then cuts the connection
    without an answer; `dropped` cuts it and does nothing. `error` answers 200 with `ok: false`.
    `status` answers with `headers` and `body`, and does nothing.
    """

    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    error: str | None = None
    lost: bool = False
    dropped: bool = False
    hang: float = 0
    times: int | None = 1


def rate_limited(retry_after: str = "1.5", *, times: int | None = 1) -> Fault:
    """Answer 429 as Slack does."""
    return Fault(status=429, headers={"Retry-After": retry_after}, times=times)


class Faults:
    """The queues, and how a fault shows on the wire."""

    def __init__(self) -> None:
        self.closing = asyncio.Event()
        self._queues: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._opens: dict[str, float] = {}

    def limit(self, method: str) -> None:
        """Take one request a second from now on, and answer 429 to the others, as Slack does."""
        self._opens[method] = 0.0

    def add(self, method: str, fault: Fault) -> None:
        self._queues[method].append(fault)

    def clear(self, method: str | None = None) -> None:
        """Forget the faults of one method, or all."""
        if method is None:
            self._queues.clear()
            self._opens.clear()
        else:
            self._queues.pop(method, None)
            self._opens.pop(method, None)

    def take(self, method: str) -> Fault | None:
        """Answer the fault for this request, and use it up."""
        queue = self._queues[method]
        if not queue:
            opens, now = self._opens.get(method), monotonic()
            if opens is not None and now < opens:
                return rate_limited("1")
            if opens is not None:
                self._opens[method] = now + 1
            return None
        fault = queue[0]
        if fault.times is not None:
            if fault.times > 1:
                queue[0] = replace(fault, times=fault.times - 1)
            else:
                queue.popleft()
        return fault

    async def pause(self, seconds: float) -> None:
        """Wait, but no longer than the server lives."""
        try:
            async with asyncio.timeout(seconds):
                await self.closing.wait()
        except TimeoutError:
            pass

    async def answer(
        self,
        request: web.Request,
        method: str,
        perform: Callable[[], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Answer a request, or fail it as scripted."""
        fault = self.take(method)
        if fault is None:
            return await perform()
        if fault.hang:
            await self.pause(fault.hang)
        if fault.lost:
            await perform()
        if fault.lost or fault.dropped:
            return cut(request)
        if fault.error is not None:
            return web.json_response({"ok": False, "error": fault.error}, headers=fault.headers)
        if fault.status is not None:
            return _scripted(fault, fault.status)
        return await perform()


def cut(request: web.Request) -> web.StreamResponse:
    """Reset the connection; the answer is never sent."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


def _scripted(fault: Fault, status: int) -> web.Response:
    body = fault.body
    if body is None:
        limited = '{"ok":false,"error":"ratelimited"}'
        body = limited if status == web.HTTPTooManyRequests.status_code else f"<h1>{status}</h1>"
    kind = "application/json" if body.startswith("{") else "text/html"
    headers = {"Content-Type": f"{kind}; charset=utf-8", **fault.headers}
    return web.Response(status=status, body=body.encode(), headers=headers)
