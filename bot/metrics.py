"""The figures that /metrics answers with, in a registry of their own.

Names and labels are fixed: dashboards and alert rules elsewhere depend on them.
"""

from collections import Counter
from collections.abc import Collection, Iterable
from datetime import timedelta

from prometheus_client import CollectorRegistry, Gauge, Histogram, generate_latest
from prometheus_client import Counter as Metric

from bot.domain.alarms import Incident
from bot.domain.rules import RULES, Severity
from bot.domain.streams import Look, Stream


class Metrics:
    """Every figure of one process."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"prompt_redis_{name}", text, labels, registry=self._registry)

        def counter(name: str, text: str, *labels: str) -> Metric:
            return Metric(f"prompt_redis_bot_{name}", text, labels, registry=self._registry)

        stream = ("environment", "instrument")
        self._undelivered = gauge(
            "group_undelivered_entries", "Entries no worker has read, counted up to 5000", *stream
        )
        self._oldest = gauge(
            "group_oldest_undelivered_seconds", "Age in the stream of the oldest of them", *stream
        )
        self._pending = gauge(
            "group_pending_entries", "Entries read and never acknowledged", *stream
        )
        self._consumers = gauge("group_consumers", "Consumer names ever used", *stream)
        self._entries = gauge("stream_entries", "Entries in the stream", *stream)
        self._up = gauge("up", "1 if Redis answered the last look", "environment")
        self._poll = gauge("poll_seconds", "Duration of the last look at Redis", "environment")
        self._late = gauge(
            "bot_watch_late_seconds",
            "How late the watch is that this process has; 0 while it looks in time",
            "environment",
        )
        self._connections = gauge("bot_slack_connections", "Open Socket Mode connections")
        self._alarms = gauge("bot_alarms_firing", "Alarms that fire", "rule", "severity")
        self._firing: dict[str, Counter[tuple[str, str]]] = {}
        self._notifications = counter(
            "notifications", "Pages by target and how they ended", "target", "outcome"
        )
        self._leader = gauge("bot_leader", "1 if this process leads")
        self._requests = counter(
            "requests", "Requests for changes by how they ended", "command", "outcome"
        )
        self._commands = counter("commands", "Commands by how they ended", "command", "outcome")
        self._seconds = Histogram(
            "prompt_redis_bot_command_seconds",
            "Time from a command's arrival to its answer",
            ("command",),
            registry=self._registry,
        )

    def looked(self, environment: str, looks: Iterable[Look], took: timedelta) -> None:
        """Take over what a look at an environment's streams found.

        A figure that is no longer known is removed: a stale one would look like a quiet stream.
        """
        self._poll.labels(environment).set(took.total_seconds())
        up = True
        for look in looks:
            labels = (environment, look.instrument)
            up = up and look.outage is None
            for figure, value in self._figures(look):
                if value is None:
                    figure.remove(*labels)
                else:
                    figure.labels(*labels).set(value)
        self._up.labels(environment).set(up)

    def _figures(self, look: Look) -> Iterable[tuple[Gauge, float | None]]:
        stream, group = look.state, look.group
        yield self._entries, stream.length if isinstance(stream, Stream) else None
        yield self._undelivered, group.waiting.entries if group else None
        wait = (look.longest_wait or timedelta(0)) if group else None
        yield self._oldest, wait.total_seconds() if wait is not None else None
        yield self._pending, group.pending if group else None
        yield self._consumers, group.consumers if group else None

    def watch_late(self, environment: str, late: timedelta | None) -> None:
        """Note how late a watch is; None where it is another process's work."""
        if late is None:
            self._late.remove(environment)
        else:
            self._late.labels(environment).set(late.total_seconds())

    def command(self, name: str, outcome: str, took: timedelta) -> None:
        """Count a command that was answered."""
        self._commands.labels(name, outcome).inc()
        self._seconds.labels(name).observe(took.total_seconds())

    def request(self, command: str, outcome: str) -> None:
        """Count a request that has come to its end."""
        self._requests.labels(command, outcome).inc()

    def alarms(self, environment: str, incidents: Collection[Incident]) -> None:
        """Note which alarms fire in an environment; those that ended go back to 0."""
        self._firing[environment] = Counter(
            (each.leading, each.severity.value) for each in incidents
        )
        total: Counter[tuple[str, str]] = Counter()
        for each in self._firing.values():
            total.update(each)
        for rule in RULES:
            for severity in Severity:
                labels = (rule, severity.value)
                self._alarms.labels(*labels).set(total[labels])

    def notified(self, target: str, outcome: str) -> None:
        """Count a page that was sent, failed, or was given up."""
        self._notifications.labels(target, outcome).inc()

    def leads(self, leads: bool) -> None:
        """Note whether this process leads."""
        self._leader.set(leads)

    def slack_connections(self, count: int) -> None:
        """Note how many Socket Mode connections are open."""
        self._connections.set(count)

    def text(self) -> bytes:
        """Write everything in Prometheus' text format."""
        return generate_latest(self._registry)
