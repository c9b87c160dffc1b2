"""`stats`: what waits, for how long, and whether it is being read.

A figure that is not known says why.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.command import Call, Purpose, Read, Reply
from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.errors import StateError
from bot.domain.samples import RATES_OVER, Minute, Rates, highest, rates, sparkline
from bot.domain.streams import Entry, Forbidden, Group, Look, OtherKey, Stream, Verdict
from bot.domain.workloads import Jobs
from bot.render import workloads
from bot.render.alarms import open_alarms
from bot.render.blindness import in_short
from bot.render.blocks import (
    BUTTONS_IN_MESSAGE,
    Block,
    Button,
    Markup,
    code,
    context,
    join,
    link,
    mark,
    section,
)
from bot.render.errors import tried
from bot.render.streams import GAP, sky, stream_line, streams_line, waiting
from bot.render.words import CATCH_UP, amount, clock, count, duration

HOUR = timedelta(hours=1)

_ANSWER_WITHIN = 2.0
"""Seconds for which the figures of now wait for those of the last hour."""

_LEAST_SPEED = 0.05
"""Entries per second; what is slower counts as none."""


@dataclass(frozen=True)
class LastHour:
    """What is known of a stream's last hour.

    Parameters
    ----------
    started
        When this process began to watch.
    minutes
        The hour, in order of time; None where the bot's database is away.
    """

    started: datetime
    minutes: Sequence[Minute] | None = None
    rates: Rates = field(default=Rates())

    @property
    def seen(self) -> Sequence[Minute]:
        """Minutes in which Redis answered."""
        return [each for each in self.minutes or () if each.reached]


async def run(call: Call) -> Reply:
    """Look at the streams of the instruments that were named."""
    environment, instruments = call.environment, call.instruments()
    looks, firing, hours, pod, jobs, blind = await asyncio.gather(
        call.services.streams.look(instruments),
        _firing(call, instruments),
        asyncio.gather(*(_last_hour(call, each) for each in instruments)),
        call.services.workloads.pod(),
        asyncio.gather(*(call.services.workloads.jobs(each) for each in instruments)),
        call.services.watch.blindness(call.now),
    )
    first = streams_line(environment, looks)
    blocks = [section(first)] if len(looks) > 1 else []
    for look, hour, running in zip(looks, hours, jobs, strict=True):
        blocks += _stream(environment, look, hour, running)
    if pod is not None:
        blocks.append(context(f"Pod {workloads.pod(pod, looks[0].at)}"))
    if blind is not None:
        blocks.append(section(f"⚪ *No alarm is to be expected:* {in_short(blind, call.now)}."))
    blocks.append(_footer(environment, looks, firing))
    return Reply(first, blocks, tuple(_buttons(call, looks, firing))[:BUTTONS_IN_MESSAGE])


def _buttons(call: Call, looks: Sequence[Look], firing: Sequence[Incident]) -> list[Button]:
    worst = max(looks, key=lambda each: each.verdict(call.environment.stalled_after).badness)
    free = [each for each in firing if each.owner is None]
    return [
        *call.reading_buttons,
        *(Button("I'm on it", "own", str(each.id)) for each in free[:1]),
        Button("Chart", "chart", worst.instrument),
        Button("What do these mean?", "help", "stats"),
    ]


async def _last_hour(call: Call, instrument: str) -> LastHour:
    """Give what is known of the last hour; the bot's own database may be away."""
    started, name = call.deployment.started, call.environment.name
    samples = call.services.samples
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            minutes = await samples.minutes_until_now(name, call.now - HOUR, instrument, call.now)
            recent = await samples.recent(name, call.now - RATES_OVER, instrument)
            return LastHour(started, minutes, rates(recent))
    except (StateError, TimeoutError):
        return LastHour(started)


async def _firing(call: Call, instruments: Sequence[str]) -> list[Incident]:
    """Give the open alarms about these streams, or the Redis under them."""
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            firing = await call.services.alarms.firing()
    except (StateError, TimeoutError):
        return []
    about = [each for each in firing if each.instrument in ("", *instruments)]
    return sorted(about, key=lambda each: each.id)


def _stream(
    environment: Environment, look: Look, hour: LastHour, running: Jobs | None
) -> Iterator[Block]:
    """Draw one stream: the verdict, the figures, the last hour, and then what to do."""
    lines = [line for line in stream_line(environment, look) if line]
    figures = list(_fields(environment, look, hour))
    if running is not None:
        figures.append(("Jobs", workloads.jobs(running)))
    yield section(join("\n", lines), figures)
    below = list(_advice(environment, look, hour, running))
    if look.group is not None or hour.seen:
        below.insert(0, last_hour(hour, look.at))
    if below:
        yield section(join("\n", below))


def _fields(environment: Environment, look: Look, hour: LastHour) -> Iterator[tuple[str, str]]:
    if not isinstance(look.state, Stream):
        return
    group = look.group
    if group is None:
        yield "Last visit", _last_visit(look)
        return
    waits = group.waiting
    yield "Waiting", amount(waits.entries, waits.visits, capped=waits.capped)
    if look.verdict(environment.stalled_after) is Verdict.HEALTHY:
        yield "Longest wait", longest_wait(hour, look)
        yield "Last visit", _last_visit(look)
    elif waits.oldest is None:
        yield "Longest wait", "nothing waits"
    else:
        unknown = "unknown: its entry ID is no time"
        wait = unknown if look.longest_wait is None else duration(look.longest_wait)
        yield "Longest wait", f"{wait}, visit {waits.oldest.visit or 'unknown'}"
        if environment.expiration is None:
            yield "Last visit", _last_visit(look)
        else:
            yield "First skipped", _first_skipped(waits.oldest, environment.expiration, look.at)
    yield from speeds(hour, look.at)
    yield "Unconfirmed", f"{group.pending:,}"


def _first_skipped(oldest: Entry, expiration: timedelta, now: datetime) -> str:
    at = oldest.skipped_at(expiration)
    if at is None:
        return "unknown: it carries no time"
    if at <= now:
        return f"since {clock(at, now=now)} UTC"
    return f"at {clock(at, now=now)} UTC, in {duration(at - now)}"


def _last_visit(look: Look) -> str:
    announced = look.last_announced
    if announced is None:
        return "none yet"
    newest = look.state.newest if isinstance(look.state, Stream) else None
    survey = f", {newest.survey}" if newest is not None and newest.survey else ""
    return f"{duration(look.at - announced)} ago{survey}"


def _advice(
    environment: Environment, look: Look, hour: LastHour, running: Jobs | None
) -> Iterator[str]:
    """Say what differs, what is likely, and what to do next."""
    group = look.group
    if group is not None:
        yield from _redis_itself(group)
        if group.waiting.entries and environment.expiration is not None:
            yield (
                f"What waits longer than {duration(environment.expiration)} is skipped: {CATCH_UP}"
            )
    match look.verdict(environment.stalled_after):
        case Verdict.NOT_READING:
            yield workloads.stopped(running)
            yield _next(environment, look.instrument)
        case Verdict.WAITING:
            yield busy_workers(hour, running) or "Look again in a minute, whether workers read."
            yield _next(environment, look.instrument)
        case Verdict.MISSING if isinstance(look.state, OtherKey):
            key = code(environment.stream(look.instrument))
            yield f"*Next:* find out who wrote {key}; workers cannot read it either."
        case Verdict.MISSING:
            yield "*Next:* `runbook no group`"
        case Verdict.UNREACHABLE if look.outage is not None:
            yield tried(look.outage)
            yield "*Next:* `runbook unreachable`"
        case Verdict.UNKNOWN if isinstance(look.state, Forbidden):
            yield tried(look.state.error)
        case _:
            return


def _redis_itself(group: Group) -> Iterator[str]:
    """Say what Redis reports where it differs: KEDA believes it."""
    waits = group.waiting
    if group.lag is None and waits.entries:
        yield "Redis itself reports no lag (nil), so KEDA may start no workers for these."
    elif group.lag is None:
        yield "Redis itself reports no lag (nil)."
    elif group.lag != waits.entries and not (waits.capped and group.lag > waits.entries):
        yield f"Redis itself reports a lag of {count(group.lag, 'entry')}."


def _next(environment: Environment, instrument: str) -> Markup:
    named = (("jobs", "the jobs"), ("argocd", "Argo CD"), ("grafana", "Grafana"))
    steps = [
        link(url, label)
        for name, label in named
        if (url := environment.link(name, instrument)) is not None
    ]
    return mark("*Next:* {}", join(", then ", [*steps[:1], code("runbook not reading")]))


def _footer(environment: Environment, looks: Sequence[Look], firing: Sequence[Incident]) -> Block:
    at = looks[0].at
    parts = [f"{clock(at, seconds=True)} UTC", *open_alarms(firing, at), sky(environment, at)]
    if len(looks) == 1 and isinstance(looks[0].state, Stream):
        parts.append(f"{count(looks[0].state.length, 'entry')} in the stream")
        if looks[0].group is not None:
            parts.append(count(looks[0].group.consumers, "consumer name"))
            parts.append(f"last read {looks[0].group.last_delivered}")
    return context(" · ".join(parts))


def longest_wait(hour: LastHour, look: Look) -> str:
    """Say how long entries waited at most: where nothing is wrong, the past is what counts."""
    now = look.longest_wait
    if not hour.seen:
        so_far = "nothing waits now" if now is None else f"{duration(now)} now"
        return f"{so_far}, before unknown: {_why(hour, look.at)}"
    waits = [each.wait for each in hour.seen if each.wait is not None]
    longest = max([*waits, now] if now is not None else waits, default=timedelta())
    first = hour.seen[0].at
    whole = first - (look.at - HOUR) <= GAP
    during = "in the last hour" if whole else f"since {clock(first, now=look.at)} UTC"
    return f"{duration(longest) if longest else 'none'} {during}"


def speeds(hour: LastHour, now: datetime) -> Iterator[tuple[str, str]]:
    """Say how fast entries arrive, and how fast they are read."""
    rates = hour.rates
    if rates.arriving is None:
        arriving = f"unknown: {_why(hour, now)}"
    else:
        pace = rates.between_visits
        arriving = _speed(rates.arriving)
        if pace is not None and rates.arriving:
            arriving += f" (a visit every {duration(pace)})"
    yield "Arriving", arriving
    if rates.read is not None:
        yield "Read", _speed(rates.read)
    elif rates.arriving is not None:
        yield "Read", "unknown: more wait than are counted"
    else:
        yield "Read", f"unknown: {_why(hour, now)}"


def busy_workers(hour: LastHour, running: Jobs | None = None) -> str | None:
    """Say what is likely where reading goes on, but too slowly; None where it does not."""
    read, arriving = hour.rates.read, hour.rates.arriving
    if read is None or arriving is None or not _LEAST_SPEED <= read < arriving:
        return None
    known = ""
    if running is not None:
        most = "" if running.most is None else f" of {running.most:,}"
        known = f"; {running.running:,}{most} jobs are running"
    return f"*Likely:* all workers are busy. Read {read:,.1f} of {arriving:,.1f} entries/s{known}."


def last_hour(hour: LastHour, now: datetime) -> str:
    """Draw how many entries waited in the last hour."""
    most = highest(hour.seen, now)
    if most is None:
        return f"Waiting, last hour: unknown, {_why(hour, now)}"
    return f"Waiting, last hour  {sparkline(hour.seen, now)}  highest {waiting(most)}"


def _speed(rate: float) -> str:
    return "under 0.1 entries/s" if 0 < rate < _LEAST_SPEED else f"{rate:,.1f} entries/s"


def _why(hour: LastHour, now: datetime) -> str:
    """Say why a figure of the last hour is not known."""
    if hour.minutes is None:
        return "the bot's database does not answer"
    if now - hour.started < RATES_OVER:
        return f"the bot watches since {clock(hour.started, now=now)} UTC"
    return f"the bot has seen too little of it in the last {duration(RATES_OVER)}"


COMMANDS = (
    Read(
        name="stats",
        usage="[INSTRUMENT…]",
        summary="what waits, for how long, and whether workers read it",
        purpose=Purpose.LOOK,
        run=run,
        details=(
            "*healthy*: nothing waits, or for less than 60 s. *waiting*: for longer. "
            "*not reading*: entries wait and nothing was read for 2 min or more; known after two "
            "looks that far apart. *missing*: no stream, or no group. *unreachable*: Redis does "
            "not answer. *unknown*: the bot may not read it, or the key is no stream.\n"
            "An *entry* is one detector of one *visit*. *Waiting* entries were read by no worker; "
            "they are counted, up to 5,000. *Unconfirmed* ones were read and never acknowledged. "
            "*Arriving* and *Read* are means over the last 5 min."
        ),
    ),
)
