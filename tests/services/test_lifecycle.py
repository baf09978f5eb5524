"""Review, pause, resume, cancel, send window, spread: the life of mailings and instances (SEND-2, SEND-3, SEND-5,
SEND-36, SEND-38)."""

import datetime as dt
import threading

import pytest

from gateway.db.engine import is_postgresql
from gateway.db.queries import accounts, deliveries, instances
from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.services import brandsettings, lifecycle, mailings, review
from gateway.services.gateway import SilentDoorbell


class Bell(SilentDoorbell):
    def __init__(self):
        self.rings = []

    def ring(self, rings, connection):
        self.rings += rings


def refused(house, act, *args, actor=None, **kw):
    with pytest.raises(GatewayError) as error, house.unit(actor or house.actor()) as unit:
        act(unit, *args, **kw)
    return error.value.code


def do(house, act, *args, brand_id=1, role="sender", **kw):
    with house.unit(house.actor(brand_id=brand_id, role=role)) as unit:
        return act(unit, *args, **kw)


def choose(house, brand_id=1, **wanted):
    with house.unit(system_actor(brand_id)) as unit:
        brandsettings.change(unit, wanted)


# --- review (SEND-2) ----------------------------------------------------------------------------------------------


def test_a_reviewed_mailing_is_sent_when_an_administrator_approved_it(house):
    """SEND-2: draft, in_review, approved, released; who approves is kept, and so is the note."""
    house.add_person("ann@example.org")
    mailing_id = house.create()
    assert refused(house, review.submit, mailing_id) == "STATE_CONFLICT", "this brand reviews nothing yet"
    choose(house, review="true")
    assert refused(house, mailings.send, mailing_id) == "STATE_CONFLICT"
    for _ in range(2):
        assert do(house, review.submit, mailing_id).state == "in_review"
    assert refused(house, mailings.send, mailing_id) == "STATE_CONFLICT"
    assert refused(house, review.approve, mailing_id) == "NOT_ALLOWED"
    for _ in range(2):
        done = do(house, review.approve, mailing_id, "Fine.", role="admin")
    assert (done.state, done.reviewed_by, done.review_note) == ("approved", "user:tester", "Fine.")
    instance_id = do(house, mailings.send, mailing_id).instance_id
    house.run(instance_id)
    assert house.instance(instance_id).state == "sent"
    assert do(house, mailings.send, mailing_id, again=True).state == "scheduled"
    choose(house, brand_id=2, review="false")
    assert house.send(brand_id=2)


def test_any_change_takes_the_approval_back(house):
    """SEND-2 (ours): what was approved is what is sent; a rejected one tells why, and is a draft again."""
    choose(house, review="true")
    mailing_id = house.create()
    do(house, review.submit, mailing_id)
    assert do(house, mailings.update, mailing_id, {"subject": "Other"}).state == "draft"
    do(house, review.submit, mailing_id)
    do(house, review.approve, mailing_id, role="admin")
    assert do(house, mailings.update, mailing_id, {"subject": "Third"}).state == "draft"
    assert refused(house, mailings.send, mailing_id) == "STATE_CONFLICT"
    do(house, review.submit, mailing_id)
    back = do(house, review.reject, mailing_id, "The date is wrong.", role="admin")
    assert (back.state, back.review_note) == ("draft", "The date is wrong.")
    assert do(house, review.submit, mailing_id).review_note is None
    for note, code in (("x" * 2001, "FIELD_TOO_LONG"), ("a\0", "INVALID_CHARACTER")):
        assert refused(house, review.reject, mailing_id, note, actor=house.actor(role="admin")) == code
    for act in (review.submit, review.approve, review.reject):
        assert refused(house, act, mailing_id, actor=house.actor(brand_id=2, role="admin")) in (
            "NOT_FOUND", "STATE_CONFLICT")
        assert refused(house, act, 999, actor=house.actor(role="admin")) == "NOT_FOUND"


# --- pause, resume, cancel (SEND-3, SEND-38) -------------------------------------------------------------------------


def test_pause_before_its_time_and_resume(house, sink):
    """SEND-3: a paused one does not start, and goes back to where it was; SEND-6: resuming rings."""
    house.add_person("ann@example.org")
    instance_id = house.schedule(delay_s=60)
    for _ in range(2):
        view = do(house, mailings.pause, instance_id)
        assert (view.state, view.paused_from) == ("paused", "scheduled")
    house.clock.advance(hours=1)
    house.run(instance_id)
    assert not sink.messages and house.instance(instance_id).state == "paused"
    house.gateway.doorbell = Bell()
    for _ in range(2):
        view = do(house, mailings.resume, instance_id)
        assert (view.state, view.paused_from) == ("scheduled", None)
    assert [ring.task for ring in house.gateway.doorbell.rings] == ["run_instance"]
    house.run(instance_id)
    assert house.instance(instance_id).state == "sent" and len(sink.messages) == 1
    for act in (mailings.pause, mailings.resume):
        assert refused(house, act, instance_id) == "STATE_CONFLICT"
        assert refused(house, act, instance_id, actor=house.actor(brand_id=2)) == "NOT_FOUND"


def test_pause_while_sending_and_resume_repeats_nothing(house, sink):
    """SEND-38: the counts are exact, a new process finds them so, and resume mails exactly the rest."""
    house.add_person("ann@example.org")
    house.add_person("defer-4xx@example.org")
    instance_id = house.schedule()
    house.run(instance_id)
    view = do(house, mailings.pause, instance_id)
    assert (view.state, view.paused_from, view.counts) == ("paused", "sending", {"accepted": 1, "deferred": 1})
    house.check_sums(instance_id)
    house.clock.advance(days=1)
    house.run(instance_id)
    assert house.instance(instance_id).state == "paused" and len(sink.messages) == 1
    with house.reading(system_actor(0)) as unit:
        assert lifecycle.open_instances(unit) == []
        assert (1, instance_id) not in instances.due(unit.connection, unit.now)
    assert do(house, mailings.resume, instance_id).state == "sending"
    house.run(instance_id)
    assert [message.envelope_to[0] for message in sink.messages].count("ann@example.org") == 1
    assert house.deliveries(instance_id)[1].attempt == 2


def test_cancel_of_a_paused_one_and_late_ones(house, sink):
    """SEND-3: paused may be cancelled, and is cancelled when its notAfter passes; neither mails anybody."""
    house.add_person("defer-4xx@example.org")
    first = house.schedule(not_after=house.clock.now + dt.timedelta(hours=2))
    second = house.schedule()
    for instance_id in (first, second):
        house.run(instance_id)
        do(house, mailings.pause, instance_id)
    view = do(house, mailings.cancel, second)
    assert (view.state, view.counts) == ("cancelled", {"cancelled": 1})
    assert refused(house, mailings.resume, second) == "STATE_CONFLICT"
    house.clock.advance(hours=3)
    with house.reading(system_actor(0)) as unit:
        assert instances.due(unit.connection, unit.now) == [(1, first)]
    house.run(first)
    row = house.instance(first)
    assert (row.state, row.reason) == ("cancelled", "late")
    assert not sink.messages


@pytest.mark.parametrize("stop", [mailings.pause, mailings.cancel])
def test_a_stop_in_the_middle_of_it(house, sink, stop):
    """SEND-38: stopped at any moment, its answer is final: nothing leaves after it, and every message is counted."""
    people = [f"p{number}@example.org" for number in range(300)]
    house.add_people(people)
    instance_id = house.schedule()
    worker = threading.Thread(target=lambda: house.gateway and house.run(instance_id))
    worker.start()
    deadline = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=30)
    while len(sink.messages) < 20 and worker.is_alive() and dt.datetime.now(dt.UTC) < deadline:
        worker.join(0.005)
    do(house, stop, instance_id)
    view = mailings.let_go(house.gateway, house.actor(), instance_id, wait_s=20)
    out = len(sink.messages)
    worker.join()
    assert "claimed" not in view.counts and len(sink.messages) == out
    assert view.counts.get("accepted", 0) == out and sum(view.counts.values()) == 300
    if stop is mailings.pause and view.state == "paused":
        do(house, mailings.resume, instance_id)
        house.run(instance_id)
        assert sorted(message.envelope_to[0] for message in sink.messages) == sorted(people)
    house.check_sums(instance_id)


def test_pause_for_transport_tells_why_and_counts_nobody(house):
    """SEND-36: paused with the reason; whoever waits still waits; resumed, refusals are counted anew."""
    house.add_person("defer-4xx@example.org")
    instance_id = house.schedule()
    house.run(instance_id)
    with house.unit(system_actor(1)) as unit:
        assert [instances.count_refusal(unit.connection, 1, instance_id) for _ in range(3)] == [1, 2, 3]
        lifecycle.pause_for_transport(unit, instance_id)
        lifecycle.pause_for_transport(unit, instance_id)
    row = house.instance(instance_id)
    assert (row.state, row.reason, row.paused_from) == ("paused", "transport", "sending")
    report = house.check_sums(instance_id)
    assert (report.bounced, report.pending) == (0, 1)
    view = do(house, mailings.resume, instance_id)
    assert (view.state, view.reason, house.instance(instance_id).transport_refusals) == ("sending", None, 0)


# --- send window (SEND-5) ------------------------------------------------------------------------------------------


def test_nothing_starts_outside_the_window(house, sink):
    """SEND-5: it waits for the opening, says when that is, and rings then. 12:00 UTC is 13:00 in Berlin."""
    choose(house, sendWindow="mon-fri 14:00-15:00", timeZone="Europe/Berlin")
    house.add_person("ann@example.org")
    house.add_person("bo@example.org", brand_id=2)
    instance_id = house.schedule()
    house.gateway.doorbell = Bell()
    house.run(instance_id)
    opens_at = house.clock.now + dt.timedelta(hours=1)
    [ring] = house.gateway.doorbell.rings
    assert (ring.task, ring.delay_s) == ("run_instance", 3600.0)
    view = do(house, mailings.get_instance, instance_id)
    assert (view.state, view.opens_at) == ("scheduled", opens_at) and not sink.messages
    assert house.states(house.send(brand_id=2)) == {"bo@example.org": "accepted"}, "another brand has no window"
    house.clock.advance(hours=1)
    house.run(instance_id)
    assert house.instance(instance_id).state == "sent"


def test_a_running_one_stops_at_the_end_and_goes_on_at_the_next_opening(house, sink):
    """SEND-5: a retry that is due after the end waits; nobody is claimed outside."""
    choose(house, sendWindow="mon-fri 11:00-12:03")
    house.add_person("defer-4xx@example.org")
    house.add_person("ann@example.org")
    instance_id = house.schedule()
    house.gateway.doorbell = Bell()
    house.run(instance_id)
    tomorrow = house.clock.now.replace(hour=11) + dt.timedelta(days=1)
    assert house.gateway.doorbell.rings[-1].delay_s == pytest.approx((tomorrow - house.clock.now).total_seconds())
    house.clock.advance(minutes=10)
    house.run(instance_id)
    assert house.deliveries(instance_id)[0].attempt == 1
    view = do(house, mailings.get_instance, instance_id)
    assert (view.state, view.opens_at) == ("sending", tomorrow)
    with house.reading(system_actor(0)) as unit:
        assert lifecycle.open_instances(unit) == []
    house.clock.now = tomorrow
    house.run(instance_id)
    assert house.deliveries(instance_id)[0].attempt == 2


def test_resumed_outside_the_window_it_waits(house, sink):
    """SEND-5: also one that was paused while it was being prepared."""
    house.add_person("ann@example.org")
    instance_id = house.schedule()
    with house.unit(system_actor(1)) as unit:
        instances.set_state(unit.connection, 1, instance_id, "preparing")
    do(house, mailings.pause, instance_id)
    choose(house, sendWindow="mon 08:00-09:00")
    assert do(house, mailings.resume, instance_id).state == "preparing"
    house.run(instance_id)
    assert house.instance(instance_id).state == "preparing" and not house.deliveries(instance_id)
    choose(house, sendWindow="")
    house.run(instance_id)
    assert house.instance(instance_id).state == "sent"


@pytest.mark.parametrize(("wanted", "field"), [
    ({"sendWindow": "always"}, "sendWindow"), ({"timeZone": "Berlin"}, "timeZone"), ({"frequencyCap": "3"},
                                                                                     "frequencyCap"),
    ({"frequencyCap": "0/7"}, "frequencyCap"), ({"inDoubt": "maybe"}, "inDoubt"), ({"review": "perhaps"}, "review"),
    ({"notifyAddress": "nobody"}, "notifyAddress"), ({"notifyAddress": ",".join(["a@example.org"] * 6)},
                                                     "notifyAddress")])
def test_choices_that_are_none(house, wanted, field):
    """A slip in a setting is refused, and nothing changes."""
    with pytest.raises(GatewayError) as error:
        choose(house, **wanted)
    assert (error.value.code, error.value.field) == ("INVALID_VALUE", field)
    with house.reading() as unit:
        assert accounts.brand_settings(unit.connection, 1) == {}


# --- when, over what time -------------------------------------------------------------------------------------------


def test_moment_of(house):
    """SEND-5: a time on the wall in its zone, else in the brand's."""
    choose(house, timeZone="America/New_York")
    with house.reading() as unit:
        def at(*given):
            return mailings.moment_of(unit, *given).isoformat()
        now = house.clock.now
        assert at(now, None, None) == now.isoformat()
        assert at(None, "2026-05-01T09:00", "Europe/Berlin") == "2026-05-01T07:00:00+00:00"
        assert at(None, "2026-05-01T09:00", None) == "2026-05-01T13:00:00+00:00"
        for given, code, field in (((None, None, None), "INVALID_REQUEST", "sendAt"),
                                   ((now, "2026-05-01T09:00", None), "INVALID_REQUEST", "sendAt"),
                                   ((now, None, "Europe/Berlin"), "INVALID_REQUEST", "timeZone"),
                                   ((None, "tomorrow", None), "INVALID_DATE", "sendAtLocal"),
                                   ((None, "2026-05-01T09:00", "Berlin"), "INVALID_VALUE", "timeZone")):
            with pytest.raises(GatewayError) as error:
                mailings.moment_of(unit, *given)
            assert (error.value.code, error.value.field) == (code, field)


def test_spread_is_kept_for_whoever_sends(house):
    """A mailing may be distributed over hours: the instance says so, and how many there are."""
    house.add_person("defer-4xx@example.org")
    mailing_id = house.create()
    instance_id = do(house, mailings.send, mailing_id, spread_s=4 * 3600).instance_id
    house.run(instance_id)
    with house.reading(system_actor(0)) as unit:
        [one] = lifecycle.open_instances(unit)
    assert (one.brand_id, one.instance_id, one.mailing_id, one.recipients, one.spread_s, one.frozen_at) == (
        1, instance_id, mailing_id, 1, 14400, house.clock.now)
    for spread_s in (59, 14 * 86400 + 1):
        assert refused(house, mailings.send, mailing_id, again=True, spread_s=spread_s) == "INVALID_VALUE"


def test_what_is_given_back_while_it_is_cancelled_is_cancelled_too(house):
    """SEND-38, SEND-11: a cancel and a sender that gives a row back in the same moment do not see each other on
    PostgreSQL; the row is cancelled all the same, and neither waits for ever nor is forgotten by the sweep."""
    for number in range(2):
        house.add_person(f"p{number}@example.org")
    instance_id = house.schedule()
    lifecycle.advance(house.gateway, system_actor(1), instance_id)
    with house.unit(system_actor(0)) as unit:
        [claimed] = deliveries.claim(unit.connection, 1, instance_id, "sender", unit.now,
                                     unit.now + dt.timedelta(minutes=2), 1)
    with house.unit(system_actor(1)) as cancelling:
        mailings.cancel(cancelling, instance_id)
        if is_postgresql(cancelling.connection):  # SQLite has one writer at a time
            with house.unit(system_actor(0)) as giving:
                deliveries.release(giving.connection, "sender", [claimed.delivery_id], giving.now)
    with house.unit(system_actor(0)) as giving:
        deliveries.release(giving.connection, "sender", [claimed.delivery_id], giving.now)
    with house.reading() as unit:
        is_due = (1, instance_id) in instances.due(unit.connection, unit.now)
        assert is_due == is_postgresql(unit.connection)
    house.run(instance_id)
    assert house.check_sums(instance_id).cancelled == 2
    with house.reading() as unit:
        assert instances.due(unit.connection, unit.now) == []
