from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from bot.domain.approvals import EVERYTHING, Happened, Outcome, Request, State, Vote
from bot.storage.approvals import OneIsOpen, Requests
from bot.storage.database import Database
from tests.storage.drafts import BEN, CAY, NOW, STREAM, create, draft, end, step
from tests.support.databases import as_process

SECOND = timedelta(seconds=1)


@pytest.fixture
def requests(database: Database) -> Requests:
    return Requests(database)


async def approve(requests: Requests, request: Request) -> Request:
    return await step(requests, request, request.voted(Vote(BEN, NOW), ["U0BEN"], "one"))


async def test_a_request_comes_back_as_it_was_written(requests: Requests) -> None:
    long = replace(draft(), reason="“reason”\n" * 666, needed=2, self_approval=True)
    created = await create(requests, long)
    assert created == replace(long, id=1)
    assert await requests.find(1) == created


async def test_every_step_comes_back_as_it_was_taken(requests: Requests) -> None:
    request = await create(requests, replace(draft(), needed=2))
    approvers = ["U0BEN", "U0CAY"]
    votes = [
        Vote(CAY, NOW, alone=False, reason="one\ntwo"),
        Vote(BEN, NOW, reason="yes"),
        # Another one of the same person, later: it replaces the first.
        Vote(CAY, NOW + SECOND, alone=True, reason="nobody answers"),
    ]
    request = await step(requests, request, request.voted(votes[0], approvers, "two"))
    assert await requests.find(1) == request
    twice = request.voted(votes[2], approvers, "two")
    # It would have decided.
    request = await step(requests, request, replace(twice, state=State.OPEN))
    assert await requests.find(1) == request
    request = await step(requests, request, request.voted(votes[1], approvers, "two"))
    found = await requests.find(1)
    assert found == request
    assert [vote.person.id for vote in found.votes] == ["U0CAY", "U0BEN"]
    assert found.state is State.APPROVED
    outcome = Outcome(
        Happened.YES, "done", (("a", "b"),), {"n": "1"}, {"n": "0"}, ("x",), "restore 1"
    )
    for new in (
        request.running(NOW + SECOND),
        replace(request, version=request.version + 2, progress=("a", "b\nc")),
        replace(request, version=request.version + 2).finished(outcome, NOW),
    ):
        request = await step(requests, request, new)
        assert await requests.find(1) == request


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
    assert await requests.latest("prod", 3) == [known, doubtful, running]
    assert (await requests.latest("prod", 100))[-1] == over
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


async def test_signs_of_life_are_by_the_database_s_time(
    requests: Requests, database: Database
) -> None:
    other = as_process(database, "two")
    for each in (database, other):
        await each.read_clock()
    # Whatever the processes' own clocks say.
    approved = await approve(requests, await create(requests))
    known = await requests.find(approved.id)
    assert known is not None
    ahead = NOW + timedelta(hours=1)
    assert not Requests(other).silent(known, ahead)
    assert await requests.beat(known.id, "one", NOW, ago=timedelta(minutes=1))
    beaten = await requests.find(known.id)
    assert beaten is not None
    assert Requests(other).silent(beaten, NOW)
