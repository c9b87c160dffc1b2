"""Values for the tests of the state."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from bot.domain.approvals import Confirmation, Entry, Plan, Request
from bot.domain.environments import Person
from bot.storage.approvals import Requests

NOW = datetime(2026, 11, 24, 3, 4, 5, 678901, UTC)
ANA = Person("U0ANA", "Ana")
BEN = Person("U0BEN", "Ben")
CAY = Person("U0CAY", "Cay")
STREAM = "instrument:lsstcam"


def draft(*streams: str, environment: str = "prod") -> Request:
    return Request(
        id=0,
        environment=environment,
        command="clear",
        arguments="lsstcam",
        reason="stale since the\nshutdown — “twice” 🔭",
        requester=ANA,
        plan=Plan(
            subject="PROD lsstcam",
            headline="discard 1,204 waiting entries = 7 visits",
            facts=(("Entries", "1,204"), ("Visits", "7")),
            streams=streams or (STREAM,),
            bound={"last": "1795498255163-2"},
            warning="No undo.",
            listing=("a visit", "another"),
            confirmation=Confirmation("Sure?", "It is gone then.", "Yes", "No"),
        ),
        key="4b1d",
        asked=NOW,
        expires=NOW + timedelta(minutes=30),
    )


def entry(request: Request) -> Entry:
    return Entry(
        at=NOW,
        environment=request.environment,
        action=f"{request.command} {request.arguments}",
        person=request.requester,
        result=request.state.value,
        request=request.id,
        approvers=("Ben", "Cay"),
        reason=request.reason,
        answer="go on",
        alone=True,
        before={"entries": "1,204"},
        after={"entries": "0"},
    )


async def create(requests: Requests, request: Request | None = None) -> Request:
    return await requests.create(request or draft(), executor="one", entry=entry)


async def end(requests: Requests, request: Request) -> Request:
    """Withdraw it, so that its streams are free."""
    over = request.withdrawn(NOW)
    assert await requests.replace(request, over, writer="one")
    return over


def at(request: Request, asked: datetime) -> Request:
    return replace(request, asked=asked)
