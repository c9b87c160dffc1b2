"""Block Kit, within Slack's limits.

All text is escaped here, where it becomes part of a block, so nothing that a person or a stream
wrote can ping a channel or forge a link. Only a link or a mention is not: it is `Markup`, which
this module makes, and which is put into other text by `mark`; an f-string would show its letters.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

from bot.domain.approvals import Confirmation

# https://docs.slack.dev/reference/block-kit/blocks
BLOCKS_IN_MESSAGE = 50
SECTION_TEXT = 3000
FIELDS_IN_SECTION = 10
FIELD_TEXT = 2000
CONTEXT_ELEMENTS = 10
BUTTON_TEXT = 75
BUTTON_VALUE = 2000
ID_LENGTH = 255
CONFIRM_TITLE, CONFIRM_TEXT, CONFIRM_BUTTON = 100, 300, 30
# Not documented; above it Slack answers msg_blocks_too_long.
ALL_TEXT = 9500
# https://docs.slack.dev/reference/methods/chat.postMessage: longer text is advised against.
MESSAGE_TEXT = 4000
# Ours: more are not read on a phone, or not shown without a click.
BUTTONS_IN_MESSAGE = 4
LINES_IN_SECTION = 5
FIRST_LINE = 110

ACTION_PREFIX = "prompt-redis:"

Block = dict[str, Any]


class Markup(str):
    """Text in Slack's mrkdwn in which everything foreign is escaped."""

    __slots__ = ()

    def __add__(self, other: str) -> Self:
        return type(self)(str.__add__(self, escape(other)))

    def __radd__(self, other: str) -> Self:
        return type(self)(str.__add__(escape(other), self))


_Text = TypeVar("_Text", str, Markup)


def escape(text: str) -> Markup:
    """Make any text inert that is not `Markup`."""
    if isinstance(text, Markup):
        return text
    return Markup(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def mark(template: str, *values: object) -> Markup:
    """Fill a template; every value that is not `Markup` itself is escaped."""
    return Markup(
        template.format(*(v if isinstance(v, Markup) else escape(str(v)) for v in values))
    )


def code(text: str) -> str:
    """Text to be typed, or a name: shown letter by letter."""
    return "`" + text.replace("`", "'") + "`"


def link(url: str, label: str) -> Markup:
    """Make a link; the label may hold anything."""
    return mark("<{}|{}>", url.replace("|", "%7C").replace(">", "%3E"), label.replace("|", "/"))


def join(separator: str, parts: Iterable[str]) -> Markup:
    """Put parts together."""
    return Markup(separator.join(map(escape, parts)))


def truncate(text: _Text, limit: int) -> _Text:
    """Cut text to a limit, never inside an escape or a link."""
    if len(text) <= limit:
        return text
    cut = text[: limit - 1]
    cut = re.sub(r"(&[a-z]{0,3}|<[^>]*)$", "", cut)
    return type(text)(f"{cut}…")


@dataclass(frozen=True)
class Button:
    """A button is a typed command.

    Parameters
    ----------
    value
        The command's arguments, as typed.
    word
        Tells two buttons of one command in one message apart; `share` shares.
    confirm
        What is asked once more; makes the button red.
    """

    label: str
    command: str
    value: str = ""
    word: str = ""
    confirm: Confirmation | None = None

    @property
    def action_id(self) -> str:
        """The ID under which Slack reports the click."""
        return action_id(self.command) + (f":{self.word}" if self.word else "")


Drawn = tuple[str, list[Block], list[Button]]
"""What a message says in one line, all that it says, and its buttons."""


def action_id(command: str) -> str:
    """ID of a command's buttons and forms: a two-word name is joined by a hyphen."""
    return ACTION_PREFIX + command.replace(" ", "-")


@dataclass(frozen=True)
class Message:
    """What Slack gets: `text` is the notification, and what remains if the blocks are refused."""

    text: str
    blocks: list[Block] = field(default_factory=list)

    @property
    def plain(self) -> str:
        """The whole content as text, for the case that Slack refuses the blocks."""
        texts = [each for block in self.blocks for each in _texts(block)]
        lines = (
            escape(each["text"]) if each["type"] == "plain_text" else each["text"] for each in texts
        )
        return truncate("\n".join(lines), MESSAGE_TEXT) or self.text


def section(text: str, fields: Iterable[tuple[str, str]] = ()) -> Block:
    """Text, with figures below it as fields, each a label and a value; at most ten."""
    block: Block = {"type": "section", "text": _mrkdwn(text, SECTION_TEXT)}
    drawn = _fields(fields)
    if drawn:
        block["fields"] = drawn
    return block


def fields(values: Iterable[tuple[str, str]]) -> Block:
    """Figures as fields, without text above them; at most ten."""
    return {"type": "section", "fields": _fields(values)}


def _fields(values: Iterable[tuple[str, str]]) -> list[Block]:
    drawn = [_mrkdwn(f"*{label}*\n" + value, FIELD_TEXT) for label, value in values]
    return drawn[:FIELDS_IN_SECTION]


def typed(text: str) -> list[Block]:
    """Show what a person wrote letter by letter: no ping, no link, no formatting."""
    return [
        {
            "type": "section",
            "text": {"type": "plain_text", "text": text[at : at + SECTION_TEXT], "emoji": False},
        }
        for at in range(0, len(text), SECTION_TEXT)
    ]


def paragraphs(lines: Sequence[str], total: int = 0) -> list[Block]:
    """Draw a list, a few lines in a block; where there are more in all, it says how many more."""
    more = [f"and {total - len(lines):,} more"] if total > len(lines) else []
    drawn = [*lines, *more]
    return [
        section(join("\n", drawn[at : at + LINES_IN_SECTION]))
        for at in range(0, len(drawn), LINES_IN_SECTION)
    ]


def context(*texts: str) -> Block:
    """Small grey text."""
    return {
        "type": "context",
        "elements": [_mrkdwn(text, SECTION_TEXT) for text in texts[:CONTEXT_ELEMENTS]],
    }


def actions(made_by: str, buttons: Sequence[Button]) -> Block:
    """Buttons, at most four, the likeliest first.

    Parameters
    ----------
    made_by
        Name of the command whose answer this is; a button of the same command replaces it.
    """
    return {
        "type": "actions",
        "block_id": action_id(made_by),
        "elements": [_button(button) for button in buttons[:BUTTONS_IN_MESSAGE]],
    }


def message(
    text: str, blocks: Sequence[Block], buttons: Sequence[Button] = (), *, made_by: str = ""
) -> Message:
    """Put a message together within Slack's limits."""
    tail = [actions(made_by, buttons)] if buttons else []
    room = BLOCKS_IN_MESSAGE - len(tail) - 1
    kept: list[Block] = []
    letters = 0
    for block in blocks:
        letters += sum(len(each["text"]) for each in _texts(block))
        if len(kept) == room or letters > ALL_TEXT:
            kept.append(context(Markup("There is more than fits here. Ask for less at a time.")))
            break
        kept.append(block)
    return Message(truncate(escape(text), MESSAGE_TEXT), [*kept, *tail])


def _mrkdwn(text: str, limit: int) -> Block:
    # Slack refuses empty text; a space is nothing to see, and no refused message.
    return {"type": "mrkdwn", "text": truncate(escape(text), limit) or " "}


def _button(button: Button) -> Block:
    block: Block = {
        "type": "button",
        "action_id": truncate(button.action_id, ID_LENGTH),
        "text": plain(button.label, BUTTON_TEXT),
    }
    if button.value:
        block["value"] = button.value[:BUTTON_VALUE]
    if button.confirm is not None:
        confirm = button.confirm
        block["style"] = "danger"
        block["confirm"] = {
            "title": plain(confirm.title, CONFIRM_TITLE),
            "text": plain(confirm.text, CONFIRM_TEXT),
            "confirm": plain(confirm.yes, CONFIRM_BUTTON),
            "deny": plain(confirm.no, CONFIRM_BUTTON),
            "style": "danger",
        }
    return block


def plain(text: str, limit: int) -> Block:
    """Text that Slack does not read as markup: labels and buttons."""
    return {"type": "plain_text", "text": truncate(text, limit), "emoji": True}


def _texts(block: Block) -> Iterable[Block]:
    """All text that a block shows, buttons excepted."""
    if "text" in block:
        yield block["text"]
    for part in [*block.get("fields", ()), *block.get("elements", ())]:
        if part["type"] == "mrkdwn":
            yield part
