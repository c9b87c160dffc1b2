"""Not knowing: since when nobody has looked at an environment, and why.

While it lasts, that no alarm fires means nothing, and nothing may say so.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

LATE_AFTER = timedelta(minutes=1)
"""A watch that has not brought its alarms to what it found for so long is late."""

CLOCK_WAS_SET = timedelta(seconds=30)
"""By so much the clock may differ from the time that passed; more means that it was set."""


@dataclass(frozen=True)
class Blindness:
    """Since when nobody has looked, or looked through.

    Parameters
    ----------
    why
        A sentence or two without a full stop at the end; what is known of the reason.
    clock_set
        By how much the clock was set, where that is the reason.
    """

    since: datetime
    why: str
    clock_set: timedelta | None = None
