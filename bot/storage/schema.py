"""Every table of the state, the same on SQLite and on PostgreSQL.

Times are UTC. A column is called like the field of the dataclass that it holds, and its codec
(`bot.storage.rows`) is told here alone. A change here needs a migration beside it; a test compares
the two.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    false,
    text,
)

from bot.domain.alarms import Holding, Skipped
from bot.domain.approvals import Happened, Outcome, Plan, State, Vote
from bot.domain.environments import Person
from bot.domain.maintenance import Stage
from bot.domain.notices import Notice, Subject
from bot.domain.oncall import Page
from bot.domain.rules import Finding, Severity
from bot.domain.samples import Figures
from bot.storage.rows import Id, Json, Name, Prose, Span, Time

metadata = MetaData(
    # A later migration can name what it changes.
    naming_convention={
        "pk": "%(table_name)s_key",
        "uq": "%(table_name)s_one_%(column_0_name)s",
        "ix": "%(table_name)s_by_%(column_0_N_name)s",
    }
)

IDS = "ids"
"""The one sequence of numbers: requests, alarms, silences and windows share it."""

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Integer, nullable=False),
)
"""The last number given, in one row."""

requests = Table(
    "requests",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("arguments", Prose, nullable=False),
    Column("reason", Prose, nullable=False),
    Column("requester", Json(Person), nullable=False),
    Column("plan", Json(Plan), nullable=False),
    Column("key", Text, nullable=False),
    Column("asked", Time, nullable=False),
    Column("expires", Time, nullable=False),
    Column("needed", Integer, nullable=False),
    Column("self_approval", Boolean, nullable=False),
    Column("taken_by", Text, nullable=False),
    Column("state", Name(State), nullable=False),
    Column("version", Integer, nullable=False),
    Column("votes", Json(tuple[Vote, ...]), nullable=False),
    Column("ended", Time),
    Column("ended_by", Json(Person)),
    Column("answer", Prose, nullable=False),
    Column("started", Time),
    Column("executor", Text, nullable=False),
    Column("heartbeat", Time),
    Column("progress", Json(tuple[str, ...]), nullable=False),
    Column("outcome", Json(Outcome)),
    # Of the outcome, for the look at doubtful ones.
    Column("happened", Name(Happened)),
    Index("requests_by_environment", "environment", "id"),
    Index("requests_by_state", "state", "environment"),
)

posts = Table(
    "posts",
    metadata,
    Column("id", Integer, primary_key=True),
    # No foreign key: requests, alarms and windows have their numbers from one sequence.
    Column("subject", Integer, nullable=False, unique=True),
    Column("kind", Name(Subject), nullable=False),
    Column("environment", Text, nullable=False),
    Column("channel", Text),
    Column("ts", Text),
    Column("wanted", Integer, nullable=False),
    Column("shown", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("urgent", Boolean, nullable=False, server_default=false()),
    Column("former", Text),
    Column("refused", Text, nullable=False, server_default=""),
    Column("claimed_by", Text),
    Column("claimed_until", Time),
    Column("not_before", Time),
    Index(
        "posts_behind",
        "id",
        sqlite_where=text("shown < wanted"),
        postgresql_where=text("shown < wanted"),
    ),
)

outbox = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("lane", Text, nullable=False),
    # Of the content, for whoever looks for what was said of something. No foreign key, for the
    # same reason.
    Column("said", Text, nullable=False),
    Column("subject", Integer),
    # The key of a page, for whoever asks what became of all that bear it.
    Column("about", Text, nullable=False),
    Column("content", Json(Notice | Page), nullable=False),
    Column("written", Time, nullable=False),
    Column("writer", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    # It may have been sent.
    Column("perhaps", Boolean, nullable=False),
    Column("claimed_by", Text),
    Column("claimed_until", Time),
    Column("not_before", Time),
    # Sent, or given up: nothing more will happen to it.
    Column("closed", Time),
    Column("why", Prose, nullable=False),
    Index(
        "outbox_waiting",
        "lane",
        "id",
        sqlite_where=text("closed IS NULL"),
        postgresql_where=text("closed IS NULL"),
    ),
    Index("outbox_by_closed", "closed"),
    Index("outbox_by_about", "about"),
)

alarms = Table(
    "alarms",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("instrument", Text, nullable=False),
    Column("began", Time, nullable=False),
    Column("opened", Time, nullable=False),
    Column("findings", Json(Mapping[str, Finding]), nullable=False),
    Column("figures", Json(Figures), nullable=False),
    Column("worst", Name(Severity), nullable=False),
    Column("highest_waiting", Integer, nullable=False),
    Column("highest_visits", Integer, nullable=False),
    Column("highest_capped", Boolean, nullable=False),
    Column("highest_wait", Span),
    Column("skipped", Json(tuple[Skipped, ...]), nullable=False),
    Column("held", Name(Holding)),
    Column("was_held", Boolean, nullable=False),
    Column("owner", Json(Person)),
    Column("owned", Time),
    Column("asked", Time),
    Column("critical_since", Time),
    Column("told", Json(Mapping[str, datetime]), nullable=False),
    Column("resolved", Time),
    Column("relapses", Integer, nullable=False, server_default="0"),
    Column("relapsed", Time),
    Column("called", Time),
    Column("drawn", Time),
    Column("version", Integer, nullable=False),
    Index("alarms_by_environment", "environment", "id"),
    # One at a time about one thing, whatever two processes find at once.
    Index(
        "alarms_firing",
        "environment",
        "name",
        "instrument",
        unique=True,
        sqlite_where=text("resolved IS NULL"),
        postgresql_where=text("resolved IS NULL"),
    ),
)

silences = Table(
    "silences",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("by", Json(Person), nullable=False),
    Column("reason", Prose, nullable=False),
    Column("starts", Time, nullable=False),
    Column("ends", Time),
    Column("instrument", Text, nullable=False),
    Column("rule", Text),
    Column("incident", Integer),
    Column("lifted", Time),
    Column("version", Integer, nullable=False),
    Index("silences_by_environment", "environment", "id"),
)

windows = Table(
    "windows",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("starts", Time, nullable=False),
    Column("ends", Time, nullable=False),
    Column("reason", Prose, nullable=False),
    Column("owner", Json(Person), nullable=False),
    Column("announced", Time, nullable=False),
    Column("during_observing", Boolean, nullable=False),
    Column("stage", Name(Stage), nullable=False),
    Column("version", Integer, nullable=False),
    Column("started", Time),
    Column("started_by", Json(Person)),
    Column("ended", Time),
    Column("ended_by", Json(Person)),
    Column("closing", Prose, nullable=False),
    Column("said", Json(frozenset[tuple[str, datetime]]), nullable=False),
    Column("updates", Integer, nullable=False),
    Column("edited", Boolean, nullable=False),
    Index("windows_by_environment", "environment", "id"),
)

samples = Table(
    "samples",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("instrument", Text, primary_key=True),
    Column("at", Time, primary_key=True),
    Column("reached", Boolean, nullable=False),
    Column("there", Boolean),
    Column("waiting", Integer, nullable=False),
    Column("visits", Integer, nullable=False),
    Column("capped", Boolean, nullable=False),
    Column("wait", Span),
    Column("unconfirmed", Integer, nullable=False),
    Column("consumers", Integer, nullable=False),
    # What Redis counts for ever, or is told to have counted, is not bounded by 32 bits.
    Column("length", BigInteger, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("last_delivered", Id, nullable=False),
    Column("lag", BigInteger),
    Column("announced", Integer, nullable=False),
    Index("samples_by_environment", "environment", "at"),
    # The key is most of the row: SQLite need not keep it twice.
    sqlite_with_rowid=False,
)

minutes = Table(
    "minutes",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("instrument", Text, primary_key=True),
    Column("at", Time, primary_key=True),
    Column("samples", Integer, nullable=False),
    Column("reached", Integer, nullable=False),
    Column("waiting", Integer, nullable=False),
    Column("wait", Span),
    Column("unconfirmed", Integer, nullable=False),
    Column("added", BigInteger, nullable=False),
    Column("announced", Integer, nullable=False),
    Index("minutes_by_environment", "environment", "at"),
    sqlite_with_rowid=False,
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("at", Time, nullable=False),
    Column("environment", Text, nullable=False),
    Column("action", Prose, nullable=False),
    Column("person", Json(Person), nullable=False),
    Column("result", Text, nullable=False),
    # No foreign key: the audit outlives the requests.
    Column("request", Integer),
    Column("approvers", Json(tuple[str, ...]), nullable=False),
    Column("reason", Prose, nullable=False),
    Column("answer", Prose, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("before", Json(Mapping[str, str]), nullable=False),
    Column("after", Json(Mapping[str, str]), nullable=False),
    Index("audit_by_environment", "environment", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("trigger", Prose, primary_key=True),
    Column("came", Time, nullable=False),
    Column("times", Integer, nullable=False),
    Index("deliveries_by_came", "came"),
)

positions = Table(
    "positions",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("instrument", Text, primary_key=True),
    Column("entry", Id, nullable=False),
    Column("seen", Time, nullable=False),
)

chores = Table(
    "chores",
    metadata,
    Column("name", Text, primary_key=True),
    Column("day", Date, primary_key=True),
)

leadership = Table(
    "leadership",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("holder", Text),
    Column("until", Time),
)
"""One row."""

watches = Table(
    "watches",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("looked", Time, nullable=False),
    # Why it could not be looked at since; empty where it was.
    Column("why", Prose, nullable=False),
)
"""When each environment was last looked at."""
