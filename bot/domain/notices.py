"""What the bot says in a channel by itself: posts that are kept up to date, notices said once.

A post shows a request, an alarm or a window as it is now, and is edited whenever that changes. A
notice is one new message, in a channel or in the thread of a post, and is never sent twice. Both
hold domain values; their words are chosen when they are sent.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Generic, TypeVar

from bot.domain.oncall import Page
from bot.domain.rules import Severity

ANSWERED_WITHIN = timedelta(seconds=10)
"""For so long whoever asked for something waits to see it in the channel."""

NOT_TAKEN_YET = "Slack has not taken it yet"
"""Why a channel does not show something that it still may."""

NOT_KNOWN = "the bot's database does not answer"
"""Why nobody knows at this moment whether a channel shows something."""


class Subject(Enum):
    """What a message in a channel is about; the numbers are of one sequence."""

    REQUEST = "request"
    ALARM = "alarm"
    WINDOW = "window"


class Said(Enum):
    """What a notice says, and where: its subject's thread, or a new message in a channel."""

    OUTCOME = "outcome"
    """In the thread: a request has come to its end; mentions the requester."""
    RESOLVED = "resolved"
    """In the thread: it is known now whether an interrupted change was made."""
    ALONE = "alone"
    """In the channel: one approver has decided alone."""
    DROPPED = "dropped"
    """In the channel: the daily prune removed names that held unconfirmed entries."""
    TRANSITION = "transition"
    """In the thread: an incident has changed its state."""
    ASKED = "asked"
    """In the thread: asks the owner of an incident, by a mention, whether they are still on it."""
    ONCALL = "on-call"
    """In the thread of an alarm, else in the channel: whom a page has reached."""
    TARGET_FAILED = "target failed"
    """In the channel: somebody who is to be told of alarms could not be."""
    SUMMARY = "summary"
    """In the channel: how the night was."""
    CHECK = "check"
    """In the channel: what is wrong before the night begins."""
    WINDOW = "window"
    """In the thread, the channel or a mirror, as `values["place"]` has it: a window's progress."""
    REFUSED = "refused"
    """To one person, `values["person"]`: their channel has refused to show what they asked for."""


@dataclass(frozen=True)
class Notice:
    """One thing to be said once.

    Parameters
    ----------
    subject
        ID of the request, incident or window that it is about; None where there is none.
    values
        What is not in the subject.
    channel
        Name or ID of a mirror; empty for the environment's own channel.
    due
        When to say it; None for at once.
    """

    said: Said
    environment: str
    subject: int | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    channel: str = ""
    due: datetime | None = None

    @property
    def urgent(self) -> bool:
        """True if it goes before those that are not: it tells of what is critical."""
        return self.values.get("severity") == Severity.CRITICAL.value


@dataclass(frozen=True)
class Post:
    """A message that a channel should show, and what it shows.

    Parameters
    ----------
    subject, kind
        ID of what it draws, and what that is.
    channel, ts
        Where it was posted; None until then.
    wanted, shown
        Versions: it is drawn anew while `shown` is behind.
    key
        Random; by it a post whose answer was lost is found again.
    attempts
        How often it was tried since it was shown last.
    urgent
        Whether it goes before those that are not.
    former
        Timestamp of the message that it takes the place of; a message is replaced once.
    refused
        Slack's word for why the channel does not show it; empty where it does, or may yet.
    """

    id: int
    subject: int
    kind: Subject
    environment: str
    channel: str | None
    ts: str | None
    wanted: int
    shown: int
    key: str
    attempts: int
    urgent: bool = False
    former: str | None = None
    refused: str = ""

    @property
    def tried(self) -> bool:
        """True if it may have been posted although `ts` is not known."""
        return self.ts is None and self.attempts > 0

    @property
    def current(self) -> bool:
        """True if the channel shows it as it is wanted now."""
        return self.ts is not None and self.shown >= self.wanted and not self.refused

    @property
    def given_up(self) -> bool:
        """True if the channel never shows it: what it was about was taken back."""
        return self.ts is None and self.shown >= self.wanted

    @property
    def reason(self) -> str:
        """Why the channel does not show it as it is now, in words; empty where it does."""
        if self.current:
            return ""
        return why_refused(self.refused) if self.refused else NOT_TAKEN_YET

    def address(self, workspace: str) -> str:
        """Give its address, from that of the Slack workspace; empty where either is not known."""
        if self.ts is None or self.channel is None or not workspace:
            return ""
        return f"{workspace}archives/{self.channel}/p{self.ts.replace('.', '')}"


Content = TypeVar("Content", Notice, Page)


@dataclass(frozen=True)
class Queued(Generic[Content]):
    """A notice or a page that waits to be sent, or has been.

    Parameters
    ----------
    key
        Random; by it a message whose answer was lost is found again.
    attempts
        How often it was tried.
    perhaps
        Whether one of these may have sent it.
    closed
        When it was sent or given up; None while it waits.
    why
        Why it was given up, or why the last try failed; empty where it was sent.
    """

    id: int
    content: Content
    written: datetime
    key: str
    attempts: int = 0
    perhaps: bool = False
    closed: datetime | None = None
    why: str = ""

    @property
    def taken(self) -> bool:
        """Whether it is known to have been sent."""
        return self.closed is not None and not self.why


_NOT_INSIDE = "I am not in the channel; invite me"
_RESTRICTED = "not everybody may post in the channel; whoever runs it must let me"
_REFUSED = {
    "channel_not_found": _NOT_INSIDE,
    "not_in_channel": _NOT_INSIDE,
    "is_archived": "the channel is archived; somebody must restore it",
    "no_answer": "Slack does not answer",
    "ratelimited": "Slack is asked for too much at the moment",
    "missing_scope": "the Slack app lacks a scope; whoever deploys the bot sees which by `check`",
}


def why_refused(code: str) -> str:
    """Say why a channel does not show something, and who can help, for Slack's word for it."""
    if code.startswith("restricted_action"):
        return _RESTRICTED
    return _REFUSED.get(code, f"Slack said {code}")
