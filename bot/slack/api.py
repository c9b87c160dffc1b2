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
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.domain.errors import FatalError
from bot.render.blocks import Message

_log = structlog.get_logger()


class Proxy:
    """Decides once, from the environment at start.

    Parameters
    ----------
    environ
        ``HTTPS_PROXY``, ``HTTP_PROXY`` and ``NO_PROXY``, in either case; lower case wins.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._proxies = {
            name.lower().removesuffix("_proxy"): value
            # Lower case sorts last, and so wins.
            for name, value in sorted(environ.items())
            if name.lower() in ("https_proxy", "http_proxy", "no_proxy") and value
        }

    def for_url(self, url: str) -> str | None:
        """Give the proxy for an ``http(s)`` or ``ws(s)`` URL; None to go straight there."""
        parts = urlsplit(url)
        proxy = self._proxies.get("https" if parts.scheme in ("https", "wss") else "http")
        if proxy is None or proxy_bypass_environment(parts.netloc, self._proxies):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"


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


_ALT_TEXT = 1000
"""Slack's limit on the description for those who cannot see a picture."""

_AMONG = 20
"""Messages of the channel among which a post is looked for whose answer was lost."""


@dataclass(frozen=True)
class Picture:
    """A PNG, its name, and what it shows in words."""

    content: bytes
    name: str
    description: str


class Uploads:
    """Puts pictures into channels.

    Parameters
    ----------
    client
        Calls the Web API.
    session, proxy
        The session, and the way to wherever Slack wants the picture.
    """

    def __init__(
        self, client: AsyncWebClient, session: aiohttp.ClientSession, proxy: Proxy
    ) -> None:
        self._client = client
        self._session = session
        self._proxy = proxy

    async def show(self, channel: str, picture: Picture, text: str) -> None:
        """Show a picture in a channel, once, with a text above it.

        Raises
        ------
        SlackRefused
            If Slack refuses it, or has not answered after several tries; ``missing_scope`` where
            the app lacks ``files:write``.
        """
        place = await repeat(
            partial(
                self._client.files_getUploadURLExternal,
                filename=picture.name,
                length=len(picture.content),
                alt_txt=picture.description[:_ALT_TEXT],
            )
        )
        await self._put(str(place["upload_url"]), picture)
        await self._complete(channel, str(place["file_id"]), picture, text)

    async def _put(self, url: str, picture: Picture) -> None:
        """Put the content where Slack wants it; the same content twice does no harm."""
        for attempt in range(TRIES):
            try:
                async with self._session.post(
                    url,
                    data=picture.content,
                    proxy=self._proxy.for_url(url),
                    headers={"Content-Type": "image/png"},
                ) as answer:
                    if answer.status == 200:  # noqa: PLR2004 -- HTTP's OK
                        return
                    if not await wait_for(answer.status, answer.headers, attempt):
                        raise SlackRefused(f"http_{answer.status}")
            except (aiohttp.ClientError, TimeoutError) as error:
                _log.warning("a picture got no answer", error=type(error).__name__)
                await asyncio.sleep(pause(attempt))
        raise SlackRefused("no_answer")

    async def _complete(self, channel: str, file: str, picture: Picture, text: str) -> None:
        for attempt in range(TRIES):
            try:
                await self._client.files_completeUploadExternal(
                    files=[{"id": file, "title": picture.description}],
                    channel_id=channel,
                    initial_comment=text,
                )
            except SlackApiError as error:
                if not await waited(error, attempt):
                    # Slack may refuse to do twice what it did when the answer was lost.
                    if attempt and await self._is_shown(channel, file):
                        return
                    raise SlackRefused(code(error)) from error
                if code(error) == "ratelimited":
                    continue
            except (aiohttp.ClientError, TimeoutError) as error:
                _log.warning("the answer to a picture was lost", error=type(error).__name__)
                await asyncio.sleep(pause(attempt))
            else:
                return
            if await self._is_shown(channel, file):
                return
        raise SlackRefused("no_answer")

    async def _is_shown(self, channel: str, file: str) -> bool:
        try:
            history = await repeat(
                partial(self._client.conversations_history, channel=channel, limit=_AMONG)
            )
        except SlackRefused as error:
            # Not known, and so not repeated; whatever else Slack says is not about the picture.
            raise SlackRefused("no_answer") from error
        return any(
            each.get("id") == file
            for message in history["messages"]
            for each in message.get("files") or ()
        )


_IN_A_PAGE = 200


async def find_post(
    client: AsyncWebClient, channel: str, key: str, since: float, thread: str | None = None
) -> str | None:
    """Look for a post in a channel, or below a message of it.

    Parameters
    ----------
    client
        Calls to Slack.
    channel, thread
        Where: the channel's ID, and the timestamp of the message below which it may be.
    key
        What it carries.
    since
        Unix time since when it may have been posted.

    Returns
    -------
    str or None
        Its timestamp; None where it was not posted.

    Raises
    ------
    SlackRefused
        If Slack does not tell.
    """
    look = (
        partial(client.conversations_replies, ts=thread) if thread else client.conversations_history
    )
    cursor = ""
    while True:
        page = await repeat(
            partial(
                look,
                channel=channel,
                oldest=str(since),
                limit=_IN_A_PAGE,
                cursor=cursor,
                include_all_metadata=True,
            )
        )
        for message in page["messages"]:
            payload = (message.get("metadata") or {}).get("event_payload") or {}
            if payload.get("key") == key:
                return str(message["ts"])
        # After an hour without an answer, much may have been written in between.
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return None


SCOPES = frozenset(
    {
        "commands",
        "chat:write",
        "channels:read",
        "groups:read",
        "channels:history",
        "groups:history",
        "files:write",
        "users:read",
        "usergroups:read",
    }
)
"""Bot scopes that what exists so far cannot do without."""

_REFUSED_BLOCKS = ("invalid_blocks", "msg_blocks_too_long", "invalid_blocks_format")
_EVENT_TYPE = "prompt_redis_bot_post"


@dataclass(frozen=True)
class Identity:
    """Who the bot is in its workspace; scopes are None where Slack does not tell."""

    url: str
    team_id: str
    user_id: str
    bot_id: str
    missing_scopes: frozenset[str] | None


class SlackApi:
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
        self.uploads = Uploads(self._client, self._session, proxy)
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
        answer = await at_start(
            self._client.auth_test,
            "SLACK_BOT_TOKEN",
            "It must be the bot token (xoxb-…) from the app's page OAuth & Permissions.",
        )
        header = answer.headers.get("x-oauth-scopes")
        granted = None if header is None else {scope.strip() for scope in header.split(",")}
        return Identity(
            url=answer.get("url") or "",
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
        answer = await at_start(
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
            page = await repeat(
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

    async def post(
        self,
        channel: str,
        message: Message,
        *,
        thread: str | None = None,
        key: str | None = None,
        perhaps_since: float | None = None,
    ) -> str:
        """Post in a channel, exactly once; give the message's timestamp.

        Parameters
        ----------
        channel
            ID.
        message
            What to say.
        thread
            Timestamp of the message below which it goes.
        key
            By it the post is found again; None takes a random one.
        perhaps_since
            Unix time since when it may have been posted already; None if it was not.

        Raises
        ------
        SlackRefused
            If Slack refuses it, or has not answered after several tries.
        """
        key = key or secrets.token_hex(8)
        if perhaps_since is not None:
            made = await find_post(self._client, channel, key, perhaps_since, thread)
            if made is not None:
                return made
        since = time.time() - LONGEST_WAIT
        blocks: list[dict[str, Any]] | None = message.blocks
        text = message.text
        for attempt in range(TRIES):
            try:
                answer = await self._client.chat_postMessage(
                    channel=channel,
                    text=text,
                    blocks=blocks,
                    thread_ts=thread,
                    metadata={"event_type": _EVENT_TYPE, "event_payload": {"key": key}},
                    unfurl_links=False,
                    unfurl_media=False,
                )
                return str(answer["ts"])
            except SlackApiError as error:
                said = code(error)
                if said in _REFUSED_BLOCKS and blocks is not None:
                    _log.error("Slack refused the blocks of a post", code=said)
                    blocks, text = None, message.plain
                    continue
                if not await waited(error, attempt):
                    raise SlackRefused(said) from error
                if said == "ratelimited":
                    continue
            except (aiohttp.ClientError, TimeoutError) as error:
                _log.warning("the answer to a post was lost", error=type(error).__name__)
                await asyncio.sleep(pause(attempt))
            made = await find_post(self._client, channel, key, since, thread)
            if made is not None:
                return made
        raise SlackRefused("no_answer")

    async def update(self, channel: str, ts: str, message: Message) -> None:
        """Change a message.

        Raises
        ------
        SlackRefused
            If Slack refuses it; ``message_not_found`` where somebody deleted it.
        """
        try:
            await repeat(
                lambda: self._client.chat_update(
                    channel=channel, ts=ts, text=message.text, blocks=message.blocks
                )
            )
        except SlackRefused as error:
            if error.code not in _REFUSED_BLOCKS:
                raise
            _log.error("Slack refused the blocks of a change", code=error.code)
            await repeat(
                lambda: self._client.chat_update(
                    channel=channel, ts=ts, text=message.plain, blocks=[]
                )
            )

    async def open_form(self, trigger: str, view: dict[str, Any]) -> None:
        """Open a form; once, because Slack takes a trigger once and for three seconds.

        Raises
        ------
        SlackRefused
            If Slack refuses it, or does not answer.
        """
        try:
            await self._client.views_open(trigger_id=trigger, view=view)
        except SlackApiError as error:
            raise SlackRefused(code(error)) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SlackRefused("no_answer") from error

    async def members(self, usergroup: str) -> frozenset[str]:
        """Give the IDs of a user group's members.

        Raises
        ------
        SlackRefused
            If Slack does not tell.
        """
        answer = await once_more(lambda: self._client.usergroups_users_list(usergroup=usergroup))
        return frozenset(answer["users"])

    async def usergroups(self) -> dict[str, str]:
        """Give the handles of all user groups by ID.

        Raises
        ------
        SlackRefused
            If Slack does not tell.
        """
        answer = await once_more(self._client.usergroups_list)
        return {group["id"]: group.get("handle") or group["id"] for group in answer["usergroups"]}

    async def user(self, user: str) -> tuple[str, str]:
        """Give name and time zone of a user; the zone is empty where Slack does not tell it.

        Raises
        ------
        SlackRefused
            If Slack does not tell.
        """
        answer = await once_more(lambda: self._client.users_info(user=user))
        found = answer["user"]
        name = found.get("profile", {}).get("display_name") or found.get("name") or user
        return str(name), str(found.get("tz") or "")

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
                await asyncio.sleep(pause(attempt))
                continue
            if answer.status_code == 200:  # noqa: PLR2004 -- HTTP's OK; the library does not raise
                return
            refused = any(word in str(answer.body) for word in _REFUSED_BLOCKS)
            if refused and blocks is not None:
                _log.error("Slack refused the blocks of an answer", body=str(answer.body)[:200])
                blocks, text = None, message.plain
            elif not await wait_for(answer.status_code, answer.headers, attempt):
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
            await repeat(
                lambda: self._client.chat_postEphemeral(
                    channel=channel, user=person, text=message.text, blocks=message.blocks
                )
            )
        except SlackRefused as error:
            if error.code not in _REFUSED_BLOCKS:
                raise
            await repeat(
                lambda: self._client.chat_postEphemeral(
                    channel=channel, user=person, text=message.plain
                )
            )
