"""What if a sender meets what nobody foresaw? It ends, the others go on, nobody is lost or mailed twice. Faults are
injected around our own functions: there is no other way to an error that we do not know of."""

import logging
import threading
import time
from dataclasses import replace

import pytest

from gateway.domain.accounts import system_actor
from gateway.mail.journal import present
from gateway.services import compose, dkim, recovery
from gateway.services.gateway import Gateway
from gateway.services.recovery import journal_folder
from gateway.services.senderbox import Outbox
from gateway.services.senderwork import SenderWork
from tests.support.mailhouse import QUICK
from tests.support.waiting import wait_for


def poison(monkeypatch, owner, name, when):
    """Lets a function fail, for whatever arguments ``when`` says, until the context ends."""
    real = getattr(owner, name)

    def poisoned(*args):
        if when(*args):
            raise RuntimeError("nobody foresaw this")
        return real(*args)
    monkeypatch.setattr(owner, name, poisoned)


@pytest.mark.parametrize("signed", [False, True])
def test_a_message_that_cannot_be_made_holds_up_no_other_mailing(house, sink, monkeypatch, caplog, signed):
    """SEND-11, SEND-37: its own waits, with an alarm, and goes out when it can be made; also if it is made ahead."""
    if signed:
        with house.unit(system_actor(1, "cli")) as unit:
            dkim.add(unit, "example.org", "ed1", "ed25519")
            dkim.activate(unit, "example.org", "ed1", None)
    house.add_people([f"p{n:02}@example.org" for n in range(40)])
    house.add_people([f"q{n:02}@example.org" for n in range(40)], brand_id=2)
    bad, good = house.schedule(), house.schedule(brand_id=2)
    with monkeypatch.context() as patched:
        poison(patched, compose, "message", lambda prepared, claimed, values: claimed.email == "p07@example.org")
        house.run(bad)
        house.run(good, brand_id=2)
    assert house.instance(good).state == "sent" and house.instance(bad).state == "sending"
    assert house.states(bad)["p07@example.org"] == "queued"
    assert not present(journal_folder(house.gateway))
    alarms = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert alarms and {record.getMessage() for record in alarms} == {"mailing not usable"}
    house.run(bad)
    assert house.instance(bad).state == "sent"
    assert sorted(message.envelope_to[0] for message in sink.messages) == sorted(
        [f"{letter}{n:02}@example.org" for letter in "pq" for n in range(40)])


def test_an_error_on_a_connection_ends_the_run_and_loses_nobody(house, sink, monkeypatch):
    """SEND-12, SEND-21: what was on its way is found in the journal."""
    house.add_people([f"p{n:02}@example.org" for n in range(60)])
    instance_id = house.schedule()
    with monkeypatch.context() as patched:
        poison(patched, Outbox, "end", lambda box, message, outcome: len(sink.messages) >= 20)
        with pytest.raises(RuntimeError):
            house.run(instance_id)
    wait_for(lambda: not sink.open_connections, "the connections to end")
    house.run(instance_id)
    states = house.states(instance_id)
    assert house.instance(instance_id).state == "sent" and set(states.values()) <= {"accepted", "in_doubt"}
    got = [message.envelope_to[0] for message in sink.messages]
    assert len(got) == len(set(got)) == 60


def before_begin(monkeypatch, act):
    """Lets ``act`` say whether this is the moment, until it has said so once, before a body is begun."""
    real, waiting = Outbox.begin, [act]

    def begin(box, message):
        if waiting and waiting[0](box):
            waiting.clear()
        real(box, message)
    monkeypatch.setattr(Outbox, "begin", begin)


def test_nothing_begins_that_others_have_given_up(house, sink, monkeypatch, tmp_path):
    """SEND-22: not even where the server said 354 while the lease was renewed: others may have decided to resend it."""
    house.add_people([f"slow-bytes{n:02}@example.org" for n in range(80)])
    instance_id = house.schedule()
    elsewhere = Gateway(replace(house.settings, data_dir=tmp_path / "elsewhere"), house.gateway.engine,
                        house.gateway.keys, house.clock)
    given_up, late, real_extend = set(), [], SenderWork.extend

    def give_up(box):
        if len(sink.messages) < 5:
            return False
        house.clock.advance(seconds=QUICK.lease_s + 601)
        recovery.recover(elsewhere)
        given_up.update(row.id for row in house.deliveries(instance_id) if row.state == "in_doubt")
        return True

    def extend(work):
        answer = real_extend(work)
        time.sleep(0.2)  # as long as a thread may be kept from telling it
        return answer

    before_begin(monkeypatch, give_up)
    begin = Outbox.begin

    def noted(box, message):
        begin(box, message)
        if message.delivery_id in given_up:
            late.append(message)
    monkeypatch.setattr(Outbox, "begin", noted)
    monkeypatch.setattr(SenderWork, "extend", extend)
    house.run(instance_id)
    assert given_up and not late
    states = list(house.states(instance_id).values())
    assert states.count("accepted") == len(sink.messages) and states.count("in_doubt") == 80 - len(sink.messages)


def test_a_stop_while_the_lease_is_over_ends(house, sink, monkeypatch):
    """SEND-22, SEND-38: as after a SIGSTOP beyond lease and run: what may not begin any more is given back."""
    house.add_people([f"slow-bytes{n:02}@example.org" for n in range(40)])
    instance_id, stopped = house.schedule(), []
    house.gateway.stopping = lambda: bool(stopped)

    def stop(box):
        if len(sink.messages) >= 5:
            stopped.append(True)
            box.take("")
            house.clock.advance(seconds=QUICK.lease_s + 1)
        return bool(stopped)

    with monkeypatch.context() as patched:
        before_begin(patched, stop)
        run = threading.Thread(target=house.run, args=(instance_id,), daemon=True)
        run.start()
        run.join(20)
        assert not run.is_alive() and stopped
    assert set(house.states(instance_id).values()) == {"accepted", "queued"}
    stopped.clear()
    house.run(instance_id)
    assert house.instance(instance_id).state == "sent"
    got = [message.envelope_to[0] for message in sink.messages]
    assert len(got) == len(set(got)) == 40
