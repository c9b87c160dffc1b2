"""What runs a Redis, in words: its pod, its workers' jobs, its deployment."""

from dataclasses import dataclass
from datetime import datetime

from bot.domain.environments import Environment
from bot.domain.errors import ClusterError, RedisError
from bot.domain.maintenance import Window
from bot.domain.streams import ServerInfo
from bot.domain.workloads import Application, Jobs, Pod, Workload
from bot.render.blocks import Block, Button, Markup, code, context, join, link, mark, section
from bot.render.errors import saying
from bot.render.words import clock, count, rough

RELEASES = "https://github.com/lsst-sqre/charts/releases"
CHART = "https://github.com/lsst-sqre/phalanx/blob/main/applications/prompt-redis/Chart.yaml#L10"
"""As the written procedure has them."""


@dataclass(frozen=True)
class Around:
    """What is known around an alarm.

    Parameters
    ----------
    pod, jobs
        What runs Redis, and an instrument's workers; None where nobody can tell.
    restartable
        Whether the bot can restart Redis.
    window, announcement
        The maintenance window that is under way, and the address of its message.
    """

    pod: Pod | None = None
    jobs: Jobs | None = None
    restartable: bool = False
    window: int | None = None
    announcement: str = ""


NOTHING_KNOWN = Around()


def pod(pod: Pod, now: datetime) -> str:
    """Write ``prompt-redis-0, ready for 6 days, last ended OOMKilled 06:40:09 UTC``."""
    parts = [f"{pod.name}, {_state(pod, now)}"]
    if pod.restarts:
        parts.append(f"restarted {count(pod.restarts, 'time')}")
    if pod.last_ended:
        at = f" {clock(pod.last_ended_at, seconds=True, now=now)} UTC" if pod.last_ended_at else ""
        parts.append(f"last ended {pod.last_ended}{at}")
    return ", ".join(parts)


def _state(pod: Pod, now: datetime) -> str:
    if pod.leaving:
        return "is being stopped"
    if pod.waiting:
        return f"does not run: {pod.waiting}" if pod.stuck else f"is starting: {pod.waiting}"
    if not pod.ready:
        return "not ready"
    # Ready says nothing of Redis: there is no readiness probe.
    return f"ready for {rough(now - pod.started)}" if pod.started else "ready"


def jobs(found: Jobs) -> str:
    """Write ``12 of 1,700 run``, and whether KEDA is paused."""
    most = "" if found.most is None else f" of {found.most:,}"
    paused = "; KEDA is paused, it starts none" if found.paused else ""
    return f"{found.running:,}{most} run{paused}"


def stopped(running: Jobs | None) -> Markup:
    """Say what has likely stopped, as far as the jobs tell."""
    answers = "*Likely:* Redis answers and the group is there, so"
    if running is not None and running.paused:
        return mark("{} it is KEDA: it is paused, and starts no jobs.", Markup(answers))
    if running is not None and running.running == 0:
        return mark("{} it is KEDA: no job runs.", Markup(answers))
    if running is not None:
        return mark("{} it is the workers: jobs run, and read nothing.", Markup(answers))
    return mark("{} KEDA or the workers have stopped.", Markup(answers))


def storage(workload: Workload, server: ServerInfo | None) -> str:
    """Say on what Redis keeps its data."""
    keeps = workload.append_only if server is None else server.append_only
    how = {True: "append-only file", False: "no append-only file", None: "unknown whether it does"}
    where = f" on a volume ({workload.storage})" if workload.storage else ", on no volume"
    return how[keeps] + where


def upgrade(
    environment: Environment,
    workload: Workload | ClusterError | None,
    application: Application | ClusterError | None,
    server: ServerInfo | RedisError,
    *,
    window: Window | None,
    announcement: str,
    slash: str,
    now: datetime,
) -> tuple[Markup, list[Block], list[Button]]:
    """Draw what runs, and the steps to what shall run.

    Parameters
    ----------
    environment
        Where.
    workload, application, server
        What was found, or why not; None where it is not configured.
    window, announcement
        The maintenance window that is under way or comes next, and the address of its message.
    slash
        The slash command of this deployment.
    now
        When it is read.
    """
    first = _first(environment, workload, server)
    facts = [
        ("Chart", mark("{}", _chart(workload))),
        ("Image", mark("{}", _image(workload))),
        ("Redis", mark("{}", _version(server))),
    ]
    if application is not None:
        facts.append(("Argo CD", mark("{}", _argo(application))))
    if isinstance(workload, Workload):
        facts.append(("Pods", mark("{}", _pods(workload, now))))
    facts.append(("Maintenance", _window(window, announcement, now)))
    argocd = environment.link("argocd")
    steps = [
        mark("*1.* Choose a release of the chart, and read it: {}.", link(RELEASES, "releases")),
        mark("*2.* Set it in Phalanx, and merge: {}.", link(CHART, "the chart's version line")),
        mark(
            "*3.* Announce it, then Refresh and Sync in {}: this replaces the pod.",
            link(argocd, "Argo CD") if argocd else Markup("Argo CD"),
        ),
        mark(
            "*Done when* {} answers and {} is healthy. Visits announced while Redis is away are "
            "skipped: the fan-out service does not repeat them.",
            code(f"{slash} ping"),
            code(f"{slash} stats"),
        ),
    ]
    blocks = [
        section(first, facts),
        section(join("\n", steps)),
        context(mark("{} UTC", clock(now, seconds=True))),
    ]
    buttons = [Button("Refresh", "upgrade"), Button("Share in channel", "upgrade", word="share")]
    if window is None:
        buttons.append(Button("Announce maintenance…", "maintenance"))
    buttons.append(Button("Runbook", "runbook", "upgrade"))
    return first, blocks, buttons


def _first(
    environment: Environment,
    workload: Workload | ClusterError | None,
    server: ServerInfo | RedisError,
) -> Markup:
    runs = _version(server) if isinstance(server, ServerInfo) else "a Redis that does not answer"
    if not isinstance(workload, Workload):
        return mark("🔧 *{} runs {}.*", environment.label, runs)
    emoji, more = "🔧", ""
    if workload.stuck is not None:
        emoji, more = "🔴", f" Its pod does not start: {workload.stuck.waiting}."
    elif workload.rolling_out:
        emoji, more = "🟡", " A rollout is under way."
    from_chart = f" from {workload.chart}" if workload.chart else ""
    return mark("{} *{} runs {}{}.*{}", emoji, environment.label, runs, from_chart, more)


def _chart(workload: Workload | ClusterError | None) -> str:
    return _of(workload, "chart")


def _image(workload: Workload | ClusterError | None) -> str:
    return _of(workload, "image")


def _of(workload: Workload | ClusterError | None, name: str) -> str:
    if workload is None:
        return "unknown: the bot's configuration does not say where it runs"
    if isinstance(workload, ClusterError):
        return f"unknown: {saying(workload)}"
    return getattr(workload, name) or "unknown: the StatefulSet does not say"


def _version(server: ServerInfo | RedisError) -> str:
    if isinstance(server, ServerInfo):
        return f"{server.product} {server.version}"
    return f"unknown: {saying(server)}"


def _argo(application: Application | ClusterError) -> str:
    if isinstance(application, ClusterError):
        return f"unknown: {saying(application)}"
    last = f", last sync {application.phase}" if application.phase else ""
    return f"{application.sync}, {application.health}{last}"


def _pods(workload: Workload, now: datetime) -> str:
    ready = f"{workload.ready} of {workload.replicas} ready"
    named = [pod(each, now) for each in workload.pods]
    return "; ".join([ready, *named])


def _window(window: Window | None, announcement: str, now: datetime) -> Markup:
    if window is None:
        return Markup("none planned")
    named = f"window {window.id}"
    until = f"until {clock(window.ends, now=now)} UTC"
    when = until if window.started else f"from {clock(window.starts, now=now)} {until}"
    return mark("{}, {}", link(announcement, named) if announcement else Markup(named), when)
