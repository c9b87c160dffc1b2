"""The picture of a stream: its size, what may stand behind the curves, and what it costs."""

import asyncio
import gc
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest

from bot.domain.alarms import Hours, Incident, Silence
from bot.domain.environments import Person
from bot.domain.night import Site
from bot.domain.rules import Severity
from bot.domain.samples import Figures, Minute, Sample
from bot.render.chart import Chart, draw_chart, drawn, nights

NOW = datetime(2026, 11, 24, 5, 31, 10, tzinfo=UTC)
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def minutes(span: timedelta, *, waiting: int = 172, reached: int = 12) -> list[Minute]:
    begins = (NOW - span).replace(second=0)
    return [
        Minute("lsstcam", begins + MINUTE * n, 12, reached, waiting, MINUTE / 3, 0, n * 172, 1)
        for n in range(span // MINUTE)
    ]


def incident(number: int, ago: timedelta, lasted: timedelta | None, worst: Severity) -> Incident:
    began = NOW - ago
    ended = None if lasted is None else began + lasted
    return Incident(
        number,
        "prod",
        "backlog",
        "lsstcam",
        began,
        began,
        {},
        Figures(began),
        worst=worst,
        resolved=ended,
    )


def everything(span: timedelta) -> dict[str, Any]:
    ana = Person("U0ANA", "Ana")
    begins = NOW - span
    return {
        "nights": nights(Site(), begins, NOW),
        "windows": [Hours(begins - HOUR, begins + span / 10)],
        "silences": [
            Silence(9, "prod", ana, "known", begins + span / 5, None, "lsstcam"),
            Silence(8, "prod", ana, "x", begins, NOW, "lsstcam", lifted=begins + span / 9),
        ],
        "incidents": [
            incident(31, span / 2, span / 10, Severity.CRITICAL),
            incident(32, span / 2 - MINUTE, MINUTE, Severity.WARNING),
            incident(33, span / 8, None, Severity.WARNING),
            incident(30, span * 2, None, Severity.WARNING),
        ],
    }


def png(title: str, points: Sequence[Minute | Sample], begins: datetime, **more: Any) -> bytes:
    return draw_chart(Chart(title, points, begins, NOW, **more))


def size(png: bytes) -> tuple[int, int]:
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    assert png.endswith(b"IEND\xaeB\x60\x82")
    return int.from_bytes(png[16:20], "big"), int.from_bytes(png[20:24], "big")


@pytest.mark.parametrize("span", [10 * MINUTE, HOUR, 6 * HOUR, DAY, 3 * DAY, 30 * DAY])
def test_it_is_as_large_as_a_phone_shows(span: timedelta) -> None:
    picture = png("PROD lsstcam", minutes(span), NOW - span, **everything(span))
    assert size(picture) == (1200, 1200)
    assert len(picture) < 500_000


def test_the_same_figures_are_the_same_bytes() -> None:
    span = 6 * HOUR
    one, two = (
        png("PROD lsstcam", minutes(span), NOW - span, **everything(span), expiration=HOUR)
        for _ in range(2)
    )
    assert one == two
    assert one != png("PROD lsstcam", minutes(span), NOW - span, expiration=HOUR)


@pytest.mark.parametrize(
    "points",
    [
        [],
        minutes(6 * HOUR)[200:201],
        minutes(6 * HOUR, reached=0),
        minutes(6 * HOUR, waiting=0),
        minutes(6 * HOUR, waiting=10**9),
        [Sample("lsstcam", NOW - HOUR, reached=True, there=False)],
        [Sample("lsstcam", NOW - HOUR, reached=False)],
        [Sample("lsstcam", NOW - HOUR * n / 9, reached=True, there=True) for n in (3, 2, 1, 0)],
    ],
)
def test_little_to_draw_is_drawn_too(points: list[Minute | Sample]) -> None:
    assert size(png("dev hsc", points, NOW - 6 * HOUR)) == (1200, 1200)


def test_a_gap_is_no_line() -> None:
    """Of two pictures, the one with a gap has no curve where the other has one."""
    span = 6 * HOUR
    whole = minutes(span)
    with_gap = [*whole[:100], *whole[200:]]
    unreached = [*whole[:100], *minutes(span, reached=0)[100:200], *whole[200:]]
    drawn = [png("x", each, NOW - span) for each in (whole, with_gap, unreached)]
    assert drawn[0] != drawn[1]
    assert drawn[1] == drawn[2]


def test_a_wait_of_days_is_drawn() -> None:
    points = [
        Minute("hsc", NOW - DAY + MINUTE * n, 12, 12, 5, timedelta(days=40), 0, 0, 0)
        for n in range(1440)
    ]
    assert size(png("dev hsc", points, NOW - DAY)) == (1200, 1200)


def test_a_month_of_minutes_takes_less_than_three_seconds() -> None:
    span = 30 * DAY
    points = minutes(span)
    marks = everything(span)
    png("warm", [], NOW - HOUR)
    begun = time.process_time()
    png("PROD lsstcam", points, NOW - span, **marks)
    assert time.process_time() - begun < 3


def test_memory_is_bounded() -> None:
    span = 30 * DAY
    points = minutes(span)
    png("warm", points, NOW - span)
    tracemalloc.start()
    try:
        for _ in range(5):
            png("PROD lsstcam", points, NOW - span)
        # What waits for the collector is not kept.
        gc.collect()
        left, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 60 * 2**20
    assert left < 5 * 2**20


async def test_a_process_of_its_own_draws() -> None:
    chart = Chart("x", minutes(HOUR), NOW - HOUR, NOW, expiration=HOUR)
    pictures = await asyncio.gather(*(drawn(chart) for _ in range(2)))
    assert pictures == [draw_chart(chart)] * 2


async def test_a_drawing_that_fails_says_why() -> None:
    with pytest.raises(RuntimeError, match="no chart was drawn: "):
        await drawn(Chart("x", [cast("Minute", None)], NOW, NOW - HOUR))


def test_nights_are_cut_at_the_ends() -> None:
    found = nights(Site(), NOW - 2 * DAY, NOW)
    assert [(f"{a:%d %H}", f"{b:%d %H}") for a, b in found] == [
        ("22 05", "22 08"),
        ("23 00", "23 08"),
        ("24 00", "24 05"),
    ]
    assert nights(Site(), NOW + 4 * HOUR, NOW + 6 * HOUR) == []


def test_nothing_that_the_bot_imports_at_its_start_draws() -> None:
    code = (
        "import sys\n"
        "from bot.app import find_commands\n"
        "assert find_commands()['chart'].name == 'chart'\n"
        "print([name for name in ('matplotlib', 'numpy', 'PIL') if name in sys.modules])\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
