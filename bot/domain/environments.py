"""An environment: one Redis, its instruments, and the place from which they are observed.

prod and dev each are one. A process may serve several, each in its own channel.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.domain.approvals import Policy
from bot.domain.night import Site
from bot.domain.people import Access


@dataclass(frozen=True)
class Environment:
    """What a command needs to know of the environment that it was typed in.

    Parameters
    ----------
    name
        Key in the configuration.
    instruments
        Instruments with a stream, in the configuration's order.
    site
        Where the telescope stands, for the observing night.
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

    @property
    def label(self) -> str:
        """The name as people read it: nobody may mistake prod for dev."""
        return "PROD" if self.name == "prod" else self.name

    def stream(self, instrument: str) -> str:
        """Key of the instrument's stream."""
        return self.stream_template.format(instrument=instrument)

    def group(self, instrument: str) -> str:
        """Name of the instrument's consumer group."""
        return self.group_template.format(instrument=instrument)

    def link(self, name: str, instrument: str = "") -> str | None:
        """Address for people, or None where the configuration has none."""
        template = self.links.get(name)
        if template is None:
            return None
        return template.format(environment=self.name, instrument=instrument)
