import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, closing
from datetime import timedelta
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, inspect, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from bot.domain.errors import FatalError
from bot.domain.notices import Notice, Said, Subject
from bot.domain.streams import EntryId
from bot.storage import migrations
from bot.storage.alarms import Incidents, Silences
from bot.storage.approvals import Requests
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.lease import Chores, Deliveries
from bot.storage.maintenance import Windows
from bot.storage.migrations import HEAD, LOCK, OLDEST
from bot.storage.outbox import Outbox
from bot.storage.positions import Positions
from bot.storage.posts import Posts
from bot.storage.samples import Samples
from bot.storage.schema import leadership, metadata
from tests.conftest import Postgresql
from tests.storage import last_release
from tests.storage.drafts import create, draft
from tests.storage.last_release import HOUR, MINUTE, NOW
from tests.support.waits import LONGEST_WAIT

SHORT = timedelta(milliseconds=50)
DATA = Path(__file__).parents[1] / "data" / "state"


@pytest.fixture
def fresh_postgresql(postgresql: Postgresql) -> Iterator[str]:
    """URL of a PostgreSQL database without tables."""
    with postgresql.database(template="template1") as url:
        yield url


@pytest.fixture(params=["sqlite_url", "fresh_postgresql"])
def fresh_url(request: pytest.FixtureRequest) -> str:
    """URL of a database without tables, of either kind."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture(params=["sqlite", "postgresql"])
def old_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database as the release before the second migration left it, of either kind."""
    dump = (DATA / f"{request.param}.sql").read_text()
    if request.param == "sqlite":
        with closing(sqlite3.connect(tmp_path / "old.db")) as connection:
            connection.executescript(dump)
        yield f"sqlite+aiosqlite:///{tmp_path}/old.db"
        return
    postgresql: Postgresql = request.getfixturevalue("postgresql")
    with postgresql.database(template="template1") as url:
        name = url.split("?")[0].rpartition("/")[2]
        postgresql.run(f"\\connect {name}\n{dump}")
        yield url


@asynccontextmanager
async def raw(url: str) -> AsyncIterator[AsyncConnection]:
    """A connection of somebody else."""
    engine = create_async_engine(url)
    async with engine.connect() as connection:
        yield connection
    await engine.dispose()


def test_the_head_is_what_the_program_thinks() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    scripts = ScriptDirectory.from_config(config)
    assert (scripts.get_base(), scripts.get_current_head()) == (OLDEST, HEAD)


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_the_migrations_make_the_tables_of_the_schema(old_url: str) -> None:
    database = await Database.open(old_url)
    async with database.transaction() as connection:
        assert await connection.run_sync(_differences) == []
        await connection.execute(text("ALTER TABLE chores ADD COLUMN forgotten TEXT"))
        assert len(await connection.run_sync(_differences)) == 1, "a difference would be seen"
    await database.aclose()


async def test_a_fresh_database_has_the_tables_of_the_schema(database: Database) -> None:
    async with database.transaction() as connection:
        assert await connection.run_sync(_differences) == []


async def test_what_the_release_before_wrote_is_read_unchanged(old_url: str) -> None:
    database = await Database.open(old_url)
    try:
        await _read_back(database)
        # And goes on from there.
        assert (await create(Requests(database), draft("another"))).id == 22
    finally:
        await database.aclose()


async def _read_back(database: Database) -> None:
    requests = Requests(database)
    assert await requests.latest("prod", 100) == last_release.REQUESTS[::-1]
    assert [each.id for each in await requests.live("prod")] == [7, 8, 9, 10]
    assert [each.id for each in await requests.executing()] == [7, 8]
    assert [each.id for each in await requests.doubtful()] == [3]
    incidents = Incidents(database)
    for expected in last_release.INCIDENTS:
        found = await incidents.find(expected.id)
        assert found == expected
        assert list(found.findings) == list(expected.findings), "in their order"
    silences = Silences(database)
    for silence in last_release.SILENCES:
        assert await silences.find(silence.id) == silence
    assert await Windows(database).latest("prod", 100) == last_release.WINDOWS[::-1]
    samples = Samples(database)
    assert await samples.recent("prod", NOW - HOUR) == last_release.SAMPLES
    assert set(await samples.minutes("prod", NOW - HOUR)) == set(last_release.MINUTES)
    audit = Audit(database)
    lines = [*await audit.latest("dev", 100), *await audit.latest("prod", 100)]
    assert [line for line, _ in lines] == last_release.AUDIT[::-1]
    assert lines[-1][1] == await Posts(database).find(1), "its card"
    await _read_back_what_waits(database)
    last = EntryId(1795498255163, 18446744073709551615)
    assert await Positions(database).last("prod", "lsstcam") == (last, NOW)
    assert not await Chores(database).claim("prune", NOW.date())
    assert await Deliveries(database).first("trigger “1”", NOW + HOUR) == NOW


async def _read_back_what_waits(database: Database) -> None:
    outbox, posts = Outbox(database), Posts(database)
    first, second, *others = last_release.NOTICES
    assert [(each.content, each.attempts) for each in await outbox.notices(NOW + MINUTE)] == [
        (second, 1),
        *((each, 0) for each in others),
    ]
    assert first not in [each.content for each in await outbox.notices(NOW)], "it was sent"
    _, tried, by_hand = last_release.PAGES
    assert [(each.content, each.attempts) for each in await outbox.pages(NOW + MINUTE)] == [
        (tried, 1),
        (by_hand, 0),
    ]
    behind = await posts.behind(NOW + 2 * HOUR)
    # 1 is shown; 12 is held, and was never to be shown.
    assert [each.subject for each in behind] == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 18, 19, 20, 21]
    assert {each.kind for each in behind if each.subject in (11, 13)} == {Subject.ALARM}
    assert [each.tried for each in behind[:4]] == [True, True, True, False]
    shown = await posts.find(1)
    assert shown is not None
    assert (shown.channel, shown.ts, shown.kind) == ("C0PROD", "1795498255.000100", Subject.REQUEST)
    assert shown.wanted == shown.shown == 6


async def test_the_leader_of_before_is_known(old_url: str) -> None:
    async with raw(old_url) as other:
        holder = (await other.execute(select(leadership.c.holder))).scalar()
    assert holder == "pod-1-0f1e2d3c"
    database = await Database.open(old_url)
    [row] = await database.fetch(select(leadership.c.holder))
    await database.aclose()
    assert row.holder == (None if old_url.startswith("sqlite") else holder), "its file is ours now"


_OWN = "UPDATE alarms SET owner = 'U0CAY', owner_name = 'Cay', version = 9 WHERE id = 12"
_SAY = """
INSERT INTO outbox (lane, said, environment, subject, "values", written, writer, key, attempts, why)
VALUES ('talk', 'transition', 'prod', 12, '{}', '2026-11-24 03:04Z', 'pod-1', 'k', 0, '')
"""
_LINE = """
INSERT INTO audit (at, environment, action, person, person_name, result, approvers, reason,
    answer, alone, before, after)
VALUES ('2026-11-24 03:04Z', 'prod', 'own 12', 'U0CAY', 'Cay', 'done', '[]', '',
    '', false, '{}', '{}')
"""


@pytest.mark.parametrize("old_url", ["postgresql"], indirect=True)
@pytest.mark.parametrize(
    ("before", "after"), [([_OWN], [_SAY, _LINE]), ([_LINE], [])], ids=["a step", "a line"]
)
async def test_a_migration_waits_for_an_older_replica(
    old_url: str, before: list[str], after: list[str]
) -> None:
    async with raw(old_url) as older, raw(old_url) as other:
        for each in before:
            await older.execute(text(each))
        opening = asyncio.create_task(Database.open(old_url))
        await somebody_waits(other)
        for each in after:
            await older.execute(text(each))
        await older.commit()
    database = await opening
    try:
        [(line, _)] = await Audit(database).latest("prod", 1)
        assert (line.action, line.person) == ("own 12", last_release.CAY)
        if after:
            owned = await Incidents(database).find(12)
            assert owned is not None
            assert (owned.owner, owned.version) == (last_release.CAY, 9)
            [*_, said] = await Outbox(database).notices(NOW)
            assert said.content == Notice(Said.TRANSITION, "prod", 12)
    finally:
        await database.aclose()


async def everything(url: str) -> dict[str, tuple[list[str], list[tuple[object, ...]]]]:
    """The columns and the rows of each table."""
    found = MetaData()
    async with raw(url) as connection:
        await connection.run_sync(found.reflect)
        rows = {
            name: sorted((await connection.execute(select(table))).all(), key=repr)
            for name, table in found.tables.items()
        }
    return {
        name: (list(found.tables[name].columns.keys()), [tuple(row) for row in rows[name]])
        for name in found.tables
    }


@pytest.mark.parametrize(
    ("table", "row", "column", "damage"),
    [
        ("alarms", 12, "findings", '[{"name":"unreachable"}]'),
        ("alarms", 12, "figures", "[]"),
        ("alarms", 12, "skipped", "7"),
        ("outbox", 4, "values", "{"),
    ],
)
async def test_a_migration_that_fails_half_way_changes_nothing_and_names_the_row(
    old_url: str, table: str, row: int, column: str, damage: str
) -> None:
    async def put(value: str) -> str:
        async with raw(old_url) as other:
            was = text(f'SELECT "{column}" FROM {table} WHERE id = {row}')  # noqa: S608 -- from the test
            found = str((await other.execute(was)).scalar())
            change = text(f'UPDATE {table} SET "{column}" = :value WHERE id = {row}')  # noqa: S608 -- the same
            await other.execute(change, {"value": value})
            await other.commit()
        return found

    whole = await put(damage)
    before = await everything(old_url)
    assert "votes" in before
    with pytest.raises(FatalError) as caught:
        await Database.open(old_url)
    assert str(caught.value) == (
        f"The bot's database cannot be brought up to date: row {row} of its table {table} does not "
        "hold what the former release writes. Nothing was changed. Start that release again, and "
        "restore a backup or correct the row."
    )
    assert await everything(old_url) == before
    await put(whole)
    database = await Database.open(old_url)
    try:
        await _read_back(database)
    finally:
        await database.aclose()


_NEWER = (
    "The bot's database belongs to a newer release of the bot (its tables are at 9999, this "
    f"release knows {HEAD}). Run that release, or restore a backup of the database from before it."
)
_OLDER = (
    "The bot's database is too old for this release of the bot (its tables are at 0002, this "
    f"release begins at {OLDEST}). Start the release before this one once, then this one."
)


@pytest.mark.parametrize(("revision", "refusal"), [("9999", _NEWER), ("0002", _OLDER)])
async def test_a_database_of_another_age_is_refused(
    state_url: str, revision: str, refusal: str
) -> None:
    database = await Database.open(state_url)
    async with database.transaction() as connection:
        await connection.execute(text(f"UPDATE alembic_version SET version_num = '{revision}'"))  # noqa: S608 -- from the test
    await database.aclose()
    with pytest.raises(FatalError) as caught:
        await Database.open(state_url)
    assert str(caught.value) == refusal


async def test_several_processes_may_open_a_fresh_database_at_once(fresh_postgresql: str) -> None:
    databases = await asyncio.gather(*(Database.open(fresh_postgresql) for _ in range(4)))
    assert (await create(Requests(databases[3]))).id == 1
    await asyncio.gather(*(database.aclose() for database in databases))


async def somebody_waits(connection: AsyncConnection) -> None:
    """Come back when a process waits for another one's lock."""
    waits = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
    async with asyncio.timeout(LONGEST_WAIT):
        while not (await connection.execute(waits)).scalar():  # noqa: ASYNC110 -- another process
            await asyncio.sleep(0.01)


async def test_a_migration_waits_for_that_of_another_process(fresh_postgresql: str) -> None:
    async with raw(fresh_postgresql) as other:
        await other.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        opening = asyncio.create_task(Database.open(fresh_postgresql, wait=SHORT))
        await somebody_waits(other)
        # The patience for other locks is not that for a migration.
        await asyncio.sleep(2 * SHORT.total_seconds())
        assert not opening.done()
        await other.rollback()
        await (await opening).aclose()


async def test_a_start_that_fails_leaves_nothing_behind(fresh_url: str) -> None:
    async with raw(fresh_url) as other:
        # Somebody else's, where the last of ours belongs.
        await other.execute(text("CREATE TABLE leadership (mine TEXT)"))
        await other.commit()
    with pytest.raises(FatalError) as caught:
        await Database.open(fresh_url)
    assert "Check that state.url names a database for the bot alone" in str(caught.value)
    async with raw(fresh_url) as other:
        tables = await other.run_sync(lambda connection: inspect(connection).get_table_names())
    assert tables == ["leadership"]
