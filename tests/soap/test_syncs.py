"""Syncs over SOAP: asked for, previewed, watched, released (ID-66, ID-70..72)"""

import pytest

from gateway.bridges import registry
from gateway.domain.accounts import system_actor
from gateway.services import integrations, sync
from tests.soap.door import Refused
from tests.support.ams import MemoryAms


@pytest.fixture
def ams(door, monkeypatch):
    """A system of 30 members that was never synced; ``work`` is a worker's turn."""
    made = MemoryAms()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: made)
    for number in range(30):
        made.put(str(number), f"m{number}@example.org")
    with door.world.gateway.unit(system_actor(1)) as unit:
        integration_id = integrations.add(unit, "crm", "memory", {})

    def work():
        sync.run_sync(door.world.gateway, 1, integration_id)
        door.world.clock.advance(minutes=1)

    made.work = work
    return made


def counts(run):
    return {each.name: each.count for each in run.count if each.count}


def test_a_run_from_its_preview_to_its_release(door, ams):
    """ID-70, ID-71: a preview stores nothing; a held run names people; releasing is an administrator's act."""
    told = door.call("StartSync", integration="crm", preview=True)
    assert (told.state, told.runId, counts(told)) == ("success", None, {"read": 30, "new": 30})
    assert {each.name for each in told.sample} == {"new"}
    assert door.call("FindSyncRuns").item == []
    asked = door.call("StartSync", clientRequestId="k", integration="crm")
    assert (asked.state, asked.trigger, asked.count) == ("requested", "hand", [])
    assert door.call("StartSync", clientRequestId="k", integration="crm").runId == asked.runId
    ams.work()
    run = door.call("GetSyncRun", runId=asked.runId)
    assert (run.state, counts(run), run.sample) == ("success", {"read": 30, "new": 30}, [])
    del ams.people[:12]
    held = door.call("StartSync", integration="crm", full=True)
    ams.work()
    run = door.call("GetSyncRun", runId=held.runId)
    assert run.state == "held" and "12 of 30 links to end" in run.message
    assert "0" in {each.remoteId for each in run.sample if each.name == "swept"}
    released = door.call("StartSync", user="admin", integration="crm", release=True)
    ams.work()
    run = door.call("GetSyncRun", runId=released.runId)
    assert (run.state, bool(run.releasedBy), counts(run)["swept"]) == ("success", True, 12)
    door.world.clock.advance(seconds=1)
    page = door.call("FindSyncRuns", integration="crm", pageSize=2)
    assert [each.state for each in page.item] == ["success", "held"]
    assert [each.state for each in door.call("FindSyncRuns", integration="crm", pageSize=2,
                                             pageToken=page.nextToken).item] == ["success"]


def test_another_brand_sees_and_starts_nothing(door, ams):
    """ID-P15"""
    run_id = door.call("StartSync", integration="crm").runId
    for name, request in (("GetSyncRun", {"runId": run_id}), ("StartSync", {"integration": "crm"}),
                          ("StartSync", {"integration": "crm", "preview": True}),
                          ("FindSyncRuns", {"integration": "crm"})):
        with pytest.raises(Refused) as refused:
            door.call(name, brand=2, **request)
        assert refused.value.code == "NOT_FOUND"
