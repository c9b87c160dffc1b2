"""Tells the people on call through other people's systems: PagerDuty, Squadcast, any webhook.

Each is a `Notifier`. No error, log line or repr here holds an address or a key.
"""

import hmac
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

import structlog

from bot.clients.pager_calls import SUCCESS, Calls, check, with_key
from bot.domain.oncall import Kind, Page, PageFailed

_log = structlog.get_logger()

SIGNATURE = "X-Prompt-Redis-Signature"

# https://developer.pagerduty.com/docs/send-alert-event
PAGERDUTY_SUMMARY = 1024
# Squadcast takes 30 kB in all, in bytes.
SQUADCAST_TEXT = 3000

_ACCEPTED = (202,)
_CLIENT = "prompt-redis-bot"


class Notifier(Protocol):
    """Tells one target. This is all that a further kind of target must do."""

    @property
    def name(self) -> str:
        """Name of the target, as in the configuration."""
        ...

    async def notify(
        self, page: Page, *, key: str = "", perhaps_since: datetime | None = None
    ) -> None:
        """Tell it, so that a repeat does no harm.

        Parameters
        ----------
        page
            What to tell.
        key
            The same at every try of this page.
        perhaps_since
            Since when it may have been told already; None if it was not.

        Raises
        ------
        PageFailed
            If it was not told, or perhaps not.
        """
        ...


class PagerDuty:
    """A service at PagerDuty, by its Events API v2.

    Parameters
    ----------
    name
        Of the target.
    url
        Where events go.
    key
        Routing key of the service's integration.
    calls
        Makes the calls.
    """

    def __init__(self, name: str, url: str, key: str, calls: Calls) -> None:
        self.name = name
        self._url = with_key(url, key)
        self._key = key
        self._calls = calls

    async def notify(
        self, page: Page, *, key: str = "", perhaps_since: datetime | None = None
    ) -> None:
        """Open or resolve the alert of the page's key; see `Notifier`."""
        del key, perhaps_since  # PagerDuty itself knows an alert that it has by its dedup_key
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
                "class": page.rule.value if page.rule else "page",
                "custom_details": dict(page.details),
            },
            "client": _CLIENT,
        }
        if page.link:
            event["links"] = [{"href": page.link, "text": "The alarm in Slack"}]
        answer = await self._calls.post(self.name, self._url, _json(event))
        # Anything else that looks well is not PagerDuty, but something on the way there.
        check(self.name, answer, _ACCEPTED)


class Squadcast:
    """A service at Squadcast, by its incident webhook.

    Parameters
    ----------
    name
        Of the target.
    url
        Of the webhook, with ``{key}`` in it.
    key
        The secret part of the address.
    calls
        Makes the calls.
    """

    def __init__(self, name: str, url: str, key: str, calls: Calls) -> None:
        self.name = name
        self._url = with_key(url, key)
        self._calls = calls

    async def notify(
        self, page: Page, *, key: str = "", perhaps_since: datetime | None = None
    ) -> None:
        """Open or resolve the incidents of the page's key; see `Notifier`."""
        del key, perhaps_since  # all incidents of one event_id are resolved together
        lines = [f"{label}: {text}" for label, text in page.details]
        # It takes no incident without a description.
        description = "\n".join([*lines, page.link] if page.link else lines) or page.summary
        tags = {
            "environment": page.environment,
            "instrument": page.instrument,
            "rule": page.rule.value if page.rule else "",
            "severity": page.severity.value,
        }
        event = {
            "message": _cut(page.summary, SQUADCAST_TEXT),
            "description": _cut(description, SQUADCAST_TEXT),
            "tags": {tag: value for tag, value in tags.items() if value},
            "status": page.step.value,
            "event_id": page.key,
        }
        answer = await self._calls.post(self.name, self._url, _json(event))
        check(self.name, answer, SUCCESS)


class Webhook:
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
    that it has taken it.

    Parameters
    ----------
    name
        Of the target.
    url
        Where pages go; ``{key}`` in it stands for the key.
    key
        What pages are signed with; empty to send them unsigned.
    calls
        Makes the calls.
    """

    def __init__(self, name: str, url: str, key: str, calls: Calls) -> None:
        self.name = name
        self._url = with_key(url, key)
        self._key = key
        self._calls = calls

    async def notify(
        self, page: Page, *, key: str = "", perhaps_since: datetime | None = None
    ) -> None:
        """Post the page; see `Notifier`."""
        del perhaps_since  # the receiver knows a delivery that it has
        now = self._calls.clock()
        body = _json(
            {
                "version": 1,
                "delivery": key or None,
                "step": page.step.value,
                "key": page.key,
                "target": page.target,
                "incident": page.incident or None,
                "environment": page.environment,
                "label": page.label,
                "instrument": page.instrument or None,
                "rule": page.rule.value if page.rule else None,
                "severity": page.severity.value,
                "summary": page.summary,
                "details": [{"label": label, "text": text} for label, text in page.details],
                "link": page.link or None,
                "found_at": _iso(page.at),
                "sent_at": _iso(now),
            }
        )
        headers = {SIGNATURE: signature(self._key, body, now)} if self._key else {}
        answer = await self._calls.post(self.name, self._url, body, headers)
        check(self.name, answer, SUCCESS)


class Heartbeat:
    """Tells an address that the watch is well; whoever is behind it tells people if we do not.

    Parameters
    ----------
    url
        Address; ``{key}`` in it stands for the key.
    key
        Its secret part; empty where it has none.
    calls
        Makes the calls.
    """

    def __init__(self, url: str, key: str, calls: Calls) -> None:
        self._url = with_key(url, key)
        self._calls = calls
        self._well = True

    async def beat(self) -> bool:
        """Call it; a failure is logged, and told by False."""
        try:
            check("the heartbeat", await self._calls.get("the heartbeat", self._url), SUCCESS)
        except PageFailed as error:
            _log.warning("the heartbeat does not arrive", reason=error.reason)
            self._well = False
            return False
        if not self._well:
            _log.info("the heartbeat arrives again")
        self._well = True
        return True


BY_KIND: Mapping[Kind, Callable[[str, str, str, Calls], Notifier]] = {
    Kind.PAGERDUTY: PagerDuty,
    Kind.SQUADCAST: Squadcast,
    Kind.WEBHOOK: Webhook,
}
"""What makes a notifier of a name, an address, a key and the calls. Slack has its own way."""


def signature(key: str, body: bytes, now: datetime) -> str:
    """Give the value of the header by which a webhook knows that a page is ours, and new."""
    at = int(now.timestamp())
    digest = hmac.digest(key.encode(), b"%d.%b" % (at, body), "sha256").hex()
    return f"t={at},v1={digest}"


def _json(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
