"""Which link of the chain has likely failed, and which page of the runbook is about that.

A visit goes from the producer into a stream of Redis, is handed out by its group, and is read by
workers that KEDA starts. The bot sees Redis and its group; all else is concluded: *likely*.
"""

from dataclasses import dataclass
from enum import Enum

from bot.domain.alarms import Figures, Incident, Rule
from bot.domain.errors import Unreachable


class Part(Enum):
    """The links of the chain."""

    PRODUCER = "producer"
    WORKERS = "KEDA or the workers"
    GROUP = "group"
    REDIS = "Redis"


@dataclass(frozen=True)
class Diagnosis:
    """What has likely failed.

    Parameters
    ----------
    part
        Which link.
    likely
        A sentence or two, to follow "Likely:".
    topic
        Name of the runbook's topic.
    looks
        Names of addresses that help, the most useful first.
    """

    part: Part
    likely: str
    topic: str
    looks: tuple[str, ...] = ()


_AWAY = {
    Unreachable.REFUSED: "the pod is down, or just starting.",
    Unreachable.TIMED_OUT: "Redis hangs, or the network does.",
    Unreachable.UNRESOLVED: "the service is gone, or the address in the bot's configuration is "
    "wrong.",
    Unreachable.LOADING: "it has just started; it answers when its data is read.",
    Unreachable.PASSWORD: "its password was changed, and the bot was not told. Workers may go on.",
    Unreachable.DISK_FULL: "its volume is full, so it refuses to write and workers exit.",
    Unreachable.DISCONNECTED: "it is restarting.",
}

_WORKER_LOOKS = ("jobs", "grafana")
_REDIS_LOOKS = ("argocd", "grafana")

_NO_LAG = Diagnosis(
    Part.GROUP, "Redis reports no lag (nil), so KEDA starts no jobs.", "not reading", _WORKER_LOOKS
)
_NOTHING_READ = Diagnosis(Part.WORKERS, "KEDA or the workers.", "not reading", _WORKER_LOOKS)
_RATE_UNKNOWN = Diagnosis(
    Part.WORKERS,
    "workers do not keep up; how fast they read is not known yet.",
    "not reading",
    _WORKER_LOOKS,
)
_NO_GROUP = Diagnosis(
    Part.GROUP,
    "the stream or its group was deleted, or Redis has started with an empty volume.",
    "no group",
    _REDIS_LOOKS,
)
_CRASHES = Diagnosis(Part.WORKERS, "workers crash while they read.", "unconfirmed", _WORKER_LOOKS)
_MEMORY = Diagnosis(
    Part.REDIS, "a stream that is not trimmed, or too many consumer names.", "trim", _REDIS_LOOKS
)
_NAMES = Diagnosis(
    Part.GROUP, "each worker brings a new name, and none is ever removed.", "statistics"
)
_SILENT = Diagnosis(
    Part.PRODUCER,
    "the telescope does not observe, or the producer (the next-visit fan-out) adds nothing. "
    "The bot sees Redis, not the telescope.",
    "silent producer",
    ("grafana", "argocd"),
)

_TENTH = 0.05
"""Rates that are shown as one figure are taken as the same."""


def diagnose(incident: Incident) -> Diagnosis:
    """Conclude from what holds, and from the figures, what has likely failed."""
    match incident.name:
        case Rule.UNREACHABLE:
            return _away(kind_of(incident.figures))
        case Rule.MISSING:
            return _NO_GROUP
        case Rule.PENDING:
            return _CRASHES
        case Rule.MEMORY:
            return _MEMORY
        case Rule.CONSUMERS:
            return _NAMES
        case Rule.SILENT:
            return _SILENT
        case Rule.BACKLOG | Rule.EXPIRING | Rule.STALLED | Rule.UNKNOWN_LAG | Rule.LAG:
            return backlog(incident.figures, unmoved=Rule.STALLED in incident.findings)


def backlog(figures: Figures, *, unmoved: bool) -> Diagnosis:
    """Conclude why entries wait while Redis answers and the group is there.

    Parameters
    ----------
    figures
        Of the stream.
    unmoved
        Whether it is known that nothing has been read for minutes.
    """
    if not figures.lag_known:
        return _NO_LAG
    if unmoved or nothing_read(figures):
        return _NOTHING_READ
    if figures.read is None:
        return _RATE_UNKNOWN
    if figures.arriving is None or figures.arriving > figures.read + _TENTH:
        arriving = "" if figures.arriving is None else f" of {figures.arriving:.1f}"
        said = f"all workers are busy. Read {figures.read:.1f}{arriving} entries/s."
    else:
        said = (
            "all workers are busy with what has piled up. "
            f"Read {figures.read:.1f}, arriving {figures.arriving:.1f} entries/s."
        )
    return Diagnosis(Part.WORKERS, said, "not reading", _WORKER_LOOKS)


def nothing_read(figures: Figures) -> bool:
    """Tell whether it is known that nothing is read."""
    return figures.read is not None and figures.read < _TENTH


def growing(figures: Figures) -> bool:
    """Tell whether it is known that more arrives than is read."""
    if figures.arriving is None or figures.read is None:
        return False
    return figures.arriving > figures.read + _TENTH


def kind_of(figures: Figures) -> Unreachable | None:
    """Tell in which way Redis does not answer; None where that is not known."""
    for kind in Unreachable:
        if figures.kind in (kind.value, kind.name, kind.name.lower()):
            return kind
    return None


def adds_fail(kind: Unreachable | None) -> bool:
    """Tell whether visits cannot be added either: the bot's own password or name service cannot."""
    return kind not in (Unreachable.PASSWORD, Unreachable.UNRESOLVED)


def _away(kind: Unreachable | None) -> Diagnosis:
    likely = "Redis itself, or the network." if kind is None else _AWAY[kind]
    return Diagnosis(Part.REDIS, likely, "unreachable", _REDIS_LOOKS)
