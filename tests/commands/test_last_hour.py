"""What the last hour adds to `stats`: known, partly known, unknown and why."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from bot.domain.alarms import Holding, Incident
from bot.domain.environments import Person
from bot.domain.samples import Figures, Minute, Rates
from bot.domain.streams import Entry, EntryId, Group, Look, Stream, Waiting
from bot.render.alarms import open_alarms
from commands.stats import LastHour, busy_workers, last_hour, longest_wait, speeds

NOW = datetime(2026, 11, 24, 5, 31, 10, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LONG_AGO = NOW - timedelta(days=6)


def minutes(count: int, wait: timedelta | None = timedelta(seconds=24)) -> list[Minute]:
    begins = NOW.replace(second=0) - MINUTE * count
    return [
        Minute("lsstcam", begins + MINUTE * n, 12, 12, 172 if wait else 0, wait, 0, 0, 1)
        for n in range(count)
    ]


def look(waits: timedelta | None = None) -> Look:
    waiting = Waiting()
    if waits is not None:
        since = int((NOW - waits).timestamp() * 1000)
        waiting = Waiting(3, 1, oldest=Entry(EntryId(since, 0)))
    group = Group(waiting, 0, 0, EntryId(0, 0), 0)
    return Look("lsstcam", NOW, Stream(0, EntryId(0, 0), None, group), None)


def said(hour: LastHour) -> dict[str, str]:
    return {label: str(text) for label, text in speeds(hour, NOW)}


@pytest.mark.parametrize(
    ("hour", "waits", "expected"),
    [
        (LastHour(LONG_AGO, minutes(60)), None, "24 s in the last hour"),
        (LastHour(LONG_AGO, minutes(60)), 40, "40 s in the last hour"),
        (LastHour(LONG_AGO, minutes(60, None)), None, "none in the last hour"),
        (LastHour(LONG_AGO, minutes(11)), None, "24 s since 05:20 UTC"),
        (
            LastHour(NOW - MINUTE, []),
            None,
            "nothing waits now, before unknown: the bot watches since 05:30 UTC",
        ),
        (
            LastHour(LONG_AGO),
            3,
            "3 s now, before unknown: the bot's database does not answer",
        ),
        (
            LastHour(LONG_AGO, [replace(each, reached=0) for each in minutes(60)]),
            None,
            (
                "nothing waits now, before unknown: "
                "the bot has seen too little of it in the last 5 min"
            ),
        ),
    ],
)
def test_the_longest_wait(hour: LastHour, waits: int | None, expected: str) -> None:
    assert longest_wait(hour, look(timedelta(seconds=waits) if waits else None)) == expected


@pytest.mark.parametrize(
    ("rates", "arriving", "read"),
    [
        (
            Rates(4.64, 4.6, timedelta(seconds=37)),
            "4.6 entries/s (a visit every 37 s)",
            "4.6 entries/s",
        ),
        (Rates(0.0, 0.0), "0.0 entries/s", "0.0 entries/s"),
        (Rates(0.004, 1234.5), "under 0.1 entries/s", "1,234.5 entries/s"),
        (Rates(4.6), "4.6 entries/s", "unknown: more wait than are counted"),
    ],
)
def test_how_fast(rates: Rates, arriving: str, read: str) -> None:
    assert said(LastHour(LONG_AGO, minutes(60), rates)) == {"Arriving": arriving, "Read": read}


def test_what_is_not_known_says_why() -> None:
    for hour, why in (
        (LastHour(LONG_AGO), "the bot's database does not answer"),
        (LastHour(NOW - MINUTE, []), "the bot watches since 05:30 UTC"),
        (LastHour(LONG_AGO, []), "the bot has seen too little of it in the last 5 min"),
    ):
        assert said(hour) == {"Arriving": f"unknown: {why}", "Read": f"unknown: {why}"}
        assert last_hour(hour, NOW) == f"Waiting, last hour: unknown, {why}"


def test_the_last_hour_is_twelve_bars_and_its_highest() -> None:
    text = last_hour(LastHour(LONG_AGO, minutes(60)), NOW)
    assert text == "Waiting, last hour  ▂▂▂▂▂▂▂▂▂▂▂▂  highest 172 entries"
    counted = [replace(each, waiting=5000) for each in minutes(60)]
    assert last_hour(LastHour(LONG_AGO, counted), NOW).endswith("highest at least 5,000 entries")


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        (Rates(4.6, 3.1), "*Likely:* all workers are busy. Read 3.1 of 4.6 entries/s."),
        (Rates(3.1, 4.6), None),
        (Rates(4.6, 0.0), None),
        (Rates(), None),
    ],
)
def test_reading_that_is_too_slow(rates: Rates, expected: str | None) -> None:
    assert busy_workers(LastHour(LONG_AGO, minutes(60), rates)) == expected


def test_open_alarms_and_whose_they_are() -> None:
    alone = Incident(31, "prod", "backlog", "lsstcam", NOW, NOW, {}, Figures(NOW))
    owned = replace(alone, id=32).owned_by(Person("U0ANA", "Ana"), NOW)
    held = replace(alone, id=33, held=Holding.SILENCE)
    assert open_alarms([alone, owned, held], NOW) == [
        "alarm 31 is open, nobody owns it",
        "alarm 32 is open, Ana is on it since 05:31",
        "alarm 33 is open, nobody owns it, held (silence)",
    ]
