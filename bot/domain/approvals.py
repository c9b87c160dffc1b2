"""A request for a change: its plan, the votes on it, and the one way through its states.

    open → approved → running → done | failed
    open → denied | withdrawn | expired
    approved | running → interrupted      the process that carried it out has died

A request is a value. Each step gives a new one with the next version; whoever writes it compares
the version first, so that of two people, or two replicas, one is first and the other is told so.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Self

from bot.domain.environments import Person

SILENT_AFTER = timedelta(seconds=30)
"""A heartbeat older than this is that of a process that died, or lost its database."""

LONGEST_REASON = 6000
"""Characters; as many as a card shows whole."""

NUMBER = "{number}"
"""In a plan's text, the place of the request's ID, which is known only when it is asked for."""

EVERYTHING = "*"
"""The Redis under all streams, as something that a plan changes."""


class State(Enum):
    """Where a request is on its way."""

    OPEN = "open"
    APPROVED = "approved"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DENIED = "denied"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    INTERRUPTED = "interrupted"

    @property
    def final(self) -> bool:
        """True if nothing more will happen to it."""
        return self not in (State.OPEN, State.APPROVED, State.RUNNING)


LIVE = (State.OPEN, State.APPROVED, State.RUNNING)
"""States in which a request holds its streams: no second one for them."""


@dataclass(frozen=True)
class Confirmation:
    """What the red button asks once more, and how its two answers read."""

    title: str
    text: str
    yes: str
    no: str


@dataclass(frozen=True)
class Plan:
    """What the approver reads, and what the execution is bound to.

    Text is plain, for people, and never Slack's markup: streams hold what others wrote.

    Parameters
    ----------
    subject
        What is changed, environment first: ``PROD lsstcam``.
    headline
        What is asked for, in a few words: ``discard 1,204 waiting entries = 7 visits``.
    facts
        Label and text of each line of the card.
    streams
        Keys that are changed; `EVERYTHING` for the Redis under them.
    bound
        What the execution compares with what it finds then.
    asks
        True where the headline completes "Ana asks to …"; False where it stands for itself.
    warning
        What must not be overlooked.
    listing
        Lines of the longer list: every visit, every entry.
    confirmation
        Set where something is destroyed.
    outage
        What goes on while it is carried out, where nobody reaches Redis meanwhile: ``Redis is
        restarting``. Such a change belongs into an announced window.
    """

    subject: str
    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    streams: tuple[str, ...] = ()
    bound: Mapping[str, str] = field(default_factory=dict)
    asks: bool = True
    warning: str = ""
    listing: tuple[str, ...] = ()
    confirmation: Confirmation | None = None
    outage: str = ""


class Happened(Enum):
    """Whether a change was made."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Outcome:
    """What came of an approved request.

    Parameters
    ----------
    headline
        What was done, or why not: ``1,204 entries = 7 visits discarded``.
    facts
        Label and text of each figure, before and after.
    before, after
        The same for the audit, by name.
    notes
        Sentences below the figures, such as what to do next.
    undo
        Command that undoes it, such as ``restore 42``; empty where nothing does.
    well
        False where somebody must look, although the change was made.
    failed
        True where it was made, and has not done what it was for.
    offers
        Label and command of each step that suggests itself, such as ``bootstrap lsstcam``.
    aside
        Lines for the thread alone.
    """

    happened: Happened
    headline: str
    facts: tuple[tuple[str, str], ...] = ()
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    undo: str = ""
    well: bool = True
    failed: bool = False
    offers: tuple[tuple[str, str], ...] = ()
    aside: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vote:
    """One approver's yes; ``alone`` breaks the glass."""

    person: Person
    at: datetime
    alone: bool = False
    reason: str = ""


@dataclass(frozen=True)
class Request:
    """One request for a change.

    Parameters
    ----------
    id
        From the sequence that alarms, silences and windows share.
    command, arguments, reason
        What was asked for: the subcommand, what was typed after it, and why.
    key
        Random; proves in Redis that a marker is this request's.
    state, version
        Where it is on its way; the version grows with every change.
    ended_by, answer
        Who denied or withdrew it, and why.
    taken_by
        Process that took it, for whoever looks into an incident.
    executor, heartbeat
        Process that carries it out, and its last sign of life.
    """

    id: int
    environment: str
    command: str
    arguments: str
    reason: str
    requester: Person
    plan: Plan
    key: str
    asked: datetime
    expires: datetime
    needed: int = 1
    self_approval: bool = False
    state: State = State.OPEN
    version: int = 0
    votes: tuple[Vote, ...] = ()
    ended: datetime | None = None
    ended_by: Person | None = None
    answer: str = ""
    started: datetime | None = None
    executor: str = ""
    heartbeat: datetime | None = None
    progress: tuple[str, ...] = ()
    outcome: Outcome | None = None
    taken_by: str = ""

    @property
    def happened(self) -> Happened | None:
        """Whether the change was made; None where that is not known yet."""
        return self.outcome.happened if self.outcome else None

    @property
    def alone(self) -> bool:
        """True if one approver decided alone."""
        return any(vote.alone for vote in self.votes)

    def counts(self, vote: Vote) -> bool:
        """Tell whether a vote counts: the requester's own does only where the policy says so."""
        return vote.alone or self.self_approval or vote.person.id != self.requester.id

    def voted(self, vote: Vote, approvers: Collection[str], executor: str) -> Self:
        """Take a vote; enough of them approve the request. Only votes that count are kept.

        Parameters
        ----------
        vote
            The new vote; a second one of the same person replaces the first.
        approvers
            IDs of the voters, this one included, who may approve at this moment.
        executor
            Process that will carry it out, if this vote decides.
        """
        kept = tuple(each for each in self.votes if each.person.id != vote.person.id)
        votes = (*kept, vote)
        valid = tuple(each for each in votes if each.person.id in approvers and self.counts(each))
        # Whoever is no approver any more is not named as one who approved.
        changed = self._next(votes=valid)
        if len(valid) < self.needed and not any(each.alone for each in valid):
            return changed
        return replace(
            changed, state=State.APPROVED, started=vote.at, executor=executor, heartbeat=vote.at
        )

    def denied(self, person: Person, answer: str, now: datetime) -> Self:
        """Take an approver's no."""
        return self._next(state=State.DENIED, ended=now, ended_by=person, answer=answer)

    def withdrawn(self, now: datetime) -> Self:
        """Let the requester take it back."""
        return self._next(state=State.WITHDRAWN, ended=now, ended_by=self.requester)

    def expired(self, now: datetime) -> Self:
        """Close it, because nobody decided in time."""
        return self._next(state=State.EXPIRED, ended=now)

    def running(self, now: datetime) -> Self:
        """Begin its execution."""
        return self._next(state=State.RUNNING, heartbeat=now)

    def progressed(self, progress: tuple[str, ...], now: datetime) -> Self:
        """Show how far its execution has come."""
        return self._next(progress=progress, heartbeat=now)

    def finished(self, outcome: Outcome, now: datetime) -> Self:
        """Close it with what came of it."""
        done = outcome.happened is Happened.YES and not outcome.failed
        state = State.DONE if done else State.FAILED
        if outcome.happened is Happened.UNKNOWN:
            state = State.INTERRUPTED
        return self._next(state=state, ended=now, outcome=outcome)

    def taken_up(self, executor: str, now: datetime) -> Self:
        """Let another process see it through, for one that has died."""
        return self._next(state=State.RUNNING, executor=executor, heartbeat=now)

    def interrupted(self, outcome: Outcome, now: datetime) -> Self:
        """Close it for an executor that has died; the outcome is what the marker says."""
        return self._next(state=State.INTERRUPTED, ended=self.ended or now, outcome=outcome)

    def silent(self, now: datetime) -> bool:
        """Tell whether its executor has not been heard of for too long."""
        carried_out = self.state in (State.APPROVED, State.RUNNING)
        return carried_out and self.heartbeat is not None and now - self.heartbeat > SILENT_AFTER

    def _next(self, **changes: object) -> Self:
        return replace(self, version=self.version + 1, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class AuditLine:
    """One line of the audit: an action, or a refusal of one.

    Parameters
    ----------
    action
        Subcommand and arguments, as typed.
    person
        Who asked for it; the bot's own name where nobody did.
    result
        ``done``, ``failed``, ``refused``, …: a word; for a request its state.
    request
        ID of the request behind it; None where there was none.
    reason, answer
        Why it was asked for; why it was approved alone, denied, or refused.
    alone
        True where the glass was broken.
    before, after
        Figures by name.
    """

    at: datetime
    environment: str
    action: str
    person: Person
    result: str
    request: int | None = None
    approvers: tuple[str, ...] = ()
    reason: str = ""
    answer: str = ""
    alone: bool = False
    before: Mapping[str, str] = field(default_factory=dict)
    after: Mapping[str, str] = field(default_factory=dict)
