"""Do opt-outs, bounces and flags do what sections 7 and 8 of identity.md say?"""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from gateway.db.models import metadata
from gateway.db.queries import events
from gateway.domain.accounts import ADMIN
from gateway.domain.events import BOUNCED, NewEvent
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.errors import GatewayError
from gateway.services import imports, subscribers, suppression
from tests.support.world import World

ANN, NEW, OLD = "ann@example.org", "new@example.org", "old@example.org"


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path) as made:
        yield made


def push(world, *records, as_=None, **options):
    with world.unit(as_) as unit:
        return imports.import_records(unit, records, ImportOptions(**options)).outcomes


def rec(remote_id=None, email=None, flag=None, **values):
    return SubscriberRecord(remote_id, email, values, do_not_email=flag)


def unsubscribe(world, *entries, as_=None):
    with world.unit(as_) as unit:
        return suppression.unsubscribe(unit, entries).outcomes


def resubscribe(world, *entries, as_=None):
    with world.unit(as_) as unit:
        return suppression.resubscribe(unit, entries).outcomes


def entry(reason=None, **who):
    return StatusEntry(Identifier(**who), reason)


def view(world, as_=None, **who):
    with world.reading(as_) as unit:
        return subscribers.get(unit, Identifier(**who))


def opt_out(world, email, origin="link", **more):
    with world.unit() as unit:
        return suppression.opt_out(unit, email=email, origin=origin, **more)


def bounce(world, email):
    with world.unit() as unit:
        event_id = events.add(unit.connection, 1, NewEvent(BOUNCED, unit.now, f"b:{email}", address=email), unit.now)
        return suppression.set_bounced(unit, email=email, code="550", bounce_class="hard", event_id=event_id)


def rows(world, table):
    with world.reading() as unit:
        return [row._mapping for row in unit.connection.execute(sa.select(metadata.tables[table]))]


class TestExamples:
    """The worked examples of section 13 about status."""

    def test_8_an_opt_out_follows_the_record(self, world):
        """ID-11, ID-43: and the old address stays opted out too."""
        (first,) = push(world, rec("17", ANN))
        assert opt_out(world, ANN)
        (outcome,) = push(world, rec("17", NEW))
        assert (outcome.status, outcome.rule) == ("updated", "ID-11")
        assert [warning.code for warning in outcome.warnings] == ["NOT_SENDABLE"]
        moved = view(world, subscriber_id=first.subscriber_id)
        assert (moved.email, moved.status, moved.blocked_by) == (NEW, "unsubscribed", ("opt_out",))
        (late,) = push(world, rec("18", ANN))
        assert view(world, subscriber_id=late.subscriber_id).blocked_by == ("opt_out",)

    def test_9_a_bounce_stays_with_the_address(self, world):
        """ID-11, ID-44."""
        (first,) = push(world, rec("17", OLD))
        assert bounce(world, OLD) and not bounce(world, OLD)
        assert view(world, subscriber_id=first.subscriber_id).status == "bad_email"
        (outcome,) = push(world, rec("17", NEW))
        assert outcome.warnings == ()
        assert view(world, subscriber_id=first.subscriber_id).status == "active"
        (other,) = push(world, rec("18", OLD))
        assert view(world, subscriber_id=other.subscriber_id).status == "bad_email"

    def test_10_a_flag_ends_where_it_was_set(self, world):
        """ID-45, ID-52: Resubscribe does not end it, the integration's explicit false does."""
        ams, crm = world.actor("ams"), world.actor("crm")
        push(world, rec("17", ANN, True), as_=ams)
        (second,) = push(world, rec("5", ANN), as_=crm)
        assert [warning.code for warning in second.warnings] == ["NOT_SENDABLE"]
        assert view(world, as_=crm, remote_id="5").blocked_by == ("remote_flag",)

        (answer,) = resubscribe(world, entry("asked by phone", email=ANN))
        assert (answer.status, [warning.code for warning in answer.warnings]) == ("unchanged", ["NOT_SENDABLE"])
        assert "remote_flag" in answer.warnings[0].message
        push(world, rec("5", ANN, False), as_=crm)
        push(world, rec("17", ANN), as_=ams)  # leaving it out says nothing
        assert not view(world, as_=ams, remote_id="17").sendable

        push(world, rec("17", ANN, False), as_=ams)
        assert view(world, as_=ams, remote_id="17").sendable and view(world, as_=crm, remote_id="5").sendable


def test_unsubscribe_acts_on_the_address_and_all_its_records(world):
    """ID-50: idempotent; ID-43: a record that comes later is blocked by the address but not marked (ID-47)."""
    push(world, rec("17", ANN), rec("18", ANN))
    (first,) = unsubscribe(world, entry(remote_id="17"))
    (again,) = unsubscribe(world, entry(email="ANN@example.org"))
    assert (first.status, first.rule, first.email, again.status) == ("updated", "ID-50", ANN, "unchanged")
    assert all(row["opted_out_at"] is not None for row in rows(world, "subscriber"))
    (event,) = [row for row in rows(world, "event") if row["type"] == "unsubscribed"]
    assert (event["address"], event["origin"]) == (ANN, "api")
    push(world, rec("19", ANN))
    assert [row["opted_out_at"] is not None for row in rows(world, "subscriber")] == [True, True, False]
    assert view(world, remote_id="19").status == "unsubscribed"


def test_an_address_may_be_opted_out_before_anybody_has_it(world):
    """ID-50, ID-49: the import that brings it reactivates nobody."""
    (outcome,) = unsubscribe(world, entry(email=ANN))
    assert outcome.status == "updated"
    (pushed,) = push(world, rec("17", ANN))
    assert [warning.code for warning in pushed.warnings] == ["NOT_SENDABLE"]


def test_what_an_unsubscribe_cannot_read(world):
    """ID-28, SOAP-45: a bad entry is a result, never a fault."""
    push(world, rec("17", ANN), rec("18", NEW))
    outcomes = unsubscribe(world, entry(), entry(email="ann"), entry(remote_id="99"), entry(subscriber_id=99),
                           entry(remote_id="17", email=NEW), entry(remote_id="17", email=ANN),
                           entry("a\x00", email=ANN))
    assert [outcome.problem and outcome.problem.code for outcome in outcomes] == [
        "IDENTIFIER_MISSING", "INVALID_EMAIL", "NOT_FOUND", "NOT_FOUND", "IDENTITY_MISMATCH", None,
        "INVALID_CHARACTER"]
    assert [row["email"] for row in rows(world, "address_status")] == [ANN]


def test_resubscribe_clears_opt_out_and_bounce(world):
    """ID-51: it needs a reason, and records it."""
    push(world, rec("17", ANN))
    opt_out(world, ANN)
    bounce(world, ANN)
    (refused,) = resubscribe(world, entry(" ", email=ANN))
    assert (refused.status, refused.problem.code, refused.problem.field) == ("failed", "INVALID_VALUE", "reason")
    (done,) = resubscribe(world, entry("came to the desk", remote_id="17"))
    assert (done.status, done.rule, done.warnings) == ("updated", "ID-51", ())
    assert view(world, remote_id="17").sendable
    (event,) = [row for row in rows(world, "event") if row["type"] == "resubscribed"]
    assert (event["reason"], event["remote_id"]) == ("came to the desk", "17")
    (again,) = resubscribe(world, entry("came to the desk", remote_id="17"))
    (nobody,) = resubscribe(world, entry("came to the desk", email="nobody@example.org"))
    assert (again.status, nobody.problem.code) == ("unchanged", "NOT_FOUND")


def test_a_complaint_is_ended_by_an_administrator(world):
    """ID-51."""
    push(world, rec("17", ANN))
    opt_out(world, ANN, "complaint")
    (refused,) = resubscribe(world, entry("asked", email=ANN))
    assert refused.problem.code == "NOT_ALLOWED"
    (done,) = resubscribe(world, entry("asked", email=ANN), as_=world.actor(role=ADMIN))
    assert done.status == "updated"


def test_opting_out_twice_is_one_event(world):
    """ID-43, SEND-50: the event is the change of state; a second change in the same instant is a second event."""
    assert opt_out(world, ANN, "one-click", reason="too much") and not opt_out(world, ANN, "form")
    (status,) = rows(world, "address_status")
    assert (status["opt_out_origin"], status["opt_out_reason"]) == ("one-click", "too much")
    resubscribe(world, entry("asked", email=ANN))
    assert opt_out(world, ANN)
    assert [row["type"] for row in rows(world, "event")] == ["unsubscribed", "resubscribed", "unsubscribed"]


def test_a_click_in_old_mail_reaches_the_person_at_the_new_address(world):
    """ID-P7: whoever opted out is not mailed, wherever the record went meanwhile."""
    (first,) = push(world, rec("17", OLD))
    push(world, rec("17", NEW))
    assert opt_out(world, OLD, subscriber_id=first.subscriber_id)
    assert view(world, subscriber_id=first.subscriber_id).status == "unsubscribed"


def test_writebacks_go_to_every_key_but_the_callers(world):
    """ID-53, ID-54, ID-59."""
    world.integration("ams", kind="sql")
    world.integration("crm", kind="sql")
    ams, crm = world.actor("ams"), world.actor("crm")
    push(world, rec("17", ANN), as_=ams)
    push(world, rec("5", ANN), as_=crm)
    unsubscribe(world, entry("enough", email=ANN), as_=crm)
    assert [(row["remote_id"], row["kind"], row["payload"]["reason"]) for row in rows(world, "writeback")] == [
        ("17", "unsubscribe", "enough")]
    resubscribe(world, entry("asked", email=ANN))
    assert [row["kind"] for row in rows(world, "writeback")] == ["unsubscribe", "resubscribe", "resubscribe"]


def test_a_resubscribe_that_ends_a_bounce_alone_is_told_to_nobody(world):
    """ID-54: the system was never told of an opt-out; the address is simply tried again."""
    world.integration("ams", kind="sql")
    push(world, rec("17", ANN), as_=world.actor("ams"))
    with world.unit() as unit:
        event_id = events.add(unit.connection, 1, NewEvent(BOUNCED, unit.now, "b", address=ANN), unit.now)
        assert suppression.set_bounced(unit, email=ANN, code="5.1.1", bounce_class="hard", event_id=event_id)
    resubscribe(world, entry("asked", email=ANN))
    assert view(world, email=ANN).status == "active"
    assert [row["kind"] for row in rows(world, "writeback")] == ["bad_email"]


def test_merge_and_adoption_carry_marks_along(world):
    """ID-26, ID-47."""
    (mine,) = push(world, rec(None, ANN))
    opt_out(world, ANN)
    (adopted,) = push(world, rec("17", ANN))
    assert adopted.status == "adopted" and adopted.subscriber_id == mine.subscriber_id
    push(world, rec("17", NEW))
    assert view(world, remote_id="17").blocked_by == ("opt_out",)

    push(world, rec(None, OLD), rec("18", "lee@example.org"))
    opt_out(world, OLD)
    push(world, rec("18", OLD))
    push(world, rec("18", "elsewhere@example.org"))
    assert view(world, remote_id="18").blocked_by == ("opt_out",)


def test_the_right_is_needed(world):
    """SOAP-18."""
    for act in (unsubscribe, resubscribe):
        with pytest.raises(GatewayError) as refused:
            act(world, entry("x", email=ANN), as_=world.actor(role="reader"))
        assert refused.value.code == "NOT_ALLOWED"


def test_1001_entries_are_refused(world):
    """SOAP-45."""
    with pytest.raises(GatewayError) as refused:
        unsubscribe(world, *[entry(email=f"p{n}@example.org") for n in range(1001)])
    assert refused.value.code == "TOO_MANY_RECORDS"


def test_decisions_are_kept(world):
    """ID-78: what changed or failed; an unchanged one is only counted."""
    unsubscribe(world, entry(email=ANN), entry(email=ANN), entry(remote_id="99"))
    assert [(row["rule"], row["status"], row["code"]) for row in rows(world, "decision")] == [
        ("ID-50", "updated", None), ("ID-50", "failed", "NOT_FOUND")]
