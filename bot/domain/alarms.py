"""Alarms: what a rule finds, the one incident that it becomes, and what holds it.

An incident is a value, like a request: each step gives a new one with the next version, and whoever
writes it compares the version first. All rules about a backlog of one stream are one incident,
whose severity and first line change with them.

    firing → resolved        held, owned and escalated are things that a firing one may be
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Self

from bot.domain.environments import Person


class Rule(Enum):
    """The rules, by the names that people type and dashboards use."""

    BACKLOG = "backlog"
    EXPIRING = "expiring"
    STALLED = "stalled"
    UNKNOWN_LAG = "unknown_lag"
    MISSING = "missing"
    UNREACHABLE = "unreachable"
    PENDING = "pending"
    MEMORY = "memory"
    LAG = "lag"
    CONSUMERS = "consumers"
    SILENT = "silent"


class Severity(Enum):
    """How bad it is."""

    WARNING = "warning"
    CRITICAL = "critical"


FAMILY: Mapping[Rule, Rule] = dict.fromkeys(
    (Rule.BACKLOG, Rule.EXPIRING, Rule.STALLED, Rule.UNKNOWN_LAG, Rule.LAG), Rule.BACKLOG
)
"""Rules that are one incident of a stream, and the rule that names it; others name themselves."""

WHOLE = (Rule.UNREACHABLE, Rule.MEMORY)
"""Rules about the Redis under all streams."""

PIERCING = (Rule.MISSING, Rule.UNREACHABLE, Rule.EXPIRING)
"""Rules that no silence holds, also when it names them."""

AT_ONCE = (Rule.MISSING, Rule.UNREACHABLE, Rule.EXPIRING)
"""Rules of which, at night, every target is told at once."""

BY_RESTART = (Rule.MISSING, Rule.UNREACHABLE)
"""Rules that a restart makes fire by itself; an approved one holds them until it ends."""

EDIT_EVERY = timedelta(seconds=15)
"""Figures alone change a message at most this often."""


def family(rule: Rule) -> Rule:
    """Give the rule that names the incident of a rule."""
    return FAMILY.get(rule, rule)


@dataclass(frozen=True)
class Thresholds:
    """The limits of the rules in one environment; a rule that is switched off is not in `enabled`.

    The names are those of the configuration, and so are the meanings.
    """

    enabled: frozenset[Rule]
    backlog_warning: timedelta = timedelta(minutes=3)
    backlog_critical: timedelta = timedelta(minutes=10)
    backlog_for: timedelta = timedelta(seconds=60)
    backlog_least: int = 20
    expiring_within: timedelta = timedelta(minutes=30)
    stalled_warning: timedelta = timedelta(minutes=2)
    stalled_critical: timedelta = timedelta(minutes=5)
    unreachable_night: timedelta = timedelta(seconds=30)
    unreachable_day: timedelta = timedelta(minutes=3)
    unknown_lag_for: timedelta = timedelta(seconds=60)
    pending_new_per_hour: int = 10
    memory_above: int = 80
    lag_above: int = 2000
    lag_for: timedelta = timedelta(minutes=2)
    consumers_above: int = 50_000
    silent_for: timedelta = timedelta(minutes=20)


DEFAULT_RULES = frozenset(Rule) - {Rule.LAG, Rule.CONSUMERS, Rule.SILENT}
"""Rules that are on where the configuration says nothing."""


@dataclass(frozen=True)
class Finding:
    """A rule that holds at this moment.

    Parameters
    ----------
    rule, severity
        Which, and how bad.
    since
        Since when what it is about has been so.
    """

    rule: Rule
    severity: Severity
    since: datetime


@dataclass(frozen=True)
class Figures:
    """What a message shows of the stream, or of Redis, at one moment; all as they were looked at.

    Parameters
    ----------
    at
        When.
    waiting, visits, capped
        Entries that wait, their visits, True for at least.
    wait
        Longest wait.
    oldest_visit
        Name of the visit that waits longest.
    first_skipped
        When workers begin to skip it; None where they never do, or nothing waits.
    arriving, read
        Entries per second; None is unknown.
    read_last
        When something was last read, as far as the bot knows.
    between_visits
        Mean time between two visits; None is unknown.
    unconfirmed, consumers
        Entries read and never confirmed; consumer names.
    lag_known
        False where Redis reports no lag (nil).
    answers_in
        Round-trip time of Redis.
    kind, address, tries
        In which way Redis does not answer, where, and how often it was tried.
    memory, memory_limit
        Resident memory and its limit, in bytes; None is no limit.
    """

    at: datetime
    waiting: int = 0
    visits: int = 0
    capped: bool = False
    wait: timedelta | None = None
    oldest_visit: str = ""
    first_skipped: datetime | None = None
    arriving: float | None = None
    read: float | None = None
    read_last: datetime | None = None
    between_visits: timedelta | None = None
    unconfirmed: int = 0
    consumers: int = 0
    lag_known: bool = True
    answers_in: timedelta | None = None
    kind: str = ""
    address: str = ""
    tries: int = 0
    memory: int = 0
    memory_limit: int | None = None


@dataclass(frozen=True)
class Skipped:
    """A visit that workers skip, because it waited for too long."""

    visit: str
    entries: int
    at: datetime


class Holding(Enum):
    """What keeps an incident out of the channel."""

    SILENCE = "silence"
    WINDOW = "window"
    RESTART = "restart"
    INHIBITED = "inhibited"


@dataclass(frozen=True)
class Incident:
    """One alarm, from its first finding to its end.

    Parameters
    ----------
    id
        From the sequence that requests, silences and windows share.
    environment
        Name of the environment.
    name
        The rule that names it: `family` of those that fire.
    instrument
        Whose stream; empty for the Redis under all of them.
    began
        Since when what it is about has been so.
    opened
        When it was first found.
    findings
        Rules that hold now, by rule; the last ones where it is resolved.
    figures
        As last looked at.
    worst
        Highest severity so far.
    highest_waiting, highest_visits, highest_capped, highest_wait
        Peaks so far.
    skipped
        Visits that are skipped because of it, in order.
    held
        What keeps it out of the channel; None where it is shown.
    was_held
        True if something ever did.
    owner, owned
        Who is on it, and since when.
    asked
        When the owner was last asked whether they still are.
    critical_since
        Since when it is critical without a break; None where it is not.
    told
        Names of the targets that were told, and when.
    resolved
        When it ended.
    drawn
        When its message was last wanted anew for its figures.
    version
        Grows with every change that is kept.
    """

    id: int
    environment: str
    name: Rule
    instrument: str
    began: datetime
    opened: datetime
    findings: Mapping[Rule, Finding]
    figures: Figures
    worst: Severity = Severity.WARNING
    highest_waiting: int = 0
    highest_visits: int = 0
    highest_capped: bool = False
    highest_wait: timedelta | None = None
    skipped: tuple[Skipped, ...] = ()
    held: Holding | None = None
    was_held: bool = False
    owner: Person | None = None
    owned: datetime | None = None
    asked: datetime | None = None
    critical_since: datetime | None = None
    told: Mapping[str, datetime] = field(default_factory=dict)
    resolved: datetime | None = None
    drawn: datetime | None = None
    version: int = 0

    @property
    def severity(self) -> Severity:
        """How bad it is now: the worst of what holds."""
        worst = (each.severity is Severity.CRITICAL for each in self.findings.values())
        return Severity.CRITICAL if any(worst) else Severity.WARNING

    @property
    def leading(self) -> Rule:
        """The rule that its first line is about."""
        order = (
            Rule.EXPIRING,
            Rule.STALLED,
            Rule.BACKLOG,
            Rule.UNKNOWN_LAG,
            Rule.LAG,
        )
        critical = [r for r in order if r in self.findings and self._critical(r)]
        firing = [r for r in order if r in self.findings]
        return next(iter((*critical, *firing, *self.findings, self.name)))

    def _critical(self, rule: Rule) -> bool:
        return self.findings[rule].severity is Severity.CRITICAL

    def owned_by(self, person: Person, now: datetime) -> Self:
        """Let somebody be on it; this stops the clock."""
        return self._next(owner=person, owned=now, asked=None)

    def asked_again(self, now: datetime) -> Self:
        """Note that the owner was asked whether they are still on it."""
        return self._next(asked=now)

    def told_to(self, targets: Collection[str], now: datetime) -> Self:
        """Note that targets are told."""
        return self._next(told={**self.told, **dict.fromkeys(targets, now)})

    def _next(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Silence:
    """Somebody's wish to hear nothing of something for a while. Its state follows from the time.

    Parameters
    ----------
    id
        From the shared sequence.
    environment
        Whose alarms.
    instrument, rule, incident
        What it holds: everything of an instrument, everything of a rule, or one incident.
    by, reason
        Who, and why.
    starts, ends
        From when until when; `ends` is None until the incidents that it holds are resolved.
    lifted
        When somebody ended it early.
    """

    id: int
    environment: str
    by: Person
    reason: str
    starts: datetime
    ends: datetime | None
    instrument: str = ""
    rule: Rule | None = None
    incident: int | None = None
    lifted: datetime | None = None

    def active(self, now: datetime) -> bool:
        """Tell whether it holds anything at this moment."""
        return self.lifted is None and self.starts <= now and (self.ends is None or now < self.ends)

    def matches(self, incident: Incident) -> bool:
        """Tell whether it is about an incident; what pierces silences it does not hold."""
        if self.incident is not None:
            return self.incident == incident.id
        if self.rule is not None:
            return family(self.rule) is incident.name
        return self.instrument == incident.instrument


@dataclass(frozen=True)
class Hours:
    """A time during which an environment's alarms are held; `expiring` pierces it."""

    starts: datetime
    ends: datetime
