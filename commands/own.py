"""`own`: say that you look after an alarm, so that nobody else is woken."""

from collections.abc import AsyncIterator

from bot.command import Act, Call, Purpose, Reply
from bot.domain.alarms import Incident
from bot.domain.paging import Reach
from bot.render.blocks import Block, section
from bot.render.rules import where


async def run(call: Call) -> AsyncIterator[Reply]:
    """Take it; its message shows everybody who has."""
    incident = await call.services.alarms.own(call.number, call.person, call.now)
    reach = await call.services.oncall.reach(incident)
    drawn = owned(incident, reach[incident.id], await call.unseen(incident.id))
    yield Reply(*drawn, private=True)


def owned(incident: Incident, reach: Reach, unseen: str) -> tuple[str, list[Block]]:
    """Tell whoever took an incident what follows from it."""
    first = (
        f"You are on alarm {incident.id} ({where(incident)}). {unseen or 'Its message says so.'}"
    )
    more = (
        "On-call knows of it already."
        if reach.told
        else "On-call is not told by the clock any more."
    )
    text = f"{first}\n{more} You alone are asked from time to time whether you still are."
    return first, [section(text)]


COMMANDS = (
    Act(
        name="own",
        usage="ID",
        summary="you are on an alarm; also the button I'm on it",
        purpose=Purpose.ALARMS,
        run=run,
        aliases=("ack",),
        details=(
            "It stops the clock: on-call is not told as long as somebody is on it. After a while "
            "you are asked, in the alarm's thread, whether you still are. Somebody else may take "
            "it over in the same way."
        ),
    ),
)
