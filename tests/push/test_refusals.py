"""The error log: every refused request and failed record, for callers who drop their own copy (PUSH-14, PUSH-44)."""

import threading

import pytest

from gateway.domain.accounts import Actor, system_actor
from gateway.errors import GatewayError
from gateway.services import housekeeping, refusals
from gateway.services.backlog import WAITING, Backlog
from gateway.services.ratelimits import Rates


def errors(call, door, query=""):
    door.gateway.refusals.settle()
    door.world.clock.advance(seconds=1)  # a feed ends before this moment
    answer = call.get(f"/errors{query}")
    assert answer.status_code == 200, answer.data
    return answer.json["items"]


def test_requests_and_records_are_one_feed(door, call):
    """PUSH-14: code, field, identifiers, request id; no bodies; in the order of time, as pages."""
    refused = call.post("/subscribers?mode=Never", json=[{"remoteId": "K-1", "email": "Ann@example.org"}])
    door.gateway.refusals.settle()
    door.world.clock.advance(seconds=1)
    failed = call.post("/subscribers", json=[{"remoteId": "K-2", "email": "nothing"},
                                    {"remoteId": "K-3", "email": "c@example.org"}])
    door.world.clock.advance(seconds=1)
    unknown = call.get("/mailings/77")
    found = errors(call, door)
    assert [(each["kind"], each["code"]) for each in found] == [
        ("request", "INVALID_VALUE"), ("record", "INVALID_EMAIL"), ("request", "NOT_FOUND")]
    first, second, third = found
    assert (first["operation"], first["field"], first["requestId"], first["message"]) == (
        "POST /subscribers", "mode", refused.json["requestId"], refused.json["errorMessage"])
    assert (second["remoteId"], second["row"], second["field"], second["door"]) == ("K-2", 1, "email", "push")
    assert (second["requestId"], "jobId" in second) == (failed.json["requestId"], False)
    assert (third["operation"], third["requestId"]) == ("GET /mailings/77", unknown.json["requestId"])
    assert all(each["actor"].startswith("key:") for each in found)
    assert "Ann" not in str(found)

    paged, path = [], "/errors?limit=1"
    while path:
        page = call.get(path).json
        paged += page["items"]
        path = "next" in page and f"/errors?limit=1&after={page['next']}"
    assert paged == found


@pytest.mark.parametrize(("path", "entries"), [
    ("/subscribers/unsubscribe", [{"remoteId": "K-9"}]), ("/subscribers/optout?interest=News", [{"remoteId": "K-9"}])])
def test_entries_know_their_request(door, call, path, entries):
    """PUSH-14: what fails in a status call leads to the call as well."""
    call.post("/interests", json={"name": "News"})
    answer = call.post(path, json=entries)
    (found,) = errors(call, door)
    assert (found["code"], found["remoteId"], found["requestId"]) == ("NOT_FOUND", "K-9", answer.json["requestId"])


def test_records_of_a_job_name_the_job(door, call):
    """PUSH-14: its failed rows and its other counts are there (PUSH-33)."""
    job = call.post("/imports", data=b"email\nnothing\n", content_type="text/csv").json
    door.work()
    (found,) = errors(call, door)
    assert (found["jobId"], found["row"], found["line"]) == (job["jobId"], 1, 2)


def test_filters(door, call):
    """PUSH-14: by key, time, code, remote ID and e-mail; a request about one person is found by that person."""
    call.post("/subscribers", json=[{"remoteId": "K-1", "email": "bad"}])
    call.post("/subscribers?mode=Remove", json=[{"remoteId": "K-2", "email": "Ann@Example.org"}])
    second = door.caller(integration="crm")
    second.post("/interests", json={"nome": "x"})
    everything = errors(call, door)
    assert len(everything) == 3
    crm = next(each["actor"] for each in everything if each.get("operation") == "POST /interests")
    for query, codes in [
            ("?code=INVALID_EMAIL", ["INVALID_EMAIL"]), ("?remoteId=K-1", ["INVALID_EMAIL"]), ("?remoteId=K-9", []),
            ("?email=ann@example.org", ["INVALID_REQUEST"]), ("?remoteId=K-2", ["INVALID_REQUEST"]),
            (f"?actor={crm}", ["INVALID_REQUEST"]), ("?since=2026-01-15T12:30:00Z", []),
            ("?until=2026-01-15T12:00:00Z", [])]:
        assert [each["code"] for each in errors(call, door, query)] == codes, query
    assert call.get("/errors?code=NONSENSE").status_code == 400


def test_two_brands_and_strangers(door, call, other):
    """PUSH-14: only the own brand's; who is not known has no log."""
    call.get("/mailings/77")
    door.stranger().get("/interests")
    assert len(errors(call, door)) == 1 and errors(other, door) == []
    assert door.caller("report").get("/errors").status_code == 403
    assert [each["code"] for each in errors(call, door)] == ["NOT_FOUND", "NOT_ALLOWED"]


@pytest.mark.parametrize("name", ["a\x00b", "\ud800", "é" * 400, "\u000b"])
def test_what_cannot_be_stored_is_left_out(door, call, name):
    """PUSH-6: hostile names are kept without what no store takes."""
    call.post("/interests", json={name: 1, "remoteId": name, "email": name})
    assert [each["code"] for each in errors(call, door)] == ["INVALID_REQUEST"]


def test_thirty_days(door, call):
    """PUSH-14: kept 30 days."""
    call.get("/mailings/77")
    call.post("/subscribers", json=[{"email": "bad"}])
    door.gateway.refusals.settle()
    door.world.clock.advance(seconds=30 * 86400 - 2)
    housekeeping.tidy(door.gateway)
    assert len(errors(call, door)) == 2
    door.world.clock.advance(seconds=2)
    assert errors(call, door) == []
    housekeeping.tidy(door.gateway)
    assert door.count("refusal") == 0


def test_a_busy_store_holds_no_answer_up(door, call, caplog):
    """PUSH-14: writing a refusal neither fails nor slows the answer; what cannot be written is dropped, and logged."""
    call.get("/mailings/1")
    door.gateway.refusals.settle()
    with door.gateway.unit(system_actor(1)):
        answer = call.get("/mailings/77")  # answered while nobody else can write
        assert answer.status_code == 404
    assert len(errors(call, door)) == 2
    door.gateway.refusal_rates = Rates(3)
    for _ in range(5):
        call.get("/mailings/77")
    assert len(errors(call, door)) == 5
    assert caplog.text.count("refusal not kept") == 2


def test_the_backlog_is_bounded():
    """What finds it full is not taken; what was taken is written before it stops."""
    backlog, written, gate = Backlog(), [], threading.Event()

    def write(batch):
        gate.wait(60)
        written.extend(batch)

    assert backlog.add(0, write)
    taken = sum(backlog.add(number, write) for number in range(1, WAITING * 2))
    assert WAITING <= taken <= WAITING + 200
    gate.set()
    backlog.stop()
    assert written == list(range(taken + 1))


def test_a_store_that_fails_does_not_end_the_log(door, call, caplog):
    """The next ones are written, whatever befell the last ones."""
    refusals.note(door.gateway, Actor(99, "key:1", "push"), "GET /x", GatewayError("NOT_FOUND"))  # no such brand
    door.gateway.refusals.settle()
    assert "refusals not kept" in caplog.text
    call.get("/mailings/77")
    assert len(errors(call, door)) == 1
