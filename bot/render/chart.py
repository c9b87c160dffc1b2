"""One stream over time, as a picture: waiting entries, longest wait, unconfirmed entries.

Made for a phone: big letters, few ticks, dark on white. What is true of a whole span (night,
maintenance, silences, alarms) lies behind the curves. Where nobody looked, or Redis did not answer,
there is no curve: a gap is a gap.

The library that draws takes half a second to import and 60 MiB to keep. A process that watches for
months has neither to spare: each picture is drawn by a process of its own, which ends with it, and
one at a time, for two at once would take twice the memory.
"""

import asyncio
import math
import os
import pickle
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from io import BytesIO
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

from bot.domain import night
from bot.domain.alarms import Hours, Incident, Silence
from bot.domain.night import Site
from bot.domain.rules import Severity
from bot.domain.samples import Minute, Sample
from bot.domain.streams import COUNT_CAP
from bot.render.streams import is_known
from bot.render.words import clock, duration

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INCHES, DOTS = 8, 150
"""1200 × 1200 pixels: as sharp as a phone shows it."""

STEPS = 360
"""Steps of a curve, each as high as the highest of its time; finer ones are not seen."""

_INK, _CURVE, _FILL = "#1a1a1a", "#173f73", "#9db6d9"
_NIGHT, _WINDOW, _SILENCE = "#e6eaf4", "#bfe6c8", "#8c8c8c"
_ALARM = {Severity.WARNING: "#f2a900", Severity.CRITICAL: "#d3202c"}
_ON_ALARM = {Severity.WARNING: _INK, Severity.CRITICAL: "white"}
_LARGE, _MIDDLE, _SMALL = 21, 17, 15
"""Sizes of letters, in points."""

DRAW_LIMIT = 30.0
"""Seconds for a picture; on a slow machine it takes three."""

_LEFT, _WIDTH = 0.13, 0.83
_PLACES = ((0.615, 0.195), (0.388, 0.145), (0.195, 0.105))
"""Bottom and height of each panel, in parts of the picture."""
_ABOVE, _FOR_NUMBERS = 0.012, 0.042
"""Room between a panel and its name, and more where alarms have their numbers there."""

_TICKS_AT_MOST, _HEIGHTS_AT_MOST = 6, 4
_DAY = 86400
_SAME_DAY = timedelta(hours=18)
_TICKS = (
    *(60 * minutes for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720)),
    *(_DAY * days for days in (1, 2, 3, 5, 7)),
)
_THIN, _APART = 0.005, 0.06
"""An alarm is at least so wide, and its number so far from the last, in parts of the span."""


@dataclass(frozen=True)
class Chart:
    """One stream over a span of time, and what lies behind the curves.

    Parameters
    ----------
    points
        What was seen of it, in the order of time; all of one kind.
    expiration
        Age at which workers skip an entry: a line, where the longest wait comes near.
    """

    title: str
    points: Sequence[Minute | Sample]
    begins: datetime
    ends: datetime
    nights: Sequence[tuple[datetime, datetime]] = ()
    windows: Sequence[Hours] = ()
    silences: Sequence[Silence] = ()
    incidents: Sequence[Incident] = ()
    expiration: timedelta | None = None


_Span = tuple[float, float]
"""From when until when, in seconds since 1970."""


@dataclass(frozen=True)
class _Curve:
    """One panel: what it shows, point by point; None is not known.

    The axis reaches to `least` at least, so that next to nothing looks like next to nothing.
    """

    name: str
    values: Sequence[float | None]
    least: float
    seconds: bool = False
    counted: bool = False

    def write(self, value: float) -> str:
        """Write a value with its unit; entries have theirs in the name."""
        return duration(timedelta(seconds=value)) if self.seconds else f"{value:,.0f}"

    def reached(self, value: float) -> str:
        """Write the highest value: what waits is counted no further than `COUNT_CAP`."""
        capped = self.counted and value >= COUNT_CAP
        return ("at least " if capped else "highest ") + self.write(value)

    def peak(self, points: Sequence[Minute | Sample]) -> tuple[float, datetime] | None:
        """Give the highest value, and when it was first reached."""
        known = [
            (value, point.at)
            for value, point in zip(self.values, points, strict=True)
            if value is not None
        ]
        return max(known, key=lambda each: each[0], default=None)


def nights(site: Site, begins: datetime, ends: datetime) -> list[tuple[datetime, datetime]]:
    """Find the observing nights within a span; the first and the last may be cut."""
    found = []
    now = begins
    while now < ends:
        current = night.next_night(site, now)
        if current is None or (current.begins is not None and current.begins >= ends):
            break
        dusk, dawn = current.begins or begins, current.ends or ends
        found.append((max(dusk, begins), min(dawn, ends)))
        now = dawn
    return found


def draw_chart(chart: Chart) -> bytes:
    """Draw a PNG; of the same chart it is the same."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 -- slow, seldom
    from matplotlib.figure import Figure  # noqa: PLC0415 -- the same

    figure = Figure(figsize=(INCHES, INCHES), dpi=DOTS, facecolor="white")
    FigureCanvasAgg(figure)
    figure.text(0.03, 0.98, chart.title, size=_LARGE, weight="bold", color=_INK, va="top")
    figure.text(0.03, 0.935, _between(chart), size=_MIDDLE, color=_INK, va="top")
    begins, ends, expiration = chart.begins, chart.ends, chart.expiration
    span = (begins.timestamp(), ends.timestamp())
    shown = [each for each in chart.points if begins <= each.at <= ends]
    kinds: dict[str, Artist] = {}
    for place, curve in zip(_PLACES, _curves(shown), strict=True):
        axes = figure.add_axes((_LEFT, place[0], _WIDTH, place[1]), xlim=span)
        peak = curve.peak(shown)
        top = max(peak[0] if peak else 0, curve.least)
        if curve.seconds and expiration is not None and top > expiration.total_seconds() / 2:
            top = max(top, expiration.total_seconds())
            kinds |= _limit(axes, expiration)
        # A little below zero, so that a curve along zero is seen.
        axes.set_ylim(-0.04 * top, 1.12 * top)
        kinds |= _shade(axes, span, chart)
        kinds |= _plot(axes, _runs(shown, curve.values, span), span)
        _ticks(axes, span, curve, named=place == _PLACES[-1])
        above = sum(place) + _ABOVE
        if place == _PLACES[0] and _number(axes, span, chart.incidents):
            above += _FOR_NUMBERS
        figure.text(_LEFT, above, curve.name, size=_MIDDLE, weight="bold", color=_INK)
        figure.text(
            _LEFT + _WIDTH, above, _highest(curve, peak, ends), size=_MIDDLE, color=_INK, ha="right"
        )
    _legend(figure, kinds)
    png = BytesIO()
    # Without the library's version in it, the same figures are the same bytes.
    figure.savefig(png, format="png", dpi=DOTS, metadata={"Software": None})
    return png.getvalue()


def _between(chart: Chart) -> str:
    first, last = chart.begins.astimezone(UTC), clock(chart.ends, now=chart.begins)
    return f"{first:%a} {first.day} {first:%b} {first:%H:%M} to {last} UTC"


def _curves(points: Sequence[Minute | Sample]) -> tuple[_Curve, ...]:
    pairs = [(each, is_known(each)) for each in points]
    return (
        _Curve(
            "Waiting entries",
            [each.waiting if ok else None for each, ok in pairs],
            10,
            counted=True,
        ),
        _Curve(
            "Longest wait",
            [(each.wait or timedelta()).total_seconds() if ok else None for each, ok in pairs],
            60,
            seconds=True,
        ),
        _Curve("Unconfirmed entries", [each.unconfirmed if ok else None for each, ok in pairs], 4),
    )


def _highest(curve: _Curve, peak: tuple[float, datetime] | None, now: datetime) -> str:
    if peak is None:
        return "not known"
    value, at = peak
    if not value:
        return "none"
    day = f"{at.day} {at:%b} " if now - at > _SAME_DAY else ""
    return f"{curve.reached(value)} at {day}{clock(at)}"


def _runs(
    points: Sequence[Minute | Sample], values: Sequence[float | None], span: _Span
) -> list[tuple[list[float], list[float]]]:
    """Make a curve of steps; it ends where a time has no point, and begins anew."""
    grain = _grain(points)
    width = math.ceil((span[1] - span[0]) / STEPS / grain) * grain
    highest: dict[int, float] = {}
    for point, value in zip(points, values, strict=True):
        if value is not None:
            number = int(point.at.timestamp() // width)
            highest[number] = max(value, highest.get(number, 0))
    runs: list[tuple[list[float], list[float]]] = []
    for number, value in sorted(highest.items()):
        if number - 1 not in highest:
            runs.append(([], []))
        runs[-1][0].extend((number * width, (number + 1) * width))
        runs[-1][1].extend((value, value))
    return runs


def _grain(points: Sequence[Minute | Sample]) -> int:
    """Give the seconds of the narrowest step; of samples one may be late, so two fit into it."""
    if not points or isinstance(points[0], Minute):
        return 60
    apart = [(two.at - one.at).total_seconds() for one, two in pairwise(points)]
    return max(math.ceil(2 * median(apart)), 1) if apart else 60


def _plot(
    axes: "Axes", runs: Sequence[tuple[list[float], list[float]]], span: _Span
) -> "dict[str, Artist]":
    """Draw a curve, and dots where there is none: not known is not the same as nothing."""
    kinds: dict[str, Artist] = {}
    last = span[0]
    for xs, ys in (*runs, ([span[1]], [])):
        if xs[0] - last > (span[1] - span[0]) / STEPS:
            kinds["not known"] = axes.axvspan(
                last, xs[0], fc="white", ec=_SILENCE, hatch="..", lw=0, zorder=2.5
            )
        last = xs[-1]
        if ys:
            axes.fill_between(xs, ys, color=_FILL, lw=0, zorder=3)
            axes.plot(xs, ys, color=_CURVE, lw=2, zorder=4, solid_capstyle="butt")
    return kinds


def _shade(axes: "Axes", span: _Span, chart: Chart) -> "dict[str, Artist]":
    """Shade what is true of a time; give what the legend names."""
    kinds: dict[str, Artist] = {}
    for dusk, dawn in chart.nights:
        kinds["night"] = axes.axvspan(*_within(dusk, dawn, span), fc=_NIGHT, lw=0, zorder=0)
    for window in chart.windows:
        place = _within(window.starts, window.ends, span)
        kinds["maintenance"] = axes.axvspan(*place, fc=_WINDOW, lw=0, zorder=1)
    for silence in chart.silences:
        ends = [each for each in (silence.ends, silence.lifted) if each is not None]
        place = _within(silence.starts, min(ends, default=None), span)
        kinds["silence"] = axes.axvspan(
            *place, fc="none", ec=_SILENCE, hatch="//", lw=0, zorder=1.5
        )
    for incident in chart.incidents:
        begins, ends_at = _within(incident.began, incident.resolved, span)
        kinds[f"alarm, {incident.worst.value}"] = axes.axvspan(
            begins,
            max(ends_at, begins + _THIN * (span[1] - span[0])),
            fc=_ALARM[incident.worst],
            alpha=0.35,
            lw=0,
            zorder=2,
        )
    return kinds


def _within(begins: datetime, ends: datetime | None, span: _Span) -> _Span:
    first = max(begins.timestamp(), span[0])
    return first, max(min(ends.timestamp(), span[1]), first) if ends else span[1]


def _number(axes: "Axes", span: _Span, incidents: Sequence[Incident]) -> bool:
    """Write the number of each alarm above its shade; tell whether there is any."""
    last = -math.inf
    for incident in sorted(incidents, key=lambda each: each.began):
        place = _within(incident.began, incident.resolved, span)
        at = (sum(place) / 2 - span[0]) / (span[1] - span[0])
        if at - last < _APART:
            continue
        last = at
        axes.text(
            at,
            1.06,
            str(incident.id),
            transform=axes.transAxes,
            ha="center",
            va="bottom",
            size=_SMALL,
            weight="bold",
            color=_ON_ALARM[incident.worst],
            bbox={"fc": _ALARM[incident.worst], "lw": 0, "boxstyle": "round,pad=0.2"},
        )
    return bool(incidents)


def _limit(axes: "Axes", expiration: timedelta) -> "dict[str, Artist]":
    """Draw the line past which workers skip an entry."""
    colour = _ALARM[Severity.CRITICAL]
    line = axes.axhline(expiration.total_seconds(), color=colour, lw=2.5, ls="--", zorder=5)
    return {"skipped above": line}


def _ticks(axes: "Axes", span: _Span, curve: _Curve, *, named: bool) -> None:
    step = next((s for s in _TICKS if (span[1] - span[0]) / s <= _TICKS_AT_MOST), _TICKS[-1])
    places = range(math.ceil(span[0] / step) * step, int(span[1]) + 1, step)
    axes.set_xticks(places, [_time(each) for each in places] if named else [])
    heights = list(_heights(axes.get_ylim()[1], seconds=curve.seconds))
    axes.set_yticks(heights, [curve.write(each) if each else "0" for each in heights])
    axes.tick_params(labelsize=_SMALL, labelcolor=_INK, color=_INK, length=6, width=1.2)
    axes.grid(color="#00000022", lw=1, zorder=0.5)
    for side, spine in axes.spines.items():
        spine.set_visible(side == "left")


def _time(seconds: int) -> str:
    at = datetime.fromtimestamp(seconds, UTC)
    return f"{at.day} {at:%b}" if seconds % _DAY == 0 else f"{at:%H:%M}"


def _heights(top: float, *, seconds: bool) -> Iterator[int]:
    """Give two or three round figures; of seconds, round ones of their largest unit."""
    steps: Sequence[int]
    if seconds:
        steps = (20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 21600, 43200, _DAY)
    else:
        steps = [factor * 10**power for power in range(8) for factor in (1, 2, 5)]
    step = next(
        (each for each in steps if top / each <= _HEIGHTS_AT_MOST),
        steps[-1] * math.ceil(top / steps[-1] / _HEIGHTS_AT_MOST),
    )
    return iter(range(0, int(top) + 1, step))


def _legend(figure: "Figure", kinds: "Mapping[str, Artist]") -> None:
    if kinds:
        figure.legend(
            kinds.values(),
            kinds.keys(),
            loc="lower center",
            bbox_to_anchor=(0.5, 0.0),
            ncols=3,
            fontsize=_SMALL,
            labelcolor=_INK,
            frameon=False,
            handlelength=1.6,
            columnspacing=1.6,
        )


async def drawn(chart: Chart) -> bytes:
    """Draw a chart as `draw_chart` does, in a process of its own, after those who asked before.

    Raises
    ------
    RuntimeError
        If the process that draws has failed; the text is its last line.
    TimeoutError
        If it takes too long.
    """
    isolated = ("-I",) if sys.flags.isolated else ()
    sent = pickle.dumps(chart)
    async with _turn(asyncio.get_running_loop()), asyncio.timeout(DRAW_LIMIT):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *isolated,
            "-m",
            __name__,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            picture, said = await process.communicate(sent)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    if process.returncode != 0:
        lines = said.decode("utf-8", "replace").strip().splitlines()
        raise RuntimeError(f"no chart was drawn: {lines[-1] if lines else process.returncode}")
    return picture


@cache
def _turn(loop: asyncio.AbstractEventLoop) -> asyncio.Lock:
    """Give the lock of a loop; a process has one, its tests have many."""
    del loop
    return asyncio.Lock()


def _main() -> None:
    # Whoever only wants figures goes first.
    os.nice(10)
    # From its parent alone, through a pipe that nobody else holds.
    sys.stdout.buffer.write(draw_chart(pickle.load(sys.stdin.buffer)))  # noqa: S301


if __name__ == "__main__":
    _main()
