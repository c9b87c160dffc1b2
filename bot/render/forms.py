"""Forms: a submitted form is a typed command, its fields named as the usage line names them.

Opening one looks nothing up, because Slack takes a form only within three seconds of the click;
rights are checked when it is submitted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.render.blocks import Block, Markup, action_id, section, truncate

# https://docs.slack.dev/reference/views
TITLE = 24
METADATA = 3000
# https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element
LONGEST_INPUT = 3000


@dataclass(frozen=True)
class Text:
    """A field for free text.

    Parameters
    ----------
    name
        The place or option of the usage line that it fills, in lower case.
    label
        What the person is asked.
    optional
        Whether it may stay empty.
    """

    name: str
    label: str
    optional: bool = False


@dataclass(frozen=True)
class Choice:
    """A field with a few answers, one of which is chosen."""

    name: str
    label: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Tick:
    """A box to tick, for an option without a value."""

    name: str
    label: str
    text: str


Field = Text | Choice | Tick


@dataclass(frozen=True)
class Form:
    """What a person fills in.

    Parameters
    ----------
    command
        Name of the subcommand that it amounts to.
    title
        At most 24 characters.
    submit
        What the button says.
    fields
        From top to bottom.
    explained
        What to know before.
    typed
        What the click has said already: arguments that come before the fields'.
    """

    command: str
    title: str
    submit: str
    fields: Sequence[Field]
    explained: Markup = field(default_factory=Markup)
    typed: str = ""


def view(form: Form, channel: str) -> Block:
    """Draw a form.

    Parameters
    ----------
    form
        What to ask.
    channel
        ID of the channel in which it was opened; travels along, as a form knows none.
    """
    explained = [section(form.explained)] if form.explained else []
    return {
        "type": "modal",
        "callback_id": action_id(form.command),
        "title": _plain(truncate(form.title, TITLE)),
        "submit": _plain(truncate(form.submit, TITLE)),
        "close": _plain("Cancel"),
        "private_metadata": f"{channel} {form.typed}".strip()[:METADATA],
        "blocks": [*explained, *map(_field, form.fields)],
    }


def _field(asked: Field) -> Block:
    optional = False
    element: dict[str, Any]
    match asked:
        case Text():
            optional = asked.optional
            element = {
                "type": "plain_text_input",
                "multiline": True,
                "max_length": LONGEST_INPUT,
            }
        case Choice():
            options = [_option(answer, answer) for answer in asked.answers]
            element = {"type": "static_select", "options": options}
            if len(options) == 1:
                element["initial_option"] = options[0]
        case Tick():
            optional = True
            element = {"type": "checkboxes", "options": [_option(asked.text, asked.name)]}
    return {
        "type": "input",
        "block_id": asked.name,
        "optional": optional,
        "label": _plain(asked.label),
        "element": {**element, "action_id": asked.name},
    }


def _option(text: str, value: str) -> Block:
    return {"text": _plain(text), "value": value}


def _plain(text: str) -> Block:
    return {"type": "plain_text", "text": text, "emoji": True}
