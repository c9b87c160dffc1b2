"""What people on call are told, and what the channel hears of it."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.oncall import On, Page, PageEvent, Receipt, Target, Told, When
from bot.render.alarms import name
from bot.render.blocks import (
    FIRST_LINE,
    Block,
    Button,
    Markup,
    code,
    context,
    join,
    link,
    mark,
    section,
    truncate,
    typed,
)
from bot.render.rules import facts, plain_claim, where
from bot.render.words import clock, count

Drawn = tuple[Markup, list[Block], list[Button]]

_HOURS = {When.ALWAYS: "at any hour", When.OBSERVING: "at night", When.DAY: "by day"}
_WHAT = {On.ESCALATE: "when nobody owns a critical alarm", On.FIRE: "of every alarm at once"}
_LISTED = 15
_LONGEST_TARGET = 40
_LONGEST_REASON = 200


def page_words(
    incident: Incident, environment: Environment
) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Put an alarm into words for a lock screen or a pager: one plain line, and what else helps."""
    now = incident.figures.at
    return _summary(incident, now), _details(incident, environment, now)


def _summary(incident: Incident, now: datetime) -> str:
    if incident.resolved is not None:
        return truncate(f"{where(incident)}: alarm {incident.id} is resolved", FIRST_LINE)
    return truncate(f"{where(incident)}: {plain_claim(incident, now)}", FIRST_LINE)


def _details(
    incident: Incident, environment: Environment, now: datetime
) -> tuple[tuple[str, str], ...]:
    diagnosis = incident.diagnosis
    places = [
        (f"Look at {each}", url)
        for each in diagnosis.looks
        if (url := environment.link(each, incident.instrument)) is not None
    ]
    return (
        ("Alarm", str(incident.id)),
        *facts(incident, environment, now),
        ("Likely", diagnosis.likely),
        ("Runbook", f"runbook {diagnosis.topic}"),
        *places,
    )


def page(page: Page, usergroup: str) -> Drawn:
    """Draw a page for Slack: a new message, because edits notify nobody.

    Parameters
    ----------
    page
        What to tell.
    usergroup
        ID of the user group to mention; empty for none.
    """
    summary = truncate(page.summary, FIRST_LINE)
    if page.step is PageEvent.RESOLVE:
        text = mark("🟢 {}.", summary)
        return text, [section(text)], []
    mention = mark("<!subteam^{}> ", usergroup) if usergroup else Markup()
    blocks = [section(mark("{}{}.", mention, summary.removesuffix(".")))]
    if page.summary != summary:
        blocks += typed(page.summary)
    if not page.incident:
        return mark("{}", summary), blocks, []
    label = f"Alarm {page.incident}"
    blocks.append(section(link(page.link, label) if page.link else mark("{}", label)))
    return mark("{}", summary), blocks, [Button("I'm on it", "own", str(page.incident))]


def oncall(
    environment: Environment,
    targets: Sequence[tuple[Target, bool]],
    *,
    night: bool,
    now: datetime,
    receipts: Mapping[str, Receipt] | None = None,
) -> tuple[Markup, list[Block]]:
    """Draw who is told of alarms, and how.

    Parameters
    ----------
    environment
        Whose alarms.
    targets
        Each target, and whether it is told at this hour.
    night
        Whether it is night at the telescope.
    now
        When it is read.
    receipts
        What came of the last try to tell a target, by its name.
    """
    told = [target for target, hears in targets if hears]
    label, hour = environment.label, "night" if night else "day"
    if not targets:
        first = mark("🔴 *{}: nobody is on call, no target is configured.*", label)
        remedy = mark("Whoever deploys the bot names them in {}.", code("oncall.targets"))
        return first, [section(first + "\n" + remedy)]
    if not told:
        first = mark("🔴 *{}: no on-call target is told by {}.*", label, hour)
    else:
        first = mark(
            "🟢 *{}: on-call is told through {} of {}, now by {}.*",
            label,
            len(told),
            count(len(targets), "target"),
            hour,
        )
    lines = [_target(*each, receipts or {}, now) for each in targets[:_LISTED]]
    if len(targets) > _LISTED:
        lines.append(mark("and {} more", f"{len(targets) - _LISTED:,}"))
    more = mark(
        "At night all of them are told at once when Redis or a group is missing, and when visits "
        "are about to be skipped. {} proves that the way works; {} calls for them.",
        code("oncall test"),
        code("oncall page TEXT"),
    )
    return first, [section(first), section(join("\n", lines)), section(more)]


def _target(target: Target, hears: bool, receipts: Mapping[str, Receipt], now: datetime) -> Markup:
    state = "now" if hears else "not at this hour"
    group = f", group {target.usergroup}" if target.usergroup else ""
    line = mark(
        "*{}*, {}: {}{}\n      {}, told {}",
        truncate(target.name, _LONGEST_TARGET),
        state,
        target.kind.words,
        group,
        _HOURS[target.when],
        _WHAT[target.on],
    )
    receipt = receipts.get(target.name)
    return line if receipt is None else join("\n", [line, *_receipt(receipt, now)])


def _receipt(receipt: Receipt, now: datetime) -> Iterator[Markup]:
    at = clock(receipt.at, now=now)
    if receipt.outcome is Told.SENT:
        yield mark("      last told {} UTC", at)
    else:
        yield mark("      🔴 could not be told {} UTC: {}", at, _reason(receipt.reason))


def _reason(text: str) -> Markup:
    return code(truncate(" ".join(text.split()), _LONGEST_REASON) or "unknown")


def escalated(incident: Incident, targets: Sequence[Target], by: str, now: datetime) -> Drawn:
    """Draw that somebody had the on-call told of an incident."""
    said = f"{name(by)} has on-call told of alarm {incident.id}"
    return _told(where(incident), said, targets, now)


def called(
    environment: Environment, text: str, targets: Sequence[Target], by: str, now: datetime
) -> Drawn:
    """Draw that somebody called for the on-call, and with which words."""
    said = f"{name(by)} calls for whoever is on call"
    first, blocks, buttons = _told(environment.label, said, targets, now)
    return first, [blocks[0], *typed(text), *blocks[1:]], buttons


def tested(environment: Environment, targets: Sequence[Target], by: str, now: datetime) -> Drawn:
    """Draw that somebody tries the way to every target."""
    first = mark(
        "🔧 *{}: {} tries {}.* Nothing is wrong.",
        environment.label,
        name(by),
        count(len(targets), "on-call target"),
    )
    text = mark(
        "{}\nEach of them should hear of it within a minute; {} shows what came of it.",
        _names(targets),
        code("oncall"),
    )
    return first, [section(first + "\n" + text), _at(now)], []


def _told(subject: str, said: str, targets: Sequence[Target], now: datetime) -> Drawn:
    if not targets:
        first = mark("🟡 *{}: {}, and nobody is told.* No target hears of it now.", subject, said)
        return first, [section(first), _at(now)], []
    first = mark("🔴 *{}: {}.*", subject, said)
    return first, [section(first + "\n" + mark("Through {}.", _names(targets))), _at(now)], []


def _names(targets: Sequence[Target]) -> Markup:
    shown = [truncate(each.name, _LONGEST_TARGET) for each in targets[:_LISTED]]
    more = f" and {len(targets) - _LISTED:,} more" if len(targets) > _LISTED else ""
    return mark("{}{}", ", ".join(shown), more)


def target_failed(
    environment: Environment,
    target: str,
    reason: str,
    *,
    incident: int,
    given_up: bool,
    now: datetime,
) -> Drawn:
    """Draw that somebody who is to be told could not be.

    Parameters
    ----------
    environment
        Whose alarms.
    target
        Name of the target.
    reason
        Why, without any address or key.
    incident
        Number of the alarm; 0 for a page by hand or a test.
    given_up
        True if it is not tried any more.
    now
        When it is said.
    """
    first = mark(
        "🔴 *{}: on-call target {} could not be told{}.*",
        environment.label,
        truncate(target, _LONGEST_TARGET),
        f" of alarm {incident}" if incident else "",
    )
    what = "It is not tried any more." if given_up else "It is tried again, for up to 24 h."
    text = mark(
        "{}\nWhy: {}\n{} *Next:* call them another way; {} shows who else there is.",
        first,
        _reason(reason),
        what,
        code("oncall"),
    )
    buttons = [Button("I'm on it", "own", str(incident))] if incident else []
    return first, [section(text), _at(now)], [*buttons, Button("On-call", "oncall")]


def _at(now: datetime) -> Block:
    return context(mark("{} UTC", clock(now, seconds=True)))
