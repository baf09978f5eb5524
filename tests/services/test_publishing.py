"""Publishings with interests of their own, on hold, under accounting codes; folders; who changed a mailing
(aapi.md sections 5.5 to 5.7 and 7.1)."""

import datetime as dt

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import accounting_code, instance, instance_interest, mailing
from gateway.db.queries import accounts, folders
from gateway.domain.accounts import system_actor
from gateway.domain.mailing import ON_HOLD, SEND_LATER, SEND_NOW
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.services import brandsettings, explain, lifecycle, mailings, publishing, review
from tests.support.mailhouse import MailHouse


@pytest.fixture
def desk(sqlite_url, clock, tmp_path):
    """A house on SQLite, for what is not about SQL."""
    with MailHouse(sqlite_url, clock, tmp_path, brands=(1, 2)) as made:
        yield made


def publish(house, mailing_id, *names, delay_s=0, brand_id=1, **options):
    with house.unit(house.actor(brand_id=brand_id)) as unit:
        return mailings.schedule(unit, mailing_id, unit.now + dt.timedelta(seconds=delay_s), again=True,
                                 interests_=names, **options).instance_id


def stored(house, mailing_id):
    with house.reading() as unit:
        return unit.connection.execute(sa.select(mailing).where(mailing.c.id == mailing_id)).one()


def do(house, act, *args, role="sender", brand_id=1, label="user:tester"):
    with house.unit(house.actor(role=role, brand_id=brand_id, label=label)) as unit:
        return act(unit, *args)


def test_a_publishing_goes_to_its_own_interests(house, sink):
    """aapi.md section 5.6, SEND-7: its interests stand for those that the mailing includes, for this publishing alone;
    those that the mailing excludes stay out. Two brands."""
    for brand_id in (1, 2):
        house.add_person("news@example.org", "News", brand_id=brand_id)
        house.add_person("event@example.org", "Event", brand_id=brand_id)
        house.add_person("both@example.org", "News", "Event", brand_id=brand_id)
        house.add_person("never@example.org", "Event", "Never", brand_id=brand_id)
    mailing_id = house.create(exclude_interests=("Never",))
    own, usual = publish(house, mailing_id, "Event"), publish(house, mailing_id)
    several = publish(house, mailing_id, "Event", "News", "Event")
    for instance_id in (own, usual, several):
        house.run(instance_id)
    assert house.states(own) == {"event@example.org": "accepted", "both@example.org": "accepted",
                                 "never@example.org": "excluded_interest"}
    assert house.states(usual) == {"news@example.org": "accepted", "both@example.org": "accepted"}
    assert house.states(several).keys() == {"news@example.org", "event@example.org", "both@example.org",
                                            "never@example.org"}
    assert len(sink.messages) == 7
    with house.reading() as unit:
        assert unit.connection.execute(sa.select(instance_interest.c.brand_id, instance_interest.c.instance_id)
                                       .order_by(instance_interest.c.instance_id)).all() == [
            (1, own), (1, several), (1, several)]


def test_who_leaves_the_interest_of_the_publishing_is_not_mailed(house, sink):
    """SEND-9, ID-39: what counts after the freeze are the publishing's interests, not the mailing's."""
    people = {house.add_person("stays@example.org", "Event"): "accepted",
              house.add_person("leaves@example.org", "Event"): "unsubscribed",
              house.add_person("leaves-other@example.org", "Event", "News"): "accepted",
              house.add_person("leaves-it@example.org", "Event", "News"): "unsubscribed"}
    _stays, leaves, other, it = people
    instance_id = publish(house, house.create(), "Event")
    lifecycle.advance(house.gateway, system_actor(1), instance_id)
    for person, name in ((leaves, "Event"), (other, "News"), (it, "Event")):
        house.leave(person, name)
    house.run(instance_id)
    assert {each.subscriber_id: each.reason or each.state for each in house.deliveries(instance_id)} == people


def test_an_explanation_knows_the_publishings_interests(desk):
    """ID-46: before the freeze, who is only in the mailing's interest is not in the audience of this publishing."""
    desk.add_person("news@example.org", "News")
    desk.add_person("event@example.org", "Event")
    mailing_id = desk.create()
    instance_id = publish(desk, mailing_id, "Event", delay_s=60)
    for email, of_instance, of_mailing in (("news@example.org", False, True), ("event@example.org", None, False)):
        for about, wanted in (({"instance_id": instance_id}, of_instance), ({"mailing_id": mailing_id}, of_mailing)):
            (person,) = explain.explain(desk.gateway, desk.actor(), Identifier(email=email), **about).people
            assert person.verdict.reaches is wanted, (email, about)
    (person,) = explain.explain(desk.gateway, desk.actor(), Identifier(email="news@example.org"),
                                instance_id=instance_id).people
    assert person.verdict.blockers[0].sentence == "It was never in Event."


def test_a_mailing_without_interests_needs_those_of_the_publishing(desk):
    """A mailing of stories names none; whoever publishes it says whom it goes to."""
    desk.add_interest("Event")
    mailing_id = desk.create(interests=())
    with pytest.raises(GatewayError) as error:
        publish(desk, mailing_id)
    assert (error.value.code, error.value.field) == ("INVALID_VALUE", "interest")
    with pytest.raises(GatewayError) as error:
        publish(desk, mailing_id, "Nowhere")
    assert (error.value.code, error.value.field) == ("LIST_UNKNOWN", "interest")
    instance_id = publish(desk, mailing_id, "Event", is_test=True)
    with desk.reading() as unit:
        assert unit.connection.execute(sa.select(instance.c.id, instance.c.is_test)).all() == [(instance_id, True)]


def test_on_hold_until_it_is_resumed(house, sink):
    """aapi.md section 5.7: what waits or is being sent is paused, and goes on when it is resumed; repeating it changes
    nothing. A mailing that is out, or was never published, does not count. Two brands."""
    house.add_person("a@example.org")
    waits, runs, out, draft = house.create(), house.create(), house.create(), house.create()
    ids = publish(house, waits, delay_s=3600), publish(house, waits, delay_s=7200), publish(house, runs)
    house.run(publish(house, out))
    lifecycle.advance(house.gateway, system_actor(1), ids[2])
    for _ in range(2):
        assert do(house, publishing.hold, [waits, runs, out, draft, waits]) == 2
        assert [house.instance(each).state for each in ids] == ["paused"] * 3
    assert [stored(house, each).schedule_choice for each in (waits, runs, out, draft)] == [ON_HOLD, ON_HOLD, SEND_NOW,
                                                                                          None]
    house.clock.advance(hours=3)
    for each in ids:
        house.run(each)
    assert len(sink.messages) == 1
    do(house, mailings.resume, ids[2])
    house.run(ids[2])
    assert len(sink.messages) == 2 and house.instance(ids[2]).state == "sent"
    assert stored(house, runs).schedule_choice == SEND_NOW
    with pytest.raises(GatewayError) as error:
        do(house, publishing.hold, [waits], brand_id=2)
    assert error.value.code == "NOT_FOUND"


def test_an_unknown_id_holds_nothing(desk):
    """All or nothing."""
    mailing_id = desk.create()
    instance_id = publish(desk, mailing_id, delay_s=60)
    with pytest.raises(GatewayError) as error:
        do(desk, publishing.hold, [mailing_id, 999])
    assert error.value.code == "NOT_FOUND" and "999" in error.value.message
    assert desk.instance(instance_id).state == "scheduled"
    with pytest.raises(GatewayError) as error:
        do(desk, publishing.hold, [mailing_id], role="reader")
    assert error.value.code == "NOT_ALLOWED"


def test_how_a_mailing_stands(desk):
    """aapi.md section 5.6: 1 sent at once, 2 later, 4 on hold; whatever door it came through."""
    mailing_id = desk.create()
    assert stored(desk, mailing_id).schedule_choice is None
    instance_id = publish(desk, mailing_id, delay_s=60)
    for act, choice in ((None, SEND_LATER), (mailings.pause, ON_HOLD), (mailings.resume, SEND_LATER)):
        if act:
            do(desk, act, instance_id)
        assert stored(desk, mailing_id).schedule_choice == choice
    publish(desk, mailing_id)
    assert stored(desk, mailing_id).schedule_choice == SEND_NOW


def test_who_changed_a_mailing_last(desk):
    """aapi.md section 7.3, modify_user_id: every step notes whose it was."""
    with desk.unit() as unit:
        accounts.set_brand_settings(unit.connection, 1, {"review": True})
    mailing_id = desk.create()
    assert stored(desk, mailing_id).changed_by == "user:tester"
    steps = [(lambda unit: mailings.update(unit, mailing_id, {"subject": "New"}), "user:a", "sender"),
             (lambda unit: review.submit(unit, mailing_id), "user:b", "sender"),
             (lambda unit: review.approve(unit, mailing_id), "user:c", "admin"),
             (lambda unit: mailings.schedule(unit, mailing_id, unit.now), "user:d", "sender"),
             (lambda unit: mailings.pause(unit, 1), "user:e", "sender"),
             (lambda unit: mailings.resume(unit, 1), "user:f", "sender"),
             (lambda unit: publishing.hold(unit, [mailing_id]), "user:g", "sender"),
             (lambda unit: publishing.set_accounting_code(unit, mailing_id, "General"), "user:h", "sender"),
             (lambda unit: mailings.cancel(unit, 1), "user:i", "sender")]
    for act, label, role in steps:
        do(desk, act, role=role, label=label)
        assert stored(desk, mailing_id).changed_by == label


def test_an_accounting_code_that_is_new_is_made(desk):
    """aapi.md section 5.6; each brand has its own, and the mailing names its newest."""
    mailing_id, other = desk.create(), desk.create(brand_id=2)
    for code in ("General", "General", "Events"):
        do(desk, publishing.set_accounting_code, mailing_id, code)
    do(desk, publishing.set_accounting_code, other, "General", brand_id=2)
    assert stored(desk, mailing_id).accounting_code == "Events"
    with desk.reading() as unit:
        assert [folders.codes(unit.connection, brand_id) for brand_id in (1, 2)] == [["Events", "General"], ["General"]]
        assert unit.connection.scalars(sa.select(accounting_code.c.is_default)).all() == [False] * 3
    for bad, code in (("x" * 51, "FIELD_TOO_LONG"), ("a\x07", "INVALID_CHARACTER")):
        with pytest.raises(GatewayError) as error:
            do(desk, publishing.set_accounting_code, mailing_id, bad)
        assert error.value.code == code
    with pytest.raises(GatewayError) as error:
        do(desk, publishing.set_accounting_code, other, "General")
    assert error.value.code == "NOT_FOUND"


def test_a_folder_that_is_new_is_made(desk):
    """aapi.md section 5.5: whatever door names it, when a mailing is made or changed; each brand has its own."""
    mailing_id = desk.create(folder="2026")
    desk.create(folder="2026")
    desk.create(folder="Board", brand_id=2)
    do(desk, mailings.update, mailing_id, {"folder": "Archive"})
    with desk.reading() as unit:
        assert [folders.names(unit.connection, brand_id) for brand_id in (1, 2)] == [["2026", "Archive"], ["Board"]]


def test_the_brands_own_sender(desk):
    """aapi.md section 5.5: an administrator sets it; each part may stay empty."""
    def change(**wanted):
        return do(desk, brandsettings.change, wanted, role="admin")

    with desk.reading() as unit:
        assert brandsettings.sender(unit) == ("", "", "")
    change(fromAddress=" Office@Example.ORG", fromName="The Office", replyTo="answers@example.org")
    with desk.reading() as unit, desk.reading(desk.actor(brand_id=2)) as other:
        assert brandsettings.sender(unit) == ("office@example.org", "The Office", "answers@example.org")
        assert brandsettings.sender(other) == ("", "", "")
    change(replyTo="")
    with desk.reading() as unit:
        assert brandsettings.sender(unit) == ("office@example.org", "The Office", "")
    for wanted in ({"fromAddress": "nobody"}, {"replyTo": "a b@x"}, {"fromName": "x" * 256},
                   {"fromName": "a\r\nBcc: b"}):
        with pytest.raises(GatewayError) as error:
            change(**wanted)
        assert (error.value.code, error.value.field) == ("INVALID_VALUE", *wanted)
