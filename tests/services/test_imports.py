"""Do records become subscribers as identity.md says, on a real database of each kind?"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.db.queries import events, fields
from gateway.domain.events import NewEvent
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.domain.values import MAX_FIELDS
from gateway.errors import GatewayError
from gateway.services import accounts, imports
from tests.support.world import World

NOTHING = ImportOptions()


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path) as made:
        yield made


def rec(remote_id=None, email=None, **values):
    return SubscriberRecord(remote_id, email, values)


def push(world, *records, as_=None, **options):
    """Imports the records as ``as_`` (an actor) and answers the report."""
    with world.unit(as_) as unit:
        return imports.import_records(unit, records, ImportOptions(**options))


def one(world, record, as_=None, **options):
    (outcome,) = push(world, record, as_=as_, **options).outcomes
    return outcome


def rows(world, table, **where):
    """Rows of a table as dictionaries, by id where it has one."""
    t = metadata.tables[table]
    query = sa.select(t).where(*(t.c[name] == value for name, value in where.items()))
    if "id" in t.c:
        query = query.order_by(t.c.id)
    with world.reading() as unit:
        return [dict(row._mapping) for row in unit.connection.execute(query)]


def person(world, subscriber_id):
    (row,) = rows(world, "subscriber", id=subscriber_id)
    return row


def shown_source(world, source_id):
    (row,) = rows(world, "source", id=source_id)
    return row["kind"], row["name"]


class TestExamples:
    """The worked examples of section 13, each from its own state before."""

    def test_1_a_new_address_without_id(self, world):
        """ID-14, ID-7, ID-30."""
        outcome = one(world, rec(None, " Ann@Example.org"))
        assert (outcome.status, outcome.rule, outcome.email) == ("created", "ID-14", "ann@example.org")
        row = person(world, outcome.subscriber_id)
        assert row["email"] == "ann@example.org" and row["keyless"]
        assert shown_source(world, row["source_id"]) == ("upload", "")

    def test_2_adoption(self, world):
        """ID-12, ID-30: the same id, source becomes integration, first source stays upload."""
        first = one(world, rec(None, "ann@example.org"), label="spring")
        outcome = one(world, rec("17", "ANN@example.org"), world.actor("ams"))
        assert (outcome.status, outcome.rule, outcome.matched_by) == ("adopted", "ID-12", "email")
        assert outcome.subscriber_id == first.subscriber_id
        row = person(world, outcome.subscriber_id)
        assert not row["keyless"]
        assert shown_source(world, row["source_id"]) == ("integration", "ams")
        assert shown_source(world, row["first_source_id"]) == ("upload", "spring")
        assert outcome.changes["source"] == ("upload:spring", "integration:ams")

    def test_3_without_id_the_one_record_is_updated(self, world):
        """ID-15: its remote key stays."""
        first = one(world, rec("17", "ann@example.org"), world.actor("ams"))
        outcome = one(world, rec(None, "ann@example.org", FirstName="Ann"))
        assert (outcome.status, outcome.rule, outcome.subscriber_id) == ("updated", "ID-15", first.subscriber_id)
        assert [key["remote_id"] for key in rows(world, "remote_key")] == ["17"]

    def test_4_overwrite_the_address(self, world):
        """ID-11."""
        first = one(world, rec("17", "ann@example.org"))
        outcome = one(world, rec("17", "lee@example.org"))
        assert (outcome.status, outcome.rule, outcome.subscriber_id) == ("updated", "ID-11", first.subscriber_id)
        assert person(world, first.subscriber_id)["email"] == "lee@example.org"
        assert outcome.changes["email"] == ("ann@example.org", "lee@example.org")

    def test_5_the_twin_becomes_a_tombstone(self, world):
        """ID-11, ID-17, ID-26."""
        first = one(world, rec("17", "ann@example.org"))
        twin = one(world, rec(None, "lee@example.org"))
        outcome = one(world, rec("17", "lee@example.org"))
        assert (outcome.status, outcome.rule, outcome.subscriber_id) == ("updated", "ID-11", first.subscriber_id)
        assert person(world, twin.subscriber_id)["merged_into"] == first.subscriber_id
        again = one(world, rec(None, "lee@example.org", FirstName="Lee"))
        assert (again.rule, again.subscriber_id) == ("ID-15", first.subscriber_id)
        (event,) = rows(world, "event", type="merged")
        assert event["subscriber_id"] == first.subscriber_id

    def test_6_the_same_address_under_two_remote_ids(self, world):
        """ID-13, ID-1."""
        first = one(world, rec("17", "fam@example.org"))
        outcome = one(world, rec("18", "fam@example.org"))
        assert (outcome.status, outcome.rule) == ("created", "ID-13")
        assert outcome.subscriber_id != first.subscriber_id

    def test_7_ambiguous(self, world):
        """ID-16: nothing is stored."""
        push(world, rec("17", "fam@example.org"), rec("18", "fam@example.org"))
        outcome = one(world, rec(None, "fam@example.org", FirstName="Bo"))
        assert (outcome.status, outcome.rule, outcome.problem.code) == ("failed", "ID-16", "AMBIGUOUS_EMAIL")
        assert rows(world, "source_values") == []


def test_an_unchanged_record_writes_nothing(world):
    """ID-72, ID-P1."""
    record = SubscriberRecord("17", "ann@example.org", {"FirstName": "Ann", "Birthday": "1980-02-03"}, ("News",),
                              do_not_email=True)
    first = one(world, record, interests=("All",))
    tables = ("subscriber", "remote_key", "source_values", "membership", "address_status")
    before = {table: rows(world, table) for table in tables}
    world.clock.advance(hours=1)
    again = one(world, record, interests=("All",))
    assert (again.status, again.subscriber_id) == ("unchanged", first.subscriber_id)
    assert {table: rows(world, table) for table in tables} == before


def test_1001_records_are_refused(world):
    """SOAP-39."""
    with pytest.raises(GatewayError) as refused:
        push(world, *[rec(None, f"p{n}@example.org") for n in range(1001)])
    assert refused.value.code == "TOO_MANY_RECORDS"
    assert rows(world, "subscriber") == []


def test_end_links_makes_an_orphan_that_the_same_key_revives(world):
    """ID-32, ID-34, ID-P5."""
    actor = world.actor("ams")
    first = one(world, rec("17", "ann@example.org"), actor, interests=("News",))
    with world.unit(actor) as unit:
        context = imports.prepare(unit, ImportOptions(), imports.open_upload(unit, ImportOptions()))
        (ended,) = imports.end_links(unit, context, ["17"])
        (again,) = imports.end_links(unit, context, ["17"])
    assert (ended.status, ended.rule, again.status) == ("updated", "ID-32", "unchanged")
    assert person(world, first.subscriber_id)["orphan"]
    assert all(row["until"] is not None for row in rows(world, "membership"))

    updated = one(world, rec(None, "ann@example.org", FirstName="Ann"))
    assert (updated.status, updated.rule) == ("updated", "ID-15")
    assert [warning.code for warning in updated.warnings] == ["ORPHAN"]
    assert person(world, first.subscriber_id)["orphan"]

    revived = one(world, rec("17", "ann@example.org"), actor)
    assert (revived.status, revived.subscriber_id) == ("updated", first.subscriber_id)
    assert not person(world, first.subscriber_id)["orphan"]


def codes(outcome):
    return [warning.code for warning in outcome.warnings]


def members(world, name):
    """Subscriber ids with an open membership in the interest."""
    (found,) = rows(world, "interest", name=name)
    return [row["subscriber_id"] for row in rows(world, "membership", interest_id=found["id"]) if row["until"] is None]


def refused(code, world, *records, as_=None, **options):
    """The call is refused with this code, and nothing of it is stored."""
    with pytest.raises(GatewayError) as found:
        push(world, *records, as_=as_, **options)
    assert found.value.code == code
    assert rows(world, "upload") == []
    return found.value


class TestModes:
    """PUSH-51..56, at one record known (17) and one that is not (18)."""

    @pytest.fixture(autouse=True)
    def before(self, world):
        one(world, rec("17", "ann@example.org"), interests=("Old",))

    @pytest.mark.parametrize(("mode", "known", "unknown"), [
        ("AddOrUpdate", ("updated", None), ("created", None)),
        ("Add", ("skipped", "ALREADY_EXISTS"), ("created", None)),
        ("Update", ("updated", None), ("skipped", "NOT_FOUND")),
        ("ReplaceAll", ("updated", None), ("created", None)),
    ])
    def test_who_is_stored(self, world, mode, known, unknown):
        """PUSH-51, 52, 53, 55."""
        outcomes = push(world, rec("17", "ann@example.org", FirstName="A"), rec("18", "bo@example.org"), mode=mode,
                        interests=("News",)).outcomes
        assert [(o.status, o.problem and o.problem.code) for o in outcomes] == [known, unknown]
        stored = [o.subscriber_id for o in outcomes if o.status in ("created", "updated")]
        assert members(world, "News") == stored

    def test_remove(self, world):
        """PUSH-54: leaves the named interests, and changes nothing else."""
        outcomes = push(world, rec("17", "lee@example.org", FirstName="A"), rec("18", "bo@example.org"),
                        rec("17"), mode="Remove", interests=("Old",)).outcomes
        assert [o.status for o in outcomes] == ["updated", "skipped", "unchanged"]
        assert members(world, "Old") == [] and person(world, outcomes[0].subscriber_id)["email"] == "ann@example.org"
        assert rows(world, "source_values") == []

    def test_remove_leaves_only_this_sources_rows(self, world):
        """ID-37, PUSH-54."""
        outcome = one(world, rec(None, "ann@example.org"), world.actor("crm"), mode="Remove", interests=("Old",))
        assert outcome.status == "unchanged" and len(members(world, "Old")) == 1

    def test_replace_all(self, world):
        """PUSH-55: this source's other members leave; those of another source and of other interests stay."""
        crm = one(world, rec("5", "cy@example.org"), world.actor("crm"), interests=("Old", "Else"))
        (failed, bo) = push(world, rec("17", "no address"), rec("18", "bo@example.org"), mode="ReplaceAll",
                            interests=("Old",)).outcomes
        kept = rows(world, "remote_key", remote_id="17")[0]["subscriber_id"]
        assert failed.status == "failed"  # whom a failed record names is in the list all the same
        assert sorted(members(world, "Old")) == sorted([kept, crm.subscriber_id, bo.subscriber_id])
        push(world, rec("18", "bo@example.org"), mode="ReplaceAll", interests=("Old",))
        assert sorted(members(world, "Old")) == sorted([crm.subscriber_id, bo.subscriber_id])
        assert members(world, "Else") == [crm.subscriber_id]

    def test_the_brake(self, world):
        """ID-70: more than a tenth and more than 10 members would leave; the call changes nothing."""
        push(world, *[rec(str(n), f"p{n}@example.org") for n in range(100, 111)], interests=("Big",))
        before = rows(world, "membership"), rows(world, "upload")
        with pytest.raises(GatewayError) as held:
            push(world, rec("200", "new@example.org"), mode="ReplaceAll", interests=("Big",))
        assert held.value.code == "BRAKE_HELD"
        assert (rows(world, "membership"), rows(world, "upload")) == before
        push(world, rec("100", "p100@example.org"), mode="ReplaceAll", interests=("Big",))  # 10 of 11
        assert len(members(world, "Big")) == 1


def test_calls_that_are_refused(world):
    """PUSH-56, ID-42, SOAP-18, SOAP-19."""
    record = rec("17", "ann@example.org")
    refused("INVALID_REQUEST", world, record, mode="Remove")
    refused("INVALID_REQUEST", world, record, mode="ReplaceAll")
    refused("INVALID_REQUEST", world, mode="ReplaceAll", interests=("News",))
    refused("INVALID_VALUE", world, record, mode="replace")
    refused("INVALID_VALUE", world, record, empty_value="keep")
    refused("LIST_UNKNOWN", world, record, mode="Remove", interests=("News",))
    refused("INVALID_VALUE", world, record, interests=(" ",))
    refused("INVALID_CHARACTER", world, record, interests=("a\x00",))
    refused("INVALID_CHARACTER", world, record, label="a\x00")
    refused("INVALID_VALUE", world, record, label="x" * 256)
    refused("INVALID_VALUE", world, record, detail="all")
    refused("NOT_ALLOWED", world, record, as_=world.actor(role="reader"))
    refused("NOT_ALLOWED", world, record, integration="crm")
    refused("NOT_FOUND", world, record, as_=world.actor(role="admin"), integration="nowhere")
    assert rows(world, "subscriber") == [] and rows(world, "interest") == []


def test_an_administrator_speaks_for_another_integration(world):
    """SOAP-19."""
    crm = world.integration("crm")
    one(world, rec("17", "ann@example.org"), world.actor(role="admin"), integration="crm")
    assert [row["integration_id"] for row in rows(world, "remote_key")] == [crm]


def set_brand(world, **settings):
    with world.unit() as unit:
        unit.connection.execute(sa.update(metadata.tables["brand"]).values(settings=settings))


def test_unknown_interests(world):
    """ID-42: created with the right; without it the call is refused, in a record it is a warning."""
    record = SubscriberRecord("17", "ann@example.org", add_interests=("Mine",), remove_interests=("Nothing",))
    made = one(world, record, interests=("All",))
    assert codes(made) == ["LIST_UNKNOWN"]
    assert members(world, "Mine") == members(world, "All") == [made.subscriber_id]

    set_brand(world, createInterests=False)
    with pytest.raises(GatewayError) as found:
        push(world, rec("18", "bo@example.org"), interests=("New",))
    assert found.value.code == "LIST_UNKNOWN"
    outcome = one(world, SubscriberRecord("18", "bo@example.org", add_interests=("New", "Mine")))
    assert (outcome.status, codes(outcome)) == ("created", ["LIST_UNKNOWN"])
    assert len(members(world, "Mine")) == 2 and rows(world, "interest", name="New") == []


def test_who_is_to_leave_does_not_join_first(world):
    """ID-P1: also where the interest is not there yet."""
    record = SubscriberRecord("17", "ann@example.org", add_interests=("News ",), remove_interests=("News",))
    assert [one(world, record).status, one(world, record).status] == ["created", "unchanged"]
    assert rows(world, "interest") == []
    assert one(world, record, interests=("News",)).status == "unchanged"
    assert members(world, "News") == []


def test_whoever_left_an_interest_is_not_added_again(world):
    """ID-39."""
    made = one(world, rec("17", "ann@example.org"), interests=("News",))
    (news,) = rows(world, "interest")
    with world.unit() as unit:
        unit.connection.execute(sa.insert(metadata.tables["interest_opt_out"]).values(
            brand_id=1, subscriber_id=made.subscriber_id, interest_id=news["id"], left_at=unit.now, origin="form"))
    before = rows(world, "membership")
    again = one(world, rec("17", "ann@example.org"), world.actor("crm"), interests=("News",))
    assert codes(one(world, rec("17", "ann@example.org"), interests=("News",))) == ["INTEREST_OPTED_OUT"]
    assert again.status == "created"  # crm's 17 is somebody else
    assert rows(world, "membership")[:len(before)] == before


class TestValues:
    """What of a record's fields is stored."""

    def values(self, world, **where):
        return [row["document"] for row in rows(world, "source_values", **where)]

    def test_names_are_found_folded(self, world):
        """PUSH-61; ID-36."""
        one(world, SubscriberRecord("17", "ann@example.org", {"first name": "Ann", "LAST_NAME": "Lee"}))
        assert self.values(world) == ['{"FirstName":"Ann","LastName":"Lee"}']

    @pytest.mark.parametrize(("empty_value", "given", "left"), [
        ("Keep", {}, "A"), ("Keep", {"FirstName": ""}, "A"), ("Keep", {"FirstName": None}, None),
        ("Clear", {}, "A"), ("Clear", {"FirstName": ""}, None), ("Clear", {"FirstName": None}, None),
    ])
    def test_missing_empty_and_null(self, world, empty_value, given, left):
        """ID-41."""
        one(world, rec("17", "ann@example.org", FirstName="A", City="C"))
        one(world, SubscriberRecord("17", None, given), empty_value=empty_value)
        assert self.values(world) == ['{"City":"C","FirstName":"A"}' if left else '{"City":"C"}']

    @pytest.mark.parametrize(("field", "text", "stored"), [
        ("Birthday", "1980-02-29", "1980-02-29"), ("Birthday", "1980-02-03T23:30:00.1234567+11:00", "1980-02-03"),
        ("Birthday", "0001-01-01T00:00:00", None), ("IsMember", "True", "true"), ("IsMember", "0", "false"),
        ("City", "a\r\nb", "a\\nb"), ("City", " x ", " x "),
    ])
    def test_forms_taken(self, world, field, text, stored):
        """PUSH-7..9, SOAP-32."""
        one(world, rec("17", "ann@example.org", **{field: text}))
        assert self.values(world) == ([f'{{"{field}":"{stored}"}}'] if stored else [])

    @pytest.mark.parametrize(("field", "text", "code"), [
        ("Birthday", "1981-02-29", "INVALID_DATE"), ("Birthday", "03/02/1980", "INVALID_DATE"),
        ("Birthday", "\uff11980-02-03", "INVALID_DATE"), ("Birthday", "2026-W01-1", "INVALID_DATE"),
        ("Birthday", "1980-02-03T25:00:00Z", "INVALID_DATE"), ("IsMember", "perhaps", "INVALID_VALUE"),
        ("City", "x" * 4001, "FIELD_TOO_LONG"), ("City", "a\x00b", "INVALID_CHARACTER"),
        ("City", "a\ud800b", "INVALID_CHARACTER"),
    ])
    def test_forms_refused(self, world, field, text, code):
        """PUSH-5..9, PUSH-11: the record fails and changes nothing."""
        outcome = one(world, rec("17", "ann@example.org", FirstName="Ann", **{field: text}))
        assert (outcome.status, outcome.problem.code, outcome.problem.field) == ("failed", code, field)
        assert rows(world, "subscriber") == [] and self.values(world) == []

    def test_an_unknown_field(self, world):
        """FIELD_UNKNOWN: warn, fail or create by the brand's setting."""
        record = rec("17", "ann@example.org", Shoe="43", FirstName="Ann")
        warned = one(world, record)
        assert (warned.status, [(w.code, w.field) for w in warned.warnings]) == ("created", [("FIELD_UNKNOWN", "Shoe")])
        assert self.values(world) == ['{"FirstName":"Ann"}']
        set_brand(world, unknownField="fail")
        assert one(world, record).problem.code == "FIELD_UNKNOWN"
        set_brand(world, unknownField="create")
        assert one(world, record).warnings == ()
        assert self.values(world) == ['{"FirstName":"Ann","Shoe":"43"}']

    def test_many_unknown_fields_are_warned_of_by_twenty(self, world):
        """FIELD_UNKNOWN: a thousand such records must not make an answer of many megabytes."""
        outcome = one(world, SubscriberRecord("17", "ann@example.org", {f"Shoe {at}": "43" for at in range(200)}))
        assert (outcome.status, codes(outcome)) == ("created", ["FIELD_UNKNOWN"] * 20)

    def test_two_spellings_make_one_field(self, world):
        """ID-P1: nothing is stored beside the catalogue, and the same record again is unchanged."""
        set_brand(world, unknownField="create")
        record = SubscriberRecord("17", "ann@example.org", {"Shoe Size": "42", "shoe-size": "43"})
        assert [one(world, record).status, one(world, record).status] == ["created", "unchanged"]
        assert self.values(world) == ['{"Shoe Size":"43"}']

    def test_a_field_that_another_upload_has_made_meanwhile(self, world):
        """ID-31: two uploads with the same new field end with one, under the name that was first."""
        set_brand(world, unknownField="create")
        with world.unit() as unit:
            context = imports.prepare(unit, ImportOptions(), imports.open_upload(unit, ImportOptions()))
        world.add_field("Shoe Size")
        with world.unit() as unit:
            imports.apply_chunk(unit, context, [SubscriberRecord("17", "ann@example.org", {"shoe-size": "43"})], 0)
        assert self.values(world) == ['{"Shoe Size":"43"}']

    def test_data_makes_a_bounded_number_of_fields(self, world):
        """PUSH-5, LIMIT_EXCEEDED: the value is not stored, its record is; fields that exist are filled as before."""
        with world.unit() as unit:
            have = len(fields.of_brand(unit.connection, 1))
            fields.add(unit.connection, 1, [{"name": f"n{at}", "folded": f"n{at}", "kind": "text"}
                                            for at in range(MAX_FIELDS - have - 1)], unit.now)
        set_brand(world, unknownField="create")
        outcomes = push(world, SubscriberRecord("17", "ann@example.org", {"n0": "a", "last": "b", "Beyond": "c"}),
                        SubscriberRecord("18", "bo@example.org", {"LAST": "d", "further": "", "Beyond": "c"})).outcomes
        assert [(each.status, codes(each)) for each in outcomes] == [
            ("created", ["LIMIT_EXCEEDED"]), ("created", ["FIELD_UNKNOWN", "LIMIT_EXCEEDED"])]
        assert self.values(world) == ['{"last":"b","n0":"a"}', '{"last":"d"}']
        with world.reading() as unit:
            assert len(fields.of_brand(unit.connection, 1)) == MAX_FIELDS

    def test_a_name_that_folding_lengthens_is_refused(self, world):
        """PUSH-11: the record fails, not the call: the folded name is stored too."""
        set_brand(world, unknownField="create")
        outcome = one(world, SubscriberRecord("17", "ann@example.org", {"\u0130" * 100: "x"}))
        assert (outcome.status, outcome.problem.code) == ("failed", "FIELD_TOO_LONG")

    def test_a_source_sees_only_its_own_values(self, world):
        """ID-36, ID-37, ID-P10."""
        made = one(world, rec("17", "ann@example.org", City="Ams"), world.actor("ams"))
        world.actor("crm")
        api = one(world, rec(None, "ann@example.org", City="Api"))
        assert api.subscriber_id == made.subscriber_id and codes(api) == []  # api is older than ams
        later = one(world, rec(None, "ann@example.org", City="Crm"), world.actor("crm"))
        assert codes(later) == ["VALUE_NOT_EFFECTIVE"]
        assert sorted(self.values(world)) == ['{"City":"Ams"}', '{"City":"Api"}', '{"City":"Crm"}']


class TestFlags:
    """ID-45: the flag sits on the remote key."""

    def test_set_left_out_and_cleared(self, world):
        for flag, stored in ((None, False), (True, True), (None, True), (False, False)):
            one(world, SubscriberRecord("17", "ann@example.org", do_not_email=flag))
            assert rows(world, "remote_key")[0]["do_not_email"] is stored

    def test_by_address_it_reaches_the_senders_own_key(self, world):
        one(world, rec("17", "ann@example.org"))
        assert one(world, SubscriberRecord(None, "ann@example.org", do_not_email=True)).status == "updated"
        assert rows(world, "remote_key")[0]["do_not_email"]

    def test_without_a_key_it_is_refused_rather_than_lost(self, world):
        outcome = one(world, SubscriberRecord(None, "ann@example.org", do_not_email=True))
        assert (outcome.status, outcome.problem.code) == ("failed", "REMOTE_ID_REQUIRED")
        assert rows(world, "subscriber") == []


def test_a_dry_run_writes_nothing_but_the_upload(world):
    """PUSH-56: it answers as usual."""
    records = [rec("17", "ann@example.org", FirstName="A"), rec("17", "lee@example.org"), rec("18", "nobody")]
    dry = push(world, *records, dry_run=True, interests=("News",))
    assert dry.dry_run and [o.status for o in dry.outcomes] == ["created", "updated", "failed"]
    assert not any(rows(world, table) for table in ("subscriber", "remote_key", "interest", "membership", "event"))
    assert [row["code"] for row in rows(world, "decision")] == ["INVALID_EMAIL"]
    real = push(world, *records, interests=("News",))
    assert [(o.status, o.rule) for o in real.outcomes] == [(o.status, o.rule) for o in dry.outcomes]


def test_the_report_and_the_upload_add_up(world):
    """PUSH-28, SOAP-33, ID-78: counters, outcomes by ``detail``, and a decision for all that is not unchanged."""
    records = [rec("17", "ann@example.org"), rec("17", "ANN@example.org"), rec("18", "nope"), rec()]
    report = push(world, *records, detail="Failures")
    c = report.counters
    assert (c.received, c.created, c.unchanged, c.failed) == (4, 1, 1, 2)
    assert c.by_code == {"INVALID_EMAIL": 1, "IDENTIFIER_MISSING": 1} and c.warnings == {"DUPLICATE_IN_BATCH": 1}
    assert [o.index for o in report.outcomes] == [2, 3]
    assert push(world, detail="None").outcomes == ()
    upload = rows(world, "upload")[0]
    assert (upload["state"], upload["counters"]["received"], upload["door"]) == ("finished_with_errors", 4, "soap")
    assert [(row["row_number"], row["rule"], row["status"], row["code"], row["warnings"])
            for row in rows(world, "decision")] == [
        (0, "ID-13", "created", None, None), (1, "ID-10", "unchanged", None, '["DUPLICATE_IN_BATCH"]'),
        (2, "ID-8", "failed", "INVALID_EMAIL", None), (3, "ID-19", "failed", "IDENTIFIER_MISSING", None)]


def test_what_a_failed_record_leaves_in_the_log_is_clean(world):
    """PUSH-6: no answer and no stored row holds what was refused."""
    outcome = one(world, rec("a\x00b", "x" * 400))
    assert outcome.problem.code == "INVALID_CHARACTER" and outcome.remote_id == "ab" and len(outcome.email) == 254
    assert rows(world, "decision")[0]["remote_id"] == "ab"


def test_a_merge_moves_what_every_source_gave(world):
    """ID-26: memberships of all sources, the interests left, the events."""
    twin = one(world, rec(None, "lee@example.org", City="Crm"), world.actor("crm"), interests=("Crm", "Both"))
    mine = one(world, rec("17", "ann@example.org"), interests=("Both",))
    one(world, rec(None, "lee@example.org"), interests=("Api",))
    (both,) = rows(world, "interest", name="Both")
    with world.unit() as unit:
        unit.connection.execute(sa.insert(metadata.tables["interest_opt_out"]).values(
            brand_id=1, subscriber_id=twin.subscriber_id, interest_id=both["id"], left_at=unit.now, origin="form"))
    world.clock.advance(hours=1)
    one(world, rec("17", "lee@example.org"))
    for name, count in (("Crm", 1), ("Api", 1), ("Both", 2)):
        assert members(world, name) == [mine.subscriber_id] * count
    assert [row["document"] for row in rows(world, "source_values", subscriber_id=mine.subscriber_id)] == [
        '{"City":"Crm"}']
    assert len(rows(world, "interest_opt_out", subscriber_id=mine.subscriber_id)) == 1


def test_several_twins_merged_into_one_record_in_one_batch(world):
    """ID-26, ID-27: what other sources opened moves once, whichever twin had it, and all events follow."""
    twins = push(world, rec(None, "lee@example.org"), rec(None, "bo@example.org"), as_=world.actor("crm"),
                 interests=("Crm",)).outcomes
    with world.unit() as unit:
        for number, twin in enumerate(twins):
            events.add(unit.connection, 1, NewEvent("opened", unit.now, f"e{number}",
                                                    subscriber_id=twin.subscriber_id), unit.now)
    mine, *merged = push(world, rec("17", "ann@example.org"), rec("17", "lee@example.org"),
                         rec("17", "bo@example.org")).outcomes
    assert [outcome.rule for outcome in merged] == ["ID-11", "ID-11"]
    assert members(world, "Crm") == [mine.subscriber_id]
    assert {row["subscriber_id"] for row in rows(world, "event")} == {mine.subscriber_id}


def test_a_twin_made_and_merged_in_one_batch(world):
    """ID-17, ID-27: in order, as if each came alone; the address is free for the next keyless record."""
    outcomes = push(world, rec("17", "ann@example.org"), rec(None, "lee@example.org", City="L"),
                    rec("17", "lee@example.org"), rec("17", "cy@example.org"), rec(None, "lee@example.org"),
                    interests=("News",)).outcomes
    assert [(o.status, o.rule) for o in outcomes] == [
        ("created", "ID-13"), ("created", "ID-14"), ("updated", "ID-11"), ("updated", "ID-11"), ("created", "ID-14")]
    assert person(world, outcomes[1].subscriber_id)["merged_into"] == outcomes[0].subscriber_id
    assert members(world, "News") == [outcomes[0].subscriber_id, outcomes[4].subscriber_id]


def test_brands_do_not_meet(world):
    """ID-P15."""
    accounts.add_brand(world.gateway, 2, "Other")
    mine = one(world, rec("17", "ann@example.org"))
    theirs = one(world, rec("17", "ann@example.org"), world.actor(brand_id=2))
    assert theirs.status == "created" and theirs.subscriber_id != mine.subscriber_id


def test_imports_at_once_end_as_if_one_came_after_the_other(world):
    """ID-31: neither fails, and nobody is there twice."""
    records = [rec(str(n) if n % 2 else None, f"p{n}@example.org", FirstName="A") for n in range(30)]
    actors = [world.actor(), world.actor("ams")]
    with ThreadPoolExecutor(2) as pool:
        reports = [found.result() for found in [pool.submit(push, world, *records, as_=actors[turn % 2])
                                                for turn in range(8)]]
    assert all(report.counters.failed == 0 for report in reports)
    living = rows(world, "subscriber")
    assert len(living) == 15 + 2 * 15  # who has a remote ID is two people, one of each system
    keyless = [row["email"] for row in living if row["keyless"]]
    assert len(keyless) == len(set(keyless)) == 15


def test_who_was_merged_between_chunks_of_a_replace_all_counts_as_named(world):
    """PUSH-55, ID-26: named in the first chunk, a tombstone before the last."""
    push(world, rec(None, "ann@example.org"), rec("9", "cy@example.org"), interests=("News",))
    keyed = one(world, rec("17", "old@example.org"))
    options = ImportOptions(mode="ReplaceAll", interests=("News",))
    with world.unit() as unit:
        context = imports.prepare(unit, options, imports.open_upload(unit, options))
        imports.apply_chunk(unit, context, [rec(None, "ann@example.org")], 0)
    one(world, rec("17", "ann@example.org"))  # another upload: the one who was named is a tombstone now
    with world.unit() as unit:
        assert imports.finish(unit, context) == 1
    assert members(world, "News") == [keyed.subscriber_id]


def test_one_id_that_ends_and_comes_again_replaces_nobody(world):
    """ID-29: it takes two IDs, also where one call makes, ends and revives the same one."""
    outcomes = push(world, rec("17", "ann@example.org"), SubscriberRecord("17", deleted=True),
                    rec("17", "ann@example.org")).outcomes
    assert [codes(outcome) for outcome in outcomes] == [[], [], ["DUPLICATE_IN_BATCH"]]


def test_a_call_that_ends_one_id_and_brings_another_of_its_address(world):
    """ID-29: both outcomes carry the warning, and so do the decisions."""
    push(world, rec("17", "ann@example.org"), rec("18", "bo@example.org"))
    outcomes = push(world, SubscriberRecord("17", deleted=True), rec("19", "ann@example.org"),
                    rec("20", "cy@example.org"), SubscriberRecord("18", deleted=True)).outcomes
    assert [codes(outcome) for outcome in outcomes] == [["POSSIBLE_REPLACEMENT"], ["POSSIBLE_REPLACEMENT"], [], []]
    assert len([row for row in rows(world, "decision") if row["warnings"] == '["POSSIBLE_REPLACEMENT"]']) == 2


def test_two_spellings_of_one_field_in_a_record(world):
    """PUSH-61: the last value counts, and the sender is told."""
    outcome = one(world, SubscriberRecord("17", "ann@example.org", {"City": "Ely", "city": "Rome", "CITY ": "Oslo"}))
    assert [(w.code, w.field) for w in outcome.warnings] == [("DUPLICATE_IN_BATCH", "City")] * 2
    assert '"City":"Oslo"' in rows(world, "source_values")[0]["document"]
    many = push(world, *[SubscriberRecord(None, f"p{n}@example.org", {"City": "Ely", "city": "Rome"})
                         for n in range(60)]).outcomes  # so many that plain rows take the short way
    assert {tuple(codes(outcome)) for outcome in many} == {("DUPLICATE_IN_BATCH",)}


def test_a_job_takes_the_brands_choices_from_its_next_chunk_on(world):
    """ID-4, ID-9: a job that runs while the brand is switched makes no second record of an address."""
    push(world, rec("1", "fam@example.org"))
    with world.unit() as unit:
        context = imports.prepare(unit, NOTHING, imports.open_upload(unit, NOTHING))
    set_brand(world, identityMode="one_to_many", repairAddresses=True)
    with world.unit() as unit:
        outcomes = imports.apply_chunk(unit, context, [rec("2", "fam@@example.org")], 0)
    assert [(o.status, o.rule) for o in outcomes] == [("adopted", "ID-21")]
