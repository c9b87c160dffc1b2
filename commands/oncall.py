"""`oncall`: who is told of alarms and how; call for them; prove that the way works.

`escalate` has them told of an alarm without waiting for the clock.
"""

from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from datetime import datetime

from bot.command import Act, Call, Purpose, Read, Reply
from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.night import is_night
from bot.domain.oncall import On, Receipt, Target, Told, When
from bot.domain.rules import RULES
from bot.render.alarms import name
from bot.render.blocks import Block, Drawn, code, context, join, mark, section, truncate, typed
from bot.render.pages import LONGEST_TARGET, failure, names
from bot.render.rules import matters, where
from bot.render.words import clock, count

_HOURS = {When.ALWAYS: "at any hour", When.OBSERVING: "at night", When.DAY: "by day"}
_WHAT = {On.ESCALATE: "when nobody owns a critical alarm", On.FIRE: "of every alarm at once"}
_LISTED = 15
_ALL = 600
"""Characters for the names of all targets."""


async def run(call: Call) -> Reply:
    """Show every target, and whether it is told at this hour."""
    oncall = call.services.oncall
    hearing = oncall.hearing(call.now)
    drawn = overview(call.environment, oncall.targets, hearing, oncall.receipts, call.now)
    return Reply(*drawn, call.reading_buttons)


async def page(call: Call) -> AsyncIterator[Reply]:
    """Tell everybody who is told at this hour what was typed."""
    text = call.arguments.rest
    targets = await call.services.oncall.call(text, call.person, call.now)
    yield Reply(*called(call.environment, text, targets, call.person.name, call.now))


async def test(call: Call) -> AsyncIterator[Reply]:
    """Tell every target that this is a test."""
    targets = await call.services.oncall.test(call.person, call.now)
    yield Reply(*tested(call.environment, targets, call.person.name, call.now))


async def escalate(call: Call) -> AsyncIterator[Reply]:
    """Tell everybody who is told at this hour."""
    incident, targets = await call.services.alarms.escalate(call.number, call.person, call.now)
    yield Reply(*escalated(incident, targets, call.person.name, call.now))


def overview(
    environment: Environment,
    targets: Sequence[Target],
    hearing: Collection[Target],
    receipts: Mapping[str, Receipt],
    now: datetime,
) -> tuple[str, list[Block]]:
    """Draw who is told of alarms, who of them at this hour, how, and what came of the last try."""
    label = environment.label
    hour = "night" if is_night(environment.site, now) else "day"
    if not targets:
        first = f"🔴 *{label}: nobody is on call, no target is configured.*"
        remedy = mark("Whoever deploys the bot names them in {}.", code("oncall.targets"))
        return first, [section(first + "\n" + remedy)]
    if not hearing:
        first = f"🔴 *{label}: no on-call target is told by {hour}.*"
    else:
        first = (
            f"🟢 *{label}: on-call is told through {len(hearing)} of "
            f"{count(len(targets), 'target')}, now by {hour}.*"
        )
    lines = [_target(each, each in hearing, receipts, now) for each in targets[:_LISTED]]
    if len(targets) > _LISTED:
        lines.append(f"and {len(targets) - _LISTED:,} more")
    more = (
        f"At night all of them are told at once of {_at_once()}. `oncall test` proves that the way "
        "works; `oncall page TEXT` calls for them."
    )
    return first, [section(first), section(join("\n", lines)), section(more)]


def _at_once() -> str:
    return matters(rule for rule in RULES.values() if rule.at_once)


def _target(target: Target, hears: bool, receipts: Mapping[str, Receipt], now: datetime) -> str:
    state = "now" if hears else "not at this hour"
    group = f", group {target.usergroup}" if target.usergroup else ""
    line = (
        f"*{truncate(target.name, LONGEST_TARGET)}*, {state}: {target.kind.words}{group}\n"
        f"      {_HOURS[target.when]}, told {_WHAT[target.on]}"
    )
    receipt = receipts.get(target.name)
    return line if receipt is None else join("\n", [line, *_receipt(receipt, now)])


def _receipt(receipt: Receipt, now: datetime) -> Iterator[str]:
    at = clock(receipt.at, now=now)
    if receipt.outcome is Told.SENT:
        yield f"      last told {at} UTC"
    else:
        yield mark("      🔴 could not be told {} UTC: {}", at, failure(receipt.reason))


def escalated(incident: Incident, targets: Sequence[Target], by: str, now: datetime) -> Drawn:
    """Draw that somebody had the on-call told of an incident."""
    said = f"{name(by)} calls on-call for alarm {incident.id}"
    return _called(where(incident), said, targets, now)


def called(
    environment: Environment, text: str, targets: Sequence[Target], by: str, now: datetime
) -> Drawn:
    """Draw that somebody called for the on-call, and with which words."""
    said = f"{name(by)} calls for whoever is on call"
    first, blocks, buttons = _called(environment.label, said, targets, now)
    return first, [blocks[0], *typed(text), *blocks[1:]], buttons


def tested(environment: Environment, targets: Sequence[Target], by: str, now: datetime) -> Drawn:
    """Draw that somebody tries the way to every target."""
    first = (
        f"🔧 *{environment.label}: {name(by)} tries {count(len(targets), 'on-call target')}.* "
        "Nothing is wrong."
    )
    text = (
        f"{first}\nBeing told: {_names(targets)}.\nEach of them should hear of it within a minute; "
        "the channel hears who was told."
    )
    return first, [section(text), _at(now)], []


def _called(subject: str, said: str, targets: Sequence[Target], now: datetime) -> Drawn:
    first = f"🔴 *{subject}: {said}.*"
    return first, [section(f"{first}\nBeing told: {_names(targets)}."), _at(now)], []


def _names(targets: Sequence[Target]) -> str:
    return names((each.name for each in targets), _ALL)


def _at(now: datetime) -> Block:
    return context(f"{clock(now, seconds=True)} UTC")


COMMANDS = (
    Read(
        name="oncall",
        summary="who is told of alarms, when and how",
        purpose=Purpose.ALARMS,
        run=run,
        details=lambda: (
            "They are told of a critical alarm that nobody has owned for a while; at night of "
            f"{_at_once()} at once."
        ),
    ),
    Act(
        name="oncall page",
        usage="TEXT",
        summary="call for the person on call, in your words",
        purpose=Purpose.ALARMS,
        run=page,
        details="Tells every target of this hour. The channel sees it too.",
    ),
    Act(
        name="oncall test",
        summary="prove that the way to the person on call works",
        purpose=Purpose.ALARMS,
        run=test,
        details="Tells every target, at any hour, that it is a test. Say so to them before.",
    ),
    Act(
        name="escalate",
        usage="ID",
        summary="tell on-call of an alarm now",
        purpose=Purpose.ALARMS,
        run=escalate,
        details="Tells every target of this hour, owned or not. `oncall` shows who that is.",
    ),
)
