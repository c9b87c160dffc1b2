from datetime import timedelta

from sqlalchemy import func, select

from bot.domain.approvals import Vote
from bot.domain.notices import Notice, Said
from bot.storage.approvals import Requests
from bot.storage.audit import Audit
from bot.storage.chores import Chores
from bot.storage.database import Database
from bot.storage.deliveries import Deliveries
from bot.storage.outbox import Outbox
from bot.storage.retention import forget
from bot.storage.schema import metadata
from tests.storage.drafts import BEN, NOW, at, create, draft, end

YEAR = timedelta(days=365)
DAY = timedelta(days=1)
LITTLE = timedelta(seconds=1)


async def counts(database: Database) -> dict[str, int]:
    found = {}
    for name in ("requests", "votes", "posts", "outbox", "audit", "deliveries", "chores"):
        query = select(func.count()).select_from(metadata.tables[name])
        async with database.statement() as connection:
            found[name] = (await connection.execute(query)).scalar_one()
    return found


async def test_what_is_too_old_is_forgotten_and_nothing_else(database: Database) -> None:
    requests = Requests(database)
    for age in (YEAR + LITTLE, YEAR - LITTLE):
        asked = await create(requests, at(draft(), NOW - age))
        voted = asked.voted(Vote(BEN, NOW), [], "one")
        assert await requests.replace(
            asked, voted, notices=[Notice(Said.OUTCOME, "prod", asked.id)], writer="one"
        )
        await end(requests, voted)
    outbox = Outbox(database)
    for queued, age in zip(await outbox.waiting(NOW), (YEAR + LITTLE, YEAR - LITTLE), strict=True):
        await outbox.sent(queued, NOW - age)
    deliveries, chores = Deliveries(database), Chores(database)
    await deliveries.first("old", NOW - DAY - LITTLE)
    await deliveries.first("new", NOW - DAY + LITTLE)
    await chores.claim("prune", (NOW - 31 * DAY).date())
    await chores.claim("prune", (NOW - 30 * DAY).date())
    before = await counts(database)
    assert before == dict.fromkeys(before, 2)

    await forget(database, NOW)

    assert await counts(database) == {**dict.fromkeys(before, 1), "audit": 2}
    assert await requests.find(1) is None
    assert await requests.find(2) is not None
    assert [post and post.subject for _, post in await Audit(database).latest("prod", 9)] == [
        2,
        None,
    ]


async def test_a_request_that_is_not_over_stays(database: Database) -> None:
    requests = Requests(database)
    asked = await create(requests, at(draft(), NOW - 2 * YEAR))
    await forget(database, NOW)
    assert await requests.find(asked.id) == asked
