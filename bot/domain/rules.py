"""The rules of the watch, each a row: what it looks for, its limits, and what follows from it.

`RULES` is the only list of them. Configuration, watch, commands, metrics and messages read it when
they need it and keep no copy; what a rule says to people is its row in `bot.render.rules`.

A rule is a function of what is remembered, of its limits, of the time, and of what it found before.
One that holds ends only when it has clearly been over for a while, so that an alarm does not come
and go; until then it tells when it will. While Redis does not tell how a stream is, everything
stays as it was.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Generic, NewType, TypeVar, cast

from bot.domain.samples import (
    LOOKS_KEPT,
    POLLS,
    Figures,
    History,
    Mark,
    ServerRecord,
    StreamRecord,
)

COLD_START = timedelta(minutes=5)
"""After a pause workers start cold: what waits has so long before it is worth a warning."""

OVER_FOR = timedelta(seconds=60)
"""A rule about waiting entries ends when its condition has clearly been over for this time."""

BACK_FOR = timedelta(seconds=10)
"""What was missing or unreachable is back when it has been so for this time."""

_NIGHTLY_SHARE = timedelta(minutes=3)
_DAILY_SHARE = LOOKS_KEPT
"""Over which the times that Redis did not answer are added up."""

_MISSING_POLLS = 2
_MEMORY_POINTS = 5
_NEARLY = 0.95
_MINUTE = timedelta(minutes=1)

_Test = Callable[[Mark], bool]

Percent = NewType("Percent", float)
"""A share from more than 0 to 100."""


class Severity(Enum):
    """How bad it is."""

    WARNING = "warning"
    CRITICAL = "critical"


class ChainLink(Enum):
    """A link of the chain that a visit goes through."""

    PRODUCER = "producer"
    WORKERS = "KEDA or the workers"
    GROUP = "group"
    REDIS = "Redis"


class Runs(Enum):
    """What runs the link that a rule is about, where Kubernetes tells of it."""

    POD = "pod"
    JOBS = "jobs"


@dataclass(frozen=True)
class Finding:
    """A rule that holds at this moment, and since when what it is about has been so.

    Parameters
    ----------
    ends
        When it ends if all stays as it is: its condition is not met any more, but not for long
        enough. None while it is met.
    recurs
        True if no single time of it was long enough, but several together were.
    """

    rule: str
    severity: Severity
    since: datetime
    ends: datetime | None = None
    recurs: bool = False


@dataclass(frozen=True)
class Diagnosis:
    """What has likely failed.

    The bot sees Redis and its group; all else is concluded: *likely*.

    Parameters
    ----------
    likely
        A sentence or two, to follow "Likely:".
    looks
        Names of addresses that help, the most useful first.
    """

    link: ChainLink
    likely: str
    topic: str
    looks: tuple[str, ...] = ()


@dataclass(frozen=True)
class NoLimits:
    """The limits of a rule that has none."""


L = TypeVar("L")

Likely = Diagnosis | Callable[[Figures, Collection[str]], Diagnosis]
"""What has likely failed: always the same, or concluded from figures and the rules that hold."""


@dataclass(frozen=True, eq=False)
class Rule(Generic[L]):
    """A rule.

    Parameters
    ----------
    name
        What people type and dashboards use.
    about
        What it is about, in a sentence.
    limits
        Its limits by default, a frozen dataclass: the keys of its section in the configuration.
        Its fields are durations, counts and percentages, each with a docstring; `hold` is the key
        `for`, and may be zero.
    likely
        What has likely failed; asked of the rule that names an incident.
    joins
        Name of the rule whose incident it joins; empty for an incident of its own.
    leads
        Within one incident, the rule with the higher figure speaks first where both hold.
    severity
        How bad it is where nothing tells more.
    whole
        True if it is about the Redis under all streams, not about one of them.
    runs
        What is shown beside its figures.
    pierces, pierces_windows
        True if no silence holds it, also when it names it; if no maintenance window holds it.
    at_once
        True if at night every target is told of it at once.
    inhibits
        True if the rules about streams rest while it holds.
    by_restart
        True if a restart makes it hold by itself; an approved one keeps it from the channel.
    off
        True if it is evaluated only where the configuration says so.
    critical_at
        Tells from figures, its finding and its limits when it becomes critical if nothing changes;
        None where that is not known. Left out where it never changes.
    """

    name: str
    about: str
    limits: L
    find: Callable[["Case[L]"], Finding | None]
    likely: Likely
    joins: str = ""
    leads: int = 0
    severity: Severity = Severity.WARNING
    whole: bool = False
    runs: Runs | None = None
    pierces: bool = False
    pierces_windows: bool = False
    at_once: bool = False
    inhibits: bool = False
    by_restart: bool = False
    off: bool = False
    critical_at: Callable[[Figures, Finding | None, L], datetime | None] | None = None

    @property
    def head(self) -> str:
        """Name of the rule that names its incident: itself, or the one that it joins."""
        return self.joins or self.name


@dataclass(frozen=True)
class Thresholds:
    """Which rules are on in one environment, and with which limits.

    Parameters
    ----------
    limits
        Limits by name of the rule, where they are not those of its row.
    """

    enabled: frozenset[str]
    limits: Mapping[str, object] = field(default_factory=dict)

    def of(self, rule: Rule[L]) -> L:
        """Give the limits of a rule, whether it is on or not."""
        return cast("L", self.limits.get(rule.name, rule.limits))

    def rules(self, *, whole: bool) -> Iterator[tuple[Rule[Any], Any]]:
        """Go through those that are on, of streams or of the whole, each with its limits."""
        for rule in RULES.values():
            if rule.whole is whole and rule.name in self.enabled:
                yield rule, self.of(rule)


@dataclass(frozen=True, slots=True)
class Case(Generic[L]):
    """What a rule looks at.

    Parameters
    ----------
    found
        What the rule found at the look before; None where it did not hold.
    dusk
        When the night began; None where nobody knows, or it is day.
    """

    rule: Rule[L]
    limits: L
    now: datetime
    night: bool
    found: Finding | None = None
    record: StreamRecord = field(default=StreamRecord())
    server: ServerRecord = field(default=ServerRecord())
    dusk: datetime | None = None

    @property
    def firing(self) -> bool:
        """Whether it holds already."""
        return self.found is not None

    @property
    def history(self) -> History:
        """Figures of the last hour."""
        return self.record.history

    @property
    def last(self) -> Mark:
        """The newest mark; no rule about a stream is asked before there is one."""
        return self.record.history.recent[-1]

    def holds(
        self,
        since: datetime,
        *,
        critical: bool | None = None,
        ends: datetime | None = None,
        recurs: bool = False,
    ) -> Finding:
        """Say that the rule holds, as bad as its row says unless it is told."""
        severity = self.rule.severity
        if critical is not None:
            severity = Severity.CRITICAL if critical else Severity.WARNING
        return Finding(self.rule.name, severity, since, ends, recurs)

    def nearly(self, limit: float) -> float:
        """Give a limit, a little lower while the rule holds."""
        return limit * (_NEARLY if self.firing else 1)

    def still(self, over: _Test) -> tuple[Mark, datetime | None] | None:
        """Give the last mark at which it still held, and when it ends unless it holds again.

        None where it has been over for long.
        """
        since = None
        for mark in self.history.back():
            if not over(mark):
                return mark, since and since + OVER_FOR
            since = mark.at
            if self.last.at - since >= OVER_FOR:
                return None
        return self.last, since and since + OVER_FOR

    def held(self, hold: timedelta, test: _Test) -> Finding | None:
        """Find what must hold for some time, and be over for some time."""
        if self.firing:
            still = self.still(lambda mark: not test(mark))
            if still is None:
                return None
            mark, ends = still
            recent = tuple(each for each in self.history.recent if each.at <= mark.at)
            since = History(recent, self.history.minutes).since(test)
            return self.holds(since or mark.at, ends=ends)
        if not test(self.last):
            return None
        since = self.history.since(test) or self.last.at
        return self.holds(since) if self.last.at - since >= hold else None

    def latched(self, critical: _Test, over: _Test) -> bool:
        """Tell whether it became critical and has not clearly been over since."""
        latched, since = False, None
        for mark in self.history.forward():
            if critical(mark):
                latched, since = True, None
            elif not over(mark):
                since = None
            else:
                since = since or mark.at
                latched = latched and mark.at - since < OVER_FOR
        return latched


def stream_findings(
    record: StreamRecord,
    thresholds: Thresholds,
    *,
    now: datetime,
    night: bool,
    firing: Mapping[str, Finding],
    dusk: datetime | None = None,
    failed: dict[str, Exception] | None = None,
) -> tuple[Finding, ...]:
    """Tell which rules about a stream hold, in the order of `RULES`.

    Parameters
    ----------
    firing
        What was found at the look before, by rule.
    dusk
        When the night began; while it is None, `silent` cannot tell how long the night has
        lasted, and does not begin.
    failed
        Takes what rules raise, by their names; they stay as they were, and spoil no other. Left
        out, they raise it.
    """
    last = record.history.last
    # What Redis does not tell stays as it was last seen.
    seen = now if record.told else last.at if last else record.at or now
    found: list[Finding | None] = []
    for rule, limits in thresholds.rules(whole=False):
        before = firing.get(rule.name)
        case = Case(rule, limits, seen, night, before, record=record, dusk=dusk if night else None)
        if last is not None and record.told:
            found.append(_asked(case, failed))
        elif before is not None:
            # Nobody sees whether it is about to end.
            stays = _asked(case, failed) if last else None
            found.append(replace(stays or case.holds(seen), ends=None))
    return tuple(filter(None, found))


def server_findings(
    record: ServerRecord,
    thresholds: Thresholds,
    *,
    now: datetime,
    night: bool,
    firing: Mapping[str, Finding],
    failed: dict[str, Exception] | None = None,
) -> tuple[Finding, ...]:
    """Tell which rules about the Redis under all streams hold, as `stream_findings` does."""
    found = (
        _asked(Case(rule, limits, now, night, firing.get(rule.name), server=record), failed)
        for rule, limits in thresholds.rules(whole=True)
    )
    return tuple(filter(None, found))


def _asked(case: Case[Any], failed: dict[str, Exception] | None) -> Finding | None:
    """Ask one rule; one that fails stays as it was."""
    rule: Rule[Any] = case.rule
    try:
        return rule.find(case)
    except Exception as error:
        if failed is None:
            raise
        failed[rule.name] = error
        return case.found


_WORKER_LOOKS = ("jobs", "grafana")
_REDIS_LOOKS = ("argocd", "grafana")


# Entries wait: one incident of a stream, whichever of these rules hold.


def _why_waiting(figures: Figures, rules: Collection[str]) -> Diagnosis:
    """Conclude why entries wait while Redis answers and the group is there."""
    if not figures.lag_known:
        likely = "Redis reports no lag (nil), so KEDA starts no jobs."
        return Diagnosis(ChainLink.GROUP, likely, "not reading", _WORKER_LOOKS)
    if STALLED.name in rules or figures.nothing_read:
        said = "KEDA or the workers."
    elif figures.read is None:
        said = "workers do not keep up; how fast they read is not known yet."
    elif figures.arriving is None or figures.growing:
        arriving = "" if figures.arriving is None else f" of {figures.arriving:.1f}"
        said = f"all workers are busy. Read {figures.read:.1f}{arriving} entries/s."
    else:
        said = (
            "all workers are busy with what has piled up. "
            f"Read {figures.read:.1f}, arriving {figures.arriving:.1f} entries/s."
        )
    return Diagnosis(ChainLink.WORKERS, said, "not reading", _WORKER_LOOKS)


@dataclass(frozen=True)
class BacklogLimits:
    """How long entries may wait."""

    warning: timedelta = timedelta(minutes=3)
    """Longest wait that makes a warning."""

    critical: timedelta = timedelta(minutes=10)
    """Longest wait that makes it critical; at least `warning`."""

    hold: timedelta = timedelta(seconds=60)
    """How long the condition must hold."""

    least: int = 20
    """Fewer waiting entries make no alarm."""


def _backlog(case: Case[BacklogLimits]) -> Finding | None:
    limits, last = case.limits, case.last

    def critical(mark: Mark) -> bool:
        return mark.wait >= limits.critical

    if case.firing:
        still = case.still(
            lambda mark: mark.waiting < limits.least or mark.wait < limits.warning / 2
        )
        if still is None:
            return None
        mark, ends = still
        bad = case.latched(
            critical, lambda mark: not mark.waiting or mark.wait < limits.critical / 2
        )
        return case.holds(mark.at - mark.wait, critical=bad, ends=ends)

    def waits(mark: Mark) -> bool:
        return mark.waiting >= limits.least and mark.wait >= limits.warning

    if not waits(last):
        return None
    since = case.history.since(waits) or last.at
    if case.record.arrivals.woke is not None:
        since = max(since, case.record.arrivals.woke + COLD_START)
    if last.at - since < limits.hold or _shrinking(case.history, last):
        return None
    return case.holds(last.at - last.wait, critical=critical(last))


def _shrinking(history: History, last: Mark) -> bool:
    """Whether less waits than a minute ago; the highest of a minute, as visits come in bursts."""
    if next(history.forward()).at > last.at - 2 * _MINUTE:
        # Nobody knows yet, and a backlog that the bot finds when it starts may be on its way out.
        return True
    now = [mark for mark in history.recent if last.at - mark.at < _MINUTE]
    before = [mark for mark in history.recent if _MINUTE <= last.at - mark.at < 2 * _MINUTE]
    if not before:
        # Redis was away.
        return False
    if any(mark.capped for mark in (*now, *before)):
        return max(mark.wait for mark in now) < max(mark.wait for mark in before)
    return max(mark.waiting for mark in now) < max(mark.waiting for mark in before)


BACKLOG = Rule(
    name="backlog",
    about="Entries wait for long.",
    limits=BacklogLimits(),
    find=_backlog,
    likely=_why_waiting,
    leads=2,
    runs=Runs.JOBS,
    critical_at=lambda figures, finding, limits: (
        figures.at - figures.wait + limits.critical
        if finding and figures.wait is not None
        else None
    ),
)


@dataclass(frozen=True)
class ExpiringLimits:
    """How late visits may be read."""

    within: timedelta = timedelta(minutes=30)
    """How soon."""


def _expiring(case: Case[ExpiringLimits]) -> Finding | None:
    within, last = case.limits.within, case.last
    if not case.firing:
        soon = last.skipped is not None and last.skipped - case.now <= within
        return case.holds(last.at - last.wait) if soon else None
    still = case.still(
        lambda mark: not mark.vague and (mark.skipped is None or mark.skipped - mark.at > within)
    )
    if still is None:
        return None
    mark, ends = still
    return case.holds(mark.at - mark.wait, ends=ends)


EXPIRING = Rule(
    name="expiring",
    about="The first waiting visit will soon be skipped.",
    limits=ExpiringLimits(),
    find=_expiring,
    likely=_why_waiting,
    joins=BACKLOG.name,
    leads=4,
    severity=Severity.CRITICAL,
    pierces=True,
    pierces_windows=True,
    at_once=True,
    critical_at=lambda figures, _, limits: (
        figures.first_skipped - limits.within if figures.first_skipped else None
    ),
)


@dataclass(frozen=True)
class StalledLimits:
    """How long nothing may be read while entries wait."""

    warning: timedelta = timedelta(minutes=2)
    """Time without a reading that makes a warning, and the verdict "not reading"."""

    critical: timedelta = timedelta(minutes=5)
    """Time without a reading that makes it critical; at least `warning`."""


def _stalled(case: Case[StalledLimits]) -> Finding | None:
    limits, last, woke = case.limits, case.last, case.record.arrivals.woke

    def critical(mark: Mark) -> bool:
        return mark.unread >= limits.critical

    if case.firing:
        # One entry read, and then none again, is no recovery.
        still = case.still(lambda mark: mark.unread < limits.warning / 2)
        if still is None:
            return None
        mark, ends = still
        bad = case.latched(critical, lambda mark: mark.unread < limits.critical / 2)
        return case.holds(mark.at - mark.unread, critical=bad, ends=ends)
    if not last.waiting or last.unread < limits.warning:
        return None
    bad = critical(last)
    if not bad and woke is not None and last.at < woke + COLD_START:
        return None
    return case.holds(last.at - last.unread, critical=bad)


STALLED = Rule(
    name="stalled",
    about="Entries wait and nothing is read.",
    limits=StalledLimits(),
    find=_stalled,
    likely=_why_waiting,
    joins=BACKLOG.name,
    leads=3,
    critical_at=lambda _, finding, limits: finding.since + limits.critical if finding else None,
)


@dataclass(frozen=True)
class UnknownLagLimits:
    """How long Redis may report no lag."""

    hold: timedelta = timedelta(seconds=60)
    """How long the condition must hold."""


UNKNOWN_LAG = Rule(
    name="unknown_lag",
    about="Redis reports no lag while entries wait.",
    limits=UnknownLagLimits(),
    find=lambda case: case.held(case.limits.hold, lambda mark: mark.nil),
    likely=_why_waiting,
    joins=BACKLOG.name,
    leads=1,
)


@dataclass(frozen=True)
class LagLimits:
    """How high Redis' own lag may be."""

    above: int = 2000
    """Entries."""

    hold: timedelta = timedelta(minutes=2)
    """How long the condition must hold."""


def _lag(case: Case[LagLimits]) -> Finding | None:
    above = case.nearly(case.limits.above)
    # A lag that Redis reports while nothing waits is wrong, as it may be after a trim.
    return case.held(case.limits.hold, lambda mark: mark.lag > above and mark.waiting > 0)


LAG = Rule(
    name="lag",
    about="Redis' own lag is high.",
    limits=LagLimits(),
    find=_lag,
    likely=_why_waiting,
    joins=BACKLOG.name,
    off=True,
)


# The stream, its group and its names.


def _missing(case: Case[NoLimits]) -> Finding | None:
    record = case.record
    since, there = record.missing_since or case.last.at, record.there_since
    if not case.firing or there is None:
        long = record.missing >= _MISSING_POLLS
        return case.holds(since) if long or (record.missing and case.firing) else None
    ends = there + BACK_FOR
    return case.holds(since, ends=ends) if case.last.at < ends else None


MISSING = Rule(
    name="missing",
    about="Stream or group is missing.",
    limits=NoLimits(),
    find=_missing,
    likely=Diagnosis(
        ChainLink.GROUP,
        "the stream or its group was deleted, or Redis has started with an empty volume.",
        "no group",
        _REDIS_LOOKS,
    ),
    severity=Severity.CRITICAL,
    runs=Runs.POD,
    pierces=True,
    at_once=True,
    by_restart=True,
)


@dataclass(frozen=True)
class PendingLimits:
    """How many entries may be lost."""

    new_per_hour: int = 10
    """New ones within an hour that make a warning."""


def _pending(case: Case[PendingLimits]) -> Finding | None:
    limit, last = case.limits.new_per_hour, case.last
    if last.unconfirmed < limit:
        return None
    # Entries are unconfirmed for a moment while they are read: lost is what stays for a minute.
    lost = last.unconfirmed
    for mark in case.history.back():
        lost = min(lost, mark.unconfirmed)
        if mark.at <= last.at - _MINUTE:
            break
    else:
        return case.holds(last.at) if case.firing else None
    lowest = min(mark.unconfirmed for mark in case.history.forward())
    if lost - lowest < limit:
        return None
    return case.holds(case.history.since(lambda mark: mark.unconfirmed > lowest) or last.at)


PENDING = Rule(
    name="pending",
    about="Entries were read and never confirmed.",
    limits=PendingLimits(),
    find=_pending,
    likely=Diagnosis(
        ChainLink.WORKERS, "workers crash while they read.", "unconfirmed", _WORKER_LOOKS
    ),
)


@dataclass(frozen=True)
class ConsumersLimits:
    """How many consumer names a group may have."""

    above: int = 50_000
    """Consumer names of one group."""


def _consumers(case: Case[ConsumersLimits]) -> Finding | None:
    above = case.nearly(case.limits.above)
    since = case.history.since(lambda mark: mark.consumers > above)
    return case.holds(since) if since else None


CONSUMERS = Rule(
    name="consumers",
    about="Consumer names pile up.",
    limits=ConsumersLimits(),
    find=_consumers,
    likely=Diagnosis(
        ChainLink.GROUP, "each worker brings a new name, and none is ever removed.", "statistics"
    ),
    off=True,
)


@dataclass(frozen=True)
class SilentLimits:
    """How long no entry may arrive."""

    hold: timedelta = timedelta(minutes=20)
    """How long the condition must hold."""


def _silent(case: Case[SilentLimits]) -> Finding | None:
    last = case.record.arrivals.last
    if case.dusk is None or last is None or case.record.missing:
        return None
    return case.holds(last) if case.now - max(last, case.dusk) >= case.limits.hold else None


SILENT = Rule(
    name="silent",
    about="No entry arrives while observing.",
    limits=SilentLimits(),
    find=_silent,
    likely=Diagnosis(
        ChainLink.PRODUCER,
        "the telescope does not observe, or the producer (the next-visit fan-out) adds nothing. "
        "The bot sees Redis, not the telescope.",
        "silent producer",
        ("grafana", "argocd"),
    ),
    off=True,
)


# The Redis under all streams.


@dataclass(frozen=True)
class UnreachableLimits:
    """How long Redis may not answer."""

    night: timedelta = timedelta(seconds=30)
    """How long, at night."""

    day: timedelta = timedelta(minutes=3)
    """How long, by day."""


def _unreachable(case: Case[UnreachableLimits]) -> Finding | None:
    record, now, found = case.server, case.now, case.found
    since = record.failing_since or record.at or now
    if found is not None:
        back, recurs = record.answering_since, found.recurs
        ends = back and back + (OVER_FOR if recurs else BACK_FOR)
        since = found.since if recurs else since
        if ends is not None and now >= ends:
            return None
        bad = found.severity is Severity.CRITICAL if ends else not record.blind
        return case.holds(since, critical=bad, ends=ends, recurs=recurs)
    long, within = (
        (case.limits.night, _NIGHTLY_SHARE) if case.night else (case.limits.day, _DAILY_SHARE)
    )
    if record.failed >= POLLS and now - since >= long:
        return case.holds(since, critical=not record.blind)
    looks, total = record.failed_since(now - within)
    if record.failed and len(looks) >= POLLS and total >= long:
        return case.holds(looks[0], critical=not record.blind, recurs=True)
    return None


def _why_away(figures: Figures, rules: Collection[str]) -> Diagnosis:
    kind = figures.unreachable
    likely = "Redis itself, or the network." if kind is None else kind.likely
    return Diagnosis(ChainLink.REDIS, likely, "unreachable", _REDIS_LOOKS)


UNREACHABLE = Rule(
    name="unreachable",
    about="Redis is of no use to workers, or does not let the bot look.",
    limits=UnreachableLimits(),
    find=_unreachable,
    likely=_why_away,
    severity=Severity.CRITICAL,
    whole=True,
    runs=Runs.POD,
    pierces=True,
    at_once=True,
    inhibits=True,
    by_restart=True,
)


@dataclass(frozen=True)
class MemoryLimits:
    """How much memory Redis may use."""

    above: Percent = Percent(80)
    """Percentage of `maxmemory` or of the container's limit."""


def _memory(case: Case[MemoryLimits]) -> Finding | None:
    record = case.server
    if record.memory is None:
        return case.holds(record.at or case.now) if case.firing else None
    if record.memory_limit is None:
        return None
    share = case.limits.above - (_MEMORY_POINTS if case.firing else 0)
    above = record.memory_limit * share / 100
    if record.memory <= above:
        return None
    since = case.now
    for begin, lowest in reversed(record.memories):
        if lowest <= above:
            break
        since = begin
    return case.holds(since)


MEMORY = Rule(
    name="memory",
    about="Redis runs out of memory.",
    limits=MemoryLimits(),
    find=_memory,
    likely=Diagnosis(
        ChainLink.REDIS,
        "a stream that is not trimmed, or too many consumer names.",
        "trim",
        _REDIS_LOOKS,
    ),
    whole=True,
    runs=Runs.POD,
)


RULES: dict[str, Rule[Any]] = {
    each.name: each
    for each in (
        BACKLOG,
        EXPIRING,
        STALLED,
        UNKNOWN_LAG,
        MISSING,
        UNREACHABLE,
        PENDING,
        MEMORY,
        LAG,
        CONSUMERS,
        SILENT,
    )
}
"""Every rule by its name, in the order in which people read of them.

A program that has rules of its own puts them here, and their words into `bot.render.rules`, before
it reads its configuration.
"""


def rule_of(name: str) -> Rule[Any]:
    """Give a rule by its name.

    A state database may name one that this release does not have, after it was rolled back. Such a
    rule finds nothing, so that its alarm ends at the next look.
    """
    return RULES.get(name) or Rule(
        name=name,
        about="",
        limits=NoLimits(),
        find=lambda case: None,
        likely=Diagnosis(
            ChainLink.REDIS, "this release of the bot does not know the rule.", "redis cli"
        ),
    )
