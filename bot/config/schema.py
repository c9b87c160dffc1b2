"""The JSON Schema of the configuration file, with the docstring below each key as its description.

pydantic would read the docstrings whenever the settings are imported, which is a third of the time
that their import takes; only this module needs them.
"""

import ast
import inspect
import textwrap
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from bot.config.settings import Settings
from bot.config.values import Section
from bot.domain.oncall import Kind
from bot.domain.times import format_duration


def json_schema(kinds: Iterable[Kind]) -> dict[str, Any]:
    """Describe the configuration file as JSON Schema, for editors and for checks in CI."""
    schema = Settings.model_json_schema(schema_generator=_JsonSchema)
    keys = schema["$defs"]["Target"]["properties"]
    keys["kind"] = {"enum": [each.name for each in kinds], **keys["kind"]}
    for section in _sections(Section):
        described = schema if section is Settings else schema["$defs"].get(section.__name__, {})
        properties = described.get("properties", {})
        for name, text in _docstrings(section):
            key = section.model_fields[name].alias or name
            if key in properties:
                properties[key]["description"] = text
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


class _JsonSchema(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        # pydantic writes PT5S; people write 5s.
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def _sections(base: type[Section]) -> Iterator[type[Section]]:
    for section in base.__subclasses__():
        yield section
        yield from _sections(section)


def _docstrings(section: type[Section]) -> Iterator[tuple[str, str]]:
    """Give the name of every key that the class, or one that it extends, declares, and its text."""
    for each in reversed(section.__mro__):
        if not issubclass(each, Section) or each is Section:
            continue
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(each))).body
        assert isinstance(tree, ast.ClassDef)  # noqa: S101 -- what getsource gives for a class
        for key, text in pairwise(tree.body):
            match key, text:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(docstring))),
                ):
                    yield name, inspect.cleandoc(docstring)
                case _:
                    pass
