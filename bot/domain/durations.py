"""Durations as people write them: ``90s``, ``15m``, ``2h``, ``1h30m``, ``1d``.

The same few forms stand in the configuration file and in typed commands.
"""

import re
from datetime import timedelta

EXAMPLES = "90s, 15m, 2h, 1h30m or 1d"
"""What a person may write, for messages."""

PATTERN = r"^(?=[0-9])(?:([0-9]+)d)?(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?$"
"""Days, hours, minutes and seconds in that order, at least one of them."""

LONGEST = timedelta(days=3650)
"""Longer ones are slips of the finger, and would overflow where they are added to a time."""

_ECHOED = 24
"""Longer texts are not repeated in a message."""


def parse_duration(text: str) -> timedelta:
    """Read a duration.

    Parameters
    ----------
    text
        What was written.

    Returns
    -------
    timedelta
        Zero or more.

    Raises
    ------
    ValueError
        If it is no duration, or longer than ten years; the text is for people.
    """
    match = re.fullmatch(PATTERN, text)
    if match is None:
        given = f", not {text!r}" if len(text) <= _ECHOED else ""
        raise ValueError(f"must be a duration such as {EXAMPLES}{given}")
    try:
        days, hours, minutes, seconds = (int(figure or 0) for figure in match.groups())
        duration = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    except (ValueError, OverflowError):
        # int() refuses thousands of digits, timedelta some nine of them.
        duration = timedelta.max
    if duration > LONGEST:
        raise ValueError(f"must not be longer than {format_duration(LONGEST)}")
    return duration


def format_duration(duration: timedelta) -> str:
    """Write a duration so that `parse_duration` reads it; what is less than a second is cut off.

    Raises
    ------
    ValueError
        If it is negative.
    """
    seconds = duration // timedelta(seconds=1)
    if seconds < 0:
        raise ValueError("a duration is not negative")
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "m"), (seconds, "s"))
    return "".join(f"{figure}{unit}" for figure, unit in parts if figure) or "0s"
