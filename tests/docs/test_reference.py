"""What the documentation says of commands and keys is what the program knows.

`pytest --rewrite` writes the generated parts anew.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bot import config
from bot.app import find_commands
from bot.clients.pagers import NOTIFIERS
from bot.command import Purpose
from bot.slack.paging import kinds

ROOT = Path(__file__).parent.parent.parent
INTRODUCTION = """# Configuration

A YAML file, given as `--config FILE` or by `PROMPT_REDIS_BOT_CONFIG`. Unknown keys are errors, and
every problem is printed at once with its line. Durations are written `90s`, `15m`, `2h`, `1h30m` or
`1d`. Secrets are never in this file, see the [README](../README.md#secrets).

This page is written by a test from the program's own schema; `prompt-redis-bot config-schema`
prints that schema.
"""


def test_the_configuration_reference_is_that_of_the_program(*, rewrite: bool) -> None:
    compare(ROOT / "docs" / "configuration.md", reference(), rewrite=rewrite)


def test_the_readme_lists_the_commands_of_the_program(*, rewrite: bool) -> None:
    readme = ROOT / "README.md"
    text = readme.read_text("utf-8")
    before, found, rest = text.partition("<!-- commands -->\n")
    assert found
    _, found, after = rest.partition("<!-- end of commands -->")
    assert found
    compare(readme, f"{before}<!-- commands -->\n{commands()}{found}{after}", rewrite=rewrite)


@pytest.mark.parametrize("path", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target


def test_the_readme_names_every_kind_of_target() -> None:
    readme = (ROOT / "README.md").read_text("utf-8").lower()
    assert [each.name for each in kinds(NOTIFIERS) if each.name not in readme] == []


def test_make_targets_that_are_named_exist() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    for page in (ROOT / "README.md", ROOT / "CHANGELOG.md"):
        assert set(re.findall(r"`make (\w+)", page.read_text("utf-8"))) <= targets


def compare(path: Path, expected: str, *, rewrite: bool) -> None:
    if rewrite:
        path.write_text(expected, "utf-8")
    assert path.read_text("utf-8") == expected, "pytest --rewrite writes it anew"


def commands() -> str:
    lines = ["| command | does |", "| --- | --- |"]
    for purpose in Purpose:
        for command in sorted(find_commands(), key=lambda command: command.name):
            if command.purpose is purpose:
                typed = f"/prompt-redis {command.usage_line}".strip()
                escaped = typed.replace("|", "\\|")
                lines.append(f"| `{escaped}` | {command.summary} |")
    return "\n".join(lines) + "\n"


def reference() -> str:
    schema = config.json_schema(kinds(NOTIFIERS))
    sections = "".join(_table(name, each, schema) for name, each in _sections(schema))
    return f"{INTRODUCTION}{sections}"


def _sections(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give every table of keys, by the path that leads to it."""
    waiting = [("", schema)]
    while waiting:
        path, section = waiting.pop(0)
        yield path, section
        inner = []
        for name, each in section.get("properties", {}).items():
            for place, found in _inside(each, schema):
                inner.append((f"{path}.{name}{place}".removeprefix("."), found))
        waiting = inner + waiting


def _inside(key: dict[str, Any], schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the tables below one key."""
    for one in key.get("anyOf", [key]):
        if "$ref" in one:
            yield "", schema["$defs"][one["$ref"].rpartition("/")[2]]
        elif "patternProperties" in one:
            for each in one["patternProperties"].values():
                yield from ((".NAME", found) for _, found in _inside(each, schema))
        elif "items" in one and "$ref" in one["items"]:
            yield from (("[]", found) for _, found in _inside(one["items"], schema))


def _table(path: str, section: dict[str, Any], schema: dict[str, Any]) -> str:
    title = f"## `{path}`" if path else "## Top level"
    rows = [
        f"| `{name}` | {_default(name, each, section, schema)} | {each.get('description', '')} |"
        for name, each in section.get("properties", {}).items()
    ]
    return "\n".join(["", title, "", "| key | default | |", "| --- | --- | --- |", *rows, ""])


def _default(
    name: str, key: dict[str, Any], section: dict[str, Any], schema: dict[str, Any]
) -> str:
    if name in section.get("required", ()):
        return "required"
    if any(True for _ in _inside(key, schema)) and key.get("default") is not None:
        return "see below"
    return f"`{json.dumps(key.get('default'), ensure_ascii=False)}`"
