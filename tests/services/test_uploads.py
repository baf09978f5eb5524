"""Import jobs from acceptance to their end, on both databases."""

import dataclasses
import gzip
import threading

import pytest

from gateway.domain import upload as rules
from gateway.domain.paging import PageRequest
from gateway.domain.records import ImportOptions
from gateway.domain.upload import NDJSON, TRANSITIONS, JobFilter, UploadRequest, next_state
from gateway.errors import GatewayError
from gateway.services import imports, spool, uploadruns, uploads
from tests.support.world import World

CSV = "remoteId,email,FirstName\n1,ann@example.org,Ann\n2,not-an-address,Bo\n3,cy@example.org,Cy\n"


@pytest.fixture
def world(database_url, tmp_path):
    with World(database_url, data_dir=tmp_path / "data", brands=(1, 2)) as made:
        yield made


def accept(world, text=CSV, *, actor=None, replay=True, **request):
    actor = actor or world.key_actor()
    data = text if isinstance(text, bytes) else text.encode()
    request = {"options": ImportOptions(), **request}
    kept = spool.receive(world.settings.spool_dir, [data], gzip=request.get("gzip", False))
    with world.unit(actor) as unit:
        return uploads.accept(unit, kept, UploadRequest(**request), replay=replay)


def look(world, upload_id, brand_id=1):
    with world.reading(world.key_actor(brand_id=brand_id)) as unit:
        return uploads.get(unit, upload_id)


def run(world, view, brand_id=1, **options):
    uploads.run_import(world.gateway, brand_id, view.upload_id, **options)
    return look(world, view.upload_id, brand_id)


def failed_rows(world, view):
    with world.gateway.feed(world.key_actor()) as unit:
        return uploads.errors(unit, view.upload_id, PageRequest()).items


def count(world, table):
    with world.gateway.engine.connect() as connection:
        return connection.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar()


def spooled(world):
    return [path.name for path in world.settings.spool_dir.iterdir() if path.suffix != ".rejects"]


@pytest.mark.parametrize(("state", "step"), sorted(TRANSITIONS))
def test_every_legal_step(state, step):
    """PUSH-65..71: one row of the table, and the same step is refused where the table has none."""
    assert next_state(state, step) == TRANSITIONS[state, step]


@pytest.mark.parametrize("state", [rules.FINISHED, rules.FINISHED_WITH_ERRORS, rules.REJECTED, rules.CANCELLED])
@pytest.mark.parametrize("step", sorted({step for _, step in TRANSITIONS}))
def test_final_states(state, step):
    """PUSH-68..70: nothing leads out of them."""
    with pytest.raises(GatewayError, match=state) as refused:
        next_state(state, step)
    assert refused.value.code == "STATE_CONFLICT"


def test_job_from_start_to_end(world):
    """PUSH-58, PUSH-66, PUSH-68, PUSH-72: counters sum to received; the failed row has its row and line."""
    view = accept(world)
    assert (view.state, view.rows_done, view.counters.received) == ("queued", 0, 0)
    assert uploads.due(world.gateway) == [(1, view.upload_id)]
    view = run(world, view)
    assert (view.state, view.rows_done, view.bytes_done) == ("finished_with_errors", 3, len(CSV))
    assert (view.counters.received, view.counters.created, view.counters.failed) == (3, 2, 1)
    assert view.counters.by_code == {"INVALID_EMAIL": 1}
    assert view.started_at and view.finished_at
    assert [(e.row, e.line, e.remote_id, e.code) for e in failed_rows(world, view)] == [(2, 3, "2", "INVALID_EMAIL")]
    assert (uploads.due(world.gateway), spooled(world)) == ([], [])


def test_running_an_ended_job_again_changes_nothing(world):
    """SEND-6: a repeated wake-up."""
    view = run(world, accept(world))
    before = [count(world, table) for table in ("subscriber", "decision", "source_values")]
    assert run(world, view) == view
    assert [count(world, table) for table in ("subscriber", "decision", "source_values")] == before


def test_ndjson_and_gzip(world):
    """ID-P3: another format and packing, the same state."""
    packed = gzip.compress(b'{"remoteId": 1, "email": "ann@example.org"}\n')
    view = run(world, accept(world, packed, media_type=NDJSON, gzip=True))
    assert (view.state, view.counters.created, view.bytes_done) == ("finished", 1, len(packed))


@pytest.mark.parametrize(("text", "request_members", "code"), [
    ("City,Title\nBonn,Dr\n", {}, "INVALID_REQUEST"), ("", {}, "INVALID_REQUEST"),
    (b"\xff\xfe\x00", {}, "INVALID_REQUEST"), ("email,E-Mail\na@example.org,b\n", {}, "INVALID_REQUEST"),
    ("email\n", {"options": ImportOptions(mode="ReplaceAll", interests=("News",))}, "INVALID_REQUEST"),
    ("email\na@example.org\n", {"options": ImportOptions(mode="Remove", interests=("Nothing",))}, "LIST_UNKNOWN")])
def test_rejected(world, text, request_members, code):
    """PUSH-69: nothing was applied, and the message says why."""
    view = run(world, accept(world, text, **request_members))
    assert (view.state, view.counters.received) == ("rejected", 0)
    assert view.message.startswith(code)
    assert (count(world, "subscriber"), count(world, "interest"), spooled(world)) == (0, 0, [])


@pytest.mark.parametrize(("request_members", "code"), [
    ({"options": ImportOptions(mode="Remove")}, "INVALID_REQUEST"),
    ({"options": ImportOptions(mode="ReplaceAll")}, "INVALID_REQUEST"),
    ({"options": ImportOptions(interests=("a\0b",))}, "INVALID_CHARACTER"),
    ({"columns": ("a\0b",)}, "INVALID_CHARACTER"),
    ({"options": ImportOptions(label="a\ud800b")}, "INVALID_CHARACTER"),
    ({"options": ImportOptions(label="x" * 256)}, "INVALID_VALUE"),
    ({"options": ImportOptions(interests=("x" * 256,))}, "INVALID_VALUE"), ({"delimiter": ""}, "INVALID_REQUEST"),
    ({"delimiter": '"'}, "INVALID_REQUEST"), ({"delimiter": "\n"}, "INVALID_REQUEST"),
    ({"delimiter": ";;"}, "INVALID_REQUEST")])
def test_refused_before_it_is_a_job(world, request_members, code):
    """PUSH-56: what can be seen from the options alone makes no job."""
    with pytest.raises(GatewayError) as refused:
        accept(world, **request_members)
    assert refused.value.code == code
    assert count(world, "upload") == 0


def test_unmapped_columns_warn_once(world):
    """PUSH-61: one warning of the job a column, however many rows."""
    view = run(world, accept(world, "email,Shoe size,Hat\na@example.org,38,7\nb@example.org,39,8\n"))
    assert (view.state, view.counters.warnings) == ("finished", {"FIELD_UNKNOWN": 2})
    assert "'Shoe size', 'Hat'" in view.message


def test_chunks_commit_and_the_next_worker_goes_on(world, monkeypatch):
    """PUSH-63: stopped after a chunk, resumed exactly there; warnings of duplicates cross the chunks (ID-27)."""
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", 2)
    text = "email,City\n" + "".join(f"p{n % 7}@example.org,{n}\n" for n in range(11))
    view = accept(world, text)
    done = []
    while view.state in ("queued", "running"):
        view = run(world, view, stopping=lambda: True)
        done.append(view.rows_done)
    assert done == [2, 4, 6, 8, 10, 11, 11]
    assert (view.counters.created, view.counters.updated, view.counters.warnings) == (7, 4, {"DUPLICATE_IN_BATCH": 4})


def test_same_content_while_open_is_the_same_job(world):
    """PUSH-75: same sender, options and content; after its end, or with another option, a new one."""
    first = accept(world)
    again = accept(world)
    assert (again.upload_id, again.replayed, first.replayed) == (first.upload_id, True, False)
    others = [accept(world, options=ImportOptions(mode="Add")), accept(world, delimiter=";"),
              accept(world, replay=False), accept(world, options=ImportOptions(label="list")),
              accept(world, CSV + "4,di@example.org,Di\n"),
              accept(world, actor=dataclasses.replace(world.key_actor(), label="key:2"))]
    assert len({first.upload_id, *(other.upload_id for other in others)}) == 7
    for ended in (first, *others[:3]):
        run(world, ended)
    assert accept(world).upload_id not in {first.upload_id, *(other.upload_id for other in others)}


def test_same_content_at_the_same_moment_is_one_job(world):
    """PUSH-75: the second sender waits for the first one's transaction, and gets its job."""
    inside, out, answers = threading.Event(), threading.Event(), []
    kept = spool.receive(world.settings.spool_dir, [CSV.encode()])
    request = UploadRequest(ImportOptions())

    def take_in(hold):
        with world.unit(world.key_actor()) as unit:
            answers.append(uploads.accept(unit, kept, request))
            inside.set()
            assert not hold or out.wait(20)

    first = threading.Thread(target=take_in, args=(True,))
    first.start()
    assert inside.wait(20)
    second = threading.Thread(target=take_in, args=(False,))
    second.start()
    second.join(0.3)  # long enough to be there: it must not get past the first one
    out.set()
    first.join(20)
    second.join(20)
    assert [view.replayed for view in answers] == [False, True]
    assert count(world, "upload") == 1


def test_order_of_arrival_within_an_integration(world):
    """PUSH-64: the younger waits for the older of its integration, and for nobody else's."""
    old = accept(world, "email,City\na@example.org,old\n")
    young = accept(world, "email,City\na@example.org,young\n")
    crm = accept(world, actor=world.key_actor("crm"))
    foreign = accept(world, actor=world.key_actor(brand_id=2))
    assert run(world, young).state == "queued"
    assert run(world, crm).state == "finished_with_errors"
    assert uploads.due(world.gateway) == [(1, old.upload_id), (2, foreign.upload_id)]
    assert run(world, old).state == "finished"
    assert uploads.due(world.gateway) == [(1, young.upload_id), (2, foreign.upload_id)]
    assert run(world, young).counters.updated == 1


def test_lease_keeps_a_second_worker_away(world):
    """PUSH-63: a second worker finds the job taken; when the lease ran out it is due again."""
    view = accept(world)
    seen = []

    def second_worker():
        seen.append(uploads.due(world.gateway))
        uploads.run_import(world.gateway, 1, view.upload_id)  # does nothing
        seen.append(look(world, view.upload_id).rows_done)
        world.clock.advance(seconds=31)
        seen.append(uploads.due(world.gateway))
        return True

    run(world, view, stopping=second_worker)
    assert seen == [[], 3, [(1, view.upload_id)]]


def test_passing_over_a_long_file_keeps_the_lease(world, monkeypatch):
    """PUSH-63: whoever goes on far into a file is not taken for dead while it looks for the place."""
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", 3)
    run(world, replace_all(world, 30))
    view = replace_all(world, 29)
    stops = iter([False] * 7 + [True])
    run(world, view, stopping=lambda: next(stops))
    recognise, seen = imports.recognise, []

    def slowly(*args):
        recognise(*args)
        world.clock.advance(seconds=14)
        seen.append(uploads.due(world.gateway))

    monkeypatch.setattr(imports, "recognise", slowly)
    assert run(world, view).state == "finished"
    assert seen == [[]] * 8


@pytest.mark.parametrize(("media_type", "text"), [
    (rules.CSV, "email\n%sa@example.org\n"), (NDJSON, '%s{"email": "a@example.org"}'),
    (rules.JSON, '[%s{"email": "a@example.org"}]'),
    (rules.XML, "<s>%s<subscriber><email>a@example.org</email></subscriber></s>")])
def test_a_long_stretch_without_records_keeps_the_lease(world, monkeypatch, media_type, text):
    """PUSH-63: blank for gigabytes, a body is still read by one worker, which hears of a cancellation."""
    read, seen = spool._read, []

    def slowly(*args):
        for block in read(*args):
            world.clock.advance(seconds=14)
            seen.append(uploads.due(world.gateway))
            yield block

    monkeypatch.setattr(spool, "_read", slowly)
    view = accept(world, text % ("\n" * 300_000), media_type=media_type)
    assert run(world, view).state == "finished"
    assert len(seen) >= 5 and not any(seen)


def test_worker_that_lost_its_lease_changes_nothing(world, monkeypatch):
    """PUSH-63: it slept, another worker took the job over; the late one's chunk is undone as a whole."""
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", 1)
    view = accept(world)

    def overtaken():
        if look(world, view.upload_id).rows_done == 1:
            world.clock.advance(seconds=31)
            uploads.run_import(world.gateway, 1, view.upload_id)
        return False

    after = run(world, view, stopping=overtaken)
    assert (after.state, after.counters.received, after.counters.created) == ("finished_with_errors", 3, 2)
    assert (count(world, "subscriber"), count(world, "decision")) == (2, 3)


def test_cancel(world):
    """PUSH-70: a waiting job never runs; cancelling twice is harmless; an ended one is a conflict."""
    view = accept(world)
    with world.unit(world.key_actor()) as unit:
        assert uploads.cancel(unit, view.upload_id).state == "cancelled"
    with world.unit(world.key_actor()) as unit:
        assert uploads.cancel(unit, view.upload_id).state == "cancelled"
    assert run(world, view).counters.received == 0
    assert uploads.due(world.gateway) == []
    ended = run(world, accept(world))
    with world.unit(world.key_actor()) as unit, pytest.raises(GatewayError, match="finished_with_errors") as refused:
        uploads.cancel(unit, ended.upload_id)
    assert refused.value.code == "STATE_CONFLICT"


def test_cancel_a_running_job(world, monkeypatch):
    """PUSH-34, PUSH-70: it stops after the running chunk; what was committed stays and is counted."""
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", 1)
    view = accept(world)

    def cancel():
        with world.unit(world.key_actor()) as unit:
            uploads.cancel(unit, view.upload_id)
        return False

    view = run(world, view, stopping=cancel)
    assert (view.state, view.rows_done, view.counters.received, count(world, "subscriber")) == ("cancelled", 1, 1, 1)
    assert len(spooled(world)) == 1
    monkeypatch.setattr(uploads, "ORPHAN_AGE_S", -1.0)
    assert uploads.tidy(world.gateway) == 1


def test_dry_run_writes_nothing_but_the_job(world):
    """PUSH-56: answers as usual; the failed rows can be read; no person, interest or membership."""
    options = ImportOptions(dry_run=True, interests=("News",))
    view = run(world, accept(world, options=options))
    assert (view.state, view.counters.created, view.counters.failed) == ("finished_with_errors", 2, 1)
    assert [each.code for each in failed_rows(world, view)] == ["INVALID_EMAIL"]
    assert [count(world, table) for table in ("subscriber", "interest", "membership", "remote_key")] == [0, 0, 0, 0]


def test_our_fault_waits_for_the_next_try_and_gives_up(world, monkeypatch):
    """PUSH-71: five claims that store nothing; then the job is failed and keeps its file for an operator."""
    view = accept(world)

    def broken(*_args):
        raise RuntimeError("ours")

    monkeypatch.setattr(imports, "apply_counted", broken)
    for _ in range(uploadruns.MAX_ATTEMPTS):
        with pytest.raises(RuntimeError):
            run(world, view)
        assert uploads.due(world.gateway) == [(1, view.upload_id)]
    view = run(world, view)
    assert (view.state, view.counters.received, uploads.due(world.gateway)) == ("failed", 0, [])
    assert len(spooled(world)) == 1
    assert uploads.tidy(world.gateway) == 0


def replace_all(world, count_, **options):
    text = "remoteId,email\n" + "".join(f"{n},p{n}@example.org\n" for n in range(count_))
    return accept(world, text, options=ImportOptions(mode="ReplaceAll", interests=("News",)), **options)


def members(world):
    with world.gateway.engine.connect() as connection:
        return connection.exec_driver_sql("SELECT count(*) FROM membership WHERE until IS NULL").scalar()


@pytest.mark.parametrize("chunk", [3, 2000])
@pytest.mark.parametrize("interrupted", [False, True])
def test_replace_all(world, monkeypatch, chunk, interrupted):
    """PUSH-55: the others leave at the end of the complete file, also when it was resumed on the way."""
    monkeypatch.setattr(uploadruns, "CHUNK_ROWS", chunk)
    run(world, replace_all(world, 30))
    view = replace_all(world, 28)
    while view.state in ("queued", "running"):
        view = run(world, view, stopping=lambda: interrupted)
    assert (view.state, members(world)) == ("finished", 28)


def test_replace_all_under_the_brake(world):
    """PUSH-67, ID-70: too many would leave: held, and nobody left; a held job can be cancelled."""
    run(world, replace_all(world, 30))
    view = run(world, replace_all(world, 10))
    assert (view.state, members(world)) == ("held", 30)
    assert view.message.startswith("BRAKE_HELD")
    with world.unit(world.key_actor()) as unit:
        assert uploads.cancel(unit, view.upload_id).state == "cancelled"


def test_replace_all_with_unreadable_rows_takes_nobody_out(world):
    """ID-69 in spirit: a row that cannot be read may mean a member, so absence is not inferred."""
    run(world, replace_all(world, 5))
    text = "remoteId,email\n0,p0@example.org\n1\n"
    view = run(world, accept(world, text, options=ImportOptions(mode="ReplaceAll", interests=("News",))))
    assert (view.state, members(world)) == ("finished_with_errors", 5)
    assert "1 rows" in view.message


def test_foreign_job_is_not_found(world):
    """ID-P15: another brand's job can be neither read nor cancelled nor run."""
    view = accept(world)
    actor = world.key_actor(brand_id=2)
    for act in (uploads.get, uploads.cancel, lambda unit, key: uploads.errors(unit, key, PageRequest())):
        with world.gateway.feed(actor) as unit, pytest.raises(GatewayError) as refused:
            act(unit, view.upload_id)
        assert refused.value.code == "NOT_FOUND"
    uploads.run_import(world.gateway, 2, view.upload_id)
    assert look(world, view.upload_id).state == "queued"
    with world.gateway.feed(actor) as unit:
        assert uploads.find(unit, JobFilter(), PageRequest()).items == ()


def test_pages_of_jobs_and_errors(world):
    """PUSH-33, PUSH-48: pages by token, each row once."""
    views = [run(world, accept(world, f"email\nx{n}\ny{n}\n")) for n in range(3)]
    world.clock.advance(seconds=1)
    seen, token = [], None
    while True:
        with world.gateway.feed(world.key_actor()) as unit:
            page = uploads.find(unit, JobFilter(), PageRequest(2, token))
        seen += [each.upload_id for each in page.items]
        token = page.next_token
        if token is None:
            break
    assert seen == [view.upload_id for view in views]
    with world.gateway.feed(world.key_actor()) as unit:
        first = uploads.errors(unit, views[0].upload_id, PageRequest(1))
    with world.gateway.feed(world.key_actor()) as unit:
        second = uploads.errors(unit, views[0].upload_id, PageRequest(1, first.next_token))
    assert [each.row for each in (*first.items, *second.items)] == [1, 2]
    assert second.next_token is None


def test_too_many_open_jobs(world):
    """PUSH-13: 22 of one key; the next is told to wait."""
    for n in range(22):
        accept(world, f"email\na{n}@example.org\n")
    with pytest.raises(GatewayError) as refused:
        accept(world)
    assert (refused.value.code, refused.value.retry_after_s) == ("TOO_MANY_REQUESTS", 60)
    accept(world, actor=world.key_actor(brand_id=2))
