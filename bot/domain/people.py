"""Who may do what, by Slack's IDs: names change, and can be taken by others."""

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True)
class Person:
    """Who typed or clicked: Slack's user ID, and a name for people to read."""

    id: str
    name: str


BOT = Person("", "prompt-redis-bot")
"""Who acts where nobody asked: the daily prune, the end of a silence."""


class Right(Enum):
    """Who may use a subcommand."""

    ANYBODY = "anybody"
    OPERATOR = "operator"
    APPROVER = "approver"


@dataclass(frozen=True)
class People:
    """A list of people, by IDs of users and of user groups."""

    usergroups: tuple[str, ...] = ()
    users: tuple[str, ...] = ()


@dataclass(frozen=True)
class Access:
    """Who may ask for changes, and who may approve them; None is anybody in the channel."""

    operators: People | None = None
    approvers: People | None = None

    def people(self, right: Right) -> People | None:
        """Give the list behind a right; None where anybody has it."""
        match right:
            case Right.ANYBODY:
                return None
            case Right.OPERATOR:
                return self.operators
            case Right.APPROVER:
                return self.approvers
