"""Reads the configuration: a YAML file with its lines, and secrets from the environment.

Everything that is wrong is said at once, with its line and in words. Words are taken as they are
written where YAML 1.1 would surprise: the key ``on`` is no truth value, and ``18:30`` is no number
in base 60. No message repeats a secret.
"""

import ast
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import ErrorDetails
from yaml.constructor import SafeConstructor
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from bot.config.settings import (
    ALIASES,
    STATE_SCHEMES,
    Location,
    RuleSection,
    Section,
    Settings,
    TargetSection,
    but_is,
    disagreements,
    oncall_variable,
    or_rather,
    redis_variable,
    section_name,
    settings_type,
)
from bot.domain.oncall import Kind
from bot.domain.rules import RULES
from bot.domain.times import format_duration

_LONGEST_FIGURE = 40
"""Python refuses to read thousands of digits; what is longer stays text and is no number."""

_WORDS: Mapping[str, str] = {
    "missing": "is missing",
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
_FIRST_PRINTABLE = 0x20
"""Shorter ones would make holes in every message."""

_TOKENS = re.compile(r"xox[a-z.]*-[\w-]+|xapp-[\w-]+|(?<=://)[^\s/]*@")


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
        line: int = node.start_mark.line
        for part in location:
            key, node = _children(node).get(part, (None, node))
            if key is None:
                break
            line = key.start_mark.line
        return line + 1

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

    Raises
    ------
    ConfigurationError
        With every problem of the file, by line.
    """
    document, model = _document(path), settings_type()
    known = {each.name: each for each in kinds}
    # A wrong value is taken out, and the rest is looked at again: keys that must agree with each
    # other are checked although another one is wrong.
    data = deepcopy(document.data)
    faults = list(document.faults)
    repaired: list[Location] = []
    for _ in range(_ROUNDS):
        try:
            settings = model.model_validate(data, context=known)
        except ValidationError as error:
            details = _distinct(error.errors(include_url=False))
            faults += [
                document.fault(_location(each), _words(each))
                for each in details
                if not _touched(_location(each), repaired)
            ]
            repaired += [_repair(data, each) for each in details]
        else:
            faults += [
                document.fault(finding.location, finding.text)
                for finding in disagreements(settings)
                if not any(_touched(place, repaired) for place in finding.concluded_from)
            ]
            if not faults:
                return settings
            break
    faults.sort(key=lambda fault: fault.line)
    problems = (_concealed(fault, environ).written(str(path)) for fault in faults)
    raise ConfigurationError([_TOKENS.sub("…", problem) for problem in problems])


def _document(path: Path) -> Document:
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


def _distinct(details: list[ErrorDetails]) -> list[ErrorDetails]:
    # A list whose elements are all wrong is also too short, which nobody needs to hear.
    parents = {detail["loc"][:-1] for detail in details}
    return [
        detail
        for detail in details
        if detail["type"] != "too_short" or detail["loc"] not in parents
    ]


def _location(detail: ErrorDetails) -> Location:
    location = detail["loc"]
    return location[:-1] if location and location[-1] == "[key]" else location


def _touched(location: Location, repaired: list[Location]) -> bool:
    return any(
        location[: len(place)] == place or place[: len(location)] == location for place in repaired
    )


def _repair(data: dict[str, Any], detail: ErrorDetails) -> Location:
    """Take a wrong value out, or put something right where a key is missing."""
    location = _location(detail)
    # Without its wrong element a list would count its other elements anew: it goes as a whole.
    while isinstance(location[-1], int):
        location = location[:-1]
    parent: Any = data
    for part in location[:-1]:
        try:
            parent = parent[part]
        except (KeyError, IndexError, TypeError):
            return location
    if detail["type"] == "missing":
        parent[location[-1]] = deepcopy(_STAND_INS.get(str(location[-1])))
    elif isinstance(parent, dict):
        parent.pop(location[-1], None)
    return location


def _words(detail: ErrorDetails) -> str:
    """Say in plain words what pydantic found."""
    kind, context = detail["type"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        return _unknown_key(_location(detail))
    if kind == "value_error":
        return str(context["error"])
    if kind == "literal_error":
        context = {"expected": context["expected"].replace("'", "")}
    words = _WORDS.get(kind)
    if words is None:
        return f"cannot be used: {detail['msg']}"
    return words.format(but=but_is(detail["input"]), **context)


def _unknown_key(location: Location) -> str:
    key = str(location[-1])
    near = or_rather(key, _keys(location[:-1]))
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
        section = next(
            kind
            for kind in (annotation, *get_args(annotation))
            if isinstance(kind, type) and issubclass(kind, BaseModel)
        )
    return [field.alias or name for name, field in section.model_fields.items()]


def _concealed(fault: Fault, environ: Mapping[str, str]) -> Fault:
    text = fault.text
    for name, value in environ.items():
        if _SECRET_VARIABLE.fullmatch(name) and len(value) >= _SHORTEST_SECRET:
            text = text.replace(value, "…")
    return fault._replace(text=text)


def dotted(location: Location) -> str:
    """Write a location as ``oncall.targets[0].url``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def _broken(path: Path, line: int, text: str) -> ConfigurationError:
    return ConfigurationError([Fault(line, (), text).written(str(path))])


def _syntax(error: yaml.MarkedYAMLError) -> str:
    reason = ", ".join(filter(None, (error.context, error.problem)))
    if "'\\t'" in reason:
        return "is not valid YAML: a tab stands here; indent with spaces"
    # The name of an alias or a tag may be the beginning of a password that wants quotes.
    reason = re.sub(r"(alias|anchor|handle) \S+", r"\1", reason)
    return f"is not valid YAML: {reason}"


def _children(node: Node) -> Mapping[str | int, tuple[Node, Node]]:
    """Give what stands in a mapping or a list, by key or index: where it begins, and itself."""
    if isinstance(node, MappingNode):
        # Of duplicate keys the first counts.
        words = (pair for pair in reversed(node.value) if isinstance(pair[0], ScalarNode))
        return {key.value: (key, value) for key, value in words}
    if isinstance(node, SequenceNode):
        return {index: (element, element) for index, element in enumerate(node.value)}
    return {}


def _scalar(node: ScalarNode) -> Any:
    text: str = node.value
    tag = node.tag.removeprefix("tag:yaml.org,2002:")
    figure = tag in {"int", "float"} and ":" not in text and len(text) <= _LONGEST_FIGURE
    if tag in {"null", "bool"} or figure:
        # An explicit tag may not fit, such as `!!int many`: what is wrong is said where it is used.
        with suppress(ValueError, KeyError, IndexError):
            return SafeConstructor().construct_object(node)
    return text


@dataclass(frozen=True, kw_only=True, repr=False)
class Secrets:
    """What comes from the environment only; empty where it is not there. Printing shows none.

    Parameters
    ----------
    slack_app_token
        Always there in Socket Mode.
    slack_signing_secret
        Always there in HTTP mode.
    slack_api_url
        Base of the Web API; no secret.
    state_url
        Address of the database: the environment's, else the file's.
    redis_passwords, oncall_keys
        By environment and by target, for those that have one.
    heartbeat_key
        For ``{key}`` in the heartbeat's address.
    kubeconfig
        Path of kubectl's own configuration, where environments name a context of it; None for its
        usual place.
    """

    slack_bot_token: str
    slack_app_token: str
    slack_signing_secret: str
    slack_api_url: str
    state_url: str
    redis_passwords: Mapping[str, str]
    oncall_keys: Mapping[str, str]
    heartbeat_key: str
    kubeconfig: str | None = None


def load_secrets(settings: Settings, environ: Mapping[str, str]) -> Secrets:
    """Take the secrets from the environment.

    Parameters
    ----------
    environ
        Environment variables; ``NAME_FILE`` holds the path of a file with the value of ``NAME``.

    Raises
    ------
    ConfigurationError
        With every variable that is missing or unusable.
    """
    variables = _Variables(environ)
    socket_mode = settings.slack.mode == "socket"
    page = "from the Slack app's page"
    permissions, basic = f'{page} "OAuth & Permissions"', f'{page} "Basic Information"'
    app_token = f"it is the app-level token (xapp-…) for Socket Mode, {basic}"
    signing_secret = f"it proves that requests come from Slack, {basic}"
    heartbeat = settings.oncall.heartbeat or ""
    secrets = Secrets(
        slack_bot_token=variables.token(
            "SLACK_BOT_TOKEN", f"it is the bot token (xoxb-…), {permissions}"
        ),
        slack_app_token=variables.token("SLACK_APP_TOKEN", app_token if socket_mode else ""),
        slack_signing_secret=variables.secret(
            "SLACK_SIGNING_SECRET", "" if socket_mode else signing_secret
        ),
        redis_passwords={
            name: password
            for name in settings.environments
            if (password := variables.secret(redis_variable(name)))
        },
        oncall_keys={
            target.name: key
            for target in settings.oncall.targets
            if (key := variables.secret(oncall_variable(target.name), _why_key(target)))
        },
        heartbeat_key=variables.secret(
            "PROMPT_REDIS_HEARTBEAT_KEY",
            "`oncall.heartbeat` holds {key}" if "{key}" in heartbeat else "",
        ),
        state_url=variables.secret("PROMPT_REDIS_STATE_URL") or settings.state.url,
        slack_api_url=variables.plain("SLACK_API_URL", "https://slack.com/api/").rstrip("/") + "/",
        kubeconfig=variables.plain("KUBECONFIG") or None,
    )
    if secrets.state_url.partition(":")[0] not in STATE_SCHEMES:
        variables.problem(
            "PROMPT_REDIS_STATE_URL", f"must begin with one of {', '.join(STATE_SCHEMES)}"
        )
    if not re.fullmatch(r"https?://[^/\s]\S*", secrets.slack_api_url):
        variables.problem("SLACK_API_URL", "must be an address that begins with https://")
    if variables.problems:
        raise ConfigurationError(variables.problems)
    return secrets


def _why_key(target: TargetSection) -> str:
    """Say what a target's key is for; empty where it may go without one."""
    if target.url is not None and "{key}" in target.url:
        return f"the url of on-call target `{target.name}` holds {{key}}"
    if target.kind.key:
        return f"it is the {target.kind.key} of on-call target `{target.name}`"
    return ""


class _Variables:
    """Reads environment variables, and collects what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]):
        self._environ = environ
        self.problems: list[str] = []

    def problem(self, name: str, text: str) -> None:
        self.problems.append(f"{name}: {text}")

    def plain(self, name: str, default: str = "") -> str:
        """Value of a variable that is no secret."""
        return self._environ.get(name, "").strip() or default

    def secret(self, name: str, why: str = "") -> str:
        """Value of a variable; `why` says what it is for where it must be there."""
        value, file = self.plain(name), self.plain(f"{name}_FILE")
        if value and file:
            self.problem(name, f"is set, and so is {name}_FILE; set one of them")
        elif file:
            value = self._content(f"{name}_FILE", file)
        elif not value and why:
            self.problem(name, f"is not set; {why}")
        if any(ord(each) < _FIRST_PRINTABLE for each in value):
            self.problem(
                f"{name}_FILE" if file else name,
                "holds a line break or another control character; set it anew, in one line",
            )
        return value

    def token(self, name: str, why: str) -> str:
        """Value of a secret that travels in a header of HTTP."""
        value = self.secret(name, why)
        broken = any(ord(each) < _FIRST_PRINTABLE for each in value)
        if not broken and not re.fullmatch(r"[!-~]*", value):
            self.problem(name, "holds a space or another character that no token has; set it anew")
        return value

    def _content(self, name: str, file: str) -> str:
        # No message repeats the path: somebody may have put the secret itself there.
        try:
            content = Path(file).read_text("utf-8").strip()
        except OSError as error:
            self.problem(name, f"names a file that cannot be read ({error.strerror})")
        except ValueError:
            self.problem(name, "names a file that is not text in UTF-8")
        else:
            if not content:
                self.problem(name, "names an empty file")
            return content
        return ""


def json_schema(kinds: Iterable[Kind]) -> dict[str, Any]:
    """Describe the configuration file as JSON Schema, for editors and for checks in CI."""
    written = settings_type().model_json_schema(schema_generator=_JsonSchema)
    # A section is called as in the file; in here other modules have the plain names.
    schema: dict[str, Any] = json.loads(json.dumps(written).replace('Section"', '"'))
    inner = schema["$defs"]
    keys = inner["Target"]["properties"]
    keys["kind"] = {"enum": [each.name for each in kinds], **keys["kind"]}
    for section in _sections(Section):
        if vars(sys.modules[section.__module__]).get(section.__name__) is section:
            name = section.__name__.removesuffix("Section")
            described = schema if section is Settings else inner.get(name, {})
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
