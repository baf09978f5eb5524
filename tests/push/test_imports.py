"""Bulk files at the door: taken in, looked at, stopped."""

import gzip

import pytest

CSV = "remoteId,email,FirstName\nK-1,ann@example.org,Ann\nK-2,nobody,Bo\n"
XML = ("<list><subscriber><remoteId>K-1</remoteId><email>ann@example.org</email><field name='FirstName'>Ann</field>"
       "</subscriber><subscriber><remoteId>K-2</remoteId><email>nobody</email></subscriber></list>")


def send(call, data=CSV, content_type="text/csv", **options):
    return call.post(options.pop("path", "/imports"), data=data if isinstance(data, bytes) else data.encode(),
                     content_type=content_type, **options)


def spooled(door):
    folder = door.gateway.settings.spool_dir
    return [path for path in folder.iterdir() if path.suffix != ".rejects"] if folder.is_dir() else []


def test_from_acceptance_to_the_errors(call, door):
    """PUSH-32, PUSH-33, PUSH-72, PUSH-78: 202 with Location, the job, its counters, its failed rows."""
    accepted = send(call)
    job = accepted.json
    assert (accepted.status_code, job["state"], job["mode"], job["rowsDone"]) == (202, "queued", "AddOrUpdate", 0)
    assert accepted.headers["Location"] == f"/push/v1/imports/{job['jobId']}"
    assert job["errorsUrl"] == f"/push/v1/imports/{job['jobId']}/errors"
    assert (job["queuedAt"], "startedAt" in job, "finishedAt" in job) == ("2026-01-15T12:00:00.000Z", False, False)
    door.work()
    job = call.get(f"/imports/{job['jobId']}").json
    assert (job["state"], job["received"], job["created"], job["failed"], job["byCode"], job["warnings"]) == (
        "finished_with_errors", 2, 1, 1, {"INVALID_EMAIL": 1}, {})
    assert (job["rowsDone"], job["bytesDone"], job["replayed"]) == (2, len(CSV), False)
    assert job["startedAt"] and job["finishedAt"]
    errors = call.get(f"/imports/{job['jobId']}/errors").json
    assert errors["items"] == [{"row": 2, "line": 3, "remoteId": "K-2", "email": "nobody", "code": "INVALID_EMAIL",
                                "field": "email", "message": errors["items"][0]["message"]}]
    door.world.clock.advance(seconds=1)
    assert [each["jobId"] for each in call.get("/imports").json["items"]] == [job["jobId"]]
    assert call.get("/imports?state=queued").json["items"] == []
    assert spooled(door) == []


@pytest.mark.parametrize(("data", "content_type", "options"), [
    (CSV, "text/csv; charset=utf-8", ""), (CSV.encode("utf-16"), "text/csv; charset=utf-16", ""),
    (CSV.replace(",", ";"), "TEXT/CSV", "?delimiter=;"), (CSV.split("\n", 1)[1], "text/csv",
                                                         "?columns=remoteId,email,FirstName"),
    (CSV.replace(",", "\t"), "text/tab-separated-values", ""),
    (CSV.replace(",", "\t").encode("cp1252"), "text/tab-separated-values; charset=windows-1252", "?quote=none"),
    ('{"remoteId":"K-1","email":"ann@example.org","fields":{"FirstName":"Ann"}}\n{"remoteId":"K-2","email":"nobody"}',
     "application/x-ndjson", ""),
    ('[{"remoteId":"K-1","email":"ann@example.org","fields":{"FirstName":"Ann"}},{"remoteId":"K-2","email":"nobody"}]',
     "text/json", ""), (XML, "text/xml", ""), (XML.encode("utf-16"), "application/xml", "")])
@pytest.mark.parametrize("packed", [False, True])
def test_formats_end_in_the_same_state(call, door, data, content_type, options, packed):
    """PUSH-57, PUSH-59..61, ID-P3: format, charset, delimiter and packing do not matter."""
    data = data if isinstance(data, bytes) else data.encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    job = send(call, gzip.compress(data) if packed else data, content_type, headers=headers,
               path=f"/imports{options}").json
    door.work()
    job = call.get(f"/imports/{job['jobId']}").json
    assert (job["state"], job["created"], job["byCode"]) == ("finished_with_errors", 1, {"INVALID_EMAIL": 1})
    door.world.clock.advance(seconds=1)
    person = call.get("/subscribers?remoteId=K-1").json["items"][0]
    assert {each["name"]: each["value"] for each in person["fields"]} == {"FirstName": "Ann"}


@pytest.mark.parametrize(("content_type", "path", "headers", "status", "code"), [
    ("application/json", "/imports?columns=email", {}, 400, "INVALID_REQUEST"),
    ("application/yaml", "/imports", {}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("text/tab-separated-values", "/imports?delimiter=;", {}, 400, "INVALID_REQUEST"),
    ("text/csv", "/imports?quote=single", {}, 400, "INVALID_VALUE"),
    ("application/x-ndjson", "/imports?quote=none", {}, 400, "INVALID_REQUEST"),
    ("", "/imports", {}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("text/csv; charset=ebcdic", "/imports", {}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("text/csv", "/imports", {"Content-Encoding": "br"}, 415, "UNSUPPORTED_MEDIA_TYPE"),
    ("text/csv", "/imports", {"Content-Encoding": "gzip"}, 400, "MALFORMED_REQUEST"),
    ("text/csv", "/imports?mode=Remove", {}, 400, "INVALID_REQUEST"),
    ("text/csv", "/imports?mapping=mine&columns=email", {}, 400, "INVALID_REQUEST"),
    ("text/csv", "/imports?delimiter=;;", {}, 400, "INVALID_REQUEST"),
    ("text/csv", "/imports?source=a%00b", {}, 400, "INVALID_CHARACTER"),
    ("application/x-ndjson", "/imports?delimiter=;", {}, 400, "INVALID_REQUEST")])
def test_refused_bodies_leave_nothing(call, door, content_type, path, headers, status, code):
    """PUSH-58: no job, no row, no file."""
    answer = send(call, content_type=content_type, path=path, headers=headers)
    assert (answer.status_code, answer.json["code"]) == (status, code)
    assert (door.count("upload"), spooled(door)) == (0, [])


@pytest.mark.parametrize(("data", "word"), [
    ("City,Title\nBonn,Dr\n", "remote ID"), (b"\xff\n", "character set"), ("", "header"), ('"email\n', "quotes")])
def test_unreadable_header_rejects_the_job(call, door, data, word):
    """PUSH-59, PUSH-61, PUSH-69: accepted, then rejected with the reason; nothing is stored."""
    job = send(call, data).json
    door.work()
    job = call.get(f"/imports/{job['jobId']}").json
    assert (job["state"], job["received"]) == ("rejected", 0)
    assert word in job["message"]
    assert door.count("subscriber") == 0


@pytest.mark.parametrize(("data", "content_type", "word"), [
    ('[{"email": "ann@example.org"}, {"email": "bo@example.org"}', "application/json", "does not end"),
    ('{"email": "ann@example.org"}', "application/json", "array"),
    ("<a><subscriber><email>ann@example.org</email></subscriber>", "text/xml", "well-formed"),
    (f"<!DOCTYPE list>{XML}", "text/xml", "DTD"), ("<a><b/></a>", "text/xml", "subscriber"),
    (XML.replace("<list>", "<?xml version='1.0' encoding='koi8-r'?><list>"), "text/xml", "charset")])
def test_document_whose_end_cannot_be_read_changes_nothing(call, door, data, content_type, word):
    """PUSH-11, PUSH-62, PUSH-69: good records before the break are not applied, and the message says where it is."""
    job = send(call, data, content_type).json
    door.work()
    job = call.get(f"/imports/{job['jobId']}").json
    assert (job["state"], job["received"], door.count("subscriber")) == ("rejected", 0, 0)
    assert word in job["message"]


def test_same_body_while_open(call, door):
    """PUSH-75: the same job, replayed, and no second file; with an Idempotency-Key it is a job of its own."""
    first, again = send(call).json, send(call).json
    assert (again["jobId"], first["replayed"], again["replayed"]) == (first["jobId"], False, True)
    assert len(spooled(door)) == 1
    keyed = send(call, headers={"Idempotency-Key": "k"}).json
    assert (keyed["jobId"] != first["jobId"], keyed["replayed"]) == (True, False)
    repeated = send(call, headers={"Idempotency-Key": "k"})
    assert (repeated.status_code, repeated.json["jobId"], repeated.json["replayed"]) == (202, keyed["jobId"], True)
    assert repeated.headers["Location"].endswith(keyed["jobId"])
    assert len(spooled(door)) == 2
    door.work()
    assert send(call).json["jobId"] not in (first["jobId"], keyed["jobId"])


def test_cancel(call, door):
    """PUSH-34, PUSH-70: a waiting job ends at once; again is harmless; an ended one is 409 with its state."""
    job = send(call).json["jobId"]
    assert call.post(f"/imports/{job}/cancel").json["state"] == "cancelled"
    assert call.post(f"/imports/{job}/cancel").json["state"] == "cancelled"
    ended = send(call).json["jobId"]
    door.work()
    answer = call.post(f"/imports/{ended}/cancel")
    assert (answer.status_code, answer.json["code"]) == (409, "STATE_CONFLICT")
    assert "finished_with_errors" in answer.json["errorMessage"]


def test_another_brands_job(call, other):
    """PUSH-80, ID-P15: a foreign id is 404, like one that never was."""
    job = send(call).json["jobId"]
    for method, path in (("GET", f"/imports/{job}"), ("GET", f"/imports/{job}/errors"),
                         ("POST", f"/imports/{job}/cancel")):
        assert other(method, path).json["code"] == "NOT_FOUND"
    assert send(other).json["replayed"] is False
    assert call.get(f"/imports/{job}").json["state"] == "queued"


def test_release(call, door):
    """PUSH-34, PUSH-67: a held ReplaceAll is released, once, by scope import; the answer says who did it."""
    people = [f"{n},p{n}@example.org" for n in range(30)]
    path = "/imports?mode=ReplaceAll&interest=News"
    send(call, "\n".join(["remoteId,email", *people]), path=path)
    door.work()
    held = send(call, "\n".join(["remoteId,email", *people[:10]]), path=path).json["jobId"]
    door.work()
    assert call.get(f"/imports/{held}").json["state"] == "held"
    assert door.caller("report").post(f"/imports/{held}/release").status_code == 403
    assert door.caller(brand_id=2).post(f"/imports/{held}/release").status_code == 404
    answer = call.post(f"/imports/{held}/release")
    assert (answer.status_code, answer.json["state"]) == (200, "running")
    assert "Released by key:" in answer.json["message"]
    assert call.post(f"/imports/{held}/release").status_code == 409
    door.work()
    assert call.get(f"/imports/{held}").json["state"] == "finished"
    door.world.clock.advance(seconds=1)
    assert call.get("/interests?name=News").json["items"][0]["members"] == 10


def fetch_rejects(door, call, job, **headers):
    """As any client of HTTP would: the answer is a file, not JSON."""
    return door.app.test_client().get(f"/imports/{job}/rejects", headers={"X-Api-Key": call.key, **headers})


@pytest.mark.parametrize("packed", [False, True])
def test_rejects(call, other, door, packed):
    """PUSH-33: the failed rows in the format sent, with why; packed for whoever takes it; one brand's alone."""
    data = gzip.compress(CSV.encode()) if packed else CSV
    headers = {"Content-Encoding": "gzip"} if packed else {}
    job = send(call, data, headers=headers).json["jobId"]
    assert fetch_rejects(door, call, job).json["code"] == "STATE_CONFLICT"
    door.work()
    assert call.get(f"/imports/{job}").json["rejectsUrl"] == f"/push/v1/imports/{job}/rejects"
    answer = fetch_rejects(door, call, job)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/csv; charset=utf-8")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="rejects-{job[2:]}.csv"'
    header, row, rest = answer.data.decode("utf-8-sig").split("\r\n")
    assert (header, rest) == ("errorCode,errorField,errorMessage,remoteId,email,FirstName", "")
    assert row.startswith("INVALID_EMAIL,email,") and row.endswith(",K-2,nobody,Bo")
    again = fetch_rejects(door, call, job, **{"Accept-Encoding": "gzip"})
    assert again.headers.get("Content-Encoding") == ("gzip" if packed else None)
    assert (gzip.decompress(again.data) if packed else again.data) == answer.data
    assert fetch_rejects(door, other, job).json["code"] == "NOT_FOUND"


def test_no_rejects(call, door):
    """PUSH-33: a job of which no row failed has no such file."""
    job = send(call, "email\nann@example.org\n").json["jobId"]
    door.work()
    assert "rejectsUrl" not in call.get(f"/imports/{job}").json
    assert fetch_rejects(door, call, job).json["code"] == "NOT_FOUND"


@pytest.mark.parametrize(("query", "code"), [
    ("notify=nobody", "INVALID_EMAIL"), ("&".join(f"notify=a{n}@example.org" for n in range(11)), "LIMIT_EXCEEDED")])
def test_notify_is_checked(call, door, query, code):
    """PUSH-50: what nobody can be told at makes no job."""
    assert send(call, path=f"/imports?{query}").json["code"] == code
    assert door.count("upload") == 0
