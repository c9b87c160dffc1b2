"""The configuration: every key, its default and what it is for, as a tree of frozen values.

First what one key may hold, then the sections; the section of an alarm rule is made from its row
in `bot.domain.rules`. What two keys must agree on stands at the end: it is checked when all else is
right, so that one slip hides no other. Messages are for the person who wrote the file, and
complete "environments.prod.channel: ...".
"""

import difflib
import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from datetime import time, timedelta
from enum import Enum
from functools import cache
from string import Formatter
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, cast, get_type_hints
from urllib.parse import parse_qs, urlsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StrictBool,
    StrictFloat,
    StrictInt,
    ValidationInfo,
    WithJsonSchema,
    create_model,
)

from bot.domain.blindness import LATE_AFTER
from bot.domain.environments import Access, Environment, People, Policy
from bot.domain.night import Site
from bot.domain.oncall import Kind, On, Target, When
from bot.domain.rules import RULES, STALLED, Percent, Rule, Thresholds, rule_of
from bot.domain.times import DURATIONS, PATTERN, format_duration, parse_duration
from bot.domain.workloads import ClusterLocation

STATE_SCHEMES = (
    "sqlite+aiosqlite",
    "postgresql+asyncpg",
    "postgresql+psycopg",
    "sqlite",
    "postgresql",
)
"""Databases that can hold the bot's state."""


Location = tuple[str | int, ...]
"""Keys and indexes that lead from the top of the file to a value."""

_ECHOED = 24
"""Longer texts are not repeated in a message: they are no slip of the finger, perhaps a secret."""


_SLOWEST_POLL = LATE_AFTER / 2
_TIME_OF_DAY = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"


def _duration(value: object) -> timedelta:
    """Read a duration, or say in words what it must look like."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str):
        raise ValueError(f"must be a duration such as {DURATIONS}{but_is(value)}")  # noqa: TRY004 -- pydantic collects ValueError
    return parse_duration(value)


def _positive(duration: timedelta) -> timedelta:
    if duration <= timedelta(0):
        raise ValueError("must be more than 0s")
    return duration


def _often(duration: timedelta) -> timedelta:
    if duration > _SLOWEST_POLL:
        raise ValueError(
            f"must be at most {format_duration(_SLOWEST_POLL)}: where nobody has looked for "
            f"{format_duration(LATE_AFTER)} the watch counts as late, and the heartbeat stops"
        )
    return duration


def _at_least_an_hour(duration: timedelta) -> timedelta:
    if duration < timedelta(hours=1):
        raise ValueError("must be at least 1h: workers may rest that long")
    return duration


def _time_of_day(value: object) -> time:
    if isinstance(value, time):
        return value
    if not isinstance(value, str) or re.fullmatch(_TIME_OF_DAY, value) is None:
        raise ValueError(f'must be a time of day in UTC such as "18:30"{but_is(value)}')
    return time.fromisoformat(value)


_Item = TypeVar("_Item", bound=Hashable)
_Value = TypeVar("_Value")


def one_of(value: object, choices: Mapping[str, _Item]) -> _Item:
    """Read a word that stands for something."""
    if not isinstance(value, str) or value not in choices:
        *most, last = choices
        raise ValueError(f"must be {', '.join(most)} or {last}{but_is(value)}")
    return choices[value]


def _kind(value: object, info: ValidationInfo) -> Kind:
    kinds: Mapping[str, Kind] = info.context or {}
    return one_of(value, kinds)


def _word_of(enum: type[Enum]) -> tuple[PlainValidator, WithJsonSchema]:
    words = {each.value: each for each in enum}
    schema = WithJsonSchema({"enum": list(words), "type": "string"})
    return PlainValidator(lambda value: one_of(value, words)), schema


def _all_different(items: Sequence[_Item]) -> Sequence[_Item]:
    twice = [item for index, item in enumerate(items) if item in items[:index]]
    if twice:
        raise ValueError(f"names {twice[0]} twice")
    return items


def _placeholders(*allowed: str, required: str | None = None) -> AfterValidator:
    def check(template: str) -> str:
        try:
            found = [
                field + (f"!{conversion}" if conversion else "") + (f":{spec}" if spec else "")
                for _, field, spec, conversion in Formatter().parse(template)
                if field is not None
            ]
        except ValueError as error:
            raise ValueError("has a brace without its partner") from error
        unknown = next((name for name in found if name not in allowed), None)
        names = " and ".join(f"{{{name}}}" for name in allowed)
        if unknown is not None:
            raise ValueError(f"may hold {names} only, not {{{unknown}}}")
        if required is not None and required not in found:
            raise ValueError(f"must hold {{{required}}}")
        return template

    return AfterValidator(check)


def _address(*schemes: str, instead: str, host: bool = True) -> AfterValidator:
    # No message repeats the address: it may hold the very secret that must not be there.
    def check(url: str) -> str:
        wanted = " or ".join(f"{scheme}://" for scheme in schemes)
        try:
            parts = urlsplit(url)
            parts.port  # noqa: B018 -- raises where it is no port
            secret = parts.password or parse_qs(parts.query).get("password")
        except ValueError as error:
            raise ValueError("is not an address: look at its host and port") from error
        if secret:
            raise ValueError(f"must not hold a password; {instead}")
        if parts.scheme not in schemes:
            raise ValueError(f"must be an address that begins with {wanted}")
        if (host and not parts.hostname) or re.search(r"\s", url):
            raise ValueError("is not an address: look at its host and port")
        return url

    return AfterValidator(check)


_TLS_OPTIONS = {
    "ssl_ca_certs": r".+",
    "ssl_certfile": r".+",
    "ssl_keyfile": r".+",
    "ssl_cert_reqs": r"required|optional|none",
    "ssl_check_hostname": r"true|false",
}
_REDIS_OPTIONS = {"db": r"[0-9]{1,4}"}


def _redis_options(url: str) -> str:
    """Refuse what the library would take for a setting of its own, or fail at."""
    parts = urlsplit(url)
    if re.fullmatch(r"(/[0-9]{0,4})?", parts.path) is None:
        raise ValueError("may end in the number of a database, such as /0, and in nothing else")
    known = _REDIS_OPTIONS | (_TLS_OPTIONS if parts.scheme == "rediss" else {})
    for name, values in parse_qs(parts.query, keep_blank_values=True).items():
        if name not in known:
            where = "" if name not in _TLS_OPTIONS else " of redis://, only of rediss://"
            raise ValueError(
                f"has the option {name}, which is not known{where}; known are {', '.join(known)}"
            )
        if len(values) > 1 or re.fullmatch(known[name], values[0]) is None:
            raise ValueError(f"has an option {name} that cannot be used")
    return url


def _written(pattern: str, wanted: str) -> tuple[AfterValidator, WithJsonSchema]:
    """Ask for a pattern, and say in words what it asks for."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise ValueError(f"must be {wanted}{but_is(text)}")
        return text

    return AfterValidator(check), WithJsonSchema({"pattern": pattern, "type": "string"})


_FROM_ENVIRONMENT = "secrets come from the environment only, here from "

AnyDuration = Annotated[
    timedelta,
    BeforeValidator(_duration),
    PlainSerializer(format_duration, return_type=str),
    WithJsonSchema({"type": "string", "pattern": PATTERN, "examples": ["90s", "15m", "1h30m"]}),
]
"""A duration; zero means at once."""

Duration = Annotated[AnyDuration, AfterValidator(_positive)]
Poll = Annotated[Duration, AfterValidator(_often)]
LongIdle = Annotated[AnyDuration, AfterValidator(_at_least_an_hour)]
DailyTime = Annotated[
    time,
    BeforeValidator(_time_of_day),
    WithJsonSchema({"type": "string", "pattern": _TIME_OF_DAY, "examples": ["18:30"]}),
]

TargetKind = Annotated[Kind, PlainValidator(_kind), WithJsonSchema({"type": "string"})]
"""One of the kinds that whoever reads the file knows; the context of validation."""

TargetWhen = Annotated[When, *_word_of(When)]
TargetOn = Annotated[On, *_word_of(On)]

Channel = Annotated[
    str,
    *_written(
        r"^#?(?:[CG][A-Z0-9]{2,}|[a-z0-9_\-]{1,80})$",
        "a channel's name (lower case, no spaces) or its ID such as C0123ABC",
    ),
    AfterValidator(lambda name: name.removeprefix("#")),
]
ChannelNames = Annotated[tuple[Channel, ...], AfterValidator(_all_different)]
SlashCommand = Annotated[
    str, *_written(r"^/[a-z0-9_\-]{1,31}$", "a slash command in lower case, such as /prompt-redis")
]
Instrument = Annotated[
    str, *_written(r"^[a-z][a-z0-9_]*$", "an instrument's name in lower case, such as lsstcam")
]
Instruments = Annotated[tuple[Instrument, ...], Field(min_length=1), AfterValidator(_all_different)]
Usergroup = Annotated[
    str, *_written(r"^S[A-Z0-9]{2,}$", "a user group's ID such as S0123ABC (IDs, never names)")
]
User = Annotated[
    str, *_written(r"^[UW][A-Z0-9]{2,}$", "a user's ID such as U0123ABC (IDs, never names)")
]
ShortName = Annotated[
    str, *_written(r"^[a-z0-9][a-z0-9_\-]*$", "lower-case letters, digits, `-` and `_`")
]
NonEmpty = Annotated[str, Field(min_length=1)]

Count = Annotated[StrictInt, Field(ge=1)]
Number = Annotated[StrictFloat, Field(allow_inf_nan=False)]
Percentage = Annotated[Number, Field(gt=0, le=100)]
Port = Annotated[StrictInt, Field(ge=0, le=65535)]

InstrumentName = Annotated[str, _placeholders("instrument", required="instrument")]
"""A template from which each instrument gets a name of its own."""

JobName = Annotated[str, _placeholders("instrument")]
PageUrl = Annotated[
    str,
    _placeholders("environment", "instrument"),
    _address("https", "http", instead="people will read it"),
]
Hook = Annotated[
    str, _placeholders("key"), _address("https", "http", instead="write {key} and set its variable")
]
"""An address that is called; ``{key}`` stands for a secret from the environment."""

RedisUrl = Annotated[
    str,
    _address("redis", "rediss", instead=_FROM_ENVIRONMENT + "PROMPT_REDIS_<ENV>_PASSWORD"),
    AfterValidator(_redis_options),
]
StateUrl = Annotated[
    str, _address(*STATE_SCHEMES, instead=_FROM_ENVIRONMENT + "PROMPT_REDIS_STATE_URL", host=False)
]


def _undescribed(schema: dict[str, Any]) -> None:
    # Each key describes its section; where both say the same, pydantic would keep neither there.
    schema.pop("description", None)


class Section(BaseModel):
    """Settings of one purpose; unknown keys are errors."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        # Built once, as part of the whole tree, and not for every section by itself as well.
        defer_build=True,
        json_schema_extra=_undescribed,
    )

    def value(self, kind: type[_Value], **instead: object) -> _Value:
        """Give the dataclass that has keys of these names, some perhaps with something else."""
        keys = {each.name for each in fields(cast("Any", kind))} - set(instead)
        return kind(**{key: getattr(self, key) for key in keys}, **instead)


def but_is(value: object) -> str:
    """End a message with what stands in the file instead, where that is short."""
    match value:
        case None:
            # YAML drops what follows a `#`, which in Slack begins a channel's name.
            return " (it is empty)"
        case bool():
            return f", not {str(value).lower()}"
        case str():
            return f", not {value!r}" if len(value) <= _ECHOED else ""
        case int() | float():
            return f", not {value}"
        case list():
            return ", not a list"
        case _:
            return ", not a mapping of keys"


def or_rather(word: str, known: Iterable[str]) -> str:
    """End a message with the nearest word, where one is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean `{near[0]}`?" if near else ""


_KINDS: Mapping[Any, Any] = {timedelta: Duration, int: Count, Percent: Percentage}
"""What the limits of a rule may be, and how the file holds each."""


ALIASES = {"hold": "for"}
"""Keys that are no names in Python."""


class RuleSection(Section):
    """An alarm rule."""

    enabled: StrictBool = True
    """Whether the rule is evaluated."""


class RulesSection(Section):
    """The alarm rules; has a key for each once `rules_section` has made it."""


def rules_section(rules: Iterable[Rule[Any]]) -> type[RulesSection]:
    """Make the section that has a key for each rule."""
    sections = {rule.name: rule_section(rule) for rule in rules}
    keys: dict[str, Any] = {name: (each, each()) for name, each in sections.items()}
    return create_model("Rules", __base__=RulesSection, **keys)


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


class LinksSection(Section):
    """Addresses for people; may hold {environment} and {instrument}."""

    grafana: PageUrl | None = None
    """Dashboard of the streams."""

    argocd: PageUrl | None = None
    """Argo CD's page of Prompt Redis."""

    jobs: PageUrl | None = None
    """Page of the workers' jobs."""

    support: PageUrl | None = None
    """Where to ask for help."""

    downtime: PageUrl | None = None
    """Where downtimes are announced."""


class AlarmsSection(Section):
    """What is watched, and who hears of it."""

    poll: Poll = parse_duration("5s")
    """Time between two looks at Redis."""

    channel: Channel | None = None
    """Channel for alarms; null: the environment's channel."""

    still_on_it: Duration = parse_duration("30m")
    """After this time the owner of an alarm is asked whether they are still on it."""

    escalate: Duration = parse_duration("10m")
    """After this time a critical alarm without owner is told to the on-call targets."""

    relapse: Duration = parse_duration("15m")
    """What fires again within this time of its end is the same alarm, with its owner."""

    links: LinksSection = LinksSection()
    """Addresses that alarms and answers show."""

    rules: RulesSection = RulesSection()
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


class SlackSection(Section):
    """The Slack app."""

    command: SlashCommand = "/prompt-redis"
    """The slash command; one deployment, one Slack app, one command."""

    mode: Literal["socket", "http"] = "socket"
    """How Slack reaches the bot: Socket Mode, or requests to /slack/events."""


class RedisSection(Section):
    """One Prompt Redis."""

    url: RedisUrl
    """Address, redis:// or rediss://, without a password."""


class ArgoCdSection(Section):
    """The Argo CD application that deploys Prompt Redis."""

    namespace: NonEmpty
    """Namespace of the Application."""

    application: NonEmpty
    """Name of the Application."""


class KubernetesSection(Section):
    """Where Prompt Redis runs."""

    namespace: NonEmpty = "prompt-redis"
    """Namespace of the StatefulSet."""

    statefulset: NonEmpty = "prompt-redis"
    """Name of the StatefulSet."""

    context: NonEmpty | None = None
    """Context of the kubeconfig; null: the cluster in which the bot runs."""

    argocd: ArgoCdSection | None = None
    """Argo CD application to read sync and health from; null: not read."""

    jobs: JobName | None = None
    """Name of the KEDA jobs, such as prompt-keda-{instrument}; null: not read."""

    @property
    def location(self) -> ClusterLocation:
        """Where that is, for the client."""
        argocd = self.argocd and (self.argocd.namespace, self.argocd.application)
        return self.value(ClusterLocation, argocd=argocd)


class PeopleSection(Section):
    """A list of people by Slack IDs; at least one."""

    usergroups: tuple[Usergroup, ...] = ()
    """IDs of user groups (S...), never names."""

    users: tuple[User, ...] = ()
    """IDs of users (U... or W...), never names."""


class AccessSection(Section):
    """Who may do what; both are required where `approval.self_approval` is false."""

    operators: PeopleSection | None = None
    """Who may ask for changes, own and silence alarms, run maintenance; null: anybody."""

    approvers: PeopleSection | None = None
    """Who may approve what others ask for; null: anybody in the channel."""


class ApprovalSection(Section):
    """How changes are approved."""

    approvals: Count = 1
    """How many approvers must agree."""

    self_approval: StrictBool = False
    """Whether the requester's own vote counts."""

    expires: Duration = parse_duration("30m")
    """How long a request stays open."""

    break_glass: StrictBool = True
    """Whether one approver may decide alone, with a reason, when nobody answers."""


class EnvironmentSection(Section):
    """One Prompt Redis with its channel, its instruments and its people."""

    channel: Channel
    """Name or ID of the channel; commands typed there mean this environment."""

    instruments: Instruments
    """Instruments that have a stream here."""

    redis: RedisSection
    """The Redis server."""

    kubernetes: KubernetesSection | None = None
    """Where Redis runs; null: no restart, no deployment facts."""

    expiration: Duration | None = None
    """Age at which workers drop an entry; null: never."""

    access: AccessSection | None = None
    """Who may do what; left out: anybody in the channel."""

    approval: ApprovalSection = ApprovalSection()
    """How changes are approved."""

    protect_observing: StrictBool = True
    """Whether at night a change asks the approver for a typed reason."""

    read_only: StrictBool = False
    """Whether no change to Redis or Kubernetes can be asked for or carried out."""

    mirrors: ChannelNames = ()
    """Further channels that hear of maintenance."""

    alarms: AlarmsSection = AlarmsSection()
    """What differs here from the common `alarms`; keys left out are those."""


class StreamsSection(Section):
    """Names and keeping of streams."""

    stream: InstrumentName = "instrument:{instrument}"
    """Key of an instrument's stream."""

    group: InstrumentName = "{instrument}_consumer_group"
    """Name of an instrument's consumer group."""

    keep_cleared: Duration = parse_duration("24h")
    """How long the entries of a clear can be restored."""


class TargetSection(Section):
    """Somebody who is told of alarms."""

    name: ShortName
    """Name of the target; its key is PROMPT_REDIS_ONCALL_<NAME>_KEY."""

    kind: TargetKind
    """What is called."""

    environments: tuple[ShortName, ...] = Field(default=("all",), min_length=1)
    """Environments whose alarms are told, or all."""

    when: TargetWhen = When.ALWAYS
    """At which hours."""

    on: TargetOn = On.ESCALATE
    """Whether it is told when an alarm escalates, or at once when it fires."""

    url: Hook | None = Field(default=None, repr=False)
    """Address to call; {key} in it is the target's key. Not for slack."""

    usergroup: Usergroup | None = None
    """ID of the user group to mention; for slack only."""


class OncallSection(Section):
    """Who is told of alarms that nobody owns."""

    heartbeat: Hook | None = Field(default=None, repr=False)
    """Address called every minute while the watch loop is healthy; may hold {key}."""

    targets: tuple[TargetSection, ...] = ()
    """Who is told, any number."""


class MaintenanceSection(Section):
    """Maintenance windows."""

    margin: AnyDuration = parse_duration("30m")
    """Distance that a window keeps from the night."""


class ObservingSection(Section):
    """The telescope's site and its night."""

    latitude: Number = Field(default=-30.244628, ge=-90, le=90)
    """Degrees north."""

    longitude: Number = Field(default=-70.74941, ge=-180, le=180)
    """Degrees east."""

    elevation: Number = Field(default=2650, ge=-500, le=9000)
    """Metres above the sea."""

    twilight: Number = Field(default=-12, ge=-18, le=0)
    """Altitude of the sun, in degrees, below which it is night."""

    night_summary: StrictBool = True
    """Whether a summary follows half an hour after dawn."""

    dusk_check: StrictBool = True
    """Whether an hour before dusk the bot looks for what is wrong."""


class PruneSection(Section):
    """Removal of consumer names that are left behind."""

    daily: DailyTime | None = None
    """Time of day in UTC, quoted, at which the bot prunes by itself; null: never."""

    idle: LongIdle = parse_duration("2h")
    """Idle time after which a consumer name counts as left behind; at least 1h."""


class StateSection(Section):
    """The bot's own database."""

    url: StateUrl = "sqlite+aiosqlite:///prompt-redis-bot.db"
    """Address of the database, without a password; PROMPT_REDIS_STATE_URL overrides it."""


class HttpSection(Section):
    """The server behind /livez, /readyz and /metrics."""

    host: NonEmpty = "0.0.0.0"  # noqa: S104 -- probes and Prometheus come from outside the pod
    """Address to listen on."""

    port: Port = 8080
    """Port to listen on; 0: any free one."""


class Settings(Section):
    """Configuration of prompt-redis-bot."""

    slack: SlackSection = SlackSection()
    """The Slack app."""

    environments: Mapping[ShortName, EnvironmentSection] = Field(min_length=1)
    """The environments by name; the one named prod is written PROD."""

    streams: StreamsSection = StreamsSection()
    """Names and keeping of streams."""

    alarms: AlarmsSection = AlarmsSection()
    """What is watched in every environment."""

    oncall: OncallSection = OncallSection()
    """Who is told of alarms that nobody owns."""

    maintenance: MaintenanceSection = MaintenanceSection()
    """Maintenance windows."""

    observing: ObservingSection = ObservingSection()
    """The telescope's site and its night."""

    prune: PruneSection = PruneSection()
    """Removal of consumer names that are left behind."""

    state: StateSection = StateSection()
    """The bot's own database."""

    http: HttpSection = HttpSection()
    """The server behind /livez, /readyz and /metrics."""

    @property
    def targets(self) -> tuple[Target, ...]:
        """Who is told of alarms."""
        return tuple(each.value(Target) for each in self.oncall.targets)

    def served(self) -> list[Environment]:
        """Give every environment, as commands know it."""
        return [self._served(name, one) for name, one in self.environments.items()]

    def _served(self, name: str, one: EnvironmentSection) -> Environment:
        alarms = self.alarms_for(name)
        people = {right: some and some.value(People) for right, some in one.access or ()}
        return Environment(
            name=name,
            instruments=one.instruments,
            site=self.observing.value(Site),
            stream_template=self.streams.stream,
            group_template=self.streams.group,
            expiration=one.expiration,
            stalled_after=alarms.thresholds().of(STALLED).warning,
            consumer_idle=self.prune.idle,
            links={key: url for key, url in alarms.links if url is not None},
            access=Access(**people),
            policy=one.approval.value(Policy),
            protect_observing=one.protect_observing,
            read_only=one.read_only,
            keep_cleared=self.streams.keep_cleared,
            margin=self.maintenance.margin,
        )

    def alarms_for(self, environment: str) -> AlarmsSection:
        """Merge the common alarms with what the environment overrides."""
        return overridden(self.alarms, self.environments[environment].alarms)


def settings_type() -> type[Settings]:
    """Give the whole tree, with a section for each rule that there is."""
    return _settings_type(tuple(RULES.values()))


@cache
def _settings_type(rules: tuple[Rule[Any], ...]) -> type[Settings]:
    section = rules_section(rules)
    alarms = create_model("Alarms", __base__=AlarmsSection, rules=(section, section()))
    environment = create_model(
        "Environment", __base__=EnvironmentSection, alarms=(alarms, alarms())
    )
    return create_model(
        "Settings",
        __base__=Settings,
        environments=(Mapping[ShortName, environment], Field(min_length=1)),  # type: ignore[valid-type]
        alarms=(alarms, alarms()),
    )


EVERY = "all"
"""Stands for all environments in an on-call target."""


class Disagreement(NamedTuple):
    """Keys that contradict each other.

    What is reported already at one of the places that it was concluded from is not reported twice.
    """

    location: Location
    text: str
    concluded_from: tuple[Location, ...]


def disagreements(settings: Settings) -> Iterator[Disagreement]:
    """Find what is wrong between keys that are each right."""
    names = list(settings.environments)
    yield from _variables(redis_variable, [(name, ("environments", name)) for name in names])
    yield from _thresholds(("alarms",), settings.alarms, settings.alarms)
    channels: dict[str, str] = {}
    for name, environment in settings.environments.items():
        here: Location = ("environments", name)
        if name == EVERY:
            yield Disagreement(here, "is a reserved word; choose another name", (here,))
        first = channels.setdefault(environment.channel, name)
        if first != name:
            there: Location = ("environments", first, "channel")
            text = f"is the channel of `{first}` too; each environment needs its own"
            yield Disagreement((*here, "channel"), text, ((*here, "channel"), there))
        yield from _access(here, environment)
        yield from _thresholds((*here, "alarms"), environment.alarms, settings.alarms_for(name))
    targets = [(("oncall", "targets", i), one) for i, one in enumerate(settings.oncall.targets)]
    yield from _variables(oncall_variable, [(one.name, (*at, "name")) for at, one in targets])
    for at, target in targets:
        yield from _target(at, target, names)


def _variables(
    variable: Callable[[str], str], named: Iterable[tuple[str, Location]]
) -> Iterator[Disagreement]:
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
        yield Disagreement(location, text, (location, there))


def _access(here: Location, environment: EnvironmentSection) -> Iterator[Disagreement]:
    at: Location = (*here, "access")
    because: Location = (*here, "approval", "self_approval")
    required = not environment.approval.self_approval
    why = "required unless `approval.self_approval` is true"
    if environment.access is None and required:
        yield Disagreement(at, f"is missing; operators and approvers are {why}", (at, because))
    for key, some in environment.access or ():
        if some is None and required:
            yield Disagreement((*at, key), f"is missing; {why}", ((*at, key), because))
        if some is not None and not (some.usergroups or some.users):
            text = "names nobody; give usergroups or users"
            yield Disagreement((*at, key), text, ((*at, key),))


def _thresholds(
    at: Location, written: AlarmsSection, effective: AlarmsSection
) -> Iterator[Disagreement]:
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
        yield Disagreement((*at, "rules", name, key), text, ((*at, "rules", name), common))


def _target(at: Location, target: TargetSection, environments: list[str]) -> Iterator[Disagreement]:
    name, needs = target.kind.name, target.kind.needs

    def wrong(key: str, text: str) -> Disagreement:
        return Disagreement((*at, key), text, ((*at, "kind"), (*at, key)))

    if needs == "usergroup":
        if target.usergroup is None:
            yield wrong("usergroup", f"is missing; kind {name} mentions a user group")
        if target.url is not None:
            yield wrong("url", f"does not go with kind {name}; give a usergroup")
    else:
        if target.url is None and target.kind.address is None:
            yield wrong("url", f"is missing; kind {name} calls an address")
        if target.usergroup is not None:
            yield wrong("usergroup", f"goes with kind slack only, not with {name}")
    for index, name in enumerate(target.environments):
        if name != EVERY and name not in environments:
            text = f"there is no environment `{name}`{or_rather(name, [*environments, EVERY])}"
            location: Location = (*at, "environments", index)
            yield Disagreement(location, text, (location, ("environments", name)))


def redis_variable(environment: str) -> str:
    """Name of the variable that holds an environment's Redis password."""
    return f"PROMPT_REDIS_{_upper(environment)}_PASSWORD"


def oncall_variable(target: str) -> str:
    """Name of the variable that holds an on-call target's key."""
    return f"PROMPT_REDIS_ONCALL_{_upper(target)}_KEY"


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")
