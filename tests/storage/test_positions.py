from datetime import timedelta

from bot.domain.streams import EntryId
from bot.storage.database import Database
from bot.storage.positions import Positions
from tests.storage.drafts import NOW


async def test_the_last_delivered_id_is_kept(database: Database) -> None:
    positions = Positions(database)
    largest = EntryId(2**64 - 1, 2**64 - 1)
    await positions.keep("prod", {}, NOW)
    assert await positions.last("prod", "lsstcam") is None
    await positions.keep("prod", {"lsstcam": EntryId(5, 1), "hsc": largest}, NOW)
    await positions.keep("dev", {"lsstcam": EntryId(7, 0)}, NOW)
    later = NOW + timedelta(seconds=5)
    await positions.keep("prod", {"lsstcam": EntryId(4, 2)}, later)
    assert await positions.last("prod", "lsstcam") == (EntryId(4, 2), later)
    assert await positions.last("prod", "hsc") == (largest, NOW)
    assert await positions.last("dev", "lsstcam") == (EntryId(7, 0), NOW)
