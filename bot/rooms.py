"""Builds each environment's services from the configuration: the last place that reads it."""

from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from bot import config
from bot.clients.kubernetes import Kubernetes
from bot.clients.kubernetes import Site as KubernetesSite
from bot.clients.prompt_redis import PromptRedis
from bot.clients.redis_changes import RedisChanges
from bot.domain.alarms import Severity
from bot.domain.approvals import Policy, Request, Vote
from bot.domain.environments import Environment
from bot.domain.errors import CannotLookUp
from bot.domain.night import Site, is_night
from bot.domain.oncall import Kind, Page, Step
from bot.domain.people import Access, People
from bot.metrics import Metrics
from bot.services.approvals import Approvals, Approved
from bot.services.changes import Changes
from bot.services.environments import Services
from bot.services.history import History
from bot.services.ledger import Ledger
from bot.services.oncall import Oncall
from bot.services.positions import LastSeen
from bot.services.restarts import Restarts
from bot.services.rights import Rights
from bot.services.streams import Streams
from bot.services.watch import Held, Watch
from bot.services.workloads import Cluster, Workloads
from bot.slack.people import Directory
from bot.storage.alarms import Incidents
from bot.storage.approvals import Requests
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.positions import Positions
from bot.storage.samples import Samples
from bot.storage.silences import Silences
from bot.watching import Surroundings, alarms, maintenance, nights, oncall, watch


def environments(settings: config.Settings) -> list[Environment]:
    """Take over from the configuration what the domain needs to know."""
    observing = settings.observing
    site = Site(observing.latitude, observing.longitude, observing.elevation, observing.twilight)
    built = []
    for name, one in settings.environments.items():
        alarms = settings.alarms_for(name)
        approval = one.approval
        built.append(
            Environment(
                name=name,
                instruments=tuple(one.instruments),
                site=site,
                stream_template=settings.streams.stream,
                group_template=settings.streams.group,
                expiration=one.expiration,
                stalled_after=alarms.rules.stalled.warning,
                consumer_idle=settings.prune.idle,
                links={key: url for key, url in alarms.links if url is not None},
                access=_access(one.access),
                policy=Policy(
                    approval.approvals,
                    approval.self_approval,
                    approval.expires,
                    approval.break_glass,
                ),
                protect_observing=one.protect_observing,
                read_only=one.read_only,
                keep_cleared=settings.streams.keep_cleared,
            )
        )
    return built


@dataclass(frozen=True)
class Shared:
    """What the rooms of one process share.

    Parameters
    ----------
    settings, secrets
        The configuration.
    database, seen
        The durable state, and where groups were seen last.
    directory
        Knows who is in a group.
    metrics
        Counts.
    holder
        Name of this process.
    carry_out
        Starts what was approved.
    changed
        Is called after every step of a request.
    clusters
        What runs the Redis of an environment, by its name, where that is not Kubernetes.
    clock
        Gives the time in UTC.
    """

    settings: config.Settings
    secrets: config.Secrets
    database: Database
    seen: LastSeen
    directory: Directory
    metrics: Metrics
    holder: str
    carry_out: Callable[[Approved], None]
    changed: Callable[[], None]
    clusters: Mapping[str, Cluster]
    clock: Callable[[], datetime]


def room(
    environment: Environment, shared: Shared, around: Surroundings, stack: AsyncExitStack
) -> tuple[Services, Watch]:
    """Build one environment's services and its watch; the stack closes its connections."""
    url = shared.settings.environments[environment.name].redis.url
    secret = shared.secrets.redis_passwords.get(environment.name)
    password = secret.get_secret_value() if secret else None
    reads, writes = PromptRedis(url, password), RedisChanges(url, password)
    stack.push_async_callback(reads.aclose)
    rights = Rights(environment, members=shared.directory.members, names=shared.directory.names)

    streams = Streams(
        environment,
        reads,
        clock=shared.clock,
        looked=shared.metrics.looked,
        seen=shared.seen.looked,
    )
    who = oncall(environment, around)
    work = maintenance(environment, shared.directory.zone, around)
    workloads = Workloads(environment, _cluster(environment, shared, stack), clock=shared.clock)

    def ended(request: Request) -> None:
        shared.metrics.request(request.command, request.state.value)
        if request.plan.outage:
            work.ended.set()

    approvals = Approvals(
        environment,
        Requests(shared.database),
        rights,
        executor=shared.holder,
        carry_out=shared.carry_out,
        changed=shared.changed,
        ended=ended,
        told_alone=partial(_told_alone, who, environment, shared.directory),
    )
    built = Services(
        environment=environment,
        streams=streams,
        changes=Changes(environment, reads, writes, Positions(shared.database)),
        approvals=approvals,
        ledger=Ledger(environment, Audit(shared.database)),
        history=History(
            environment,
            samples=Samples(shared.database),
            incidents=Incidents(shared.database),
            silences=Silences(shared.database),
            clock=shared.clock,
        ),
        alarms=alarms(environment, who, around),
        nights=nights(environment, streams, around),
        maintenance=work,
        workloads=workloads,
        restarts=Restarts(
            environment, workloads, reads, streams, Positions(shared.database), clock=shared.clock
        ),
        addresses=around.addresses,
        rights=rights,
    )
    return built, watch(
        environment,
        streams,
        reads,
        who=who,
        holds=Held(work.hours, approvals.outages),
        memory_limit=lambda: workloads.memory_limit,
        around=around,
    )


def _cluster(environment: Environment, shared: Shared, stack: AsyncExitStack) -> Cluster | None:
    """Build the way to what runs an environment's Redis; None where none is configured."""
    given = shared.clusters.get(environment.name)
    place = shared.settings.environments[environment.name].kubernetes
    if given is not None or place is None:
        return given
    kubernetes = Kubernetes(site(place), kubeconfig=shared.secrets.kubeconfig)
    stack.push_async_callback(kubernetes.aclose)
    return kubernetes


def site(place: config.settings.Kubernetes) -> KubernetesSite:
    """Take over where a Redis runs."""
    argocd = place.argocd
    return KubernetesSite(
        namespace=place.namespace,
        statefulset=place.statefulset,
        context=place.context,
        argocd=(argocd.namespace, argocd.application) if argocd else None,
        jobs=place.jobs,
    )


async def _told_alone(
    who: Oncall, environment: Environment, directory: Directory, request: Request, vote: Vote
) -> list[Page]:
    """Page the on-call about a vote that breaks the glass, unless that is the voter alone."""
    night = is_night(environment.site, vote.at)
    told = []
    for target in who.targets:
        if not target.hears(environment.name, night=night):
            continue
        if target.kind is Kind.SLACK:
            with suppress(CannotLookUp):
                if await directory.members(target.usergroup) == {vote.person.id}:
                    continue
        told.append(target)
    return who.pages(
        told,
        step=Step.TRIGGER,
        key=f"prompt-redis-bot:{environment.name}:alone:{request.id}",
        severity=Severity.CRITICAL,
        summary=f"{environment.label}: {vote.person.name} went on alone with request {request.id}: "
        f"{request.plan.headline}",
        at=vote.at,
        details=[("Asked by", request.requester.name), ("Why alone", vote.reason)],
    )


def _access(access: config.settings.Access | None) -> Access:
    if access is None:
        return Access()
    return Access(_people(access.operators), _people(access.approvers))


def _people(people: config.settings.People | None) -> People | None:
    return None if people is None else People(tuple(people.usergroups), tuple(people.users))
