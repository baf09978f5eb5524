"""Does a folder into which strangers upload do what it should, whatever lies in it and whoever it belongs to?"""

import codecs
import csv
import datetime as dt
import os
import shutil
import tempfile
import threading
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.bridges.folder.bridge import FolderBridge
from gateway.bridges.folder.drop import Drop
from gateway.bridges.folder.outbox import LEFT_AFTER_S
from gateway.bridges.port import Outage, Refused, WritebackItem
from gateway.clock import UTC
from gateway.domain.accounts import system_actor
from gateway.domain.writeback import KINDS
from gateway.errors import GatewayError
from gateway.services import integrations, sync
from tests.support.folder_ams import FolderAms
from tests.support.world import World

AT = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)
ANN, BO = ("17", "ann@example.org", 0, "Gold", 0), ("18", "bo@example.org", 1, "", 0)
NOBODY = 65_534


@pytest.fixture
def ams(tmp_path):
    made = FolderAms(tmp_path / "ams")
    (made.folder / "members.csv").unlink()
    return made


def listed(ams, **change):
    with closing(ams.bridge(**change)) as bridge, closing(bridge.changed_since(None)) as stream:
        return [(m.remote_id, m.email) for m in stream]


def read_all(ams, **change):
    """What a run does: reads, and puts away."""
    with closing(ams.bridge(**change)) as bridge, closing(bridge.changed_since(None)) as stream:
        found = [m.remote_id for m in stream]
        stream.settle("success", "")
    return found


@contextmanager
def another_user():
    """A user who is not root, to whom modes and owners mean something."""
    if os.geteuid() != 0:
        yield os.geteuid()
        return
    codecs.lookup("utf-8-sig")  # the other user may not be able to import it
    os.seteuid(NOBODY)
    try:
        yield NOBODY
    finally:
        os.seteuid(0)


@pytest.fixture
def shared():
    """A folder of its own user, below one that everybody may enter."""
    place = Path(tempfile.mkdtemp(prefix="gateway-drop-"))
    place.chmod(0o755)
    made = FolderAms(place / "ams")
    (made.folder / "members.csv").unlink()
    for folder in (place / "ams", made.folder, made.outbox):
        if os.geteuid() == 0:
            os.chown(folder, NOBODY, -1)
    yield made
    shutil.rmtree(place)


@pytest.mark.parametrize("mode", [0o444, 0o644])
def test_a_file_that_only_may_be_read_is_taken(shared, mode):
    """Uploads often belong to the user of the file server: to read them and to move them is all we need."""
    shared.export("members.csv", [ANN]).chmod(mode)
    with another_user():
        assert read_all(shared) == ["17"]
    assert (shared.lying(), shared.lying("done")) == ([], ["members.csv"])


def test_a_file_that_may_not_be_read_is_an_outage_that_says_which_and_stays(shared):
    """It is read when somebody has given us the right to."""
    path = shared.export("members.csv", [ANN])
    path.chmod(0)
    with another_user():
        with pytest.raises(Outage) as caught:
            read_all(shared)
        assert "members.csv" in str(caught.value) and "Permission denied" in str(caught.value)
        assert str(shared.folder) not in str(caught.value)
    path.chmod(0o644)
    with another_user():
        assert read_all(shared) == ["17"]


def test_a_file_that_cannot_be_moved_is_not_read_again_and_again(shared):
    """A sticky folder lets only owners move their files: that is said before anything is applied."""
    if os.geteuid() != 0:
        pytest.skip("needs a second user")
    shared.export("members.csv", [ANN])
    os.chown(shared.folder, 0, -1)
    shared.folder.chmod(0o1777)
    with another_user():
        with pytest.raises(Outage) as caught:
            read_all(shared)
        assert "chmod -t" in str(caught.value)
    shared.folder.chmod(0o777)
    with another_user():
        assert read_all(shared) == ["17"]


def test_a_slow_upload_is_taken_when_it_is_left_alone(ams):
    """SFTP servers write in place: a file is young as long as it grows, and whole when nobody has touched it."""
    whole = ams.export("members.txt", [ANN, BO]).read_bytes()
    path = ams.folder / "members.csv"
    with open(path, "wb") as file:
        for byte in (whole[:30], whole[30:]):
            file.write(byte)
            file.flush()
            assert listed(ams, quiet_s=3600) == []
    assert listed(ams) == [("17", "ann@example.org"), ("18", "bo@example.org")]


def test_a_pipe_that_takes_the_place_of_a_file_hangs_nobody(ams):
    """Between the look into the folder and the reading."""
    path = ams.export("members.csv", [ANN])
    drop = Drop(ams.bridge()._config)
    (export,) = drop.waiting()
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(Outage):
        drop.open(export)
    path.unlink()
    path.symlink_to("/etc/hostname")
    with pytest.raises(Outage):
        drop.open(export)


@pytest.mark.parametrize("name", ["mem\nbers.csv", "=cmd;'\".csv", os.fsdecode(b"m\xe9mbers.csv"), "a" * 251 + ".csv",
                                  "é" * 120 + ".csv"])
def test_files_of_odd_names_are_taken_put_away_and_shown_in_one_line(ams, name):
    ams.export("members.txt", [ANN]).rename(ams.folder / name)
    assert read_all(ams) == ["17"]
    assert ams.lying() == [] and len(ams.lying("done")) == 1
    (ams.folder / name).write_bytes(b"x")
    with closing(ams.bridge()) as bridge, closing(bridge.changed_since(None)) as stream:
        with pytest.raises(Refused) as caught:
            list(stream)
        stream.settle("failed", "")
    assert str(caught.value).isprintable()
    assert ams.lying() == [] and len(ams.lying("failed")) == 2  # the file, and why


@pytest.mark.parametrize("planted", ["done", "failed"])
def test_who_uploads_does_not_choose_where_files_go(ams, tmp_path, planted):
    """A link in the place of our folder, or of a text we write, leads nowhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (ams.folder / planted).symlink_to(elsewhere)
    ams.file("members.csv", b"x" if planted == "failed" else ams.export("m.txt", [ANN]).read_bytes())
    with closing(ams.bridge()) as bridge, closing(bridge.changed_since(None)) as stream:
        try:
            list(stream)
        except Refused:
            pass
        stream.settle("success", "")
    assert "members.csv" in ams.lying() and list(elsewhere.iterdir()) == []


def test_a_text_beside_a_failed_export_overwrites_nothing_elsewhere(ams, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    (ams.folder / "failed").mkdir()
    (ams.folder / "failed" / "members.csv.txt").symlink_to(victim)
    ams.file("members.csv", b"x")
    with closing(ams.bridge()) as bridge, closing(bridge.changed_since(None)) as stream:
        with pytest.raises(Refused):
            list(stream)
        stream.settle("failed", "")
    assert victim.read_text() == "untouched"
    assert "cannot be read" in (ams.folder / "failed" / "members.csv.txt").read_text()


def test_many_exports_are_one_run(ams):
    """The newest full one and the changes after it; the others are put away unread."""
    for number in range(300):
        kind = "-changes" if number > 270 else ""
        ams.export(f"m{number}{kind}.csv", [(str(number), f"m{number}@example.org", 0, "", 0)], 5_000 - number)
    assert sorted(map(int, read_all(ams))) == list(range(270, 300))
    assert ams.lying() == []
    assert len([name for name in ams.lying("done") if name.endswith(".csv")]) == 300


@pytest.fixture
def world(sqlite_url, clock, tmp_path):
    with World(sqlite_url, clock, tmp_path / "world", brands=(1,)) as made:
        yield made


def test_two_workers_at_once_take_a_file_once(world, ams, monkeypatch):
    """ID-67: the second sees that a run is at work, and afterwards that nothing waits."""
    ams.export("members.csv", [ANN, BO])
    with world.gateway.unit(system_actor(1)) as unit:
        made = integrations.add(unit, "ams", "folder", ams.config)
    is_reading, may_go_on, reports = threading.Event(), threading.Event(), []
    read = FolderBridge.changed_since

    def slowly(bridge, since):
        is_reading.set()
        may_go_on.wait(30)
        return read(bridge, since)

    monkeypatch.setattr(FolderBridge, "changed_since", slowly)
    first = threading.Thread(target=lambda: reports.append(sync.run(world.gateway, 1, made)))
    first.start()
    try:
        assert is_reading.wait(30)
        with pytest.raises(GatewayError) as caught:
            sync.run(world.gateway, 1, made)
        assert caught.value.code == "IN_PROGRESS"
    finally:
        may_go_on.set()
        first.join(60)
    assert (reports[0].state, reports[0].counters["new"], ams.lying("done")) == ("success", 2, ["members.csv"])
    assert sync.run(world.gateway, 1, made, full=False).counters["read"] == 0


def test_two_that_read_the_same_exports_put_each_away_once(ams):
    """As when a worker was given up, and comes back."""
    for number in range(50):
        ams.export(f"m{number:02d}-changes.csv", [ANN], 100 - number)
    streams = [ams.bridge().changed_since(None) for _ in range(2)]
    assert [len(list(stream)) for stream in streams] == [1, 1]
    started = threading.Barrier(2)

    def settle(stream):
        started.wait(60)
        stream.settle("success", "")

    threads = [threading.Thread(target=settle, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (ams.lying(), len(ams.lying("done"))) == ([], 50)


def test_the_columns_of_the_outbox_only_grow():
    """A published format: who reads by place finds every old column where it was."""
    assert FolderBridge.fields == frozenset()
    assert header("unsubscribe") == [
        "writeback_id", "kind", "remote_id", "email", "occurred_at", "origin", "reason", "code", "bounce_class",
        "interest", "field", "value", "instance_id", "mailing", "link"]


def header(kind):
    with tempfile.TemporaryDirectory() as place:
        made = FolderAms(Path(place) / "ams")
        with closing(made.bridge(writeback=list(KINDS))) as bridge:
            bridge.write_back(WritebackItem(1, kind, "17", "ann@example.org", AT))
        (path,) = made.outbox.iterdir()
        with open(path, encoding="utf-8", newline="") as file:
            return next(csv.reader(file))


def test_every_kind_is_handed_over_where_it_is_wanted(ams):
    """ID-56, ID-57: a field's value may have any character; a cleared one is empty."""
    items = [WritebackItem(1, "field_changed", "17", "a@example.org", AT, field="Shoe size", value='4"\n;x'),
             WritebackItem(2, "field_changed", "17", "a@example.org", AT, field="Title", value=None),
             WritebackItem(3, "clicked", "17", "a@example.org", AT, instance_id=4, mailing="News", link="https://x.org/")]
    with closing(ams.bridge(writeback=list(KINDS))) as bridge:
        for each in items:
            bridge.write_back(each)
        assert bridge.writes == set(KINDS)
    assert [(f["field"], f["value"], f["instance_id"], f["mailing"], f["link"]) for f in ams.facts()] == [
        ("Shoe size", '4"\n;x', "", "", ""), ("Title", "", "", "", ""), ("", "", "4", "News", "https://x.org/")]
    config = {key: each for key, each in ams.config.items() if key != "writeback"}
    with closing(FolderBridge.from_config(config)) as bridge:  # as before: what is new must be asked for
        assert bridge.writes == set(KINDS[:6])
        with pytest.raises(Refused):
            bridge.write_back(items[0])


def test_a_link_in_the_outbox_is_not_written_through(ams, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("untouched")
    name = "writeback-000000000001.csv"
    (ams.outbox / f".{name}.{os.getpid()}-{threading.get_ident()}.tmp").symlink_to(victim)
    with closing(ams.bridge()) as bridge:
        bridge.write_back(WritebackItem(1, "unsubscribe", "17", "ann@example.org", AT))
    assert victim.read_text() == "untouched" and [f["remote_id"] for f in ams.facts()] == ["17"]


def test_what_a_killed_worker_left_unfinished_goes(ams, monkeypatch):
    """It names a person; what another worker is writing now stays."""
    (ams.outbox / ".writeback-000000000009.csv.1-2.tmp").write_text("half")
    with closing(ams.bridge()) as bridge:
        bridge.write_back(WritebackItem(1, "unsubscribe", "17", "ann@example.org", AT))
    assert len(list(ams.outbox.iterdir())) == 2
    monkeypatch.setattr("gateway.bridges.folder.outbox.LEFT_AFTER_S", -LEFT_AFTER_S)
    with closing(ams.bridge()) as bridge:
        bridge.write_back(WritebackItem(2, "unsubscribe", "17", "ann@example.org", AT))
    assert sorted(path.name for path in ams.outbox.iterdir()) == [
        "writeback-000000000001.csv", "writeback-000000000002.csv"]
