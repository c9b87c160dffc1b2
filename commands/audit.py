"""`audit`: who asked for what, who approved it, and what it did."""

from bot.command import Call, Purpose, Read, Reply
from bot.grammar import quoted
from bot.render.audit import latest

USUAL, MOST = 10, 30


async def run(call: Call) -> Reply:
    """List the last actions, newest first."""
    text, blocks = latest(
        call.environment,
        await call.services.audit.latest(call.environment.name, _wanted(call)),
        call.deployment.workspace,
        call.now,
    )
    return Reply(blocks, text, call.reading_buttons)


def _wanted(call: Call) -> int:
    if not call.arguments.words:
        return USUAL
    word = call.arguments.words[0]
    if not (word.isascii() and word.isdigit() and 0 < int(word[:3]) <= MOST and len(word) <= 2):  # noqa: PLR2004 -- digits of MOST
        raise call.mistake(f"How many? A number from 1 to {MOST}, not `{quoted(word)}`.")
    return int(word)


COMMANDS = (
    Read(
        name="audit",
        usage="[N]",
        summary="the last actions: who asked, who approved, what it did",
        purpose=Purpose.CHANGE,
        run=run,
        details="Refusals are in it too. It is kept for good.",
    ),
)
