"""The contract between the bot and a subcommand.

A module in `commands` exports `COMMANDS`. There are three kinds: a `Read` only looks and answers in
private; an `Act` does something at once, in the channel; a `Change` has a plan, and because it has
one, two people decide. The usage line is the grammar: what it does not name is an error.
"""

import difflib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.deployment import Deployment, Place
from bot.domain.approvals import Outcome, Plan, Request
from bot.domain.changes import Facts
from bot.domain.environments import Environment, Person, Right
from bot.domain.errors import UserError
from bot.grammar import Arguments, Grammar, did_you_mean, quoted, words_of
from bot.render.blocks import Button
from bot.render.forms import Form
from bot.reply import Purpose, Reply
from bot.services.approvals import Approved
from bot.services.environments import Services

__all__ = [
    "SHARE",
    "Act",
    "Call",
    "Change",
    "Command",
    "Deployment",
    "Person",
    "Place",
    "Purpose",
    "Read",
    "Registry",
    "Reply",
    "Right",
]

SHARE = "share"

_DIGITS = 9
"""Longer numbers are no IDs, and would not fit the database."""


@dataclass(frozen=True)
class Call:
    """One typed command, button or form, with all that a subcommand may use.

    Parameters
    ----------
    name, arguments
        What was typed.
    person
        Who typed or clicked.
    services
        Those of the environment whose channel it came from.
    deployment, registry
        What is the same for every call.
    now
        When it came.
    clicked
        True for a button, which may open a form where a typed command gets an answer.
    """

    name: str
    arguments: Arguments
    person: Person
    services: Services
    deployment: Deployment
    registry: "Registry"
    now: datetime
    clicked: bool = False

    @property
    def environment(self) -> Environment:
        """The one whose channel it came from."""
        return self.services.environment

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

    def instrument(self) -> str:
        """Give the one instrument that was named, or the only one there is.

        Raises
        ------
        UserError
            If several are meant, or none that is in this environment.
        """
        if not self.arguments.words and len(self.environment.instruments) > 1:
            names = ", ".join(f"`{each}`" for each in self.environment.instruments)
            raise UserError(
                f"Which instrument? {self.environment.label} has {names}.",
                usage=self.registry[self.name].usage_line,
            )
        found = self.instruments()
        if len(found) > 1:
            raise UserError(
                "One instrument at a time: each has its own plan.",
                usage=self.registry[self.name].usage_line,
            )
        return found[0]

    @property
    def number(self) -> int:
        """The ID that was typed.

        Raises
        ------
        UserError
            If it is no number.
        """
        word = self.arguments.words[0].lstrip("#")
        if not (word.isascii() and word.isdigit() and len(word) <= _DIGITS):
            raise UserError(
                f"`{quoted(word)}` is no ID: IDs are whole numbers, such as 42.",
                usage=self.registry[self.name].usage_line,
            )
        return int(word)

    @property
    def reason(self) -> str:
        """Why it is asked for, as it was typed."""
        return self.arguments.options.get("reason", self.arguments.rest)

    @property
    def reading_buttons(self) -> tuple[Button, ...]:
        """The buttons of a reading command: look again, and show everybody."""
        typed = self.arguments.typed
        return (
            Button("Refresh", self.name, typed),
            Button("Share in channel", self.name, typed, word=SHARE),
        )


Opens = Callable[[Call], Form | None]
"""Gives the form that a call opens; None where it says all that is needed. Looks nothing up."""


@dataclass(frozen=True)
class _Subcommand:
    """What the three kinds share.

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
    """

    name: str
    usage: str
    summary: str
    purpose: Purpose
    right: Right

    @property
    def usage_line(self) -> str:
        """Name and usage."""
        return f"{self.name} {self.usage}".strip()

    def parse(self, text: str, *, partly: bool = False) -> Arguments:
        """Read what followed the name, by the usage line.

        Parameters
        ----------
        text
            What followed.
        partly
            True where a form may ask for what is missing.

        Raises
        ------
        UserError
            If an option is unknown or lacks its value, or words are missing or too many.
        """
        return Grammar(self.usage, self.usage_line).parse(text, partly=partly)


@dataclass(frozen=True)
class Read(_Subcommand):
    """A subcommand that only looks, and answers in private.

    Parameters
    ----------
    run
        Answers a call.
    form
        Opens a form instead, where the call leaves something out.
    details
        More for `help NAME`: sentences in Slack's markup.
    """

    run: Callable[[Call], Awaitable[Reply]]
    form: Opens | None = None
    aliases: tuple[str, ...] = ()
    details: str = ""


@dataclass(frozen=True)
class Act(_Subcommand):
    """A subcommand that does something at once, in the channel and in the audit.

    Parameters
    ----------
    run
        Does it, and sees to its line in the audit; each reply replaces the one before, so a long
        one shows its progress.
    """

    run: Callable[[Call], AsyncIterator[Reply]]
    form: Opens | None = None
    aliases: tuple[str, ...] = ()
    details: str = ""


@dataclass(frozen=True)
class Change(_Subcommand):
    """A subcommand that changes a stream, or the Redis under it, once its plan is approved.

    Parameters
    ----------
    plan
        Looks, and says what would be changed; mistakes end here, before anybody is asked.
    run
        Carries out what was approved: lines of progress, and at last the facts, with `result`.
    tell
        Says what facts amount to; also when another process found them in the marker.
    look_back
        Finds out what came of a request of which nobody knows; None where the marker in Redis
        tells. It gives None while nobody knows.
    resume
        Goes on where a process has died, from what can be seen; None where a change is never
        gone on with. Nothing is made twice by it.
    """

    plan: Callable[[Call], Awaitable[Plan]]
    run: Callable[[Call, Approved], AsyncIterator[str | Facts]]
    tell: Callable[[Environment, Request, Facts], Outcome]
    look_back: Callable[[Call, Request], Awaitable[Facts | None]] | None = None
    resume: Callable[[Call, Approved], AsyncIterator[str | Facts]] | None = None
    form: Opens | None = None
    aliases: tuple[str, ...] = ()
    details: str = ""


Command = Read | Act | Change


class Registry:
    """Every subcommand, by name and alias.

    Raises
    ------
    ValueError
        If two subcommands claim one name.
    """

    def __init__(self, commands: Iterable[Command]) -> None:
        self._commands: dict[str, Command] = {}
        for command in commands:
            for name in (command.name, *command.aliases):
                if name in self._commands:
                    raise ValueError(f"two subcommands are called {name!r}")
                self._commands[name] = command

    def __iter__(self) -> Iterator[Command]:
        """Give each subcommand once."""
        return iter(dict.fromkeys(self._commands.values()))

    def __getitem__(self, name: str) -> Command:
        return self._commands[name]

    def find(self, text: str) -> tuple[Command, str]:
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

    def nearest(self, words: Sequence[str]) -> Command | None:
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
