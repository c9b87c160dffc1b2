"""Forms: a submitted form is a typed command, its fields named as the usage line names them.

Opening one looks nothing up, because Slack takes a form only within three seconds of the click;
rights are checked when it is submitted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from bot.domain.environments import Environment
from bot.render.blocks import Block, Markup, action_id, section, truncate, typed

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
    lines
        Whether it may have several lines.
    longest
        How many characters it takes.
    """

    name: str
    label: str
    optional: bool = False
    lines: bool = True
    longest: int = LONGEST_INPUT


@dataclass(frozen=True)
class Choice:
    """A field with a few answers, one of which is chosen; `initial` is chosen from the start."""

    name: str
    label: str
    answers: tuple[str, ...]
    initial: str = ""
    optional: bool = False


@dataclass(frozen=True)
class Tick:
    """A box to tick, for an option without a value."""

    name: str
    label: str
    text: str


@dataclass(frozen=True)
class Day:
    """A field for a date, given as ``2026-11-24``; `initial` is shown from the start."""

    name: str
    label: str
    initial: date | None = None


@dataclass(frozen=True)
class TimeOfDay:
    """A field for a time of day, given as ``15:00``, in a zone that another field tells."""

    name: str
    label: str
    optional: bool = False


Field = Text | Choice | Tick | Day | TimeOfDay


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
        From top to bottom; a form without is a last look at what was filled in.
    explained
        What to know before.
    typed
        What the click has said already: arguments that come before the fields'.
    repeated
        What the person wrote on the page before, shown as typed.
    """

    command: str
    title: str
    submit: str
    fields: Sequence[Field]
    explained: Markup = field(default_factory=Markup)
    typed: str = ""
    repeated: str = ""


@dataclass(frozen=True)
class Filled:
    """What a person has filled in, and what is known without a look-up.

    Parameters
    ----------
    values
        By name of the field.
    typed
        What the click had said already.
    environment
        The one in whose channel the form was opened.
    now
        When it was submitted.
    """

    values: Mapping[str, str]
    typed: str
    environment: Environment
    now: datetime


Wrong = dict[str, str]
"""What is wrong with a field, by its name; plain text."""

Found = Wrong | Form | None
"""What a look at a submitted form found: mistakes, a page to show first, or nothing to say."""

Asked = TypeVar("Asked")


@dataclass(frozen=True)
class Checked(Generic[Asked]):
    """A form that is looked over when it is submitted, before Slack is acknowledged.

    Slack takes the mistakes of a form, and its next page, with the acknowledgement alone. So the
    look is quick and pure, and the command itself still checks all.

    Parameters
    ----------
    opens
        Gives the form that a call opens, or None.
    check
        Looks over what was filled in.
    """

    opens: Callable[[Asked], Form | None]
    check: Callable[[Filled], Found]

    def __call__(self, call: Asked) -> Form | None:
        """Give the form that a call opens, or None."""
        return self.opens(call)


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
        "blocks": [*explained, *typed(form.repeated), *map(_field, form.fields)],
    }


def _field(asked: Field) -> Block:
    optional = False
    element: dict[str, Any]
    match asked:
        case Text():
            optional = asked.optional
            element = {
                "type": "plain_text_input",
                "multiline": asked.lines,
                "max_length": asked.longest,
            }
        case Choice():
            optional = asked.optional
            options = [_option(answer, answer) for answer in asked.answers]
            element = {"type": "static_select", "options": options}
            if len(options) == 1:
                element["initial_option"] = options[0]
            elif asked.initial:
                element["initial_option"] = _option(asked.initial, asked.initial)
        case Day():
            element = {"type": "datepicker"}
            if asked.initial is not None:
                element["initial_date"] = asked.initial.isoformat()
        case TimeOfDay():
            optional = asked.optional
            element = {"type": "timepicker"}
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
