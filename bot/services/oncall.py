"""Who is on call for an environment: who is told of what, in which words, and what came of it."""

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from bot.domain.alarms import Incident, tells_again
from bot.domain.approvals import AuditLine, Request, Vote
from bot.domain.environments import Environment, Person
from bot.domain.errors import CannotLookUp, UserError
from bot.domain.night import is_night
from bot.domain.notices import Notice, Queued, Said
from bot.domain.oncall import (
    On,
    Page,
    PageEvent,
    PageFailed,
    Receipt,
    Target,
    Told,
    key_of,
)
from bot.domain.paging import Reach
from bot.domain.rules import Severity
from bot.metrics import Metrics
from bot.services.rights import Groups
from bot.storage.outbox import Outbox

PageWords = tuple[str, Sequence[tuple[str, str]]]
"""One plain line that says what is wrong and how bad, and label and text of what else helps."""

_TOGETHER = timedelta(seconds=2)
"""So long the first target that took a page waits for the others, to be said with them."""

_ENDS_AFTER = 2
"""Failed tries before the one after which it is said that a target does not hear of an end."""

_LONGEST = 500
"""Characters of a call that the audit keeps."""

_NOBODY = (
    "Nobody would be told: {} has no on-call target for this hour. Whoever deploys the bot names "
    "them in `oncall.targets`."
)


class Receipts:
    """Keeps what came of telling each target, and has people hear of it.

    Attributes
    ----------
    last
        The last that this process knows of telling each target, by its name.
    """

    def __init__(self, outbox: Outbox, metrics: Metrics) -> None:
        self._outbox = outbox
        self._metrics = metrics
        self.last: dict[str, Receipt] = {}

    async def taken(self, queued: Queued[Page], now: datetime) -> None:
        """Note that a target has taken a page; whom it has reached is said."""
        page = queued.content
        self._note(page, Receipt(now, Told.SENT))
        notices = [_about(Said.ONCALL, page, due=now + _TOGETHER)] if _wakes(page) else []
        await self._outbox.sent(queued, now, *notices)

    async def failed(
        self, queued: Queued[Page], failure: PageFailed, now: datetime, again: datetime | None
    ) -> None:
        """Note that a target was not told; this is said after the first try, and the last.

        That of an end nobody waits for is said after the third.

        Parameters
        ----------
        again
            When it is tried again; None where it is not.
        """
        page, why = queued.content, failure.reason
        self._note(page, Receipt(now, Told.FAILED if again else Told.GIVEN_UP, why))
        first = 0 if _wakes(page) else _ENDS_AFTER
        said = page.step is not PageEvent.ACKNOWLEDGE and (
            queued.attempts == first or again is None
        )
        notices = [_about(Said.TARGET_FAILED, page)] if said else []
        if again is None:
            await self._outbox.give_up(queued, now, why, *notices)
        else:
            await self._outbox.failed(
                queued, now, *notices, not_before=again, why=why, perhaps=failure.perhaps
            )

    def _note(self, page: Page, receipt: Receipt) -> None:
        self.last[page.target] = receipt
        self._metrics.notified(page.target, receipt.outcome.value)


def _wakes(page: Page) -> bool:
    return page.step is PageEvent.TRIGGER


def _about(said: Said, page: Page, *, due: datetime | None = None) -> Notice:
    """Write down what a page is about; whom it reached is looked up when it is said."""
    values = {
        "about": page.key,
        "summary": "" if page.incident else page.summary,
        # What is critical goes first.
        "severity": page.severity.value,
    }
    return Notice(said, page.environment, page.incident or None, values, due=due)


class Oncall:
    """Knows an environment's targets, writes their pages, and calls for them.

    Parameters
    ----------
    targets
        All that are configured; those of other environments are left out.
    words
        Puts an incident of an environment into words.

    Attributes
    ----------
    targets
        Those of this environment, told at whatever hour.
    """

    def __init__(
        self,
        environment: Environment,
        targets: Sequence[Target],
        *,
        words: Callable[[Incident, Environment], PageWords],
        groups: Groups,
        receipts: Receipts,
        outbox: Outbox,
    ) -> None:
        self._environment = environment
        self._words = words
        self._groups = groups
        self._receipts = receipts
        self._outbox = outbox
        self._page = partial(Page, environment=environment.name, label=environment.label)
        self.targets = tuple(each for each in targets if each.is_for(environment.name))

    @property
    def receipts(self) -> Mapping[str, Receipt]:
        """The last that this process knows of telling each target, by its name."""
        return self._receipts.last

    def hearing(self, now: datetime) -> list[Target]:
        """Give the targets that are told at this hour."""
        night = is_night(self._environment.site, now)
        return [each for each in self.targets if each.hears(self._environment.name, night=night)]

    def required(self, now: datetime) -> list[Target]:
        """Give the targets that are told at this hour.

        Raises
        ------
        UserError
            If there is none.
        """
        found = self.hearing(now)
        if not found:
            raise UserError(_NOBODY.format(self._environment.label))
        return found

    def wanted(
        self, incident: Incident, now: datetime, *, escalated: bool, worse: bool = False
    ) -> list[Page]:
        """Write the pages for everybody who should know of an incident that fires, and does not.

        Parameters
        ----------
        escalated
            Whether nobody came in time.
        worse
            Whether it has just become critical, for the first time.
        """
        night = is_night(self._environment.site, now)
        critical = incident.severity is Severity.CRITICAL
        at_once = escalated or (night and critical and incident.at_once)
        names = [
            each.name
            for each in self.hearing(now)
            if (at_once or each.on is On.FIRE)
            and (
                each.name not in incident.told
                or tells_again(incident, each.name, now, worse=worse, escalated=escalated)
            )
        ]
        return self.about(incident, names, PageEvent.TRIGGER, now)

    def about(
        self,
        incident: Incident,
        names: Collection[str],
        step: PageEvent,
        now: datetime,
        *,
        due: datetime | None = None,
    ) -> list[Page]:
        """Write the pages about an incident, for targets by name.

        Parameters
        ----------
        due
            When to send them; None for at once.
        """
        summary, details = self._words(incident, self._environment)
        page = self._page(
            step=step,
            key=key_of(incident),
            severity=incident.severity,
            summary=summary,
            at=now,
            instrument=incident.instrument,
            rule=incident.leading,
            details=tuple(details),
            incident=incident.id,
            due=due,
        )
        return self._addressed(page, [each for each in self.targets if each.name in names])

    def again(self, page: Page, incident: Incident, now: datetime) -> Page:
        """Write a page anew, from its alarm as it is now."""
        [new] = self.about(incident, [page.target], page.step, now) or [page]
        return replace(new, target=page.target)

    async def reach(self, *incidents: Incident) -> Mapping[int, Reach]:
        """Tell whom the pages about incidents have reached, by their numbers."""
        keys = {each.id: key_of(each) for each in incidents}
        found: defaultdict[str, list[Queued[Page]]] = defaultdict(list)
        for queued in await self._outbox.about(*keys.values()):
            found[queued.content.key].append(queued)
        return {number: Reach.of(found[key]) for number, key in keys.items()}

    async def reached(self, key: str) -> Reach:
        """Tell whom the pages with a key have reached."""
        return Reach.of(await self._outbox.about(key))

    async def alone(self, request: Request, vote: Vote) -> list[Page]:
        """Write the pages about a vote that breaks the glass.

        Whoever decides alone must not be the only one who hears of it: a user group in which
        nobody else is would be told nothing new.
        """
        told = []
        for target in self.hearing(vote.at):
            if target.usergroup is not None:
                with suppress(CannotLookUp):
                    if await self._groups.members(target.usergroup) == {vote.person.id}:
                        continue
            told.append(target)
        label, name = self._environment.label, vote.person.name
        page = self._page(
            step=PageEvent.TRIGGER,
            key=f"prompt-redis-bot:{self._environment.name}:alone:{request.id}",
            severity=Severity.CRITICAL,
            summary=f"{label}: {name} went on alone with request {request.id}: "
            f"{request.plan.headline}",
            at=vote.at,
            details=(("Asked by", request.requester.name), ("Why alone", vote.reason)),
        )
        return self._addressed(page, told)

    async def call(self, text: str, person: Person, now: datetime) -> Sequence[Target]:
        """Tell everybody who is told at this hour what somebody typed.

        Raises
        ------
        UserError
            If nobody would be told.
        """
        targets = self.required(now)
        page = self._page(
            step=PageEvent.TRIGGER,
            key=self._key("page", now),
            severity=Severity.CRITICAL,
            summary=f"{self._environment.label}: {person.name} calls for help: {text}",
            at=now,
        )
        line = self._line(f"oncall page {text}"[:_LONGEST], person, now)
        await self._outbox.add(now, *self._addressed(page, targets), line=line)
        return targets

    async def test(self, person: Person, now: datetime) -> Sequence[Target]:
        """Prove that the way to every target works; says that it is a test.

        Each begins an alarm of its own, and whoever is on call ends it: a test that ended by
        itself might have reached nobody.

        Raises
        ------
        UserError
            If there is no target.
        """
        if not self.targets:
            raise UserError(_NOBODY.format(self._environment.label))
        page = self._page(
            step=PageEvent.TRIGGER,
            key=self._key("test", now),
            severity=Severity.WARNING,
            summary=f"{self._environment.label}: a test by {person.name}, nothing is wrong",
            at=now,
            details=(("What to do", "Nothing but close it. It proves that you can be reached."),),
        )
        line = self._line("oncall test", person, now)
        await self._outbox.add(now, *self._addressed(page, self.targets), line=line)
        return self.targets

    def _line(self, action: str, person: Person, now: datetime) -> AuditLine:
        return AuditLine(now, self._environment.name, action, person, "done")

    def _addressed(self, page: Page, targets: Sequence[Target]) -> list[Page]:
        """Address a page to each target of a kind that is told of such."""
        # Phones and pagers show one line.
        summary = " ".join(page.summary.split())
        return [
            replace(page, target=each.name, summary=summary)
            for each in targets
            if page.step in each.kind.events
        ]

    def _key(self, what: str, now: datetime) -> str:
        at = now.astimezone(UTC)
        return f"prompt-redis-bot:{self._environment.name}:{what}:{at:%Y%m%dT%H%M%S.%fZ}"
