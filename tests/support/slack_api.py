"""The fake Web API: its methods, response_urls and uploads, as requests and as values."""

import base64
import binascii
import copy
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from aiohttp import web

from tests.support.faults import Faults
from tests.support.slack_blocks import check_message, check_view
from tests.support.slack_workspace import (
    HOOK_POSTS,
    HOOK_SECONDS,
    TRIGGER_SECONDS,
    Call,
    Channel,
    Hook,
    Json,
    Message,
    SlackError,
    UploadedFile,
    User,
    View,
    Workspace,
    block_id,
)

Item = TypeVar("Item")

_MOST_ITEMS = 999


class Args:
    """Query, form and JSON values under one roof, each read as the type it should have."""

    def __init__(self, values: Json) -> None:
        self.values = values

    @classmethod
    async def of(cls, request: web.Request) -> "Args":
        """Read a request's arguments.

        Raises
        ------
        SlackError
            When a JSON body is none.
        """
        values: Json = dict(request.query)
        if request.content_type == "application/json":
            try:
                body = json.loads(await request.text() or "{}")
            except ValueError as error:
                raise SlackError("invalid_json") from error
            if not isinstance(body, dict):
                raise SlackError("json_not_object")
            values |= {name: value for name, value in body.items() if value is not None}
        else:
            values |= dict(await request.post())
        return cls(values)

    def text(self, name: str) -> str:
        """Answer a required value."""
        value = self.optional(name)
        if not value:
            missing = {"channel": "channel_not_found", "ts": "message_not_found"}
            raise SlackError(
                missing.get(name, "invalid_arguments"), [f"missing required field: {name}"]
            )
        return value

    def optional(self, name: str) -> str | None:
        value = self.values.get(name)
        return None if value is None else str(value)

    def flag(self, name: str) -> bool:
        return str(self.values.get(name, "")).lower() in {"1", "true"}

    def whole(self, name: str, default: int) -> int:
        try:
            return int(self.values.get(name, default))
        except ValueError as error:
            raise SlackError("invalid_arguments", [f"must be an integer: {name}"]) from error

    def json(self, name: str) -> Any:
        """Answer a value that is JSON: as such, or as text in a form."""
        value = self.values.get(name)
        if not isinstance(value, str):
            return value
        try:
            return json.loads(value)
        except ValueError as error:
            wrong = {
                "blocks": "invalid_blocks_format",
                "metadata": "invalid_metadata_format",
            }
            raise SlackError(wrong.get(name, "invalid_arguments")) from error


def page(items: Sequence[Item], args: Args) -> tuple[list[Item], str]:
    """Answer one page and the cursor of the next, empty at the end.

    Raises
    ------
    SlackError
        invalid_cursor, invalid_limit.
    """
    limit = args.whole("limit", 100)
    if not 0 < limit <= _MOST_ITEMS:
        raise SlackError("invalid_limit")
    start = 0
    if cursor := args.optional("cursor"):
        try:
            start = int(base64.b64decode(cursor, validate=True).removeprefix(b"next:"))
        except (binascii.Error, ValueError) as error:
            raise SlackError("invalid_cursor") from error
    end = start + limit
    following = base64.b64encode(f"next:{end}".encode()).decode() if end < len(items) else ""
    return list(items[start:end]), following


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


class Views:
    """Modals, opened with a trigger_id."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self.methods = {"views.open": self.open}

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


# Any one of them is enough, as a method serves public and private channels.
_SCOPES = {
    "chat.postMessage": {"chat:write"},
    "chat.postEphemeral": {"chat:write"},
    "chat.update": {"chat:write"},
    "chat.delete": {"chat:write"},
    "conversations.history": {"channels:history", "groups:history"},
    "conversations.replies": {"channels:history", "groups:history"},
    "users.conversations": {"channels:read", "groups:read"},
    "users.info": {"users:read"},
    "usergroups.list": {"usergroups:read"},
    "usergroups.users.list": {"usergroups:read"},
    "files.getUploadURLExternal": {"files:write"},
    "files.completeUploadExternal": {"files:write"},
}


class WebApi:
    """Answers `/api/{method}`, `/hooks/{id}` and `/upload/{id}`."""

    def __init__(self, workspace: Workspace, faults: Faults) -> None:
        self._workspace = workspace
        self._faults = faults
        self.chat = Chat(workspace)
        self.views = Views(workspace)
        self.files = Files(workspace, self.chat)
        self._methods: dict[str, Callable[[Args], Json]] = {
            **self.chat.methods,
            **self.views.methods,
            **self.files.methods,
            "auth.test": self._auth_test,
            "apps.connections.open": self._open_connection,
            "users.conversations": self._conversations,
            "users.info": self._user_info,
            "usergroups.list": self._usergroups,
            "usergroups.users.list": self._usergroup_users,
        }

    def add_routes(self, app: web.Application) -> None:
        app.router.add_route("*", "/api/{method}", self._call)
        app.router.add_post("/hooks/{id}", self._hook)
        app.router.add_post("/upload/{id}", self._upload)

    # --- requests ----------------------------------------------------------------------------

    async def _call(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        try:
            args = await Args.of(request)
        except SlackError as error:
            return web.json_response(error.to_json())
        token = _token(request, args)
        self._record(method, args.values, request)

        async def perform() -> web.StreamResponse:
            return self._answer(method, token, args)

        return await self._faults.answer(request, method, perform)

    def _answer(self, method: str, token: str | None, args: Args) -> web.Response:
        try:
            self._authorize(method, token)
            answer = {"ok": True, **self._methods[method](args)}
        except SlackError as error:
            answer = error.to_json()
        finally:
            self._workspace.changed()
        headers = {}
        if self._workspace.scopes is not None:
            for_app = token == self._workspace.app_token
            headers["x-oauth-scopes"] = "connections:write" if for_app else self._workspace.scopes
        return web.json_response(answer, headers=headers)

    def _authorize(self, method: str, token: str | None) -> None:
        if method not in self._methods:
            raise SlackError("unknown_method", req_method=method)
        if token is None:
            raise SlackError("not_authed")
        wanted, other = self._workspace.bot_token, self._workspace.app_token
        if method == "apps.connections.open":
            wanted, other = other, wanted
        if token != wanted:
            raise SlackError("not_allowed_token_type" if token == other else "invalid_auth")
        needed = _SCOPES.get(method, set())
        given = self._workspace.scopes
        if given is not None and needed and not needed & set(given.split(",")):
            raise SlackError("missing_scope", needed=",".join(sorted(needed)), provided=given)

    async def _hook(self, request: web.Request) -> web.StreamResponse:
        try:
            body: Any = await request.json()
        except ValueError:
            body = None
        args = body if isinstance(body, dict) else {"body": body}
        self._record("hooks", {**args, "response_url": str(request.url)}, request)

        async def perform() -> web.StreamResponse:
            try:
                self.chat.use_hook(request.match_info["id"], body)
            except HookError as error:
                return web.Response(status=error.status, text=error.text)
            finally:
                self._workspace.changed()
            return web.Response(text="ok")

        return await self._faults.answer(request, "hooks", perform)

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        content = await _content(request)
        self._record("upload", {"id": request.match_info["id"], "length": len(content)}, request)

        async def perform() -> web.StreamResponse:
            if self.files.receive(request.match_info["id"], content):
                return web.Response(text=f"OK - {len(content)}")
            return web.Response(status=404, text="file_not_found")

        return await self._faults.answer(request, "upload", perform)

    def _record(self, method: str, args: Json, request: web.Request) -> None:
        self._workspace.calls.append(Call(method, args, time.monotonic(), request.headers.copy()))
        self._workspace.changed()

    # --- methods -----------------------------------------------------------------------------

    def _auth_test(self, _: Args) -> Json:
        workspace = self._workspace
        return {
            "url": f"https://{workspace.team_domain}.slack.com/",
            "team": workspace.team_domain,
            "user": workspace.users[workspace.bot_user_id].name,
            "team_id": workspace.team_id,
            "user_id": workspace.bot_user_id,
            "bot_id": workspace.bot_id,
            "is_enterprise_install": False,
        }

    def _open_connection(self, _: Args) -> Json:
        place = self._workspace.base_url.replace("http", "ws", 1)
        return {"url": f"{place}/link/?ticket={self._workspace.number()}&app_id=A0APP"}

    def _conversations(self, args: Args) -> Json:
        kinds = set((args.optional("types") or "public_channel").replace(" ", "").split(","))
        mine = [
            channel
            for channel in self._workspace.channels.values()
            if self._workspace.bot_user_id in channel.members
            and _kind(channel) in kinds
            and not (args.flag("exclude_archived") and channel.is_archived)
        ]
        items, cursor = page(mine, args)
        return {
            "channels": [self._channel_json(channel) for channel in items],
            "response_metadata": {"next_cursor": cursor},
        }

    def _channel_json(self, channel: Channel) -> Json:
        return {
            "id": channel.id,
            "name": channel.name,
            "name_normalized": channel.name,
            "is_channel": not channel.is_im,
            "is_group": False,
            "is_im": channel.is_im,
            "is_private": channel.is_private or channel.is_im,
            "is_archived": channel.is_archived,
            "is_member": self._workspace.bot_user_id in channel.members,
            "context_team_id": self._workspace.team_id,
        }

    def _user_info(self, args: Args) -> Json:
        user = self._workspace.users.get(args.text("user"))
        if user is None:
            raise SlackError("user_not_found")
        return {"user": self._user_json(user)}

    def _user_json(self, user: User) -> Json:
        real_name = user.real_name or user.name
        return {
            "id": user.id,
            "team_id": self._workspace.team_id,
            "name": user.name,
            "real_name": real_name,
            "deleted": user.deleted,
            "tz": user.tz,
            "is_bot": user.is_bot,
            "profile": {"real_name": real_name, "display_name": user.name},
        }

    def _usergroups(self, args: Args) -> Json:
        groups = self._workspace.usergroups.items()
        answers = [
            {"id": key, "team_id": self._workspace.team_id, "handle": key.lower(), "name": key}
            | ({"users": users} if args.flag("include_users") else {})
            for key, users in groups
        ]
        return {"usergroups": answers}

    def _usergroup_users(self, args: Args) -> Json:
        users = self._workspace.usergroups.get(args.text("usergroup"))
        if users is None:
            raise SlackError("no_such_subteam")
        return {"users": users}


def _token(request: web.Request, args: Args) -> str | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    from_args = args.values.pop("token", None)
    return token if scheme == "Bearer" and token else from_args


async def _content(request: web.Request) -> bytes:
    """Read an upload, sent as plain bytes or as the file of a form."""
    if not request.content_type.startswith("multipart/"):
        return await request.read()
    for value in (await request.post()).values():
        if isinstance(value, web.FileField):
            return value.file.read()
    return b""


def _kind(channel: Channel) -> str:
    if channel.is_im:
        return "im"
    return "private_channel" if channel.is_private else "public_channel"
