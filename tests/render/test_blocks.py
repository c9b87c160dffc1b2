"""Slack's limits and escapes."""

import re

from hypothesis import given
from hypothesis import strategies as st

from bot.render.blocks import (
    ALL_TEXT,
    BLOCKS_IN_MESSAGE,
    Button,
    Markup,
    actions,
    code,
    context,
    escape,
    link,
    mark,
    message,
    section,
    truncate,
)
from tests.support.slack_blocks import check_message
from tests.support.slack_workspace import mentions


@given(st.text())
def test_no_text_pings_or_links(text: str) -> None:
    for hostile in (text, f"<!channel>{text}", f"<@U0ANA>{text}<https://x|y>"):
        drawn = [section(each)["text"]["text"] for each in (hostile, code(hostile))]
        for made in (escape(hostile), mark("*{}*", hostile), *drawn):
            assert mentions(made) == []
        shown = message(hostile, [context(hostile)], [])
        assert mentions(shown.text) == mentions(shown.plain) == []
        assert len(mentions(link("https://example.org", hostile))) == 1


@given(st.text(alphabet="ab&<>", min_size=1), st.integers(min_value=5, max_value=40))
def test_text_is_never_cut_inside_an_escape(text: str, limit: int) -> None:
    cut = truncate(escape(text), limit)
    assert len(cut) <= limit
    assert re.fullmatch(r"([ab]|&amp;|&lt;|&gt;)*…?", cut)


@given(st.text(alphabet=st.sampled_from("`ab <&*"), max_size=20))
def test_code_ends_where_it_should(text: str) -> None:
    """A backtick within would end it, and what follows be read as markup."""
    made = code(text)
    assert (made[0], made[-1]) == ("`", "`")
    assert made[1:-1] == text.replace("`", "'")


def test_a_value_that_is_markup_stays_markup() -> None:
    assert mark("*{}* {}", Markup("`a`"), "<b>") == "*`a`* &lt;b&gt;"
    assert Markup("a") + "<" == "a&lt;"


@given(
    st.lists(
        st.tuples(st.text(max_size=4000), st.lists(st.text(max_size=2500), max_size=12)),
        max_size=60,
    )
)
def test_whatever_is_drawn_slack_takes(parts: list[tuple[str, list[str]]]) -> None:
    blocks = [
        section(escape(text), [("label", escape(field)) for field in fields])
        for text, fields in parts
    ]
    buttons = [Button("x" * 100, "stats", "y" * 3000, word=str(n)) for n in range(6)]
    made = message(escape("x" * 5000), blocks, made_by="stats", buttons=buttons)
    assert len(made.blocks) <= BLOCKS_IN_MESSAGE
    check_message(made.text, made.blocks)
    assert made.plain


def test_what_is_cut_off_is_said() -> None:
    made = message(escape("x"), [section(escape("y" * 2000))] * 10)
    assert sum(len(str(block)) for block in made.blocks) < ALL_TEXT * 1.2
    assert "There is more than fits here" in str(made.blocks[-1])


def test_buttons_name_their_command() -> None:
    block = actions(
        "stats",
        [Button("Refresh", "stats", "lsstcam"), Button("End", "maintenance end", "12", "now")],
    )
    assert block["block_id"] == "prompt-redis:stats"
    assert [element["action_id"] for element in block["elements"]] == [
        "prompt-redis:stats",
        "prompt-redis:maintenance-end:now",
    ]


def test_nothing_ends_a_code_before_its_end() -> None:
    assert code("clear `lsstcam` now") == "`clear 'lsstcam' now`"
