"""What the process answers over HTTP: is it alive, is it ready, its figures.

In HTTP mode Slack's deliveries come here too.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from bot.domain.errors import FatalError

LARGEST_BODY = 2**20
"""Bytes; Slack's largest form is a tenth of it."""

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
        self._app = web.Application(client_max_size=LARGEST_BODY)
        self._app.router.add_get("/livez", self._answer(livez))
        self._app.router.add_get("/readyz", self._answer(readyz))
        self._app.router.add_get("/metrics", self._figures)
        if events is not None:
            self._app.router.add_post("/slack/events", events)
        self._runner = web.AppRunner(self._app, access_log=None)

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
