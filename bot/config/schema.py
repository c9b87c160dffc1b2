"""The JSON Schema of the configuration file, with the docstring below each key as its description.

pydantic would read the docstrings whenever the settings are imported, which is a third of the time
that their import takes; only this module needs them.
"""

import ast
import inspect
import sys
import textwrap
from collections.abc import Iterable, Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from bot.config.alarms import ALIASES, RuleSection, section_name
from bot.config.settings import Settings, settings_type
from bot.config.values import Section
from bot.domain.oncall import Kind
from bot.domain.rules import RULES
from bot.domain.times import format_duration


def json_schema(kinds: Iterable[Kind]) -> dict[str, Any]:
    """Describe the configuration file as JSON Schema, for editors and for checks in CI."""
    schema = settings_type().model_json_schema(schema_generator=_JsonSchema)
    inner = schema["$defs"]
    keys = inner["Target"]["properties"]
    keys["kind"] = {"enum": [each.name for each in kinds], **keys["kind"]}
    for section in _sections(Section):
        if vars(sys.modules[section.__module__]).get(section.__name__) is section:
            described = schema if section is Settings else inner.get(section.__name__, {})
            bases = [each for each in section.__mro__ if issubclass(each, Section)]
            _describe(described, *reversed(bases[: bases.index(Section)]))
    for rule in RULES.values():
        _describe(inner[section_name(rule)], RuleSection, type(rule.limits))
        off = "; off by default" if rule.off else ""
        told = f"{rule.about.removesuffix('.')}{off}."
        inner["Rules"]["properties"][rule.name]["description"] = told
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


def _describe(schema: dict[str, Any], *declaring: type) -> None:
    """Give each key the text below it, in the classes that declare them."""
    properties = schema.get("properties", {})
    for each in declaring:
        for name, text in _docstrings(each):
            key = ALIASES.get(name, name)
            if key in properties:
                properties[key]["description"] = text


class _JsonSchema(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        # pydantic writes PT5S; people write 5s.
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def _sections(base: type[Section]) -> Iterator[type[Section]]:
    for section in base.__subclasses__():
        yield section
        yield from _sections(section)


def _docstrings(declaring: type) -> Iterator[tuple[str, str]]:
    """Give the name of every key that a class itself declares, and its text."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(declaring))).body
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
