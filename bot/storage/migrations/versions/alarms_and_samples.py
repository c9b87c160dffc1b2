"""Alarms, silences and samples; posts and notices that are not about requests; pages.

Revision ID: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the new tables, and say of what is there that it is about requests."""
    # The defaults stay, because SQLite cannot take one away again. Nothing relies on them.
    kind = sa.Column("kind", sa.Text(), nullable=False, server_default="request")
    lane = sa.Column("lane", sa.Text(), nullable=False, server_default="talk")
    op.add_column("posts", kind)
    op.add_column("outbox", lane)
    # Alembic would copy the whole table on SQLite.
    op.execute("ALTER TABLE outbox RENAME COLUMN request TO subject")
    op.drop_index("outbox_waiting", "outbox")
    op.create_index(
        "outbox_waiting",
        "outbox",
        ["lane", "id"],
        unique=False,
        sqlite_where=sa.text("closed IS NULL"),
        postgresql_where=sa.text("closed IS NULL"),
    )
    op.create_table(
        "alarms",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("began", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened", sa.DateTime(timezone=True), nullable=False),
        sa.Column("findings", sa.Text(), nullable=False),
        sa.Column("figures", sa.Text(), nullable=False),
        sa.Column("worst", sa.Text(), nullable=False),
        sa.Column("highest_waiting", sa.Integer(), nullable=False),
        sa.Column("highest_visits", sa.Integer(), nullable=False),
        sa.Column("highest_capped", sa.Boolean(), nullable=False),
        sa.Column("highest_wait", sa.BigInteger(), nullable=True),
        sa.Column("skipped", sa.Text(), nullable=False),
        sa.Column("held", sa.Text(), nullable=True),
        sa.Column("was_held", sa.Boolean(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=True),
        sa.Column("owner_name", sa.Text(), nullable=True),
        sa.Column("owned", sa.DateTime(timezone=True), nullable=True),
        sa.Column("asked", sa.DateTime(timezone=True), nullable=True),
        sa.Column("critical_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("resolved", sa.DateTime(timezone=True), nullable=True),
        sa.Column("drawn", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("alarms_key")),
    )
    op.create_index("alarms_by_environment", "alarms", ["environment", "id"], unique=False)
    op.create_index(
        "alarms_firing",
        "alarms",
        ["environment", "name", "instrument"],
        unique=True,
        sqlite_where=sa.text("resolved IS NULL"),
        postgresql_where=sa.text("resolved IS NULL"),
    )
    op.create_table(
        "silences",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("person_name", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("starts", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends", sa.DateTime(timezone=True), nullable=True),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("incident", sa.Integer(), nullable=True),
        sa.Column("lifted", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("silences_key")),
    )
    op.create_index("silences_by_environment", "silences", ["environment", "id"], unique=False)
    op.create_table(
        "samples",
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("reached", sa.Boolean(), nullable=False),
        sa.Column("there", sa.Boolean(), nullable=True),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("visits", sa.Integer(), nullable=False),
        sa.Column("capped", sa.Boolean(), nullable=False),
        sa.Column("wait", sa.BigInteger(), nullable=True),
        sa.Column("unconfirmed", sa.Integer(), nullable=False),
        sa.Column("consumers", sa.Integer(), nullable=False),
        sa.Column("length", sa.BigInteger(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("last_delivered", sa.Text(), nullable=False),
        sa.Column("lag", sa.BigInteger(), nullable=True),
        sa.Column("announced", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "instrument", "at", name=op.f("samples_key")),
        sqlite_with_rowid=False,
    )
    op.create_index("samples_by_environment", "samples", ["environment", "at"], unique=False)
    op.create_table(
        "minutes",
        sa.Column("environment", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("reached", sa.Integer(), nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("wait", sa.BigInteger(), nullable=True),
        sa.Column("unconfirmed", sa.Integer(), nullable=False),
        sa.Column("added", sa.BigInteger(), nullable=False),
        sa.Column("announced", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("environment", "instrument", "at", name=op.f("minutes_key")),
        sqlite_with_rowid=False,
    )
    op.create_index("minutes_by_environment", "minutes", ["environment", "at"], unique=False)
