"""The configuration file as text: plain values, and the line on which each of them stands.

Knows YAML, not what the keys mean. Words are taken as they are written where YAML 1.1 would
surprise: the key ``on`` is no truth value, and ``18:30`` is no number in base 60.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

Location = tuple[str | int, ...]
"""Keys and indexes that lead from the top of the file to a value."""

_ECHOED = 24
"""Longer texts are not repeated in a message: they are no slip of the finger, perhaps a secret."""

_LONGEST_FIGURE = 40
"""Python refuses to read thousands of digits; what is longer stays text and is no number."""


class ConfigurationError(Exception):
    """The configuration cannot be used.

    Parameters
    ----------
    problems
        Everything that is wrong with it, each in one line for people.
    """

    def __init__(self, problems: Sequence[str]):
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class Fault(NamedTuple):
    """Something wrong at one place of the file."""

    line: int
    location: Location
    text: str

    def written(self, file: str) -> str:
        """Write it as people read it, ``FILE:LINE: environments.prod.redis.url: problem``."""
        return ": ".join(filter(None, (f"{file}:{self.line}", dotted(self.location), self.text)))


class Document:
    """A configuration file that could be read.

    Attributes
    ----------
    data
        Its plain values; the first of duplicate keys counts.
    faults
        What is wrong with it as YAML, whatever the keys mean.
    """

    def __init__(self, root: MappingNode):
        self._root = root
        self._values: dict[int, Any] = {}
        self.faults: list[Fault] = []
        self.data: dict[str, Any] = self._value(root, ())

    def line(self, location: Location) -> int:
        """Line of a key or list element, counted from 1; of its parent where it is missing."""
        node: Node = self._root
        line = node.start_mark.line
        for part in location:
            if isinstance(node, MappingNode):
                entry = next((entry for entry in node.value if entry[0].value == part), None)
                if entry is None:
                    break
                key, node = entry
                line = key.start_mark.line
            elif (
                isinstance(node, SequenceNode) and isinstance(part, int) and part < len(node.value)
            ):
                node = node.value[part]
                line = node.start_mark.line
            else:
                break
        return int(line) + 1

    def fault(self, location: Location, text: str) -> Fault:
        """Say what is wrong at a place."""
        return Fault(self.line(location), location, text)

    def _value(self, node: Node, location: Location) -> Any:
        # Aliases make nodes that stand in several places, or in themselves: each is built once.
        known = self._values.get(id(node))
        if known is not None:
            return known
        if isinstance(node, MappingNode):
            return self._mapping(node, location)
        if isinstance(node, SequenceNode):
            elements: list[Any] = []
            self._values[id(node)] = elements
            for index, element in enumerate(node.value):
                elements.append(self._value(element, (*location, index)))
            return elements
        return _scalar(node) if isinstance(node, ScalarNode) else None

    def _mapping(self, node: MappingNode, location: Location) -> dict[str, Any]:
        mapping: dict[str, Any] = {}
        self._values[id(node)] = mapping
        first_lines: dict[str, int] = {}
        for key, value in node.value:
            line = key.start_mark.line + 1
            if not isinstance(key, ScalarNode) or not key.value.isprintable():
                self.faults.append(Fault(line, location, "a key must be a word"))
            elif key.tag == "tag:yaml.org,2002:merge":
                text = "merge keys are not supported; write the keys out"
                self.faults.append(Fault(line, (*location, key.value), text))
            elif key.value in first_lines:
                text = f"stands here again; it is already on line {first_lines[key.value]}"
                self.faults.append(Fault(line, (*location, key.value), text))
            else:
                first_lines[key.value] = line
                mapping[key.value] = self._value(value, (*location, key.value))
        return mapping


def read_document(path: Path) -> Document:
    """Read a configuration file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    Document
        Its values and lines.

    Raises
    ------
    ConfigurationError
        If it is not there, cannot be read, or is no YAML with keys.
    """
    try:
        content = path.read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise ConfigurationError(
            [f"{path}: cannot be read: {reason or 'not a file name'}"]
        ) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise _broken(path, line, "is not text in UTF-8") from error
    try:
        root = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise _broken(path, mark.line + 1 if mark else 1, _syntax(error)) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _broken(path, line, "holds a character that YAML does not allow") from error
    except RecursionError as error:
        raise _broken(path, 1, "is nested too deeply") from error
    except Exception as error:
        # PyYAML lets built-in errors escape on odd escapes, tags and directives.
        raise _broken(path, 1, "is not valid YAML") from error
    if root is None or (isinstance(root, ScalarNode) and not root.value):
        raise _broken(path, 1, "the file is empty; it needs at least `environments`")
    if not isinstance(root, MappingNode):
        raise _broken(path, root.start_mark.line + 1, "must be a mapping of keys at the top")
    return Document(root)


def dotted(location: Location) -> str:
    """Write a location as ``oncall.targets[0].url``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def but_is(value: object) -> str:
    """End a message with what stands in the file instead, where that is short."""
    match value:
        case None:
            # YAML drops what follows a `#`, which in Slack begins a channel's name.
            return " (it is empty)"
        case bool():
            return f", not {str(value).lower()}"
        case str():
            return f", not {value!r}" if len(value) <= _ECHOED else ""
        case int() | float():
            return f", not {value}"
        case list():
            return ", not a list"
        case _:
            return ", not a mapping of keys"


def _broken(path: Path, line: int, text: str) -> ConfigurationError:
    return ConfigurationError([Fault(line, (), text).written(str(path))])


def _syntax(error: yaml.MarkedYAMLError) -> str:
    reason = ", ".join(filter(None, (error.context, error.problem)))
    if "'\\t'" in reason:
        return "is not valid YAML: a tab stands here; indent with spaces"
    # The name of an alias or a tag may be the beginning of a password that wants quotes.
    reason = re.sub(r"(alias|anchor|handle) \S+", r"\1", reason)
    return f"is not valid YAML: {reason}"


def _scalar(node: ScalarNode) -> Any:
    text: str = node.value
    constructor = SafeConstructor()
    try:
        match node.tag.removeprefix("tag:yaml.org,2002:"):
            case "null":
                return None
            case "bool":
                return constructor.construct_yaml_bool(node)
            case "int" if ":" not in text and len(text) <= _LONGEST_FIGURE:
                return constructor.construct_yaml_int(node)
            case "float" if ":" not in text and len(text) <= _LONGEST_FIGURE:
                return constructor.construct_yaml_float(node)
    except (ValueError, KeyError, IndexError):
        # An explicit tag that does not fit, such as `!!int many`: say so where it is used.
        return text
    return text
