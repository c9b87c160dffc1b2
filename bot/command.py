"""The contract between the bot and a subcommand.

A module in `commands` exports `COMMANDS`; each of them declares its name and usage, and `run`
turns a `Call` into a `Reply`. The usage line is the grammar: what it does not name is an error.
"""

import difflib
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum

from bot.domain.environments import Environment
from bot.domain.errors import UserError
from bot.grammar import Arguments, Grammar, did_you_mean, quoted, words_of
from bot.render.blocks import Block, Button, Markup
from bot.services.streams import Streams

SHARE = "share"


class Right(Enum):
    """Who may use a subcommand."""

    ANYBODY = "anybody"


class Purpose(Enum):
    """Under which heading `help` lists a subcommand, in this order."""

    LOOK = "See how the streams are doing"
    LEARN = "Find your way"


@dataclass(frozen=True)
class Reply:
    """What a subcommand answers.

    Parameters
    ----------
    blocks
        What is shown, buttons excepted.
    text
        The first line: the notification, and the whole story.
    buttons
        The likeliest first; a message that is shared goes without.
    """

    blocks: Sequence[Block]
    text: Markup
    buttons: Sequence[Button] = ()


@dataclass(frozen=True)
class Person:
    """Who typed or clicked: Slack's user ID, and a name for people to read."""

    id: str
    name: str


@dataclass(frozen=True)
class Place:
    """An environment and the channel in which it is spoken to: a link, or a name."""

    environment: Environment
    channel: Markup


@dataclass(frozen=True)
class Deployment:
    """What is the same for every call of one process.

    Parameters
    ----------
    slash
        The slash command, such as ``/prompt-redis``.
    version
        The bot's version.
    started
        When the process began.
    places
        Every environment it serves.
    """

    slash: str
    version: str
    started: datetime
    places: tuple[Place, ...]


@dataclass(frozen=True)
class Call:
    """One typed command, button or form, with all that a subcommand may use."""

    name: str
    arguments: Arguments
    person: Person
    environment: Environment
    streams: Streams
    deployment: Deployment
    registry: "Registry"
    now: datetime

    def instruments(self) -> tuple[str, ...]:
        """Instruments that were named; all of them where none was, or ``all``.

        Raises
        ------
        UserError
            If one of them is not in this environment.
        """
        known = self.environment.instruments
        named = tuple(dict.fromkeys(word.lower() for word in self.arguments.words))
        if not named or "all" in named:
            return known
        for word in named:
            if word not in known:
                raise UserError(
                    f"{self.environment.label} has no instrument `{quoted(word)}`; it has "
                    f"{', '.join(f'`{each}`' for each in known)}." + did_you_mean(word, known),
                    usage=self.registry[self.name].usage_line,
                )
        return named

    @property
    def reading_buttons(self) -> tuple[Button, ...]:
        """The buttons of a reading command: look again, and show everybody."""
        typed = self.arguments.typed
        return (
            Button("Refresh", self.name, typed),
            Button("Share in channel", self.name, typed, word=SHARE),
        )


@dataclass(frozen=True)
class Read:
    """A subcommand that only looks, and answers in private.

    Parameters
    ----------
    name
        One or two words; empty for the slash command alone.
    usage
        What may follow the name: ``INSTRUMENT``, ``[INSTRUMENT…]``, ``[--since DURATION]``,
        ``[--delete]``, and at the end ``REASON`` or ``TEXT`` for the rest of the line.
    summary
        What it does, in a few words.
    purpose
        Under which heading `help` lists it.
    right
        Who may use it.
    run
        Answers a call.
    details
        More for `help NAME`: sentences in Slack's markup.
    """

    name: str
    usage: str
    summary: str
    purpose: Purpose
    right: Right
    run: Callable[[Call], Awaitable[Reply]]
    aliases: tuple[str, ...] = ()
    details: str = ""

    @property
    def usage_line(self) -> str:
        """Name and usage."""
        return f"{self.name} {self.usage}".strip()

    def parse(self, text: str) -> Arguments:
        """Read what followed the name, by the usage line.

        Raises
        ------
        UserError
            If an option is unknown or lacks its value, or words are missing or too many.
        """
        return Grammar(self.usage, self.usage_line).parse(text)


class Registry:
    """Every subcommand, by name and alias.

    Raises
    ------
    ValueError
        If two subcommands claim one name.
    """

    def __init__(self, commands: Iterable[Read]) -> None:
        self._commands: dict[str, Read] = {}
        for command in commands:
            for name in (command.name, *command.aliases):
                if name in self._commands:
                    raise ValueError(f"two subcommands are called {name!r}")
                self._commands[name] = command

    def __iter__(self) -> Iterator[Read]:
        """Give each subcommand once."""
        return iter(dict.fromkeys(self._commands.values()))

    def __getitem__(self, name: str) -> Read:
        return self._commands[name]

    def find(self, text: str) -> tuple[Read, str]:
        """Find the subcommand that a line begins with; the longest name wins.

        Returns
        -------
        tuple
            The subcommand, and what follows its name.

        Raises
        ------
        UserError
            If there is none; it names the nearest.
        """
        words = words_of(text)
        for length in (2, 1):
            if len(words) >= length:
                name = " ".join(word.group().lower() for word in words[:length])
                if name in self._commands:
                    return self._commands[name], text[words[length - 1].end() :].strip()
        if not words and "" in self._commands:
            return self._commands[""], ""
        raise self._unknown([word.group().lower() for word in words])

    def nearest(self, words: Sequence[str]) -> Read | None:
        """Find the subcommand that was probably meant."""
        names = [name for name in self._commands if name]
        for typed in (" ".join(words[:2]), *words[:1]):
            for name in difflib.get_close_matches(typed, names, n=1, cutoff=0.6):
                return self._commands[name]
        return None

    def _unknown(self, words: Sequence[str]) -> UserError:
        text = f"I don't know `{quoted(words[0] if words else '')}`."
        meant = self.nearest(words)
        if meant is None:
            return UserError(f"{text} `help` lists what I know.", suggestion="help")
        return UserError(
            f"{text} Did you mean `{meant.name}`?", usage=meant.usage_line, suggestion=meant.name
        )
