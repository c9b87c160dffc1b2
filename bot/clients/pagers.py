"""Tells the people on call through other people's systems: PagerDuty, Squadcast, any webhook.

Each is one class, a `Notifier`; `NOTIFIERS` lists them. Addresses carry keys, and the library puts
addresses into its errors: none of those leaves this module, neither as a text nor as the cause of
another error.
"""

import asyncio
import hmac
import json
import re
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

import aiohttp
import structlog

from bot.domain.oncall import GIVEN_UP_AFTER, Kind, Page, PageEvent, PageFailed, Target

_log = structlog.get_logger()

GIVEN_SECONDS = 10.0
SUCCESS = range(200, 300)
SIGNATURE = "X-Prompt-Redis-Signature"

# https://developer.pagerduty.com/docs/send-alert-event
PAGERDUTY_SUMMARY = 1024
# Squadcast takes 30 kB in all, in bytes.
SQUADCAST_TEXT = 3000

# Timed out, in conflict with something that goes on, too early, too many: over by themselves.
_PASSING = (408, 409, 425, 429)
# A gateway says these of whoever is behind it and may have taken a page.
_BEHIND = (502, 504)
_CLIENT = "prompt-redis-bot"


class Notifier(ABC):
    """Tells one target. A further kind of target is a further class, and its place in a list."""

    kind: ClassVar[Kind]
    """What the configuration, `check`, `oncall` and the docs say of targets of this class."""

    def __init__(self, target: Target) -> None:
        self.name = target.name

    @abstractmethod
    async def notify(
        self, page: Page, *, key: str = "", perhaps_since: datetime | None = None
    ) -> None:
        """Tell it, so that a repeat does no harm.

        Parameters
        ----------
        key
            The same at every try of this page.
        perhaps_since
            Since when it may have been told already; None if it was not.

        Raises
        ------
        PageFailed
            If it was not told, or perhaps not.
        """


class HttpNotifier(Notifier):
    """Tells a target by a request to its address."""

    accepted: ClassVar[Container[int]] = SUCCESS
    """What the other side answers when it has taken a page."""

    def __init__(self, target: Target, key: str, calls: "Calls") -> None:
        super().__init__(target)
        self._url = with_key(target.address or "", key)
        self._key = key
        self._calls = calls

    async def notify(
        self, page: Page, *, key: str = "", perhaps_since: datetime | None = None
    ) -> None:
        """Post the page; whoever gets it knows one that it has, by its keys."""
        del perhaps_since
        body = json.dumps(self.content(page, key), ensure_ascii=False).encode("utf-8", "replace")
        headers = {"Content-Type": "application/json", **self.headers(body)}
        await self._calls.call(self.name, self._url, self.accepted, body=body, headers=headers)

    @abstractmethod
    def content(self, page: Page, key: str) -> Mapping[str, Any]:
        """Give what is posted as JSON; the key is the same at every try of this page."""

    def headers(self, body: bytes) -> Mapping[str, str]:
        """Give what goes with a body."""
        del body
        return {}


class Squadcast(HttpNotifier):
    """A service at Squadcast, by its incident webhook.

    All incidents of one event_id are resolved together.
    """

    kind = Kind("squadcast", "Squadcast")

    def content(self, page: Page, key: str) -> Mapping[str, Any]:
        """Give the incident."""
        del key
        lines = [f"{label}: {text}" for label, text in page.details]
        # It takes no incident without a description.
        description = "\n".join([*lines, page.link] if page.link else lines) or page.summary
        tags = {
            "environment": page.environment,
            "instrument": page.instrument,
            "rule": page.rule or "",
            "severity": page.severity.value,
        }
        return {
            "message": _cut(page.summary, SQUADCAST_TEXT),
            "description": _cut(description, SQUADCAST_TEXT),
            "tags": {tag: value for tag, value in tags.items() if value},
            "status": page.step.value,
            "event_id": page.key,
        }


class PagerDuty(HttpNotifier):
    """A service at PagerDuty, by its Events API v2; it knows an alert by its dedup_key."""

    kind = Kind(
        "pagerduty",
        "PagerDuty",
        address="https://events.pagerduty.com/v2/enqueue",
        key="routing key",
        events=tuple(PageEvent),
    )
    # Anything else that looks well is not PagerDuty, but something on the way there.
    accepted = (202,)

    def content(self, page: Page, key: str) -> Mapping[str, Any]:
        """Give the event."""
        del key
        event: dict[str, Any] = {
            "routing_key": self._key,
            "event_action": page.step.value,
            "dedup_key": page.key,
            "payload": {
                "summary": _cut(page.summary, PAGERDUTY_SUMMARY),
                "source": f"prompt-redis {page.label}",
                "severity": page.severity.value,
                "timestamp": _iso(page.at),
                "component": page.instrument or "redis",
                "group": page.environment,
                "class": page.rule or "page",
                "custom_details": dict(page.details),
            },
            "client": _CLIENT,
        }
        if page.link:
            event["links"] = [{"href": page.link, "text": "The alarm in Slack"}]
        return event


class Webhook(HttpNotifier):
    """Any address that takes a page as JSON.

    It is posted as::

        {
          "version": 1,
          "delivery": "6f0c…",          the same when this page is sent again
          "step": "trigger",            or "resolve"
          "key": "prompt-redis-bot:…",  the same for everything about one alarm
          "target": "…",                name of the target, as in the bot's configuration
          "incident": 31,               null for a page by hand and for a test
          "environment": "prod",
          "label": "PROD",              the environment as people read it
          "instrument": "lsstcam",      null where it is about the Redis under all streams
          "rule": "expiring",           null for a page by hand and for a test
          "severity": "critical",       or "warning"
          "summary": "PROD lsstcam: …",
          "details": [{"label": "Waiting", "text": "8,428 entries = 49 visits"}],
          "link": "https://…",          the alarm's message in Slack; null where it is not known
          "found_at": "2026-11-24T05:56:58.000Z",
          "sent_at": "2026-11-24T05:57:00.000Z"
        }

    with a header ``X-Prompt-Redis-Signature: t=<Unix time>,v1=<HMAC-SHA256>``: the hexadecimal
    digest of ``<Unix time>.<body>`` under the target's key. A receiver should refuse what is not
    signed so, or not within some minutes of its own time, and take a delivery once. Any 2xx says
    that it has taken it. Without a key pages are sent unsigned.
    """

    kind = Kind("webhook", "a webhook", signed=True)

    def content(self, page: Page, key: str) -> Mapping[str, Any]:
        """Give the page."""
        return {
            "version": 1,
            "delivery": key or None,
            "step": page.step.value,
            "key": page.key,
            "target": page.target,
            "incident": page.incident or None,
            "environment": page.environment,
            "label": page.label,
            "instrument": page.instrument or None,
            "rule": page.rule,
            "severity": page.severity.value,
            "summary": page.summary,
            "details": [{"label": label, "text": text} for label, text in page.details],
            "link": page.link or None,
            "found_at": _iso(page.at),
            "sent_at": _iso(self._calls.clock()),
        }

    def headers(self, body: bytes) -> Mapping[str, str]:
        """Sign a body, so that the receiver knows that it is ours, and new."""
        if not self._key:
            return {}
        at = int(self._calls.clock().timestamp())
        digest = hmac.digest(self._key.encode(), b"%d.%b" % (at, body), "sha256").hex()
        return {SIGNATURE: f"t={at},v1={digest}"}


NOTIFIERS: tuple[type[HttpNotifier], ...] = (Squadcast, PagerDuty, Webhook)
"""Every class of this module; the process and `check` take others in their place."""


class Heartbeat:
    """Tells an address that the watch is well; whoever is behind it tells people if we do not.

    Parameters
    ----------
    url
        Address; ``{key}`` in it stands for the key.
    key
        Its secret part; empty where it has none.
    """

    def __init__(self, url: str, key: str, calls: "Calls") -> None:
        self._url = with_key(url, key)
        self._calls = calls
        self._well = True

    async def beat(self) -> bool:
        """Call it; a failure is logged, and told by False."""
        try:
            await self._calls.call("the heartbeat", self._url)
        except PageFailed as error:
            _log.warning("the heartbeat does not arrive", reason=error.reason)
            self._well = False
            return False
        if not self._well:
            _log.info("the heartbeat arrives again")
        self._well = True
        return True


class Calls:
    """Calls addresses elsewhere, over one session, never for long.

    Parameters
    ----------
    proxy_for
        Gives the proxy for an address; None to go straight there.
    seconds
        How long one call may take.
    """

    def __init__(
        self,
        proxy_for: Callable[[str], str | None],
        *,
        clock: Callable[[], datetime],
        seconds: float = GIVEN_SECONDS,
    ) -> None:
        self._proxy_for = proxy_for
        self.clock = clock
        self._seconds = seconds
        self._session = aiohttp.ClientSession(
            # Calls are rare: a connection kept open would only be found dead when it matters.
            connector=aiohttp.TCPConnector(force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=seconds),
            headers={"User-Agent": _CLIENT},
        )

    async def aclose(self) -> None:
        """Close the session."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def call(
        self,
        target: str,
        url: str,
        accepted: Container[int] = SUCCESS,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Post a body to an address, or without one only ask it.

        Raises
        ------
        PageFailed
            If there is no answer, or not one of those that are accepted.
        """
        method = "GET" if body is None else "POST"
        try:
            async with self._session.request(
                method,
                url,
                data=body,
                headers=headers,
                proxy=self._proxy_for(url),
                # The key would go wherever the answer says.
                allow_redirects=False,
            ) as response:
                failure = self._refusal(target, response, accepted)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            lost = f"the connection to {target} was lost"
            failure = _unanswered(error, target, self._seconds, lost)
        # Not raised in there: its traceback would show the library's error, and with it the key.
        if failure is not None:
            raise failure

    def _refusal(
        self, target: str, response: aiohttp.ClientResponse, accepted: Container[int]
    ) -> PageFailed | None:
        """Say why an answer is no success; None where it is one."""
        status, slow = response.status, False
        if status in accepted:
            return None
        if status in SUCCESS:
            reason = f"something else answers in place of {target} (HTTP {status})"
        elif status == 429:  # noqa: PLR2004 -- too many requests
            reason = f"{target} asks us to wait (HTTP {status})"
        elif status in _PASSING or status >= 500:  # noqa: PLR2004 -- their own trouble
            reason = f"{target} cannot take it now (HTTP {status})"
        elif status in {401, 403}:
            reason, slow = f"{target} refuses our key (HTTP {status})", True
        elif status in {404, 410}:
            reason, slow = f"{target} is not at its address any more (HTTP {status})", True
        else:
            reason, slow = f"{target} refuses it (HTTP {status})", True
        # Where the time to wait for is a date, then one by the clock of whoever wrote it.
        here = _date(response.headers.get("Date")) or self.clock()
        pause = retry_after(response.headers.get("Retry-After"), here)
        return PageFailed(reason, slow=slow, perhaps=status in _BEHIND, retry_after=pause)


async def connect(target: str, url: str, seconds: float = GIVEN_SECONDS) -> None:
    """Open a connection to an address and close it again: nothing is sent, nobody is told.

    Raises
    ------
    PageFailed
        If it cannot be opened.
    """
    try:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(
                parts.hostname,
                parts.port or (443 if secure else 80),
                ssl=ssl.create_default_context() if secure else None,
            )
            writer.transport.abort()
    except (OSError, ValueError) as error:
        failure = _unanswered(error, target, seconds, f"{target} takes no connection")
    else:
        return
    raise failure


def with_key(url: str, key: str) -> str:
    """Put a key into its place in an address, as it stands: keys are copied from addresses."""
    return url.replace("{key}", key)


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Read a Retry-After, seconds or a time; None where there is none that can be read."""
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        seconds = float(text)
    elif (at := _date(text)) is not None:
        seconds = (at - now).total_seconds()
    else:
        return None
    # After a day nobody tries any more; a longer one may not even be a timedelta.
    return timedelta(seconds=min(max(seconds, 0.0), GIVEN_UP_AFTER.total_seconds()))


def _date(text: str | None) -> datetime | None:
    try:
        at = parsedate_to_datetime(text or "")
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def _unanswered(error: Exception, target: str, seconds: float, otherwise: str) -> PageFailed:
    """Say why there was no answer, in words of our own."""
    slow = perhaps = False
    match error:
        case TimeoutError():
            reason, perhaps = f"{target} has not answered within {seconds:g} s", True
        case aiohttp.ClientHttpProxyError():
            reason = f"the proxy lets nothing through to {target} (HTTP {error.status})"
        case aiohttp.ClientProxyConnectionError():
            reason = f"the proxy on the way to {target} cannot be reached"
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            reason = f"the host of {target} has no address"
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch() | ssl.SSLError():
            reason = f"{target} shows no certificate that can be trusted"
        case ValueError() | aiohttp.NonHttpUrlClientError():
            reason, slow = f"the address of {target} is not one that can be called", True
        case aiohttp.ClientConnectorError():
            reason = f"{target} takes no connection"
        case _:
            reason, perhaps = otherwise, True
    return PageFailed(reason, slow=slow, perhaps=perhaps)


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
