"""Finds a post whose answer was lost, by the key that it carries, so that it is not made again."""

from functools import partial

from slack_sdk.web.async_client import AsyncWebClient

from bot.slack.patience import repeat

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
