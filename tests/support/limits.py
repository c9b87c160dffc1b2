"""The limits of the rules where the configuration says nothing."""

from bot.domain.rules import RULES, Thresholds


def default_thresholds() -> Thresholds:
    return Thresholds(frozenset(name for name, rule in RULES.items() if not rule.off))
