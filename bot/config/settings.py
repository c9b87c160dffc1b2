"""The configuration: every key, its default and what it is for, as a tree of frozen values.

Read from a YAML file, and secrets from the environment only. Everything that is wrong is said at
once, with its line and in words, before anything starts: what two keys must agree on is checked
last, so that one slip hides no other.
"""

import ast
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, SecretStr, StrictBool, create_model
from pydantic.json_schema import GenerateJsonSchema

from bot.clients.kubernetes import Location as KubernetesLocation
from bot.config.alarms import ALIASES, Alarms, RuleSection, overridden, rules_section, section_name
from bot.config.document import (
    ConfigurationError,
    Finding,
    Location,
    Variables,
    did_you_mean,
    read,
)
from bot.config.values import (
    STATE_SCHEMES,
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
from bot.domain import environments as domain
from bot.domain.night import Site
from bot.domain.oncall import Kind, On, When
from bot.domain.oncall import Target as OncallTarget
from bot.domain.rules import RULES, STALLED, Rule
from bot.domain.times import format_duration


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

    @property
    def location(self) -> KubernetesLocation:
        """Where that is, for the client."""
        argocd = self.argocd and (self.argocd.namespace, self.argocd.application)
        return self.value(KubernetesLocation, argocd=argocd)


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

    @property
    def permitted(self) -> domain.Access:
        """Who may do what; anybody where the file does not say."""
        lists = {key: some and some.value(domain.People) for key, some in self.access or ()}
        return domain.Access(**lists)


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
        return tuple(each.value(OncallTarget) for each in self.oncall.targets)

    def served(self) -> list[domain.Environment]:
        """Give every environment, as commands know it."""
        return [self._served(name, one) for name, one in self.environments.items()]

    def _served(self, name: str, one: Environment) -> domain.Environment:
        alarms = self.alarms_for(name)
        return domain.Environment(
            name=name,
            instruments=one.instruments,
            site=self.observing.value(Site),
            stream_template=self.streams.stream,
            group_template=self.streams.group,
            expiration=one.expiration,
            stalled_after=alarms.thresholds().of(STALLED).warning,
            consumer_idle=self.prune.idle,
            links={key: url for key, url in alarms.links if url is not None},
            access=one.permitted,
            policy=one.approval.value(domain.Policy),
            protect_observing=one.protect_observing,
            read_only=one.read_only,
            keep_cleared=self.streams.keep_cleared,
            margin=self.maintenance.margin,
        )

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


EVERY = "all"
"""Stands for all environments in an on-call target."""


_STAND_INS: Mapping[str, object] = {
    "environments": {"stand-in": {}},
    "channel": "stand-in",
    "instruments": ["stand_in"],
    "redis": {"url": "redis://stand-in"},
    "url": "redis://stand-in",
    "name": "stand-in",
    "kind": "slack",
    "namespace": "stand-in",
    "application": "stand-in",
}
"""What replaces a required key that is missing or wrong, while the rest is checked."""


def load(path: Path, environ: Mapping[str, str], kinds: Iterable[Kind]) -> Settings:
    """Read the configuration file.

    Parameters
    ----------
    path
        The file, as messages shall name it.
    environ
        Environment variables; secrets among them are kept out of messages.
    kinds
        What a target of the on-call may be.

    Raises
    ------
    ConfigurationError
        With every problem of the file, by line.
    """
    return read(
        path,
        environ,
        settings_type(),
        {each.name: each for each in kinds},
        stand_ins=_STAND_INS,
        disagreements=_disagreements,
    )


def _disagreements(settings: Settings) -> Iterator[Finding]:
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


@dataclass(frozen=True, kw_only=True)
class Secrets:
    """What comes from the environment only; printing it shows no secret.

    Parameters
    ----------
    slack_bot_token
        The bot token (``xoxb-…``).
    slack_app_token
        The app-level token (``xapp-…``); always there in Socket Mode.
    slack_signing_secret
        Always there in HTTP mode.
    slack_api_url
        Base of the Web API; no secret.
    state_url
        Address of the database: the environment's, else the file's.
    redis_passwords
        By environment, for those that have one.
    oncall_keys
        By target, for those that have one.
    heartbeat_key
        For ``{key}`` in the heartbeat's address.
    kubeconfig
        Path of kubectl's own configuration, where environments name a context of it; None for its
        usual place.
    """

    slack_bot_token: SecretStr
    slack_app_token: SecretStr | None
    slack_signing_secret: SecretStr | None
    slack_api_url: str
    state_url: SecretStr
    redis_passwords: Mapping[str, SecretStr]
    oncall_keys: Mapping[str, SecretStr]
    heartbeat_key: SecretStr | None
    kubeconfig: str | None = None


def load_secrets(settings: Settings, environ: Mapping[str, str]) -> Secrets:
    """Take the secrets from the environment.

    Parameters
    ----------
    settings
        The configuration, which says what is needed.
    environ
        Environment variables; ``NAME_FILE`` holds the path of a file with the value of ``NAME``.

    Raises
    ------
    ConfigurationError
        With every variable that is missing or unusable.
    """
    variables = Variables(environ)
    socket_mode = settings.slack.mode == "socket"
    page = "from the Slack app's page"
    bot_token = variables.secret(
        "SLACK_BOT_TOKEN", f'it is the bot token (xoxb-…), {page} "OAuth & Permissions"'
    )
    app_token = variables.secret(
        "SLACK_APP_TOKEN",
        f'it is the app-level token (xapp-…) for Socket Mode, {page} "Basic Information"'
        if socket_mode
        else None,
    )
    signing_secret = variables.secret(
        "SLACK_SIGNING_SECRET",
        None
        if socket_mode
        else f'it proves that requests come from Slack, {page} "Basic Information"',
    )
    passwords = {name: variables.secret(redis_variable(name)) for name in settings.environments}
    keys = {
        target.name: variables.secret(oncall_variable(target.name), _why_key(target))
        for target in settings.oncall.targets
    }
    heartbeat = settings.oncall.heartbeat
    heartbeat_key = variables.secret(
        "PROMPT_REDIS_HEARTBEAT_KEY",
        "`oncall.heartbeat` holds {key}" if heartbeat and "{key}" in heartbeat else None,
    )
    state_url = variables.secret("PROMPT_REDIS_STATE_URL") or SecretStr(settings.state.url)
    if state_url.get_secret_value().partition(":")[0] not in STATE_SCHEMES:
        variables.problem(
            "PROMPT_REDIS_STATE_URL", f"must begin with one of {', '.join(STATE_SCHEMES)}"
        )
    api_url = environ.get("SLACK_API_URL", "").strip() or "https://slack.com/api/"
    if not re.match(r"https?://[^/\s]", api_url):
        variables.problem("SLACK_API_URL", "must be an address that begins with https://")
    if variables.problems or bot_token is None:
        raise ConfigurationError(variables.problems)
    return Secrets(
        slack_bot_token=bot_token,
        slack_app_token=app_token,
        slack_signing_secret=signing_secret,
        slack_api_url=api_url.rstrip("/") + "/",
        state_url=state_url,
        redis_passwords={name: value for name, value in passwords.items() if value},
        oncall_keys={name: value for name, value in keys.items() if value},
        heartbeat_key=heartbeat_key,
        kubeconfig=environ.get("KUBECONFIG", "").strip() or None,
    )


def redis_variable(environment: str) -> str:
    """Name of the variable that holds an environment's Redis password."""
    return f"PROMPT_REDIS_{_upper(environment)}_PASSWORD"


def oncall_variable(target: str) -> str:
    """Name of the variable that holds an on-call target's key."""
    return f"PROMPT_REDIS_ONCALL_{_upper(target)}_KEY"


def _upper(name: str) -> str:
    return name.upper().replace("-", "_")


def _why_key(target: Target) -> str | None:
    if target.url is not None and "{key}" in target.url:
        return f"the url of on-call target `{target.name}` holds {{key}}"
    if target.kind.key:
        return f"it is the {target.kind.key} of on-call target `{target.name}`"
    return None


def json_schema(kinds: Iterable[Kind]) -> dict[str, Any]:
    """Describe the configuration file as JSON Schema, for editors and for checks in CI."""
    schema = settings_type().model_json_schema(schema_generator=_JsonSchema)
    inner = schema["$defs"]
    keys = inner["Target"]["properties"]
    keys["kind"] = {"enum": [each.name for each in kinds], **keys["kind"]}
    for section in _sections(Section):
        if vars(sys.modules[section.__module__]).get(section.__name__) is section:
            described = schema if section is Settings else inner.get(section.__name__, {})
            bases = [each for each in section.__mro__ if issubclass(each, Section)]
            _describe(described, *reversed(bases[: bases.index(Section)]))
    for rule in RULES.values():
        _describe(inner[section_name(rule)], RuleSection, type(rule.limits))
        off = "; off by default" if rule.off else ""
        told = f"{rule.about.removesuffix('.')}{off}."
        inner["Rules"]["properties"][rule.name]["description"] = told
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


def _describe(schema: dict[str, Any], *declaring: type) -> None:
    """Give each key the text below it, in the classes that declare them."""
    properties = schema.get("properties", {})
    for each in declaring:
        for name, text in _docstrings(each):
            key = ALIASES.get(name, name)
            if key in properties:
                properties[key]["description"] = text


class _JsonSchema(GenerateJsonSchema):
    def encode_default(self, dft: Any) -> Any:
        # pydantic writes PT5S; people write 5s.
        return format_duration(dft) if isinstance(dft, timedelta) else super().encode_default(dft)


def _sections(base: type[Section]) -> Iterator[type[Section]]:
    for section in base.__subclasses__():
        yield section
        yield from _sections(section)


def _docstrings(declaring: type) -> Iterator[tuple[str, str]]:
    """Give the name of every key that a class itself declares, and its text."""
    (tree,) = ast.parse(textwrap.dedent(inspect.getsource(declaring))).body
    assert isinstance(tree, ast.ClassDef)  # noqa: S101 -- what getsource gives for a class
    for key, text in pairwise(tree.body):
        match key, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(docstring))),
            ):
                yield name, inspect.cleandoc(docstring)
            case _:
                pass
