"""The watch over one environment: look, keep samples, evaluate the rules.

The leader alone watches. What it remembers between two looks is rebuilt from the samples of the
last hour by whoever leads next; what people and pagers were told is in the database alone.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import structlog

from bot.clients.pagers import Heartbeat
from bot.domain.alarms import Holds, Incident, Skipped, by_incident
from bot.domain.blindness import CLOCK_WAS_SET, LATE_AFTER, Blindness
from bot.domain.environments import Environment
from bot.domain.errors import BotError, RedisError, StateError
from bot.domain.night import is_night, night_at
from bot.domain.rules import (
    BACKLOG,
    UNREACHABLE,
    Finding,
    rule_of,
    server_findings,
    stream_findings,
)
from bot.domain.samples import (
    RATES_OVER,
    REMEMBERED,
    Figures,
    Minute,
    Sample,
    ServerRecord,
    StreamRecord,
    arrival,
    rates,
    sample,
)
from bot.domain.streams import Look, Memory, Stream
from bot.metrics import Metrics
from bot.services.alarms import About, Alarms
from bot.services.approvals import Approvals
from bot.services.maintenance import Maintenance
from bot.services.streams import Streams, Watched
from bot.services.workloads import Workloads
from bot.storage.lease import Leader
from bot.storage.samples import Samples
from bot.storage.watches import Watches

_log = structlog.get_logger()

COUNT_SKIPPED_EVERY = timedelta(seconds=15)
"""Which visits are skipped takes a look at every waiting entry."""


Firing = Mapping[About, Incident]
"""The incidents that are not resolved."""


class RulesFailed(Exception):
    """Some of what a look asks could not be answered; all the rest was brought to its end."""

    def __init__(self, failed: Mapping[str, Exception]) -> None:
        super().__init__(" and ".join(failed))
        # The log shows the first one's way.
        self.__cause__ = next(iter(failed.values()))


class Watch:
    """Watches one environment.

    Parameters
    ----------
    maintenance, approvals
        Know during which hours alarms are held: of windows, and of approved restarts.
    workloads
        Knows the limit of Redis' container.

    Attributes
    ----------
    wake
        Brings the next look at once when set: a window, an approved restart or a silence that
        held alarms was ended.
    """

    def __init__(
        self,
        environment: Environment,
        streams: Streams,
        alarms: Alarms,
        samples: Samples,
        *,
        maintenance: Maintenance,
        approvals: Approvals,
        workloads: Workloads,
        metrics: Metrics,
        leader: Leader,
        watches: Watches,
        monotonic: Callable[[], float],
    ) -> None:
        self._environment = environment
        self._streams = streams
        self._alarms = alarms
        self._samples = samples
        self._maintenance = maintenance
        self._approvals = approvals
        self._workloads = workloads
        self._metrics = metrics
        self._leader = leader
        self._watches = watches
        self._monotonic = monotonic
        self._records: dict[str, StreamRecord] = {}
        self._server = ServerRecord()
        self._recent: defaultdict[str, deque[Sample]] = defaultdict(deque)
        self._minute: defaultdict[str, list[Sample]] = defaultdict(list)
        self._visits: dict[str, str] = {}
        self._counted: dict[str, datetime] = {}
        self._night: tuple[datetime, datetime] | None = None
        # By the clock that nobody sets: the last look, and the last one that came to its end.
        self._looked: tuple[datetime, float] | None = None
        self._done: float | None = None
        self._begun: float | None = None
        self._why = ""
        self._clock_set: tuple[float, timedelta] | None = None
        self.wake = maintenance.ended

    async def tick(self, now: datetime) -> None:
        """Look once, and bring every incident to what was found.

        Raises
        ------
        StateError
            If the database does not do its part; nothing is lost by it.
        RulesFailed
            If some of the rules raise; the others have been asked.
        """
        try:
            await self._look(now)
            # Written although it says little: a database that takes no writes is found by it.
            await self._watches.looked(self._environment.name)
        except Exception as error:
            self._why = _reason(error)
            with suppress(StateError):
                await self._watches.looked(self._environment.name, self._why)
            raise
        self._done, self._why = self._monotonic(), ""

    async def _look(self, now: datetime) -> None:
        passed = self._monotonic()
        if self._looked is not None:
            by = now - self._looked[0] - timedelta(seconds=passed - self._looked[1])
            if abs(by) > CLOCK_WAS_SET:
                _log.error("the clock was set", by=str(by))
                self._clock_set, self._looked = (passed, by), None
        if self._looked is None or passed - self._looked[1] > LATE_AFTER.total_seconds():
            await self._remember(now)
        watched = await self._streams.watch()
        samples = [self._sample(look) for look in watched.looks.values()]
        at = samples[0].at
        self._server = self._answered(watched, at)
        for each in samples:
            self._fold(each)
        self._looked = now, passed
        try:
            await self._keep(samples)
        except StateError as error:
            # Charts get a gap; alarms go on as long as incidents can be written.
            _log.warning("samples could not be kept", reason=str(error))
        await self._evaluate(watched, at)

    def late(self) -> timedelta | None:
        """Tell how long ago it should have brought alarms to what it finds; None: not its work."""
        now = self._monotonic()
        if not self._leader.led():
            self._begun = self._done = None
            return None
        if self._begun is None:
            self._begun = now
        return max(timedelta(seconds=now - (self._done or self._begun)) - LATE_AFTER, timedelta(0))

    @property
    def looked(self) -> bool:
        """Whether it has come to the end of a look since it is its work."""
        return self._done is not None

    def blind(self, now: datetime) -> Blindness | None:
        """Tell since when it has not looked, or not to the end; None where it has, or need not."""
        late, passed = self.late(), self._monotonic()
        if late is None:
            return None
        if late:
            why = self._why or self._leader.trouble or "Its last look has not come to an end"
            return Blindness(now - late - LATE_AFTER, why)
        if self._clock_set is not None:
            ago = timedelta(seconds=passed - self._clock_set[0])
            if ago <= LATE_AFTER:
                return Blindness(now - ago, "its clock was set", self._clock_set[1])
        return None

    async def blindness(self, now: datetime) -> Blindness | None:
        """Tell since when nobody has looked, whichever process does; None where one does."""
        if self._leader.led():
            return self.blind(now)
        try:
            return await self._watches.blindness(self._environment.name)
        except StateError as error:
            return Blindness(now, f"{str(error).rstrip('.')}, so nobody knows who looks")

    async def _remember(self, now: datetime) -> None:
        """Rebuild what rules remember."""
        self._records = {one: StreamRecord() for one in self._environment.instruments}
        self._server = ServerRecord()
        self._recent.clear()
        self._minute.clear()
        begun = now.replace(second=0, microsecond=0)
        try:
            kept = await self._samples.recent(self._environment.name, now - REMEMBERED)
            kept = [each for each in kept if each.instrument in self._records and each.at <= now]
            self._server = ServerRecord.of(kept)
            last = await self._alarms.last((UNREACHABLE.name, ""))
            if last is not None and last.resolved is not None:
                self._server = self._server.anew(last.resolved)
            for each in kept:
                self._fold(each)
                since = arrival(each)
                if since is not None:
                    self._streams.recall(each.instrument, each.last_delivered, since)
                if each.at >= begun:
                    # Of a minute that is not over, nothing is kept yet but its samples.
                    self._minute[each.instrument].append(each)
        except StateError as error:
            _log.warning("the last hour could not be read", reason=str(error))

    def _answered(self, watched: Watched, at: datetime) -> ServerRecord:
        memory = watched.memory
        outage = watched.outage
        if outage is not None:
            return self._server.unanswered(at, blind=outage.kind.blind)
        if memory is None:
            return self._server.answered(at)
        return self._server.answered(at, memory.used, self._limit(memory))

    def _limit(self, memory: Memory | None) -> int | None:
        """Give what Redis may use at most: its own limit or its container's, whichever is less."""
        limits = (memory.limit if memory else None, self._workloads.memory_limit)
        return min((each for each in limits if each), default=None)

    def _sample(self, look: Look) -> Sample:
        made = sample(look, self._visits.get(look.instrument), self._environment.expiration)
        if isinstance(look.state, Stream) and look.state.newest and look.state.newest.visit:
            self._visits[look.instrument] = look.state.newest.visit
        return made

    def _fold(self, each: Sample) -> None:
        self._records[each.instrument] = self._records[each.instrument].seen(each)
        recent = self._recent[each.instrument]
        recent.append(each)
        while recent[0].at < each.at - RATES_OVER:
            recent.popleft()

    async def _keep(self, samples: Iterable[Sample]) -> None:
        samples = list(samples)
        done: list[Minute] = []
        for each in samples:
            minute = self._minute[each.instrument]
            begun = minute[0].at.replace(second=0, microsecond=0) if minute else None
            if begun is not None and each.at >= begun + timedelta(minutes=1):
                done.append(Minute.of(minute))
                minute.clear()
            minute.append(each)
        await self._samples.add(self._environment.name, samples)
        if done:
            await self._samples.add_minutes(self._environment.name, done)

    async def _evaluate(self, watched: Watched, now: datetime) -> None:
        holds = Holds(
            await self._alarms.silences(now),
            await self._maintenance.hours(now),
            await self._approvals.outages(now),
        )
        firing = await self._alarms.unresolved()
        night = is_night(self._environment.site, now)
        limits, before = self._alarms.thresholds, _findings(firing, "")
        failed: dict[str, Exception] = {}
        broken: dict[str, Exception] = {}
        found = server_findings(
            self._server, limits, now=now, night=night, firing=before, failed=broken
        )
        failed |= {f"The rule {name} fails": error for name, error in broken.items()}
        if UNREACHABLE.name in before and UNREACHABLE.name not in {each.rule for each in found}:
            self._server = self._server.anew(now)
        figures = self._server_figures(watched, now)
        await self._bring("", found, firing, holds, figures)
        # While nothing is known of the streams their incidents stay as they are.
        if all(look.read for look in watched.looks.values()):
            # Nobody looks any more after a stream that was taken out of the configuration.
            for instrument in {where for _, where in firing} - {"", *watched.looks}:
                await self._bring(instrument, (), firing, holds, Figures(now))
            for look in watched.looks.values():
                try:
                    failed |= await self._evaluate_stream(
                        look, firing, holds, night=night, took=watched.took
                    )
                except StateError:
                    raise
                except Exception as error:  # noqa: BLE001 -- raised below, after the other streams
                    failed[f"The alarms of {look.instrument} fail"] = error
        firing = await self._alarms.unresolved()
        self._metrics.alarms(self._environment.name, firing.values())
        await self._alarms.lift_what_is_over(holds.silences, firing.values(), now)
        if failed:
            raise RulesFailed(failed)

    async def _evaluate_stream(
        self, look: Look, firing: Firing, holds: Holds, *, night: bool, took: timedelta
    ) -> Mapping[str, Exception]:
        """Bring the incidents of one stream to what was found, and give what rules raised."""
        before = _findings(firing, look.instrument)
        broken: dict[str, Exception] = {}
        found = stream_findings(
            self._records[look.instrument],
            self._alarms.thresholds,
            now=look.at,
            night=night,
            firing=before,
            dusk=self._dusk(look.at) if night else None,
            failed=broken,
        )
        failed = {
            f"The rule {name} fails for {look.instrument}": each for name, each in broken.items()
        }
        if not found and not before:
            return failed
        figures = self._stream_figures(look, took)
        names = (*before, *(each.rule for each in found))
        waits = any(rule_of(each).head == BACKLOG.name for each in names)
        skipped = await self._skipped(look, figures) if waits else ()
        await self._bring(look.instrument, found, firing, holds, figures, skipped=skipped)
        return failed

    async def _bring(
        self,
        instrument: str,
        found: Collection[Finding],
        firing: Firing,
        holds: Holds,
        figures: Figures,
        *,
        skipped: Sequence[Skipped] = (),
    ) -> None:
        """Bring every incident of a stream, or of Redis itself, to what was found."""
        findings = by_incident(found)
        names = dict.fromkeys([*(name for name, where in firing if where == instrument), *findings])
        for name in names:
            incident, holding = firing.get((name, instrument)), findings.get(name, {})
            await self._alarms.look(
                (name, instrument), incident, holding, figures, holds, skipped=skipped
            )

    def _dusk(self, now: datetime) -> datetime | None:
        """Tell when this night began; the search for it is not made at every look."""
        if self._night is None or not self._night[0] <= now < self._night[1]:
            found = night_at(self._environment.site, now)
            if found is None or found.begins is None or found.ends is None:
                return None
            self._night = found.begins, found.ends
        return self._night[0]

    async def _skipped(self, look: Look, figures: Figures) -> tuple[Skipped, ...]:
        """List the visits that workers skip by now, because they waited for too long."""
        expiration, now = self._environment.expiration, look.at
        if expiration is None or figures.first_skipped is None or figures.first_skipped > now:
            return ()
        counted = self._counted.get(look.instrument)
        if counted is not None and abs(now - counted) < COUNT_SKIPPED_EVERY:
            return ()
        self._counted[look.instrument] = now
        instrument = look.instrument
        try:
            survey = await self._streams.survey(instrument)
        except RedisError as error:
            _log.warning("skipped visits could not be counted", reason=str(error))
            return ()
        found = []
        for visit in survey.visits if survey else ():
            at = visit.oldest.skipped_at(expiration)
            if at is not None and at <= now:
                name = visit.oldest.visit or str(visit.oldest.id)
                last = survey is not None and survey.capped and visit is survey.visits[-1]
                found.append(Skipped(name, visit.entries, at, cut=last))
        return tuple(found)

    def _stream_figures(self, look: Look, took: timedelta) -> Figures:
        group = look.group
        if group is None:
            length = look.state.length if isinstance(look.state, Stream) else 0
            return Figures(look.at, waiting=length, answers_in=took)
        speed = rates(list(self._recent[look.instrument]))
        oldest, expiration = group.waiting.oldest, self._environment.expiration
        return Figures(
            at=look.at,
            waiting=group.waiting.entries,
            visits=group.waiting.visits,
            capped=group.waiting.capped,
            wait=look.longest_wait,
            oldest_visit=(oldest.visit or "") if oldest else "",
            first_skipped=oldest.skipped_at(expiration) if oldest and expiration else None,
            arriving=speed.arriving,
            read=speed.read,
            read_last=look.unmoved_since,
            between_visits=speed.between_visits,
            unconfirmed=group.pending,
            consumers=group.consumers,
            lag_known=group.lag is not None,
            answers_in=took,
        )

    def _server_figures(self, watched: Watched, now: datetime) -> Figures:
        error = watched.outage
        memory = watched.memory
        last = [self._recent[one] for one in self._environment.instruments]
        known = [each[-1] for each in last if each]
        return Figures(
            at=now,
            waiting=sum(each.waiting for each in known),
            answers_in=watched.took if error is None else None,
            kind=error.kind.value if error else "",
            address=error.address if error else "",
            tries=self._server.failed,
            words=error.words if error else "",
            memory=memory.used if memory else 0,
            memory_limit=self._limit(memory),
        )


class Pulse:
    """Tells the address of the heartbeat that all is well, as long as every watch looks."""

    def __init__(self, watches: Mapping[str, Watch], heartbeat: Heartbeat) -> None:
        self._watches = watches
        self._heartbeat = heartbeat

    async def tick(self, now: datetime) -> None:
        """Call it, unless a watch is late."""
        watches = self._watches.items()
        late = [name for name, watch in watches if watch.blind(now) or not watch.looked]
        if late:
            _log.error("no heartbeat: a watch does not look", environments=late)
        else:
            await self._heartbeat.beat()


def _reason(error: Exception) -> str:
    """Say in a sentence, for people, why a look came to nothing."""
    if isinstance(error, BotError | RulesFailed):
        return str(error).rstrip(".")
    return f"The bot fails at it ({type(error).__name__}); its log has more"


def _findings(firing: Firing, instrument: str) -> dict[str, Finding]:
    """Give what holds at present for one stream, or for the Redis under all of them, by rule."""
    here = (each for (_, where), each in firing.items() if where == instrument)
    return {rule: found for each in here for rule, found in each.findings.items()}
