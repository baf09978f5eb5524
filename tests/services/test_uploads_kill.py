"""kill -9 in the middle of an import: every row is applied once, and the end is that of a run nobody disturbed."""

import gzip
import json
import random
import subprocess
import sys
import time

import pytest

from gateway.clock import system_clock
from gateway.db.engine import read
from gateway.domain.declared import EMAIL, REMOTE_ID, field_column
from gateway.domain.records import ADD_OR_UPDATE, UNSUBSCRIBE, ImportOptions
from gateway.domain.upload import DECLARED, JSON, NDJSON, TSV, XML, UploadRequest
from gateway.services import spool, uploads
from tests.support.import_worker import ended
from tests.support.waiting import wait_for
from tests.support.world import World

ROWS, CHUNK, LEASE_S, KILLS = 1500, 20, 0.2, 7

STATE = {
    "people": """SELECT s.email, s.keyless, s.orphan, s.merged_into IS NULL FROM subscriber s ORDER BY 1, 2, 3, 4""",
    "keys": """SELECT k.remote_id, s.email FROM remote_key k JOIN subscriber s ON s.id = k.subscriber_id
        ORDER BY 1, 2""",
    "values": """SELECT s.email, v.document FROM source_values v JOIN subscriber s ON s.id = v.subscriber_id
        ORDER BY 1, 2""",
    "memberships": """SELECT s.email, i.name, m.until IS NULL FROM membership m
        JOIN subscriber s ON s.id = m.subscriber_id JOIN interest i ON i.id = m.interest_id ORDER BY 1, 2, 3""",
    "outcomes": """SELECT row_number, line, remote_id, email, rule, status, code, field, warnings FROM decision
        ORDER BY row_number, id""",
    "opted_out": """SELECT email, opt_out_origin, opt_out_reason FROM address_status WHERE opted_out_at IS NOT NULL
        ORDER BY email""",
    "events": "SELECT type, address, count(*) FROM event GROUP BY type, address ORDER BY type, address",
    "job": "SELECT state, rows_done, bytes_done, counters FROM upload",
}


def file_of_a_bad_day():
    """Duplicates, people who come back with another ID or address, and rows of every kind of wrong."""
    random_ = random.Random(7)
    rows = ["remoteId,email,City,interests"]
    for n in range(ROWS):
        kind, who = random_.random(), random_.randrange(ROWS // 2)
        if kind < 0.05:
            rows.append(random_.choice([f"{n},not-an-address,x,", f"{n},too,many,columns,here", f'{n},a@b.org,"x"y,']))
        elif kind < 0.15:
            rows.append(f',p{who}@example.org,"Two\nlines {n}",News')
        else:
            rows.append(f"K-{who},p{random_.choice((who, who, who + 1))}@example.org,City {n},News|Events")
    return ("\n".join(rows) + "\n").encode()


def as_format(media_type):
    """A shorter bad day in another format: people who come back, rows of several kinds of wrong, packed."""
    random_ = random.Random(3)
    rows = []
    for n in range(500):
        who = random_.randrange(200)
        email = "not-an-address" if random_.random() < 0.05 else f"p{random_.choice((who, who, who + 1))}@example.org"
        rows.append({"remoteId": f"K-{who}" if n % 7 else "", "email": email, "fields": {"City": f"Two\nlines {n}"}})
    if media_type == NDJSON:
        text = "\n".join(map(json.dumps, rows)) + "\nno json\n"
    elif media_type == JSON:
        text = json.dumps(rows, indent=1)[:-2] + ",\n[]]"
    elif media_type == XML:
        text = "<list>" + "".join(
            f"<subscriber><remoteId>{row['remoteId']}</remoteId><email>{row['email']}</email><field name='City'>"
            f"{row['fields']['City']}</field></subscriber>\n" for row in rows) + "</list>"
    else:
        text = "remoteId\temail\tCity\n" + "".join(
            f"{row['remoteId']}\t{row['email']}\t\"{row['fields']['City']}\"\n" for row in rows) + "too\tfew\n"
    return gzip.compress(text.encode("utf-16"))


def accept(world, data, **request):
    kept = spool.receive(world.settings.spool_dir, [data], gzip=request.get("gzip", False))
    wanted = UploadRequest(**{"options": ImportOptions(interests=("All",)), **request})
    with world.unit(world.key_actor()) as unit:
        return uploads.accept(unit, kept, wanted).upload_id


def rows_done(world):
    """The job's checkpoint."""
    with read(world.gateway.engine) as connection:  # does not wait for the writer
        return connection.exec_driver_sql("SELECT rows_done FROM upload").scalar()


def state_of(world):
    with world.gateway.engine.connect() as connection:
        return {name: [tuple(row) for row in connection.exec_driver_sql(query)] for name, query in STATE.items()}


def undisturbed(template, folder, data, **request):
    """The state after the same file in one go, and its rejected rows."""
    folder.mkdir()
    path = folder / "undisturbed.db"
    path.write_bytes(template.read_bytes())
    with World(f"sqlite:///{path}", system_clock, folder) as world:
        uploads.run_import(world.gateway, 1, accept(world, data, **request))
        return state_of(world), rejects_of(world)


def rejects_of(world):
    """The files of the spool: nothing is left there but the rejected rows."""
    return [path.read_bytes() for path in world.settings.spool_dir.iterdir()]


def killed_again_and_again(world, url, data, kills, **request):
    """Runs the import to its end under kills at random moments; answers the rows stored after each."""
    random_, rows_at_kill = random.Random(11), []
    upload_id = accept(world, data, **request)
    while not ended(world, upload_id):
        worker = subprocess.Popen(
            [sys.executable, "-m", "tests.support.import_worker", url, str(world.settings.data_dir),
             str(upload_id), str(CHUNK), str(LEASE_S)], stdout=subprocess.PIPE)
        assert worker.stdout.readline() == b"ready\n"
        if len(rows_at_kill) < kills:
            goal = rows_done(world) + CHUNK * random_.randrange(1, 4)
            wait_for(lambda at_least=goal: rows_done(world) >= at_least or ended(world, upload_id), "rows", 60)
            time.sleep(random_.random() * 0.01)  # so that the kill falls anywhere within a chunk
            worker.kill()
        worker.wait(120)
        worker.stdout.close()
        rows_at_kill.append(rows_done(world))
    return rows_at_kill


def compare(world, expected):
    """The same state as an undisturbed run, each row with one outcome, the same rejected rows."""
    state, rejected = expected
    found = state_of(world)
    for name, rows in state.items():
        assert [normal(row) for row in found[name]] == [normal(row) for row in rows], name
    outcomes = [row[0] for row in found["outcomes"]]
    assert len(outcomes) == len(set(outcomes))
    assert rejects_of(world) == rejected
    assert len(rejected) == 1


def test_killed_at_random_moments(database_url, tmp_path, sqlite_template):
    """PUSH-63, ID-P2: checkpoint, rows, outcomes and counters move together or not at all."""
    data = file_of_a_bad_day()
    with World(database_url, system_clock, tmp_path / "data") as world:
        rows_at_kill = killed_again_and_again(world, database_url, data, KILLS)
        print(f"{KILLS} kills, rows stored after each: {rows_at_kill}")
        assert len(rows_at_kill) > 3
        assert len(set(rows_at_kill)) >= 3  # they hit the work, not its beginning alone
        compare(world, undisturbed(sqlite_template, tmp_path / "undisturbed", data))


@pytest.mark.parametrize("media_type", [TSV, NDJSON, JSON, XML])
def test_killed_in_every_format(sqlite_url, tmp_path, sqlite_template, media_type):
    """PUSH-57, PUSH-63: whoever goes on finds its place, packed and in UTF-16; the rejects are whole."""
    request = {"media_type": media_type, "gzip": True, "charset": "utf-16"}
    data = as_format(media_type)
    with World(sqlite_url, system_clock, tmp_path / "data") as world:
        rows_at_kill = killed_again_and_again(world, sqlite_url, data, 3, **request)
        assert len(set(rows_at_kill)) > 1
        compare(world, undisturbed(sqlite_template, tmp_path / "undisturbed", data, **request))


@pytest.mark.parametrize("mode", [ADD_OR_UPDATE, UNSUBSCRIBE])
def test_killed_in_a_declared_table(sqlite_url, tmp_path, sqlite_template, mode):
    """PUSH-63, aapi.md section 5.4: rows of a table without header, also those that only unsubscribe, apply once."""
    request = {"media_type": DECLARED, "columns": (EMAIL, REMOTE_ID, field_column("City")), "quoted": False,
               "options": ImportOptions(mode, known_interests=True)}
    random_ = random.Random(5)
    rows = [f"p{random_.randrange(200)}@example.org,,City {n}" if n % 9 else random_.choice(["", "malformed,,", "few"])
            for n in range(500)]
    data = "\r".join(rows).encode()
    with World(sqlite_url, system_clock, tmp_path / "data") as world:
        rows_at_kill = killed_again_and_again(world, sqlite_url, data, 3, **request)
        assert len(set(rows_at_kill)) > 1
        compare(world, undisturbed(sqlite_template, tmp_path / "undisturbed", data, **request))


def normal(row):
    """SQLite's booleans are numbers, and its JSON is text."""
    return tuple(_normal(each) for each in row)


def _normal(value):
    if isinstance(value, bool):
        return int(value)
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
