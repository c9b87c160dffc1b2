"""Messages that a channel refused: why, what they took the place of, and which go first.

What pages are about, and which of them a target may have taken. And alarms that fire again.

Revision ID: 0005
"""

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add what is known of a message that Slack does not take."""
    op.add_column(
        "posts", sa.Column("urgent", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    op.add_column("posts", sa.Column("former", sa.Text()))
    op.add_column("posts", sa.Column("refused", sa.Text(), nullable=False, server_default=""))
    op.create_table(
        "watches",
        sa.Column("environment", sa.Text(), primary_key=True),
        sa.Column("looked", sa.DateTime(timezone=True), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
    )
    _pages()
    _relapses()


def _pages() -> None:
    op.add_column("outbox", sa.Column("about", sa.Text(), nullable=False, server_default=""))
    op.add_column(
        "outbox", sa.Column("perhaps", sa.Boolean(), nullable=False, server_default=sa.false())
    )
    table = sa.table("outbox", *map(sa.column, ("id", "lane", "content", "about")))
    connection = op.get_bind()
    pages = sa.select(table.c.id, table.c.content).where(table.c.lane == "page")
    keys = [
        {"row": row.id, "key": json.loads(row.content)["key"]} for row in connection.execute(pages)
    ]
    if keys:
        row, key = sa.bindparam("row", type_=sa.Integer()), sa.bindparam("key", type_=sa.Text())
        connection.execute(sa.update(table).where(table.c.id == row).values(about=key), keys)
    op.execute("UPDATE outbox SET perhaps = (attempts > 0)")
    op.create_index("outbox_by_about", "outbox", ["about"])


def _relapses() -> None:
    time = sa.DateTime(timezone=True)
    op.add_column("alarms", sa.Column("relapses", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("alarms", sa.Column("relapsed", time))
    op.add_column("alarms", sa.Column("called", time))
