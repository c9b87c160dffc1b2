"""`restart`, drawn: what would be restarted, how far it has come, and what came of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from bot.domain.approvals import EVERYTHING, Happened, Outcome, Plan, Request
from bot.domain.changes import DONE, RESULT, Facts, Restarting
from bot.domain.environments import Environment
from bot.domain.night import is_night
from bot.domain.streams import Look, Stream
from bot.domain.workloads import GIVEN_UP_AFTER, Hindrance, Progress, Workload, hindrance
from bot.render import workloads
from bot.render.changes import approver, named
from bot.render.streams import sky
from bot.render.words import clock, count, duration

_SKIPPED = (
    "Visits announced while Redis is away are skipped: the fan-out service does not repeat them. "
    "Usually 20 s to 1 min."
)
_NOT_KEPT = (
    "Check: a visit announced while Redis was away is not in the stream, because the fan-out "
    "service does not keep it."
)
OUTAGE = "Redis is restarting"

_HINDERED: Mapping[Hindrance, str] = {
    Hindrance.NO_REPLICAS: "it is scaled to 0 replicas, so there is no pod to restart. Scale it up "
    "in Phalanx",
    Hindrance.ON_DELETE: "its update strategy is OnDelete: Kubernetes would take the restart, and "
    "replace no pod. Set RollingUpdate in Phalanx",
    Hindrance.PARTITION: "its update strategy has a partition: Kubernetes would take the restart, "
    "and not replace its pod. Set partition 0 in Phalanx",
    Hindrance.STUCK: "its pod does not start, and a restart replaces no pod that does not start",
}

_OUTDATED: Mapping[str, str] = {
    Hindrance.CHANGED.value: "Somebody else changed or restarted the StatefulSet after the card.",
    Hindrance.REPLACED.value: "The pod was replaced after the card, so it is not the one that "
    "{who} agreed to restart.",
    Hindrance.NO_REPLICAS.value: "It is scaled to 0 replicas by now.",
    Hindrance.ON_DELETE.value: "Its update strategy is OnDelete by now, so no pod would be "
    "replaced.",
    Hindrance.PARTITION.value: "Its update strategy has a partition by now, so its pod would not "
    "be replaced.",
    Hindrance.STUCK.value: "Its pod does not start by now, and a restart replaces no such pod.",
}


def hindered(environment: Environment, workload: Workload) -> str:
    """Say why a restart would do nothing; empty where it would."""
    why = hindrance(workload)
    if why is None:
        return ""
    stuck = workload.stuck
    what = f" ({stuck.waiting}: {named(stuck.why)})" if stuck is not None else ""
    return f"{environment.label}'s Redis cannot be restarted: {_HINDERED[why]}{what}."


def plan(
    environment: Environment,
    workload: Workload,
    bound: Restarting,
    looks: Sequence[Look],
    now: datetime,
) -> Plan:
    """Say what would be restarted, what waits, and what it costs.

    Parameters
    ----------
    environment, bound
        Where, and what the execution is bound to.
    workload, looks
        What was found.
    now
        When that was.
    """
    label = environment.label
    return Plan(
        subject=label,
        headline="restart Redis",
        facts=(
            (
                "Pods",
                _ready(workload) + _rollout(workload),
            ),
            ("Image", " from ".join(each for each in (workload.image, workload.chart) if each)),
            ("Data", _data(workload)),
            ("Strategy", f"{workload.strategy}: the old pod stops, then a new one starts"),
            ("Waiting", "; ".join(_waiting(each) for each in looks)),
            ("Means", _SKIPPED),
            ("Undo", "none"),
            _observing(environment, looks, now),
        ),
        streams=(EVERYTHING,),
        bound=bound.mapping(),
        warning=_warning(environment, workload, looks, now),
        outage=OUTAGE,
    )


def _ready(workload: Workload) -> str:
    return f"{workload.ready} of {count(workload.replicas, 'replica')} ready"


def _rollout(workload: Workload) -> str:
    if not workload.rolling_out:
        return ""
    asked = (
        f", asked {clock(datetime.fromisoformat(workload.stamp), seconds=True)} UTC"
        if (workload.stamp)
        else ""
    )
    return f"; a rollout is under way already{asked}"


def _data(workload: Workload) -> str:
    if not workload.storage:
        return "on no volume: streams and groups are lost by it"
    return workloads.storage(workload, None)


def _waiting(look: Look) -> str:
    group = look.group
    if group is None:
        return f"{look.instrument}: unknown"
    least = "at least " if group.waiting.capped else ""
    visits = f" = {count(group.waiting.visits, 'visit')}" if group.waiting.visits else ""
    kept = ", kept" if group.waiting.entries else ""
    return f"{look.instrument}: {least}{count(group.waiting.entries, 'entry')}{visits}{kept}"


def _newest(looks: Sequence[Look]) -> datetime | None:
    added = [each.state.last_added.added for each in looks if isinstance(each.state, Stream)]
    return max((each for each in added if each is not None), default=None)


def _observing(environment: Environment, looks: Sequence[Look], now: datetime) -> tuple[str, str]:
    says = f"yes, {sky(environment, now)}" if is_night(environment.site, now) else "no, by day"
    newest = _newest(looks)
    last = (
        "When a visit was announced last is not known"
        if newest is None
        else f"Last visit announced {duration(now - newest)} ago"
    )
    return "Observing", f"{says}. {last}"


def _warning(
    environment: Environment, workload: Workload, looks: Sequence[Look], now: datetime
) -> str:
    parts = []
    if is_night(environment.site, now):
        newest = _newest(looks)
        last = "" if newest is None else f", last visit announced {duration(now - newest)} ago"
        parts.append(f"It is {sky(environment, now)}{last}.")
    if not workload.storage:
        parts.append("Redis keeps its data on no volume: streams and groups are lost by it.")
    if workload.rolling_out:
        parts.append("A rollout is under way already; this replaces the pod once more.")
    return " ".join(parts)


def progress(seen: Progress) -> str:
    """Draw how far it has come, a line for each step, each with its time."""
    lines = [_step(seen.asked, "restart asked of Kubernetes")]
    if seen.other:
        lines.append(f"… {seen.other}  somebody else has asked for another restart")
    steps = list(_steps(seen))
    done = [text for at, text in steps if at is not None]
    lines += [_step(at, text) for at, text in steps if at is not None]
    todo = [text for at, text in steps if at is None]
    now = _now(seen)
    if now:
        lines.append(f"… {clock(seen.at, seconds=True)}  {now}")
    if todo:
        # The first of them is what is under way, and has its line already.
        later = todo[1:] if len(done) < len(steps) and now else todo
        if later:
            lines.append(f"    then: {', '.join(later)}")
    if seen.cluster:
        lines.append(
            f"… {clock(seen.at, seconds=True)}  {seen.cluster}; Redis is watched all the same"
        )
    lines.append(
        "Alarms about Redis away or a missing group are held until this ends, at most "
        f"{duration(GIVEN_UP_AFTER)}."
    )
    return "\n".join(lines)


def _steps(seen: Progress) -> Iterator[tuple[datetime | None, str]]:
    took = ""
    if seen.started is not None and seen.stopped is not None and seen.started > seen.stopped:
        took = f" ({duration(seen.started - seen.stopped)})"
    yield seen.stopped, "old pod stopped"
    yield seen.started, f"new pod started{took}"
    yield seen.answered, "answers PING"
    yield None, "streams and groups are there"


def _now(seen: Progress) -> str:
    """Say what is under way."""
    pod = seen.pod
    if seen.stopped is None:
        return (
            "the old pod is stopping" if pod and pod.leaving else "waiting for the old pod to stop"
        )
    if seen.started is None:
        if pod is not None and pod.stuck:
            return f"the new pod does not start: {pod.waiting}"
        return f"the new pod is starting{f': {pod.waiting}' if pod and pod.waiting else ''}"
    if seen.loading is not None:
        return f"Redis is loading its data, {seen.loading.percent:.0f} % read"
    if seen.answered is None:
        return f"Redis {seen.redis}" if seen.redis else "waiting for Redis to answer"
    return "looking for streams and groups"


def _step(at: datetime, text: str) -> str:
    return f"✓ {clock(at, seconds=True)}  {text}"


def tell(environment: Environment, request: Request, facts: Facts) -> Outcome:
    """Say whether Redis is back, or why nothing was restarted."""
    if facts.get(RESULT) == "never_asked":
        return Outcome(
            Happened.NO,
            "nothing was restarted",
            notes=("It was interrupted before Kubernetes was asked. Ask again.",),
        )
    if facts.get(RESULT) != DONE:
        sentence = _OUTDATED.get(facts.get("why", ""), "It was not as the card shows any more.")
        note = sentence.replace("{who}", approver(request))
        return Outcome(Happened.NO, "nothing was restarted", notes=(note,))
    if facts.get("back") != "yes":
        return _not_back(facts)
    return _back(environment, facts)


def _back(environment: Environment, facts: Facts) -> Outcome:
    missing = facts.get("missing", "").split()
    away = _time(facts, "away") or _time(facts, "stopped") or _time(facts, "asked")
    answered = _time(facts, "answered")
    took = (answered - _needed(facts)) if answered else timedelta(0)
    notes = [_NOT_KEPT]
    if missing:
        where = ", ".join(f"{each} at {facts.get(f'stood:{each}', 'its end')}" for each in missing)
        notes.insert(
            0, f"The group is missing, so no worker can read. It stood, as last seen: {where}."
        )
    if facts.get("cluster"):
        notes.append(
            f"{facts['cluster']}, so nobody knows whether its pod is as wanted. `upgrade` looks."
        )
    if facts.get("other"):
        notes.append(f"Somebody else asked for another restart in between ({facts['other']}).")
    headline = f"Redis is back after {duration(took)}"
    if missing:
        headline += f", but {', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no group"
    return Outcome(
        Happened.YES,
        headline,
        facts=tuple(_facts(environment, facts, away, answered, missing)),
        before=_audit(facts, "before"),
        after=_audit(facts, "after"),
        notes=tuple(notes),
        well=not (missing or facts.get("cluster")),
        offers=(("Ask to bootstrap", f"bootstrap {' '.join(missing)}"),) if missing else (),
    )


def _facts(
    environment: Environment,
    facts: Facts,
    away: datetime | None,
    answered: datetime | None,
    missing: Sequence[str],
) -> Iterator[tuple[str, str]]:
    if away is not None and answered is not None:
        span = f"{clock(away, seconds=True)} to {clock(answered, seconds=True)} UTC"
        yield "Away", f"{span} ({duration(answered - away)} without an answer)"
    lines = []
    for instrument in environment.instruments:
        waiting = facts.get(f"waiting:{instrument}")
        if instrument in missing:
            lines.append(f"{environment.stream(instrument)} has no group")
        elif waiting is None:
            lines.append(f"{environment.stream(instrument)} was not there before either")
        else:
            lines.append(
                f"{environment.stream(instrument)} and its group are there, {waiting} waiting"
            )
    yield "Streams", "; ".join(lines)
    yield "Visits", "; ".join(_visits(environment, facts))
    before = facts.get("version_before") or facts.get("image_before", "unknown")
    after = facts.get("version_after") or facts.get("image_after", "unknown")
    same = facts.get("image_before") == facts.get("image_after")
    yield "Image", f"{after}, unchanged" if same else f"{before} before, {after} now"


def _visits(environment: Environment, facts: Facts) -> Iterator[str]:
    """Say which visits are known to be in the stream, before and after."""
    for instrument in environment.instruments:
        before, after = _time(facts, f"before:{instrument}"), _time(facts, f"after:{instrument}")
        last = (
            f"last one before {clock(before, seconds=True)} UTC"
            if before
            else "last one before: unknown"
        )
        first = f"first one since {clock(after, seconds=True)} UTC" if after else "none since"
        name = f"{instrument}: " if len(environment.instruments) > 1 else ""
        yield f"{name}{last}, {first}"


def _not_back(facts: Facts) -> Outcome:
    waiting, image = facts.get("waiting", ""), facts.get("image_of_pod", "")
    notes = []
    if waiting:
        why = f": {named(facts['why'])}" if facts.get("why") else ""
        notes.append(f"The new pod does not run: {waiting} ({image}){why}.")
        notes.append("Next: fix that in Argo CD. Restarting again will not help.")
    elif not facts.get("pod"):
        notes.append("There is no pod.")
        notes.append("Next: #usdf-infra-support helps if the pod does not even appear.")
    elif facts.get("stopped"):
        redis = facts.get("redis") or "answers, and its streams do not"
        notes.append(f"The new pod runs, and Redis {redis}.")
        notes.append("Next: `runbook unreachable`.")
    else:
        notes.append("The old pod has not stopped.")
        notes.append("Next: #usdf-infra-support helps with a pod that does not stop.")
    if facts.get("cluster"):
        notes.append(f"{facts['cluster']}, so this is what was seen last.")
    events = tuple(line for line in facts.get("events", "").split("\n") if line)
    return Outcome(
        Happened.YES,
        f"Redis has not come back after {duration(GIVEN_UP_AFTER)}",
        before=_audit(facts, "before"),
        after={"pod": waiting or "not replaced"},
        notes=tuple(notes),
        well=False,
        failed=True,
        aside=("Last events:", *events) if events else (),
    )


def _audit(facts: Facts, when: str) -> dict[str, str]:
    known = {"version": facts.get(f"version_{when}", ""), "image": facts.get(f"image_{when}", "")}
    return {name: text for name, text in known.items() if text}


def _time(facts: Facts, name: str) -> datetime | None:
    text = facts.get(name)
    return datetime.fromisoformat(text) if text else None


def _needed(facts: Facts) -> datetime:
    return datetime.fromisoformat(facts["asked"])
