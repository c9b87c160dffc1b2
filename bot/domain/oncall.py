"""Who is told of alarms that nobody looks after, and what they are told."""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from bot.domain.alarms import Rule, Severity


class Kind(Enum):
    """What a target is."""

    SLACK = "slack"
    SQUADCAST = "squadcast"
    PAGERDUTY = "pagerduty"
    WEBHOOK = "webhook"


class When(Enum):
    """At which hours a target is told."""

    ALWAYS = "always"
    OBSERVING = "observing"
    DAY = "day"


class On(Enum):
    """What a target is told of."""

    ESCALATE = "escalate"
    FIRE = "fire"


class Step(Enum):
    """What happened to the alarm that a page is about."""

    TRIGGER = "trigger"
    RESOLVE = "resolve"


@dataclass(frozen=True)
class Target:
    """Somebody who is told.

    Parameters
    ----------
    name
        As in the configuration.
    kind
        What it is.
    environments
        Names of environments; ``all`` is every one.
    when, on
        At which hours, and of what.
    usergroup
        ID of the user group to mention; for slack alone.
    """

    name: str
    kind: Kind
    environments: tuple[str, ...] = ("all",)
    when: When = When.ALWAYS
    on: On = On.ESCALATE
    usergroup: str = ""

    def hears(self, environment: str, *, night: bool) -> bool:
        """Tell whether it is told of an environment's alarms at this hour."""
        if "all" not in self.environments and environment not in self.environments:
            return False
        return self.when is When.ALWAYS or (self.when is When.OBSERVING) is night


@dataclass(frozen=True)
class Page:
    """What one target is told, once.

    Parameters
    ----------
    target
        Name of the target.
    step
        Whether the alarm has begun or ended.
    key
        The same for everything about one alarm, so that a repeat does no harm.
    environment, label
        Which, and as people read it.
    instrument, rule, severity
        What the alarm is about.
    summary
        One plain line: what is wrong, how bad.
    details
        Label and text of what else helps.
    link
        Address of the alarm's message; empty where it is not known.
    at
        When it was found.
    incident
        Its number; 0 for a page by hand or a test.
    """

    target: str
    step: Step
    key: str
    environment: str
    label: str
    instrument: str
    rule: Rule | None
    severity: Severity
    summary: str
    details: tuple[tuple[str, str], ...]
    link: str
    at: datetime
    incident: int = 0
