"""From the time reached to the last outcome: run_instance (sending.md sections 1, 4)."""

import threading

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import delivery, instance
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.services import lanes, mailings, sending
from gateway.services.lanes import Pace
from tests.support.smtp_sink import SmtpSink


def addresses(sink):
    return sorted(message.envelope_to[0] for message in sink.messages)


def test_one_message_per_recipient_and_the_instance_ends(house, sink):
    """SEND-3, SEND-7: scheduled -> preparing -> sending -> sent, one message each."""
    house.add_person("ann@example.org", values={"FirstName": "Ann"})
    house.add_person("bob@example.org")
    instance_id = house.send()
    assert addresses(sink) == ["ann@example.org", "bob@example.org"]
    assert house.instance(instance_id).state == "sent"
    assert house.instance(instance_id).finished_at == house.clock.now
    assert house.states(instance_id) == {"ann@example.org": "accepted", "bob@example.org": "accepted"}
    subjects = {m.envelope_to[0]: m.data.split(b"\r\nSubject: ")[1].split(b"\r\n")[0] for m in sink.messages}
    assert subjects == {"ann@example.org": b"News for Ann", "bob@example.org": b"News for you"}
    assert [row.type for row in house.events(instance_id)] == ["sent", "sent"]


def test_running_again_sends_nothing(house, sink):
    """SEND-6: a repeated job repeats nothing."""
    house.add_person("ann@example.org")
    instance_id = house.send()
    for _ in range(3):
        house.run(instance_id)
    assert len(sink.messages) == 1
    assert len(house.deliveries(instance_id)) == 1


def test_early_job_waits(house, sink):
    """SEND-6: an early job changes nothing; the sweep finds the instance when its time has come."""
    house.add_person("ann@example.org")
    instance_id = house.schedule(delay_s=3600)
    house.run(instance_id)
    assert house.instance(instance_id).state == "scheduled"
    assert sending.due(house.gateway) == []
    house.clock.advance(hours=1)
    assert sending.due(house.gateway) == [(1, instance_id)]
    house.run(instance_id)
    assert addresses(sink) == ["ann@example.org"]
    assert sending.due(house.gateway) == []


def test_unknown_and_foreign_instances_do_nothing(house, sink):
    """A job for what is not there, or of another brand, changes nothing."""
    house.add_person("ann@example.org")
    instance_id = house.schedule()
    sending.run_instance(house.gateway, 1, 999)
    sending.run_instance(house.gateway, 2, instance_id)
    assert house.instance(instance_id).state == "scheduled"
    assert not sink.messages


def test_an_empty_audience_is_sent_at_once(house):
    """An instance that reaches nobody still ends."""
    house.add_person("ann@example.org", opted_out=True)
    instance_id = house.send()
    assert house.instance(instance_id).state == "sent"
    assert house.states(instance_id) == {"ann@example.org": "unsubscribed"}


def test_outcomes_of_every_kind(house, sink):
    """SEND-27..31, SEND-54: each reply becomes its state, class and events."""
    for name in ("fine", "bounce-5xx", "full", "defer-4xx", "reject-data", "drop-in-data", "drop-after-dot", "421"):
        house.add_person(f"{name}@example.org")
    instance_id = house.send()
    rows = {row.email.split("@")[0]: row for row in house.deliveries(instance_id)}
    # of a message dropped in the middle the kernel decides whether its last bytes were handed over
    assert rows["drop-in-data"].state in ("in_doubt", "deferred")
    assert {name: row.state for name, row in rows.items() if name != "drop-in-data"} == {
        "fine": "accepted", "bounce-5xx": "refused", "full": "refused", "defer-4xx": "deferred",
        "reject-data": "refused", "drop-after-dot": "in_doubt", "421": "deferred"}
    assert (rows["bounce-5xx"].bounce_class, rows["bounce-5xx"].code) == ("hard", "5.1.1")
    assert rows["full"].bounce_class == "soft"
    assert rows["reject-data"].bounce_class == "block"
    assert rows["fine"].accepted_at and rows["fine"].attempt == 1
    kinds = {}
    for row in house.events(instance_id):
        kinds.setdefault(row.address.split("@")[0], []).append(row.type)
    assert kinds["fine"] == ["sent"] and kinds["bounce-5xx"] == ["sent", "bounced"]
    assert kinds["defer-4xx"] == ["deferred"] and kinds["drop-after-dot"] == ["in_doubt"]
    report = house.report(instance_id)
    assert (report.sent, report.bounced_hard, report.bounced_soft, report.bounced_block) == (4, 1, 1, 1)
    assert report.delivered == 1
    assert house.instance(instance_id).state == "sending"


def test_deferred_ones_are_tried_again_at_their_time(house, sink):
    """SEND-29, SEND-33: 5 minutes +-20 %, kept in the row; then accepted."""
    house.add_person("defer-4xx@example.org")
    instance_id = house.send()
    row = house.deliveries(instance_id)[0]
    assert 240 <= (row.next_at - house.clock.now).total_seconds() <= 360
    assert row.body_started_at is None and row.attempt == 1
    house.run(instance_id)
    assert house.deliveries(instance_id)[0].attempt == 1
    house.clock.set(row.next_at)
    assert sending.due(house.gateway) == [(1, instance_id)]
    house.run(instance_id)
    assert house.deliveries(instance_id)[0].attempt == 2
    assert [e.type for e in house.events(instance_id)] == ["deferred", "deferred"]


def test_a_deferred_one_expires_after_two_days(house):
    """SEND-33: temporary failures until the age limit, then expired and a soft bounce."""
    house.add_person("defer-4xx@example.org")
    instance_id = house.send()
    for _ in range(30):
        row = house.deliveries(instance_id)[0]
        if row.state != "deferred":
            break
        house.clock.set(row.next_at)
        house.run(instance_id)
    assert (row.state, row.bounce_class) == ("expired", "soft")
    assert house.instance(instance_id).state == "sent"
    assert house.report(instance_id).bounced_soft == 1
    assert [e.type for e in house.events(instance_id)][-2:] == ["sent", "bounced"]


def test_a_dead_mail_server_costs_no_attempt_and_backs_off(house, sink):
    """SEND-32: rows stay queued, no attempt counted, 1 s, 2 s, 4 s ... 5 min; nobody is counted as bounced."""
    house.add_person("ann@example.org")
    instance_id = house.schedule()
    with SmtpSink(replies={"MAIL": b"554 5.7.1 go away\r\n"}) as broken:
        house.gateway.settings = replace_url(house, broken.url)
        waits = []
        for _ in range(11):
            house.run(instance_id)
            row = house.deliveries(instance_id)[0]
            assert (row.state, row.attempt, row.bounce_class) == ("queued", 0, None)
            waits.append((row.next_at - house.clock.now).total_seconds())
            before = broken.connections
            house.run(instance_id)
            assert broken.connections == before, "it must leave the server alone"
            house.clock.set(row.next_at)
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert house.instance(instance_id).state == "sending"
    house.gateway.settings = replace_url(house, sink.url)
    house.run(instance_id)
    assert addresses(sink) == ["ann@example.org"]
    assert house.instance(instance_id).state == "sent"


def replace_url(house, url):
    return type(house.settings)(**{name: getattr(house.settings, name) for name in house.settings.__slots__}
                                | {"smtp_url": url})


def test_an_opt_out_after_the_freeze_is_left_out(house, sink):
    """SEND-9: checked again when a group is planned, with the same words."""
    ann, bob = house.add_person("ann@example.org"), house.add_person("bob@example.org")
    cat, dan = house.add_person("cat@example.org", remote_id="3"), house.add_person("dan@example.org")
    instance_id = house.schedule()
    sending._start(house.gateway, sending.system_actor(1), instance_id)
    sending._freeze(house.gateway, sending.system_actor(1), instance_id)
    assert set(house.states(instance_id).values()) == {"queued"}
    house.set_address("ann@example.org", opted_out_at=house.clock.now)
    house.set_address("bob@example.org", bounced_at=house.clock.now)
    with house.unit() as unit:
        unit.connection.execute(sa.text("UPDATE remote_key SET do_not_email = true"))
    house.run(instance_id)
    assert addresses(sink) == ["dan@example.org"]
    assert house.states(instance_id) == {"ann@example.org": "unsubscribed", "bob@example.org": "bad_email",
                                         "cat@example.org": "remote_flag", "dan@example.org": "accepted"}
    assert {ann, bob, cat, dan} == {row.subscriber_id for row in house.deliveries(instance_id)}


def test_late_instances_are_cancelled(house, sink):
    """SEND-3, SEND-5: notAfter passed -> cancelled, reason late, nothing sent; the mailing is a draft again."""
    house.add_person("ann@example.org")
    mailing_id = house.create()
    instance_id = house.schedule(mailing_id, delay_s=60, not_after=house.clock.now.replace(hour=13))
    house.clock.advance(hours=2)
    assert sending.due(house.gateway) == [(1, instance_id)]
    house.run(instance_id)
    found = house.instance(instance_id)
    assert (found.state, found.reason) == ("cancelled", "late")
    assert not sink.messages
    with house.reading() as unit:
        assert mailings.get(unit, mailing_id).state == "draft"


def test_not_after_ends_the_retries(house):
    """SEND-5: what is not out by notAfter stays in."""
    house.add_person("defer-4xx@example.org")
    house.add_person("ann@example.org")
    instance_id = house.schedule(not_after=house.clock.now.replace(hour=13))
    house.run(instance_id)
    house.clock.advance(hours=2)
    house.run(instance_id)
    assert house.states(instance_id) == {"defer-4xx@example.org": "cancelled", "ann@example.org": "accepted"}
    assert house.instance(instance_id).reason == "late"


def test_cancel_between_two_messages_stops_the_rest(house, sink):
    """SEND-38: final in the database before it is answered; the worker's next body does not start."""
    for number in range(5):
        house.add_person(f"p{number}@example.org")
    instance_id = house.schedule()
    marks, mark = [], lanes.deliveries.mark

    def cancelling(connection, claimed, owner, now):
        marks.append(claimed)
        if len(marks) == 3:
            found = lanes.deliveries.cancel_open(connection, 1, instance_id, now)
            assert found == 3
            connection.execute(sa.update(instance).where(instance.c.id == instance_id).values(
                state="cancelled", finished_at=now))
        return mark(connection, claimed, owner, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes.deliveries, "mark", cancelling)
        house.run(instance_id)
    assert addresses(sink) == ["p0@example.org", "p1@example.org"]
    assert list(house.states(instance_id).values()) == ["accepted"] * 2 + ["cancelled"] * 3
    house.run(instance_id)
    assert len(sink.messages) == 2


def test_two_workers_at_once_send_each_message_once(house, sink):
    """SEND-12: claims keep two runs of one instance apart; several lanes each."""
    house.add_people([f"p{number:03}@example.org" for number in range(300)])
    instance_id = house.schedule()
    pace = Pace(connections=2, batch=20, group=7)
    runs = [threading.Thread(target=sending.run_instance, args=(house.gateway, 1, instance_id, pace))
            for _ in range(3)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    house.run(instance_id)
    assert addresses(sink) == [f"p{number:03}@example.org" for number in range(300)]
    assert house.instance(instance_id).state == "sent"
    assert house.report(instance_id).delivered == 300


def test_lanes_that_claim_at_once_take_no_more_than_they_ask_for(house):
    """SEND-12: each takes at most its batch, nobody is taken twice, and nobody waits for another."""
    house.add_people([f"p{number:03}@example.org" for number in range(400)])
    instance_id = house.schedule()
    sending._start(house.gateway, sending.system_actor(1), instance_id)
    sending._freeze(house.gateway, sending.system_actor(1), instance_id)
    taken = []

    def lane(owner):
        for _ in range(4):
            with house.unit() as unit:
                taken.append([one.delivery_id for one in lanes.deliveries.claim(
                    unit.connection, 1, instance_id, owner, unit.now, unit.now, 20)])

    threads = [threading.Thread(target=lane, args=(f"lane{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(batch) for batch in taken] == [20] * 20
    assert len({one for batch in taken for one in batch}) == 400


def test_a_dead_lane_leaves_one_message_in_doubt(house, sink):
    """SEND-12, SEND-21: after the lease, the begun row is in doubt with an event, the others wait again and go out."""
    for number in range(3):
        house.add_person(f"p{number}@example.org")
    instance_id = house.schedule()
    sending._start(house.gateway, sending.system_actor(1), instance_id)
    sending._freeze(house.gateway, sending.system_actor(1), instance_id)
    now = house.clock.now
    with house.unit() as unit:
        claimed = lanes.deliveries.claim(unit.connection, 1, instance_id, "dead", now, now, 10)
        assert len(claimed) == 3
        assert lanes.deliveries.mark(unit.connection, claimed[0], "dead", now)
    assert sending.due(house.gateway) == []
    house.clock.advance(seconds=1)
    assert sending.due(house.gateway) == [(1, instance_id)]
    house.run(instance_id)
    assert addresses(sink) == ["p1@example.org", "p2@example.org"]
    assert list(house.states(instance_id).values()) == ["in_doubt", "accepted", "accepted"]
    assert [row.type for row in house.events(instance_id)] == ["in_doubt", "sent", "sent"]
    report = house.report(instance_id)
    assert (report.in_doubt, report.pending, report.sent) == (1, 0, 2)
    assert report.notes


def test_a_late_answer_settles_its_own_doubt(house):
    """SEND-22, SEND-24: the worker that was given up for dead learns the outcome after all; nobody else's attempt."""
    house.add_person("ann@example.org")
    instance_id = house.schedule()
    sending._start(house.gateway, sending.system_actor(1), instance_id)
    sending._freeze(house.gateway, sending.system_actor(1), instance_id)
    now = house.clock.now
    with house.unit() as unit:
        claimed = lanes.deliveries.claim(unit.connection, 1, instance_id, "slow", now, now, 10)[0]
        lanes.deliveries.mark(unit.connection, claimed, "slow", now)
    house.clock.advance(seconds=1)
    house.run(instance_id)
    assert house.states(instance_id) == {"ann@example.org": "in_doubt"}
    with house.unit() as unit:
        assert not lanes.deliveries.mark(unit.connection, claimed, "slow", unit.now)
        settled = lanes.Settled(claimed, "accept", unit.now)
        assert lanes.deliveries.settle(unit.connection, settled, "slow")
        assert not lanes.deliveries.settle(unit.connection, settled, "slow")
    assert house.states(instance_id) == {"ann@example.org": "accepted"}


def test_no_body_starts_without_its_note(house, sink):
    """SEND-18: when the note can not be written, the message does not leave, and nobody is lost."""
    house.add_person("ann@example.org")
    house.add_person("bob@example.org")
    instance_id = house.schedule()

    def broken(*_):
        raise GatewayError("UNAVAILABLE")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes.deliveries, "mark", broken)
        with pytest.raises(GatewayError):
            sending.run_instance(house.gateway, 1, instance_id)
    assert not sink.messages
    assert list(house.states(instance_id).values()) == ["queued", "queued"]
    house.run(instance_id)
    assert len(sink.messages) == 2


def test_a_worker_that_stops_gives_back_what_it_has(house, sink):
    """A stop is no crash: what was not begun waits again at once."""
    for number in range(40):
        house.add_person(f"p{number:02}@example.org")
    instance_id = house.schedule()
    house.gateway.stopping = lambda: len(sink.messages) >= 10
    house.run(instance_id)
    states = list(house.states(instance_id).values())
    assert states.count("accepted") == len(sink.messages) < 40 and set(states) == {"accepted", "queued"}
    house.gateway.stopping = lambda: False
    house.run(instance_id)
    assert len(sink.messages) == 40


def test_a_slow_server_keeps_the_lease_alive(house, sink):
    """A batch that takes longer than its lease is not taken away while it makes progress."""
    for number in range(8):
        house.add_person(f"p{number}@example.org")
    instance_id = house.schedule()
    mark = lanes.deliveries.mark

    def slow(connection, claimed, owner, now):
        house.clock.advance(seconds=20)
        return mark(connection, claimed, owner, now)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lanes.deliveries, "mark", slow)
        sending.run_instance(house.gateway, 1, instance_id, Pace(lease_s=60))
        with house.reading() as unit:
            lease = unit.connection.scalar(sa.select(sa.func.max(delivery.c.lease_until)))
            assert lease is None
    assert len(sink.messages) == 8


# --- test copies ------------------------------------------------------------------------------------------------------


def test_test_copies_have_no_instance_and_no_figures(house, sink):
    """SEND-4, SOAP-58: subject marked, links not tracked, one result per address, no rows."""
    house.add_person("ann@example.org", values={"FirstName": "Ann"})
    mailing_id = house.create()
    results = sending.send_tests(house.gateway, house.actor(), mailing_id,
                                 ["boss@example.org", "bounce-5xx@example.org", "no address"],
                                 Identifier(email="ann@example.org"))
    assert [(r.address, r.status) for r in results] == [
        ("boss@example.org", "accepted"), ("bounce-5xx@example.org", "refused"), ("no address", "failed")]
    assert results[2].problem.code == "INVALID_EMAIL"
    [copy] = sink.messages
    assert b"\r\nSubject: [Test] News for Ann\r\n" in copy.data
    assert b"/t/" not in copy.data and b"https://example.org/b" in copy.data
    assert not house.events()
    with house.reading() as unit:
        assert mailings.get(unit, mailing_id).instances == ()


@pytest.mark.parametrize("count", [0, 21])
def test_test_copies_are_1_to_20(house, count):
    """SOAP-58: 1-20 addresses."""
    mailing_id = house.create()
    with pytest.raises(GatewayError) as refused:
        sending.send_tests(house.gateway, house.actor(), mailing_id, ["a@example.org"] * count)
    assert (refused.value.code, refused.value.field) == ("INVALID_REQUEST", "address")


def test_test_copies_of_a_foreign_mailing(house):
    """Another brand's mailing is not there."""
    mailing_id = house.create()
    with pytest.raises(GatewayError) as refused:
        sending.send_tests(house.gateway, house.actor(brand_id=2), mailing_id, ["a@example.org"])
    assert refused.value.code == "NOT_FOUND"
