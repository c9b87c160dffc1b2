"""What is told at the end of a window."""

from dataclasses import replace

from bot.domain.approvals import Happened, Outcome, State
from bot.domain.environments import Environment
from bot.domain.maintenance import Stage
from bot.services.maintenance import Maintenance
from bot.storage.alarms import Incidents
from bot.storage.approvals import Requests
from bot.storage.database import Database
from bot.storage.maintenance import Windows
from bot.storage.outbox import Outbox
from tests.storage.drafts import HOUR, NOW, create, draft, window


async def test_the_end_tells_of_what_was_carried_out_during_the_window(database: Database) -> None:
    requests = Requests(database)
    maintenance = Maintenance(
        Environment("prod", ("lsstcam",)),
        windows=Windows(database),
        outbox=Outbox(database),
        incidents=Incidents(database),
        requests=requests,
        mirrors=(),
    )
    over = replace(window(NOW), stage=Stage.ENDED, started=NOW, ended=NOW + HOUR)
    outcome = Outcome(Happened.YES, "discarded")
    made = [
        await create(requests, replace(draft(), state=State.DONE, started=at, outcome=outcome))
        for at in (NOW - HOUR, NOW, NOW + HOUR, NOW + 2 * HOUR)
    ]
    await create(requests, draft())
    closing = await maintenance.closing(over)
    assert sorted(each.id for each in closing.requests) == [made[1].id, made[2].id]
