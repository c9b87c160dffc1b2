"""`restart`: restart Redis, watched until it is proven to be back."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta

from bot.command import Call, Change
from bot.domain.approvals import EVERYTHING, Happened, Outcome, Plan, Request
from bot.domain.changes import RESULT, Facts
from bot.domain.environments import Environment
from bot.domain.errors import UserError
from bot.domain.night import is_night
from bot.domain.streams import Look, Stream
from bot.domain.workloads import RESTART_LIMIT, Hindrance, Progress, Restarted, Workload, hindrance
from bot.render import workloads
from bot.render.plans import named, observing_line, outdated
from bot.render.streams import sky
from bot.render.words import NOT_KEPT, SKIPPED_MEANWHILE, amount, clock, count, duration
from bot.services.approvals import Approved
from bot.services.environments import Services
from bot.services.workloads import NEVER_ASKED

_Ended = Facts | Restarted
"""Facts where nothing was restarted."""

_SHOWN_EVERY = timedelta(seconds=10)
"""Nothing new is shown only so often: each is an edit of a message, and Slack counts them."""

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


async def plan(call: Call) -> Plan:
    """Look at the workload and at what waits, and refuse what would replace no pod."""
    environment, label, now = call.environment, call.environment.label, call.now
    workload, bound, looks = await call.services.restarts.inspect()
    why = hindrance(workload)
    if why is not None:
        stuck = workload.stuck
        what = f" ({stuck.waiting}: {named(stuck.why)})" if stuck is not None else ""
        raise UserError(
            f"{label}'s Redis cannot be restarted: {_HINDERED[why]}{what}.", suggestion="upgrade"
        )
    added = [each.state.last_added.added for each in looks if isinstance(each.state, Stream)]
    announced = max((each for each in added if each is not None), default=None)
    return Plan(
        subject=label,
        headline="restart Redis",
        facts=(
            ("Pods", _pods(workload)),
            ("Image", " from ".join(each for each in (workload.image, workload.chart) if each)),
            (
                "Data",
                workloads.storage(workload, None)
                if workload.storage
                else "on no volume: streams and groups are lost by it",
            ),
            ("Strategy", f"{workload.strategy}: the old pod stops, then a new one starts"),
            ("Waiting", "; ".join(_waiting(each) for each in looks)),
            ("Means", f"{SKIPPED_MEANWHILE} Usually 20 s to 1 min."),
            ("Undo", "none"),
            observing_line(
                environment, announced, now, never="When a visit was announced last is not known"
            ),
        ),
        streams=(EVERYTHING,),
        bound=bound.mapping(),
        warning=_warning(environment, workload, announced, now),
        outage="Redis is restarting",
    )


def _pods(workload: Workload) -> str:
    ready = f"{workload.ready} of {count(workload.replicas, 'replica')} ready"
    if not workload.rolling_out:
        return ready
    asked = ""
    if workload.stamp:
        asked = f", asked {clock(datetime.fromisoformat(workload.stamp), seconds=True)} UTC"
    return f"{ready}; a rollout is under way already{asked}"


def _waiting(look: Look) -> str:
    if look.group is None:
        return f"{look.instrument}: unknown"
    waiting = look.group.waiting
    kept = ", kept" if waiting.entries else ""
    found = amount(waiting.entries, waiting.visits, capped=waiting.capped)
    return f"{look.instrument}: {found}{kept}"


def _warning(
    environment: Environment, workload: Workload, announced: datetime | None, now: datetime
) -> str:
    parts = []
    if is_night(environment.site, now):
        last = ""
        if announced is not None:
            last = f", last visit announced {duration(now - announced)} ago"
        parts.append(f"It is {sky(environment, now)}{last}.")
    if not workload.storage:
        parts.append("Redis keeps its data on no volume: streams and groups are lost by it.")
    if workload.rolling_out:
        parts.append("A rollout is under way already; this replaces the pod once more.")
    return " ".join(parts)


def run(services: Services, approved: Approved) -> AsyncIterator[str | _Ended]:
    """Ask for it, and show how far it comes."""
    return _shown(services.restarts.run(approved))


def resume(services: Services, approved: Approved) -> AsyncIterator[str | _Ended]:
    """Show how far one comes that another process has asked for."""
    return _shown(services.restarts.resume(approved))


async def _shown(steps: AsyncIterator[Progress | _Ended]) -> AsyncIterator[str | _Ended]:
    """Draw each step, and leave out those that show nothing new."""
    last: Progress | None = None
    async for step in steps:
        if not isinstance(step, Progress):
            yield step
        elif last is None or _news(step) != _news(last) or step.at - last.at >= _SHOWN_EVERY:
            last = step
            yield so_far(step)


def _news(step: Progress) -> tuple[object, ...]:
    pod = step.pod
    return (
        step.stopped,
        step.started,
        step.answered is not None,
        step.loading is not None,
        step.redis,
        step.cluster,
        step.other,
        pod and (pod.uid, pod.leaving, pod.waiting),
    )


def so_far(seen: Progress) -> str:
    """Draw how far it has come, a line for each step, each with its time."""
    lines = [_step(seen.asked, "restart asked of Kubernetes")]
    if seen.other:
        lines.append(f"… {seen.other}  somebody else has asked for another restart")
    took = ""
    if seen.started is not None and seen.stopped is not None and seen.started > seen.stopped:
        took = f" ({duration(seen.started - seen.stopped)})"
    steps = (
        (seen.stopped, "old pod stopped"),
        (seen.started, f"new pod started{took}"),
        (seen.answered, "answers PING"),
    )
    lines += [_step(at, text) for at, text in steps if at is not None]
    lines.append(f"… {clock(seen.at, seconds=True)}  {_now(seen)}")
    # The first of them is what is under way, and has its line already.
    todo = [*(text for at, text in steps if at is None), "streams and groups are there"][1:]
    if todo:
        lines.append(f"    then: {', '.join(todo)}")
    if seen.cluster:
        lines.append(
            f"… {clock(seen.at, seconds=True)}  {seen.cluster}; Redis is watched all the same"
        )
    lines.append(
        "Alarms about Redis away or a missing group are held until this ends, at most "
        f"{duration(RESTART_LIMIT)}."
    )
    return "\n".join(lines)


def _step(at: datetime, text: str) -> str:
    return f"✓ {clock(at, seconds=True)}  {text}"


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


def tell(environment: Environment, request: Request, ended: _Ended) -> Outcome:
    """Say whether Redis is back, or why nothing was restarted."""
    if isinstance(ended, Restarted):
        return _back(environment, ended) if ended.progress.back else _not_back(ended)
    if ended.get(RESULT) == NEVER_ASKED:
        return Outcome(
            Happened.NO,
            "nothing was restarted",
            notes=("It was interrupted before Kubernetes was asked. Ask again.",),
        )
    otherwise = "It was not as the card shows any more."
    return outdated(request, ended, "nothing was restarted", _OUTDATED, otherwise)


def _back(environment: Environment, ended: Restarted) -> Outcome:
    seen = ended.progress
    took = seen.answered - seen.asked if seen.answered else timedelta(0)
    headline = f"Redis is back after {duration(took)}"
    notes = [f"Check: {NOT_KEPT}."]
    lost = [each for each in ended.streams if each.stood is not None]
    missing = [each.instrument for each in lost]
    if lost:
        where = ", ".join(f"{each.instrument} at {each.stood}" for each in lost)
        notes.insert(
            0, f"The group is missing, so no worker can read. It stood, as last seen: {where}."
        )
        headline += f", but {', '.join(missing)} {'has' if len(missing) == 1 else 'have'} no group"
    if seen.cluster:
        notes.append(
            f"{seen.cluster}, so nobody knows whether its pod is as wanted. `upgrade` looks."
        )
    if seen.other:
        notes.append(f"Somebody else asked for another restart in between ({seen.other}).")
    return Outcome(
        Happened.YES,
        headline,
        facts=tuple(_facts(environment, ended)),
        before=_audit(ended.plan.version, ended.plan.image),
        after=_audit(ended.version, seen.image),
        notes=tuple(notes),
        well=not (missing or seen.cluster),
        offers=(("Ask to bootstrap", f"bootstrap {' '.join(missing)}"),) if missing else (),
    )


def _facts(environment: Environment, ended: Restarted) -> Iterator[tuple[str, str]]:
    seen, plan = ended.progress, ended.plan
    if seen.answered is not None:
        away = seen.away or seen.stopped or seen.asked
        span = f"{clock(away, seconds=True)} to {clock(seen.answered, seconds=True)} UTC"
        yield "Away", f"{span} ({duration(seen.answered - away)} without an answer)"
    streams, visits = [], []
    for each in ended.streams:
        stream = environment.stream(each.instrument)
        if each.stood is not None:
            streams.append(f"{stream} has no group")
        elif each.waiting is None:
            streams.append(f"{stream} was not there before either")
        else:
            streams.append(f"{stream} and its group are there, {each.waiting} waiting")
        last = f" {clock(each.before, seconds=True)} UTC" if each.before else ": unknown"
        since = f"first one since {clock(each.after, seconds=True)} UTC" if each.after else ""
        name = f"{each.instrument}: " if len(ended.streams) > 1 else ""
        visits.append(f"{name}last one before{last}, {since or 'none since'}")
    yield "Streams", "; ".join(streams)
    yield "Visits", "; ".join(visits)
    before, after = plan.version or plan.image, ended.version or seen.image
    same = plan.image == seen.image
    yield "Image", f"{after}, unchanged" if same else f"{before} before, {after} now"


def _not_back(ended: Restarted) -> Outcome:
    seen, pod = ended.progress, ended.progress.pod
    if pod is None:
        notes = [
            "There is no pod.",
            "Next: #usdf-infra-support helps if the pod does not even appear.",
        ]
    elif pod.waiting:
        why = f": {named(pod.why)}" if pod.why else ""
        notes = [
            f"The new pod does not run: {pod.waiting} ({pod.image}){why}.",
            "Next: fix that in Argo CD. Restarting again will not help.",
        ]
    elif seen.stopped is not None:
        redis = seen.redis or "answers, and its streams do not"
        notes = [f"The new pod runs, and Redis {redis}.", "Next: `runbook unreachable`."]
    else:
        notes = [
            "The old pod has not stopped.",
            "Next: #usdf-infra-support helps with a pod that does not stop.",
        ]
    if seen.cluster:
        notes.append(f"{seen.cluster}, so this is what was seen last.")
    return Outcome(
        Happened.YES,
        f"Redis has not come back after {duration(RESTART_LIMIT)}",
        before=_audit(ended.plan.version, ended.plan.image),
        after={"pod": (pod.waiting if pod else "") or "not replaced"},
        notes=tuple(notes),
        well=False,
        failed=True,
        aside=("Last events:", *ended.events) if ended.events else (),
    )


def _audit(version: str, image: str) -> dict[str, str]:
    known = {"version": version, "image": image}
    return {name: text for name, text in known.items() if text}


COMMANDS = (
    Change[_Ended](
        name="restart",
        usage="[--reason …]",
        summary="restart Redis, watched until it is back",
        plan=plan,
        run=run,
        tell=tell,
        look_back=lambda services, request: services.restarts.look_back(request),
        resume=resume,
        details=(
            "What `kubectl rollout restart` does, and then the proof: another pod is ready, Redis "
            "answers, and streams and groups are there. It ends well, or after 10 min with the "
            "pod's reason. Alarms about Redis away or a missing group are held meanwhile. Visits "
            "announced while Redis is away are skipped: do it by day, in an announced window."
        ),
    ),
)
