from datetime import UTC, datetime, timedelta

from bot.storage.database import Database
from bot.storage.deliveries import Deliveries

NOW = datetime(2026, 11, 24, 3, 4, 5, 678901, UTC)


async def test_a_delivery_is_first_once(database: Database) -> None:
    deliveries = Deliveries(database)
    assert await deliveries.first("T1", NOW) is None
    assert await deliveries.first("T1", NOW + timedelta(seconds=3)) == NOW
    assert await deliveries.first("T1", NOW) == NOW, "at the same moment, too"
    assert await deliveries.first("T2", NOW) is None
