"""Brings the tables of an older release up to date, or makes those of a fresh database.

Alembic is imported only where there is something to migrate: it takes as long as everything else
that the state needs at start.
"""

from pathlib import Path

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, select, text

from bot.domain.errors import FatalError
from bot.storage.schema import IDS, counters, leadership, metadata

OLDEST, HEAD = "0003", "0005"
"""The oldest tables that are brought up to date, and those of this release. A test proves it."""

LOCK = 7_236_481_955
"""Number of PostgreSQL's lock for migrations; any number that nobody else takes."""

# As Alembic makes it.
_version = Table(
    "alembic_version",
    MetaData(naming_convention={"pk": "%(table_name)s_pkc"}),
    Column("version_num", String(32), primary_key=True),
)


def is_current(connection: Connection) -> bool:
    """Tell whether the tables are those of this release, and need nothing.

    Raises
    ------
    FatalError
        If they are those of a newer release, or of one that is too old.
    """
    revision = _revision(connection)
    if revision is not None and revision < OLDEST:
        raise FatalError(
            "The bot's database is too old for this release of the bot (its tables are at "
            f"{revision}, this release begins at {OLDEST}). Start the release before this one "
            "once, then this one."
        )
    if revision is not None and revision > HEAD:
        raise FatalError(
            "The bot's database belongs to a newer release of the bot (its tables are at "
            f"{revision}, this release knows {HEAD}). Run that release, or restore a backup of "
            "the database from before it."
        )
    return revision == HEAD


def bring_up_to_date(connection: Connection) -> None:
    """Bring the tables up to date, in the transaction of this connection.

    Whoever comes second waits for the first, and finds nothing to do. SQLite needs no lock: its
    file belongs to this process already.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
    if is_current(connection):
        return
    if _revision(connection) is None:
        _create(connection)
    else:
        _migrate(connection)


def _create(connection: Connection) -> None:
    for tables in (metadata, _version.metadata):
        # What is there already is somebody else's.
        tables.create_all(connection, checkfirst=False)
    connection.execute(insert(counters).values(name=IDS, value=0))
    connection.execute(insert(leadership).values(id=1))
    connection.execute(insert(_version).values(version_num=HEAD))


def _migrate(connection: Connection) -> None:
    from alembic import command  # noqa: PLC0415 -- slow, and seldom needed
    from alembic.config import Config  # noqa: PLC0415 -- the same

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    command.upgrade(config, "head")


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table(_version.name):
        return None
    return connection.execute(select(_version.c.version_num)).scalar()
