"""What is typed into the demo's terminal, or written in `--script`."""

import re
from typing import NamedTuple

ACTIONS = ("stall", "break group", "kill redis", "recover")


class Step(NamedTuple):
    """An action, and when: seconds after the start."""

    at: float
    action: str


class ScriptError(ValueError):
    """The script cannot be read; the text says why."""


def parse(text: str) -> list[Step]:
    """Read ``stall@30,recover@90``.

    Parameters
    ----------
    text
        Actions with their seconds, in any order.

    Raises
    ------
    ScriptError
        If it is anything else.
    """
    steps = []
    for part in text.split(","):
        found = re.fullmatch(r"\s*([a-z ]+?)\s*@\s*(\d{1,6}(?:\.\d+)?)s?\s*", part.lower())
        if found is None or found.group(1) not in ACTIONS:
            raise ScriptError(
                f"--script: I cannot read {part.strip()!r}. Write for example stall@30,recover@90; "
                f"the actions are {', '.join(ACTIONS)}."
            )
        steps.append(Step(float(found.group(2)), found.group(1)))
    return sorted(steps)
