"""Forms: a submitted form is a typed command, its fields named as the usage line names them.

Opening one looks nothing up, because Slack takes a form only within three seconds of the click;
rights are checked when it is submitted.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Generic, TypeVar

from bot.domain.environments import Environment
from bot.render.blocks import SECTION_TEXT, Block, action_id, plain, section, typed

# https://docs.slack.dev/reference/views
TITLE = 24
METADATA = 3000
# https://docs.slack.dev/reference/block-kit/block-elements/plain-text-input-element
LONGEST_INPUT = 3000


@dataclass(frozen=True)
class Text:
    """A field for free text, of at most so many characters.

    Its `name`, as that of every field, is the place or the option of the usage line that it fills,
    in lower case.
    """

    name: str
    label: str
    optional: bool = False
    lines: bool = True
    longest: int = LONGEST_INPUT

    def element(self) -> Block:
        """Draw where it is typed, in one line or in several."""
        return {"type": "plain_text_input", "multiline": self.lines, "max_length": self.longest}


@dataclass(frozen=True)
class Choice:
    """A field with a few answers, one of which is chosen; `initial` is chosen from the start."""

    name: str
    label: str
    answers: tuple[str, ...]
    initial: str = ""
    optional: bool = False

    def element(self) -> Block:
        """Draw the answers; the only one is chosen from the start."""
        chosen = self.answers[0] if len(self.answers) == 1 else self.initial
        return {
            "type": "static_select",
            "options": [_option(answer, answer) for answer in self.answers],
            **({"initial_option": _option(chosen, chosen)} if chosen else {}),
        }


@dataclass(frozen=True)
class Tick:
    """A box to tick, for an option without a value."""

    name: str
    label: str
    text: str
    optional: bool = True

    def element(self) -> Block:
        """Draw the box."""
        return {"type": "checkboxes", "options": [_option(self.text, self.name)]}


@dataclass(frozen=True)
class Day:
    """A field for a date, given as ``2026-11-24``; `initial` is shown from the start."""

    name: str
    label: str
    initial: date | None = None
    optional: bool = False

    def element(self) -> Block:
        """Draw the calendar."""
        shown = {"initial_date": self.initial.isoformat()} if self.initial else {}
        return {"type": "datepicker", **shown}


@dataclass(frozen=True)
class TimeOfDay:
    """A field for a time of day, given as ``15:00``, in a zone that another field tells."""

    name: str
    label: str
    optional: bool = False

    def element(self) -> Block:
        """Draw the clock."""
        return {"type": "timepicker"}


Field = Text | Choice | Tick | Day | TimeOfDay


@dataclass(frozen=True)
class Form:
    """What a person fills in.

    Parameters
    ----------
    command
        Name of the subcommand that it amounts to.
    fields
        From top to bottom; a form without is a last look at what was filled in.
    typed
        What the click has said already: arguments that come before the fields'.
    repeated
        What the person wrote on the page before, shown as typed.
    """

    command: str
    title: str
    submit: str
    fields: Sequence[Field]
    explained: str = ""
    typed: str = ""
    repeated: str = ""


@dataclass(frozen=True)
class Filled:
    """What a person has filled in by name of the field, and what is known without a look-up.

    `typed` is what the click had said already; the time is that of submitting.
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
    """

    opens: Callable[[Asked], Form | None]
    check: Callable[[Filled], Found]

    def __call__(self, call: Asked) -> Form | None:
        """Give the form that a call opens, or None."""
        return self.opens(call)


def view(form: Form, channel: str) -> Block:
    """Draw a form; the ID of the channel in which it was opened travels along, as it knows none."""
    explained = [section(form.explained)] if form.explained else []
    return {
        "type": "modal",
        "callback_id": action_id(form.command),
        "title": plain(form.title, TITLE),
        "submit": plain(form.submit, TITLE),
        "close": plain("Cancel", TITLE),
        "private_metadata": f"{channel} {form.typed}".strip()[:METADATA],
        "blocks": [*explained, *typed(form.repeated), *map(_field, form.fields)],
    }


def _field(asked: Field) -> Block:
    return {
        "type": "input",
        "block_id": asked.name,
        "optional": asked.optional,
        "label": plain(asked.label, SECTION_TEXT),
        "element": {**asked.element(), "action_id": asked.name},
    }


def _option(text: str, value: str) -> Block:
    return {"text": plain(text, SECTION_TEXT), "value": value}
