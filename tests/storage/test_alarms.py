from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import insert, select

from bot.domain.alarms import Holding, Incident
from bot.domain.errors import StateError, StateTrouble
from bot.domain.notices import Subject
from bot.domain.samples import Figures
from bot.storage.alarms import Incidents, Silences
from bot.storage.database import Database
from bot.storage.posts import Posts
from bot.storage.schema import alarms as table
from bot.storage.steps import Effects
from tests.storage.drafts import ANA, MINUTE, NOW, incident, make, resolve, silence, step

SILENCES = [
    silence(),
    replace(silence(), instrument="", rule="pending", ends=None),
    replace(silence(), instrument="", incident=17, lifted=NOW + MINUTE),
]


@pytest.fixture
def incidents(database: Database) -> Incidents:
    return Incidents(database)


@pytest.fixture
def silences(database: Database) -> Silences:
    return Silences(database)


async def opened(incidents: Incidents, draft: Incident | None = None) -> Incident:
    return await make(incidents, draft or incident())


async def test_a_step_changes_all_that_it_may_change(incidents: Incidents) -> None:
    made = await opened(incidents)
    after = replace(
        made.owned_by(ANA, NOW).told_to(["prompt", "all"], NOW),
        version=1,
        began=NOW - 2 * MINUTE,
        figures=Figures(NOW + MINUTE),
        highest_wait=timedelta(microseconds=1),
    )
    await step(incidents, made, after)
    assert await incidents.find(made.id) == after


async def test_what_was_remembered_since_the_last_step_is_written_with_the_next(
    incidents: Incidents,
) -> None:
    made = await opened(incidents)
    # As the watch has it after some looks: in its memory, and in no row yet.
    remembered = replace(made, highest_waiting=1204, highest_wait=MINUTE)
    owned = await step(incidents, remembered, remembered.owned_by(ANA, NOW))
    assert await incidents.find(made.id) == owned


async def test_the_database_itself_keeps_two_from_firing(
    incidents: Incidents, database: Database
) -> None:
    made = await opened(incidents)
    [found] = await database.fetch(select(table))
    row = dict(found._mapping)
    await database.change(insert(table).values({**row, "id": 8, "resolved": NOW}))
    with pytest.raises(StateError) as caught:
        await database.change(insert(table).values({**row, "id": 7}))
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


async def test_a_held_incident_has_no_message_until_nothing_holds_it(
    incidents: Incidents, database: Database
) -> None:
    posts = Posts(database)

    async def held(old: Incident, by: Holding | None, *, redraw: bool) -> Incident:
        new = replace(old, held=by, version=old.version + 1)
        return await step(incidents, old, new, Effects(redraw=redraw))

    one = await opened(incidents, replace(incident(), held=Holding.SILENCE))
    one = await held(one, Holding.WINDOW, redraw=True)
    one = await held(one, None, redraw=False)
    assert await posts.find(one.id) is None
    one = await held(one, None, redraw=True)
    post = await posts.find(one.id)
    assert post is not None
    assert (post.kind, post.environment, post.wanted) == (Subject.ALARM, "prod", 1)
    # Held again, it is drawn as such.
    one = await held(one, Holding.WINDOW, redraw=True)
    await held(one, None, redraw=False)
    assert [each.wanted for each in await posts.behind(NOW)] == [2]


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


async def test_what_is_active_is_what_the_domain_takes_for_active(silences: Silences) -> None:
    drafts = [
        *SILENCES,
        # Made a minute ago, by a clock that was set back since.
        replace(silence(), starts=NOW + MINUTE),
        replace(silence(), ends=NOW + MINUTE),
    ]
    made = [await make(silences, each) for each in drafts]
    await make(silences, silence(environment="dev"))
    for each in made:
        assert await silences.find(each.id) == each
    for moment in (NOW - MINUTE, NOW, NOW + MINUTE, NOW + 2 * MINUTE, NOW + 60 * MINUTE):
        expected = [each for each in made if each.active(moment)]
        assert await silences.active("prod", moment) == expected
    assert [each.id for each in await silences.active("prod", NOW)] == [1, 2, 4, 5]


async def test_silences_that_held_something_within_a_time_are_found(silences: Silences) -> None:
    drafts = [
        *SILENCES,
        replace(silence(), ends=NOW + MINUTE),
        replace(silence(), starts=NOW + 9 * MINUTE),
    ]
    made = [await make(silences, each) for each in drafts]
    since, until = NOW + 2 * MINUTE, NOW + 9 * MINUTE
    assert await silences.between("prod", since, until) == made[:2]
    assert await silences.between("prod", NOW, until) == made[:4]
    assert await silences.between("dev", since, until) == []
