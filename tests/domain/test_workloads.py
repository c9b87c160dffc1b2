"""Which pods a restart replaces, and when they are replaced."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.domain.changes import Restarting
from bot.domain.workloads import Hindrance, Pod, Progress, Workload, hindrance_since

ASKED = datetime(2026, 11, 24, 16, 4, 2, tzinfo=UTC)
OLD, NEW = Pod("prompt-redis-0", "1", ready=True), Pod("prompt-redis-0", "2", ready=True)
WORKLOAD = Workload("prompt-redis", "7", 3, 3, 1, 1, 1, "a", "a", pods=(OLD,))
PLAN = Restarting(3, ("1",), "redis:8.10.0", "8.10.0", "run", (), (), ())


def test_a_plan_is_for_the_pods_that_it_showed() -> None:
    assert hindrance_since(WORKLOAD, PLAN) is None
    # Somebody deleted the pod: the StatefulSet is the same, and Redis has just restarted.
    replaced = replace(WORKLOAD, pods=(NEW,))
    assert hindrance_since(replaced, PLAN) is Hindrance.REPLACED
    assert hindrance_since(replace(WORKLOAD, generation=4), PLAN) is Hindrance.CHANGED


def test_a_pod_that_is_leaving_has_not_been_replaced_nor_replaces_another() -> None:
    assert not WORKLOAD.replaced(PLAN.uids)
    assert replace(WORKLOAD, pods=(NEW,)).replaced(PLAN.uids)
    leaving = replace(WORKLOAD, pods=(replace(NEW, leaving=True),))
    assert not leaving.replaced(PLAN.uids)
    seen = Progress(ASKED, ASKED + timedelta(seconds=20))
    for workload in (WORKLOAD, leaving):
        assert not seen.saw_cluster(workload, PLAN, "now").replaced
