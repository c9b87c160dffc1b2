"""No expected message is left over of a test that is no more."""

import ast
from pathlib import Path

from tests.support.expected import FOLDER


def test_every_folder_is_a_tests() -> None:
    wanted = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and "expected" in {
                each.arg for each in node.args.args
            }:
                group, name = path.stem.removeprefix("test_"), node.name
                if name.startswith("test_"):
                    wanted.add(f"{group}/{name.removeprefix('test_')}")
    held = {str(path.relative_to(FOLDER).parent) for path in FOLDER.rglob("*") if path.is_file()}
    assert held == wanted
