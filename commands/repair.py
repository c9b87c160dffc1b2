"""`repair`: make the lag that Redis reports, and KEDA reads, right again."""

from collections.abc import AsyncIterator

from bot.command import Call, Change
from bot.domain.approvals import Outcome, Plan, Request
from bot.domain.changes import Facts, Repairing, Survey
from bot.domain.environments import Environment
from bot.domain.errors import UserError
from bot.render.plans import figure, found, made, not_made, number
from bot.render.words import count
from bot.services.approvals import Approved
from bot.services.environments import Services


async def plan(call: Call) -> Plan:
    """Compare what Redis reports with what is counted."""
    instrument, environment = call.instrument(), call.environment
    subject = f"{environment.label} {instrument}"
    survey = await call.services.streams.survey(instrument)
    if survey is None or survey.group is None:
        what = "stream" if survey is None else "group"
        raise UserError(
            f"{subject} has no {what}. `bootstrap {instrument}` creates it.", suggestion="bootstrap"
        )
    bound = Repairing(instrument, survey.group.lag, survey.entries, survey.capped)
    if bound.lag == bound.waiting and not bound.capped:
        raise UserError(
            f"There is nothing to repair: Redis reports the right lag for {subject}, "
            f"{found(survey)}.",
            suggestion="stats",
        )
    return propose(environment, bound, survey)


def propose(environment: Environment, bound: Repairing, survey: Survey) -> Plan:
    """Say what Redis reports, what was counted, and what KEDA makes of it."""
    return Plan(
        subject=f"{environment.label} {bound.instrument}",
        headline=f"correct the lag that Redis reports ({_lag(bound.lag)})",
        facts=(
            ("Redis reports", _lag(bound.lag)),
            ("Counted", f"{found(survey)} waiting"),
            ("KEDA", _keda(bound)),
            ("Changes", "one number in the group's books, to what is counted then"),
            ("Untouched", "every entry: none is deleted, skipped, or read twice"),
            ("Undo", "none, and none is needed"),
        ),
        streams=(environment.stream(bound.instrument),),
        bound=bound.mapping(),
    )


def _lag(lag: int | None) -> str:
    return "none, nil" if lag is None else count(lag, "entry")


def _keda(bound: Repairing) -> str:
    least = "at least " if bound.capped else ""
    waiting = f"{least}{count(bound.waiting, 'entry')}"
    if bound.lag is None:
        return f"takes this for 0, so it starts no workers for {waiting}"
    if bound.lag > bound.waiting:
        if bound.capped:
            return f"believes it; whether it is right is known once all of {waiting} are counted"
        more = bound.lag - bound.waiting
        return f"believes it, and starts workers for {count(more, 'entry')} too many"
    return f"believes it, and starts too few workers for {waiting}"


async def run(services: Services, approved: Approved) -> AsyncIterator[str | Facts]:
    """Count and set, in one step."""
    yield await services.changes.repair(approved)


def tell(_: Environment, request: Request, facts: Facts) -> Outcome:
    """Say what Redis reports now, or why nothing was done."""
    refused = not_made(request, facts, "the lag was not corrected", {})
    if refused is not None:
        return refused
    waiting, lag = number(facts, "waiting"), number(facts, "lag_after")
    exact = lag is not None and lag == waiting
    return made(
        facts,
        "Redis reports the right lag again" if exact else "Redis still reports the wrong lag",
        (
            ("Redis reported", _lag(number(facts, "lag_before"))),
            ("Redis reports now", _lag(lag)),
            ("Waiting, counted", figure(waiting)),
        ),
        counts=("waiting",),
        notes=(
            "KEDA sees it within seconds."
            if exact
            else "Most likely an entry that waited was deleted. It is right again by itself once "
            "workers have read to the end.",
        ),
        well=exact,
    )


COMMANDS = (
    Change(
        name="repair",
        usage="[INSTRUMENT]",
        summary="make the lag that Redis reports, and KEDA reads, right again",
        plan=plan,
        run=run,
        tell=tell,
        details=(
            "After deletes and trims Redis may report no lag, or a wrong one, and KEDA starts no "
            "workers, or too many. This sets the group to where it stands, with the number of "
            "entries read as it is counted: nothing is read, skipped or deleted by it."
        ),
    ),
)
