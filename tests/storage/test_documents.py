from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from bot.domain.approvals import Confirmation, Happened, Outcome, Plan
from bot.storage.documents import (
    read_names,
    read_outcome,
    read_plan,
    read_values,
    write_names,
    write_outcome,
    write_plan,
    write_values,
)

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
FACTS = st.lists(st.tuples(WORDS, WORDS), max_size=4).map(tuple)
NAMES = st.lists(WORDS, max_size=4).map(tuple)
VALUES = st.dictionaries(WORDS, WORDS, max_size=4)
PLANS = st.builds(
    Plan,
    subject=WORDS,
    headline=WORDS,
    facts=FACTS,
    streams=NAMES,
    bound=VALUES,
    asks=st.booleans(),
    warning=WORDS,
    listing=NAMES,
    confirmation=st.none() | st.builds(Confirmation, WORDS, WORDS, WORDS, WORDS),
)
OUTCOMES = st.builds(
    Outcome,
    happened=st.sampled_from(Happened),
    headline=WORDS,
    facts=FACTS,
    before=VALUES,
    after=VALUES,
    notes=NAMES,
    undo=WORDS,
    well=st.booleans(),
)
LONG = "line\n\0“🔭”\\\t" * 600


@given(PLANS)
@example(Plan(LONG, LONG, ((LONG, LONG),), (LONG,), {LONG: LONG}, listing=(LONG,)))
def test_a_plan_comes_back_as_it_was(plan: Plan) -> None:
    assert read_plan(write_plan(plan)) == plan


@given(OUTCOMES)
@example(Outcome(Happened.NO, LONG, ((LONG, LONG),), {LONG: LONG}, notes=(LONG,)))
def test_an_outcome_comes_back_as_it_was(outcome: Outcome) -> None:
    assert read_outcome(write_outcome(outcome)) == outcome


@given(NAMES, VALUES)
def test_names_and_values_come_back_as_they_were(
    names: tuple[str, ...], values: dict[str, str]
) -> None:
    assert read_names(write_names(names)) == names
    assert read_values(write_values(values)) == values
    assert list(read_values(write_values(values))) == list(values), "in their order"


def test_what_an_older_release_did_not_write_has_its_default() -> None:
    plan = read_plan('{"subject": "PROD", "headline": "restart"}')
    assert plan == Plan("PROD", "restart")
    outcome = read_outcome('{"happened": "yes", "headline": "done"}')
    assert outcome == Outcome(Happened.YES, "done")


def test_text_is_written_in_ascii() -> None:
    # Neither a NUL nor half a character may reach PostgreSQL as such.
    written = write_plan(replace(Plan("", ""), subject="\0\ud800é"))
    assert written.isascii()
    assert "\0" not in written
