"""What Slack sends to the bot: slash commands, clicks and forms, over a socket or signed HTTP."""

import asyncio
import hashlib
import hmac
import itertools
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

import aiohttp

from tests.support.slack_chat import Chat, HookError
from tests.support.slack_payloads import Payloads, pressed
from tests.support.slack_sockets import Sockets
from tests.support.slack_views import Views
from tests.support.slack_workspace import (
    Hook,
    Json,
    Message,
    SlackError,
    View,
    Workspace,
)


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

    async def reply(self, timeout: float = 30, *, nth: int = 1) -> Message:  # noqa: ASYNC109 - a test's patience
        """Wait for the first message made through the response_url (or the nth).

        When none comes in time, the first later message in the channel counts instead.

        Raises
        ------
        TimeoutError
            When neither came.
        """
        try:
            return await self.workspace.until(
                lambda: self.replies[nth - 1] if len(self.replies) >= nth else None,
                timeout,
                f"reply to {self.payload.get('text', self.kind)!r} (error: {self.error})",
            )
        except TimeoutError:
            for message in self.workspace.in_channel(self.channel):
                later = message.number > self.number and nth == 1
                if later and message.user == self.workspace.bot_user_id:
                    return message
            raise


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
        self.ack_seconds = 30.0
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
        before = len(delivery.acks)
        for connection in list(self.sockets.open) if duplicate else [turn]:
            await connection.send(envelope)
        try:
            await self._workspace.until(
                lambda: len(delivery.acks) > before, self.ack_seconds, "acknowledgement"
            )
        except TimeoutError:
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
