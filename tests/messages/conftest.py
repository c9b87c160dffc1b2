"""Expected messages, and a world whose clock stands still."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import UTC, datetime

import pytest

from bot.domain.rules import RULES
from tests.support.expected import Expected
from tests.support.two_people import two_people
from tests.support.world import World

DAY = datetime(2026, 11, 24, 15, 41, tzinfo=UTC)
RUBIN = {"latitude": -30.244639, "longitude": -70.749417, "elevation": 2663, "twilight": -12}

QUIET = {"poll": "30s", "rules": {name: {"enabled": False} for name in RULES}}


@pytest.fixture
def expected(request: pytest.FixtureRequest, rewrite: bool) -> Iterator[Expected]:
    """The files of a test, in a folder by its name in one by its module's."""
    group, name = request.path.stem, request.function.__name__
    folder = f"{group.removeprefix('test_')}/{name.removeprefix('test_')}"
    one = Expected(folder, rewrite=rewrite)
    yield one
    one.check()


@pytest.fixture
def world(world: World) -> World:
    """prod as it is, on a day in November at 15:41 UTC, without alarms."""
    world.stands_at = DAY
    world.settings = {**two_people(), "observing": RUBIN, "alarms": deepcopy(QUIET)}
    return world
