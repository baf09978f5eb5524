"""Whose message is next: turns, and destinations that take few connections (SEND-15, SEND-34, SEND-37)."""

import datetime as dt
from collections import Counter

from gateway.domain.delivery import Claimed
from gateway.domain.mailing import OpenInstance
from gateway.services.senderqueue import SenderQueue
from gateway.services.senderwork import Item
from gateway.services.throttle import UNBOUNDED

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)


def queue(connections=4, limit=lambda group: UNBOUNDED, rate=1000.0):
    made = SenderQueue(connections, 16, 200, limit)
    made.rate.per_s = rate
    return made


def items(instance_id, number, group="example.org", first=0):
    """Claimed rows of an instance."""
    instance = OpenInstance(1, instance_id, 1, number, None, NOW)
    return [Item(instance, Claimed(1000 * instance_id + first + n, n, f"p{n}@{group}", None, 0, None, group))
            for n in range(number)]


def planned(made):
    """Plans a group; whose rows it has."""
    group = made.next_group()
    made.admit(group, group)
    return Counter(item.instance.instance_id for item in group)


def test_a_group_is_at_most_what_power_loss_may_leave_in_doubt():
    """SEND-12, SEND-15: 16 rows per connection without an outcome; more only when half of them have one."""
    made = queue()
    made.add(items(1, 200))
    assert planned(made) == {1: 64}
    assert planned(made) == {}
    for _ in range(31):
        item = made.take()
        made.send(item)
        made.drop(made.came_back(item.delivery_id))
    assert planned(made) == {}
    made.drop(made.take())
    assert planned(made) == {1: 32}


def test_a_slow_sender_plans_a_second_of_work():
    """SEND-9: whoever opts out is dropped up to the last second."""
    made = queue(rate=20.0)
    made.add(items(1, 200))
    assert planned(made) == {1: 20}


def test_all_instances_have_their_share_of_a_group():
    """SEND-37: a small mailing does not wait behind a large one."""
    made = queue()
    made.add(items(1, 200))
    made.add(items(2, 5))
    made.add(items(3, 100))
    assert planned(made) == {1: 21, 2: 5, 3: 21}


def test_a_destination_has_no_more_connections_than_its_limit_and_the_others_go_on():
    """SEND-34."""
    made = queue(limit=lambda group: 2 if group == "slow.example" else UNBOUNDED)
    slow, others = items(1, 40, "slow.example"), items(1, 30, first=500)
    made.add(slow)
    made.add(others)
    planned(made)
    taken = []
    while (item := made.take()) is not None:
        made.send(item)
        taken.append(item.claimed.domain_group)
    assert Counter(taken) == {"slow.example": 2, "example.org": 30}
    back = made.came_back(slow[0].delivery_id)
    made.drop(back)
    again = made.take()
    made.send(again)
    assert again.claimed.domain_group == "slow.example"
    assert made.take() is None


def test_a_slow_destination_does_not_fill_the_buffer():
    """SEND-34: no more of it is claimed than its connections will need soon."""
    made = queue(limit=lambda group: 2 if group == "slow.example" else UNBOUNDED)
    assert made.room_for("slow.example") == 64 and made.room_for("example.org") > 1000
    rows = items(1, 60, "slow.example")
    made.add(rows)
    assert made.room_for("slow.example") == 4
    made.forget(rows[:10])
    assert made.room_for("slow.example") == 14


def test_what_is_gone_is_taken_out_wherever_it_waits():
    """SEND-38: planned or claimed; what is on its way stays."""
    made = queue()
    made.add(items(1, 100))
    made.add(items(2, 10))
    planned(made)
    item = made.take()
    made.send(item)
    removed = made.remove(lambda one: one.instance.instance_id == item.instance.instance_id)
    assert len(removed) == 99 and item not in removed
    assert set(made.instances()) == {2}
    assert not made.is_empty()


def test_how_much_is_claimed_follows_the_speed():
    """A slow sender leaves rows to others; a fast one has two seconds of work in hand, 200 per connection at most."""
    assert queue(rate=1.0).wanted(1) == 200
    assert queue(rate=300.0).wanted(1) == 600
    assert queue(rate=10_000.0).wanted(1) == 800
    assert queue(rate=10_000.0).wanted(8) == 200
    made = queue(rate=300.0)
    made.add(items(1, 400))
    assert made.wanted(1) == 0
