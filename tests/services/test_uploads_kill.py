"""kill -9 in the middle of an import: every row is applied once, and the end is that of a run nobody disturbed."""

import json
import random
import subprocess
import sys
import time

import pytest

from gateway.clock import system_clock
from gateway.db.engine import read
from gateway.domain.records import ImportOptions
from gateway.domain.upload import UploadRequest
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


def accept(world, data):
    kept = spool.receive(world.settings.spool_dir, [data])
    with world.unit(world.key_actor()) as unit:
        return uploads.accept(unit, kept, UploadRequest(ImportOptions(interests=("All",)))).upload_id


def rows_done(world):
    """The job's checkpoint."""
    with read(world.gateway.engine) as connection:  # does not wait for the writer
        return connection.exec_driver_sql("SELECT rows_done FROM upload").scalar()


def state_of(world):
    with world.gateway.engine.connect() as connection:
        return {name: [tuple(row) for row in connection.exec_driver_sql(query)] for name, query in STATE.items()}


@pytest.fixture
def undisturbed(sqlite_template, tmp_path):
    """The state after the same file in one go."""
    path = tmp_path / "undisturbed.db"
    path.write_bytes(sqlite_template.read_bytes())
    with World(f"sqlite:///{path}", system_clock, tmp_path / "undisturbed") as world:
        uploads.run_import(world.gateway, 1, accept(world, file_of_a_bad_day()))
        return state_of(world)


def test_killed_at_random_moments(database_url, tmp_path, undisturbed):
    """PUSH-63, ID-P2: checkpoint, rows, outcomes and counters move together or not at all."""
    random_, kills, rows_at_kill = random.Random(11), 0, []
    with World(database_url, system_clock, tmp_path / "data") as world:
        upload_id = accept(world, file_of_a_bad_day())
        while not ended(world, upload_id):
            worker = subprocess.Popen(
                [sys.executable, "-m", "tests.support.import_worker", database_url, str(tmp_path / "data"),
                 str(upload_id), str(CHUNK), str(LEASE_S)], stdout=subprocess.PIPE)
            assert worker.stdout.readline() == b"ready\n"
            if kills < KILLS:
                goal = rows_done(world) + CHUNK * random_.randrange(1, 4)
                wait_for(lambda at_least=goal: rows_done(world) >= at_least or ended(world, upload_id), "rows", 60)
                time.sleep(random_.random() * 0.01)  # so that the kill falls anywhere within a chunk
                worker.kill()
                kills += 1
            worker.wait(120)
            worker.stdout.close()
            rows_at_kill.append(rows_done(world))
        found = state_of(world)
        left = list(world.settings.spool_dir.iterdir())
    print(f"{kills} kills, rows stored after each: {rows_at_kill}")
    assert kills >= 3
    assert len(set(rows_at_kill)) >= 3  # they hit the work, not its beginning alone
    for name, rows in undisturbed.items():
        assert [normal(row) for row in found[name]] == [normal(row) for row in rows], name
    outcomes = [row[0] for row in found["outcomes"]]
    assert len(outcomes) == len(set(outcomes))
    assert left == []


def normal(row):
    """SQLite's booleans are numbers, and its JSON is text."""
    return tuple(_normal(each) for each in row)


def _normal(value):
    if isinstance(value, bool):
        return int(value)
    return json.loads(value) if isinstance(value, str) and value.startswith("{") else value
