"""What a topic of the runbook is made of, and how its commands get an environment's names.

Prose is Slack's markup and our own; it may hold the places that `bot.render.runbook` fills.
Commands may hold ``{stream}``, ``{group}`` and ``{instrument}``, which repeat them for each
instrument, and ``{context}``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from bot.domain.environments import Environment

CONTEXTS = {"prod": "usdf-prompt-processing", "dev": "usdf-prompt-processing-dev"}
"""The kubectl context in which an environment's Redis is found; there is no other way to tell."""

REDIS_CLI = "kubectl exec -it prompt-redis-0 -n prompt-redis{context} -- redis-cli"

SAFE = "Skipped means not processed tonight: the image is safe, and daytime catch-up can take it."
NOT_REPEATED = (
    "Visits announced while Redis is away, usually 20 s to 1 min, never reach the stream: the "
    f"fan-out does not repeat them, so they are skipped. {SAFE}"
)


class Chapter(Enum):
    """Under which heading a topic is listed, in this order."""

    SERVICE = "Procedures: the service"
    STREAMS = "Procedures: the streams"
    ALARMS = "What alarms point to"


@dataclass(frozen=True)
class Typed:
    """A command of this bot, and what it is good for here."""

    command: str
    why: str


@dataclass(frozen=True)
class Step:
    """A paragraph, and the commands to run by hand.

    Parameters
    ----------
    says
        Prose.
    kubectl
        Commands for a shell, around kubectl.
    redis
        Commands for Redis, typed after `REDIS_CLI`.
    apart
        True where pasting the commands of every instrument at once would go too far.
    """

    says: str
    kubectl: tuple[str, ...] = ()
    redis: tuple[str, ...] = ()
    apart: bool = False

    def commands(
        self, environment: Environment, *, inside: bool = False
    ) -> tuple[tuple[str, ...], ...]:
        """Fill in the environment's names; each item is what may be pasted at once.

        Parameters
        ----------
        environment
            Whose streams, groups and kubectl context are named.
        inside
            True if an earlier step has opened `REDIS_CLI`.
        """
        kubectl = list(_filled(self.kubectl, environment))
        redis = list(_filled(self.redis, environment))
        enter = list(_filled((REDIS_CLI,), environment)) if redis and not inside else []
        if self.apart:
            return tuple(kubectl + enter + redis)
        together = [line for lines in kubectl + enter + redis for line in lines]
        return (tuple(together),) if together else ()


@dataclass(frozen=True)
class Topic:
    """One page of the runbook.

    Parameters
    ----------
    name
        As it is typed: one or two words.
    chapter
        Where it is listed.
    summary
        What it is about, and when: it ends the first line, so it is short.
    when
        The occasion, and what to know before.
    typed
        Commands of this bot, which come first.
    steps
        What to do by hand.
    links
        Names of addresses, the most useful first.
    see
        Names of other topics.
    """

    name: str
    chapter: Chapter
    summary: str
    when: str
    typed: tuple[Typed, ...] = ()
    steps: tuple[Step, ...] = ()
    links: tuple[str, ...] = ()
    see: tuple[str, ...] = ()


def _filled(lines: tuple[str, ...], environment: Environment) -> Iterator[tuple[str, ...]]:
    """Give the lines once, or once for every instrument that they would name."""
    if not lines:
        return
    known = CONTEXTS.get(environment.name)
    context = f" --context {known}" if known else ""
    each = any(place in line for line in lines for place in ("{stream}", "{group}", "{instrument}"))
    for instrument in environment.instruments if each else ("",):
        yield tuple(
            line.format(
                stream=environment.stream(instrument),
                group=environment.group(instrument),
                instrument=instrument,
                context=context,
            )
            for line in lines
        )
