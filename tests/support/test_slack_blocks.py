"""The limits that every drawn message and form is held against are Slack's."""

from typing import Any

import pytest

from tests.support.slack_blocks import check_message
from tests.support.slack_workspace import SlackError, mentions

BUTTON = {
    "type": "button",
    "action_id": "approve",
    "text": {"type": "plain_text", "text": "Approve & go"},
    "value": "42",
}


def section(text: str = "Hello") -> dict[str, Any]:
    return {"type": "section", "text": {"type": "mrkdwn", "text": text}}


def button(**values: Any) -> dict[str, Any]:
    return {"type": "actions", "elements": [BUTTON | values]}


@pytest.mark.parametrize(
    ("blocks", "pointer"),
    [
        ([section()] * 51, "no more than 50 items allowed [json-pointer:/blocks]"),
        ([section("x" * 3001)], "less than 3001 characters [json-pointer:/blocks/0/text/text]"),
        ([section("")], "more than 0 characters [json-pointer:/blocks/0/text/text]"),
        (
            [{"type": "section", "fields": [section()["text"]] * 11}],
            "[json-pointer:/blocks/0/fields]",
        ),
        (
            [{"type": "section", "fields": [{"type": "mrkdwn", "text": "x" * 2001}]}],
            "less than 2001 characters [json-pointer:/blocks/0/fields/0/text]",
        ),
        (
            [{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}],
            "/blocks/0/text/text]",
        ),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "/blocks/0/text/type]"),
        ([{"type": "context", "elements": [section()["text"]] * 11}], "/blocks/0/elements]"),
        (
            [{"type": "actions", "elements": [BUTTON | {"action_id": str(n)} for n in range(26)]}],
            "no more than 25 items allowed [json-pointer:/blocks/0/elements]",
        ),
        (
            [button(text={"type": "plain_text", "text": "x" * 76})],
            "/blocks/0/elements/0/text/text]",
        ),
        ([button(value="x" * 2001)], "/blocks/0/elements/0/value]"),
        ([button(action_id="x" * 256)], "/blocks/0/elements/0/action_id]"),
        ([section() | {"block_id": "x" * 256}], "/blocks/0/block_id]"),
        ([button(), button()], '`action_id` "approve" already exists'),
        ([section() | {"block_id": "same"}] * 2, '`block_id` "same" already exists'),
        (
            [button(confirm={"title": {"type": "plain_text", "text": "x" * 101}})],
            "less than 101 characters [json-pointer:/blocks/0/elements/0/confirm/title/text]",
        ),
        ([{"type": "ticker"}], "unsupported type: ticker [json-pointer:/blocks/0/type]"),
        (
            [{"type": "table", "rows": [[{"type": "raw_text", "text": ""}]]}],
            "more than 0 characters [json-pointer:/blocks/0/rows/0/0/text]",
        ),
    ],
)
def test_blocks_beyond_slacks_limits_are_refused(
    blocks: list[dict[str, Any]], pointer: str
) -> None:
    with pytest.raises(SlackError) as caught:
        check_message("hello", blocks)
    assert caught.value.error == "invalid_blocks"
    assert any(pointer in line for line in caught.value.messages)


@pytest.mark.parametrize(
    ("text", "blocks", "error"),
    [
        ("", None, "no_text"),
        ("x" * 40_001, None, "msg_too_long"),
        ("x", [section("x" * 2900)] * 5, "msg_blocks_too_long"),
        ("x", "[{", "invalid_blocks_format"),
    ],
)
def test_other_content_is_refused(text: str, blocks: Any, error: str) -> None:
    with pytest.raises(SlackError, match=error):
        check_message(text, blocks)


def test_finds_pings_and_links() -> None:
    live = "<!channel> <!here|here> <@U0ALICE> <!subteam^S0ONCALL> <https://example.org|site>"
    assert len(mentions(live)) == 5
    assert mentions("&lt;!channel&gt; @channel a < b > c <not a link>") == []
