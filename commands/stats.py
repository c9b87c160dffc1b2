"""`stats`: what waits, for how long, and whether it is being read."""

from bot.command import Call, Purpose, Read, Reply, Right
from bot.render.blocks import Button
from bot.render.streams import stats


async def run(call: Call) -> Reply:
    """Look at the streams of the instruments that were named."""
    looks = await call.streams.look(call.instruments())
    text, blocks = stats(call.environment, looks)
    meaning = Button("What do these mean?", "help", "stats")
    return Reply(blocks, text, (*call.reading_buttons, meaning))


COMMANDS = (
    Read(
        name="stats",
        usage="[INSTRUMENT…]",
        summary="what waits, for how long, and whether workers read it",
        purpose=Purpose.LOOK,
        right=Right.ANYBODY,
        run=run,
        details=(
            "*healthy*: nothing waits, or for less than 60 s. *waiting*: for longer. "
            "*not reading*: entries wait and nothing was read for 2 min or more; known after two "
            "looks that far apart. *missing*: no stream, or no group. *unreachable*: Redis does "
            "not answer. *unknown*: the bot may not read it, or the key is no stream.\n"
            "An *entry* is one detector of one *visit*. *Waiting* entries were read by no worker; "
            "they are counted, up to 5,000. *Unconfirmed* ones were read and never acknowledged."
        ),
    ),
)
