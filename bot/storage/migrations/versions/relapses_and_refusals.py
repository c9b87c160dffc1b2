"""Messages that a channel refused: why, what they took the place of, and which go first.

Revision ID: 0005
"""

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
