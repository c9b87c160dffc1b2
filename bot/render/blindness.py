"""What the bot says where it does not know: that nobody looks, since when, and why."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.domain.alarms import Silence
from bot.domain.blindness import Blindness
from bot.domain.environments import Environment
from bot.render.blocks import Drawn, section
from bot.render.words import clock, countdown, in_minutes


def in_short(blind: Blindness, now: datetime) -> str:
    """Say it in a few words, with the reason."""
    return f"{_since(blind, now)} ({blind.why})"


def line(environment: Environment, blind: Blindness, now: datetime) -> str:
    """Say it in one line; it takes the place of whatever else would be said of alarms."""
    return f"⚪ *{environment.label}: {_since(blind, now)}.*"


def meaning(blind: Blindness) -> str:
    """Say what it means."""
    if blind.clock_set is not None:
        return (
            "The watch begins anew. Requests, silences and windows go by the clock: `requests`, "
            "`alarms` and `maintenance list` show what it has ended. Waits are told by it, too."
        )
    return (
        f"{blind.why}. Until somebody looks again no alarm begins, changes or ends. `stats` looks "
        "at the streams when it is asked."
    )


def outage(
    environment: Environment, blind: Blindness, now: datetime, ended: Sequence[Silence] = ()
) -> Drawn:
    """Draw what the channel is told when nobody looks.

    Parameters
    ----------
    ended
        The silences that the clock has ended.
    """
    first = line(environment, blind, now)
    numbers = ", ".join(str(each.id) for each in ended)
    lost = f"\nBy it these silences have ended: {numbers}." if ended else ""
    return first, [section(f"{first}\n{meaning(blind)}{lost}")], []


def over(environment: Environment, blind: Blindness, now: datetime) -> Drawn:
    """Draw what the channel is told when somebody looks again."""
    lasted = in_minutes(max(now - blind.since, timedelta(0)))
    first = f"🟢 *{environment.label} is looked at again, after {lasted}.*"
    then = "What was found meanwhile is in `alarms`."
    return first, [section(f"{first}\n{then}")], []


def _since(blind: Blindness, now: datetime) -> str:
    at = clock(blind.since, now=now)
    if blind.clock_set is None:
        return f"nobody has looked since {at} UTC"
    where = "forward" if blind.clock_set > timedelta(0) else "back"
    return f"the bot's clock was set {countdown(abs(blind.clock_set))} {where}, to {at} UTC"
