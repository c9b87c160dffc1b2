"""One environment's alarms: what becomes of what the watch finds, and what people do about them.

Each step of an incident is one compare-and-set in the database, together with its message, its
thread's notices and its pages. What the watch could not write it finds again at its next look, so
nothing is lost and nothing is told twice.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from bot.domain.alarms import (
    Advance,
    Holds,
    Incident,
    Silence,
    Skipped,
    Transition,
    advanced,
    calls_owner,
    escalates,
    is_told,
    opened,
    owner_is_due,
    relapsed,
    resolved,
    seen,
    with_skipped,
)
from bot.domain.approvals import AuditLine
from bot.domain.environments import BOT, Environment, Person
from bot.domain.errors import Refused, UserError
from bot.domain.notices import Notice, Said
from bot.domain.oncall import Page, PageEvent, Target
from bot.domain.rules import Finding, Severity, Thresholds
from bot.domain.samples import Figures
from bot.services.oncall import Oncall
from bot.storage.alarms import AlreadyOpen, Incidents, Silences
from bot.storage.posts import Posts
from bot.storage.steps import Effects

_log = structlog.get_logger()

About = tuple[str, str]
"""The rule that names an incident, and its instrument: at most one is firing for each."""

_MENTIONS = {Transition.ASKED, Transition.CALLED}
"""Steps by which the owner is mentioned."""

_TRIES = 5
"""Compare-and-sets in a row that others may win."""


class Alarms:
    """One environment's alarms.

    Parameters
    ----------
    escalate
        On-call is told of a critical one that nobody has owned for so long.
    still_on_it
        After so long its owner is asked.
    relapse
        What fires again within so long of its end is the same incident.
    look
        Has everything looked at when set: somebody ended a silence.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        incidents: Incidents,
        silences: Silences,
        oncall: Oncall,
        posts: Posts,
        thresholds: Thresholds,
        escalate: timedelta,
        still_on_it: timedelta,
        relapse: timedelta,
        look: asyncio.Event,
    ) -> None:
        self._environment = environment
        self._incidents = incidents
        self._silences = silences
        self._oncall = oncall
        self._posts = posts
        self.thresholds = thresholds
        self.escalate_after = escalate
        self._still_on_it = still_on_it
        self._relapse = relapse
        self._look = look
        # Peaks between two writings; what was written is in the database alone.
        self._peaks: dict[int, Incident] = {}

    # What people do.

    async def firing(self) -> list[Incident]:
        """Give the alarms that are not resolved, worst and oldest first."""
        found = await self._incidents.firing(self._environment.name)
        return sorted(found, key=lambda each: (each.severity is not Severity.CRITICAL, each.opened))

    async def history(self, limit: int) -> list[Incident]:
        """Give the last alarms, newest first."""
        return await self._incidents.latest(self._environment.name, limit)

    async def between(self, since: datetime, until: datetime) -> list[Incident]:
        """Give the alarms that fired at any moment of a time, held or not, oldest first."""
        return await self._incidents.between(self._environment.name, since, until)

    async def silences_between(self, since: datetime, until: datetime) -> list[Silence]:
        """Give the silences that held something at any moment of a time."""
        return await self._silences.between(self._environment.name, since, until)

    async def find(self, number: int) -> Incident:
        """Give one alarm.

        Raises
        ------
        UserError
            If there is none of that number here.
        """
        found = await self._incidents.find(number)
        if found is None or found.environment != self._environment.name:
            raise UserError(
                f"{self._environment.label} has no alarm {number}. `alarms` lists those that fire.",
                suggestion="alarms",
            )
        return found

    async def own(self, number: int, person: Person, now: datetime) -> Incident:
        """Let somebody be on it.

        Raises
        ------
        UserError
            If it is resolved, or there is none.
        """
        return await self._step(
            number,
            lambda incident: incident.owned_by(person, now),
            Transition.OWNED,
            person=person,
            now=now,
        )

    async def escalate(
        self, number: int, person: Person, now: datetime
    ) -> tuple[Incident, Sequence[Target]]:
        """Tell everybody who hears this environment at this hour, now.

        Raises
        ------
        UserError
            If it is resolved or ending, there is none, or nobody would be told.
        """
        targets = self._oncall.required(now)
        names = [each.name for each in targets]
        incident = await self._step(
            number,
            lambda incident: incident.told_to(names, now),
            Transition.ESCALATED,
            person=person,
            now=now,
            page=names,
        )
        return incident, targets

    async def silences(self, now: datetime) -> list[Silence]:
        """Give the silences that hold something at this moment."""
        return await self._silences.active(self._environment.name, now)

    async def preview(self, silence: Silence) -> list[Incident]:
        """Give the firing alarms that a silence would hold."""
        return [each for each in await self.firing() if silence.matches(each) and not each.pierces]

    async def silence(self, draft: Silence) -> Silence:
        """Begin a silence; the watch holds what it matches at its next look."""
        what = draft.instrument or draft.rule or str(draft.incident)
        now = draft.starts
        line = self._line(f"silence {what}", draft.by, now, draft.reason)
        return await self._silences.create(draft, lambda _: Effects(line=line), now=now)

    async def unsilence(self, number: int, person: Person, now: datetime) -> Silence:
        """End a silence early.

        Raises
        ------
        UserError
            If there is none, or it has ended.
        """
        found = await self._silences.find(number)
        if found is None or found.environment != self._environment.name:
            raise UserError(f"{self._environment.label} has no silence {number}.")
        if not found.active(now) or not await self._lift(found, person, now):
            raise UserError(f"Silence {number} has ended already.")
        self._look.set()
        return found.lifted_at(now)

    async def _lift(self, silence: Silence, person: Person, now: datetime, why: str = "") -> bool:
        effects = Effects(line=self._line(f"unsilence {silence.id}", person, now, why))
        return await self._silences.replace(silence, silence.lifted_at(now), effects, now=now)

    async def links(self, incidents: Sequence[Incident]) -> Mapping[int, str]:
        """Give the address of each alarm's message, where it has one."""
        found = {each.id: await self._posts.address(each.id) for each in incidents}
        return {number: address for number, address in found.items() if address}

    async def unseen(self, incidents: Sequence[Incident]) -> Mapping[int, str]:
        """Say why the channel does not show an alarm as it is, for each that it refuses."""
        found = {each.id: await self._posts.find(each.id) for each in incidents}
        return {each: post.reason for each, post in found.items() if post and post.refused}

    async def _step(
        self,
        number: int,
        change: Callable[[Incident], Incident],
        transition: Transition,
        *,
        person: Person,
        now: datetime,
        page: Sequence[str] = (),
    ) -> Incident:
        action = f"{'own' if transition is Transition.OWNED else 'escalate'} {number}"
        for _ in range(_TRIES):
            before = await self.find(number)
            if before.resolved is not None:
                raise UserError(f"Alarm {number} is resolved already; there is nothing to do.")
            if page and before.ending:
                raise UserError(
                    f"Alarm {number} is ending: nothing of it is so any more, and nobody is called "
                    "for it. `oncall page TEXT` calls all the same."
                )
            after = change(before)
            pages = self._oncall.about(after, page, PageEvent.TRIGGER, now)
            if transition is Transition.OWNED:
                pages = self._oncall.about(after, sorted(after.told), PageEvent.ACKNOWLEDGE, now)
            notice = _notice(after, transition, by=person.name, at=now.isoformat())
            effects = Effects(
                notices=[notice] if before.held is None else (),
                pages=pages,
                line=self._line(action, person, now),
            )
            if await self._incidents.replace(before, after, effects, now=now):
                return after
        raise Refused("Others changed this alarm at the same time. Look once more, and try again.")

    # What the watch finds.

    async def lift_what_is_over(
        self, silences: Sequence[Silence], firing: Collection[Incident], now: datetime
    ) -> None:
        """End the silences that were to last until what they hold is resolved."""
        for silence in silences:
            holds = (silence.matches(each) and not each.rule.pierces for each in firing)
            if silence.ends is None and not any(holds):
                await self._lift(silence, BOT, now, "what it was to last for is resolved")

    async def unresolved(self) -> dict[About, Incident]:
        """Give the incidents that are not resolved, with their peaks."""
        found = await self._incidents.firing(self._environment.name)
        self._peaks = {each.id: self._peaks[each.id] for each in found if each.id in self._peaks}
        return {(each.name, each.instrument): self._with_peaks(each) for each in found}

    async def last(self, subject: About) -> Incident | None:
        """Give the newest incident about something, whether it fires or not."""
        return await self._incidents.last(self._environment.name, *subject)

    async def look(
        self,
        subject: About,
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
                await self._begin(subject, findings, figures, holds)
            return
        incident = with_skipped(seen(incident, figures), skipped)
        self._peaks[incident.id] = incident
        if not findings:
            await self._write(incident, resolved(incident, figures.at), figures.at)
            return
        held = holds.on(replace(incident, findings=findings), figures.at)
        await self._write(incident, advanced(incident, findings, held), figures.at)

    async def _begin(
        self, subject: About, findings: Mapping[str, Finding], figures: Figures, holds: Holds
    ) -> None:
        """Open an incident, or go on with the last one about the same if that has just ended."""
        last = await self.last(subject)
        if last is None or last.resolved is None or figures.at - last.resolved >= self._relapse:
            await self._open(subject, findings, figures, holds)
            return
        held = holds.on(replace(last, findings=findings), figures.at)
        step = relapsed(last, findings, figures, held)
        reach = (await self._oncall.reach(last))[last.id]
        # Whose page was dropped, because the alarm was over, has heard of nothing.
        known = {*reach.told, *reach.waiting, *reach.failed}
        told = {name: at for name, at in last.told.items() if name in known}
        step = replace(step, incident=replace(step.incident, told=told))
        _log.warning("an alarm fires again", alarm=last.id, rules=[*findings])
        await self._write(last, step, figures.at)

    async def _open(
        self, subject: About, findings: Mapping[str, Finding], figures: Figures, holds: Holds
    ) -> None:
        name, instrument = subject
        incident = opened(self._environment.name, name, instrument, findings, figures)
        held = holds.on(incident, figures.at)
        incident = replace(incident, held=held, was_held=held is not None)
        try:
            made = await self._incidents.create(incident, now=figures.at)
        except AlreadyOpen:
            return
        _log.warning(
            "an alarm fires",
            alarm=made.id,
            rules=[*findings],
            instrument=instrument,
            held=held.value if held else None,
        )
        # Whoever must hear of it at once hears of it by number and link.
        await self._write(made, Advance(made), figures.at)

    async def _write(self, before: Incident, step: Advance, now: datetime) -> None:
        """Keep a step, with what must be said of it and who must be told."""
        after, transitions = step.incident, list(step.transitions)
        worse = after.worst is not before.worst
        pages = self._pages(after, now, worse=worse)
        if pages:
            after = after.told_to([each.target for each in pages], now)
        if after.resolved is not None and after.told:
            # Held or not: whoever was told of it still takes it for open. They are not sent if it
            # fires again before they are due.
            due = now + self._relapse
            pages = self._oncall.about(after, sorted(after.told), PageEvent.RESOLVE, now, due=due)
        ended_while_held = after.resolved is not None and after.held is not None
        # One that was shown before it was held has a thread, and the thread its end.
        if ended_while_held and await self._posts.find(after.id) is not None:
            transitions.append(Transition.RESOLVED)
        shown = after.held is None and after.resolved is None and not after.ending
        if shown and calls_owner(after, now):
            after = after.called_back(now)
            if after.asked == now:
                transitions.append(Transition.CALLED)
        elif shown and owner_is_due(after, self._still_on_it, now):
            after = after.asked_again(now)
            transitions.append(Transition.ASKED)
        if after.version == before.version:
            return
        # Several things at one look are one step: the version counts writings.
        after = replace(after, version=before.version + 1)
        notices = [
            self._said(after, each, now) for each in transitions if worse or is_told(after, each)
        ]
        redraw = step.redraw or bool(pages) or bool({*transitions} & _MENTIONS)
        effects = Effects(notices, pages, redraw=redraw)
        done = await self._incidents.replace(before, after, effects, now=now)
        if not done:
            # Somebody has just owned or silenced it; the next look goes on from there.
            return
        if after.resolved is not None:
            self._peaks.pop(after.id, None)
            _log.info("an alarm is resolved", alarm=after.id)

    def _said(self, incident: Incident, transition: Transition, now: datetime) -> Notice:
        if transition is Transition.CALLED and self._oncall.hearing(now):
            due = (incident.called or now) + self.escalate_after
            return _notice(incident, transition, due=due.isoformat())
        return _notice(incident, transition)

    def _pages(self, incident: Incident, now: datetime, *, worse: bool) -> list[Page]:
        if incident.held is not None or incident.resolved is not None or incident.ending:
            return []
        escalated = escalates(incident, self.escalate_after, now)
        return self._oncall.wanted(incident, now, escalated=escalated, worse=worse)

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

    def _line(self, action: str, person: Person, now: datetime, reason: str = "") -> AuditLine:
        return AuditLine(now, self._environment.name, action, person, "done", reason=reason)


def _notice(incident: Incident, transition: Transition, **more: str) -> Notice:
    """Write down what a thread is told as it was then; the incident itself goes on."""
    said = Said.ASKED if transition in _MENTIONS else Said.TRANSITION
    values = {
        # Not called after what it is: the outbox may hold notices that an older release wrote.
        "turn": transition.value,
        "severity": incident.severity.value,
        "leading": incident.leading,
        "at": incident.figures.at.isoformat(),
        "owner": incident.owner.name if incident.owner else "",
        "held": incident.held.value if incident.held else "",
        "told": " ".join(sorted(incident.told)),
        "relapses": str(incident.relapses),
    }
    return Notice(said, incident.environment, incident.id, values | more)
