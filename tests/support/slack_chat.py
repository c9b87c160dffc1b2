"""chat.* and conversations.history of the fake Web API, and posts to a response_url."""

import copy
import time
from typing import Any

from tests.support.slack_args import Args, page
from tests.support.slack_blocks import check_message
from tests.support.slack_workspace import (
    HOOK_POSTS,
    HOOK_SECONDS,
    Channel,
    Hook,
    Json,
    Message,
    SlackError,
    Workspace,
    block_id,
)


class HookError(Exception):
    """A response_url's refusal: a status and one word of text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.text = text


class Chat:
    """Messages as apps see them."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.methods = {
            "chat.postMessage": self.post,
            "chat.postEphemeral": self.post_ephemeral,
            "chat.update": self.update,
            "chat.delete": self.delete,
            "chat.getPermalink": self.permalink,
            "conversations.history": self.history,
            "conversations.replies": self.replies,
        }

    # --- writing -----------------------------------------------------------------------------

    def post(self, args: Args) -> Json:
        channel = self.visible(args.text("channel"), member=True)
        content = self._content(args)
        thread = args.optional("thread_ts")
        if thread and not self._workspace.in_channel(channel.id, thread=thread):
            raise SlackError("thread_not_found")
        message = self._workspace.add(
            channel.id, self._workspace.bot_user_id, **content, thread_ts=thread
        )
        shown = self.to_json(message)
        return {"channel": channel.id, "ts": message.ts, "message": shown}

    def post_ephemeral(self, args: Args) -> Json:
        channel = self.visible(args.text("channel"), member=True)
        reader = args.text("user")
        if reader not in channel.members:
            raise SlackError("user_not_in_channel")
        message = self._workspace.add(
            channel.id,
            self._workspace.bot_user_id,
            **self._content(args),
            thread_ts=args.optional("thread_ts"),
            ephemeral_to=reader,
        )
        return {"message_ts": message.ts}

    def update(self, args: Args) -> Json:
        message = self._own(args, "cant_update_message")
        text, blocks = args.optional("text"), args.json("blocks")
        attachments, metadata = args.json("attachments"), args.json("metadata")
        if text is None and blocks is None and attachments is None:
            raise SlackError("no_text")
        # A new text without blocks takes the old blocks away; blocks alone keep the text.
        kept = message.blocks if text is None else []
        values: Json = {
            "text": message.text if text is None else text,
            "attachments": message.attachments if attachments is None else attachments,
        }
        values["blocks"] = check_message(
            values["text"],
            kept if blocks is None else blocks,
            other_content=bool(values["attachments"]),
        )
        if metadata is not None:
            values["metadata"] = _checked_metadata(metadata) if metadata else None
        self._workspace.edit(message, **values)
        return {
            "channel": message.channel,
            "ts": message.ts,
            "text": message.text,
            "message": self.to_json(message),
        }

    def delete(self, args: Args) -> Json:
        message = self._own(args, "cant_delete_message")
        self._workspace.delete(message)
        return {"channel": message.channel, "ts": message.ts}

    def _content(self, args: Args) -> Json:
        text = args.optional("text") or ""
        attachments = args.json("attachments") or []
        metadata = args.json("metadata")
        return {
            "text": text,
            "blocks": check_message(text, args.json("blocks"), other_content=bool(attachments)),
            "attachments": attachments,
            "metadata": None if metadata is None else _checked_metadata(metadata),
        }

    def _own(self, args: Args, refusal: str) -> Message:
        channel = self.visible(args.text("channel"))
        ts = args.text("ts")
        for message in self._workspace.in_channel(channel.id):
            if message.ts == ts:
                if message.user != self._workspace.bot_user_id:
                    raise SlackError(refusal)
                return message
        raise SlackError("message_not_found")

    # --- reading -----------------------------------------------------------------------------

    def permalink(self, args: Args) -> Json:
        channel = self.visible(args.text("channel"))
        ts = args.text("message_ts")
        if all(message.ts != ts for message in self._workspace.in_channel(channel.id)):
            raise SlackError("message_not_found")
        place = f"https://{self._workspace.team_domain}.slack.com/archives/{channel.id}"
        return {"channel": channel.id, "permalink": f"{place}/p{ts.replace('.', '')}"}

    def history(self, args: Args) -> Json:
        channel = self.visible(args.text("channel"), member=True)
        shown = [
            message
            for message in reversed(self._workspace.in_channel(channel.id))
            if message.thread_ts in {None, message.ts} and _within(message, args)
        ]
        return self._listing(shown, args)

    def replies(self, args: Args) -> Json:
        channel = self.visible(args.text("channel"), member=True)
        ts = args.text("ts")
        thread = self._workspace.in_channel(channel.id, thread=ts)
        if all(message.ts != ts for message in thread):
            raise SlackError("thread_not_found")
        return self._listing([m for m in thread if m.ts == ts or _within(m, args)], args)

    def _listing(self, messages: list[Message], args: Args) -> Json:
        items, cursor = page(messages, args)
        with_metadata = args.flag("include_all_metadata")
        return {
            "messages": [self.to_json(item, with_metadata=with_metadata) for item in items],
            "has_more": bool(cursor),
            "response_metadata": {"next_cursor": cursor},
        }

    def visible(self, key: str, *, member: bool = False) -> Channel:
        """Find a channel that the bot may see; `member` asks for more than seeing.

        Raises
        ------
        SlackError
            channel_not_found, also for a private channel without the bot; not_in_channel;
            is_archived.
        """
        channel = self._workspace.channel(key)
        if channel is None:
            raise SlackError("channel_not_found")
        inside = self._workspace.bot_user_id in channel.members
        if not inside and channel.is_private:
            raise SlackError("channel_not_found")
        if not inside and member:
            raise SlackError("not_in_channel")
        if member and channel.is_archived:
            raise SlackError("is_archived")
        return channel

    def to_json(self, message: Message, *, with_metadata: bool = True) -> Json:
        """Draw a message as the Web API answers it."""
        answer: Json = {
            "type": "message",
            "user": message.user,
            "ts": message.ts,
            "text": message.text,
            "team": self._workspace.team_id,
        }
        if message.user == self._workspace.bot_user_id:
            answer |= {"bot_id": self._workspace.bot_id, "app_id": self._workspace.app_id}
        if message.blocks:
            answer["blocks"] = with_block_ids(message.blocks)
        if message.attachments:
            answer["attachments"] = message.attachments
        if message.thread_ts:
            answer["thread_ts"] = message.thread_ts
        # The sign of an edit is Slack's answer to new text, not to new blocks.
        if message.edited and not message.blocks:
            answer["edited"] = {"user": message.user, "ts": message.ts}
        if message.metadata and with_metadata:
            answer["metadata"] = message.metadata
        if message.files:
            answer["files"] = [
                {"id": f.id, "name": f.name, "title": f.title} for f in message.files
            ]
        return answer

    # --- response_url ------------------------------------------------------------------------

    def use_hook(self, key: str, body: Any) -> None:
        """Take a post to a response_url.

        Raises
        ------
        HookError
            With the status and the word that Slack answers.
        """
        hook = self._workspace.hooks.get(key)
        if hook is None:
            raise HookError(404, "no_service")
        if time.monotonic() - hook.created > HOOK_SECONDS:
            raise HookError(404, "expired_url")
        if hook.uses >= HOOK_POSTS:
            raise HookError(404, "used_url")
        if not isinstance(body, dict):
            raise HookError(400, "invalid_payload")
        self.answer_hook(hook, body)
        hook.uses += 1

    def answer_hook(self, hook: Hook, body: Json) -> None:
        """Do what a post to a response_url, or the body of an acknowledgement, asks for."""
        args = Args(body)
        original = hook.original
        if args.flag("delete_original"):
            if original is None or original.deleted:
                raise HookError(404, "message_not_found")
            self._workspace.delete(original)
            return
        try:
            content = self._content(args)
        except SlackError as error:
            raise HookError(400, error.error) from error
        # A slash command's own post cannot be replaced, so the flag then makes a new message.
        if args.flag("replace_original") and original is not None:
            if original.deleted:
                raise HookError(404, "message_not_found")
            self._workspace.edit(original, **content)
            return
        in_channel = args.optional("response_type") == "in_channel"
        self._workspace.add(
            hook.channel,
            self._workspace.bot_user_id,
            **content,
            thread_ts=args.optional("thread_ts"),
            ephemeral_to=None if in_channel else hook.user,
            response_url=self._workspace.hook_url(hook),
        )


def with_block_ids(blocks: list[Json]) -> list[Json]:
    """Copy blocks, with an identifier for each, as Slack stores them."""
    stored = copy.deepcopy(blocks)
    for place, block in enumerate(stored):
        block["block_id"] = block_id(block, place)
    return stored


def _within(message: Message, args: Args) -> bool:
    oldest = float(args.optional("oldest") or 0)
    latest = float(args.optional("latest") or "inf")
    if args.flag("inclusive"):
        return oldest <= float(message.ts) <= latest
    return oldest < float(message.ts) < latest


def _checked_metadata(metadata: Any) -> Json:
    if (
        not isinstance(metadata, dict)
        or not isinstance(metadata.get("event_type"), str)
        or not isinstance(metadata.get("event_payload"), dict)
    ):
        raise SlackError("invalid_metadata_format")
    return metadata
