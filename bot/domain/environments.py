"""An environment: one Redis, its instruments, its people, and the place of the telescope.

prod and dev each are one. A process may serve several, each in its own channel. Who may do what
is written by Slack's IDs: names change, and can be taken by others.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum

from bot.domain.night import Site, is_night


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


@dataclass(frozen=True)
class Policy:
    """How an environment's changes are approved."""

    approvals: int = 1
    self_approval: bool = False
    expires: timedelta = timedelta(minutes=30)
    break_glass: bool = True


def label_of(environment: str) -> str:
    """Name an environment as people read it: nobody may mistake prod for dev."""
    return "PROD" if environment == "prod" else environment


@dataclass(frozen=True)
class Environment:
    """What a command needs to know of the environment that it was typed in.

    Parameters
    ----------
    instruments
        Instruments with a stream, in the configuration's order.
    stream_template, group_template
        Names with ``{instrument}`` in them.
    expiration
        Age at which workers drop an entry; None where they never do.
    stalled_after
        Time without a reading after which waiting entries count as not being read.
    consumer_idle
        Idle time after which a consumer name counts as left behind.
    links
        Addresses for people, by name; may hold ``{environment}`` and ``{instrument}``.
    access, policy
        Who may ask for changes and approve them, and how they are approved.
    protect_observing
        Whether at night a change asks the approver for a typed reason.
    read_only
        Whether no change can be asked for or carried out.
    keep_cleared
        How long the entries of a clear can be restored.
    margin
        What a maintenance window keeps free before and after the night.
    """

    name: str
    instruments: tuple[str, ...]
    site: Site = field(default_factory=Site)
    stream_template: str = "instrument:{instrument}"
    group_template: str = "{instrument}_consumer_group"
    expiration: timedelta | None = None
    stalled_after: timedelta = timedelta(minutes=2)
    consumer_idle: timedelta = timedelta(hours=2)
    links: Mapping[str, str] = field(default_factory=dict)
    access: Access = field(default_factory=Access)
    policy: Policy = field(default_factory=Policy)
    protect_observing: bool = True
    read_only: bool = False
    keep_cleared: timedelta = timedelta(hours=24)
    margin: timedelta = timedelta(minutes=30)

    @property
    def label(self) -> str:
        """The name as people read it."""
        return label_of(self.name)

    @property
    def observes(self) -> bool:
        """True for prod alone: its nights are the telescope's."""
        return self.name == "prod"

    def wants_reason(self, at: datetime) -> bool:
        """Tell whether a change needs a reason of its approver: at night, where that is watched."""
        return self.protect_observing and is_night(self.site, at)

    def stream(self, instrument: str) -> str:
        """Key of the instrument's stream."""
        return self.stream_template.format(instrument=instrument)

    def group(self, instrument: str) -> str:
        """Name of the instrument's consumer group."""
        return self.group_template.format(instrument=instrument)

    def keys(self, instrument: str) -> tuple[str, str]:
        """Key of the instrument's stream, and name of its group."""
        return self.stream(instrument), self.group(instrument)

    def link(self, name: str, instrument: str = "") -> str | None:
        """Address for people, or None where the configuration has none."""
        template = self.links.get(name)
        if template is None:
            return None
        return template.format(environment=self.name, instrument=instrument)
