"""`upgrade`: what runs, and the steps to what shall run."""

import asyncio

from bot.command import Call, Purpose, Read, Reply, Right
from bot.domain.errors import ClusterError, RedisError, StateError, UserError
from bot.domain.maintenance import Window
from bot.domain.streams import ServerInfo
from bot.domain.workloads import Application, Workload
from bot.render import workloads


async def run(call: Call) -> Reply:
    """Look at the workload, at Argo CD and at Redis, at the same time; each may be away."""
    workload, application, server, (window, announcement) = await asyncio.gather(
        _workload(call), _application(call), _server(call), _window(call)
    )
    text, blocks, buttons = workloads.upgrade(
        call.environment,
        workload,
        application,
        server,
        window=window,
        announcement=announcement,
        slash=call.deployment.slash,
        now=call.now,
    )
    return Reply(blocks, text, buttons)


async def _workload(call: Call) -> Workload | ClusterError | None:
    try:
        return await call.services.workloads.inspect()
    except ClusterError as error:
        return error
    except UserError:
        return None


async def _application(call: Call) -> Application | ClusterError | None:
    try:
        return await call.services.workloads.application()
    except ClusterError as error:
        return error
    except UserError:
        return None


async def _server(call: Call) -> ServerInfo | RedisError:
    try:
        return await call.services.streams.server()
    except RedisError as error:
        return error


async def _window(call: Call) -> tuple[Window | None, str]:
    """Give the window that is under way or comes next, and the address of its announcement."""
    try:
        window = next(iter(await call.services.maintenance.windows()), None)
        return window, await call.services.addresses.of(window.id) if window else ""
    except StateError:
        return None, ""


COMMANDS = (
    Read(
        name="upgrade",
        usage="",
        summary="what runs, and the steps to a newer Redis",
        purpose=Purpose.LEARN,
        right=Right.ANYBODY,
        run=run,
        details=(
            "Chart, image and Redis version that run, how Argo CD sees the deployment, and the "
            "three steps of the procedure with their links. It changes nothing."
        ),
    ),
)
