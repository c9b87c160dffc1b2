"""`check`: everything that a start needs, tried once, with the remedy for each failure.

One line a check. Nothing is changed anywhere.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from urllib.parse import urlsplit

import click

from bot import config
from bot.clients.kubernetes import KubernetesCluster
from bot.clients.pagers import NOTIFIERS, HttpNotifier, connect
from bot.clients.prompt_redis import PromptRedis
from bot.config.settings import oncall_variable
from bot.domain.errors import (
    ClusterError,
    FatalError,
    RedisError,
    RedisForbidden,
    RedisUnreachable,
)
from bot.domain.oncall import PageFailed, Target
from bot.render.errors import cluster_remedy, remedy, saying
from bot.slack.api import Identity, Proxy, SlackApi, SlackRefused
from bot.slack.paging import kinds
from bot.storage.database import Database

FAILED, INVALID = 1, 2


class Outcome(Enum):
    """How a check ended; the value is how its line begins."""

    OK = "ok     "
    INFORMATION = "info   "
    UNKNOWN = "unknown"
    FAILED = "FAILED "


@dataclass(frozen=True)
class Line:
    """One check: what was looked at, what was found, and what to do about it."""

    outcome: Outcome
    subject: str
    found: str
    remedy: str = ""

    def __str__(self) -> str:
        line = f"{self.outcome.value} {self.subject}: {self.found}"
        return f"{line} -> {self.remedy}" if self.remedy else line


async def check(
    path: Path,
    environ: Mapping[str, str],
    pagers: Sequence[type[HttpNotifier]] = NOTIFIERS,
) -> int:
    """Try everything and print a line for each check.

    Parameters
    ----------
    path
        The configuration file.
    environ
        Holds the secrets.
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
        failed = failed or line.outcome is Outcome.FAILED
    return FAILED if failed else 0


async def _lines(
    path: Path, settings: config.Settings, secrets: config.Secrets, proxy: Proxy
) -> AsyncIterator[Line]:
    names = ", ".join(settings.environments)
    yield Line(Outcome.OK, "configuration", f"{path} is valid; environments {names}")
    slack = SlackApi(secrets.slack_bot_token.get_secret_value(), secrets.slack_api_url, proxy)
    try:
        async for line in _slack(slack, settings, secrets):
            yield line
        for target in settings.targets:
            yield await _target(target, slack, secrets, proxy)
    finally:
        await slack.aclose()
    yield await _state(secrets)
    owners: dict[str, str] = {}
    for name in settings.environments:
        async for line in _redis(name, settings, secrets, owners):
            yield line
        async for line in _kubernetes(name, settings, secrets):
            yield line


async def _slack(
    slack: SlackApi, settings: config.Settings, secrets: config.Secrets
) -> AsyncIterator[Line]:
    try:
        identity = await slack.identify()
    except FatalError as error:
        yield _failed("Slack bot token", error)
        return
    yield Line(Outcome.OK, "Slack bot token", f"belongs to workspace {identity.team_id}")
    yield _scopes(identity)
    if settings.slack.mode == "socket" and secrets.slack_app_token is not None:
        try:
            await slack.open_connection(secrets.slack_app_token.get_secret_value())
        except FatalError as error:
            yield _failed("Slack app token", error)
        else:
            yield Line(Outcome.OK, "Slack app token", "Slack opens Socket Mode for it")
    else:
        yield Line(
            Outcome.UNKNOWN,
            "Slack signing secret",
            "only a request from Slack can prove it",
        )
    async for line in _channels(slack, settings):
        yield line


def _scopes(identity: Identity) -> Line:
    if identity.missing_scopes is None:
        return Line(Outcome.UNKNOWN, "Slack scopes", "Slack does not say which the token has")
    if identity.missing_scopes:
        return Line(
            Outcome.FAILED,
            "Slack scopes",
            f"{', '.join(sorted(identity.missing_scopes))} missing",
            "add them on the app's page OAuth & Permissions, then install the app again",
        )
    return Line(Outcome.OK, "Slack scopes", "all there")


async def _channels(slack: SlackApi, settings: config.Settings) -> AsyncIterator[Line]:
    wanted = {name: one.channel for name, one in settings.environments.items()}
    try:
        joined = await slack.channels()
    except SlackRefused as error:
        yield Line(
            Outcome.FAILED,
            "Slack channels",
            f"Slack does not list them ({error.code})",
            "give the token the scopes channels:read and groups:read",
        )
        return
    for environment, channel in wanted.items():
        subject = f"channel of {environment}"
        if channel in joined or channel in joined.values():
            yield Line(Outcome.OK, subject, f"the bot is in {channel}")
        else:
            yield Line(
                Outcome.FAILED,
                subject,
                f"there is no channel {channel}, or the bot is not in it",
                f"type /invite and the bot's name there, or correct "
                f"environments.{environment}.channel",
            )


async def _target(target: Target, slack: SlackApi, secrets: config.Secrets, proxy: Proxy) -> Line:
    """Look at the way to an on-call target; whoever is behind it is told nothing."""
    subject = f"on-call target {target.name}"
    if target.usergroup is not None:
        return await _usergroup(subject, target.usergroup, slack)
    url = target.address or ""
    signed = not target.kind.signed or target.name in secrets.oncall_keys
    unsigned = f"; unsigned, {oncall_variable(target.name)} is not set"
    also = "" if signed else unsigned
    host = urlsplit(url).hostname or ""
    if proxy.for_url(url) is not None or "{key}" in host:
        unknown = "a proxy or a key is on the way there, so only a page can prove it"
        return Line(Outcome.UNKNOWN, subject, unknown + also, "`oncall test` sends one")
    try:
        await connect(target.name, url)
    except PageFailed as error:
        return Line(
            Outcome.FAILED,
            subject,
            error.reason,
            f"check that {host} is right and can be reached from here, or set HTTPS_PROXY",
        )
    return Line(
        Outcome.OK if signed else Outcome.INFORMATION,
        subject,
        f"{host} takes connections{also}",
        "" if signed else "set it, and check the signature where pages arrive",
    )


async def _usergroup(subject: str, usergroup: str, slack: SlackApi) -> Line:
    try:
        members = await slack.members(usergroup)
    except SlackRefused as error:
        return Line(
            Outcome.FAILED,
            subject,
            f"Slack does not tell who is in {usergroup} ({error.code})",
            "give the ID (S…) of a user group that exists, and the token the scope usergroups:read",
        )
    if not members:
        return Line(
            Outcome.FAILED,
            subject,
            f"nobody is in user group {usergroup}",
            "add whoever is on call to it",
        )
    return Line(Outcome.OK, subject, f"user group {usergroup} has {len(members)} people in it")


async def _state(secrets: config.Secrets) -> Line:
    try:
        found = await Database.examine(secrets.state_url.get_secret_value())
    except FatalError as error:
        return _failed("state database", error)
    return Line(Outcome.OK, "state database", found)


async def _redis(
    name: str, settings: config.Settings, secrets: config.Secrets, owners: dict[str, str]
) -> AsyncIterator[Line]:
    one, names = settings.environments[name], settings.streams
    password = secrets.redis_passwords.get(name)
    redis = PromptRedis(one.redis.url, password.get_secret_value() if password else None)
    subject = f"Redis of {name}"
    try:
        server = await redis.server()
        yield Line(
            Outcome.OK, subject, f"{redis.address} answers, {server.product} {server.version}"
        )
        owner = owners.setdefault(server.run_id, name)
        if owner != name:
            yield Line(
                Outcome.FAILED,
                subject,
                f"it is the Redis of {owner} (same run_id)",
                f"correct environments.{name}.redis.url",
            )
        streams = [
            (names.stream.format(instrument=each), names.group.format(instrument=each))
            for each in one.instruments
        ]
        async for line in _rights(redis, subject, streams, changes=not one.read_only):
            yield line
    except RedisUnreachable as error:
        yield Line(Outcome.FAILED, subject, f"{error.address} {error.kind.value}", remedy(error))
    except RedisError as error:
        yield Line(Outcome.FAILED, subject, str(error), "add the right to the user's ACL rule")
    finally:
        await redis.aclose()


async def _rights(
    redis: PromptRedis, subject: str, streams: list[tuple[str, str]], *, changes: bool
) -> AsyncIterator[Line]:
    try:
        access = await redis.access(streams, changes=changes)
    except RedisForbidden:
        yield Line(
            Outcome.UNKNOWN, f"{subject}, rights", "the bot's user may not ask (ACL WHOAMI, DRYRUN)"
        )
        return
    if access.open_to_all:
        yield Line(
            Outcome.INFORMATION,
            subject,
            "its user `default` has no password: whoever reaches it may do everything",
        )
    if access.missing:
        yield Line(
            Outcome.FAILED,
            f"{subject}, rights",
            f"user {access.name} may not {', '.join(access.missing)}",
            "add them to the user's ACL rule",
        )
    else:
        yield Line(Outcome.OK, f"{subject}, rights", f"user {access.name} has all it needs")


async def _kubernetes(
    name: str, settings: config.Settings, secrets: config.Secrets
) -> AsyncIterator[Line]:
    """Ask for each right by itself; asking needs none."""
    one = settings.environments[name]
    subject = f"Kubernetes of {name}"
    if one.kubernetes is None:
        yield Line(
            Outcome.INFORMATION, subject, "is not configured: no restart, nothing of the pod"
        )
        return
    place = one.kubernetes.location
    kubernetes = KubernetesCluster(place, kubeconfig=secrets.kubeconfig)
    try:
        missing = [
            f"{each.verb} {each.resource}{f'.{each.group}' if each.group else ''} "
            f"{each.name}".strip()
            + f" in {each.namespace}"
            for each in place.permissions(tuple(one.instruments))
            if not (one.read_only and each.verb == "patch") and not await kubernetes.may(each)
        ]
        if missing:
            yield Line(
                Outcome.FAILED,
                subject,
                f"the bot may not {', '.join(missing)}",
                "add them to its Role there",
            )
            return
        workload = await kubernetes.workload()
        yield Line(
            Outcome.OK,
            subject,
            f"all rights are there; {workload.name} runs {workload.image}, {workload.ready} of "
            f"{workload.replicas} ready",
        )
    except ClusterError as error:
        yield Line(Outcome.FAILED, subject, saying(error), cluster_remedy(error))
    finally:
        await kubernetes.aclose()


def _failed(subject: str, error: FatalError) -> Line:
    found, _, remedy = str(error).partition(". ")
    return Line(Outcome.FAILED, subject, found, remedy)
