"""Maintenance windows for the tests of the state."""

from datetime import datetime, timedelta

from hypothesis import strategies as st

from bot.domain.environments import Person
from bot.domain.maintenance import Stage, Window, Word
from tests.storage.alarm_drafts import COUNTS, TEXT, TIMES
from tests.storage.drafts import ANA, NOW

HOUR = timedelta(hours=1)
START = NOW + HOUR

PEOPLE = st.builds(Person, TEXT, TEXT)
WINDOWS = st.builds(
    Window,
    id=st.just(0),
    environment=TEXT,
    starts=TIMES,
    ends=TIMES,
    reason=TEXT,
    owner=PEOPLE,
    announced=TIMES,
    during_observing=st.booleans(),
    stage=st.sampled_from(Stage),
    version=st.integers(0, 1000),
    started=st.none() | TIMES,
    started_by=st.none() | PEOPLE,
    ended=st.none() | TIMES,
    ended_by=st.none() | PEOPLE,
    closing=TEXT,
    said=st.frozensets(st.tuples(st.sampled_from([word.value for word in Word]), TIMES)),
    updates=COUNTS,
)


def window(starts: datetime = START, ends: datetime | None = None) -> Window:
    return Window(
        id=0,
        environment="prod",
        starts=starts,
        ends=ends or starts + HOUR,
        reason="Redis “8.10” 🔭\nupgrade",
        owner=ANA,
        announced=NOW,
    )
