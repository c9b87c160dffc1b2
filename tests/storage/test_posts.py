import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import text

from bot.domain.notices import Post, Subject
from bot.storage.approvals import Requests
from bot.storage.database import Database
from bot.storage.posts import Posts, add_post, want
from tests.storage.drafts import NOW, create, draft
from tests.support.databases import as_process

UNTIL = NOW + timedelta(seconds=30)


@pytest.fixture
async def posts(database: Database) -> Posts:
    await create(Requests(database))
    return Posts(database)


async def only(posts: Posts) -> Post:
    found = await posts.find(1)
    assert found is not None
    return found


async def claimed(posts: Posts) -> Post:
    post = await posts.claim(await only(posts), NOW, UNTIL)
    assert post is not None
    return post


async def wanted(database: Database) -> None:
    """Have it drawn anew, as a step does."""
    async with database.transaction() as connection:
        assert await want(connection, 1)


async def test_a_new_post_is_behind_until_it_is_shown(posts: Posts, database: Database) -> None:
    [post] = await posts.behind(NOW)
    assert post == await only(posts)
    assert post.kind is Subject.REQUEST
    assert (post.channel, post.ts, post.tried) == (None, None, False)
    assert len(post.key) == 32
    post = await claimed(posts)
    assert await posts.shown(post, channel="C1", ts="17.5", version=post.wanted)
    assert await posts.behind(NOW) == []
    shown = await only(posts)
    assert (shown.channel, shown.ts, shown.shown, shown.tried) == ("C1", "17.5", 1, False)
    await wanted(database)
    assert [each.wanted for each in await posts.behind(NOW)] == [2]
    assert await posts.find(2) is None


async def test_what_was_wanted_meanwhile_stays_behind(posts: Posts, database: Database) -> None:
    post = await claimed(posts)
    await wanted(database)
    assert await posts.shown(post, channel="C1", ts="17.5", version=post.wanted)
    assert [(each.wanted, each.shown) for each in await posts.behind(NOW)] == [(2, 1)]


async def test_one_process_at_a_time_draws_a_post(posts: Posts, database: Database) -> None:
    post = await only(posts)
    others = [Posts(as_process(database, f"{n}")) for n in range(10)]
    claims = await asyncio.gather(*(each.claim(post, NOW, UNTIL) for each in others))
    assert sum(claim is not None for claim in claims) == 1
    assert await posts.behind(NOW) == []
    # Its process has died: another one may.
    [after] = await posts.behind(UNTIL)
    assert after.tried, "it may have been posted"
    late = await posts.claim(after, UNTIL, UNTIL + timedelta(seconds=30))
    assert late is not None
    assert late.tried
    holder = next(other for other, claim in zip(others, claims, strict=True) if claim)
    assert not await holder.shown(post, channel="C1", ts="1", version=1)
    assert not await holder.release(post, not_before=NOW)
    assert (await only(posts)).ts is None


async def test_the_first_to_claim_it_knows_that_nobody_has_tried(posts: Posts) -> None:
    post = await claimed(posts)
    assert not post.tried
    assert (await only(posts)).tried
    assert await posts.release(post, not_before=NOW)
    assert (await claimed(posts)).tried


async def test_a_claim_gives_the_newest_version(posts: Posts, database: Database) -> None:
    stale = await only(posts)
    await wanted(database)
    post = await posts.claim(stale, NOW, UNTIL)
    assert post is not None
    assert post.wanted == 2
    assert await posts.shown(post, channel="C1", ts="1", version=2)
    assert await posts.claim(stale, NOW, UNTIL) is None, "it has been drawn"


async def test_a_released_post_waits_for_its_time(posts: Posts) -> None:
    assert await posts.release(await claimed(posts), not_before=UNTIL)
    assert await posts.behind(UNTIL - timedelta(microseconds=1)) == []
    [post] = await posts.behind(UNTIL)
    assert await posts.claim(post, UNTIL, UNTIL + timedelta(seconds=30))


async def test_a_deleted_message_is_posted_anew(posts: Posts) -> None:
    before = await claimed(posts)
    assert await posts.shown(before, channel="C1", ts="1", version=1)
    shown = await only(posts)
    await posts.forget(shown)
    await posts.forget(shown)
    [post] = await posts.behind(NOW)
    assert (post.ts, post.tried, post.wanted) == (None, False, 2)
    assert post.key != before.key


async def test_the_oldest_are_drawn_first(posts: Posts, database: Database) -> None:
    for name in ("a", "b", "c"):
        await create(Requests(database), draft(name))
    assert [post.subject for post in await posts.behind(NOW, limit=3)] == [1, 2, 3]


@pytest.mark.parametrize("kind", Subject)
async def test_a_post_knows_what_it_is_about(database: Database, kind: Subject) -> None:
    async with database.transaction() as connection:
        await add_post(connection, 7, "prod", kind)
    [post] = await Posts(database).behind(NOW)
    assert (post.subject, post.kind) == (7, kind)


async def test_processes_whose_clocks_differ_take_nothing_from_each_other(
    posts: Posts, database: Database
) -> None:
    other = as_process(database, "two")
    for each in (database, other):
        await each.read_clock()
    ahead = NOW + timedelta(minutes=5)
    assert await posts.claim(await only(posts), NOW, UNTIL)
    others = Posts(other)
    assert await others.behind(ahead) == []
    assert await others.claim(await only(posts), ahead, ahead + timedelta(seconds=30)) is None


async def test_a_database_that_hangs_keeps_nobody_from_an_answer(
    posts: Posts, database: Database
) -> None:
    """Nor does it make one of its own: what they asked for is written already."""
    async with database.transaction() as connection:
        # The table is nobody else's until the transaction ends.
        await connection.execute(text("ALTER TABLE posts ADD COLUMN more INTEGER"))
        assert await posts.settled(1, timedelta(milliseconds=100)) is None
        await connection.execute(text("ALTER TABLE posts DROP COLUMN more"))
    assert await posts.settled(1, timedelta(milliseconds=100)) == await only(posts)
