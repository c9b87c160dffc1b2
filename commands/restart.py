"""`restart`: restart Redis, watched until it is proven to be back."""

from collections.abc import AsyncIterator
from datetime import timedelta

from bot.command import Call, Change, Purpose, Right
from bot.domain.approvals import Plan, Request
from bot.domain.changes import Facts
from bot.domain.errors import UserError
from bot.domain.workloads import Progress
from bot.render import restarts
from bot.services.approvals import Approved

_SHOWN_EVERY = timedelta(seconds=10)
"""Nothing new is shown only so often: each is an edit of a message, and Slack counts them."""


async def plan(call: Call) -> Plan:
    """Look at the workload and at what waits, and refuse what would replace no pod."""
    workload, bound, looks = await call.services.restarts.inspect()
    hindered = restarts.hindered(call.environment, workload)
    if hindered:
        raise UserError(hindered, suggestion="upgrade")
    return restarts.plan(call.environment, workload, bound, looks, call.now)


async def run(call: Call, approved: Approved) -> AsyncIterator[str | Facts]:
    """Ask for it, and show how far it comes."""
    async for each in _shown(call.services.restarts.run(approved)):
        yield each


async def resume(call: Call, approved: Approved) -> AsyncIterator[str | Facts]:
    """Show how far one comes that another process has asked for."""
    async for each in _shown(call.services.restarts.resume(approved)):
        yield each


async def look_back(call: Call, request: Request) -> Facts | None:
    """Find out what came of one of which nobody knew."""
    return await call.services.restarts.look_back(request)


async def _shown(steps: AsyncIterator[Progress | Facts]) -> AsyncIterator[str | Facts]:
    """Draw each step, and leave out those that show nothing new."""
    last: Progress | None = None
    async for step in steps:
        if not isinstance(step, Progress):
            yield step
        elif last is None or _news(step) != _news(last) or step.at - last.at >= _SHOWN_EVERY:
            last = step
            yield restarts.progress(step)


def _news(step: Progress) -> tuple[object, ...]:
    pod = step.pod
    return (
        step.stopped,
        step.started,
        step.answered is not None,
        step.loading is not None,
        step.redis,
        step.cluster,
        step.other,
        pod and (pod.uid, pod.leaving, pod.waiting),
    )


COMMANDS = (
    Change(
        name="restart",
        usage="[--reason …]",
        summary="restart Redis, watched until it is back",
        purpose=Purpose.CHANGE,
        right=Right.OPERATOR,
        plan=plan,
        run=run,
        tell=restarts.tell,
        look_back=look_back,
        resume=resume,
        details=(
            "What `kubectl rollout restart` does, and then the proof: another pod is ready, Redis "
            "answers, and streams and groups are there. It ends well, or after 10 min with the "
            "pod's reason. Alarms about Redis away or a missing group are held meanwhile. Visits "
            "announced while Redis is away are skipped: do it by day, in an announced window."
        ),
    ),
)
