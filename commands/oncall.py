"""`oncall`: who is told of alarms and how; call for them; prove that the way works."""

from collections.abc import AsyncIterator

from bot.command import Act, Call, Purpose, Read, Reply, Right
from bot.domain.night import is_night
from bot.render import pages

_LONGEST = 500
"""Characters of a call that the audit keeps."""


async def run(call: Call) -> Reply:
    """Show every target, and whether it is told at this hour."""
    oncall, night = call.services.oncall, is_night(call.environment.site, call.now)
    name = call.environment.name
    text, blocks = pages.oncall(
        call.environment,
        [(each, each.hears(name, night=night)) for each in oncall.targets],
        night=night,
        now=call.now,
        receipts=oncall.receipts,
    )
    return Reply(blocks, text, call.reading_buttons)


async def page(call: Call) -> AsyncIterator[Reply]:
    """Tell everybody who is told at this hour what was typed."""
    typed = call.arguments.rest
    targets = await call.services.oncall.call(typed, call.person, call.now)
    await call.services.ledger.note(
        f"oncall page {typed}"[:_LONGEST], call.person, "done", call.now
    )
    text, blocks, buttons = pages.called(
        call.environment, typed, targets, call.person.name, call.now
    )
    yield Reply(blocks, text, buttons)


async def test(call: Call) -> AsyncIterator[Reply]:
    """Tell every target that this is a test."""
    targets = await call.services.oncall.test(call.person, call.now)
    await call.services.ledger.note("oncall test", call.person, "done", call.now)
    text, blocks, buttons = pages.tested(call.environment, targets, call.person.name, call.now)
    yield Reply(blocks, text, buttons)


COMMANDS = (
    Read(
        name="oncall",
        usage="",
        summary="who is told of alarms, when and how",
        purpose=Purpose.ALARMS,
        right=Right.ANYBODY,
        run=run,
        details=(
            "They are told of a critical alarm that nobody has owned for a while; at night of a "
            "missing group, a Redis that does not answer, and visits that are about to be skipped "
            "at once."
        ),
    ),
    Act(
        name="oncall page",
        usage="TEXT",
        summary="call for the person on call, in your words",
        purpose=Purpose.ALARMS,
        right=Right.OPERATOR,
        run=page,
        details="Tells every target of this hour. The channel sees it too.",
    ),
    Act(
        name="oncall test",
        usage="",
        summary="prove that the way to the person on call works",
        purpose=Purpose.ALARMS,
        right=Right.OPERATOR,
        run=test,
        details="Tells every target, at any hour, that it is a test. Say so to them before.",
    ),
)
