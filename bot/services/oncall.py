"""Who is on call for an environment: who is told of what, in which words, and what came of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

from bot.domain.alarms import Incident
from bot.domain.environments import Environment, Person
from bot.domain.oncall import (
    Page,
    PageEvent,
    Receipt,
    Target,
    key_of,
    targets_for,
)
from bot.domain.rules import Severity

Words = tuple[str, Sequence[tuple[str, str]]]
"""One plain line that says what is wrong and how bad, and label and text of what else helps."""


class Oncall:
    """Knows an environment's targets, and writes their pages.

    Parameters
    ----------
    environment
        Whose alarms they are told.
    targets
        All that are configured; those of other environments are left out.
    words
        Puts an incident into words.
    receipts
        The last that is known of telling each target, by name; whoever sends keeps it up to date.

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
        words: Callable[[Incident], Words],
        receipts: Mapping[str, Receipt],
    ) -> None:
        self._environment = environment
        self._words = words
        self.receipts = receipts
        self.targets: tuple[Target, ...] = tuple(
            each for each in targets if each.is_for(environment.name)
        )

    def wanted(self, incident: Incident, *, night: bool, escalated: bool) -> list[Target]:
        """Choose who should know of an incident that fires, and was not told yet."""
        return targets_for(
            self.targets,
            incident.environment,
            incident.findings,
            night=night,
            escalated=escalated,
            told=incident.told,
        )

    def about(
        self, incident: Incident, names: Collection[str], step: PageEvent, now: datetime
    ) -> list[Page]:
        """Write the pages about an incident, for targets by name."""
        targets = [each for each in self.targets if each.name in names]
        summary, details = self._words(incident)
        return self.pages(
            targets,
            step=step,
            key=key_of(incident),
            severity=incident.severity,
            summary=summary,
            at=now,
            instrument=incident.instrument,
            rule=incident.leading,
            details=details,
            incident=incident.id,
        )

    def by_hand(
        self, targets: Sequence[Target], text: str, person: Person, now: datetime
    ) -> list[Page]:
        """Write the pages with which somebody calls for the on-call."""
        return self.pages(
            targets,
            step=PageEvent.TRIGGER,
            key=self._key("page", now),
            severity=Severity.CRITICAL,
            summary=f"{self._environment.label}: {person.name} calls for help: {text}",
            at=now,
        )

    def tests(self, targets: Sequence[Target], person: Person, now: datetime) -> list[Page]:
        """Write pages that say that they are a test.

        Each begins an alarm of its own, and whoever is on call ends it: a test that ended by
        itself might have reached nobody.
        """
        return self.pages(
            targets,
            step=PageEvent.TRIGGER,
            key=self._key("test", now),
            severity=Severity.WARNING,
            summary=f"{self._environment.label}: a test by {person.name}, nothing is wrong",
            at=now,
            details=[("What to do", "Nothing but close it. It proves that you can be reached.")],
        )

    def pages(
        self,
        targets: Sequence[Target],
        *,
        step: PageEvent,
        key: str,
        severity: Severity,
        summary: str,
        at: datetime,
        instrument: str = "",
        rule: str | None = None,
        details: Sequence[tuple[str, str]] = (),
        link: str = "",
        incident: int = 0,
    ) -> list[Page]:
        """Write one page for each target; the parameters are those of `Page`.

        The end of an alarm is not for every kind: in Slack everybody sees it without a mention.
        """
        return [
            Page(
                target=each.name,
                step=step,
                key=key,
                environment=self._environment.name,
                label=self._environment.label,
                instrument=instrument,
                rule=rule,
                severity=severity,
                # Phones and pagers show one line.
                summary=" ".join(summary.split()),
                details=tuple(details),
                link=link,
                at=at,
                incident=incident,
            )
            for each in targets
            if step is PageEvent.TRIGGER or each.kind.ends
        ]

    def _key(self, what: str, now: datetime) -> str:
        at = now.astimezone(UTC)
        return f"prompt-redis-bot:{self._environment.name}:{what}:{at:%Y%m%dT%H%M%S.%fZ}"
