"""Syncs over HTTP: asked for, previewed, watched (ID-66, ID-70..72)"""

import pytest

from gateway.bridges import registry
from gateway.domain.accounts import system_actor
from gateway.services import integrations, sync
from tests.support.ams import MemoryAms


@pytest.fixture
def ams(door, monkeypatch):
    """A system of three members that was never synced; ``work`` is a worker's turn."""
    made = MemoryAms()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: made)
    for number in range(3):
        made.put(str(number), f"m{number}@example.org")
    with door.world.gateway.unit(system_actor(1)) as unit:
        integration_id = integrations.add(unit, "crm", "memory", {})

    def work():
        sync.run_sync(door.world.gateway, 1, integration_id)
        door.world.clock.advance(minutes=1)

    made.work = work
    return made


def test_asked_for_and_watched(door, call, other, ams):
    """202 with where to look; with a key once only; another brand's is not there."""
    asked = call.post("/integrations/crm/sync", json={"full": True}, headers={"Idempotency-Key": "k1"})
    assert (asked.status_code, asked.json["state"], asked.json["counts"]) == (202, "requested", {})
    path = asked.json["statusUrl"].removeprefix("/push/v1")
    again = call.post("/integrations/crm/sync", json={"full": True}, headers={"Idempotency-Key": "k1"})
    assert (again.json["replayed"], again.json["runId"]) == (True, asked.json["runId"])
    ams.work()
    told = call.get(path).json
    assert (told["state"], told["trigger"], told["full"]) == ("success", "hand", True)
    assert told["counts"]["read"] == told["counts"]["new"] == 3
    door.world.clock.advance(seconds=1)
    assert [each["runId"] for each in call.get("/syncs?integration=crm&state=success").json["items"]] == [told["runId"]]
    assert call.get("/syncs?state=held").json["items"] == []
    assert other.get("/syncs").json["items"] == []
    assert other.get(path).status_code == other.post("/integrations/crm/sync").status_code == 404


def test_a_preview_is_answered_at_once(call, ams):
    """ID-71: numbers and names, and nothing is stored."""
    told = call.post("/integrations/crm/sync", json={"preview": True})
    assert (told.status_code, told.json["state"], told.json["counts"]["new"]) == (200, "success", 3)
    assert told.json["samples"]["new"][0] == {"remoteId": "0", "email": "m0@example.org"}
    assert "runId" not in told.json and call.get("/syncs").json["items"] == []


def test_who_may_not(door, call, ams):
    """ID-70: releasing is an administrator's act, which no key is."""
    for caller, body, status in ((call, {"release": True}, 403), (door.caller("report"), {}, 403),
                                 (door.caller("send"), {}, 403)):
        assert caller.post("/integrations/crm/sync", json=body).status_code == status
    assert call.post("/integrations/nobody/sync").json["code"] == "NOT_FOUND"
    assert call.get("/syncs?state=odd").json["code"] == "INVALID_VALUE"
    assert door.caller("send").get("/syncs").status_code == 403
    asked = door.caller("import").post("/integrations/crm/sync")
    assert asked.status_code == 202
    for scope, status in (("import", 200), ("report", 200), ("send", 403)):
        own = asked.json["statusUrl"].removeprefix("/push/v1")
        assert door.caller(scope).get(own).status_code == status, "who may ask for a run may see it"
