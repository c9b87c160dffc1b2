import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from bot.domain.alarms import Silence
from bot.storage.alarms import Incidents
from bot.storage.audit import Audit
from bot.storage.database import Database
from bot.storage.schema import silences as table
from bot.storage.silences import Silences
from tests.storage.alarm_drafts import MINUTE, incident, line, silence, silenced
from tests.storage.drafts import NOW

DRAFTS = [
    silence(),
    replace(silence(), instrument="", rule="pending", ends=None),
    replace(silence(), instrument="", incident=17, lifted=NOW + MINUTE),
]


@pytest.fixture
def silences(database: Database) -> Silences:
    return Silences(database)


async def actions(database: Database) -> list[str]:
    return [entry.action for entry, _ in await Audit(database).latest("prod", 100)]


@pytest.mark.parametrize("draft", DRAFTS)
async def test_a_silence_comes_back_as_it_was_written(
    silences: Silences, database: Database, draft: Silence
) -> None:
    await Incidents(database).open(incident(), shown=True, writer="one")
    made = await silenced(silences, draft)
    assert made == replace(draft, id=2), "alarms and silences have one sequence"
    assert await silences.find(2) == made
    assert await silences.find(1) is None
    assert await actions(database) == ["silence 2"]


async def test_a_silence_that_fails_leaves_nothing_behind(
    silences: Silences, database: Database
) -> None:
    naive = replace(line("silence"), at=NOW.replace(tzinfo=None))
    with pytest.raises(Exception, match="without a zone"):
        await silences.create(silence(), lambda _: naive)
    async with database.statement() as connection:
        assert (await connection.execute(select(table))).all() == []
    made = await silenced(silences, silence())
    with pytest.raises(Exception, match="without a zone"):
        await silences.lift(made.id, NOW, naive)
    assert await silences.find(made.id) == made


async def test_of_ten_people_one_lifts_it(silences: Silences, database: Database) -> None:
    made = await silenced(silences, silence())
    other = await silenced(silences, silence())
    answers = await asyncio.gather(
        *(silences.lift(made.id, NOW + n * MINUTE, line(f"unsilence {n}")) for n in range(10))
    )
    [lifted] = [each for each in answers if each is not None]
    winner = next(n for n, each in enumerate(answers) if each is not None)
    assert lifted == replace(made, lifted=NOW + winner * MINUTE)
    assert await silences.find(made.id) == lifted
    assert await silences.find(other.id) == other
    assert await actions(database) == [f"unsilence {winner}", "silence 2", "silence 1"]
    assert await silences.lift(99, NOW, line("unsilence 99")) is None


async def test_what_is_active_is_what_the_domain_takes_for_active(silences: Silences) -> None:
    drafts = [
        *DRAFTS,
        replace(silence(), starts=NOW + MINUTE),
        replace(silence(), ends=NOW + MINUTE),
    ]
    made = [await silenced(silences, draft) for draft in drafts]
    await silenced(silences, silence(environment="dev"))
    for moment in (NOW - MINUTE, NOW, NOW + MINUTE, NOW + 2 * MINUTE, NOW + 60 * MINUTE):
        expected = [each for each in made if each.active(moment)]
        assert await silences.active("prod", moment) == expected
    assert [each.id for each in await silences.active("prod", NOW)] == [1, 2, 5]
