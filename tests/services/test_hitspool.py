"""The spool of hits on a disk that is full, torn, stalled or shared (SEND-47, SEND-50)."""

import os
import subprocess
import sys
import threading
import time

import pytest

from gateway.services import hitspool
from gateway.services.hitspool import HitSpool, Segment
from tests.support.installation import ROOT

FULL_DISK = """
import resource, sys
from pathlib import Path
from gateway.services.hitspool import HitSpool
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
spool = HitSpool(Path(sys.argv[1]))
kept = sum(spool.write(b"%039d\\n" % n) for n in range(100))
print(kept, spool.lost)
"""


def lines(folder):
    with hitspool.folding(folder) as segments:
        found = []
        for segment in map(Segment, segments):
            found.append((segment.ended, segment.read().splitlines()))
            segment.close()
        return found


def test_a_full_disk_loses_counted_hits_and_leaves_no_half_line(tmp_path):
    """SEND-47: no room is no error of the answer; what does not fit is counted, and no line is torn."""
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path / "hits")], capture_output=True, text=True,
                          check=True, cwd=ROOT, timeout=60)
    assert done.stdout.split() == ["25", "75"] and "not kept" in done.stderr
    assert lines(tmp_path / "hits") == [(True, [b"%039d" % n for n in range(25)])]


def test_a_folder_that_cannot_be_made_is_counted(tmp_path):
    """SEND-47: the answer goes out all the same."""
    (tmp_path / "hits").write_text("in the way")
    spool = HitSpool(tmp_path / "hits")
    assert not spool.write(b"x\n") and spool.lost == 1


def test_a_living_process_keeps_its_segment_and_begins_a_new_one_when_it_is_long(tmp_path, monkeypatch):
    """SEND-50: only what its process let go is removed; folding goes on while it writes."""
    monkeypatch.setattr(hitspool, "SEGMENT_BYTES", 4)
    spool = HitSpool(tmp_path)
    assert lines(tmp_path) == [] and not spool.is_ready
    spool.write(b"one\n")
    assert lines(tmp_path) == [(False, [b"one"])]
    spool.turn()
    spool.write(b"two\n")
    assert lines(tmp_path) == [(True, [b"one"]), (False, [b"two"])]
    assert hitspool.waiting_bytes(tmp_path) == 8
    spool.close()
    assert lines(tmp_path) == [(True, [b"one"]), (True, [b"two"])]


def test_only_one_folds_at_a_time(tmp_path):
    """SEND-50: the processes of a host take turns; who did it when is seen by the others."""
    assert hitspool.idle_s(tmp_path) == float("inf")
    HitSpool(tmp_path).write(b"one\n")
    with hitspool.folding(tmp_path) as mine, hitspool.folding(tmp_path) as others:
        assert list(others) == []
        assert len(list(mine)) == 1
    assert hitspool.idle_s(tmp_path) < 60


def test_a_segment_is_removed_when_it_is_folded_and_its_torn_end_put_aside(tmp_path):
    """SEND-47: a line without its end was answered to nobody; it is kept for a person to look at."""
    spool = HitSpool(tmp_path)
    spool.write(b"one\n")
    spool.write(b"tor")
    spool.close()
    with hitspool.folding(tmp_path) as segments:
        for segment in map(Segment, segments):
            segment.advance(4)
            segment.settle(waiting=False)
            segment.close()
    assert [path.suffix for path in sorted(tmp_path.iterdir())] == [".bad", ".lock"]
    assert next(tmp_path.glob("*.bad")).read_bytes() == b"tor\n"


class StalledDisk:
    """The module ``os``, but that one call waits until the disk ``goes_on``."""

    def __init__(self, call):
        self.call, self.began, self.goes_on = call, threading.Event(), threading.Event()

    def __getattr__(self, name):
        real = getattr(os, name)
        if name != self.call:
            return real

        def stalls(*args):
            self.began.set()
            assert self.goes_on.wait(60)
            return real(*args)

        return stalls


@pytest.mark.parametrize("call", ["write", "fdatasync"])
def test_a_disk_that_stalls_stops_no_server(tmp_path, monkeypatch, call):
    """SEND-47: the thread that reads for all stays away from it, others wait a moment and go on; then all is as before.

    The one line that the disk had in hand is kept, and so is all that a disk takes which does not answer to a sync.
    """
    monkeypatch.setattr(hitspool, "PATIENCE_S", 0.3)
    monkeypatch.setattr(hitspool, "SYNC_STALLED_S", 0.3)
    spool = HitSpool(tmp_path)
    spool.write(b"one\n")
    assert spool.is_ready
    disk = StalledDisk(call)
    monkeypatch.setattr(hitspool, "os", disk)
    stuck = threading.Thread(target=spool.write if call == "write" else spool.sync,
                             args=(b"two\n",) if call == "write" else ())
    stuck.start()
    assert disk.began.wait(30)
    if call == "write":
        assert not spool.write(b"lost\n") and not spool.write(b"lost, too\n") and spool.lost == 2
    else:
        assert spool.write(b"two\n")
        time.sleep(hitspool.SYNC_STALLED_S)
    assert not spool.is_ready
    disk.goes_on.set()
    stuck.join()
    assert spool.is_ready and spool.write(b"three\n")
    assert lines(tmp_path) == [(False, [b"one", b"two", b"three"])]
    spool.close()
