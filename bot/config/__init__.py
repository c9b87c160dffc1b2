"""Reads the configuration: a YAML file, and secrets from the environment only.

Everything that is wrong is said at once, with its line and in words, before anything starts.
"""

import re
from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from bot.config.alarms import Alarms
from bot.config.checks import did_you_mean, disagreements
from bot.config.credentials import Secrets, load_secrets
from bot.config.document import ConfigurationError, Document, Fault, Location, but_is, read_document
from bot.config.settings import Settings, settings_type
from bot.config.values import WANTED
from bot.domain.oncall import Kind

__all__ = [
    "Alarms",
    "ConfigurationError",
    "Secrets",
    "Settings",
    "json_schema",
    "load",
    "load_secrets",
]

_STAND_INS: Mapping[str, object] = {
    "environments": {"stand-in": {}},
    "channel": "stand-in",
    "instruments": ["stand_in"],
    "redis": {"url": "redis://stand-in"},
    "url": "redis://stand-in",
    "name": "stand-in",
    "kind": "slack",
    "namespace": "stand-in",
    "application": "stand-in",
}
"""What replaces a required key that is missing or wrong, while the rest is checked."""

_WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "string_pattern_mismatch": "must be {wanted}{but}",
    "literal_error": "must be {expected}{but}",
    "string_type": "must be text, perhaps in quotes{but}",
    "string_unicode": "must be text{but}",
    "model_type": "must be a mapping of keys{but}",
    "dict_type": "must be a mapping of keys{but}",
    "mapping_type": "must be a mapping of keys{but}",
    "tuple_type": "must be a list such as [a, b]{but}",
    "bool_type": "must be true or false{but}",
    "int_type": "must be a whole number{but}",
    "float_type": "must be a number{but}",
    "finite_number": "must be a number{but}",
    "greater_than": "must be more than {gt:g}{but}",
    "greater_than_equal": "must be at least {ge:g}{but}",
    "less_than_equal": "must be at most {le:g}{but}",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
}
"""What pydantic's kinds of error are called here."""

_ROUNDS = 6
"""Repairs reach from a value to the required keys of its parents, no deeper than this."""

_SECRET_VARIABLE = re.compile(r"SLACK_\w+_(TOKEN|SECRET)|PROMPT_REDIS_\w+_(PASSWORD|KEY|URL)")
_SHORTEST_SECRET = 4
"""Shorter ones would make holes in every message."""

_TOKENS = re.compile(r"xox[a-z.]*-[\w-]+|xapp-[\w-]+|(?<=://)[^\s/]*@")


def load(path: Path, environ: Mapping[str, str], kinds: Iterable[Kind]) -> Settings:
    """Read the configuration file.

    Parameters
    ----------
    path
        The file, as messages shall name it.
    environ
        Environment variables; secrets among them are kept out of messages.
    kinds
        What a target of the on-call may be.

    Returns
    -------
    Settings
        The whole configuration, defaults filled in.

    Raises
    ------
    ConfigurationError
        With every problem of the file, by line.
    """
    document = read_document(path)
    settings, faults = _settings(document, {each.name: each for each in kinds})
    if settings is None or faults:
        problems = (_concealed(fault, environ).written(str(path)) for fault in _by_line(faults))
        raise ConfigurationError([_TOKENS.sub("…", problem) for problem in problems])
    return settings


def json_schema(kinds: Iterable[Kind]) -> dict[str, Any]:
    """Describe the configuration file as JSON Schema, for editors and for checks in CI."""
    from bot.config import schema  # noqa: PLC0415 -- a running bot has no use for it

    return schema.json_schema(kinds)


def _settings(document: Document, kinds: Mapping[str, Kind]) -> tuple[Settings | None, list[Fault]]:
    # A wrong value is taken out, and the rest is looked at again: keys that must agree with each
    # other are checked although another one is wrong.
    data = deepcopy(document.data)
    faults = list(document.faults)
    repaired: list[Location] = []
    for _ in range(_ROUNDS):
        try:
            settings = settings_type().model_validate(data, context=kinds)
        except ValidationError as error:
            details = _distinct(error.errors(include_url=False))
            locations = [_location(detail) for detail in details]
            faults += [
                document.fault(location, _words(detail, location))
                for detail, location in zip(details, locations, strict=True)
                if not _touched(location, repaired)
            ]
            repaired += [
                _repair(data, location, missing=detail["type"] == "missing")
                for detail, location in zip(details, locations, strict=True)
            ]
        else:
            faults += [
                document.fault(finding.location, finding.text)
                for finding in disagreements(settings)
                if not any(_touched(place, repaired) for place in finding.concluded_from)
            ]
            return settings, faults
    return None, faults


def _distinct(details: list[ErrorDetails]) -> list[ErrorDetails]:
    # A list whose elements are all wrong is also too short, which nobody needs to hear.
    parents = {detail["loc"][:-1] for detail in details}
    return [
        detail
        for detail in details
        if detail["type"] != "too_short" or detail["loc"] not in parents
    ]


def _by_line(faults: list[Fault]) -> list[Fault]:
    return sorted(faults, key=lambda fault: fault.line)


def _location(detail: ErrorDetails) -> Location:
    location = detail["loc"]
    return location[:-1] if location and location[-1] == "[key]" else location


def _touched(location: Location, repaired: list[Location]) -> bool:
    return any(
        location[: len(place)] == place or place[: len(location)] == location for place in repaired
    )


def _repair(data: dict[str, Any], location: Location, *, missing: bool) -> Location:
    """Take a wrong value out, or put something right where a key is missing."""
    # Without its wrong element a list would count its other elements anew: it goes as a whole.
    while isinstance(location[-1], int):
        location = location[:-1]
    parent: Any = data
    for part in location[:-1]:
        try:
            parent = parent[part]
        except (KeyError, IndexError, TypeError):
            return location
    if missing:
        parent[location[-1]] = deepcopy(_STAND_INS.get(str(location[-1])))
    elif isinstance(parent, dict):
        parent.pop(location[-1], None)
    return location


def _words(detail: ErrorDetails, location: Location) -> str:
    """Say in plain words what pydantic found."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(location)
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        context = {"expected": context["expected"].replace("'", "")}
    if kind == "string_pattern_mismatch":
        context = {"wanted": WANTED.get(context["pattern"], "written differently")}
    words = _WORDS.get(kind)
    if words is None:
        return f"cannot be used: {detail['msg']}"
    return words.format(but=but_is(detail["input"]), **context)


def _unknown_key(location: Location) -> str:
    key = str(location[-1])
    near = did_you_mean(key, _keys(location[:-1]))
    if not near and re.search("passw|token|secret|key", key):
        return "unknown key; secrets come from the environment only"
    return f"unknown key{near}"


def _keys(location: Location) -> list[str]:
    """Keys that the section at a location knows."""
    section: type[BaseModel] = settings_type()
    named = False
    for part in location:
        if named:
            named = False
            continue
        fields = {field.alias or name: field for name, field in section.model_fields.items()}
        annotation = fields[str(part)].annotation
        named = get_origin(annotation) in {Mapping, tuple}
        section = next(kind for kind in (annotation, *get_args(annotation)) if _is_section(kind))
    return [field.alias or name for name, field in section.model_fields.items()]


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _concealed(fault: Fault, environ: Mapping[str, str]) -> Fault:
    text = fault.text
    for name, value in environ.items():
        if _SECRET_VARIABLE.fullmatch(name) and len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "…")
    return fault._replace(text=text)
