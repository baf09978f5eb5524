"""Do records that are a person's whole state replace exactly what their sender said before, and end links?"""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.domain.paging import PageRequest
from gateway.domain.records import Group, Identifier, ImportOptions, StatusEntry, SubscriberFilter, SubscriberRecord
from gateway.services import imports, interests, subscribers, suppression
from gateway.services.interests import InterestFilter
from tests.support.world import World

DAY = dt.timedelta(days=1)


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path, brands=(1, 2)) as made:
        yield made


def whole(remote_id, email, *groups, flag=None, **values):
    given = tuple(group if isinstance(group, Group) else Group(group, group.title()) for group in groups)
    return SubscriberRecord(remote_id, email, values, do_not_email=flag, whole=True, groups=given)


def gone(remote_id):
    return SubscriberRecord(remote_id, "not an address", {"FirstName": "x" * 9000}, whole=True, deleted=True)


def push(world, *records, as_=None, **options):
    with world.unit(as_ or world.actor("ams")) as unit:
        return imports.import_records(unit, records, ImportOptions(**options)).outcomes


def one(world, record, as_=None, **options):
    (outcome,) = push(world, record, as_=as_, **options)
    return outcome


def look(world, subscriber_id, brand_id=1):
    with world.reading(world.actor("ams", brand_id=brand_id)) as unit:
        return subscribers.get(unit, Identifier(subscriber_id=subscriber_id))


def values(world, outcome):
    return {field.name: field.value for field in look(world, outcome.subscriber_id).fields}


def member_of(world, outcome):
    """Names of the interests with an open row."""
    return sorted(row.name for row in look(world, outcome.subscriber_id).interests if row.until is None)


def table(world, name):
    t = metadata.tables[name]
    with world.reading() as unit:
        return [dict(row._mapping) for row in unit.connection.execute(sa.select(t).order_by(t.c.id))]


def counts(world, name):
    """(members, sendable) of the interest, as doors show it."""
    upper = world.clock.advance(seconds=1)
    with world.gateway.feed(world.actor("ams")) as unit:
        unit.now = upper
        (view,) = interests.find(unit, InterestFilter(name=name), PageRequest(10)).items
    return view.members, view.sendable


def found(world, name):
    """Ids of those whom a search for members of the interest finds."""
    upper = world.clock.advance(seconds=1)
    with world.gateway.feed(world.actor("ams")) as unit:
        unit.now = upper
        return [view.subscriber_id for view in
                subscribers.find(unit, SubscriberFilter(interest=name), PageRequest(10)).items]


def codes(outcome):
    return [warning.code for warning in outcome.warnings]


def test_what_is_left_out_null_or_empty_is_cleared(world):
    """ID-40, ID-41, PUSH-19: all three clear, and only what this integration stored."""
    other = world.actor("crm")
    first = one(world, whole("17", "ann@example.org", FirstName="Ann", LastName="Quill", City="Ely", Title="Dr"))
    one(world, SubscriberRecord(None, "ann@example.org", {"City": "Rome", "Suffix": "II"}), other)
    again = one(world, whole("17", "ann@example.org", FirstName="Ann", LastName=None, City=""))
    assert (again.status, again.rule, again.subscriber_id) == ("updated", "ID-10", first.subscriber_id)
    assert values(world, again) == {"FirstName": "Ann", "City": "Rome", "Suffix": "II"}
    unchanged = one(world, whole("17", "ann@example.org", FirstName="Ann"))
    assert (unchanged.status, codes(unchanged)) == ("unchanged", [])


def test_groups_replace_the_groups_of_this_source_alone(world):
    """ID-38, ID-40, PUSH-19, PUSH-23: channels native and list and other sources stay."""
    first = one(world, whole("17", "ann@example.org", "north", "board"))
    one(world, SubscriberRecord("17", "ann@example.org", add_interests=("Native", "Board")))
    one(world, SubscriberRecord(None, "ann@example.org", add_interests=("Theirs",)), world.actor("crm"))
    assert member_of(world, first) == ["Board", "Board", "Native", "North", "Theirs"]
    again = one(world, whole("17", "ann@example.org", "south"))
    assert again.status == "updated"
    assert member_of(world, again) == ["Board", "Native", "South", "Theirs"]
    assert one(world, whole("17", "ann@example.org", "south")).status == "unchanged"
    assert one(world, whole("17", "ann@example.org")).status == "updated"
    assert member_of(world, again) == ["Board", "Native", "Theirs"]


def test_a_whole_push_keeps_status_facts(world):
    """PUSH-19, PUSH-21, ID-45, ID-49: silence changes no flag; an opt-out stays."""
    first = one(world, whole("17", "ann@example.org", flag=True))
    assert look(world, first.subscriber_id).blocked_by == ("remote_flag",)
    one(world, whole("17", "ann@example.org"))
    assert look(world, first.subscriber_id).blocked_by == ("remote_flag",)
    one(world, whole("17", "ann@example.org", flag=False))
    assert look(world, first.subscriber_id).sendable
    with world.unit() as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email="ann@example.org"))])
    one(world, whole("17", "ann@example.org", flag=False))
    assert look(world, first.subscriber_id).blocked_by == ("opt_out",)


class TestGroups:
    """PUSH-23."""

    def test_only_dates_and_detail_change_the_row_in_place(self, world):
        """The row is not ended; the same again is unchanged (ID-P1)."""
        begins = world.clock.now
        group = Group("n", "North", begins, None, {"type": "Chapter", "role": "Chair"})
        one(world, whole("17", "ann@example.org", group))
        (before,) = table(world, "membership")
        world.clock.advance(hours=1)
        moved = Group("n", "North", begins, begins + DAY, {"type": "Chapter", "role": "Member"})
        assert one(world, whole("17", "ann@example.org", moved)).status == "updated"
        assert one(world, whole("17", "ann@example.org", moved)).status == "unchanged"
        (after,) = table(world, "membership")
        assert (after["id"], after["since"], after["until"]) == (before["id"], before["since"], None)
        assert (after["begins_at"], after["ends_at"]) == (begins, begins + DAY)
        assert after["detail"] == '{"role":"Member","type":"Chapter"}'

    def test_outside_its_dates_a_membership_rests(self, world):
        """Counts and searches leave it out; it comes and goes by the clock alone."""
        begins, ends = world.clock.now + DAY, world.clock.now + 3 * DAY
        outcome = one(world, whole("17", "ann@example.org", Group("n", "North", begins, ends)))
        assert counts(world, "North") == (0, 0) and found(world, "North") == []
        world.clock.advance(days=2)
        assert counts(world, "North") == (1, 1) and found(world, "North") == [outcome.subscriber_id]
        world.clock.advance(days=2)
        assert counts(world, "North") == (0, 0) and found(world, "North") == []
        assert member_of(world, outcome) == ["North"]

    def test_the_same_group_twice(self, world):
        """The last wins, with DUPLICATE_IN_BATCH."""
        ends = world.clock.now + DAY
        outcome = one(world, whole("17", "ann@example.org", Group("n", "North"), Group(" n ", "North", None, ends)))
        assert codes(outcome) == ["DUPLICATE_IN_BATCH"]
        assert [row["ends_at"] for row in table(world, "membership")] == [ends]

    def test_ids_are_case_sensitive_and_names_follow(self, world):
        """Keyed by id, shown as name; a renamed group takes its interest along."""
        one(world, whole("17", "ann@example.org", Group("n", "North"), Group("N", "Other north")))
        outcome = one(world, whole("17", "ann@example.org", Group("n", "North Chapter"), Group("N", "Other north")))
        assert outcome.status == "unchanged" and member_of(world, outcome) == ["North Chapter", "Other north"]
        assert {(row["external_id"], row["name"]) for row in table(world, "interest")} == {
            ("n", "North Chapter"), ("N", "Other north")}

    def test_a_name_that_another_interest_has(self, world):
        """ID-42: made unique with the integration's name; a rename to a taken name is left."""
        one(world, SubscriberRecord("5", "cy@example.org", add_interests=("North", "North (ams)")), world.actor("crm"))
        outcome = one(world, whole("17", "ann@example.org", Group("n", "North"), Group("s", "South")))
        assert member_of(world, outcome) == ["North (ams 2)", "South"]
        again = one(world, whole("17", "ann@example.org", Group("n", "North"), Group("s", "North")))
        assert (again.status, member_of(world, again)) == ("unchanged", ["North (ams 2)", "South"])

    def test_without_the_right_to_create(self, world):
        """ID-42: a warning, and the record is stored without it; known ones count."""
        one(world, whole("17", "ann@example.org", "north"))
        with world.unit() as unit:
            unit.connection.execute(sa.update(metadata.tables["brand"]).values(settings={"createInterests": False}))
        outcome = one(world, whole("18", "bo@example.org", "north", "south", FirstName="Bo"))
        assert (outcome.status, codes(outcome)) == ("created", ["LIST_UNKNOWN"])
        assert member_of(world, outcome) == ["North"] and values(world, outcome) == {"FirstName": "Bo"}

    def test_who_left_an_interest_is_not_added_again(self, world):
        """ID-39."""
        first = one(world, whole("17", "ann@example.org", "north"))
        one(world, whole("17", "ann@example.org"))
        (interest,) = table(world, "interest")
        with world.unit() as unit:
            unit.connection.execute(sa.insert(metadata.tables["interest_opt_out"]).values(
                brand_id=1, subscriber_id=first.subscriber_id, interest_id=interest["id"], left_at=unit.now,
                origin="form"))
        again = one(world, whole("17", "ann@example.org", "north"))
        assert (again.status, codes(again)) == ("unchanged", ["INTEREST_OPTED_OUT"])
        assert member_of(world, again) == []

    @pytest.mark.parametrize(("group", "code"), [
        (Group(" ", "North"), "INVALID_VALUE"), (Group("x" * 256, "North"), "FIELD_TOO_LONG"),
        (Group("n", "x" * 256), "FIELD_TOO_LONG"), (Group("n", "a\x00"), "INVALID_CHARACTER"),
        (Group("n", "North", detail={"role": "a\x01"}), "INVALID_CHARACTER")])
    def test_bad_groups_fail_the_record(self, world, group, code):
        """PUSH-5, PUSH-6, PUSH-11."""
        outcome = one(world, whole("17", "ann@example.org", group))
        assert (outcome.status, outcome.problem.code) == ("failed", code)
        assert table(world, "subscriber") == [] and table(world, "interest") == []

    def test_too_many_groups(self, world):
        """PUSH-5."""
        outcome = one(world, whole("17", "ann@example.org", *[f"g{n}" for n in range(201)]))
        assert outcome.problem.code == "FIELD_TOO_LONG"

    def test_brands_and_integrations_have_groups_of_their_own(self, world):
        """ID-P15: the same group id means another interest in another brand or integration."""
        one(world, whole("17", "ann@example.org", "north"))
        one(world, whole("17", "bo@example.org", "north"), world.actor("crm"))
        one(world, whole("17", "ann@example.org", "north"), world.actor("ams", brand_id=2))
        assert [(row["brand_id"], row["name"]) for row in table(world, "interest")] == [
            (1, "North"), (1, "North (crm)"), (2, "North")]


class TestEnds:
    """ID-32..34, PUSH-20, PUSH-22."""

    def test_deleted_ends_the_link(self, world):
        """PUSH-22, ID-32: all else in the element is ignored; it is no unsubscribe."""
        first = one(world, whole("17", "ann@example.org", "north", FirstName="Ann"))
        ended = one(world, gone("17"))
        assert (ended.status, ended.rule, ended.subscriber_id) == ("updated", "ID-32", first.subscriber_id)
        view = look(world, first.subscriber_id)
        assert view.orphan and view.email == "ann@example.org" and view.status == "active" and not view.sendable
        assert member_of(world, first) == [] and values(world, first) == {"FirstName": "Ann"}
        assert one(world, gone("17")).status == "unchanged"

    def test_deleted_and_unknown(self, world):
        """PUSH-22: unchanged, with NOT_FOUND."""
        outcome = one(world, gone("nobody"))
        assert (outcome.status, outcome.problem, codes(outcome)) == ("unchanged", None, ["NOT_FOUND"])

    def test_deleted_of_another_integration_or_brand(self, world):
        """ID-P15, ID-32: one's own keys alone."""
        first = one(world, whole("17", "ann@example.org"))
        assert codes(one(world, gone("17"), world.actor("crm"))) == ["NOT_FOUND"]
        assert codes(one(world, gone("17"), world.actor("ams", brand_id=2))) == ["NOT_FOUND"]
        assert not look(world, first.subscriber_id).orphan

    def test_the_same_id_again_revives(self, world):
        """PUSH-22, ID-34, ID-P5: in the same batch too."""
        first = one(world, whole("17", "ann@example.org", "north"))
        ended, revived = push(world, gone("17"), whole("17", "ann@example.org", "north"))
        assert (revived.status, revived.rule, revived.subscriber_id) == ("updated", "ID-10", first.subscriber_id)
        assert not look(world, first.subscriber_id).orphan and member_of(world, first) == ["North"]
        assert len(table(world, "membership")) == 2

    @pytest.mark.parametrize("email", [None, "", "  "])
    def test_an_empty_address_withdraws_it(self, world, email):
        """ID-33, PUSH-20: the last address stays for history; values and flag are stored."""
        first = one(world, whole("17", "ann@example.org", "north", FirstName="Ann"))
        ended = one(world, whole("17", email, "north", flag=True, LastName="Quill"))
        assert (ended.status, ended.rule, ended.subscriber_id) == ("updated", "ID-33", first.subscriber_id)
        view = look(world, first.subscriber_id)
        assert (view.email, view.orphan, view.links) == ("ann@example.org", True, ())
        assert set(view.blocked_by) == {"remote_flag", "orphan"}
        assert member_of(world, first) == [] and values(world, first) == {"LastName": "Quill"}
        again = one(world, whole("17", email, "north", flag=True, LastName="Quill"))
        assert (again.status, again.rule, codes(again)) == ("unchanged", "ID-33", [])

    def test_another_live_link_keeps_the_record_in(self, world):
        """ID-32: an orphan only without any link; the other source's interests stay."""
        first = one(world, whole("17", "ann@example.org", "north"))
        crm = world.integration("crm")
        with world.unit() as unit:
            unit.connection.execute(sa.insert(metadata.tables["remote_key"]).values(
                brand_id=1, integration_id=crm, remote_id="5", subscriber_id=first.subscriber_id,
                created_at=unit.now))
        one(world, SubscriberRecord("5", "ann@example.org", add_interests=("Theirs",)), world.actor("crm"))
        one(world, gone("17"))
        assert not look(world, first.subscriber_id).orphan and member_of(world, first) == ["Theirs"]

    def test_unknown_and_without_address(self, world):
        """PUSH-20."""
        outcome = one(world, whole("17", ""))
        assert (outcome.status, outcome.problem.code) == ("failed", "EMAIL_MISSING")

    def test_without_remote_id(self, world):
        """PUSH-20, PUSH-22."""
        for record in (whole(None, "ann@example.org"), gone(None), gone(" ")):
            outcome = one(world, record)
            assert (outcome.status, outcome.problem.code) == ("failed", "REMOTE_ID_REQUIRED")


def test_a_dry_run_of_whole_records_writes_nothing(world):
    """PUSH-56."""
    one(world, whole("17", "ann@example.org", "north"))
    before = table(world, "membership"), table(world, "interest"), table(world, "subscriber")
    outcomes = push(world, whole("17", "ann@example.org", "south", FirstName="A"), gone("17"), dry_run=True)
    assert [outcome.status for outcome in outcomes] == ["updated", "updated"]
    assert (table(world, "membership"), table(world, "interest"), table(world, "subscriber")) == before
