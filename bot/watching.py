"""Builds each environment's alarms from the configuration: rules, watch, on-call, silences."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot import config
from bot.clients.pager_calls import Calls
from bot.clients.pagers import BY_KIND, Heartbeat, Notifier
from bot.clients.prompt_redis import PromptRedis
from bot.domain.alarms import Incident, Rule, Thresholds
from bot.domain.environments import Environment
from bot.domain.maintenance import night_conflict
from bot.domain.night import Night
from bot.domain.oncall import Kind, On, Receipt, Target, When
from bot.domain.people import Person
from bot.metrics import Metrics
from bot.render.maintenance import night_refusal
from bot.render.pages import page_details, page_summary
from bot.services.addresses import Addresses
from bot.services.alarms import Alarms
from bot.services.incidents import Clocks, Keeper
from bot.services.maintenance import Maintenance, Rules
from bot.services.nights import Nights, Records
from bot.services.oncall import Oncall
from bot.services.streams import Streams
from bot.services.watch import Held, Stores, Watch
from bot.services.windows import Keeper as WindowKeeper
from bot.storage.alarms import Incidents
from bot.storage.approvals import Requests
from bot.storage.audit import Audit
from bot.storage.chores import Chores
from bot.storage.database import Database
from bot.storage.maintenance import Windows as Maintained
from bot.storage.outbox import Outbox
from bot.storage.samples import Samples
from bot.storage.silences import Silences

Zones = Callable[[Person], Awaitable[ZoneInfo | None]]
"""Gives a person's time zone; None where nobody knows it."""

Mentioned = Callable[[str, str], Notifier]
"""Makes what mentions a user group in Slack, of a target's name and the group's ID."""


@dataclass(frozen=True)
class Surroundings:
    """What the alarms of every environment share.

    Parameters
    ----------
    settings
        The configuration.
    database
        The durable state.
    metrics
        Counts what fires.
    receipts
        The last that is known of telling each target.
    addresses
        Knows where messages are.
    holder
        Name of this process.
    changed
        Is called after every step of an alarm.
    """

    settings: config.Settings
    database: Database
    metrics: Metrics
    receipts: Mapping[str, Receipt]
    addresses: Addresses
    holder: str
    changed: Callable[[], None]


def thresholds(alarms: config.Alarms) -> Thresholds:
    """Take over the limits of the rules."""
    rules = alarms.rules
    return Thresholds(
        enabled=frozenset(rule for rule in Rule if getattr(rules, rule.value).enabled),
        backlog_warning=rules.backlog.warning,
        backlog_critical=rules.backlog.critical,
        backlog_for=rules.backlog.hold,
        backlog_least=rules.backlog.least,
        expiring_within=rules.expiring.within,
        stalled_warning=rules.stalled.warning,
        stalled_critical=rules.stalled.critical,
        unreachable_night=rules.unreachable.night,
        unreachable_day=rules.unreachable.day,
        unknown_lag_for=rules.unknown_lag.hold,
        pending_new_per_hour=rules.pending.new_per_hour,
        memory_above=int(rules.memory.above),
        lag_above=rules.lag.above,
        lag_for=rules.lag.hold,
        consumers_above=rules.consumers.above,
        silent_for=rules.silent.hold,
    )


def targets(settings: config.Settings) -> list[Target]:
    """Take over who is told of alarms."""
    return [
        Target(
            name=one.name,
            kind=Kind(one.kind),
            environments=tuple(one.environments),
            when=When(one.when),
            on=On(one.on),
            usergroup=one.usergroup or "",
        )
        for one in settings.oncall.targets
    ]


def oncall(environment: Environment, around: Surroundings) -> Oncall:
    """Build who is on call for an environment."""

    def words(incident: Incident) -> tuple[str, Sequence[tuple[str, str]]]:
        at = incident.figures.at
        summary = page_summary(incident, environment, at)
        return summary, page_details(incident, environment, at)

    return Oncall(environment, targets(around.settings), words=words, receipts=around.receipts)


def alarms(environment: Environment, who: Oncall, around: Surroundings) -> Alarms:
    """Build what people do about an environment's alarms."""
    database = around.database
    settings = around.settings.alarms_for(environment.name)
    return Alarms(
        environment,
        incidents=Incidents(database),
        silences=Silences(database),
        outbox=Outbox(database),
        oncall=who,
        thresholds=thresholds(settings),
        escalate=settings.escalate,
        addresses=around.addresses,
        writer=around.holder,
        changed=around.changed,
    )


def watch(
    environment: Environment,
    streams: Streams,
    redis: PromptRedis,
    *,
    who: Oncall,
    holds: Held,
    memory_limit: Callable[[], int | None],
    around: Surroundings,
) -> Watch:
    """Build the watch over an environment."""
    settings = around.settings.alarms_for(environment.name)
    keeper = Keeper(
        environment,
        Incidents(around.database),
        who,
        clocks=Clocks(settings.escalate, settings.still_on_it),
        writer=around.holder,
        changed=around.changed,
    )
    return Watch(
        environment,
        streams,
        redis,
        thresholds=thresholds(settings),
        keeper=keeper,
        stores=Stores(Samples(around.database), Silences(around.database)),
        held=holds,
        memory_limit=memory_limit,
        firing=around.metrics.alarms,
    )


def maintenance(environment: Environment, zone: Zones, around: Surroundings) -> Maintenance:
    """Build an environment's maintenance; of prod alone are windows kept away from the night."""
    database, margin = around.database, around.settings.maintenance.margin
    keeper = WindowKeeper(
        environment,
        Maintained(database),
        mirrors=around.settings.environments[environment.name].mirrors,
        writer=around.holder,
        changed=around.changed,
    )

    def night(starts: datetime, ends: datetime) -> Night | None:
        if environment.name != "prod":
            return None
        return night_conflict(environment.site, starts, ends, margin)

    def refusal(starts: datetime, ends: datetime, found: Night) -> str:
        return night_refusal(environment, starts, ends, found, margin)

    return Maintenance(
        environment,
        keeper=keeper,
        outbox=Outbox(database),
        incidents=Incidents(database),
        requests=Requests(database),
        rules=Rules(night, refusal),
        zone=zone,
        writer=around.holder,
        changed=around.changed,
    )


def nights(environment: Environment, streams: Streams, around: Surroundings) -> Nights:
    """Build what is told once a day; of prod alone, whose nights are the telescope's."""
    database, observing = around.database, around.settings.observing
    prod = environment.name == "prod"
    records = Records(
        samples=Samples(database),
        incidents=Incidents(database),
        silences=Silences(database),
        requests=Requests(database),
        windows=Maintained(database),
        chores=Chores(database),
        outbox=Outbox(database),
        audit=Audit(database),
    )
    return Nights(
        environment,
        streams,
        records,
        summary=prod and observing.night_summary,
        check=prod and observing.dusk_check,
        holder=around.holder,
    )


def notifiers(
    settings: config.Settings, secrets: config.Secrets, calls: Calls, mention: Mentioned
) -> dict[str, Notifier]:
    """Build how each target is told, by its name."""
    built: dict[str, Notifier] = {}
    for one in settings.oncall.targets:
        secret = secrets.oncall_keys.get(one.name)
        key, url = secret.get_secret_value() if secret else "", one.endpoint or ""
        kind = Kind(one.kind)
        if kind is Kind.SLACK:
            built[one.name] = mention(one.name, one.usergroup or "")
        else:
            built[one.name] = BY_KIND[kind](one.name, url, key, calls)
    return built


def heartbeat(settings: config.Settings, secrets: config.Secrets, calls: Calls) -> Heartbeat | None:
    """Build the heartbeat; None where none is configured."""
    if settings.oncall.heartbeat is None:
        return None
    secret = secrets.heartbeat_key
    return Heartbeat(settings.oncall.heartbeat, secret.get_secret_value() if secret else "", calls)
