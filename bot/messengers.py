"""Builds what speaks to people by itself: cards and alarms, notices, pages."""

from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from bot import config
from bot.clients.pager_calls import Calls
from bot.domain.errors import StateError
from bot.domain.notices import Notice, Said, Subject
from bot.domain.oncall import Page, Receipt, Told
from bot.metrics import Metrics
from bot.services.addresses import Addresses
from bot.services.environments import Services
from bot.slack.channels import Channels
from bot.slack.drawers import AlarmDrawer, Drawer, RequestDrawer, WindowDrawer
from bot.slack.notices import Notices
from bot.slack.pages import Mention, Pager
from bot.slack.posts import Cards
from bot.slack.telling import Telling
from bot.slack.web import Web
from bot.storage.alarms import Incidents
from bot.storage.approvals import Requests
from bot.storage.database import Database
from bot.storage.maintenance import Windows
from bot.storage.outbox import Outbox
from bot.storage.posts import Posts
from bot.watching import notifiers


@dataclass(frozen=True)
class Messengers:
    """What speaks to people by itself."""

    cards: Cards
    notices: Notices
    pager: Pager

    def changed(self) -> None:
        """Have everything that is new shown, said and sent at once."""
        for each in (self.cards, self.notices, self.pager):
            each.wake.set()

    async def finish(self, now: datetime, seconds: float) -> None:
        """Show, say and send what is left, as far as that is possible in this time."""
        with suppress(StateError):
            await self.cards.finish(now, seconds)
        for each in (self.notices, self.pager):
            with suppress(StateError):
                await each.tick(now)
            await each.aclose(seconds)


@dataclass(frozen=True)
class Means:
    """What the messengers work with.

    Parameters
    ----------
    settings, secrets
        The configuration.
    slack, channels, addresses
        Slack, its channels, and where messages are.
    calls
        Reaches on-call targets.
    database
        The durable state.
    rooms
        Every environment's services, by name; filled later.
    metrics
        Counts pages.
    receipts
        Where the last outcome for each target is noted.
    holder, leads
        Name of this process, and whether it sends for the others, too.
    clock
        Gives the time in UTC.
    """

    settings: config.Settings
    secrets: config.Secrets
    slack: Web
    channels: Channels
    addresses: Addresses
    calls: Calls
    database: Database
    rooms: Mapping[str, Services]
    metrics: Metrics
    receipts: MutableMapping[str, Receipt]
    holder: str
    leads: Callable[[], bool]
    clock: Callable[[], datetime]


def messengers(means: Means) -> Messengers:
    """Build them."""
    slack, channels, rooms = means.slack, means.channels, means.rooms
    kept, incidents = Requests(means.database), Incidents(means.database)
    posts, outbox = Posts(means.database), Outbox(means.database)
    drawers: dict[Subject, Drawer] = {
        Subject.REQUEST: RequestDrawer(kept, rooms, channels),
        Subject.ALARM: AlarmDrawer(incidents, rooms, channels),
        Subject.WINDOW: WindowDrawer(Windows(means.database), rooms, channels),
    }
    notices = Notices(
        slack,
        channels,
        outbox=outbox,
        posts=posts,
        telling=Telling(kept, incidents, rooms),
        holder=means.holder,
        leads=means.leads,
    )

    async def failed(page: Page, receipt: Receipt) -> None:
        """Say in the channel that somebody who is to be told could not be."""
        values = {
            "target": page.target,
            "reason": receipt.reason,
            "given up": "yes" if receipt.outcome is Told.GIVEN_UP else "no",
        }
        about = Notice(Said.TARGET_FAILED, page.environment, page.incident or None, values)
        await outbox.add(about, writer=means.holder, now=means.clock())
        notices.wake.set()

    async def address(page: Page) -> str:
        return await means.addresses.of(page.incident)

    pager = Pager(
        outbox,
        notifiers(
            means.settings,
            means.secrets,
            means.calls,
            lambda name, group: Mention(name, group, slack, channels),
        ),
        holder=means.holder,
        leads=means.leads,
        on_failed=failed,
        counted=means.metrics.notified,
        receipts=means.receipts,
        address=address,
    )
    cards = Cards(slack, posts, drawers, holder=means.holder)
    return Messengers(cards, notices, pager)
