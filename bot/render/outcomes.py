"""What is said of a request once, in its thread: who must hear how it ended."""

from bot.domain.approvals import Request, State
from bot.domain.notices import Notice, Said
from bot.render.approvals import Drawn, approvers_of, what
from bot.render.blocks import Block, Button, Markup, join, mark, section, typed

_LONGEST_REPEATED = 1500
"""Characters of a command that a button can repeat."""


def notice(said: Notice, request: Request | None) -> tuple[Markup, list[Block], list[Button]]:
    """Draw what is said once.

    Parameters
    ----------
    said
        What.
    request
        The request that it is about, as it is now.
    """
    match said.said:
        case Said.OUTCOME | Said.RESOLVED if request is not None:
            return _ended(request)
        case Said.ALONE if request is not None:
            return _alone(request)
        case _:
            text = mark("{}", said.values.get("text", ""))
            return text, [section(text)], []


def _ended(request: Request) -> Drawn:
    mention = mark("<@{}>", request.requester.id)
    outcome = request.outcome
    blocks: list[Block] = []
    buttons: list[Button] = []
    match request.state:
        case State.DENIED:
            by = request.ended_by.name if request.ended_by else "somebody"
            text = mark("{} {} denied request {}. Nothing was changed.", mention, by, request.id)
            blocks = typed(request.answer)
        case State.EXPIRED:
            text = mark(
                "{} request {} has expired unanswered. Nothing was changed.", mention, request.id
            )
            buttons = [_again(request)]
        case State.WITHDRAWN:
            text = mark("{} request {} is withdrawn. Nothing was changed.", mention, request.id)
        case State.FAILED if outcome is not None and outcome.failed:
            text = mark("{} request {} has failed: {}.", mention, request.id, outcome.headline)
        case State.DONE if outcome is not None:
            text = mark(
                "{} request {} is done: {}. Approved by {}.",
                mention,
                request.id,
                outcome.headline,
                approvers_of(request),
            )
        case State.INTERRUPTED if outcome is not None:
            text = mark(
                "{} request {} was interrupted while it ran: {}. Nothing was repeated.",
                mention,
                request.id,
                outcome.headline,
            )
        case _:
            said = outcome.headline if outcome else request.state.value
            text = mark("{} request {} is closed: {}.", mention, request.id, said)
    notes = [mark("{}", note) for note in (*outcome.notes, *outcome.aside)] if outcome else []
    return text, [section(join("\n", [text, *notes])), *blocks], buttons


def _alone(request: Request) -> Drawn:
    vote = next(vote for vote in request.votes if vote.alone)
    first = mark(
        "🔴 *{}: {} went on alone with request {}.* Nobody else approved it.",
        request.plan.subject,
        vote.person.name,
        request.id,
    )
    asked_by = mark("Asked by {}. The reason for going on alone:", request.requester.name)
    return first, [section(join("\n", [first, what(request), asked_by])), *typed(vote.reason)], []


def _again(request: Request) -> Button:
    typed_again = request.arguments
    reason = f"{typed_again} --reason {request.reason}" if request.reason else typed_again
    if len(reason) <= _LONGEST_REPEATED:
        typed_again = reason
    return Button("Ask again", request.command, typed_again)
