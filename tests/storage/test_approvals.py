import asyncio
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta, timezone

import pytest
from sqlalchemy import func, select

from bot.domain.approvals import EVERYTHING, Happened, Outcome, Request, State, Vote
from bot.domain.notices import Notice, Said
from bot.storage.approvals import OneIsOpen, Requests
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts
from bot.storage.schema import requests as table
from tests.storage.drafts import ANA, BEN, CAY, NOW, STREAM, create, draft, end, entry

SECOND = timedelta(seconds=1)


@pytest.fixture
def requests(database: Database) -> Requests:
    return Requests(database)


async def step(requests: Requests, old: Request, new: Request) -> Request:
    assert await requests.replace(old, new, writer="one")
    return new


async def approve(requests: Requests, request: Request) -> Request:
    return await step(requests, request, request.voted(Vote(BEN, NOW), ["U0BEN"], "one"))


async def test_a_request_comes_back_as_it_was_written(requests: Requests) -> None:
    long = replace(draft(), reason="“reason”\n" * 666, needed=2, self_approval=True)
    created = await create(requests, long)
    assert created == replace(long, id=1)
    assert await requests.find(1) == created
    assert await requests.find(2) is None


async def test_every_step_comes_back_as_it_was_taken(requests: Requests) -> None:
    request = await create(requests, replace(draft(), needed=2))
    approvers = ["U0BEN", "U0CAY"]
    votes = [
        Vote(CAY, NOW, alone=False, reason="one\ntwo"),
        Vote(BEN, NOW, reason="yes"),
        # Another one of the same person, later: the order has changed.
        Vote(CAY, NOW + SECOND, alone=True, reason="nobody answers"),
    ]
    for vote in votes[:1]:
        request = await step(requests, request, request.voted(vote, approvers, "two"))
        assert await requests.find(1) == request
    twice = request.voted(votes[2], [], "two")
    request = await step(requests, request, replace(twice, state=State.OPEN))
    assert await requests.find(1) == request
    request = await step(requests, request, request.voted(votes[1], approvers, "two"))
    found = await requests.find(1)
    assert found == request
    assert [vote.person.id for vote in found.votes] == ["U0CAY", "U0BEN"]
    assert found.state is State.APPROVED
    for new in (
        request.running(NOW + SECOND),
        replace(request, version=request.version + 2, progress=("a", "b\nc")),
    ):
        request = await step(requests, request, new)
        assert await requests.find(1) == request
    outcome = Outcome(
        Happened.YES, "done", (("a", "b"),), {"n": "1"}, {"n": "0"}, ("x",), "restore 1"
    )
    request = await step(requests, request, request.finished(outcome, NOW))
    assert await requests.find(1) == request


async def test_votes_keep_their_order_and_their_person(requests: Requests) -> None:
    request = await create(requests, replace(draft(), needed=3))
    for person in (CAY, BEN, CAY):
        request = await step(requests, request, request.voted(Vote(person, NOW), [], "one"))
    found = await requests.find(request.id)
    assert found == request
    assert [vote.person for vote in found.votes] == [BEN, CAY]
    fewer = replace(request, version=request.version + 1, votes=request.votes[1:])
    await step(requests, request, fewer)
    assert await requests.find(request.id) == fewer


async def test_a_denial_comes_back_with_who_and_why(requests: Requests) -> None:
    request = await create(requests)
    denied = await step(requests, request, request.denied(BEN, "not today", NOW))
    assert await requests.find(1) == denied


async def test_times_come_back_in_utc_with_microseconds(requests: Requests) -> None:
    chile = timezone(timedelta(hours=-3))
    await create(requests, replace(draft(), asked=NOW.astimezone(chile)))
    found = await requests.find(1)
    assert found is not None
    assert found.asked.isoformat() == "2026-11-24T03:04:05.678901+00:00"


async def test_text_that_no_database_takes_is_mended(requests: Requests) -> None:
    await create(requests, replace(draft(), reason="a\0b\ud800c"))
    found = await requests.find(1)
    assert found is not None
    assert found.reason == "a\ufffdb?c"


async def test_of_fifty_steps_at_once_one_is_taken(requests: Requests, database: Database) -> None:
    request = await create(requests)
    votes = [request.voted(Vote(BEN, NOW), ["U0BEN"], f"process {n}") for n in range(50)]
    taken = await asyncio.gather(
        *(
            requests.replace(
                request,
                vote,
                notices=[Notice(Said.ALONE, "prod", 1)],
                entry=entry(vote),
                writer="w",
            )
            for vote in votes
        )
    )
    assert taken.count(True) == 1
    found = await requests.find(1)
    assert found == votes[taken.index(True)]
    assert len(await Outbox(database).waiting(NOW)) == 1
    assert len(await Audit(database).latest("prod", 10)) == 2
    post = await Posts(database).find(1)
    assert post is not None
    assert post.wanted == 2


async def test_a_step_leads_to_the_next_version(requests: Requests) -> None:
    request = await create(requests)
    with pytest.raises(ValueError, match="next"):
        await requests.replace(request, request, writer="one")


async def test_a_step_that_fails_leaves_nothing_behind(
    requests: Requests, database: Database
) -> None:
    request = await create(requests)
    naive = replace(entry(request), at=NOW.replace(tzinfo=None))
    with pytest.raises(Exception, match="without a zone"):
        await requests.replace(
            request, request.withdrawn(NOW), notices=[Notice(Said.OUTCOME, "prod", 1)],
            entry=naive, writer="one",
        )  # fmt: skip
    assert await requests.find(1) == request
    assert await Outbox(database).waiting(NOW) == []


async def test_of_two_requests_for_one_stream_one_is_kept(requests: Requests) -> None:
    answers = await asyncio.gather(*(create(requests) for _ in range(12)), return_exceptions=True)
    kept = [each for each in answers if isinstance(each, Request)]
    refused = [each for each in answers if isinstance(each, OneIsOpen)]
    assert len(kept) == 1
    assert len(refused) == 11
    assert {each.request.id for each in refused} == {kept[0].id} == {1}


@pytest.mark.parametrize(
    ("first", "second", "meet"),
    [
        ([STREAM], [STREAM], True),
        ([STREAM], ["instrument:hsc"], False),
        ([STREAM, "instrument:hsc"], ["instrument:latiss", "instrument:hsc"], True),
        ([STREAM], [EVERYTHING], True),
        ([EVERYTHING], [STREAM], True),
        ([EVERYTHING], [EVERYTHING], True),
    ],
)
async def test_what_a_live_request_holds_is_held(
    requests: Requests, first: Sequence[str], second: Sequence[str], meet: bool
) -> None:
    one = await create(requests, draft(*first))
    await create(requests, draft(*second, environment="dev"))
    if not meet:
        await create(requests, draft(*second))
        return
    with pytest.raises(OneIsOpen) as caught:
        await create(requests, draft(*second))
    assert caught.value.request == one
    approved = await approve(requests, one)
    with pytest.raises(OneIsOpen) as caught:
        await create(requests, draft(*second))
    assert caught.value.request == approved


async def test_a_stream_is_free_when_its_request_is_over(requests: Requests) -> None:
    await end(requests, await create(requests))
    assert (await create(requests)).id == 2


async def test_a_refusal_uses_up_no_number(requests: Requests) -> None:
    await create(requests)
    for _ in range(3):
        with pytest.raises(OneIsOpen):
            await create(requests)
    assert (await create(requests, draft("another"))).id == 2
    assert (await create(requests, draft(environment="dev"))).id == 3


async def test_a_new_request_brings_its_card_and_its_line(
    requests: Requests, database: Database
) -> None:
    request = await create(requests)
    [(line, post)] = await Audit(database).latest("prod", 10)
    assert line == entry(request)
    assert post is not None
    assert (post.subject, post.environment, post.wanted, post.shown) == (1, "prod", 1, 0)
    async with database.statement() as connection:
        taken_by = (await connection.execute(select(table.c.taken_by))).scalar_one()
    assert taken_by == "one"


async def test_lists_hold_what_they_say(requests: Requests) -> None:
    over = await end(requests, await create(requests))
    open_one = await create(requests)
    elsewhere = await create(requests, draft(environment="dev"))
    approved = await approve(requests, await create(requests, draft("a")))
    running = await approve(requests, await create(requests, draft("b")))
    running = await step(requests, running, running.running(NOW))
    doubtful = await approve(requests, await create(requests, draft("c")))
    unknown = Outcome(Happened.UNKNOWN, "nobody knows")
    doubtful = await step(requests, doubtful, doubtful.interrupted(unknown, NOW))
    known = await approve(requests, await create(requests, draft("d")))
    known = await step(
        requests, known, known.interrupted(replace(unknown, happened=Happened.NO), NOW)
    )

    assert await requests.live("prod") == [open_one, approved, running]
    assert await requests.executing() == [approved, running]
    assert await requests.doubtful() == [doubtful]
    assert await requests.recent("prod", 3) == [known, doubtful, running]
    assert (await requests.recent("prod", 100))[-1] == over
    assert await requests.due(open_one.expires - SECOND) == []
    assert await requests.due(open_one.expires) == [open_one, elsewhere]


async def test_only_its_executor_gives_a_request_signs_of_life(requests: Requests) -> None:
    request = await create(requests)
    later = NOW + SECOND
    assert not await requests.beat(request.id, "", later), "it is not being carried out"
    approved = await approve(requests, request)
    assert not await requests.beat(request.id, "another", later)
    assert await requests.beat(request.id, "one", later)
    beaten = await requests.find(request.id)
    assert beaten == replace(approved, heartbeat=later), "and its version stays"
    outcome = Outcome(Happened.YES, "done")
    await step(requests, approved, approved.finished(outcome, later))
    assert not await requests.beat(request.id, "one", later)


async def test_notices_are_dated_by_their_step(requests: Requests, database: Database) -> None:
    request = await create(requests)
    later = NOW + timedelta(minutes=3)
    notice = Notice(Said.OUTCOME, "prod", request.id, {"by": "“Ben”\n"})
    assert await requests.replace(
        request, request.denied(ANA, "", later), notices=[notice, notice], writer="one"
    )
    queued = await Outbox(database).waiting(later, writer="one")
    assert [each.notice for each in queued] == [notice, notice]
    assert {each.written for each in queued} == {later}
    assert len({each.key for each in queued}) == 2


async def test_nothing_is_written_for_whoever_comes_second(
    requests: Requests, database: Database
) -> None:
    request = await create(requests)
    over = await end(requests, request)
    late = request.denied(BEN, "", NOW)
    assert not await requests.replace(
        request, late, notices=[Notice(Said.OUTCOME, "prod", 1)], entry=entry(late), writer="one"
    )
    assert await requests.find(1) == over
    assert await Outbox(database).waiting(NOW) == []
    assert len(await Audit(database).latest("prod", 10)) == 1
    async with database.statement() as connection:
        assert (await connection.execute(select(func.count()).select_from(table))).scalar() == 1
