"""Do the buckets never let more out than their rate, whatever the clock and the senders do? (SEND-34, SEND-35)"""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import UTC
from gateway.domain.limits import (
    FREE_RATE,
    LEAST_RATE,
    Bucket,
    GroupLimit,
    available,
    burst,
    domain_group,
    group_rate,
    parse_group_limits,
    refill,
    slow,
    take,
    wait_s,
)
from gateway.domain.providers import PROVIDER_DOMAINS, PROVIDERS
from gateway.errors import SettingsError

START = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)


def after(seconds: float) -> dt.datetime:
    return START + dt.timedelta(seconds=seconds)


rates = st.floats(0.01, 2000)
steps = st.lists(st.tuples(st.floats(0, 30), st.integers(1, 500), st.floats(-5, 5)), max_size=40)


@given(rates, steps)
def test_never_more_than_rate_times_time_and_the_burst(rate, history):
    """SEND-34: over any history of askings, also by hosts whose clocks are some seconds apart."""
    bucket, clock, out = Bucket(burst(rate), START), 0.0, 0
    latest = 0.0
    for pause_s, wanted, skew_s in history:
        clock += pause_s
        now = max(0.0, clock + skew_s)
        latest = max(latest, now)
        bucket = refill(bucket, rate, after(now))
        number = min(wanted, available(bucket))
        bucket, out = take(bucket, number), out + number
        assert out <= rate * latest + burst(rate) + 1e-6


@given(rates, st.lists(st.tuples(st.floats(0, 30), st.integers(-50, 50)), max_size=30))
def test_tokens_given_back_are_there_again_but_fill_no_more_than_the_burst(rate, history):
    """SEND-34: what was claimed and not tried counts for nothing, and gives nobody more."""
    bucket, now, out = Bucket(burst(rate), START), 0.0, 0
    for pause_s, wanted in history:
        now += pause_s
        bucket = refill(bucket, rate, after(now))
        assert 0 <= bucket.tokens <= burst(rate)
        number = max(-out, min(wanted, available(bucket)))
        bucket, out = take(bucket, number), out + number
        assert out <= rate * now + burst(rate) + 1e-6


@given(rates, st.floats(0, 5), st.sampled_from([-86_400.0, -3600.0, -61.0, -11.0]))
def test_a_clock_that_is_set_back_neither_adds_nor_stops(rate, tokens, jump_s):
    """SEND-34: the bucket begins to fill again at once, not when the old time has come again."""
    tokens = min(tokens, burst(rate))
    back = refill(Bucket(tokens, START), rate, after(jump_s))
    assert back.tokens == pytest.approx(tokens)
    later = refill(back, rate, after(jump_s + 1))
    assert later.tokens == pytest.approx(min(burst(rate), tokens + rate))


@given(rates, st.integers(2, 1000))
def test_a_clock_that_jumps_by_hours_fills_the_bucket_once(rate, hours):
    filled = refill(Bucket(0.0, START), rate, after(hours * 3600))
    assert filled.tokens <= burst(rate)


@given(rates, st.floats(0, 1))
def test_whoever_waits_as_long_as_told_gets_something(rate, share):
    bucket = Bucket(share * 0.99, START)
    told = wait_s(bucket, rate)
    assert told > 0
    assert available(refill(bucket, rate, after(told + 0.000_01))) >= 1


@given(st.floats(0.5, 200), st.integers(1, 20))
def test_looking_when_told_loses_nothing_of_the_rate(rate, seconds):
    """SEND-34: a limit is also what may be expected: 20 s at 10 a second are 200."""
    bucket, now, out = Bucket(0.0, START), 0.0, 0
    while now < seconds:
        bucket = refill(bucket, rate, after(now))
        number = available(bucket)
        bucket, out = take(bucket, number), out + number
        now += max(wait_s(bucket, rate), 0.001) + 0.002
    assert out >= rate * seconds * 0.98 - burst(rate) - 1


def test_trouble_halves_and_clean_minutes_double_until_the_limit_holds():
    """SEND-35."""
    bucket = slow(Bucket(40, START), 20.0, 0.0, START)
    assert (bucket.tokens, group_rate(bucket, 20.0, START)) == (0.0, 10.0)
    bucket = slow(bucket, 20.0, 0.0, after(10))
    assert group_rate(bucket, 20.0, after(69)) == 5.0
    assert group_rate(bucket, 20.0, after(70)) == 10.0
    assert group_rate(bucket, 20.0, after(130)) == 20.0
    assert group_rate(bucket, 20.0, after(10_000)) == 20.0


def test_trouble_never_goes_below_one_a_minute():
    """SEND-35: and comes back from there."""
    bucket = Bucket(1, START)
    for number in range(30):
        bucket = slow(bucket, 5.0, 0.0, after(number * 10))
    assert bucket.slowed == LEAST_RATE
    assert group_rate(bucket, 5.0, after(290 + 60)) == LEAST_RATE * 2


def test_ten_connections_that_are_refused_at_once_are_one_trouble():
    """SEND-35: otherwise one 421 to each of ten connections would bring any rate down to nothing."""
    bucket = Bucket(1, START)
    for number in range(10):
        bucket = slow(bucket, 100.0, 0.0, after(number * 0.5))
    assert bucket.slowed == 50.0


def test_a_group_without_limit_halves_what_was_measured_and_is_free_again_later():
    """SEND-35: the measured pace is halved; without one, a message a second."""
    assert slow(Bucket(1, START), None, 12.0, START).slowed == 6.0
    bucket = slow(Bucket(1, START), None, 0.0, START)
    assert bucket.slowed == 0.5
    pace = [group_rate(bucket, None, after(60 * minute)) for minute in range(8)]
    assert pace == [0.5, 1, 2, 4, 8, 16, None, None]
    assert pace[5] * 2 >= FREE_RATE


def test_a_clock_set_back_does_not_keep_a_group_slow():
    """SEND-35: the minutes are counted from the new time on."""
    bucket = refill(slow(Bucket(1, START), None, 0.0, START), 0.5, after(-7200))
    assert group_rate(bucket, None, after(-7200 + 60)) == 1.0


@pytest.mark.parametrize(("email", "group"), [
    ("Ann@GMAIL.com", "google"), ("a@googlemail.com", "google"), ("a@hotmail.co.uk", "microsoft"),
    ("a@aol.com", "yahoo"), ("a@web.de", "gmx"), ("a@me.com", "apple"), ("a@t-online.de", "t-online"),
    ("a@yahoo.co.jp", "yahoo.co.jp"), ("\"odd@local\"@Example.ORG", "example.org")])
def test_domains_of_one_provider_are_one_group(email, group):
    """SEND-34."""
    assert domain_group(email) == group


def test_no_domain_is_in_two_groups_and_no_group_looks_like_a_domain():
    assert len(PROVIDER_DOMAINS) == sum(len(domains) for domains in PROVIDERS.values())
    assert all(domain == domain.lower() and "." in domain for domain in PROVIDER_DOMAINS)
    assert not [name for name in PROVIDERS if "." in name]


def test_limits_are_read_by_provider_and_domain():
    assert parse_group_limits("") == {}
    assert parse_group_limits(" google = 20/s , 4 ; outlook.com=3;Example.org=30/min;example.net=90/h;") == {
        "google": GroupLimit(20.0, 4), "microsoft": GroupLimit(None, 3), "example.org": GroupLimit(0.5),
        "example.net": GroupLimit(0.025)}


@pytest.mark.parametrize(("text", "says"), [
    ("google", "'google'"), ("gogle=20/s", "neither a domain nor a provider"), ("google=", "''"),
    ("google=0/s", "'0/s'"), ("google=20/s;gmail.com=3/s", "has a limit already"),
    ("google=1/s,2/s", "'2/s'"), ("google=1/day", "'1/day'"), ("a@b.org=1/s", "neither a domain"),
    ("google=٣/s", "'٣/s'")])
def test_a_limit_that_cannot_be_read_says_where_and_why(text, says):
    with pytest.raises(SettingsError) as caught:
        parse_group_limits(text)
    assert "GATEWAY_DOMAIN_LIMITS" in str(caught.value)
    assert says in str(caught.value)
