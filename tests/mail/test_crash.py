"""Workers are killed, stopped and robbed of their journals: is anybody lost or mailed twice? (SEND-12, SEND-60)"""

import datetime as dt
import os
import shutil
import signal
import time
from pathlib import Path

import psycopg
import pytest

from gateway.clock import system_clock
from gateway.db.engine import is_postgresql
from gateway.domain.accounts import system_actor
from gateway.errors import GatewayError
from gateway.mail.journal import present, set_aside
from gateway.services import health, recovery
from tests.support.crash import RANDOM, Tally, crashes, shown, workers
from tests.support.crash_worker import CONNECTIONS, POINTS
from tests.support.waiting import wait_for

PEOPLE, MANY = 240, 1300
IN_HAND = 12 * CONNECTIONS + 200  # and outcomes that no fold has taken yet
LEASE_S = 1.0
GIVEN_UP_S = LEASE_S + 601
"""After its lease and the longest timeout, a sender that cannot be asked is given up (SEND-22)."""


class MovableClock:
    """The time, or later."""

    ahead_s = 0.0

    def __call__(self):
        return system_clock() + dt.timedelta(seconds=self.ahead_s)


@pytest.fixture
def clock():
    return MovableClock()


@pytest.fixture(scope="module")
def keeper():
    with workers() as started:
        yield started


@pytest.fixture
def found(keeper, database_url, tmp_path, clock):
    with crashes(keeper, database_url, tmp_path, 20, clock) as made:
        yield made


@pytest.fixture
def journals(found):
    return recovery.journal_folder(found.house.gateway)


def test_killed_everywhere(found, database_url):
    """SEND-12, SEND-60: at each named point and at random; SEND-11 holds after every kill."""
    found.schedule(MANY)
    table = {point: found.kill_at(point) for point in POINTS}
    table[RANDOM] = sum((found.kill_at_random(20) for _ in range(12)), Tally())
    table["the rest"] = found.finish()
    print("\n" + shown({database_url.partition(":")[0]: table}))
    for point, tally in table.items():
        assert tally.lost == tally.doubled == 0, f"{point}: {tally}"
        assert tally.held <= tally.kills * CONNECTIONS, f"{point}: {tally}"
    kills = sum(table.values(), Tally())
    assert kills.kills == len(POINTS) + 3 + 12 and kills.held > 0, "D without R must be seen"
    assert found.states() == {"accepted": MANY - kills.held, "in_doubt": kills.held}
    doubts = [event.address for event in found.house.events(found.instance_id) if event.type == "in_doubt"]
    assert len(doubts) == len(set(doubts)) == kills.held, "each doubt is shown by one event"


def test_what_is_held_at_a_point(keeper, sqlite_url, tmp_path):
    """SEND-16, SEND-17, SEND-21: nothing before the first D; that message from its D to its R; the others' as well."""
    bounds = {"claim": (0, 0), "half a group P": (0, 0), "fdatasync": (0, 0), "D": (1, 1), "half of the body": (1, 1),
              "before R": (1, CONNECTIONS), "R": (0, CONNECTIONS - 1), "fold, before its commit": (0, CONNECTIONS)}
    with crashes(keeper, sqlite_url, tmp_path) as found:
        found.schedule(PEOPLE)
        for point, (least, most) in bounds.items():
            found.die_at(point, 1)
            tally = found.judge()
            assert (tally.lost, tally.doubled) == (0, 0) and least <= tally.held <= most, f"{point}: {tally}"


def test_two_workers_one_of_them_killed(found):
    """SEND-12, SEND-21: the living one is not disturbed, and goes on with what the other had in hand."""
    found.schedule(PEOPLE * 2)
    first, second = found.start(), found.start()
    found.wait_for_messages(60)
    os.kill(first, signal.SIGKILL)
    assert found.wait(first) == -signal.SIGKILL
    assert found.wait(second) == 0
    tally = found.judge()
    assert (tally.lost, tally.doubled) == (0, 0) and tally.held <= CONNECTIONS
    assert found.states() == {"accepted": PEOPLE * 2 - tally.held, **({"in_doubt": tally.held} if tally.held else {})}


IN_A_TRANSACTION = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state IS DISTINCT FROM 'idle'
"""


def holds_nobody_up(found):
    """Whether no transaction is open, whose lock (SQLite) or rows (PostgreSQL) would be held while a worker stands."""
    try:
        with found.house.gateway.unit(system_actor(0), wait_s=0.05) as unit:
            return not is_postgresql(unit.connection) or unit.connection.exec_driver_sql(IN_A_TRANSACTION).scalar() == 0
    except GatewayError:
        return False


def stop(found, worker):
    """Stops a worker, but not within a transaction, for whose end the others would wait for ever."""
    halt(worker)
    while not holds_nobody_up(found):
        os.kill(worker, signal.SIGCONT)
        time.sleep(0.003)
        halt(worker)


def halt(worker):
    """Returns when each thread of the process stands: the signal alone leaves them the time to begin something."""
    os.kill(worker, signal.SIGSTOP)
    while any(task.joinpath("stat").read_text().rpartition(")")[2].split()[0] != "T"
              for task in Path(f"/proc/{worker}/task").iterdir()):
        time.sleep(0.001)


def test_a_stopped_worker_returns(found, journals):
    """SEND-22: its lease is over, but its journal lives: nobody takes its rows, and it goes on with them."""
    found.schedule(PEOPLE)
    stopped = found.start(lease_s=LEASE_S)
    found.wait_for_messages(20)
    stop(found, stopped)
    owners = present(journals)
    time.sleep(LEASE_S * 1.2)  # the lease runs out by the real clock
    other = found.start(lease_s=LEASE_S)
    wait_for(lambda: {row.state for row in found.house.deliveries(found.instance_id)
                      if row.lease_owner not in owners} == {"accepted"}, "everybody but the rows of the stopped")
    assert found.judge() == Tally(), "nobody is in doubt"
    os.kill(stopped, signal.SIGCONT)
    assert found.wait(stopped) == found.wait(other) == 0
    assert found.judge() == Tally() and found.states() == {"accepted": PEOPLE}
    assert not present(journals)


def test_a_stopped_worker_that_was_given_up(found, tmp_path):
    """SEND-22: a host that cannot see its journal holds its rows; when it returns, it begins no body any more."""
    found.schedule(PEOPLE)
    stopped = found.start(lease_s=LEASE_S)
    found.wait_for_messages(20)
    stop(found, stopped)
    time.sleep(LEASE_S * 1.2)  # as above
    assert found.wait(found.start(data_dir=str(tmp_path / "other host"), ahead_s=GIVEN_UP_S)) == 0
    before = found.arrived().total()
    given_up = found.states()["in_doubt"]
    assert 0 < given_up <= IN_HAND
    os.kill(stopped, signal.SIGCONT)
    assert found.wait(stopped) == 0
    tally = found.judge()
    assert (tally.lost, tally.doubled) == (0, 0)
    assert found.arrived().total() - before <= CONNECTIONS, "only bodies that were on their way"
    assert tally.held <= given_up
    assert found.states()["accepted"] == found.arrived().total(), "the answers that it has had still count"


def test_a_host_that_is_gone(found, journals, clock):
    """SEND-12, SEND-22: what it had claimed is held, after lease and timeout, not before."""
    found.schedule(PEOPLE)
    worker = found.start("D", 5, lease_s=LEASE_S)
    assert found.wait(worker) == -signal.SIGKILL
    shutil.rmtree(journals)
    claimed = found.states()["claimed"]
    assert 0 < claimed <= IN_HAND
    clock.ahead_s = GIVEN_UP_S - 60
    assert found.judge() == Tally() and found.states()["claimed"] == claimed
    clock.ahead_s = GIVEN_UP_S
    assert found.judge() == Tally(held=claimed)
    assert found.finish() == Tally()


SLOW_COMMIT = """
CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.state = 'claimed' THEN PERFORM pg_sleep(0.1); END IF; RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON delivery DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION slow();
"""
COMMITTING = """
SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state = 'active' AND query = 'COMMIT'
"""


def test_a_claim_that_is_committed_after_its_process_was_killed(keeper, postgresql_url, tmp_path):
    """SEND-21: PostgreSQL finishes a commit that a dead process waited for: the recovery waits for it, and frees the
    rows, of which nothing has begun."""
    with crashes(keeper, postgresql_url, tmp_path) as found, psycopg.connect(
            postgresql_url.replace("+psycopg", ""), autocommit=True) as db:
        found.schedule(PEOPLE)
        db.execute(SLOW_COMMIT)
        worker = found.start()
        wait_for(lambda: db.execute(COMMITTING).fetchone()[0], "the commit of a claim")
        os.kill(worker, signal.SIGKILL)
        assert found.wait(worker) == -signal.SIGKILL
        assert found.judge() == Tally() and found.states() == {"queued": PEOPLE}
        assert not present(recovery.journal_folder(found.house.gateway))
        db.execute("DROP TRIGGER slow ON delivery")
        assert found.finish() == Tally()


def test_a_damaged_journal(found, journals, caplog):
    """SEND-21: whatever cannot be believed is held, the operator hears of it, the file is kept."""
    found.schedule(PEOPLE)
    found.die_at("R")
    (path, *_) = sorted(next(iter(journals.iterdir())).iterdir())
    data = bytearray(path.read_bytes())
    data[data.index(b"\nP ") + 3] ^= 1
    path.write_bytes(data)
    claimed = found.states()["claimed"]
    tally = found.judge()
    assert (tally.lost, tally.doubled) == (0, 0) and claimed - IN_HAND < tally.held <= claimed
    assert len(set_aside(journals)) == 1 and "journal damaged" in caplog.text
    assert [check.ok for check in health.doctor(found.house.gateway) if check.name == "damaged journals"] == [False]
    assert found.finish() == Tally()


@pytest.mark.parametrize("kind, count", [("H", 2), ("P", 3), ("D", 40), ("R", 40)])
def test_a_full_disk(keeper, sqlite_url, tmp_path, kind, count):
    """SEND-18: a note that cannot be written whole keeps its body from leaving, and stops the sender: it hears the
    answers to what has left, and nobody is in doubt."""
    with crashes(keeper, sqlite_url, tmp_path) as found:
        found.schedule(PEOPLE)
        assert found.wait(found.start(f"disk full at {kind}", count)) == 1
        assert found.judge() == Tally()
        assert found.arrived().total() < PEOPLE and not present(recovery.journal_folder(found.house.gateway))
        assert found.finish() == Tally()
