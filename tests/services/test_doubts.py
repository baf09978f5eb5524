"""What becomes of messages of unknown outcome, by decision or by a brand's preset (SEND-24)."""

import datetime as dt

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import delivery, instance
from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.services import brandsettings, doubts, mailings

PEOPLE = [f"p{number}@example.org" for number in range(4)]


def decide(house, instance_id, decision, ids=None, *, brand_id=1):
    with house.unit(house.actor(brand_id=brand_id)) as unit:
        number = doubts.decide(unit, instance_id, decision, ids)
    house.check_sums(instance_id)
    return number


def refused(house, *args, **kw):
    with pytest.raises(GatewayError) as error:
        decide(house, *args, **kw)
    return error.value.code, error.value.field


def doubt(house, instance_id, *emails, **values):
    """Takes these recipients to where a broken connection would have left them."""
    with house.unit() as unit:
        unit.connection.execute(sa.update(delivery).where(
            delivery.c.instance_id == instance_id, delivery.c.email.in_(emails)).values(
            {"state": "in_doubt", "accepted_at": None, "attempt": 1, **values}))


@pytest.fixture
def sent(house, sink):
    """An instance that was sent to four people; of two of them nobody knows."""
    for email in PEOPLE:
        house.add_person(email)
    instance_id = house.send()
    doubt(house, instance_id, *PEOPLE[:2])
    sink.messages.clear()
    return instance_id


def ids_of(house, instance_id, *emails):
    return [row.id for row in house.deliveries(instance_id) if row.email in emails]


def test_resend_sends_the_same_message_once_more(house, sink, sent):
    """SEND-13, SEND-23, SEND-24: singly, though it may arrive twice; the instance goes on and is sent again; the
    others stay held."""
    [chosen] = ids_of(house, sent, PEOPLE[0])
    assert decide(house, sent, "resend", [chosen]) == 1
    assert house.instance(sent).state == "sending" and house.instance(sent).finished_at is None
    house.run(sent)
    assert house.states(sent) == {**dict.fromkeys(PEOPLE, "accepted"), PEOPLE[1]: "in_doubt"}
    assert [message.envelope_to[0] for message in sink.messages] == [PEOPLE[0]]
    assert house.instance(sent).state == "sent" and house.deliveries(sent)[0].attempt == 2
    assert decide(house, sent, "resend", [chosen]) == 0, "it is decided"


def test_count_as_sent(house, sink, sent):
    """SEND-24, SEND-58: the whole instance; figures, states and events agree; repeating it decides nothing."""
    assert decide(house, sent, "count_as_sent") == 2
    assert decide(house, sent, "count_as_sent") == 0
    report = house.check_sums(sent)
    assert (report.in_doubt, report.sent, report.delivered) == (0, 4, 4)
    for row in house.deliveries(sent):
        assert [event.type for event in house.events(sent) if event.delivery_id == row.id] == ["sent"]
        assert row.accepted_at is not None
    house.run(sent)
    assert not sink.messages and house.instance(sent).state == "sent"


def test_what_is_refused(house, sent):
    """Brands are apart; a slip decides nothing; nothing of a cancelled or late instance is sent any more."""
    other = house.send(brand_id=2)
    [foreign] = ids_of(house, sent, PEOPLE[0])
    assert refused(house, sent, "forget") == ("INVALID_VALUE", "decision")
    assert refused(house, 999, "resend") == ("NOT_FOUND", "instanceId")
    assert refused(house, sent, "resend", brand_id=2) == ("NOT_FOUND", "instanceId")
    assert refused(house, other, "resend", [foreign], brand_id=2) == ("NOT_FOUND", "deliveryId")
    assert refused(house, sent, "resend", []) == ("INVALID_REQUEST", "deliveryId")
    with house.unit() as unit:
        unit.connection.execute(sa.update(instance).where(instance.c.id == sent).values(
            not_after=house.clock.now - dt.timedelta(hours=1)))
    assert refused(house, sent, "resend")[0] == "STATE_CONFLICT"
    with house.unit() as unit:
        unit.connection.execute(sa.update(instance).where(instance.c.id == sent).values(state="cancelled"))
    assert refused(house, sent, "resend")[0] == "STATE_CONFLICT"
    assert decide(house, sent, "count_as_sent") == 2


def test_resend_of_a_paused_one_waits_for_its_resumption(house, sink, sent):
    """SEND-3: a decision is no resumption."""
    with house.unit() as unit:
        unit.connection.execute(sa.update(instance).where(instance.c.id == sent).values(
            state="paused", paused_from="sending"))
    assert decide(house, sent, "resend") == 2
    house.run(sent)
    assert house.instance(sent).state == "paused" and not sink.messages
    with house.unit(house.actor()) as unit:
        mailings.resume(unit, sent)
    house.run(sent)
    assert sorted(message.envelope_to[0] for message in sink.messages) == PEOPLE[:2]


@pytest.mark.parametrize(("preset", "states", "mails"), [
    ("hold", {"in_doubt"}, 0), ("count_as_sent", {"accepted"}, 0), ("resend", {"accepted"}, 2)])
def test_a_preset(house, sink, sent, preset, states, mails):
    """SEND-24: a brand may preset the answer; default is hold; another brand's choice is its own."""
    with house.unit(system_actor(1)) as unit:
        brandsettings.change(unit, {"inDoubt": preset})
        unit.connection.execute(sa.update(instance).where(instance.c.id == sent).values(state="sending"))
    house.run(sent)
    house.run(sent)
    assert {house.states(sent)[email] for email in PEOPLE[:2]} == states
    assert len(sink.messages) == mails and house.instance(sent).state == "sent"


def test_a_preset_has_an_end_and_leaves_a_backup_alone(house, sink, sent):
    """SEND-24, SEND-25: what was tried twice is held; what came out of a backup waits for a person."""
    with house.unit(system_actor(1)) as unit:
        brandsettings.change(unit, {"inDoubt": "resend"})
        unit.connection.execute(sa.update(instance).where(instance.c.id == sent).values(state="sending"))
    doubt(house, sent, PEOPLE[0], attempt=3)
    house.run(sent)
    house.run(sent)
    assert [message.envelope_to[0] for message in sink.messages] == [PEOPLE[1]]
    assert house.states(sent)[PEOPLE[0]] == "in_doubt"
    doubt(house, sent, PEOPLE[1])
    with house.unit() as unit:
        unit.connection.execute(sa.update(instance).where(instance.c.id == sent).values(
            state="paused", paused_from="sending", reason="restored"))
    house.run(sent)
    assert house.states(sent)[PEOPLE[1]] == "in_doubt"
