"""`upgrade`: what runs, and the steps to what shall run."""

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import TypeVar

from bot.command import Call, Purpose, Read, Reply
from bot.domain.errors import ClusterError, RedisError, StateError, UserError
from bot.domain.maintenance import Window
from bot.domain.streams import ServerInfo
from bot.domain.workloads import Application, Workload
from bot.render.blocks import Button, context, join, link, mark, section
from bot.render.words import SKIPPED_MEANWHILE, clock
from bot.render.workloads import pod

RELEASES = "https://github.com/lsst-sqre/charts/releases"
CHART = "https://github.com/lsst-sqre/phalanx/blob/main/applications/prompt-redis/Chart.yaml#L10"
"""As the written procedure has them."""

_Found = TypeVar("_Found")


async def run(call: Call) -> Reply:
    """Look at the workload, at Argo CD and at Redis, at the same time; each may be away."""
    environment, now, slash = call.environment, call.now, call.deployment.slash
    workload, application, server, (window, announcement) = await asyncio.gather(
        _found(call.services.workloads.inspect()),
        _found(call.services.workloads.application()),
        _server(call),
        _window(call),
    )
    first = _first(environment.label, workload, server)
    facts = [
        ("Chart", _said_by(workload, "chart")),
        ("Image", _said_by(workload, "image")),
        ("Redis", _version(server)),
    ]
    if application is not None:
        facts.append(("Argo CD", _argo(application)))
    if isinstance(workload, Workload):
        facts.append(("Pods", _pods(workload, now)))
    facts.append(("Maintenance", _maintenance(window, announcement, now)))
    argocd = environment.link("argocd")
    steps = [
        mark("*1.* Choose a release of the chart, and read it: {}.", link(RELEASES, "releases")),
        mark("*2.* Set it in Phalanx, and merge: {}.", link(CHART, "the chart's version line")),
        mark(
            "*3.* Announce it, then Refresh and Sync in {}: this replaces the pod.",
            link(argocd, "Argo CD") if argocd else "Argo CD",
        ),
        (f"*Done when* `{slash} ping` answers and `{slash} stats` is healthy. {SKIPPED_MEANWHILE}"),
    ]
    blocks = [
        section(first, facts),
        section(join("\n", steps)),
        context(f"{clock(now, seconds=True)} UTC"),
    ]
    announce = () if window else (Button("Announce maintenance…", "maintenance"),)
    buttons = (*call.reading_buttons, *announce, Button("Runbook", "runbook", "upgrade"))
    return Reply(first, blocks, buttons)


async def _found(asked: Awaitable[_Found]) -> _Found | ClusterError | None:
    """Give what was found, or why not; None where it is not configured."""
    try:
        return await asked
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
        return window, await call.services.posts.address(window.id) if window else ""
    except StateError:
        return None, ""


def _first(
    label: str, workload: Workload | ClusterError | None, server: ServerInfo | RedisError
) -> str:
    runs = _version(server) if isinstance(server, ServerInfo) else "a Redis that does not answer"
    if not isinstance(workload, Workload):
        return f"🔧 *{label} runs {runs}.*"
    emoji, more = "🔧", ""
    if workload.stuck is not None:
        emoji, more = "🔴", f" Its pod does not start: {workload.stuck.waiting}."
    elif workload.rolling_out:
        emoji, more = "🟡", " A rollout is under way."
    from_chart = f" from {workload.chart}" if workload.chart else ""
    return f"{emoji} *{label} runs {runs}{from_chart}.*{more}"


def _said_by(workload: Workload | ClusterError | None, name: str) -> str:
    if workload is None:
        return "unknown: the bot's configuration does not say where it runs"
    if isinstance(workload, ClusterError):
        return f"unknown: {workload.says}"
    return getattr(workload, name) or "unknown: the StatefulSet does not say"


def _version(server: ServerInfo | RedisError) -> str:
    if isinstance(server, ServerInfo):
        return server.named
    return f"unknown: {server.says}"


def _argo(application: Application | ClusterError) -> str:
    if isinstance(application, ClusterError):
        return f"unknown: {application.says}"
    last = f", last sync {application.phase}" if application.phase else ""
    return f"{application.sync}, {application.health}{last}"


def _pods(workload: Workload, now: datetime) -> str:
    ready = f"{workload.ready} of {workload.replicas} ready"
    return "; ".join([ready, *(pod(each, now) for each in workload.pods)])


def _maintenance(window: Window | None, announcement: str, now: datetime) -> str:
    if window is None:
        return "none planned"
    named = f"window {window.id}"
    until = f"until {clock(window.ends, now=now)} UTC"
    when = until if window.started else f"from {clock(window.starts, now=now)} {until}"
    return mark("{}, {}", link(announcement, named) if announcement else named, when)


COMMANDS = (
    Read(
        name="upgrade",
        summary="what runs, and the steps to a newer Redis",
        purpose=Purpose.LEARN,
        run=run,
        details=(
            "Chart, image and Redis version that run, how Argo CD sees the deployment, and the "
            "three steps of the procedure with their links. It changes nothing."
        ),
    ),
)
