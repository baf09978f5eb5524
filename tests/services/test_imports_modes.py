"""Do iMIS Legacy, One-to-Many, corrections, erasures and priorities do what identity.md says, on real databases?"""

from __future__ import annotations

import json

import pytest
import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.domain.accounts import ADMIN
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.services import erasure, imports, optout, subscribers, suppression
from tests.support.world import World


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path, brands=(1, 2)) as made:
        yield made


def set_brand(world, brand_id=1, **settings):
    t = metadata.tables["brand"]
    with world.unit() as unit:
        unit.connection.execute(sa.update(t).where(t.c.id == brand_id).values(settings=settings))


@pytest.fixture
def mains(world):
    """The world, brand 1 switched to One-to-Many."""
    set_brand(world, identityMode="one_to_many")
    return world


def rec(remote_id=None, email=None, *interests, flag=None, **values):
    return SubscriberRecord(remote_id, email, values, interests, do_not_email=flag)


def push(world, *records, by="ams", brand_id=1, door="soap", **options):
    with world.unit(world.actor(by, brand_id=brand_id, door=door)) as unit:
        return imports.import_records(unit, records, ImportOptions(**options)).outcomes


def one(world, record, **options):
    (outcome,) = push(world, record, **options)
    return outcome


def look(world, subscriber_id, by="ams"):
    with world.reading(world.actor(by)) as unit:
        return subscribers.get(unit, Identifier(subscriber_id=subscriber_id))


def opt_out(world, email):
    with world.unit() as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(email=email))])


def table(world, name, **where):
    t = metadata.tables[name]
    with world.reading() as unit:
        query = sa.select(t).where(*(t.c[column] == value for column, value in where.items()))
        return [dict(row._mapping) for row in unit.connection.execute(query)]


def codes(outcome):
    return [warning.code for warning in outcome.warnings]


def told(outcome):
    return outcome.status, outcome.rule, outcome.subscriber_id


def member_of(view):
    return sorted(row.name for row in view.interests if row.until is None)


class TestOneToMany:
    """Section 3."""

    def test_links_of_all_sources_hang_on_one_main(self, mains):
        """ID-4, ID-20..23: one record per address, whoever sends it."""
        first = one(mains, rec(None, "ann@example.org"), by="crm", label="spring")
        assert told(first)[:2] == ("created", "ID-22")
        assert told(one(mains, rec("17", "Ann@example.org"))) == ("adopted", "ID-21", first.subscriber_id)
        assert told(one(mains, rec("18", "ann@example.org"))) == ("adopted", "ID-21", first.subscriber_id)
        assert told(one(mains, rec("5", "ann@example.org"), by="crm")) == ("adopted", "ID-21", first.subscriber_id)
        assert told(one(mains, rec("17", "ann@example.org"))) == ("unchanged", "ID-20", first.subscriber_id)
        assert told(one(mains, rec(None, "ann@example.org"))) == ("unchanged", "ID-23", first.subscriber_id)
        view = look(mains, first.subscriber_id)
        assert view.links == (("ams", "17"), ("ams", "18"), ("crm", "5"))
        assert (view.source, view.first_source) == ("integration:crm", "upload:spring")
        assert [row["is_main"] for row in table(mains, "subscriber")] == [True]

    def test_the_only_link_renames(self, mains):
        """ID-24, ID-P5, ID-43: the opt-out goes with the record; the old address stays opted out."""
        first = one(mains, rec("17", "ann@example.org", "News"))
        opt_out(mains, "ann@example.org")
        renamed = one(mains, rec("17", "lee@example.org"))
        assert told(renamed) == ("updated", "ID-24", first.subscriber_id)
        assert renamed.changes["email"] == ("ann@example.org", "lee@example.org")
        assert look(mains, first.subscriber_id).blocked_by == ("opt_out",)
        assert told(one(mains, rec("18", "ann@example.org")))[:2] == ("created", "ID-22")

    def test_worked_example_11(self, mains):
        """ID-25: a new main takes over the opt-out; the old one keeps its other link."""
        first = one(mains, rec("17", "ann@example.org", "News", FirstName="Ann"))
        one(mains, rec("5", "ann@example.org", "Theirs", LastName="Quill"), by="crm")
        opt_out(mains, "ann@example.org")
        moved = one(mains, rec("17", "new@example.org"))
        assert told(moved)[:2] == ("created", "ID-25") and moved.matched_by == "remoteId"
        old, new = look(mains, first.subscriber_id), look(mains, moved.subscriber_id)
        assert (old.links, new.links) == ((("crm", "5"),), (("ams", "17"),))
        assert (new.status, new.blocked_by, new.first_source) == ("unsubscribed", ("opt_out",), "integration:ams")
        assert not old.orphan and not new.orphan
        assert (member_of(old), member_of(new)) == (["Theirs"], ["News"])
        assert {f.name: f.value for f in old.fields} == {"LastName": "Quill"}
        assert {f.name: f.value for f in new.fields} == {"FirstName": "Ann"}
        assert told(one(mains, rec("17", "new@example.org"))) == ("unchanged", "ID-20", moved.subscriber_id)

    def test_to_an_existing_main(self, mains):
        """ID-25: it keeps its own status; a warning if the old one was opted out; without links an orphan."""
        old = one(mains, rec("17", "ann@example.org", "News", FirstName="Ann"))
        new = one(mains, rec(None, "lee@example.org"), by="crm")
        opt_out(mains, "ann@example.org")
        moved = one(mains, rec("17", "lee@example.org"))
        assert told(moved) == ("adopted", "ID-25", new.subscriber_id)
        assert codes(moved) == ["OPTED_OUT_LINK_MOVED"]
        assert moved.changes["orphaned"] == (None, str(old.subscriber_id))
        view, left = look(mains, new.subscriber_id), look(mains, old.subscriber_id)
        assert view.sendable and member_of(view) == ["News"]
        assert left.orphan and member_of(left) == [] and {f.name: f.value for f in left.fields} == {"FirstName": "Ann"}

    def test_an_orphan_revives(self, mains):
        """ID-21, ID-20, ID-34: by a new link or by its own key."""
        first = one(mains, rec("17", "ann@example.org"))
        one(mains, SubscriberRecord("17", deleted=True))
        assert look(mains, first.subscriber_id).orphan
        assert told(one(mains, rec("18", "ann@example.org"))) == ("adopted", "ID-21", first.subscriber_id)
        assert not look(mains, first.subscriber_id).orphan
        one(mains, SubscriberRecord("18", deleted=True))
        assert told(one(mains, rec("17", "ann@example.org"))) == ("updated", "ID-20", first.subscriber_id)
        assert not look(mains, first.subscriber_id).orphan

    def test_the_flag_follows_the_key(self, mains):
        """ID-45."""
        old = one(mains, rec("17", "ann@example.org", flag=True))
        one(mains, rec("5", "ann@example.org"), by="crm")
        assert look(mains, old.subscriber_id).blocked_by == ("remote_flag",)
        new = one(mains, rec("17", "lee@example.org"))
        assert look(mains, old.subscriber_id).sendable
        assert look(mains, new.subscriber_id).blocked_by == ("remote_flag",)

    def test_what_the_person_left_is_left_at_the_new_main(self, mains):
        """ID-25, ID-39."""
        old = one(mains, rec("17", "ann@example.org", "News"))
        one(mains, rec("5", "ann@example.org"), by="crm")
        (interest,) = table(mains, "interest")
        with mains.unit() as unit:
            unit.connection.execute(sa.insert(metadata.tables["interest_opt_out"]).values(
                brand_id=1, subscriber_id=old.subscriber_id, interest_id=interest["id"], left_at=unit.now,
                origin="form"))
        new = one(mains, rec("17", "lee@example.org", "News"))
        assert codes(new) == ["INTEREST_OPTED_OUT"] and member_of(look(mains, new.subscriber_id)) == []
        assert codes(one(mains, rec("17", "lee@example.org", "News"))) == ["INTEREST_OPTED_OUT"]

    def test_an_interest_left_is_not_brought_to_another_main(self, mains):
        """ID-25, ID-39: the membership stays behind, for the person left it."""
        old = one(mains, rec("17", "ann@example.org", "News", "Events"))
        new = one(mains, rec("18", "lee@example.org"))
        with mains.unit() as unit:
            optout.opt_out(unit, ["News"], [StatusEntry(Identifier(subscriber_id=old.subscriber_id))])
        assert told(one(mains, rec("17", "lee@example.org"))) == ("adopted", "ID-25", new.subscriber_id)
        assert member_of(look(mains, new.subscriber_id)) == ["Events"]

    def test_a_main_without_any_remote_id_is_known_by_its_address(self, mains):
        """ID-25, ID-12, ID-P6: also when the brand is switched back; a new remote ID adopts and revives it."""
        old = one(mains, rec("17", "ann@example.org"))
        one(mains, rec("18", "lee@example.org"))
        one(mains, rec("17", "lee@example.org"))
        assert look(mains, old.subscriber_id).orphan
        set_brand(mains)
        assert told(one(mains, rec("99", "ann@example.org"))) == ("adopted", "ID-12", old.subscriber_id)
        assert not look(mains, old.subscriber_id).orphan

    def test_both_mains_tell_of_a_link_that_moved(self, mains):
        """ID-78, ID-25: in the order in which it was; the old one does not tell the new address."""
        old = one(mains, rec("17", "ann@example.org"))
        new = one(mains, rec("18", "lee@example.org"))
        one(mains, rec("17", "lee@example.org"))
        at_old, at_new = table(mains, "decision", rule="ID-25")
        assert (at_old["subscriber_id"], at_old["status"], at_old["email"], at_old["remote_id"]) == (
            old.subscriber_id, "updated", "ann@example.org", "17")
        assert json.loads(at_old["changes"]) == {
            "remoteId": ["17", None], "subscriber": [str(old.subscriber_id), str(new.subscriber_id)],
            "orphan": ["false", "true"]}
        assert (at_new["subscriber_id"], at_new["status"]) == (new.subscriber_id, "adopted")
        with mains.unit(mains.actor("ams", role=ADMIN)) as unit:
            erasure.erase(unit, Identifier(remote_id="17"), confirmed=True)
        assert {(row["remote_id"], row["changes"]) for row in table(mains, "decision", rule="ID-25")} == {(None, None)}

    @pytest.mark.parametrize("moved", [True, False])
    def test_a_replace_all_whose_link_moves_between_its_chunks(self, mains, moved):
        """PUSH-55, ID-25, ID-31: as if one came after the other: the remote ID was named, whoever has it at the end."""
        one(mains, rec("17", "ann@example.org"), interests=("News",))
        lee = one(mains, rec("18", "lee@example.org"), interests=("News",))
        options = ImportOptions(mode="ReplaceAll", interests=("News",))
        with mains.unit(mains.actor("ams")) as unit:
            context = imports.prepare(unit, options, imports.open_upload(unit, options))
            imports.apply_chunk(unit, context, [rec("17", "ann@example.org")], 0)
        if moved:
            one(mains, rec("17", "lee@example.org"))
        with mains.unit(mains.actor("ams")) as unit:
            assert imports.finish(unit, context) == (0 if moved else 1)
        assert (member_of(look(mains, lee.subscriber_id)) == ["News"]) == moved

    def test_mains_swap_addresses_in_one_batch(self, mains):
        """ID-27, ID-31: as if each came alone, though the unique key of mains sees only the end."""
        ann, lee = push(mains, rec("1", "ann@example.org"), rec("2", "lee@example.org"))
        outcomes = push(mains, rec("1", "tmp@example.org"), rec("2", "ann@example.org"), rec("1", "lee@example.org"))
        assert [(o.status, o.rule) for o in outcomes] == [("updated", "ID-24")] * 3
        assert look(mains, ann.subscriber_id).email == "lee@example.org"
        assert look(mains, lee.subscriber_id).email == "ann@example.org"

    def test_switched_off_again(self, mains):
        """ID-75: the mains stay, and later records go through section 2, also to the address of a main."""
        ann, lee = push(mains, rec("1", "ann@example.org"), rec("2", "lee@example.org"))
        set_brand(mains)
        assert told(one(mains, rec("1", "lee@example.org"))) == ("updated", "ID-11", ann.subscriber_id)
        assert told(one(mains, rec("3", "lee@example.org")))[:2] == ("created", "ID-13")
        assert told(one(mains, rec("2", "lee@example.org"))) == ("unchanged", "ID-10", lee.subscriber_id)

    def test_the_other_brand_stays_as_it_is(self, mains):
        """ID-4, ID-P15: a brand is switched, not the installation."""
        outcomes = push(mains, rec("1", "fam@example.org"), rec("2", "fam@example.org"), brand_id=2)
        assert [o.rule for o in outcomes] == ["ID-13", "ID-13"]


def test_imis_legacy(world):
    """ID-3: the ID alone is required and decides; the address may repeat and change; other integrations as ever."""
    world.integration("imis")
    with world.unit() as unit:
        t = metadata.tables["integration"]
        unit.connection.execute(sa.update(t).where(t.c.name == "imis").values(identity="imis_legacy"))
    first, second, failed = push(world, rec("1", "fam@example.org"), rec("2", "fam@example.org"),
                                 rec(None, "fam@example.org"), by="imis")
    assert [o.rule for o in (first, second)] == ["ID-13", "ID-13"]
    assert (failed.status, failed.rule, failed.problem.code) == ("failed", "ID-3", "REMOTE_ID_REQUIRED")
    assert told(one(world, rec("2", "own@example.org"), by="imis")) == ("updated", "ID-11", second.subscriber_id)
    assert told(one(world, rec(None, "own@example.org"))) == ("unchanged", "ID-15", second.subscriber_id)


class TestAddresses:
    """ID-8, ID-9."""

    def test_slips_are_corrected_where_the_brand_wants_it(self, world):
        """ID-9: off by default; on: a warning and both spellings."""
        assert one(world, rec("17", "ann@@example.org")).problem.code == "INVALID_EMAIL"
        set_brand(world, repairAddresses=True)
        outcome = one(world, rec("17", "Ann@@example.org.. "))
        assert (outcome.status, outcome.email, codes(outcome)) == ("created", "ann@example.org", ["ADDRESS_CORRECTED"])
        (decision,) = table(world, "decision", status="created")
        assert json.loads(decision["changes"])["spelling"] == ["Ann@@example.org..", "ann@example.org"]
        again = one(world, rec("17", "Ann@@example.org.. "))
        assert (again.status, codes(again)) == ("unchanged", ["ADDRESS_CORRECTED"])
        assert one(world, rec("18", "nobody@@")).problem.code == "INVALID_EMAIL"
        assert one(world, rec("18", "a@b@example.org")).problem.code == "INVALID_EMAIL"
        assert one(world, rec("18", "ann@example.org")).warnings == ()

    def test_one_writeback_per_remote_key_to_the_sender(self, world):
        """ID-9, ID-57, ID-59: when it changed something; not for a dry run; not to other integrations."""
        set_brand(world, repairAddresses=True)
        for name in ("ams", "crm"):
            world.integration(name, kind="sql")
        push(world, rec("5", "ann@example.org"), by="crm")
        push(world, rec("17", "ann@@example.org"), dry_run=True)
        assert table(world, "writeback") == []
        push(world, rec("17", "ann@@example.org"))
        push(world, rec("17", "ann@@example.org"))
        push(world, rec(None, "bo@@example.org"))
        (row,) = table(world, "writeback")
        assert (row["kind"], row["remote_id"], row["email"], row["payload"]["spelled"]) == (
            "corrected_address", "17", "ann@example.org", "ann@@example.org")
        (event,) = table(world, "event", type="address_corrected")
        assert row["event_id"] == event["id"]

    def test_letters_outside_ascii(self, world):
        """ID-8: only with SMTPUTF8 switched on, in composed lower-case form (ID-7)."""
        assert one(world, rec("17", "J\u00f6rg@example.org")).problem.code == "INVALID_EMAIL"
        set_brand(world, smtpUtf8=True)
        assert one(world, rec("17", "JO\u0308RG@example.org")).email == "j\u00f6rg@example.org"
        opt_out(world, "J\u00f6rg@example.org")
        with world.reading() as unit:
            found = subscribers.get(unit, Identifier(email="J\u00d6RG@example.org"))
        assert found.blocked_by == ("opt_out",)  # whoever is stored must be able to leave
        assert one(world, rec("18", "j\u00f6 rg@example.org")).problem.code == "INVALID_EMAIL"
        assert one(world, rec("18", "j\u00f6(rg@example.org")).problem.code == "INVALID_EMAIL"


@pytest.mark.parametrize(("door", "options", "rule"), [
    ("soap", {}, "ID-11"), ("push", {}, "ID-11"), ("cli", {}, "ID-28"), ("console", {}, "ID-28"),
    ("cli", {"change_addresses": True}, "ID-11"), ("soap", {"change_addresses": False}, "ID-28")])
def test_who_may_overwrite_an_address(world, door, options, rule):
    """ID-28: an integration always; a person's file only if they said so; else nothing changes."""
    first = one(world, rec("17", "ann@example.org"))
    outcome = one(world, rec("17", "lee@example.org", FirstName="Lee"), door=door, **options)
    assert outcome.rule == rule
    changed = rule == "ID-11"
    assert (outcome.status, outcome.problem and outcome.problem.code) == (
        ("updated", None) if changed else ("failed", "IDENTITY_MISMATCH"))
    view = look(world, first.subscriber_id)
    assert (view.email, len(view.fields)) == (("lee@example.org", 1) if changed else ("ann@example.org", 0))


def test_who_was_erased_is_not_stored_again(world):
    """ID-35: by address or by remote key of that integration; nothing of the record stays."""
    one(world, rec("17", "ann@example.org", FirstName="Ann"))
    with world.unit(world.actor("ams", role=ADMIN)) as unit:
        erasure.erase(unit, Identifier(remote_id="17"), confirmed=True)
    before = len(table(world, "subscriber"))
    outcomes = push(world, rec("99", "Ann@example.org", FirstName="Ann"), rec("17", "other@example.org"),
                    rec(None, "bo@example.org"), SubscriberRecord("17", deleted=True))
    assert [(o.status, o.rule, o.problem and o.problem.code) for o in outcomes] == [
        ("suppressed", "ID-35", "SUPPRESSED"), ("suppressed", "ID-35", "SUPPRESSED"), ("created", "ID-14", None),
        ("suppressed", "ID-35", "SUPPRESSED")]
    assert len(table(world, "subscriber")) == before + 1
    assert all(row["email"] is None and row["remote_id"] is None
               for row in table(world, "decision", status="suppressed"))
    assert one(world, rec("17", "cy@example.org"), by="crm").status == "created"
    assert one(world, rec("17", "ann@example.org"), brand_id=2).status == "created"


def test_a_resumed_replace_all_keeps_whom_a_row_of_the_erased_may_mean(world):
    """ID-35, ID-P2: whether a worker went on or another one took over, the same people are named."""
    one(world, rec("17", "fam@example.org"))
    one(world, rec("18", "fam@example.org"), interests=("News",))
    with world.unit(world.actor("ams", role=ADMIN)) as unit:
        erasure.erase(unit, Identifier(remote_id="17"), confirmed=True)
    options, rows = ImportOptions(mode="ReplaceAll", interests=("News",)), [rec("17", "fam@example.org")]
    with world.unit(world.actor("ams")) as unit:
        first = imports.prepare(unit, options, imports.open_upload(unit, options))
        (outcome,) = imports.apply_chunk(unit, first, rows, 0)
        assert outcome.status == "suppressed"
        second = imports.prepare(unit, options, first.upload_id)
        imports.recognise(unit, second, rows)
        assert imports.finish(unit, first) == imports.finish(unit, second) == 0


def test_the_brand_has_its_own_order_of_sources(world):
    """ID-36, ID-37: listed ones first, the others in the default order behind them."""
    first = one(world, rec("17", "ann@example.org", City="of ams", Title="of ams"))
    one(world, rec(None, "ann@example.org", City="of crm", Suffix="of crm"), by="crm")
    assert {f.name: f.value for f in look(world, first.subscriber_id).fields}["City"] == "of ams"
    set_brand(world, sourcePriority=["integration:crm", "upload:x"])
    assert {f.name: f.value for f in look(world, first.subscriber_id).fields} == {
        "City": "of crm", "Title": "of ams", "Suffix": "of crm"}
    outcome = one(world, rec("17", "ann@example.org", City="new"))
    assert codes(outcome) == ["VALUE_NOT_EFFECTIVE"]
    assert codes(one(world, rec(None, "ann@example.org", City="newer"), by="crm")) == []


def test_a_merge_can_be_undone_later(world):
    """ID-26, ID-17: each tombstone has a row with what undoing needs."""
    twin = one(world, rec(None, "lee@example.org", "News", FirstName="Lee"), by="crm")
    first = one(world, rec("17", "ann@example.org"))
    one(world, rec("17", "lee@example.org"))
    (row,) = table(world, "subscriber_merge")
    assert (row["loser_id"], row["survivor_id"], row["rule"]) == (twin.subscriber_id, first.subscriber_id, "ID-17")
    assert row["upload_id"] == max(upload["id"] for upload in table(world, "upload"))


def test_the_mode_follows_record_by_record_from_its_identifiers(world):
    """ID-1, ID-2, ID-5: there is no switch between the remote key and the address, not even within one call."""
    outcomes = push(world, rec("17", "fam@example.org"), rec("18", "fam@example.org"), rec(None, "ann@example.org"),
                    rec(None, "ANN@example.org", FirstName="Ann"), rec("19", "ann@example.org"))
    assert [(o.status, o.rule) for o in outcomes] == [
        ("created", "ID-13"), ("created", "ID-13"), ("created", "ID-14"), ("updated", "ID-15"), ("adopted", "ID-12")]
    assert outcomes[2].subscriber_id == outcomes[4].subscriber_id


def test_a_local_value_stands_between_integrations_and_uploads(world):
    """ID-36, ID-37, ID-30: an upload with a label has values of its sender; local ones are never touched."""
    first = one(world, rec(None, "ann@example.org", City="of ams"), label="fair")
    assert look(world, first.subscriber_id).fields[0].source == "integration:ams"
    t, v = metadata.tables["source"].c, metadata.tables["source_values"]
    with world.unit() as unit:
        local = unit.connection.scalar(sa.select(t.id).where(t.brand_id == 1, t.kind == "local"))
        unit.connection.execute(sa.insert(v).values(
            brand_id=1, subscriber_id=first.subscriber_id, source_id=local, document='{"City":"local","Title":"local"}',
            changed="{}", changed_at=unit.now))
    shown = {f.name: (f.value, f.source) for f in look(world, first.subscriber_id).fields}
    assert shown == {"City": ("of ams", "integration:ams"), "Title": ("local", "local")}
    one(world, SubscriberRecord(None, "ann@example.org", {"City": None}))
    shown = {f.name: (f.value, f.source) for f in look(world, first.subscriber_id).fields}
    assert shown == {"City": ("local", "local"), "Title": ("local", "local")}
