import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import insert, select

from bot.domain.alarms import Holding, Incident
from bot.domain.errors import StateError, StateTrouble
from bot.domain.notices import Subject
from bot.domain.samples import Figures
from bot.storage.alarms import AlreadyOpen, Incidents
from bot.storage.approvals import Requests
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts
from bot.storage.schema import alarms as table
from tests.storage.alarm_drafts import INCIDENTS, MINUTE, incident, line, notice, page, resolve
from tests.storage.drafts import ANA, BEN, NOW, create


@pytest.fixture
def incidents(database: Database) -> Incidents:
    return Incidents(database)


async def opened(
    incidents: Incidents, draft: Incident | None = None, *, shown: bool = True
) -> Incident:
    return await incidents.open(draft or incident(), shown=shown, writer="one")


async def said(database: Database) -> tuple[int, int, int]:
    """How many notices and pages wait, and how many lines the audit has."""
    outbox = Outbox(database)
    waiting = await outbox.waiting(NOW), await outbox.pages(NOW)
    lines = await Audit(database).latest("prod", 100)
    return len(waiting[0]), len(waiting[1]), len(lines)


@given(draft=INCIDENTS)
# One database for all of them: their numbers differ, and each is resolved.
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_an_incident_comes_back_as_it_was_written(
    incidents: Incidents, draft: Incident
) -> None:
    made = await opened(incidents, draft, shown=False)
    assert made == replace(draft, id=made.id)
    assert await incidents.find(made.id) == made
    over = replace(draft, id=made.id, resolved=NOW, version=made.version + 1)
    assert await incidents.replace(made, over, redraw=False, writer="one")
    found = await incidents.find(made.id)
    assert found == over
    assert list(found.findings) == list(draft.findings), "in their order"


async def test_a_step_changes_all_that_it_may_change(incidents: Incidents) -> None:
    made = await opened(incidents)
    after = replace(
        made.owned_by(ANA, NOW).told_to(["prompt", "all"], NOW),
        version=1,
        began=NOW - 2 * MINUTE,
        figures=Figures(NOW + MINUTE),
        highest_wait=timedelta(microseconds=1),
    )
    assert await incidents.replace(made, after, redraw=True, writer="one")
    assert await incidents.find(made.id) == after
    assert await incidents.find(made.id + 1) is None


async def test_a_new_incident_brings_all_that_belongs_to_it(
    incidents: Incidents, database: Database
) -> None:
    await create(Requests(database))
    made = await incidents.open(
        incident(),
        shown=True,
        notices=lambda made: [notice(made.id)],
        pages=lambda made: [page(made.id), page(made.id, "all")],
        entry=lambda made: line(f"alarm {made.id}"),
        writer="one",
    )
    assert made.id == 2, "requests and alarms have one sequence"
    [queued] = await Outbox(database).waiting(NOW, writer="one")
    assert queued.notice == notice(2)
    pages = await Outbox(database).pages(NOW, writer="one")
    assert [each.page for each in pages] == [page(2), page(2, "all")]
    assert {each.written for each in pages} == {NOW}
    [(newest, _), _] = await Audit(database).latest("prod", 9)
    assert newest == line("alarm 2")
    post = await Posts(database).find(2)
    assert post is not None
    assert (post.kind, post.environment, post.channel, post.wanted, post.shown) == (
        Subject.ALARM,
        "prod",
        None,
        1,
        0,
    )
    card = await Posts(database).find(1)
    assert card is not None
    assert card.kind is Subject.REQUEST


async def test_of_twenty_openings_at_once_one_is_made(
    incidents: Incidents, database: Database
) -> None:
    async def attempt() -> Incident:
        return await incidents.open(
            incident(), shown=True, pages=lambda made: [page(made.id)], writer="one"
        )

    answers = await asyncio.gather(*(attempt() for _ in range(20)), return_exceptions=True)
    made = [each for each in answers if isinstance(each, Incident)]
    refused = [each.incident for each in answers if isinstance(each, AlreadyOpen)]
    assert len(made) == 1
    assert refused == made * 19
    assert await said(database) == (0, 1, 0)
    assert len(await Posts(database).behind(NOW)) == 1
    assert (await opened(incidents, incident("pending"))).id == 2, "no number was used up"


async def test_the_database_itself_keeps_two_from_firing(
    incidents: Incidents, database: Database
) -> None:
    made = await opened(incidents)
    async with database.statement() as connection:
        row = dict((await connection.execute(select(table))).one()._mapping)
        await connection.execute(insert(table).values({**row, "id": 8, "resolved": NOW}))
    with pytest.raises(StateError) as caught:
        async with database.statement() as connection:
            await connection.execute(insert(table).values({**row, "id": 7}))
    assert caught.value.kind is StateTrouble.OTHER
    assert await incidents.firing("prod") == [made]


async def test_other_things_may_fire_beside_it(incidents: Incidents) -> None:
    made = [
        await opened(incidents, each)
        for each in (
            incident(),
            incident("pending"),
            incident(instrument="hsc"),
            incident(environment="dev"),
        )
    ]
    assert await incidents.firing("prod") == made[:3]
    assert await incidents.firing("dev") == made[3:]
    await resolve(incidents, made[0])
    again = await opened(incidents)
    assert await incidents.firing("prod") == [*made[1:3], again]


async def test_of_twenty_steps_at_once_one_is_taken(
    incidents: Incidents, database: Database
) -> None:
    made = await opened(incidents)
    steps = [made.owned_by(replace(BEN, name=f"Ben {n}"), NOW) for n in range(20)]
    taken = await asyncio.gather(
        *(
            incidents.replace(
                made,
                step,
                notices=[notice(made.id)],
                pages=[page(made.id)],
                entry=line("own 1"),
                redraw=True,
                writer="one",
            )
            for step in steps
        )
    )
    assert taken.count(True) == 1
    assert await incidents.find(made.id) == steps[taken.index(True)]
    assert await said(database) == (1, 1, 1)
    post = await Posts(database).find(made.id)
    assert post is not None
    assert post.wanted == 2


async def test_a_step_leads_to_the_next_version(incidents: Incidents) -> None:
    made = await opened(incidents)
    with pytest.raises(ValueError, match="next"):
        await incidents.replace(made, made, redraw=False, writer="one")


async def test_a_step_that_fails_leaves_nothing_behind(
    incidents: Incidents, database: Database
) -> None:
    made = await opened(incidents)
    naive = replace(line("own 1"), at=NOW.replace(tzinfo=None))
    # What fails is written last.
    with pytest.raises(Exception, match="without a zone"):
        await incidents.replace(
            made, made.owned_by(BEN, NOW), notices=[notice(1)], pages=[page(1)], entry=naive,
            redraw=True, writer="one",
        )  # fmt: skip
    with pytest.raises(Exception, match="without a zone"):
        await incidents.open(
            incident("pending"), shown=True, notices=lambda _: [notice(2)],
            pages=lambda _: [page(2)], entry=lambda _: naive, writer="one",
        )  # fmt: skip
    assert await incidents.history("prod", 9) == [made]
    assert await said(database) == (0, 0, 0)
    assert [(each.subject, each.wanted) for each in await Posts(database).behind(NOW)] == [(1, 1)]


async def test_a_held_incident_has_no_message_until_nothing_holds_it(
    incidents: Incidents, database: Database
) -> None:
    posts = Posts(database)

    async def step(old: Incident, held: Holding | None, *, redraw: bool) -> Incident:
        new = replace(old, held=held, version=old.version + 1)
        assert await incidents.replace(old, new, redraw=redraw, writer="one")
        return new

    one = await opened(incidents, replace(incident(), held=Holding.SILENCE), shown=False)
    one = await step(one, Holding.WINDOW, redraw=True)
    one = await step(one, None, redraw=False)
    assert await posts.find(one.id) is None
    one = await step(one, None, redraw=True)
    post = await posts.find(one.id)
    assert post is not None
    assert (post.kind, post.environment, post.wanted) == (Subject.ALARM, "prod", 1)
    # Held again, it is drawn as such.
    one = await step(one, Holding.WINDOW, redraw=True)
    await step(one, None, redraw=False)
    assert [each.wanted for each in await posts.behind(NOW)] == [2]


async def test_what_is_said_is_dated_by_its_step(incidents: Incidents, database: Database) -> None:
    made = await opened(incidents)
    times = [NOW + n * MINUTE for n in range(1, 7)]
    version = made.version
    for n, after in enumerate(
        [
            made.owned_by(ANA, times[0]),
            made.asked_again(times[1]),
            made.told_to(["prompt"], times[2]),
            replace(made, drawn=times[3]),
            replace(made, figures=Figures(times[4])),
            replace(made, resolved=times[5]),
        ]
    ):
        before = replace(made, version=version + n)
        step = replace(after, version=version + n + 1)
        assert await incidents.replace(
            before, step, notices=[notice(1)], pages=[page(1)], redraw=False, writer="one"
        )
    outbox = Outbox(database)
    assert [each.written for each in await outbox.waiting(times[5])] == times
    assert [each.written for each in await outbox.pages(times[5])] == times


async def test_the_history_is_of_one_environment_newest_first(incidents: Incidents) -> None:
    made = [await opened(incidents, incident(name)) for name in ("backlog", "pending", "lag")]
    await opened(incidents, incident(environment="dev"))
    over = await resolve(incidents, made[1])
    assert await incidents.history("prod", 9) == [made[2], over, made[0]]
    assert await incidents.history("prod", 2) == [made[2], over]


async def test_what_fired_within_a_time_is_found(incidents: Incidents) -> None:
    begins, ends = NOW, NOW + 10 * MINUTE
    second = timedelta(seconds=1)

    async def lasting(instrument: str, start: int, end: int | None) -> Incident:
        draft = replace(incident(instrument=instrument), opened=NOW + start * second)
        made = await opened(incidents, draft)
        return made if end is None else await resolve(incidents, made, NOW + end * second)

    await lasting("before", -2, -1)
    into = await lasting("into", -2, 0)
    within = await lasting("within", 0, 10)
    whole = await lasting("whole", -2, 1000)
    firing = await lasting("firing", 599, None)
    await lasting("after", 600, None)
    await opened(incidents, incident(environment="dev"))
    assert await incidents.between("prod", begins, ends) == [into, within, whole, firing]
