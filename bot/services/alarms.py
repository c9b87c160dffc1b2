"""What people do about one environment's alarms: look, own, silence, call somebody."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from bot.domain.alarms import Incident, Silence, Transition
from bot.domain.approvals import Entry
from bot.domain.environments import Environment, Person
from bot.domain.errors import Refused, UserError
from bot.domain.notices import Notice, Said
from bot.domain.oncall import PageEvent, Target
from bot.domain.rules import Severity, Thresholds
from bot.services.addresses import Addresses
from bot.services.incidents import transition_values
from bot.services.oncall import Oncall
from bot.storage.alarms import Incidents
from bot.storage.silences import Silences

_TRIES = 5


class Alarms:
    """One environment's alarms, for people.

    Parameters
    ----------
    environment
        Whose.
    incidents, silences
        Where they are kept.
    oncall
        Knows who is told.
    thresholds
        Limits of the rules, for messages.
    escalate
        How long a critical one goes without owner before on-call is told.
    addresses
        Knows where each one's message is.
    writer
        Name of this process.
    changed
        Is called after every step, so that messages and notices follow at once.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        incidents: Incidents,
        silences: Silences,
        oncall: Oncall,
        thresholds: Thresholds,
        escalate: timedelta,
        addresses: Addresses,
        writer: str,
        changed: Callable[[], None],
    ) -> None:
        self._environment = environment
        self._incidents = incidents
        self._silences = silences
        self._oncall = oncall
        self.thresholds = thresholds
        self.escalate_after = escalate
        self._addresses = addresses
        self._writer = writer
        self._changed = changed

    async def firing(self) -> list[Incident]:
        """Give the alarms that are not resolved, worst and oldest first."""
        found = await self._incidents.firing(self._environment.name)
        return sorted(found, key=lambda each: (each.severity is not Severity.CRITICAL, each.opened))

    async def history(self, limit: int) -> list[Incident]:
        """Give the last alarms, newest first."""
        return await self._incidents.history(self._environment.name, limit)

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

        def owned(incident: Incident) -> Incident:
            return incident.owned_by(person, now)

        return await self._step(number, owned, Transition.OWNED, person=person, now=now)

    async def escalate(
        self, number: int, person: Person, now: datetime
    ) -> tuple[Incident, Sequence[Target]]:
        """Tell everybody who hears this environment at this hour, now.

        Raises
        ------
        UserError
            If it is resolved, there is none, or nobody would be told.
        """
        targets = self._oncall.required(now)
        names = [each.name for each in targets]

        def told(incident: Incident) -> Incident:
            return incident.told_to(names, now)

        incident = await self._step(
            number, told, Transition.ESCALATED, person=person, now=now, page=names
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
        what = draft.instrument or (draft.rule or str(draft.incident))
        made = await self._silences.create(
            draft,
            lambda silence: self._entry(f"silence {what}", silence.by, draft.starts, draft.reason),
        )
        self._changed()
        return made

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
        lifted = None
        if found.active(now):
            entry = self._entry(f"unsilence {number}", person, now)
            lifted = await self._silences.lift(number, now, entry)
        if lifted is None:
            raise UserError(f"Silence {number} has ended already.")
        self._changed()
        return lifted

    async def links(self, incidents: Sequence[Incident]) -> Mapping[int, str]:
        """Give the address of each alarm's message, where it has one."""
        found = {each.id: await self._addresses.of(each.id) for each in incidents}
        return {number: address for number, address in found.items() if address}

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
            after = change(before)
            pages = self._oncall.about(after, page, PageEvent.TRIGGER, now) if page else []
            values = {
                **transition_values(after, transition),
                "by": person.name,
                "at": now.isoformat(),
            }
            notice = Notice(Said.TRANSITION, after.environment, after.id, values)
            if await self._incidents.replace(
                before,
                after,
                notices=[notice] if before.held is None else (),
                pages=pages,
                entry=self._entry(action, person, now),
                redraw=True,
                writer=self._writer,
            ):
                self._changed()
                return after
        raise Refused("Others changed this alarm at the same time. Look once more, and try again.")

    def _entry(self, action: str, person: Person, now: datetime, reason: str = "") -> Entry:
        return Entry(now, self._environment.name, action, person, "done", reason=reason)
