"""HTTP mode: what Slack posts to /slack/events, verified before anything else looks at it.

Bolt answers 500 to malformed requests and logs the body of a badly signed one, so neither gets
there: unsigned or stale is 401, malformed 400, and nothing is ever a 5xx but 503, where many send
large bodies at once. Anybody can send here: what cannot be signed is refused before its body is
read, nothing is inflated, and a body has 5 s to come.
"""

import asyncio
import json
import time
from typing import Any
from urllib.parse import parse_qs

import structlog
from aiohttp import web
from slack_bolt.adapter.aiohttp import to_aiohttp_response
from slack_bolt.async_app import AsyncApp, AsyncBoltRequest
from slack_sdk.signature import SignatureVerifier

_log = structlog.get_logger()

_LONGEST_STAMP = 12
"""Digits of Unix time; Slack sends ten. A number of thousands of digits is an error to Python."""

_STALE = 300
"""Seconds; the library's own limit."""

_SIGNATURE = len("v0=") + 64

_BODY_SECONDS = 5.0
_USUAL_BODY = 2**16
_LARGEST_BODY = 2**20
"""Bytes. A click tells the whole message that it was made on; the largest is a tenth of this."""

_LARGE_AT_ONCE = 2
"""Bodies past the usual size that are read at once: who signed one is known when it is there."""

_KINDS = ("block_actions", "view_submission", "view_closed")
_NEEDED = ("team_id", "channel_id", "user_id", "command", "response_url", "trigger_id")


class _NotTaken(Exception):
    """A body that is too large, too slow, or cut off."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Events:
    """Takes Slack's requests, and gives what is genuine and well-formed to Bolt."""

    def __init__(self, app: AsyncApp, signing_secret: str) -> None:
        self._app = app
        self._verifier = SignatureVerifier(signing_secret)
        self._large = asyncio.Semaphore(_LARGE_AT_ONCE)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer one request; a body over the limit is refused with 413."""
        if not _may_be_genuine(request):
            return _unsigned()
        if request.headers.get("Content-Encoding", "identity").lower() != "identity":
            return _refused(415, "Slack compresses nothing")
        try:
            body = (await self._body(request)).decode()
        except _NotTaken as error:
            _log.warning("the body of a request to /slack/events was not taken", reason=str(error))
            return _refused(error.status, str(error))
        except UnicodeDecodeError:
            # Slack signs text alone, and the library fails at anything else.
            return _unsigned()
        stamp, signature = _stamp(request), _signature(request)
        if not self._verifier.is_valid(body, stamp, signature):
            return _unsigned()
        try:
            if not _well_formed(body):
                return web.Response(status=400, text="not a delivery")
            delivery = AsyncBoltRequest(
                body=body,
                query=request.query_string,
                headers=request.headers,  # type: ignore[arg-type]
            )
            answer = await self._app.async_dispatch(delivery)
            if answer.status >= 400:  # noqa: PLR2004 -- HTTP's errors: Bolt knows no listener for it
                return web.Response(status=400, text="not a delivery")
            return await to_aiohttp_response(answer)
        except Exception:  # noqa: BLE001 -- Slack repeats what got a 5xx, and that would not help
            _log.exception("a signed request to /slack/events could not be read")
            return web.Response(status=400, text="not readable")

    async def _body(self, request: web.Request) -> bytes:
        """Read a body that nobody vouches for yet.

        Raises
        ------
        _NotTaken
            If it is too large, does not come in time, or is cut off.
        """
        body, large = bytearray(), False
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                async for chunk in request.content.iter_any():
                    body += chunk
                    if len(body) > _LARGEST_BODY:
                        raise _NotTaken(413, "too large")
                    if len(body) > _USUAL_BODY and not large:
                        if self._large.locked():
                            raise _NotTaken(503, "too many large ones at once")
                        large = await self._large.acquire()
        except TimeoutError as error:
            raise _NotTaken(408, "too slow") from error
        except (OSError, web.RequestPayloadError) as error:
            raise _NotTaken(400, "cut off") from error
        finally:
            if large:
                self._large.release()
        return bytes(body)


def _stamp(request: web.Request) -> str:
    return request.headers.get("X-Slack-Request-Timestamp", "")


def _signature(request: web.Request) -> str:
    return request.headers.get("X-Slack-Signature", "")


def _may_be_genuine(request: web.Request) -> bool:
    """Tell from the headers alone; the library fails at what these limits keep from it."""
    stamp, signature = _stamp(request), _signature(request)
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= _LONGEST_STAMP):
        return False
    fresh = abs(time.time() - int(stamp)) <= _STALE
    return fresh and signature.isascii() and len(signature) == _SIGNATURE


def _unsigned() -> web.Response:
    _log.warning("a request to /slack/events was not signed by Slack, or is stale")
    return _refused(401, "not signed by Slack")


def _refused(status: int, text: str) -> web.Response:
    """Refuse a request, and close its connection: perhaps more of its body is on the way."""
    response = web.Response(status=status, text=text)
    response.force_close()
    return response


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
