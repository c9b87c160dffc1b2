import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select

from bot.domain.notices import Notice, Queued, Said
from bot.domain.oncall import Page
from bot.storage.database import Database
from bot.storage.outbox import TOO_OLD, Outbox, add_all
from bot.storage.schema import outbox as table
from tests.storage.drafts import NOW, page
from tests.support.databases import as_process

UNTIL = NOW + timedelta(seconds=30)
NOTICE = Notice(Said.OUTCOME, "prod", 1, {"by": "“Ben”\n"})


@pytest.fixture
async def outbox(database: Database) -> Outbox:
    async with database.transaction() as connection:
        await add_all(connection, [NOTICE], writer="one", now=NOW)
    return Outbox(database)


async def claimed(outbox: Outbox) -> Queued[Notice]:
    [queued] = await outbox.notices(NOW)
    taken = await outbox.claim(queued, NOW, UNTIL)
    assert taken is not None
    return taken


async def test_a_notice_waits_until_it_is_sent(outbox: Outbox) -> None:
    [queued] = await outbox.notices(NOW, own=True)
    assert (queued.content, queued.written, queued.attempts) == (NOTICE, NOW, 0)
    await outbox.sent(await claimed(outbox), NOW)
    assert await outbox.notices(UNTIL) == []
    assert await outbox.claim(queued, UNTIL, UNTIL) is None


async def test_a_notice_may_be_for_another_channel(outbox: Outbox) -> None:
    for channel in ("dm-observing", "C0DM"):
        mirrored = Notice(Said.WINDOW, "prod", 12, {"place": "mirror"}, channel)
        await outbox.add(NOW, mirrored)
        [*_, queued] = await outbox.notices(NOW)
        assert queued.content == mirrored
        assert await outbox.claim(queued, NOW, UNTIL) == queued


async def test_each_process_has_its_own_and_the_leader_everybodys(
    outbox: Outbox, database: Database
) -> None:
    async with database.transaction() as connection:
        await add_all(connection, [NOTICE] * 3, writer="two", now=NOW)
    assert len(await outbox.notices(NOW, own=True)) == 1
    another = Outbox(as_process(database, "two"))
    assert len(await another.notices(NOW, own=True)) == 3
    assert [each.id for each in await outbox.notices(NOW, limit=3)] == [1, 2, 3]


async def test_one_process_at_a_time_sends_a_notice(outbox: Outbox) -> None:
    [queued] = await outbox.notices(NOW)
    claims = await asyncio.gather(*(outbox.claim(queued, NOW, UNTIL) for _ in range(10)))
    assert sum(claim is not None for claim in claims) == 1
    assert await outbox.notices(NOW) == []
    [again] = await outbox.notices(UNTIL)
    assert again.attempts == 1, "it may have been sent"


async def test_a_claim_counts_the_attempts_before_it(outbox: Outbox) -> None:
    first = await claimed(outbox)
    assert first.attempts == 0
    await outbox.failed(first, NOW, not_before=NOW)
    assert (await claimed(outbox)).attempts == 1


async def test_a_failed_one_waits_for_its_time(outbox: Outbox) -> None:
    await outbox.failed(await claimed(outbox), NOW, not_before=UNTIL)
    assert await outbox.notices(UNTIL - timedelta(microseconds=1)) == []
    assert len(await outbox.notices(UNTIL)) == 1


async def test_who_was_too_slow_does_not_give_back_what_another_has(outbox: Outbox) -> None:
    slow = await claimed(outbox)
    [again] = await outbox.notices(UNTIL)
    assert await outbox.claim(again, UNTIL, UNTIL + timedelta(seconds=30))
    await outbox.failed(slow, NOW, not_before=NOW)
    assert await outbox.notices(UNTIL) == []


async def test_after_a_day_it_is_given_up(outbox: Outbox, database: Database) -> None:
    assert len(await outbox.notices(NOW + TOO_OLD - timedelta(seconds=1))) == 1
    assert await outbox.notices(NOW + TOO_OLD) == []
    async with database.statement() as connection:
        row = (await connection.execute(select(table.c.closed, table.c.why))).one()
    assert row == (NOW + TOO_OLD, "not said within a day")
    assert await outbox.notices(NOW) == []


async def test_what_is_given_up_is_not_sent(outbox: Outbox, database: Database) -> None:
    await outbox.give_up(await claimed(outbox), NOW, "no such channel")
    await outbox.sent(Queued(1, NOTICE, NOW, ""), UNTIL)
    assert await outbox.notices(UNTIL) == []
    async with database.statement() as connection:
        row = (await connection.execute(select(table.c.closed, table.c.why))).one()
    assert row == (NOW, "no such channel")


# Pages go the same way, in a lane of their own.


@pytest.fixture
async def pages(database: Database) -> Outbox:
    async with database.transaction() as connection:
        await add_all(connection, [page(17)], writer="one", now=NOW)
    return Outbox(database)


async def claimed_page(outbox: Outbox) -> Queued[Page]:
    [queued] = await outbox.pages(NOW)
    taken = await outbox.claim(queued, NOW, UNTIL)
    assert taken is not None
    return taken


async def test_a_page_waits_until_it_is_sent(pages: Outbox) -> None:
    [queued] = await pages.pages(NOW, own=True)
    assert (queued.content, queued.written, queued.attempts) == (page(17), NOW, 0)
    assert len(queued.key) == 32
    taken = await claimed_page(pages)
    assert taken == queued
    await pages.sent(taken, NOW)
    assert await pages.pages(UNTIL) == []
    assert await pages.claim(queued, UNTIL, UNTIL) is None


async def test_a_page_does_not_wait_behind_notices(outbox: Outbox, database: Database) -> None:
    async with database.transaction() as connection:
        await add_all(connection, [NOTICE] * 100, writer="one", now=NOW)
        await add_all(connection, [page(17)], writer="one", now=NOW)
        await add_all(connection, [NOTICE], writer="one", now=NOW)
    assert [each.content for each in await outbox.pages(NOW, limit=1)] == [page(17)]
    waiting = await outbox.notices(NOW, limit=1000)
    assert [each.content for each in waiting] == [NOTICE] * 102


async def test_each_process_has_its_own_pages_and_the_leader_everybodys(
    pages: Outbox, database: Database
) -> None:
    another = Outbox(as_process(database, "two"))
    await another.add(NOW, page(0, "all"))
    assert [each.content.target for each in await pages.pages(NOW)] == ["prompt", "all"]
    assert [each.content for each in await another.pages(NOW, own=True)] == [page(0, "all")]
    assert [each.id for each in await pages.pages(NOW, limit=1)] == [1]


async def test_one_process_at_a_time_sends_a_page(pages: Outbox) -> None:
    [queued] = await pages.pages(NOW)
    claims = await asyncio.gather(*(pages.claim(queued, NOW, UNTIL) for _ in range(10)))
    assert [claim for claim in claims if claim is not None] == [queued]
    assert await pages.pages(NOW) == []
    assert await pages.pages(UNTIL) == [replace(queued, attempts=1)]
    [again] = await pages.pages(UNTIL)
    assert await pages.claim(again, UNTIL, UNTIL) == replace(again, perhaps=True)


async def test_a_claim_tells_of_attempts_that_its_holder_did_not_see(pages: Outbox) -> None:
    [stale] = await pages.pages(NOW)
    await pages.failed(await claimed_page(pages), NOW, not_before=NOW)
    assert await pages.claim(stale, NOW, UNTIL) == replace(stale, attempts=1, perhaps=True)


async def test_a_failed_page_waits_for_its_time_and_keeps_its_attempts(pages: Outbox) -> None:
    for attempts in range(3):
        taken = await claimed_page(pages)
        assert taken.attempts == attempts
        await pages.failed(taken, NOW, not_before=NOW)
    await pages.failed(await claimed_page(pages), NOW, not_before=UNTIL)
    assert await pages.pages(UNTIL - timedelta(microseconds=1)) == []
    assert [each.attempts for each in await pages.pages(UNTIL)] == [4]


async def test_a_page_is_given_up_after_a_day_or_when_it_is_no_use(
    pages: Outbox, database: Database
) -> None:
    await pages.add(NOW + TOO_OLD, page())
    [late] = await pages.pages(NOW + TOO_OLD)
    assert late.content == page(), "of no alarm: by hand, or a test"
    await pages.give_up(late, NOW + TOO_OLD, "no such key")
    async with database.statement() as connection:
        rows = await connection.execute(select(table.c.subject, table.c.closed, table.c.why))
    assert {tuple(row) for row in rows} == {
        (17, NOW + TOO_OLD, "not said within a day"),
        (None, NOW + TOO_OLD, "no such key"),
    }
    assert await pages.pages(NOW) == []
