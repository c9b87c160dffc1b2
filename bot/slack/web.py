"""Calls to Slack: who we are, posts, private answers, channels.

Nothing here is repeated blindly. A post whose answer was lost may have been made, so the channel
is looked at before it is made again; updates and private answers do no harm twice.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.domain.errors import FatalError
from bot.render.blocks import Message
from bot.slack.network import Proxy

_log = structlog.get_logger()

TRIES = 4
LONGEST_WAIT = 60.0
"""Seconds; a longer Retry-After is not waited for, because nobody reads the answer any more."""

SCOPES = frozenset({"commands", "chat:write", "channels:read", "groups:read", "channels:history"})
"""Bot scopes that what exists so far cannot do without."""

_REFUSED_BLOCKS = ("invalid_blocks", "msg_blocks_too_long", "invalid_blocks_format")
_EVENT_TYPE = "prompt_redis_bot_post"


@dataclass(frozen=True)
class Identity:
    """Who the bot is in its workspace; scopes are None where Slack does not tell."""

    team_id: str
    user_id: str
    bot_id: str
    missing_scopes: frozenset[str] | None


class SlackRefused(Exception):
    """Slack said no to a call, finally; `code` is its word for it."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Web:
    """The Web API and response URLs, over one session.

    Parameters
    ----------
    token
        Bot token.
    api_url
        Base of the Web API.
    proxy
        Decides the way.
    """

    def __init__(self, token: str, api_url: str, proxy: Proxy) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        self._proxy = proxy
        self._client = self.client(api_url, token)
        # Bolt takes a client for itself; ours alone carries the token.
        self.anonymous = self.client(api_url, None)

    def client(self, api_url: str, token: str | None) -> AsyncWebClient:
        """Make a client that shares the session, repeats nothing, and takes the decided way."""
        client = AsyncWebClient(token, api_url, session=self._session, retry_handlers=[])
        # Given as an argument, None would mean "whatever HTTPS_PROXY says".
        client.proxy = self._proxy.for_url(client.base_url)
        return client

    async def aclose(self) -> None:
        """Close the session."""
        await self._session.close()

    async def identify(self) -> Identity:
        """Ask Slack who the token belongs to.

        Raises
        ------
        FatalError
            If Slack refuses the token, or cannot be reached.
        """
        answer = await _at_start(
            self._client.auth_test,
            "SLACK_BOT_TOKEN",
            "It must be the bot token (xoxb-…) from the app's page OAuth & Permissions.",
        )
        header = answer.headers.get("x-oauth-scopes")
        granted = None if header is None else {scope.strip() for scope in header.split(",")}
        return Identity(
            team_id=answer["team_id"],
            user_id=answer["user_id"],
            bot_id=answer.get("bot_id", ""),
            missing_scopes=None if granted is None else SCOPES - granted,
        )

    async def open_connection(self, app_token: str) -> str:
        """Ask for the URL of a Socket Mode connection, patiently.

        Raises
        ------
        FatalError
            If Slack refuses the token, or cannot be reached.
        """
        answer = await _at_start(
            lambda: self.anonymous.apps_connections_open(app_token=app_token),
            "SLACK_APP_TOKEN",
            "It must be an app-level token (xapp-…) with the scope connections:write, from the "
            "app's page Basic Information.",
        )
        return str(answer["url"])

    async def reopen_connection(self, app_token: str) -> str:
        """Ask for another such URL, once.

        Raises
        ------
        SlackApiError, aiohttp.ClientError, TimeoutError
            As the library has it: its connection loop tries again.
        """
        answer = await self.anonymous.apps_connections_open(app_token=app_token)
        return str(answer["url"])

    async def channels(self) -> AsyncIterator[tuple[str, str]]:
        """Give ID and name of every channel that the bot is in.

        Raises
        ------
        SlackRefused
            If Slack does not tell.
        """
        cursor = ""
        while True:
            page = await self._repeat(
                partial(
                    self._client.users_conversations,
                    types="public_channel,private_channel",
                    limit=200,
                    cursor=cursor,
                )
            )
            for channel in page["channels"]:
                yield channel["id"], channel["name"]
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return

    async def post(self, channel: str, message: Message) -> str:
        """Post in a channel, exactly once; give the message's timestamp.

        Raises
        ------
        SlackRefused
            If Slack refuses it, or has not answered after several tries.
        """
        key = secrets.token_hex(8)
        since = time.time() - LONGEST_WAIT
        blocks: list[dict[str, Any]] | None = message.blocks
        text = message.text
        for attempt in range(TRIES):
            try:
                answer = await self._client.chat_postMessage(
                    channel=channel,
                    text=text,
                    blocks=blocks,
                    metadata={"event_type": _EVENT_TYPE, "event_payload": {"key": key}},
                    unfurl_links=False,
                    unfurl_media=False,
                )
                return str(answer["ts"])
            except SlackApiError as error:
                code = _code(error)
                if code in _REFUSED_BLOCKS and blocks is not None:
                    _log.error("Slack refused the blocks of a post", code=code)
                    blocks, text = None, message.plain
                    continue
                if not await _waited(error, attempt):
                    raise SlackRefused(code) from error
                if code == "ratelimited":
                    continue
            except (aiohttp.ClientError, TimeoutError) as error:
                _log.warning("the answer to a post was lost", error=type(error).__name__)
                await asyncio.sleep(_pause(attempt))
            made = await self._find_post(channel, key, since)
            if made is not None:
                return made
        raise SlackRefused("no_answer")

    async def _find_post(self, channel: str, key: str, since: float) -> str | None:
        """Look for a post whose answer was lost."""
        history = await self._repeat(
            lambda: self._client.conversations_history(
                channel=channel, oldest=str(since), limit=100, include_all_metadata=True
            )
        )
        for message in history["messages"]:
            payload = (message.get("metadata") or {}).get("event_payload") or {}
            if payload.get("key") == key:
                return str(message["ts"])
        return None

    async def answer(
        self, response_url: str, message: Message, *, replace: bool, channel: str, person: str
    ) -> None:
        """Answer in private.

        Parameters
        ----------
        response_url
            From the delivery; good for five answers in 30 minutes.
        message
            What to say.
        replace
            True to take the place of the message that was clicked.
        channel, person
            Where to say it if the response URL is used up.

        Raises
        ------
        SlackRefused
            If Slack refuses it either way.
        """
        blocks: list[dict[str, Any]] | None = message.blocks
        text = message.text
        for attempt in range(TRIES):
            hook = AsyncWebhookClient(response_url, session=self._session, retry_handlers=[])
            hook.proxy = self._proxy.for_url(response_url)
            try:
                answer = await hook.send(
                    text=text, blocks=blocks, response_type="ephemeral", replace_original=replace
                )
            except (aiohttp.ClientError, TimeoutError) as error:
                # A private answer twice does less harm than none.
                _log.warning("a private answer got no answer", error=type(error).__name__)
                await asyncio.sleep(_pause(attempt))
                continue
            if answer.status_code == 200:  # noqa: PLR2004 -- HTTP's OK; the library does not raise
                return
            refused = any(code in str(answer.body) for code in _REFUSED_BLOCKS)
            if refused and blocks is not None:
                _log.error("Slack refused the blocks of an answer", body=str(answer.body)[:200])
                blocks, text = None, message.plain
            elif not await _wait_for(answer.status_code, answer.headers, attempt):
                break
        await self.whisper(channel, person, message)

    async def whisper(self, channel: str, person: str, message: Message) -> None:
        """Show a message to one person in a channel, without a response URL.

        Raises
        ------
        SlackRefused
            If Slack refuses it.
        """
        try:
            await self._repeat(
                lambda: self._client.chat_postEphemeral(
                    channel=channel, user=person, text=message.text, blocks=message.blocks
                )
            )
        except SlackRefused as error:
            if error.code not in _REFUSED_BLOCKS:
                raise
            await self._repeat(
                lambda: self._client.chat_postEphemeral(
                    channel=channel, user=person, text=message.plain
                )
            )

    async def _repeat(
        self, call: Callable[[], Awaitable[AsyncSlackResponse]]
    ) -> AsyncSlackResponse:
        """Make a call that does no harm twice, until it is answered."""
        for attempt in range(TRIES):
            try:
                return await call()
            except SlackApiError as error:
                if not await _waited(error, attempt):
                    raise SlackRefused(_code(error)) from error
            except (aiohttp.ClientError, TimeoutError):
                await asyncio.sleep(_pause(attempt))
        raise SlackRefused("no_answer")


def _code(error: SlackApiError) -> str:
    """Give Slack's word for an error; a page of a proxy in between has none."""
    response = error.response
    if isinstance(response, AsyncSlackResponse) and isinstance(response.data, dict):
        return str(response.data.get("error") or f"http_{response.status_code}")
    return "unreadable"


def _pause(attempt: int) -> float:
    """Give the seconds before the next try: about 0.5, 1, 2."""
    return 0.5 * 2.0**attempt * (0.5 + secrets.randbelow(100) / 100)


async def _waited(error: SlackApiError, attempt: int) -> bool:
    """Wait as Slack asks; False where waiting would not help."""
    response = error.response
    # Where the body could not be read, the library hands over aiohttp's response instead.
    status = getattr(response, "status_code", None) or getattr(response, "status", None) or 0
    return await _wait_for(int(status), response.headers, attempt)


async def _wait_for(status: int, headers: Mapping[str, str], attempt: int) -> bool:
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
        await asyncio.sleep(_pause(attempt))
        return True
    return False


async def _at_start(
    call: Callable[[], Awaitable[AsyncSlackResponse]], variable: str, remedy: str
) -> AsyncSlackResponse:
    """Make a call without which the process is of no use."""
    reason = ""
    for attempt in range(TRIES):
        try:
            return await call()
        except SlackApiError as error:
            reason = _code(error)
            if not await _waited(error, attempt):
                raise FatalError(f"Slack refuses {variable} ({reason}). {remedy}") from error
        except (aiohttp.ClientError, TimeoutError) as error:
            reason = type(error).__name__
            await asyncio.sleep(_pause(attempt))
    raise FatalError(
        f"Slack cannot be reached ({reason}). Check the network, HTTPS_PROXY and NO_PROXY, "
        "and SLACK_API_URL if it is set."
    )
