"""Pictures into a channel: ask where to put one, put it there, have it shown.

The first two steps may be repeated freely. The last one posts; where its answer is lost, the
channel is looked at before it is asked for again.
"""

import asyncio
from dataclasses import dataclass
from functools import partial

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError
from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.network import Proxy
from bot.slack.patience import TRIES, SlackRefused, code, pause, repeat, wait_for, waited

_log = structlog.get_logger()

_ALT_TEXT = 1000
"""Slack's limit on the description for those who cannot see a picture."""

_LOOK_BACK = 20
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
                partial(self._client.conversations_history, channel=channel, limit=_LOOK_BACK)
            )
        except SlackRefused as error:
            # Not known, and so not repeated; whatever else Slack says is not about the picture.
            raise SlackRefused("no_answer") from error
        return any(
            each.get("id") == file
            for message in history["messages"]
            for each in message.get("files") or ()
        )
