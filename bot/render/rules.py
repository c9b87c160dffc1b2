"""The words of the rules, each a row: first line, figures, what it means, what helps, the end.

`WORDS` has one row for each rule in `bot.domain.rules`; a test names the rule that has none.
What a rule has no evidence for, it does not say.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.domain.alarms import Incident
from bot.domain.environments import Environment, label_of
from bot.domain.errors import Unreachable
from bot.domain.rules import (
    BACKLOG,
    CONSUMERS,
    EXPIRING,
    LAG,
    MEMORY,
    MISSING,
    PENDING,
    RULES,
    SILENT,
    STALLED,
    UNKNOWN_LAG,
    UNREACHABLE,
    Finding,
    Rule,
    Severity,
)
from bot.domain.samples import Figures
from bot.render.blocks import FIRST_LINE, Markup, code, escape, truncate
from bot.render.words import (
    NOT_KEPT,
    NOT_REPEATED,
    SAFE,
    amount,
    clock,
    count,
    countdown,
    duration,
    in_minutes,
    ordinal,
    quick,
    rough,
    size,
)

_LONGEST_INSTRUMENT = 16
_LONGEST_VISIT = 40

Fields = Iterator[tuple[str, str]]
"""Label and text of figures."""


def _since_when(incident: Incident, environment: Environment, now: datetime) -> Fields:
    at = clock(incident.since, seconds=True, now=now)
    yield "Since", f"{at} UTC ({in_minutes(now - incident.since)})"


Saying = str | Callable[[Incident], str]
"""A text of a rule: always the same, or one that an alarm has evidence for."""


@dataclass(frozen=True)
class Words:
    """What a rule says.

    Parameters
    ----------
    claim
        What holds, how bad, and since when, without a full stop: the first line where it leads.
    ending
        How it is when nothing of it is so any more, though not for long enough to be over, without
        a full stop; asked of the rule that names an incident.
    over
        How it is now that it is over, with a full stop.
    plain
        The claim for a lock screen, where nobody counts down; None where it is the same.
    figures
        Label and text of each figure of one that fires; asked of the rule that names an incident.
    means
        What it means for visits; empty where there is nothing to say.
    remedy
        Label of the button, and command, that make it well: each asks for an approval, or only
        tidies up.
    next
        Command to look at next instead of the places of the diagnosis; its instrument is added.
    restart
        True if a restart may help while Redis does not answer.
    check
        What is to be checked when it is over.
    matter
        What it is about, for a list: of a rule that no silence holds, or that is told at once.
    """

    claim: Callable[[Incident, datetime], str]
    over: Saying
    ending: Callable[[Incident, datetime], str] = lambda incident, now: "no longer so"
    plain: Callable[[Incident, datetime], str] | None = None
    figures: Callable[[Incident, Environment, datetime], Fields] = _since_when
    means: Saying = ""
    remedy: tuple[str, str] | None = None
    next: str = ""
    restart: bool = False
    check: str = ""
    matter: str = ""


def words_of(name: str) -> Words:
    """Give the words of a rule by its name; those of one that this release lacks say just that."""
    return WORDS.get(name) or Words(
        claim=lambda incident, now: f"{name}, a rule that this release of the bot lacks",
        over="This release of the bot lacks its rule.",
    )


def text_of(text: Saying, incident: Incident) -> str:
    """Give a text of a rule."""
    return text if isinstance(text, str) else text(incident)


def where(incident: Incident) -> str:
    """Name environment and instrument; never one for the other."""
    label = label_of(incident.environment)
    return f"{label} {truncate(incident.instrument, _LONGEST_INSTRUMENT)}".strip()


def emoji(incident: Incident) -> str:
    """Give the colour of an incident as it is now."""
    if incident.resolved is not None:
        return "🟢"
    critical = incident.severity is Severity.CRITICAL and not incident.ending
    return "🔴" if critical else "🟡"


def first_line(incident: Incident, now: datetime) -> Markup:
    """Say the whole story in one line."""
    first = f"{emoji(incident)} *{where(incident)}: {claim(incident, now)}.* Alarm {incident.id}"
    return truncate(escape(first), FIRST_LINE)


def claim(incident: Incident, now: datetime) -> str:
    """Say what holds, how bad, and since when, without a full stop."""
    if incident.ending:
        return words_of(incident.name).ending(incident, now)
    return words_of(incident.leading).claim(incident, now) + again(incident, now)


def plain_claim(incident: Incident, now: datetime) -> str:
    """Say the same for a lock screen, where nobody counts down."""
    words = words_of(incident.leading)
    if incident.ending or words.plain is None:
        return claim(incident, now)
    return words.plain(incident, now) + again(incident, now)


def again(incident: Incident, now: datetime) -> str:
    """Write ``, again, the 4th time in 20 min`` of one that has fired before; else nothing."""
    if not incident.relapses:
        return ""
    time = ordinal(incident.relapses + 1)
    return f", again, the {time} time in {in_minutes(now - incident.opened)}"


def outcome(incident: Incident) -> str:
    """Say how it is now that it is over."""
    return text_of(words_of(incident.name).over, incident)


def facts(incident: Incident, environment: Environment, now: datetime) -> Fields:
    """Give label and text of each figure of one that fires."""
    return words_of(incident.name).figures(incident, environment, now)


def never_held(*, named: bool = False) -> str:
    """Say what no silence holds, with the names of the rules or without."""
    held = matters((rule for rule in RULES.values() if rule.pierces), named=named)
    return f"Never held: {held}."


def matters(rules: Iterable[Rule[Any]], *, named: bool = False) -> str:
    """List what rules are about, those that name an incident first."""
    *others, last = (
        words_of(rule.name).matter + (f" ({rule.name})" if named else "")
        for rule in sorted(rules, key=lambda rule: bool(rule.joins))
    )
    return ", ".join([*others, f"and {last}" if others else last])


# Entries wait.


def skipped(incident: Incident) -> str:
    """Write how much was skipped: ``1,032 entries = 6 visits``."""
    entries = sum(each.entries for each in incident.skipped)
    return amount(entries, len(incident.skipped), capped=incident.skipped_capped)


def _at_least(incident: Incident) -> str:
    return "at least " if incident.skipped_capped else ""


def peak(incident: Incident) -> str:
    """Write the most that waited: ``58 visits``; entries where their visits are not known."""
    return _visits(incident.highest_waiting, incident.highest_visits, incident.highest_capped)


def _short(figures: Figures) -> str:
    return _visits(figures.waiting, figures.visits, figures.capped)


def _visits(entries: int, visits: int, capped: bool) -> str:
    at_least = "at least " if capped else ""
    return at_least + (count(visits, "visit") if visits else count(entries, "entry"))


def _waiting(figures: Figures) -> str:
    wait = "" if figures.wait is None else f" {rough(figures.wait)}"
    return f"{_short(figures)} waiting{wait}"


def _backlog(incident: Incident, now: datetime) -> str:
    return _waiting(incident.figures) + (" and growing" if incident.figures.growing else "")


def _expiring(incident: Incident, now: datetime) -> str:
    first = incident.figures.first_skipped
    if first is None:
        return "visits are about to be skipped"
    if first > now:
        at = clock(first, now=now)
        return f"first visit is skipped in {countdown(first - now)} ({at} UTC)"
    since = clock(min([first, *(each.at for each in incident.skipped)]), now=now)
    if not incident.skipped:
        return f"visits are skipped since {since} UTC"
    return f"{_at_least(incident)}{count(len(incident.skipped), 'visit')} skipped since {since} UTC"


def _plain_expiring(incident: Incident, now: datetime) -> str:
    figures, first = incident.figures, incident.figures.first_skipped
    if first is None:
        return _expiring(incident, now)
    if first > now:
        return f"{_short(figures)} waiting, first one is skipped at {clock(first, now=now)} UTC"
    return f"{_short(figures)} waiting, {_expiring(incident, now)}"


def _visits_skipped(incident: Incident) -> str:
    if not incident.skipped:
        return "No visit was skipped."
    were = "visit was" if len(incident.skipped) == 1 else "visits were"
    said = f"{_at_least(incident)}{len(incident.skipped):,} {were} skipped."
    return said[0].upper() + said[1:]


def _read_again(incident: Incident, now: datetime) -> str:
    figures = incident.figures
    at_least = "at least " if figures.capped else ""
    waits = f"{at_least}{count(figures.waiting, 'entry')} waiting"
    if set(incident.findings) == {UNKNOWN_LAG.name} and figures.waiting:
        return f"Redis reports its lag again, {waits}"
    return f"being read again, {waits}"


def _of_reading(incident: Incident, now: datetime) -> Fields:
    figures, said = incident.figures, []
    if figures.read is not None and not figures.nothing_read:
        said.append(f"{figures.read:,.1f} entries/s")
    if figures.read_last is not None:
        said.append(f"the last one {duration(max(now, figures.at) - figures.read_last)} ago")
    yield "Read", ", ".join(said) or "unknown: not watched for long enough"
    if incident.highest_wait is not None:
        yield "Longest wait", f"was {duration(incident.highest_wait)}"


def _of_waiting(incident: Incident, environment: Environment, now: datetime) -> Fields:
    if incident.ending:
        yield from _of_reading(incident, now)
        return
    figures = incident.figures
    expiring = incident.leading == EXPIRING.name
    each = "" if expiring else _each_visit(figures)
    yield "Waiting", amount(figures.waiting, figures.visits, capped=figures.capped) + each
    wait = "unknown: its entry ID is no time" if figures.wait is None else duration(figures.wait)
    if expiring and figures.oldest_visit:
        wait += f", visit {truncate(figures.oldest_visit, _LONGEST_VISIT)}"
    yield "Longest wait", wait
    if expiring:
        yield "If nothing changes", _if_nothing_changes(figures, now)
    yield "Read", _read(figures, incident.findings.get(STALLED.name), now)
    if not expiring and environment.expiration is not None:
        yield "First skipped", _first_skipped(figures, now)
    if incident.skipped:
        since = clock(incident.skipped[0].at, now=now)
        yield "Skipped so far", f"{skipped(incident)}, since {since} UTC"


def _each_visit(figures: Figures) -> str:
    """Write ``(a visit is 172)``, where that is so and not already said."""
    if figures.visits < 2 or figures.capped or figures.waiting % figures.visits:  # noqa: PLR2004 -- one visit is its own size
        return ""
    entries = figures.waiting // figures.visits
    return f" (a visit is {entries:,})" if entries > 1 else ""


def _read(figures: Figures, stalled: Finding | None, now: datetime) -> str:
    """Say how fast workers read, and since when they do not."""
    last = figures.read_last or (stalled.since if stalled else None)
    if stalled is not None and not figures.nothing_read:
        # The rate is a mean over minutes, so it falls later than reading stops.
        return f"nothing since {clock(last or now, seconds=True, now=now)} UTC"
    if figures.read is None:
        return "unknown: not watched for long enough"
    if figures.nothing_read:
        since = f"; nothing since {clock(last, seconds=True, now=now)} UTC" if last else ""
        return f"0.0 entries/s{since}"
    arriving = "" if figures.arriving is None else f" of {figures.arriving:,.1f}"
    return f"{figures.read:,.1f}{arriving} entries/s"


def _first_skipped(figures: Figures, now: datetime) -> str:
    at = figures.first_skipped
    if at is None:
        return "unknown: the oldest entry carries no time"
    when = f"since {clock(at, now=now)} UTC"
    if at > now:
        when = f"{clock(at, now=now)} UTC, in {duration(at - now)}"
    return f"{when}; {SAFE}"


def _if_nothing_changes(figures: Figures, now: datetime) -> str:
    at, pace = figures.first_skipped, figures.between_visits
    if at is None or at <= now:
        return "more visits are skipped" if pace is None else f"one more every {duration(pace)}"
    then = "" if pace is None else f", then one every {duration(pace)}"
    return f"1 visit skipped at {clock(at, now=now)} UTC{then}"


# The stream, its group and its names.


def _missing(incident: Incident, now: datetime) -> str:
    what = "no group" if incident.figures.waiting else "no stream or no group"
    return f"missing, {what} since {clock(incident.since, now=now)} UTC"


def _of_missing(incident: Incident, environment: Environment, now: datetime) -> Fields:
    if incident.ending:
        yield "Was missing", f"since {clock(incident.since, seconds=True, now=now)} UTC"
        return
    known = incident.figures.waiting
    yield "Stream", f"there, {count(known, 'entry')} in it" if known else "empty or missing"
    yield from _since_when(incident, environment, now)


def _of_pending(incident: Incident, environment: Environment, now: datetime) -> Fields:
    yield "Unconfirmed", count(incident.figures.unconfirmed, "entry")
    yield from _since_when(incident, environment, now)


def _still_pending(incident: Incident) -> str:
    left = incident.figures.unconfirmed
    return f"{count(left, 'entry')} unconfirmed." if left else "Nothing is unconfirmed."


def _of_consumers(incident: Incident, environment: Environment, now: datetime) -> Fields:
    yield "Names", f"{incident.figures.consumers:,}"


# The Redis under all streams.

_SILENT = {
    Unreachable.REFUSED,
    Unreachable.TIMED_OUT,
    Unreachable.DISCONNECTED,
    Unreachable.UNRESOLVED,
}
"""Kinds of no answer at all: which one stands below the first line."""

_ON_THE_WAY = {Unreachable.UNRESOLVED, Unreachable.CERTIFICATE, Unreachable.TLS}
"""Kinds that may concern the bot's way to it alone."""


def _unreachable(incident: Incident, now: datetime) -> str:
    at = clock(incident.since, seconds=True, now=now)
    since = f"since {at} UTC ({in_minutes(now - incident.since)})"
    if any(each.recurs for each in incident.findings.values()):
        return f"Redis comes and goes {since}"
    kind = incident.figures.unreachable
    if kind is None or kind in _SILENT:
        return f"Redis {Unreachable.TIMED_OUT.value} {since}"
    if kind is Unreachable.DISK_FULL:
        return f"Redis' disk is full: workers cannot read either, {since}"
    if kind.blind:
        return f"the bot may not look ({kind.short}) {since}"
    # What follows from it stands below, where there is room.
    return f"Redis {kind.value.partition(': ')[0]} {since}"


def _answers_again(incident: Incident, now: datetime) -> str:
    at = clock(incident.since, seconds=True, now=now)
    gone = any(each.recurs for each in incident.findings.values())
    return f"Redis answers again, {'came and went' if gone else 'away'} since {at} UTC"


def _of_unreachable(incident: Incident, environment: Environment, now: datetime) -> Fields:
    figures = incident.figures
    if figures.answers and figures.answers_in is not None:
        yield "Answers in", quick(figures.answers_in)
    else:
        kind = figures.unreachable
        how = kind.short if kind is not None else figures.kind or "no answer"
        times = f", {count(figures.tries, 'time')}" if figures.tries else ""
        yield "Tried", f"{figures.address or 'its address'}, {how}{times}"
        if figures.words:
            yield "Redis says", code(figures.words)
    if figures.read_last is not None:
        at = clock(figures.read_last, seconds=True, now=now)
        yield "Last known", f"an entry was read at {at} UTC"


def _visits_are_lost(incident: Incident) -> str:
    figures = incident.figures
    if figures.answers:
        return ""
    kind = figures.unreachable
    if kind is not None and kind.blind:
        return "Workers may be well: this is about the bot alone."
    if kind in _ON_THE_WAY:
        return "Whether workers still read, the bot cannot see."
    if kind is Unreachable.MEMORY:
        return "Visits cannot be announced, and are skipped; workers still read what is there."
    pace = figures.between_visits
    every = "" if pace is None else f", one every {duration(pace)}"
    return f"Visits announced now are skipped{every}: {NOT_REPEATED}. {SAFE.capitalize()}."


def _memory(figures: Figures) -> str:
    """Write ``3.3 GiB, 82 % of its 4.0 GiB``."""
    if not figures.memory_limit:
        return f"{size(figures.memory)}, its limit is unknown"
    share = figures.memory / figures.memory_limit * 100
    return f"{size(figures.memory)}, {share:.0f} % of its {size(figures.memory_limit)}"


def _of_memory(incident: Incident, environment: Environment, now: datetime) -> Fields:
    yield "Memory", _memory(incident.figures)
    if incident.figures.answers_in is not None:
        yield "Answers in", quick(incident.figures.answers_in)


WORDS: dict[str, Words] = {
    BACKLOG.name: Words(
        claim=_backlog, ending=_read_again, over=_visits_skipped, figures=_of_waiting
    ),
    EXPIRING.name: Words(
        claim=_expiring,
        plain=_plain_expiring,
        over=_visits_skipped,
        matter="visits that are about to be skipped",
    ),
    STALLED.name: Words(
        claim=lambda incident, now: f"not reading, {_waiting(incident.figures)}",
        over=_visits_skipped,
    ),
    UNKNOWN_LAG.name: Words(
        claim=lambda incident, now: f"{_waiting(incident.figures)}, Redis reports no lag (nil)",
        over=_visits_skipped,
        remedy=("Ask to repair", "repair"),
        next="repair",
    ),
    MISSING.name: Words(
        claim=_missing,
        ending=lambda incident, now: "stream and group are there again",
        over="Stream and group are there.",
        figures=_of_missing,
        means="No worker can read. What is announced now waits in the stream; it is skipped if it "
        "is too old when the group is there again, or if the group begins after it. "
        f"{SAFE.capitalize()}.",
        remedy=("Ask to bootstrap", "bootstrap"),
        next="bootstrap",
        matter="a missing stream or group",
    ),
    UNREACHABLE.name: Words(
        claim=_unreachable,
        ending=_answers_again,
        over="Redis answers again.",
        figures=_of_unreachable,
        means=_visits_are_lost,
        restart=True,
        check=f"{NOT_KEPT}: it is skipped. {SAFE.capitalize()}.",
        matter="a Redis that does not answer",
    ),
    PENDING.name: Words(
        claim=lambda incident, now: (
            f"{count(incident.figures.unconfirmed, 'entry')} read but never confirmed"
        ),
        over=_still_pending,
        figures=_of_pending,
        means="Redis will not hand these out again: each is one detector of a visit that was "
        f"skipped. {SAFE.capitalize()}.",
        remedy=("Ask to settle", "settle"),
        next="pending",
    ),
    MEMORY.name: Words(
        claim=lambda incident, now: f"Redis uses {_memory(incident.figures)}",
        over=lambda incident: f"Redis uses {_memory(incident.figures)}.",
        figures=_of_memory,
        means="At its limit Redis takes no more entries, or Kubernetes ends it.",
    ),
    LAG.name: Words(
        claim=lambda incident, now: f"{_waiting(incident.figures)}, more than the limit",
        over=_visits_skipped,
    ),
    CONSUMERS.name: Words(
        claim=lambda incident, now: (
            f"{count(incident.figures.consumers, 'consumer name')}, more than the limit"
        ),
        over=lambda incident: f"{count(incident.figures.consumers, 'consumer name')} now.",
        figures=_of_consumers,
        means="Names ever used, not workers that run. They cost memory and time.",
        remedy=("Remove old names", "prune"),
        next="prune",
    ),
    SILENT.name: Words(
        claim=lambda incident, now: f"no visit announced for {in_minutes(now - incident.since)}",
        over="Visits come again, or it is day.",
    ),
}
"""The words of every rule by its name, each once."""
