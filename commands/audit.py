"""`audit`: who asked for what, who approved it, and what it did."""

from datetime import datetime

from bot.command import Call, Purpose, Read, Reply
from bot.domain.approvals import AuditLine, Happened, State
from bot.domain.notices import Post
from bot.grammar import quoted, whole_number
from bot.render.blocks import Markup, code, join, link, mark, paragraphs, section, truncate
from bot.render.words import clock, count

USUAL, MOST = 10, 30

_LONGEST_REASON = 200
_HAPPENED = {
    Happened.YES.value: "it was done all the same",
    Happened.NO.value: "nothing was changed",
    Happened.UNKNOWN.value: "not known yet whether it was done",
}
_ON_THE_WAY = (State.OPEN.value, State.APPROVED.value)


async def run(call: Call) -> Reply:
    """List the last actions, newest first."""
    label, workspace = call.environment.label, call.deployment.workspace
    found = await call.services.audit.latest(call.environment.name, _wanted(call))
    ended = {line.request for line, _ in found if line.result not in _ON_THE_WAY}
    lines = [
        _line(line, post, workspace, call.now)
        for line, post in found
        # A request that has come to its end says so once, with everything in it.
        if line.result not in _ON_THE_WAY or line.request not in ended
    ]
    if not lines:
        first = mark("⚪ *{}: nothing was changed or asked for yet.*", label)
        return Reply(first, [section(first)], call.reading_buttons)
    first = mark("*{}: the last {}.*", label, count(len(lines), "action"))
    return Reply(first, [section(first), *paragraphs(lines)], call.reading_buttons)


def _wanted(call: Call) -> int:
    if not call.arguments.words:
        return USUAL
    word = call.arguments.words[0]
    number = whole_number(word)
    if number is None or not 0 < number <= MOST:
        raise call.mistake(f"How many? A number from 1 to {MOST}, not `{quoted(word)}`.")
    return number


def _line(line: AuditLine, post: Post | None, workspace: str, now: datetime) -> Markup:
    request = ""
    if line.request is not None:
        request = f", request {line.request}"
        url = post.address(workspace) if post else ""
        if url:
            request = mark(", {}", link(url, f"request {line.request}"))
    parts: list[str] = [
        mark(
            "{} UTC · {} by {}: *{}*{}",
            clock(line.at, now=now),
            code(truncate(line.action, 120)),
            line.person.name,
            line.result,
            request,
        )
    ]
    if line.approvers:
        alone = ", alone" if line.alone else ""
        parts.append(f"      approved by {', '.join(line.approvers)}{alone}")
    for label, text in (("reason", line.reason), ("said", line.answer)):
        if text:
            # Quoted as code, so that nothing in it is a link or a name.
            short = truncate(" ".join(text.split()), _LONGEST_REASON)
            parts.append(mark("      {}: {}", label, code(short)))
    if line.result == State.INTERRUPTED.value:
        parts.append(mark("      {}", _HAPPENED.get(line.after.get("happened", ""), "")))
    if "so far" in line.after:
        parts.append(mark("      {}, then it stopped", line.after["so far"]))
    changed = ", ".join(
        f"{name} {before} → {line.after[name]}"
        for name, before in line.before.items()
        if line.after.get(name, before) != before
    )
    if changed:
        parts.append(f"      {changed}")
    return join("\n", parts)


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
