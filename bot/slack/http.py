"""HTTP mode: what Slack posts to /slack/events, verified before anything else looks at it.

Bolt answers 500 to malformed requests and logs the body of a badly signed one, so neither gets
there: unsigned or stale is 401, malformed 400, and nothing is ever a 5xx.
"""

import json
from typing import Any
from urllib.parse import parse_qs

import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response, to_bolt_request
from slack_bolt.async_app import AsyncApp
from slack_sdk.signature import SignatureVerifier

_log = structlog.get_logger()

_LONGEST_STAMP = 12
"""Digits of Unix time; Slack sends ten. A number of thousands of digits is an error to Python."""

_KINDS = ("block_actions", "view_submission", "view_closed")
_NEEDED = ("team_id", "channel_id", "user_id", "command", "response_url", "trigger_id")


class Events:
    """Takes Slack's requests, and gives what is genuine and well-formed to Bolt."""

    def __init__(self, app: AsyncApp, signing_secret: str) -> None:
        self._app = app
        self._verifier = SignatureVerifier(signing_secret)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; a body over the server's limit is refused with 413."""
        try:
            body = (await request.read()).decode()
        except UnicodeDecodeError:
            # Slack signs text alone, and the library fails at anything else.
            body = None
        if body is None or not self._genuine(request, body):
            _log.warning("a request to /slack/events was not signed by Slack, or is stale")
            return web.Response(status=401, text="not signed by Slack")
        try:
            if not _well_formed(body):
                return web.Response(status=400, text="not a delivery")
            answer = await self._app.async_dispatch(await to_bolt_request(request))
            if answer.status >= 400:  # noqa: PLR2004 -- HTTP's errors: Bolt knows no listener for it
                return web.Response(status=400, text="not a delivery")
            return await to_aiohttp_response(answer)
        except Exception:  # noqa: BLE001 -- Slack repeats what got a 5xx, and that would not help
            _log.exception("a signed request to /slack/events could not be read")
            return web.Response(status=400, text="not readable")

    def _genuine(self, request: web.Request, body: str) -> bool:
        """Check the signature and its age; the library fails at what these limits keep from it."""
        stamp = request.headers.get("X-Slack-Request-Timestamp", "")
        signature = request.headers.get("X-Slack-Signature", "")
        sane = stamp.isascii() and stamp.isdigit() and len(stamp) <= _LONGEST_STAMP
        return sane and signature.isascii() and self._verifier.is_valid(body, stamp, signature)


def _well_formed(body: str) -> bool:
    """Tell whether a body is a slash command, a click or a form."""
    try:
        fields = parse_qs(body, keep_blank_values=True, strict_parsing=True)
        if "payload" not in fields:
            # Slack also looks, now and then, whether the certificate is good.
            return "ssl_check" in fields or all(name in fields for name in _NEEDED)
        payload: Any = json.loads(fields["payload"][0])
        return isinstance(payload, dict) and payload.get("type") in _KINDS
    except (ValueError, RecursionError):
        return False
