"""Pages on their way: what is to be done about one, and whom those about one thing have reached."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Self

from bot.domain.alarms import Incident
from bot.domain.notices import Queued
from bot.domain.oncall import Page, PageEvent


class Fate(Enum):
    """What is to be done about a page when it could be sent; if nothing, why."""

    SEND = "send"
    REST = "rest"
    OVER = "the alarm is over"
    AGAIN = "the alarm fires again"
    REPLACED = "a newer page is sent in its place"
    UNTOLD = "it was not told of the alarm"


def fate(queued: Queued[Page], about: Sequence[Queued[Page]], incident: Incident | None) -> Fate:
    """Say what is to be done about a page, from its alarm as it is at this moment.

    Parameters
    ----------
    about
        All pages with its key, sent or not.
    incident
        Its alarm; None where there is none, or not any more.
    """
    page = queued.content
    triggers = [
        each
        for each in about
        if each.content.step is PageEvent.TRIGGER and each.content.target == page.target
    ]
    if page.step is PageEvent.TRIGGER:
        if incident is not None and incident.resolved is not None:
            return Fate.OVER
        if incident is not None and incident.ending:
            return Fate.REST
        if any(each.id > queued.id for each in triggers):
            return Fate.REPLACED
        return Fate.SEND
    over = None if incident is None else incident.resolved
    if page.step is PageEvent.ACKNOWLEDGE and over is not None:
        return Fate.OVER
    if page.step is PageEvent.RESOLVE and incident is not None and (over is None or over > page.at):
        return Fate.AGAIN
    if any(each.closed is None for each in triggers):
        return Fate.REST
    return Fate.SEND if any(each.taken or each.perhaps for each in triggers) else Fate.UNTOLD


_DROPPED = {each.value for each in Fate}


@dataclass(frozen=True)
class Reach:
    """Whom the pages about one thing have reached.

    Parameters
    ----------
    told
        Names of the targets that took one, and when.
    waiting
        Those for whom it was not tried yet.
    failed
        Those that could not be told, and why.
    open
        Those that could not be told of its end, and why.
    """

    told: Mapping[str, datetime] = field(default_factory=dict)
    waiting: tuple[str, ...] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    open: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, pages: Iterable[Queued[Page]]) -> Self:
        """Sum up pages that bear one key, oldest first."""
        told: dict[str, datetime] = {}
        last: dict[str, Queued[Page]] = {}
        ends: dict[str, Queued[Page]] = {}
        for each in pages:
            if each.content.step is PageEvent.RESOLVE:
                ends[each.content.target] = each
            if each.content.step is not PageEvent.TRIGGER:
                continue
            last[each.content.target] = each
            if each.closed is not None and each.taken:
                told[each.content.target] = each.closed
        untold = {name: each for name, each in last.items() if name not in told}
        return cls(
            told,
            tuple(name for name, each in untold.items() if each.closed is None and not each.why),
            _reasons(untold),
            _reasons(ends),
        )


def _reasons(pages: Mapping[str, Queued[Page]]) -> dict[str, str]:
    return {name: each.why for name, each in pages.items() if each.why and each.why not in _DROPPED}
