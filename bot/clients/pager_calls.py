"""Calls addresses elsewhere, and says in words of its own what came of it.

Addresses carry keys, and the library puts addresses into its errors: none of those leaves this
module, neither as a text nor as the cause of another error.
"""

import asyncio
import re
import socket
import ssl
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from bot.domain.oncall import GIVEN_UP_AFTER, PageFailed

GIVEN_SECONDS = 10.0
SUCCESS = range(200, 300)

# Timed out, in conflict with something that goes on, too early, too many: over by themselves.
_PASSING = (408, 409, 425, 429)


@dataclass(frozen=True)
class Answer:
    """What came back: the status, and how long the other side asks to be left alone."""

    status: int
    retry_after: timedelta | None


class Calls:
    """Calls addresses elsewhere, over one session, never for long.

    Parameters
    ----------
    proxy_for
        Gives the proxy for an address; None to go straight there.
    clock
        Gives the time in UTC.
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
            headers={"User-Agent": "prompt-redis-bot"},
        )

    async def aclose(self) -> None:
        """Close the session."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def post(
        self, target: str, url: str, body: bytes, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send JSON to a target.

        Raises
        ------
        PageFailed
            If there is no answer.
        """
        sent = {"Content-Type": "application/json", **(headers or {})}
        return await self._call("POST", target, url, body, sent)

    async def get(self, target: str, url: str) -> Answer:
        """Call an address.

        Raises
        ------
        PageFailed
            If there is no answer.
        """
        return await self._call("GET", target, url, None, {})

    async def _call(
        self, method: str, target: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> Answer:
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
                return Answer(response.status, self._retry_after(response.headers))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _unanswered(error, target, self._seconds)
        # Not raised in there: its traceback would show the library's error, and with it the key.
        raise failure

    def _retry_after(self, headers: Mapping[str, str]) -> timedelta | None:
        # Where it is a time, then one by the clock of whoever wrote it.
        here = self.clock()
        return retry_after(headers.get("Retry-After"), _date(headers.get("Date")) or here)


async def connect(target: str, url: str, seconds: float = GIVEN_SECONDS) -> None:
    """Open a connection to an address and close it again: nothing is sent, nobody is told.

    Raises
    ------
    PageFailed
        If it cannot be opened.
    """
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    reason = ""
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(
                parts.hostname, port, ssl=ssl.create_default_context() if secure else None
            )
            writer.transport.abort()
    except TimeoutError:
        reason = f"{target} has not answered within {seconds:g} s"
    except socket.gaierror:
        reason = f"the host of {target} has no address"
    except ssl.SSLError:
        reason = f"{target} shows no certificate that can be trusted"
    except OSError:
        reason = f"{target} takes no connection"
    except ValueError:
        reason = f"the address of {target} is not one that can be called"
    if reason:
        raise PageFailed(reason, permanent=False)


def with_key(url: str, key: str) -> str:
    """Put a key into its place in an address, as it stands: keys are copied from addresses."""
    return url.replace("{key}", key)


def retry_after(value: str | None, now: datetime) -> timedelta | None:
    """Read a Retry-After, seconds or a time; None where there is none that can be read."""
    if value is None:
        return None
    text = value.strip()
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


def _unanswered(error: Exception, target: str, seconds: float) -> PageFailed:
    """Say why there was no answer, in words of our own."""
    permanent = False
    match error:
        case TimeoutError():
            reason = f"{target} has not answered within {seconds:g} s"
        case aiohttp.ClientHttpProxyError():
            reason = f"the proxy lets nothing through to {target} (HTTP {error.status})"
        case aiohttp.ClientProxyConnectionError():
            reason = f"the proxy on the way to {target} cannot be reached"
        case aiohttp.ClientConnectorDNSError():
            reason = f"the host of {target} has no address"
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            reason = f"{target} shows no certificate that can be trusted"
        case aiohttp.ClientConnectorError():
            reason = f"{target} takes no connection"
        case ValueError() | aiohttp.NonHttpUrlClientError():
            reason, permanent = f"the address of {target} is not one that can be called", True
        case _:
            reason = f"the connection to {target} was lost"
    return PageFailed(reason, permanent=permanent)


def check(target: str, answer: Answer, accepted: Container[int]) -> None:
    """Take an answer for success, or say why it is none."""
    status, permanent = answer.status, False
    if status in accepted:
        return
    if status in SUCCESS:
        reason = f"something else answers in place of {target} (HTTP {status})"
    elif status == 429:  # noqa: PLR2004 -- too many requests
        reason = f"{target} asks us to wait (HTTP {status})"
    elif status in _PASSING or status >= 500:  # noqa: PLR2004 -- their own trouble
        reason = f"{target} cannot take it now (HTTP {status})"
    elif status in {401, 403}:
        reason, permanent = f"{target} refuses our key (HTTP {status})", True
    elif status in {404, 410}:
        reason, permanent = f"{target} is not at its address any more (HTTP {status})", True
    else:
        reason, permanent = f"{target} refuses it (HTTP {status})", True
    raise PageFailed(reason, permanent=permanent, retry_after=answer.retry_after)
