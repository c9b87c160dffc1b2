"""The arguments of a Web API call, however they were sent, and pages of a list."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any, TypeVar

from aiohttp import web

from tests.support.slack_workspace import Json, SlackError

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
