"""`own`: say that you look after an alarm, so that nobody else is woken."""

from collections.abc import AsyncIterator

from bot.command import Act, Call, Purpose, Reply
from bot.render.alarms import owned


async def run(call: Call) -> AsyncIterator[Reply]:
    """Take it; its message shows everybody who has."""
    incident = await call.services.alarms.own(call.number, call.person, call.now)
    text, blocks = owned(incident)
    yield Reply(blocks, text, private=True)


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
