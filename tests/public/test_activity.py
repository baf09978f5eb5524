"""Do the systems that want it hear what became of a mailing, person by person, and of no other? (ID-57)"""

import pytest
import sqlalchemy as sa

from gateway.db.models.subscribers import subscriber
from gateway.db.models.transport import inbound_mail
from gateway.domain.accounts import system_actor
from gateway.domain.paging import PageRequest
from gateway.domain.writeback import ACTIVITY, PULLED, WritebackFilter
from gateway.errors import GatewayError
from gateway.services import inbound, integrations, writebacks
from tests.support.mailreader import read
from tests.support.returnedmail import Sent


@pytest.fixture
def parts_of(sink):
    """Reads the newest message."""
    return lambda: read(sink.messages[-1].data)


def told(house, kind=None, brand_id=1):
    """(kind, remote ID, payload) of the brand's writebacks."""
    house.fold()
    house.clock.advance(seconds=1)
    with house.gateway.feed(system_actor(brand_id)) as unit:
        found = writebacks.find(unit, WritebackFilter(), PageRequest()).items
    return [(row.kind, row.remote_id, dict(row.payload)) for row in found if kind in (None, row.kind)]


def take(house, kinds=(*PULLED, *ACTIVITY), brand_id=1):
    made = house.integration("api", brand_id=brand_id)
    with house.gateway.unit(system_actor(brand_id)) as unit:
        integrations.set_pulls(unit, made, kinds)


def test_sent_opened_and_clicked_once_a_person_and_link(house, browser, parts_of):
    """ID-57: with instance, the mailing's name and the link; a second open, and one of a machine, tells nobody."""
    take(house)
    house.add_person("ann@example.org", remote_id="17")
    instance_id = house.send(writes_activity=True)
    about = {"instance_id": instance_id, "mailing": "March"}
    assert told(house) == [("sent", "17", about)]
    mail = parts_of()
    house.clock.advance(seconds=30)
    for path in (mail.pixel, mail.pixel, mail.clicks[0], mail.clicks[0], mail.clicks[1]):
        browser.get(path)
        house.clock.advance(seconds=10)
    browser.head(mail.clicks[1])  # a scanner
    assert told(house, "opened") == [("opened", "17", about)]
    assert told(house, "clicked") == [
        ("clicked", "17", {**about, "link": "https://example.org/a?x=1&y=2"}),
        ("clicked", "17", {**about, "link": "https://example.org/b"})]
    browser.get(mail.pixel)
    assert len(told(house, "opened")) == 1, "folded later, it is still the second"


def test_a_machine_that_is_first_takes_nothing_from_the_person(house, browser, parts_of):
    """ID-57: what a machine fetched is told to nobody; the person's first click is."""
    take(house)
    house.add_person("ann@example.org", remote_id="17")
    house.send(writes_activity=True)
    mail = parts_of()
    house.clock.advance(seconds=30)
    browser.head(mail.clicks[0])
    assert told(house, "clicked") == []
    house.clock.advance(seconds=30)
    browser.get(mail.clicks[0])
    assert len(told(house, "clicked")) == 1


def test_a_bounce_has_its_class_and_code(house):
    """ID-57: refused at once."""
    take(house)
    house.add_person("bounce-5xx@example.org", remote_id="17")
    instance_id = house.send(writes_activity=True)
    assert told(house, "bounced") == [("bounced", "17", {
        "instance_id": instance_id, "mailing": "March", "code": "5.1.1", "bounce_class": "hard"})]


def test_what_comes_back_later_is_told_once_and_to_whom_the_person_was_merged(house):
    """ID-57: a second report about the same copy is an event, and no second writeback; figures and rows agree."""
    take(house)
    ann = house.add_person("ann@example.org", remote_id="17")
    instance_id = house.send(writes_activity=True)
    kept = house.add_person("old@example.org", remote_id="18")
    with house.gateway.unit(system_actor(1)) as unit:
        unit.connection.execute(sa.update(subscriber).where(subscriber.c.id == ann).values(merged_into=kept))
    [row] = house.deliveries(instance_id)
    about = Sent(house.gateway.keys, 1, row.id, instance_id, row.email, inbound.bounce_domain(house.gateway))
    for name in ("postfix-unknown-user", "gmail-not-found"):
        data = about.mail(name)
        inbound.receive(house.gateway, "lmtp", "", f"{about.verp}@{about.domain}", data, len(data))
        with house.reading() as unit:
            mail_id = unit.connection.scalar(sa.select(sa.func.max(inbound_mail.c.id)))
        inbound.process(house.gateway, 0, mail_id)
    assert len([event for event in house.events(instance_id) if event.type == "bounced"]) == 2
    assert [(kind, remote_id) for kind, remote_id, _ in told(house, "bounced")] == [("bounced", "18")]
    assert house.report(instance_id).bounced == 1


def test_only_of_mailings_that_say_so_and_to_those_who_take_it(house, browser, parts_of):
    """ID-57: optional per mailing; an integration that takes other kinds hears nothing; nor does another brand."""
    take(house, PULLED)
    house.add_person("ann@example.org", remote_id="17")
    house.send(writes_activity=True)
    assert told(house) == []
    take(house)
    mailing_id = house.create()
    instance_id = house.schedule(mailing_id)
    house.run(instance_id)
    assert told(house) == []
    with house.gateway.unit(system_actor(2)) as unit, pytest.raises(GatewayError) as caught:
        writebacks.set_activity(unit, mailing_id, True)
    assert caught.value.code == "NOT_FOUND"
    with house.unit() as unit:
        writebacks.set_activity(unit, mailing_id, True)
    house.clock.advance(seconds=30)
    browser.get(parts_of().pixel)
    assert [row[0] for row in told(house)] == ["opened"], "from now on, also while it is sent"
    assert told(house, brand_id=2) == []


def test_who_has_no_remote_id_is_told_to_nobody(house):
    """ID-58"""
    take(house)
    house.add_person("ann@example.org")
    house.send(writes_activity=True)
    assert told(house) == []


def test_a_mailing_without_it_is_asked_about_once_a_fold(house):
    """ID-57: what most mailings are costs one small look, and nothing about people, keys or integrations."""
    take(house)
    house.add_person("ann@example.org", remote_id="17")
    seen = []
    sa.event.listen(house.gateway.engine, "before_cursor_execute", lambda *given: seen.append(given[2]))
    house.send()
    assert sum("writes_activity" in text and "mailing_instance.id" in text.split("FROM")[0] for text in seen) == 1
    told = [text for text in seen if "writeback" in text and "field_changed" not in text]  # a value may wait
    assert told == []
