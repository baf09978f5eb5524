"""Does a message show what the AMS says of its recipient now, and is nothing of it stored? (ID-76, ID-77)"""

import subprocess
import sys
import threading
import time
from collections import Counter

import pytest
import sqlalchemy as sa

from gateway.bridges import registry
from gateway.bridges.port import Outage
from gateway.clock import system_clock
from gateway.db.models.mailings import delivery
from gateway.db.models.subscribers import cached_value, remote_key, subscriber
from gateway.domain.accounts import system_actor
from gateway.domain.fields import FieldDefinition
from gateway.domain.records import Identifier, ImportOptions, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import (
    catalogue,
    erasure,
    health,
    imports,
    integrations,
    mailings,
    personalisation,
    subscribers,
    testcopies,
    tracking,
)
from gateway.services.explain import explain
from gateway.services.sender import Pace
from tests.support.ams import MemoryAms
from tests.support.fieldchanges import change_field
from tests.support.live_worker import Sentences
from tests.support.mailhouse import MailHouse
from tests.support.mailreader import read
from tests.support.waiting import wait_for

HTML = '<p>[{{ City }}|{% if Title %}{{ Title }}{% endif %}]</p><p><a href="{{ view_url }}">view</a></p>'


@pytest.fixture
def own(house, ams):
    """The mail house with an AMS of brand 1 that tells City and Title, which the brand has."""
    house.ams = bridged(house)
    for name in ("City", "Title"):
        house.add_field(name)
    ams.knows |= {"City", "Title"}
    return house


def bridged(house, name="ams", brand_id=1):
    with house.gateway.unit(system_actor(brand_id)) as unit:
        return integrations.add(unit, name, "memory", {"name": name})


def add(house, email, remote_id, integration_id=None, brand_id=1, **more):
    """A person with a remote key of the integration (default: the AMS)."""
    person = house.add_person(email, brand_id=brand_id, **more)
    link(house, person, remote_id, integration_id or house.ams, brand_id)
    return person


def add_many(house, ams, number):
    """People p000@example.org and so on, known to the AMS as r0 and so on, who live in city 0 and so on."""
    house.add_people([f"p{each:03}@example.org" for each in range(number)])
    with house.unit() as unit:
        people = unit.connection.execute(sa.select(subscriber.c.id, subscriber.c.email)).all()
        unit.connection.execute(sa.insert(remote_key), [
            {"brand_id": 1, "integration_id": house.ams, "remote_id": f"r{int(email[1:4])}", "subscriber_id": person,
             "do_not_email": False, "created_at": unit.now} for person, email in people])
    for each in range(number):
        ams.tell(f"r{each}", City=f"city {each}")


def link(house, person, remote_id, integration_id, brand_id=1):
    with house.unit(house.actor(brand_id=brand_id)) as unit:
        unit.connection.execute(sa.insert(remote_key).values(
            brand_id=brand_id, integration_id=integration_id, remote_id=remote_id, subscriber_id=person,
            do_not_email=False, created_at=unit.now))


def choose(house, name, **choices):
    with house.unit(system_actor(1, "cli")) as unit:
        catalogue.choose(unit, name, **choices)


def define(house, name, default):
    with house.unit() as unit:
        catalogue.define(unit, [FieldDefinition(name, default=default)])


def shown(sink):
    """address -> what the message shows of City and Title."""
    return {each.envelope_to[0]: body(read(each.data).html) for each in sink.messages}


def body(html):
    return html.partition("[")[2].partition("]")[0]


def tiers(house, instance_id):
    return {row.email: row.tiers for row in house.deliveries(instance_id)}


def cached(house):
    with house.reading() as unit:
        rows = unit.connection.execute(sa.select(cached_value.c.remote_id, cached_value.c.value)).all()
    return {(row[0], row[1]) for row in rows}


def test_live_values_are_mailed_and_only_their_tiers_are_stored(own, ams, sink):
    """ID-76: live, stored, default, empty; conditions count as use; one call for all of them."""
    add(own, "ann@example.org", "1")
    add(own, "bob@example.org", "2", values={"City": "Bonn"})
    own.add_person("cat@example.org")
    add(own, "dan@example.org", "4", values={"City": "Old", "Title": "Old"})
    define(own, "City", "your town")
    ams.tell("1", City="Rome", Title="Dr")
    ams.tell("4", City="Oslo")
    instance_id = own.send(html=HTML)
    assert shown(sink) == {"ann@example.org": "Rome|Dr", "bob@example.org": "Bonn|", "cat@example.org": "your town|",
                           "dan@example.org": "Oslo|Old"}
    assert tiers(own, instance_id) == {
        "ann@example.org": "live:City,Title", "bob@example.org": "stored:City;empty:Title",
        "cat@example.org": "default:City;empty:Title", "dan@example.org": "live:City;stored:Title"}
    assert [(sorted(ids), names) for ids, names in ams.fetched] == [(["1", "2", "4"], {"City", "Title"})]
    assert cached(own) == set()
    report = own.report(instance_id)
    assert sum(report.personalisation.values()) == report.sent == 4
    assert report.personalisation["default:City;empty:Title"] == 1
    assert "City, Title live: 1 | " in report.notes[0]
    told = explain(own.gateway, own.actor(), Identifier(email="bob@example.org"), instance_id=instance_id)
    assert told.people[0].verdict.sentence.endswith("Its live fields: City stored; Title empty.")
    with own.reading() as unit:
        assert dict(subscribers.stored_values(unit, [1])[1]) == {}


def test_a_mailing_without_live_fields_asks_nobody(own, ams, sink):
    """ID-76: nothing is fetched and nothing recorded where no tag is a field that the AMS tells."""
    add(own, "ann@example.org", "1")
    ams.tell("1", City="Rome")
    instance_id = own.send(html="<p>{{ LastName }} {{ email }}</p>", subject="x")
    assert own.states(instance_id) == {"ann@example.org": "accepted"} and tiers(own, instance_id) == {
        "ann@example.org": None}
    assert ams.fetched == [] and health.metrics(own.gateway)["gateway_live_fetch_total", "result", "answered"] == 0


def test_a_tag_in_another_spelling_and_a_name_that_a_database_folds(own, ams, sink):
    """PUSH-61, ID-76: the tag and the bridge may write the field's name as they like; the tier has ours."""
    add(own, "ann@example.org", "1")
    ams.knows.discard("City")
    ams.tell("1", city="Rome")
    instance_id = own.send(html="<p>[{{ CITY }}|]</p>")
    assert shown(sink) == {"ann@example.org": "Rome|"}
    assert tiers(own, instance_id) == {"ann@example.org": "live:City"} and ams.fetched[0][1] == {"city"}


def test_required_and_empty_is_left_out(own, ams, sink):
    """ID-77: also while the AMS is merely away; the report counts them, and a stored field may be required, too."""
    choose(own, "City", required=True)
    add(own, "ann@example.org", "1")
    add(own, "bob@example.org", "2")
    ams.tell("1", City="Rome")
    instance_id = own.send(html=HTML)
    assert own.states(instance_id) == {"ann@example.org": "accepted", "bob@example.org": "personalisation_missing"}
    assert own.report(instance_id).left_out == {"personalisation_missing": 1}
    assert tiers(own, instance_id)["bob@example.org"] == "empty:City,Title"
    ams.is_away = True
    assert set(own.states(own.send(html=HTML)).values()) == {"personalisation_missing"}
    assert len(sink.messages) == 1
    choose(own, "LastName", required=True)
    assert set(own.states(own.send(html="<p>{{ LastName }}</p>")).values()) == {"personalisation_missing"}
    define(own, "LastName", "member")
    assert set(own.states(own.send(html="<p>{{ LastName }}</p>")).values()) == {"accepted"}


def test_an_outage_on_the_way(own, ams, sink):
    """ID-76, ID-77: what was fetched before it is shown; the others get what is known else, and all get their mail."""
    add_many(own, ams, 90)
    define(own, "City", "your town")
    real, calls = ams.fetch, []

    def fetch(ids, names, timeout_s):
        calls.append(ids)
        if calls[0] is not ids:
            raise Outage("The system is away.")
        return real(ids, names, timeout_s)

    ams.fetch = fetch
    instance_id = own.schedule(html=HTML)
    own.run(instance_id, pace=Pace(connections=2, batch=20, lease_s=30.0))
    first = len(calls[0])
    assert 0 < first < 90 and max(map(len, calls)) <= 200
    assert shown(sink) == {f"p{number:03}@example.org": f"city {number}|" if f"r{number}" in calls[0] else "your town|"
                           for number in range(90)}
    assert Counter(tiers(own, instance_id).values()) == {"live:City;empty:Title": first,
                                                         "default:City;empty:Title": 90 - first}


@pytest.mark.parametrize("obeys", [True, False])
def test_a_slow_system_costs_its_deadline_and_no_more(own, ams, sink, monkeypatch, obeys):
    """ID-76: a batch that is late counts as failed, also when the bridge does not keep to its time."""
    monkeypatch.setattr(personalisation, "DEADLINE_S", 0.2)
    add(own, "ann@example.org", "1", values={"City": "stored"})
    ams.tell("1", City="live")
    gone = threading.Event()
    if obeys:
        ams.delay_s = 60
    else:
        ams.fetch = lambda ids, names, timeout_s: gone.wait(20) and {"1": {"City": "too late"}}
    began = time.monotonic()
    own.send(html=HTML)
    spent_s = time.monotonic() - began
    gone.set()
    assert shown(sink) == {"ann@example.org": "stored|"}
    assert spent_s < 15  # and not the 20 s of the bridge
    found = own.gateway.live.results
    assert found["failed"] + found["late"] == 1


def test_after_three_failed_batches_it_is_left_alone_for_a_minute(own, ams, sink):
    """ID-77: then one batch tries; the metric tells how the batches ended."""
    add(own, "ann@example.org", "1")
    ams.tell("1", City="live")
    ams.is_away = True
    for _ in range(5):
        own.send(html=HTML)
    assert len(ams.fetched) == 3
    assert dict(own.gateway.live.results) == {"answered": 0, "failed": 3, "late": 0, "skipped": 2}
    ams.is_away = False
    own.clock.advance(seconds=59)
    own.send(html=HTML)
    assert len(ams.fetched) == 3
    own.clock.advance(seconds=1)
    instance_id = own.send(html=HTML)
    assert tiers(own, instance_id) == {"ann@example.org": "live:City;empty:Title"}
    assert health.metrics(own.gateway)["gateway_live_fetch_total", "result", "failed"] == 3


def test_wrong_answers_do_no_harm(own, ams, sink):
    """ID-76: fields and people nobody asked for, values too long or with control characters, and no answer at all."""
    add(own, "ann@example.org", "1")
    add(own, "bob@example.org", "2", values={"City": "Bonn"})
    answer: object = {"1": {"City": "Ro\x00me\r\n" + "x" * 9000, "Title": 17, "LastName": "Nobody asked"},
              "2": {"City": "\x07"}, "99": {"City": "Elsewhere"}}
    ams.fetch = lambda ids, names, timeout_s: answer
    own.send(html=HTML, subject="{{ City }} {{ LastName }}")
    found = shown(sink)
    assert found["bob@example.org"] == "Bonn|"
    assert found["ann@example.org"].replace("\r\n", "\n") == "Rome\n" + "x" * 3995 + "|"
    assert not any(b"Nobody" in each.data or b"Elsewhere" in each.data for each in sink.messages)
    for wrong in (None, [], {"1": None, "2": "City"}):
        answer = wrong
        sink.messages.clear()
        own.send(html=HTML)
        assert shown(sink) == {"ann@example.org": "|", "bob@example.org": "Bonn|"}


def test_a_bridge_that_breaks_stops_no_mailing_and_tells_the_log_nothing(own, ams, sink, caplog):
    """ID-77: an error nobody foresaw is a failed batch; its text may be about somebody and is not logged."""
    def fetch(ids, names, timeout_s):
        raise KeyError("Zqx-Ophelia-77")

    add(own, "ann@example.org", "1")
    ams.fetch = fetch
    own.send(html=HTML)
    assert shown(sink) == {"ann@example.org": "|"}
    assert "Ophelia" not in caplog.text and own.gateway.live.results["failed"] == 1


def test_who_opts_out_while_the_system_is_asked_gets_nothing(own, ams, sink):
    """SEND-9: the facts are read after the fetch."""
    for number in range(3):
        add(own, f"p{number}@example.org", str(number))
        ams.tell(str(number), City="live")
    real = ams.fetch

    def fetch(ids, names, timeout_s):
        own.set_address("p1@example.org", opted_out_at=own.clock())
        return real(ids, names, timeout_s)

    ams.fetch = fetch
    instance_id = own.send(html=HTML)
    assert own.states(instance_id)["p1@example.org"] == "unsubscribed"
    assert sorted(shown(sink)) == ["p0@example.org", "p2@example.org"]


def test_a_retry_fetches_anew(own, ams, sink):
    """ID-76, SEND-33: what was fetched for the first try is gone; the tiers are those of the last one."""
    add(own, "defer-4xx-once@example.org", "1")
    ams.tell("1", City="first")
    instance_id = own.send(html=HTML)
    assert own.states(instance_id) == {"defer-4xx-once@example.org": "deferred"}
    ams.tell("1", City="second", Title="Dr")
    own.clock.advance(minutes=10)
    own.run(instance_id)
    assert shown(sink) == {"defer-4xx-once@example.org": "second|Dr"} and len(ams.fetched) == 2
    assert tiers(own, instance_id) == {"defer-4xx-once@example.org": "live:City,Title"}


def test_two_brands_with_the_same_remote_ids(own, ams, sink, monkeypatch):
    """ID-P15: each brand's people are asked for in its own system, and what is kept is its own."""
    other = MemoryAms()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: other if config["name"] == "other" else ams)
    their_ams = bridged(own, "other", brand_id=2)
    own.add_field("City", brand_id=2)
    own.add_field("Title", brand_id=2)
    choose(own, "City", cache_hours=5)
    add(own, "ann@example.org", "1")
    add(own, "bea@example.org", "1", their_ams, brand_id=2)
    ams.tell("1", City="Rome")
    other.tell("1", City="Oslo")
    own.send(html=HTML)
    own.send(html=HTML, brand_id=2)
    assert shown(sink) == {"ann@example.org": "Rome|", "bea@example.org": "Oslo|"}
    assert (len(ams.fetched), len(other.fetched)) == (1, 1) and cached(own) == {("1", "Rome")}
    other.is_away = True
    sink.messages.clear()
    own.send(html=HTML, brand_id=2)
    assert shown(sink) == {"bea@example.org": "|"}


def test_of_several_systems_the_first_one_that_knows_the_field_is_asked(own, ams, sink, monkeypatch):
    """ID-36, ID-76: by the brand's order of sources, field by field; an ended link counts no more."""
    crm = MemoryAms()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: crm if config["name"] == "crm" else ams)
    crm_id = bridged(own, "crm")
    ams.knows.discard("Title")
    ann = add(own, "ann@example.org", "1")
    link(own, ann, "c1", crm_id)
    ams.tell("1", City="of the ams")
    crm.tell("c1", City="of the crm", Title="Dr")
    own.send(html=HTML)
    with own.unit(system_actor(1, "cli")) as unit:
        unit.connection.execute(sa.update(remote_key).where(remote_key.c.remote_id == "1").values(ended_at=unit.now))
    own.send(html=HTML)
    assert [body(read(each.data).html) for each in sink.messages] == ["of the ams|Dr", "of the crm|Dr"]
    assert [names for _, names in crm.fetched] == [{"Title"}, {"City", "Title"}]


def test_a_change_that_waits_to_be_written_back_beats_the_system(own, ams, sink):
    """ID-36, ID-64: what the person changed here is shown until their system has it."""
    ams.writes = ams.writes | {"field_changed"}
    ann = add(own, "ann@example.org", "1")
    ams.tell("1", City="old", Title="Dr")
    with own.unit() as unit:
        assert change_field(unit, ann, "City", "new") == 1
    instance_id = own.send(html=HTML)
    assert shown(sink) == {"ann@example.org": "new|Dr"}
    assert tiers(own, instance_id) == {"ann@example.org": "live:Title;stored:City"}


def test_what_a_change_is_about_to_replace_is_not_kept(own, ams, sink):
    """ID-64, ID-77: else the old value would come back when the system has the change and is away."""
    ams.writes = ams.writes | {"field_changed"}
    choose(own, "City", cache_hours=5)
    ann = add(own, "ann@example.org", "1")
    add(own, "bea@example.org", "2")
    ams.tell("1", City="old", Title="Dr")
    ams.tell("2", City="Rome")
    own.send(html=HTML)
    assert cached(own) == {("1", "old"), ("2", "Rome")}
    with own.unit() as unit:
        change_field(unit, ann, "City", "new")
    own.send(html=HTML)
    assert cached(own) == {("2", "Rome")}


def test_previews_test_copies_and_the_view_in_a_browser_ask_as_well(own, ams, sink):
    """ID-76: one person, the same tiers; the view fetches again, for nothing was stored."""
    add(own, "ann@example.org", "1", values={"City": "stored"})
    ams.tell("1", City="Rome")
    mailing_id, who = own.create(html=HTML), Identifier(email="ann@example.org")
    with own.reading() as unit:
        assert body(mailings.preview(unit, mailing_id, who).html) == "Rome|"
        assert body(mailings.preview(unit, mailing_id).html) == "|"
    testcopies.send_tests(own.gateway, own.actor(), mailing_id, ["me@example.org"], who)
    assert shown(sink) == {"me@example.org": "Rome|"}
    own.run(own.schedule(mailing_id))
    view = read(sink.messages[-1].data).view.rpartition("/")[2]
    own.clock.advance(days=100)
    ams.tell("1", City="Pisa")
    assert body(tracking.view(own.gateway, view)) == "Pisa|"
    ams.is_away = True
    assert body(tracking.view(own.gateway, view)) == "stored|"
    assert len(ams.fetched) == 5


def test_the_view_of_a_former_address_shows_nothing_of_the_person(own, ams, sink):
    """ID-76: who reads that mailbox now learns neither what is stored nor what the system says; it is not asked."""
    person = add(own, "ann@example.org", "1", values={"Title": "Dr"})
    ams.tell("1", City="Rome")
    own.run(own.schedule(html=HTML))
    view = read(sink.messages[-1].data).view.rpartition("/")[2]
    assert body(tracking.view(own.gateway, view)) == "Rome|Dr"
    with own.unit() as unit:
        unit.connection.execute(sa.update(subscriber).where(subscriber.c.id == person).values(email="new@example.org"))
    asked = len(ams.fetched)
    assert body(tracking.view(own.gateway, view)) == "|" and len(ams.fetched) == asked


def test_values_are_kept_only_where_the_brand_chose_so(own, ams, sink):
    """ID-77: not longer than its hours; for others, who has none there has none here."""
    choose(own, "City", cache_hours=5)
    for number in (1, 2):
        add(own, f"p{number}@example.org", str(number))
        ams.tell(str(number), City=f"city {number}", Title="Dr")
    own.send(html=HTML)
    assert cached(own) == {("1", "city 1"), ("2", "city 2")}
    ams.is_away = True
    instance_id = own.send(html=HTML)
    assert set(tiers(own, instance_id).values()) == {"cached:City;empty:Title"}
    ams.is_away = False
    ams.tell("2", Title="Dr")
    own.clock.advance(minutes=2)
    assert tiers(own, own.send(html=HTML))["p2@example.org"] == "live:Title;empty:City"
    assert cached(own) == {("1", "city 1")}
    ams.is_away = True
    own.clock.advance(hours=5, seconds=1)
    assert tiers(own, own.send(html=HTML))["p1@example.org"] == "empty:City,Title"
    personalisation.purge(own.gateway)
    assert cached(own) == set()


def test_what_is_kept_goes_with_the_choice_the_link_and_the_person(own, ams, sink):
    """ID-77, ID-32, ID-35."""
    choose(own, "City", cache_hours=5)
    for number in (1, 2, 3):
        add(own, f"p{number}@example.org", str(number))
        ams.tell(str(number), City=f"city {number}")
    own.send(html=HTML)
    assert len(cached(own)) == 3
    with own.unit(system_actor(1, "cli")) as unit:
        erasure.erase(unit, Identifier(email="p1@example.org"), confirmed=True)
    assert cached(own) == {("2", "city 2"), ("3", "city 3")}
    from_sync(own, "2")
    assert cached(own) == {("3", "city 3")}
    choose(own, "City", cache_hours=catalogue.NOT_CACHED)
    assert cached(own) == set()
    own.send(html=HTML)
    assert cached(own) == set()


def from_sync(house, remote_id):
    """The AMS does not list this person any more."""
    with house.unit(house.actor("ams")) as unit:
        imports.import_records(unit, [SubscriberRecord(remote_id, "", deleted=True)], ImportOptions())


@pytest.mark.parametrize(("name", "choices", "code"), [
    ("Nothing", {"cache_hours": 5}, "NOT_FOUND"), ("City", {"cache_hours": 0}, "INVALID_VALUE"),
    ("City", {"cache_hours": 721}, "INVALID_VALUE"), ("City", {"cache_hours": "five"}, "INVALID_VALUE"),
    ("Orders", {"required": True}, "INVALID_VALUE")])
def test_what_cannot_be_chosen(own, name, choices, code):
    """ID-77: and only an administrator chooses."""
    with pytest.raises(GatewayError) as refused:
        choose(own, name, **choices)
    assert refused.value.code == code
    with pytest.raises(GatewayError) as refused, own.unit() as unit:
        catalogue.choose(unit, "City", required=True)
    assert refused.value.code == "NOT_ALLOWED"


def test_two_workers_and_the_tiers_of_all(own, ams, sink, clock):
    """ID-76, SEND-11: each recipient once, with a tier each; the sums agree."""
    people = 120
    add_many(own, ams, people)
    ams.delay_s = 0.02
    instance_id = own.schedule(html=HTML)
    pace = Pace(connections=2, batch=20, lease_s=30.0)
    with MailHouse(own.settings.database_url, clock, own.settings.data_dir / "other", smtp_url=sink.url,
                   brands=()) as other:
        helper = threading.Thread(target=other.run, args=(instance_id,), kwargs={"pace": pace})
        helper.start()
        own.run(instance_id, pace=pace)
        helper.join(60)
        own.run(instance_id, pace=pace)
    found = shown(sink)
    assert len(sink.messages) == len(found) == people
    assert all(text == f"city {int(email[1:4])}|" for email, text in found.items())
    with own.reading() as unit:
        told = dict(unit.connection.execute(sa.select(delivery.c.tiers, sa.func.count()).where(
            delivery.c.state == "accepted").group_by(delivery.c.tiers)).all())
    assert told == {"live:City;empty:Title": people}


def test_kill_9_in_the_middle(sqlite_url, tmp_path, sink, monkeypatch):
    """SEND-12, ID-76: after the kill everything is fetched anew; nobody twice, nobody with somebody else's value."""
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: Sentences())
    with MailHouse(sqlite_url, system_clock, tmp_path, smtp_url=f"{sink.url}?rate=300", brands=(1,)) as house:
        house.ams = bridged(house)
        house.add_field("City")
        add_many(house, MemoryAms(), 120)
        instance_id = house.schedule(html=HTML)
        with subprocess.Popen([sys.executable, "-m", "tests.support.live_worker", sqlite_url, house.settings.smtp_url,
                               str(tmp_path), str(instance_id)]) as worker:
            wait_for(lambda: len(sink.messages) >= 30, "messages")
            worker.kill()
        assert len(sink.messages) < 120
        house.run(instance_id)
        states = Counter(house.states(instance_id).values())
        assert states["accepted"] + states["in_doubt"] == 120 and states["in_doubt"] <= 2
        told = [row for row in house.deliveries(instance_id) if row.tiers is not None]
        assert {row.tiers for row in told} == {"live:City"} and len(told) >= 120 - 90
    addresses = [each.envelope_to[0] for each in sink.messages]
    assert len(addresses) == len(set(addresses)) >= 118
    assert all(text == f"city of r{int(email[1:4])}|" for email, text in shown(sink).items())
