from datetime import timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.oncall import Page, PageEvent
from bot.domain.rules import Severity
from bot.domain.samples import Figures
from bot.storage.alarm_documents import (
    read_figures,
    read_page,
    read_told,
    write_figures,
    write_page,
    write_told,
)
from tests.storage.alarm_drafts import FIGURES, PAGES
from tests.storage.drafts import NOW


@given(PAGES)
def test_a_page_comes_back_as_it_was(page: Page) -> None:
    assert read_page(write_page(page)) == page


@given(FIGURES)
def test_figures_come_back_as_they_were(figures: Figures) -> None:
    assert read_figures(write_figures(figures)) == figures


@given(FIGURES, st.text(max_size=20))
def test_text_is_written_in_ascii(figures: Figures, name: str) -> None:
    # Neither a NUL nor half a character may reach PostgreSQL as such.
    assert write_figures(figures).isascii()
    assert read_told(write_told({name: NOW})) == {name: NOW}


def test_what_another_release_wrote_is_read() -> None:
    at = '"at": "2026-11-24T03:04:05.678901+00:00"'
    assert read_figures(f'{{{at}, "forgotten": 1}}') == Figures(NOW)
    page = Page(
        "a", PageEvent.RESOLVE, "k", "prod", "PROD", "", None, Severity.WARNING, "s", (), "", NOW
    )
    written = write_page(page).replace(',"incident":0', "")
    assert read_page(written) == page


def test_times_are_written_in_utc() -> None:
    chile = timezone(timedelta(hours=-3))
    assert read_told(write_told({"a": NOW.astimezone(chile)}))["a"].isoformat() == NOW.isoformat()
    with pytest.raises(ValueError, match="without a zone"):
        write_told({"a": NOW.replace(tzinfo=None)})
