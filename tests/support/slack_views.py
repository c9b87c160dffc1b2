"""views.* and files.* of the fake Web API: what a bot opens, and what it uploads."""

import time
from typing import Any

from tests.support.slack_args import Args
from tests.support.slack_blocks import check_view
from tests.support.slack_chat import Chat, with_block_ids
from tests.support.slack_workspace import (
    TRIGGER_SECONDS,
    Json,
    SlackError,
    UploadedFile,
    View,
    Workspace,
)


class Views:
    """Modals, opened with a trigger_id."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.methods = {"views.open": self.open, "views.update": self.update}

    def open(self, args: Args) -> Json:
        trigger = self._workspace.triggers.get(args.text("trigger_id"))
        if trigger is None:
            raise SlackError("invalid_trigger_id")
        if time.monotonic() - trigger.created > TRIGGER_SECONDS:
            raise SlackError("expired_trigger_id")
        if trigger.used:
            raise SlackError("exchanged_trigger_id")
        content = check_view(args.json("view"))
        trigger.used = True
        number = self._workspace.number()
        view = View(f"V{number}", trigger.user, content, f"{number}.hash")
        self._workspace.views.append(view)
        self._workspace.changed()
        return {"view": self.to_json(view)}

    def update(self, args: Args) -> Json:
        key = args.text("view_id")
        view = next((v for v in self._workspace.views if v.id == key and not v.closed), None)
        if view is None:
            raise SlackError("not_found")
        if args.optional("hash") not in {None, view.hash}:
            raise SlackError("hash_conflict")
        self.replace(view, args.json("view"))
        return {"view": self.to_json(view)}

    def replace(self, view: View, content: Any) -> None:
        """Show other content in an open modal."""
        view.content = check_view(content)
        view.hash = f"{self._workspace.number()}.hash"
        self._workspace.changed()

    def to_json(self, view: View) -> Json:
        """Draw a view as Slack answers it and sends it in payloads."""
        content = view.content
        return {
            "submit": None,
            "close": None,
            **content,
            "private_metadata": content.get("private_metadata", ""),
            "callback_id": view.callback_id,
            "blocks": with_block_ids(content.get("blocks", [])),
            "state": {"values": {}},
            "id": view.id,
            "team_id": self._workspace.team_id,
            "hash": view.hash,
            "root_view_id": view.id,
            "previous_view_id": None,
            "app_id": self._workspace.app_id,
            "external_id": content.get("external_id", ""),
            "bot_id": self._workspace.bot_id,
        }


class Files:
    """The three steps of an upload."""

    def __init__(self, workspace: Workspace, chat: Chat) -> None:
        self._workspace = workspace
        self._chat = chat
        self.methods = {
            "files.getUploadURLExternal": self.get_url,
            "files.completeUploadExternal": self.complete,
        }

    def get_url(self, args: Args) -> Json:
        length = args.whole("length", 0)
        if length <= 0:
            raise SlackError("invalid_arguments", ["missing required field: length"])
        key = f"F{self._workspace.number()}"
        self._workspace.files[key] = UploadedFile(key, args.text("filename"), length)
        return {"upload_url": f"{self._workspace.base_url}/upload/{key}", "file_id": key}

    def receive(self, key: str, content: bytes) -> bool:
        """Take a file's content; false when nobody asked for its URL, or its length differs."""
        file = self._workspace.files.get(key)
        if file is None or len(content) != file.length:
            return False
        file.content = content
        return True

    def complete(self, args: Args) -> Json:
        wanted = args.json("files")
        if not isinstance(wanted, list) or not wanted:
            raise SlackError("invalid_arguments", ["missing required field: files"])
        files = [self._finished(item) for item in wanted]
        listed = args.optional("channels") or args.optional("channel_id") or ""
        for key in filter(None, listed.split(",")):
            channel = self._chat.visible(key, member=True)
            for file in files:
                file.channel = channel.id
            self._workspace.add(
                channel.id,
                self._workspace.bot_user_id,
                args.optional("initial_comment") or "",
                thread_ts=args.optional("thread_ts"),
                files=files,
            )
        return {"files": [{"id": f.id, "title": f.title, "name": f.name} for f in files]}

    def _finished(self, item: Any) -> UploadedFile:
        key = item.get("id") if isinstance(item, dict) else None
        file = self._workspace.files.get(str(key))
        if file is None or file.content is None:
            raise SlackError("file_not_found")
        file.title = str(item.get("title") or file.name)
        return file
