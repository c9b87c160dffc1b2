"""What a person reads whose click or request changed nothing: why, and who or what helps."""

from bot.domain.approvals import Request, State
from bot.domain.environments import Environment
from bot.domain.errors import CannotLookUp, NotAllowed
from bot.domain.refusals import NotCounted, Occupied, Why
from bot.render.blocks import Block, Button, Markup, code, mark, section
from bot.render.words import clock, duration

Drawn = tuple[Markup, list[Block]]


def not_allowed(error: NotAllowed) -> Drawn:
    """Draw the refusal of a person without the right, and who has it."""
    if error.who:
        text = mark(
            "You are not an {} of {}, so this changed nothing. {}s: {}.",
            error.right,
            error.label,
            error.right.capitalize(),
            error.who,
        )
    else:
        text = mark(
            "Nobody is an {} of {} at this moment: its list is empty. Nothing was changed. "
            "Whoever deploys the bot must correct {}.",
            error.right,
            error.label,
            code(f"environments.{error.label.lower()}.access"),
        )
    return text, [section(text)]


def cannot_look_up(error: CannotLookUp, reference: str) -> Drawn:
    """Draw that nobody knows who has the right."""
    text = mark(
        "I could not check who may do this (Slack did not answer: {}), so I did not count it. "
        "Nothing has changed.",
        error.reason,
    )
    more = mark(
        "{}\nTry again in a moment; if it stays so, `runbook approvals`. Ref {}.", text, reference
    )
    return text, [section(more)]


def not_counted(error: NotCounted, environment: Environment) -> Drawn:
    """Draw why a vote, a denial or a withdrawal did not count."""
    text = mark("{}", _why(error, environment))
    return text, [section(text)]


def occupied(error: Occupied) -> tuple[Markup, list[Block], list[Button]]:
    """Draw the request that stands in the way."""
    request = error.request
    state = "open" if request.state is State.OPEN else request.state.value
    text = mark(
        "One at a time: request {} ({}, by {}) is {} for the same Redis or stream. "
        "Nothing was asked.",
        request.id,
        code(f"{request.command} {request.arguments}".strip()),
        request.requester.name,
        f"{state} until {clock(request.expires)} UTC" if state == "open" else state,
    )
    number = str(request.id)
    return text, [section(text)], [Button(f"Request {number}", "requests", number)]


def _why(error: NotCounted, environment: Environment) -> str:  # noqa: C901 -- one case a rule
    number, label = error.number, environment.label
    request = error.request
    match error.why:
        case Why.UNKNOWN:
            return f"There is no request {number}. `requests` lists those that are open."
        case Why.ELSEWHERE:
            there = request.environment if request else "another environment"
            there = "PROD" if there == "prod" else there
            return (
                f"Request {number} is about {there}, and this is the channel of {label}: nothing "
                f"was changed. Decide it in the channel of {there}."
            )
        case Why.OWN:
            until = f" until {clock(request.expires)} UTC" if request else ""
            return (
                f"You asked for this yourself, so another approver must decide. Request {number} "
                f"is still open{until}. Approvers: {error.who}."
            )
        case Why.TWICE:
            return (
                f"You have approved request {number} already. It needs another approver as well; "
                "nothing was counted twice."
            )
        case Why.REQUESTER:
            name = request.requester.name if request else "whoever asked"
            return (
                f"{name} is no longer an operator of {label}, so request {number} cannot be "
                "carried out. Nothing was changed. An operator can ask for the same."
            )
        case Why.NOT_YOURS:
            name = request.requester.name if request else "whoever asked"
            return (
                f"Only {name}, who asked, can withdraw request {number}. Nothing was changed. "
                f"An approver can deny it: `deny {number} REASON`."
            )
        case Why.REASON:
            return (
                "Deciding alone needs a reason, which everybody reads. Nothing was changed. "
                f"Type `approve {number} --alone REASON`."
            )
        case Why.NIGHT:
            return (
                f"It is night at the telescope, so {label} is changed only with a reason. Nothing "
                f"was changed yet. Type `approve {number} REASON`."
            )
        case Why.GLASS:
            return (
                f"Nobody decides alone in {label}: the bot's configuration says so "
                "(`approval.break_glass`). Nothing was changed."
            )
        case Why.READ_ONLY:
            return (
                f"{label} is read-only by the bot's configuration: nothing may be changed there, "
                f"and request {number} was not carried out."
            )
        case Why.BUSY:
            return f"Others were quicker, again and again. Look at request {number} once more."
        case Why.OVER:
            return _over(request, error) if request else f"Request {number} is over."


def _over(request: Request, error: NotCounted) -> str:
    number = request.id
    ended = clock(request.ended, now=error.at) if request.ended else ""
    match request.state:
        case State.APPROVED | State.RUNNING:
            last = request.votes[-1]
            early = duration(error.at - last.at) if error.at else "moments"
            return (
                f"{last.person.name} approved this {early} before you. Request {number} is already "
                "running; nothing was done twice."
            )
        case State.DONE | State.FAILED:
            name = request.votes[-1].person.name if request.votes else "Somebody"
            how = "it is done" if request.state is State.DONE else "it changed nothing"
            return (
                f"{name} approved this before you, and since {ended} UTC {how}. Request {number} "
                "is closed; nothing was done twice."
            )
        case State.DENIED:
            name = request.ended_by.name if request.ended_by else "Somebody"
            return f"{name} denied request {number} at {ended} UTC. Nothing was changed."
        case State.WITHDRAWN:
            name = request.requester.name
            return f"{name} withdrew request {number} at {ended} UTC. Nothing was changed."
        case State.EXPIRED:
            return (
                f"Request {number} expired unanswered at {ended} UTC. Nothing was changed. "
                f"Type `{request.command} {request.arguments}` to ask again."
            )
        case State.INTERRUPTED:
            return f"Request {number} was interrupted at {ended} UTC. Its card says what is known."
        case State.OPEN:
            return f"Request {number} is open again. Look once more."
