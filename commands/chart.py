"""`chart`: one stream over time, as a picture in the channel."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from bot.command import Call, Purpose, Read, Reply, Right
from bot.domain.samples import Minute, Sample
from bot.render import chart
from bot.render.drawing import drawn
from bot.render.outline import nothing, outline
from bot.render.words import duration

SPAN = timedelta(hours=6)
SHORTEST, LONGEST = timedelta(minutes=10), timedelta(days=30)
CLOSE = timedelta(hours=2)
"""Up to here every look is drawn; of a longer span, the worst of each minute."""


async def run(call: Call) -> Reply:
    """Draw what was seen of one stream."""
    instrument, span = _instrument(call), _span(call)
    history, environment, until = call.services.history, call.environment, call.now
    since = until - span
    points: Sequence[Minute | Sample] = ()
    if span <= CLOSE:
        points = await history.samples(instrument, since)
    points = points or await history.minutes(instrument, since)
    if not points:
        text, blocks = nothing(environment, instrument, span, call.deployment.started, until)
        return Reply(blocks, text)
    incidents, silences, windows = await asyncio.gather(
        history.incidents(since),
        history.silences(since),
        call.services.maintenance.between(since, until),
    )
    about = [each for each in incidents if each.instrument in ("", instrument)]
    title = f"{environment.label} {instrument}, last {duration(span)}"

    marks = chart.Marks(
        nights=chart.nights(environment.site, since, until),
        windows=windows,
        silences=[
            each
            for each in silences
            if each.instrument == instrument or any(each.matches(one) for one in about)
        ],
        incidents=about,
    )
    picture = await drawn(title, points, since, until, marks, expiration=environment.expiration)
    text, blocks = outline(title, points, since, until, about)
    return Reply(blocks, text, picture=picture)


def _instrument(call: Call) -> str:
    named = call.instruments() if call.arguments.words else ()
    if len(named) > 1:
        raise call.mistake("A chart shows one instrument at a time.")
    return call.instrument()


def _span(call: Call) -> timedelta:
    span = call.span("since", SPAN)
    if not SHORTEST <= span <= LONGEST:
        raise call.mistake("`--since` must be from 10m to 30d: what was seen is kept for 30 days.")
    return span


COMMANDS = (
    Read(
        name="chart",
        usage="[INSTRUMENT] [--since DURATION]",
        summary="what waited, for how long, and what was not confirmed, as a picture",
        purpose=Purpose.LOOK,
        right=Right.ANYBODY,
        run=run,
        details=(
            "The picture is shown to the whole channel, with your name: Slack has no private "
            "files. Night, silences and alarms with their numbers are marked; dots mean that "
            "nothing is known of that time. `--since` takes 10m to 30d; without it, 6h."
        ),
    ),
)
