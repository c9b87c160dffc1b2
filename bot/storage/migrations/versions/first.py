"""The tables from which every later migration begins.

What is older is refused, and a fresh database gets the tables of the schema at once: nothing is
left to be done here, but the next migration names it.

Revision ID: 0003
"""

revision = "0003"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Do nothing."""
