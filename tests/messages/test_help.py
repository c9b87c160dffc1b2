"""Every page of help and every topic of the runbook."""

import re

from tests.support.expected import Expected, answered
from tests.support.world import DEV, PROD, World, shown


def topics(text: str, command: str) -> list[str]:
    """Give what a listing offers, each once."""
    found = re.findall(rf"`/prompt-redis {command} ?([^`]*)`", text)
    return list(dict.fromkeys(found))


async def test_help(bot: World, expected: Expected) -> None:
    whole = await bot.type("help")
    expected.message("all", whole)
    expected.message("all-of-dev", await answered(bot, "help", DEV))
    for name in ("start", "streams", "changes", "requests", "alarms", "maintenance", "nothing"):
        expected.message(f"topic-{name}", await answered(bot, f"help {name}"))


async def test_each_command(bot: World, expected: Expected) -> None:
    lines = topics(shown(await bot.type("help")), "")
    names = [re.split(r" ?[\[(A-Z-]", line)[0] for line in lines]
    for name in filter(None, dict.fromkeys(names)):
        expected.message(name.replace(" ", "-"), await answered(bot, f"help {name}"))


async def test_runbook(bot: World, expected: Expected) -> None:
    whole = await bot.type("runbook")
    expected.message("all", whole)
    expected.message("unknown", await answered(bot, "runbook nothing"))
    for name in topics(shown(whole), "runbook"):
        answer = await answered(bot, f"runbook {name}")
        expected.message(name.replace(" ", "-"), answer)
    for name in topics(shown(whole), "runbook"):
        answer = await answered(bot, f"runbook {name}", DEV)
        expected.message(f"{name.replace(' ', '-')}-of-dev", answer)


async def test_elsewhere(bot: World, expected: Expected) -> None:
    expected.message("no-environment", await answered(bot, "stats", "C0OTHER001"))
    assert PROD != DEV
