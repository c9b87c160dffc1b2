"""Rows as the values that they hold: people, votes, notices and pages as JSON.

Revision ID: 0004
"""

import json
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from alembic import op
from pydantic import TypeAdapter

from bot.domain.errors import FatalError

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_LOCKED = "requests, votes, alarms, silences, windows, outbox, audit"
"""Every table that is rewritten, in the order in which the former release writes to them."""

_MICROSECONDS = ("wait", "between_visits", "answers_in")
"""Figures that were counted in these, and are durations of ISO 8601 now."""

_DURATION = TypeAdapter(timedelta)


def upgrade() -> None:
    """Put together what two columns, or two tables, held of one value."""
    if op.get_bind().dialect.name == "postgresql":
        # An older replica may be in the middle of a step. What it has not committed would not be
        # read below, and would stay as it was; and where it takes two tables in another order than
        # what follows, each would wait for the other.
        op.execute(f"LOCK TABLE {_LOCKED}")
    # The defaults stay, because SQLite cannot take one away again. Nothing relies on them.
    text, zero = sa.Text(), sa.text("0")
    op.add_column("requests", sa.Column("votes", text, nullable=False, server_default="[]"))
    op.add_column(
        "silences", sa.Column("version", sa.Integer(), nullable=False, server_default=zero)
    )
    op.add_column(
        "windows", sa.Column("edited", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.execute("UPDATE windows SET edited = (version > 0)")
    # Alembic would copy the whole table on SQLite.
    op.execute('ALTER TABLE silences RENAME COLUMN person TO "by"')
    op.execute("ALTER TABLE silences RENAME COLUMN person_name TO by_name")
    op.execute('ALTER TABLE outbox RENAME COLUMN "values" TO content')

    votes = _votes()
    _rewrite("requests", ["id"], lambda row: {"votes": votes[row["id"]]})
    op.drop_table("votes")
    _people("requests", "requester", "ended_by")
    _people("alarms", "owner")
    _people("silences", "by")
    _people("windows", "owner", "started_by", "ended_by")
    _people("audit", "person")
    _rewrite("alarms", ["findings", "figures", "skipped"], _incident)
    _rewrite("outbox", ["lane", "said", "environment", "subject", "channel", "content"], _content)
    for name in ("environment", "channel"):
        op.drop_column("outbox", name)


def _votes() -> Mapping[int, list[Any]]:
    table = sa.table(
        "votes",
        *map(sa.column, ("request", "position", "person", "name", "alone", "reason")),
        sa.column("at", sa.DateTime(timezone=True)),
    )
    found: defaultdict[int, list[Any]] = defaultdict(list)
    query = sa.select(table).order_by(table.c.request, table.c.position)
    for row in op.get_bind().execute(query).mappings():
        # SQLite knows no zones: it is UTC.
        at = row["at"].replace(tzinfo=None).isoformat() + "Z"
        person = {"id": row["person"], "name": row["name"]}
        vote = {"person": person, "at": at, "alone": bool(row["alone"]), "reason": row["reason"]}
        found[row["request"]].append(vote)
    return found


def _people(table: str, *columns: str) -> None:
    def together(row: Mapping[str, Any]) -> dict[str, Any]:
        return {
            each: None if row[each] is None else {"id": row[each], "name": row[f"{each}_name"]}
            for each in columns
        }

    names = [f"{each}_name" for each in columns]
    _rewrite(table, [*columns, *names], together)
    for name in names:
        op.drop_column(table, name)


def _incident(row: Mapping[str, Any]) -> dict[str, Any]:
    figures = json.loads(row["figures"])
    for name in _MICROSECONDS:
        if figures.get(name) is not None:
            figures[name] = _DURATION.dump_python(
                timedelta(microseconds=figures[name]), mode="json"
            )
    skipped = [
        {"visit": visit, "entries": entries, "at": at}
        for visit, entries, at in json.loads(row["skipped"])
    ]
    findings = {each["rule"]: each for each in json.loads(row["findings"])}
    return {"findings": findings, "figures": figures, "skipped": skipped}


def _content(row: Mapping[str, Any]) -> dict[str, Any]:
    content = json.loads(row["content"])
    if row["lane"] == "talk":
        content = {
            "said": row["said"],
            "environment": row["environment"],
            "subject": row["subject"],
            "values": content,
            "channel": row["channel"] or "",
        }
    return {"content": content}


def _rewrite(
    name: str, columns: list[str], change: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> None:
    """Write JSON into columns of every row, made from the row as it is.

    Raises
    ------
    FatalError
        If a row does not hold what the former release writes; the migration is undone then.
    """
    table = sa.table(name, *map(sa.column, dict.fromkeys(["id", *columns])))
    connection = op.get_bind()
    rows = []
    for row in connection.execute(sa.select(table)).mappings():
        try:
            changed = change(dict(row))
        except (AttributeError, LookupError, TypeError, ValueError) as error:
            raise FatalError(
                f"The bot's database cannot be brought up to date: row {row['id']} of its table "
                f"{name} does not hold what the former release writes. Nothing was changed. Start "
                "that release again, and restore a backup or correct the row."
            ) from error
        values = {
            column: None if value is None else json.dumps(value, separators=(",", ":"))
            for column, value in changed.items()
        }
        rows.append({"row": row["id"], **values})
    if rows:
        new = {
            column: sa.bindparam(column, type_=sa.Text()) for column in rows[0] if column != "row"
        }
        written = sa.table(name, *map(sa.column, ["id", *new]))
        where = written.c.id == sa.bindparam("row", type_=sa.Integer())
        connection.execute(sa.update(written).where(where).values(new), rows)
