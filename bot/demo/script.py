"""The demo's faults by clock: ``stall@30,recover@90``, in seconds after the bot is ready."""

import re
from collections.abc import Collection
from dataclasses import dataclass

from bot.domain.errors import FatalError

EXAMPLE = "stall@30,recover@90"

_STEP = re.compile(r"(?P<action>[^@]+)@(?P<seconds>[0-9]+(?:\.[0-9]+)?)s?", re.ASCII)


@dataclass(frozen=True)
class Step:
    """One line that is typed by the clock.

    Parameters
    ----------
    seconds
        After the bot is ready.
    line
        As a person would type it.
    """

    seconds: float
    line: str


def parse(text: str, known: Collection[str]) -> tuple[Step, ...]:
    """Read a script.

    Parameters
    ----------
    text
        Steps with commas between them.
    known
        What may be typed.

    Returns
    -------
    tuple
        The steps in the order of their times.

    Raises
    ------
    FatalError
        If it is no script; the text says why.
    """
    steps = []
    for written in text.split(","):
        match = _STEP.fullmatch(written.strip())
        if match is None:
            raise FatalError(
                f"--script: {written.strip()!r} is no step; write for example {EXAMPLE}."
            )
        line = " ".join(match["action"].lower().split())
        if line not in known:
            raise FatalError(
                f"--script: {line!r} is none of the actions, which are {', '.join(known)}."
            )
        steps.append(Step(float(match["seconds"]), line))
    return tuple(sorted(steps, key=lambda step: step.seconds))
