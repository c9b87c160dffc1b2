"""PagerDuty, Squadcast, a webhook, a bell of tests and a heartbeat on one port of 127.0.0.1.

What is sent is checked as strictly as it is documented; a fault (see `faults`) is added by
the name of the one that it meets: `pagerduty`, `squadcast`, `webhook` or `heartbeat`.
"""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from tests.support.faults import Fault, Faults

Json = dict[str, Any]

ROUTING_KEY = "e93facc04764012d7bfb002500d5d1a6"
SQUADCAST_KEY = "5f1a63aebbee38080328c3042842ba24"
WEBHOOK_KEY = "a-key-that-signs"
HEARTBEAT_KEY = "0b6b2ad8-heartbeat"
KEYS = (ROUTING_KEY, SQUADCAST_KEY, WEBHOOK_KEY, HEARTBEAT_KEY)

# https://github.com/PagerDuty/api-schema: reference/events-v2/openapiv3.json
_EVENT = {"routing_key", "event_action", "dedup_key", "payload", "client", "client_url"}
_EVENT |= {"links", "images"}
_PAYLOAD = {"summary", "source", "severity", "timestamp", "component", "group", "class"}
_PAYLOAD |= {"custom_details"}
_SQUADCAST = {"message", "description", "tags", "priority", "status", "event_id"}
_SQUADCAST_BYTES = 30_000

_BLOCK = 64
_INNER, _OUTER = 0x36, 0x5C


@dataclass(frozen=True)
class Received:
    """One request, whatever became of it."""

    to: str
    body: bytes
    headers: dict[str, str]

    @property
    def content(self) -> Json:
        content: Json = json.loads(self.body)
        return content


class PagerServers:
    """The servers; `alerts` are PagerDuty's by key, `incidents` Squadcast's, in order."""

    def __init__(self) -> None:
        self.faults = Faults()
        self.received: list[Received] = []
        self.alerts: dict[str, str] = {}
        self.incidents: list[Json] = []
        self.beats = 0
        self._runner: web.AppRunner | None = None
        self._base = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/v2/enqueue", self._for("pagerduty", self._pagerduty))
        app.router.add_post("/v2/incidents/api/{key}", self._for("squadcast", self._squadcast))
        app.router.add_post("/hook", self._for("webhook", self._webhook))
        app.router.add_post("/bell/{key}", self._for("bell", self._bell))
        app.router.add_get("/ping/{key}", self._for("heartbeat", self._heartbeat))
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=1
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._base = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.faults.closing.set()
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def pagerduty(self) -> str:
        return f"{self._base}/v2/enqueue"

    @property
    def squadcast(self) -> str:
        return f"{self._base}/v2/incidents/api/{{key}}"

    @property
    def webhook(self) -> str:
        return f"{self._base}/hook"

    @property
    def bell(self) -> str:
        return f"{self._base}/bell/{{key}}"

    @property
    def heartbeat(self) -> str:
        return f"{self._base}/ping/{{key}}"

    def fail(self, to: str, fault: Fault) -> None:
        self.faults.add(to, fault)

    def sent_to(self, to: str) -> list[Received]:
        return [each for each in self.received if each.to == to]

    def _for(
        self, to: str, perform: Callable[[web.Request, bytes], web.Response]
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handle(request: web.Request) -> web.StreamResponse:
            body = await request.read()
            self.received.append(Received(to, body, dict(request.headers)))

            async def performed() -> web.StreamResponse:
                return perform(request, body)

            return await self.faults.answer(request, to, performed)

        return handle

    def _pagerduty(self, request: web.Request, body: bytes) -> web.Response:
        errors = _wrong_event(_read(request, body))
        if errors:
            answer = {"status": "invalid event", "message": "Event object is invalid"}
            return web.json_response({**answer, "errors": errors}, status=400)
        event = json.loads(body)
        if event["routing_key"] != ROUTING_KEY:
            return web.json_response({"status": "forbidden", "message": "…"}, status=403)
        key = event["dedup_key"]
        if event["event_action"] == "trigger":
            self.alerts[key] = "triggered"
        elif self.alerts.get(key, "resolved") != "resolved":
            self.alerts[key] = f"{event['event_action']}d"
        answer = {"status": "success", "message": "Event processed", "dedup_key": key}
        return web.json_response(answer, status=202)

    def _squadcast(self, request: web.Request, body: bytes) -> web.Response:
        if request.match_info["key"] != SQUADCAST_KEY:
            return web.json_response({"meta": {"status": 401}}, status=401)
        if len(body) > _SQUADCAST_BYTES:
            return web.Response(status=413)
        event = _read(request, body)
        if _wrong_incident(event):
            return web.json_response({"meta": {"status": 400}}, status=400)
        if event["status"] == "trigger":
            # Squadcast has no other use for an event_id than to resolve all that have it.
            self.incidents.append({**event})
        for incident in self.incidents:
            if incident["event_id"] == event["event_id"]:
                incident["status"] = event["status"]
        return web.json_response({"result": "Request will be processed"}, status=202)

    def _webhook(self, request: web.Request, body: bytes) -> web.Response:
        if not _read(request, body):
            return web.Response(status=400)
        if not signed(request.headers.get("X-Prompt-Redis-Signature", ""), body, WEBHOOK_KEY):
            return web.Response(status=401)
        return web.Response(status=204)

    def _bell(self, request: web.Request, body: bytes) -> web.Response:
        return web.Response(status=200 if _read(request, body) else 400)

    def _heartbeat(self, request: web.Request, _: bytes) -> web.Response:
        if request.match_info["key"] != HEARTBEAT_KEY:
            return web.Response(status=404)
        self.beats += 1
        return web.Response(text="OK")


def signed(header: str, body: bytes, key: str) -> bool:
    """Check a signature by RFC 2104 itself, without the library that made it."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    if set(parts) != {"t", "v1"} or not parts["t"].isdecimal():
        return False
    padded = key.encode().ljust(_BLOCK, b"\0")
    assert len(padded) == _BLOCK, "a longer key would be hashed first"
    inner = sha256(bytes(byte ^ _INNER for byte in padded) + f"{parts['t']}.".encode() + body)
    outer = sha256(bytes(byte ^ _OUTER for byte in padded) + inner.digest())
    return parts["v1"] == outer.hexdigest()


def _read(request: web.Request, body: bytes) -> Json:
    try:
        content = json.loads(body)
    except ValueError:
        return {}
    well = request.content_type == "application/json" and isinstance(content, dict)
    return content if well else {}


def _wrong_event(event: Json) -> list[str]:
    payload = event.get("payload", {})
    key, dedup = event.get("routing_key"), event.get("dedup_key")
    action = event.get("event_action")
    checks = {
        "unknown keys": set(event) <= _EVENT and set(payload) <= _PAYLOAD,
        "Length of 'routing_key' is incorrect (should be 32 characters)": _text(key)
        and len(str(key)) == 32,
        "event_action": action in {"trigger", "acknowledge", "resolve"},
        "dedup_key": _text(dedup) and len(str(dedup)) <= 255,
        "payload.summary": _text(payload.get("summary")) and len(payload["summary"]) <= 1024,
        "payload.source": _text(payload.get("source")),
        "payload.severity": payload.get("severity") in {"critical", "error", "warning", "info"},
        "payload.timestamp": _time(payload.get("timestamp")),
        "payload.custom_details": isinstance(payload.get("custom_details", {}), dict),
        "links": all(
            set(each) <= {"href", "text"} and _text(each.get("href"))
            for each in event.get("links", [])
        ),
    }
    return [text for text, well in checks.items() if not well]


def _wrong_incident(event: Json) -> list[str]:
    trigger = event.get("status") == "trigger"
    checks = {
        "unknown keys": set(event) <= _SQUADCAST,
        "status": event.get("status") in {"trigger", "resolve"},
        "event_id": _text(event.get("event_id")),
        "message": not trigger or _text(event.get("message")),
        "description": not trigger or _text(event.get("description")),
        "tags": all(_text(tag) or "value" in tag for tag in event.get("tags", {}).values()),
    }
    return [text for text, well in checks.items() if not well]


def _text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _time(value: Any) -> bool:
    return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
