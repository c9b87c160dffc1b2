"""What Slack delivers, read into values: slash commands, clicks, submitted forms.

Pure, so that nothing here can fail before Slack has its acknowledgement.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.command import SHARE, Person, Registry
from bot.domain.environments import Environment
from bot.grammar import Grammar
from bot.render.blocks import ACTION_PREFIX
from bot.render.forms import Checked, Filled, Found

FIGURES = "figures"
"""Word of a button whose answer goes below its message, where commands cannot be typed."""


@dataclass(frozen=True)
class Delivery:
    """One slash command, click or form, as the line that it amounts to.

    Parameters
    ----------
    line
        What was typed, or would have been.
    channel
        ID of the channel it came from.
    response_url
        Where a private answer goes; None for a form.
    team
        ID of the person's workspace.
    trigger
        ID that every copy shares; opens a form, once and within three seconds.
    replaces
        True if the answer takes the place of the message that was clicked.
    clicked
        True for a button.
    thread
        Timestamp of the message below which the answer is shown to all; None for the usual place.
    """

    line: str
    person: Person
    channel: str
    response_url: str | None = None
    team: str = ""
    trigger: str | None = None
    replaces: bool = False
    clicked: bool = False
    thread: str | None = None


def trigger(body: Mapping[str, Any]) -> str | None:
    """Give the ID that every copy of one delivery shares."""
    found = body.get("trigger_id")
    return found if isinstance(found, str) else None


def from_slash(body: Mapping[str, Any]) -> Delivery:
    """Read a slash command."""
    return Delivery(
        line=str(body.get("text") or ""),
        person=Person(body["user_id"], str(body.get("user_name") or body["user_id"])),
        channel=body["channel_id"],
        response_url=body.get("response_url"),
        team=str(body.get("team_id") or ""),
        trigger=trigger(body),
    )


def from_button(body: Mapping[str, Any], registry: Registry) -> Delivery:
    """Read a click: the action ID names the subcommand, the value holds its arguments."""
    action = body["actions"][0]
    name, _, word = action["action_id"].removeprefix(ACTION_PREFIX).partition(":")
    words = [_spaced(name, registry), str(action.get("value") or "")]
    if word in (SHARE, FIGURES):
        words.append(SHARE)
    made_by = str(action.get("block_id") or "")
    return Delivery(
        line=" ".join(words).strip(),
        person=_person(body),
        channel=body["channel"]["id"],
        response_url=body.get("response_url"),
        team=_team(body),
        trigger=trigger(body),
        clicked=True,
        thread=_message(body) if word == FIGURES else None,
        replaces=word != SHARE and made_by == f"{ACTION_PREFIX}{name}",
    )


def from_form(body: Mapping[str, Any], registry: Registry) -> Delivery:
    """Read a submitted form: the callback ID names the subcommand, the fields its arguments.

    The channel in which the form was opened travels in `private_metadata`, and after it what the
    click had said already.
    """
    view = body["view"]
    name = _spaced(view["callback_id"].removeprefix(ACTION_PREFIX), registry)
    values = _values(view)
    command, _ = registry.find(name)
    channel, said = _kept(view)
    typed = Grammar(command.usage, command.usage_line).line(values)
    return Delivery(
        line=" ".join(part for part in (name, said, typed) if part),
        person=_person(body),
        channel=channel,
        team=_team(body),
        trigger=trigger(body),
    )


def opened_in(body: Mapping[str, Any]) -> str:
    """Give the ID of the channel in which a submitted form was opened."""
    return _kept(body["view"])[0]


def look_over(
    body: Mapping[str, Any],
    registry: Registry,
    environment: Environment,
    *,
    margin: timedelta,
    now: datetime,
) -> Found:
    """Look over a submitted form, where its subcommand does; None where nothing is to be said.

    Parameters
    ----------
    body
        The submission.
    registry
        Every subcommand.
    environment
        The one in whose channel the form was opened.
    margin
        What maintenance keeps free before and after the night.
    now
        When it was submitted.
    """
    view = body["view"]
    command, _ = registry.find(_spaced(view["callback_id"].removeprefix(ACTION_PREFIX), registry))
    if not isinstance(command.form, Checked):
        return None
    filled = Filled(_values(view), _kept(view)[1], environment, margin, now)
    return command.form.check(filled)


def _values(view: Mapping[str, Any]) -> dict[str, str]:
    """Give what a form's fields hold, by their names."""
    return {
        action_id: _value(state)
        for fields in view["state"]["values"].values()
        for action_id, state in fields.items()
    }


def _kept(view: Mapping[str, Any]) -> tuple[str, str]:
    """Give what travelled with a form: the channel it was opened in, and what was said already."""
    channel, _, said = str(view["private_metadata"]).partition(" ")
    return channel, said


def _spaced(name: str, registry: Registry) -> str:
    """Give a two-word name its space back."""
    spaced = name.replace("-", " ")
    return spaced if any(spaced == command.name for command in registry) else name


def _message(body: Mapping[str, Any]) -> str | None:
    """Give the timestamp of the clicked message, or of the one that its thread is below."""
    message = body.get("message") or {}
    found = message.get("thread_ts") or (body.get("container") or {}).get("message_ts")
    return str(found) if found else None


def _team(body: Mapping[str, Any]) -> str:
    """Give the person's own workspace; in a shared channel it is not the app's."""
    return str(body["user"].get("team_id") or (body.get("team") or {}).get("id") or "")


def _person(body: Mapping[str, Any]) -> Person:
    user = body["user"]
    return Person(user["id"], str(user.get("name") or user.get("username") or user["id"]))


def _value(state: Mapping[str, Any]) -> str:
    """Give what a field holds, whatever kind of field it is."""
    if state.get("selected_option"):
        return str(state["selected_option"]["value"])
    if state.get("selected_options"):
        return " ".join(option["value"] for option in state["selected_options"])
    found = state.get("value") or state.get("selected_date") or state.get("selected_time")
    return str(found or "")
