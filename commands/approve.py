"""`approve`: an approver's yes to a request; the last one that is needed carries it out."""

from collections.abc import AsyncIterator
from dataclasses import replace

from bot.command import Act, Call, Purpose, Reply, privately
from bot.domain.environments import Right
from bot.render.forms import Form, Text
from bot.render.words import count
from bot.services.approvals import Approved


def form(call: Call) -> Form | None:
    """Ask for the reason where a click lacks one that it needs."""
    if not call.clicked or call.arguments.rest or not call.arguments.words:
        return None
    alone = "alone" in call.arguments.options
    night = call.environment.wants_reason(call.now)
    if not alone and not night:
        return None
    explained = []
    if alone:
        explained.append(
            "You decide alone. The channel and the person on call are told, with your reason."
        )
    if night:
        explained.append("It is night at the telescope. Say why this cannot wait for the day.")
    return Form(
        command="approve",
        title="Go on alone" if alone else "Approve at night",
        submit="Approve",
        fields=[Text("reason", "Why?")],
        explained=" ".join(explained),
        typed=call.arguments.typed,
    )


async def run(call: Call) -> AsyncIterator[Reply]:
    """Count the vote."""
    voted = await call.services.approvals.approve(
        call.number,
        call.person,
        call.now,
        alone="alone" in call.arguments.options,
        reason=call.arguments.rest,
    )
    if isinstance(voted, Approved):
        number = voted.request.id
        text = f"Request {number} is approved and running."
        # It runs from here on, whatever the channel shows.
        yield replace(privately(f"{text} Its card shows the rest."), approved=voted)
        if unseen := await call.unseen(number):
            yield privately(f"{text} {unseen} `requests {number}` shows the rest.")
        return
    missing = count(max(voted.needed - len(voted.votes), 1), "approval")
    text = f"Your approval of request {voted.id} counts. It needs {missing} more."
    yield privately(f"{text} {await call.unseen(voted.id)}".strip())


COMMANDS = (
    Act(
        name="approve",
        usage="ID [--alone] [REASON]",
        summary="say yes to a request; also the card's button",
        purpose=Purpose.CHANGE,
        # The service looks up who may, at each click and with all who voted before.
        right=Right.ANYBODY,
        run=run,
        form=form,
        details=(
            "The plan on the card is what you approve: what nobody saw is never destroyed. At "
            "night a reason is needed. `--alone` is for the case that nobody answers: one approver "
            "decides, with a reason, and the channel and the person on call are told."
        ),
    ),
)
