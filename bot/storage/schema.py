"""Every table of the state, the same on SQLite and on PostgreSQL.

Times are UTC. Columns that hold JSON are text: `bot.storage.documents` writes and reads them. A
change here needs a migration beside it; a test compares the two.
"""

from datetime import UTC, datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Dialect,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    text,
)

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


class Words(TypeDecorator[str]):
    """Text of people. PostgreSQL takes no NUL, and neither database takes half a character."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _: Dialect) -> str | None:
        """Replace what the databases refuse."""
        if value is None:
            return None
        return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


metadata = MetaData(
    # A later migration can name what it changes.
    naming_convention={
        "pk": "%(table_name)s_key",
        "fk": "%(table_name)s_%(column_0_name)s_of_%(referred_table_name)s",
        "uq": "%(table_name)s_one_%(column_0_name)s",
        "ix": "%(table_name)s_by_%(column_0_N_name)s",
    }
)

counters = Table(
    "counters",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Integer, nullable=False),
)
"""The last number given; requests, alarms, silences and windows share one row."""

requests = Table(
    "requests",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("command", Text, nullable=False),
    Column("arguments", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("requester", Text, nullable=False),
    Column("requester_name", Words, nullable=False),
    Column("plan", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("asked", Time, nullable=False),
    Column("expires", Time, nullable=False),
    Column("needed", Integer, nullable=False),
    Column("self_approval", Boolean, nullable=False),
    # For whoever looks into an incident: the process that took the request.
    Column("taken_by", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("ended", Time),
    Column("ended_by", Text),
    Column("ended_by_name", Words),
    Column("answer", Words, nullable=False),
    Column("started", Time),
    Column("executor", Text, nullable=False),
    Column("heartbeat", Time),
    Column("progress", Text, nullable=False),
    Column("outcome", Text),
    # Of the outcome, for the look at doubtful ones.
    Column("happened", Text),
    Index("requests_by_environment", "environment", "id"),
    Index("requests_by_state", "state", "environment"),
)

votes = Table(
    "votes",
    metadata,
    Column("request", ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("person", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("name", Words, nullable=False),
    Column("at", Time, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("reason", Words, nullable=False),
)

posts = Table(
    "posts",
    metadata,
    Column("id", Integer, primary_key=True),
    # No foreign key: requests, alarms and windows have their numbers from one sequence.
    Column("subject", Integer, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("channel", Text),
    Column("ts", Text),
    Column("wanted", Integer, nullable=False),
    Column("shown", Integer, nullable=False),
    Column("key", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
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
    Column("said", Text, nullable=False),
    Column("environment", Text, nullable=False),
    # No foreign key, for the same reason.
    Column("subject", Integer),
    Column("values", Text, nullable=False),
    # Another one than the environment's.
    Column("channel", Text),
    Column("written", Time, nullable=False),
    Column("writer", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("claimed_by", Text),
    Column("claimed_until", Time),
    Column("not_before", Time),
    # Sent, or given up: nothing more will happen to it.
    Column("closed", Time),
    Column("why", Words, nullable=False),
    Index(
        "outbox_waiting",
        "lane",
        "id",
        sqlite_where=text("closed IS NULL"),
        postgresql_where=text("closed IS NULL"),
    ),
    Index("outbox_by_closed", "closed"),
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
    Column("findings", Text, nullable=False),
    Column("figures", Text, nullable=False),
    Column("worst", Text, nullable=False),
    Column("highest_waiting", Integer, nullable=False),
    Column("highest_visits", Integer, nullable=False),
    Column("highest_capped", Boolean, nullable=False),
    Column("highest_wait", Span),
    Column("skipped", Text, nullable=False),
    Column("held", Text),
    Column("was_held", Boolean, nullable=False),
    Column("owner", Text),
    Column("owner_name", Words),
    Column("owned", Time),
    Column("asked", Time),
    Column("critical_since", Time),
    Column("told", Text, nullable=False),
    Column("resolved", Time),
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
    Column("person", Text, nullable=False),
    Column("person_name", Words, nullable=False),
    Column("reason", Words, nullable=False),
    Column("starts", Time, nullable=False),
    Column("ends", Time),
    Column("instrument", Text, nullable=False),
    Column("rule", Text),
    Column("incident", Integer),
    Column("lifted", Time),
    Index("silences_by_environment", "environment", "id"),
)

windows = Table(
    "windows",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("environment", Text, nullable=False),
    Column("starts", Time, nullable=False),
    Column("ends", Time, nullable=False),
    Column("reason", Words, nullable=False),
    Column("owner", Text, nullable=False),
    Column("owner_name", Words, nullable=False),
    Column("announced", Time, nullable=False),
    Column("during_observing", Boolean, nullable=False),
    Column("stage", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("started", Time),
    Column("started_by", Text),
    Column("started_by_name", Words),
    Column("ended", Time),
    Column("ended_by", Text),
    Column("ended_by_name", Words),
    Column("closing", Words, nullable=False),
    Column("said", Text, nullable=False),
    Column("updates", Integer, nullable=False),
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
    Column("last_delivered", Text, nullable=False),
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
    Column("action", Words, nullable=False),
    Column("person", Text, nullable=False),
    Column("person_name", Words, nullable=False),
    Column("result", Text, nullable=False),
    # No foreign key: the audit outlives the requests.
    Column("request", Integer),
    Column("approvers", Text, nullable=False),
    Column("reason", Words, nullable=False),
    Column("answer", Words, nullable=False),
    Column("alone", Boolean, nullable=False),
    Column("before", Text, nullable=False),
    Column("after", Text, nullable=False),
    Index("audit_by_environment", "environment", "id"),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("trigger", Words, primary_key=True),
    Column("came", Time, nullable=False),
    Column("times", Integer, nullable=False),
    Index("deliveries_by_came", "came"),
)

positions = Table(
    "positions",
    metadata,
    Column("environment", Text, primary_key=True),
    Column("instrument", Text, primary_key=True),
    # As text: its halves are unsigned, and the databases' integers are not.
    Column("entry", Text, nullable=False),
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
