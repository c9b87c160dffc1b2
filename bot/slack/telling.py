"""Draws what is said once, from what it is about, at the moment when it is said."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime, timedelta

from bot.domain.alarms import Finding, Holding, Incident, Rule, Severity
from bot.domain.errors import RedisError
from bot.domain.maintenance import Window, Word
from bot.domain.night import next_dusk
from bot.domain.notices import Notice, Said
from bot.domain.people import Person
from bot.domain.turns import Turn
from bot.render import closings, maintenance, nights, outcomes, pages, turns
from bot.render.blocks import Block, Button, Markup
from bot.services.environments import Services
from bot.slack.patience import SlackRefused
from bot.storage.alarms import Incidents
from bot.storage.approvals import Requests

Drawn = tuple[Markup, list[Block], list[Button]]


class Telling:
    """Draws notices.

    Parameters
    ----------
    requests, incidents
        What they are about.
    rooms
        Every environment's services, by name.
    """

    def __init__(
        self, requests: Requests, incidents: Incidents, rooms: Mapping[str, Services]
    ) -> None:
        self._requests = requests
        self._incidents = incidents
        self._rooms = rooms

    async def draw(self, notice: Notice, now: datetime) -> Drawn | None:
        """Draw a notice; None where there is nothing to say any more.

        Raises
        ------
        SlackRefused
            If what it is about is not there.
        StateError
            If the database does not answer.
        """
        room = self._rooms.get(notice.environment)
        if room is None:
            raise SlackRefused("no such environment")
        match notice.said:
            case Said.TRANSITION | Said.ASKED | Said.PAGED:
                return await self._turn(notice)
            case Said.TARGET_FAILED:
                text, blocks, buttons = pages.target_failed(
                    room.environment,
                    notice.values["target"],
                    notice.values["reason"],
                    incident=notice.subject or 0,
                    given_up=notice.values["given up"] == "yes",
                    now=now,
                )
                return text, blocks, buttons
            case Said.SUMMARY:
                evening = date.fromisoformat(notice.values["evening"])
                report = await room.nights.night(notice.values["instrument"], evening, now)
                return nights.summary(room.environment, report, now)
            case Said.WINDOW:
                return await self._window(room, notice, now)
            case Said.CHECK:
                dusk = await room.nights.dusk(now)
                return nights.dusk(room.environment, dusk, now) if dusk else None
            case _:
                found = None
                if notice.subject is not None:
                    found = await self._requests.find(notice.subject)
                return outcomes.notice(notice, found)

    async def _window(self, room: Services, notice: Notice, now: datetime) -> Drawn:
        """Draw what is said of a maintenance window, or announced without one."""
        values, environment = notice.values, room.environment
        at = datetime.fromisoformat(values["at"])
        late = now - at
        if notice.subject is None:
            return maintenance.announcement(environment, values["text"], values["by"], late)
        window = await room.maintenance.find(notice.subject)
        match Word(values["word"]):
            case Word.STARTED:
                return maintenance.started(window, environment, now, late=late)
            case Word.ENDED:
                return await self._closing(room, window, now, late)
            case Word.UPDATE:
                return maintenance.update(window, values["text"], values["by"], now, late)
            case Word.CHANGED:
                return maintenance.changed(window, values["by"], now, late)
            case Word.CANCELLED:
                return maintenance.cancelled(window, values["by"], now, late)
            case word:
                return maintenance.reminder(word, window, now, late)

    async def _closing(
        self, room: Services, window: Window, now: datetime, late: timedelta
    ) -> Drawn:
        closing = await room.maintenance.closing(window)
        looks = await room.streams.look(room.environment.instruments)
        server = None
        with suppress(RedisError):
            server = await room.streams.server()
        return closings.ended(
            window,
            room.environment,
            now,
            requests=closing.requests,
            held=closing.held,
            firing=closing.firing,
            state=closings.readiness(room.environment, looks, server),
            links=await room.alarms.links(closing.firing),
            dusk=next_dusk(room.environment.site, now),
            late=late,
        )

    async def _turn(self, notice: Notice) -> Drawn:
        incident = await self._incidents.find(notice.subject or 0)
        if incident is None:
            raise SlackRefused("its alarm is not there")
        values = notice.values
        turn = Turn(values["turn"])
        at = datetime.fromisoformat(values["at"])
        return turns.transition(_then(incident, values), turn, at, by=values.get("by", ""))


def _then(incident: Incident, values: Mapping[str, str]) -> Incident:
    """Give an incident as it was at a turn, as far as that was written down; figures go on."""
    leading = Rule(values["leading"])
    found = incident.findings.get(leading)
    since = found.since if found else incident.began
    told = values["told"].split()
    owner = incident.owner
    if owner is not None and values["owner"]:
        # Somebody else may be on it by now.
        owner = Person(owner.id, values["owner"])
    return replace(
        incident,
        findings={leading: Finding(leading, Severity(values["severity"]), since)},
        held=Holding(values["held"]) if values["held"] else None,
        told={name: at for name, at in incident.told.items() if name in told},
        owner=owner,
    )
