"""How typed lines are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.command import Purpose, Read, Registry, Reply
from bot.domain.environments import Right
from bot.domain.errors import UserError
from bot.grammar import Arguments, Grammar
from bot.render.blocks import Markup


def parse(usage: str, text: str) -> Arguments:
    return Grammar(usage, f"name {usage}").parse(text)


@pytest.mark.parametrize(
    ("usage", "text", "words", "options", "rest"),
    [
        ("", "", (), {}, ""),
        ("[INSTRUMENT…]", "hsc  latiss", ("hsc", "latiss"), {}, ""),
        ("INSTRUMENT [--delete] [--reason …]", "lsstcam", ("lsstcam",), {}, ""),
        (
            "INSTRUMENT [--delete] [--reason …]",
            "lsstcam --delete --reason nobody  needs --them",
            ("lsstcam",),
            {"delete": "", "reason": "nobody  needs --them"},
            "",
        ),
        (
            "INSTRUMENT [--reason …]",
            "lsstcam —reason ask “Ana”",
            ("lsstcam",),
            {"reason": "ask “Ana”"},
            "",
        ),
        ("INSTRUMENT [--reason …]", "lsstcam –Reason x", ("lsstcam",), {"reason": "x"}, ""),
        ("[INSTRUMENT] [--since 6h]", "--since 2h lsstcam", ("lsstcam",), {"since": "2h"}, ""),
        ("[--from ID|start|end]", "--from 12-0", (), {"from": "12-0"}, ""),
        ("ID [--alone] [REASON]", "42", ("42",), {}, ""),
        (
            "ID [--alone] [REASON]",
            "42 --alone nobody -- at all",
            ("42",),
            {"alone": ""},
            "nobody -- at all",
        ),
        ("ID [REASON]", "42 wait --for it", ("42",), {}, "wait --for it"),
        ("ID [REASON]", "42 — wait", ("42",), {}, "— wait"),
        (
            "(INSTRUMENT|RULE|ID) (DURATION|resolved) REASON",
            "31 2h known, ask Ben",
            ("31", "2h"),
            {},
            "known, ask Ben",
        ),
        (
            "[--during-observing] WHEN DURATION REASON",
            "tomorrow 15:00 1h upgrade",
            ("tomorrow", "15:00", "1h", "upgrade"),
            {},
            "",
        ),
    ],
)
def test_lines(
    usage: str, text: str, words: tuple[str, ...], options: dict[str, str], rest: str
) -> None:
    assert parse(usage, text) == Arguments(words, options, rest)


@pytest.mark.parametrize(
    ("usage", "text", "said"),
    [
        ("", "x", "I don't know what to do with `x`."),
        ("[--since 6h]", "--since", "`--since` needs a value."),
        (
            "[--since 6h]",
            "--sicne 6h",
            "I don't know the option `--sicne`. Did you mean `--since`?",
        ),
        ("[INSTRUMENT]", "a b", "I don't know what to do with `b`."),
    ],
)
def test_mistakes(usage: str, text: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(usage, text)
    assert caught.value.text == said
    assert caught.value.usage == f"name {usage}"


@pytest.mark.parametrize(
    ("usage", "text", "missing"),
    [
        ("ID", "", True),
        ("ID", "42", False),
        ("ID REASON", "42", True),
        ("ID REASON", "42 x", False),
        ("[INSTRUMENT…]", "", False),
        ("WHEN DURATION REASON", "15:00 1h", True),
    ],
)
def test_what_is_missing_is_left_to_a_form(usage: str, text: str, missing: bool) -> None:
    assert parse(usage, text).missing is missing


def test_a_form_is_a_typed_line() -> None:
    grammar = Grammar("INSTRUMENT [--delete] [--reason …]", "")
    line = grammar.line(
        {"reason": "nobody needs them", "instrument": "lsstcam", "delete": "delete"}
    )
    assert line == "lsstcam --delete --reason nobody needs them"
    assert Grammar("ID [REASON]", "").line({"id": "42", "reason": "too late"}) == "42 too late"


@given(st.text())
def test_no_line_breaks_the_grammar(text: str) -> None:
    for usage in ("", "[INSTRUMENT…]", "ID [--alone] [REASON]", "INSTRUMENT [--reason …]"):
        try:
            found = parse(usage, text)
        except UserError:
            continue
        assert parse(usage, found.typed) == found


async def _run(_: object) -> Reply:
    return Reply(Markup())


def read(name: str, *aliases: str) -> Read:
    return Read(
        name=name,
        usage="[TEXT]",
        summary="",
        purpose=Purpose.LOOK,
        right=Right.ANYBODY,
        run=_run,
        aliases=aliases,
    )


def test_the_longest_name_wins() -> None:
    registry = Registry([read("maintenance"), read("maintenance end"), read("alarms", "alerts")])
    assert registry.find("Maintenance  END 12 all done")[0].name == "maintenance end"
    assert registry.find("Maintenance  END 12 all done")[1] == "12 all done"
    assert registry.find("maintenance")[0].name == "maintenance"
    assert registry.find("alerts")[0].name == "alarms"


def test_the_nearest_name_is_offered() -> None:
    registry = Registry([read("maintenance end"), read("stats")])
    for typed in ("maintenanc end 12", "maintenance ned"):
        with pytest.raises(UserError) as caught:
            registry.find(typed)
        assert caught.value.suggestion == "maintenance end"


def test_two_subcommands_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match="'stats'"):
        Registry([read("stats"), read("x", "stats")])


NO_WORDS = ("\u200b", "\u200d\u2060", ".", "…", "-- ?", "\u3164\uffa0", "🔴", "123", "' ’")


@pytest.mark.parametrize("text", NO_WORDS)
@pytest.mark.parametrize(
    ("usage", "before"),
    [
        ("ID [--alone] [REASON]", "42 "),
        ("ID [--alone] [REASON]", "42 --alone "),
        ("TEXT", ""),
        ("ID TEXT", "42 "),
        ("INSTRUMENT [--delete] [--reason …]", "lsstcam --reason "),
        ("(INSTRUMENT|RULE|ID) (DURATION|resolved) REASON", "lsstcam 2h "),
    ],
)
def test_free_text_without_a_letter_is_refused(usage: str, before: str, text: str) -> None:
    with pytest.raises(UserError, match="There is no word in what you wrote"):
        parse(usage, before + text)


@pytest.mark.parametrize("text", ["ok", "DM-1", "é", "工事", "\u200bx", "причина"])
def test_free_text_with_a_letter_is_taken(text: str) -> None:
    assert parse("ID [REASON]", f"42 {text}").rest == text
