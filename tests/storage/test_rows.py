from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select
from sqlalchemy.dialects import sqlite

from bot.domain.alarms import Incident, Silence
from bot.domain.approvals import AuditLine, Happened, Outcome, Plan, Request, Vote
from bot.domain.environments import Person
from bot.domain.maintenance import Window
from bot.domain.notices import Notice, Post, Queued
from bot.domain.oncall import Page
from bot.domain.samples import Figures, Minute, Sample
from bot.storage import schema
from bot.storage.database import Database
from bot.storage.rows import Json, Rows
from tests.storage.drafts import (
    FIGURES,
    INCIDENTS,
    NOTICES,
    NOW,
    OUTCOMES,
    PAGES,
    PLANS,
    VOTES,
    WINDOWS,
    WORDS,
    draft,
    incident,
)

DIALECT = sqlite.dialect()
LONG = "line\n\0“🔭”\\\t" * 600

CLAIM = {"claimed_by", "claimed_until", "not_before"}
TABLES: list[tuple[Rows[Any], set[str], set[str]]] = [
    (Rows(schema.requests, Request), {"happened"}, set()),
    (Rows(schema.alarms, Incident), set(), set()),
    (Rows(schema.silences, Silence), set(), set()),
    (Rows(schema.windows, Window), set(), set()),
    (Rows(schema.samples, Sample), {"environment"}, {"oldest", "first_skipped", "newest"}),
    (Rows(schema.minutes, Minute), {"environment"}, set()),
    (Rows(schema.audit, AuditLine), {"id"}, set()),
    (Rows(schema.posts, Post), CLAIM, set()),
    (
        Rows(schema.outbox, Queued),
        {*CLAIM, "lane", "said", "subject", "about", "writer"},
        set(),
    ),
]
"""Every table of values; its columns that are no field, and the fields that are not kept."""

NO_VALUES = {"counters", "deliveries", "positions", "chores", "leadership", "watches"}


@pytest.mark.parametrize(("rows", "besides", "not_kept"), TABLES)
def test_every_field_has_a_column_and_every_column_a_field(
    rows: Rows[Any], besides: set[str], not_kept: set[str]
) -> None:
    names = {each.name for each in fields(rows.kind)}
    assert set(rows.table.columns.keys()) - names == besides
    assert names - set(rows.table.columns.keys()) == not_kept


def test_every_table_of_values_is_looked_at() -> None:
    looked_at = {rows.table.name for rows, _, _ in TABLES}
    assert looked_at | NO_VALUES == set(schema.metadata.tables)


def written(kind: Any, value: Any) -> str:
    text = Json(kind).process_bind_param(value, DIALECT)
    assert text is not None
    # Neither a NUL nor half a character may reach PostgreSQL as such.
    assert text.isascii()
    assert "\0" not in text
    return text


def read(kind: Any, text: str) -> Any:
    return Json(kind).process_result_value(text, DIALECT)


def comes_back(kind: Any, value: Any) -> None:
    assert read(kind, written(kind, value)) == value


@given(PLANS)
@example(Plan(LONG, LONG, ((LONG, LONG),), (LONG,), {LONG: LONG}, listing=(LONG,)))
@example(Plan("\0\ud800é", ""))
def test_a_plan_comes_back_as_it_was(plan: Plan) -> None:
    comes_back(Plan, plan)


@given(OUTCOMES)
@example(Outcome(Happened.NO, LONG, ((LONG, LONG),), {LONG: LONG}, notes=(LONG,)))
def test_an_outcome_comes_back_as_it_was(outcome: Outcome) -> None:
    comes_back(Outcome, outcome)


@given(st.lists(VOTES, max_size=3).map(tuple), FIGURES)
def test_votes_and_figures_come_back_as_they_were(votes: tuple[Vote], figures: Figures) -> None:
    comes_back(tuple[Vote, ...], votes)
    comes_back(Figures, figures)


@given(PAGES, NOTICES)
def test_a_page_and_a_notice_come_back_as_they_were(page: Page, notice: Notice) -> None:
    comes_back(Notice | Page, page)
    comes_back(Notice | Page, notice)
    assert list(read(Notice | Page, written(Notice | Page, notice)).values) == list(notice.values)


@given(st.dictionaries(WORDS, st.just(NOW)))
def test_times_come_back_as_they_were(told: dict[str, datetime]) -> None:
    comes_back(dict[str, datetime], told)


def test_what_an_older_release_did_not_write_has_its_default() -> None:
    assert read(Plan, '{"subject": "PROD", "headline": "restart"}') == Plan("PROD", "restart")
    outcome = read(Outcome, '{"happened": "yes", "headline": "done"}')
    assert outcome == Outcome(Happened.YES, "done")
    figures = read(Figures, '{"at": "2026-11-24T03:04:05.678901+00:00", "forgotten": 1}')
    assert figures == Figures(NOW)


@given(draft=INCIDENTS)
# One database for all of them; two must not fire at once.
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_an_incident_comes_back_from_the_database(
    database: Database, draft: Incident
) -> None:
    await _comes_back(database, Rows(schema.alarms, Incident), draft)


@given(draft=WINDOWS)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_a_window_comes_back_from_the_database(database: Database, draft: Window) -> None:
    await _comes_back(database, Rows(schema.windows, Window), draft)


async def _comes_back(database: Database, rows: Rows[Any], value: Any) -> None:
    await database.change(insert(rows.table).values(rows.write(value)))
    [row] = await database.fetch(select(rows.table))
    await database.change(delete(rows.table))
    found = rows.read(row)
    assert found == value
    if isinstance(value, Incident):
        assert list(found.findings) == list(value.findings), "in their order"


async def test_times_come_back_in_utc_with_microseconds(database: Database) -> None:
    chile = timezone(timedelta(hours=-3))
    rows = Rows(schema.requests, Request)
    value = replace(draft(), asked=NOW.astimezone(chile))
    await database.change(insert(schema.requests).values(rows.write(value)))
    [row] = await database.fetch(select(schema.requests))
    assert rows.read(row).asked.isoformat() == "2026-11-24T03:04:05.678901+00:00"


async def test_a_time_without_a_zone_is_refused(database: Database) -> None:
    rows = Rows(schema.alarms, Incident)
    naive = replace(incident(), opened=NOW.replace(tzinfo=None))
    with pytest.raises(Exception, match="without a zone"):
        await database.change(insert(schema.alarms).values(rows.write(naive)))


async def test_text_that_no_database_takes_is_mended(database: Database) -> None:
    rows = Rows(schema.requests, Request)
    value = replace(draft(), reason="a\0b\ud800c", requester=Person("U0ANA", "a\0b\ud800c"))
    await database.change(insert(schema.requests).values(rows.write(value)))
    [row] = await database.fetch(select(schema.requests))
    assert rows.read(row) == replace(value, reason="a\ufffdb?c")
