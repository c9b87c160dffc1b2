"""Figures as people read them: with thousands separated, units, and times in UTC."""

from datetime import timedelta

# Written in the domain, where a refusal needs them too; for people they are found here.
from bot.domain.times import clock as clock  # noqa: PLC0414
from bot.domain.times import duration as duration  # noqa: PLC0414

SAFE = "images are safe"
"""Said wherever *skipped* first appears."""

CATCH_UP = f"the {SAFE}, and daytime catch-up can take them."
"""The same as the end of a sentence."""

NOT_REPEATED = "the fan-out service does not repeat them"
"""Why visits that are announced while Redis is away are skipped."""

SKIPPED_MEANWHILE = f"Visits announced while Redis is away are skipped: {NOT_REPEATED}."

NOT_KEPT = (
    "a visit announced while Redis was away is not in the stream, because the fan-out service does "
    "not keep it"
)
"""What is to be checked when Redis is back, without a full stop."""

_MINUTE = timedelta(minutes=1)


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Write ``1 entry``, ``1,204 entries``, ``6 days``."""
    if number == 1:
        return f"1 {noun}"
    if plural is None:
        ies = noun.endswith("y") and noun[-2] not in "aeiou"
        plural = f"{noun[:-1]}ies" if ies else f"{noun}s"
    return f"{number:,} {plural}"


def ordinal(number: int) -> str:
    """Write ``1st``, ``2nd``, ``11th``."""
    last = number % 10 if number % 100 // 10 != 1 else 0
    return f"{number:,}" + {1: "st", 2: "nd", 3: "rd"}.get(last, "th")


def rough(span: timedelta) -> str:
    """Write ``4 min``: the largest unit alone, for a first line."""
    return " ".join(duration(span).split()[:2])


def quick(span: timedelta) -> str:
    """Write a round trip: ``0.6 ms``, ``14 ms``, ``1.8 s``."""
    milliseconds = span.total_seconds() * 1000
    if milliseconds < 10:  # noqa: PLR2004 -- one decimal where it still tells something
        return f"{milliseconds:.1f} ms"
    if milliseconds < 1000:  # noqa: PLR2004 -- milliseconds in a second
        return f"{milliseconds:.0f} ms"
    return f"{milliseconds / 1000:.1f} s"


def size(amount: int) -> str:
    """Write bytes as ``512 MiB`` or ``3.2 GiB``."""
    mebibytes = amount / 2**20
    if mebibytes < 1024:  # noqa: PLR2004 -- mebibytes in a gibibyte
        return f"{mebibytes:.0f} MiB"
    return f"{mebibytes / 1024:.1f} GiB"


def amount(entries: int, visits: int, *, capped: bool = False, adjective: str = "") -> str:
    """Write ``1,204 entries = 7 visits``, with ``at least`` where the count stopped.

    Parameters
    ----------
    entries, visits
        How many; no visits where none of the entries names one.
    capped
        True where there may be more.
    adjective
        What kind of entries: ``waiting``.
    """
    least = "at least " if capped else ""
    kind = f"{adjective} " if adjective else ""
    written = least + count(entries, f"{kind}entry")
    return f"{written} = {least}{count(visits, 'visit')}" if visits else written


def in_minutes(span: timedelta) -> str:
    """Write ``42 min``, ``71 min``, ``2 h 5 min``: how long something lasted."""
    if _MINUTE <= span < timedelta(hours=2):
        return f"{span // _MINUTE} min"
    return duration(span)


def countdown(span: timedelta) -> str:
    """Write ``30 min``: how long there is still, to the nearest minute."""
    return (
        duration(span) if span < _MINUTE else in_minutes((span + _MINUTE / 2) // _MINUTE * _MINUTE)
    )
