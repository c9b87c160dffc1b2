"""What an incident comes down to: the words of its first line, and its figures."""

from datetime import datetime

from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.errors import Unreachable
from bot.domain.rules import Severity
from bot.domain.samples import Figures
from bot.render.blocks import FIRST_LINE, Markup, mark, truncate
from bot.render.figures import countdown, memory, minutes
from bot.render.words import clock, count, rough

_LONGEST_INSTRUMENT = 16
_LONGEST_NAME = 24


def emoji(incident: Incident) -> str:
    """Give the colour of an incident as it is now."""
    if incident.resolved is not None:
        return "🟢"
    return "🔴" if incident.severity is Severity.CRITICAL else "🟡"


def where(incident: Incident) -> str:
    """Name environment and instrument; never one for the other."""
    label = Environment(incident.environment, ()).label
    return f"{label} {truncate(incident.instrument, _LONGEST_INSTRUMENT)}".strip()


def name(person: str) -> str:
    """Give a person's name, short enough for a line."""
    return truncate(person, _LONGEST_NAME)


def headline(incident: Incident, now: datetime) -> Markup:
    """Say the whole story in one line."""
    first = mark(
        "{} *{}: {}.* Alarm {}", emoji(incident), where(incident), claim(incident, now), incident.id
    )
    return Markup(truncate(first, FIRST_LINE))


def claim(incident: Incident, now: datetime) -> str:  # noqa: C901 -- one case a rule
    """Say what holds, how bad, and since when, without a full stop.

    Parameters
    ----------
    incident
        One that fires.
    now
        The time of this drawing.
    """
    figures = incident.figures
    match incident.leading:
        case "expiring":
            return _expiring(incident, now)
        case "stalled":
            return f"not reading, {waiting(figures)}"
        case "backlog":
            return waiting(figures) + (" and growing" if figures.growing else "")
        case "unknown_lag":
            return f"{waiting(figures)}, Redis reports no lag (nil)"
        case "lag":
            return f"{waiting(figures)}, more than the limit"
        case "missing":
            what = "no group" if figures.waiting else "no stream or no group"
            return f"missing, {what} since {clock(incident.began, now=now)} UTC"
        case "unreachable" if figures.answers:
            return f"Redis answers again, away since {_since(incident, now)}; watched for 10 s"
        case "unreachable":
            return f"{away(figures)} since {_since(incident, now)}"
        case "pending":
            return f"{count(figures.unconfirmed, 'entry')} read but never confirmed"
        case "memory":
            return f"Redis uses {memory(figures)}"
        case "consumers":
            return f"{count(figures.consumers, 'consumer name')}, more than the limit"
        case _:
            return f"no visit announced for {minutes(now - incident.began)}"


def plain_claim(incident: Incident, now: datetime) -> str:
    """Say the same for a lock screen, where nobody counts down."""
    figures = incident.figures
    if incident.leading == "expiring" and figures.first_skipped is not None:
        if figures.first_skipped > now:
            at = clock(figures.first_skipped, now=now)
            return f"{short(figures)} waiting, first one is skipped at {at} UTC"
        return f"{short(figures)} waiting, {_expiring(incident, now)}"
    return claim(incident, now)


def away(figures: Figures) -> str:
    """Say in which way Redis does not answer, as far as it matters."""
    match figures.unreachable:
        case Unreachable.LOADING | Unreachable.PASSWORD as kind:
            return f"Redis {kind.value}"
        case Unreachable.DISK_FULL:
            return "Redis' disk is full: workers cannot read either,"
        case _:
            return "Redis does not answer"


def waiting(figures: Figures) -> str:
    """Write ``5 visits waiting 3 min``."""
    wait = "" if figures.wait is None else f" {rough(figures.wait)}"
    return f"{short(figures)} waiting{wait}"


def short(figures: Figures) -> str:
    """Write ``5 visits``; entries where their visits are not known."""
    at_least = "at least " if figures.capped else ""
    if figures.visits:
        return at_least + count(figures.visits, "visit")
    return at_least + count(figures.waiting, "entry")


def short_of(incident: Incident) -> str:
    """Write the peak of an incident: ``58 visits``."""
    at_least = "at least " if incident.highest_capped else ""
    if incident.highest_visits:
        return at_least + count(incident.highest_visits, "visit")
    return at_least + count(incident.highest_waiting, "entry")


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
    return f"{count(len(incident.skipped), 'visit')} skipped since {since} UTC"


def _since(incident: Incident, now: datetime) -> str:
    return f"{clock(incident.began, seconds=True, now=now)} UTC ({minutes(now - incident.began)})"
