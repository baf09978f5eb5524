"""SIGKILL at random instants: nobody is lost, nobody gets two copies, the doubt is bounded and shown (SEND-60)."""

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager

import pytest

from gateway.clock import system_clock
from tests.support.mailhouse import MailHouse
from tests.support.send_worker import CONNECTIONS
from tests.support.waiting import wait_for

KILLS = 8
PEOPLE = 260


class SinkProcess:
    """The mail server as a process of its own; its log is written before each answer."""

    def __init__(self, url, log):
        self.url, self.log = url, log

    def taken(self):
        """How often each address was taken."""
        lines = self.log.read_bytes().splitlines() if self.log.exists() else []
        return Counter(json.loads(line)["to"][0] for line in lines)


@pytest.fixture
def mail_server(tmp_path):
    log = tmp_path / "sink.log"
    process = subprocess.Popen([sys.executable, "-m", "tests.support.smtp_sink", "--log", log, "--no-data"],
                               stdout=subprocess.PIPE, text=True)
    try:
        yield SinkProcess(process.stdout.readline().strip(), log)
    finally:
        process.terminate()
        process.wait(10)
        process.stdout.close()


@contextmanager
def worker(house, instance_id):
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.send_worker", house.settings.database_url, house.settings.smtp_url,
         str(instance_id)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_kill_and_resume(database_url, tmp_path, mail_server):
    """SEND-12, SEND-60: lost 0, twice 0, held at most one per connection and kill; SEND-11 after every kill."""
    chance = random.Random(20)
    with MailHouse(database_url, system_clock, tmp_path, smtp_url=mail_server.url) as house:
        people = [f"p{number:03}@example.org" for number in range(PEOPLE)]
        house.add_people(people)
        instance_id = house.schedule()
        for kill in range(KILLS):
            with worker(house, instance_id) as process:
                goal = mail_server.taken().total() + (0 if kill == 0 else chance.randrange(1, 20))
                wait_for(lambda at_least=goal: mail_server.taken().total() >= at_least, "messages")
                time.sleep(chance.random() * 0.02)  # so that the kill falls anywhere within a message
                process.send_signal(signal.SIGKILL)
                process.wait(10)
            house.check_sums(instance_id)
            judge(house, instance_id, mail_server.taken(), final=False)
        with worker(house, instance_id) as process:
            assert process.wait(60) == 0
        report = house.check_sums(instance_id)
        held = judge(house, instance_id, mail_server.taken(), final=True)
        print(f"\n{database_url.partition(':')[0]}: {KILLS} kills, lost 0, twice 0, held {held}")
        assert held == report.in_doubt <= KILLS * CONNECTIONS
        assert report.sent + report.in_doubt == PEOPLE and report.pending == 0
        doubts = [e.address for e in house.events(instance_id) if e.type == "in_doubt"]
        assert len(doubts) == held == len(set(doubts)), "each doubt is shown by one event"


def judge(house, instance_id, taken, *, final):
    """Compares every row with what the mail server has; answers how many are in doubt."""
    held = 0
    for row in house.deliveries(instance_id):
        copies = taken.get(row.email, 0)
        begun = row.state == "claimed" and row.body_started_at is not None
        assert copies <= 1, f"twice: {row.email}"
        if row.state == "accepted":
            assert copies == 1, f"lost: {row.email}"
        elif row.state == "in_doubt" or begun:
            held += row.state == "in_doubt"
        else:
            assert copies == 0, f"would be mailed again: {row.email} {row.state}"
        if final:
            assert row.state in ("accepted", "in_doubt")
    return held
