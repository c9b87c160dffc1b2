"""What runs a Redis, in words: its pod, its workers' jobs, its deployment."""

from dataclasses import dataclass
from datetime import datetime

from bot.domain.streams import ServerInfo
from bot.domain.workloads import Jobs, Pod, Workload
from bot.render.words import clock, count, rough


@dataclass(frozen=True)
class Around:
    """What is known around an alarm.

    Parameters
    ----------
    pod, jobs
        What runs Redis, and an instrument's workers; None where nobody can tell.
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


def stopped(running: Jobs | None) -> str:
    """Say what has likely stopped, as far as the jobs tell."""
    if running is None:
        what = "KEDA or the workers have stopped"
    elif running.paused:
        what = "it is KEDA: it is paused, and starts no jobs"
    elif running.running == 0:
        what = "it is KEDA: no job runs"
    else:
        what = "it is the workers: jobs run, and read nothing"
    return f"*Likely:* Redis answers and the group is there, so {what}."


def storage(workload: Workload, server: ServerInfo | None) -> str:
    """Say on what Redis keeps its data."""
    keeps = workload.append_only if server is None else server.append_only
    how = {True: "append-only file", False: "no append-only file", None: "unknown whether it does"}
    where = f" on a volume ({workload.storage})" if workload.storage else ", on no volume"
    return how[keeps] + where
