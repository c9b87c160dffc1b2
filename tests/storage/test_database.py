import asyncio
import gc
import re
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.domain.errors import FatalError, StateError, StateTrouble
from bot.storage.approvals import Requests
from bot.storage.database import Database
from bot.storage.lease import Deliveries
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts
from tests.storage.drafts import NOW, create, draft, notice, page
from tests.support.databases import as_process
from tests.support.pooler import pooled
from tests.support.waits import LONGEST_WAIT

SHORT = timedelta(milliseconds=50)
PASSWORD = "s3cr3t-w0rd"


@asynccontextmanager
async def opened(url: str, wait: timedelta = timedelta(seconds=5)) -> AsyncIterator[Database]:
    database = await Database.open(url, wait=wait)
    try:
        yield database
    finally:
        await database.aclose()


async def refusal(url: str, wait: timedelta = timedelta(seconds=5)) -> str:
    """Try to open it, and give the last sentence of a process that cannot."""
    with pytest.raises(FatalError) as caught:
        await Database.open(url, wait=wait)
    whole = "".join(format_exception(caught.value))
    assert PASSWORD not in whole
    return str(caught.value)


def path_of(url: str) -> Path:
    return Path(make_url(url).database or "")


async def test_it_gives_signs_of_life(database: Database) -> None:
    await database.ping()


async def test_what_is_written_is_there_after_a_restart(state_url: str) -> None:
    async with opened(state_url) as database:
        request = await create(Requests(database))
    async with opened(state_url) as database:
        assert await Requests(database).find(request.id) == request


async def test_what_is_begun_and_not_ended_has_not_happened(database: Database) -> None:
    with pytest.raises(LookupError):  # noqa: PT012 -- the context manager is what is tested
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE counters SET value = 7"))
            raise LookupError
    assert (await create(Requests(database))).id == 1


async def test_whoever_is_cancelled_leaves_it_usable(database: Database) -> None:
    begun = asyncio.Event()

    async def hang() -> None:
        async with database.transaction() as connection:
            await connection.execute(text("UPDATE counters SET value = 7"))
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(hang())
    await begun.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert (await create(Requests(database))).id == 1


# What is wrong with SQLite.


async def test_a_sqlite_file_is_set_up_for_one_bot(sqlite_url: str) -> None:
    async with opened(sqlite_url) as database:
        found = []
        for name in ("journal_mode", "synchronous", "busy_timeout"):
            async with database.statement() as connection:
                found.append((await connection.execute(text(f"PRAGMA {name}"))).scalar())
    assert found == ["wal", 1, 2000]


async def test_a_full_disk_is_said_and_passes(sqlite_url: str) -> None:
    async def pages(connection: AsyncConnection, most: int) -> None:
        await connection.execute(text(f"PRAGMA max_page_count = {most}"))

    async with opened(sqlite_url) as database:
        requests = Requests(database)
        async with database.statement() as connection:
            used = (await connection.execute(text("PRAGMA page_count"))).scalar_one()
            await pages(connection, used)
        with pytest.raises(StateError) as caught:  # noqa: PT012 -- one of them is the last
            for number in range(100):
                await create(requests, draft(f"{number} " * 2000))
        assert caught.value.kind is StateTrouble.FULL
        assert str(caught.value) == "The bot's database is full: its disk has no space left."
        kept = len(await requests.latest("prod", 100))
        async with database.statement() as connection:
            await pages(connection, 100_000)
        assert (await create(requests)).id == kept + 1


async def test_a_lock_of_somebody_else_is_said_and_passes(sqlite_url: str) -> None:
    async with opened(sqlite_url, SHORT) as database:
        other = sqlite3.connect(path_of(sqlite_url), isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StateError) as caught:
            await create(Requests(database))
        assert caught.value.kind is StateTrouble.LOCKED
        other.execute("ROLLBACK")
        other.close()
        assert (await create(Requests(database))).id == 1


@pytest.mark.parametrize("fresh", [True, False])
async def test_a_start_and_a_look_say_the_same_of_a_lock(sqlite_url: str, *, fresh: bool) -> None:
    if not fresh:
        async with opened(sqlite_url):
            pass
    other = sqlite3.connect(path_of(sqlite_url), isolation_level=None)
    other.execute("PRAGMA journal_mode = WAL")
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(FatalError) as caught:
            await Database.examine(sqlite_url, wait=SHORT)
        assert "is locked by somebody else" in str(caught.value)
        if not fresh:
            # Who makes the tables waits longer.
            assert await refusal(sqlite_url, SHORT) == str(caught.value)
    finally:
        other.execute("ROLLBACK")
        other.close()


async def test_a_start_and_a_look_say_the_same_of_a_later_release(state_url: str) -> None:
    async with opened(state_url) as database, database.statement() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    said = await refusal(state_url)
    assert "belongs to a newer release of the bot" in said
    with pytest.raises(FatalError) as caught:
        await Database.examine(state_url)
    assert str(caught.value) == said


async def test_a_look_leaves_nothing_behind(state_url: str, sqlite_url: str) -> None:
    await Database.examine(sqlite_url)
    assert not list(path_of(sqlite_url).parent.iterdir())
    async with opened(state_url) as database:
        assert await Database.examine(state_url) == "opens, and its tables are current"
        assert (await create(Requests(database))).id == 1


async def test_a_file_that_cannot_be_written_is_said(sqlite_url: str) -> None:
    async with opened(sqlite_url) as database:
        async with database.statement() as connection:
            await connection.execute(text("PRAGMA query_only = ON"))
        with pytest.raises(StateError) as caught:
            await create(Requests(database))
    assert caught.value.kind is StateTrouble.READ_ONLY


async def test_a_file_that_is_no_database_is_said(sqlite_url: str) -> None:
    path_of(sqlite_url).write_text("state: lost\n" * 1000)
    said = await refusal(sqlite_url)
    assert said == (
        f"The bot's database {path_of(sqlite_url)} is damaged, or is no database. "
        "Check its disk, and restore a backup, then start the bot again."
    )


async def test_a_folder_that_is_missing_is_said(tmp_path: Path) -> None:
    said = await refusal(f"sqlite:///{tmp_path}/none/state.db")
    assert said == (
        f"The bot's database is to be {tmp_path}/none/state.db, but there is no folder "
        f"{tmp_path}/none. Create it, or name another file in state.url."
    )


@pytest.mark.parametrize("url", ["sqlite://", "sqlite+aiosqlite:///:memory:", "sqlite:///file:a"])
async def test_a_database_without_a_file_is_refused(url: str) -> None:
    assert (await refusal(url)).startswith("state.url names no file. Write sqlite+aiosqlite:///")


OPEN = """
import asyncio, sys
from bot.storage.database import Database
from bot.domain.errors import FatalError

async def main():
    try:
        database = await Database.open(sys.argv[1])
    except FatalError as error:
        print(error)
        return
    # The process dies without closing it.
    print("opened", "alembic" in sys.modules, "asyncpg" in sys.modules, flush=True)

asyncio.run(main())
"""


def in_another_process(url: str) -> str:
    command = [sys.executable, "-c", OPEN, url]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


async def test_a_second_process_on_one_file_is_refused(sqlite_url: str) -> None:
    async with opened(sqlite_url):
        said = in_another_process(sqlite_url)
    assert said == (
        f"The bot's database {path_of(sqlite_url)} is in use by another process of the bot. Stop "
        "that one first; for two replicas set state.url to a PostgreSQL database."
    )
    # Alembic takes as long to import as all the rest: not where there is nothing to do.
    assert in_another_process(sqlite_url) == "opened False False"
    async with opened(sqlite_url) as database:
        await database.ping()


async def test_a_file_that_could_not_be_opened_is_free_again(sqlite_url: str) -> None:
    path_of(sqlite_url).write_text("state: lost\n" * 1000)
    await refusal(sqlite_url)
    path_of(sqlite_url).unlink()
    async with opened(sqlite_url) as database:
        await database.ping()


async def test_claims_of_a_dead_process_end_when_a_sqlite_file_is_opened(sqlite_url: str) -> None:
    async with opened(sqlite_url) as database:
        await create(Requests(database))
        [post] = await Posts(database).behind(NOW)
        assert await Posts(database).claim(post, NOW, NOW + timedelta(seconds=30))
        # To the process itself its own claims are free: it knows what it is at.
        assert await Posts(as_process(database, "another")).behind(NOW) == []
        outbox = Outbox(database)
        await outbox.add(NOW, notice(1))
        await outbox.add(NOW, page(1))
        for queued in await outbox.notices(NOW):
            assert await outbox.claim(queued, NOW, NOW + timedelta(seconds=30))
        for waiting in await outbox.pages(NOW):
            assert await outbox.claim(waiting, NOW, NOW + timedelta(seconds=30))
        assert await outbox.notices(NOW) == []
        assert await outbox.pages(NOW) == []
    async with opened(sqlite_url) as database:
        assert len(await Posts(database).behind(NOW)) == 1
        assert len(await Outbox(database).notices(NOW)) == 1
        assert len(await Outbox(database).pages(NOW)) == 1


# What is wrong with PostgreSQL.


@pytest.mark.parametrize("settings", [True, False])
async def test_a_pooler_that_mixes_sessions_is_refused(
    postgresql_url: str, *, settings: bool
) -> None:
    async with pooled(postgresql_url, settings=settings) as url:
        said = await refusal(url)
        assert "is behind a pooler, and the bot needs sessions of its own" in said
        with pytest.raises(FatalError) as caught:
            await Database.examine(url)
        assert str(caught.value) == said


async def test_a_user_who_may_only_read_is_refused(postgresql: Any, postgresql_url: str) -> None:
    name = make_url(postgresql_url).database
    postgresql.run("CREATE ROLE reader LOGIN")
    try:
        postgresql.run(
            f"GRANT pg_read_all_data TO reader; GRANT CONNECT ON DATABASE {name} TO reader"
        )
        url = make_url(postgresql_url).set(username="reader").render_as_string()
        said = await refusal(url)
        assert "refuses the bot's user or its password. Correct user, password and rights" in said
        with pytest.raises(FatalError) as caught:
            await Database.examine(url)
        assert str(caught.value) == said
    finally:
        postgresql.run("DROP ROLE reader")


async def test_a_server_that_is_read_only_is_refused(postgresql: Any, postgresql_url: str) -> None:
    name = make_url(postgresql_url).database
    postgresql.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    said = await refusal(postgresql_url)
    assert "can be read, but not written" in said
    with pytest.raises(FatalError) as caught:
        await Database.examine(postgresql_url)
    assert str(caught.value) == said


@pytest.mark.parametrize("scheme", ["postgresql", "postgresql+psycopg", "postgresql+asyncpg"])
async def test_every_name_of_postgresql_leads_to_one_driver(
    postgresql_url: str, scheme: str
) -> None:
    url = make_url(postgresql_url).set(drivername=scheme)
    url = url.update_query_dict({"sslmode": "disable"})
    async with opened(url.render_as_string(hide_password=False)) as database:
        await database.ping()


async def test_a_server_that_refuses_connections_is_said(unused_tcp_port: int) -> None:
    said = await refusal(f"postgresql://bot:{PASSWORD}@127.0.0.1:{unused_tcp_port}/state")
    assert said == (
        f"The bot's database state at 127.0.0.1:{unused_tcp_port} does not answer. Check that it "
        "runs and that state.url is right, then start the bot again."
    )


async def test_a_server_that_hangs_is_said() -> None:
    # The kernel connects, and nobody ever answers.
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        said = await refusal(f"postgresql://bot:{PASSWORD}@127.0.0.1:{port}/state", SHORT)
    assert "does not answer" in said


async def test_a_user_that_is_refused_is_said(postgresql_url: str) -> None:
    url = make_url(postgresql_url).set(username="nobody", password=PASSWORD)
    said = await refusal(url.render_as_string(hide_password=False))
    assert "refuses the bot's user or its password. Correct user, password and rights" in said


async def test_a_database_that_is_missing_is_said(postgresql_url: str) -> None:
    url = make_url(postgresql_url).set(database="none", password=PASSWORD)
    said = await refusal(url.render_as_string(hide_password=False))
    assert said.startswith("The bot's database none at /tmp/")
    assert "does not exist. Create it, or correct state.url" in said


@pytest.mark.parametrize(
    "url",
    [
        f"mysql://bot:{PASSWORD}@db/state",
        f"bot:{PASSWORD}@db",
        f"postgresql://bot:{PASSWORD}@db:port/state",
        "",
    ],
)
async def test_an_address_of_no_database_is_refused(url: str) -> None:
    assert (await refusal(url)).startswith("state.url is no address of a database. Write ")


async def test_an_option_that_is_not_known_is_refused() -> None:
    said = await refusal(f"postgresql://bot:{PASSWORD}@db/state?ssl=require&sslfoo={PASSWORD}")
    assert said == (
        "state.url has the option sslfoo, which is not known. Known are host, port, ssl, sslmode."
    )


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("53100", StateTrouble.FULL),
        ("53300", StateTrouble.UNREACHABLE),
        ("55P03", StateTrouble.LOCKED),
        ("40P01", StateTrouble.LOCKED),
        ("57014", StateTrouble.UNREACHABLE),
        ("57P03", StateTrouble.UNREACHABLE),
        ("25006", StateTrouble.READ_ONLY),
        ("28P01", StateTrouble.REFUSED),
        ("42501", StateTrouble.REFUSED),
        ("58030", StateTrouble.DAMAGED),
        ("XX001", StateTrouble.DAMAGED),
        ("23505", StateTrouble.OTHER),
        ("22023", StateTrouble.OTHER),
    ],
)
async def test_what_the_server_reports_is_told_apart(
    postgresql_url: str, code: str, kind: StateTrouble
) -> None:
    async with opened(postgresql_url) as database:
        with pytest.raises(StateError) as caught:
            async with database.transaction() as connection:
                await connection.execute(
                    text(f"DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '{code}'; END $$")
                )
        assert caught.value.kind is kind
        await database.ping()


async def test_a_row_that_somebody_else_locks_is_said_and_passes(postgresql_url: str) -> None:
    async with opened(postgresql_url, SHORT) as database, opened(postgresql_url) as other:
        async with other.transaction() as connection:
            await connection.execute(text("UPDATE counters SET value = value"))
            with pytest.raises(StateError) as caught:
                await create(Requests(database))
        assert caught.value.kind is StateTrouble.LOCKED
        assert (await create(Requests(database))).id == 1


async def _cut(database: Database) -> None:
    async with database.statement() as connection:
        await connection.execute(
            text(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        )


async def test_a_server_that_was_started_anew_is_connected_to_anew(postgresql_url: str) -> None:
    async with opened(postgresql_url) as database, opened(postgresql_url) as other:
        assert await Deliveries(database).first("T1", NOW) is None
        await _cut(other)
        assert await Deliveries(database).first("T1", NOW) == NOW


async def test_a_connection_cut_within_a_transaction_is_said(postgresql_url: str) -> None:
    async with opened(postgresql_url) as database, opened(postgresql_url) as other:
        with pytest.raises(StateError) as caught:  # noqa: PT012 -- the context manager is tested
            async with database.transaction() as connection:
                await connection.execute(text("UPDATE counters SET value = 7"))
                await _cut(other)
                await connection.execute(text("UPDATE counters SET value = 8"))
        assert caught.value.kind is StateTrouble.UNREACHABLE
        assert (await create(Requests(database))).id == 1


async def test_no_value_stands_in_a_traceback(database: Database) -> None:
    with pytest.raises(StateError) as caught:
        async with database.statement() as connection:
            await connection.execute(
                text("INSERT INTO nothing VALUES (:value)"), {"value": PASSWORD}
            )
    whole = "".join(format_exception(caught.value))
    # The test's own source line stands there, without the value.
    assert re.search("INSERT INTO nothing", whole)
    assert PASSWORD not in whole


async def test_who_is_cancelled_loses_no_connection(database: Database) -> None:
    async def asked() -> None:
        async with database.statement() as connection:
            await connection.execute(text("SELECT 1"))

    for pause in range(40):
        tasks = [asyncio.create_task(asked()) for _ in range(3)]
        for _ in range(pause):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    async with asyncio.timeout(LONGEST_WAIT):
        await database.ping()
    # One that was lost is found by the collector, which says so; warnings are errors.
    gc.collect()
