"""Is a merge taken back so that both are what they were? And does ChangeRemoteId join what only it may join?"""

from __future__ import annotations

import datetime as dt

import pytest
import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.domain.accounts import ADMIN
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import erasure, imports, merges, onetomany, optout, remoteids, subscribers, suppression
from tests.support.world import World

ANN, LEE = "ann@example.org", "lee@example.org"


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path, brands=(1, 2)) as made:
        yield made


def push(world, *records, as_=None, **options):
    world.clock.advance(seconds=1)
    with world.unit(as_) as unit:
        return imports.import_records(unit, records, ImportOptions(**options)).outcomes


def view(world, subscriber_id):
    """What every door shows of the record, without the time of its last change."""
    with world.reading() as unit:
        shown = subscribers.get(unit, Identifier(subscriber_id=subscriber_id))
    return {name: getattr(shown, name) for name in (
        "email", "links", "status", "source", "first_source", "orphan", "merged_into", "fields")} | {
        "interests": sorted(row.name for row in shown.interests if row.until is None)}


def undo(world, subscriber_id, role=ADMIN, brand_id=1):
    world.clock.advance(seconds=1)
    with world.unit(world.actor(role=role, brand_id=brand_id)) as unit:
        return merges.undo(unit, subscriber_id)


def refused(act, *args, **more):
    with pytest.raises(GatewayError) as error:
        act(*args, **more)
    return error.value


def change(world, old, new, as_=None, **more):
    world.clock.advance(seconds=1)
    with world.unit(as_) as unit:
        return remoteids.change_remote_id(unit, old, new, **more)


def switch(world, *, on):
    """One-to-Many on, as the preview says, or off."""
    world.clock.advance(seconds=1)
    actor = world.actor(role=ADMIN)
    if not on:
        with world.unit(actor) as unit:
            return onetomany.switch_off(unit)
    with world.reading(actor) as unit:
        seen = onetomany.preview(unit)
    return onetomany.switch_on(world.gateway, actor, seen.fingerprint)


def pair(world):
    """#1 ann@ without key and #2 K-1 lee@, each with values and interests; answers both as they are."""
    push(world, SubscriberRecord(None, ANN, {"FirstName": "Ann", "City": "Paris"}), interests=("News", "Events"))
    push(world, SubscriberRecord("K-1", LEE, {"FirstName": "Lee"}), interests=("News", "Lee's"))
    return view(world, 1), view(world, 2)


def merge(world, **values):
    (outcome,) = push(world, SubscriberRecord("K-1", ANN, values))
    assert outcome.changes["merged"] == ("1", "2")


class TestUndo:
    """ID-26."""

    def test_both_are_as_before(self, world):
        """Values, memberships, source; the survivor keeps the address that an integration gave it."""
        ann, lee = pair(world)
        merge(world)
        assert view(world, 1)["merged_into"] == 2
        assert {field.name for field in view(world, 2)["fields"]} == {"FirstName", "City"}
        made = undo(world, 1)
        assert made.subscriber_id == 1 and made.merged_into is None
        assert view(world, 1) == ann
        assert view(world, 2) == lee | {"email": ANN}

    def test_what_was_changed_since_stays_with_the_survivor(self, world):
        """Only what came from the other, and is still what it was, goes."""
        ann, _ = pair(world)
        merge(world)
        push(world, SubscriberRecord("K-1", ANN, {"City": "Rome"}))
        undo(world, 1)
        assert {field.name: field.value for field in view(world, 2)["fields"]} == {"FirstName": "Lee", "City": "Rome"}
        assert view(world, 1) == ann

    def test_the_stricter_status_stays_with_both(self, world):
        """An opt-out, and an interest that was left, whoever of them it was."""
        pair(world)
        with world.unit() as unit:
            suppression.opt_out(unit, email=LEE, origin="form", subscriber_id=2)
        merge(world)
        with world.unit() as unit:
            optout.opt_out(unit, ["News"], [StatusEntry(Identifier(remote_id="K-1"))])
            suppression.opt_out(unit, email=LEE, origin="complaint", subscriber_id=2)
        undo(world, 1)
        assert [view(world, n)["status"] for n in (1, 2)] == ["unsubscribed", "unsubscribed"]
        with world.reading() as unit:
            t = metadata.tables["subscriber"].c
            origins = dict(unit.connection.execute(sa.select(t.id, t.opt_out_origin)).all())
            assert (origins[1], origins[2]) == ("complaint", "complaint")  # ID-51, whoever of them it was
            left = unit.connection.execute(sa.select(metadata.tables["interest_opt_out"].c.subscriber_id)).scalars()
            assert sorted(left) == [1, 2]

    def test_events_go_back_and_the_feed_tells(self, world):
        """Events of the time before the merge; what happened since stays with the survivor."""
        push(world, SubscriberRecord(None, ANN), SubscriberRecord("K-1", LEE))
        with world.unit() as unit:
            suppression.unsubscribe(unit, [StatusEntry(Identifier(email=ANN))])
        merge(world)
        undo(world, 1)
        with world.reading() as unit:
            t = metadata.tables["event"].c
            rows = unit.connection.execute(sa.select(t.type, t.subscriber_id).order_by(t.id)).all()
        assert [tuple(row) for row in rows] == [("unsubscribed", 1), ("merged", 2), ("unmerged", 1)]

    def test_once_within_thirty_days_by_an_administrator(self, world):
        """ID-26, ID-P15."""
        pair(world)
        merge(world)
        assert refused(undo, world, 1, role="sender").code == "NOT_ALLOWED"
        assert refused(undo, world, 1, brand_id=2).code == "NOT_FOUND"
        assert refused(undo, world, 2).code == "NOT_FOUND"
        undo(world, 1)
        assert refused(undo, world, 1).code == "NOT_FOUND"

    def test_too_late(self, world):
        """Day 30 is in time, day 31 is not."""
        pair(world)
        merge(world)
        world.clock.now += dt.timedelta(days=30, seconds=1)
        assert refused(undo, world, 1).code == "STATE_CONFLICT"

    def test_where_the_address_has_another_owner(self, world):
        """ID-31: two records without remote ID at one address could not be told apart."""
        pair(world)
        merge(world)
        push(world, SubscriberRecord("K-1", LEE))
        push(world, SubscriberRecord(None, ANN))
        answer = refused(undo, world, 1)
        assert answer.code == "STATE_CONFLICT" and "without a remote ID" in answer.message

    def test_who_was_erased_stays_erased(self, world):
        """ID-35."""
        pair(world)
        merge(world)
        with world.unit(world.actor(role=ADMIN)) as unit:
            erasure.erase(unit, Identifier(remote_id="K-1"), confirmed=True)
        assert refused(undo, world, 1).code == "STATE_CONFLICT"

    def test_what_another_merged_record_gave_stays(self, world):
        """Three of a family at one address become one; one of them is taken back, the other is still part of it."""
        push(world, SubscriberRecord("K-1", ANN))
        push(world, SubscriberRecord("K-2", ANN, {"City": "Oslo"}), SubscriberRecord("K-3", ANN, {"City": "Oslo"}),
             interests=("News",))
        switch(world, on=True)
        switch(world, on=False)
        one = view(world, 1)
        assert one["interests"] == ["News"]
        undo(world, 2)
        assert view(world, 1)["interests"] == ["News"]
        assert [(field.name, field.value) for field in view(world, 1)["fields"]] == [("City", "Oslo")]
        assert view(world, 1)["links"] == (("api", "K-1"), ("api", "K-3"))
        undo(world, 3)
        assert view(world, 1)["interests"] == [] and view(world, 1)["fields"] == ()
        assert [view(world, n)["interests"] for n in (2, 3)] == [["News"], ["News"]]

    def test_a_survivor_of_the_same_chunk_keeps_nothing_of_the_other(self, world):
        """K-1 is made and gets the other's address in one call, so the store never saw it before the merge."""
        push(world, SubscriberRecord(None, ANN, {"City": "Paris"}), interests=("Events",))
        ann = view(world, 1)
        outcomes = push(world, SubscriberRecord("K-1", LEE), SubscriberRecord("K-1", ANN), interests=("News",))
        assert outcomes[1].changes["merged"] == ("1", "2")
        assert view(world, 2)["interests"] == ["Events", "News"]
        undo(world, 1)
        assert view(world, 1) == ann
        assert view(world, 2)["interests"] == ["News"] and view(world, 2)["fields"] == ()

    def test_with_one_main_per_address_it_is_the_main_of_its_own(self, world):
        """ID-4, ID-P6: the survivor has moved on, and the address is the other's alone."""
        pair(world)
        merge(world)
        switch(world, on=True)
        push(world, SubscriberRecord("K-1", LEE))
        undo(world, 1)
        with world.reading() as unit:
            t = metadata.tables["subscriber"].c
            mains = unit.connection.execute(sa.select(t.id, t.is_main).order_by(t.id)).all()
        assert [tuple(row) for row in mains] == [(1, True), (2, True)]

    def test_a_chain_is_undone_from_its_end(self, world):
        """#1 into #2 by its address, #2 into #3 by ChangeRemoteId; then one after the other back."""
        ann, lee = pair(world)
        merge(world)
        push(world, SubscriberRecord("K-9", "new@example.org"), interests=("Events",))
        two, three = view(world, 2), view(world, 3)
        assert change(world, "K-1", "K-9").changes["merged"] == ("2", "3")
        assert view(world, 3)["interests"] == ["Events", "Lee's", "News"]
        assert refused(undo, world, 1).code == "STATE_CONFLICT"
        undo(world, 2)
        assert (view(world, 2), view(world, 3)) == (two, three)
        undo(world, 1)
        assert (view(world, 1), view(world, 2)) == (ann, lee | {"email": ANN})

    def test_what_came_since_stays_and_links_that_moved_are_not_taken(self, world):
        """Later changes are the survivor's; a remote ID that went on by ChangeRemoteId is known by its new name."""
        push(world, SubscriberRecord("K-1", ANN), SubscriberRecord("K-2", ANN), interests=("News",))
        switch(world, on=True)
        switch(world, on=False)
        push(world, SubscriberRecord("K-2", ANN, {"City": "Rome"}), interests=("Events",))
        undo(world, 2)
        assert view(world, 2)["links"] == (("api", "K-2"),) and view(world, 2)["interests"] == ["News"]
        assert view(world, 1)["interests"] == ["Events", "News"]
        assert [field.name for field in view(world, 1)["fields"]] == ["City"]


class TestChangeRemoteId:
    """ID-29, SOAP-49."""

    def test_an_unknown_new_id_renames_the_key(self, world):
        """The record keeps its id, flag and history."""
        push(world, SubscriberRecord("17", ANN, {"City": "Paris"}, do_not_email=True))
        outcome = change(world, " 17 ", "170")
        assert (outcome.status, outcome.rule) == ("updated", "ID-29")
        assert (outcome.subscriber_id, outcome.remote_id) == (1, "170")
        assert view(world, 1)["links"] == (("api", "170"),) and view(world, 1)["status"] == "unsubscribed"
        (again,) = push(world, SubscriberRecord("170", ANN))
        assert (again.status, again.rule) == ("unchanged", "ID-10")

    def test_a_rename_may_be_repeated(self, world):
        """Also after others; what was never done is still refused."""
        push(world, SubscriberRecord("17", ANN), SubscriberRecord("30", LEE))
        change(world, "17", "170")
        for _ in range(2):
            again = change(world, "17", "170")
            assert (again.status, again.subscriber_id, again.remote_id) == ("unchanged", 1, "170")
        assert change(world, "16", "170").problem.code == change(world, "17", "30").problem.code == "NOT_FOUND"
        assert change(world, "17", "170", as_=world.actor("crm")).problem.code == "NOT_FOUND"
        assert change(world, "170", "17").status == "updated"
        assert view(world, 1)["links"] == (("api", "17"),)

    def test_the_new_id_is_live(self, world):
        """A joining that is taken back by name, and an ID that had ended: nobody is left without a link."""
        push(world, SubscriberRecord("17", ANN), SubscriberRecord("18", LEE))
        change(world, "17", "18")
        assert change(world, "18", "17").status == "updated"
        assert (view(world, 2)["links"], view(world, 2)["orphan"]) == ((("api", "17"),), False)
        push(world, SubscriberRecord("20", "di@example.org"), SubscriberRecord("21", "ed@example.org"))
        push(world, SubscriberRecord("21", deleted=True))
        ended = view(world, change(world, "20", "21").subscriber_id)
        assert (ended["links"], ended["orphan"]) == ((("api", "21"),), False)

    def test_a_known_new_id_joins_both_records(self, world):
        """ID-29's duplicate: values and memberships come along, the old ID stands for the same record."""
        push(world, SubscriberRecord("17", ANN, {"City": "Paris"}, do_not_email=True), interests=("News",))
        push(world, SubscriberRecord("18", ANN, {"FirstName": "Ann"}))
        outcome = change(world, "17", "18")
        assert (outcome.status, outcome.subscriber_id, outcome.changes["merged"]) == ("updated", 2, ("1", "2"))
        shown = view(world, 2)
        assert (shown["links"], shown["interests"], shown["status"]) == ((("api", "18"),), ["News"], "unsubscribed")
        assert {field.name for field in shown["fields"]} == {"FirstName", "City"}
        assert view(world, 1)["merged_into"] == 2
        assert change(world, "17", "18").status == "unchanged"
        push(world, SubscriberRecord("18", ANN, do_not_email=False))
        assert view(world, 2)["status"] == "active"  # its system never speaks of 17 again
        undo(world, 1)
        assert view(world, 1)["interests"] == ["News"] and view(world, 2)["interests"] == []

    def test_with_one_main_per_address_only_the_link_goes(self, world):
        """ID-4, ID-25: two addresses are two mains; who has no link left is an orphan, and an opt-out is told."""
        with world.unit(world.actor(role=ADMIN)) as unit:
            seen = onetomany.preview(unit)
        onetomany.switch_on(world.gateway, world.actor(role=ADMIN), seen.fingerprint)
        push(world, SubscriberRecord("17", ANN, do_not_email=True), SubscriberRecord("18", LEE))
        with world.unit() as unit:
            suppression.unsubscribe(unit, [StatusEntry(Identifier(email=ANN))])
        outcome = change(world, "17", "18")
        assert (outcome.status, outcome.subscriber_id) == ("updated", 2)
        assert [warning.code for warning in outcome.warnings] == ["OPTED_OUT_LINK_MOVED"]
        assert view(world, 1)["orphan"] and view(world, 1)["merged_into"] is None
        shown = view(world, 2)
        assert (shown["links"], shown["status"]) == ((("api", "18"),), "unsubscribed")  # the flag came along
        assert change(world, "17", "18").status == "unchanged"
        switch(world, on=False)
        (adopted,) = push(world, SubscriberRecord("19", ANN))  # whom no remote ID names is known by the address (ID-12)
        assert (adopted.rule, adopted.subscriber_id, view(world, 1)["orphan"]) == ("ID-12", 1, False)

    def test_what_fails(self, world):
        """A problem of the record is a value."""
        push(world, SubscriberRecord("17", ANN))
        problems = [change(world, old, new).problem
                    for old, new in (("9", "17"), ("", "17"), ("17", " "), ("17", "x" * 300))]
        codes = [(problem.code, problem.field) for problem in problems]
        assert codes == [("NOT_FOUND", "oldRemoteId"), ("REMOTE_ID_REQUIRED", "oldRemoteId"),
                         ("REMOTE_ID_REQUIRED", "newRemoteId"), (codes[3][0], "newRemoteId")]
        assert change(world, "17", "17").status == "unchanged"
        assert refused(change, world, "17", "18", as_=world.actor(role="reader")).code == "NOT_ALLOWED"
        assert change(world, "17", "18", as_=world.actor(brand_id=2)).problem.code == "NOT_FOUND"
        assert change(world, "17", "18", as_=world.actor("crm")).problem.code == "NOT_FOUND"

    def test_an_erased_id_is_no_name_for_anybody(self, world):
        """ID-35: what was forgotten is not stored again, whoever asks."""
        push(world, SubscriberRecord("17", ANN), SubscriberRecord("18", LEE))
        with world.unit(world.actor(role=ADMIN)) as unit:
            erasure.erase(unit, Identifier(remote_id="18"), confirmed=True)
        outcome = change(world, "17", "18")
        assert (outcome.status, outcome.problem.code) == ("suppressed", "SUPPRESSED")
        assert view(world, 1)["links"] == (("api", "17"),)

    def test_undone_the_old_id_is_live_again(self, world):
        """ID-26, ID-45: the link that ended with the joining, and the flag that went with it."""
        push(world, SubscriberRecord("17", ANN, do_not_email=True), SubscriberRecord("18", LEE))
        before = view(world, 1)
        change(world, "17", "18")
        undo(world, 1)
        assert view(world, 1) == before and not view(world, 1)["orphan"]
