"""What is watched, by which rules, and how an environment overrides it.

The section of a rule is made from its row in `bot.domain.rules`: a key for each of its limits.
"""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, TypeVar, get_type_hints

from pydantic import Field, StrictBool, create_model

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
from bot.domain.rules import Percent, Rule, Thresholds, rule_of

_KINDS: Mapping[Any, Any] = {timedelta: Duration, int: Count, Percent: Percentage}
"""What the limits of a rule may be, and how the file holds each."""


ALIASES = {"hold": "for"}
"""Keys that are no names in Python."""


class RuleSection(Section):
    """An alarm rule."""

    enabled: StrictBool = True
    """Whether the rule is evaluated."""


class Rules(Section):
    """The alarm rules; has a key for each once `rules_section` has made it."""


def rules_section(rules: Iterable[Rule[Any]]) -> type[Rules]:
    """Make the section that has a key for each rule."""
    sections = {rule.name: rule_section(rule) for rule in rules}
    keys: dict[str, Any] = {name: (each, each()) for name, each in sections.items()}
    return create_model("Rules", __base__=Rules, **keys)


def rule_section(rule: Rule[Any]) -> type[RuleSection]:
    """Make the section of one rule."""
    kinds = get_type_hints(type(rule.limits))
    keys: dict[str, Any] = {"enabled": (StrictBool, not rule.off)}
    for name, default in vars(rule.limits).items():
        if name in ALIASES:
            # Zero means at once.
            keys[name] = (AnyDuration, Field(default=default, alias=ALIASES[name]))
        else:
            keys[name] = (_KINDS[kinds[name]], default)
    return create_model(section_name(rule), __base__=RuleSection, **keys)


def section_name(rule: Rule[Any]) -> str:
    """Name the section of a rule, as in ``UnknownLagRule``."""
    return "".join(part.capitalize() for part in rule.name.split("_")) + "Rule"


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

    def thresholds(self) -> Thresholds:
        """Give the limits of the rules, and which are on."""
        sections: dict[str, RuleSection] = dict(self.rules)
        limits = {}
        for name, section in sections.items():
            limits[name] = section.value(type(rule_of(name).limits))
        return Thresholds(frozenset(n for n, each in sections.items() if each.enabled), limits)


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
