"""What the layout promises."""

import ast
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

import commands
from tests.support.world import World, shown

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "bot").rglob("*.py"), *(ROOT / "commands").glob("*.py")])

GREET = '''
"""`greet`: made up by a test."""

from bot.command import Call, Purpose, Read, Reply
from bot.domain.environments import Right
from bot.render.blocks import mark, section


async def run(call: Call) -> Reply:
    text = mark("Good night, {}.", call.environment.label)
    return Reply(text, [section(text)])


COMMANDS = (
    Read(
        name="greet",
        usage="",
        summary="says good night",
        purpose=Purpose.LOOK,
        right=Right.ANYBODY,
        run=run,
    ),
)
'''


async def test_a_new_subcommand_is_one_new_file(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "greet.py").write_text(GREET, "utf-8")
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    try:
        async with world.bot():
            assert (await world.type("greet")).text == "Good night, PROD."
            assert "says good night" in shown(await world.type("help"))
    finally:
        sys.modules.pop("commands.greet", None)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_says_what_it_is_for(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text("utf-8")))


def test_all_that_is_not_code_is_in_the_wheel(tmp_path: Path) -> None:
    """The scripts of Redis and the pages of the runbook are read from where they are installed."""
    [wheel] = WheelBuilder(str(ROOT)).build(directory=str(tmp_path))
    held = set(zipfile.ZipFile(wheel).namelist())
    found = [path for each in ("bot", "commands") for path in (ROOT / each).rglob("*")]
    wanted = {
        str(path.relative_to(ROOT)) for path in found if path.suffix in {".lua", ".md", ".py"}
    }
    assert wanted <= held
    assert {Path(each).suffix for each in wanted} == {".lua", ".md", ".py"}


def test_no_room_is_called_after_nothing() -> None:
    paths = [path.relative_to(ROOT) for path in SOURCES]
    names = {each for path in paths for each in (*path.parts[:-1], path.stem)}
    assert not names & {"utils", "helpers", "common", "core", "manager", "misc", "util", "helper"}


IN_SEVERAL = {
    "COMMANDS": "what a file of a subcommand exports",
    "run": "what a subcommand does, each in its own file; and `run`, `demo` of the command line",
    "form": "what a subcommand asks for that was not typed",
    "plan": "what a change looks at before anybody is asked",
    "propose": "a change's plan in words",
    "tell": "a change's outcome in words",
}
"""Public names that several modules define, and why."""


def test_a_public_name_is_defined_in_one_module() -> None:
    places: dict[str, set[str]] = {}
    for path in SOURCES:
        if path.parent.name == "versions":
            # Alembic wants the same names in each migration.
            continue
        for name in _defined(ast.parse(path.read_text("utf-8"))):
            if not name.startswith("_"):
                places.setdefault(name, set()).add(str(path.relative_to(ROOT)))
    several = {name: found for name, found in places.items() if len(found) > 1}
    assert {name: found for name, found in several.items() if name not in IN_SEVERAL} == {}
    assert IN_SEVERAL.keys() == several.keys(), "a reason for what is no more"


def _defined(node: ast.AST) -> Iterator[str]:
    """Give the names of a module itself, not those within its functions and classes."""
    for each in ast.iter_child_nodes(node):
        match each:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.Lambda() | ast.ListComp() | ast.SetComp() | ast.DictComp():
                continue
            case ast.GeneratorExp():
                continue
            case _:
                yield from _defined(each)


def test_a_name_is_found_wherever_it_is_defined() -> None:
    module = """
a, (b, *c) = d = [z for z in range(3)]
e: int = 1
if y:
    f = 1
else:
    def g(): x = 1
try:
    import w
except ImportError:
    h = None
with y as i:
    class J:
        v = 1
for k in y: pass
"""
    assert sorted(_defined(ast.parse(module))) == [*"Jabcdefghik"]


def test_the_page_about_the_house_names_every_file() -> None:
    drawn = (ROOT / "bot" / "README.md").read_text("utf-8").split("```text\n")[1].split("```")[0]
    named, folder = set(), ROOT
    for line in drawn.splitlines():
        name = line.split()[0]
        depth = (len(line) - len(line.lstrip())) // 2
        if name.endswith("/"):
            folder = {0: ROOT / name, 1: ROOT / "bot" / name}.get(depth, folder)
        if depth == 0:
            continue
        named.add((ROOT / "bot" if depth == 1 else folder) / name.rstrip("/"))
    files = {
        path for path in SOURCES if path.name != "__init__.py" and "commands" not in path.parts
    }
    inside = {ROOT / "bot" / "storage" / "migrations"}
    files = {path for path in files if not inside & set(path.parents)}
    assert {path for path in named if path.suffix == ".py"} == files
    assert all(path.exists() for path in named)
