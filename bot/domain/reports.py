"""What the channel hears once a day: how the night was, and what is wrong before the next one."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from bot.domain.alarms import Silence
from bot.domain.approvals import Request


@dataclass(frozen=True)
class NightReport:
    """How one night of one stream was.

    Parameters
    ----------
    evening
        The observing day: the date of the evening in Chile.
    unread
        How many entries wait at the end.
    longest_wait, longest_at
        Longest wait, and when it was seen; None where nothing waited, or that is not known.
    warnings, criticals
        Alarms, by the worst that they were.
    longest_alarm
        How long the longest of them took; None where there was none, or one still fires.
    removed
        Consumer names that were removed by themselves; None where that is not configured.
    watched
        False where the watch had gaps, so that figures are at least what is said.
    """

    instrument: str
    evening: date
    visits: int
    entries: int
    unread: int = 0
    skipped_visits: int = 0
    skipped_entries: int = 0
    skipped_capped: bool = False
    longest_wait: timedelta | None = None
    longest_at: datetime | None = None
    warnings: int = 0
    criticals: int = 0
    longest_alarm: timedelta | None = None
    firing: int = 0
    unconfirmed: int = 0
    removed: int | None = None
    watched: bool = True


@dataclass(frozen=True)
class DuskReport:
    """What may be wrong before a night.

    Parameters
    ----------
    missing
        Instruments without stream or group.
    outage
        In which way Redis is of no use; empty where it is.
    silences
        Those that reach into the night.
    windows
        Number and end of maintenance windows that reach into the night.
    requests
        Those that have been waiting for long.
    """

    dusk: datetime
    missing: tuple[str, ...] = ()
    outage: str = ""
    silences: Sequence[Silence] = ()
    windows: Sequence[tuple[int, datetime]] = ()
    read_only: bool = False
    requests: Sequence[Request] = ()

    @property
    def well(self) -> bool:
        """True where there is nothing to say."""
        return not (
            self.missing
            or self.outage
            or self.silences
            or self.windows
            or self.read_only
            or self.requests
        )
