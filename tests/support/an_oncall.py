"""Who is on call, for tests that enter below the front door."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from bot.clients.pagers import PagerDuty, Webhook
from bot.domain.alarms import Incident
from bot.domain.environments import Environment, People, Person
from bot.domain.errors import CannotLookUp
from bot.domain.oncall import On, Page, PageEvent, Target, When
from bot.domain.rules import Severity
from bot.metrics import Metrics
from bot.services.oncall import Oncall, PageWords, Receipts
from bot.slack.paging import Mention
from bot.storage.database import Database
from bot.storage.outbox import Outbox

TARGETS = (
    Target("group", Mention.kind, usergroup="S0ONCALL"),
    Target("duty", PagerDuty.kind, on=On.FIRE),
    Target("nightly", Webhook.kind, when=When.OBSERVING),
)

A_PAGE = Page(
    target="duty",
    step=PageEvent.TRIGGER,
    key="prompt-redis-bot:prod:31:20261124T052958Z",
    environment="prod",
    label="PROD",
    instrument="lsstcam",
    rule="expiring",
    severity=Severity.CRITICAL,
    summary="PROD lsstcam: 49 visits waiting, first one is skipped at 06:26 UTC",
    details=(("Waiting", "8,428 entries = 49 visits"), ("Read", "0.0 “entries”/s")),
    link="https://example.slack.com/archives/C0PROD0001/p1",
    at=datetime(2026, 11, 24, 5, 56, 58, tzinfo=UTC),
    incident=31,
)


@dataclass
class Lists:
    """User groups and their members; of another one nobody tells."""

    groups: dict[str, set[str]] = field(default_factory=dict)

    async def members(self, usergroup: str) -> frozenset[str]:
        if usergroup not in self.groups:
            raise CannotLookUp("no_such_subteam")
        return frozenset(self.groups[usergroup])

    async def names(self, _: People) -> str:
        return "some people"

    async def zone(self, _: Person) -> None:
        return None


def words(incident: Incident, environment: Environment) -> PageWords:
    """Put an incident into a few words."""
    return f"{environment.label}: alarm\n {incident.id}", [("Waiting", "1 entry")]


def an_oncall(
    environment: Environment,
    database: Database,
    targets: Sequence[Target] = TARGETS,
    *,
    groups: Lists | None = None,
) -> Oncall:
    """Build who is on call for an environment."""
    outbox = Outbox(database)
    return Oncall(
        environment,
        targets,
        words=words,
        groups=groups or Lists(),
        receipts=Receipts(outbox, Metrics()),
        outbox=outbox,
    )
