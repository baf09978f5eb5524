"""Do jobs and calls that run at once, about the same people, end as if their chunks had come one after the other?"""

from __future__ import annotations

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from gateway.clock import system_clock
from gateway.db.models import metadata
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.domain.upload import CSV, UploadRequest
from gateway.services import imports, spool, uploadruns, uploads
from tests.support.world import World

ROWS, PEOPLE, CALLS = 240, 100, 8


@pytest.fixture
def world(database_url, tmp_path, monkeypatch):
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", 20)
    with World(database_url, system_clock, tmp_path) as made:
        yield made


def some(seed, count):
    """(remote ID or nothing, address) of people who move, come again and come without a remote ID."""
    chance = random.Random(seed)
    for _ in range(count):
        who = chance.randrange(PEOPLE)
        yield f"K-{who}" if chance.random() < 0.7 else "", f"p{chance.choice((who, who, who + 1))}@example.org"


def accept(world, actor, seed):
    rows = "".join(f"{remote_id},{email},City {seed}\n" for remote_id, email in some(seed, ROWS))
    kept = spool.receive(world.settings.spool_dir, [f"remoteId,email,City\n{rows}".encode()])
    with world.unit(actor) as unit:
        wanted = UploadRequest(ImportOptions(interests=("All",)), media_type=CSV)
        return uploads.accept(unit, kept, wanted).upload_id


def call(world, actor, seed):
    records = [SubscriberRecord(remote_id or None, email, {"City": "Ely"}) for remote_id, email in some(seed, 20)]
    with world.unit(actor) as unit:
        return imports.import_records(unit, records, ImportOptions()).counters


def rows(world, name):
    with world.reading() as unit:
        return [dict(row._mapping) for row in unit.connection.execute(sa.select(metadata.tables[name]))]


@pytest.mark.parametrize("mode", ["standard", "one_to_many"])
def test_two_jobs_and_calls_about_the_same_people(world, mode):
    """ID-31: no deadlock, no row lost, nothing fails but what is ambiguous; keys and addresses are unique after it."""
    with world.unit() as unit:
        unit.connection.execute(sa.update(metadata.tables["brand"]).values(settings={"identityMode": mode}))
    actors = [world.key_actor("ams"), world.key_actor("crm")]
    jobs = [accept(world, actor, seed) for seed, actor in enumerate(actors)]
    with ThreadPoolExecutor(3) as pool:
        done = [pool.submit(uploads.run_import, world.gateway, 1, job) for job in jobs]
        counted = pool.submit(lambda: [call(world, actors[seed % 2], 10 + seed) for seed in range(CALLS)])
        for each in done:
            each.result(120)
        called = counted.result(120)
    finished = [row for row in rows(world, "upload") if row["id"] in jobs]
    assert [(row["rows_done"], row["counters"]["received"]) for row in finished] == [(ROWS, ROWS)] * 2
    codes = {code for row in finished for code in row["counters"]["by_code"]}.union(*(each.by_code for each in called))
    assert codes <= (set() if mode == "one_to_many" else {"AMBIGUOUS_EMAIL"})

    living = {row["id"]: row for row in rows(world, "subscriber") if row["merged_into"] is None}
    keyed, at = {row["subscriber_id"] for row in rows(world, "remote_key")}, Counter(
        row["email"] for row in living.values())
    assert keyed <= set(living)
    for row in living.values():
        assert row["keyless"] == (row["id"] not in keyed)
        assert at[row["email"]] == 1 or (mode == "standard" and not row["keyless"])
