"""What must be said once, and never twice: domain values, drawn when they are sent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum


class Said(Enum):
    """What a notice says, and where: the card's thread, or a new message in the channel."""

    OUTCOME = "outcome"
    """In the thread: a request has come to its end; mentions the requester."""
    RESOLVED = "resolved"
    """In the thread: it is known now whether an interrupted change was made."""
    ALONE = "alone"
    """In the channel: one approver has decided alone."""
    DROPPED = "dropped"
    """In the channel: the daily prune removed names that held unconfirmed entries."""


@dataclass(frozen=True)
class Notice:
    """One thing to be said once.

    Parameters
    ----------
    said
        What, and where.
    environment
        Whose channel.
    request
        ID of the request that it is about; None where there is none.
    values
        What is not in the request.
    """

    said: Said
    environment: str
    request: int | None = None
    values: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Post:
    """A message that a channel should show, and what it shows.

    Parameters
    ----------
    id
        Of the row.
    subject
        ID of the request that it draws.
    environment
        Whose channel.
    channel, ts
        Where it was posted; None until then.
    wanted, shown
        Versions: it is drawn anew while `shown` is behind.
    key
        Random; by it a post whose answer was lost is found again.
    tried
        True if it may have been posted although `ts` is not known.
    """

    id: int
    subject: int
    environment: str
    channel: str | None
    ts: str | None
    wanted: int
    shown: int
    key: str
    tried: bool


@dataclass(frozen=True)
class Queued:
    """A notice that waits to be sent.

    Parameters
    ----------
    id
        Of the row.
    notice
        What to say.
    written
        When it was written.
    key
        Random; by it a message whose answer was lost is found again.
    attempts
        How often it was tried; above 0 it may have been sent.
    """

    id: int
    notice: Notice
    written: datetime
    key: str
    attempts: int = 0
