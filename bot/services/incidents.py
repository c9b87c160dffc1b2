"""Turns findings into incidents: opened once, kept up to date, escalated, resolved, and told.

Each step is one compare-and-set in the database, together with its message, its thread's notices
and its pages. What could not be written is found again at the next look, so nothing is lost and
nothing is told twice.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog

from bot.domain.alarms import (
    Holding,
    Hours,
    Incident,
    Silence,
    Skipped,
    Step,
    Transition,
    advanced,
    escalates,
    holding,
    opened,
    owner_is_due,
    resolved,
    seen,
    with_skipped,
)
from bot.domain.environments import Environment
from bot.domain.night import is_night
from bot.domain.notices import Notice, Said
from bot.domain.oncall import Page, PageEvent
from bot.domain.rules import Finding
from bot.domain.samples import Figures
from bot.services.oncall import Oncall
from bot.storage.alarms import AlreadyOpen, Incidents

_log = structlog.get_logger()

Subject = tuple[str, str]
"""The rule that names an incident, and its instrument: at most one is firing for each."""


@dataclass(frozen=True)
class Clocks:
    """After which times somebody is told or asked.

    Parameters
    ----------
    escalate
        Critical and without owner for so long: on-call is told.
    still_on_it
        Owned for so long: the owner is asked.
    """

    escalate: timedelta
    still_on_it: timedelta


@dataclass(frozen=True)
class Holds:
    """What keeps incidents out of the channel at this moment."""

    silences: Sequence[Silence]
    windows: Sequence[Hours]
    restarts: Sequence[Hours] = ()


class Keeper:
    """Keeps one environment's incidents.

    Parameters
    ----------
    environment
        Whose.
    incidents
        Where they are kept.
    oncall
        Knows who is told, and of what.
    clocks
        After which times somebody is told or asked.
    writer
        Name of this process.
    changed
        Is called after every step, so that messages, notices and pages follow at once.
    """

    def __init__(
        self,
        environment: Environment,
        incidents: Incidents,
        oncall: Oncall,
        *,
        clocks: Clocks,
        writer: str,
        changed: Callable[[], None],
    ) -> None:
        self._environment = environment
        self._incidents = incidents
        self._oncall = oncall
        self._clocks = clocks
        self._writer = writer
        self._changed = changed
        # Peaks between two writings; what was written is in the database alone.
        self._peaks: dict[int, Incident] = {}

    async def firing(self) -> dict[Subject, Incident]:
        """Give the incidents that are not resolved, with their peaks."""
        found = await self._incidents.firing(self._environment.name)
        known, self._peaks = self._peaks, {}
        for each in found:
            if each.id in known:
                self._peaks[each.id] = known[each.id]
        return {(each.name, each.instrument): self._with_peaks(each) for each in found}

    async def look(
        self,
        subject: Subject,
        incident: Incident | None,
        findings: Mapping[str, Finding],
        figures: Figures,
        holds: Holds,
        *,
        skipped: Sequence[Skipped] = (),
    ) -> None:
        """Bring one incident to what was found now.

        Raises
        ------
        StateError
            If the database does not take it; the next look finds the same again.
        """
        if incident is None:
            if findings:
                await self._open(subject, findings, figures, holds)
            return
        incident = with_skipped(seen(incident, figures), skipped)
        self._peaks[incident.id] = incident
        if not findings:
            await self._write(incident, resolved(incident, figures.at), figures.at)
            return
        held = self._held(replace(incident, findings=findings), holds, figures.at)
        await self._write(incident, advanced(incident, findings, held), figures.at)

    async def _open(
        self, subject: Subject, findings: Mapping[str, Finding], figures: Figures, holds: Holds
    ) -> None:
        name, instrument = subject
        incident = opened(self._environment.name, name, instrument, findings, figures)
        held = self._held(incident, holds, figures.at)
        incident = replace(incident, held=held, was_held=held is not None)
        try:
            made = await self._incidents.open(incident, shown=held is None, writer=self._writer)
        except AlreadyOpen:
            return
        _log.warning(
            "an alarm fires",
            alarm=made.id,
            rules=[*findings],
            instrument=instrument,
            held=held.value if held else None,
        )
        self._changed()
        # Whoever must hear of it at once hears of it by number and link.
        await self._write(made, Step(made), figures.at)

    async def _write(self, before: Incident, step: Step, now: datetime) -> None:
        """Keep a step, with what must be said of it and who must be told."""
        after, transitions = step.incident, list(step.transitions)
        pages = self._pages(after, now)
        if pages:
            after = after.told_to([each.target for each in pages], now)
            transitions.append(Transition.ESCALATED)
        if after.resolved is not None and after.told:
            # Held or not: whoever was told of it still takes it for open.
            pages = self._oncall.about(after, sorted(after.told), PageEvent.RESOLVE, now)
        ended_while_held = after.resolved is not None and after.held is not None
        # One that was shown before it was held has a thread, and the thread its end.
        if ended_while_held and await self._incidents.was_shown(after.id):
            transitions.append(Transition.RESOLVED)
        shown = after.held is None and after.resolved is None
        if shown and owner_is_due(after, self._clocks.still_on_it, now):
            after = after.asked_again(now)
            transitions.append(Transition.ASKED)
        if after.version == before.version:
            return
        # Several things at one look are one step: the version counts writings.
        after = replace(after, version=before.version + 1)
        notices = [self._notice(after, transition) for transition in transitions]
        redraw = step.redraw or bool(pages) or Transition.ASKED in transitions
        done = await self._incidents.replace(
            before, after, notices=notices, pages=pages, redraw=redraw, writer=self._writer
        )
        if not done:
            # Somebody has just owned or silenced it; the next look goes on from there.
            return
        if after.resolved is not None:
            self._peaks.pop(after.id, None)
            _log.info("an alarm is resolved", alarm=after.id)
        self._changed()

    def _held(self, incident: Incident, holds: Holds, now: datetime) -> Holding | None:
        return holding(incident, holds.silences, holds.windows, now, restarts=holds.restarts)

    def _pages(self, incident: Incident, now: datetime) -> list[Page]:
        if incident.held is not None or incident.resolved is not None:
            return []
        night = is_night(self._environment.site, now)
        escalated = escalates(incident, self._clocks.escalate, now)
        wanted = self._oncall.wanted(incident, night=night, escalated=escalated)
        new = [each.name for each in wanted if each.name not in incident.told]
        return self._oncall.about(incident, new, PageEvent.TRIGGER, now)

    def _notice(self, incident: Incident, transition: Transition) -> Notice:
        said = Said.ASKED if transition is Transition.ASKED else Said.TRANSITION
        return Notice(
            said, incident.environment, incident.id, transition_values(incident, transition)
        )

    def _with_peaks(self, incident: Incident) -> Incident:
        known = self._peaks.get(incident.id)
        if known is None:
            return incident
        return replace(
            incident,
            highest_waiting=max(known.highest_waiting, incident.highest_waiting),
            highest_visits=max(known.highest_visits, incident.highest_visits),
            highest_capped=known.highest_capped or incident.highest_capped,
            highest_wait=known.highest_wait or incident.highest_wait,
            skipped=known.skipped or incident.skipped,
        )


def transition_values(incident: Incident, transition: Transition) -> dict[str, str]:
    """Write down what a thread is told as it was then; the incident itself goes on."""
    return {
        "turn": transition.value,
        "severity": incident.severity.value,
        "leading": incident.leading,
        "at": incident.figures.at.isoformat(),
        "owner": incident.owner.name if incident.owner else "",
        "held": incident.held.value if incident.held else "",
        "told": " ".join(sorted(incident.told)),
    }


Windows = Callable[[datetime], Awaitable[Sequence[Hours]]]
"""Gives the hours during which an environment's alarms are held."""
