"""Nights in virtual time: a producer, KEDA and its workers, and a Redis that can be away.

The world goes from sample to sample and is no more exact than that. What goes wrong in it are
attributes that a test sets. The watch folds what it sees, and notes when a rule begins and ends.

`python -m tests.domain.a_night` writes the recorded night anew.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import chain, takewhile
from pathlib import Path
from random import Random

from bot.domain.errors import Unreachable
from bot.domain.night import Site, night_at
from bot.domain.rules import RULES, Finding, Thresholds, server_findings, stream_findings
from bot.domain.samples import Sample, ServerRecord, StreamRecord
from bot.domain.streams import Entry, EntryId
from tests.support.limits import default_thresholds

VISIT = 172
CAP = 5000
EXPIRATION = timedelta(hours=1)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
POLL = 5 * SECOND
DEFAULTS = default_thresholds()
GB = 1_000_000_000
RECORDED = Path(__file__).parent.parent / "data" / "nights" / "2026-11-23.csv"


@dataclass(slots=True)
class Burst:
    """Entries of one visit that nobody has read yet."""

    at: datetime
    milliseconds: int
    left: int = VISIT


@dataclass
class Stream:
    """One stream, its producer and its workers.

    Parameters
    ----------
    visits
        When visits are announced, in order.
    random
        Decides what chance decides.
    slowest
        Time that the first worker takes after a long pause.
    """

    visits: Iterator[datetime]
    random: Random
    slowest: timedelta = timedelta(seconds=270)

    announcing: bool = True
    """Whether visits reach the stream."""

    speed: float | None = None
    """Entries per second that workers read; None for as many as there are, 0 for none."""

    there: bool = True
    """Whether the stream and its group exist."""

    lost: int = 0
    """Entries that were read by workers that died."""

    nil: bool = False
    """Whether Redis' own lag is unknown until all is read."""

    added: int = 0
    length: int = 0
    consumers: int = 300
    last_delivered: EntryId = field(default=EntryId(0, 0))
    newest: datetime | None = None
    waiting: deque[Burst] = field(default_factory=deque)
    wrong: int = 0
    _next: datetime | None = None
    _ready: datetime = datetime(2000, 1, 1, tzinfo=UTC)
    _rate: float = 20
    _portion: float = 0

    @property
    def next_visit(self) -> datetime:
        """When the next visit is announced."""
        if self._next is None:
            self._next = next(self.visits, datetime(9000, 1, 1, tzinfo=UTC))
        return self._next

    def to(self, before: datetime, now: datetime, *, up: bool) -> int:
        """Let time pass; gives how many visits were announced."""
        announced = 0
        while self.next_visit <= now:
            visit, self._next = self.next_visit, None
            if up and self.announcing and self.there:
                self._announce(visit)
                announced += 1
        if self.waiting and up and self.there:
            self._read(before, now)
        return announced

    def _announce(self, at: datetime) -> None:
        pause = at - self.newest if self.newest else timedelta(days=1)
        if not self.waiting:
            # After a pause workers have to be started, after a long one nodes, too.
            if pause >= 30 * MINUTE:
                wait = self.random.uniform(0.1, 1) * self.slowest
            elif pause >= 3 * MINUTE:
                wait = self.random.uniform(10, 100) * SECOND
            else:
                wait = self.random.uniform(1, 6) * SECOND
            self._ready = at + wait
            self._rate = self.random.uniform(VISIT / 12, VISIT / 6)
        self.waiting.append(Burst(at, int(at.timestamp() * 1000)))
        self.newest = at
        self.added += VISIT
        self.length += VISIT

    def _read(self, before: datetime, now: datetime) -> None:
        begin = max(before, self._ready)
        seconds = (now - begin).total_seconds()
        if seconds <= 0:
            return
        # KEDA starts more workers, the more waits.
        rate = max(self._rate, len(self.waiting) * 5) if self.speed is None else self.speed
        self._portion += rate * seconds
        number = int(self._portion)
        self._portion = 0 if self.speed is None else self._portion - number
        while number and self.waiting:
            burst = self.waiting[0]
            taken = min(burst.left, number)
            burst.left -= taken
            number -= taken
            self.last_delivered = EntryId(burst.milliseconds, VISIT - burst.left)
            if not burst.left:
                self.waiting.popleft()
                self.consumers += VISIT // 10
        if not self.waiting:
            self.nil, self.wrong = False, 0

    def trim(self, now: datetime) -> None:
        """Keep 1000 entries, as the cron job does; Redis' own lag suffers."""
        self.length = min(self.length, 1000)
        # Where it is nil before workers have started, none will: that is no healthy night.
        self.nil = bool(self.waiting) and self._ready < now
        self.wrong = self.random.choice((0, 0, 2000))

    def delete(self) -> None:
        """Delete the key."""
        self.there, self.added, self.length = False, 0, 0
        self.waiting.clear()

    def create(self) -> None:
        """Create stream and group; the new group has read nothing."""
        self.there, self.last_delivered = True, EntryId(0, 0)

    def _in_flight(self, at: datetime) -> int:
        """Workers confirm at once, so few are ever caught between the two."""
        reading = self.waiting and self._ready < at and self.speed != 0
        return self.random.randrange(20) if reading and self.random.random() < 0.3 else 0

    def sample(self, at: datetime, announced: int) -> Sample:
        """Look at it."""
        if not self.there:
            return Sample("lsstcam", at, reached=True, there=False, added=self.added)
        left, oldest = 0, None
        if self.waiting:
            first = self.waiting[0]
            left = first.left + VISIT * (len(self.waiting) - 1)
            entry_id = EntryId(first.milliseconds, VISIT - first.left + 1)
            oldest = Entry(entry_id, visit=first.at.isoformat(), sent=first.at)
        return Sample(
            "lsstcam",
            at,
            reached=True,
            there=True,
            waiting=min(left, CAP),
            visits=len(self.waiting),
            capped=left > CAP,
            wait=at - self.waiting[0].at if self.waiting else None,
            unconfirmed=self.lost + self._in_flight(at),
            consumers=self.consumers,
            length=self.length,
            added=self.added,
            last_delivered=self.last_delivered,
            lag=None if self.nil else left + self.wrong,
            announced=announced,
            oldest=oldest,
            first_skipped=oldest.skipped_at(EXPIRATION) if oldest else None,
            newest=self.newest,
        )


@dataclass(frozen=True)
class Poll:
    """What one poll found: the stream, and the Redis under it."""

    sample: Sample
    kind: Unreachable | None
    memory: int
    limit: int | None

    @property
    def at(self) -> datetime:
        return self.sample.at


@dataclass
class World:
    """A stream on a Redis, and the clock.

    Parameters
    ----------
    stream
        The stream.
    now
        Where the clock stands.
    """

    stream: Stream
    now: datetime
    away: Unreachable | None = None
    memory: int = GB
    limit: int | None = None
    _active: datetime | None = None

    def until(
        self, end: datetime, *, step: timedelta = POLL, quiet: timedelta | None = None
    ) -> Iterator[Poll]:
        """Let time pass and poll.

        Parameters
        ----------
        end
            Until when.
        step
            Time between two polls.
        quiet
            Time between two polls while nothing happens; None for the same.
        """
        stream = self.stream
        while self.now < end:
            before = self.now
            now = before + step
            busy = stream.waiting or stream.next_visit <= before + (quiet or step) + 2 * MINUTE
            if busy or self.away:
                self._active = now
            elif quiet and (self._active is None or now - self._active > 10 * MINUTE):
                now = before + quiet
            self.now = now
            announced = stream.to(before, now, up=self.away is None)
            if self.away is None:
                sample = stream.sample(now, announced)
            else:
                sample = Sample("lsstcam", now, reached=False)
            yield Poll(sample, self.away, self.memory, self.limit)


@dataclass
class Watch:
    """Folds polls, evaluates the rules, and notes what begins and ends."""

    thresholds: Thresholds = DEFAULTS
    night: bool = True
    dusk: datetime | None = None
    record: StreamRecord = field(default_factory=StreamRecord)
    server: ServerRecord = field(default_factory=ServerRecord)
    found: Mapping[str, Finding] = field(default_factory=dict)
    notes: list[tuple[datetime, str, str]] = field(default_factory=list)

    def see(self, poll: Poll) -> None:
        """Fold a poll."""
        at = poll.at
        self.record = self.record.seen(poll.sample)
        if poll.kind is None and poll.sample.reached:
            self.server = self.server.answered(at, poll.memory, poll.limit)
        else:
            self.server = self.server.unanswered(at)
        self.evaluate(at)

    def evaluate(self, now: datetime) -> None:
        """Tell what holds, and note what is new."""
        firing = self.found
        stream = stream_findings(
            self.record,
            self.thresholds,
            now=now,
            night=self.night,
            firing=firing,
            dusk=self.dusk,
        )
        server = server_findings(
            self.server, self.thresholds, now=now, night=self.night, firing=firing
        )
        if not stream and not server and not self.found:
            return
        found = {each.rule: each for each in (*server, *stream)}
        if "unreachable" in self.found and "unreachable" not in found:
            self.server = self.server.anew(now)
        for rule in RULES:
            was, now_is = self.found.get(rule), found.get(rule)
            if now_is is None and was is not None:
                self.notes.append((now, rule, "over"))
            elif now_is is not None and (was is None or was.severity is not now_is.severity):
                self.notes.append((now, rule, now_is.severity.value))
        self.found = found

    def watch(self, polls: Iterable[Poll]) -> "Watch":
        """Fold polls, one after the other."""
        for poll in polls:
            self.see(poll)
        return self

    def restarted(self, samples: Iterable[Sample]) -> "Watch":
        """Begin anew from what the database keeps of the samples."""
        stored = [kept(each) for each in samples]
        return replace(self, record=StreamRecord.of(stored), server=ServerRecord.of(stored))


def kept(sample: Sample) -> Sample:
    """Leave out what the database does not keep."""
    return replace(sample, oldest=None, first_skipped=None, newest=None)


def steady(random: Random, begin: datetime) -> Iterator[datetime]:
    """Announce a visit every 20 to 60 s, 37 on the average."""
    at = begin
    while True:
        yield at
        at += random.triangular(20, 60, 31) * SECOND


def nightly(random: Random, dusk: datetime, dawn: datetime) -> Iterator[datetime]:
    """Announce the visits of a night, with pauses of minutes, seldom of hours."""
    at = dusk + random.uniform(-10, 30) * MINUTE
    while at < dawn:
        yield at
        chance = random.random()
        if chance < 1 / 1000:
            at += random.uniform(0.5, 3) * HOUR
        elif chance < 8 / 1000:
            at += random.uniform(2, 29) * MINUTE
        else:
            at += random.triangular(20, 60, 31) * SECOND


def daily(random: Random, dawn: datetime, dusk: datetime) -> Iterator[datetime]:
    """Announce a few check-outs, at times one visit after the other."""
    at = dawn + random.uniform(0.2, 3) * HOUR
    while at < dusk - 20 * MINUTE:
        for _ in range(random.choice((1, 1, 3, 20))):
            yield at
            at += random.uniform(19, 60) * SECOND
        at += random.uniform(2, 150) * MINUTE


def first_waits(test: Callable[[Watch], bool], world: World, watch: Watch) -> timedelta:
    """Watch until something is so; gives how long it took, for at most two hours."""
    begin = world.now
    for poll in world.until(begin + 2 * HOUR):
        watch.see(poll)
        if test(watch):
            return poll.at - begin
    raise AssertionError("it never was")


def with_a_backlog() -> Iterator[Poll]:
    """Give a night that starts cold, loses two entries and has a backlog of 42 minutes."""
    random = Random(23)
    night = night_at(Site(), datetime(2026, 11, 24, 4, tzinfo=UTC))
    assert night is not None
    assert night.begins is not None
    assert night.ends is not None
    begin = night.begins - HOUR
    five = datetime(2026, 11, 24, 5, tzinfo=UTC)
    visits = chain(
        nightly(random, night.begins, five),
        takewhile(lambda at: at < five + 2 * HOUR, steady(random, five + MINUTE)),
        nightly(random, five + 2 * HOUR + 11 * MINUTE, night.ends),
    )
    stream = Stream(visits, random)
    stream.last_delivered = EntryId(int((begin - 3 * HOUR).timestamp() * 1000), 0)
    stream.added, stream.length = 5_000_000, 1000
    world = World(stream, begin)
    until = 15 * SECOND
    yield from world.until(five - 7 * MINUTE, step=until)
    stream.lost = 2
    yield from world.until(five + 27 * MINUTE, step=until)
    stream.speed = 0
    yield from world.until(five + 60 * MINUTE, step=until)
    stream.speed = 22
    yield from world.until(five + 80 * MINUTE, step=until)
    stream.speed = None
    yield from world.until(night.ends + 30 * MINUTE, step=until)


_COLUMNS = (
    *("at", "waiting", "visits", "capped", "wait", "unconfirmed", "consumers", "length", "added"),
    *("last_delivered", "lag", "announced", "sent", "newest"),
)


def record(path: Path, samples: Iterable[Sample]) -> None:
    """Write samples of a stream that is always there; times in milliseconds."""

    def milliseconds(at: datetime | None) -> int | None:
        return None if at is None else round(at.timestamp() * 1000)

    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(_COLUMNS)
        for each in samples:
            counts = (each.unconfirmed, each.consumers, each.length, each.added)
            rows.writerow(
                (
                    milliseconds(each.at),
                    each.waiting,
                    each.visits,
                    int(each.capped),
                    None if each.wait is None else each.wait // timedelta(milliseconds=1),
                    *counts,
                    each.last_delivered,
                    each.lag,
                    each.announced,
                    milliseconds(each.oldest.sent) if each.oldest else None,
                    milliseconds(each.newest),
                )
            )


def recorded(path: Path) -> Iterator[Sample]:
    """Read what `record` wrote."""
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            at, wait = _time(row["at"]), row["wait"]
            sent, newest = row["sent"], row["newest"]
            age = timedelta(milliseconds=int(wait)) if wait else None
            oldest = None
            if sent and age is not None:
                first = EntryId(round((at - age).timestamp() * 1000), 0)
                oldest = Entry(first, sent=_time(sent))
            yield Sample(
                "lsstcam",
                at,
                reached=True,
                there=True,
                waiting=int(row["waiting"]),
                visits=int(row["visits"]),
                capped=row["capped"] == "1",
                wait=age,
                unconfirmed=int(row["unconfirmed"]),
                consumers=int(row["consumers"]),
                length=int(row["length"]),
                added=int(row["added"]),
                last_delivered=EntryId.parse(row["last_delivered"]),
                lag=int(row["lag"]) if row["lag"] else None,
                announced=int(row["announced"]),
                oldest=oldest,
                first_skipped=oldest.skipped_at(EXPIRATION) if oldest else None,
                newest=_time(newest) if newest else None,
            )


def _time(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


if __name__ == "__main__":
    record(RECORDED, (poll.sample for poll in with_a_backlog()))
