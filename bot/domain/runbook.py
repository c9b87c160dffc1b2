"""The written procedures: what to do by hand, and which command of the bot comes first.

They are content: one Markdown file a topic in ``runbook/`` beside this module, listed in its
``index.md``, which also holds the phrases and the links that several topics share. A file has a
fixed form, which a test checks: the title, one line that ends the first line of the answer, the
occasion, and the sections *Type here*, *By hand*, *Look at* and *See also*. A paragraph by hand may
be followed by one block of commands, for a shell (``sh``) or for Redis (``redis``; with ``apart``
where pasting all of it at once would go too far).

Names in braces are filled in: ``{safe}`` and the other phrases; ``{channel}``, ``{label}`` and
``{age}`` in prose; ``{context}`` in commands, and ``{stream}``, ``{group}`` and ``{instrument}``,
which repeat a block for each instrument.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from bot.domain.environments import Environment

CONTEXTS = {"prod": "usdf-prompt-processing", "dev": "usdf-prompt-processing-dev"}
"""The kubectl context in which an environment's Redis is found; there is no other way to tell."""

REDIS_CLI = "kubectl exec -it prompt-redis-0 -n prompt-redis{context} -- redis-cli"

_STEP = re.compile(r"(.+?)\n(?:\n```(sh|redis)( apart)?\n(.+?)\n```\n)?(?:\n|\Z)", re.DOTALL)
_EACH_INSTRUMENT = ("{stream}", "{group}", "{instrument}")


@dataclass(frozen=True)
class Link:
    """Where else to look; without address it is the one of that name in the configuration."""

    name: str
    label: str
    address: str


@dataclass(frozen=True)
class Step:
    """A paragraph, and the commands to run by hand: for Redis those that follow `REDIS_CLI`."""

    says: str
    lines: tuple[str, ...] = ()
    redis: bool = False
    apart: bool = False

    def commands(
        self, environment: Environment, *, inside: bool = False
    ) -> tuple[tuple[str, ...], ...]:
        """Fill in the environment's names; each item is what may be pasted at once.

        Parameters
        ----------
        inside
            True if an earlier step has opened `REDIS_CLI`.
        """
        enter = (REDIS_CLI,) if self.redis and not inside else ()
        pasted = [*_filled(enter, environment), *_filled(self.lines, environment)]
        if self.apart or not pasted:
            return tuple(pasted)
        return (tuple(line for lines in pasted for line in lines),)


@dataclass(frozen=True)
class Topic:
    """One page of the runbook.

    Parameters
    ----------
    name
        As it is typed: one or two words.
    typed
        Commands of this bot, which come first, and what each is good for here.
    links
        The most useful first.
    see
        Names of other topics.
    """

    name: str
    chapter: str
    summary: str
    when: str
    typed: tuple[tuple[str, str], ...]
    steps: tuple[Step, ...]
    links: tuple[Link, ...]
    see: tuple[str, ...]


@cache
def topics() -> Mapping[str, Topic]:
    """Give every topic by its name, in the order in which they are listed."""
    _, *chapters, (_, phrases), (_, links) = _sections("index", {})
    shared = dict(re.findall(r"^- (\w+): (.+)$", phrases, re.MULTILINE))
    known = {
        name: Link(name, label, address)
        for name, label, address in re.findall(
            r"^- (\w+): \[?([^]\n]+)\]?(?:\((.+)\))?$", links, re.MULTILINE
        )
    }
    return {
        name: _topic(name, chapter, shared, known)
        for chapter, names in chapters
        for name in re.findall(r"^- (.+)$", names, re.MULTILINE)
    }


def _topic(name: str, chapter: str, shared: dict[str, str], known: Mapping[str, Link]) -> Topic:
    (_, beginning), *rest = _sections(name.replace(" ", "-"), shared)
    sections = dict(rest)
    summary, when = beginning.split("\n\n")
    return Topic(
        name,
        chapter,
        summary,
        _prose(when),
        tuple(re.findall(r"^- `(.+?)`: (.+)$", sections.get("Type here", ""), re.MULTILINE)),
        tuple(
            Step(_prose(says), tuple(lines.splitlines()), kind == "redis", bool(apart))
            for says, kind, apart, lines in _STEP.findall(sections.get("By hand", "") + "\n")
        ),
        tuple(known[each] for each in _listed(sections.get("Look at", ""))),
        _listed(sections.get("See also", "")),
    )


def _sections(file: str, shared: dict[str, str]) -> list[tuple[str, str]]:
    """Read a file: its title and what follows, then each of its sections."""
    text = (files("bot.domain") / "runbook" / f"{file}.md").read_text(encoding="utf-8")
    for name, phrase in reversed(shared.items()):
        text = text.replace(f"{{{name}}}", phrase)
    _, *parts = re.split(r"^##? (.+)$", text, flags=re.MULTILINE)
    return [(title, body.strip()) for title, body in zip(parts[::2], parts[1::2], strict=True)]


def _prose(text: str) -> str:
    """Turn a paragraph of Markdown into Slack's markup: bold, and lines where it breaks them."""
    return text.replace("**", "*").replace("\\\n", "\r").replace("\n", " ").replace("\r", "\n")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(text.split(", ")) if text else ()


def _filled(lines: tuple[str, ...], environment: Environment) -> Iterator[tuple[str, ...]]:
    """Give the lines once, or once for every instrument that they would name."""
    if not lines:
        return
    known = CONTEXTS.get(environment.name)
    context = f" --context {known}" if known else ""
    each = any(place in line for line in lines for place in _EACH_INSTRUMENT)
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
