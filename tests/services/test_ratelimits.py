"""May these credentials make one more request now? (PUSH-13)"""

import os

import pytest

from gateway.domain.accounts import Actor
from gateway.errors import GatewayError
from gateway.services.ratelimits import MAX_WAIT_S, PLACES_TO_WAIT, Rates, Use


class Time:
    """A clock that stands until it is moved, or until somebody sleeps."""

    def __init__(self, now=600.0):
        self.now = now
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now += seconds


def actor(label="key:1", brand_id=1):
    return Actor(brand_id, label, "push")


def made(per_minute, time, processes=1):
    return Rates(per_minute, processes, time, time.sleep)


def admitted(rates, who, tries):
    """How many of so many requests are admitted."""
    count = 0
    for _ in range(tries):
        try:
            rates.admit(who)
        except GatewayError as refused:
            assert refused.code == "TOO_MANY_REQUESTS" and refused.status == 429 and refused.retryable
        else:
            count += 1
    return count


def test_budget_and_when_it_comes_back():
    """PUSH-13: so many requests a minute, then 429; Retry-After says when there is room, and there is."""
    time = Time()
    rates = made(100, time)
    assert admitted(rates, actor(), 150) == 100
    with pytest.raises(GatewayError) as refused:
        rates.admit(actor())
    assert 60 <= refused.value.retry_after_s <= 61
    time.now += refused.value.retry_after_s
    assert 1 <= admitted(rates, actor(), 150) <= 3
    time.now += 120
    assert admitted(rates, actor(), 150) == 100


def test_no_minute_holds_more_than_the_budget():
    """PUSH-13: also not across the border of two windows, when the requests before it came evenly."""
    time = Time(600.0)
    rates = made(60, time)
    stamps = []
    for _ in range(1800):
        time.now += 0.1
        if admitted(rates, actor(), 1):
            stamps.append(time.now)
    for at in stamps:
        assert sum(at - 60 < each <= at for each in stamps) <= 61


def test_credentials_are_counted_apart():
    """PUSH-13: per key; a name of another brand is somebody else."""
    rates = made(10, Time())
    callers = (actor(), actor("key:2"), actor(brand_id=2), actor())
    assert [admitted(rates, who, 20) for who in callers] == [10, 10, 10, 0]


def test_no_limit():
    """GATEWAY_REQUESTS_PER_MINUTE=0."""
    assert admitted(made(0, Time()), actor(), 10000) == 10000


def test_processes_share_the_budget():
    """PUSH-13: several processes of one server count together; one that is killed holds up nobody."""
    time = Time()
    rates = made(100, time, processes=3)
    for number in (1, 2):
        pid = os.fork()
        if not pid:
            rates.own = number
            for _ in range(30):
                rates.admit(actor())
            os.kill(os.getpid(), 9)
        os.waitpid(pid, 0)
    assert admitted(rates, actor(), 100) == 40


def test_many_keys_have_room():
    """As many credentials as an installation ever has are counted exactly."""
    time = Time()
    rates = made(2, time)
    for _ in range(3):
        assert sum(admitted(rates, actor(f"key:{number}"), 3) for number in range(1500)) == 3000
        time.now += 120


def test_a_patient_caller_is_slowed_down_and_not_refused():
    """PUSH-13: /v2 slows down first, up to 5 s a call: one request after the other is never refused."""
    time = Time()
    rates = made(600, time)
    begun = time.now
    for _ in range(3000):
        time.now += 0.005
        rates.admit(actor(), patiently=True)
    minutes = (time.now - begun) / 60
    assert 3000 / minutes <= 610
    assert max(time.slept) <= MAX_WAIT_S
    assert not any(pause == 0 for pause in time.slept)


def test_few_wait_at_a_time():
    """PUSH-13: those who wait leave threads to the others; with all places taken nobody is held up."""
    time = Time()
    depth = []

    def sleep(seconds):
        depth.append(seconds)
        rates.admit(actor(), patiently=True)  # another thread's request, while this one waits

    rates = Rates(20, 1, time, sleep)
    assert admitted(rates, actor(), 12) == 12
    rates.admit(actor(), patiently=True)
    assert len(depth) == PLACES_TO_WAIT


@pytest.mark.parametrize(("use", "limit", "wait_s"), [
    (Use(0, 0, 0.0), 10, 0), (Use(9, 0, 10.0), 10, 0), (Use(10, 0, 10.0), 10, 56.0),
    (Use(0, 20, 0.0), 10, 30.0), (Use(5, 10, 30.0), 10, 0.0), (Use(5, 20, 30.0), 10, 15.0)])
def test_how_long_to_wait(use, limit, wait_s):
    """PUSH-13: what Retry-After says."""
    assert use.wait_s(limit) == pytest.approx(wait_s)
