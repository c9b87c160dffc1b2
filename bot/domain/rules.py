"""The rules of the watch: what is wrong with a stream, or with the Redis under it, at a moment.

They are functions of what is remembered, of the limits, of the time, and of the rules that hold
already. A rule that holds ends only when it has clearly been over for a while, so that an alarm
does not come and go. While Redis does not tell how a stream is, everything stays as it was.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.domain.alarms import Finding, Rule, Severity, Thresholds
from bot.domain.tracks import POLLS, History, Mark, ServerTrack, Track

GRACE = timedelta(minutes=5)
"""After a pause workers start cold: what waits has so long before it is worth a warning."""

OVER_FOR = timedelta(seconds=60)
"""A rule about waiting entries ends when its condition has clearly been over for this time."""

BACK_FOR = timedelta(seconds=10)
"""What was missing or unreachable is back when it has been so for this time."""

_MISSING_POLLS = 2
_MEMORY_POINTS = 5
_NEARLY = 0.95
_MINUTE = timedelta(minutes=1)
_CRITICAL = (Rule.EXPIRING, Rule.MISSING, Rule.UNREACHABLE)

_Test = Callable[[Mark], bool]


@dataclass(frozen=True, slots=True)
class _Case:
    """One stream at one moment; `last` is the newest mark."""

    track: Track
    history: History
    last: Mark
    limits: Thresholds
    now: datetime
    dusk: datetime | None
    firing: frozenset[Rule]


def stream_findings(
    track: Track,
    thresholds: Thresholds,
    *,
    now: datetime,
    night: bool,
    firing: frozenset[Rule],
    dusk: datetime | None = None,
) -> tuple[Finding, ...]:
    """Tell which rules about a stream hold.

    Parameters
    ----------
    track
        What is remembered of the stream.
    thresholds
        The limits, and which rules are on.
    now
        The time.
    night
        Whether it is night at the telescope.
    firing
        The rules that hold already.
    dusk
        When the night began; while it is None, `silent` cannot tell how long the night has
        lasted, and does not begin.

    Returns
    -------
    tuple of Finding
        At most one for each rule that is on, in the order of `Rule`.
    """
    last = track.history.last
    if last is None:
        return tuple(
            _unchanged(rule, track.at or now)
            for rule in _STREAM_RULES
            if rule in firing and rule in thresholds.enabled
        )
    # What Redis does not tell stays as it was last seen.
    seen = now if track.told else last.at
    case = _Case(track, track.history, last, thresholds, seen, dusk if night else None, firing)
    findings = []
    for rule, find in _STREAM_RULES.items():
        if rule in thresholds.enabled and (track.told or rule in firing):
            finding = find(case)
            if finding is None and not track.told:
                finding = _unchanged(rule, last.at)
            if finding is not None:
                findings.append(finding)
    return tuple(findings)


def server_findings(
    track: ServerTrack,
    thresholds: Thresholds,
    *,
    now: datetime,
    night: bool,
    firing: frozenset[Rule],
) -> tuple[Finding, ...]:
    """Tell which rules about the Redis under all streams hold.

    Parameters
    ----------
    track
        What is remembered of it.
    thresholds
        The limits, and which rules are on.
    now
        The time.
    night
        Whether it is night at the telescope.
    firing
        The rules that hold already.

    Returns
    -------
    tuple of Finding
        At most one for each rule that is on, in the order of `Rule`.
    """
    found = (
        _unreachable(track, thresholds, now, night=night, firing=Rule.UNREACHABLE in firing),
        _memory(track, thresholds, now, firing=Rule.MEMORY in firing),
    )
    return tuple(each for each in found if each and each.rule in thresholds.enabled)


def _backlog(case: _Case) -> Finding | None:
    limits = case.limits

    def critical(mark: Mark) -> bool:
        return mark.wait >= limits.backlog_critical

    if Rule.BACKLOG in case.firing:
        mark = _still(
            case,
            lambda mark: (
                mark.waiting < limits.backlog_least or mark.wait < limits.backlog_warning / 2
            ),
        )
        if mark is None:
            return None
        bad = _latched(
            case.history,
            critical,
            lambda mark: not mark.waiting or mark.wait < limits.backlog_critical / 2,
        )
        return Finding(Rule.BACKLOG, _severity(critical=bad), mark.at - mark.wait)

    def holds(mark: Mark) -> bool:
        return mark.waiting >= limits.backlog_least and mark.wait >= limits.backlog_warning

    last = case.last
    if not holds(last):
        return None
    since = case.history.since(holds) or last.at
    if case.track.arrivals.woke is not None:
        since = max(since, case.track.arrivals.woke + GRACE)
    if last.at - since < limits.backlog_for or _shrinking(case.history, last):
        return None
    return Finding(Rule.BACKLOG, _severity(critical=critical(last)), last.at - last.wait)


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


def _expiring(case: _Case) -> Finding | None:
    within = case.limits.expiring_within
    mark: Mark | None = case.last
    if Rule.EXPIRING in case.firing:
        mark = _still(
            case,
            lambda mark: (
                not mark.vague and (mark.skipped is None or mark.skipped - mark.at > within)
            ),
        )
    elif case.last.skipped is None or case.last.skipped - case.now > within:
        return None
    return mark and Finding(Rule.EXPIRING, Severity.CRITICAL, mark.at - mark.wait)


def _stalled(case: _Case) -> Finding | None:
    limits = case.limits

    def critical(mark: Mark) -> bool:
        return mark.unread >= limits.stalled_critical

    if Rule.STALLED in case.firing:
        # One entry read, and then none again, is no recovery.
        mark = _still(case, lambda mark: mark.unread < limits.stalled_warning / 2)
        if mark is None:
            return None
        bad = _latched(
            case.history, critical, lambda mark: mark.unread < limits.stalled_critical / 2
        )
        return Finding(Rule.STALLED, _severity(critical=bad), mark.at - mark.unread)
    last, woke = case.last, case.track.arrivals.woke
    if not last.waiting or last.unread < limits.stalled_warning:
        return None
    bad = critical(last)
    if not bad and woke is not None and last.at < woke + GRACE:
        return None
    return Finding(Rule.STALLED, _severity(critical=bad), last.at - last.unread)


def _unknown_lag(case: _Case) -> Finding | None:
    return _held(case, Rule.UNKNOWN_LAG, case.limits.unknown_lag_for, lambda mark: mark.nil)


def _lag(case: _Case) -> Finding | None:
    # A lag that Redis reports while nothing waits is wrong, as it may be after a trim.
    above = case.limits.lag_above * (_NEARLY if Rule.LAG in case.firing else 1)
    hold = case.limits.lag_for
    return _held(case, Rule.LAG, hold, lambda mark: mark.lag > above and mark.waiting > 0)


def _held(case: _Case, rule: Rule, hold: timedelta, holds: _Test) -> Finding | None:
    """Find what must hold for some time, and be over for some time."""
    if rule in case.firing:
        mark = _still(case, lambda mark: not holds(mark))
        if mark is None:
            return None
        earlier = History(
            tuple(each for each in case.history.recent if each.at <= mark.at), case.history.minutes
        )
        return Finding(rule, Severity.WARNING, earlier.since(holds) or mark.at)
    if not holds(case.last):
        return None
    since = case.history.since(holds) or case.last.at
    return Finding(rule, Severity.WARNING, since) if case.last.at - since >= hold else None


def _missing(case: _Case) -> Finding | None:
    track = case.track
    found = Finding(Rule.MISSING, Severity.CRITICAL, track.missing_since or case.last.at)
    if Rule.MISSING not in case.firing or track.there_since is None:
        long = track.missing >= _MISSING_POLLS
        return found if long or (track.missing and Rule.MISSING in case.firing) else None
    return found if case.last.at - track.there_since < BACK_FOR else None


def _pending(case: _Case) -> Finding | None:
    limit, last = case.limits.pending_new_per_hour, case.last
    if last.unconfirmed < limit:
        return None
    # Entries are unconfirmed for a moment while they are read: lost is what stays for a minute.
    lost = last.unconfirmed
    for mark in case.history.back():
        lost = min(lost, mark.unconfirmed)
        if mark.at <= last.at - _MINUTE:
            break
    else:
        return _unchanged(Rule.PENDING, last.at) if Rule.PENDING in case.firing else None
    lowest = min(mark.unconfirmed for mark in case.history.forward())
    if lost - lowest < limit:
        return None
    since = case.history.since(lambda mark: mark.unconfirmed > lowest)
    return Finding(Rule.PENDING, Severity.WARNING, since or last.at)


def _consumers(case: _Case) -> Finding | None:
    above = case.limits.consumers_above * (_NEARLY if Rule.CONSUMERS in case.firing else 1)
    since = case.history.since(lambda mark: mark.consumers > above)
    return Finding(Rule.CONSUMERS, Severity.WARNING, since) if since else None


def _silent(case: _Case) -> Finding | None:
    last = case.track.arrivals.last
    if case.dusk is None or last is None or case.track.missing:
        return None
    if case.now - max(last, case.dusk) < case.limits.silent_for:
        return None
    return Finding(Rule.SILENT, Severity.WARNING, last)


def _unreachable(
    track: ServerTrack, limits: Thresholds, now: datetime, *, night: bool, firing: bool
) -> Finding | None:
    since = track.failing_since or track.at or now
    if firing:
        back = track.answering_since
        holds = back is None or now - back < BACK_FOR
    else:
        long = limits.unreachable_night if night else limits.unreachable_day
        holds = track.failed >= POLLS and now - since >= long
    return Finding(Rule.UNREACHABLE, Severity.CRITICAL, since) if holds else None


def _memory(
    track: ServerTrack, limits: Thresholds, now: datetime, *, firing: bool
) -> Finding | None:
    if track.memory is None:
        return _unchanged(Rule.MEMORY, track.at or now) if firing else None
    if track.memory_limit is None:
        return None
    share = limits.memory_above - (_MEMORY_POINTS if firing else 0)
    above = track.memory_limit * share / 100
    if track.memory <= above:
        return None
    since = now
    for begin, lowest in reversed(track.memories):
        if lowest <= above:
            break
        since = begin
    return Finding(Rule.MEMORY, Severity.WARNING, since)


def _still(case: _Case, over: _Test) -> Mark | None:
    """Give the last mark at which a rule still held; None where it has been over for long."""
    for mark in case.history.back():
        if not over(mark):
            return mark
        if case.last.at - mark.at >= OVER_FOR:
            return None
    return case.last


def _latched(history: History, critical: _Test, over: _Test) -> bool:
    """Whether it became critical and has not clearly been over since."""
    latched, since = False, None
    for mark in history.forward():
        if critical(mark):
            latched, since = True, None
        elif not over(mark):
            since = None
        else:
            since = since or mark.at
            latched = latched and mark.at - since < OVER_FOR
    return latched


def _severity(*, critical: bool) -> Severity:
    return Severity.CRITICAL if critical else Severity.WARNING


def _unchanged(rule: Rule, since: datetime) -> Finding:
    """Keep what holds where nothing tells more."""
    return Finding(rule, _severity(critical=rule in _CRITICAL), since)


_STREAM_RULES: dict[Rule, Callable[[_Case], Finding | None]] = {
    Rule.BACKLOG: _backlog,
    Rule.EXPIRING: _expiring,
    Rule.STALLED: _stalled,
    Rule.UNKNOWN_LAG: _unknown_lag,
    Rule.MISSING: _missing,
    Rule.PENDING: _pending,
    Rule.LAG: _lag,
    Rule.CONSUMERS: _consumers,
    Rule.SILENT: _silent,
}
