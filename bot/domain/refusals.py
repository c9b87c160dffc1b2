"""Why a click on a request, or a request itself, changed nothing.

NotCounted   a vote, a denial or a withdrawal breaks a rule; `why` says which
Occupied     the stream has an open request already
"""

from datetime import datetime
from enum import Enum

from bot.domain.approvals import LONGEST_REASON, Request
from bot.domain.errors import BotError, UserError


class Why(Enum):
    """Why a vote, a denial or a withdrawal did not count."""

    UNKNOWN = "unknown"
    ELSEWHERE = "elsewhere"
    OVER = "over"
    OWN = "own"
    TWICE = "twice"
    REQUESTER = "requester"
    NOT_YOURS = "not yours"
    REASON = "reason"
    NIGHT = "night"
    GLASS = "glass"
    READ_ONLY = "read only"
    BUSY = "busy"


class NotCounted(BotError):
    """A click on a request that changed nothing.

    Parameters
    ----------
    why
        The rule that it broke.
    request
        As it is now; None where there is none.
    who
        Names of the approvers, where they help.
    at
        When the click came.
    """

    def __init__(
        self,
        why: Why,
        number: int,
        request: Request | None = None,
        *,
        who: str = "",
        at: datetime | None = None,
    ) -> None:
        super().__init__(f"request {number}: {why.value}")
        self.why = why
        self.number = number
        self.request = request
        self.who = who
        self.at = at


class Occupied(BotError):
    """The stream has an open request already."""

    def __init__(self, request: Request) -> None:
        super().__init__(f"request {request.id} is open for the same stream")
        self.request = request


def check_reason(reason: str) -> None:
    """Refuse a reason that no card could show whole.

    Raises
    ------
    UserError
        If it is too long.
    """
    if len(reason) > LONGEST_REASON:
        raise UserError(
            f"A reason may have {LONGEST_REASON:,} characters, this one has {len(reason):,}. "
            "Link to the longer text instead."
        )
