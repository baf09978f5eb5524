"""Do a file and an AMS come in from the shell, with counts that a person and a program can read?"""

from __future__ import annotations

import gzip
import json
import sqlite3
from contextlib import closing

import pytest

from gateway.domain.accounts import SCOPES, Actor
from gateway.domain.records import ImportOptions
from gateway.domain.upload import UploadRequest
from gateway.services import spool, uploads
from tests.support.installation import Installation

ROWS = "Member ID,E-Mail,FirstName\n17,ann@example.org,Ann\n18,BO@example.org ,Bo\n,cy@example.org,Cy\n19,nonsense,Di\n"


@pytest.fixture
def place(tmp_path):
    """An installation with brand 9999."""
    with Installation(tmp_path) as made:
        made.brand()
        yield made


def test_a_file_comes_in(place):
    """operator.md: import FILE prints what became of it; exit code 1 when a row failed, though the others are in."""
    (place.folder / "members.csv").write_text(ROWS, encoding="utf-8")
    facts = place.ask("import", "--brand", "9999", "members.csv", code=1)  # 1: not all of it
    assert (facts["received"], facts["created"], facts["failed"]) == (4, 3, 1), facts
    assert facts["state"] == "finished_with_errors"


def test_a_packed_file_comes_in_and_words_are_for_a_person(place):
    """operator.md: .csv or .ndjson, plain or .gz; without --json the same facts as lines."""
    lines = [json.dumps({"remoteId": str(n), "email": f"m{n}@example.org"}) for n in range(3000)]
    (place.folder / "members.ndjson.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    said = place.run("import", "--brand", "9999", "--integration", "api", "members.ndjson.gz").stdout
    assert "state: finished" in said and "created: 3000" in said


def test_a_file_that_is_no_table_is_refused(place):
    """PUSH-69: nothing was applied, exit code 1."""
    (place.folder / "holiday.csv").write_text("beach,sun\n1,2\n", encoding="utf-8")
    facts = place.ask("import", "--brand", "9999", "holiday.csv", code=1)
    assert facts["state"] == "rejected" and "remote ID" in facts["message"]
    (place.folder / "members.xlsx").write_bytes(b"PK")
    error = place.ask("import", "--brand", "9999", "members.xlsx", code=1)["error"]
    assert ".csv" in error["message"]


def test_every_option_of_a_file(place):
    """PUSH-50, PUSH-59..61, PUSH-33: without header, raw, in another charset, tried first; the rejects in a file."""
    (place.folder / "raw.tsv").write_bytes('17\tann@example.org\tZoë "Z\n18\tnobody\tBo\n'.encode("cp1252"))
    command = ("import", "--brand", "9999", "--columns", "remoteId, email, FirstName", "--raw", "--charset",
               "windows-1252", "--interest", "News", "raw.tsv")
    tried = place.ask(*command, "--dry-run", code=1)
    facts = place.ask(*command, "--rejects", "rejects.tsv", code=1)
    assert tried["created"] == facts["created"] == 1
    assert facts["rejects"] == "rejects.tsv"
    assert (place.folder / "rejects.tsv").read_text(encoding="utf-8-sig").endswith("\t18\tnobody\tBo\n")
    assert place.ask("import", "--brand", "9999", "--charset", "ebcdic", "raw.tsv", code=1)["error"]["code"] == (
        "UNSUPPORTED_MEDIA_TYPE")


def test_a_held_job_is_released(place):
    """PUSH-67, PUSH-71: by its number; one that neither failed nor is held says its state."""
    for name, count in (("all", 30), ("few", 10)):
        rows = "".join(f"{n},m{n}@example.org\n" for n in range(count))
        (place.folder / f"{name}.csv").write_text("remoteId,email\n" + rows)
    command = ("import", "--brand", "9999", "--mode", "ReplaceAll", "--interest", "News")
    place.ask(*command, "all.csv")
    assert "(--interest)" in place.run(*command[:5], "all.csv", code=1).stderr, "the option is named as it is typed"
    held = place.ask(*command, "few.csv", code=1)
    assert held["state"] == "held"
    assert "held" in place.ask("import", "--brand", "9999", "--resume", held["jobId"], code=1)["error"]["message"]
    assert place.ask("import", "--brand", "9999", "--release", held["jobId"])["state"] == "finished"
    assert place.run("import", "--brand", "9999", code=2).stderr


def test_an_older_job_without_worker_is_done_first(place):
    """PUSH-64: no server runs, and a job of the same integration waits since another day: the import does not hang."""
    with place.services() as gateway:
        actor = Actor(9999, "operator", "cli", frozenset(SCOPES), 1, "api")
        kept = spool.receive(gateway.settings.spool_dir, [b"email,City\nann@example.org,Old\n"])
        with gateway.unit(actor) as unit:
            old = uploads.accept(unit, kept, UploadRequest(ImportOptions()))
    (place.folder / "new.csv").write_text("email,City\nann@example.org,New\n")
    assert place.ask("import", "--brand", "9999", "new.csv")["updated"] == 1
    with place.services() as gateway, gateway.reading(actor) as unit:
        assert uploads.get(unit, old.upload_id).state == "finished"


def test_a_sync_is_previewed_and_run(place):
    """ID-71, ID-P12: the preview changes nothing and says what the run then does; exit code 0."""
    ams = place.folder / "ams.db"
    with closing(sqlite3.connect(ams)) as database, database:
        database.execute("CREATE TABLE members (id TEXT PRIMARY KEY, mail TEXT, no_mail INTEGER)")
        database.executemany("INSERT INTO members VALUES (?, ?, 0)", [
            (str(n), f"m{n}@example.org") for n in range(20)] + [("x", "nonsense")])
    database.close()
    bridge = place.folder / "bridge.json"
    bridge.write_text(json.dumps({
        "url": f"sqlite:///{ams}", "members": "SELECT id AS remote_id, mail AS email FROM members",
        "writeback": {"unsubscribe": "UPDATE members SET no_mail = 1 WHERE id = :remote_id"}}))
    place.run("integration", "add", "--brand", "9999", "--name", "ams", "--kind", "sql", "--config", bridge)
    command = ("sync", "--brand", "9999", "--integration", "ams")
    preview = place.ask(*command, "--preview")
    assert (preview["read"], preview["new"], preview["rejected"]) == (21, 20, 1), preview
    again = place.ask(*command, "--preview")
    assert again["new"] == 20
    real = place.ask(*command)
    assert {name: real[name] for name in ("read", "new", "rejected")} == {"read": 21, "new": 20, "rejected": 1}
    said = place.run(*command, "--full").stdout
    assert "unchanged: 20" in said and "new: 0" in said


def test_an_ams_that_is_away_is_said(place):
    """ID-72: a run that failed exits 1 and shows no password."""
    bridge = place.folder / "bridge.json"
    bridge.write_text(json.dumps({
        "url": "postgresql://gateway:hidden@127.0.0.1:9/ams", "members": "SELECT id AS remote_id, mail AS email FROM m",
        "writeback": {"unsubscribe": "UPDATE m SET no_mail = 1 WHERE id = :remote_id"}}))
    place.run("integration", "add", "--brand", "9999", "--name", "ams", "--kind", "sql", "--config", bridge)
    done = place.run("sync", "--brand", "9999", "--integration", "ams", code=1)
    assert "hidden" not in done.stdout + done.stderr and (done.stdout or done.stderr)


def test_an_integration_that_only_calls_us_has_nothing_to_sync(place):
    """operator.md: kind api is no bridge; the message says so."""
    assert place.run("sync", "--brand", "9999", "--integration", "api", code=1).stderr.startswith("gateway: ")
