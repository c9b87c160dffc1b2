"""Addresses of the messages that stand for something: requests, alarms, windows."""

from bot.storage.posts import Posts


class Addresses:
    """Where messages are found in Slack.

    Parameters
    ----------
    posts
        Where each was posted.
    workspace
        Address of the Slack workspace; empty where it is not known.
    """

    def __init__(self, posts: Posts, workspace: str) -> None:
        self._posts = posts
        self._workspace = workspace

    async def of(self, subject: int) -> str:
        """Give the address of the message of a request, an alarm or a window; empty for none."""
        post = await self._posts.find(subject)
        if post is None or post.ts is None or post.channel is None or not self._workspace:
            return ""
        return f"{self._workspace}archives/{post.channel}/p{post.ts.replace('.', '')}"
