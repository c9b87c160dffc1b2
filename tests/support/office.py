"""One environment's approvals on a real database, with their rights and on-call."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bot.clients.pagers import PagerDuty, Squadcast, Webhook
from bot.domain.approvals import Plan, Request
from bot.domain.environments import Access, Environment, People, Person
from bot.domain.oncall import Target, When
from bot.metrics import Metrics
from bot.services.approvals import Approvals
from bot.services.rights import Rights
from bot.slack.paging import Mention
from bot.storage.approvals import Requests
from bot.storage.database import Database
from bot.storage.outbox import Outbox
from tests.support.an_oncall import Lists, an_oncall

ANA, BEN = Person("U0ANA", "Ana"), Person("U0BEN", "Ben")
PROD = Environment(
    "prod", ("lsstcam",), access=Access(People(users=("U0ANA",)), People(users=("U0BEN",)))
)
TARGETS = (
    Target("group", Mention.kind, usergroup="S0ONCALL"),
    Target("unknown", Mention.kind, usergroup="S0UNKNOWN"),
    Target("duty", PagerDuty.kind, ("prod",)),
    Target("nightly", Squadcast.kind, ("all",), When.OBSERVING),
    Target("dev-only", Webhook.kind, ("dev",)),
)


@dataclass
class Office:
    """One environment's approvals, and who is in each group."""

    approvals: Approvals
    outbox: Outbox
    metrics: Metrics
    look: asyncio.Event
    groups: dict[str, set[str]]

    async def ask(self, now: datetime, plan: Plan) -> Request:
        return await self.approvals.request("clear", "lsstcam", plan, ANA, now)

    async def paged(self, now: datetime) -> dict[str, str]:
        """Give who was paged, and what the page says."""
        found = await self.outbox.pages(now, own=True)
        return {each.content.target: each.content.summary for each in found}


@asynccontextmanager
async def opened(file: Path) -> AsyncIterator[Office]:
    lists = Lists({"S0ONCALL": {"U0BEN", "U0CARLA"}})
    database = await Database.open(f"sqlite+aiosqlite:///{file}")
    metrics, look = Metrics(), asyncio.Event()
    approvals = Approvals(
        PROD,
        Requests(database),
        Rights(PROD, lists),
        an_oncall(PROD, database, TARGETS, groups=lists),
        metrics,
        executor="here",
        look=look,
    )
    try:
        yield Office(approvals, Outbox(database), metrics, look, lists.groups)
    finally:
        await database.aclose()
