import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, bindparam, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

import bot.storage
from bot.domain.errors import FatalError
from bot.domain.notices import Notice, Said, Subject
from bot.storage.approvals import Requests
from bot.storage.database import Database
from bot.storage.maintenance import Windows
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts
from bot.storage.schema import Time, metadata
from bot.storage.upgrading import HEAD, LOCK
from tests.conftest import Postgresql
from tests.storage.drafts import NOW, create

SHORT = timedelta(milliseconds=50)


@pytest.fixture
def fresh_postgresql(postgresql: Postgresql) -> Iterator[str]:
    """URL of a PostgreSQL database without tables."""
    with postgresql.database(template="template1") as url:
        yield url


@pytest.fixture(params=["sqlite_url", "fresh_postgresql"])
def fresh_url(request: pytest.FixtureRequest) -> str:
    """URL of a database without tables, of either kind."""
    return str(request.getfixturevalue(request.param))


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection of somebody else."""
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


def test_the_head_is_what_the_program_thinks() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(bot.storage.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_the_migrations_make_the_tables_of_the_schema(database: Database) -> None:
    async with database.transaction() as connection:
        assert await connection.run_sync(_differences) == []
        await connection.execute(text("ALTER TABLE chores ADD COLUMN forgotten TEXT"))
        assert len(await connection.run_sync(_differences)) == 1, "a difference would be seen"


async def test_a_database_of_a_newer_release_is_refused(state_url: str) -> None:
    database = await Database.open(state_url)
    async with database.transaction() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.aclose()
    with pytest.raises(FatalError) as caught:
        await Database.open(state_url)
    assert str(caught.value) == (
        "The bot's database belongs to a newer release of the bot (its tables are at 9999, this "
        f"release knows {HEAD}). Run that release, or restore a backup of the database from "
        "before it."
    )


def _at(connection: Connection, revision: str) -> None:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(Path(bot.storage.__file__).parent / "migrations"))
    command.upgrade(config, revision)


async def test_what_the_first_release_wrote_is_about_requests(fresh_url: str) -> None:
    async with raw(fresh_url) as other:
        await other.run_sync(_at, "0001")
        post = "INSERT INTO posts (subject, environment, wanted, shown, key, attempts) VALUES "
        await other.execute(text(post + "(7, 'prod', 1, 0, 'k', 0)"))
        notice = (
            'INSERT INTO outbox (said, environment, request, "values", written, writer, key, '
            "attempts, why) VALUES ('outcome', 'prod', 7, '{}', :now, 'one', 'k', 0, '')"
        )
        written = bindparam("now", NOW, type_=Time())
        await other.execute(text(notice).bindparams(written))
        await other.commit()
    database = await Database.open(fresh_url)
    [queued] = await Outbox(database).waiting(NOW)
    [shown] = await Posts(database).behind(NOW)
    assert await Outbox(database).pages(NOW) == []
    async with database.transaction() as connection:
        assert await connection.run_sync(_differences) == []
    await database.aclose()
    assert queued.notice == Notice(Said.OUTCOME, "prod", 7)
    assert queued.written == NOW
    assert (shown.subject, shown.kind, shown.key) == (7, Subject.REQUEST, "k")


async def test_what_the_second_release_wrote_is_for_the_environments_channel(
    fresh_url: str,
) -> None:
    async with raw(fresh_url) as other:
        await other.run_sync(_at, "0002")
        notice = (
            'INSERT INTO outbox (lane, said, environment, subject, "values", written, writer, key, '
            "attempts, why) VALUES ('talk', 'transition', 'prod', 7, '{}', :now, 'one', 'k', 0, '')"
        )
        written = bindparam("now", NOW, type_=Time())
        await other.execute(text(notice).bindparams(written))
        await other.commit()
    database = await Database.open(fresh_url)
    [queued] = await Outbox(database).waiting(NOW)
    assert await Windows(database).open("prod") == []
    async with database.transaction() as connection:
        assert await connection.run_sync(_differences) == []
    await database.aclose()
    assert queued.notice == Notice(Said.TRANSITION, "prod", 7, channel="")


async def test_several_processes_may_open_a_fresh_database_at_once(fresh_postgresql: str) -> None:
    databases = await asyncio.gather(*(Database.open(fresh_postgresql) for _ in range(4)))
    assert (await create(Requests(databases[3]))).id == 1
    await asyncio.gather(*(database.aclose() for database in databases))


async def test_a_migration_waits_for_that_of_another_process(fresh_postgresql: str) -> None:
    waits = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    async with raw(fresh_postgresql) as other:
        await other.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        opening = asyncio.create_task(Database.open(fresh_postgresql, patience=SHORT))
        async with asyncio.timeout(5):
            while not (await other.execute(waits)).scalar():  # noqa: ASYNC110 -- another process
                await asyncio.sleep(0.01)
        # The patience for other locks is not that for a migration.
        await asyncio.sleep(2 * SHORT.total_seconds())
        assert not opening.done()
        await other.rollback()
        await (await opening).aclose()


async def test_a_migration_that_fails_leaves_nothing_behind(fresh_url: str) -> None:
    async with raw(fresh_url) as other:
        # Somebody else's, where the last of ours belongs.
        await other.execute(text("CREATE TABLE votes (mine TEXT)"))
        await other.commit()
    with pytest.raises(FatalError) as caught:
        await Database.open(fresh_url)
    assert "Check that state.url names a database for the bot alone" in str(caught.value)
    async with raw(fresh_url) as other:
        tables = await other.run_sync(lambda connection: inspect(connection).get_table_names())
    assert tables == ["votes"]
