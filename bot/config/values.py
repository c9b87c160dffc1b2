"""What one key of the configuration may hold: durations, channels, IDs, addresses, templates.

Messages are for the person who wrote the file, and complete "environments.prod.channel: ...".
"""

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import fields
from datetime import time, timedelta
from enum import Enum
from string import Formatter
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    WithJsonSchema,
)

from bot.config.document import but_is
from bot.domain.oncall import Kind, On, When
from bot.domain.times import DURATIONS, PATTERN, format_duration, parse_duration

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

STATE_SCHEMES = (
    "sqlite+aiosqlite",
    "postgresql+asyncpg",
    "postgresql+psycopg",
    "sqlite",
    "postgresql",
)
"""Databases that can hold the bot's state."""

_TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


def duration(value: object) -> timedelta:
    """Read a duration, or say in words what it must look like."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"must be a duration such as {DURATIONS}{but_is(value)}")  # noqa: TRY004 -- pydantic collects ValueError
    return parse_duration(value)


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise ValueError("must be more than 0s")
    return duration


def _at_least_an_hour(duration: timedelta) -> timedelta:
    if duration < timedelta(hours=1):
        raise ValueError("must be at least 1h: workers may rest that long")
    return duration


def _time_of_day(value: object) -> time:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or re.fullmatch(_TIME_OF_DAY, value) is None:
        raise ValueError(f'must be a time of day in UTC such as "18:30"{but_is(value)}')
    return time.fromisoformat(value)


_Item = TypeVar("_Item", bound=Hashable)
_Value = TypeVar("_Value", bound="DataclassInstance")


def one_of(value: object, choices: Mapping[str, _Item]) -> _Item:
    """Read a word that stands for something."""
    if not isinstance(value, str) or value not in choices:
        *most, last = choices
        raise ValueError(f"must be {', '.join(most)} or {last}{but_is(value)}")
    return choices[value]


def _kind(value: object, info: ValidationInfo) -> Kind:
    kinds: Mapping[str, Kind] = info.context or {}
    return one_of(value, kinds)


def _word_of(enum: type[Enum]) -> PlainValidator:
    words = {each.value: each for each in enum}
    return PlainValidator(lambda value: one_of(value, words))


def _words_of(enum: type[Enum]) -> WithJsonSchema:
    return WithJsonSchema({"enum": [each.value for each in enum], "type": "string"})


def _all_different(items: Sequence[_Item]) -> Sequence[_Item]:
    twice = [item for index, item in enumerate(items) if item in items[:index]]
    if twice:
        raise ValueError(f"names {twice[0]} twice")
    return items


def _placeholders(*allowed: str, required: str | None = None) -> AfterValidator:
    def check(template: str) -> str:
        try:
            found = [
                field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                for _, field, spec, conversion in Formatter().parse(template)
                if field is not None
            ]
        except ValueError as error:
            raise ValueError("has a brace without its partner") from error
        unknown = next((name for name in found if name not in allowed), None)
        names = " and ".join(f"{{{name}}}" for name in allowed)
        if unknown is not None:
            raise ValueError(f"may hold {names} only, not {{{unknown}}}")
        if required is not None and required not in found:
            raise ValueError(f"must hold {{{required}}}")
        return template

    return AfterValidator(check)


def _address(*schemes: str, instead: str, host: bool = True) -> AfterValidator:
    # No message repeats the address: it may hold the very secret that must not be there.
    def check(url: str) -> str:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 -- raises where it is no port
            secret = parts.password or parse_qs(parts.query).get("password")
        except ValueError as error:
            raise ValueError("is not an address: look at its host and port") from error
        if secret:
            raise ValueError(f"must not hold a password; {instead}")
        if parts.scheme not in schemes:
            raise ValueError(f"must be an address that begins with {wanted}")
        if (host and not parts.hostname) or re.search(r"\s", url):
            raise ValueError("is not an address: look at its host and port")
        return url

    return AfterValidator(check)


def _written(pattern: str, wanted: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Ask for a pattern, and say in words what it asks for."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(f"must be {wanted}{but_is(text)}")
        return text

    return AfterValidator(check), WithJsonSchema({"pattern": pattern, "type": "string"})


def _without_hash(name: str) -> str:
    return name.removeprefix("#")


_FROM_ENVIRONMENT = "secrets come from the environment only, here from "

AnyDuration = Annotated[
    timedelta,
    BeforeValidator(duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["90s", "15m", "1h30m"]}),
]
"""A duration; zero means at once."""

Duration = Annotated[AnyDuration, AfterValidator(_positive)]
LongIdle = Annotated[AnyDuration, AfterValidator(_at_least_an_hour)]
TimeOfDay = Annotated[
    time,
    BeforeValidator(_time_of_day),
    WithJsonSchema({"type": "string", "pattern": _TIME_OF_DAY, "examples": ["18:30"]}),
]

TargetKind = Annotated[Kind, PlainValidator(_kind), WithJsonSchema({"type": "string"})]
"""One of the kinds that whoever reads the file knows; the context of validation."""

TargetWhen = Annotated[When, _word_of(When), _words_of(When)]
TargetOn = Annotated[On, _word_of(On), _words_of(On)]

Channel = Annotated[
    str,
    *_written(
        r"^#?(?:[CG][A-Z0-9]{2,}|[a-z0-9_\-]{1,80})$",
        "a channel's name (lower case, no spaces) or its ID such as C0123ABC",
    ),
    AfterValidator(_without_hash),
]
Channels = Annotated[tuple[Channel, ...], AfterValidator(_all_different)]
Command = Annotated[
    str,
    *_written(r"^/[a-z0-9_\-]{1,31}$", "a slash command in lower case, such as /prompt-redis"),
]
Instrument = Annotated[
    str,
    *_written(r"^[a-z][a-z0-9_]*$", "an instrument's name in lower case, such as lsstcam"),
]
Instruments = Annotated[tuple[Instrument, ...], Field(min_length=1), AfterValidator(_all_different)]
Usergroup = Annotated[
    str,
    *_written(r"^S[A-Z0-9]{2,}$", "a user group's ID such as S0123ABC (IDs, never names)"),
]
User = Annotated[
    str, *_written(r"^[UW][A-Z0-9]{2,}$", "a user's ID such as U0123ABC (IDs, never names)")
]
Word = Annotated[
    str, *_written(r"^[a-z0-9][a-z0-9_\-]*$", "lower-case letters, digits, `-` and `_`")
]
Text = Annotated[str, Field(min_length=1)]

Count = Annotated[StrictInt, Field(ge=1)]
Number = Annotated[StrictFloat, Field(allow_inf_nan=False)]
Percentage = Annotated[Number, Field(gt=0, le=100)]
Port = Annotated[StrictInt, Field(ge=0, le=65535)]

InstrumentName = Annotated[str, _placeholders("instrument", required="instrument")]
"""A template from which each instrument gets a name of its own."""

JobName = Annotated[str, _placeholders("instrument")]
Link = Annotated[
    str,
    _placeholders("environment", "instrument"),
    _address("https", "http", instead="people will read it"),
]
Hook = Annotated[
    str,
    _placeholders("key"),
    _address("https", "http", instead="write {key} and set its variable"),
]
"""An address that is called; ``{key}`` stands for a secret from the environment."""

RedisUrl = Annotated[
    str,
    _address("redis", "rediss", instead=_FROM_ENVIRONMENT + "PROMPT_REDIS_<ENV>_PASSWORD"),
]
StateUrl = Annotated[
    str,
    _address(
        *STATE_SCHEMES,
        instead=_FROM_ENVIRONMENT + "PROMPT_REDIS_STATE_URL",
        host=False,
    ),
]


def _undescribed(schema: dict[str, Any]) -> None:
    # Each key describes its section; where both say the same, pydantic would keep neither there.
    schema.pop("description", None)


class Section(BaseModel):
    """Settings of one purpose; unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        # Built once, as part of the whole tree, and not for every section by itself as well.
        defer_build=True,
        json_schema_extra=_undescribed,
    )

    def value(self, kind: type[_Value], **instead: object) -> _Value:
        """Give the value that has keys of these names, some perhaps with something else."""
        keys = {each.name for each in fields(kind)} - set(instead)
        return kind(**{key: getattr(self, key) for key in keys}, **instead)
