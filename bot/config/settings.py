"""The configuration as a tree of frozen values: every key, its default, and what it is for.

What two keys must agree on is checked where the file is read, so that one slip hides no other.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from pydantic import Field, StrictBool, create_model

from bot.config.alarms import Alarms, overridden, rules_section
from bot.config.values import (
    AnyDuration,
    Channel,
    Channels,
    Command,
    Count,
    Duration,
    Hook,
    InstrumentName,
    Instruments,
    JobName,
    LongIdle,
    Number,
    Port,
    RedisUrl,
    Section,
    StateUrl,
    TargetKind,
    TargetOn,
    TargetWhen,
    Text,
    TimeOfDay,
    User,
    Usergroup,
    Word,
    duration,
)
from bot.domain.oncall import On, When
from bot.domain.oncall import Target as OncallTarget
from bot.domain.rules import RULES, Rule


class Slack(Section):
    """The Slack app."""

    command: Command = "/prompt-redis"
    """The slash command; one deployment, one Slack app, one command."""

    mode: Literal["socket", "http"] = "socket"
    """How Slack reaches the bot: Socket Mode, or requests to /slack/events."""


class Redis(Section):
    """One Prompt Redis."""

    url: RedisUrl
    """Address, redis:// or rediss://, without a password."""


class ArgoCd(Section):
    """The Argo CD application that deploys Prompt Redis."""

    namespace: Text
    """Namespace of the Application."""

    application: Text
    """Name of the Application."""


class Kubernetes(Section):
    """Where Prompt Redis runs."""

    namespace: Text = "prompt-redis"
    """Namespace of the StatefulSet."""

    statefulset: Text = "prompt-redis"
    """Name of the StatefulSet."""

    context: Text | None = None
    """Context of the kubeconfig; null: the cluster in which the bot runs."""

    argocd: ArgoCd | None = None
    """Argo CD application to read sync and health from; null: not read."""

    jobs: JobName | None = None
    """Name of the KEDA jobs, such as prompt-keda-{instrument}; null: not read."""


class People(Section):
    """A list of people by Slack IDs; at least one."""

    usergroups: tuple[Usergroup, ...] = ()
    """IDs of user groups (S...), never names."""

    users: tuple[User, ...] = ()
    """IDs of users (U... or W...), never names."""


class Access(Section):
    """Who may do what; both are required where `approval.self_approval` is false."""

    operators: People | None = None
    """Who may ask for changes, own and silence alarms, run maintenance; null: anybody."""

    approvers: People | None = None
    """Who may approve what others ask for; null: anybody in the channel."""


class Approval(Section):
    """How changes are approved."""

    approvals: Count = 1
    """How many approvers must agree."""

    self_approval: StrictBool = False
    """Whether the requester's own vote counts."""

    expires: Duration = duration("30m")
    """How long a request stays open."""

    break_glass: StrictBool = True
    """Whether one approver may decide alone, with a reason, when nobody answers."""


class Environment(Section):
    """One Prompt Redis with its channel, its instruments and its people."""

    channel: Channel
    """Name or ID of the channel; commands typed there mean this environment."""

    instruments: Instruments
    """Instruments that have a stream here."""

    redis: Redis
    """The Redis server."""

    kubernetes: Kubernetes | None = None
    """Where Redis runs; null: no restart, no deployment facts."""

    expiration: Duration | None = None
    """Age at which workers drop an entry; null: never."""

    access: Access | None = None
    """Who may do what; left out: anybody in the channel."""

    approval: Approval = Approval()
    """How changes are approved."""

    protect_observing: StrictBool = True
    """Whether at night a change asks the approver for a typed reason."""

    read_only: StrictBool = False
    """Whether no change to Redis or Kubernetes can be asked for or carried out."""

    mirrors: Channels = ()
    """Further channels that hear of maintenance."""

    alarms: Alarms = Alarms()
    """What differs here from the common `alarms`; keys left out are those."""


class Streams(Section):
    """Names and keeping of streams."""

    stream: InstrumentName = "instrument:{instrument}"
    """Key of an instrument's stream."""

    group: InstrumentName = "{instrument}_consumer_group"
    """Name of an instrument's consumer group."""

    keep_cleared: Duration = duration("24h")
    """How long the entries of a clear can be restored."""


class Target(Section):
    """Somebody who is told of alarms."""

    name: Word
    """Name of the target; its key is PROMPT_REDIS_ONCALL_<NAME>_KEY."""

    kind: TargetKind
    """What is called."""

    environments: tuple[Word, ...] = Field(default=("all",), min_length=1)
    """Environments whose alarms are told, or all."""

    when: TargetWhen = When.ALWAYS
    """At which hours."""

    on: TargetOn = On.ESCALATE
    """Whether it is told when an alarm escalates, or at once when it fires."""

    url: Hook | None = Field(default=None, repr=False)
    """Address to call; {key} in it is the target's key. Not for slack."""

    usergroup: Usergroup | None = None
    """ID of the user group to mention; for slack only."""


class Oncall(Section):
    """Who is told of alarms that nobody owns."""

    heartbeat: Hook | None = Field(default=None, repr=False)
    """Address called every minute while the watch loop is healthy; may hold {key}."""

    targets: tuple[Target, ...] = ()
    """Who is told, any number."""


class Maintenance(Section):
    """Maintenance windows."""

    margin: AnyDuration = duration("30m")
    """Distance that a window keeps from the night."""


class Observing(Section):
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


class Prune(Section):
    """Removal of consumer names that are left behind."""

    daily: TimeOfDay | None = None
    """Time of day in UTC, quoted, at which the bot prunes by itself; null: never."""

    idle: LongIdle = duration("2h")
    """Idle time after which a consumer name counts as left behind; at least 1h."""


class State(Section):
    """The bot's own database."""

    url: StateUrl = "sqlite+aiosqlite:///prompt-redis-bot.db"
    """Address of the database, without a password; PROMPT_REDIS_STATE_URL overrides it."""


class Http(Section):
    """The server behind /livez, /readyz and /metrics."""

    host: Text = "0.0.0.0"  # noqa: S104 -- probes and Prometheus come from outside the pod
    """Address to listen on."""

    port: Port = 8080
    """Port to listen on; 0: any free one."""


class Settings(Section):
    """Configuration of prompt-redis-bot."""

    slack: Slack = Slack()
    """The Slack app."""

    environments: Mapping[Word, Environment] = Field(min_length=1)
    """The environments by name; the one named prod is written PROD."""

    streams: Streams = Streams()
    """Names and keeping of streams."""

    alarms: Alarms = Alarms()
    """What is watched in every environment."""

    oncall: Oncall = Oncall()
    """Who is told of alarms that nobody owns."""

    maintenance: Maintenance = Maintenance()
    """Maintenance windows."""

    observing: Observing = Observing()
    """The telescope's site and its night."""

    prune: Prune = Prune()
    """Removal of consumer names that are left behind."""

    state: State = State()
    """The bot's own database."""

    http: Http = Http()
    """The server behind /livez, /readyz and /metrics."""

    @property
    def targets(self) -> tuple[OncallTarget, ...]:
        """Who is told of alarms."""
        return tuple(OncallTarget(**dict(each)) for each in self.oncall.targets)

    def alarms_for(self, environment: str) -> Alarms:
        """Merge the common alarms with what the environment overrides.

        Parameters
        ----------
        environment
            Name of a configured environment.
        """
        return overridden(self.alarms, self.environments[environment].alarms)


def settings_type() -> type[Settings]:
    """Give the whole tree, with a section for each rule that there is."""
    return _settings_type(tuple(RULES.values()))


@cache
def _settings_type(rules: tuple[Rule[Any], ...]) -> type[Settings]:
    section = rules_section(rules)
    alarms = create_model("Alarms", __base__=Alarms, rules=(section, section()))
    environment = create_model("Environment", __base__=Environment, alarms=(alarms, alarms()))
    return create_model(
        "Settings",
        __base__=Settings,
        environments=(Mapping[Word, environment], Field(min_length=1)),  # type: ignore[valid-type]
        alarms=(alarms, alarms()),
    )
