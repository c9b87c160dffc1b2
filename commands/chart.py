"""`chart`: one stream over time, as a picture in the channel."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bot.command import Call, Purpose, Read, Reply
from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.samples import Minute, Sample
from bot.render.blocks import FIRST_LINE, Block, join, section
from bot.render.chart import Chart, drawn, nights
from bot.render.streams import GAP, is_known, waiting
from bot.render.words import clock, count, duration, rough

SPAN = timedelta(hours=6)
_SHORTEST, _LONGEST = timedelta(minutes=10), timedelta(days=30)
CLOSE = timedelta(hours=2)
"""Up to here every look is drawn; of a longer span, the worst of each minute."""

_ALARMS = 3
"""More of them are counted; the picture has their numbers."""


async def run(call: Call) -> Reply:
    """Draw what was seen of one stream."""
    if call.arguments.words and len(call.instruments()) > 1:
        raise call.mistake("A chart shows one instrument at a time.")
    instrument, span = call.instrument(), call.span("since", SPAN)
    if not _SHORTEST <= span <= _LONGEST:
        raise call.mistake("`--since` must be from 10m to 30d: what was seen is kept for 30 days.")
    environment, until = call.environment, call.now
    samples, alarms = call.services.samples, call.services.alarms
    since = until - span
    points: Sequence[Minute | Sample] = ()
    if span <= CLOSE:
        points = await samples.recent(environment.name, since, instrument)
    points = points or await samples.minutes_until_now(environment.name, since, instrument, until)
    if not points:
        return Reply(*nothing(environment, instrument, span, call.deployment.started, until))
    incidents, silences, windows = await asyncio.gather(
        alarms.between(since, until),
        alarms.silences_between(since, until),
        call.services.maintenance.between(since, until),
    )
    about = [each for each in incidents if each.instrument in ("", instrument)]
    title = f"{environment.label} {instrument}, last {duration(span)}"

    chart = Chart(
        title,
        points,
        since,
        until,
        nights=nights(environment.site, since, until),
        windows=windows,
        silences=[
            each
            for each in silences
            if each.instrument == instrument or any(each.matches(one) for one in about)
        ],
        incidents=about,
        expiration=environment.expiration,
    )
    return Reply(*in_words(chart), picture=await drawn(chart))


def in_words(chart: Chart) -> tuple[str, list[Block]]:
    """Tell the peaks in the first line, then the alarms: for those who cannot see the picture."""
    title, points, incidents, ends = chart.title, chart.points, chart.incidents, chart.ends
    seen = [each for each in points if is_known(each)]
    if not seen:
        first = f"*{title}: unknown.* Redis did not answer, or there was no group."
        return first, [section(join("\n", [first, *_alarms(incidents, ends)]))]
    peak = max(seen, key=lambda each: each.waiting)
    longest = max((each.wait for each in seen if each.wait is not None), default=timedelta())
    if peak.waiting:
        most = f"highest {waiting(peak.waiting)} waiting at {clock(peak.at, now=ends)} UTC"
        parts = [most, f"longest {rough(longest)}"]
    else:
        parts = [most := "nothing waited"]
    unconfirmed = f"{seen[-1].unconfirmed:,} unconfirmed now"
    first = f"*{title}: {', '.join([*parts, unconfirmed])}.*"
    lines = []
    if len(first) > FIRST_LINE:
        first = f"*{title}: {most}.*"
        lines = [f"Longest wait {duration(longest)}, {unconfirmed}."]
    elif longest >= timedelta(minutes=1):
        lines = [f"Longest wait {duration(longest)}."]
    if seen[0].at - chart.begins > GAP:
        lines.append(f"Nothing is known before {clock(seen[0].at, now=ends)} UTC.")
    return first, [section(join("\n", [first, *lines, *_alarms(incidents, ends)]))]


def nothing(
    environment: Environment, instrument: str, span: timedelta, started: datetime, now: datetime
) -> tuple[str, list[Block]]:
    """Say that nothing was seen yet, and since when the bot watches."""
    first = (
        f"⚪ *{environment.label} {instrument}: nothing was seen of it in the last "
        f"{duration(span)}.*"
    )
    since = (
        f"The bot watches since {clock(started, now=now)} UTC. Try again in a minute; `stats` "
        "tells how it is now."
    )
    return first, [section(join("\n", [first, since]))]


def _alarms(incidents: Sequence[Incident], now: datetime) -> Iterator[str]:
    for each in incidents[-_ALARMS:]:
        began = clock(each.began, now=now)
        lasted = "not over" if each.resolved is None else f"{clock(each.resolved, now=now)} UTC"
        worst, name = each.worst.value, each.name
        yield f"Alarm {each.id} ({name}, {worst}): {began} to {lasted}."
    more = len(incidents) - _ALARMS
    if more > 0:
        yield f"Before these, {count(more, 'more alarm')}: `alarms history`"


COMMANDS = (
    Read(
        name="chart",
        usage="[INSTRUMENT] [--since DURATION]",
        summary="what waited, for how long, and what was not confirmed, as a picture",
        purpose=Purpose.LOOK,
        run=run,
        at_once=3,
        details=(
            "The picture is shown to the whole channel, with your name: Slack has no private "
            "files. Night, silences and alarms with their numbers are marked; dots mean that "
            "nothing is known of that time. `--since` takes 10m to 30d; without it, 6h."
        ),
    ),
)
