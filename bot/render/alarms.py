"""The one message of an incident, drawn as it is now: what holds, what is likely, what to do."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from bot.domain.alarms import Holding, Incident
from bot.domain.environments import Environment
from bot.domain.errors import Unreachable
from bot.domain.night import is_night
from bot.domain.rules import RULES, Diagnosis, Link, Runs, Severity, Thresholds
from bot.domain.samples import Figures
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
from bot.render.figures import SAFE, every, facts
from bot.render.findings import headline, name
from bot.render.resolved import resolved
from bot.render.words import clock, duration, quick
from bot.render.workloads import NOTHING_KNOWN, Around, jobs, pod

Drawn = tuple[Markup, list[Block], list[Button]]
"""First line, blocks, buttons."""

HELD = {
    Holding.SILENCE: "held by a silence",
    Holding.WINDOW: "held by the maintenance window",
    Holding.RESTART: "held while Redis is being restarted",
}

_LINKS = {"jobs": "jobs in Argo CD", "grafana": "Grafana", "argocd": "Argo CD"}


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
        *_likely(incident, diagnosis),
        _next(incident, environment, diagnosis),
        *_holds_others(incident, environment),
    ]
    clocks = _on_call(incident, escalate_after, targets, now, night=night, limits=thresholds)
    foot = [*_before(incident, now), *clocks, f"updated {clock(now, seconds=True)}"]
    lines = [mark("{}", each) for each in foot]
    if around.window is not None:
        lines.insert(0, mark("in {}", _window(around)))
    blocks = [
        section(first, [*_fields(incident, environment, now), *_runs(incident, around, now)]),
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
    """Offer what makes it well again; each asks for an approval, or only tidies up."""
    if environment.read_only:
        return
    instrument = incident.instrument
    if "missing" in incident.findings:
        yield Button("Ask to bootstrap", "bootstrap", instrument)
    if "unknown_lag" in incident.findings:
        yield Button("Ask to repair", "repair", instrument)
    if "pending" in incident.findings:
        yield Button("Ask to settle", "settle", instrument)
    if "consumers" in incident.findings:
        yield Button("Remove old names", "prune", instrument)


def _restart_helps(incident: Incident, environment: Environment, around: Around) -> bool:
    """Tell whether a restart may help: it replaces no pod that does not start."""
    if environment.read_only or not around.restartable or incident.held is Holding.RESTART:
        return False
    away = incident.name == "unreachable" and not incident.figures.answers
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


def _fields(
    incident: Incident, environment: Environment, now: datetime
) -> Iterator[tuple[str, Markup]]:
    for label, text in facts(incident, environment, now):
        yield label, mark("{}", text)


def _meaning(incident: Incident, *, night: bool) -> Iterator[Markup]:
    """Say what it means for visits."""
    figures = incident.figures
    if incident.leading == "expiring" or incident.skipped:
        tonight = " tonight" if night else ""
        yield mark("{}; skipped visits send no science alerts{}.", SAFE, tonight)
    match incident.name:
        case "unreachable" if figures.answers:
            return
        case "unreachable" if _adds_fail(figures):
            yield mark(
                "Visits announced now are skipped{}: the fan-out service does not repeat them. {}.",
                every(figures),
                SAFE,
            )
        case "unreachable":
            yield Markup("Whether workers still read, the bot cannot see.")
        case "missing":
            yield mark(
                "No worker can read. What is announced now waits in the stream; it is skipped if "
                "it is too old when the group is there again, or if the group begins after it. "
                "{}.",
                SAFE,
            )
        case "pending":
            yield mark(
                "Redis will not hand these out again: each is one detector of a visit that was "
                "skipped. {}.",
                SAFE,
            )
        case "memory":
            yield Markup("At its limit Redis takes no more entries, or Kubernetes ends it.")
        case "consumers":
            yield Markup("Names ever used, not workers that run. They cost memory and time.")
        case _:
            return


def _adds_fail(figures: Figures) -> bool:
    """Tell whether visits cannot be added either: the bot's own password or name service cannot."""
    return figures.unreachable not in (Unreachable.PASSWORD, Unreachable.UNRESOLVED)


def _likely(incident: Incident, diagnosis: Diagnosis) -> Iterator[Markup]:
    figures = incident.figures
    seen = ""
    nothing_read = diagnosis.link is Link.WORKERS and incident.name == "backlog"
    if nothing_read and figures.answers_in is not None and incident.leading != "expiring":
        seen = f" Redis answers in {quick(figures.answers_in)}, the group is there."
    yield mark("*Likely:* {}{}", diagnosis.likely, seen)


def _next(incident: Incident, environment: Environment, diagnosis: Diagnosis) -> Markup:
    """Name where to look, and the runbook."""
    places = [
        link(url, _LINKS[each])
        for each in diagnosis.looks
        if (url := environment.link(each, incident.instrument)) is not None
    ]
    if incident.leading == "expiring":
        places = places[:1]
    match incident.name:
        case "missing":
            places = [code(f"bootstrap {incident.instrument}")]
        case "pending":
            places = [code(f"pending {incident.instrument}")]
        case "consumers":
            places = [code(f"prune {incident.instrument}")]
        case _ if "unknown_lag" in incident.findings:
            places = [code(f"repair {incident.instrument}")]
        case _:
            pass
    return mark("*Next:* {}", join(", ", [*places, code(f"runbook {diagnosis.topic}")]))


def _holds_others(incident: Incident, environment: Environment) -> Iterator[Markup]:
    if incident.name == "unreachable":
        yield mark("Other {} alarms are held while this one is open.", environment.label)


def _before(incident: Incident, now: datetime) -> Iterator[str]:
    """Say what people have done, or not."""
    if incident.held is not None:
        yield HELD[incident.held]
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
        if incident.name == "backlog":
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
    for rule in RULES.values():
        if rule.incident == incident.name and rule.name in limits.enabled:
            finding = incident.findings.get(rule.name)
            at = rule.critical_at(incident.figures, finding, limits.of(rule))
            if at is not None:
                times.append(at if night and rule.at_once else at + escalate_after)
    return min(times, default=None)


def _next_minute(at: datetime) -> datetime:
    """Round up, so that what is promised for a minute has happened when it ends."""
    whole = at.replace(second=0, microsecond=0)
    return whole if whole == at else whole + timedelta(minutes=1)
