"""Requests, drawn: the card in each of its states, and lists of them."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from bot.domain.approvals import NUMBER, Happened, Outcome, Request, State
from bot.domain.environments import Environment
from bot.render.blocks import (
    Block,
    Button,
    Markup,
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

_LISTED = 40
"""Lines of a plan's longer list that one message shows."""

_LONGEST_NAME = 16

Drawn = tuple[Markup, list[Block], list[Button]]


def asked(request: Request) -> tuple[Markup, list[Block]]:
    """Tell the requester where the request is, and until when."""
    text = mark(
        "Request {} is in the channel, open until {} UTC. You are mentioned in its thread when it "
        "is decided.",
        request.id,
        clock(request.expires, now=request.asked),
    )
    return text, [section(text)]


def card(
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
    request
        What to draw.
    environment
        Where.
    approvers
        Who may approve, as people read it.
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


def headline(request: Request) -> Markup:
    """Say what is asked for, in one line."""
    plan = request.plan
    # Cut, so that the line ends on a lock screen; the foot has the whole name.
    name = truncate(request.requester.name, _LONGEST_NAME)
    if plan.asks:
        return mark(
            "🔧 *{}: {} asks to {}.* Request {}", plan.subject, name, plan.headline, request.id
        )
    return mark("🔴 *{}: {}.* Request {}, by {}", plan.subject, plan.headline, request.id, name)


def details(request: Request, environment: Environment, approvers: str, now: datetime) -> Drawn:
    """Draw a request for one person, with the longer list of its plan."""
    first, blocks, _ = card(request, environment, approvers, now)
    listing = request.plan.listing
    if listing:
        lines = [mark("{}", line) for line in listing[:_LISTED]]
        if len(listing) > _LISTED:
            lines.append(mark("and {} more", f"{len(listing) - _LISTED:,}"))
        blocks.append(section(join("\n", lines)))
    return first, blocks, [Button("Refresh", "requests", str(request.id))]


def listed(
    environment: Environment, requests: Sequence[Request], now: datetime
) -> tuple[Markup, list[Block], list[Button]]:
    """Draw the requests that are not at their end."""
    if not requests:
        first = mark("🟢 *{}: no request is open.*", environment.label)
        return first, [section(first)], []
    first = mark("🔧 *{}: {} open.*", environment.label, count(len(requests), "request"))
    lines = [
        mark(
            "{}\n      {}, asked {} ago, {}",
            headline(each),
            each.state.value,
            duration(now - each.asked),
            f"until {clock(each.expires, now=now)} UTC"
            if each.state is State.OPEN
            else "being carried out",
        )
        for each in requests
    ]
    buttons = [
        Button(f"Request {each.id}", "requests", str(each.id), word=str(each.id))
        for each in requests[:3]
    ]
    return first, [section(first), section(join("\n", lines))], buttons


def summary(requests: Sequence[Request], now: datetime) -> str:
    """Say in one line which requests are not at their end."""
    if not requests:
        return "none open"
    one = requests[0]
    more = f", and {len(requests) - 1} more" if len(requests) > 1 else ""
    until = f" until {clock(one.expires, now=now)} UTC" if one.state is State.OPEN else ""
    return f"{one.id} {one.state.value}{until}: {one.command} {one.arguments}".strip() + more


def _open(request: Request, environment: Environment, approvers: str, window: int | None) -> Drawn:
    plan, policy = request.plan, environment.policy
    first = headline(request)
    blocks = [section(first), *typed(request.reason)]
    blocks += _facts([(label, text.replace(NUMBER, str(request.id))) for label, text in plan.facts])
    lines = []
    if plan.warning:
        lines.append(mark("🔴 {}", plan.warning))
    if window is not None:
        lines.append(mark("Inside window {}.", window))
    elif plan.outage:
        lines.append(
            mark(
                "No maintenance window is open: {} announces it.",
                code("maintenance start 30m REASON"),
            )
        )
    if request.votes:
        lines.append(mark("{}", _votes_so_far(request)))
    needed = count(request.needed, "approval")
    but = "" if request.self_approval else f", not from {request.requester.name}"
    lasts = duration(request.expires - request.asked)
    lines.append(
        mark(
            "Needs {} from {}{}. Expires {} UTC ({}).",
            needed,
            approvers,
            but,
            clock(request.expires, now=request.asked),
            lasts,
        )
    )
    blocks.append(section(join("\n", lines)))
    number = str(request.id)
    buttons = [
        Button("Approve", "approve", number, confirm=plan.confirmation),
        Button("Deny", "deny", number),
        Button("Withdraw", "withdraw", number),
    ]
    # Where one voice is enough and may be the requester's, nobody needs to break the glass.
    alone_helps = policy.approvals > 1 or not policy.self_approval
    if policy.break_glass and alone_helps:
        buttons.append(
            Button("Nobody answers: go on alone…", "approve", f"{number} --alone", word="alone")
        )
        if plan.listing:
            blocks.append(context(mark("{} lists them one by one", code(f"requests {number}"))))
    elif plan.listing:
        buttons.append(Button("Which visits?", "requests", number))
    return first, blocks, buttons


def _running(request: Request, now: datetime) -> Drawn:
    lasted = duration(now - request.started) if request.started else ""
    if request.plan.outage:
        since = f", {lasted} so far" if lasted else ""
        first = mark(
            "🔧 *{}: {}{}.* Request {}",
            request.plan.subject,
            request.plan.outage,
            since,
            request.id,
        )
        blocks = [section(first), *typed(request.reason)]
        who = f"asked by {request.requester.name}, approved by {approvers_of(request)}"
    else:
        first = mark(
            "🔧 *{}: approved by {}, running{}.* Request {}",
            request.plan.subject,
            approvers_of(request),
            f" for {lasted}" if lasted else "",
            request.id,
        )
        blocks = [section(first + "\n" + what(request)), *typed(request.reason)]
        who = f"asked by {request.requester.name} {clock(request.asked)} UTC"
    if request.progress:
        blocks.append(section(join("\n", [mark("{}", line) for line in request.progress])))
    return first, [*blocks, context(mark("{} · {}", who, _updated(now)))], []


def _carried_out(request: Request, outcome: Outcome, now: datetime, window: int | None) -> Drawn:
    interrupted = request.state is State.INTERRUPTED
    emoji = "🔴" if outcome.failed or outcome.happened is Happened.UNKNOWN else "🟡"
    if outcome.happened is Happened.YES and outcome.well and not interrupted:
        emoji = "🟢"
    took = ""
    if request.started and request.ended and not interrupted and not request.plan.outage:
        took = f", done in {_took(request.ended - request.started)}"
    first = mark(
        "{} *{}: {}{}.* Request {}{}",
        emoji,
        request.plan.subject,
        "interrupted; " if interrupted else "",
        outcome.headline,
        request.id,
        took if outcome.happened is Happened.YES else "",
    )
    blocks = [section(first), *typed(request.reason), *_facts(outcome.facts)]
    lines = [mark("{}", note) for note in outcome.notes]
    lines.append(_who(request))
    if request.alone:
        alone = next(vote for vote in request.votes if vote.alone)
        lines.append(mark("{} decided alone:", alone.person.name))
    blocks.append(section(join("\n", lines)))
    if request.alone:
        blocks += typed(next(vote.reason for vote in request.votes if vote.alone))
    buttons = []
    if outcome.undo:
        command, _, value = outcome.undo.partition(" ")
        buttons.append(Button("Undo…", command, value))
    for label, line in outcome.offers:
        command, _, value = line.partition(" ")
        buttons.append(Button(label, command, value))
    buttons.append(Button("Stats", "stats"))
    if request.plan.outage and window is not None:
        buttons.append(Button("End maintenance", "maintenance end", str(window)))
    return first, [*blocks, context(_updated(now))], buttons


def _not_carried_out(request: Request, now: datetime) -> Drawn:
    words = {
        State.DENIED: f"denied by {request.ended_by.name if request.ended_by else 'somebody'}",
        State.WITHDRAWN: f"withdrawn by {request.requester.name}",
        State.EXPIRED: "expired unanswered",
    }
    first = mark(
        "⚪ *{}: {}, nothing was changed.* Request {}",
        request.plan.subject,
        words.get(request.state, request.state.value),
        request.id,
    )
    blocks = [section(first + "\n" + what(request)), *typed(request.reason)]
    if request.answer:
        blocks += [section(Markup("*The answer:*")), *typed(request.answer)]
    return first, [*blocks, _foot(request, now)], []


def what(request: Request) -> Markup:
    """Say what was asked for, below a line that says what came of it."""
    plan = request.plan
    what = f"to {plan.headline}" if plan.asks else f"for {request.command}, because {plan.headline}"
    return mark("{} asked {}.", request.requester.name, what)


def _facts(facts: Sequence[tuple[str, str]]) -> Iterator[Block]:
    drawn = [(label, mark("{}", text)) for label, text in facts]
    for at in range(0, len(drawn), 10):
        yield fields(drawn[at : at + 10])


def _votes_so_far(request: Request) -> str:
    votes = ", ".join(f"{each.person.name} {clock(each.at)}" for each in request.votes)
    return f"{len(request.votes)} of {count(request.needed, 'approval')}: {votes} UTC."


def approvers_of(request: Request) -> str:
    """Name those who approved it."""
    names = [vote.person.name for vote in request.votes]
    return " and ".join(names) + (" alone" if request.alone else "")


def _who(request: Request) -> Markup:
    if not request.votes:
        return mark("Asked by {} {} UTC.", request.requester.name, clock(request.asked))
    return mark(
        "Asked by {} {}, approved by {} {} UTC.",
        request.requester.name,
        clock(request.asked),
        approvers_of(request),
        clock(request.votes[-1].at),
    )


def _took(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds:.1f} s" if seconds < 10 else duration(span)  # noqa: PLR2004 -- where a tenth tells


def _foot(request: Request, now: datetime) -> Block:
    return context(
        mark("asked by {} {} UTC · {}", request.requester.name, clock(request.asked), _updated(now))
    )


def _updated(now: datetime) -> Markup:
    return mark("updated {} UTC", clock(now, seconds=True))
