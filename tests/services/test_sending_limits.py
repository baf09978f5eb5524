"""Do mailings keep to the limits when they are really sent, and does nobody wait behind a slow destination?

By the machine's clock: what is due soon is waited for by the run itself.
"""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
import sqlalchemy as sa

from gateway.clock import system_clock
from gateway.db.models.mailings import instance as instance_table
from gateway.services import brandsettings
from gateway.services.sender import Pace


@pytest.fixture
def clock():
    """The time that runs."""
    return system_clock


@pytest.fixture
def arrivals(sink, monkeypatch):
    """(seconds since this test began, recipient) of all that the sink takes, in its order."""
    began, found, take = system_clock(), [], sink.take

    def note(message):
        take(message)
        found.append(((system_clock() - began).total_seconds(), message.envelope_to[0]))
    monkeypatch.setattr(sink, "take", note)
    return found


def keeps_to(arrivals, rate, burst):
    """Whether never more had come than the rate and a full bucket allow."""
    return all(number <= rate * at_s + burst for number, (at_s, _) in enumerate(arrivals, 1))


def states(house, instance_id):
    return {row.email: row.state for row in house.deliveries(instance_id)}


def test_the_freeze_notes_whose_mail_servers_a_recipient_has(house):
    """SEND-34: the provider, or the domain; nobody's of those who are left out."""
    house.add_people(["a@gmail.com", "b@googlemail.com", "c@web.de", "d@example.org"])
    house.add_person("e@gmail.com", opted_out=True)
    instance_id = house.send()
    assert {row.email: row.domain_group for row in house.deliveries(instance_id)} == {
        "a@gmail.com": "google", "b@googlemail.com": "google", "c@web.de": "gmx", "d@example.org": "example.org",
        "e@gmail.com": None}


def test_a_brand_with_a_rate_sends_evenly(house, arrivals):
    """SEND-34: two seconds' worth at once, then so many a second, and everybody gets it."""
    with house.unit(house.actor(role="admin")) as unit:
        brandsettings.change(unit, {"messagesPerSecond": "20"})
    house.add_people([f"p{n}@example.org" for n in range(60)])
    instance_id = house.send()
    assert set(states(house, instance_id).values()) == {"accepted"}
    assert len(arrivals) == 60
    assert keeps_to(arrivals, 20, 40)
    assert house.instance(instance_id).state == "sent"


def test_an_instance_that_is_spread_goes_out_evenly(house, arrivals):
    """SEND-5."""
    house.add_people([f"p{n}@example.org" for n in range(8)])
    instance_id = house.schedule()
    with house.unit(house.actor()) as unit:
        unit.connection.execute(sa.update(instance_table).values(spread_s=4))
    house.run(instance_id)
    assert len(arrivals) == 8
    assert keeps_to(arrivals, 2, 4)


def test_a_slow_destination_holds_up_nobody_else(house, arrivals):
    """SEND-34, SEND-35: the slow ones are first in the queue, and all others go out before the last of them."""
    house.gateway.settings = dataclasses.replace(house.gateway.settings, domain_limits="google=4/s,1")
    slow, others = [f"g{n}@gmail.com" for n in range(12)], [f"p{n}@example.org" for n in range(20)]
    house.add_people(slow)
    house.add_people(others)
    instance_id = house.send()
    order = [who for _, who in arrivals]
    assert sorted(order) == sorted(slow + others)
    assert set(order[order.index(others[-1]) + 1:]) & set(slow)
    assert set(order[-2:]) < set(slow)
    assert keeps_to([one for one in arrivals if one[1] in slow], 4, 8)
    assert house.instance(instance_id).state == "sent"


def test_a_destination_that_says_421_is_slowed_down_and_others_are_not(house, arrivals):
    """SEND-35: half a message a second is what is left of it."""
    house.add_people(["421@gmail.com"])
    first = house.send()
    assert states(house, first) == {"421@gmail.com": "deferred"}
    with house.reading() as unit:
        rows = unit.connection.exec_driver_sql("SELECT name, rate FROM rate_bucket").all()
    assert [tuple(row) for row in rows] == [("domain:google", 0.5)]
    house.add_people([f"p{n}@gmail.com" for n in range(2)], interest_name="Other")
    house.add_people([f"p{n}@example.org" for n in range(20)], interest_name="Other")
    second = house.send(interests=("Other",))
    assert set(states(house, second).values()) == {"accepted"}
    assert {who for _, who in arrivals[-2:]} == {"p0@gmail.com", "p1@gmail.com"}
    assert arrivals[-1][0] - arrivals[-2][0] > 1


def test_a_destination_with_few_connections_holds_up_nobody_behind_it(house, arrivals):
    """SEND-34, SEND-35: as many slow ones as a sender claims at a time, and more, stand before all others."""
    house.gateway.settings = dataclasses.replace(house.gateway.settings, domain_limits="google=1")
    house.add_people([f"slow-bytes.g{n}@gmail.com" for n in range(70)])
    house.add_people([f"p{n}@example.org" for n in range(20)])
    instance_id = house.schedule()
    house.run(instance_id, pace=Pace(connections=3, batch=20, group=8))
    order = ["gmail" in who for _, who in arrivals]
    assert (len(order), order.count(True)) == (90, 70)
    assert order[-40:] == [True] * 40  # a sender that looked only at the first twenty would come to others with 36 left
    assert house.instance(instance_id).state == "sent"


def test_one_closed_destination_costs_the_others_no_time(house):
    """SEND-35: what may be claimed beside it is claimed at once, in one run."""
    house.gateway.settings = dataclasses.replace(house.gateway.settings, domain_limits="google=6/min")
    house.add_people(["g1@gmail.com", "g2@gmail.com", *(f"p{n}@example.org" for n in range(70))])
    instance_id = house.schedule()
    house.run(instance_id, pace=Pace(connections=3, batch=20, group=8))
    assert {who: state for who, state in states(house, instance_id).items() if state != "accepted"} == {
        "g2@gmail.com": "queued"}


def test_what_is_in_hand_for_a_destination_in_trouble_goes_back(house, arrivals):
    """SEND-35: a provider that asks us to slow down does not get all that was claimed before it said so."""
    house.add_people(["421@gmail.com", *(f"g{n}@gmail.com" for n in range(150))])
    instance_id = house.schedule()
    house.run(instance_id, pace=Pace(run_s=1.5))
    assert len(arrivals) <= 60  # what was planned before the answer, and what was being planned
    assert Counter(states(house, instance_id).values()) == {
        "deferred": 1, "queued": 150 - len(arrivals), **({"accepted": len(arrivals)} if arrivals else {})}
