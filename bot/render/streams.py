"""How streams are doing, in words: verdict first, then the leading figure."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from bot.domain import night
from bot.domain.environments import Environment
from bot.domain.night import Site
from bot.domain.samples import Minute, Sample
from bot.domain.streams import (
    COUNT_CAP,
    Forbidden,
    Group,
    Look,
    OtherKey,
    Stream,
    StreamState,
    Verdict,
    worst_verdict,
)
from bot.render.blocks import FIRST_LINE, Block, section
from bot.render.words import amount, clock, count, rough

EMOJI = {
    Verdict.HEALTHY: "🟢",
    Verdict.WAITING: "🟡",
    Verdict.UNKNOWN: "⚪",
    Verdict.NOT_READING: "🔴",
    Verdict.MISSING: "🔴",
    Verdict.UNREACHABLE: "🔴",
}
QUIET = timedelta(minutes=10)
"""Visits come every 37 s or so; after this long without one it is worth saying."""

GAP = timedelta(minutes=2)
"""Time without a look after which it is said."""


def streams_line(environment: Environment, looks: Sequence[Look]) -> str:
    """Say in one line how the streams are; of several their number, the worst and whose it is."""
    if len(looks) == 1:
        return stream_line(environment, looks[0])[0]
    verdicts = [look.verdict(environment.stalled_after) for look in looks]
    verdict = worst_verdict(verdicts)
    if verdict is Verdict.HEALTHY:
        waits = sum(look.group.waiting.entries for look in looks if look.group)
        names = ", ".join(look.instrument for look in looks)
        return (
            f"{EMOJI[verdict]} *{environment.label}: {len(looks)} streams, all healthy, "
            f"{count(waits, 'entry')} waiting:* {names}"
        )
    look = looks[verdicts.index(verdict)]
    return (
        f"{EMOJI[verdict]} *{environment.label}: {count(len(looks), 'stream')}, worst is "
        f"{look.instrument}, {verdict_and_figure(environment, look)}.*"
    )


def stream_line(environment: Environment, look: Look) -> tuple[str, str]:
    """Say how one stream is: the first line, and a sentence that may no longer fit into it."""
    verdict = look.verdict(environment.stalled_after)
    first = (
        f"{EMOJI[verdict]} *{environment.label} {look.instrument}: "
        f"{verdict_and_figure(environment, look)}.*"
    )
    more = _meaning(environment, look, verdict)
    if more and len(first) + 1 + len(more) <= FIRST_LINE:
        return f"{first} {more}", ""
    return first, more


def verdict_and_figure(environment: Environment, look: Look) -> str:
    """Say the verdict and the leading figure."""
    verdict = look.verdict(environment.stalled_after)
    figure = _leading_figure(look.state, look) if look.outage is None else look.outage.says
    return f"{verdict.value}, {figure}"


def _leading_figure(state: StreamState, look: Look) -> str:
    match state:
        case OtherKey(type=kind):
            return f"its key holds a {kind}, not a stream"
        case Forbidden(error=error):
            return error.says
        case Stream(group=Group(waiting=waits)):
            wait = look.longest_wait
            waiting = f"{amount(waits.entries, waits.visits, capped=waits.capped)} waiting"
            return waiting if waits.entries == 0 or wait is None else f"{waiting} {rough(wait)}"
        case Stream(length=length):
            return f"there is no group to read its {count(length, 'entry')}"
        case _:
            return "there is no stream"


def _meaning(environment: Environment, look: Look, verdict: Verdict) -> str:
    """Say what the verdict means for visits."""
    match verdict:
        case Verdict.HEALTHY:
            newest = look.last_announced
            if newest is not None and look.at - newest > QUIET:
                quiet = f"No visit announced since {clock(newest, now=look.at)} UTC."
                if not night.is_night(environment.site, look.at):
                    quiet += " That is normal by day."
                return quiet
            return "Visits are read as they arrive."
        case Verdict.NOT_READING if look.unmoved_since is not None:
            since = look.at - look.unread_for()
            return f"Nothing has been read since {clock(since, now=look.at)} UTC."
        case Verdict.MISSING:
            return "No worker can read."
        case Verdict.UNKNOWN:
            return "Workers may be well."
        case _:
            return ""


def together(
    environment: Environment, drawn: Sequence[tuple[str, list[Block]]], say: str
) -> tuple[str, list[Block]]:
    """Put several streams below one first line, with the colour of the worst."""
    if len(drawn) == 1:
        return drawn[0]
    colour = max((text[0] for text, _ in drawn), key="🟢⚪🟡🔴".index)
    first = f"{colour} *{environment.label}: {len(drawn)} streams, {say}.*"
    return first, [section(first), *(block for _, blocks in drawn for block in blocks)]


def missing(environment: Environment, instrument: str) -> tuple[str, list[Block]]:
    """Say that there is no group to ask about."""
    first = (
        f"🔴 *{environment.label} {instrument}: missing, there is no stream or no group.* No "
        "worker can read."
    )
    return first, [section(first)]


def is_known(point: Minute | Sample) -> bool:
    """Tell whether Redis answered, and the stream and its group were there."""
    return bool(point.reached) and (isinstance(point, Minute) or bool(point.there))


def waiting(entries: int) -> str:
    """Write how many entries waited, as far as they are counted."""
    return ("at least " if entries >= COUNT_CAP else "") + count(entries, "entry")


def sky(environment: Environment, now: datetime) -> str:
    """Say whether it is night at the telescope, and until when; to the minute."""
    return _sky(environment.site, now.replace(second=0, microsecond=0))


# The search for the next dusk was a third of the work of `stats`; a minute's answer is the same.
@lru_cache(maxsize=16)
def _sky(site: Site, now: datetime) -> str:
    current = night.night_at(site, now)
    if current is not None:
        return f"night until {clock(current.ends)} UTC" if current.ends else "night"
    dusk = night.next_dusk(site, now)
    return f"day, night from {clock(dusk, now=now)} UTC" if dusk else "day"
