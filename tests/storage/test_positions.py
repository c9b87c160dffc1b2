from datetime import timedelta

import pytest
from sqlalchemy import text

from bot.domain.errors import StateError
from bot.domain.streams import EntryId, Group, Look, NoStream, Stream, Waiting
from bot.storage.database import Database
from bot.storage.positions import Positions
from tests.storage.drafts import NOW


def look(instrument: str, last: EntryId) -> Look:
    group = Group(Waiting(), 0, 0, last, 0)
    return Look(instrument, NOW, Stream(0, last, None, group))


async def test_the_last_delivered_id_is_kept(database: Database) -> None:
    positions = Positions(database)
    largest = EntryId(2**64 - 1, 2**64 - 1)
    await positions.tick(NOW)
    assert await positions.last("prod", "lsstcam") is None
    positions.looked("prod", [look("lsstcam", EntryId(5, 1)), look("hsc", largest)])
    positions.looked("dev", [look("lsstcam", EntryId(7, 0))])
    assert positions.wake.is_set()
    await positions.tick(NOW)
    positions.looked("prod", [look("lsstcam", EntryId(4, 2)), Look("hsc", NOW, NoStream())])
    later = NOW + timedelta(seconds=5)
    await positions.tick(later)
    assert await positions.last("prod", "lsstcam") == (EntryId(4, 2), later)
    assert await positions.last("prod", "hsc") == (largest, NOW), "where it stood"
    assert await positions.last("dev", "lsstcam") == (EntryId(7, 0), NOW)


async def test_what_could_not_be_written_is_offered_again(database: Database) -> None:
    positions = Positions(database)
    positions.looked("prod", [look("lsstcam", EntryId(5, 1)), look("hsc", EntryId(6, 0))])
    await database.change(text("ALTER TABLE positions RENAME TO away"))
    with pytest.raises(StateError):
        await positions.tick(NOW)
    # What was seen meanwhile counts.
    positions.looked("prod", [look("hsc", EntryId(7, 0))])
    await database.change(text("ALTER TABLE away RENAME TO positions"))
    await positions.tick(NOW)
    assert await positions.last("prod", "lsstcam") == (EntryId(5, 1), NOW)
    assert await positions.last("prod", "hsc") == (EntryId(7, 0), NOW)
