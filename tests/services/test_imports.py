"""Do records become subscribers as identity.md says, on a real database of each kind?"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import imports
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
