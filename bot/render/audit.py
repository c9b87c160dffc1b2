"""The audit, drawn: one paragraph for each action, newest first."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from bot.domain.approvals import AuditLine, Happened, State
from bot.domain.environments import Environment
from bot.domain.notices import Post
from bot.render.blocks import Block, Markup, code, join, link, mark, section, truncate
from bot.render.words import clock, count

_LONGEST_REASON = 200
_IN_A_BLOCK = 5
_HAPPENED = {
    Happened.YES.value: "it was done all the same",
    Happened.NO.value: "nothing was changed",
    Happened.UNKNOWN.value: "not known yet whether it was done",
}
_ON_THE_WAY = (State.OPEN.value, State.APPROVED.value)


def latest(
    environment: Environment,
    entries: Sequence[tuple[AuditLine, Post | None]],
    workspace: str,
    now: datetime,
) -> tuple[Markup, list[Block]]:
    """Draw the last actions.

    Parameters
    ----------
    environment
        Whose.
    entries
        Newest first, with the card of each request.
    workspace
        Address of the Slack workspace, for links to the cards.
    now
        When it is read.
    """
    ended = {entry.request for entry, _ in entries if entry.result not in _ON_THE_WAY}
    shown = [
        (entry, post)
        for entry, post in entries
        # A request that has come to its end says so once, with everything in it.
        if entry.result not in _ON_THE_WAY or entry.request not in ended
    ]
    if not shown:
        first = mark("⚪ *{}: nothing was changed or asked for yet.*", environment.label)
        return first, [section(first)]
    first = mark("*{}: the last {}.*", environment.label, count(len(shown), "action"))
    lines = [_line(entry, post, workspace, now) for entry, post in shown]
    paragraphs = (
        section(join("\n", lines[at : at + _IN_A_BLOCK]))
        for at in range(0, len(lines), _IN_A_BLOCK)
    )
    return first, [section(first), *paragraphs]


def _line(entry: AuditLine, post: Post | None, workspace: str, now: datetime) -> Markup:
    request = mark("")
    if entry.request is not None:
        request = mark(", request {}", entry.request)
        url = post.address(workspace) if post else ""
        if url:
            request = mark(", {}", link(url, f"request {entry.request}"))
    parts = [
        mark(
            "{} UTC · {} by {}: *{}*{}",
            clock(entry.at, now=now),
            code(truncate(entry.action, 120)),
            entry.person.name,
            entry.result,
            request,
        )
    ]
    if entry.approvers:
        alone = ", alone" if entry.alone else ""
        parts.append(mark("      approved by {}{}", ", ".join(entry.approvers), alone))
    for label, text in (("reason", entry.reason), ("said", entry.answer)):
        if text:
            # Quoted as code, so that nothing in it is a link or a name.
            short = truncate(" ".join(text.split()), _LONGEST_REASON)
            parts.append(mark("      {}: {}", label, code(short)))
    if entry.result == State.INTERRUPTED.value:
        parts.append(mark("      {}", _HAPPENED.get(entry.after.get("happened", ""), "")))
    changed = _changed(entry.before, entry.after)
    if changed:
        parts.append(mark("      {}", changed))
    return join("\n", parts)


def _changed(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    names = [name for name in before if name in after]
    return ", ".join(
        f"{name} {before[name]} → {after[name]}" for name in names if before[name] != after[name]
    )
