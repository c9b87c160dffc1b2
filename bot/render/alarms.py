"""Alarms, drawn: the one message of each, its thread, lists of them, and silences.

What a rule itself says is in `bot.render.rules`.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from bot.domain.alarms import Holding, Incident, Silence, Skipped, Transition
from bot.domain.environments import Environment
from bot.domain.night import is_night
from bot.domain.rules import (
    BACKLOG,
    EXPIRING,
    RULES,
    Diagnosis,
    Link,
    Rule,
    Runs,
    Severity,
    Thresholds,
    rule_of,
)
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
    truncate,
    typed,
)
from bot.render.rules import (
    claim,
    facts,
    headline,
    never_held,
    outcome,
    peak,
    said,
    skipped,
    where,
    words_of,
)
from bot.render.words import SAFE, amount, clock, count, duration, minutes, quick
from bot.render.workloads import NOTHING_KNOWN, Around, jobs, pod

Drawn = tuple[Markup, list[Block], list[Button]]
"""First line, blocks, buttons."""

BRIEF = timedelta(minutes=10)
"""What was over by then, and concerned nobody, leaves few words."""

_HELD = {
    Holding.SILENCE: "held by a silence",
    Holding.WINDOW: "held by the maintenance window",
    Holding.RESTART: "held while Redis is being restarted",
}
_LINKS = {"jobs": "jobs in Argo CD", "grafana": "Grafana", "argocd": "Argo CD"}
_LISTED = 20
_HEADS = 10
_IN_A_BLOCK = 5
_BUTTONS = 2
_VISITS_IN_A_BLOCK = 60
_VISITS_LISTED = 180
"""More do not fit into one message."""

_LONGEST_NAME = 24
_LONGEST_REASON = 120
_LONGEST_SUBJECT = 40
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
    now: datetime,
    thresholds: Thresholds | None = None,
    around: Around = NOTHING_KNOWN,
) -> Drawn:
    """Draw an incident.

    Parameters
    ----------
    incident
        What to draw.
    environment
        Where.
    escalate_after
        On-call is told of a critical one that nobody has owned for so long.
    targets
        Who would be told at this hour; empty where nobody would.
    now
        The time of this drawing.
    thresholds
        Limits of the rules, to tell when a warning would become critical.
    around
        What is known of what runs Redis and its workers, and of the window it falls into.
    """
    if incident.resolved is not None:
        return (*resolved(incident, now), [])
    first = headline(incident, now)
    diagnosis = incident.diagnosis
    night = is_night(environment.site, now)
    advice = [
        *_meaning(incident, night=night),
        _likely(incident, diagnosis),
        _next(incident, environment, diagnosis),
        *_holds_others(incident, environment),
    ]
    clocks = _on_call(incident, escalate_after, targets, now, night=night, limits=thresholds)
    foot = [*_before(incident, now), *clocks, f"updated {clock(now, seconds=True)}"]
    lines = [mark("{}", each) for each in foot]
    if around.window is not None:
        lines.insert(0, mark("in {}", _window(around)))
    figures = [(label, mark("{}", text)) for label, text in facts(incident, environment, now)]
    blocks = [
        section(first, [*figures, *_runs(incident, around, now)]),
        section(join("\n", advice)),
        context(join(" · ", lines)),
    ]
    return first, blocks, buttons(incident, environment, targets, around)


def buttons(
    incident: Incident, environment: Environment, targets: str, around: Around = NOTHING_KNOWN
) -> list[Button]:
    """Give what can be done about an incident, the likeliest first; nothing when it is over."""
    if incident.resolved is not None:
        return []
    number = str(incident.id)
    wanted = [Button("I'm on it", "own", number), *_remedies(incident, environment)]
    if _restart_helps(incident, environment, around):
        wanted.append(Button("Restart…", "restart"))
    if not incident.pierces and incident.held is not Holding.SILENCE:
        wanted.append(Button("Silence…", "silence", number))
    if targets and not incident.told:
        wanted.append(Button("Tell on-call now", "escalate", number))
    looks = "ping" if incident.rule.whole else "stats"
    wanted.append(Button("Figures now", looks, incident.instrument, word="figures"))
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


def _runs(incident: Incident, around: Around, now: datetime) -> Iterator[tuple[str, Markup]]:
    """Name the pod where Redis may be what is wrong, and the jobs where workers may be."""
    if around.pod is not None and incident.rule.runs is Runs.POD:
        yield "Pod", mark("{}", pod(around.pod, now))
    if around.jobs is not None and incident.rule.runs is Runs.JOBS:
        yield "Jobs", mark("{}", jobs(around.jobs))


def _window(around: Around) -> Markup:
    named = f"window {around.window}"
    return link(around.announcement, named) if around.announcement else Markup(named)


def _meaning(incident: Incident, *, night: bool) -> Iterator[Markup]:
    """Say what it means for visits."""
    if incident.leading == EXPIRING.name or incident.skipped:
        tonight = " tonight" if night else ""
        yield mark("{}; skipped visits send no science alerts{}.", SAFE.capitalize(), tonight)
    means = said(words_of(incident.name).means, incident)
    if means:
        yield mark("{}", means)


def _likely(incident: Incident, diagnosis: Diagnosis) -> Markup:
    answered = incident.figures.answers_in
    seen = ""
    if (
        diagnosis.link is Link.WORKERS
        and incident.name == BACKLOG.name
        and incident.leading != EXPIRING.name
        and answered is not None
    ):
        seen = f" Redis answers in {quick(answered)}, the group is there."
    return mark("*Likely:* {}{}", diagnosis.likely, seen)


def _next(incident: Incident, environment: Environment, diagnosis: Diagnosis) -> Markup:
    """Name where to look, and the runbook."""
    places = [
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


def _holds_others(incident: Incident, environment: Environment) -> Iterator[Markup]:
    if incident.rule.inhibits:
        yield mark("Other {} alarms are held while this one is open.", environment.label)


def _before(incident: Incident, now: datetime) -> Iterator[str]:
    """Say what people have done, or not."""
    if incident.held is not None:
        yield _HELD[incident.held]
    if incident.owner is not None:
        since = f" since {clock(incident.owned, now=now)}" if incident.owned else ""
        yield f"{name(incident.owner.name)} is on it{since}"
    elif incident.critical_since is not None and incident.critical_since > incident.opened:
        yield f"warned {clock(incident.opened, now=now)} UTC, nobody owns it"
    else:
        yield "nobody owns this"


def _on_call(
    incident: Incident,
    escalate_after: timedelta,
    targets: str,
    now: datetime,
    *,
    night: bool,
    limits: Thresholds | None,
) -> Iterator[str]:
    """Say whether on-call knows, and else when they are told."""
    if incident.told:
        yield f"on-call told {clock(min(incident.told.values()), seconds=True, now=now)}"
        return
    if incident.owner is not None or incident.held is not None:
        return
    critical = incident.severity is Severity.CRITICAL
    if not targets:
        if critical:
            yield "no on-call target is told at this hour"
        return
    due = _due(incident, escalate_after, now, night=night, limits=limits)
    if due is None:
        if any(rule.critical_at is not None for rule in _family(incident)):
            yield f"on-call is told if it is critical for {duration(escalate_after)}"
    elif due <= now and critical:
        yield "on-call is being told"
    else:
        yield f"on-call is told at {clock(_next_minute(max(due, now)), now=now)} UTC if it lasts"


def _due(
    incident: Incident,
    escalate_after: timedelta,
    now: datetime,
    *,
    night: bool,
    limits: Thresholds | None,
) -> datetime | None:
    """Tell when on-call is told if nobody owns it; None where that is not known."""
    if incident.severity is Severity.WARNING:
        return _would_be_told(incident, escalate_after, night=night, limits=limits)
    if night and incident.at_once:
        return now
    return (incident.critical_since or now) + escalate_after


def _would_be_told(
    incident: Incident, escalate_after: timedelta, *, night: bool, limits: Thresholds | None
) -> datetime | None:
    """Tell when on-call hears of a warning that goes on as it is; None where that is not known."""
    if limits is None:
        return None
    times = []
    for rule in _family(incident):
        if rule.critical_at is not None and rule.name in limits.enabled:
            finding = incident.findings.get(rule.name)
            at = rule.critical_at(incident.figures, finding, limits.of(rule))
            if at is not None:
                times.append(at if night and rule.at_once else at + escalate_after)
    return min(times, default=None)


def _family(incident: Incident) -> list[Rule[Any]]:
    return [rule for rule in RULES.values() if rule.incident == incident.name]


def _next_minute(at: datetime) -> datetime:
    """Round up, so that what is promised for a minute has happened when it ends."""
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)


# One that is over.


def resolved(incident: Incident, now: datetime) -> tuple[Markup, list[Block]]:
    """Draw an incident that is over; nothing more can be done about it."""
    ended = incident.resolved or now
    lasted = ended - incident.began
    first = mark(
        "🟢 *{}: resolved after {}. {}* Alarm {}",
        where(incident),
        minutes(lasted),
        outcome(incident),
        incident.id,
    )
    blocks = [section(first, _remains(incident, ended, brief=_is_brief(incident, lasted)))]
    check = words_of(incident.name).check
    if check:
        blocks.append(section(mark("*Check:* {}", check)))
    foot = f"history in the thread · updated {clock(ended, seconds=True)} UTC"
    return first, [*blocks, context(mark("{}", foot))]


def _is_brief(incident: Incident, lasted: timedelta) -> bool:
    concerned = incident.skipped or incident.owner is not None or incident.told
    return lasted < BRIEF and not concerned


def _remains(incident: Incident, ended: datetime, *, brief: bool) -> Iterator[tuple[str, Markup]]:
    began = clock(incident.began, seconds=True, now=ended)
    yield "From, to", mark("{} to {} UTC", began, clock(ended, seconds=True))
    if incident.name == BACKLOG.name:
        highest = amount(
            incident.highest_waiting, incident.highest_visits, capped=incident.highest_capped
        )
        yield "Highest", mark("{} waiting", highest)
        if not brief and incident.highest_wait is not None:
            yield "Longest wait", mark("{}", duration(incident.highest_wait))
        if incident.skipped:
            yield "Skipped", mark("{}", _all_skipped(incident, ended))
    if incident.owner is not None:
        since = f" from {clock(incident.owned, now=ended)} UTC" if incident.owned else ""
        yield "Who", mark("{} was on it{}", name(incident.owner.name), since)
    if incident.told:
        told = clock(min(incident.told.values()), now=ended)
        yield "On-call", mark("told at {} UTC", told)


def _all_skipped(incident: Incident, ended: datetime) -> str:
    times = [each.at for each in incident.skipped]
    first, last = (clock(at, now=ended) for at in (min(times), max(times)))
    span = f"{first} to {last}" if first != last else first
    return f"{skipped(incident)}, {span} UTC; list in the thread for catch-up. {SAFE.capitalize()}."


# Lists, and the thread.


def firing(
    environment: Environment,
    incidents: Sequence[Incident],
    silences: Sequence[Silence],
    now: datetime,
    links: Mapping[int, str] | None = None,
) -> Drawn:
    """Draw the alarms that fire, the worst first, and the silences.

    Parameters
    ----------
    environment
        Where.
    incidents
        In the order in which they are listed.
    silences
        Those that hold something at this moment.
    now
        When it is read.
    links
        Address of each one's message, by its number.
    """
    first = _first(environment, incidents)
    blocks = [section(first)]
    drawn = [_firing(each, now, links or {}) for each in incidents[:_LISTED]]
    blocks += _paragraphs(drawn, len(incidents))
    if silences:
        quiet = [silence_line(each, now) for each in silences[:_LISTED]]
        blocks += _paragraphs([mark("*Silences*"), *quiet], len(silences) + 1)
    blocks.append(context(mark("{} UTC", clock(now, seconds=True))))
    free = [each for each in incidents if each.owner is None]
    buttons = [
        Button(_own(each, len(free)), "own", str(each.id), word=str(each.id))
        for each in free[:_BUTTONS]
    ]
    return first, blocks, buttons


def history(
    environment: Environment,
    incidents: Sequence[Incident],
    now: datetime,
    links: Mapping[int, str] | None = None,
) -> tuple[Markup, list[Block]]:
    """Draw the last alarms, newest first, whether they still fire or not."""
    if not incidents:
        first = mark("🟢 *{}: no alarm has fired yet.*", environment.label)
        return first, [section(first)]
    first = mark("*{}: the last {}.*", environment.label, count(len(incidents), "alarm"))
    drawn = [_was(each, now, links or {}) for each in incidents[:_LISTED]]
    return first, [section(first), *_paragraphs(drawn, len(incidents))]


def summary_line(incidents: Sequence[Incident], silences: Sequence[Silence], now: datetime) -> str:
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
        last = _until(None if len(known) < len(ends) else max(known), now)
        parts.append(f"{len(silences)} silenced {last}")
    return ", ".join(parts)


def worst(incidents: Sequence[Incident], now: datetime) -> tuple[Markup, Button | None] | None:
    """Give the first line of the worst alarm that is shown, and its button, for the short status.

    Parameters
    ----------
    incidents
        Those that fire, the worst first.
    now
        When it is read.
    """
    shown = next((each for each in incidents if each.held is None), None)
    if shown is None:
        return None
    own = Button("I'm on it", "own", str(shown.id)) if shown.owner is None else None
    return headline(shown, now), own


def owned(incident: Incident) -> tuple[Markup, list[Block]]:
    """Tell whoever took an incident what follows from it."""
    first = mark("You are on alarm {} ({}). Its message says so.", incident.id, where(incident))
    more = (
        "On-call knows of it already."
        if incident.told
        else "On-call is not told by the clock any more."
    )
    text = mark("{}\n{} You alone are asked from time to time whether you still are.", first, more)
    return first, [section(text)]


def transition(
    incident: Incident, transition: Transition, now: datetime, *, by: str = ""
) -> tuple[Markup, list[Block], list[Button]]:
    """Draw one transition.

    Parameters
    ----------
    incident
        As it was then.
    transition
        What happened.
    now
        When.
    by
        Who had the on-call told; empty where the clock did.
    """
    if transition is Transition.ASKED:
        return _asked(incident)
    first = mark(
        "{} *{}, alarm {}:* {} {} UTC",
        _emoji(incident, transition),
        where(incident),
        incident.id,
        _said(incident, transition, now, by),
        clock(now, seconds=True),
    )
    blocks = [section(first)]
    if transition is Transition.RESOLVED and incident.skipped:
        blocks += _catch_up(incident.skipped)
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
            told = ", ".join(_just_told(incident)) or "nobody"
            return f"{name(by)} has on-call told: {told}." if by else f"on-call is told: {told}."
        case Transition.HELD:
            held = _HELD[incident.held or Holding.SILENCE]
            return f"{held}; its figures above go on, nobody is told."
        case Transition.SHOWN:
            return f"no longer held, and still firing: {claim(incident, now)}."
        case Transition.RESOLVED:
            lasted = minutes((incident.resolved or now) - incident.began)
            return f"resolved after {lasted}. {outcome(incident)}"
        case Transition.ASKED:
            return "still on it?"


def _just_told(incident: Incident) -> list[str]:
    last = max(incident.told.values(), default=None)
    return [each for each, at in incident.told.items() if at == last]


def _asked(incident: Incident) -> tuple[Markup, list[Block], list[Button]]:
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


def _catch_up(skipped: Sequence[Skipped]) -> Iterator[Block]:
    """List the visits that daytime catch-up can take, as they are, to be copied."""
    yield section(
        mark(
            "*Skipped, for catch-up* ({}; {})",
            count(len(skipped), "visit"),
            SAFE,
        )
    )
    shown, more = skipped[:_VISITS_LISTED], skipped[_VISITS_LISTED:]
    for at in range(0, len(shown), _VISITS_IN_A_BLOCK):
        yield from typed("\n".join(_visit(each) for each in shown[at : at + _VISITS_IN_A_BLOCK]))
    if more:
        entries = count(sum(each.entries for each in more), "entry")
        last = truncate(more[-1].visit, _LONGEST_VISIT)
        yield section(mark("and {} more ({}), the last one {}", f"{len(more):,}", entries, last))


def _visit(each: Skipped) -> str:
    visit = truncate(each.visit, _LONGEST_VISIT) or "unknown"
    return f"{visit}  {count(each.entries, 'entry')}"


def _first(environment: Environment, incidents: Sequence[Incident]) -> Markup:
    label = environment.label
    if not incidents:
        return mark("🟢 *{}: no alarm is firing.*", label)
    critical = sum(each.severity is Severity.CRITICAL for each in incidents)
    colour = "🔴" if critical else "🟡"
    if len(incidents) == 1:
        return mark("{} *{}: 1 alarm is firing, {}.*", colour, label, _severity(incidents[0]))
    bad = f"{critical:,} of them critical" if critical else "none critical"
    number = f"{len(incidents):,}"
    return mark("{} *{}: {} alarms are firing, {}.*", colour, label, number, bad)


def _severity(incident: Incident) -> str:
    return incident.severity.value if incident.severity is Severity.CRITICAL else "a warning"


def _own(incident: Incident, free: int) -> str:
    return "I'm on it" if free == 1 else f"I'm on {incident.id}"


def _firing(incident: Incident, now: datetime, links: Mapping[int, str]) -> Markup:
    since = f"since {clock(incident.began, now=now)} UTC ({minutes(now - incident.began)})"
    parts = [since, _who(incident, now)]
    if incident.held is not None:
        parts.append(_HELD[incident.held])
    below = mark("{}", ", ".join(parts))
    return join("\n      ", [headline(incident, now), below + _link(incident, links)])


def _who(incident: Incident, now: datetime) -> str:
    if incident.owner is None:
        return "nobody owns it"
    since = f" since {clock(incident.owned, now=now)}" if incident.owned else ""
    return f"{name(incident.owner.name)} is on it{since}"


def _was(incident: Incident, now: datetime, links: Mapping[int, str]) -> Markup:
    if incident.resolved is None:
        return _firing(incident, now, links)
    ended = incident.resolved
    first = mark(
        "🟢 {} *{}* {}, {}",
        incident.id,
        where(incident),
        incident.name.replace("_", " "),
        "critical" if incident.worst is Severity.CRITICAL else "a warning",
    )
    began, lasted = clock(incident.began, now=now), minutes(ended - incident.began)
    parts = [f"{began} to {clock(ended, now=now)} UTC ({lasted})"]
    if incident.highest_waiting:
        parts.append(f"highest {peak(incident)}")
    if incident.skipped:
        parts.append(f"{skipped(incident)} skipped, {SAFE}")
    if incident.owner is not None:
        parts.append(name(incident.owner.name))
    if incident.told:
        parts.append("on-call told")
    return join("\n      ", [first, mark("{}", ", ".join(parts)) + _link(incident, links)])


def _link(incident: Incident, links: Mapping[int, str]) -> Markup:
    url = links.get(incident.id)
    return mark(", {}", link(url, f"alarm {incident.id}")) if url else Markup()


def _paragraphs(lines: Sequence[Markup], total: int) -> list[Block]:
    lines = list(lines)
    if total > len(lines):
        lines.append(mark("and {} more", f"{total - len(lines):,}"))
    return [
        section(join("\n", lines[at : at + _IN_A_BLOCK]))
        for at in range(0, len(lines), _IN_A_BLOCK)
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


def _subject(silence: Silence) -> str:
    """Say what a silence is about."""
    if silence.incident is not None:
        return f"alarm {silence.incident}"
    if silence.rule is not None:
        return f"{silence.rule} alarms"
    return f"alarms of {truncate(silence.instrument, _LONGEST_SUBJECT)}"


def _until(ends: datetime | None, now: datetime) -> str:
    """Say until when something is silenced."""
    return "until resolved" if ends is None else f"until {clock(ends, now=now)} UTC"


def silence_line(silence: Silence, now: datetime) -> Markup:
    """Draw a silence in one line."""
    return mark(
        "{} {}, {}, by {}: {}",
        silence.id,
        _subject(silence),
        _until(silence.ends, now),
        name(silence.by.name),
        code(truncate(" ".join(silence.reason.split()), _LONGEST_REASON) or "no reason"),
    )


def silence_preview(
    silences: Sequence[Silence],
    held: Sequence[Incident],
    piercing: Sequence[Incident],
    now: datetime,
) -> Markup:
    """Say what silences hold, and what they do not.

    Parameters
    ----------
    silences
        What is silenced.
    held
        Alarms that fire and are held from now on.
    piercing
        Alarms that fire, are of what is silenced, and are shown all the same.
    now
        The time of this drawing.
    """
    lines = []
    if held:
        lines += [mark("*Held from now on:*"), *_heads(held, now)]
    elif _only_piercing(silences):
        lines.append(mark("*It holds nothing,* because what it names pierces every silence."))
    else:
        lines.append(mark("*Nothing of it fires now.* What begins to fire is held."))
    if piercing:
        lines += [mark("*Shown all the same:*"), *_heads(piercing, now)]
    lines.append(mark("{}", _always(silences)))
    return join("\n", lines)


def silenced(
    environment: Environment,
    silences: Sequence[Silence],
    held: Sequence[Incident],
    piercing: Sequence[Incident],
    now: datetime,
) -> Drawn:
    """Draw silences that have just begun; the parameters are those of `silence_preview`."""
    one = silences[0]
    names = ", ".join(each.instrument for each in silences)
    about = _subject(one) if len(silences) == 1 else f"alarms of {names}"
    lasting = "" if one.ends is None else f" ({duration(one.ends - one.starts)})"
    numbers = ", ".join(str(each.id) for each in silences)
    first = mark(
        "🔧 *{}: {} silences {} {}{}.* Silence {}",
        environment.label,
        name(one.by.name),
        truncate(about, _LONGEST_SUBJECT),
        _until(one.ends, now),
        lasting,
        numbers,
    )
    blocks = [
        section(first),
        *typed(one.reason),
        section(silence_preview(silences, held, piercing, now)),
        context(mark("{} UTC", clock(now, seconds=True))),
    ]
    buttons = [
        Button(
            "End this silence" if len(silences) == 1 else f"End silence {each.id}",
            "unsilence",
            str(each.id),
            word=str(each.id),
        )
        for each in silences[:3]
    ]
    return first, blocks, [*buttons, Button("Alarms", "alarms")]


def unsilenced(environment: Environment, silence: Silence, by: str, now: datetime) -> Drawn:
    """Draw a silence that somebody has ended early."""
    first = mark(
        "🔧 *{}: {} ends the silence of {}.* Silence {}",
        environment.label,
        name(by),
        _subject(silence),
        silence.id,
    )
    text = mark("{}\nWhat still fires is shown again within seconds.", first)
    foot = context(mark("{} UTC", clock(now, seconds=True)))
    return first, [section(text), foot], [Button("Alarms", "alarms")]


def _heads(incidents: Sequence[Incident], now: datetime) -> list[Markup]:
    lines = [mark("      {}", headline(each, now)) for each in incidents[:_HEADS]]
    if len(incidents) > _HEADS:
        lines.append(mark("      and {} more", f"{len(incidents) - _HEADS:,}"))
    return lines


def _only_piercing(silences: Sequence[Silence]) -> bool:
    """Tell whether all that is silenced pierces; of a backlog, only its end does."""
    named = [each.rule for each in silences]
    return all(rule is not None and rule_of(rule_of(rule).incident).pierces for rule in named)


def _always(silences: Sequence[Silence]) -> str:
    """Name what is shown in spite of them."""
    rules = [each.rule for each in silences]
    if all(rule is not None and rule_of(rule).incident == BACKLOG.name for rule in rules):
        return "When visits are about to be skipped (expiring), it is shown all the same."
    if all(rule is not None for rule in rules) and not _only_piercing(silences):
        return "Other alarms are shown as before."
    return never_held(named=True)
