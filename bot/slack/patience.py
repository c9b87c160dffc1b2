"""When a call to Slack is made again, and how long that may take.

Only calls that do no harm twice are repeated here; a post is looked for first, see `web`.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.domain.errors import FatalError

TRIES = 4
LONGEST_WAIT = 60.0
"""Seconds; a longer Retry-After is not waited for, because nobody reads the answer any more."""


class SlackRefused(Exception):
    """Slack said no to a call, finally; `code` is its word for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def once_more(call: Callable[[], Awaitable[AsyncSlackResponse]]) -> AsyncSlackResponse:
    """Make a call for somebody who waits: at most twice, and without a long pause."""
    for last in (False, True):
        try:
            return await call()
        except SlackApiError as error:
            status = getattr(error.response, "status_code", 0) or 0
            if last or status < 500:  # noqa: PLR2004 -- Slack's own trouble may be over at once
                raise SlackRefused(code(error)) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            if last:
                raise SlackRefused("no_answer") from error
    raise AssertionError


async def repeat(call: Callable[[], Awaitable[AsyncSlackResponse]]) -> AsyncSlackResponse:
    """Make a call that does no harm twice, until it is answered."""
    for attempt in range(TRIES):
        try:
            return await call()
        except SlackApiError as error:
            if not await waited(error, attempt):
                raise SlackRefused(code(error)) from error
        except (aiohttp.ClientError, TimeoutError):
            await asyncio.sleep(pause(attempt))
    raise SlackRefused("no_answer")


def code(error: SlackApiError) -> str:
    """Give Slack's word for an error; a page of a proxy in between has none."""
    response = error.response
    if isinstance(response, AsyncSlackResponse) and isinstance(response.data, dict):
        return str(response.data.get("error") or f"http_{response.status_code}")
    return "unreadable"


def pause(attempt: int) -> float:
    """Give the seconds before the next try: about 0.5, 1, 2."""
    return 0.5 * 2.0**attempt * (0.5 + secrets.randbelow(100) / 100)


async def waited(error: SlackApiError, attempt: int) -> bool:
    """Wait as Slack asks; False where waiting would not help."""
    response = error.response
    # Where the body could not be read, the library hands over aiohttp's response instead.
    status = getattr(response, "status_code", None) or getattr(response, "status", None) or 0
    return await wait_for(int(status), response.headers, attempt)


async def wait_for(status: int, headers: Mapping[str, str], attempt: int) -> bool:
    """Wait as an answer asks; False where waiting would not help."""
    if status == 429:  # noqa: PLR2004 -- too many requests
        # The library reads this as an integer, and fails on 1.5.
        try:
            seconds = float(headers.get("Retry-After", "1"))
        except ValueError:
            seconds = 1.0
        if not 0 <= seconds <= LONGEST_WAIT:
            return False
        await asyncio.sleep(seconds)
        return True
    if status >= 500:  # noqa: PLR2004 -- Slack's own trouble
        await asyncio.sleep(pause(attempt))
        return True
    return False


async def at_start(
    call: Callable[[], Awaitable[AsyncSlackResponse]], variable: str, remedy: str
) -> AsyncSlackResponse:
    """Make a call without which the process is of no use."""
    reason = ""
    for attempt in range(TRIES):
        try:
            return await call()
        except SlackApiError as error:
            reason = code(error)
            if not await waited(error, attempt):
                raise FatalError(f"Slack refuses {variable} ({reason}). {remedy}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = type(error).__name__
            await asyncio.sleep(pause(attempt))
    raise FatalError(
        f"Slack cannot be reached ({reason}). Check the network, HTTPS_PROXY and NO_PROXY, "
        "and SLACK_API_URL if it is set."
    )
