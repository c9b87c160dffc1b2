"""`check`: everything that a start needs, tried once, with the remedy for each failure.

One line a check. Nothing is changed anywhere.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import click

from bot import FAILED, INVALID, config
from bot.clients.kubernetes import KubernetesCluster
from bot.clients.pagers import NOTIFIERS, HttpNotifier, connect
from bot.clients.prompt_redis import PromptRedis
from bot.domain.environments import Environment
from bot.domain.errors import ClusterError, FatalError, RedisError, RedisForbidden
from bot.domain.oncall import PageFailed, Target
from bot.slack.api import Identity, Proxy, SlackApi, SlackRefused
from bot.slack.paging import kinds
from bot.storage.database import Database


@dataclass(frozen=True)
class Check:
    """One check: how it ended, what was looked at, what was found, and what to do about it."""

    outcome: str
    subject: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.outcome:<7} {self.subject}: {self.found}"
        return f"{line} -> {self.remedy}" if self.remedy else line

    @property
    def failed(self) -> bool:
        """Whether a start would fail by it, or nobody be told."""
        return self.outcome == "FAILED"


_ok, _info, _unknown, _failed = (
    partial(Check, outcome) for outcome in ("ok", "info", "unknown", "FAILED")
)


async def check(
    path: Path, environ: Mapping[str, str], pagers: Sequence[type[HttpNotifier]] = NOTIFIERS
) -> int:
    """Try everything and print a line for each check.

    Parameters
    ----------
    pagers
        The classes of on-call targets beside a mention in Slack.

    Returns
    -------
    int
        0 if all is well, 1 if a check failed, 2 if the configuration is invalid.
    """
    try:
        settings = config.load(path, environ, kinds(pagers))
        secrets = config.load_secrets(settings, environ)
    except config.ConfigurationError as error:
        click.echo(str(error), err=True)
        return INVALID
    failed = False
    async for line in _lines(path, settings, secrets, Proxy(environ)):
        click.echo(str(line))
        failed = failed or line.failed
    return FAILED if failed else 0


async def _lines(
    path: Path, settings: config.Settings, secrets: config.Secrets, proxy: Proxy
) -> AsyncIterator[Check]:
    names = ", ".join(settings.environments)
    yield _ok("configuration", f"{path} is valid; environments {names}")
    slack = SlackApi(secrets.slack_bot_token, secrets.slack_api_url, proxy)
    try:
        async for line in _slack(slack, settings, secrets):
            yield line
        for target in settings.targets:
            yield await _target(target, slack, secrets, proxy)
    finally:
        await slack.aclose()
    try:
        yield _ok("state database", await Database.examine(secrets.state_url))
    except FatalError as error:
        yield _fatal("state database", error)
    owners: dict[str, str] = {}
    for environment in settings.served():
        async for line in _redis(environment, settings, secrets, owners):
            yield line
        async for line in _kubernetes(environment, settings, secrets):
            yield line


async def _slack(
    slack: SlackApi, settings: config.Settings, secrets: config.Secrets
) -> AsyncIterator[Check]:
    try:
        identity = await slack.identify()
    except FatalError as error:
        yield _fatal("Slack bot token", error)
        return
    yield _ok("Slack bot token", f"belongs to workspace {identity.team_id}")
    yield _scopes(identity)
    if settings.slack.mode == "socket":
        try:
            await slack.open_connection(secrets.slack_app_token)
            yield _ok("Slack app token", "Slack opens Socket Mode for it")
        except FatalError as error:
            yield _fatal("Slack app token", error)
    else:
        yield _unknown("Slack signing secret", "only a request from Slack can prove it")
    try:
        joined = await slack.channels()
    except SlackRefused as error:
        found = f"Slack does not list them ({error.code})"
        yield _failed(
            "Slack channels", found, "give the token the scopes channels:read and groups:read"
        )
        return
    for name, one in settings.environments.items():
        if one.channel in joined or one.channel in joined.values():
            yield _ok(f"channel of {name}", f"the bot is in {one.channel}")
        else:
            yield _failed(
                f"channel of {name}",
                f"there is no channel {one.channel}, or the bot is not in it",
                f"type /invite and the bot's name there, or correct environments.{name}.channel",
            )


def _scopes(identity: Identity) -> Check:
    if identity.missing_scopes is None:
        return _unknown("Slack scopes", "Slack does not say which the token has")
    if identity.missing_scopes:
        return _failed(
            "Slack scopes",
            f"{', '.join(sorted(identity.missing_scopes))} missing",
            "add them on the app's page OAuth & Permissions, then install the app again",
        )
    return _ok("Slack scopes", "all there")


async def _target(target: Target, slack: SlackApi, secrets: config.Secrets, proxy: Proxy) -> Check:
    """Look at the way to an on-call target; whoever is behind it is told nothing."""
    subject = f"on-call target {target.name}"
    if target.usergroup is not None:
        return await _usergroup(subject, target.usergroup, slack)
    url = target.address or ""
    host = urlsplit(url).hostname or ""
    unsigned = target.kind.signed and target.name not in secrets.oncall_keys
    also = f"; unsigned, {config.oncall_variable(target.name)} is not set" if unsigned else ""
    if proxy.for_url(url) is not None or "{key}" in host:
        unknown = "a proxy or a key is on the way there, so only a page can prove it"
        return _unknown(subject, unknown + also, "`oncall test` sends one")
    try:
        await connect(target.name, url)
    except PageFailed as error:
        hint = f"check that {host} is right and can be reached from here, or set HTTPS_PROXY"
        return _failed(subject, error.reason, hint)
    found = f"{host} takes connections{also}"
    if unsigned:
        return _info(subject, found, "set it, and check the signature where pages arrive")
    return _ok(subject, found)


async def _usergroup(subject: str, usergroup: str, slack: SlackApi) -> Check:
    try:
        members = await slack.members(usergroup)
    except SlackRefused as error:
        return _failed(
            subject,
            f"Slack does not tell who is in {usergroup} ({error.code})",
            "give the ID (S…) of a user group that exists, and the token the scope usergroups:read",
        )
    if not members:
        found = f"nobody is in user group {usergroup}"
        return _failed(subject, found, "add whoever is on call to it")
    return _ok(subject, f"user group {usergroup} has {len(members)} people in it")


async def _redis(
    environment: Environment,
    settings: config.Settings,
    secrets: config.Secrets,
    owners: dict[str, str],
) -> AsyncIterator[Check]:
    name = environment.name
    subject, rights = f"Redis of {name}", f"Redis of {name}, rights"
    url = settings.environments[name].redis.url
    redis = PromptRedis(url, secrets.redis_passwords.get(name))
    try:
        server = await redis.server()
        if server.refuses is None:
            yield _ok(subject, f"{redis.address} answers, {server.named}")
        else:
            yield _redis_failed(subject, server.refuses)
        owner = owners.setdefault(server.run_id, name)
        if owner != name:
            found = f"it is the Redis of {owner} (same run_id)"
            yield _failed(subject, found, f"correct environments.{name}.redis.url")
        streams = [(environment.stream(i), environment.group(i)) for i in environment.instruments]
        try:
            user = await redis.access(streams, changes=not environment.read_only)
        except RedisForbidden:
            yield _unknown(rights, "the bot's user may not ask (ACL WHOAMI, DRYRUN)")
            return
        if user.open_to_all:
            yield _info(
                subject, "its user `default` has no password: whoever reaches it may do everything"
            )
        if user.missing:
            found = f"user {user.name} may not {', '.join(user.missing)}"
            yield _failed(rights, found, "add them to the user's ACL rule")
        else:
            yield _ok(rights, f"user {user.name} has all it needs")
    except RedisError as error:
        yield _redis_failed(subject, error)
    finally:
        await redis.aclose()


def _redis_failed(subject: str, error: RedisError) -> Check:
    words = getattr(error, "words", "")
    found = f"{error.address} {error.says.removeprefix('Redis ')}"
    return _failed(subject, f"{found} ({words})" if words else found, error.remedy)


async def _kubernetes(
    environment: Environment, settings: config.Settings, secrets: config.Secrets
) -> AsyncIterator[Check]:
    """Ask for each right by itself; asking needs none."""
    subject = f"Kubernetes of {environment.name}"
    configured = settings.environments[environment.name].kubernetes
    if configured is None:
        yield _info(subject, "is not configured: no restart, nothing of the pod")
        return
    place = configured.location
    kubernetes = KubernetesCluster(place, kubeconfig=secrets.kubeconfig)
    try:
        missing = [
            f"{each.verb} {each.resource}{f'.{each.group}' if each.group else ''} "
            f"{each.name}".strip()
            + f" in {each.namespace}"
            for each in place.permissions(environment.instruments)
            if not (environment.read_only and each.verb == "patch")
            and not await kubernetes.may(each)
        ]
        if missing:
            found = f"the bot may not {', '.join(missing)}"
            yield _failed(subject, found, "add them to its Role there")
            return
        workload = await kubernetes.workload()
        yield _ok(
            subject,
            f"all rights are there; {workload.name} runs {workload.image}, {workload.ready} of "
            f"{workload.replicas} ready",
        )
    except ClusterError as error:
        yield _failed(subject, error.says, error.remedy)
    finally:
        await kubernetes.aclose()


def _fatal(subject: str, error: FatalError) -> Check:
    found, _, remedy = str(error).partition(". ")
    return _failed(subject, found, remedy)
