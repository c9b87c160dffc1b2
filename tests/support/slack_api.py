"""The fake Web API: routes, tokens, scopes, and the methods that only look things up."""

import time
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.support.slack_args import Args, page
from tests.support.slack_chat import Chat, HookError
from tests.support.slack_faults import Faults
from tests.support.slack_views import Files, Views
from tests.support.slack_workspace import Call, Channel, Json, SlackError, User, Workspace

# Any one of them is enough, as a method serves public and private channels.
_SCOPES = {
    "chat.postMessage": {"chat:write"},
    "chat.postEphemeral": {"chat:write"},
    "chat.update": {"chat:write"},
    "chat.delete": {"chat:write"},
    "conversations.history": {"channels:history", "groups:history"},
    "conversations.replies": {"channels:history", "groups:history"},
    "users.conversations": {"channels:read", "groups:read"},
    "conversations.info": {"channels:read", "groups:read"},
    "conversations.members": {"channels:read", "groups:read"},
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
            "conversations.info": self._channel_info,
            "conversations.members": self._members,
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

    def _channel_info(self, args: Args) -> Json:
        channel = self.chat.visible(args.text("channel"))
        answer = self._channel_json(channel)
        if args.flag("include_num_members"):
            answer["num_members"] = len(channel.members)
        return {"channel": answer}

    def _members(self, args: Args) -> Json:
        channel = self.chat.visible(args.text("channel"))
        items, cursor = page(channel.members, args)
        return {"members": items, "response_metadata": {"next_cursor": cursor}}

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
