"""Numbers that are no IDs, wherever an ID is typed, on a database of either kind."""

import re

import pytest

from tests.support.world import World, shown

LINES = (
    "alarms {}",
    "alarms export {}",
    "approve {}",
    "approve {} --alone nobody answers",
    "audit {}",
    "deny {} no",
    "maintenance cancel {}",
    "maintenance change {} tomorrow 15:00 UTC 1h",
    "maintenance end {}",
    "maintenance end {} all is well",
    "maintenance extend {} 1h",
    "maintenance start {}",
    "maintenance update {} half of it is done",
    "own {}",
    "escalate {}",
    "requests {}",
    "restore {}",
    "silence {} 1h it is known",
    "unsilence {}",
    "withdraw {}",
)


@pytest.mark.parametrize(
    "number", ["3000000000", "999999999", "9999999999999999999", "9" * 5000, "#9223372036854775808"]
)
async def test_a_number_that_nobody_was_given_is_no_id(
    world: World, state_url: str, number: str
) -> None:
    world.settings = {"state": {"url": state_url}}
    async with world.bot():
        await world.group()
        for line in LINES:
            said = shown(await world.type(line.format(number)))
            assert not re.search(r"Sorry|database|Reference", said), (line, said)
        assert "no request is open" in (await world.type("requests")).text
