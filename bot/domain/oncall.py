"""Who is told of alarms that nobody looks after, what they are told, and how often it is tried."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum

from bot.domain.alarms import Incident
from bot.domain.rules import Severity

PAUSES = timedelta(seconds=2), timedelta(minutes=4)
"""Between the first two tries, and at most; up to a quarter is added to either."""

SLOW_PAUSES = timedelta(seconds=10), timedelta(minutes=10)
"""The same where somebody has to put something right first."""

GIVEN_UP_AFTER = timedelta(hours=24)
"""What could not be told by then is not told any more."""


class PageEvent(Enum):
    """What happened to the alarm that a page is about."""

    TRIGGER = "trigger"
    ACKNOWLEDGE = "acknowledge"
    """Somebody is on it."""
    RESOLVE = "resolve"


@dataclass(frozen=True)
class Kind:
    """What a target is: each class of notifiers declares its own.

    Parameters
    ----------
    words
        As people read it: a target is "Squadcast", "a webhook".
    needs
        The key of the configuration that names whom to tell: ``url`` or ``usergroup``.
    address
        What is called where the configuration names no ``url``; None where it has to.
    key
        What its secret is called where it must have one; else only an address may hold one.
    signed
        Whether its secret is what pages are signed with, so that without one they are not.
    events
        What it is told of an alarm.
    """

    name: str
    words: str
    needs: str = "url"
    address: str | None = None
    key: str = ""
    signed: bool = False
    events: tuple[PageEvent, ...] = (PageEvent.TRIGGER, PageEvent.RESOLVE)


class When(Enum):
    """At which hours a target is told."""

    ALWAYS = "always"
    OBSERVING = "observing"
    DAY = "day"


class On(Enum):
    """What a target is told of."""

    ESCALATE = "escalate"
    FIRE = "fire"


@dataclass(frozen=True)
class Target:
    """Somebody who is told.

    Parameters
    ----------
    environments
        Names of environments; ``all`` is every one.
    when, on
        At which hours, and of what.
    url
        What is called, with ``{key}`` for its secret; may be one itself.
    usergroup
        ID of the user group to mention.
    """

    name: str
    kind: Kind
    environments: tuple[str, ...] = ("all",)
    when: When = When.ALWAYS
    on: On = On.ESCALATE
    url: str | None = field(default=None, repr=False)
    usergroup: str | None = None

    @property
    def address(self) -> str | None:
        """What is called, still with ``{key}`` in it; None where nothing is."""
        return self.kind.address if self.url is None else self.url

    def is_for(self, environment: str) -> bool:
        """Tell whether it is told of an environment's alarms, at whatever hour."""
        return "all" in self.environments or environment in self.environments

    def hears(self, environment: str, *, night: bool) -> bool:
        """Tell whether it is told of an environment's alarms at this hour."""
        if not self.is_for(environment):
            return False
        return self.when is When.ALWAYS or (self.when is When.OBSERVING) is night


@dataclass(frozen=True, kw_only=True)
class Page:
    """What one target is told, once.

    Parameters
    ----------
    target
        Name of the target; empty until it is addressed.
    key
        The same for everything about one alarm, so that a repeat does no harm.
    instrument, rule
        What the alarm is about; none of a page by hand or a test.
    summary
        One plain line: what is wrong, how bad.
    details
        Label and text of what else helps.
    link
        Address of the alarm's message; empty where it is not known.
    incident
        Its number; 0 for a page by hand or a test.
    due
        When to send it; None for at once.
    """

    target: str = ""
    step: PageEvent
    key: str
    environment: str
    label: str
    instrument: str = ""
    rule: str | None = None
    severity: Severity
    summary: str
    details: tuple[tuple[str, str], ...] = ()
    link: str = ""
    at: datetime
    incident: int = 0
    due: datetime | None = None


class PageFailed(Exception):
    """A target was not told.

    Parameters
    ----------
    reason
        Which target and why, without any address or key: everybody may read it.
    slow
        True if somebody has to put something right first: it is tried again more rarely.
    perhaps
        True if it may have been told all the same.
    retry_after
        How long the target asks to be left alone; None where it does not.
    """

    def __init__(
        self,
        reason: str,
        *,
        slow: bool = False,
        perhaps: bool = False,
        retry_after: timedelta | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.slow = slow
        self.perhaps = perhaps
        self.retry_after = retry_after


class Told(Enum):
    """What came of a try to tell a target, by the words that metrics use."""

    SENT = "sent"
    FAILED = "failed"
    GIVEN_UP = "given_up"


@dataclass(frozen=True)
class Receipt:
    """The last that is known of telling a target: when, what came of it, and why it failed."""

    at: datetime
    outcome: Told
    reason: str = ""


def key_of(incident: Incident) -> str:
    """Give the key of all pages about an incident.

    It is told apart by when it opened, too: a new database counts from 1 again.
    """
    opened = incident.opened.astimezone(UTC)
    return f"prompt-redis-bot:{incident.environment}:{incident.id}:{opened:%Y%m%dT%H%M%SZ}"


def pause_after(attempts: int, jitter: float, *, slow: bool = False) -> timedelta:
    """Give the time before the next try.

    Parameters
    ----------
    attempts
        Tries before the one that has just failed.
    jitter
        From 0 to 1, at random: targets are not all called at the same moment.
    slow
        Whether somebody has to put something right first.
    """
    first, longest = SLOW_PAUSES if slow else PAUSES
    # No further doubling than the longest pause needs: a day of tries would overflow.
    doubled = first * (1 << min(attempts, 10))
    return min(doubled, longest) * (1 + jitter / 4)
