"""The figures of an incident that fires, label by label, and how each is written."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.errors import Unreachable
from bot.domain.rules import Finding
from bot.domain.samples import Figures
from bot.render.blocks import truncate
from bot.render.words import clock, count, duration, quick, size

SAFE = "Images are safe"
"""Said wherever *skipped* first appears."""

_HOW = {
    Unreachable.REFUSED: "connection refused",
    Unreachable.TIMED_OUT: "no answer in time",
    Unreachable.UNRESOLVED: "name not resolved",
    Unreachable.LOADING: "loading its data",
    Unreachable.PASSWORD: "password refused",
    Unreachable.DISK_FULL: "disk full",
    Unreachable.DISCONNECTED: "connection cut",
}
_LONGEST_VISIT = 40
_MINUTE, _TWO_HOURS = timedelta(minutes=1), timedelta(hours=2)


def amount(entries: int, visits: int, *, capped: bool = False) -> str:
    """Write ``860 entries = 5 visits``."""
    at_least = "at least " if capped else ""
    said = at_least + count(entries, "entry")
    return said if visits == 0 else f"{said} = {at_least}{count(visits, 'visit')}"


def each_visit(figures: Figures) -> str:
    """Write ``(a visit is 172)``, where that is so and not already said."""
    if figures.visits < 2 or figures.capped or figures.waiting % figures.visits:  # noqa: PLR2004 -- one visit is its own size
        return ""
    entries = figures.waiting // figures.visits
    return f" (a visit is {entries:,})" if entries > 1 else ""


def read(figures: Figures, stalled: Finding | None, now: datetime) -> str:
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


def memory(figures: Figures) -> str:
    """Write ``3.3 GiB, 82 % of its 4.0 GiB``."""
    if not figures.memory_limit:
        return f"{size(figures.memory)}, its limit is unknown"
    share = figures.memory / figures.memory_limit * 100
    return f"{size(figures.memory)}, {share:.0f} % of its {size(figures.memory_limit)}"


def facts(incident: Incident, environment: Environment, now: datetime) -> Iterator[tuple[str, str]]:
    """Give label and text of each figure of one that fires."""
    figures = incident.figures
    if incident.name == "backlog":
        yield from _backlog(incident, environment, now)
    elif incident.name == "unreachable":
        yield from _away(figures, now)
    elif incident.name == "memory":
        yield "Memory", memory(figures)
        if figures.answers_in is not None:
            yield "Answers in", quick(figures.answers_in)
    elif incident.name == "missing":
        known = figures.waiting
        yield "Stream", f"there, {count(known, 'entry')} in it" if known else "empty or missing"
        yield "Since", _since(incident, now)
    elif incident.name == "pending":
        yield "Unconfirmed", count(figures.unconfirmed, "entry")
        yield "Since", _since(incident, now)
    elif incident.name == "consumers":
        yield "Names", f"{figures.consumers:,}"
    else:
        yield "Since", _since(incident, now)
    if incident.skipped and incident.name == "backlog":
        yield "Skipped so far", _skipped_so_far(incident, now)


def _away(figures: Figures, now: datetime) -> Iterator[tuple[str, str]]:
    if figures.answers and figures.answers_in is not None:
        yield "Answers in", quick(figures.answers_in)
    else:
        yield "Tried", _tried(figures)
    if figures.read_last is not None:
        at = clock(figures.read_last, seconds=True, now=now)
        yield "Last known", f"an entry was read at {at} UTC"


def _backlog(
    incident: Incident, environment: Environment, now: datetime
) -> Iterator[tuple[str, str]]:
    figures = incident.figures
    expiring = incident.leading == "expiring"
    size = "" if expiring else each_visit(figures)
    yield "Waiting", amount(figures.waiting, figures.visits, capped=figures.capped) + size
    wait = "unknown: its entry ID is no time" if figures.wait is None else duration(figures.wait)
    if expiring and figures.oldest_visit:
        wait += f", visit {truncate(figures.oldest_visit, _LONGEST_VISIT)}"
    yield "Longest wait", wait
    if expiring:
        yield "If nothing changes", _if_nothing_changes(figures, now)
    yield "Read", read(figures, incident.findings.get("stalled"), now)
    if not expiring and environment.expiration is not None:
        yield "First skipped", _first_skipped(figures, now)


def _first_skipped(figures: Figures, now: datetime) -> str:
    at = figures.first_skipped
    if at is None:
        return "unknown: the oldest entry carries no time"
    safe = SAFE[:1].lower() + SAFE[1:]
    if at <= now:
        return f"since {clock(at, now=now)} UTC; {safe}"
    return f"{clock(at, now=now)} UTC, in {duration(at - now)}; {safe}"


def _if_nothing_changes(figures: Figures, now: datetime) -> str:
    at = figures.first_skipped
    pace = figures.between_visits
    if at is None or at <= now:
        return "more visits are skipped" if pace is None else f"one more every {duration(pace)}"
    then = "" if pace is None else f", then one every {duration(pace)}"
    return f"1 visit skipped at {clock(at, now=now)} UTC{then}"


def _skipped_so_far(incident: Incident, now: datetime) -> str:
    since = clock(incident.skipped[0].at, now=now)
    return f"{skipped(incident)}, since {since} UTC"


def skipped(incident: Incident) -> str:
    """Write how much was skipped: ``1,032 entries = 6 visits``."""
    return amount(sum(each.entries for each in incident.skipped), len(incident.skipped))


def _tried(figures: Figures) -> str:
    kind = figures.unreachable
    how = _HOW[kind] if kind is not None else figures.kind or "no answer"
    times = f", {count(figures.tries, 'time')}" if figures.tries else ""
    return f"{figures.address or 'its address'}, {how}{times}"


def _since(incident: Incident, now: datetime) -> str:
    return f"{clock(incident.began, seconds=True, now=now)} UTC ({minutes(now - incident.began)})"


def every(figures: Figures) -> str:
    """Write ``, one every 37 s``; empty where the pace of visits is not known."""
    if figures.between_visits is None:
        return ""
    return f", one every {duration(figures.between_visits)}"


def minutes(span: timedelta) -> str:
    """Write ``42 min``, ``71 min``, ``2 h 5 min``: how long something lasted."""
    if _MINUTE <= span < _TWO_HOURS:
        return f"{span // _MINUTE} min"
    return duration(span)


def countdown(span: timedelta) -> str:
    """Write ``30 min``: how long there is still, to the nearest minute."""
    if span < _MINUTE:
        return duration(span)
    return minutes((span + _MINUTE / 2) // _MINUTE * _MINUTE)
