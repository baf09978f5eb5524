"""Who is told when a mailing stops by itself? (SEND-36, SEND-5)"""

import dataclasses
import datetime as dt

import pytest

from gateway.db.queries import instances
from gateway.domain.accounts import system_actor
from gateway.services import brandsettings, lifecycle, mailings, stopnotices


@pytest.fixture
def stopped(house):
    """An instance that the mail server refused, of a brand that wants to know."""
    with house.unit(system_actor(1)) as unit:
        brandsettings.change(unit, {"notifyAddress": "office@example.org, chair@example.org"})
    house.add_person("defer-4xx@example.org")
    instance_id = house.schedule(not_after=house.clock.now + dt.timedelta(hours=1))
    house.run(instance_id)
    with house.unit(system_actor(1)) as unit:
        lifecycle.pause_for_transport(unit, instance_id)
    return instance_id


def told(house, sink):
    """Whom a sweep tells now."""
    before = len(sink.messages)
    for brand_id, instance_id in stopnotices.due(house.gateway):
        stopnotices.tell(house.gateway, brand_id, instance_id)
        stopnotices.tell(house.gateway, brand_id, instance_id)
    return [message.envelope_to[0] for message in sink.messages[before:]]


def test_told_once_each_time_it_stops(house, sink, stopped):
    """SEND-36: with the reason and what to do, and nothing of the mailing but its name; again when it stops again."""
    assert told(house, sink) == ["office@example.org", "chair@example.org"] and told(house, sink) == []
    text = sink.messages[-1].data.decode()
    assert "Mailing stopped: March" in text and "refuses us" in text and "defer" not in text
    assert sink.messages[-1].envelope_from == ""
    with house.unit(house.actor()) as unit:
        mailings.resume(unit, stopped)
    assert told(house, sink) == []
    with house.unit(system_actor(1)) as unit:
        lifecycle.pause_for_transport(unit, stopped)
    assert len(told(house, sink)) == 2
    house.clock.advance(hours=2)
    house.run(stopped)
    assert house.instance(stopped).reason == "late" and len(told(house, sink)) == 2


def test_tried_again_while_the_mail_server_is_away(house, sink, stopped):
    """Whoever could not be told is told later; a brand without an address is not."""
    house.gateway.settings = dataclasses.replace(house.gateway.settings, smtp_url="smtp://127.0.0.1:1")
    assert stopnotices.due(house.gateway) == [(1, stopped)]
    stopnotices.tell(house.gateway, 1, stopped)
    assert stopnotices.due(house.gateway) == [(1, stopped)]
    with house.unit(system_actor(1)) as unit:
        brandsettings.change(unit, {"notifyAddress": ""})
    stopnotices.tell(house.gateway, 1, stopped)
    assert stopnotices.due(house.gateway) == []


def test_told_again_when_the_worker_was_killed_in_between(house, sink, stopped, monkeypatch):
    """SEND-36: at least once. While somebody tells, nobody else does; who never ended is taken to be dead later."""
    class Killed(BaseException):
        """Nothing of the process runs after it."""

    def kill(*_, **__):
        raise Killed

    monkeypatch.setattr(instances, "end_telling", kill)
    with pytest.raises(Killed):
        stopnotices.tell(house.gateway, 1, stopped)
    monkeypatch.undo()
    assert len(sink.messages) == 2 and told(house, sink) == []
    stopnotices.tell(house.gateway, 1, stopped)
    assert len(sink.messages) == 2
    house.clock.advance(minutes=16)
    assert told(house, sink) == ["office@example.org", "chair@example.org"]
    assert stopnotices.due(house.gateway) == []
