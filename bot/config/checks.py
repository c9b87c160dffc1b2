"""What two keys of the configuration must agree on.

Each finding names the places that it was concluded from, so that a slip which is already reported
there is not reported twice.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from bot.config.alarms import Alarms
from bot.config.credentials import oncall_variable, redis_variable
from bot.config.document import Location
from bot.config.settings import Access, Environment, Settings, Target
from bot.domain.times import format_duration

EVERY = "all"
"""Stands for all environments in an on-call target."""


class Finding(NamedTuple):
    """Keys that contradict each other."""

    location: Location
    text: str
    concluded_from: tuple[Location, ...]


def disagreements(settings: Settings) -> Iterator[Finding]:
    """Find what is wrong between keys that are each right."""
    names = list(settings.environments)
    yield from _variables(redis_variable, [(name, ("environments", name)) for name in names])
    yield from _thresholds(("alarms",), settings.alarms, settings.alarms)
    channels: dict[str, str] = {}
    for name, environment in settings.environments.items():
        here: Location = ("environments", name)
        if name == EVERY:
            yield Finding(here, "is a reserved word; choose another name", (here,))
        first = channels.setdefault(environment.channel, name)
        if first != name:
            there: Location = ("environments", first, "channel")
            text = f"is the channel of `{first}` too; each environment needs its own"
            yield Finding((*here, "channel"), text, ((*here, "channel"), there))
        yield from _access(here, environment)
        yield from _thresholds((*here, "alarms"), environment.alarms, settings.alarms_for(name))
    targets = [(("oncall", "targets", i), one) for i, one in enumerate(settings.oncall.targets)]
    yield from _variables(oncall_variable, [(one.name, (*at, "name")) for at, one in targets])
    for at, target in targets:
        yield from _target(at, target, names)


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """End a message with the nearest word, where one is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean `{near[0]}`?" if near else ""


def _variables(
    variable: Callable[[str], str], named: Iterable[tuple[str, Location]]
) -> Iterator[Finding]:
    seen: dict[str, tuple[str, Location]] = {}
    for name, location in named:
        first, there = seen.setdefault(variable(name), (name, location))
        if there == location:
            continue
        text = (
            f"is taken: another one is called `{name}`"
            if first == name
            else f"shares the variable {variable(name)} with `{first}`; choose another name"
        )
        yield Finding(location, text, (location, there))


def _access(here: Location, environment: Environment) -> Iterator[Finding]:
    access = environment.access
    at: Location = (*here, "access")
    people = access or Access()
    for key, some in (("operators", people.operators), ("approvers", people.approvers)):
        if some is not None and not (some.usergroups or some.users):
            yield Finding((*at, key), "names nobody; give usergroups or users", ((*at, key),))
    if environment.approval.self_approval:
        return
    why = "required unless `approval.self_approval` is true"
    because: Location = (*here, "approval", "self_approval")
    if access is None:
        yield Finding(at, f"is missing; operators and approvers are {why}", (at, because))
        return
    for key, some in (("operators", access.operators), ("approvers", access.approvers)):
        if some is None:
            yield Finding((*at, key), f"is missing; {why}", ((*at, key), because))


def _thresholds(at: Location, written: Alarms, effective: Alarms) -> Iterator[Finding]:
    for name, rule in effective.rules:
        if not {"warning", "critical"} <= type(rule).model_fields.keys():
            continue
        here = getattr(written.rules, name)
        keys = here.model_fields_set & {"warning", "critical"}
        if not keys or rule.critical >= rule.warning:
            continue
        warning, critical = format_duration(rule.warning), format_duration(rule.critical)
        key, text = (
            ("critical", f"must be at least `warning` ({warning}), not {critical}")
            if "critical" in keys
            else ("warning", f"must be at most `critical` ({critical}), not {warning}")
        )
        common: Location = ("alarms", "rules", name)
        yield Finding((*at, "rules", name, key), text, ((*at, "rules", name), common))


def _target(at: Location, target: Target, environments: list[str]) -> Iterator[Finding]:
    kind: Location = (*at, "kind")
    url: Location = (*at, "url")
    usergroup: Location = (*at, "usergroup")
    name, needs = target.kind.name, target.kind.needs
    if needs == "usergroup":
        if target.usergroup is None:
            text = f"is missing; kind {name} mentions a user group"
            yield Finding(usergroup, text, (kind, usergroup))
        if target.url is not None:
            yield Finding(url, f"does not go with kind {name}; give a usergroup", (kind, url))
    else:
        if target.url is None and target.kind.address is None:
            yield Finding(url, f"is missing; kind {name} calls an address", (kind, url))
        if target.usergroup is not None:
            text = f"goes with kind slack only, not with {name}"
            yield Finding(usergroup, text, (kind, usergroup))
    for index, name in enumerate(target.environments):
        if name != EVERY and name not in environments:
            text = f"there is no environment `{name}`{did_you_mean(name, [*environments, EVERY])}"
            location: Location = (*at, "environments", index)
            yield Finding(location, text, (location, ("environments", name)))
