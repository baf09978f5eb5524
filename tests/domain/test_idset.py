"""Does a set of ids in bits answer as a set does, and stay small?"""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.idset import IdSet


@given(st.lists(st.integers(0, 1 << 40), max_size=20), st.lists(st.integers(0, 1 << 40), max_size=20))
def test_it_is_a_set(ids, others):
    """Whatever was added is in it, whatever was not is not."""
    found = IdSet(ids[:5])
    found.update(ids[5:])
    assert all((number in found) == (number in set(ids)) for number in (*ids, *others, 0, 1))


def test_a_million_neighbours_take_a_few_kilobytes():
    """PUSH-63, PUSH-55: the people of a ReplaceAll of 1,000,000 rows."""
    found = IdSet(range(500_000, 1_500_000))
    assert 499_999 not in found and 500_000 in found and 1_499_999 in found and 1_500_000 not in found
    assert found.size_bytes() < 200_000
