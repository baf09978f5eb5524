"""Does the journal lie on the disk as it should, and can a dead sender be told from a living one? (SEND-14..21)"""

import contextlib
import datetime as dt
import os
import resource
import signal
import subprocess
import sys
import threading

import pytest

from gateway.domain.journal import IN_DOUBT, KNOWN, QUEUED, Result
from gateway.mail import journal
from gateway.mail.journal import Journal, JournalBroken, abandoned, present, set_aside

NOW = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
CHILD = """
import os, sys
from pathlib import Path
from gateway.mail.journal import Journal
journal = Journal.open(Path(sys.argv[1]), sys.argv[2])
journal.plan([(1, 1), (2, 1)])
journal.begin(1, 1)
print("ready", flush=True)
sys.stdin.readline()
"""


def result(delivery_id, verdict="accepted"):
    return Result(delivery_id, 1, NOW, verdict, 250, "2.0.0", "message", "taken")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "data" / "journal"


@pytest.fixture
def own(folder):
    made = Journal.open(folder, "me")
    yield made
    made.close()


@pytest.fixture
def other(folder):
    """A sender in a process of its own, with a body on its way."""
    process = subprocess.Popen([sys.executable, "-c", CHILD, folder, "other"], stdin=subprocess.PIPE,
                               stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    yield process
    process.kill()
    process.communicate()


def segments(folder, sender="me"):
    return sorted(path.name for path in (folder / sender).iterdir())


def test_only_a_dead_sender_is_abandoned(folder, other):
    """SEND-21: the lock tells; a stopped process is not dead."""
    assert not list(abandoned(folder)) and present(folder) == {"other"}
    other.send_signal(signal.SIGSTOP)
    assert not list(abandoned(folder))
    other.send_signal(signal.SIGKILL)
    other.wait(60)
    (found,) = [(each.sender, each.fates()) for each in abandoned(folder)]
    assert found[0] == "other"
    assert [found[1].of(row, 1).what for row in (1, 2, 3)] == [IN_DOUBT, QUEUED, QUEUED]


def test_two_recoveries_never_have_the_same_journal(folder, own):
    """SEND-21: who comes second finds it locked, or gone; nobody finds the living one."""
    for sender in ("a", "b"):
        _leave_dead(folder, sender)
    first, second = abandoned(folder), abandoned(folder)
    a, b = next(first), next(second)
    assert (a.sender, b.sender) == ("a", "b")
    a.remove()
    assert [each.sender for each in first] == [], "b is in hand, me lives"
    second.close()
    assert [each.sender for each in abandoned(folder)] == ["b"], "let go of, not removed"


def test_many_recoveries_and_new_senders_at_once(folder):
    """SEND-21: each dead journal is recovered once, and none that is made this instant."""
    dead = {f"dead{number}" for number in range(40)}
    for sender in dead:
        _leave_dead(folder, sender)
    found, errors, go = [], [], threading.Event()

    def recover():
        go.wait()
        for _ in range(5):
            for each in abandoned(folder):
                found.append(each.sender)
                assert each.fates().of(1, 1).what == QUEUED
                each.remove()

    def begin(name):
        go.wait()
        for number in range(25):
            made = Journal.open(folder, f"{name}-{number}")
            made.plan([(1, 1)])
            made.begin(1, 1)
            made.settle(())
            made.close()

    def noted(work, *args):
        try:
            work(*args)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=noted, args=args) for args in
               [(recover,)] * 3 + [(begin, name) for name in ("x", "y")]]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join()
    assert not errors and sorted(found) == sorted(dead) and not list(folder.iterdir())


def test_a_segment_stays_as_long_as_it_names_an_open_row(folder, own):
    """SEND-20: by P, by D or by R; the row of an R that no commit holds yet is open, too."""
    own.plan([(1, 1), (2, 1)])
    own.turn()
    own.begin(1, 1)
    own.turn()
    own.end(result(1))
    own.turn()
    own.settle({1, 2})
    assert segments(folder) == ["00000001", "00000002", "00000003", "00000004"]
    own.settle([2])
    assert segments(folder) == ["00000001", "00000004"], "1 is settled; 2 is still planned in the first"
    own.settle(())
    assert segments(folder) == ["00000004"]
    own.close()
    assert present(folder) == frozenset()


def test_closing_keeps_what_is_open(folder, own):
    """SEND-20, SEND-21: what was written after the last settling is for the next recovery."""
    own.settle(())
    own.plan([(7, 3)])
    own.close()
    (found,) = [each.fates() for each in abandoned(folder)]
    assert found.rows[7].attempt == 3 and found.of(7, 3).what == QUEUED


def test_a_row_may_come_again_under_the_same_number(folder, own):
    """SEND-32: given back untried, settled, claimed and planned again."""
    own.plan([(1, 1)])
    own.end(result(1, "not_tried"))
    own.turn()
    own.settle(())
    own.plan([(1, 1)])
    own.begin(1, 1)
    own.turn()
    own.settle({1})
    assert segments(folder) == ["00000002", "00000003"]
    own.end(result(1))
    own.close()
    (found,) = [each.fates().of(1, 1) for each in abandoned(folder)]
    assert (found.what, found.result) == (KNOWN, result(1))


def test_a_full_disk_stops_the_sender(folder, own):
    """SEND-18: a line that could not be written whole is the last one, and counts as not written."""
    own.plan([(1, 1), (2, 1)])
    own.begin(1, 1)
    size = (folder / "me" / "00000001").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 5, hard))
    try:
        with pytest.raises(JournalBroken, match="full"):
            own.begin(2, 1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for act in (lambda: own.end(result(1)), lambda: own.plan([(3, 1)]), own.sync, own.turn, lambda: own.settle(())):
        with pytest.raises(JournalBroken):
            act()
    own.close()
    (found,) = [each.fates() for each in abandoned(folder)]
    assert not found.damaged and [found.of(row, 1).what for row in (1, 2, 3)] == [IN_DOUBT, QUEUED, QUEUED]


def test_a_folder_that_takes_no_segment_stops_the_sender(folder, own):
    """SEND-18, SEND-20: a turn that fails leaves the segment before it as it was."""
    own.plan([(1, 1)])
    (folder / "me" / "00000002").mkdir()
    with pytest.raises(JournalBroken, match="turned"):
        own.turn()
    with pytest.raises(JournalBroken):
        own.begin(1, 1)


def test_a_place_that_can_not_be_made_is_named(tmp_path):
    """SEND-14: a journal that cannot be made is an error before anything is claimed."""
    (tmp_path / "journal").write_text("a file")
    with pytest.raises(JournalBroken, match="journal/s1 can not be made"):
        Journal.open(tmp_path / "journal", "s1")
    for name in ("", "a/b", "..", "a.b", "x" * 101):
        with pytest.raises(ValueError, match="sender's name"):
            Journal.open(tmp_path, name)


def test_a_name_is_used_once(folder, own):
    """SEND-14: two senders never share a journal."""
    with pytest.raises(JournalBroken):
        Journal.open(folder, "me")
    own.plan([(1, 1)])
    own.begin(1, 1)
    own.close()
    with pytest.raises(JournalBroken):
        Journal.open(folder, "me")
    assert [each.fates().of(1, 1).what for each in abandoned(folder)] == [IN_DOUBT]


def test_a_forked_child_holds_no_lock(folder, own):
    """SEND-21: else a dead sender would live on in its children. Nor can the child write."""
    own.plan([(1, 1)])
    ready, told = os.pipe()
    waiting, go = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            own.begin(1, 1)
            os.write(told, b"wrote")
        except JournalBroken:
            os.write(told, b"refused")
        os.close(go)
        os.read(waiting, 1)
        os._exit(0)
    try:
        assert os.read(ready, 10) == b"refused"
        assert not list(abandoned(folder)), "the child's end of it changes nothing for the parent"
        own.begin(1, 1)
        own.close()
        assert [each.fates().of(1, 1).what for each in abandoned(folder)] == [IN_DOUBT]
    finally:
        for handle in (go, told, ready):
            os.close(handle)
        os.waitpid(child, 0)
        os.close(waiting)


def test_a_damaged_journal_can_be_set_aside(folder):
    """SEND-21: its rows are in doubt, an alarm can be raised, and a person can look at it."""
    _leave_dead(folder, "bad")
    path = folder / "bad" / "00000001"
    path.write_bytes(path.read_bytes().replace(b"P 1 1", b"P 7 1"))
    for each in abandoned(folder):
        found = each.fates()
        assert found.damaged and found.of(1, 1).what == IN_DOUBT
        each.remove(keep=True)
    assert set_aside(folder) == ["bad"]
    assert not list(abandoned(folder)) and not present(folder)
    assert (folder / "bad.damaged" / "00000001").exists()


def test_what_a_kill_left_half_made_is_tidied(folder, own):
    """SEND-14: but not what is being made this instant."""
    for name in ("old.new", "young.new"):
        (folder / name).mkdir()
        (folder / name / "00000001").touch()
    os.utime(folder / "old.new", (1, 1))
    assert not list(abandoned(folder))
    assert sorted(path.name for path in folder.iterdir()) == ["me", "young.new"]


def test_another_start_of_the_machine_is_known(folder, monkeypatch):
    """SEND-21: what was planned is queued again only if the kernel that took the D lines still runs."""
    _leave_dead(folder, "s1")
    monkeypatch.setattr(journal, "boot_id", lambda: "another")
    assert [each.fates().of(1, 1).what for each in abandoned(folder)] == [IN_DOUBT]


def test_nobody_else_may_read_it(folder, own):
    """SEND-17: what a server answered may hold addresses."""
    assert (folder / "me").stat().st_mode & 0o077 == 0
    assert (folder / "me" / "00000001").stat().st_mode & 0o077 == 0


def test_planning_in_another_thread(folder, own):
    """SEND-14: while a group waits for the disk, the other connections' lines are written, and none is torn."""
    rows = 400

    def plan():
        for start in range(0, rows, 16):
            own.plan([(number, 1) for number in range(start, start + 16)])

    planner = threading.Thread(target=plan)
    planner.start()
    for number in range(1000, 1000 + rows):
        own.begin(number, 1)
        own.end(result(number))
        if number % 40 == 0:
            own.turn()
    planner.join()
    own.close()
    (found,) = [each.fates() for each in abandoned(folder)]
    assert not found.damaged
    assert {found.of(number, 1).what for number in range(rows)} == {QUEUED}
    assert {found.of(number, 1).what for number in range(1000, 1000 + rows)} == {KNOWN}


def _leave_dead(folder, sender):
    """A journal as a dead process leaves it: one row planned."""
    made = Journal.open(folder, sender)
    made.plan([(1, 1)])
    made.close()


def test_nobody_who_writes_waits_for_the_disk(folder, own, monkeypatch):
    """SEND-15, SEND-16, SEND-20: bodies go on leaving while a turn waits for the disk, but no group may start before
    the segment that its note may be in is safe."""
    slow = SlowDisk()
    monkeypatch.setattr(journal, "os", slow)
    own.plan([(1, 1)])
    with slow.stuck():
        own.propose([(2, 1)])
        turning = threading.Thread(target=own.turn)
        turning.start()
        assert slow.reached.wait(60)
        writing = threading.Thread(target=lambda: (own.begin(1, 1), own.end(result(1))))
        writing.start()
        writing.join(60)
        assert not writing.is_alive()
        syncing = threading.Thread(target=own.sync)
        syncing.start()
        syncing.join(0.2)
        assert turning.is_alive() and syncing.is_alive()
    for thread in (turning, syncing):
        thread.join(60)
        assert not thread.is_alive()
    assert slow.synced >= {"00000001", "00000002"} and segments(folder) == ["00000001", "00000002"]
    own.settle({2})
    assert segments(folder) == ["00000001", "00000002"], "the group's note is in the first"


class SlowDisk:
    """``os`` for the journal, whose ``fdatasync`` does not return while the disk is stuck."""

    def __init__(self):
        self.free, self.reached, self.synced = threading.Event(), threading.Event(), set()
        self.free.set()

    def __getattr__(self, name):
        return getattr(os, name)

    def fdatasync(self, handle):
        self.reached.set()
        self.free.wait()
        self.synced.add(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))
        os.fdatasync(handle)

    @contextlib.contextmanager
    def stuck(self):
        self.reached.clear()
        self.free.clear()
        try:
            yield
        finally:
            self.free.set()
