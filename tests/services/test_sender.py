"""One sender for all that is due: turns, opt-outs up to the last moment, and a mail server that has everything."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace

import pytest

from gateway.clock import system_clock
from gateway.services import sending
from gateway.services.sender import Pace
from tests.support.clocks import SettableClock
from tests.support.mailhouse import MailHouse
from tests.support.waiting import wait_for

ROWS = int(os.environ.get("STORM_ROWS", "4000"))
"""Of the large mailing; STORM_ROWS=100000 makes it as large as they are in earnest."""


@pytest.fixture
def clock():
    """The time that runs: the rates of a mail server go by it."""
    return system_clock


@contextmanager
def running(house, instance_id, pace=None):
    """A worker at work on an instance."""
    failed = []

    def run():
        try:
            sending.run_instance(house.gateway, 1, instance_id, *([pace] if pace else []))
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield thread
    finally:
        thread.join(120)
    assert not failed and not thread.is_alive()


def test_a_small_mailing_does_not_wait_behind_a_large_one(house, sink):
    """SEND-37: not even another brand's, in the same process; whoever asks for it need not wait either."""
    house.gateway.settings = replace(house.settings, smtp_url=f"{sink.url}?rate=400")
    house.add_people([f"large{n}@example.org" for n in range(1000)])
    house.add_people([f"small{n}@example.org" for n in range(5)], brand_id=2)
    large, small = house.schedule(), house.schedule(brand_id=2)
    with running(house, large) as worker:
        wait_for(lambda: len(sink.messages) >= 50, "messages")
        house.run(small, brand_id=2)
        assert worker.is_alive()
        asked_at = len(sink.messages)
    order = [message.envelope_to[0] for message in sink.messages]
    assert len(order) == len(set(order)) == 1005
    last = max(order.index(f"small{n}@example.org") for n in range(5))
    assert last < asked_at + 500, (asked_at, last)
    assert house.instance(large).state == house.instance(small).state == "sent"


def test_who_opts_out_while_it_is_sent_gets_nothing(house, sink):
    """SEND-9: whoever is not in a group yet is left out, with the reason."""
    house.gateway.settings = replace(house.settings, smtp_url=f"{sink.url}?rate=200")
    people = [f"p{n:03}@example.org" for n in range(400)]
    house.add_people(people)
    instance_id = house.schedule()
    with running(house, instance_id):
        wait_for(lambda: len(sink.messages) >= 20, "messages")
        house.set_address(people[-1], opted_out_at=system_clock())
    assert house.states(instance_id)[people[-1]] == "unsubscribed"
    assert sorted(message.envelope_to[0] for message in sink.messages) == people[:-1]
    report = house.check_sums(instance_id)
    assert (report.targeted, report.delivered, report.left_out_total) == (400, 399, 1)


def test_a_run_ends_after_its_time_and_the_next_one_goes_on(house, sink):
    """SEND-6: nothing is in hand in between, and nobody is mailed twice."""
    house.gateway.settings = replace(house.settings, smtp_url=f"{sink.url}?rate=100")
    house.add_people([f"p{n:03}@example.org" for n in range(60)])
    instance_id = house.schedule()
    for _ in range(100):
        house.run(instance_id, pace=Pace(run_s=0.2))
        states = {(row.state, row.lease_owner) for row in house.deliveries(instance_id)}
        assert states <= {("accepted", None), ("queued", None)}
        if states == {("accepted", None)}:
            break
    assert len(sink.messages) == len({message.envelope_to for message in sink.messages}) == 60
    assert house.instance(instance_id).state == "sent"


@pytest.fixture
def mail_server(tmp_path):
    """A sink of its own process; its URL and what it took, by address."""
    log = tmp_path / "sink.log"
    with subprocess.Popen([sys.executable, "-m", "tests.support.smtp_sink", "--log", log, "--no-data"],
                          stdout=subprocess.PIPE, text=True) as process:
        try:
            yield process.stdout.readline().strip(), lambda: Counter(
                json.loads(line)["to"][0] for line in log.read_bytes().splitlines())
        finally:
            process.terminate()


def test_a_large_mailing_to_a_server_that_has_everything_adds_up(sqlite_url, tmp_path, mail_server):
    """SEND-11, SEND-58, SEND-61: 3 % refused, 5 % delayed, 1 % dropped connections: the ledger and the server agree."""
    url, taken = mail_server
    words = {3: "bounce-5xx", 17: "reject-data", 41: "full", 5: "defer-4xx-once", 23: "dot-4xx-once",
             37: "data-4xx-once", 59: "defer-4xx-once", 71: "drop-at-data-once", 7: "drop-in-data-once",
             83: "drop-after-dot"}
    people = [f"{words.get(n % 100, 'p')}.n{n}@example{n % 9}.org" for n in range(ROWS)]
    with MailHouse(sqlite_url, SettableClock(), tmp_path, smtp_url=url) as house:
        house.add_people(people)
        instance_id = house.send()
        while house.instance(instance_id).state == "sending":
            waiting = [row.next_at for row in house.deliveries(instance_id) if row.state == "deferred"]
            house.clock.set(max(waiting))
            house.run(instance_id)
        report, got = house.check_sums(instance_id), taken()
        rows = house.deliveries(instance_id)
    each = ROWS // 100
    assert (report.targeted, report.pending, report.left_out_total, report.cancelled) == (ROWS, 0, 0, 0)
    assert (report.sent, report.bounced, report.in_doubt) == (ROWS - report.in_doubt, 3 * each, report.in_doubt)
    doubtful = Counter(row.email.partition(".")[0] for row in rows if row.state == "in_doubt")
    assert doubtful.pop("drop-after-dot") == each and set(doubtful) <= {"drop-in-data-once"}
    assert max(got.values()) == 1, "nobody has two copies"
    for row in rows:
        if row.state != "in_doubt":
            assert (row.state == "accepted") == (got[row.email] == 1), row
    assert Counter(row.state for row in rows)["refused"] == 3 * each
