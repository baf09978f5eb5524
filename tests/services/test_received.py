"""Sending again to some, and the limit of mailings an address gets (SEND-4, SEND-8)."""

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import delivery
from gateway.db.models.subscribers import subscriber
from gateway.db.queries import accounts
from gateway.db.queries import events as stored_events
from gateway.domain.events import NewEvent
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.services import explain, mailings


def put(house, instance_id, email, **values):
    """Makes the row of a recipient what an outcome would have made of it."""
    with house.unit() as unit:
        unit.connection.execute(sa.update(delivery).where(
            delivery.c.instance_id == instance_id, delivery.c.email == email).values(**values))


def hit(house, instance_id, email, *, kind="opened", automated=False):
    (row,) = [each for each in house.deliveries(instance_id) if each.email == email]
    with house.unit() as unit:
        stored_events.add(unit.connection, 1, NewEvent(
            type=kind, occurred_at=unit.now, once_key=f"{kind}:{row.id}", instance_id=instance_id, delivery_id=row.id,
            subscriber_id=row.subscriber_id, automated=automated), unit.now)


def again(house, mailing_id, audience=None, brand_id=1):
    """Sends the mailing again; the preview and every explanation must say beforehand what the freeze then does."""
    with house.unit(house.actor(brand_id=brand_id)) as unit:
        counted = mailings.count_audience(unit, mailing_id, audience)
        instance_id = mailings.send(unit, mailing_id, again=True, audience_=audience).instance_id
    people = _everybody(house, brand_id)
    said = {person: _said(house, person, instance_id, brand_id) for person in people}
    house.run(instance_id, brand_id=brand_id)
    rows = house.deliveries(instance_id)
    left_out = [row.reason for row in rows if row.state == "left_out"]
    assert counted.recipients == len(rows) - len(left_out)
    assert counted.left_out == {reason: left_out.count(reason) for reason in left_out}
    frozen = {row.subscriber_id: row.reason for row in rows}
    assert said == {person: frozen.get(person, "not_targeted") for person in people}
    return instance_id


def _everybody(house, brand_id):
    with house.reading() as unit:
        return list(unit.connection.scalars(sa.select(subscriber.c.id).where(
            subscriber.c.brand_id == brand_id, subscriber.c.merged_into.is_(None))))


def _said(house, person, instance_id, brand_id):
    answer = explain.explain(house.gateway, house.actor(brand_id=brand_id), Identifier(subscriber_id=person),
                             instance_id=instance_id)
    verdict = answer.people[0].verdict
    assert bool(verdict.blockers) == (verdict.reason is not None)
    return verdict.reason


@pytest.fixture
def sent(house):
    """A mailing that came to every end; the brand's other mailings and the other brand do not count."""
    for name in ("ann", "bo", "cy", "dee", "eve", "fay", "gus"):
        house.add_person(f"{name}@example.org")
    house.add_person("ann@example.org", brand_id=2)
    house.send(name="Another")
    mailing_id = house.create()
    instance_id = house.schedule(mailing_id)
    house.run(instance_id)
    for email, values in {"cy@example.org": {"state": "refused", "bounce_class": "hard"},
                          "dee@example.org": {"state": "expired", "bounce_class": "soft"},
                          "eve@example.org": {"bounce_class": "block"},  # a report came back
                          "fay@example.org": {"state": "in_doubt"}, "gus@example.org": {"state": "cancelled"}}.items():
        put(house, instance_id, email, **values)
    hit(house, instance_id, "bo@example.org")
    hit(house, instance_id, "ann@example.org", automated=True)  # a scanner is no reader
    house.add_person("new@example.org")
    house.clock.advance(seconds=1)
    return mailing_id, instance_id


def test_never_received(house, sent):
    """SEND-4, SEND-12: who has it, or may have it, does not get it again; the failed and the new do."""
    instance_id = again(house, sent[0], "never_received")
    assert house.states(instance_id) == {
        "ann@example.org": "received_before", "bo@example.org": "received_before", "fay@example.org": "received_before",
        **dict.fromkeys(("cy@example.org", "dee@example.org", "eve@example.org", "gus@example.org", "new@example.org"),
                        "accepted")}
    house.clock.advance(seconds=1)
    assert set(house.states(again(house, sent[0], "never_received")).values()) == {"received_before"}
    assert house.instance(instance_id).audience == "never_received"


def test_not_opened(house, sent):
    """Re-send to non-openers: a click is an open, a program's open is none, and only who got it can have left it."""
    hit(house, sent[1], "bo@example.org", kind="clicked")
    assert house.states(again(house, sent[0], "not_opened")) == {
        "ann@example.org": "accepted", "bo@example.org": "opened_before",
        **dict.fromkeys(("cy@example.org", "dee@example.org", "eve@example.org", "fay@example.org", "gus@example.org",
                         "new@example.org"), "not_received")}


def test_failed(house, sent):
    """Retry of the failed only: refused, expired, bounced later; never who got it in another instance."""
    instance_id = again(house, sent[0], "failed")
    assert house.states(instance_id) == {
        "ann@example.org": "received_before", "bo@example.org": "received_before", "fay@example.org": "received_before",
        "gus@example.org": "not_failed", "new@example.org": "not_failed",
        **dict.fromkeys(("cy@example.org", "dee@example.org", "eve@example.org"), "accepted")}
    house.clock.advance(seconds=1)
    assert "accepted" not in house.states(again(house, sent[0], "failed")).values()


def test_everybody(house, sent):
    """SEND-4: again without an audience goes to all."""
    assert set(house.states(again(house, sent[0])).values()) == {"accepted"}


def test_an_address_has_it_whoever_s_record_got_it(house):
    """ID-48: one copy per address; and the survivor of a merge, or of a chain of them, is the person who got it."""
    first = house.add_person("fam@example.org", remote_id="1")
    house.add_person("fam@example.org", remote_id="2")
    old = house.add_person("old@example.org", remote_id="3")
    mailing_id = house.create()
    house.run(house.schedule(mailing_id))
    last = house.add_person("new@example.org", remote_id="5")
    middle = house.add_person("mid@example.org", "Sport", remote_id="4", merged_into=last)
    with house.unit() as unit:
        unit.connection.execute(sa.update(subscriber).where(subscriber.c.id == old).values(merged_into=middle))
    house.clock.advance(seconds=1)
    rows = house.deliveries(again(house, mailing_id, "never_received"))
    assert {row.subscriber_id: row.reason for row in rows} == {
        first: "received_before", first + 1: "received_before", last: "received_before"}


def test_an_audience_needs_again_and_a_known_word(house):
    """SEND-4: a slip must not mail everybody."""
    mailing_id = house.create()
    for kw, code, field in (({"audience_": "failed"}, "INVALID_REQUEST", "again"),
                            ({"audience_": "opened", "again": True}, "INVALID_VALUE", "audience")):
        with pytest.raises(GatewayError) as refused, house.unit() as unit:
            mailings.send(unit, mailing_id, **kw)
        assert (refused.value.code, refused.value.field) == (code, field)
    with pytest.raises(GatewayError) as refused, house.reading() as unit:
        mailings.count_audience(unit, mailing_id, "opened")
    assert refused.value.code == "INVALID_VALUE"


def test_the_frequency_cap(house):
    """SEND-8: N mailings in M days, in any mailing of the brand; others' mail, old and bounced mail does not count."""
    house.add_person("ann@example.org")
    house.add_person("bo@example.org")
    house.add_person("ann@example.org", brand_id=2)
    for brand_id in (1, 2):
        with house.unit(house.actor(brand_id=brand_id)) as unit:
            accounts.set_brand_settings(unit.connection, brand_id, {"frequencyCap": "2/7"})
    first = house.send()
    house.clock.advance(days=3)
    second = house.send()
    put(house, second, "bo@example.org", bounce_class="hard")
    house.clock.advance(days=3)
    mailing_id = house.create()
    house.run(house.schedule(mailing_id))
    assert house.states(again(house, mailing_id)) == {"ann@example.org": "frequency_cap",
                                                      "bo@example.org": "frequency_cap"}
    with house.reading() as unit:
        newest = mailings.get(unit, mailing_id).instances[-1].instance_id
    assert house.states(newest) == {"ann@example.org": "frequency_cap", "bo@example.org": "accepted"}
    assert house.states(first) == dict.fromkeys(("ann@example.org", "bo@example.org"), "accepted")
    house.clock.advance(days=1, seconds=1)  # the first one is a week old
    assert house.states(again(house, mailing_id)) == dict.fromkeys(("ann@example.org", "bo@example.org"), "accepted")
    theirs = house.create(brand_id=2)
    assert house.states(again(house, theirs, brand_id=2)) == {"ann@example.org": "accepted"}


def test_the_order_of_reasons(house):
    """SEND-8: facts about the person come before those of the past, these before the cap, that before a duplicate."""
    out = house.add_person("out@example.org")
    house.add_person("ann@example.org", remote_id="1")
    mailing_id = house.create()
    house.run(house.schedule(mailing_id))
    house.set_address("out@example.org", opted_out_at=house.clock.now)
    twin = house.add_person("ann@example.org", remote_id="2")
    house.clock.advance(seconds=1)
    with house.unit() as unit:
        accounts.set_brand_settings(unit.connection, 1, {"frequencyCap": "1/7"})
    first = {row.subscriber_id: row.reason for row in house.deliveries(again(house, mailing_id, "never_received"))}
    assert first == {out: "unsubscribed", out + 1: "received_before", twin: "received_before"}
    second = {row.subscriber_id: row.reason for row in house.deliveries(again(house, mailing_id, "not_opened"))}
    assert second == {out: "unsubscribed", out + 1: "frequency_cap", twin: "frequency_cap"}
