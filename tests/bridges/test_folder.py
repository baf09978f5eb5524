"""Is every export taken once, whole and in order, and every fact handed over, whatever is done to the folder?"""

import datetime as dt
import os
import tracemalloc
from contextlib import closing

import pytest

from gateway.bridges import registry
from gateway.bridges.folder.bridge import FolderBridge
from gateway.bridges.folder.drop import Drop
from gateway.bridges.port import Outage, Refused, WritebackItem
from gateway.clock import UTC
from gateway.db.queries import events
from gateway.domain.accounts import system_actor
from gateway.domain.events import NewEvent
from gateway.domain.records import Identifier
from gateway.errors import GatewayError
from gateway.services import integrations, subscribers, sync, writebacks
from tests.support.folder_ams import COLUMNS, FolderAms
from tests.support.world import World

AT = dt.datetime(2026, 1, 15, 12, tzinfo=UTC)
GOOD = {"folder": "/srv/drop", "columns": COLUMNS}
ANN, BO, CY = ("17", "ann@example.org", 0, "Gold", 0), ("18", "bo@example.org", 1, "", 0), ("19", "cy@example.org",)
ANN_MOVED = ("17", "ann@new.example.org", 1, "Gold;Board", 0)


@pytest.fixture
def ams(tmp_path):
    made = FolderAms(tmp_path / "ams")
    (made.folder / "members.csv").unlink()
    return made


@pytest.fixture
def world(sqlite_url, clock, tmp_path):
    with World(sqlite_url, clock, tmp_path / "world", brands=(1,)) as made:
        yield made


@pytest.fixture
def made(world, ams):
    with world.gateway.unit(system_actor(1)) as unit:
        return integrations.add(unit, "ams", "folder", ams.config)


def run(world, made, **options):
    world.clock.advance(minutes=1)
    return sync.run(world.gateway, 1, made, **{"full": False, **options})


def listed(ams, since=None, **change):
    with closing(ams.bridge(**change)) as bridge, closing(bridge.changed_since(since)) as stream:
        return [(m.remote_id, m.email) for m in stream]


def who(world, remote_id):
    with world.reading(world.actor("ams")) as unit:
        return subscribers.get(unit, Identifier(remote_id=remote_id))


def test_full_export_then_changes_then_full_through_the_sync(world, ams, made):
    """ID-65, ID-69: each file is applied once and put away; only a full export ends the link of who is not in it."""
    ams.export("members-1.csv", [ANN, BO], 30)
    report = run(world, made)
    assert (report.state, report.counters["new"], report.counters["flagged"]) == ("success", 2, 1)
    assert (ams.lying(), ams.lying("done")) == ([], ["members-1.csv"])
    ams.export("members-changes.csv", [ANN_MOVED], 20)
    report = run(world, made)
    assert (report.state, report.full, report.counters["changed"], report.counters["swept"]) == ("success", False, 1, 0)
    assert who(world, "17").email == "ann@new.example.org" and who(world, "18").status == "unsubscribed"
    ams.export("members-2.csv", [ANN_MOVED], 10)
    report = run(world, made)
    assert (report.state, report.full, report.counters["swept"]) == ("success", True, 1)
    assert "orphan" in who(world, "18").blocked_by
    report = run(world, made)
    assert (report.state, report.counters["read"], report.counters["held"]) == ("success", 0, 0)
    assert ams.lying("done") == ["members-1.csv", "members-2.csv", "members-changes.csv"]


def test_what_waits_together_is_applied_as_one_after_the_other(ams):
    """Oldest first: the newest word about a person counts, and what is older than a full export does not."""
    ams.export("a-changes.csv", [("17", "before@example.org", 0, "", 0)], 50)
    ams.export("old.csv", [("99", "old@example.org", 0, "", 0)], 40)
    ams.export("full.csv", [ANN, BO], 30)
    ams.export("b-changes.csv", [ANN_MOVED], 20)
    ams.export("c-changes.csv", [(*CY, 0, "", 0), ("18", "bo2@example.org", 0, "", 0)], 10)
    assert listed(ams) == [("17", "ann@new.example.org"), ("19", "cy@example.org"), ("18", "bo2@example.org")]
    with closing(ams.bridge()) as bridge:
        with pytest.raises(Refused):  # ID-68: everybody is to be read
            bridge.changed_since("folder")
        with closing(bridge.changed_since(None)) as stream:
            assert len(list(stream)) == 3 and stream.complete and stream.lists_everybody
            stream.settle("success", "")
    assert ams.lying() == []
    assert (ams.folder / "done" / "old.csv.txt").read_text().startswith("It was not read")


def test_the_same_person_twice_in_one_export_stays_a_conflict(world, ams, made):
    ams.export("members.csv", [ANN, ANN_MOVED, BO])
    assert run(world, made).counters["conflicting"] == 2


def test_a_preview_moves_nothing(world, ams, made):
    """ID-71."""
    ams.export("members.csv", [ANN])
    preview = run(world, made, preview=True)
    assert (preview.counters["new"], ams.lying(), ams.lying("done")) == (1, ["members.csv"], [])
    assert run(world, made).counters == preview.counters


def test_a_kill_before_the_file_is_put_away_reads_it_again_and_changes_nothing(world, ams, made, monkeypatch):
    """ID-P2: killed at the worst moment, when everything is stored and the file still lies there."""
    ams.export("members.csv", [ANN, BO])

    def die(*_args):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Drop, "put_away", die)
        with pytest.raises(KeyboardInterrupt):
            run(world, made)
    assert ams.lying() == ["members.csv"]
    report = run(world, made)
    assert (report.state, report.counters["unchanged"], ams.lying()) == ("success", 2, [])


@pytest.mark.parametrize(("data", "why"), [
    (b"", "'Member No' is missing"), (b"Member No;E-Mail\n17;ann@example.org\n", "'No Mail' is missing"),
    (b"Member No;E-Mail;No Mail;Groups;Gone;E-Mail\n", "'E-Mail' comes twice"),
    (b"Member No;E-Mail;No Mail;Groups;Gone\n17;\xff\xfe;0;;0\n", "not utf-8"),
    (b'Member No;E-Mail;No Mail;Groups;Gone\n17;"ann@example.org;0;;0\n18;bo@example.org;0;;0\n', "line 3"),
    (b"Member No;E-Mail;No Mail;Groups;Gone\n17;" + b"a" * 1_100_000 + b";0;;0\n", "1048576 characters"),
    (b"Member No;E-Mail;No Mail;Groups;Gone\n17;ann@example.org;0;;0\n18;bo@exam", "middle of a row"),
])
def test_an_export_that_cannot_be_read_is_put_away_with_the_reason(world, ams, made, data, why):
    """It ends one run, which applies nothing; the other exports come with the next."""
    ams.file("members.csv", data, 20)
    ams.export("z-changes.csv", [ANN], 10)
    report = run(world, made)
    assert report.state == "failed" and why in report.message and "members.csv" in report.message
    assert (ams.lying(), ams.lying("failed")) == (["z-changes.csv"], ["members.csv", "members.csv.txt"])
    assert why in (ams.folder / "failed" / "members.csv.txt").read_text()
    assert (run(world, made).counters["new"], ams.lying()) == (1, [])


def test_an_export_of_nobody_ends_no_link(world, ams, made):
    """ID-69: neither alone nor with changes after it."""
    ams.export("members-1.csv", [ANN, BO], 50)
    run(world, made)
    ams.export("members-2.csv", [], 40)
    assert run(world, made).state == "skipped"
    assert ams.lying("failed") == ["members-2.csv", "members-2.csv.txt"]
    ams.export("members-3.csv", [], 30)
    ams.export("m-changes.csv", [ANN_MOVED], 20)
    assert run(world, made).state == "failed"
    assert (run(world, made).counters["changed"], who(world, "18").blocked_by) == (1, ("remote_flag",))


def test_a_held_export_stays_until_it_is_released(world, ams, made):
    """ID-70."""
    ams.export("members-1.csv", [(str(n), f"m{n}@example.org", 0, "", 0) for n in range(40)], 50)
    run(world, made)
    ams.export("members-2.csv", [("1", "m1@example.org", 0, "", 0)], 40)
    assert (run(world, made).state, ams.lying()) == ("held", ["members-2.csv"])
    assert (run(world, made, release=True).counters["swept"], ams.lying()) == (39, [])


def test_a_row_of_the_wrong_length_or_without_a_clear_flag_is_rejected_in_its_place(ams):
    ams.file("members.csv", "Member No;E-Mail;No Mail;Groups;Gone\r\n17;ann@example.org\r\n\r\n18;b@example.org;maybe;;"
                            "\r\n19;c@example.org;;;\r\n".encode("utf-8-sig"))
    with closing(ams.bridge()) as bridge, closing(bridge.changed_since(None)) as stream:
        first, second, third = list(stream)
    assert (first.remote_id, first.problem.code) == ("17", "INVALID_VALUE") and "2 cells" in first.problem.message
    assert (second.remote_id, second.problem.field) == ("18", "do_not_email")
    assert (third.remote_id, third.do_not_email, third.interests, third.problem) == ("19", None, (), None)


def test_a_file_that_is_still_written_is_not_taken(ams):
    ams.export("members.csv", [ANN], 100)
    for name in (".members.csv", "members.csv.tmp", "members.csv.part", "members.csv.filepart"):
        ams.export(name, [BO], 100)
    assert listed(ams, pattern="*") == [("17", "ann@example.org")]
    ams.export("other.txt", [BO], 100)
    assert listed(ams) == [("17", "ann@example.org")]
    assert listed(ams, quiet_s=3600) == []  # young, whatever its time of change says
    assert not ams.bridge(quiet_s=3600).has_news() and ams.bridge().has_news()


def test_a_file_that_grows_while_it_is_read_is_an_outage_and_stays(ams):
    path = ams.export("members.csv", [ANN, BO])
    with closing(ams.bridge()) as bridge, closing(bridge.changed_since(None)) as stream:
        next(stream)
        with open(path, "ab") as file:
            file.write(b"19;cy@example.org;0;;0\r\n")
        with pytest.raises(Outage):
            list(stream)
        assert not stream.complete
        stream.settle("success", "")
    assert ams.lying() == ["members.csv"]


def test_a_new_file_of_the_same_name_is_not_put_away_for_the_old_one(ams):
    ams.export("members.csv", [ANN])
    with closing(ams.bridge()) as bridge, closing(bridge.changed_since(None)) as stream:
        list(stream)
        ams.export("members.csv", [ANN, BO], -5)
        stream.settle("success", "")
    assert listed(ams) == [("17", "ann@example.org"), ("18", "bo@example.org")]


def test_put_away_files_of_the_same_name_are_all_kept(world, ams, made):
    for age in (30, 20, 10):
        ams.export("members.csv", [ANN], age)
        run(world, made)
    assert ams.lying("done") == ["members.2.csv", "members.3.csv", "members.csv"]


def test_a_link_to_a_file_elsewhere_is_not_followed(ams, tmp_path):
    """Who may write into the folder may not so read what we may read."""
    elsewhere = ams.export("members.txt", [ANN]).rename(tmp_path / "secret.csv")
    (ams.folder / "members.csv").symlink_to(elsewhere)
    (ams.folder / "folder.csv").mkdir()
    os.mkfifo(ams.folder / "pipe.csv")
    assert listed(ams) == []


def test_exports_by_name_in_another_encoding(ams):
    ams.export("members-2.csv", [("17", "ann@example.org", 0, "Café", 0)], 90, "cp1252")
    ams.export("members-1.csv", [BO], 10)
    with closing(ams.bridge(order="name", encoding="cp1252")) as bridge, closing(bridge.changed_since(None)) as stream:
        assert [(m.remote_id, m.interests) for m in stream] == [("17", ("Café",))]


def test_single_people_where_only_changes_wait(ams):
    """ID-79: who is not among changes is not absent."""
    ams.export("x-changes.csv", [ANN])
    with closing(ams.bridge()) as bridge:
        assert [m.email for m in bridge.members_by_id(["17"], 2.0)] == ["ann@example.org"]
        with pytest.raises(Refused):
            bridge.members_by_id(["17", "18"], 2.0)
        ams.export("full.csv", [BO], 60)
        assert [m.remote_id for m in bridge.members_by_id(["18", "19"], 2.0)] == ["18"]


def test_the_worker_looks_every_few_minutes_and_runs_only_if_something_waits(world, ams, made):
    """ID-66: the first run is a person's decision."""
    ams.export("members.csv", [ANN], 60)
    assert sync.due(world.gateway) == []
    first = run(world, made)
    world.clock.advance(minutes=4)
    assert sync.due(world.gateway) == []
    world.clock.advance(minutes=1)
    assert sync.due(world.gateway) == [(1, made)]
    sync.run_sync(world.gateway, 1, made)
    assert run(world, made).run_id == first.run_id + 1  # nothing waited, so nothing ran in between
    ams.export("members-changes.csv", [BO])
    sync.run_sync(world.gateway, 1, made)
    assert who(world, "18").email == "bo@example.org"


def test_an_unsubscribe_lands_in_the_outbox_once(world, ams, made):
    """ID-53, ID-62: the whole way; repeating it gives the same file, and it never shows half."""
    ams.export("members.csv", [ANN])
    run(world, made)
    with world.gateway.unit(system_actor(1)) as unit:
        event_id = events.add(unit.connection, 1, NewEvent("unsubscribed", unit.now, "u"), unit.now)
        writebacks.queue(unit, kind="unsubscribe", event_id=event_id, email="ann@example.org",
                         payload={"origin": "link", "reason": 'too "much";\nmail'})
    writebacks.run_writebacks(world.gateway, 1, made)
    (fact,) = ams.facts()
    assert (fact["kind"], fact["remote_id"], fact["email"], fact["origin"], fact["reason"], fact["code"]) == (
        "unsubscribe", "17", "ann@example.org", "link", 'too "much";\nmail', "")
    assert fact["occurred_at"].endswith("Z")
    (path,) = ams.outbox.iterdir()
    with closing(ams.bridge()) as bridge:
        again = WritebackItem(int(fact["writeback_id"]), "unsubscribe", "17", "ann@example.org", AT)
        bridge.write_back(again)
        assert len(ams.facts()) == 1
        path.unlink()  # taken by the system
        bridge.write_back(again)
    assert [f"{each.name}" for each in ams.outbox.iterdir()] == [path.name]


def test_an_outbox_that_is_away_is_an_outage_and_shows_no_path(ams):
    ams.outbox.rmdir()
    with closing(ams.bridge()) as bridge:
        for call in (bridge.check, lambda: bridge.write_back(WritebackItem(1, "unsubscribe", "17", "", AT))):
            with pytest.raises(Outage) as caught:
                call()
            assert str(ams.outbox) not in str(caught.value)


def test_reading_takes_flat_memory(ams):
    line = "{};someone-with-a-rather-long-address@department.example.org;0;Gold;0\r\n"
    ams.file("members.csv", ("Member No;E-Mail;No Mail;Groups;Gone\r\n" + "".join(
        line.format(number) for number in range(6_000))).encode())
    tracemalloc.start()
    with closing(ams.bridge()) as bridge, closing(bridge.changed_since(None)) as stream:
        assert sum(1 for _ in stream) == 6_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 500_000


@pytest.mark.parametrize("change", [{}, {"delimiter": "\t", "encoding": "latin-1", "outbox": "/srv/out", "quiet_s": 5},
                                    {"changes": "*", "pattern": "m?*.csv", "writeback": ["unsubscribe"]}])
def test_good_configurations_are_taken_without_touching_the_disk(change):
    registry.check("folder", {**GOOD, **change})


@pytest.mark.parametrize(("key", "change"), [
    ("folder", {"folder": None}), ("folder", {"folder": "drop"}), ("folder", {"folder": "/srv/../etc"}),
    ("outbox", {"outbox": "out"}), ("outbox", {"folder": "/srv/in", "outbox": "/srv/in/"}),
    ("outbox", {"folder": "/srv/in", "outbox": "/srv/in/done"}),
    ("columns", {"columns": ["x"]}), ("columns.email", {"columns": {"remote_id": "a"}}),
    ("columns.mail", {"columns": {**COLUMNS, "mail": "x"}}), ("columns.email", {"columns": {**COLUMNS, "email": 7}}),
    ("pattern", {"pattern": "x/*.csv"}), ("changes", {"changes": ""}), ("delimiter", {"delimiter": ";;"}),
    ("delimiter", {"delimiter": '"'}), ("encoding", {"encoding": "utf-9"}), ("encoding", {"encoding": "zlib"}),
    ("encoding", {"encoding": None}), ("quiet_s", {"quiet_s": -1}), ("order", {"order": "size"}),
    ("writeback", {"writeback": None}), ("writeback", {"writeback": ["unsubscribe", "printed"]}),
    ("writeback", {"writeback": [["unsubscribe"]]}), ("url", {"url": "x"}),
])
def test_bad_configurations_name_the_key_and_the_remedy(key, change):
    with pytest.raises(GatewayError) as caught:
        FolderBridge.from_config({**GOOD, **change})
    assert (caught.value.code, caught.value.field) == ("INVALID_VALUE", key)
    assert key in caught.value.message
