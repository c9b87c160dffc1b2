"""How the night was, and what is wrong before the next one."""

from collections.abc import Iterator
from datetime import datetime

from bot.domain.environments import Environment
from bot.domain.reports import DuskReport, NightReport
from bot.render.alarms import name, silence_line
from bot.render.blocks import Button, Drawn, code, context, join, mark, section, truncate
from bot.render.words import SAFE, amount, clock, count, duration, in_minutes

_LISTED = 10
_LONGEST_COMMAND = 60


def summary(environment: Environment, report: NightReport, now: datetime) -> Drawn:
    """Draw how a night was."""
    about = "" if report.watched else "about "
    if report.skipped_visits:
        least = "at least " if report.skipped_capped else about
        skipped = f"{least}{report.skipped_visits:,} skipped"
    else:
        skipped = "none skipped" if report.watched else "none seen skipped"
    first = (
        f"🌅 *{environment.label} {report.instrument}, night of {report.evening.isoformat()}: "
        f"{about}{count(report.visits, 'visit')}, {skipped}.*"
    )
    blocks = [section(first, _figures(report, about, now))]
    lines = []
    if report.skipped_visits:
        lines.append(f"{SAFE.capitalize()}; daytime catch-up can take what was skipped.")
    if not report.watched:
        lines.append("The bot did not watch without a break, so figures say *about*.")
    if report.firing:
        lines.append(mark("*Next:* {} still fires: {}", _alarms(report.firing), code("alarms")))
    if lines:
        blocks.append(section(join("\n", lines)))
    chart = Button("Chart", "chart", f"{report.instrument} --since 12h")
    return first, blocks, [Button("Alarms", "alarms history"), chart, Button("Stats", "stats")]


def _figures(report: NightReport, about: str, now: datetime) -> Iterator[tuple[str, str]]:
    unread = f"{count(report.unread, 'entry')} still waiting" if report.unread else "all read"
    yield "Entries", f"{about}{report.entries:,}, {unread}"
    if report.skipped_visits:
        capped = report.skipped_capped
        lost = amount(report.skipped_entries, report.skipped_visits, capped=capped)
        yield "Skipped", lost if capped else about + lost
    if report.longest_wait is None:
        yield "Longest wait", "unknown: not watched" if not report.watched else "nothing waited"
    else:
        at = f", at {clock(report.longest_at, now=now)} UTC" if report.longest_at else ""
        yield "Longest wait", f"{duration(report.longest_wait)}{at}"
    yield "Alarms", _fired(report)
    removed = ""
    if report.removed is not None:
        removed = f" · {count(report.removed, 'consumer name')} removed"
    yield "Unconfirmed", f"{count(report.unconfirmed, 'entry')}{removed}"


def _fired(report: NightReport) -> str:
    kinds = []
    if report.criticals:
        kinds.append(f"{report.criticals:,} critical")
    if report.warnings:
        kinds.append(count(report.warnings, "warning"))
    if not kinds:
        return "none"
    said = ", ".join(kinds)
    if report.firing:
        return f"{said}; {report.firing:,} still firing"
    if report.longest_alarm is None:
        return f"{said}, resolved"
    each = "resolved in" if report.criticals + report.warnings == 1 else "each resolved within"
    return f"{said}, {each} {in_minutes(report.longest_alarm)}"


def _alarms(number: int) -> str:
    return count(number, "alarm")


def dusk(environment: Environment, report: DuskReport, now: datetime) -> Drawn | None:
    """Draw what is wrong before a night; None where nothing is."""
    if report.well:
        return None
    wrong = list(_wrong(environment, report, now))
    things = f"{count(len(wrong), 'thing')} to see to"
    first = (
        f"🟡 *{environment.label}: {things} before the night, which begins at "
        f"{clock(report.dusk, now=now)} UTC.*"
    )
    if report.missing or report.outage:
        first = first.replace("🟡", "🔴", 1)
    shown = wrong[: 3 * _LISTED]
    foot = f"in {duration(report.dusk - now)} · {clock(now, seconds=True)} UTC"
    blocks = [section(first), section(join("\n", shown)), context(foot)]
    return first, blocks, list(_buttons(report))


def _wrong(environment: Environment, report: DuskReport, now: datetime) -> Iterator[str]:
    """Give one line for each thing that is wrong, the worst first."""
    if report.outage:
        yield f"{report.outage}: `ping`, then `runbook unreachable`"
    for instrument in report.missing:
        yield (
            f"{instrument} has no stream or no group, so no worker can read: "
            f"`bootstrap {instrument}`"
        )
    for each in report.silences[:_LISTED]:
        yield mark(
            "A silence reaches into the night: {}. {} ends it",
            silence_line(each, now),
            code(f"unsilence {each.id}"),
        )
    for number, ends in report.windows[:_LISTED]:
        yield (
            f"Maintenance window {number} reaches into the night, until "
            f"{clock(ends, now=now)} UTC: alarms are held in it"
        )
    if report.read_only:
        yield (
            f"{environment.label} is read-only by the bot's configuration: at night no change "
            "can be asked for"
        )
    for request in report.requests[:_LISTED]:
        yield mark(
            "Request {} by {} has been {} for {}: {}",
            request.id,
            name(request.requester.name),
            request.state.value,
            duration(now - request.asked),
            code(truncate(f"{request.command} {request.arguments}".strip(), _LONGEST_COMMAND)),
        )


def _buttons(report: DuskReport) -> Iterator[Button]:
    if report.missing and not report.read_only:
        yield Button("Ask to bootstrap", "bootstrap", report.missing[0])
    if report.silences:
        yield Button("End the silence", "unsilence", str(report.silences[0].id))
    if report.requests:
        yield Button("Requests", "requests")
    yield Button("Stats", "stats")
