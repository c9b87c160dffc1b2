"""Requests, drawn: the card in each of its states, and what its thread says once."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bot.domain.approvals import NUMBER, Happened, Outcome, Request, State
from bot.domain.environments import Environment
from bot.domain.notices import Notice, Said
from bot.render.blocks import (
    FIELDS_IN_SECTION,
    Block,
    Button,
    Drawn,
    code,
    context,
    fields,
    join,
    mark,
    section,
    truncate,
    typed,
)
from bot.render.words import clock, count, duration

_LONGEST_NAME = 16

_LONGEST_REPEATED = 1500
"""Characters of a command that a button can repeat."""


def request_card(
    request: Request,
    environment: Environment,
    approvers: str,
    now: datetime,
    *,
    window: int | None = None,
) -> Drawn:
    """Draw a request as it is now.

    Parameters
    ----------
    now
        The time of this drawing, for the foot.
    window
        Number of the maintenance window that is under way; None where there is none.
    """
    match request.state:
        case State.OPEN:
            return _open(request, environment, approvers, window)
        case State.APPROVED | State.RUNNING:
            return _running(request, now)
        case State.DONE | State.FAILED | State.INTERRUPTED if request.outcome is not None:
            return _carried_out(request, request.outcome, now, window)
        case _:
            return _not_carried_out(request, now)


def headline(request: Request) -> str:
    """Say what is asked for, in one line."""
    plan = request.plan
    # Cut, so that the line ends on a lock screen; the foot has the whole name.
    name = truncate(request.requester.name, _LONGEST_NAME)
    if plan.asks:
        return f"🔧 *{plan.subject}: {name} asks to {plan.headline}.* Request {request.id}"
    return f"🔴 *{plan.subject}: {plan.headline}.* Request {request.id}, by {name}"


def _open(request: Request, environment: Environment, approvers: str, window: int | None) -> Drawn:
    plan, policy, number = request.plan, environment.policy, str(request.id)
    lines = []
    if plan.warning:
        lines.append(f"🔴 {plan.warning}")
    if window is not None:
        lines.append(f"Inside window {window}.")
    elif plan.outage:
        announces = code("maintenance start 30m REASON")
        lines.append(mark("No maintenance window is open: {} announces it.", announces))
    needed = count(request.needed, "approval")
    if request.votes:
        votes = ", ".join(f"{each.person.name} {clock(each.at)}" for each in request.votes)
        lines.append(f"{len(request.votes)} of {needed}: {votes} UTC.")
    lines.append(
        mark(
            "Needs {} from {}{}. Expires {} UTC ({}).",
            needed,
            approvers,
            "" if request.self_approval else f", not from {request.requester.name}",
            clock(request.expires, now=request.asked),
            duration(request.expires - request.asked),
        )
    )
    buttons = [
        Button("Approve", "approve", number, confirm=plan.confirmation),
        Button("Deny", "deny", number),
        Button("Withdraw", "withdraw", number),
    ]
    first = headline(request)
    facts = [(label, text.replace(NUMBER, number)) for label, text in plan.facts]
    blocks = [*_begin(request, first), *_facts(facts), section(join("\n", lines))]
    # Where one voice is enough and may be the requester's, nobody needs to break the glass.
    if policy.break_glass and (policy.approvals > 1 or not policy.self_approval):
        alone = f"{number} --alone"
        buttons.append(Button("Nobody answers: go on alone…", "approve", alone, word="alone"))
        if plan.listing:
            blocks.append(context(mark("{} lists them one by one", code(f"requests {number}"))))
    elif plan.listing:
        buttons.append(Button("Which visits?", "requests", number))
    return first, blocks, buttons


def _running(request: Request, now: datetime) -> Drawn:
    plan, approvers, name = request.plan, _approvers_of(request), request.requester.name
    lasted = duration(now - request.started) if request.started else ""
    if plan.outage:
        says, since = plan.outage, f", {lasted} so far" if lasted else ""
        who = f"asked by {name}, approved by {approvers}"
    else:
        says, since = f"approved by {approvers}, running", f" for {lasted}" if lasted else ""
        who = f"asked by {name} {clock(request.asked)} UTC"
    first = f"🔧 *{plan.subject}: {says}{since}.* Request {request.id}"
    blocks = _begin(request, first if plan.outage else first + "\n" + _what(request))
    if request.progress:
        blocks.append(section(join("\n", request.progress)))
    return first, [*blocks, context(f"{who} · {_updated(now)}")], []


def _carried_out(request: Request, outcome: Outcome, now: datetime, window: int | None) -> Drawn:
    interrupted, outage = request.state is State.INTERRUPTED, request.plan.outage
    emoji = "🔴" if outcome.failed or outcome.happened is Happened.UNKNOWN else "🟡"
    took = ""
    if outcome.happened is Happened.YES and not interrupted:
        emoji = "🟢" if outcome.well else emoji
        if request.started and request.ended and not outage:
            took = f", done in {_took(request.ended - request.started)}"
    first = mark(
        "{} *{}: {}{}.* Request {}{}",
        emoji,
        request.plan.subject,
        "interrupted; " if interrupted else "",
        outcome.headline,
        request.id,
        took,
    )
    lines = [*outcome.notes, _who(request)]
    alone = next((vote for vote in request.votes if vote.alone), None)
    if alone is not None:
        lines.append(f"{alone.person.name} decided alone:")
    blocks = [*_begin(request, first), *_facts(outcome.facts), section(join("\n", lines))]
    blocks += typed(alone.reason) if alone is not None else []
    offers = [("Undo…", outcome.undo)] if outcome.undo else []
    buttons = []
    for label, line in (*offers, *outcome.offers):
        command, _, value = line.partition(" ")
        buttons.append(Button(label, command, value))
    buttons.append(Button("Stats", "stats"))
    if outage and window is not None:
        buttons.append(Button("End maintenance", "maintenance end", str(window)))
    return first, [*blocks, context(_updated(now))], buttons


def _not_carried_out(request: Request, now: datetime) -> Drawn:
    words = {
        State.DENIED: f"denied by {request.ended_by.name if request.ended_by else 'somebody'}",
        State.WITHDRAWN: f"withdrawn by {request.requester.name}",
        State.EXPIRED: "expired unanswered",
    }
    how = words.get(request.state, request.state.value)
    first = f"⚪ *{request.plan.subject}: {how}, nothing was changed.* Request {request.id}"
    blocks = _begin(request, first + "\n" + _what(request))
    if request.answer:
        blocks += [section("*The answer:*"), *typed(request.answer)]
    asked, updated = clock(request.asked), _updated(now)
    foot = context(f"asked by {request.requester.name} {asked} UTC · {updated}")
    return first, [*blocks, foot], []


def _begin(request: Request, says: str) -> list[Block]:
    return [section(says), *typed(request.reason)]


def _what(request: Request) -> str:
    """Say what was asked for, below a line that says what came of it."""
    plan = request.plan
    what = f"to {plan.headline}" if plan.asks else f"for {request.command}, because {plan.headline}"
    return f"{request.requester.name} asked {what}."


def _facts(facts: Sequence[tuple[str, str]]) -> Iterator[Block]:
    for at in range(0, len(facts), FIELDS_IN_SECTION):
        yield fields(facts[at : at + FIELDS_IN_SECTION])


def _approvers_of(request: Request) -> str:
    names = [vote.person.name for vote in request.votes]
    return " and ".join(names) + (" alone" if request.alone else "")


def _who(request: Request) -> str:
    name, asked = request.requester.name, clock(request.asked)
    if not request.votes:
        return f"Asked by {name} {asked} UTC."
    last = clock(request.votes[-1].at)
    return f"Asked by {name} {asked}, approved by {_approvers_of(request)} {last} UTC."


def _took(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds:.1f} s" if seconds < 10 else duration(span)  # noqa: PLR2004 -- where a tenth tells


def _updated(now: datetime) -> str:
    return f"updated {clock(now, seconds=True)} UTC"


def notice(said: Notice, request: Request | None) -> Drawn:
    """Draw what is said once in a thread, of a request as it is now."""
    match said.said:
        case Said.OUTCOME | Said.RESOLVED if request is not None:
            return _ended(request)
        case Said.ALONE if request is not None:
            return _alone(request)
        case _:
            text = said.values.get("text", "")
            return text, [section(text)], []


def _ended(request: Request) -> Drawn:
    """Mention whoever asked, who must hear how it ended."""
    outcome, number = request.outcome, request.id
    blocks: list[Block] = []
    buttons: list[Button] = []
    match request.state:
        case State.DENIED:
            by = request.ended_by.name if request.ended_by else "somebody"
            says = f"{by} denied request {number}. Nothing was changed."
            blocks = typed(request.answer)
        case State.EXPIRED:
            says = f"request {number} has expired unanswered. Nothing was changed."
            buttons = [_again(request)]
        case State.WITHDRAWN:
            says = f"request {number} is withdrawn. Nothing was changed."
        case State.FAILED if outcome is not None and outcome.failed:
            says = f"request {number} has failed: {outcome.headline}."
        case State.DONE if outcome is not None:
            by = _approvers_of(request)
            says = f"request {number} is done: {outcome.headline}. Approved by {by}."
        case State.INTERRUPTED if outcome is not None:
            says = (
                f"request {number} was interrupted while it ran: {outcome.headline}. "
                "Nothing was repeated."
            )
        case _:
            closed = outcome.headline if outcome else request.state.value
            says = f"request {number} is closed: {closed}."
    text = mark("<@{}> {}", request.requester.id, says)
    notes = [*outcome.notes, *outcome.aside] if outcome else []
    return text, [section(join("\n", [text, *notes])), *blocks], buttons


def _alone(request: Request) -> Drawn:
    vote = next(vote for vote in request.votes if vote.alone)
    first = (
        f"🔴 *{request.plan.subject}: {vote.person.name} went on alone with request "
        f"{request.id}.* Nobody else approved it."
    )
    asked_by = f"Asked by {request.requester.name}. The reason for going on alone:"
    return first, [section(join("\n", [first, _what(request), asked_by])), *typed(vote.reason)], []


def _again(request: Request) -> Button:
    """Ask for the same, with the reason where a button can repeat it."""
    line = request.arguments
    if request.reason and len(f"{line} --reason {request.reason}") <= _LONGEST_REPEATED:
        line = f"{line} --reason {request.reason}"
    return Button("Ask again", request.command, line)
