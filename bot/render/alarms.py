"""Alarms, drawn: the one message of each, its thread, lists of them, and silences.

What a rule itself says is in `bot.render.rules`.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, timedelta

from bot.domain.alarms import Holding, Incident, Silence, Skipped, Transition, pages_at
from bot.domain.environments import Environment
from bot.domain.night import is_night
from bot.domain.paging import Reach
from bot.domain.rules import BACKLOG, EXPIRING, ChainLink, Diagnosis, Runs, Severity, Thresholds
from bot.render.blocks import (
    BUTTONS_IN_MESSAGE,
    Block,
    Button,
    Drawn,
    Markup,
    code,
    context,
    escape,
    join,
    link,
    mark,
    section,
    truncate,
    typed,
)
from bot.render.pages import by_phone, names, reach_words
from bot.render.rules import claim, facts, first_line, outcome, skipped, text_of, where, words_of
from bot.render.words import SAFE, amount, clock, count, duration, in_minutes, quick
from bot.render.workloads import NOTHING_KNOWN, Around, jobs, pod

BRIEF = timedelta(minutes=10)
"""What was over by then, and concerned nobody, leaves few words."""

HELD = {
    Holding.SILENCE: "held by a silence",
    Holding.WINDOW: "held by the maintenance window",
    Holding.RESTART: "held while Redis is being restarted",
}
_LINKS = {"jobs": "jobs in Argo CD", "grafana": "Grafana", "argocd": "Argo CD"}
_VISITS_IN_A_BLOCK = 60
_VISITS_LISTED = 180
"""More do not fit into one message."""

_LONGEST_NAME = 24
_LONGEST_REASON = 120
LONGEST_SUBJECT = 40
_LONGEST_VISIT = 32


def name(person: str) -> str:
    """Give a person's name, short enough for a line."""
    return truncate(person, _LONGEST_NAME)


# The message of one alarm.


def incident(
    incident: Incident,
    environment: Environment,
    *,
    escalate_after: timedelta,
    targets: str,
    reach: Reach,
    now: datetime,
    thresholds: Thresholds,
    around: Around = NOTHING_KNOWN,
) -> Drawn:
    """Draw an incident.

    Parameters
    ----------
    escalate_after
        On-call is told of a critical one that nobody has owned for so long.
    targets
        Who would be told at this hour; empty where nobody would.
    reach
        Whom its pages have reached.
    around
        What is known of what runs Redis and its workers, and of the window it falls into.
    """
    if incident.resolved is not None:
        return (*resolved_alarm(incident, reach, now), [])
    if incident.ending:
        return _ending(incident, environment, reach, now)
    first = first_line(incident, now)
    diagnosis = incident.diagnosis
    night = is_night(environment.site, now)
    advice = [
        *_meaning(incident, night=night),
        _likely(incident, diagnosis),
        _next(incident, environment, diagnosis),
    ]
    kind = incident.figures.unreachable
    if incident.rule.inhibits and not (kind is not None and kind.lets_read):
        advice.append(f"Other {environment.label} alarms are held while this one is open.")
    due = pages_at(incident, escalate_after, now, night=night, thresholds=thresholds)
    if reach.failed and not reach.told and not reach.waiting:
        missed, phone = names(reach.failed), by_phone(environment)
        advice.append(mark("🔴 *On-call could not be told:* {}; {}.", missed, phone))
    clocks = reach_words(reach, now) or _on_call(incident, escalate_after, targets, now, due)
    window = [mark("in {}", _window(around))] if around.window is not None else []
    foot = [*window, *_who(incident, now), *clocks, f"updated {clock(now, seconds=True)}"]
    blocks = [
        section(first, [*facts(incident, environment, now), *_runs(incident, around, now)]),
        section(join("\n", advice)),
        context(join(" · ", foot)),
    ]
    # Told, or about to be.
    known = bool(reach.told or reach.waiting)
    return first, blocks, buttons(incident, environment, "" if known else targets, around)


def _ending(incident: Incident, environment: Environment, reach: Reach, now: datetime) -> Drawn:
    """Draw one of which nothing is so any more: what is true now, and nothing that no longer is."""
    first = first_line(incident, now)
    ends = clock(incident.ends or now, seconds=True, now=now)
    # Nobody is being told while it ends.
    told = reach_words(Reach(reach.told), now)
    foot = [on_it(incident, now), *told, f"updated {clock(now, seconds=True)}"]
    blocks = [
        section(first, facts(incident, environment, now)),
        section(f"Resolved if it stays so until {ends} UTC."),
        context(" · ".join(filter(None, foot))),
    ]
    return first, blocks, buttons(incident, environment, "")


def buttons(
    incident: Incident, environment: Environment, targets: str, around: Around = NOTHING_KNOWN
) -> list[Button]:
    """Give what can be done about an incident, the likeliest first; nothing when it is over."""
    if incident.resolved is not None:
        return []
    looks = "ping" if incident.rule.whole else "stats"
    figures = Button("Figures now", looks, incident.instrument, word="figures")
    if incident.ending:
        return [figures]
    number = str(incident.id)
    wanted = [Button("I'm on it", "own", number), *_remedies(incident, environment)]
    if _restart_helps(incident, environment, around):
        wanted.append(Button("Restart…", "restart"))
    if not incident.pierces and incident.held is not Holding.SILENCE:
        wanted.append(Button("Silence…", "silence", number))
    if targets:
        wanted.append(Button("Tell on-call now", "escalate", number))
    wanted.append(figures)
    return wanted[:BUTTONS_IN_MESSAGE]


def _remedies(incident: Incident, environment: Environment) -> Iterator[Button]:
    """Offer what makes it well again."""
    for rule in () if environment.read_only else incident.findings:
        remedy = words_of(rule).remedy
        if remedy is not None:
            yield Button(*remedy, incident.instrument)


def _restart_helps(incident: Incident, environment: Environment, around: Around) -> bool:
    """Tell whether a restart may help: it replaces no pod that does not start."""
    if environment.read_only or not around.restartable or incident.held is Holding.RESTART:
        return False
    away = words_of(incident.name).restart and not incident.figures.answers
    return away and not (around.pod is not None and around.pod.stuck)


def _runs(incident: Incident, around: Around, now: datetime) -> Iterator[tuple[str, str]]:
    """Name the pod where Redis may be what is wrong, and the jobs where workers may be."""
    if around.pod is not None and incident.rule.runs is Runs.POD:
        yield "Pod", pod(around.pod, now)
    if around.jobs is not None and incident.rule.runs is Runs.JOBS:
        yield "Jobs", jobs(around.jobs)


def _window(around: Around) -> Markup:
    named = f"window {around.window}"
    return link(around.announcement, named) if around.announcement else escape(named)


def _meaning(incident: Incident, *, night: bool) -> Iterator[str]:
    """Say what it means for visits."""
    if incident.leading == EXPIRING.name or incident.skipped:
        tonight = " tonight" if night else ""
        yield f"{SAFE.capitalize()}; skipped visits send no science alerts{tonight}."
    means = text_of(words_of(incident.name).means, incident)
    if means:
        yield means


def _likely(incident: Incident, diagnosis: Diagnosis) -> str:
    answered = incident.figures.answers_in
    seen = ""
    if (
        diagnosis.link is ChainLink.WORKERS
        and incident.name == BACKLOG.name
        and incident.leading != EXPIRING.name
        and answered is not None
    ):
        seen = f" Redis answers in {quick(answered)}, the group is there."
    return f"*Likely:* {diagnosis.likely}{seen}"


def _next(incident: Incident, environment: Environment, diagnosis: Diagnosis) -> Markup:
    """Name where to look, and the runbook."""
    places: list[str] = [
        link(url, _LINKS[each])
        for each in diagnosis.looks
        if (url := environment.link(each, incident.instrument)) is not None
    ]
    if incident.leading == EXPIRING.name:
        places = places[:1]
    for rule in incident.findings:
        if command := words_of(rule).next:
            places = [code(f"{command} {incident.instrument}")]
    return mark("*Next:* {}", join(", ", [*places, code(f"runbook {diagnosis.topic}")]))


def _who(incident: Incident, now: datetime) -> Iterator[str]:
    """Say what people have done, or not."""
    if incident.held is not None:
        yield HELD[incident.held]
    if incident.owner is not None:
        yield on_it(incident, now)
    elif incident.critical_since is not None and incident.critical_since > incident.opened:
        yield f"warned {clock(incident.opened, now=now)} UTC, nobody owns it"
    else:
        yield "nobody owns this"


def on_it(incident: Incident, now: datetime) -> str:
    """Say who is on it, and since when; empty where nobody is."""
    if incident.owner is None:
        return ""
    since = f" since {clock(incident.owned, now=now)}" if incident.owned else ""
    return f"{name(incident.owner.name)} is on it{since}"


def _on_call(
    incident: Incident, escalate_after: timedelta, targets: str, now: datetime, due: datetime | None
) -> Iterator[str]:
    """Say when on-call is told, of whom nobody is yet."""
    critical = incident.severity is Severity.CRITICAL
    if (incident.owner is not None and incident.called is None) or incident.held is not None:
        return
    elif not targets:
        if critical:
            yield "no on-call target is told at this hour"
    elif due is not None and due <= now and critical:
        yield "on-call is being told"
    elif due is not None:
        yield f"on-call is told at {clock(_next_minute(max(due, now)), now=now)} UTC if it lasts"
    elif any(rule.critical_at is not None for rule in incident.family):
        yield f"on-call is told if it is critical for {duration(escalate_after)}"


def _next_minute(at: datetime) -> datetime:
    """Round up, so that what is promised for a minute has happened when it ends."""
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)


# One that is over.


def resolved_alarm(incident: Incident, reach: Reach, now: datetime) -> tuple[str, list[Block]]:
    """Draw an incident that is over; nothing more can be done about it."""
    ended = incident.resolved or now
    lasted = ended - incident.began
    first = (
        f"🟢 *{where(incident)}: resolved after {in_minutes(lasted)}. {outcome(incident)}* "
        f"Alarm {incident.id}"
    )
    concerned = incident.skipped or incident.owner is not None or reach.told
    brief = lasted < BRIEF and not concerned
    blocks = [section(first, _remains(incident, reach, ended, brief=brief))]
    check = words_of(incident.name).check
    if check:
        blocks.append(section(f"*Check:* {check}"))
    foot = f"history in the thread · updated {clock(ended, seconds=True)} UTC"
    return first, [*blocks, context(foot)]


def _remains(
    incident: Incident, reach: Reach, ended: datetime, *, brief: bool
) -> Iterator[tuple[str, str]]:
    began = clock(incident.began, seconds=True, now=ended)
    yield "From, to", f"{began} to {clock(ended, seconds=True)} UTC"
    if incident.name == BACKLOG.name:
        highest = amount(
            incident.highest_waiting, incident.highest_visits, capped=incident.highest_capped
        )
        yield "Highest", f"{highest} waiting"
        if not brief and incident.highest_wait is not None:
            yield "Longest wait", duration(incident.highest_wait)
        if incident.skipped:
            yield "Skipped", _all_skipped(incident, ended)
    if incident.relapses:
        yield "Came back", count(incident.relapses, "time")
    if incident.owner is not None:
        since = f" from {clock(incident.owned, now=ended)} UTC" if incident.owned else ""
        yield "Who", f"{name(incident.owner.name)} was on it{since}"
    if reach.told:
        told = clock(min(reach.told.values()), now=ended)
        yield "On-call", f"{names(reach.told)} told at {told} UTC"
    elif reach.failed:
        yield "On-call", f"could not be told: {names(reach.failed)}"


def _all_skipped(incident: Incident, ended: datetime) -> str:
    times = [each.at for each in incident.skipped]
    first, last = (clock(at, now=ended) for at in (min(times), max(times)))
    span = f"{first} to {last}" if first != last else first
    return f"{skipped(incident)}, {span} UTC; list in the thread for catch-up. {SAFE.capitalize()}."


# Lists, and the thread.


def alarms_in_short(
    incidents: Sequence[Incident], silences: Sequence[Silence], now: datetime
) -> str:
    """Say in a few words what fires and what is silenced, for the short status."""
    parts = []
    if not incidents:
        parts.append("none firing")
    else:
        critical = sum(each.severity is Severity.CRITICAL for each in incidents)
        worst = f", {critical} critical" if critical else ""
        numbers = ", ".join(str(each.id) for each in incidents[:3])
        more = "…" if len(incidents) > 3 else ""  # noqa: PLR2004 -- as many as are named
        parts.append(f"{len(incidents)} firing{worst} ({numbers}{more})")
        held = sum(each.held is not None for each in incidents)
        if held:
            parts.append(f"{held} of them held")
    if silences:
        ends = [each.ends for each in silences]
        known = [at for at in ends if at is not None]
        last = silence_until(None if len(known) < len(ends) else max(known), now)
        parts.append(f"{len(silences)} silenced {last}")
    return ", ".join(parts)


def worst(incidents: Sequence[Incident], now: datetime) -> tuple[Markup, Button | None] | None:
    """Give the first line of the worst alarm that is shown, and its button, for the short status.

    The incidents come with the worst first.
    """
    shown = next((each for each in incidents if each.held is None), None)
    if shown is None:
        return None
    own = Button("I'm on it", "own", str(shown.id)) if shown.owner is None else None
    return first_line(shown, now), own


def transition(
    incident: Incident,
    transition: Transition,
    now: datetime,
    *,
    by: str = "",
    due: datetime | None = None,
) -> Drawn:
    """Draw what the thread of an incident is told: the incident is as it was then.

    Parameters
    ----------
    by
        Who had the on-call told; empty where the clock did.
    due
        When on-call is told if its owner does nothing; None where that is not known.
    """
    if transition is Transition.ASKED:
        return _asked(incident)
    if transition is Transition.CALLED:
        return _called(incident, now, due)
    first = (
        f"{_emoji(incident, transition)} *{where(incident)}, alarm {incident.id}:* "
        f"{_said(incident, transition, now, by)} {clock(now, seconds=True)} UTC"
    )
    blocks = [section(first)]
    if transition is Transition.RESOLVED and incident.skipped:
        blocks += _catch_up(incident)
    return first, blocks, []


def _emoji(incident: Incident, transition: Transition) -> str:
    if transition is Transition.RESOLVED:
        return "🟢"
    return "🔴" if incident.severity is Severity.CRITICAL else "🟡"


def _said(incident: Incident, transition: Transition, now: datetime, by: str) -> str:
    match transition:
        case Transition.SEVERITY:
            critical = incident.severity is Severity.CRITICAL
            return f"{'critical now' if critical else 'a warning again'}, {claim(incident, now)}."
        case Transition.LEADING:
            return f"{claim(incident, now)}."
        case Transition.OWNED:
            who = name(incident.owner.name) if incident.owner else "nobody"
            return f"{who} is on it."
        case Transition.ESCALATED:
            called = ", ".join(_just_called(incident)) or "nobody"
            return f"{name(by)} calls on-call: {called}." if by else f"on-call is called: {called}."
        case Transition.HELD:
            held = HELD[incident.held or Holding.SILENCE]
            return f"{held}; its figures above go on, nobody is told."
        case Transition.SHOWN:
            return f"no longer held, and still firing: {claim(incident, now)}."
        case Transition.RESOLVED:
            lasted = in_minutes((incident.resolved or now) - incident.began)
            return f"resolved after {lasted}. {outcome(incident)}"
        case Transition.RELAPSED:
            return f"{claim(incident, now)}."
        case Transition.ASKED | Transition.CALLED:
            return "still on it?"


def _just_called(incident: Incident) -> list[str]:
    last = max(incident.told.values(), default=None)
    return [each for each, at in incident.told.items() if at == last]


def _asked(incident: Incident) -> Drawn:
    """Ask the owner, and nobody else, whether they still are."""
    owner = mark("<@{}>", incident.owner.id) if incident.owner else Markup()
    since = f" since {clock(incident.owned)} UTC" if incident.owned else ""
    text = mark(
        "{} {}, alarm {} still fires, and you are on it{}. Still?",
        owner,
        where(incident),
        incident.id,
        since,
    )
    return text, [section(text)], [Button("Still on it", "own", str(incident.id))]


def _called(incident: Incident, now: datetime, due: datetime | None) -> Drawn:
    """Tell the owner, and nobody else, that it fires again."""
    owner = mark("<@{}>", incident.owner.id) if incident.owner else Markup()
    then = f" On-call is told at {clock(_next_minute(due), now=now)} UTC if not." if due else ""
    text = mark(
        "{} {}, alarm {}: {}. You are on it: still?{}",
        owner,
        where(incident),
        incident.id,
        claim(incident, now),
        then,
    )
    return text, [section(text)], [Button("Still on it", "own", str(incident.id))]


def _catch_up(incident: Incident) -> Iterator[Block]:
    """List the visits that daytime catch-up can take, as they are, to be copied."""
    skipped, least = incident.skipped, "at least " if incident.skipped_capped else ""
    yield section(f"*Skipped, for catch-up* ({least}{count(len(skipped), 'visit')}; {SAFE})")
    shown, more = skipped[:_VISITS_LISTED], skipped[_VISITS_LISTED:]
    for at in range(0, len(shown), _VISITS_IN_A_BLOCK):
        yield from typed("\n".join(_visit(each) for each in shown[at : at + _VISITS_IN_A_BLOCK]))
    if more:
        entries = count(sum(each.entries for each in more), "entry")
        last = truncate(more[-1].visit, _LONGEST_VISIT)
        yield section(f"and {len(more):,} more ({entries}), the last one {last}")


def _visit(each: Skipped) -> str:
    visit = truncate(each.visit, _LONGEST_VISIT) or "unknown"
    return f"{visit}  {count(each.entries, 'entry')}"


def own_buttons(incidents: Sequence[Incident], most: int) -> list[Button]:
    """Offer to take those that nobody owns, by number where there are several."""
    free = [each for each in incidents if each.owner is None]
    return [
        Button(
            "I'm on it" if len(free) == 1 else f"I'm on {each.id}",
            "own",
            str(each.id),
            word=str(each.id),
        )
        for each in free[:most]
    ]


def open_alarms(firing: Collection[Incident], now: datetime) -> list[str]:
    """Say which alarms are open, and who is on each."""
    return [f"alarm {each.id} is open, {_owner(each, now)}" for each in firing]


def _owner(incident: Incident, now: datetime) -> str:
    if incident.owner is not None and incident.owned is not None:
        return f"{incident.owner.name} is on it since {clock(incident.owned, now=now)}"
    held = f", held ({incident.held.value})" if incident.held is not None else ""
    return f"nobody owns it{held}"


# Silences.


def silence_subject(silence: Silence) -> str:
    """Say what a silence is about."""
    if silence.incident is not None:
        return f"alarm {silence.incident}"
    if silence.rule is not None:
        return f"{silence.rule} alarms"
    return f"alarms of {truncate(silence.instrument, LONGEST_SUBJECT)}"


def silence_until(ends: datetime | None, now: datetime) -> str:
    """Say until when something is silenced."""
    return "until resolved" if ends is None else f"until {clock(ends, now=now)} UTC"


def silence_line(silence: Silence, now: datetime) -> Markup:
    """Draw a silence in one line."""
    return mark(
        "{} {}, {}, by {}: {}",
        silence.id,
        silence_subject(silence),
        silence_until(silence.ends, now),
        name(silence.by.name),
        code(truncate(" ".join(silence.reason.split()), _LONGEST_REASON) or "no reason"),
    )
