"""What the process answers over HTTP: is it alive, is it ready, its figures.

In HTTP mode Slack's deliveries come here too.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.domain.errors import FatalError

_LINGER = 1.0
"""Seconds in which what is still on its way is thrown away: else its sender hears no answer."""

_SHUTDOWN = 1.0
"""Seconds for which a request that runs at the end is waited for."""

_BUFFER = 2**14
"""Bytes of a body that lie unread; anybody can send one."""

Probe = Callable[[], Awaitable[list[str]]]
"""Gives what is wrong, in a few words each; nothing if all is well."""


class Web:
    """Serves /livez, /readyz and /metrics.

    Parameters
    ----------
    host, port
        Where to listen; port 0 takes any free one.
    livez, readyz
        What is wrong with the process, and what keeps it from its work.
    events
        Takes what Slack posts; None in Socket Mode.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        livez: Probe,
        readyz: Probe,
        metrics: Callable[[], Awaitable[bytes]],
        events: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._metrics = metrics
        self._app = web.Application()
        self._app.router.add_get("/livez", self._answer(livez))
        self._app.router.add_get("/readyz", self._answer(readyz))
        self._app.router.add_get("/metrics", self._figures)
        if events is not None:
            self._app.router.add_post("/slack/events", events)
        self._runner = web.AppRunner(
            self._app,
            access_log=None,
            # A megabyte may be a gigabyte of zeros, which would be inflated before anybody asks.
            auto_decompress=False,
            read_bufsize=_BUFFER,
            lingering_time=_LINGER,
            shutdown_timeout=_SHUTDOWN,
        )

    @property
    def port(self) -> int:
        """The port that is listened on."""
        return int(self._runner.addresses[0][1])

    async def start(self) -> None:
        """Listen.

        Raises
        ------
        FatalError
            If the port is taken, or there is no such address.
        """
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, self._host, self._port).start()
        except OSError as error:
            raise FatalError(
                f"Cannot listen on {self._host}:{self._port} ({error.strerror}). "
                "Choose another http.host or http.port."
            ) from error

    async def aclose(self) -> None:
        """Stop listening."""
        await self._runner.cleanup()

    def _answer(self, check: Probe) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handler(_: web.Request) -> web.Response:
            wrong = await check()
            return web.Response(text="\n".join(wrong) or "ok", status=503 if wrong else 200)

        return handler

    async def _figures(self, _: web.Request) -> web.Response:
        return web.Response(
            body=await self._metrics(),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )
