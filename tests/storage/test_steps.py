"""What is true of every kind of value that is made and takes steps."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from bot.domain.environments import Person
from bot.domain.notices import Queued, Subject
from bot.storage.alarms import AlreadyOpen, Incidents, Silences
from bot.storage.approvals import OneIsOpen, Requests
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.maintenance import Overlaps, Windows
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts
from bot.storage.steps import Effects, Steps
from tests.storage.drafts import (
    BEN,
    MINUTE,
    NOW,
    draft,
    incident,
    line,
    make,
    notice,
    page,
    silence,
    step,
    window,
)


@dataclass(frozen=True)
class Case:
    """One kind: where it is kept, a value, a step, and the error that keeps a second one out."""

    kept: Callable[[Database], Steps[Any]]
    value: Any
    after: Callable[[Any, Person, datetime], Any]
    subject: Subject | None
    in_the_way: type[Exception] | None


CASES = {
    "request": Case(
        Requests,
        draft(),
        lambda old, person, now: old.denied(person, "no", now),
        Subject.REQUEST,
        OneIsOpen,
    ),
    "incident": Case(
        Incidents,
        incident(),
        lambda old, person, now: old.owned_by(person, now),
        Subject.ALARM,
        AlreadyOpen,
    ),
    "window": Case(
        Windows,
        window(),
        lambda old, person, now: old.cancelled(person, now),
        Subject.WINDOW,
        Overlaps,
    ),
    "silence": Case(Silences, silence(), lambda old, _, now: old.lifted_at(now), None, None),
}


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


@pytest.fixture
def kept(case: Case, database: Database) -> Steps[Any]:
    return case.kept(database)


def everything(number: int) -> Effects:
    return Effects([notice(number)], [page(number), page(number, "all")], line(f"a {number}"))


async def written(database: Database) -> tuple[int, int, int, list[tuple[int, int]]]:
    """How many notices, pages and lines there are, and which messages are wanted how often."""
    outbox = Outbox(database)
    behind = await Posts(database).behind(NOW)
    return (
        len(await outbox.notices(NOW)),
        len(await outbox.pages(NOW)),
        len(await Audit(database).latest("prod", 100)),
        [(post.subject, post.wanted) for post in behind],
    )


async def test_a_new_value_brings_all_that_belongs_to_it(
    kept: Steps[Any], case: Case, database: Database
) -> None:
    if case.subject:
        await make(Silences(database), silence(environment="dev"))
    else:
        await make(Incidents(database), incident(environment="dev"))
    made = await make(kept, case.value, lambda new: everything(new.id))
    assert made == replace(case.value, id=2), "all kinds have one sequence"
    assert await kept.find(2) == made
    assert await kept.find(3) is None
    outbox = Outbox(database)
    queued: list[Queued[Any]] = [*await outbox.notices(NOW, own=True)]
    queued += await outbox.pages(NOW, own=True)
    assert [each.content for each in queued] == [notice(2), page(2), page(2, "all")]
    assert {each.written for each in queued} == {NOW}
    assert len({each.key for each in queued}) == 3
    [(newest, _)] = await Audit(database).latest("prod", 9)
    assert newest == line("a 2")
    post = await Posts(database).find(2)
    assert (post and post.kind) == case.subject
    if post is not None:
        assert (post.environment, post.channel, post.wanted, post.shown) == ("prod", None, 1, 0)


async def test_a_step_changes_all_that_it_may_change(kept: Steps[Any], case: Case) -> None:
    made = await make(kept, case.value)
    after = await step(kept, made, case.after(made, BEN, NOW + MINUTE))
    assert await kept.find(1) == after


async def test_a_step_brings_all_that_belongs_to_it(
    kept: Steps[Any], case: Case, database: Database
) -> None:
    made = await make(kept, case.value)
    later = NOW + MINUTE
    after = case.after(made, BEN, later)
    assert await kept.replace(made, after, everything(1), now=later)
    outbox = Outbox(database)
    queued: list[Queued[Any]] = [*await outbox.notices(later, own=True)]
    queued += await outbox.pages(later, own=True)
    assert [each.content for each in queued] == [notice(1), page(1), page(1, "all")]
    assert {each.written for each in queued} == {later}
    assert await written(database) == (1, 2, 1, [(1, 2)] if case.subject else [])


async def test_a_step_need_not_draw_anything(
    kept: Steps[Any], case: Case, database: Database
) -> None:
    made = await make(kept, case.value)
    await step(kept, made, case.after(made, BEN, NOW), Effects(redraw=False))
    assert await written(database) == (0, 0, 0, [(1, 1)] if case.subject else [])


async def test_of_twenty_steps_at_once_one_is_taken(
    kept: Steps[Any], case: Case, database: Database
) -> None:
    made = await make(kept, case.value)
    steps = [case.after(made, replace(BEN, name=f"{n}"), NOW + n * MINUTE) for n in range(20)]
    taken = await asyncio.gather(
        *(kept.replace(made, after, everything(1), now=NOW) for after in steps)
    )
    assert taken.count(True) == 1
    assert await kept.find(1) == steps[taken.index(True)]
    assert await written(database) == (1, 2, 1, [(1, 2)] if case.subject else [])


async def test_nothing_is_written_for_whoever_comes_second(
    kept: Steps[Any], case: Case, database: Database
) -> None:
    made = await make(kept, case.value)
    first = await step(kept, made, case.after(made, BEN, NOW))
    before = await written(database)
    late = case.after(made, BEN, NOW + MINUTE)
    assert not await kept.replace(made, late, everything(1), now=NOW)
    assert await kept.find(1) == first
    assert await written(database) == before


async def test_what_is_written_wakes_those_who_show_it(
    kept: Steps[Any], case: Case, database: Database
) -> None:
    cards, notices = database.listen(), database.listen()

    def woken() -> tuple[bool, bool]:
        seen = (cards.is_set(), notices.is_set())
        cards.clear()
        notices.clear()
        return seen

    made = await make(kept, case.value)
    assert woken() == (True, True)
    after = await step(kept, made, case.after(made, BEN, NOW))
    assert woken() == (True, True)
    assert not await kept.replace(made, after, everything(1), now=NOW)
    assert woken() == (False, False), "somebody was first: there is nothing new"
    await Outbox(database).add(NOW, notice(1))
    assert woken() == (True, True)


@pytest.mark.parametrize("jump", [0, 2, -1])
async def test_a_step_leads_to_the_next_version(kept: Steps[Any], case: Case, jump: int) -> None:
    made = await make(kept, case.value)
    with pytest.raises(ValueError, match="next"):
        await step(kept, made, replace(case.after(made, BEN, NOW), version=jump))


async def test_what_fails_leaves_nothing_behind(
    kept: Steps[Any], case: Case, database: Database
) -> None:
    made = await make(kept, case.value)
    before = await written(database)
    # What fails is written last.
    naive = replace(everything(1), line=replace(line(), at=NOW.replace(tzinfo=None)))
    with pytest.raises(Exception, match="without a zone"):
        await step(kept, made, case.after(made, BEN, NOW), naive)
    elsewhere = replace(case.value, environment="dev")
    with pytest.raises(Exception, match="without a zone"):
        await make(kept, elsewhere, lambda _: naive)
    assert await written(database) == before
    assert await kept.latest("prod", 9) == [made]
    assert (await make(kept, elsewhere)).id == 2, "no number was used up"


async def test_of_twenty_new_ones_at_once_one_is_made(
    kept: Steps[Any], case: Case, database: Database
) -> None:
    def attempt() -> Any:
        return make(kept, case.value, lambda new: everything(new.id))

    answers: list[Any] = await asyncio.gather(
        *(attempt() for _ in range(20)), return_exceptions=True
    )
    if case.in_the_way is None:
        assert sorted(each.id for each in answers) == list(range(1, 21)), "each has its number"
        return
    refused = [each for each in answers if isinstance(each, case.in_the_way)]
    [made] = [each for each in answers if not isinstance(each, Exception)]
    assert len(refused) == 19
    assert all(made in vars(each).values() for each in refused), "it is told which one is"
    assert await written(database) == (1, 2, 1, [(1, 1)])
    elsewhere = await make(kept, replace(case.value, environment="dev"))
    assert elsewhere.id == 2, "a refusal uses up no number"


async def test_the_latest_are_of_one_environment_newest_first(kept: Steps[Any], case: Case) -> None:
    made = []
    for _ in range(3):
        one = await make(kept, case.value)
        over = case.after(one, BEN, NOW)
        if case.subject is Subject.ALARM:
            over = replace(over, resolved=NOW)
        made.append(await step(kept, one, over))
    await make(kept, replace(case.value, environment="dev"))
    assert await kept.latest("prod", 9) == made[::-1]
    assert await kept.latest("prod", 2) == [made[2], made[1]]
