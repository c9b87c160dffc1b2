"""Brings the tables of an older release, or of a fresh database, up to date.

Alembic is imported only where there is something to do: it takes as long as everything else that
the state needs at start.
"""

from pathlib import Path

from sqlalchemy import Connection, inspect, text

from bot.domain.errors import FatalError

HEAD = "0003"
"""The newest migration. A test proves it."""

LOCK = 7_236_481_955
"""Number of PostgreSQL's lock for migrations; any number that nobody else takes."""

_MIGRATIONS = Path(__file__).parent / "migrations"


def is_current(connection: Connection) -> bool:
    """Tell whether the tables are those of this release."""
    return _revision(connection) == HEAD


def upgrade(connection: Connection) -> None:
    """Bring the tables up to date, in the transaction of this connection.

    Whoever comes second waits for the first, and finds nothing to do. SQLite needs no lock: its
    file belongs to this process already.

    Raises
    ------
    FatalError
        If the tables are those of a newer release.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    revision = _revision(connection)
    if revision == HEAD:
        return

    from alembic import command  # noqa: PLC0415 -- slow, and seldom needed
    from alembic.config import Config  # noqa: PLC0415 -- the same
    from alembic.script import ScriptDirectory  # noqa: PLC0415 -- the same

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise FatalError(
            "The bot's database belongs to a newer release of the bot (its tables are at "
            f"{revision}, this release knows {HEAD}). Run that release, or restore a backup of "
            "the database from before it."
        )
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
