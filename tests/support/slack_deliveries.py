"""What Slack sends to the bot: slash commands, clicks and forms, over sockets or signed HTTP."""

import asyncio
import contextlib
import copy
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import WSMsgType, web

from tests.support.faults import Faults, cut
from tests.support.slack_api import Chat, HookError, Views
from tests.support.slack_workspace import (
    Channel,
    Hook,
    Json,
    Message,
    SlackError,
    View,
    Workspace,
    escape,
    texts,
)
from tests.support.waits import LONGEST_WAIT

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


class Payloads:
    """Draws what a person did as Slack tells it to an app."""

    def __init__(self, workspace: Workspace, chat: Chat, views: Views) -> None:
        self._workspace = workspace
        self._chat = chat
        self._views = views

    def command(
        self,
        command: str,
        text: str,
        *,
        place: Channel,
        user: str,
        trigger_id: str,
        response_url: str,
    ) -> Json:
        return {
            "token": "verification",
            "team_id": self._workspace.team_id,
            "team_domain": self._workspace.team_domain,
            "channel_id": place.id,
            "channel_name": place.slash_name,
            "user_id": user,
            "user_name": self._user_name(user),
            "command": command,
            "text": text,
            "api_app_id": self._workspace.app_id,
            "is_enterprise_install": "false",
            "response_url": response_url,
            "trigger_id": trigger_id,
        }

    def click(
        self, message: Message, action: Json, user: str, trigger_id: str, response_url: str
    ) -> Json:
        place = self.place(message.channel)
        payload: Json = {
            "type": "block_actions",
            **self._interaction(user, trigger_id),
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": place.id,
                "is_ephemeral": message.ephemeral_to is not None,
            },
            "channel": {"id": place.id, "name": place.slash_name},
            "state": {"values": {}},
            "response_url": response_url,
            "actions": [action | {"action_ts": self._workspace.new_ts()}],
        }
        # Slack leaves the content of an ephemeral message out.
        if message.ephemeral_to is None:
            payload["message"] = _escaped(self._chat.to_json(message))
        return payload

    def submit(
        self, view: View, values: Json, user: str, private_metadata: str | None, trigger_id: str
    ) -> Json:
        content = self._views.to_json(view) | {"state": {"values": values}}
        if private_metadata is not None:
            content["private_metadata"] = private_metadata
        return {
            "type": "view_submission",
            **self._interaction(user, trigger_id),
            "view": content,
            "response_urls": [],
        }

    def place(self, key: str) -> Channel:
        """Find a channel; an unknown one is taken as it is, as the bot may not see it."""
        return self._workspace.channel(key) or Channel(key, "elsewhere")

    def _interaction(self, user: str, trigger_id: str) -> Json:
        name, team = self._user_name(user), self._workspace.team_id
        return {
            "user": {"id": user, "username": name, "name": name, "team_id": team},
            "api_app_id": self._workspace.app_id,
            "token": "verification",
            "trigger_id": trigger_id,
            "team": {"id": team, "domain": self._workspace.team_domain},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _user_name(self, user: str) -> str:
        known = self._workspace.users.get(user)
        return known.name if known else user.lower()


def pressed(message: Message, wanted: str, value: str | None, block: str | None) -> Json:
    """Answer the pressed element; with `value` or `block`, an element that is not there too."""
    for place, element in message.elements():
        label = element.get("text", {}).get("text") if isinstance(element.get("text"), dict) else ""
        if wanted in {element.get("action_id"), label} and block in {None, place}:
            action = copy.deepcopy(element) | {"block_id": place}
            action.setdefault("action_id", "generated")
            return action if value is None else action | _chosen(element, value)
    if value is None and block is None:
        known = [(e.get("action_id"), e.get("text")) for _, e in message.elements()]
        raise LookupError(f"No element {wanted!r} in {message.text!r}; there are {known}")
    return {
        "type": "button",
        "action_id": wanted,
        "block_id": block or "forged",
        "text": {"type": "plain_text", "text": wanted},
        "value": value or "",
    }


def _chosen(element: Json, value: str) -> Json:
    """Say what was chosen, in the words of that kind of element."""
    kind = str(element.get("type"))
    option = {"text": {"type": "plain_text", "text": value}, "value": value}
    for candidate in element.get("options", []):
        if candidate.get("value") == value:
            option = candidate
    match kind:
        case "static_select" | "external_select" | "radio_buttons" | "overflow":
            return {"selected_option": option}
        case "checkboxes" | "multi_static_select" | "multi_external_select":
            return {"selected_options": [option]}
        case "users_select" | "conversations_select" | "channels_select":
            return {f"selected_{kind.removesuffix('s_select')}": value}
        case "datepicker":
            return {"selected_date": value}
        case "timepicker":
            return {"selected_time": value}
        case _:
            return {"value": value}


def _escaped(value: Any) -> Any:
    """Escape every text once more, as Slack does with the messages in its payloads."""
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: escape(item) if name == "text" and isinstance(item, str) else _escaped(item)
        for name, item in value.items()
    }


@dataclass(frozen=True)
class Ack:
    """One acknowledgement: which connection it came by (0: HTTP), its payload, the seconds."""

    connection: int
    payload: Json
    seconds: float


@dataclass(eq=False)
class Delivery:
    """One envelope, and all that came back for it.

    `error` is what the person would read in Slack: `operation_timeout` without an
    acknowledgement, `dispatch_failed` without a connection or with a status other than 200; or
    why Slack would not obey the acknowledgement.
    """

    kind: str
    envelope_id: str
    trigger_id: str
    channel: str
    number: int
    workspace: Workspace = field(repr=False)
    payload: Json = field(default_factory=dict)
    hook: Hook | None = None
    view: View | None = None
    acks: list[Ack] = field(default_factory=list)
    status: int | None = None
    error: str | None = None
    sent_at: float = 0

    @property
    def acknowledged(self) -> bool:
        return bool(self.acks)

    @property
    def ack(self) -> Json:
        """The payload of the first acknowledgement; empty when it carried none."""
        return self.acks[0].payload if self.acks else {}

    @property
    def seconds(self) -> float | None:
        """From sending to the first acknowledgement."""
        return self.acks[0].seconds if self.acks else None

    @property
    def response_url(self) -> str:
        return "" if self.hook is None else self.workspace.hook_url(self.hook)

    @property
    def replies(self) -> list[Message]:
        """The messages made through the response_url or in the acknowledgement."""
        return [
            message
            for message in self.workspace.messages
            if self.hook is not None and message.response_url == self.response_url
        ]

    async def reply(self, timeout: float = LONGEST_WAIT, *, nth: int = 1) -> Message:  # noqa: ASYNC109 - a test's patience
        """Wait for the first answer (or the nth): to the person, or signed for all in the channel.

        Raises
        ------
        TimeoutError
            When none came.
        """
        what = f"reply to {self.payload.get('text', self.kind)!r} (error: {self.error})"
        return await self.workspace.until(lambda: self.answer(nth), timeout, what)

    def answer(self, nth: int = 1) -> Message | None:
        found = [*self.replies, *self._signed()]
        return found[nth - 1] if len(found) >= nth else None

    def _signed(self) -> Iterator[Message]:
        """Give what the bot posted since then and says is this person's doing."""
        user = self.payload.get("user", {})
        name = self.payload.get("user_name", user.get("name"))
        signatures = {f"{by} {name}" for by in ("by", "Shared by", "Asked for by")}
        for message in self.workspace.in_channel(self.channel):
            said = {text for _, text in texts(message.blocks)} | {message.text.split("\n")[-1]}
            if message.number > self.number and said & signatures:
                yield message


class Deliveries:
    """Builds payloads as Slack does, sends them, and awaits acknowledgements."""

    def __init__(self, workspace: Workspace, chat: Chat, views: Views, signer: "Signer") -> None:
        self._workspace = workspace
        self._chat = chat
        self._views = views
        self._payloads = Payloads(workspace, chat, views)
        self._signer = signer
        self._known: dict[str, Delivery] = {}
        self._numbers = itertools.count(1)
        # Slack itself gives 3 s; a busy machine is no failure.
        self.ack_seconds = LONGEST_WAIT
        self.request_url: str | None = None
        self.sockets: Sockets | None = None
        self.http: aiohttp.ClientSession | None = None

    # --- building ----------------------------------------------------------------------------

    def command(self, command: str, text: str, channel: str, user: str) -> Delivery:
        """Build a slash command."""
        place = self._payloads.place(channel)
        delivery = self._new("slash_commands", place.id, user, self._hook(place.id, user))
        delivery.payload = self._payloads.command(
            command,
            text,
            place=place,
            user=user,
            trigger_id=delivery.trigger_id,
            response_url=delivery.response_url,
        )
        return delivery

    def click(
        self, message: Message, wanted: str, user: str, value: str | None, block: str | None
    ) -> Delivery:
        """Build the press of an element."""
        action = pressed(message, wanted, value, block)
        hook = self._hook(message.channel, user, message)
        delivery = self._new("interactive", message.channel, user, hook)
        delivery.payload = self._payloads.click(
            message, action, user, delivery.trigger_id, delivery.response_url
        )
        return delivery

    def submit(
        self, callback_id: str, values: Json, user: str, private_metadata: str | None
    ) -> Delivery:
        """Build the submission of that person's open form, or a forged one."""
        found = [
            view
            for view in self._workspace.views
            if view.callback_id == callback_id and view.user == user and not view.closed
        ]
        view = found[-1] if found else None
        delivery = self._new("interactive", "", user)
        delivery.view = view
        forged = View("V0", user, {"type": "modal", "callback_id": callback_id}, "0.hash")
        delivery.payload = self._payloads.submit(
            view or forged, values, user, private_metadata, delivery.trigger_id
        )
        return delivery

    def _hook(self, channel: str, user: str, original: Message | None = None) -> Hook:
        return self._workspace.new_hook(channel, user, original)

    def _new(self, kind: str, channel: str, user: str, hook: Hook | None = None) -> Delivery:
        delivery = Delivery(
            kind=kind,
            envelope_id=f"00000000-0000-4000-8000-{next(self._numbers):012d}",
            trigger_id=self._workspace.new_trigger(user).id,
            channel=channel,
            number=self._workspace.number(),
            workspace=self._workspace,
            hook=hook,
        )
        self._known[delivery.envelope_id] = delivery
        return delivery

    # --- sending -----------------------------------------------------------------------------

    async def send(
        self, delivery: Delivery, *, duplicate: bool = False, retry: str | None = None
    ) -> Delivery:
        """Send, and wait for one more acknowledgement."""
        delivery.sent_at = time.monotonic()
        delivery.error = None
        if self.request_url is not None:
            posts = [self._post(delivery, retry) for _ in range(2 if duplicate else 1)]
            await asyncio.gather(*posts)
        else:
            await self._send_envelope(delivery, duplicate, retry)
        return delivery

    async def _send_envelope(self, delivery: Delivery, duplicate: bool, retry: str | None) -> None:
        if self.sockets is None:
            raise RuntimeError("The fake Slack is not running")
        turn = self.sockets.next()
        if turn is None:
            delivery.error = "dispatch_failed"
            return
        envelope: Json = {
            "envelope_id": delivery.envelope_id,
            "type": delivery.kind,
            "accepts_response_payload": True,
            "payload": delivery.payload,
        }
        if retry is not None:
            envelope |= {"retry_attempt": 1, "retry_reason": retry}
        before, sockets = len(delivery.acks), self.sockets
        sent_to = list(sockets.open) if duplicate else [turn]
        for connection in sent_to:
            await connection.send(envelope)
        with contextlib.suppress(TimeoutError):
            # From a connection that is gone nothing comes any more.
            await self._workspace.until(
                lambda: (
                    len(delivery.acks) > before or not any(each in sockets.open for each in sent_to)
                ),
                self.ack_seconds,
                "acknowledgement",
            )
        if len(delivery.acks) == before:
            delivery.error = "operation_timeout"

    def acknowledge(self, connection: int, body: Json) -> None:
        """Take an acknowledgement from a socket."""
        delivery = self._known.get(str(body.get("envelope_id")))
        if delivery is not None:
            self._take_ack(delivery, connection, body.get("payload") or {})

    async def _post(self, delivery: Delivery, retry: str | None) -> None:
        values = delivery.payload
        if delivery.kind == "interactive":
            values = {"payload": json.dumps(delivery.payload)}
        body = urlencode(values).encode()
        headers = self._signer.sign(body)
        if retry is not None:
            headers |= {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": retry}
        try:
            delivery.status, text = await self.post(body, headers)
        except TimeoutError:
            delivery.error = "operation_timeout"
            return
        except aiohttp.ClientError:
            delivery.error = "dispatch_failed"
            return
        if delivery.status != 200:
            delivery.error = "dispatch_failed"
            return
        self._take_ack(delivery, 0, _parsed(text))

    async def post(self, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """POST to the request URL as it is, and answer the status and the text."""
        if self.http is None or self.request_url is None:
            raise RuntimeError("The fake Slack has no request_url, or is not running")
        async with (
            asyncio.timeout(self.ack_seconds),
            self.http.post(self.request_url, data=body, headers=headers) as answer,
        ):
            return answer.status, await answer.text()

    def _take_ack(self, delivery: Delivery, connection: int, payload: Json) -> None:
        delivery.acks.append(Ack(connection, payload, time.monotonic() - delivery.sent_at))
        if len(delivery.acks) == 1:
            self._obey(delivery, payload)
        self._workspace.changed()

    def _obey(self, delivery: Delivery, payload: Json) -> None:
        """Do what the body of an acknowledgement asks for."""
        if delivery.payload.get("type") == "view_submission":
            self._obey_form(delivery, payload)
        elif delivery.kind == "slash_commands" and delivery.hook is not None and payload:
            try:
                self._chat.answer_hook(delivery.hook, payload)
            except HookError as error:
                delivery.error = error.text

    def _obey_form(self, delivery: Delivery, payload: Json) -> None:
        view = delivery.view
        if view is None:
            return
        match payload.get("response_action"):
            case "errors":
                blocks = self._views.to_json(view)["blocks"]
                unknown = set(payload.get("errors", {})) - {b["block_id"] for b in blocks}
                if unknown:
                    delivery.error = f"errors name unknown blocks: {sorted(unknown)}"
            case "update" | "push":
                try:
                    self._views.replace(view, payload.get("view"))
                except SlackError as error:
                    delivery.error = f"{error.error}: {error.messages}"
            case _:
                view.closed = True


class Signer:
    """Signs requests with the app's secret."""

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def sign(self, body: bytes | str, timestamp: int | None = None) -> dict[str, str]:
        """Answer the headers of a request that Slack signed at `timestamp` (default: now)."""
        moment = int(time.time()) if timestamp is None else timestamp
        raw = body.encode() if isinstance(body, str) else body
        digest = hmac.new(self._secret, f"v0:{moment}:".encode() + raw, hashlib.sha256)
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "X-Slack-Request-Timestamp": str(moment),
            "X-Slack-Signature": f"v0={digest.hexdigest()}",
        }


def _parsed(text: str) -> Json:
    if not text.strip():
        return {}
    try:
        body = json.loads(text)
    except ValueError:
        body = None
    return body if isinstance(body, dict) else {"text": text}
