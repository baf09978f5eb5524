"""How import jobs end: released from the brake, resumed by an operator, with a file of rejected rows."""

import gzip
import json
import sqlite3
import threading

import pytest
import sqlalchemy as sa

from gateway.db.models.accounts import brand
from gateway.db.queries import uploads as stored
from gateway.domain.records import ImportOptions, SubscriberRecord
from gateway.domain.upload import JSON, NDJSON, XML
from gateway.errors import GatewayError
from gateway.formats import inline
from gateway.services import imports, rejects, uploadruns, uploads
from tests.services.test_uploads import accept, count, look, members, replace_all, run
from tests.support.world import World


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path / "data", brands=(1, 2)) as made:
        yield made


def act(world, what, upload_id, **actor):
    with world.unit(world.key_actor(**actor)) as unit:
        return what(unit, upload_id)


def refusal(world, what, upload_id, **actor):
    with pytest.raises(GatewayError) as refused:
        act(world, what, upload_id, **actor)
    return refused.value


def held(world):
    run(world, replace_all(world, 30))
    view = run(world, replace_all(world, 10))
    assert (view.state, members(world)) == ("held", 30)
    return view


def test_release(world):
    """PUSH-67, ID-70: the mass change is made, once; who released it is on record."""
    view = held(world)
    assert refusal(world, uploads.release, view.upload_id, scopes=("report",)).code == "NOT_ALLOWED"
    assert refusal(world, uploads.release, view.upload_id, brand_id=2).code == "NOT_FOUND"
    released = act(world, uploads.release, view.upload_id)
    assert (released.state, uploads.due(world.gateway)) == ("running", [(1, view.upload_id)])
    assert "Released by key:1." in released.message
    assert "running" in refusal(world, uploads.release, view.upload_id).message
    view = run(world, view)
    assert (view.state, view.counters.received, members(world)) == ("finished", 10, 10)
    assert refusal(world, uploads.release, view.upload_id).code == "STATE_CONFLICT"


def test_release_of_an_older_list_is_refused(world):
    """PUSH-67: a list that came later is the newer one."""
    view = held(world)
    run(world, replace_all(world, 29))
    assert "later import" in refusal(world, uploads.release, view.upload_id).message
    assert (look(world, view.upload_id).state, members(world)) == ("held", 29)


def test_resume_after_failure(world, monkeypatch):
    """PUSH-71: it goes on from its checkpoint, with as many tries as a new one."""
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", 1)
    view = accept(world)
    run(world, view, stopping=lambda: True)
    real, broken = imports.apply_counted, [True]

    def apply_counted(*args, **options):
        if broken[0]:
            raise RuntimeError("ours")
        return real(*args, **options)

    monkeypatch.setattr(imports, "apply_counted", apply_counted)
    assert refusal(world, uploads.resume, view.upload_id).code == "STATE_CONFLICT"
    for _ in range(uploadruns.MAX_ATTEMPTS):
        with pytest.raises(RuntimeError):
            run(world, view)
    assert run(world, view).state == "failed"
    broken[0] = False
    assert act(world, uploads.resume, view.upload_id).state == "running"
    view = run(world, view)
    assert (view.state, view.rows_done, view.counters.created) == ("finished_with_errors", 3, 2)


SENT = {
    "text/csv": "email\nann@example.org\nnobody\ncy@example.org\nnot me\n",
    NDJSON: '{"email": "ann@example.org"}\n{"email": "nobody"}\n{"email": "cy@example.org"}\n{"email": "not me"}\n',
    JSON: '[{"email": "ann@example.org"}, {"email": "nobody"}, {"email": "cy@example.org"}, {"email": "not me"}]',
    XML: "<a>" + "".join(f"<subscriber><email>{each}</email></subscriber>" for each in (
        "ann@example.org", "nobody", "cy@example.org", "not me")) + "</a>",
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("media_type", SENT)
@pytest.mark.parametrize("dry_run", [False, True])
def test_rejects_are_built_and_go_back(world, monkeypatch, media_type, packed, dry_run):
    """PUSH-33: in the format sent; corrected and sent again they are taken without a warning."""
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", 1)
    monkeypatch.setattr(rejects, "PAGE_ROWS", 1)
    text = SENT[media_type].encode()
    view = accept(world, gzip.compress(text) if packed else text, media_type=media_type, gzip=packed,
                  options=ImportOptions(dry_run=dry_run))
    while view.state in ("queued", "running"):
        view = run(world, view, stopping=lambda: True)
    assert (view.counters.created, view.counters.failed, view.has_rejects) == (2, 2, True)
    found = act(world, uploads.rejects, view.upload_id)
    data = b"".join(found.blocks)
    data = gzip.decompress(data) if packed else data
    assert (found.packed, data.count(b"INVALID_EMAIL")) == (packed, 2)
    corrected = data.replace(b"nobody", b"nobody@example.org").replace(b"not me", b"me@example.org")
    view = run(world, accept(world, corrected, media_type=media_type))
    assert (view.state, view.counters.created, view.counters.warnings) == ("finished", 2, {})
    assert not view.has_rejects


def test_rejects_are_kept_30_days(world, monkeypatch):
    """PUSH-33: then file and name go; a foreign brand never sees them."""
    monkeypatch.setattr(uploads, "ORPHAN_AGE_S", -1.0)
    view = run(world, accept(world))
    assert refusal(world, uploads.rejects, view.upload_id, brand_id=2).code == "NOT_FOUND"
    world.clock.advance(seconds=30 * 86400)
    assert uploads.tidy(world.gateway) == 0
    assert act(world, uploads.rejects, view.upload_id).file_name == f"rejects-{view.upload_id}.csv"
    world.clock.advance(seconds=1)
    assert uploads.tidy(world.gateway) == 1
    assert refusal(world, uploads.rejects, view.upload_id).code == "NOT_FOUND"
    assert list(world.settings.spool_dir.iterdir()) == []


def test_rejects_without_room_wait(world, monkeypatch):
    """PUSH-33, PUSH-63: no room for them is no end of the job; it ends when there is."""
    view = accept(world)

    def full(*_args, **_options):
        raise GatewayError("UNAVAILABLE")

    with monkeypatch.context() as patch:
        patch.setattr(rejects, "build", full)
        for _ in range(uploadruns.MAX_ATTEMPTS + 3):
            with pytest.raises(GatewayError):
                run(world, view)
    view = run(world, view)
    assert (view.state, view.rows_done, view.has_rejects) == ("finished_with_errors", 3, True)


def test_rejects_of_soap_records_are_lines_of_json(world):
    """SOAP-41: what came as elements of a call goes as NDJSON."""
    lines = b"".join(map(inline.write, (SubscriberRecord("1", "ann@example.org"), SubscriberRecord(
        "2", "nobody", {"City": None, "Title": "Dr"}, ("News",)))))
    view = run(world, accept(world, lines, media_type=inline.MEDIA_TYPE))
    found = act(world, uploads.rejects, view.upload_id)
    row = json.loads(b"".join(found.blocks))
    assert (found.media_type, row["remoteId"], row["fields"], row["interests"]) == (
        NDJSON, "2", {"City": None, "Title": "Dr"}, {"add": ["News"], "remove": []})


def numbers(view):
    """What a run says of its rows."""
    counters = view.counters
    return (counters.received, counters.created, counters.adopted, counters.updated, counters.unchanged,
            counters.failed, counters.by_code, counters.warnings)


def test_dry_run_gives_the_numbers_of_the_real_run(world, monkeypatch):
    """PUSH-56: also for people who come again in another chunk; nothing is written but the job."""
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", 3)
    text = "remoteId,email,City\n" + "".join(
        f"{n % 9},p{n % 7}@example.org,{n}\n" if n % 5 else f",p{n % 4}@example.org,x\n" for n in range(40)) + "1,x,y\n"
    dry = run(world, accept(world, text, options=ImportOptions(dry_run=True, interests=("News",))))
    with world.gateway.engine.connect() as connection:
        for table in ("subscriber", "remote_key", "membership", "interest", "source_values", "event"):
            assert connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() == 0
    real = run(world, accept(world, text, options=ImportOptions(interests=("News",))))
    assert numbers(dry) == numbers(real)
    assert dry.message is None


def test_dry_run_of_a_longer_file_says_what_it_cannot_know(world, monkeypatch):
    """PUSH-56: pieces are bounded, so that nobody waits long for a dry run; the checkpoint is a piece."""
    monkeypatch.setattr(uploadruns, "DRY_ROWS", 2)
    text = "email\n" + "p@example.org\n" * 5
    view = accept(world, text, options=ImportOptions(dry_run=True))
    done = []
    while view.state in ("queued", "running"):
        view = run(world, view, stopping=lambda: True)
        done.append(view.rows_done)
    assert (done, view.counters.created, view.counters.unchanged) == ([2, 4, 5, 5], 3, 2)
    assert "pieces of at most 2 rows" in view.message


def test_dry_run_of_replace_all_says_who_would_leave(world):
    """PUSH-55, PUSH-56, ID-70: how many would leave, or that the brake would hold; nobody does."""
    run(world, replace_all(world, 30))
    options = ImportOptions(mode="ReplaceAll", interests=("News",), dry_run=True)
    for count_, words in ((28, "2 memberships would end"), (10, "BRAKE_HELD: 20 of 30")):
        text = "remoteId,email\n" + "".join(f"{n},p{n}@example.org\n" for n in range(count_))
        view = run(world, accept(world, text, options=options))
        assert (view.state, members(world)) == ("finished", 30)
        assert words in view.message


def test_who_joins_while_the_list_is_read_stays(world):
    """PUSH-55: the list was made before they joined; a released one is older still."""
    view = held(world)
    world.clock.advance(seconds=5)
    with world.unit(world.key_actor()) as unit:
        imports.import_records(unit, [SubscriberRecord("new", "new@example.org")], ImportOptions(interests=("News",)))
    act(world, uploads.release, view.upload_id)
    assert (run(world, view).state, members(world)) == ("finished", 11)


@pytest.mark.parametrize(("settings", "state"), [
    ({}, "held"), ({"brakeShare": 0.7}, "finished"), ({"brakeRows": 20}, "finished"),
    ({"brakeShare": 0.1, "brakeRows": 19}, "held"), ({"brakeShare": "all", "brakeRows": True}, "held")])
def test_brake_is_the_brands_choice(world, settings, state):
    """ID-70: both the share and the number must be passed."""
    run(world, replace_all(world, 30))
    with world.unit() as unit:
        unit.connection.execute(sa.update(brand).where(brand.c.id == 1).values(settings=settings))
    assert run(world, replace_all(world, 10)).state == state


def test_next_worker_is_rung_when_the_dead_ones_lease_ends(world):
    """PUSH-63: whoever takes the job, or finds it in another's hands, leaves word for the end of that lease."""
    view = accept(world)
    rings = []

    class Doorbell:
        transactional = False

        def ring(self, given, _connection):
            rings.extend((each.task, each.args, each.delay_s) for each in given)

        def problem(self):
            return None

    def second_worker():
        world.clock.advance(seconds=10)
        uploads.run_import(world.gateway, 1, view.upload_id)
        return False

    world.gateway.doorbell = Doorbell()
    run(world, view, stopping=second_worker)
    run(world, view)
    assert rings == [("run_import", (1, view.upload_id), 31.0), ("run_import", (1, view.upload_id), 21.0)]


def test_full_disk_while_a_chunk_commits(world, monkeypatch):
    """PUSH-13, PUSH-63: no room in the database: the job stays where it is, and goes on when there is."""
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", 1)
    view = accept(world)
    run(world, view, stopping=lambda: True)
    real = stored.record

    def full(connection, brand_id, upload_id, owner, values):
        if "rows_done" in values:
            raise sa.exc.OperationalError("UPDATE", {}, sqlite3.OperationalError("database or disk is full"))
        return real(connection, brand_id, upload_id, owner, values)

    with monkeypatch.context() as patch:
        patch.setattr(stored, "record", full)
        for _ in range(uploadruns.MAX_ATTEMPTS + 3):
            with pytest.raises(GatewayError) as refused:
                run(world, view)
            assert refused.value.code == "UNAVAILABLE"
    assert (look(world, view.upload_id).rows_done, count(world, "subscriber")) == (1, 1)
    view = run(world, view)
    assert (view.state, view.rows_done, view.counters.created) == ("finished_with_errors", 3, 2)


def test_imports_of_two_integrations_at_once(world, monkeypatch):
    """PUSH-64, ID-1: two workers, two integrations: both end, and each has its own remote IDs once."""
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", 5)
    rows = "".join(f"{n},p{n}@example.org\n" for n in range(60))
    views = [accept(world, "remoteId,email\n" + rows, actor=world.key_actor(name), replay=False)
             for name in ("api", "crm")]
    workers = [threading.Thread(target=run, args=(world, view)) for view in views]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    ended = [look(world, view.upload_id) for view in views]
    assert [view.state for view in ended] == ["finished", "finished"]
    assert [view.counters.created for view in ended] == [60, 60]
    assert count(world, "remote_key") == count(world, "subscriber") == 120


def test_replay_of_jobs_that_go_on(world):
    """PUSH-75: a held job is at rest, so the same file is a new job; once it is released, the same file is that job."""
    view = held(world)
    again = run(world, replace_all(world, 10))
    assert (again.upload_id != view.upload_id, again.state) == (True, "held")
    act(world, uploads.cancel, again.upload_id)
    assert act(world, uploads.release, view.upload_id).state == "running"
    assert replace_all(world, 10).upload_id == view.upload_id
