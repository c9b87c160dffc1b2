"""Carrying out what was approved, on a real database."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

from bot.command import Call, Change, Registry
from bot.domain.approvals import Happened, Outcome, Plan, Request, State
from bot.domain.changes import Facts
from bot.domain.environments import Environment
from bot.execution import Execution
from bot.loops import Tasks
from bot.services.approvals import Approved
from bot.services.environments import Services
from tests.support.environments import bare_services
from tests.support.office import BEN, PROD, opened

NOON = datetime(2026, 11, 24, 16, 0, tzinfo=UTC)


async def test_a_database_that_takes_no_progress_ends_nothing(tmp_path: Path) -> None:
    async def plan(_: Call) -> Plan:
        raise AssertionError

    async def run(_: Services, __: Approved) -> AsyncIterator[str | Facts]:
        other = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        yield "so far"
        other.execute("ROLLBACK")
        other.close()
        yield "a little farther"
        yield {"result": "done"}

    def tell(_: Environment, request: Request, __: Facts) -> Outcome:
        return Outcome(Happened.YES, ", ".join(request.progress))

    registry = Registry([Change(name="clear", summary="", plan=plan, run=run, tell=tell)])
    async with opened(tmp_path / "state.db") as office:
        services = {"prod": bare_services(PROD, approvals=office.approvals)}
        tasks = Tasks()
        execution = Execution(registry, services, tasks=tasks, clock=lambda: NOON)
        request = await office.ask(NOON, Plan("PROD", "change it", streams=("a",)))
        approved = await office.approvals.approve(request.id, BEN, NOON)
        assert isinstance(approved, Approved)
        execution.start(approved)
        await tasks.drain(30)
        ended = await office.approvals.find(request.id)
        assert ended.state is State.DONE
        assert ended.outcome is not None
        assert ended.outcome.headline == "a little farther"
