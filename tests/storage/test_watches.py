"""When each environment was last looked at, by the database's own time."""

from datetime import timedelta

from sqlalchemy import update

from bot.storage.database import Clock, Database
from bot.storage.schema import watches
from bot.storage.watches import Watches


async def test_another_process_tells_since_when_nobody_looks(database: Database) -> None:
    kept = Watches(database)
    assert await kept.blindness("prod") is None, "nobody ever did"
    await kept.looked("prod")
    await kept.looked("prod")
    assert await kept.blindness("prod") is None
    await database.change(update(watches).values(looked=Clock(-90)))
    blind = await kept.blindness("prod")
    assert blind is not None
    assert blind.why == "The process that looked is gone"
    await kept.looked("prod", "The rule backlog fails")
    failing = await kept.blindness("prod")
    assert failing is not None
    assert failing.why == "The rule backlog fails"
    assert abs(failing.since - blind.since) < timedelta(seconds=1), "a reason is no look"
    await kept.looked("prod")
    assert await kept.blindness("prod") is None
    assert await kept.blindness("dev") is None
