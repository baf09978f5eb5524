"""One data folder, one host: the locks of journals and hits hold on no other (SEND-14, SEND-50)."""

import os
import signal
import threading
import time
from contextlib import contextmanager

import pytest

from gateway.errors import SettingsError
from gateway.services import onehost
from tests.support.installation import Installation

OTHER = "another-boot other.example.org\n"


def show(folder, age_s=0.0):
    """What a process of another host leaves there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / onehost.FILE
    path.write_text(OTHER)
    os.utime(path, (time.time() - age_s,) * 2)
    return path


@contextmanager
def other_host(folder):
    """Another host that lives."""
    path, ends = show(folder), threading.Event()

    def beat():
        while not ends.wait(0.05):
            os.utime(path)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def test_a_folder_of_a_living_host_is_refused(tmp_path):
    """SEND-14: the second host says who has the folder and what to do; it starts nothing."""
    with Installation(tmp_path) as made:
        made.brand(1)
        with other_host(tmp_path / "data"):
            for command in (("worker",), ("serve", "--workers", "2", "--port", "0")):
                said = made.run(*command, code=1).stderr
                assert "other.example.org" in said and "GATEWAY_SPOOL_DIR" in said
        assert (tmp_path / "data" / onehost.FILE).read_text() == OTHER


def test_a_dead_host_is_followed(tmp_path, monkeypatch):
    """SEND-21: after a crash or a restart of the machine the folder is taken over, at once if it is long ago."""
    monkeypatch.setattr(onehost, "WATCH_S", 0.6)
    for age_s, least_s in ((1.0, 0.6), (3600.0, 0.0)):
        path = show(tmp_path / str(age_s), age_s)
        began = time.monotonic()
        onehost.claim(path.parent)
        assert least_s <= time.monotonic() - began
        assert path.read_text().split()[0] == onehost.journal.boot_id()
        monkeypatch.setattr(onehost, "WATCH_S", 60.0)
        onehost.claim(path.parent)
        assert time.monotonic() - began < 30, "nobody waits for the own host"


def test_of_two_that_began_at_once_one_goes(tmp_path, monkeypatch):
    """SEND-14: whoever finds the other's name in the folder ends as if told to, which loses nothing."""
    monkeypatch.setattr(onehost, "BEAT_S", 0.05)
    told, before = threading.Event(), signal.getsignal(signal.SIGTERM)
    signal.signal(signal.SIGTERM, lambda *_: told.set())
    host = onehost.Host(tmp_path)
    try:
        host.start()
        first = os.stat(tmp_path / onehost.FILE).st_mtime_ns
        while os.stat(tmp_path / onehost.FILE).st_mtime_ns == first:
            time.sleep(0.02)
        assert not told.is_set()
        show(tmp_path)
        assert told.wait(30)
    finally:
        host.stop()
        signal.signal(signal.SIGTERM, before)


def test_a_folder_that_cannot_be_written_is_said(tmp_path):
    """Names the setting."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match="GATEWAY_DATA_DIR"):
        onehost.claim(tmp_path / "file" / "data")
