"""The payloads of slash commands, clicks and forms, with all the fields that Slack sends."""

import copy
from typing import Any

from tests.support.slack_chat import Chat
from tests.support.slack_views import Views
from tests.support.slack_workspace import Channel, Json, Message, View, Workspace, escape


class Payloads:
    """Draws what a person did as Slack tells it to an app."""

    def __init__(self, workspace: Workspace, chat: Chat, views: Views) -> None:
        self._workspace = workspace
        self._chat = chat
        self._views = views

    def command(
        self,
        command: str,
        text: str,
        *,
        place: Channel,
        user: str,
        trigger_id: str,
        response_url: str,
    ) -> Json:
        return {
            "token": "verification",
            "team_id": self._workspace.team_id,
            "team_domain": self._workspace.team_domain,
            "channel_id": place.id,
            "channel_name": place.slash_name,
            "user_id": user,
            "user_name": self._user_name(user),
            "command": command,
            "text": text,
            "api_app_id": self._workspace.app_id,
            "is_enterprise_install": "false",
            "response_url": response_url,
            "trigger_id": trigger_id,
        }

    def click(
        self, message: Message, action: Json, user: str, trigger_id: str, response_url: str
    ) -> Json:
        place = self.place(message.channel)
        payload: Json = {
            "type": "block_actions",
            **self._interaction(user, trigger_id),
            "container": {
                "type": "message",
                "message_ts": message.ts,
                "channel_id": place.id,
                "is_ephemeral": message.ephemeral_to is not None,
            },
            "channel": {"id": place.id, "name": place.slash_name},
            "state": {"values": {}},
            "response_url": response_url,
            "actions": [action | {"action_ts": self._workspace.new_ts()}],
        }
        # Slack leaves the content of an ephemeral message out.
        if message.ephemeral_to is None:
            payload["message"] = _escaped(self._chat.to_json(message))
        return payload

    def submit(
        self, view: View, values: Json, user: str, private_metadata: str | None, trigger_id: str
    ) -> Json:
        content = self._views.to_json(view) | {"state": {"values": values}}
        if private_metadata is not None:
            content["private_metadata"] = private_metadata
        return {
            "type": "view_submission",
            **self._interaction(user, trigger_id),
            "view": content,
            "response_urls": [],
        }

    def place(self, key: str) -> Channel:
        """Find a channel; an unknown one is taken as it is, as the bot may not see it."""
        return self._workspace.channel(key) or Channel(key, "elsewhere")

    def _interaction(self, user: str, trigger_id: str) -> Json:
        name, team = self._user_name(user), self._workspace.team_id
        return {
            "user": {"id": user, "username": name, "name": name, "team_id": team},
            "api_app_id": self._workspace.app_id,
            "token": "verification",
            "trigger_id": trigger_id,
            "team": {"id": team, "domain": self._workspace.team_domain},
            "enterprise": None,
            "is_enterprise_install": False,
        }

    def _user_name(self, user: str) -> str:
        known = self._workspace.users.get(user)
        return known.name if known else user.lower()


def pressed(message: Message, wanted: str, value: str | None, block: str | None) -> Json:
    """Answer the pressed element; with `value` or `block`, an element that is not there too."""
    for place, element in message.elements():
        label = element.get("text", {}).get("text") if isinstance(element.get("text"), dict) else ""
        if wanted in {element.get("action_id"), label} and block in {None, place}:
            action = copy.deepcopy(element) | {"block_id": place}
            action.setdefault("action_id", "generated")
            return action if value is None else action | _chosen(element, value)
    if value is None and block is None:
        known = [(e.get("action_id"), e.get("text")) for _, e in message.elements()]
        raise LookupError(f"No element {wanted!r} in {message.text!r}; there are {known}")
    return {
        "type": "button",
        "action_id": wanted,
        "block_id": block or "forged",
        "text": {"type": "plain_text", "text": wanted},
        "value": value or "",
    }


def _chosen(element: Json, value: str) -> Json:
    """Say what was chosen, in the words of that kind of element."""
    kind = str(element.get("type"))
    option = {"text": {"type": "plain_text", "text": value}, "value": value}
    for candidate in element.get("options", []):
        if candidate.get("value") == value:
            option = candidate
    match kind:
        case "static_select" | "external_select" | "radio_buttons" | "overflow":
            return {"selected_option": option}
        case "checkboxes" | "multi_static_select" | "multi_external_select":
            return {"selected_options": [option]}
        case "users_select" | "conversations_select" | "channels_select":
            return {f"selected_{kind.removesuffix('s_select')}": value}
        case "datepicker":
            return {"selected_date": value}
        case "timepicker":
            return {"selected_time": value}
        case _:
            return {"value": value}


def _escaped(value: Any) -> Any:
    """Escape every text once more, as Slack does with the messages in its payloads."""
    if isinstance(value, list):
        return [_escaped(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: escape(item) if name == "text" and isinstance(item, str) else _escaped(item)
        for name, item in value.items()
    }
