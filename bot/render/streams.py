"""How streams are doing, drawn: verdict first, then figures, then what to do."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache

from bot.domain import night
from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.night import Site
from bot.domain.streams import (
    Entry,
    Forbidden,
    Group,
    Look,
    NoAnswer,
    OtherKey,
    ServerInfo,
    Stream,
    StreamState,
    Verdict,
    Waiting,
    worst,
)
from bot.domain.workloads import Jobs, Pod
from bot.render import workloads
from bot.render.alarms import open_alarms
from bot.render.blocks import (
    FIRST_LINE,
    Block,
    Markup,
    code,
    context,
    join,
    link,
    mark,
    section,
)
from bot.render.errors import remedy
from bot.render.past import Past, last_hour, longest_wait, speeds, too_slow
from bot.render.words import clock, count, duration, quick, rough

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


def stats(
    environment: Environment,
    looks: Sequence[Look],
    pasts: Mapping[str, Past],
    firing: Collection[Incident] = (),
    *,
    pod: Pod | None = None,
    jobs: Mapping[str, Jobs] | None = None,
) -> tuple[Markup, list[Block]]:
    """Draw one stream in full, or several one below the other.

    Parameters
    ----------
    environment
        Whose streams.
    looks
        What was found.
    pasts
        What is known of the last hour, by instrument.
    firing
        Alarms that are open.
    pod, jobs
        What runs Redis, and each instrument's workers; what nobody can tell is left out.
    """
    blocks: list[Block] = []
    if len(looks) == 1:
        first = headline(environment, looks[0])[0]
    else:
        first = summary(environment, looks)
        blocks.append(section(first))
    for look in looks:
        running = (jobs or {}).get(look.instrument)
        blocks += _stream(environment, look, pasts[look.instrument], running)
    if pod is not None:
        blocks.append(context(mark("Pod {}", workloads.pod(pod, looks[0].at))))
    return first, [*blocks, _footer(environment, looks, firing)]


def summary(environment: Environment, looks: Sequence[Look]) -> Markup:
    """Say in one line how several streams are: their number, the worst verdict and whose it is."""
    verdicts = [look.verdict(environment.stalled_after) for look in looks]
    verdict = worst(verdicts)
    if verdict is Verdict.HEALTHY:
        waiting = sum(look.group.waiting.entries for look in looks if look.group)
        names = ", ".join(look.instrument for look in looks)
        return mark(
            "{} *{}: {} streams, all healthy, {} waiting:* {}",
            EMOJI[verdict],
            environment.label,
            len(looks),
            count(waiting, "entry"),
            names,
        )
    look = looks[verdicts.index(verdict)]
    return mark(
        "{} *{}: {}, worst is {}, {}.*",
        EMOJI[verdict],
        environment.label,
        count(len(looks), "stream"),
        look.instrument,
        _claim(look, verdict),
    )


def headline(environment: Environment, look: Look) -> tuple[Markup, Markup]:
    """Say how one stream is: the first line, and a sentence that may no longer fit into it."""
    verdict = look.verdict(environment.stalled_after)
    first = mark(
        "{} *{} {}: {}.*",
        EMOJI[verdict],
        environment.label,
        look.instrument,
        _claim(look, verdict),
    )
    more = _meaning(environment, look, verdict)
    if more and len(first) + 1 + len(more) <= FIRST_LINE:
        return first + " " + more, Markup()
    return first, more


def _claim(look: Look, verdict: Verdict) -> str:
    """Say the verdict and the leading figure."""
    return f"{verdict.value}, {_leading_figure(look.state, look)}"


def _leading_figure(facts: StreamState, look: Look) -> str:
    match facts:
        case NoAnswer(error=error):
            return f"Redis {error.kind.value}"
        case OtherKey(type=kind):
            return f"its key holds a {kind}, not a stream"
        case Forbidden():
            return "Redis does not allow the bot to read it"
        case Stream(group=Group(waiting=waiting)):
            wait = look.longest_wait
            if waiting.entries == 0 or wait is None:
                return f"{_amount(waiting)} waiting"
            return f"{_amount(waiting)} waiting {rough(wait)}"
        case Stream(length=length):
            return f"there is no group to read its {count(length, 'entry')}"
        case _:
            return "there is no stream"


def _meaning(environment: Environment, look: Look, verdict: Verdict) -> Markup:
    """Say what the verdict means for visits."""
    match verdict:
        case Verdict.HEALTHY:
            newest = _last_announced(look)
            if newest is not None and look.at - newest > QUIET:
                quiet = f"No visit announced since {clock(newest, now=look.at)} UTC."
                if not night.is_night(environment.site, look.at):
                    quiet += " That is normal by day."
                return mark("{}", quiet)
            return Markup("Visits are read as they arrive.")
        case Verdict.NOT_READING if look.unmoved_since is not None:
            since = look.at - look.unread_for()
            return mark("Nothing has been read since {} UTC.", clock(since, now=look.at))
        case Verdict.MISSING:
            return Markup("No worker can read.")
        case _:
            return Markup()


def _stream(
    environment: Environment, look: Look, past: Past, running: Jobs | None
) -> Iterator[Block]:
    """Draw one stream: the verdict, the figures, the last hour, and then what to do."""
    lines = [line for line in headline(environment, look) if line]
    figures = list(_fields(environment, look, past))
    if running is not None:
        figures.append(("Jobs", mark("{}", workloads.jobs(running))))
    yield section(join("\n", lines), figures)
    below = list(_advice(environment, look, past, running))
    if look.group is not None or past.seen:
        below.insert(0, last_hour(past, look.at))
    if below:
        yield section(join("\n", below))


def _fields(environment: Environment, look: Look, past: Past) -> Iterator[tuple[str, Markup]]:
    if not isinstance(look.state, Stream):
        return
    group = look.group
    if group is None:
        yield "Last visit", _last_visit(look)
        return
    yield "Waiting", mark("{}", _amount(group.waiting))
    if look.verdict(environment.stalled_after) is Verdict.HEALTHY:
        yield "Longest wait", mark("{}", longest_wait(past, look))
        yield "Last visit", _last_visit(look)
    else:
        yield from _wait_fields(environment, look, group)
    yield from speeds(past, look.at)
    yield "Unconfirmed", mark("{}", f"{group.pending:,}")


def _wait_fields(
    environment: Environment, look: Look, group: Group
) -> Iterator[tuple[str, Markup]]:
    oldest = group.waiting.oldest
    if oldest is None:
        yield "Longest wait", Markup("nothing waits")
        return
    wait = (
        "unknown: its entry ID is no time"
        if look.longest_wait is None
        else duration(look.longest_wait)
    )
    yield "Longest wait", mark("{}, visit {}", wait, oldest.visit or "unknown")
    if environment.expiration is None:
        yield "Last visit", _last_visit(look)
    else:
        yield "First skipped", mark("{}", _first_skipped(oldest, environment.expiration, look.at))


def _first_skipped(oldest: Entry, expiration: timedelta, now: datetime) -> str:
    at = oldest.skipped_at(expiration)
    if at is None:
        return "unknown: it carries no time"
    if at <= now:
        return f"since {clock(at, now=now)} UTC"
    return f"at {clock(at, now=now)} UTC, in {duration(at - now)}"


def _last_visit(look: Look) -> Markup:
    announced = _last_announced(look)
    if announced is None:
        return Markup("none yet")
    newest = look.state.newest if isinstance(look.state, Stream) else None
    survey = f", {newest.survey}" if newest is not None and newest.survey else ""
    return mark("{} ago{}", duration(look.at - announced), survey)


def _last_announced(look: Look) -> datetime | None:
    return look.state.last_added.added if isinstance(look.state, Stream) else None


def _advice(
    environment: Environment, look: Look, past: Past, running: Jobs | None
) -> Iterator[Markup]:
    """Say what differs, what is likely, and what to do next."""
    group = look.group
    if group is not None:
        yield from _redis_itself(group)
        if group.waiting.entries and environment.expiration is not None:
            yield mark(
                "What waits longer than {} is skipped: the images are safe, "
                "and daytime catch-up can take them.",
                duration(environment.expiration),
            )
    match look.verdict(environment.stalled_after):
        case Verdict.NOT_READING:
            yield workloads.stopped(running)
            yield _next(environment, look.instrument, "not reading")
        case Verdict.WAITING:
            yield too_slow(past, running) or Markup("Look again in a minute, whether workers read.")
            yield _next(environment, look.instrument, "not reading")
        case Verdict.MISSING:
            yield Markup("*Next:* `runbook no group`")
        case Verdict.UNREACHABLE if isinstance(look.state, NoAnswer):
            yield mark("Tried {}. {}", look.state.error.address, Markup(remedy(look.state.error)))
            yield Markup("*Next:* `runbook unreachable`")
        case Verdict.UNKNOWN if isinstance(look.state, Forbidden):
            yield Markup("*Next:* whoever deploys the bot must add the right to its ACL rule.")
        case Verdict.UNKNOWN:
            yield mark(
                "*Next:* find out who wrote {}; workers cannot read it either.",
                code(environment.stream(look.instrument)),
            )
        case _:
            return


def _redis_itself(group: Group) -> Iterator[Markup]:
    """Say what Redis reports where it differs: KEDA believes it."""
    waiting = group.waiting
    if group.lag is None and waiting.entries:
        yield Markup("Redis itself reports no lag (nil), so KEDA may start no workers for these.")
    elif group.lag is None:
        yield Markup("Redis itself reports no lag (nil).")
    elif group.lag != waiting.entries and not (waiting.capped and group.lag > waiting.entries):
        yield mark("Redis itself reports a lag of {}.", count(group.lag, "entry"))


def _next(environment: Environment, instrument: str, topic: str) -> Markup:
    named = (("jobs", "the jobs"), ("argocd", "Argo CD"), ("grafana", "Grafana"))
    steps = [
        link(url, label)
        for name, label in named
        if (url := environment.link(name, instrument)) is not None
    ]
    return mark("*Next:* {}", join(", then ", [*steps[:1], code(f"runbook {topic}")]))


def _footer(environment: Environment, looks: Sequence[Look], firing: Collection[Incident]) -> Block:
    at = looks[0].at
    parts = [f"{clock(at, seconds=True)} UTC", *open_alarms(firing, at), sky(environment, at)]
    if len(looks) == 1 and isinstance(looks[0].state, Stream):
        parts.append(f"{count(looks[0].state.length, 'entry')} in the stream")
        if looks[0].group is not None:
            parts.append(count(looks[0].group.consumers, "consumer name"))
            parts.append(f"last read {looks[0].group.last_delivered}")
    return context(mark("{}", " · ".join(parts)))


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


def _amount(waiting: Waiting) -> str:
    at_least = "at least " if waiting.capped else ""
    entries = at_least + count(waiting.entries, "entry")
    if waiting.visits == 0:
        return entries
    return f"{entries} = {at_least}{count(waiting.visits, 'visit')}"


def status(
    environment: Environment,
    looks: Sequence[Look],
    server: ServerInfo | None,
    *,
    slash: str,
    more: Iterable[tuple[str, str]],
    trouble: Markup | None = None,
) -> tuple[Markup, list[Block]]:
    """Draw the whole environment in a few lines; with trouble, the worst alarm comes first."""
    first = headline(environment, looks[0])[0] if len(looks) == 1 else summary(environment, looks)
    first = trouble or first
    fields = [(look.instrument, mark("{}", _short(environment, look))) for look in looks]
    if server is not None:
        fields.append(
            (
                "Redis",
                mark(
                    "{} {}, answers in {}, up {}",
                    server.product,
                    server.version,
                    quick(server.answered_in),
                    duration(server.up_for),
                ),
            )
        )
    fields += [(label, mark("{}", text)) for label, text in more]
    at = looks[0].at
    return first, [
        section(first, fields),
        section(
            mark(
                "Type {} for everything. New here? {}",
                code(f"{slash} help"),
                code(f"{slash} help start"),
            )
        ),
        context(mark("{} UTC · {}", clock(at, seconds=True), sky(environment, at))),
    ]


def _short(environment: Environment, look: Look) -> str:
    verdict = look.verdict(environment.stalled_after)
    line = _claim(look, verdict)
    announced = _last_announced(look)
    if announced is not None:
        line += f", last visit {rough(look.at - announced)} ago"
    return line
