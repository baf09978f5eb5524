"""Groups of foreign systems, orphans and comparisons over HTTP (ID-29, ID-32, ID-38, ID-65)"""

import pytest

from gateway.bridges import registry
from gateway.domain.accounts import system_actor
from gateway.services import integrations, sync
from tests.support.ams import MemoryAms


@pytest.fixture
def ams(door, monkeypatch):
    """A synced system of three members, two of them in the group ``board``."""
    made = MemoryAms()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: made)
    for number in range(1, 4):
        made.put(str(number), f"m{number}@example.org")
    made.group("board", "The Board", ["1", "2"])
    with door.world.gateway.unit(system_actor(1)) as unit:
        integration_id = integrations.add(unit, "members", "memory", {})
    made.sync = lambda: sync.run(door.world.gateway, 1, integration_id)
    made.sync()
    door.world.clock.advance(minutes=1)
    return made


def test_a_group_as_an_interest(door, call, other, ams):
    """Found, made, resolved, shown; with a key once only; another brand's is not there."""
    assert call.get("/integrations/members/groups").json["items"] == [
        {"groupId": "board", "name": "The Board", "size": 2}]
    body = {"name": "Directors", "groupId": "board", "integration": "members", "description": "Who decides"}
    made = call.post("/interests", json=body, headers={"Idempotency-Key": "k1"})
    assert (made.status_code, made.json["groupId"], made.json["members"], made.json["description"]) == (
        200, "board", 0, "Who decides")
    assert "resolvedAt" not in made.json
    again = call.post("/interests", json=body, headers={"Idempotency-Key": "k1"})
    assert (again.json["replayed"], again.json["interestId"]) == (True, made.json["interestId"])
    path = f"/interests/{made.json['interestId']}/resolve"
    assert call.post(path).json.items() >= {"state": "success", "members": 2, "joined": 2, "left": 0}.items()
    door.world.clock.advance(seconds=1)
    found = call.get("/interests?name=Directors").json["items"][0]
    assert (found["members"], "resolvedAt" in found) == (2, True)
    told = call.get("/integrations/members/groups").json["items"][0]
    assert (told["interest"], told["lastState"], "gone" in told) == ("Directors", "success", False)
    del ams.groups["board"]
    (told,) = call.get("/integrations/members/groups").json["items"]
    assert (told["groupId"], told["name"], told["gone"]) == ("board", "Directors", True)
    assert other.get("/integrations/members/groups").json["code"] == "NOT_FOUND"
    assert other.post(path).json["code"] == "NOT_FOUND"


def test_what_is_refused(door, call, ams):
    for body, status, code in [({"name": "x", "groupId": "none", "integration": "members"}, 404, "NOT_FOUND"),
                               ({"name": "x", "groupId": "board", "integration": "nobody"}, 404, "NOT_FOUND"),
                               ({"name": "x", "integration": "members"}, 400, "INVALID_REQUEST"),
                               ({"name": "x", "groupId": "board"}, 409, "STATE_CONFLICT")]:
        answer = call.post("/interests", json=body)
        assert (answer.status_code, answer.json["code"]) == (status, code), body
    plain = call.post("/interests", json={"name": "News"}).json["interestId"]
    assert call.post(f"/interests/{plain}/resolve").json["code"] == "STATE_CONFLICT"
    ams.is_away = True
    assert call.get("/integrations/members/groups").status_code == 503
    for path in ("/orphans", "/integrations/members/reconciliation"):
        assert door.caller("import").get(path).status_code == 403
    ams.is_away = False
    for scope, status in (("import", 200), ("report", 200), ("send", 403)):
        assert door.caller(scope).get("/integrations/members/groups").status_code == status


def test_orphans(door, call, other, ams):
    """ID-32: with reason and remedies, in pages."""
    del ams.people[:2]
    ams.sync()
    door.world.clock.advance(seconds=1)
    page = call.get("/orphans?limit=1").json
    (first,) = page["items"]
    assert (first["remoteId"], first["reason"], first["integration"]) == ("1", "gone", "members")
    assert [each["remedy"] for each in first["remedies"]] == ["comes_back", "include", "erase"]
    rest = call.get(f"/orphans?limit=1&after={page['next']}").json
    assert ([each["remoteId"] for each in rest["items"]], "next" in rest) == (["2"], False)
    assert other.get("/orphans").json["items"] == []
    assert call.get("/orphans?integration=nobody").json["code"] == "NOT_FOUND"


def test_both_sides_compared(door, call, other, ams):
    """ID-65: agrees, or says what differs and why."""
    path = "/integrations/members/reconciliation"
    told = call.get(path).json
    assert (told["state"], told["complete"], told["people"]) == ("agrees", True, [])
    ams.people.pop()
    told = call.get(path).json
    assert (told["state"], told["complete"], told["people"]) == ("differs", False, [])
    assert told["lists"][0]["differences"] == [{"kind": "only_here", "reason": "gone_there", "count": 1}]
    (person,) = call.get(f"{path}?names=true&list=members").json["people"]
    assert (person["remoteId"], person["mendedBy"], person["here"]) == ("3", "sync", "m3@example.org")
    assert other.get(path).json["code"] == "NOT_FOUND"
