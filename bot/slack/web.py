"""Calls to Slack: who we are, posts, private answers, channels.

Nothing here is repeated blindly. A post whose answer was lost may have been made, so the channel
is looked at before it is made again; updates and private answers do no harm twice.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.render.blocks import Message
from bot.slack.finding import find_post
from bot.slack.network import Proxy
from bot.slack.patience import (
    LONGEST_WAIT,
    TRIES,
    SlackRefused,
    at_start,
    code,
    once_more,
    pause,
    repeat,
    wait_for,
    waited,
)
from bot.slack.uploads import Uploads

_log = structlog.get_logger()

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
