"""The card of a restart, and what is asked of Kubernetes beside it."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from tests.messages.conftest import QUIET, RUBIN
from tests.support.a_rollout import a_rollout
from tests.support.a_watch import all_said, looked_at
from tests.support.expected import Expected, answered
from tests.support.kubernetes_server import Cluster, recorded
from tests.support.two_people import BEN, asked, mention, until
from tests.support.world import World

REFUSED = {
    "no-replicas": "replicas0",
    "on-delete": "ondelete",
    "partition": "partition",
    "no-image": "pull_error",
    "crashes": "crashloop",
    "no-node": "unschedulable",
}
FAULTS = ("error-401-bad-token", "error-403-get-statefulset", "error-404-statefulset")


@pytest.fixture
async def cluster(world: World, tmp_path: Path) -> AsyncIterator[Cluster]:
    async with a_rollout(world, tmp_path) as server:
        world.settings |= {"observing": RUBIN, "alarms": QUIET}
        yield server


@pytest.fixture
def expected(expected: Expected) -> Expected:
    """The cluster has a clock of its own."""
    expected.varies += [
        (re.compile(r"\b\d\d:\d\d:\d\d\b"), "‹time›"),
        (re.compile(r"\b\d+ s\b"), "‹time›"),
        (re.compile(r"\bat \d\d:\d\d UTC"), "at ‹time› UTC"),
        (re.compile(r"\bready for [\d a-z]+"), "ready for ‹time›"),
    ]
    return expected


async def test_a_restart(world: World, cluster: Cluster, expected: Expected) -> None:
    del cluster
    await world.group()
    await world.announce(1, ago=60)
    await world.read(3)
    async with world.bot():
        await looked_at(world, 4)
        expected.message("1-upgrade", await answered(world, "upgrade"))
        card = await asked(world, "restart --reason it hangs")
        expected.message("2-open", card)
        await world.slack.click(card, "Approve", user=BEN)
        await until(world, card, "Redis is back")
        await mention(world, "request 1 is done")
        expected.message("3-done", card)
        expected.message("4-audit", await answered(world, "audit"))
    expected.channel("5-channel", world)


async def test_it_does_not_come_back(world: World, cluster: Cluster, expected: Expected) -> None:
    cluster.after_patch = [(0.1, "old_pod_terminating"), (0.3, "no_pod"), (0.5, "pull_error")]
    await world.group()
    async with world.bot():
        card = await asked(world, "restart")
        await world.slack.click(card, "Approve", user=BEN)
        await world.slack.until(lambda: "the new pod does not start: " in card.all_text)
        expected.message("1-running", card)
        world.ahead += timedelta(minutes=10)
        await until(world, card, "has not come back")
        await mention(world, "request 1 has failed")
        await all_said(world)
        expected.message("2-failed", card)
    expected.channel("3-channel", world)


async def test_refused(world: World, cluster: Cluster, expected: Expected) -> None:
    await world.group()
    async with world.bot():
        for name, phase in REFUSED.items():
            cluster.phase = phase  # type: ignore[assignment]
            expected.message(name, await answered(world, "restart"))
        for file in FAULTS:
            cluster.fault("GET", "statefulsets", answer=recorded(file), times=None)
            expected.message(file, await answered(world, "restart"))
            cluster.heal()
