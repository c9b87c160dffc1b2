"""Slack's limits on blocks and forms, refused with Slack's own words.

Slack answers `invalid_blocks` and one line for each fault, with a JSON pointer. The wording of
the common ones is Slack's; the rarer ones say the same in plain words.
"""

import json
from collections.abc import Callable
from typing import Any

from tests.support.slack_workspace import Json, SlackError, texts

MESSAGE_BLOCKS = 50
VIEW_BLOCKS = 100
MESSAGE_TEXT = 40_000
ALL_BLOCKS_TEXT = 13_200

_SELECTS = {
    f"{many}{kind}_select"
    for many in ("", "multi_")
    for kind in ("static", "external", "users", "conversations", "channels")
}
_INPUTS = {
    "plain_text_input",
    "rich_text_input",
    "number_input",
    "email_text_input",
    "url_text_input",
    "file_input",
}
_CHOICES = {"checkboxes", "radio_buttons", "overflow"}
_DATES = {"datepicker", "timepicker", "datetimepicker"}
_ACTION_ELEMENTS = _SELECTS | _CHOICES | _DATES | {"button", "workflow_button"}
_TRUSTED = {"divider", "markdown", "rich_text", "file", "video", "context_actions"}


def check_message(text: str, blocks: Any, *, other_content: bool = False) -> list[Json]:
    """Check the content of a message as Slack does, and answer its blocks.

    Raises
    ------
    SlackError
        With the error that Slack would answer.
    """
    if blocks is not None and not isinstance(blocks, list):
        raise SlackError("invalid_blocks_format")
    if not blocks and not text.strip() and not other_content:
        raise SlackError("no_text")
    if len(text) > MESSAGE_TEXT:
        raise SlackError("msg_too_long")
    checker = _Checker()
    checker.blocks(blocks or [], "/blocks", MESSAGE_BLOCKS)
    checker.answer("invalid_blocks")
    if sum(len(json.dumps(item, ensure_ascii=False)) for _, item in texts(blocks or [])) > (
        ALL_BLOCKS_TEXT
    ):
        raise SlackError("msg_blocks_too_long")
    return blocks or []


def check_view(view: Any) -> Json:
    """Check a form as Slack does, and answer it.

    Raises
    ------
    SlackError
        With the error that Slack would answer.
    """
    if not isinstance(view, dict):
        raise SlackError("invalid_arguments", ["failed to match all allowed schemas"])
    checker = _Checker()
    if view.get("type") != "modal":
        checker.fault("/view/type", "must be one of: modal")
    checker.text(view.get("title"), "/view/title", 24, plain=True)
    for part in ("submit", "close"):
        if part in view:
            checker.text(view[part], f"/view/{part}", 24, plain=True)
    checker.length(view, "private_metadata", "/view", 3000)
    checker.length(view, "callback_id", "/view", 255)
    blocks = view.get("blocks")
    if isinstance(blocks, list):
        checker.blocks(blocks, "/view/blocks", VIEW_BLOCKS)
        if any(block.get("type") == "input" for block in blocks) and "submit" not in view:
            checker.fault("/view", "missing required field: submit")
    else:
        checker.fault("/view", "missing required field: blocks")
    checker.answer("invalid_arguments")
    return view


class _Checker:
    """Walks blocks and collects every fault."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self._action_ids: set[str] = set()
        self._block_ids: set[str] = set()
        self._tables = 0

    def fault(self, at: str, what: str) -> None:
        self.faults.append(f"{what} [json-pointer:{at}]")

    def answer(self, error: str) -> None:
        if self.faults:
            raise SlackError(error, self.faults)

    def blocks(self, blocks: list[Any], at: str, limit: int) -> None:
        if len(blocks) > limit:
            self.fault(at, f"no more than {limit} items allowed")
        for place, block in enumerate(blocks):
            self._block(block, f"{at}/{place}")

    def length(self, values: Json, name: str, at: str, limit: int) -> None:
        value = values.get(name)
        if value is None:
            return
        if not isinstance(value, str):
            self.fault(f"{at}/{name}", "must be a string")
        elif len(value) > limit:
            self.fault(f"{at}/{name}", f"must be less than {limit + 1} characters")

    def text(self, value: Any, at: str, limit: int, *, plain: bool = False) -> None:
        kinds = {"plain_text"} if plain else {"plain_text", "mrkdwn"}
        if not isinstance(value, dict) or value.get("type") not in kinds:
            self.fault(at, "failed to match all allowed schemas")
            self.fault(f"{at}/type", f"must be one of: {', '.join(sorted(kinds))}")
            return
        content = value.get("text")
        if not isinstance(content, str):
            self.fault(f"{at}/text", "must be a string")
        elif not content:
            self.fault(f"{at}/text", "must be more than 0 characters")
        elif len(content) > limit:
            self.fault(at, "failed to match all allowed schemas")
            self.fault(f"{at}/text", f"must be less than {limit + 1} characters")

    def _unique(self, values: Json, name: str, at: str, seen: set[str]) -> None:
        self.length(values, name, at, 255)
        value = values.get(name)
        if isinstance(value, str) and value:
            if value in seen:
                self.fault(f"{at}/{name}", f'`{name}` "{value}" already exists')
            seen.add(value)

    def _block(self, block: Any, at: str) -> None:
        if not isinstance(block, dict):
            self.fault(at, "must be an object")
            return
        self._unique(block, "block_id", at, self._block_ids)
        kind = str(block.get("type"))
        checks: dict[str, Callable[[Json, str], None]] = {
            "section": self._section,
            "header": self._header,
            "context": self._context,
            "actions": self._actions,
            "input": self._input,
            "image": self._image,
            "table": self._table,
        }
        if kind in checks:
            checks[kind](block, at)
        elif kind not in _TRUSTED:
            self.fault(f"{at}/type", f"unsupported type: {kind}")

    def _header(self, block: Json, at: str) -> None:
        self.text(block.get("text"), f"{at}/text", 150, plain=True)

    def _section(self, block: Json, at: str) -> None:
        fields = block.get("fields")
        if "text" in block:
            self.text(block["text"], f"{at}/text", 3000)
        elif not fields:
            self.fault(at, "missing required field: text")
        if fields is not None:
            for item, place in self._items(fields, f"{at}/fields", 10):
                self.text(item, place, 2000)
        if "accessory" in block:
            self._element(block["accessory"], f"{at}/accessory", _ACTION_ELEMENTS | {"image"})

    def _context(self, block: Json, at: str) -> None:
        for element, place in self._items(block.get("elements"), f"{at}/elements", 10):
            if isinstance(element, dict) and element.get("type") == "image":
                self._image(element, place)
            else:
                self.text(element, place, 3000)

    def _actions(self, block: Json, at: str) -> None:
        for element, place in self._items(block.get("elements"), f"{at}/elements", 25):
            self._element(element, place, _ACTION_ELEMENTS)

    def _input(self, block: Json, at: str) -> None:
        self.text(block.get("label"), f"{at}/label", 2000, plain=True)
        if "hint" in block:
            self.text(block["hint"], f"{at}/hint", 2000, plain=True)
        allowed = (_ACTION_ELEMENTS | _INPUTS) - {"button", "workflow_button", "overflow"}
        self._element(block.get("element"), f"{at}/element", allowed)

    def _image(self, block: Json, at: str) -> None:
        if not block.get("image_url") and not block.get("slack_file"):
            self.fault(at, "missing required field: image_url")
        if not block.get("alt_text"):
            self.fault(at, "missing required field: alt_text")
        self.length(block, "image_url", at, 3000)
        self.length(block, "alt_text", at, 2000)

    def _table(self, block: Json, at: str) -> None:
        self._tables += 1
        if self._tables > 1:
            self.fault(at, "only_one_table_allowed")
        rows = self._items(block.get("rows"), f"{at}/rows", 100)
        for row, place in rows:
            for cell, where in self._items(row, place, 20):
                if not isinstance(cell, dict) or cell.get("type") not in {
                    "raw_text",
                    "raw_number",
                    "rich_text",
                }:
                    self.fault(where, "failed to match all allowed schemas")
                elif cell["type"] == "raw_text" and not cell.get("text"):
                    self.fault(f"{where}/text", "must be more than 0 characters")
        if sum(len(text) for _, text in texts(block.get("rows"))) > 10_000:
            self.fault(at, "table text must be less than 10001 characters")

    def _items(self, items: Any, at: str, limit: int) -> list[tuple[Any, str]]:
        if not isinstance(items, list) or not items:
            self.fault(at, "no fewer than 1 items allowed")
            return []
        if len(items) > limit:
            self.fault(at, f"no more than {limit} items allowed")
        return [(item, f"{at}/{place}") for place, item in enumerate(items)]

    def _element(self, element: Any, at: str, allowed: set[str]) -> None:
        if not isinstance(element, dict) or element.get("type") not in allowed:
            kind = element.get("type") if isinstance(element, dict) else element
            self.fault(f"{at}/type", f"unsupported type: {kind}")
            return
        if element["type"] == "image":
            self._image(element, at)
            return
        self._unique(element, "action_id", at, self._action_ids)
        if "confirm" in element:
            self._confirm(element["confirm"], f"{at}/confirm")
        if "placeholder" in element:
            self.text(element["placeholder"], f"{at}/placeholder", 150, plain=True)
        if element["type"] == "button":
            self._button(element, at)
        self._options(element, at)

    def _button(self, button: Json, at: str) -> None:
        self.text(button.get("text"), f"{at}/text", 75, plain=True)
        self.length(button, "value", at, 2000)
        self.length(button, "url", at, 3000)
        self._style(button, at)

    def _style(self, element: Json, at: str) -> None:
        if element.get("style") not in {None, "primary", "danger"}:
            self.fault(f"{at}/style", "must be one of: primary, danger")

    def _confirm(self, confirm: Any, at: str) -> None:
        if not isinstance(confirm, dict):
            self.fault(at, "must be an object")
            return
        for name, limit in (("title", 100), ("text", 300), ("confirm", 30), ("deny", 30)):
            self.text(confirm.get(name), f"{at}/{name}", limit, plain=name != "text")
        self._style(confirm, at)

    def _options(self, element: Json, at: str) -> None:
        limits = {"overflow": 5, "checkboxes": 10, "radio_buttons": 10}
        limit = limits.get(element["type"], 100)
        if "options" not in element and element["type"] not in limits:
            return
        for option, place in self._items(element.get("options"), f"{at}/options", limit):
            if not isinstance(option, dict):
                self.fault(place, "must be an object")
                continue
            self.text(option.get("text"), f"{place}/text", 75)
            self.length(option, "value", place, 150)
            if "description" in option:
                self.text(option["description"], f"{place}/description", 75)
