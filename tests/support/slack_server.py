"""A fake Slack that speaks the real protocols over loopback sockets.

The bot's own libraries talk to it: the Web API and response_urls over HTTP, Socket Mode over
WebSockets, or signed requests to the bot's URL. Tests act as people (`command`, `click`,
`submit`), break things (`fail`, `disconnect`, `freeze_sockets`) and read what came of it
(`messages`, `calls`, `views`). Every wait ends: on an outcome, or with a TimeoutError that
describes the workspace.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import aiohttp
from aiohttp import web

from tests.support.faults import Fault, Faults, rate_limited
from tests.support.slack_api import WebApi
from tests.support.slack_deliveries import (
    Connection,
    Deliveries,
    Delivery,
    Signer,
    Sockets,
    disconnection,
)
from tests.support.slack_workspace import (
    ALL_SCOPES,
    BOT,
    Call,
    Channel,
    Found,
    Json,
    Message,
    UploadedFile,
    User,
    View,
    Workspace,
    default_channels,
    default_users,
    mentions,
)
from tests.support.waits import LONGEST_WAIT

__all__ = [
    "Call",
    "Channel",
    "Delivery",
    "Fault",
    "Message",
    "SlackServer",
    "User",
    "View",
    "mentions",
    "rate_limited",
]

BOT_TOKEN = "xoxb-bot"
APP_TOKEN = "xapp-app"
SIGNING_SECRET = "signing-secret"
_SHUTDOWN_SECONDS = 1.0


class SlackServer:
    """One workspace with one app, on a free port of 127.0.0.1.

    Parameters
    ----------
    scopes
        Comma list for the `x-oauth-scopes` header; None leaves the header out.
    channels, users, usergroups
        The workspace; by default three channels and three people.
    request_url
        Where deliveries are posted, signed; None sends them over Socket Mode.
    """

    def __init__(
        self,
        *,
        team_id: str = "T0TEAM",
        bot_user_id: str = BOT,
        bot_token: str = BOT_TOKEN,
        app_token: str = APP_TOKEN,
        signing_secret: str = SIGNING_SECRET,
        scopes: str | None = ALL_SCOPES,
        channels: Iterable[Channel] | None = None,
        users: Iterable[User] | None = None,
        usergroups: Mapping[str, Sequence[str]] | None = None,
        request_url: str | None = None,
    ) -> None:
        self.workspace = Workspace(
            team_id=team_id,
            bot_user_id=bot_user_id,
            bot_token=bot_token,
            app_token=app_token,
            signing_secret=signing_secret,
            scopes=scopes,
            channels=default_channels() if channels is None else channels,
            users=default_users() if users is None else users,
            usergroups={"S0ONCALL": ["U0ALICE"]} if usergroups is None else usergroups,
        )
        self._faults = Faults()
        self._api = WebApi(self.workspace, self._faults)
        self._signer = Signer(signing_secret)
        self._deliveries = Deliveries(self.workspace, self._api.chat, self._api.views, self._signer)
        self._deliveries.request_url = request_url
        self._sockets = Sockets(self.workspace, self._faults, self._deliveries.acknowledge)
        self._deliveries.sockets = self._sockets
        self._runner: web.AppRunner | None = None
        self._seen: dict[str, int] = {}

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        self._api.add_routes(app)
        self._sockets.add_routes(app)
        # A client that goes away ends its handler at once, a frozen socket's included.
        runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_SECONDS
        )
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self._runner = runner
        port = runner.addresses[0][1]
        self.workspace.base_url = f"http://127.0.0.1:{port}"
        self._deliveries.http = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._faults.closing.set()
        await self._sockets.close(abrupt=True)
        if self._deliveries.http is not None:
            await self._deliveries.http.close()
        if self._runner is not None:
            await self._runner.cleanup()

    # --- where and who -----------------------------------------------------------------------

    @property
    def api_url(self) -> str:
        """The base URL of the Web API, ending in /api/."""
        return f"{self.workspace.base_url}/api/"

    @property
    def bot_token(self) -> str:
        return self.workspace.bot_token

    @property
    def app_token(self) -> str:
        return self.workspace.app_token

    @property
    def signing_secret(self) -> str:
        return self.workspace.signing_secret

    @property
    def request_url(self) -> str | None:
        """Where deliveries are posted; None means Socket Mode."""
        return self._deliveries.request_url

    @request_url.setter
    def request_url(self, url: str | None) -> None:
        self._deliveries.request_url = url

    # --- people ------------------------------------------------------------------------------

    async def command(
        self,
        text: str,
        *,
        channel: str = "C0OPS",
        user: str = "U0ALICE",
        command: str = "/prompt-redis",
        duplicate: bool = False,
    ) -> Delivery:
        """Type a slash command and wait for its acknowledgement.

        `duplicate` sends the envelope to every connection (over HTTP: twice).
        """
        delivery = self._deliveries.command(command, text, channel, user)
        return await self._deliveries.send(delivery, duplicate=duplicate)

    async def click(
        self,
        message: Message,
        action_id_or_label: str,
        *,
        user: str = "U0ALICE",
        value: str | None = None,
        block_id: str | None = None,
        duplicate: bool = False,
    ) -> Delivery:
        """Press an element of a message and wait for the acknowledgement.

        `value` replaces the element's own, or chooses an option. An element that the message
        does not have is forged when `value` or `block_id` is given.

        Raises
        ------
        LookupError
            When the message has no such element, and nothing is forged.
        """
        delivery = self._deliveries.click(message, action_id_or_label, user, value, block_id)
        return await self._deliveries.send(delivery, duplicate=duplicate)

    async def submit(
        self,
        callback_id: str,
        values: Json,
        *,
        user: str = "U0ALICE",
        private_metadata: str | None = None,
        duplicate: bool = False,
    ) -> Delivery:
        """Submit that person's open form and wait for the acknowledgement.

        `values` is {block_id: {action_id: {...}}}. `private_metadata` replaces the form's own.
        Without such a form the submission is forged.
        """
        delivery = self._deliveries.submit(callback_id, values, user, private_metadata)
        return await self._deliveries.send(delivery, duplicate=duplicate)

    async def redeliver(self, delivery: Delivery, *, retry_reason: str = "timeout") -> Delivery:
        """Send the same envelope again, marked as the first retry."""
        return await self._deliveries.send(delivery, retry=retry_reason)

    async def send_raw(self, payload: Any) -> None:
        """Send JSON, or text as it is, to the connection whose turn it is."""
        connection = self._sockets.next()
        if connection is None:
            raise LookupError("No connection is open")
        await connection.send(payload)

    async def post_raw(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """POST anything to the request URL, and answer the status and the text."""
        return await self._deliveries.post(body, headers)

    def sign(self, body: bytes | str, timestamp: int | None = None) -> dict[str, str]:
        """Answer the headers of a request that Slack signed at `timestamp` (default: now)."""
        return self._signer.sign(body, timestamp)

    def say(self, channel: str, text: str, *, user: str = "U0ALICE") -> Message:
        """Post a message as a person; the bot is told nothing."""
        return self.workspace.add(channel, user, text)

    # --- faults ------------------------------------------------------------------------------

    def fail(self, method: str, *faults: Fault) -> None:
        """Queue faults for a method, "hooks", "upload" or "ws"."""
        for fault in faults:
            self._faults.add(method, fault)

    def limit(self, method: str) -> None:
        """Take one call of a method a second from now on, until it is healed."""
        self._faults.limit(method)

    def heal(self, method: str | None = None) -> None:
        """Forget the queued faults of one method, or all."""
        self._faults.clear(method)

    async def disconnect(
        self, reason: str = "refresh_requested", *, connection: Connection | None = None
    ) -> None:
        """Ask one connection, or all, to reconnect: warning, refresh_requested, link_disabled."""
        for each in [connection] if connection else list(self._sockets.open):
            await each.send(disconnection(reason))

    async def close_sockets(self, *, abrupt: bool = False) -> None:
        """Close every connection; `abrupt` resets it without a closing frame."""
        await self._sockets.close(abrupt=abrupt)

    def freeze_sockets(self) -> None:
        """Leave the open connections half-open: they neither read nor answer from now on."""
        for connection in self._sockets.open:
            connection.frozen = True

    def refuse_sockets(self, count: int) -> None:
        """Answer the next `count` handshakes with 503."""
        self._sockets.refusals = count

    def too_many_websockets(self, on: bool = True) -> None:  # noqa: FBT002 - reads as a switch
        """Accept connections only to say that there are too many."""
        self._sockets.too_many = on

    # --- what came of it ---------------------------------------------------------------------

    @property
    def calls(self) -> list[Call]:
        """Every request so far, in order, failed ones included."""
        return self.workspace.calls

    def calls_of(self, method: str) -> list[Call]:
        return [call for call in self.calls if call.method == method]

    def messages(self, channel: str | None = None, *, deleted: bool = False) -> list[Message]:
        """The messages of a channel (or of all) as they are now, ephemeral ones included."""
        place = None if channel is None else self.workspace.channel(channel)
        wanted = channel if place is None else place.id
        return [
            message
            for message in self.workspace.messages
            if wanted in {None, message.channel} and (deleted or not message.deleted)
        ]

    @property
    def views(self) -> list[View]:
        """Every form that was opened, closed ones included."""
        return self.workspace.views

    @property
    def files(self) -> list[UploadedFile]:
        """Every file whose upload was begun."""
        return list(self.workspace.files.values())

    @property
    def connections(self) -> int:
        """How many WebSockets are open."""
        return len(self._sockets.open)

    @property
    def sockets(self) -> list[Connection]:
        """The open WebSockets, oldest first."""
        return list(self._sockets.open)

    @property
    def handshakes(self) -> int:
        """How many WebSocket handshakes were begun, refused ones included."""
        return self._sockets.attempts

    async def connected(self, count: int = 1, timeout: float = LONGEST_WAIT) -> None:  # noqa: ASYNC109 - a test's patience
        """Wait until exactly `count` WebSockets are open."""
        await self.until(lambda: self.connections == count, timeout, f"{count} connections")

    async def next_message(
        self,
        channel: str,
        timeout: float = LONGEST_WAIT,  # noqa: ASYNC109 - a test's patience
        *,
        after: Message | None = None,
    ) -> Message:
        """Wait for the bot's next message that all can read in a channel.

        Each call answers the one after the last answer; `after` begins elsewhere.
        """
        place = self.workspace.channel(channel)
        key = channel if place is None else place.id
        seen = self._seen.get(key, 0) if after is None else after.number

        def find() -> Message | None:
            for message in self.workspace.in_channel(key):
                if message.number > seen and message.user == self.workspace.bot_user_id:
                    return message
            return None

        message = await self.until(find, timeout, f"message in {channel}")
        self._seen[key] = message.number
        return message

    async def next_view(
        self,
        callback_id: str,
        timeout: float = LONGEST_WAIT,  # noqa: ASYNC109 - a test's patience
    ) -> View:
        """Wait for an open form."""

        def find() -> View | None:
            found = [v for v in self.views if v.callback_id == callback_id and not v.closed]
            return found[-1] if found else None

        return await self.until(find, timeout, f"form {callback_id}")

    async def until(
        self,
        find: Callable[[], Found | None],
        timeout: float = LONGEST_WAIT,  # noqa: ASYNC109 - a test's patience
        what: str = "outcome",
    ) -> Found:
        """Wait until `find` answers something true; it is asked after each request and change."""
        return await self.workspace.until(find, timeout, what)
