"""The contract between the bot and a subcommand.

A module in `commands` exports `COMMANDS`. There are three kinds: a `Read` only looks and answers in
private; an `Act` does something at once, in the channel; a `Change` has a plan, and because it has
one, two people decide. The usage line is the grammar: what it does not name is an error.
"""

import difflib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from functools import cached_property
from typing import Any, Generic, TypeVar

from bot.domain.approvals import Outcome, Plan, Request
from bot.domain.environments import Environment, Person, Right
from bot.domain.errors import UserError
from bot.domain.times import parse_duration
from bot.grammar import Arguments, Grammar, did_you_mean, quoted, split_words, whole_number
from bot.render.blocks import Block, Button, Markup, section
from bot.render.forms import Form
from bot.services.approvals import Approved
from bot.services.environments import Services

SHARE = "share"

_SEEN_WITHIN = timedelta(seconds=3)
"""For so long an answer waits for the message that it speaks of."""


class Purpose(Enum):
    """Under which heading `help` lists a subcommand, in this order."""

    LOOK = "See how the streams are doing"
    ALARMS = "Hear of trouble, and look after it"
    CHANGE = "Change them, two people together"
    MAINTENANCE = "Announce work on it"
    LEARN = "Find your way"


@dataclass(frozen=True)
class Reply:
    """What a subcommand answers.

    Parameters
    ----------
    text
        The first line: the notification, and the whole story.
    blocks
        What is shown, buttons excepted.
    buttons
        The likeliest first; a message that is shared goes without.
    private
        True where an `Act` has its effect elsewhere in the channel, and answers the person alone.
    picture
        A PNG. Slack has no private files, so a reply with one is shown in the channel.
    approved
        What is to be carried out from now on, apart from this answer.
    """

    text: str
    blocks: Sequence[Block] = ()
    buttons: Sequence[Button] = ()
    private: bool = False
    picture: bytes | None = None
    approved: Approved | None = None


def privately(text: str) -> Reply:
    """Answer whoever acted in one sentence; the channel sees the effect elsewhere."""
    return Reply(text, [section(text)], private=True)


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
    workspace
        Address of the Slack workspace, for links to messages; empty where it is not known.
    leader
        Names the process that leads; None where there is none.
    """

    slash: str
    version: str
    started: datetime
    places: tuple[Place, ...]
    workspace: str = ""
    leader: Callable[[], Awaitable[str | None]] | None = None


@dataclass(frozen=True)
class Call:
    """One typed command, button or form, with all that a subcommand may use.

    Parameters
    ----------
    services
        Those of the environment whose channel it came from.
    clicked
        True for a button, which may open a form where a typed command gets an answer.
    """

    command: "Command"
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

    def mistake(self, text: str, *, suggestion: str | None = None) -> UserError:
        """Say what was typed wrong, with the usage line below it."""
        return UserError(text, usage=self.command.usage_line, suggestion=suggestion)

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
                raise self.mistake(
                    f"{self.environment.label} has no instrument `{quoted(word)}`; it has "
                    f"{', '.join(f'`{each}`' for each in known)}." + did_you_mean(word, known)
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
            raise self.mistake(f"Which instrument? {self.environment.label} has {names}.")
        found = self.instruments()
        if len(found) > 1:
            raise self.mistake("One instrument at a time: each has its own plan.")
        return found[0]

    async def unseen(self, number: int) -> str:
        """Say that the channel does not show what was done, as it had time to; empty if it does.

        Parameters
        ----------
        number
            ID of the request, alarm or window whose message should show it.
        """
        post = await self.services.posts.settled(number, _SEEN_WITHIN)
        if post is None or post.current:
            return ""
        return f"The channel does not see this: {post.reason}."

    @property
    def number(self) -> int:
        """The ID that was typed.

        Raises
        ------
        UserError
            If it is no number.
        """
        word = self.arguments.words[0]
        number = whole_number(word)
        if number is None:
            raise self.mistake(
                f"`{quoted(word.lstrip('#'))}` is no ID: IDs are whole numbers, such as 42."
            )
        return number

    def span(self, option: str, default: timedelta) -> timedelta:
        """Read the duration that an option has.

        Raises
        ------
        UserError
            If it is no duration.
        """
        typed = self.arguments.options.get(option)
        if typed is None:
            return default
        try:
            return parse_duration(typed.lower())
        except ValueError as error:
            raise self.mistake(f"`--{option}` {error}.") from error

    @property
    def reading_buttons(self) -> tuple[Button, ...]:
        """The buttons of a reading command: look again, and show everybody."""
        name, typed = self.command.name, self.arguments.typed
        return (Button("Refresh", name, typed), Button("Share in channel", name, typed, word=SHARE))


Opens = Callable[[Call], Form | None]
"""Gives the form that a call opens; None where it says all that is needed. Looks nothing up."""


@dataclass(frozen=True, kw_only=True)
class _Subcommand:
    """What the three kinds share.

    Parameters
    ----------
    name
        One or two words; empty for the slash command alone.
    purpose
        Under which heading `help` lists it.
    usage
        What may follow the name: ``INSTRUMENT``, ``[INSTRUMENT…]``, ``[--since DURATION]``,
        ``[--delete]``, and at the end ``REASON`` or ``TEXT`` for the rest of the line.
    form
        Opens a form instead, where the call leaves something out.
    details
        More for `help NAME`: sentences in Slack's markup, or what writes them when they are asked
        for.
    """

    name: str
    summary: str
    purpose: Purpose
    usage: str = ""
    right: Right = Right.ANYBODY
    form: Opens | None = None
    aliases: tuple[str, ...] = ()
    details: str | Callable[[], str] = ""

    @property
    def usage_line(self) -> str:
        """Name and usage."""
        return f"{self.name} {self.usage}".strip()

    @cached_property
    def grammar(self) -> Grammar:
        """How what follows the name is read."""
        return Grammar(self.usage, self.usage_line)


@dataclass(frozen=True, kw_only=True)
class Read(_Subcommand):
    """A subcommand that only looks, and answers in private.

    Parameters
    ----------
    at_once
        How many of it one person may have under way, where each takes much; None sets no bound.
    """

    run: Callable[[Call], Awaitable[Reply]]
    at_once: int | None = None


@dataclass(frozen=True, kw_only=True)
class Act(_Subcommand):
    """A subcommand that does something at once, in the channel and in the audit.

    Parameters
    ----------
    run
        Does it, and sees to its line in the audit; each reply replaces the one before, so a long
        one shows its progress.
    """

    run: Callable[[Call], AsyncIterator[Reply]]
    right: Right = Right.OPERATOR


Ended = TypeVar("Ended")
"""How a change has ended, as far as its own subcommand says it."""


@dataclass(frozen=True, kw_only=True)
class Change(_Subcommand, Generic[Ended]):
    """A subcommand that changes a stream, or the Redis under it, once its plan is approved.

    Parameters
    ----------
    plan
        Looks, and says what would be changed; mistakes end here, before anybody is asked.
    run
        Carries out what was approved: lines of progress, and at last how it has ended, such as
        the facts of a marker.
    tell
        Says what that amounts to; also when another process found it out.
    look_back
        Finds out what came of a request of which nobody knows; None where the marker in Redis
        tells. It gives None while nobody knows.
    resume
        Goes on where a process has died, from what can be seen; None where a change is never
        gone on with. Nothing is made twice by it.
    """

    plan: Callable[[Call], Awaitable[Plan]]
    run: Callable[[Services, Approved], AsyncIterator[str | Ended]]
    tell: Callable[[Environment, Request, Ended], Outcome]
    look_back: Callable[[Services, Request], Awaitable[Ended | None]] | None = None
    resume: Callable[[Services, Approved], AsyncIterator[str | Ended]] | None = None
    purpose: Purpose = Purpose.CHANGE
    right: Right = Right.OPERATOR


Command = Read | Act | Change[Any]


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
        words = split_words(text)
        for length in (2, 1):
            if len(words) >= length:
                name = " ".join(word.group().lower() for word in words[:length])
                if name in self._commands:
                    return self._commands[name], text[words[length - 1].end() :].strip()
        if not words and "" in self._commands:
            return self._commands[""], ""
        typed = [word.group().lower() for word in words]
        text = f"I don't know `{quoted(typed[0] if typed else '')}`."
        for near in (" ".join(typed[:2]), *typed[:1]):
            for name in difflib.get_close_matches(near, filter(None, self._commands), n=1):
                meant = self._commands[name]
                text = f"{text} Did you mean `{meant.name}`?"
                raise UserError(text, usage=meant.usage_line, suggestion=meant.name)
        raise UserError(f"{text} `help` lists what I know.", suggestion="help")
