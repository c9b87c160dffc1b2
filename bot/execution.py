"""Carrying out what was approved, once: with a sign of life, and an end that is always told.

The change and its marker are one atomic step in Redis. Whoever takes up a request whose process has
died asks the marker whether it happened, and makes sure that it can no longer happen; nothing is
ever repeated. What takes long after it was asked for, such as a restart, is watched further.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.command import Change, Registry
from bot.domain.approvals import Happened, Outcome, Request
from bot.domain.errors import ClusterError, ClusterInDoubt, RedisError, RedisInDoubt, StateError
from bot.loops import Tasks
from bot.services.approvals import Approved
from bot.services.environments import Services

_log = structlog.get_logger()

BEAT_EVERY = timedelta(seconds=5)
"""Six beats may be lost before the leader takes an execution for dead."""

_KEEP_TRYING = 20.0
"""Seconds for which the end of an execution is offered to a database that does not take it."""


class Execution:
    """Carries out approved requests.

    Parameters
    ----------
    tasks
        Runs the work, and lets it finish when the process ends.
    """

    def __init__(
        self,
        registry: Registry,
        services: Mapping[str, Services],
        *,
        tasks: Tasks,
        clock: Callable[[], datetime],
    ) -> None:
        self._registry = registry
        self._services = services
        self._tasks = tasks
        self._clock = clock
        self._watching: set[asyncio.Task[None]] = set()
        # Alive, whatever a clock that was set makes of their signs of life.
        self._running: set[int] = set()

    def start(self, approved: Approved) -> None:
        """Carry out a request, apart from whoever approved it."""
        self._tasks.start(self._carry_out(approved), name=f"request {approved.request.id}")

    def let_go(self) -> None:
        """Stop watching what the next process can watch as well; it takes it up at once."""
        for task in self._watching:
            task.cancel()

    async def tick(self, now: datetime) -> None:
        """Take up what other processes have left behind; the leader's work."""
        for services in self._services.values():
            for request in await services.approvals.abandoned(now):
                if request.id in self._running:
                    continue
                if self._change(request).resume is not None and not request.state.final:
                    await self._take_up(services, request, now)
                    continue
                outcome = await self._look_back(services, request)
                if await services.approvals.interrupt(request, outcome, now):
                    _log.warning(
                        "a request was interrupted",
                        request=request.id,
                        executor=request.executor,
                        happened=outcome.happened.value,
                    )

    async def _take_up(self, services: Services, request: Request, now: datetime) -> None:
        approved = await services.approvals.take_up(request, now)
        if approved is not None:
            _log.warning("a request is taken up", request=request.id, executor=request.executor)
            work = self._see_through(services, approved.request, approved, resumed=True)
            self._tasks.start(work, name=f"request {request.id}, taken up")

    async def _carry_out(self, approved: Approved) -> None:
        services = self._services[approved.request.environment]
        request = await services.approvals.begin(approved, self._clock())
        if request is None:
            _log.warning("a request was taken up by another process", request=approved.request.id)
            return
        await self._see_through(services, request, approved, resumed=False)

    async def _see_through(
        self, services: Services, request: Request, approved: Approved, *, resumed: bool
    ) -> None:
        """Run a change to its end, with a sign of life every few seconds, and record the end."""
        structlog.contextvars.bind_contextvars(request=request.id)
        command = self._change(request)
        run = command.resume if resumed and command.resume else command.run
        beating = asyncio.create_task(self._beat(services, request))
        self._running.add(request.id)
        this = asyncio.current_task()
        if command.resume is not None and this is not None:
            self._watching.add(this)
            this.add_done_callback(self._watching.discard)
        ended = False
        try:
            steps = run(services, approved)
            request, outcome = await self._run(steps, command, services, request)
            await self._finish(services, request, outcome)
            ended = True
        finally:
            self._running.discard(request.id)
            beating.cancel()
            with suppress(asyncio.CancelledError):
                await beating
            if not ended and command.resume is not None:
                # This process ends, or has lost its database: whoever leads next goes on at once.
                with suppress(StateError):
                    await services.approvals.hand_over(request, self._clock())

    async def _run(
        self, steps: AsyncIterator[Any], command: Change[Any], services: Services, request: Request
    ) -> tuple[Request, Outcome]:
        """Run the change, and say what came of it, whatever came of it."""
        try:
            async for step in steps:
                if not isinstance(step, str):
                    return request, command.tell(services.environment, request, step)
                try:
                    request = await services.approvals.progress(request, (step,), self._clock())
                except StateError:
                    # The next step shows it; what is under way is not ended by this.
                    _log.warning("the progress of a request could not be recorded")
            raise RuntimeError(f"{command.name} ended without a result")  # noqa: TRY301 -- as any fault
        except (RedisInDoubt, ClusterInDoubt) as error:
            _log.warning("nobody knows whether a change was made", reason=str(error))
            return request, _unknown(error.says)
        except (RedisError, ClusterError) as error:
            _log.warning("a change was not made", reason=str(error))
            if request.progress:
                return request, _stopped(request.progress[-1], error.says)
            return request, Outcome(Happened.NO, f"nothing was changed: {error.says}")
        except Exception:  # noqa: BLE001 -- the marker knows what came of it
            _log.exception("a change failed")
            return request, await self._look_back(services, request)

    async def _look_back(self, services: Services, request: Request) -> Outcome:
        """Find out whether a change was made, and see that it no longer can be."""
        command = self._change(request)
        try:
            if command.look_back is not None:
                facts = await command.look_back(services, request)
                if facts is None:
                    return _unknown("It is still being found out")
            else:
                facts = await services.changes.fence(request)
                if facts is None:
                    return Outcome(Happened.NO, "nothing was changed")
        except (RedisError, ClusterError) as error:
            return _unknown(error.says)
        return command.tell(services.environment, request, facts)

    async def _finish(self, services: Services, request: Request, outcome: Outcome) -> None:
        """Record the end; a database that does not take it is asked again for a while."""
        limit = asyncio.get_running_loop().time() + _KEEP_TRYING
        while True:
            try:
                recorded = await services.approvals.finish(request, outcome, self._clock())
            except StateError:
                if asyncio.get_running_loop().time() > limit:
                    # Its heartbeat ends with this task, and the marker tells the leader the rest.
                    raise
                _log.warning("the end of a request could not be recorded yet")
                await asyncio.sleep(1)
            else:
                if not recorded:
                    _log.warning("the end of a request was recorded by another process")
                return

    async def _beat(self, services: Services, request: Request) -> None:
        while True:
            await asyncio.sleep(BEAT_EVERY.total_seconds())
            with suppress(StateError):
                await services.approvals.beat(request, self._clock())

    def _change(self, request: Request) -> Change[Any]:
        command = self._registry[request.command]
        if not isinstance(command, Change):
            raise TypeError(f"{request.command} is no change")
        return command


def _stopped(so_far: str, why: str) -> Outcome:
    return Outcome(
        Happened.YES,
        f"it stopped midway, {why}",
        after={"so far": so_far},
        notes=(so_far, "Ask for it again: it goes on where it stopped."),
        well=False,
        failed=True,
    )


def _unknown(why: str) -> Outcome:
    return Outcome(
        Happened.UNKNOWN,
        "not known yet whether it was done",
        notes=(
            f"{why}. As soon as it answers, this says whether it was done; nothing is repeated.",
        ),
        well=False,
    )
