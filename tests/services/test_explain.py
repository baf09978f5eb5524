"""Does an explanation say who somebody is, whence each value came, and why no mail comes? (ID-78, ID-79)"""

import pytest
import sqlalchemy as sa

from gateway.db.models.accounts import brand, integration
from gateway.domain.accounts import system_actor
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import erasure, explain, imports, integrations, suppression, sync

ANN = "ann@example.org"


def bridged(house, name="crm", brand_id=1):
    with house.gateway.unit(system_actor(brand_id)) as unit:
        return integrations.add(unit, name, "memory", {})


def push(house, *records, integration="api", brand_id=1, **options):
    with house.unit(house.key_actor(integration, brand_id=brand_id)) as unit:
        return imports.import_records(unit, records, ImportOptions(**options))


def ask(house, email=None, remote_id=None, subscriber_id=None, *, integration="api", brand_id=1, **more):
    actor = house.actor(integration, brand_id=brand_id)
    return explain.explain(house.gateway, actor, Identifier(subscriber_id, remote_id, email), **more)


def one(house, email=None, **more):
    (person,) = ask(house, email, **more).people
    return person


def test_who_is_this_and_which_rules_decided(house):
    """ID-78, ID-79: created without ID, adopted, moved; each decision with its rule and the rule's meaning."""
    house.add_field("FirstName")
    push(house, SubscriberRecord(email=ANN, values={"FirstName": "Ann"}, line=2), label="fair")
    house.clock.advance(minutes=1)
    push(house, SubscriberRecord("17", ANN), integration="crm")
    house.clock.advance(minutes=1)
    push(house, SubscriberRecord("17", "lee@example.org"), integration="crm")
    person = one(house, "lee@example.org")
    assert [(d.rule, d.status) for d in person.decisions] == [
        ("ID-11", "updated"), ("ID-12", "adopted"), ("ID-14", "created")]
    assert all(d.meaning and d.actor == "key:1" and d.door == "push" and d.row == 1 for d in person.decisions)
    moved = person.decisions[0].changes[0]
    assert (moved.name, moved.old, moved.new) == ("email", ANN, "lee@example.org")
    assert (person.source, person.first_source) == ("integration:crm", "upload:fair")
    assert person.mode == "emailAndRemoteId" and not person.more_decisions
    assert [(link.integration, link.label, link.remote_id) for link in person.links] == [("crm", "remote ID", "17")]


def test_every_source_of_a_value_and_why_one_counts(house):
    """ID-36: all values by source; the effective one is first and says why."""
    house.add_field("FirstName")
    house.add_field("City")
    house.integration("api"), house.integration("crm")
    push(house, SubscriberRecord("1", ANN, {"FirstName": "Anna", "City": "Ghent"}), integration="crm")
    push(house, SubscriberRecord(None, ANN, {"FirstName": "Ann"}), integration="api")
    first, city = sorted(one(house, ANN).fields, key=lambda field: field.name, reverse=True)
    assert (first.value, first.why) == ("Ann", "priority")
    assert [(v.source, v.value, v.effective) for v in first.values] == [
        ("integration:api", "Ann", True), ("integration:crm", "Anna", False)]
    assert "integration:api comes before integration:crm" in first.sentence
    assert (city.value, city.why) == ("Ghent", "onlySource")


def test_memberships_by_source_and_channel(house):
    """ID-38, ID-39: open, ended and left ones, and who left what."""
    push(house, SubscriberRecord("1", ANN, add_interests=("News", "Sport", "Board")))
    push(house, SubscriberRecord("1", remove_interests=("Sport",)))
    person = one(house, ANN)
    house.leave(person.subscriber_id, "Board")
    house.clock.advance(minutes=1)
    person = one(house, ANN)
    assert {m.interest: (m.state, m.source, m.channel) for m in person.memberships} == {
        "Board": ("left", "integration:api", "native"), "News": ("open", "integration:api", "native"),
        "Sport": ("ended", "integration:api", "native")}
    assert [(each.interest, each.origin) for each in person.left] == [("Board", "form")]


def facts(person):
    return [(b.fact, b.on, b.origin) for b in person.verdict.blockers]


def test_one_block_per_fact_with_since_origin_and_remedy(house):
    """ID-43..46, ID-52: each fact by itself, where it sits, since when, by whom, and where it ends."""
    house.add_person(ANN, remote_id="17", flagged=True)
    house.add_person(ANN, remote_id="18")
    with house.unit(house.actor()) as unit:
        suppression.opt_out(unit, email=ANN, origin="complaint", reason="spam")
    house.clock.advance(minutes=1)
    with house.unit() as unit:
        suppression.set_bounced(unit, email=ANN, code="5.1.1", bounce_class="hard", event_id=1)
    first, second = ask(house, ANN).people
    assert facts(first) == [("opt_out", "address", "complaint"), ("opt_out", "record", "complaint"),
                            ("remote_flag", "remoteKey", "integration:api"), ("bad_email", "address", "5.1.1")]
    assert facts(second)[2] == ("remote_flag", "neighbour", "integration:api")
    assert second.verdict.blockers[2].subscriber_id == first.subscriber_id
    assert not first.sendable and first.status == "unsubscribed"
    assert all(b.undo and b.sentence for b in first.verdict.blockers)
    assert first.verdict.blockers[0].reason == "spam"
    assert "administrator" in first.verdict.blockers[0].undo


def test_an_orphan_names_the_link_that_ended(house):
    """ID-34: since when, and what brings the record back."""
    push(house, SubscriberRecord("17", ANN))
    with house.unit(house.key_actor()) as unit:
        context = imports.prepare(unit, ImportOptions(), imports.open_upload(unit, ImportOptions()))
        imports.end_links(unit, context, ["17"])
    person = one(house, ANN)
    (orphan,) = person.verdict.blockers
    assert (orphan.fact, orphan.origin, orphan.remote_id) == ("orphan", "integration:api", "17")
    assert orphan.since == house.clock.now and person.links[0].ended_at == house.clock.now
    assert person.decisions[0].rule == "ID-32"


def test_a_mailing_as_of_now(house):
    """SEND-8: recipient, duplicate, excluded, never in an interest; the deciding fact first."""
    first, second = house.add_person("fam@example.org", remote_id="1"), house.add_person("fam@example.org",
                                                                                         remote_id="2")
    house.add_person("b@example.org", "News", "Board")
    house.add_person("c@example.org", "Sport")
    mailing_id = house.create(exclude_interests=("Board",))
    one_, two = ask(house, "fam@example.org", mailing_id=mailing_id).people
    assert one_.verdict.reaches and one_.verdict.blockers == ()
    assert (two.verdict.reaches, two.verdict.reason) == (False, "duplicate_address")
    assert two.verdict.blockers[0].subscriber_id == first and two.subscriber_id == second
    excluded = one(house, "b@example.org", mailing_id=mailing_id).verdict
    assert excluded.reason == "excluded_interest" and "Board" in excluded.blockers[0].sentence
    outside = one(house, "c@example.org", mailing_id=mailing_id).verdict
    assert outside.reason == "not_targeted" and "never in News" in outside.blockers[0].sentence


def test_an_instance_is_answered_from_what_is_stored(house):
    """SEND-7, SEND-10: before the freeze as of now, afterwards what was frozen, whatever happened since."""
    house.add_person("a@example.org")
    house.add_person("b@example.org", opted_out=True)
    instance_id = house.schedule()
    before = one(house, "a@example.org", instance_id=instance_id).verdict
    assert (before.reaches, before.state) == (None, None) and "not frozen" in before.sentence
    house.run(instance_id)
    house.add_person("late@example.org")
    with house.unit() as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email="a@example.org"))])
    got = one(house, "a@example.org", instance_id=instance_id).verdict
    assert (got.reaches, got.state, got.reason) == (True, "accepted", None)
    left = one(house, "b@example.org", instance_id=instance_id).verdict
    assert (left.reaches, left.state, left.reason) == (False, "left_out", "unsubscribed")
    late = one(house, "late@example.org", instance_id=instance_id).verdict
    assert (late.reaches, late.reason) == (False, "not_targeted")


def test_a_tombstone_and_its_survivor(house):
    """ID-26: the tombstone says where it went, the survivor is explained beside it with the decisions about both."""
    push(house, SubscriberRecord("17", ANN), SubscriberRecord(None, "lee@example.org"))
    push(house, SubscriberRecord("17", "lee@example.org"))
    survivor = one(house, "lee@example.org")
    (tombstone_id,) = survivor.merged
    tombstone, beside = ask(house, subscriber_id=tombstone_id).people
    assert tombstone.merged_into == survivor.subscriber_id and beside == survivor
    assert tombstone.verdict.blockers[0].fact == "merged"
    assert {d.subscriber_id for d in survivor.decisions} == {tombstone_id, survivor.subscriber_id}


def test_nobody(house):
    """ID-79: an address that nobody has: what is known of it, what was refused, and which rule a record would meet."""
    with house.unit() as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email=ANN), "by phone")])
    house.add_field("Birthday", "date")
    push(house, SubscriberRecord(None, ANN, {"Birthday": "soon"}))
    answer = ask(house, ANN)
    assert answer.people == () and "Nobody" in answer.sentence
    assert (answer.address.records, answer.address.opt_out_origin) == (0, "api")
    assert answer.address.opted_out_at == house.clock.now and "opted out (api)" in answer.address.sentence
    assert (answer.next_record.rule, answer.next_record.status) == ("ID-14", "created")
    assert [(d.rule, d.status, d.code) for d in answer.unmatched] == [
        ("ID-14", "failed", "INVALID_DATE"), ("ID-50", "updated", None)]
    unknown = ask(house, remote_id="17").next_record
    assert (unknown.rule, unknown.code) == ("ID-18", "EMAIL_MISSING")
    assert ask(house, ANN, remote_id="17").next_record.rule == "ID-13"


def test_several_records_and_identifiers(house):
    """ID-16, ID-28: several records at an address are all answered; two people named at once are refused."""
    push(house, SubscriberRecord("17", ANN), SubscriberRecord("18", ANN), SubscriberRecord("19", "lee@example.org"))
    push(house, SubscriberRecord(None, ANN))
    answer = ask(house, ANN)
    assert len(answer.people) == 2 and answer.next_record.rule == "ID-16"
    assert [d.code for d in answer.unmatched] == ["AMBIGUOUS_EMAIL"]
    assert one(house, ANN, remote_id="18").links[0].remote_id == "18"
    with pytest.raises(GatewayError, match="IDENTITY_MISMATCH"):
        ask(house, ANN, remote_id="19")
    for bad, code in (({"email": "nonsense"}, "INVALID_EMAIL"), ({}, "IDENTIFIER_MISSING"),
                      ({"subscriber_id": 999}, "NOT_FOUND"), ({"email": ANN, "mailing_id": 999}, "NOT_FOUND")):
        with pytest.raises(GatewayError, match=code):
            ask(house, **bad)


def test_an_address_of_very_many(house):
    """The oldest twenty are explained, and the sentence says how to ask for another one."""
    push(house, *(SubscriberRecord(str(n), "info@example.org") for n in range(25)))
    found = ask(house, "info@example.org")
    assert [person.subscriber_id for person in found.people] == list(range(1, 21))
    assert found.sentence.startswith("25 records are meant.") and found.address.records == 25
    assert one(house, remote_id="24").subscriber_id == 25


def test_a_remote_id_of_a_named_integration(house):
    """SOAP-19: of the credential's integration, or of the one that is named; the operator's question is about any."""
    push(house, SubscriberRecord("17", ANN), integration="api")
    push(house, SubscriberRecord("17", "lee@example.org"), integration="crm")
    assert one(house, remote_id="17").email == ANN
    actor = system_actor(1, "cli")
    named = explain.explain(house.gateway, actor, Identifier(remote_id="17"), integration="crm")
    assert [person.email for person in named.people] == ["lee@example.org"]
    both = explain.explain(house.gateway, actor, Identifier(remote_id="17"))
    assert [person.email for person in both.people] == [ANN, "lee@example.org"]
    with pytest.raises(GatewayError, match="NOT_FOUND"):
        explain.explain(house.gateway, actor, Identifier(remote_id="17"), integration="nope")


def test_two_brands_never_meet(house):
    """ID-P15: the same identifiers in another brand are nobody, and nothing of this brand shows there."""
    push(house, SubscriberRecord("17", ANN))
    mailing_id = house.create()
    theirs = ask(house, ANN, brand_id=2)
    assert theirs.people == () and theirs.unmatched == () and theirs.address.records == 0
    (mine,) = ask(house, ANN).people
    for question in ({"subscriber_id": mine.subscriber_id}, {"email": ANN, "mailing_id": mailing_id}):
        with pytest.raises(GatewayError, match="NOT_FOUND"):
            ask(house, brand_id=2, **question)


def test_nothing_is_kept_of_the_question(house, ams):
    """ID-71: the rehearsals leave no row behind."""
    crm = bridged(house)
    ams.put("17", ANN, 1, "Gold")
    sync.run(house.gateway, 1, crm)
    before = _all_rows(house)
    ams.put("18", "new@example.org")
    ask(house, ANN, remote_id="99")
    assert _all_rows(house) == before


def _all_rows(house):
    with house.reading() as unit:
        return {name: unit.connection.exec_driver_sql(f"SELECT count(*) FROM {name}").scalar()
                for name in ("subscriber", "remote_key", "decision", "upload", "event", "interest", "membership")}


def test_somebody_who_was_erased(house):
    """ID-35: the record is there by its id and holds nothing; the address is known by its hash alone."""
    push(house, SubscriberRecord("17", ANN))
    admin = house.actor(role="admin")
    with house.unit(admin) as unit:
        erasure.erase(unit, Identifier(email=ANN), confirmed=True)
    (person,) = ask(house, subscriber_id=1).people
    assert person.erased_at == house.clock.now and person.email is None and not person.sendable
    assert [blocker.fact for blocker in person.verdict.blockers] == ["erased"]
    answer = ask(house, ANN)
    assert answer.people == () and answer.address.erased and "erased" in answer.address.sentence
    assert (answer.next_record.status, answer.next_record.code) == ("suppressed", "SUPPRESSED")
    assert not ask(house, ANN, brand_id=2).address.erased


def test_one_to_many_and_imis_legacy(house):
    """ID-3, ID-4: the mode is named, the iMIS ID by its own name, a main with its links."""
    legacy = house.integration("imis", brand_id=2)
    with house.unit() as unit:
        unit.connection.execute(sa.update(brand).where(brand.c.id == 1).values(
            settings={"identityMode": "one_to_many"}))
        unit.connection.execute(sa.update(integration).where(integration.c.id == legacy).values(
            identity="imis_legacy"))
    push(house, SubscriberRecord("17", ANN), integration="crm")
    push(house, SubscriberRecord("A", ANN))
    (main,) = ask(house, ANN).people
    assert main.mode == "oneToMany" and [link.remote_id for link in main.links] == ["17", "A"]
    assert [decision.rule for decision in main.decisions] == ["ID-21", "ID-22"]
    push(house, SubscriberRecord("17", ANN), integration="imis", brand_id=2)
    (other,) = ask(house, ANN, brand_id=2).people
    assert (other.mode, other.links[0].label) == ("imisLegacy", "iMIS ID")
