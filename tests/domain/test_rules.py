"""Each rule as a table: just below its limit, at it, above it; how long it holds, when it ends."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.domain import rules
from bot.domain.alarms import Incident
from bot.domain.errors import Unreachable
from bot.domain.rules import (
    RULES,
    ChainLink,
    Finding,
    Severity,
    Thresholds,
    rule_of,
    server_findings,
    stream_findings,
)
from bot.domain.runbook import topics
from bot.domain.samples import Figures, Sample, ServerRecord, StreamRecord
from bot.domain.streams import Entry, EntryId
from tests.support.limits import default_thresholds

NOW = datetime(2026, 11, 24, 5, 31, tzinfo=UTC)
SECOND = timedelta(seconds=1)
EVERY_RULE = Thresholds(frozenset(RULES))
NONE: Mapping[str, Finding] = {}
WARNING, CRITICAL = Severity.WARNING, Severity.CRITICAL


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def entry_id(seconds: float) -> EntryId:
    return EntryId(int(ago(seconds).timestamp() * 1000), 0)


def sample(seconds: float, **figures: Any) -> Sample:
    """Give a sample of so many seconds ago, of a stream of which all is read."""
    usual: dict[str, Any] = {"lag": 0, "last_delivered": entry_id(3000), "added": 1000}
    if figures.get("waiting"):
        usual |= {"lag": figures["waiting"], "oldest": Entry(entry_id(3000))}
    return Sample("lsstcam", ago(seconds), reached=True, there=True, **(usual | figures))


def gone(seconds: float) -> Sample:
    return Sample("lsstcam", ago(seconds), reached=True, there=False)


def away(seconds: float) -> Sample:
    return Sample("lsstcam", ago(seconds), reached=False)


def waiting(
    begin: float, end: float = 0, *, arrived: float, entries: int = 172, moving: bool = False
) -> list[Sample]:
    """Entries wait, from so many seconds ago to so many; `moving` while others are read."""
    return [
        sample(
            back,
            waiting=entries,
            wait=ago(back) - ago(arrived),
            last_delivered=entry_id(arrived + 60 + (back if moving else 0)),
        )
        for back in range(int(begin), int(end) - 1, -5)
    ]


def idle(begin: float, end: float) -> list[Sample]:
    return [sample(back) for back in range(int(begin), int(end) - 1, -5)]


def found(
    samples: list[Sample],
    rule: str,
    *,
    firing: bool = False,
    limits: Thresholds = EVERY_RULE,
    night: bool = True,
    dusk: datetime | None = None,
) -> Finding | None:
    findings = stream_findings(
        StreamRecord.of(samples),
        limits,
        now=samples[-1].at,
        night=night,
        firing=was(rule) if firing else NONE,
        dusk=dusk,
    )
    return next((each for each in findings if each.rule is rule), None)


def was(*rules: str, recurs: bool = False) -> Mapping[str, Finding]:
    """Give what was found before."""
    return {rule: Finding(rule, rule_of(rule).severity, ago(3000), recurs=recurs) for rule in rules}


def severity(finding: Finding | None) -> Severity | None:
    return finding.severity if finding else None


@pytest.mark.parametrize(
    ("arrived", "entries", "expected"),
    [
        (235, 172, None),
        (240, 172, WARNING),
        (240, 20, WARNING),
        (240, 19, None),
        (599, 172, WARNING),
        (600, 172, CRITICAL),
        (4000, 172, CRITICAL),
    ],
)
def test_backlog(arrived: int, entries: int, expected: Severity | None) -> None:
    samples = waiting(arrived, arrived=arrived, entries=entries, moving=True)
    finding = found(samples, "backlog")
    assert severity(finding) is expected
    assert finding is None or finding.since == ago(arrived)


@pytest.mark.parametrize(("seconds", "expected"), [(55, None), (60, WARNING)])
def test_backlog_must_hold(seconds: int, expected: Severity | None) -> None:
    fewer = waiting(280, seconds + 5, arrived=285, entries=19)
    samples = [*fewer, *waiting(seconds, arrived=285)]
    assert severity(found(samples, "backlog")) is expected


def sawtooth(now: int, before: int, *, capped: bool = False, wait: int = 300) -> list[Sample]:
    """Bursts within the last minute and the one before, with valleys between."""
    samples = []
    for back in range(400, -1, -5):
        peak = now if back < 60 else before
        entries = peak if back % 30 == 0 else peak // 3
        samples.append(
            sample(
                back,
                waiting=entries,
                capped=capped,
                wait=timedelta(seconds=wait if back < 60 else 300),
                last_delivered=entry_id(1000 + back),
            )
        )
    return samples


@pytest.mark.parametrize(
    ("samples", "expected"),
    [
        (sawtooth(900, 900), WARNING),
        (sawtooth(899, 900), None),
        (sawtooth(901, 900), WARNING),
        (sawtooth(5000, 5000, capped=True, wait=299), None),
        (sawtooth(5000, 5000, capped=True, wait=300), WARNING),
        (sawtooth(5000, 5000, capped=True, wait=700), CRITICAL),
    ],
)
def test_a_backlog_that_shrinks_is_none(samples: list[Sample], expected: Severity | None) -> None:
    assert severity(found(samples, "backlog")) is expected
    # One that fires does not end by shrinking.
    assert found(samples, "backlog", firing=True)


def test_the_first_minute_does_not_tell_whether_a_backlog_shrinks() -> None:
    assert not found(waiting(115, arrived=500), "backlog")
    assert found(waiting(120, arrived=500), "backlog")


def later(seconds: int, wait: int, entries: int = 500) -> list[Sample]:
    """A backlog of ten minutes, and then another wait and other entries, while reading goes on."""
    return [
        *waiting(seconds + 600, seconds + 5, arrived=seconds + 700),
        *(
            sample(
                back,
                waiting=entries,
                wait=wait * SECOND,
                last_delivered=entry_id(1000 + back),
            )
            for back in range(seconds, -1, -5)
        ),
    ]


@pytest.mark.parametrize(
    ("seconds", "wait", "entries", "firing"),
    [
        (900, 90, 500, True),
        (55, 89, 500, True),
        (60, 89, 500, False),
        (55, 300, 19, True),
        (60, 300, 19, False),
        (900, 300, 20, True),
    ],
)
def test_backlog_ends_with_caution(seconds: int, wait: int, entries: int, firing: bool) -> None:
    assert bool(found(later(seconds, wait, entries), "backlog", firing=True)) is firing


@pytest.mark.parametrize(("calm", "firing"), [(55, True), (60, False), (300, False)])
@pytest.mark.parametrize("rule", ["backlog", "stalled"])
def test_a_backlog_ends_a_minute_after_nothing_waits(rule: str, calm: int, firing: bool) -> None:
    samples = [*waiting(700, calm + 5, arrived=700), *idle(calm, 0)]
    finding = found(samples, rule, firing=True)
    ends = ago(calm - 60)
    assert finding == (Finding(rule, CRITICAL, ago(700), ends) if firing else None)


@pytest.mark.parametrize(
    ("seconds", "unmoved", "firing"), [(55, 0, True), (60, 0, False), (300, 60, True)]
)
def test_stalled_ends_after_a_minute_of_reading(seconds: int, unmoved: int, firing: bool) -> None:
    samples = [
        sample(
            back,
            waiting=900,
            wait=600 * SECOND,
            last_delivered=entry_id(2000 + max(min(back, seconds + 5), unmoved)),
        )
        for back in range(400, -1, -5)
    ]
    finding = found(samples, "stalled", firing=True)
    assert (finding is not None) is firing


@pytest.mark.parametrize(
    ("wait", "minutes", "expected"),
    [(300, 30, CRITICAL), (299, 30, WARNING), (299, 0.5, CRITICAL), (599, 3, CRITICAL)],
)
def test_critical_falls_back_with_caution(wait: int, minutes: float, expected: Severity) -> None:
    samples = later(int(minutes * 60), wait)
    assert severity(found(samples, "backlog", firing=True)) is expected


def dusk(arrived: int, *, pause: int = 1800, end: int = 0) -> list[Sample]:
    """Something arrives after a pause, and nothing is read."""
    last = arrived + pause
    before = [sample(last + 10, newest=ago(last + 40), last_delivered=entry_id(last + 40))]
    before += [
        sample(back, added=1172, newest=ago(last), last_delivered=entry_id(last))
        for back in range(last, arrived, -5)
    ]
    after = [
        sample(
            back,
            added=1344,
            waiting=172,
            wait=ago(back) - ago(arrived),
            last_delivered=entry_id(last),
            newest=ago(arrived),
        )
        for back in range(arrived, end - 1, -5)
    ]
    return before + after


@pytest.mark.parametrize(
    ("arrived", "pause", "stalled", "backlog"),
    [
        (295, 1800, None, None),
        (295, 1795, WARNING, WARNING),
        (300, 1800, CRITICAL, None),
        (355, 1800, CRITICAL, None),
        (360, 1800, CRITICAL, WARNING),
    ],
)
def test_grace_after_a_pause(
    arrived: int, pause: int, stalled: Severity | None, backlog: Severity | None
) -> None:
    samples = dusk(arrived, pause=pause)
    assert severity(found(samples, "stalled")) is stalled
    assert severity(found(samples, "backlog")) is backlog


@pytest.mark.parametrize(
    ("read", "expected"),
    [
        (entry_id(280 + 1800), None),
        (entry_id(280 + 1799), WARNING),
        # A group that was created anew tells no time.
        (EntryId(0, 0), WARNING),
        (EntryId(2**63, 0), WARNING),
    ],
)
def test_a_pause_shows_in_a_single_sample(read: EntryId, expected: Severity | None) -> None:
    samples = [
        sample(back, waiting=172, wait=ago(back) - ago(280), last_delivered=read)
        for back in range(275, -1, -5)
    ]
    assert severity(found(samples, "stalled")) is expected
    assert severity(found(samples, "backlog")) is expected


def test_the_pause_ends_with_its_first_entry() -> None:
    # Workers were called for by then, however long the pause before.
    record = StreamRecord.of(dusk(400))
    assert record.arrivals.woke == ago(400)
    later = sample(
        -5, added=9999, waiting=400, wait=405 * SECOND, last_delivered=entry_id(2200), newest=NOW
    )
    assert record.seen(later).arrivals.woke == ago(400)


@pytest.mark.parametrize(
    ("arrived", "moved", "expected"),
    [
        (119, 3000, None),
        (120, 3000, WARNING),
        (299, 3000, WARNING),
        (300, 3000, CRITICAL),
        (900, 115, None),
        (900, 120, WARNING),
    ],
)
def test_stalled(arrived: int, moved: int, expected: Severity | None) -> None:
    begin = -(-arrived // 5) * 5
    samples = [
        sample(3600, newest=ago(3601)),
        *(
            sample(
                back,
                waiting=1,
                wait=max(ago(back) - ago(arrived), timedelta(0)),
                last_delivered=entry_id(1000 if back > moved else 999),
            )
            for back in range(begin, -1, -5)
        ),
    ]
    # Not the grace is asked for here.
    samples[0] = sample(begin + 5, last_delivered=entry_id(1000), newest=ago(1000))
    finding = found(samples, "stalled")
    assert severity(finding) is expected
    assert finding is None or finding.since == ago(min(arrived, moved))


def test_stalled_where_ids_are_no_time() -> None:
    samples = [
        sample(back, waiting=30, wait=None, last_delivered=EntryId(3, 0))
        for back in range(120, -1, -5)
    ]
    assert severity(found(samples, "stalled")) is WARNING
    assert severity(found(samples[1:], "stalled")) is None


@pytest.mark.parametrize(
    ("left", "expected"),
    [(1801, None), (1800, CRITICAL), (0, CRITICAL), (-900, CRITICAL), (None, None)],
)
def test_expiring(left: int | None, expected: Severity | None) -> None:
    skipped = None if left is None else ago(-left)
    samples = [sample(0, waiting=1, wait=1800 * SECOND, first_skipped=skipped)]
    finding = found(samples, "expiring")
    assert severity(finding) is expected
    assert finding is None or finding.since == ago(1800)


@pytest.mark.parametrize(("calm", "firing"), [(55, True), (60, False)])
def test_expiring_ends_when_the_first_visit_has_time_again(calm: int, firing: bool) -> None:
    samples = [
        sample(
            back,
            waiting=500,
            wait=900 * SECOND,
            first_skipped=ago(back - (1790 if back > calm else 1801)),
        )
        for back in range(200, -1, -5)
    ]
    assert (found(samples, "expiring", firing=True) is not None) is firing


def test_expiring_outlives_a_restart() -> None:
    # The database does not tell when something is skipped.
    kept = [sample(back, waiting=500, wait=900 * SECOND, oldest=None) for back in range(200, 0, -5)]
    fine = sample(0, waiting=500, wait=900 * SECOND, first_skipped=ago(-1900))
    assert found([*kept, fine], "expiring", firing=True)
    assert not found([*kept, fine], "expiring")


@pytest.mark.parametrize(
    ("seconds", "entries", "expected"), [(55, 1, None), (60, 1, WARNING), (300, 0, None)]
)
def test_unknown_lag(seconds: int, entries: int, expected: Severity | None) -> None:
    samples = [
        sample(back, waiting=entries, lag=None if back <= seconds else 1, wait=5 * SECOND)
        for back in range(300, -1, -5)
    ]
    finding = found(samples, "unknown_lag")
    assert severity(finding) is expected
    assert finding is None or finding.since == ago(seconds)


@pytest.mark.parametrize(("known", "firing"), [(60, True), (65, False), (300, False)])
def test_unknown_lag_ends_after_a_minute(known: int, firing: bool) -> None:
    samples = [
        sample(back, waiting=1, lag=1 if back < known else None, wait=5 * SECOND)
        for back in range(400, -1, -5)
    ]
    finding = found(samples, "unknown_lag", firing=True)
    assert (finding is not None) is firing
    assert finding is None or finding.since == ago(400)


@pytest.mark.parametrize(
    ("samples", "firing", "expected"),
    [
        ([gone(0)], False, None),
        ([gone(5), gone(0)], False, CRITICAL),
        ([gone(10), away(5), gone(0)], False, CRITICAL),
        ([gone(10), sample(5), gone(0)], False, None),
        ([gone(60), gone(55), sample(0)], False, None),
        ([gone(60), gone(5), sample(0)], True, CRITICAL),
        ([gone(60), sample(5), sample(0)], True, CRITICAL),
        ([gone(60), sample(10), sample(0)], True, None),
        ([gone(60), sample(10), gone(0)], True, CRITICAL),
    ],
)
def test_missing(samples: list[Sample], firing: bool, expected: Severity | None) -> None:
    assert severity(found(samples, "missing", firing=firing)) is expected


def test_a_key_that_may_not_be_read_is_not_missing_and_stays_as_it_was() -> None:
    unknown = Sample("lsstcam", NOW, reached=True, there=None)
    samples = [*waiting(400, 5, arrived=500), unknown]
    assert not found([gone(5), unknown], "missing")
    assert severity(found([gone(10), gone(5), unknown], "missing", firing=True)) is CRITICAL
    assert not found(samples, "stalled")
    assert severity(found(samples, "stalled", firing=True)) is CRITICAL


def unconfirmed(*figures: tuple[int, int]) -> list[Sample]:
    """Unconfirmed entries, each from so many seconds ago on."""
    return [
        sample(back, unconfirmed=next(many for begin, many in reversed(figures) if back <= begin))
        for back in range(figures[0][0], -1, -5)
    ]


@pytest.mark.parametrize(
    ("samples", "since"),
    [
        (unconfirmed((3000, 0), (60, 9)), None),
        (unconfirmed((3000, 0), (55, 10)), None),
        (unconfirmed((3000, 0), (60, 10)), 60),
        (unconfirmed((3000, 3), (1200, 8), (60, 12)), None),
        (unconfirmed((3000, 3), (1200, 8), (60, 13)), 1200),
        # Of old ones only new ones count.
        (unconfirmed((3000, 500)), None),
        (unconfirmed((3000, 500), (600, 510)), 600),
        (unconfirmed((3900, 0), (3840, 10)), None),
        # In flight for a moment, whatever the number.
        (unconfirmed((3000, 0), (55, 900), (30, 2), (25, 900)), None),
        # Settled, and then lost again.
        (unconfirmed((3000, 500), (600, 0), (300, 10)), 300),
        (unconfirmed((50, 0), (20, 10)), None),
    ],
)
def test_pending(samples: list[Sample], since: int | None) -> None:
    for firing in (False, True):
        finding = found(samples, "pending", firing=firing)
        if firing and samples[0].at > ago(60):
            # A minute has to pass before anything is known.
            assert finding
            continue
        assert (finding is not None) is (since is not None)
        assert finding is None or since is None or abs(finding.since - ago(since)) < 60 * SECOND


@pytest.mark.parametrize(
    ("lag", "seconds", "firing", "expected"),
    [
        (2000, 300, False, None),
        (2001, 115, False, None),
        (2001, 120, False, WARNING),
        (1901, 300, True, WARNING),
        (1900, 300, True, None),
        (1900, 55, True, WARNING),
    ],
)
def test_lag(lag: int, seconds: int, firing: bool, expected: Severity | None) -> None:
    samples = [
        sample(back, waiting=50, lag=lag if back <= seconds else (2500 if firing else 0))
        for back in range(300, -1, -5)
    ]
    assert severity(found(samples, "lag", firing=firing)) is expected


def test_a_phantom_lag_is_no_alarm() -> None:
    samples = [sample(back, waiting=0, lag=3000) for back in range(300, -1, -5)]
    assert not found(samples, "lag")


@pytest.mark.parametrize(
    ("names", "firing", "expected"),
    [
        (50_000, False, None),
        (50_001, False, WARNING),
        (47_501, True, WARNING),
        (47_500, True, None),
    ],
)
def test_consumers(names: int, firing: bool, expected: Severity | None) -> None:
    assert severity(found([sample(0, consumers=names)], "consumers", firing=firing)) is expected


@pytest.mark.parametrize(
    ("newest", "night", "dusk", "expected"),
    [
        (1199, True, 9000, None),
        (1200, True, 9000, WARNING),
        (9000, True, 1199, None),
        (9000, True, 1200, WARNING),
        (9000, False, 9000, None),
        (9000, True, None, None),
    ],
)
def test_silent(newest: int, night: bool, dusk: int | None, expected: Severity | None) -> None:
    samples = [sample(0, newest=ago(newest))]
    begun = None if dusk is None else ago(dusk)
    finding = found(samples, "silent", night=night, dusk=begun)
    assert severity(finding) is expected
    assert finding is None or finding.since == ago(newest)


def test_silent_counts_what_the_bot_saw_where_redis_does_not_tell() -> None:
    samples = [sample(1200), sample(0)]
    assert found(samples, "silent", dusk=ago(9000))
    assert not found([sample(1199), sample(0)], "silent", dusk=ago(9000))
    assert not found([sample(1200), sample(600, added=1172), sample(0, added=1172)], "silent")


def server(
    record: ServerRecord,
    *,
    firing: Mapping[str, Finding] = NONE,
    night: bool = True,
    now: datetime = NOW,
) -> list[tuple[str, Severity, datetime]]:
    findings = server_findings(record, EVERY_RULE, now=now, night=night, firing=firing)
    return [(each.rule, each.severity, each.since) for each in findings]


def failing(seconds: int, *, polls: int | None = None) -> ServerRecord:
    record = ServerRecord().answered(ago(seconds + 5))
    times = range(seconds, -1, -5) if polls is None else range(seconds, seconds - polls, -1)
    for back in times:
        record = record.unanswered(ago(back))
    return record


@pytest.mark.parametrize(
    ("record", "night", "expected"),
    [
        (failing(25), True, False),
        (failing(30), True, True),
        (failing(30), False, False),
        (failing(175), False, False),
        (failing(180), False, True),
        (failing(60, polls=2), True, False),
        (failing(60, polls=3), True, True),
    ],
)
def test_unreachable(record: ServerRecord, night: bool, expected: bool) -> None:
    since = record.failing_since
    wanted = [("unreachable", CRITICAL, since)] if expected else []
    assert server(record, night=night) == wanted


@pytest.mark.parametrize(("good", "expected"), [(0, True), (5, True), (10, False)])
def test_unreachable_ends_ten_seconds_after_the_first_answer(good: int, expected: bool) -> None:
    record = failing(60, polls=20)
    for back in range(good, -1, -5):
        record = record.answered(ago(back))
    firing = was("unreachable")
    since = [("unreachable", CRITICAL, ago(60))]
    assert server(record, firing=firing) == (since if expected else [])
    assert server(record) == []


def test_unreachable_stays_when_the_night_ends() -> None:
    assert server(failing(60), firing=was("unreachable"), night=False)


def looks(pattern: str, *, night: bool = True, every: int = 5) -> list[Finding | None]:
    """Look at a Redis that answers (a dot) or not, and give what is found at each look."""
    record, seen = ServerRecord(), list[Finding | None]()
    before: Finding | None = None
    for number, answer in enumerate(pattern):
        at = NOW + number * every * SECOND
        record = record.answered(at) if answer == "." else record.unanswered(at)
        firing = {} if before is None else {"unreachable": before}
        findings = server_findings(record, EVERY_RULE, now=at, night=night, firing=firing)
        found = next(iter(findings), None)
        if before and not found:
            record = record.anew(at)
        seen.append(found)
        before = found
    return seen


def fires(seen: list[Finding | None]) -> list[int]:
    """Give at which looks it began to fire."""
    return [
        number
        for number, found in enumerate(seen)
        if found is not None and (number == 0 or seen[number - 1] is None)
    ]


@pytest.mark.parametrize(
    ("pattern", "night", "expected"),
    [
        # 25 s away and 5 s there: at the first failed look of the second time.
        ("xxxxx." * 20, True, [7]),
        ("xxxxx." * 20, False, [43]),
        # 15 s, 10 s and 5 s of a minute.
        (("xxx" + "." * 9) * 20, True, [24]),
        (("xx" + "." * 10) * 20, True, [36]),
        (("x" + "." * 11) * 20, True, []),
        (("xxxxx" + "." * 35) * 20, True, []),
        (("xxxxx" + "." * 25) * 20, True, [31]),
    ],
)
def test_times_that_are_short_add_up(pattern: str, night: bool, expected: list[int]) -> None:
    seen = looks(pattern, night=night)
    assert fires(seen)[:1] == expected
    assert all(found.recurs for found in seen if found)


def test_what_adds_up_is_over_after_a_minute_and_begins_anew() -> None:
    away = "xxxxx." * 3
    seen = looks(away + "." * 12 + "x" + "." * 20)
    assert seen[len(away) + 10] is not None
    last = seen[len(away) + 9]
    assert last is not None
    assert last.ends == NOW + (len(away) - 1) * 5 * SECOND + 60 * SECOND
    assert seen[len(away) + 11] is None
    assert fires(seen) == [7], "what made it fire does not make it fire again"


def test_one_long_time_does_not_fire_again_with_a_hiccup() -> None:
    seen = looks("." + "x" * 7 + "..." + "x" + "." * 5 + "x" + "." * 40)
    assert fires(seen) == [7]
    assert seen[9] is not None
    assert seen[9].ends == NOW + 50 * SECOND
    assert seen[10] is None


def test_it_fires_at_a_look_that_fails() -> None:
    # 30 s are full when Redis answers again.
    assert fires(looks("xxxxx" + "." + "x" + "." * 40)) == []
    assert fires(looks("xxxxx" + "." + "xx" + "." * 40)) == [7]


def test_a_bot_that_was_away_does_not_count_that() -> None:
    record = ServerRecord().unanswered(ago(170)).unanswered(ago(5)).unanswered(ago(0))
    looked, total = record.failed_since(ago(180))
    assert (len(looked), total) == (3, 65 * SECOND)


@settings(deadline=None)
@given(st.text(".x", min_size=1, max_size=250), st.booleans())
def test_any_pattern_of_answers(pattern: str, night: bool) -> None:
    seen = looks(pattern, night=night)
    for number, found in enumerate(seen):
        before = seen[number - 1] if number else None
        answers = number + 1 - len(pattern[: number + 1].rstrip("."))
        if found is not None and before is None:
            assert pattern[number] == "x", "it fires only at a failed look"
        if before is not None and found is None:
            assert (answers - 1) * 5 >= (60 if before.recurs else 10)
        if found is not None:
            assert (found.ends is None) == (pattern[number] == "x")
            assert before is None or found.recurs is before.recurs
            assert answers * 5 <= (65 if found.recurs else 15)
    # What does not fire for that long is not away for that much.
    last = pattern[-36:] if night else pattern[-180:]
    if seen[-1] is None and pattern[-1] == "x" and not any(seen[-len(last) :]):
        assert (last.count("x") - 1) * 5 < (30 if night else 180)


def test_nothing_is_known_before_the_first_poll() -> None:
    both = was("unreachable", "memory")
    assert [rule for rule, *_ in server(ServerRecord(), firing=both)] == [
        "unreachable",
        "memory",
    ]
    assert server(ServerRecord()) == []


@pytest.mark.parametrize(
    ("percent", "limit", "firing", "expected"),
    [
        (80, 1000, False, False),
        (80.1, 1000, False, True),
        (75.1, 1000, True, True),
        (75, 1000, True, False),
        (99, None, False, False),
        (99, None, True, False),
    ],
)
def test_memory(percent: float, limit: int | None, firing: bool, expected: bool) -> None:
    record = ServerRecord()
    for back in range(600, -1, -5):
        record = record.answered(ago(back), int(percent * 10) if back <= 300 else 0, limit)
    findings = server(record, firing=was("memory") if firing else NONE)
    assert bool(findings) is expected
    assert all(ago(300) <= since <= ago(240) for *_, since in findings)


def test_memory_stays_as_it_was_while_redis_is_away() -> None:
    record = ServerRecord().answered(ago(100), 900, 1000)
    for back in range(95, -1, -5):
        record = record.unanswered(ago(back))
    firing = was("memory")
    assert [rule for rule, *_ in server(record, firing=firing)] == ["unreachable", "memory"]


def test_a_server_is_rebuilt_from_the_samples_of_its_streams() -> None:
    good = [sample(20), sample(20)]
    bad = [away(back) for back in (15, 15, 10, 10, 5, 5, 0, 0)]
    record = ServerRecord.of([*good, *bad])
    assert (record.failed, record.failing_since) == (4, ago(15))
    # One stream may be forbidden while Redis answers for the other.
    assert ServerRecord.of([away(0), sample(0)]).failed == 0


@pytest.mark.parametrize("seconds", [0, 1, 59])
def test_a_sample_that_is_not_newer_changes_nothing(seconds: int) -> None:
    record = StreamRecord.of(waiting(400, arrived=500))
    assert record.seen(sample(seconds)) is record


def test_a_clock_that_is_set_back_begins_anew() -> None:
    record = StreamRecord.of(waiting(400, arrived=500))
    assert record.seen(sample(60)) == StreamRecord().seen(sample(60))
    server_track = failing(30)
    assert server_track.unanswered(ago(3600)).failed == 1


def test_every_row_is_in_the_table() -> None:
    rows = [each for each in vars(rules).values() if isinstance(each, rules.Rule)]
    assert set(rows) == set(RULES.values())
    assert all(name == rule.name for name, rule in RULES.items())
    # The rule that names an incident belongs to no other.
    assert all(RULES[each.head].joins == "" for each in rows)


def test_rules_that_are_off_find_nothing() -> None:
    samples = [
        sample(back, waiting=9999, wait=4000 * SECOND, lag=None, consumers=10**6, unconfirmed=0)
        for back in range(3000, -1, -5)
    ]
    for firing in (NONE, was(*RULES)):
        limits = Thresholds(frozenset())
        record = StreamRecord.of(samples)
        assert not stream_findings(
            record, limits, now=NOW, night=True, firing=firing, dusk=ago(1e5)
        )
        assert not stream_findings(StreamRecord(), limits, now=NOW, night=True, firing=firing)
        assert not server_findings(failing(900), limits, now=NOW, night=True, firing=firing)
    on = default_thresholds()
    rules = stream_findings(StreamRecord.of(samples), on, now=NOW, night=True, firing=NONE)
    assert [each.rule for each in rules] == ["backlog", "stalled", "unknown_lag"]


def test_what_holds_stays_where_nothing_is_known() -> None:
    firing = was(*RULES)
    findings = stream_findings(StreamRecord(), EVERY_RULE, now=NOW, night=True, firing=firing)
    assert [each.rule for each in findings] == [
        rule for rule in RULES if rule not in {"unreachable", "memory"}
    ]
    assert {each.rule for each in findings if each.severity is CRITICAL} == {
        "expiring",
        "missing",
    }


seconds_of_age = st.integers(0, 8000).map(lambda seconds: timedelta(seconds=seconds))
entry_ids = st.builds(
    EntryId,
    st.sampled_from([0, 3, 2**64 - 1]) | st.integers(1_795_490_000_000, 1_795_500_000_000),
    st.integers(0, 500),
)
moments = st.integers(-8000, 8000).map(ago)
any_samples = st.builds(
    Sample,
    instrument=st.just("lsstcam"),
    at=moments,
    reached=st.sampled_from([True, True, True, False]),
    there=st.sampled_from([True, True, True, False, None]),
    waiting=st.sampled_from([0, 0, 1, 19, 20, 172, 1204, 5000]),
    visits=st.integers(0, 30),
    capped=st.booleans(),
    wait=st.none() | seconds_of_age,
    unconfirmed=st.sampled_from([0, 1, 9, 10, 300]),
    consumers=st.sampled_from([0, 300, 49_000, 60_000]),
    length=st.integers(0, 10),
    added=st.sampled_from([0, 172, 344, 10_000]),
    last_delivered=entry_ids,
    lag=st.none() | st.integers(-5, 6000),
    announced=st.integers(0, 1),
    oldest=st.none() | st.builds(Entry, entry_ids),
    first_skipped=st.none() | moments,
    newest=st.none() | moments,
)
rule_sets = st.frozensets(st.sampled_from(list(RULES)))
Step = tuple[Sample, int]


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(any_samples, st.sampled_from([5, 5, 5, 30, 70, 2000, -5, -400])), max_size=60
    ),
    rule_sets,
    rule_sets,
    st.booleans(),
)
def test_any_samples_are_judged(
    steps: list[Step], enabled: frozenset[str], firing: frozenset[str], night: bool
) -> None:
    run(steps, Thresholds(enabled), was(*firing), night=night)


@settings(deadline=None)
@given(
    st.lists(st.tuples(any_samples, st.sampled_from([5, 5, 5, 30, 70])), max_size=40),
    st.integers(5, 60),
)
def test_two_minutes_with_nothing_waiting_end_a_backlog(steps: list[Step], step: int) -> None:
    record, firing = run(steps, EVERY_RULE, NONE, night=True)
    calm: list[Step] = [
        (Sample("lsstcam", NOW, reached=True, there=True, lag=0), step)
        for _ in range(120 // step + 2)
    ]
    _, firing = run(calm, EVERY_RULE, firing, night=True, record=record)
    assert not {each for each in firing if rule_of(each).head == "backlog"}


def run(
    steps: list[Step],
    limits: Thresholds,
    firing: Mapping[str, Finding],
    *,
    night: bool,
    record: StreamRecord | None = None,
) -> tuple[StreamRecord, Mapping[str, Finding]]:
    """Fold samples some seconds apart; gives the record, and what fires in the end."""
    record = record or StreamRecord()
    server_track = ServerRecord()
    now = record.at or NOW
    for each, seconds in steps:
        now += timedelta(seconds=seconds)
        taken = replace(each, at=now)
        record = record.seen(taken)
        if taken.reached:
            server_track = server_track.answered(now, taken.waiting, taken.consumers or None)
        else:
            server_track = server_track.unanswered(now)
        found = (
            *stream_findings(record, limits, now=now, night=night, firing=firing, dusk=ago(5000)),
            *server_findings(server_track, limits, now=now, night=night, firing=firing),
        )
        rules = [each.rule for each in found]
        assert len(set(rules)) == len(rules)
        assert set(rules) <= limits.enabled
        assert all(each.since.tzinfo is UTC for each in found)
        assert all(each.ends is None or each.ends > now for each in found), "it would be over"
        firing = {each.rule: each for each in found}
    return record, firing


# Which link of the chain has likely failed.

FIGURES = Figures(NOW, waiting=860, visits=5, arriving=4.6, read=0.0)


def incident(rule: str, figures: Figures = FIGURES) -> Incident:
    finding = Finding(rule, Severity.WARNING, NOW - timedelta(minutes=3))
    return Incident(31, "prod", rule_of(rule).head, "lsstcam", NOW, NOW, {rule: finding}, figures)


@pytest.mark.parametrize(
    ("figures", "unmoved", "link", "likely"),
    [
        (FIGURES, False, ChainLink.WORKERS, "KEDA or the workers."),
        (replace(FIGURES, read=2.2), True, ChainLink.WORKERS, "KEDA or the workers."),
        (replace(FIGURES, read=None), True, ChainLink.WORKERS, "KEDA or the workers."),
        (
            replace(FIGURES, read=None),
            False,
            ChainLink.WORKERS,
            "workers do not keep up; how fast they read is not known yet.",
        ),
        (
            replace(FIGURES, read=3.1),
            False,
            ChainLink.WORKERS,
            "all workers are busy. Read 3.1 of 4.6 entries/s.",
        ),
        (
            replace(FIGURES, read=3.1, arriving=None),
            False,
            ChainLink.WORKERS,
            "all workers are busy. Read 3.1 entries/s.",
        ),
        (
            replace(FIGURES, read=6.0),
            False,
            ChainLink.WORKERS,
            "all workers are busy with what has piled up. Read 6.0, arriving 4.6 entries/s.",
        ),
        (
            replace(FIGURES, lag_known=False),
            True,
            ChainLink.GROUP,
            "Redis reports no lag (nil), so KEDA starts no jobs.",
        ),
    ],
)
def test_why_entries_wait(figures: Figures, *, unmoved: bool, link: ChainLink, likely: str) -> None:
    found = incident("stalled" if unmoved else "backlog", figures).diagnosis
    assert (found.link, found.likely, found.topic) == (link, likely, "not reading")
    assert found.looks == ("jobs", "grafana")


@pytest.mark.parametrize(
    ("rule", "link", "topic"),
    [
        ("backlog", ChainLink.WORKERS, "not reading"),
        ("expiring", ChainLink.WORKERS, "not reading"),
        ("stalled", ChainLink.WORKERS, "not reading"),
        ("lag", ChainLink.WORKERS, "not reading"),
        ("missing", ChainLink.GROUP, "no group"),
        ("unreachable", ChainLink.REDIS, "unreachable"),
        ("pending", ChainLink.WORKERS, "unconfirmed"),
        ("memory", ChainLink.REDIS, "trim"),
        ("consumers", ChainLink.GROUP, "statistics"),
        ("silent", ChainLink.PRODUCER, "silent producer"),
    ],
)
def test_the_link_that_a_rule_points_to(rule: str, link: ChainLink, topic: str) -> None:
    found = incident(rule).diagnosis
    assert (found.link, found.topic) == (link, topic)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("kind", ["", *(each.value for each in Unreachable)])
def test_every_topic_exists_and_every_guess_is_a_sentence(rule: str, kind: str) -> None:
    found = incident(rule, replace(FIGURES, kind=kind)).diagnosis
    assert found.topic in topics()
    assert found.likely.endswith(".")
    assert not set(found.looks) - {"jobs", "grafana", "argocd"}


def test_the_bot_sees_redis_and_not_the_telescope() -> None:
    assert "The bot sees Redis, not the telescope." in incident("silent").diagnosis.likely


@pytest.mark.parametrize("kind", Unreachable)
def test_in_which_way_redis_is_away(kind: Unreachable) -> None:
    assert replace(FIGURES, kind=kind.value).unreachable is kind


def test_a_kind_that_nobody_knows() -> None:
    assert replace(FIGURES, kind="is asleep").unreachable is None


@pytest.mark.parametrize(
    ("arriving", "read", "expected"),
    [(4.6, 0.0, True), (4.6, 4.6, False), (None, 0.0, False), (4.6, None, False), (0, 5, False)],
)
def test_what_grows(arriving: float | None, read: float | None, *, expected: bool) -> None:
    assert replace(FIGURES, arriving=arriving, read=read).growing is expected
