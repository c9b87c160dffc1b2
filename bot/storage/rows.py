"""How a value becomes a row and comes back: codecs of columns, and mapping by name.

A row is a frozen dataclass. A column holds the field that is called like it, through the column's
codec, so neither a field nor its codec is written twice. A column may also hold a property, which
is written for queries and not read back.
"""

import json
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter
from sqlalchemy import BigInteger, DateTime, Dialect, Row, Table, Text, TypeDecorator

from bot.domain.streams import EntryId

MICROSECOND = timedelta(microseconds=1)


class Time(TypeDecorator[datetime]):
    """A moment: an aware time goes in, and comes back in UTC with its microseconds."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Give the database UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _: Dialect) -> datetime | None:
        """Say that it is UTC: SQLite knows no zones."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class Span(TypeDecorator[timedelta]):
    """A duration, in whole microseconds: what a `timedelta` holds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, _: Dialect) -> int | None:
        """Give the database a number."""
        return None if value is None else value // MICROSECOND

    def process_result_value(self, value: int | None, _: Dialect) -> timedelta | None:
        """Make a duration of it."""
        return None if value is None else value * MICROSECOND


class Prose(TypeDecorator[str]):
    """Text of people. PostgreSQL takes no NUL, and neither database takes half a character."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _: Dialect) -> str | None:
        """Replace what the databases refuse."""
        if value is None:
            return None
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


class Name(TypeDecorator[Any]):
    """A member of an enumeration, as its value."""

    impl = Text
    cache_ok = True

    def __init__(self, kind: type[Enum]) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Enum | None, _: Dialect) -> str | None:
        """Give the database the value."""
        return None if value is None else value.value

    def process_result_value(self, value: str | None, _: Dialect) -> Enum | None:
        """Find the member."""
        return None if value is None else self.kind(value)


class Id(TypeDecorator[EntryId]):
    """An entry ID. As text: its halves are unsigned, and the databases' integers are not."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: EntryId | None, _: Dialect) -> str | None:
        """Write it as Redis does."""
        return None if value is None else str(value)

    def process_result_value(self, value: str | None, _: Dialect) -> EntryId | None:
        """Read it."""
        return None if value is None else EntryId.parse(value)


class Json(TypeDecorator[Any]):
    """A value of any type that pydantic knows, as JSON.

    What is not there reads as its default, so a field can be added without a migration; a field
    that is renamed, or whose type changes, takes one.
    """

    impl = Text
    cache_ok = True

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.kind = kind

    def process_bind_param(self, value: Any, _: Dialect) -> str | None:
        """Write it escaped: neither a NUL nor half a character reaches the database as such."""
        if value is None:
            return None
        plain = _adapter(self.kind).dump_python(value, mode="json")
        return json.dumps(plain, separators=(",", ":"))

    def process_result_value(self, value: str | None, _: Dialect) -> Any:
        """Read it."""
        return None if value is None else _adapter(self.kind).validate_python(json.loads(value))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


_Value = TypeVar("_Value")


class Rows(Generic[_Value]):
    """A table whose rows are values of one frozen dataclass."""

    def __init__(self, table: Table, kind: type[_Value]) -> None:
        self.table = table
        self.kind = kind
        self.fields = [each.name for each in fields(kind) if each.name in table.c]  # type: ignore[arg-type]

    def write(self, value: _Value) -> dict[str, Any]:
        """Give the columns of a value."""
        names = self.table.columns.keys()
        return {name: getattr(value, name) for name in names if hasattr(value, name)}

    def read(self, row: Row[Any]) -> _Value:
        """Give the value of a row, which may have further columns."""
        columns = row._mapping  # noqa: SLF001 -- the public name; attributes clash with tuple's
        return self.kind(**{name: columns[name] for name in self.fields})
