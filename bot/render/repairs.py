"""`repair`, drawn: the lag that Redis reports and KEDA believes, and what really waits."""

from bot.domain.approvals import Happened, Outcome, Plan, Request
from bot.domain.changes import Facts, Repairing, Survey
from bot.domain.environments import Environment
from bot.render.changes import audit, figure, found, not_made, number
from bot.render.words import count


def plan(environment: Environment, bound: Repairing, survey: Survey) -> Plan:
    """Say what Redis reports, what was counted, and what KEDA makes of it.

    Parameters
    ----------
    environment, bound
        Where, and what the execution is bound to.
    survey
        The look that it was taken from.
    """
    return Plan(
        subject=f"{environment.label} {bound.instrument}",
        headline=f"correct the lag that Redis reports ({_reported(bound)})",
        facts=(
            ("Redis reports", _reported(bound)),
            ("Counted", f"{found(survey)} waiting"),
            ("KEDA", _keda(bound)),
            ("Changes", "one number in the group's books, to what is counted then"),
            ("Untouched", "every entry: none is deleted, skipped, or read twice"),
            ("Undo", "none, and none is needed"),
        ),
        streams=(environment.stream(bound.instrument),),
        bound=bound.mapping(),
    )


def _reported(bound: Repairing) -> str:
    return "none, nil" if bound.lag is None else count(bound.lag, "entry")


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


def tell(environment: Environment, request: Request, facts: Facts) -> Outcome:
    """Say what Redis reports now, or why nothing was done."""
    del environment
    refused = not_made(request, facts, "the lag was not corrected", {})
    if refused is not None:
        return refused
    waiting, lag = number(facts, "waiting"), number(facts, "lag_after")
    exact = lag is not None and lag == waiting
    return Outcome(
        Happened.YES,
        "Redis reports the right lag again" if exact else "Redis still reports the wrong lag",
        facts=(
            ("Redis reported", _lag(facts, "lag_before")),
            ("Redis reports now", _lag(facts, "lag_after")),
            ("Waiting, counted", figure(waiting)),
        ),
        before=audit(facts, {"lag": "lag_before"}),
        after=audit(facts, {"lag": "lag_after", "waiting": "waiting"}),
        notes=(
            "KEDA sees it within seconds."
            if exact
            else "Most likely an entry that waited was deleted. It is right again by itself once "
            "workers have read to the end.",
        ),
        well=exact,
    )


def _lag(facts: Facts, name: str) -> str:
    lag = number(facts, name)
    return "none, nil" if lag is None else count(lag, "entry")
