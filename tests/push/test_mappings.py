"""Saved column mappings: saved, looked at, used, deleted (PUSH-61)."""

import pytest

FILE = "Member No,Mail,First name,Shoe size\nK-1,ann@example.org,Ann,38\n"
COLUMNS = {"Member No": "remoteId", "mail": "E-Mail", "Shoe size": ""}


def save(call, name="nightly", columns=None):
    return call("PUT", f"/mappings/{name}", json={"columns": COLUMNS if columns is None else columns})


def job_of(call, door, data, query, content_type="text/csv"):
    job = call.post(f"/imports{query}", data=data.encode(), content_type=content_type).json
    door.work()
    return call.get(f"/imports/{job['jobId']}").json


def test_save_look_delete(call, other):
    """PUSH-61, ID-P15: one of a name in a brand; saving again replaces; another brand has its own."""
    assert save(call, columns=["email"]).status_code == 200
    assert save(call).json["columns"] == COLUMNS
    assert call.get("/mappings/nightly").json["columns"] == COLUMNS
    assert [each["name"] for each in call.get("/mappings").json["items"]] == ["nightly"]
    assert other.get("/mappings").json["items"] == []
    for method in ("GET", "DELETE"):
        assert other(method, "/mappings/nightly").json["code"] == "NOT_FOUND"
    assert call("DELETE", "/mappings/nightly").json["name"] == "nightly"
    assert call("DELETE", "/mappings/nightly").status_code == 404


@pytest.mark.parametrize("content_type", ["text/csv", "text/tab-separated-values"])
def test_used_by_header(call, door, content_type):
    """PUSH-61: a column that the mapping names is what it says, the others go by their own names."""
    save(call)
    data = FILE if content_type == "text/csv" else FILE.replace(",", "\t")
    job = job_of(call, door, data, "?mapping=nightly", content_type)
    assert (job["state"], job["created"], job["warnings"]) == ("finished", 1, {})
    door.world.clock.advance(seconds=1)
    person = call.get("/subscribers?remoteId=K-1").json["items"][0]
    assert {each["name"]: each["value"] for each in person["fields"]} == {"FirstName": "Ann"}


def test_used_by_position(call, door):
    """PUSH-61: an array is for files without header."""
    save(call, columns=["", "email", "FirstName"])
    assert job_of(call, door, "x,ann@example.org,Ann\n", "?mapping=nightly")["created"] == 1


def test_job_keeps_the_mapping_it_was_taken_in_with(call, door):
    """PUSH-63: all chunks are read alike, whoever changes or deletes it meanwhile."""
    save(call)
    job = call.post("/imports?mapping=nightly", data=FILE.encode(), content_type="text/csv").json
    call("DELETE", "/mappings/nightly")
    door.work()
    assert call.get(f"/imports/{job['jobId']}").json["created"] == 1


def test_unknown_mapping_rejects_the_job(call, door, other):
    """PUSH-69: also the name of another brand's mapping."""
    save(other)
    job = job_of(call, door, FILE, "?mapping=nightly")
    assert (job["state"], job["received"]) == ("rejected", 0)
    assert "'nightly'" in job["message"]


@pytest.mark.parametrize(("query", "content_type"), [
    ("?mapping=nightly&columns=email", "text/csv"), ("?mapping=nightly", "application/x-ndjson"),
    ("?mapping=nightly", "application/json"), ("?mapping=nightly", "text/xml")])
def test_not_together(call, query, content_type):
    """PUSH-61: a mapping is for tables, and instead of columns=."""
    answer = call.post(f"/imports{query}", data=b"email\n", content_type=content_type)
    assert (answer.status_code, answer.json["code"]) == (400, "INVALID_REQUEST")


@pytest.mark.parametrize(("name", "columns", "code"), [
    ("a", {}, "INVALID_VALUE"), ("a", [], "INVALID_VALUE"), ("a", "email", "INVALID_VALUE"), ("a", 7, "INVALID_VALUE"),
    ("a", {"x": 1}, "INVALID_VALUE"), ("a", ["email", None], "INVALID_VALUE"), ("a", ["City"], "INVALID_REQUEST"),
    ("a", ["email", "e-mail"], "INVALID_REQUEST"), ("a", {"x": "email", "y": "E-Mail"}, "INVALID_REQUEST"),
    ("a", {"x y": "email", "X_Y": "City"}, "INVALID_REQUEST"), ("a", {"x\u0000": "email"}, "INVALID_CHARACTER"),
    ("a", ["email"] + [""] * 1000, "LIMIT_EXCEEDED"), ("x" * 101, {"x": "email"}, "INVALID_VALUE"),
    ("%20", {"x": "email"}, "INVALID_VALUE"), ("a%01", {"x": "email"}, "INVALID_CHARACTER")])
def test_refused(call, name, columns, code):
    """PUSH-61: what could never be used is not saved."""
    answer = save(call, name, columns)
    assert (answer.status_code // 100, answer.json["code"]) == (4, code)
    assert call.get("/mappings").json["items"] == []


def test_needs_the_scope(door):
    """PUSH-1: scope import."""
    assert save(door.caller("report")).status_code == 403
