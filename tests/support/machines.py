"""Runs a hypothesis state machine whose every run has a database of its own."""

import asyncio
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import TypeVar, cast

from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from bot.storage.database import Database

Machine = TypeVar("Machine", bound=RuleBasedStateMachine)


def migrated(folder: Path) -> Path:
    """Make the database that each run copies."""
    template = folder / "template.db"

    async def migrate() -> None:
        await (await Database.open(f"sqlite+aiosqlite:///{template}")).aclose()

    asyncio.run(migrate())
    return template


def run_machine(
    make: Callable[[Path, Path], RuleBasedStateMachine], folder: Path, *, examples: int, steps: int
) -> None:
    """Run it `examples` times, its steps in an order that hypothesis chooses.

    Parameters
    ----------
    make
        Gives a machine for a migrated database to copy, and the file of its own.
    folder
        For all of these.
    examples, steps
        How many runs, and how many steps at most in each.
    """
    template, numbers = migrated(folder), count(1)

    def machine() -> RuleBasedStateMachine:
        return make(template, folder / f"{next(numbers)}.db")

    run_state_machine_as_test(
        # It wants a class, and only calls it.
        cast("type[RuleBasedStateMachine]", machine),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            report_multiple_bugs=False,
        ),
    )


def walk_machine(
    make: Callable[[Path, Path], Machine], folder: Path, walk: Callable[[Machine], None]
) -> None:
    """Run it once, its steps in the order of `walk`, and end it as hypothesis does."""
    machine = make(migrated(folder), folder / "one.db")
    try:
        walk(machine)
    finally:
        machine.teardown()
