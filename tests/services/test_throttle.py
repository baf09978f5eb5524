"""Do all senders together keep to the limits, on both databases? (SEND-5, SEND-34, SEND-35)"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading

import pytest

from gateway.db.engine import create_engine
from gateway.domain.accounts import system_actor
from gateway.domain.mailing import OpenInstance
from gateway.domain.tokens import Keys
from gateway.errors import GatewayError
from gateway.services import brandsettings, housekeeping
from gateway.services.gateway import Gateway
from gateway.services.throttle import UNBOUNDED, Throttle
from tests.support.clocks import SettableClock
from tests.support.world import World


def sending(brand_id=1, instance_id=7, spread_s=None, recipients=1000):
    """What a sender knows of an instance."""
    return OpenInstance(brand_id, instance_id, 1, recipients, spread_s, SettableClock()())


@pytest.fixture
def world(database_url, clock, tmp_path):
    with World(database_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


def limited(world, text):
    """A sender's throttle, with limits of destinations as the operator writes them."""
    world.gateway.settings = dataclasses.replace(world.gateway.settings, domain_limits=text)
    return Throttle(world.gateway)


def unit(world):
    return world.gateway.unit(system_actor(0))


def ask(world, throttle, instance, wanted):
    with unit(world) as work:
        return throttle.grant(work, instance, wanted)


def take(world, throttle, group, wanted):
    with unit(world) as work:
        return throttle.take_group(work, group, wanted)


def choose(world, rate, *, brand_id=1):
    with world.unit(world.actor(brand_id=brand_id, role="admin")) as work:
        brandsettings.change(work, {"messagesPerSecond": rate})


def rows(world):
    with world.gateway.reading(system_actor(0)) as work:
        return work.connection.exec_driver_sql("SELECT name FROM rate_bucket ORDER BY name").scalars().all()


def test_without_limits_all_that_is_wanted_goes_and_nothing_is_written(world):
    throttle = Throttle(world.gateway)
    assert ask(world, throttle, sending(), 200) == 200
    assert take(world, throttle, "google", 200) == 200
    with unit(world) as work:
        throttle.give_back(work, sending(), 50)
        assert (throttle.closed_groups(work), throttle.wait_s(work, [sending()])) == (frozenset(), None)
    assert throttle.connections("google") == UNBOUNDED
    assert rows(world) == []


def test_a_brand_keeps_to_its_rate_and_others_are_free(world, clock):
    """SEND-34: 10 a second are 20 at once and then 10 with every second."""
    choose(world, "10")
    throttle = Throttle(world.gateway)
    assert ask(world, throttle, sending(), 200) == 20
    assert ask(world, throttle, sending(instance_id=8), 200) == 0
    assert ask(world, throttle, sending(brand_id=2), 200) == 200
    for _ in range(5):
        clock.advance(seconds=1)
        assert ask(world, throttle, sending(), 200) == 10


def test_a_changed_choice_is_noticed_within_seconds(world, clock):
    throttle = Throttle(world.gateway)
    assert ask(world, throttle, sending(), 200) == 200
    choose(world, "1")
    clock.advance(seconds=5)
    assert ask(world, throttle, sending(), 200) == 2
    choose(world, "0")
    clock.advance(seconds=5)
    assert ask(world, throttle, sending(), 200) == 200


@pytest.mark.parametrize("text", ["-1", "fast", "100000", "1e3", "0.0001"])
def test_a_rate_that_is_none_is_refused(world, text):
    with pytest.raises(GatewayError, match="messagesPerSecond"):
        choose(world, text)


def test_the_mail_servers_rate_holds_for_all_brands_together(world, clock):
    """SEND-34: transport."""
    throttle = Throttle(world.gateway, transport_rate=50.0)
    assert ask(world, throttle, sending(), 80) == 80
    assert ask(world, throttle, sending(brand_id=2), 80) == 20
    clock.advance(seconds=1)
    assert ask(world, throttle, sending(brand_id=2), 80) == 50


def test_two_senders_share_a_bucket_and_a_restart_keeps_it(world, clock):
    """SEND-34: the tokens are rows; neither another process nor a new one begins with a full bucket."""
    choose(world, "10")
    assert ask(world, Throttle(world.gateway), sending(), 15) == 15
    assert ask(world, Throttle(world.gateway), sending(), 15) == 5
    clock.advance(seconds=0.5)
    again = Gateway(world.settings, create_engine(world.settings.database_url), Keys.from_secret(b"k" * 32), clock)
    with again.unit(system_actor(0)) as work:
        assert Throttle(again).grant(work, sending(), 15) == 5
    again.close()


def test_what_is_rolled_back_or_given_back_is_there_again(world):
    choose(world, "10")
    throttle = Throttle(world.gateway)
    with pytest.raises(RuntimeError), unit(world) as work:
        assert throttle.grant(work, sending(), 20) == 20
        raise RuntimeError("the claim failed")
    assert ask(world, throttle, sending(), 20) == 20
    with unit(world) as work:
        throttle.give_back(work, sending(), 7)
    assert ask(world, throttle, sending(), 20) == 7


def test_senders_that_ask_at_the_same_time_get_no_token_twice(world):
    """SEND-34: threads with connections of their own, all at once."""
    choose(world, "50")
    barrier, got = threading.Barrier(8), []

    def sender():
        throttle = Throttle(world.gateway, transport_rate=1000.0)
        barrier.wait()
        got.extend(ask(world, throttle, sending(instance_id=n % 3), 9) for n in range(5))

    threads = [threading.Thread(target=sender) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(got) == 100


def test_senders_that_take_from_many_buckets_in_any_order_never_block_each_other_for_good(world):
    """SEND-34: a sender's transaction notes trouble, gives back and claims, for several instances and destinations."""
    groups = ["a.example", "b.example", "c.example"]
    barrier, failed, done = threading.Barrier(4), [], []

    def sender(turn):
        throttle = limited(world, ";".join(f"{group}=100/s" for group in groups))
        order = groups[turn % 3:] + groups[:turn % 3]
        barrier.wait()
        for _ in range(8):
            try:
                with unit(world) as work:
                    for number, group in enumerate(order[::-1] if turn % 2 else order):
                        throttle.trouble(work, group, work.now)
                        throttle.give_back(work, sending(instance_id=ord(group[0]), spread_s=60, brand_id=2), 1)
                        throttle.grant(work, sending(instance_id=number, spread_s=60), 1)
                        throttle.take_group(work, group, 1)
                done.append(turn)
            except GatewayError as error:
                failed.append(error)

    threads = [threading.Thread(target=sender, args=(turn,)) for turn in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (failed, len(done)) == ([], 32)


ASKER = """
import sys, time
from pathlib import Path
from tests.services.test_throttle import sending, Throttle, system_actor
from gateway.services.gateway import Gateway
from gateway.db.engine import create_engine
from gateway.domain.mailing import OpenInstance
from gateway.domain.tokens import Keys
from gateway.settings import Settings
settings = Settings(Path("."), sys.argv[1], "", "http://127.0.0.1", "smtp://127.0.0.1", b"k" * 32)
gateway = Gateway(settings, create_engine(settings.database_url), Keys.from_secret(b"k" * 32))
throttle, got = Throttle(gateway), 0
sys.stdin.readline()
first = time.time()
while time.time() < first + 1.5 or got < 20:  # however little of the processor it gets
    with gateway.unit(system_actor(0)) as unit:
        got += throttle.grant(unit, sending(), 3)
    time.sleep(0.01)
print(got, first, time.time())
"""


def test_processes_with_their_own_clocks_keep_to_one_rate(world):
    """SEND-34: never more than rate x time + burst, and not much less."""
    choose(world, "40")
    senders = [subprocess.Popen([sys.executable, "-c", ASKER, world.settings.database_url], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, text=True) for _ in range(3)]
    for sender in senders:
        sender.stdin.write("go\n")
        sender.stdin.flush()
    answers = [[float(word) for word in sender.communicate(timeout=60)[0].split()] for sender in senders]
    total = sum(got for got, _, _ in answers)
    took_s = max(end for _, _, end in answers) - min(start for _, start, _ in answers)
    assert 40 * 1.5 <= total <= 40 * took_s + 80


def test_a_spread_instance_goes_out_evenly(world, clock):
    """SEND-5: 60 recipients over five minutes are one every five seconds, also when nobody asked for a while."""
    throttle, instance = Throttle(world.gateway), sending(spread_s=300, recipients=60)
    out = []
    for _ in range(60):
        out.append(ask(world, throttle, instance, 200))
        clock.advance(seconds=5)
    assert sum(out) == 60
    assert set(out) == {1}
    clock.advance(minutes=20)
    assert ask(world, throttle, instance, 200) == 1


def test_a_wait_says_when_something_can_go(world, clock):
    choose(world, "0.5")
    throttle = Throttle(world.gateway)
    assert ask(world, throttle, sending(), 5) == 1
    with unit(world) as work:
        assert throttle.wait_s(work, [sending()]) == pytest.approx(2.0)
        assert throttle.wait_s(work, [sending(), sending(brand_id=2)]) == pytest.approx(2.0)
    clock.advance(seconds=2)
    with unit(world) as work:
        assert throttle.wait_s(work, [sending()]) is None
    assert ask(world, throttle, sending(), 5) == 1


def test_a_slow_destination_is_closed_for_claims_and_the_others_are_not(world, clock):
    """SEND-35: whoever claims leaves closed groups out, so nobody waits behind them."""
    throttle = limited(world, "google=2/s,4;example.org=30/min")
    assert (throttle.connections("google"), throttle.few_connections()) == (4, {"google"})
    assert take(world, throttle, "google", 200) == 4
    assert take(world, throttle, "google", 200) == 0
    assert take(world, throttle, "microsoft", 200) == 200
    with unit(world) as work:
        assert throttle.closed_groups(work) == {"google"}
        assert throttle.limited_groups(work) == {"google", "example.org"}
        assert throttle.wait_s(work, []) == pytest.approx(1.0)
    clock.advance(seconds=1)
    with unit(world) as work:
        assert throttle.closed_groups(work) == frozenset()
        assert throttle.take_group(work, "google", 9) == 2


def test_trouble_slows_a_destination_down_for_all_senders_and_clean_minutes_free_it(world, clock):
    """SEND-35: 120 messages in the last minute were 2 a second; after 421 it is 1, then doubled a minute."""
    mine, other = Throttle(world.gateway), Throttle(world.gateway)
    mine.clean({"google": 100, "yahoo": 3}, clock())
    mine.clean({"google": 140}, clock.advance(seconds=30))
    for _ in range(10):
        with unit(world) as work:
            mine.trouble(work, "google", work.now)
    with unit(world) as work:
        assert other.closed_groups(work) == {"google"}
    clock.advance(seconds=1)
    assert take(world, other, "google", 200) == 2
    clock.advance(seconds=59)
    assert take(world, other, "google", 200) == 8
    clock.advance(minutes=4)
    with unit(world) as work:
        assert other.limited_groups(work) == frozenset()
        assert other.take_group(work, "google", 200) == 200


def test_a_limit_holds_again_after_trouble(world, clock):
    """SEND-35: clean minutes raise the rate to the limit, never above."""
    throttle = limited(world, "gmail.com=4/s")
    with unit(world) as work:
        throttle.trouble(work, "google", work.now)
    clock.advance(seconds=30)
    assert take(world, throttle, "google", 200) == 4
    clock.advance(hours=2)
    assert take(world, throttle, "google", 200) == 8


def test_a_clock_that_is_set_back_opens_the_buckets_all_the_same(world, clock):
    """SEND-34: nothing waits until the old time has come again."""
    throttle = limited(world, "google=1/s")
    choose(world, "1")
    assert (take(world, throttle, "google", 9), ask(world, throttle, sending(), 9)) == (2, 2)
    clock.advance(hours=-3)
    with unit(world) as work:
        assert throttle.closed_groups(work) == {"google"}
    assert ask(world, throttle, sending(), 9) == 0
    clock.advance(seconds=1)
    with unit(world) as work:
        assert throttle.closed_groups(work) == frozenset()
    assert (take(world, throttle, "google", 9), ask(world, throttle, sending(), 9)) == (1, 1)


def test_buckets_that_nobody_uses_are_forgotten(world, clock):
    ask(world, Throttle(world.gateway), sending(spread_s=10, recipients=100), 1)
    housekeeping.tidy(world.gateway)
    assert rows(world) == ["instance:7"]
    clock.advance(days=31)
    housekeeping.tidy(world.gateway)
    assert rows(world) == []
