"""Errors that a person can act on; everything else is a fault of ours.

BotError
├── FatalError            the process cannot go on; the text is its last sentence
├── UserError             what was typed cannot be done; the text is the reply
├── SameRedis             two environments are configured with one Redis
└── RedisError            Prompt Redis does not do what was asked of it
    ├── RedisUnreachable  no answer; `kind` says how
    └── RedisForbidden    it answers, and refuses (NOPERM)

Any other exception is logged with its traceback, and the person gets a reference code.
"""

from enum import Enum


class BotError(Exception):
    """Base of the errors whose text is written for the person who typed."""


class FatalError(BotError):
    """The process cannot start, or cannot go on; the text says why and what to do."""


class UserError(BotError):
    """What was typed cannot be done as it stands.

    Parameters
    ----------
    text
        What is wrong, in a sentence.
    usage
        The usage line of the subcommand that was meant, without the slash command.
    suggestion
        Name of the subcommand that was probably meant; the reply offers to run it.
    """

    def __init__(self, text: str, *, usage: str | None = None, suggestion: str | None = None):
        super().__init__(text)
        self.text = text
        self.usage = usage
        self.suggestion = suggestion


class SameRedis(BotError):
    """Two environments are configured with one Redis: commands of one would change the other.

    Parameters
    ----------
    first, second
        Labels of the environments; the second one is refused.
    """

    def __init__(self, first: str, second: str) -> None:
        super().__init__(
            f"{second} and {first} are configured with one and the same Redis, so {second} is "
            f"refused. Correct environments.{second.lower()}.redis.url and restart the bot."
        )


class Unreachable(Enum):
    """Ways in which Redis gives no answer; the value completes "Redis …"."""

    REFUSED = "refuses the connection"
    TIMED_OUT = "does not answer"
    UNRESOLVED = "has no address: its name cannot be resolved"
    LOADING = "is loading its data"
    PASSWORD = "refuses our password"  # noqa: S105 -- a sentence, not a secret
    DISK_FULL = "cannot write, its disk is full: workers cannot read either"
    DISCONNECTED = "cut the connection"


class RedisError(BotError):
    """Prompt Redis does not do what was asked of it."""


class RedisUnreachable(RedisError):
    """No answer from Redis.

    Parameters
    ----------
    kind
        In which way.
    address
        Host and port, never the URL, which may hold a password.
    """

    def __init__(self, kind: Unreachable, address: str):
        super().__init__(f"{address}: Redis {kind.value}")
        self.kind = kind
        self.address = address


class RedisForbidden(RedisError):
    """Redis answers, and refuses the command (NOPERM)."""

    def __init__(self, address: str):
        super().__init__(f"{address}: Redis does not allow this command to the bot's user")
        self.address = address
