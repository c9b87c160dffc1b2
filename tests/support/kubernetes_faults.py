"""Requests to the fake Kubernetes, and what goes wrong with the next ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from tests.support.kubernetes_recordings import Recording


@dataclass(frozen=True)
class Call:
    """One request, whatever became of it."""

    method: str
    path: str
    query: Mapping[str, str]
    content_type: str
    body: Any
    authorization: str

    @property
    def target(self) -> str:
        """Path and query, for a fault to look into: a watch has "watch=1", and has it first."""
        query = {"watch": "1"} | {**self.query, "watch": "1"} if self.watches else self.query
        return f"{self.path}?{urlencode(query, safe='=,')}" if query else self.path

    @property
    def watches(self) -> bool:
        """True for a watch, however its client writes that."""
        return self.query.get("watch", "").lower() in {"1", "true"}

    @property
    def seconds(self) -> int | None:
        """How long a watch is to last at most; None where it does not say."""
        seconds = self.query.get("timeoutSeconds")
        return None if seconds is None else int(seconds)


@dataclass(frozen=True, eq=False)
class Fault:
    """What goes wrong with the next `times` requests (None: until healed).

    Parameters
    ----------
    method, part
        Of the requests that it meets: the method, and a part of path and query ("watch=1").
    answer
        Is sent instead of the true answer, lines of a watch included.
    hang
        No answer ever comes.
    cut
        The connection is closed without an answer.
    cut_after
        A watch is cut off in the middle of the line that follows these.
    late
        The request is performed all the same, that many seconds after its client was let down.
    """

    method: str
    part: str
    answer: Recording | None = None
    hang: bool = False
    cut: bool = False
    cut_after: int | None = None
    late: float | None = None
    times: int | None = 1

    def __post_init__(self) -> None:
        outcomes = (self.answer is not None) + self.hang + self.cut
        if outcomes != 1 and not (outcomes == 0 and self.cut_after is not None):
            raise ValueError("A fault is one of answer, hang, cut and cut_after")

    @property
    def replaces(self) -> bool:
        """True if the request is not performed, but for what `late` says."""
        return self.answer is not None or self.cut


class Faults:
    """All that wait for their requests, in the order in which they were added."""

    def __init__(self) -> None:
        self._waiting: dict[Fault, int | None] = {}

    def add(self, fault: Fault) -> None:
        self._waiting[fault] = fault.times

    def heal(self, fault: Fault | None = None) -> None:
        """Forget one, or all."""
        if fault is None:
            self._waiting.clear()
        else:
            self._waiting.pop(fault, None)

    def take(self, call: Call) -> Fault | None:
        """Answer the fault for this request, and use it up."""
        for fault, left in self._waiting.items():
            if fault.method == call.method and fault.part in call.target:
                if left == 1:
                    del self._waiting[fault]
                elif left is not None:
                    self._waiting[fault] = left - 1
                return fault
        return None
