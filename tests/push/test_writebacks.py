"""Does a system that cannot be called get its writebacks over HTTP, and may it say what became of them? (PUSH-43)"""

import pytest

from gateway.domain.accounts import system_actor
from gateway.domain.writeback import PULLED
from gateway.services import integrations


@pytest.fixture
def owed(door):
    """Callers by (brand, integration), each of which fetches; Ann and Bo unsubscribed in both brands."""
    callers = {}
    for brand_id in (1, 2):
        for name in ("ams", "crm"):
            callers[brand_id, name] = caller = door.caller(brand_id=brand_id, integration=name)
            with door.gateway.unit(system_actor(brand_id)) as unit:
                integrations.set_pulls(unit, integrations.get_by_name(unit, name).integration_id, PULLED)
            caller.post("/subscribers", json=[{"remoteId": f"{name}-{brand_id}-{who}", "email": f"{who}@example.org"}
                                              for who in ("ann", "bo")])
        door.caller(brand_id=brand_id, integration="phone").post("/subscribers/unsubscribe", json=[
            {"email": "ann@example.org", "reason": "by phone"}, {"email": "bo@example.org"}])
    return callers


def items(door, caller, query=""):
    door.world.clock.advance(seconds=1)
    answer = caller.get(f"/writebacks{query}")
    assert answer.status_code == 200, answer.data
    return answer.json["items"]


def test_fetch_page_by_page_and_acknowledge(door, owed):
    """PUSH-43: oldest first; a result per id; acknowledged twice is unchanged."""
    call = owed[1, "ams"]
    assert [each["remoteId"] for each in items(door, call)] == ["ams-1-ann", "ams-1-bo"]
    page = call.get("/writebacks?limit=1").json
    ann = page["items"][0]
    assert {name: ann[name] for name in ("kind", "state", "remoteId", "email", "origin", "reason", "tries")} == {
        "kind": "unsubscribe", "state": "ready", "remoteId": "ams-1-ann", "email": "ann@example.org", "origin": "api",
        "reason": "by phone", "tries": 0}
    rest = call.get(f"/writebacks?limit=1&after={page['next']}").json
    [bo] = rest["items"]
    assert "next" not in rest
    said = [{"id": ann["id"], "status": "done"}, {"writebackId": int(bo["id"]), "status": "failed", "message": "gone"}]
    for status in ("updated", "unchanged"):
        answer = call.post("/writebacks/ack", json=said).json
        assert (answer["success"], answer["count"], answer[status]) == (True, 2, 2)
        assert [(each["id"], each["status"], each["remoteId"]) for each in answer["results"]] == [
            (ann["id"], status, "ams-1-ann"), (bo["id"], status, "ams-1-bo")]
    assert items(door, call) == []
    [refused] = items(door, call, "?state=error")
    assert (refused["message"], refused["tries"], "nextAt" in refused) == ("gone", 1, True)


def test_one_system_never_sees_anothers(door, owed):
    """Two brands, two integrations each: four feeds of their own, and four sets of ids."""
    ids = {key: [each["id"] for each in items(door, caller)] for key, caller in owed.items()}
    assert len({row for found in ids.values() for row in found}) == 8
    mine = owed[1, "ams"]
    for key, found in ids.items():
        if key != (1, "ams"):
            answer = mine.post("/writebacks/ack", json={"records": [{"id": each, "status": "done"} for each in found]})
            assert [each["code"] for each in answer.json["results"]] == ["NOT_FOUND", "NOT_FOUND"]
            for act in ("retry", "dismiss"):
                assert mine.post(f"/writebacks/{found[0]}/{act}").json["code"] == "NOT_FOUND"
            assert [each["id"] for each in items(door, owed[key])] == found


def test_what_is_wrong_fails_alone(door, owed):
    """PUSH-11, PUSH-30: the others are settled; the words are named."""
    call = owed[1, "ams"]
    [ann, bo] = items(door, call)
    answer = call.post("/writebacks/ack", json=[
        {"id": ann["id"], "status": "Done"}, {"id": ann["id"]}, {"id": "x", "status": "done"}, "done",
        {"id": ann["id"], "status": "done", "colour": "red"}, {"id": [], "status": "done"},
        {"id": bo["id"], "status": "failed", "message": "a\u0000b"}, {"id": ann["id"], "status": "done"}]).json
    assert [each.get("code", each["status"]) for each in answer["results"]] == [
        "INVALID_VALUE", "INVALID_VALUE", "NOT_FOUND", "INVALID_VALUE", "INVALID_VALUE", "INVALID_VALUE",
        "INVALID_CHARACTER", "updated"]
    assert (answer["success"], answer["failed"], "7 of 8" in answer["errorMessage"]) == (False, 7, True)
    assert answer["results"][0]["field"] == "status"
    assert [each["id"] for each in items(door, call)] == [bo["id"]]


def test_dead_ones_are_seen_retried_and_dismissed(door, owed):
    """ID-60: three refusals, then a decision: over this door, too."""
    call = owed[1, "ams"]
    rows = items(door, call)
    for minutes in (6, 31, 0):
        call.post("/writebacks/ack", json=[{"id": each["id"], "status": "failed"} for each in rows])
        door.world.clock.advance(minutes=minutes)
    assert items(door, call) == []
    assert [each["id"] for each in items(door, call, "?state=failed")] == [each["id"] for each in rows]
    ann, bo = rows
    assert call.post(f"/writebacks/{ann['id']}/retry").json["replayed"] is False
    assert call.post(f"/writebacks/{bo['id']}/dismiss").status_code == 200
    assert call.post(f"/writebacks/{bo['id']}/retry").json["code"] == "STATE_CONFLICT"
    assert [each["id"] for each in items(door, call)] == [ann["id"]]
    assert [each["id"] for each in items(door, call, "?state=closed")] == [bo["id"]]


@pytest.mark.parametrize(("method", "path"), [
    ("GET", "/writebacks"), ("POST", "/writebacks/ack"), ("POST", "/writebacks/1/retry"),
    ("POST", "/writebacks/1/dismiss")])
def test_the_scope_is_needed(door, method, path):
    """PUSH-1: a key without it is refused, naming it."""
    answer = door.caller("import", "send", "report")(method, path)
    assert (answer.status_code, answer.json["code"], "writeback" in answer.json["errorMessage"]) == (
        403, "NOT_ALLOWED", True)


def test_refusals(door, owed):
    """PUSH-5, PUSH-48: too many, a state that is none, a damaged token; a repeated key answers the same."""
    call = owed[1, "ams"]
    [ann, _] = items(door, call)
    assert call.post("/writebacks/ack", json=[{"id": "1", "status": "done"}] * 1001).json["code"] == "TOO_MANY_RECORDS"
    assert call.get("/writebacks?state=waiting").json["code"] == "INVALID_VALUE"
    assert call.get("/writebacks?after=x").json["code"] == "INVALID_TOKEN"
    first, again = (call.post("/writebacks/ack", json=[{"id": ann["id"], "status": "done"}],
                              headers={"Idempotency-Key": "n1"}).json for _ in range(2))
    assert (first["updated"], again["updated"], again["replayed"]) == (1, 1, True)
