"""Calls to Slack: who we are, posts, private answers, pictures, channels, people.

Nothing here is repeated blindly. What may be done twice without harm is tried until it is answered;
a post or a picture whose answer was lost may have been made, so the channel is looked at before it
is made again.
"""

import asyncio
import json
import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypedDict, TypeVar, Unpack
from urllib.parse import urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from bot.domain.errors import FatalError
from bot.render.blocks import Block, Message
from bot.slack.limits import LONGEST_WAIT, Limit, Limited

_log = structlog.get_logger()

_TRIES = 4
_LONGEST_ASKED = 1800.0
"""Seconds of a Retry-After that is believed."""

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

NO_ANSWER = "no_answer"
"""Our word, in the place of Slack's, where Slack has not answered after several tries."""

_OK = 200
_TOO_MANY_REQUESTS = 429
_TROUBLE = 500
"""From this status on it is Slack's own trouble, which may be over at once."""

_REFUSED_BLOCKS = ("invalid_blocks", "msg_blocks_too_long", "invalid_blocks_format")
_EVENT_TYPE = "prompt_redis_bot_post"
_IN_A_PAGE = 200

_ALT_TEXT = 1000
"""Slack's limit on the description for those who cannot see a picture."""

_AMONG = 20
"""Messages of the channel among which a picture is looked for whose answer was lost."""

_LOST = (aiohttp.ClientError, TimeoutError)
"""How it is told that there was no answer, or no whole one."""

_Answer = TypeVar("_Answer")


_PASSING = frozenset(
    {
        NO_ANSWER,
        "fatal_error",
        "internal_error",
        "ratelimited",
        "request_timeout",
        "service_unavailable",
        "team_added_to_org",
    }
)
"""What may be over at the next try. Every other word of Slack's is about the call, or the place."""


class SlackRefused(Exception):
    """Slack did not take a call.

    Parameters
    ----------
    code
        Slack's word for it, or `NO_ANSWER`.
    retry_after
        Seconds after which Slack takes such calls again; None where it did not say.
    """

    def __init__(self, code: str, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.retry_after = retry_after

    @property
    def final(self) -> bool:
        """True where the same call will be refused until somebody changes something in Slack."""
        return self.code not in _PASSING and not self.code.startswith("http_")


class Turn(TypedDict, total=False):
    """How a call waits for its turn, see `Limit.call`."""

    urgent: bool
    longest: float


class _NoAnswer(Exception):
    """Nobody knows what became of a call; Slack may have done what was asked."""


class Proxy:
    """The proxy for a URL, decided once by HTTPS_PROXY and NO_PROXY as they are at start.

    Slack's libraries honour the one everywhere and the other nowhere, so they are told each time.
    Redis and Kubernetes never go through the proxy.

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


@dataclass(frozen=True)
class Identity:
    """Who the bot is in its workspace; scopes are None where Slack does not tell."""

    url: str
    team_id: str
    user_id: str
    bot_id: str
    missing_scopes: frozenset[str] | None


class SlackApi:
    """The Web API and the URLs that Slack hands out, over one session.

    Attributes
    ----------
    anonymous
        A client without a token, for Bolt and for connections, which bring their own.
    """

    def __init__(self, token: str, api_url: str, proxy: Proxy) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10))
        self._proxy = proxy
        self._client = self._new_client(api_url, token)
        self._limits = defaultdict[tuple[str, str], Limit](Limit)
        self.anonymous = self._new_client(api_url, None)

    def _new_client(self, api_url: str, token: str | None) -> AsyncWebClient:
        """Make a client that shares the session, repeats nothing, and takes the decided way."""
        client = _Client(token, api_url, session=self._session, retry_handlers=[])
        # Given as an argument, None would mean "whatever HTTPS_PROXY says".
        client.proxy = self._proxy.for_url(client.base_url)
        return client

    async def aclose(self) -> None:
        """Close the session."""
        await self._session.close()

    # At the start.

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
            url=answer.get("url") or "",
            team_id=answer["team_id"],
            user_id=answer["user_id"],
            bot_id=answer.get("bot_id", ""),
            missing_scopes=None if granted is None else SCOPES - granted,
        )

    async def open_connection(self, app_token: str) -> str:
        """Ask for the URL of a first Socket Mode connection.

        Raises
        ------
        FatalError
            If Slack refuses the token, or cannot be reached.
        """
        answer = await _at_start(
            partial(self.anonymous.apps_connections_open, app_token=app_token),
            "SLACK_APP_TOKEN",
            "It must be an app-level token (xapp-…) with the scope connections:write, from the "
            "app's page Basic Information.",
        )
        return str(answer["url"])

    # Whatever follows raises `SlackRefused` if Slack refuses it, or does not answer.

    async def channels(self) -> dict[str, str]:
        """Give the name of every channel that the bot is in, by its ID."""
        return {
            channel["id"]: channel["name"]
            async for page in _pages(
                partial(self._client.users_conversations, types="public_channel,private_channel")
            )
            for channel in page["channels"]
        }

    async def members(self, usergroup: str) -> frozenset[str]:
        """Give the IDs of a user group's members."""
        call = partial(self._client.usergroups_users_list, usergroup=usergroup)
        return frozenset((await _once_more(call))["users"])

    async def usergroups(self) -> dict[str, str]:
        """Give the handles of all user groups by ID."""
        answer = await _once_more(self._client.usergroups_list)
        return {group["id"]: group.get("handle") or group["id"] for group in answer["usergroups"]}

    async def user(self, user: str) -> tuple[str, str]:
        """Give name and time zone of a user; the zone is empty where Slack does not tell it."""
        found = (await _once_more(partial(self._client.users_info, user=user)))["user"]
        name = found.get("profile", {}).get("display_name") or found.get("name") or user
        return str(name), str(found.get("tz") or "")

    async def post(
        self,
        channel: str,
        message: Message,
        *,
        thread: str | None = None,
        key: str | None = None,
        perhaps_since: float | None = None,
        tries: int = _TRIES,
        **turn: Unpack[Turn],
    ) -> str:
        """Post in a channel, exactly once; give the message's timestamp.

        Where the app may not look for a post whose answer was lost, it may be there twice.

        Parameters
        ----------
        thread
            Timestamp of the message below which it goes.
        key
            By it the post is found again; None takes a random one.
        perhaps_since
            Unix time since when it may have been posted already; None if it was not.
        tries
            How often it is made where nobody answers.
        turn
            As `Limit.call` has it.
        """
        key = key or secrets.token_hex(8)
        if perhaps_since is not None:
            made = await _perhaps(partial(self._find_post, channel, key, perhaps_since, thread))
            if made is not None:
                return made
        since = time.time() - LONGEST_WAIT
        take = partial(self._limits["chat.postMessage", channel].call, **turn)

        async def once(text: str, blocks: list[Block] | None) -> str:
            async def call() -> str:
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

            find = partial(self._find_post, channel, key, since, thread)
            return await _once(call, find, take, tries)

        return await _with_blocks(message, once)

    async def _find_post(
        self, channel: str, key: str, since: float, thread: str | None
    ) -> str | None:
        """Look for the post that carries a key, in a channel or below a message of it."""
        look = (
            partial(self._client.conversations_replies, ts=thread)
            if thread
            else self._client.conversations_history
        )
        # After an hour without an answer, much may have been written in between.
        async for page in _pages(
            partial(look, channel=channel, oldest=str(since), include_all_metadata=True)
        ):
            for message in page["messages"]:
                payload = (message.get("metadata") or {}).get("event_payload") or {}
                if payload.get("key") == key:
                    return str(message["ts"])
        return None

    async def update(self, channel: str, ts: str, message: Message, **turn: Unpack[Turn]) -> None:
        """Change a message; its turn is as `Limit.call` has it."""
        change = partial(self._client.chat_update, channel=channel, ts=ts)
        take = partial(self._limits["chat.update", channel].call, **turn)
        await _with_blocks(
            message,
            lambda text, blocks: _repeat(partial(change, text=text, blocks=blocks or []), take),
        )

    async def delete(self, channel: str, ts: str) -> None:
        """Take a message away."""
        take = self._limits["chat.delete", channel].call
        await _repeat(partial(self._client.chat_delete, channel=channel, ts=ts), take)

    async def whisper(self, channel: str, person: str, message: Message) -> None:
        """Show a message to one person in a channel, without a response URL."""
        show = partial(self._client.chat_postEphemeral, channel=channel, user=person)
        take = self._limits["chat.postEphemeral", channel].call
        await _with_blocks(
            message, lambda text, blocks: _repeat(partial(show, text=text, blocks=blocks), take)
        )

    async def answer(
        self, response_url: str, message: Message, *, replace: bool, channel: str, person: str
    ) -> None:
        """Answer in private.

        Parameters
        ----------
        response_url
            From the delivery; good for five answers in 30 minutes.
        replace
            True to take the place of the message that was clicked.
        channel, person
            Where to say it if the response URL is used up.
        """
        about = {"response_type": "ephemeral", "replace_original": replace}

        async def send(text: str, blocks: list[Block] | None) -> None:
            body = {**about, "text": text} | ({} if blocks is None else {"blocks": blocks})
            # A private answer twice does less harm than none.
            await self._hand_in(response_url, json=body)

        try:
            await _with_blocks(message, send)
        except SlackRefused:
            await self.whisper(channel, person, message)

    async def open_form(self, trigger: str, view: dict[str, Any]) -> None:
        """Open a form; once, because Slack takes a trigger once and for three seconds."""
        try:
            await _asked(partial(self._client.views_open, trigger_id=trigger, view=view))
        except Limited as error:
            raise SlackRefused("ratelimited", error.seconds) from error
        except _NoAnswer as error:
            raise SlackRefused(NO_ANSWER) from error

    async def show_picture(
        self, channel: str, content: bytes, *, name: str, described: str, text: str
    ) -> None:
        """Show a PNG in a channel, exactly once, with a text above it.

        Slack tells where to put it, takes it there, and then shows it. It is refused as
        ``missing_scope`` where the app lacks ``files:write``.
        """
        place = await _repeat(
            partial(
                self._client.files_getUploadURLExternal,
                filename=name,
                length=len(content),
                alt_txt=described[:_ALT_TEXT],
            )
        )
        file = str(place["file_id"])
        headers = {"Content-Type": "image/png"}
        await self._hand_in(str(place["upload_url"]), data=content, headers=headers)

        async def show() -> str:
            await self._client.files_completeUploadExternal(
                files=[{"id": file, "title": described}], channel_id=channel, initial_comment=text
            )
            return file

        await _once(show, partial(self._find_picture, channel, file), Limit().call)

    async def _find_picture(self, channel: str, file: str) -> str | None:
        try:
            history = await _repeat(
                partial(self._client.conversations_history, channel=channel, limit=_AMONG)
            )
        except SlackRefused as error:
            # Not known, and so not repeated; whatever else Slack says is not about the picture.
            raise SlackRefused(NO_ANSWER) from error
        shown = (each for message in history["messages"] for each in message.get("files") or ())
        return file if any(each.get("id") == file for each in shown) else None

    async def _hand_in(self, url: str, **content: Any) -> None:
        """Post to a URL that Slack handed out, until it is answered."""
        way = self._proxy.for_url(url)
        for attempt in range(_TRIES):
            try:
                async with self._session.post(url, proxy=way, **content) as answer:
                    said = await answer.text(errors="replace")
            except _LOST as error:
                _log.warning("what was handed in got no answer", error=type(error).__name__)
                await asyncio.sleep(_pause(attempt))
                continue
            if answer.status == _OK and said.lstrip().startswith("<"):
                # A page of whoever stands in between.
                _log.warning("what was handed in got a page instead of an answer")
                await asyncio.sleep(_pause(attempt))
                continue
            word = _refusal(said) if answer.status == _OK else ""
            if answer.status == _OK and not word:
                return
            word = word or next((word for word in _REFUSED_BLOCKS if word in said), "")
            if word or not await _waited_for(answer.status, answer.headers, attempt):
                _log.warning("what was handed in was refused", body=said[:200])
                raise SlackRefused(word or f"http_{answer.status}")
        raise SlackRefused(NO_ANSWER)


class _Client(AsyncWebClient):
    """The library's client, which fails at an answer that is no JSON object."""

    async def _request(self, **request: Any) -> dict[str, Any]:
        answer = await super()._request(**request)
        return answer if isinstance(answer["data"], dict) else {**answer, "data": {}}


def _refusal(said: str) -> str:
    """Give the word by which a JSON answer refuses; empty where it does not."""
    try:
        answer = json.loads(said)
    except ValueError:
        return ""
    refused = isinstance(answer, dict) and answer.get("ok") is False
    return str(answer.get("error") or "refused") if refused else ""


async def _with_blocks(
    message: Message, show: Callable[[str, list[Block] | None], Awaitable[_Answer]]
) -> _Answer:
    """Show a message; where Slack refuses its blocks, all that they say as text."""
    try:
        return await show(message.text, message.blocks)
    except SlackRefused as error:
        if error.code not in _REFUSED_BLOCKS:
            raise
        _log.error("Slack refused the blocks of a message", code=error.code)
        return await show(message.plain, None)


# When a call is made again.


class _Take(Protocol):
    """Makes a call when a limit lets it through, as `Limit.call` does."""

    async def __call__(self, make: Callable[[], Awaitable[_Answer]]) -> _Answer: ...


async def _asked(call: Callable[[], Awaitable[_Answer]]) -> _Answer:
    """Make a call; what comes instead of Slack's own answer, such as a proxy's page, is none."""
    try:
        return await call()
    except SlackApiError as error:
        # Where the body could not be read, the library hands over aiohttp's response instead.
        response = error.response
        status = int(getattr(response, "status_code", 0) or getattr(response, "status", 0) or 0)
        data = response.data if isinstance(response, AsyncSlackResponse) else {}
        word = data.get("error") if isinstance(data, dict) else None
        if status == _TOO_MANY_REQUESTS:
            raise Limited(_retry_after(response.headers)) from error
        if status >= _TROUBLE or (status == _OK and not word):
            raise _NoAnswer(f"http_{status}") from error
        raise SlackRefused(str(word or f"http_{status}")) from error
    except _LOST as error:
        raise _NoAnswer(type(error).__name__) from error


async def _at_start(
    call: Callable[[], Awaitable[AsyncSlackResponse]], variable: str, remedy: str
) -> AsyncSlackResponse:
    """Make a call without which the process is of no use."""
    try:
        return await _repeat(call)
    except SlackRefused as refused:
        if refused.final:
            raise FatalError(f"Slack refuses {variable} ({refused.code}). {remedy}") from refused
        reason = refused.__cause__ if refused.code == NO_ANSWER else refused.code
        raise FatalError(
            f"Slack cannot be reached ({reason}). Check the network, HTTPS_PROXY and NO_PROXY, "
            "and SLACK_API_URL if it is set."
        ) from refused


async def _repeat(
    call: Callable[[], Awaitable[AsyncSlackResponse]], take: _Take | None = None
) -> AsyncSlackResponse:
    """Make a call that does no harm twice, until it is answered."""
    take = take or Limit().call
    last: Exception | None = None
    for attempt in range(_TRIES):
        try:
            return await take(partial(_asked, call))
        except Limited as limited:
            raise SlackRefused("ratelimited", limited.seconds) from limited
        except _NoAnswer as error:
            last = error
            await asyncio.sleep(_pause(attempt))
    raise SlackRefused(NO_ANSWER) from last


async def _once(
    call: Callable[[], Awaitable[str]],
    find: Callable[[], Awaitable[str | None]],
    take: _Take,
    tries: int = _TRIES,
) -> str:
    """Make a call that must not be made twice: what it made is looked for before every repeat.

    Where nobody may look, it is repeated once: there twice is better than not at all.
    """
    lost = blind = False
    for attempt in range(tries):
        try:
            return await take(partial(_asked, call))
        except (Limited, SlackRefused) as error:
            # Slack may refuse to do twice what it did when the answer was lost.
            made = await _perhaps(find) if lost else None
            if made is not None:
                return made
            if isinstance(error, Limited):
                raise SlackRefused("ratelimited", error.seconds) from error
            raise
        except _NoAnswer as error:
            _log.warning("the answer to a post was lost", error=str(error))
            await asyncio.sleep(_pause(attempt))
        lost = True
        try:
            made = await find()
        except SlackRefused as error:
            if blind or not error.final:
                raise SlackRefused(NO_ANSWER) from error
            _log.warning("a post cannot be looked for: it may be there twice", code=error.code)
            blind, made = True, None
        if made is not None:
            return made
    raise SlackRefused(NO_ANSWER)


async def _perhaps(find: Callable[[], Awaitable[str | None]]) -> str | None:
    """Look for what a call made; a look that is refused for good tells nothing."""
    try:
        return await find()
    except SlackRefused as error:
        if not error.final:
            raise
        return None


async def _once_more(call: Callable[[], Awaitable[AsyncSlackResponse]]) -> AsyncSlackResponse:
    """Make a call for somebody who waits: at most twice, and without a pause."""
    for last in (False, True):
        try:
            return await _asked(call)
        except Limited as error:
            raise SlackRefused("ratelimited", error.seconds) from error
        except _NoAnswer as error:
            if last:
                raise SlackRefused(NO_ANSWER) from error
    raise AssertionError


async def _pages(
    call: Callable[..., Awaitable[AsyncSlackResponse]],
) -> AsyncIterator[AsyncSlackResponse]:
    cursor = ""
    while True:
        page = await _repeat(partial(call, limit=_IN_A_PAGE, cursor=cursor))
        yield page
        cursor = (page.get("response_metadata") or {}).get("next_cursor") or ""
        if not cursor:
            return


def _pause(attempt: int) -> float:
    """Give the seconds before the next try: about 0.5, 1, 2."""
    return 0.5 * 2.0**attempt * (0.5 + secrets.randbelow(100) / 100)


def _retry_after(headers: Mapping[str, str]) -> float:
    """Give the seconds to wait after a 429; the library reads an integer, and fails on 1.5."""
    try:
        seconds = float(headers.get("Retry-After", "1"))
    except ValueError:
        return 1.0
    return seconds if 0 <= seconds <= _LONGEST_ASKED else 1.0


async def _waited_for(status: int, headers: Mapping[str, str], attempt: int) -> bool:
    """Wait as an answer asks; False where waiting would not help."""
    if status == _TOO_MANY_REQUESTS:
        seconds = _retry_after(headers)
        if seconds > LONGEST_WAIT:
            return False
        await asyncio.sleep(seconds)
        return True
    if status >= _TROUBLE:
        await asyncio.sleep(_pause(attempt))
        return True
    return False
