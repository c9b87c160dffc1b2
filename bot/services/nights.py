"""Once a day: how the night was, half an hour after dawn; what is wrong, an hour before dusk.

What is told is looked up when it is told, so a row of the outbox holds nothing but the day.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise

import structlog

from bot.domain.alarms import Incident
from bot.domain.environments import Environment
from bot.domain.maintenance import Stage, Window
from bot.domain.night import Night, day_obs, is_night, next_dusk, next_night
from bot.domain.notices import Notice, Said
from bot.domain.reports import DuskReport, NightReport
from bot.domain.rules import Severity
from bot.domain.samples import Minute
from bot.services.streams import Streams
from bot.storage.alarms import Incidents, Silences
from bot.storage.approvals import Requests
from bot.storage.audit import Audit
from bot.storage.lease import Chores
from bot.storage.maintenance import Windows
from bot.storage.outbox import Outbox
from bot.storage.samples import Samples

_log = structlog.get_logger()

AFTER_DAWN = timedelta(minutes=30)
BEFORE_DUSK = timedelta(hours=1)
LATEST = timedelta(hours=4)
"""A summary that is later than this is read by nobody."""

OLD_REQUEST = timedelta(minutes=15)
"""A request that has been open for so long before dusk is one that was forgotten."""

_GAPS = 0.98
"""Part of the minutes that must have been watched for figures to be exact."""

_NOON = time(12, tzinfo=UTC)


class Nights:
    """Tells one environment's channel of its nights, where they are the telescope's.

    Parameters
    ----------
    summary, check
        Whether it tells of the night, and before the night.
    """

    def __init__(
        self,
        environment: Environment,
        streams: Streams,
        *,
        samples: Samples,
        incidents: Incidents,
        silences: Silences,
        requests: Requests,
        windows: Windows,
        chores: Chores,
        outbox: Outbox,
        audit: Audit,
        summary: bool,
        check: bool,
    ) -> None:
        self._environment = environment
        self._streams = streams
        self._samples = samples
        self._incidents = incidents
        self._silences = silences
        self._requests = requests
        self._windows = windows
        self._chores = chores
        self._outbox = outbox
        self._audit = audit
        self._summary = summary and environment.observes
        self._check = check and environment.observes
        self._checked: date | None = None

    async def tick(self, now: datetime) -> None:
        """Tell what is due and was not told yet."""
        if self._summary:
            await self._tell_of_the_night(now)
        if self._check:
            await self._tell_before_dusk(now)

    async def night(self, instrument: str, evening: date, now: datetime) -> NightReport:
        """Report how one night of one stream was.

        Parameters
        ----------
        now
            When it is told; what still waits is told of this moment.

        Raises
        ------
        StateError
            If the database does not answer.
        """
        name = self._environment.name
        night = self._night_of(evening)
        if night is None or night.begins is None or night.ends is None:
            return NightReport(instrument, evening, 0, 0, watched=False)
        begins, ends = night.begins, night.ends
        minutes = await self._samples.minutes(name, begins, instrument, ends)
        incidents = [
            each
            for each in await self._incidents.between(name, begins, ends)
            if each.instrument in ("", instrument)
        ]
        latest = await self._samples.recent(name, now - timedelta(minutes=2), instrument)
        worst = max(
            (each for each in minutes if each.wait is not None),
            key=lambda each: each.wait or timedelta(0),
            default=None,
        )
        skipped = [one for each in incidents for one in each.skipped]
        lasted = [each.resolved - each.began for each in incidents if each.resolved]
        expected = (ends - begins) / timedelta(minutes=1)
        whole = [each for each in minutes if each.reached == each.samples]
        return NightReport(
            instrument=instrument,
            evening=evening,
            visits=sum(each.announced for each in minutes),
            entries=_added(minutes),
            unread=latest[-1].waiting if latest else 0,
            skipped_visits=len(skipped),
            skipped_entries=sum(each.entries for each in skipped),
            skipped_capped=any(each.skipped_capped for each in incidents),
            longest_wait=worst.wait if worst else None,
            longest_at=worst.at if worst else None,
            warnings=_of(incidents, Severity.WARNING),
            criticals=_of(incidents, Severity.CRITICAL),
            longest_alarm=max(lasted, default=None),
            firing=sum(each.resolved is None for each in incidents),
            unconfirmed=_grown(minutes),
            removed=await self._removed(instrument, ends),
            watched=len(whole) >= expected * _GAPS,
        )

    async def _removed(self, instrument: str, dawn: datetime) -> int | None:
        """Count the consumer names that were removed in the day that a night ends."""
        name, day = self._environment.name, timedelta(days=1)
        done = await self._audit.after(name, f"prune {instrument}", dawn - day, dawn)
        known = [int(each["removed"]) for each in done if "removed" in each]
        return sum(known) if known else None

    async def dusk(self, now: datetime) -> DuskReport | None:
        """Report what may be wrong before the next night; None where there is no night.

        Raises
        ------
        StateError
            If the database does not answer.
        """
        environment = self._environment
        dusk = next_dusk(environment.site, now)
        if dusk is None:
            return None
        looks = await self._streams.look(environment.instruments)
        silences = await self._silences.active(environment.name, now)
        requests = await self._requests.live(environment.name)
        windows = await self._windows.open(environment.name)
        return DuskReport(
            dusk=dusk,
            windows=[(each.id, each.ends) for each in windows if _reaches(each, dusk)],
            missing=tuple(each.instrument for each in looks if each.missing),
            outage=next((each.outage.says for each in looks if each.outage), ""),
            silences=[each for each in silences if each.ends is None or each.ends > dusk],
            read_only=environment.read_only,
            requests=[each for each in requests if now - each.asked > OLD_REQUEST],
        )

    async def _tell_of_the_night(self, now: datetime) -> None:
        if is_night(self._environment.site, now):
            return
        evening = day_obs(now - LATEST - AFTER_DAWN)
        night = self._night_of(evening)
        if night is None or night.ends is None:
            return
        due = night.ends + AFTER_DAWN
        if not due <= now < due + LATEST:
            return
        if await self._chores.claim(f"summary {self._environment.name}", evening):
            for instrument in self._environment.instruments:
                values = {"instrument": instrument, "evening": evening.isoformat()}
                await self._say(Said.SUMMARY, values, now)

    async def _tell_before_dusk(self, now: datetime) -> None:
        dusk = next_dusk(self._environment.site, now)
        if dusk is None or is_night(self._environment.site, now) or now < dusk - BEFORE_DUSK:
            return
        # In Chile the night begins about midnight UTC, so that two of them may have one date.
        evening = day_obs(dusk)
        if self._checked == evening:
            return
        # Looked at first: what fails here is tried again, and what is claimed is not.
        report = await self.dusk(now)
        first = await self._chores.claim(f"dusk {self._environment.name}", evening)
        if first and report is not None and not report.well:
            await self._say(Said.CHECK, {}, now)
        self._checked = evening

    async def _say(self, said: Said, values: dict[str, str], now: datetime) -> None:
        notice = Notice(said, self._environment.name, values=values)
        await self._outbox.add(now, notice)

    def _night_of(self, evening: date) -> Night | None:
        """Find the night that begins on an observing day, which turns at noon UTC."""
        return next_night(self._environment.site, datetime.combine(evening, _NOON))


def _reaches(window: Window, dusk: datetime) -> bool:
    """Tell whether a window reaches into a night, or goes on until somebody ends it."""
    return window.stage is Stage.STARTED or window.starts < dusk < window.ends


def _added(minutes: Sequence[Minute]) -> int:
    """Count entries that were added; a stream that was created anew counts from 0 again."""
    known = [each.added for each in minutes if each.reached]
    return sum(max(later - earlier, 0) for earlier, later in pairwise(known))


def _grown(minutes: Sequence[Minute]) -> int:
    known = [each.unconfirmed for each in minutes if each.reached]
    return max(known[-1] - known[0], 0) if known else 0


def _of(incidents: Sequence[Incident], severity: Severity) -> int:
    return sum(each.worst is severity for each in incidents)
