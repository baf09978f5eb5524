"""From the time reached to the last outcome: run_instance (sending.md sections 1, 4)."""

import datetime as dt
import threading
from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa

from gateway.db.models.mailings import delivery
from gateway.db.queries import deliveries, instances, outcomes
from gateway.domain.delivery import Settled
from gateway.domain.journal import Result
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.mail.journal import Journal, JournalBroken
from gateway.services import lifecycle, mailings, recovery, sending, testcopies
from gateway.services.gateway import Gateway
from gateway.services.sender import Pace
from gateway.services.senderturn import SenderTurn
from tests.support.mailhouse import QUICK
from tests.support.smtp_sink import SmtpSink

EVERY = -1


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
    """SEND-27, SEND-28, SEND-29, SEND-30, SEND-31, SEND-54: each reply becomes its state, class and events."""
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
    assert row.lease_owner is None and row.attempt == 1
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
    with SmtpSink(replies={"MAIL": b"451 4.3.0 not now\r\n"}) as broken:
        house.gateway.settings = replace_url(house, broken.url)
        waits = []
        for _ in range(11):
            house.run(instance_id)
            row = house.deliveries(instance_id)[0]
            assert (row.state, row.attempt, row.bounce_class, row.lease_owner) == ("queued", 0, None, None)
            waits.append(house.gateway.sender.wait_s(house.clock.now))
            before = broken.connections
            house.run(instance_id)
            assert broken.connections == before, "it must leave the server alone"
            house.clock.advance(seconds=waits[-1])
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    assert house.instance(instance_id).state == "sending"
    house.gateway.settings = replace_url(house, sink.url)
    house.run(instance_id)
    assert addresses(sink) == ["ann@example.org"]
    assert house.instance(instance_id).state == "sent"
    assert house.gateway.sender.wait_s(house.clock.now) == 0


@pytest.mark.parametrize(("verb", "users"), [("MAIL", {}), ("AUTH", {"us": "secret"})])
def test_three_refusals_of_the_mail_server_pause_the_instance(house, sink, verb, users):
    """SEND-36: reason ``transport``; nobody is counted as bounced, and after a resume everybody gets the message."""
    house.add_people([f"p{number:02}@example.org" for number in range(30)])
    instance_id = house.schedule()
    with SmtpSink(replies={verb: b"550 5.7.1 go away\r\n"}, users=users) as broken:
        login = "us:secret@" if users else ""
        house.gateway.settings = replace_url(house, broken.url.replace("//", f"//{login}"))
        for _ in range(3):
            assert house.instance(instance_id).state != "paused"
            house.run(instance_id)
            house.clock.advance(minutes=5)
        assert not broken.messages
    found = house.instance(instance_id)
    assert (found.state, found.reason, found.transport_refusals) == ("paused", "transport", 3)
    assert {(row.state, row.attempt) for row in house.deliveries(instance_id)} == {("queued", 0)}
    assert not house.events(instance_id)
    house.gateway.settings = replace_url(house, sink.url)
    house.run(instance_id)
    assert not sink.messages, "paused"
    with house.unit() as unit:
        lifecycle.resume(unit, instances.get(unit.connection, 1, instance_id, lock=True))
    house.run(instance_id)
    assert len(sink.messages) == 30 and house.instance(instance_id).state == "sent"


def test_refusals_count_over_processes(house):
    """SEND-36: three in a row, whoever had them, pause the instance; two do not."""
    house.add_people([f"p{number:02}@example.org" for number in range(30)])
    instance_id = house.schedule()
    with SmtpSink(replies={"MAIL": b"550 5.7.1 go away\r\n"}) as broken:
        house.gateway.settings = replace_url(house, broken.url)
        workers = [Gateway(house.gateway.settings, house.gateway.engine, house.gateway.keys, house.clock)
                   for _ in range(2)]
        for refusals, worker in enumerate((workers[0], workers[1], workers[0]), start=1):
            assert house.instance(instance_id).state != "paused"
            sending.run_instance(worker, 1, instance_id, QUICK)
            assert house.instance(instance_id).transport_refusals == refusals
            house.clock.advance(minutes=5)
    assert (house.instance(instance_id).state, house.instance(instance_id).reason) == ("paused", "transport")
    assert {(row.state, row.attempt) for row in house.deliveries(instance_id)} == {("queued", 0)}


def replace_url(house, url):
    return type(house.settings)(**{name: getattr(house.settings, name) for name in house.settings.__slots__}
                                | {"smtp_url": url})


def test_an_opt_out_after_the_freeze_is_left_out(house, sink):
    """SEND-9: checked again when a group is planned, with the same words."""
    ann, bob = house.add_person("ann@example.org"), house.add_person("bob@example.org")
    cat, dan = house.add_person("cat@example.org", remote_id="3"), house.add_person("dan@example.org")
    instance_id = house.schedule()
    lifecycle._start(house.gateway, sending.system_actor(1), instance_id)
    lifecycle._freeze(house.gateway, sending.system_actor(1), instance_id)
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


def at_body(patch, number, act):
    """Does ``act`` when the body of so many messages is about to leave, before it is noted."""
    begun, begin = [], Journal.begin

    def noting(journal, delivery_id, attempt):
        begun.append(delivery_id)
        if number in (len(begun), EVERY):
            act()
        begin(journal, delivery_id, attempt)

    patch.setattr(Journal, "begin", noting)


def test_cancel_while_it_is_sent_stops_the_rest(house, sink, monkeypatch):
    """SEND-38: final in the database before it is answered; what is out is out, the others are cancelled exactly."""
    house.add_people([f"p{number:03}@example.org" for number in range(200)])
    instance_id = house.schedule()

    def cancel():
        with house.unit() as unit:
            instance = instances.get(unit.connection, 1, instance_id, lock=True)
            lifecycle.cancel_rows(unit, instance, "cancel", reason=None)

    at_body(monkeypatch, 3, cancel)
    house.run(instance_id, pace=Pace(connections=1, group=4))
    assert 3 <= len(sink.messages) <= 3 + 2 * 4
    states = list(house.states(instance_id).values())
    assert states.count("accepted") == len(sink.messages)
    assert states.count("cancelled") == 200 - len(sink.messages)
    assert {row.attempt for row in house.deliveries(instance_id) if row.state == "cancelled"} == {0}
    house.run(instance_id)
    assert states.count("accepted") == len(sink.messages)


def test_pause_returns_what_is_claimed_and_resume_repeats_nothing(house, sink, monkeypatch):
    """SEND-38: everybody has one message in the end."""
    house.add_people([f"p{number:03}@example.org" for number in range(200)])
    instance_id = house.schedule()

    def pause():
        with house.unit() as unit:
            lifecycle.pause(unit, instances.get(unit.connection, 1, instance_id, lock=True))

    at_body(monkeypatch, 3, pause)
    house.run(instance_id, pace=Pace(connections=1, group=4))
    assert 3 <= len(sink.messages) <= 3 + 2 * 4
    states = list(house.states(instance_id).values())
    assert (states.count("accepted"), states.count("queued")) == (len(sink.messages), 200 - len(sink.messages))
    with house.unit() as unit:
        lifecycle.resume(unit, instances.get(unit.connection, 1, instance_id, lock=True))
    house.run(instance_id)
    assert addresses(sink) == [f"p{number:03}@example.org" for number in range(200)]


def test_two_workers_at_once_send_each_message_once(house, sink):
    """SEND-12: runs at the same time, in one process and in several, never take the same row."""
    house.add_people([f"p{number:03}@example.org" for number in range(300)])
    instance_id = house.schedule()
    pace = Pace(connections=2, batch=20, group=7)
    others = [replace(house.gateway, sender=SenderTurn()) for _ in range(2)]  # as in processes of their own
    runs = [threading.Thread(target=sending.run_instance, args=(gateway, 1, instance_id, pace))
            for gateway in (house.gateway, house.gateway, *others)]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    house.run(instance_id)
    assert addresses(sink) == [f"p{number:03}@example.org" for number in range(300)]
    assert house.instance(instance_id).state == "sent"
    assert house.report(instance_id).delivered == 300


def test_senders_that_claim_at_once_take_no_more_than_they_ask_for(house):
    """SEND-12: each takes at most its batch, nobody is taken twice, and nobody waits for another."""
    house.add_people([f"p{number:03}@example.org" for number in range(400)])
    instance_id = freeze(house)
    taken = []

    def sender(owner):
        for _ in range(4):
            taken.append([one.delivery_id for one in claim(house, instance_id, owner, 20)])

    threads = [threading.Thread(target=sender, args=(f"sender{number}",)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [len(batch) for batch in taken] == [20] * 20
    assert len({one for batch in taken for one in batch}) == 400


def freeze(house):
    """An instance whose audience is frozen, and nobody mailed."""
    instance_id = house.schedule()
    lifecycle._start(house.gateway, sending.system_actor(1), instance_id)
    lifecycle._freeze(house.gateway, sending.system_actor(1), instance_id)
    return instance_id


def claim(house, instance_id, owner, number=10):
    """What a sender of this name takes in hand, under a lease of a minute."""
    with house.unit() as unit:
        return deliveries.claim(unit.connection, 1, instance_id, owner, unit.now,
                                unit.now + dt.timedelta(minutes=1), number)


def test_a_dead_sender_of_this_host_leaves_what_its_journal_says(house, sink):
    """SEND-21: at once, D without R is in doubt, P without D and rows without a line wait again, R is the outcome."""
    house.add_people([f"p{number}@example.org" for number in range(5)])
    instance_id = freeze(house)
    journal = Journal.open(recovery.journal_folder(house.gateway), "dead")
    rows = [claimed.delivery_id for claimed in claim(house, instance_id, "dead")]
    journal.plan([(row, 1) for row in rows[:4]])
    for row in rows[:3]:
        journal.begin(row, 1)
    at = house.clock.now
    journal.end(Result(rows[1], 1, at, "accepted", 250, "2.0.0", "message", "taken"))
    journal.end(Result(rows[2], 1, at, "refused", 550, "5.1.1", "rcpt", "no such mailbox"))
    journal.close()
    house.run(instance_id)
    assert addresses(sink) == ["p3@example.org", "p4@example.org"]
    assert list(house.states(instance_id).values()) == ["in_doubt", "accepted", "refused", "accepted", "accepted"]
    assert Counter(row.type for row in house.events(instance_id)) == {"in_doubt": 1, "sent": 4, "bounced": 1}
    assert {row.attempt for row in house.deliveries(instance_id)} == {1}
    report = house.report(instance_id)
    assert (report.in_doubt, report.pending, report.sent) == (1, 0, 4)
    assert not list(recovery.journal_folder(house.gateway).iterdir())


def test_the_sweep_finds_what_a_dead_sender_had(house):
    """SEND-6, SEND-21: nobody need ask for the instance."""
    house.add_person("ann@example.org")
    instance_id = freeze(house)
    Journal.open(recovery.journal_folder(house.gateway), "dead").close()
    journal = Journal.open(recovery.journal_folder(house.gateway), "dead2")
    [row] = claim(house, instance_id, "dead2")
    journal.plan([(row.delivery_id, 1)])
    assert sending.due(house.gateway) == [], "it lives"
    journal.close()
    assert sending.due(house.gateway) == [(1, instance_id)]


def test_a_sender_whose_journal_is_gone_leaves_doubt(house, sink):
    """SEND-12, SEND-22: its rows are held after lease and longest timeout, not before; nobody is mailed twice."""
    house.add_people([f"p{number}@example.org" for number in range(3)])
    instance_id = freeze(house)
    claim(house, instance_id, "elsewhere", 2)
    house.run(instance_id)
    assert addresses(sink) == ["p2@example.org"]
    house.clock.advance(seconds=60 + 599)
    house.run(instance_id)
    assert list(house.states(instance_id).values()) == ["claimed", "claimed", "accepted"]
    assert sending.due(house.gateway) == []
    house.clock.advance(seconds=2)
    house.run(instance_id)
    assert list(house.states(instance_id).values()) == ["in_doubt", "in_doubt", "accepted"]
    assert house.instance(instance_id).state == "sent"
    assert len(sink.messages) == 1


def test_a_late_answer_settles_its_own_doubt(house):
    """SEND-22, SEND-24: the sender that was given up for dead learns the outcome after all; nobody else's attempt."""
    house.add_person("ann@example.org")
    instance_id = freeze(house)
    [claimed] = claim(house, instance_id, "slow")
    house.clock.advance(minutes=12)
    house.run(instance_id)
    assert house.states(instance_id) == {"ann@example.org": "in_doubt"}
    with house.unit() as unit:
        assert deliveries.extend(unit.connection, "slow", [claimed.delivery_id], unit.now) == set()
        other = Settled(claimed._replace(attempt=1), "accept", unit.now)
        assert not outcomes.settle(unit.connection, "slow", "accept", [other])
        mine = Settled(claimed, "accept", unit.now)
        assert outcomes.settle(unit.connection, "slow", "accept", [mine]) == [claimed.delivery_id]
        assert not outcomes.settle(unit.connection, "slow", "accept", [mine])
    assert house.states(instance_id) == {"ann@example.org": "accepted"}


def test_no_body_starts_without_its_note(house, sink, monkeypatch):
    """SEND-18: when the note can not be written, the message does not leave, and nobody is lost."""
    house.add_person("ann@example.org")
    house.add_person("bob@example.org")
    instance_id = house.schedule()

    def broken():
        raise JournalBroken("the disk is full")

    with monkeypatch.context() as patch:
        at_body(patch, EVERY, broken)
        with pytest.raises(GatewayError) as refused:
            sending.run_instance(house.gateway, 1, instance_id)
        assert refused.value.code == "UNAVAILABLE"
    assert not sink.messages
    assert list(house.states(instance_id).values()) == ["queued", "queued"]
    house.run(instance_id)
    assert len(sink.messages) == 2


def test_a_worker_that_stops_gives_back_what_it_has(house, sink):
    """SEND-38: a stop is no crash: what was not begun waits again at once."""
    house.add_people([f"p{number:03}@example.org" for number in range(200)])
    instance_id = house.schedule()
    house.gateway.stopping = lambda: len(sink.messages) >= 10
    house.run(instance_id)
    rows = house.deliveries(instance_id)
    states = Counter((row.state, row.attempt, row.lease_owner) for row in rows)
    assert 10 <= len(sink.messages) < 200
    assert states == {("accepted", 1, None): len(sink.messages), ("queued", 0, None): 200 - len(sink.messages)}
    house.gateway.stopping = lambda: False
    house.run(instance_id)
    assert len(sink.messages) == 200


def test_a_sender_keeps_its_lease_alive_and_starts_nothing_after_it(house, sink, monkeypatch):
    """SEND-22: a lease that is over stops every body until the rows are known to be still ours."""
    house.add_people([f"p{number:02}@example.org" for number in range(8)])
    instance_id = house.schedule()
    leases, begin = [], Journal.begin

    def noting(journal, delivery_id, attempt):
        with house.reading() as unit:
            until = unit.connection.scalar(sa.select(delivery.c.lease_until).where(delivery.c.id == delivery_id))
        leases.append((until - house.clock.now).total_seconds())
        begin(journal, delivery_id, attempt)
        house.clock.advance(seconds=20)

    monkeypatch.setattr(Journal, "begin", noting)
    sending.run_instance(house.gateway, 1, instance_id, Pace(connections=1, lease_s=60))
    assert len(sink.messages) == len(leases) == 8 and min(leases) > 0
    assert set(house.states(instance_id).values()) == {"accepted"}


# --- test copies ------------------------------------------------------------------------------------------------------


def test_test_copies_have_no_instance_and_no_figures(house, sink):
    """SEND-4, SOAP-58: subject marked, links not tracked, one result per address, no rows."""
    house.add_person("ann@example.org", values={"FirstName": "Ann"})
    mailing_id = house.create()
    results = testcopies.send_tests(house.gateway, house.actor(), mailing_id,
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
        testcopies.send_tests(house.gateway, house.actor(), mailing_id, ["a@example.org"] * count)
    assert (refused.value.code, refused.value.field) == ("INVALID_REQUEST", "address")


def test_test_copies_of_a_foreign_mailing(house):
    """Another brand's mailing is not there."""
    mailing_id = house.create()
    with pytest.raises(GatewayError) as refused:
        testcopies.send_tests(house.gateway, house.actor(brand_id=2), mailing_id, ["a@example.org"])
    assert refused.value.code == "NOT_FOUND"
