"""Once a day: the summary after dawn and the check before dusk, in virtual time."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from bot.domain.alarms import Incident, Silence, Skipped
from bot.domain.approvals import AuditLine
from bot.domain.environments import BOT, Environment
from bot.domain.errors import RedisUnreachable, StateError, StateTrouble, Unreachable
from bot.domain.night import day_obs, next_dawn, next_dusk
from bot.domain.notices import Said
from bot.domain.rules import Finding, Severity
from bot.domain.samples import Figures, Minute, Sample
from bot.domain.streams import EntryId, Group, Look, NoAnswer, Stream, StreamState, Waiting
from bot.services.nights import Nights
from bot.storage.alarms import Incidents, Silences
from bot.storage.approvals import Requests
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.lease import Chores
from bot.storage.maintenance import Windows
from bot.storage.outbox import Outbox
from bot.storage.samples import Samples
from tests.storage.drafts import create, draft, make
from tests.support.a_watch import ANA, MINUTE

PROD = Environment("prod", ("lsstcam",))
EVENING = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def known(found: datetime | None) -> datetime:
    """Give a time that there is, in Chile."""
    assert found is not None
    return found


BEGINS = known(next_dusk(PROD.site, NOON))
ENDS = known(next_dawn(PROD.site, NOON))
DUE = ENDS + timedelta(minutes=30)
HOUR = timedelta(hours=1)
DUSK = known(next_dusk(PROD.site, DUE))
WELL = Stream(0, EntryId(1, 0), None, Group(Waiting(), 0, 0, EntryId(1, 0), 0))
NO_GROUP = Stream(0, EntryId(1, 0), None, None)


class Scene:
    """The reports of one environment, and what its Redis looks like."""

    def __init__(self, database: Database, environment: Environment = PROD) -> None:
        self.database = database
        self.environment = environment
        self.facts: Mapping[str, StreamState] = dict.fromkeys(environment.instruments, WELL)
        self.looks = 0
        self.trouble = False
        self.outbox = Outbox(database)
        self.samples, self.silences = Samples(database), Silences(database)
        self.nights = self.started()

    def started(self, *, on: bool = True) -> Nights:
        return Nights(
            self.environment,
            self,  # type: ignore[arg-type]
            samples=self.samples,
            incidents=Incidents(self.database),
            silences=self.silences,
            requests=Requests(self.database),
            chores=Chores(self.database),
            outbox=self.outbox,
            windows=Windows(self.database),
            audit=Audit(self.database),
            summary=on,
            check=on,
        )

    async def look(self, instruments: tuple[str, ...]) -> list[Look]:
        self.looks += 1
        if self.trouble:
            raise StateError(StateTrouble.LOCKED)
        return [Look(one, datetime.now(UTC), self.facts[one], None) for one in instruments]

    async def said(self, now: datetime) -> list[tuple[Said, str]]:
        """Give what was said by then, in order, and send it."""
        waiting = await self.outbox.notices(now, limit=1000)
        for each in waiting:
            await self.outbox.sent(each, now)
        return [(each.content.said, each.content.values.get("evening", "")) for each in waiting]

    async def passes(self, begin: datetime, end: datetime) -> dict[datetime, list[Said]]:
        """Let every minute of a time pass; gives what was said, and when."""
        heard = {}
        now = begin
        while now < end:
            await self.nights.tick(now)
            if found := await self.said(now):
                heard[now] = [said for said, _ in found]
            now += MINUTE
        return heard


@pytest.fixture
async def scene(sqlite_url: str) -> AsyncIterator[Scene]:
    database = await Database.open(sqlite_url)
    yield Scene(database)
    await database.aclose()


async def test_a_healthy_day_has_one_summary_and_no_check(scene: Scene) -> None:
    heard = await scene.passes(ENDS - 3 * MINUTE, DUSK + 3 * MINUTE)
    ((at, said),) = heard.items()
    assert said == [Said.SUMMARY]
    assert DUE <= at < DUE + MINUTE
    assert scene.looks == 1, "one look before dusk"


async def test_the_check_speaks_when_something_is_wrong_an_hour_before_dusk(scene: Scene) -> None:
    scene.facts = {"lsstcam": NO_GROUP}
    heard = await scene.passes(DUSK - timedelta(hours=2), DUSK + 3 * MINUTE)
    ((at, said),) = heard.items()
    assert said == [Said.CHECK]
    assert timedelta(minutes=59) < DUSK - at <= timedelta(hours=1)


async def test_nights_are_told_of_prod_alone(scene: Scene) -> None:
    dev = Scene(scene.database, Environment("dev", ("lsstcam",)))
    dev.facts = {"lsstcam": NO_GROUP}
    assert await dev.passes(ENDS - 3 * MINUTE, DUSK + 3 * MINUTE) == {}


async def test_consumer_names_that_were_removed_are_counted(scene: Scene) -> None:
    audit = Audit(scene.database)
    evening = day_obs(ENDS - HOUR)
    assert (await scene.nights.night("lsstcam", evening, DUE)).removed is None
    for ago, action, removed in (
        (20, "prune lsstcam", "12000"),
        (2, "prune lsstcam", "800"),
        (25, "prune lsstcam", "1"),
        (2, "prune hsc", "7"),
    ):
        line = AuditLine(ENDS - ago * HOUR, "prod", action, BOT, "done", after={"removed": removed})
        await audit.add(line)
    assert (await scene.nights.night("lsstcam", evening, DUE)).removed == 12_800


async def test_neither_is_said_twice_after_a_restart_or_by_another_leader(scene: Scene) -> None:
    scene.facts = {"lsstcam": NO_GROUP}
    for now in (DUE, DUSK - 30 * MINUTE):
        await scene.nights.tick(now)
        scene.nights = scene.started()
        await scene.nights.tick(now + MINUTE)
        await scene.started().tick(now + 2 * MINUTE)
    assert [said for said, _ in await scene.said(DUSK)] == [Said.SUMMARY, Said.CHECK]


@pytest.mark.parametrize("hours", [0.0, 1.0, 3.9])
async def test_a_late_summary_is_of_its_own_night(scene: Scene, hours: float) -> None:
    await scene.nights.tick(DUE + timedelta(hours=hours))
    assert await scene.said(DUE) == [(Said.SUMMARY, EVENING.isoformat())]


@pytest.mark.parametrize("now", [BEGINS, ENDS, DUE - MINUTE, DUE + timedelta(hours=4)])
async def test_no_summary_at_any_other_hour(scene: Scene, now: datetime) -> None:
    await scene.nights.tick(now)
    assert await scene.said(now) == []


async def test_only_where_it_is_wanted(scene: Scene) -> None:
    scene.nights = scene.started(on=False)
    scene.facts = {"lsstcam": NO_GROUP}
    assert await scene.passes(DUE - MINUTE, DUE + MINUTE) == {}
    assert await scene.passes(DUSK - 61 * MINUTE, DUSK) == {}


async def test_a_check_that_fails_is_made_a_minute_later(scene: Scene) -> None:
    scene.facts, scene.trouble = {"lsstcam": NO_GROUP}, True
    with pytest.raises(StateError):
        await scene.nights.tick(DUSK - 59 * MINUTE)
    scene.trouble = False
    await scene.nights.tick(DUSK - 58 * MINUTE)
    assert await scene.said(DUSK) == [(Said.CHECK, "")]


# --- what is told ----------------------------------------------------------------------------


def a_silence(ends: datetime | None) -> Silence:
    return Silence(0, "prod", ANA, "known", DUE, ends, instrument="lsstcam")


async def test_what_is_wrong_before_the_night(scene: Scene) -> None:
    now = DUSK - timedelta(hours=1)
    for ends in (DUSK - MINUTE, DUSK + MINUTE, None):
        await make(scene.silences, a_silence(ends))
    for minutes in (16, 14):
        asked = now - minutes * MINUTE
        await create(Requests(scene.database), replace(draft(f"{minutes}"), asked=asked))
    report = await scene.nights.dusk(now)
    assert report is not None
    assert report.dusk == DUSK
    assert [each.ends for each in report.silences] == [DUSK + MINUTE, None]
    assert [now - each.asked for each in report.requests] == [16 * MINUTE]
    assert not report.well


async def test_redis_away_before_the_night(scene: Scene) -> None:
    error = RedisUnreachable(Unreachable.REFUSED, "redis:6379")
    scene.facts = {"lsstcam": NoAnswer(error)}
    report = await scene.nights.dusk(DUSK - timedelta(hours=1))
    assert report is not None
    assert report.outage == "Redis refuses the connection"
    assert report.missing == ()


async def test_read_only_before_the_night(scene: Scene) -> None:
    scene = Scene(scene.database, replace(PROD, read_only=True))
    assert [*(await scene.passes(DUSK - 61 * MINUTE, DUSK)).values()] == [[Said.CHECK]]


def a_minute(number: int, **figures: int | timedelta | None) -> Minute:
    base = Minute("lsstcam", BEGINS.replace(second=0, microsecond=0), 12, 12, 0, None, 0, 0, 0)
    minute = replace(base, at=base.at + (number + 1) * MINUTE, added=1000 + 344 * number)
    return replace(minute, announced=2, **figures)  # type: ignore[arg-type]


async def night_of(scene: Scene, minutes: list[Minute]) -> None:
    before = replace(minutes[0], at=BEGINS - timedelta(minutes=5), announced=9)
    after = replace(minutes[0], at=ENDS + timedelta(minutes=5), wait=timedelta(hours=5))
    other = replace(minutes[0], instrument="latiss")
    await scene.samples.add_minutes("prod", [before, *minutes, after, other])
    await scene.samples.add_minutes("dev", minutes)


async def test_the_figures_of_a_night(scene: Scene) -> None:
    expected = int((ENDS - BEGINS) / MINUTE)
    minutes = [a_minute(number) for number in range(expected - 1)]
    worst = minutes[60] = replace(minutes[60], wait=timedelta(seconds=312), waiting=500)
    minutes[10] = replace(minutes[10], wait=timedelta(seconds=20))
    minutes[-1] = replace(minutes[-1], unconfirmed=4)
    await night_of(scene, minutes)
    incidents = Incidents(scene.database)
    for name, bad, minute, lasted in (
        ("backlog", Severity.CRITICAL, 60, 30),
        ("pending", Severity.WARNING, 90, 10),
        ("unreachable", Severity.CRITICAL, -300, 5),
        ("missing", Severity.CRITICAL, 100, 40),
    ):
        began = BEGINS + minute * MINUTE
        # The last is about another instrument.
        instrument = {"unreachable": "", "missing": "latiss"}.get(name, "lsstcam")
        findings = {name: Finding(name, bad, began)}
        draft = Incident(
            0, "prod", name, instrument, began, began, findings, Figures(began), worst=bad
        )
        if name == "backlog":
            draft = replace(draft, skipped=(Skipped("v1", 172, began), Skipped("v2", 100, began)))
        made = await incidents.create(draft, now=began)
        over = replace(made, resolved=began + lasted * MINUTE, version=made.version + 1)
        assert await incidents.replace(made, over, now=began)
    for seconds, left in ((170, 900), (10, 7)):
        seen = DUE - timedelta(seconds=seconds)
        sample = Sample("lsstcam", seen, reached=True, there=True, waiting=left)
        await scene.samples.add("prod", [sample])
    await scene.samples.add("dev", [Sample("lsstcam", DUE, reached=True, there=True, waiting=7)])

    report = await scene.nights.night("lsstcam", EVENING, DUE)
    assert report.watched
    assert report.visits == 2 * len(minutes)
    assert report.entries == 344 * (len(minutes) - 1)
    assert (report.longest_wait, report.longest_at) == (worst.wait, worst.at)
    assert (report.skipped_visits, report.skipped_entries) == (2, 272)
    assert (report.criticals, report.warnings) == (1, 1)
    assert report.longest_alarm == timedelta(minutes=30)
    assert (report.firing, report.unconfirmed, report.unread) == (0, 4, 7)


async def test_a_night_with_gaps_and_a_new_stream_says_about(scene: Scene) -> None:
    minutes = [a_minute(number) for number in range(100)]
    minutes[50:] = [replace(each, added=each.added - 17_000) for each in minutes[50:]]
    await night_of(scene, minutes)
    report = await scene.nights.night("lsstcam", EVENING, DUE)
    assert not report.watched
    assert report.entries == 344 * 98, "a stream that is created anew counts from 0"


async def test_a_night_that_nobody_watched(scene: Scene) -> None:
    report = await scene.nights.night("lsstcam", EVENING, DUE)
    assert (report.watched, report.visits, report.longest_wait) == (False, 0, None)


# --- a year ----------------------------------------------------------------------------------


async def test_a_year_has_one_summary_for_each_night_and_one_check(sqlite_url: str) -> None:
    database = await Database.open(sqlite_url)
    scene = Scene(database)
    scene.facts = {"lsstcam": NO_GROUP}
    summaries: dict[str, timedelta] = {}
    checks: dict[date, timedelta] = {}
    dusk = DUSK
    for _ in range(365):
        ends = known(next_dawn(PROD.site, dusk))
        following = known(next_dusk(PROD.site, ends))
        # Minutes of the day, at which something begins, goes on or is over.
        for now in (
            *(ends + minutes * MINUTE for minutes in (29, 30, 31)),
            *(following + minutes * MINUTE for minutes in (-61, -60, -59)),
        ):
            await scene.nights.tick(now)
            for said, evening in await scene.said(now):
                if said is Said.SUMMARY:
                    assert evening not in summaries
                    summaries[evening] = now - ends
                else:
                    assert day_obs(following) not in checks
                    checks[day_obs(following)] = following - now
        dusk = following
    await database.aclose()
    evenings = [day_obs(DUSK) + timedelta(days=day) for day in range(366)]
    assert summaries == {each.isoformat(): 30 * MINUTE for each in evenings[:-1]}
    assert checks == dict.fromkeys(evenings[1:], 60 * MINUTE)
