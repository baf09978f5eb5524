"""Who gets a mailing and who is left out, for which first reason (SEND-7, SEND-8, ID-46, ID-48)."""

import datetime as dt

import pytest
import sqlalchemy as sa

from gateway.db.engine import is_postgresql
from gateway.db.models.mailings import delivery
from gateway.db.models.subscribers import membership, remote_key, subscriber
from gateway.db.queries import audience as stored_audience
from gateway.db.queries import deliveries
from gateway.db.queries import mailings as stored_mailings
from gateway.domain.accounts import system_actor
from gateway.services import audience, lifecycle, mailings


def reasons(house, instance_id):
    return {row.subscriber_id: row.reason or row.state for row in house.deliveries(instance_id)}


def counted(house, mailing_id, brand_id=1):
    with house.reading(house.actor(brand_id=brand_id)) as unit:
        return mailings.preview(unit, mailing_id)


def test_every_reason_and_their_order(house):
    """SEND-8: exactly one row per person reached; the first reason in the given order; preview counts the same."""
    everything = {"opted_out": True, "orphan": True}
    people = {
        house.add_person("a@example.org"): "queued",
        house.add_person("b@example.org", "News", "Board", **everything): "excluded_interest",
        house.add_person(None, remote_id="1", **everything): "invalid_address",
        house.add_person("no-at-sign", **everything): "invalid_address",
        house.add_person("c@example.org", **everything): "orphan",
        house.add_person("d@example.org", opted_out=True, remote_id="2", flagged=True): "unsubscribed",
        house.add_person("e@example.org", remote_id="3", flagged=True): "remote_flag",
        house.add_person("f@example.org"): "bad_email",
        house.add_person("g@example.org"): "unsubscribed",
    }
    house.add_person("elsewhere@example.org", "Other")
    house.set_address("f@example.org", bounced_at=house.clock.now)
    house.set_address("e@example.org", bounced_at=house.clock.now)
    house.set_address("g@example.org", opted_out_at=house.clock.now)
    mailing_id = house.create(exclude_interests=("Board",))
    before = counted(house, mailing_id)
    instance_id = house.schedule(mailing_id)
    house.run(instance_id)
    got = reasons(house, instance_id)
    assert got == {person: "accepted" if reason == "queued" else reason for person, reason in people.items()}
    assert before.recipients == 1
    assert before.left_out == {"excluded_interest": 1, "invalid_address": 2, "orphan": 1, "unsubscribed": 2,
                               "remote_flag": 1, "bad_email": 1}
    report = house.report(instance_id)
    assert (report.left_out, report.targeted) == (before.left_out, 9)


def test_one_copy_per_address_to_the_lowest_sendable_id(house):
    """ID-48: the lowest id of those who may be mailed gets the copy; those left out for another reason keep it."""
    first = house.add_person("fam@example.org", remote_id="17", opted_out=True)
    second = house.add_person("fam@example.org", remote_id="18")
    third = house.add_person("fam@example.org", remote_id="19")
    instance_id = house.send()
    assert reasons(house, instance_id) == {first: "unsubscribed", second: "accepted", third: "duplicate_address"}


@pytest.mark.parametrize("ended", [False, True])
def test_a_flag_blocks_every_record_of_the_address(house, ended):
    """ID-46, ID-45: one flagged key at the address blocks all its records, also when its link has ended."""
    flagged = house.add_person("fam@example.org", "Other", remote_id="1", flagged=True, ended=ended)
    innocent = house.add_person("fam@example.org", remote_id="2")
    instance_id = house.send()
    assert reasons(house, instance_id) == {innocent: "remote_flag"}
    assert flagged not in reasons(house, instance_id)


def test_the_flag_of_a_tombstone_does_not_block(house):
    """Only live records have a say: a merged record's keys moved to its survivor."""
    person = house.add_person("fam@example.org", remote_id="2")
    house.add_person("fam@example.org", remote_id="1", flagged=True, merged_into=person)
    instance_id = house.send()
    assert reasons(house, instance_id) == {person: "accepted"}


def test_orphans_on_request(house):
    """ID-34: an orphan is left out unless the mailing says includeOrphans; other facts still block it."""
    house.add_person("a@example.org", orphan=True)
    house.add_person("b@example.org", orphan=True, opted_out=True)
    instance_id = house.send(include_orphans=True)
    assert house.states(instance_id) == {"a@example.org": "accepted", "b@example.org": "unsubscribed"}


def test_several_interests_and_one_row(house):
    """SEND-7: reached twice is one row; included interests are joined by "or"."""
    house.add_person("a@example.org", "News", "Sport")
    house.add_person("b@example.org", "Sport")
    instance_id = house.send(interests=("News", "Sport"))
    assert house.states(instance_id) == {"a@example.org": "accepted", "b@example.org": "accepted"}


def test_who_left_an_interest_is_not_reached_by_it(house):
    """ID-39: the person's leaving beats an open membership, for inclusion and for exclusion."""
    left_news = house.add_person("a@example.org")
    house.leave(left_news, "News")
    left_board = house.add_person("b@example.org", "News", "Board")
    house.leave(left_board, "Board")
    instance_id = house.send(exclude_interests=("Board",))
    assert house.states(instance_id) == {"b@example.org": "accepted"}


def test_the_frozen_row_names_address_and_remote_id(house):
    """SEND-7: address and remote ID stand in the row for good; of several live keys the smallest."""
    house.add_person("a@example.org", remote_id="A-7")
    house.add_person("b@example.org", remote_id="B-1", ended=True)
    instance_id = house.send()
    assert [(row.email, row.remote_id) for row in house.deliveries(instance_id)] == [
        ("a@example.org", "A-7"), ("b@example.org", None)]


def test_two_brands_never_meet(house):
    """ID-P15: same addresses, same interest names; each brand's facts are its own."""
    ours, theirs = house.add_person("a@example.org", brand_id=1), house.add_person("a@example.org", brand_id=2)
    house.add_person("a@example.org", remote_id="1", flagged=True, brand_id=2)
    house.set_address("a@example.org", brand_id=2, opted_out_at=house.clock.now)
    mine, other = house.create(brand_id=1), house.create(brand_id=2)
    assert counted(house, mine).recipients == 1
    assert counted(house, other, brand_id=2).recipients == 0
    instance_id = house.schedule(mine)
    house.run(instance_id)
    assert reasons(house, instance_id) == {ours: "accepted"}
    assert theirs not in reasons(house, instance_id)


def test_links_are_frozen(house):
    """SEND-46, SEND-52: the instance's table holds each link once, by number, and the one that only machines follow."""
    house.add_person("a@example.org")
    instance_id = house.send()
    with house.reading() as unit:
        urls = deliveries.link_urls(unit.connection, 1, instance_id)
    assert urls == ["https://example.org/a?x=1&y=2", "https://example.org/b", "hidden:"], "the last is no person's"


def test_preview_and_freeze_agree_on_a_large_random_crowd(house):
    """ID-P12: the same expression counts and freezes."""
    for number in range(120):
        house.add_person(f"p{number % 70}@example.org", *(("News", "Board") if number % 11 == 0 else ("News",)),
                         remote_id=str(number), flagged=number % 13 == 0, orphan=number % 17 == 0,
                         opted_out=number % 19 == 0)
    mailing_id = house.create(exclude_interests=("Board",))
    before = counted(house, mailing_id)
    with house.reading() as unit:
        stored = stored_mailings.get(unit.connection, 1, mailing_id)
        assert audience.count(unit, stored).recipients == before.recipients
    instance_id = house.schedule(mailing_id)
    house.run(instance_id)
    report = house.report(instance_id)
    assert report.left_out == before.left_out and report.sent == before.recipients
    assert report.targeted == 120
    emails = [row.email for row in house.deliveries(instance_id) if row.state == "accepted"]
    assert len(emails) == len(set(emails))


def test_a_membership_rests_outside_its_dates(house):
    """PUSH-23: not mailed before it begins, nor from the moment at which it ends."""
    people = {house.add_person("early@example.org"): (dt.timedelta(seconds=1), None),
              house.add_person("on@example.org"): (dt.timedelta(0), dt.timedelta(days=1)),
              house.add_person("late@example.org"): (None, dt.timedelta(0))}
    with house.unit() as unit:
        for person, (begins, ends) in people.items():
            unit.connection.execute(sa.update(membership).where(membership.c.subscriber_id == person).values(
                begins_at=None if begins is None else house.clock.now + begins,
                ends_at=None if ends is None else house.clock.now + ends))
    mailing_id = house.create()
    assert counted(house, mailing_id).recipients == 1
    instance_id = house.schedule(mailing_id)
    house.run(instance_id)
    assert reasons(house, instance_id) == {list(people)[1]: "accepted"}


def test_the_freeze_keeps_what_it_decided(house):
    """SEND-23, SEND-34: how many are mailed, the key that signs, and each recipient's destination: its provider's."""
    house.add_person("a@example.org")
    house.add_person("b@googlemail.com")
    house.add_person("c@gmail.com", opted_out=True)
    instance_id = house.send()
    row = house.instance(instance_id)
    assert (row.recipients, row.token_key) == (2, house.gateway.keys.signing)
    assert {each.email: each.domain_group for each in house.deliveries(instance_id)} == {
        "a@example.org": "example.org", "b@googlemail.com": "google", "c@gmail.com": None}


def test_who_leaves_the_interest_after_the_freeze_is_not_mailed(house, sink):
    """SEND-9, ID-39: leaving is an opt-out, also from a mailing that is frozen but not sent yet; so is joining an
    interest that it excludes. Who is still in another of its interests, or was only taken out of one, gets it."""
    people = {
        house.add_person("stays@example.org"): "accepted",
        house.add_person("leaves@example.org"): "unsubscribed",
        house.add_person("leaves-one@example.org", "News", "Events"): "accepted",
        house.add_person("leaves-both@example.org", "News", "Events"): "unsubscribed",
        house.add_person("leaves-another@example.org", "News", "Board"): "accepted",
        house.add_person("taken-out@example.org"): "accepted",
        house.add_person("joins@example.org"): "excluded_interest",
        house.add_person("joined-and-left@example.org"): "accepted",
    }
    stays, leaves, one, both, another, taken, joins, back = people
    excluded = house.add_interest("No, thanks")
    instance_id = house.schedule(interests=("News", "Events"), exclude_interests=("No, thanks",))
    lifecycle.advance(house.gateway, system_actor(1), instance_id)
    for person, name in ((leaves, "News"), (one, "Events"), (both, "News"), (both, "Events"), (another, "Board"),
                         (back, "No, thanks")):
        house.leave(person, name)
    with house.unit(house.actor()) as unit:
        m = membership.c
        unit.connection.execute(sa.update(membership).where(m.subscriber_id == taken).values(until=unit.now))
        source_id = unit.connection.scalar(sa.select(m.source_id).where(m.subscriber_id == stays))
        unit.connection.execute(sa.insert(membership), [
            {"brand_id": 1, "subscriber_id": person, "interest_id": excluded, "source_id": source_id,
             "channel": "native", "since": unit.now} for person in (joins, back)])
    house.run(instance_id)
    assert reasons(house, instance_id) == people
    assert len(sink.messages) == 5 == house.check_sums(instance_id).sent


def test_a_group_costs_the_same_however_many_people_and_keys_there_are(house):
    """SEND-9: the facts of a group are looked up by its rows, never by reading all of the brand, for this runs with
    every group that is sent. SEND-7: an audience is counted in one go, also before PostgreSQL knows its size."""
    house.add_people([f"p{number}@example.org" for number in range(2000)])
    integration_id = house.integration("api")
    with house.unit(house.actor()) as unit:
        s = subscriber.c
        unit.connection.execute(sa.insert(remote_key).from_select(
            ["brand_id", "integration_id", "remote_id", "subscriber_id", "do_not_email", "created_at"],
            sa.select(sa.literal(1), sa.literal(integration_id), sa.cast(s.id, sa.String), s.id, sa.false(),
                      s.created_at)))
    instance_id = house.schedule()
    mailing_id = house.instance(instance_id).mailing_id
    with house.unit(house.actor()) as unit:
        if is_postgresql(unit.connection):
            unit.connection.exec_driver_sql("SET LOCAL statement_timeout = '5s'")  # row by row it takes 15 s
        assert mailings.count_audience(unit, mailing_id).recipients == 2000
    lifecycle.advance(house.gateway, system_actor(1), instance_id)
    with house.reading() as unit:
        ids = list(unit.connection.scalars(sa.select(delivery.c.id).limit(16)))
        steps = []
        if not is_postgresql(unit.connection):
            raw = unit.connection.connection.driver_connection
            raw.set_progress_handler(lambda: steps.append(1), 1000)
        facts = stored_audience.facts(unit.connection, 1, mailing_id, instance_id, ids, False, unit.now)
        if not is_postgresql(unit.connection):
            raw.set_progress_handler(None, 0)
    assert [fact.reason for fact in facts.values()] == [None] * 16
    assert len(steps) < 20, "thousands of steps of SQLite: 16 rows take about 5, all keys of the brand 500"
