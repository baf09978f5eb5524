"""When a message is tried again and when it is given up (SEND-32, SEND-33)."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.retry import AGE_LIMIT, next_try, spread, transport_wait_s

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize(("attempt", "minutes"), [(1, 5), (2, 15), (3, 30), (4, 60), (5, 120), (6, 240), (7, 480),
                                                  (8, 480), (50, 480)])
def test_schedule(attempt, minutes):
    """SEND-33: 5, 15, 30 min, 1, 2, 4, then every 8 h, +-20 %."""
    base = dt.timedelta(minutes=minutes)
    assert next_try(attempt, NOW, NOW, 0.5) == NOW + base
    assert next_try(attempt, NOW, NOW, 0.0) == NOW + base * 0.8
    assert NOW + base * 1.19 < next_try(attempt, NOW, NOW, 0.999) < NOW + base * 1.2


def test_age_limit():
    """SEND-33: the last try is at 48 h; what fails there is given up."""
    first = NOW - dt.timedelta(hours=47)
    assert next_try(9, NOW, first, 0.5) == first + AGE_LIMIT
    assert next_try(9, first + AGE_LIMIT, first, 0.5) is None


@given(st.integers(1, 10**6), st.floats(0, 1, exclude_max=True))
def test_a_history_always_ends(delivery_id, start):
    """However the jitter falls, tries go forward and end within 48 h, after 10 to 20 of them."""
    now, tries = NOW, 0
    while True:
        tries += 1
        at = next_try(tries, now, NOW, (spread(delivery_id, tries) + start) % 1)
        if at is None:
            break
        assert now < at <= NOW + AGE_LIMIT
        now = at
    assert 10 <= tries <= 20


def test_spread_is_even_and_stable():
    """The same try always has the same place; together they fill the range."""
    places = [spread(number, 1) for number in range(1000)]
    assert places == [spread(number, 1) for number in range(1000)]
    assert 0 <= min(places) < 0.01 and 0.99 < max(places) < 1 and 0.45 < sum(places) / 1000 < 0.55


def test_transport_wait():
    """SEND-32: 1 s to 5 min, doubling."""
    waits, wait = [], 0.0
    for _ in range(11):
        wait = transport_wait_s(wait)
        waits.append(wait)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
