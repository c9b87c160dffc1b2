"""Figures and tables of the benchmarks."""

from collections.abc import Sequence
from statistics import median, quantiles


def p50(seconds: Sequence[float]) -> float:
    """Give the median."""
    return median(seconds)


def p99(seconds: Sequence[float]) -> float:
    """Give the 99th percentile; the worst where there are too few to tell."""
    return quantiles(seconds, n=100)[98] if len(seconds) >= 100 else max(seconds)


def ms(seconds: float) -> str:
    """Write milliseconds."""
    return f"{seconds * 1000:.2f} ms"


def title(text: str) -> None:
    """Begin a subject."""
    print(f"\n{text}\n{'-' * len(text)}", flush=True)


def row(name: str, *figures: str) -> None:
    """Print one line of a table."""
    print(f"  {name:<42}" + "".join(f"{figure:>16}" for figure in figures), flush=True)


def ratio(name: str, measured: float, goal: float | None = None) -> None:
    """Print a ratio, and whether it meets its goal."""
    said = ""
    if goal is not None:
        said = f"  (goal: within {goal} x: {'met' if measured <= goal else 'not met'})"
    print(f"  {name:<42}{measured:>14.2f} x{said}", flush=True)
