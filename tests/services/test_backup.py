"""Does a backup come back whole, and is nobody mailed twice after it? (operator.md: backup, restore; SEND-25)"""

from __future__ import annotations

import dataclasses
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from gateway.db import engine as db
from gateway.db import migrate
from gateway.db.engine import create_engine
from gateway.db.models import metadata
from gateway.db.queries import backup as queries
from gateway.db.queries.backup import ID_GAP, Table
from gateway.domain import mailing as states
from gateway.errors import GatewayError
from gateway.mail import journal
from gateway.services import archive as archives
from gateway.services import backup, lifecycle, mailings, recovery, restoring, sending
from gateway.services.recovery import JOURNALS
from tests.db import first_schema
from tests.support.installation import Installation
from tests.support.mailhouse import MailHouse
from tests.support.waiting import wait_for

_numbers = itertools.count(1)


@pytest.fixture
def elsewhere(database_url, request, tmp_path):
    """Makes the URL of another, empty database of the same kind, without a schema."""
    made = []

    def new():
        number = next(_numbers)
        if database_url.startswith("sqlite"):
            return f"sqlite:///{tmp_path}/elsewhere{number}/gateway.db"
        cluster = request.getfixturevalue("postgres_cluster")
        made.append(f"elsewhere_{number}")
        return cluster.create(made[-1])
    yield new
    for name in made:
        request.getfixturevalue("postgres_cluster").drop(name)


def saved(house, tmp_path, name="backup.zip", **options):
    path = tmp_path / name
    backup.backup(house.settings, path, house.clock, **options)
    return path


def restored(house, path, url, **options):
    """A house on what came back in another place, which is given the journals of the first one."""
    settings = dataclasses.replace(house.settings, database_url=url, data_dir=house.settings.data_dir)
    done = restoring.restore(settings, path, house.clock, **options)
    made = MailHouse(url, house.clock, house.settings.data_dir, smtp_url=house.settings.smtp_url, brands=())
    recovery.recover(made.gateway)
    return made, done


def content(house):
    """All rows of all tables."""
    with house.reading() as unit:
        return {table.name: sorted(map(repr, unit.connection.execute(sa.select(table)))) for table in
                metadata.sorted_tables}


def test_everything_comes_back_as_it_was(house, elsewhere, tmp_path):
    """operator.md: also odd characters, empty values, bytes and JSON; nothing but the counters differs."""
    house.add_person("ann@example.org", "News", remote_id="R\\1\t\n", values={"FirstName": "Zoë \\N \U0001f600 \t\"'"})
    house.add_people([f"p{n}@example.org" for n in range(30)])
    house.send()
    path = saved(house, tmp_path)
    before = content(house)
    with zipfile.ZipFile(path) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    assert {table["name"]: table["rows"] for table in manifest["tables"]} == {
        name: len(rows) for name, rows in before.items()}
    assert path.stat().st_mode & 0o077 == 0
    assert os.listdir(tmp_path).count("backup.zip.unfinished") == 0
    other, done = restored(house, path, elsewhere())
    with closing(other):
        assert content(other) == before
        assert (done.paused, done.in_doubt, done.manifest.rows) == (0, 0, sum(map(len, before.values())))


def test_no_number_that_was_given_after_the_backup_is_given_again(house, elsewhere, tmp_path):
    """A link in a mail sent after the backup must never speak of somebody else."""
    first = house.add_person("ann@example.org")
    path = saved(house, tmp_path)
    later = [house.add_person(f"p{n}@example.org") for n in range(20)]
    other, _ = restored(house, path, elsewhere())
    with closing(other):
        assert other.add_person("new@example.org") >= first + ID_GAP > max(later)
        instance_id = other.send()  # of these there was none at all when the backup was made
        assert min(instance_id, *(row.id for row in other.deliveries(instance_id))) > ID_GAP
        assert other.report(instance_id).sent == 2


def test_a_backup_is_of_one_moment_while_others_write(house, tmp_path, elsewhere):
    stop, wrote = threading.Event(), []

    def write():
        while not stop.is_set():
            house.add_person(f"w{len(wrote)}@example.org", "News")
            wrote.append(1)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        wait_for(lambda: len(wrote) > 3, "some writing")
        paths = [saved(house, tmp_path, f"{n}.zip") for n in range(2)]
    finally:
        stop.set()
        thread.join()
    for path in paths:
        other, _ = restored(house, path, elsewhere())
        with closing(other), other.reading() as unit:
            people, members = (unit.connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()
                               for table in ("subscriber", "membership"))
            assert people == members > 3


def half_sent(house, clock, sink):
    """An instance of which some were mailed, some wait and one is deferred, and others in every state."""
    house.add_people([*(f"p{n}@example.org" for n in range(5)), "defer-4xx@example.org"])
    half = house.send()
    house.add_people([f"q{n}@example.org" for n in range(4)], interest_name="Other")
    waiting = house.schedule(interests=("Other",))
    lifecycle.advance(house.gateway, house.actor(), waiting)  # frozen, nobody claimed
    late, future, stopped = (house.schedule(interests=("Other",), delay_s=seconds) for seconds in (60, 86_400, 86_400))
    with house.unit(house.actor()) as unit:
        mailings.pause(unit, stopped)
    clock.advance(seconds=90)
    return half, waiting, late, stopped, future


def test_a_restore_after_further_mailing_mails_nobody_twice(house, clock, sink, tmp_path, elsewhere, monkeypatch):
    """SEND-25: what was preparing, sending, paused or due is paused, its unsettled rows are in doubt; what lies in
    the future goes on; nobody gets anything again unless a person says so."""
    monkeypatch.setattr(queries, "SLICE", 3)
    half, waiting, late, stopped, future = half_sent(house, clock, sink)
    path = saved(house, tmp_path)
    accepted = {row.id for row in house.deliveries(half) if row.state == "accepted"}
    house.run(waiting)
    house.run(late)
    got = [message.envelope_to[0] for message in sink.messages]
    other, done = restored(house, path, elsewhere())
    with closing(other):
        assert (done.paused, done.in_doubt) == (4, 5)
        for instance_id, came_from in ((half, "sending"), (waiting, "sending"), (late, "scheduled"),
                                       (stopped, "scheduled")):
            row = other.instance(instance_id)
            assert (row.state, row.reason, row.paused_from) == (states.PAUSED, states.RESTORED, came_from)
            other.check_sums(instance_id)
        assert other.instance(future).state == states.SCHEDULED
        assert {row.id for row in other.deliveries(half) if row.state == "accepted"} == accepted
        assert {row.state for row in other.deliveries(waiting)} == {"in_doubt"}
        assert other.report(waiting).in_doubt == 4
        assert {event.type for event in other.events(waiting)} == {"in_doubt"}
        for _ in range(3):
            for instance_id in (half, waiting, late, stopped):
                other.run(instance_id)
            clock.advance(hours=1)
            assert not sending.due(other.gateway)
        assert [message.envelope_to[0] for message in sink.messages] == got


JOURNALIST = """
import datetime as dt, os, sys
from pathlib import Path
from gateway.clock import system_clock
from gateway.domain.journal import Result
from gateway.mail.journal import Journal
accepted, refused, begun, planned = map(int, sys.argv[2:])
journal = Journal.open(Path(sys.argv[1]), "0123456789abcdef0123456789abcdef")
journal.plan([(row, 1) for row in (accepted, refused, begun, planned)])
for row in (accepted, refused, begun):
    journal.begin(row, 1)
journal.end(Result(accepted, 1, system_clock(), "accepted", 250, "2.0.0", "message", "ok"))
journal.end(Result(refused, 1, system_clock(), "refused", 550, "5.1.1", "rcpt", "no such mailbox"))
os._exit(0)
"""


def test_a_journal_that_is_newer_than_the_backup_tells(house, clock, tmp_path, elsewhere):
    """SEND-25: the sender that was at work when the database was lost left its journal: what it says counts."""
    house.add_people([f"p{n}@example.org" for n in range(5)])
    instance_id = house.schedule()
    lifecycle.advance(house.gateway, house.actor(), instance_id)
    path = saved(house, tmp_path)
    rows = [row.id for row in house.deliveries(instance_id)]
    folder = house.settings.data_dir / JOURNALS
    subprocess.run([sys.executable, "-c", JOURNALIST, folder, *map(str, rows[:4])], check=True)
    other, done = restored(house, path, elsewhere())
    with closing(other):
        assert done.told == 4
        assert [row.state for row in other.deliveries(instance_id)] == [
            "accepted", "refused", "in_doubt", "queued", "in_doubt"]
        assert other.instance(instance_id).state == states.PAUSED
        other.check_sums(instance_id)
        assert not list(journal.abandoned(folder))


def test_what_is_no_whole_backup_is_refused_and_nothing_changes(house, tmp_path, elsewhere):
    house.add_person("ann@example.org")
    path = saved(house, tmp_path)
    data = path.read_bytes()
    before, url = content(house), house.settings.database_url
    broken = {"cut": data[:-200], "half": data[:len(data) // 2], "empty": b"", "other": b"PK but no archive"}
    for name, text in broken.items():
        (tmp_path / name).write_bytes(text)
        with pytest.raises(GatewayError, match="no whole backup"):
            restoring.restore(house.settings, tmp_path / name, house.clock, force=True)
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(tmp_path / "changed", "w") as bad:
        for name in good.namelist():
            text = good.read(name)
            bad.writestr(name, text + b"x" if name.endswith((".db", "brand.copy")) else text)
    with pytest.raises(GatewayError, match="no whole backup"):
        restoring.restore(house.settings, tmp_path / "changed", house.clock, force=True)
    assert (content(house), house.settings.database_url) == (before, url)


def test_a_restore_refuses_another_key_a_used_database_and_one_that_is_open(house, tmp_path, elsewhere):
    house.add_person("ann@example.org")
    path = saved(house, tmp_path)
    house.add_person("bea@example.org")
    before = content(house)
    with pytest.raises(GatewayError, match="another secret key"):
        restoring.restore(dataclasses.replace(house.settings, secret_key=b"k" * 40), path, house.clock, force=True)
    with pytest.raises(GatewayError, match="not empty"):
        restoring.restore(house.settings, path, house.clock)
    with house.gateway.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        connection.rollback()
        with pytest.raises(GatewayError, match="stop all"):
            restoring.restore(house.settings, path, house.clock, force=True)
    assert content(house) == before
    house.gateway.engine.dispose()
    restoring.restore(house.settings, path, house.clock, force=True)
    with house.reading() as unit:
        assert unit.connection.exec_driver_sql("SELECT email FROM subscriber").scalars().all() == ["ann@example.org"]


def test_an_old_key_still_opens_its_backup(house, tmp_path, elsewhere):
    path = saved(house, tmp_path)
    settings = dataclasses.replace(house.settings, database_url=elsewhere(), secret_key=b"n" * 40,
                                   old_secret_keys=(house.settings.secret_key,))
    assert restoring.restore(settings, path, house.clock).manifest.rows > 0


def test_bodies_of_imports_that_wait_are_kept(house, tmp_path, elsewhere):
    house.settings.spool_dir.mkdir(parents=True, exist_ok=True)
    (house.settings.spool_dir / "one.body").write_bytes(b"rows")
    (house.settings.spool_dir / "two.part").write_bytes(b"not yet")
    path = saved(house, tmp_path)
    shutil.rmtree(house.settings.spool_dir)
    restoring.restore(dataclasses.replace(house.settings, database_url=elsewhere()), path, house.clock)
    assert {file.name: file.read_bytes() for file in house.settings.spool_dir.iterdir()} == {"one.body": b"rows"}


def test_a_new_database_does_not_get_the_leftovers_of_one_that_is_gone(sqlite_url, clock, sink, tmp_path):
    """SQLite writes a `-wal` that it finds beside a file into it, whoever's it was."""
    with MailHouse(sqlite_url, clock, tmp_path / "data", smtp_url=sink.url) as house:
        house.add_person("ann@example.org")
        path = saved(house, tmp_path)
    place = tmp_path / "place"
    place.mkdir()
    subprocess.run([sys.executable, "-c", LEAVES_A_WAL, place / "gateway.db", path], check=True)
    for end in ("-wal", "-shm"):  # of a restore that was killed as well
        shutil.copy(place / f"gateway.db{end}", place / f"gateway.db.restoring{end}")
    (place / "gateway.db").unlink()
    other, _ = restored(house, path, f"sqlite:///{place}/gateway.db")
    with closing(other), other.reading() as unit:
        assert unit.connection.exec_driver_sql("SELECT email FROM subscriber").scalars().all() == ["ann@example.org"]
        assert sorted(os.listdir(place)) == ["gateway.db", "gateway.db-shm", "gateway.db-wal"]


LEAVES_A_WAL = """
import os, sqlite3, sys, zipfile
with open(sys.argv[1], "wb") as out:
    out.write(zipfile.ZipFile(sys.argv[2]).read("gateway.db"))
db = sqlite3.connect(sys.argv[1])
db.execute("PRAGMA journal_mode=WAL")
db.execute("UPDATE subscriber SET email = 'stale@example.org'")
db.commit()
os._exit(0)
"""


@pytest.mark.parametrize("damage", ["no database", "pages"])
def test_a_damaged_database_gives_way_to_a_backup_when_that_is_asked_for(sqlite_url, clock, sink, tmp_path, damage):
    """What a backup is for: without --force it is refused in words, with it the backup comes back."""
    with MailHouse(sqlite_url, clock, tmp_path / "data", smtp_url=sink.url) as house:
        house.add_person("ann@example.org")
        path = saved(house, tmp_path)
    file = Path(sqlite_url.removeprefix("sqlite:///"))
    data = bytearray(file.read_bytes())
    data[slice(0, 4096) if damage == "no database" else slice(4096, 200_000)] = b"\xaa" * 4096
    file.write_bytes(data)
    with pytest.raises(GatewayError, match="damaged.*--force"):
        restoring.restore(house.settings, path, clock)
    assert file.read_bytes() == data
    assert restoring.restore(house.settings, path, clock, force=True).manifest.rows > 0
    with closing(sqlite3.connect(file)) as database:
        assert database.execute("SELECT email FROM subscriber").fetchall() == [("ann@example.org",)]


def test_what_others_have_in_the_same_postgresql_database_stays(postgresql_url, clock, sink, tmp_path):
    """Reports and other programs live beside us: their tables are no part of the backup, and are not dropped."""
    with MailHouse(postgresql_url, clock, tmp_path / "data", smtp_url=sink.url) as house:
        house.add_person("ann@example.org")
        run(postgresql_url, "CREATE TABLE theirs (id serial PRIMARY KEY)", "INSERT INTO theirs DEFAULT VALUES")
        path = saved(house, tmp_path)
        house.add_person("bea@example.org")
    run(postgresql_url, "CREATE VIEW report AS SELECT count(*) AS number FROM subscriber")
    with pytest.raises(GatewayError, match="depends on the gateway's tables.*view report"):
        restoring.restore(house.settings, path, clock, force=True)
    assert run(postgresql_url, "SELECT number FROM report") == [(2,)]
    run(postgresql_url, "DROP VIEW report")
    restoring.restore(house.settings, path, clock, force=True)
    assert run(postgresql_url, "SELECT email FROM subscriber") == [("ann@example.org",)]
    assert run(postgresql_url, "INSERT INTO theirs DEFAULT VALUES RETURNING id") == [(2,)]


def test_tables_of_another_program_that_are_called_like_ours_are_not_taken_for_ours(postgresql_url, clock, sink,
                                                                                    tmp_path):
    with MailHouse(postgresql_url, clock, tmp_path / "data", smtp_url=sink.url) as house:
        path = saved(house, tmp_path)
    run(postgresql_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    for statement in ("CREATE TABLE event (id int)", "CREATE TABLE alembic_version AS SELECT 'abcdef' AS version_num"):
        run(postgresql_url, statement)
        with pytest.raises(GatewayError, match="another program"):
            restoring.restore(house.settings, path, clock, force=True)
    assert run(postgresql_url, "SELECT count(*) FROM event") == [(0,)]


def run(url, *statements):
    """What the last of these statements gives."""
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        for statement in statements:
            found = connection.exec_driver_sql(statement)
        rows = [tuple(row) for row in found] if found.returns_rows else []
    engine.dispose()
    return rows


def test_a_backup_takes_the_place_of_no_other_file(house, tmp_path):
    """A slip of the pen costs no file: not the database, nor anything else; an older backup it may replace."""
    for name, text in (("letter", b"Dear Ann"), ("other.db", b"SQLite format 3")):
        (tmp_path / name).write_bytes(text)
        with pytest.raises(GatewayError, match="no backup of the gateway"):
            saved(house, tmp_path, name)
        assert (tmp_path / name).read_bytes() == text
    for name, wrong in ((".", "no backup"), ("nowhere/a.zip", "no folder")):
        with pytest.raises(GatewayError, match=wrong):
            saved(house, tmp_path, name)
    first = saved(house, tmp_path).read_bytes()
    house.add_person("ann@example.org")
    assert saved(house, tmp_path).read_bytes() != first


def test_two_backups_to_one_file_do_not_mix_and_a_killed_one_leaves_nothing(house, tmp_path):
    unfinished, scratch = tmp_path / "backup.zip.unfinished", tmp_path / "backup.zip.scratch"
    with unfinished.open("wb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(GatewayError, match="Another backup"):
            saved(house, tmp_path)
        assert unfinished.exists()
    scratch.mkdir()
    (scratch / "copy.db").write_bytes(b"people's addresses")
    path = saved(house, tmp_path)
    assert path.stat().st_mode & 0o077 == 0
    assert [name for name in os.listdir(tmp_path) if name.startswith("backup.zip.")] == []


def archive_of_revision(engine, revision, path, secret):
    """A backup of rows of revision 0001, as a gateway of ``revision`` would have made it."""
    with db.begin(engine) as connection:
        migrate.upgrade_within(connection, "0001")
        first_schema.fill(connection)
        migrate.upgrade_within(connection, revision)
        connection.exec_driver_sql("UPDATE mailing_instance SET state = 'sending', finished_at = NULL")
        connection.exec_driver_sql("UPDATE delivery SET state = 'queued', accepted_at = NULL")
    with db.read(engine) as connection, zipfile.ZipFile(path, "w") as archive:
        found = first_schema.tables_of(connection).sorted_tables
        tables = [Table(t.name, tuple(t.c.keys()), queries.count(connection, Table(t.name, (), 0))) for t in found
                  if t.name != "alembic_version"]
        if engine.dialect.name == "sqlite":
            queries.copy_sqlite(Path(engine.url.database), path.with_suffix(".db"))
            members = {"gateway.db": path.with_suffix(".db").read_bytes()}
        else:
            members = {archives.member(table): b"".join(queries.copy_out(connection, table)) for table in tables}
        for name, data in members.items():
            archive.writestr(name, data)
        archive.writestr("manifest.json", json.dumps(dataclasses.asdict(archives.Manifest(
            1, "0.9", "then", engine.dialect.name, revision, archives.key_mark(secret), tuple(tables),
            queries.sequences(connection) if engine.dialect.name == "postgresql" else {},
            {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}))))


@pytest.mark.parametrize("revision", ["0001", "0004"])
def test_a_backup_of_an_older_schema_is_brought_up_to_date(house, elsewhere, tmp_path, revision):
    """Nobody keeps an old version for the sake of an old backup; what waited then is held as well (SEND-25)."""
    engine, url = create_engine(elsewhere()), elsewhere()
    archive_of_revision(engine, revision, tmp_path / "old.zip", house.settings.secret_key)
    engine.dispose()
    settings = dataclasses.replace(house.settings, database_url=url)
    done = restoring.restore(settings, tmp_path / "old.zip", house.clock)
    assert (done.paused, done.in_doubt) == (1, 1)
    assert run(url, "SELECT version_num FROM alembic_version") == [(migrate.head(),)]
    assert run(url, "SELECT state, reason, paused_from FROM mailing_instance") == [("paused", "restored", "sending")]
    assert run(url, "SELECT state FROM delivery") == [("in_doubt",)]
    assert run(url, "SELECT count(*) FROM subscriber") == [(3,)]
    assert run(url, "INSERT INTO source (brand_id, kind, name) VALUES (7, 'upload', 'x') RETURNING id")[0][0] > ID_GAP


def test_a_backup_of_a_newer_version_is_refused_in_words(house, elsewhere, tmp_path):
    path = saved(house, tmp_path)
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(tmp_path / "newer.zip", "w") as newer:
        for name in good.namelist():
            text = good.read(name)
            newer.writestr(name, text.replace(f'"{migrate.head()}"'.encode(), b'"9999"') if name == "manifest.json"
                           else text)
    with pytest.raises(GatewayError, match="which is newer: install that version"):
        restoring.restore(dataclasses.replace(house.settings, database_url=elsewhere()), tmp_path / "newer.zip",
                          house.clock)


@pytest.mark.parametrize("delay_s", [0.0, 0.1])
def test_kill_9_while_writing_leaves_no_file_that_looks_complete(sqlite_url, tmp_path, delay_s):
    """operator.md: under its name the file is there whole and verified, or it is not there."""
    with Installation(tmp_path / "place", GATEWAY_DATABASE_URL=sqlite_url) as place:
        place.brand()
        with place.services() as gateway, gateway.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE padding (data BLOB)")
            connection.exec_driver_sql("INSERT INTO padding SELECT randomblob(9000000)")
        target = tmp_path / "backup.zip"
        process = place.start("backup", str(target), name="backup")
        wait_for(lambda: target.with_name("backup.zip.unfinished").exists() or process.poll() is not None, "its start")
        threading.Event().wait(delay_s)  # the moment of the kill
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert not target.exists() or zipfile.ZipFile(target).testzip() is None
        assert process.returncode == -signal.SIGKILL or target.exists()
        place.run("backup", target)
        assert not target.with_name("backup.zip.unfinished").exists()


def test_the_commands_carry_an_installation_to_a_new_place(sqlite_url, tmp_path):
    """operator.md: backup and restore; the key goes along only when that is asked for, and is asked for otherwise."""
    with Installation(tmp_path / "old", GATEWAY_DATABASE_URL=sqlite_url) as old:
        old.brand()
        told = old.ask("backup", tmp_path / "plain.zip")
        assert told["tables"]["brand"] == 1 and not told["withKey"]
        old.run("backup", tmp_path / "whole.zip", "--with-key")
        key = (old.folder / "data" / "secret.key").read_text()
    assert "secret.key" not in zipfile.ZipFile(tmp_path / "plain.zip").namelist()
    with Installation(tmp_path / "new") as new:
        assert "secret key" in new.run("restore", tmp_path / "plain.zip", code=1).stderr
        answer = new.ask("restore", tmp_path / "whole.zip")
        assert (answer["rows"], answer["paused"]) == (told["rows"], 0)
        assert (new.folder / "data" / "secret.key").read_text() == key
        assert "not empty" in new.run("restore", tmp_path / "whole.zip", code=1).stderr
        new.run("restore", tmp_path / "whole.zip", "--force")
        with new.services() as gateway, gateway.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT id FROM brand").scalars().all() == [9999]
