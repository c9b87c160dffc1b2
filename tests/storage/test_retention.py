from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import event, func, select

from bot.domain.approvals import Vote
from bot.domain.notices import Notice, Said
from bot.domain.samples import Minute, Sample
from bot.storage.alarms import Incidents, Silences
from bot.storage.approvals import Requests
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.lease import Chores, Deliveries
from bot.storage.maintenance import Windows
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts
from bot.storage.retention import BATCH, forget
from bot.storage.samples import Samples
from bot.storage.schema import metadata
from bot.storage.steps import Effects
from tests.storage.drafts import (
    BEN,
    NOW,
    create,
    draft,
    end,
    incident,
    line,
    make,
    resolve,
    silence,
    step,
    window,
)

YEAR = timedelta(days=365)
DAY = timedelta(days=1)
LITTLE = timedelta(seconds=1)


async def counts(database: Database, names: Sequence[str]) -> dict[str, int]:
    found = {}
    for name in names:
        query = select(func.count()).select_from(metadata.tables[name])
        async with database.statement() as connection:
            found[name] = (await connection.execute(query)).scalar_one()
    return found


async def test_what_is_too_old_is_forgotten_and_nothing_else(database: Database) -> None:
    requests = Requests(database)
    for age in (YEAR + LITTLE, YEAR - LITTLE):
        asked = await create(requests, replace(draft(), asked=NOW - age))
        voted = asked.voted(Vote(BEN, NOW), [], "one")
        told = Effects([Notice(Said.OUTCOME, "prod", asked.id)], line=line(request=asked.id))
        await step(requests, asked, voted, told)
        await end(requests, voted)
    outbox = Outbox(database)
    for queued, age in zip(await outbox.notices(NOW), (YEAR + LITTLE, YEAR - LITTLE), strict=True):
        await outbox.sent(queued, NOW - age)
    deliveries, chores = Deliveries(database), Chores(database)
    await deliveries.first("old", NOW - DAY - LITTLE)
    await deliveries.first("new", NOW - DAY + LITTLE)
    await chores.claim("prune", (NOW - 31 * DAY).date())
    await chores.claim("prune", (NOW - 30 * DAY).date())
    names = ("requests", "posts", "outbox", "audit", "deliveries", "chores")
    before = await counts(database, names)
    assert before == dict.fromkeys(before, 2)

    await forget(database, NOW)

    assert await counts(database, names) == {**dict.fromkeys(before, 1), "audit": 2}
    assert await requests.find(1) is None
    assert await requests.find(2) is not None
    assert [post and post.subject for _, post in await Audit(database).latest("prod", 9)] == [
        2,
        None,
    ]


async def test_a_request_that_is_not_over_stays(database: Database) -> None:
    requests = Requests(database)
    asked = await create(requests, replace(draft(), asked=NOW - 2 * YEAR))
    await forget(database, NOW)
    assert await requests.find(asked.id) == asked


async def test_alarms_are_forgotten_a_year_after_their_end(database: Database) -> None:
    incidents, posts = Incidents(database), Posts(database)
    draft = replace(incident(), opened=NOW - 2 * YEAR)
    for age in (YEAR + LITTLE, YEAR - LITTLE):
        made = await make(incidents, draft)
        await resolve(incidents, made, NOW - age)
    firing = await make(incidents, draft)
    await forget(database, NOW)
    assert [each.id for each in await incidents.latest("prod", 9)] == [3, 2]
    assert await incidents.firing("prod") == [firing]
    assert [each.subject for each in await posts.behind(NOW)] == [2, 3]


async def test_silences_are_forgotten_a_year_after_their_end(database: Database) -> None:
    silences = Silences(database)
    draft = replace(silence(), starts=NOW - 3 * YEAR)
    old, young = NOW - YEAR - LITTLE, NOW - YEAR + LITTLE
    for ends, lifted in ((old, None), (NOW, old), (young, None), (NOW, young), (None, None)):
        await make(silences, replace(draft, ends=ends, lifted=lifted))
    await forget(database, NOW)
    found = [await silences.find(number) for number in range(1, 6)]
    assert [each and each.id for each in found] == [None, None, 3, 4, 5]


async def test_windows_are_forgotten_a_year_after_their_end(database: Database) -> None:
    windows, posts = Windows(database), Posts(database)
    starts = NOW - 2 * YEAR
    for number, age in enumerate((YEAR + LITTLE, YEAR - LITTLE)):
        draft = window(starts + number * DAY)
        made = await make(windows, draft.begun(draft.starts))
        over = made.over(BEN, "", NOW - age)
        await step(windows, made, over)
    started = window(starts + 3 * DAY).begun(starts + 3 * DAY)
    going_on = await make(windows, started)
    await forget(database, NOW)
    assert [each.id for each in await windows.latest("prod", 9)] == [3, 2]
    assert await windows.open("prod") == [going_on]
    assert [each.subject for each in await posts.behind(NOW)] == [2, 3]


async def test_samples_are_forgotten_after_a_day_and_minutes_after_a_month(
    database: Database,
) -> None:
    samples = Samples(database)
    kept: list[tuple[str, list[Sample], list[Minute]]] = []
    for environment in ("dev", "prod"):
        ages = [Sample("hsc", NOW - age, reached=True) for age in (DAY + LITTLE, DAY, LITTLE)]
        await samples.add(environment, ages)
        minutes = [
            Minute("hsc", NOW - age, 12, 12, 0, None, 0, 0, 0)
            for age in (30 * DAY + LITTLE, 30 * DAY, LITTLE)
        ]
        await samples.add_minutes(environment, minutes)
        kept.append((environment, ages[1:], minutes[1:]))
    await forget(database, NOW)
    for environment, ages, minutes in kept:
        assert await samples.recent(environment, NOW - 2 * DAY) == ages
        assert await samples.minutes(environment, NOW - 60 * DAY) == minutes


async def test_a_day_of_samples_is_forgotten_in_batches(database: Database) -> None:
    samples = Samples(database)
    old = NOW - 2 * DAY
    streams, looks = 50, 110
    many = [
        Sample(f"{stream}", old + look * LITTLE, reached=True)
        for look in range(looks)
        for stream in range(streams)
    ]
    await samples.add("prod", many)
    deleted: list[int] = []

    def note(_: object, cursor: object, statement: str, *__: object) -> None:
        if statement.startswith("DELETE FROM samples"):
            deleted.append(cursor.rowcount)  # type: ignore[attr-defined]

    event.listen(database._engine.sync_engine, "after_cursor_execute", note)
    await forget(database, NOW)
    assert await counts(database, ["samples"]) == {"samples": 0}
    assert sum(deleted) == len(many)
    assert max(deleted) <= BATCH + streams, "looks are not torn apart"
    assert len(deleted) == 3
