"""How a typed line is read: words split at spaces, no quoting, upper or lower case.

The usage line that people are shown is the grammar itself, so it cannot promise what is refused.
"""

import difflib
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.domain.errors import UserError

_REST = ("REASON", "TEXT")

_DIGITS = 9
"""Longer numbers are no IDs, and would not fit the database."""

NO_WORDS = (
    "There is no word in what you wrote, and everybody reads it to know why. Nothing was done. Say "
    "it in a few words."
)


@dataclass(frozen=True)
class Arguments:
    """What followed the name of the subcommand.

    Parameters
    ----------
    words
        Words that are no option, in order.
    options
        Option to value, without dashes; a flag's value is empty.
    rest
        Free text as it was typed: REASON or TEXT at the end of the usage line.
    line
        Everything but leading options as it was typed, where words of an open-ended place and
        free text follow one another, and the subcommand tells where the text begins.
    missing
        True where less was typed than is needed: a form asks for the rest, or it is a mistake.
    """

    words: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    rest: str = ""
    line: str = field(default="", compare=False)
    missing: bool = False

    @property
    def typed(self) -> str:
        """The arguments as one would type them, for a button that repeats the command."""
        options = (f"--{name} {value}".rstrip() for name, value in self.options.items())
        return " ".join([*self.words, *options, self.rest]).strip()


def split_words(text: str) -> list[re.Match[str]]:
    """Split a line at its spaces, and remember where each word stands."""
    return list(re.finditer(r"\S+", text))


class Grammar:
    """What a usage line allows.

    Parameters
    ----------
    usage
        ``INSTRUMENT``, ``[INSTRUMENT…]``, ``(ID|RULE)``, ``[--since DURATION]``, ``[--delete]``,
        ``[--reason …]``, and at the end ``REASON`` or ``TEXT`` for the rest of the line.
    usage_line
        The same with the subcommand's name, to show to whoever mistyped.
    """

    def __init__(self, usage: str, usage_line: str) -> None:
        self._usage_line = usage_line
        options: list[tuple[str, str]] = re.findall(r"\[?--([a-z-]+)(?: ([^\]\s]+))?\]?", usage)
        self._options = dict(options)
        self._free = [name for name, wanted in options if wanted == "…"]
        places = re.sub(r"\[?--[a-z-]+(?: [^\]\s]+)?\]?", " ", usage)
        # An alternative in parentheses is one place, whatever it allows.
        places = re.sub(r"\(([^)]*)\)", lambda found: found.group(1).replace(" ", ""), places)
        self._places = places.split()
        self._takes_rest = bool(self._places) and self._places[-1].strip("[]") in _REST
        self._rest_required = self._takes_rest and not self._places.pop().startswith("[")
        self._required = sum(not place.startswith("[") for place in self._places)
        self._open_ended = any("…" in place or place == "WHEN" for place in self._places)
        # Nobody but the subcommand knows where a WHEN ends, and free text may hold anything.
        self._opaque = self._takes_rest and "WHEN" in self._places

    def parse(self, text: str) -> Arguments:
        """Read what followed the subcommand's name.

        Raises
        ------
        UserError
            If an option is unknown or lacks its value, words are too many, or free text has none.
        """
        words: list[str] = []
        options: dict[str, str] = {}
        rest = line = ""
        tokens = split_words(text)
        while tokens:
            token = tokens.pop(0)
            name = _option(token.group())
            if self._opaque and (words or name is None):
                line = line or text[token.start() :].strip()
                words.append(token.group())
            elif name is not None:
                options[name] = self._value(name, text, tokens)
            elif self._takes_rest and not self._open_ended and len(words) == len(self._places):
                rest = text[token.start() :].strip()
                break
            else:
                words.append(token.group())
        for free in (rest, *(options.get(name, "") for name in self._free)):
            if free and not has_words(free):
                raise self._wrong(NO_WORDS)
        if len(words) > len(self._places) and not self._open_ended:
            raise self._wrong(f"I don't know what to do with `{quoted(words[len(self._places)])}`.")
        # Where words are open-ended, the free text is among them.
        missing = len(words) + bool(rest) < self._required + self._rest_required
        return Arguments(tuple(words), options, rest, line, missing)

    def line(self, values: Mapping[str, str]) -> str:
        """Write what a form's fields amount to when typed.

        Parameters
        ----------
        values
            By name of the place or option, in lower case; a flag's value is its own name.
        """
        words = [values.get(re.sub(r"[^a-z]", "", place.lower()), "") for place in self._places]
        options = [
            f"--{name} {values[name] if wanted else ''}"
            for name, wanted in self._options.items()
            if values.get(name)
        ]
        # What takes the rest of the line comes last.
        options.sort(key=lambda option: self._options[option[2:].split()[0]] == "…")
        rest = [values.get(name.lower(), "") for name in _REST] if self._takes_rest else []
        return " ".join(part.strip() for part in [*words, *options, *rest] if part.strip())

    def _value(self, name: str, text: str, tokens: list[re.Match[str]]) -> str:
        """Take an option's value; `…` stands for the rest of the line."""
        if name not in self._options:
            raise self._wrong(
                f"I don't know the option `--{quoted(name)}`."
                + did_you_mean(name, tuple(self._options), "--")
            )
        wanted = self._options[name]
        if not wanted:
            return ""
        if not tokens:
            raise self._wrong(f"`--{name}` needs a value.")
        if wanted == "…":
            value = text[tokens[0].start() :].strip()
            tokens.clear()
            return value
        return tokens.pop(0).group()

    def _wrong(self, text: str) -> UserError:
        return UserError(text, usage=self._usage_line)


def has_words(text: str) -> bool:
    """Tell whether free text has a letter in it that people can see."""
    return any(
        # Hangul's fillers are letters to Unicode, and blank to everybody.
        letter.isalpha()
        and unicodedata.category(letter) != "Lm"
        and "FILLER" not in unicodedata.name(letter, "")
        for letter in text
    )


def _option(word: str) -> str | None:
    """Name of the option that a word is; phones turn its two hyphens into one dash."""
    found = re.fullmatch(r"(?:--|[—–]-?)([A-Za-z].*)", word)
    return found.group(1).lower() if found else None


def quoted(word: str) -> str:
    """Show what was typed, short enough to read and without leaving the code style."""
    return re.sub(r"[`\s]", "", word)[:40]


def whole_number(word: str) -> int | None:
    """Read an ID such as ``42`` or ``#42``; None where it is none."""
    digits = word.lstrip("#")
    number = digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS
    return int(digits) if number else None


def did_you_mean(word: str, known: Sequence[str], prefix: str = "") -> str:
    """Ask for the nearest of the known words; empty where none is near."""
    for near in difflib.get_close_matches(word, known, n=1):
        return f" Did you mean `{prefix}{near}`?"
    return ""
