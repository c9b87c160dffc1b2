"""What is watched, by which rules, and how an environment overrides it."""

from typing import TypeVar

from pydantic import Field, StrictBool

from bot.config.values import (
    AnyDuration,
    Channel,
    Count,
    Duration,
    Link,
    Percentage,
    Section,
    duration,
)


class Rule(Section):
    """An alarm rule."""

    enabled: StrictBool = True
    """Whether the rule is evaluated."""


class BacklogRule(Rule):
    """Entries wait for long."""

    warning: Duration = duration("3m")
    """Longest wait that makes a warning."""

    critical: Duration = duration("10m")
    """Longest wait that makes it critical; at least `warning`."""

    hold: AnyDuration = Field(default=duration("60s"), alias="for")
    """How long the condition must hold."""

    least: Count = 20
    """Fewer waiting entries make no alarm."""


class ExpiringRule(Rule):
    """The first waiting visit will soon be skipped."""

    within: Duration = duration("30m")
    """How soon."""


class StalledRule(Rule):
    """Entries wait and nothing is read."""

    warning: Duration = duration("2m")
    """Time without a reading that makes a warning, and the verdict "not reading"."""

    critical: Duration = duration("5m")
    """Time without a reading that makes it critical; at least `warning`."""


class MissingRule(Rule):
    """Stream or group is missing."""


class UnreachableRule(Rule):
    """Redis does not answer."""

    night: Duration = duration("30s")
    """How long, at night."""

    day: Duration = duration("3m")
    """How long, by day."""


class UnknownLagRule(Rule):
    """Redis reports no lag while entries wait, so that KEDA starts no jobs."""

    hold: AnyDuration = Field(default=duration("60s"), alias="for")
    """How long the condition must hold."""


class PendingRule(Rule):
    """Entries were read and never confirmed."""

    new_per_hour: Count = 10
    """New ones within an hour that make a warning."""


class MemoryRule(Rule):
    """Redis runs out of memory."""

    above: Percentage = 80
    """Percentage of `maxmemory` or of the container's limit."""


class LagRule(Rule):
    """Redis' own lag is high."""

    enabled: StrictBool = False
    """Whether the rule is evaluated."""

    above: Count = 2000
    """Entries."""

    hold: AnyDuration = Field(default=duration("2m"), alias="for")
    """How long the condition must hold."""


class ConsumersRule(Rule):
    """Consumer names pile up."""

    enabled: StrictBool = False
    """Whether the rule is evaluated."""

    above: Count = 50_000
    """Consumer names of one group."""


class SilentRule(Rule):
    """No entry arrives while observing."""

    enabled: StrictBool = False
    """Whether the rule is evaluated."""

    hold: AnyDuration = Field(default=duration("20m"), alias="for")
    """How long the condition must hold."""


class Rules(Section):
    """The alarm rules."""

    backlog: BacklogRule = BacklogRule()
    """Entries wait for long."""

    expiring: ExpiringRule = ExpiringRule()
    """The first waiting visit will soon be skipped."""

    stalled: StalledRule = StalledRule()
    """Entries wait and nothing is read."""

    missing: MissingRule = MissingRule()
    """Stream or group is missing."""

    unreachable: UnreachableRule = UnreachableRule()
    """Redis does not answer."""

    unknown_lag: UnknownLagRule = UnknownLagRule()
    """Redis reports no lag while entries wait."""

    pending: PendingRule = PendingRule()
    """Entries were read and never confirmed."""

    memory: MemoryRule = MemoryRule()
    """Redis runs out of memory."""

    lag: LagRule = LagRule()
    """Redis' own lag is high; off by default."""

    consumers: ConsumersRule = ConsumersRule()
    """Consumer names pile up; off by default."""

    silent: SilentRule = SilentRule()
    """No entry arrives while observing; off by default."""


class Links(Section):
    """Addresses for people; may hold {environment} and {instrument}."""

    grafana: Link | None = None
    """Dashboard of the streams."""

    argocd: Link | None = None
    """Argo CD's page of Prompt Redis."""

    jobs: Link | None = None
    """Page of the workers' jobs."""

    support: Link | None = None
    """Where to ask for help."""

    downtime: Link | None = None
    """Where downtimes are announced."""


class Alarms(Section):
    """What is watched, and who hears of it."""

    poll: Duration = duration("5s")
    """Time between two looks at Redis."""

    channel: Channel | None = None
    """Channel for alarms; null: the environment's channel."""

    still_on_it: Duration = duration("30m")
    """After this time the owner of an alarm is asked whether they are still on it."""

    escalate: Duration = duration("10m")
    """After this time a critical alarm without owner is told to the on-call targets."""

    links: Links = Links()
    """Addresses that alarms and answers show."""

    rules: Rules = Rules()
    """The alarm rules."""


_Part = TypeVar("_Part", bound=Section)


def overridden(common: _Part, override: _Part) -> _Part:
    """Merge: the override's keys where they are written, else the common ones.

    Parameters
    ----------
    common
        What holds everywhere.
    override
        The same section as an environment wrote it, in part.
    """
    changes = {}
    for name in override.model_fields_set:
        value = getattr(override, name)
        if isinstance(value, Section):
            value = overridden(getattr(common, name), value)
        changes[name] = value
    return common.model_copy(update=changes)
