"""What a vote that breaks the glass, and the end of a request, bring along."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.domain.alarms import Hours
from bot.domain.approvals import Happened, Outcome, Plan
from bot.domain.environments import Person
from bot.domain.errors import Refused
from bot.services.approvals import Approved
from tests.support.office import BEN, opened

NIGHT = datetime(2026, 11, 24, 5, 57, tzinfo=UTC)
NOON = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)
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


async def test_a_step_whose_answer_was_lost_keeps_nobody_from_the_next(tmp_path: Path) -> None:
    async with opened(tmp_path / "state.db") as office:
        request = await office.ask(NOON, RESTART)
        approved = await office.approvals.approve(request.id, BEN, NOON)
        assert isinstance(approved, Approved)
        running = await office.approvals.begin(approved, NOON)
        assert running is not None
        taken = await office.approvals.progress(running, ("stopped",), NOON)
        # As where the connection was cut after the step was taken: nobody here knows of it.
        assert await office.approvals.progress(running, ("started",), NOON) == taken
        done = Outcome(Happened.YES, "done")
        assert await office.approvals.finish(running, done, NOON)
        assert not await office.approvals.finish(running, done, NOON)


async def test_what_has_expired_takes_no_more_votes(tmp_path: Path) -> None:
    """Also before the loop has come that lets it expire."""
    async with opened(tmp_path / "state.db") as office:
        for _ in range(2):
            request = await office.ask(NOON, CHANGE)
            for act in (office.approvals.approve, office.approvals.deny):
                with pytest.raises(Refused, match="expired unanswered"):
                    await act(request.id, BEN, request.expires)
        request = await office.ask(NOON, CHANGE)
        in_time = request.expires - timedelta(microseconds=1)
        assert isinstance(await office.approvals.approve(request.id, BEN, in_time), Approved)


async def test_a_restart_holds_alarms_for_ten_minutes_at_most(tmp_path: Path) -> None:
    async with opened(tmp_path / "state.db") as office:
        for plan, held in ((CHANGE, []), (RESTART, [Hours(NOON, NOON + timedelta(minutes=10))])):
            request = await office.ask(NOON, plan)
            assert await office.approvals.outages(NOON) == []
            approved = await office.approvals.approve(request.id, BEN, NOON)
            assert isinstance(approved, Approved)
            running = await office.approvals.begin(approved, NOON)
            assert running is not None
            assert await office.approvals.outages(NOON) == held
            await office.approvals.finish(running, Outcome(Happened.YES, "done"), NOON)
