"""What a vote that breaks the glass, and the end of a request, bring along."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.clients.pagers import PagerDuty, Squadcast, Webhook
from bot.domain.approvals import Happened, Outcome, Plan, Request
from bot.domain.environments import Access, Environment, People, Person
from bot.domain.errors import Refused
from bot.domain.oncall import Target, When
from bot.metrics import Metrics
from bot.services.approvals import Approvals, Approved
from bot.services.rights import Rights
from bot.slack.paging import Mention
from bot.storage.approvals import Requests
from bot.storage.database import Database
from bot.storage.outbox import Outbox
from tests.support.an_oncall import Lists, an_oncall

NIGHT = datetime(2026, 11, 24, 5, 57, tzinfo=UTC)
NOON = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
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
        found = await self.outbox.pages(now, writer="here")
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
        changed=lambda: None,
    )
    try:
        yield Office(approvals, Outbox(database), metrics, look, lists.groups)
    finally:
        await database.aclose()


CHANGE = Plan("PROD lsstcam", "discard 3 waiting entries", streams=("instrument:lsstcam",))
RESTART = Plan("PROD", "restart Redis", streams=("*",), outage="Redis is restarting")


@pytest.mark.parametrize(
    ("now", "told"),
    [(NOON, {"group", "unknown", "duty"}), (NIGHT, {"group", "unknown", "duty", "nightly"})],
)
async def test_who_breaks_the_glass_is_heard_of(
    tmp_path: Path, now: datetime, told: set[str]
) -> None:
    async with opened(tmp_path / "state.db") as office:
        request = await office.ask(now, CHANGE)
        voted = await office.approvals.approve(request.id, BEN, now, alone=True, reason="no one")
        assert isinstance(voted, Approved)
        paged = await office.paged(now)
        assert set(paged) == told
        assert set(paged.values()) == {
            f"PROD: Ben went on alone with request {request.id}: discard 3 waiting entries"
        }


async def test_whoever_breaks_the_glass_needs_no_page_about_it(tmp_path: Path) -> None:
    async with opened(tmp_path / "state.db") as office:
        office.groups["S0ONCALL"] = {"U0BEN"}
        request = await office.ask(NOON, CHANGE)
        await office.approvals.approve(request.id, BEN, NOON, alone=True, reason="no one")
        assert "group" not in await office.paged(NOON)


async def test_a_vote_of_two_pages_nobody(tmp_path: Path) -> None:
    async with opened(tmp_path / "state.db") as office:
        request = await office.ask(NOON, CHANGE)
        with pytest.raises(Refused, match="You are not an approver"):
            await office.approvals.approve(request.id, Person("U0X", "X"), NOON, reason="x")
        assert isinstance(await office.approvals.approve(request.id, BEN, NOON), Approved)
        assert await office.paged(NOON) == {}


@pytest.mark.parametrize(("plan", "looks"), [(CHANGE, False), (RESTART, True)])
async def test_the_end_of_a_restart_has_everything_looked_at_at_once(
    tmp_path: Path,
    plan: Plan,
    looks: bool,
) -> None:
    async with opened(tmp_path / "state.db") as office:
        request = await office.ask(NOON, plan)
        approved = await office.approvals.approve(request.id, BEN, NOON)
        assert isinstance(approved, Approved)
        running = await office.approvals.begin(approved, NOON)
        assert running is not None
        assert not office.look.is_set()
        assert await office.approvals.finish(running, Outcome(Happened.YES, "done"), NOON)
        assert office.look.is_set() is looks
        counted = 'prompt_redis_bot_requests_total{command="clear",outcome="done"} 1.0'
        assert counted in office.metrics.text().decode()
