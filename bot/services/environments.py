"""One environment and its services: all that its commands and loops work with."""

from dataclasses import dataclass

from bot.domain.environments import Environment
from bot.services.addresses import Addresses
from bot.services.alarms import Alarms
from bot.services.approvals import Approvals
from bot.services.changes import Changes
from bot.services.history import History
from bot.services.ledger import Ledger
from bot.services.maintenance import Maintenance
from bot.services.nights import Nights
from bot.services.rights import Rights
from bot.services.streams import Streams
from bot.services.workloads import Restarts, Workloads


@dataclass(frozen=True)
class Services:
    """One environment and its services."""

    environment: Environment
    streams: Streams
    changes: Changes
    approvals: Approvals
    ledger: Ledger
    history: History
    alarms: Alarms
    nights: Nights
    maintenance: Maintenance
    workloads: Workloads
    restarts: Restarts
    addresses: Addresses
    rights: Rights
