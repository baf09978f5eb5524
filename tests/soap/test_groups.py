"""Groups of foreign systems, orphans and comparisons over SOAP (ID-29, ID-32, ID-38, ID-65)"""

import pytest

from gateway.bridges import registry
from gateway.domain.accounts import system_actor
from gateway.services import integrations, sync
from tests.soap.door import Refused
from tests.support.ams import MemoryAms


@pytest.fixture
def ams(door, monkeypatch):
    """A synced system of three members, two of them in the group ``board``."""
    made = MemoryAms()
    monkeypatch.setitem(registry.FACTORIES, "memory", lambda config: made)
    for number in range(1, 4):
        made.put(str(number), f"m{number}@example.org", 0, "Gold")
    made.group("board", "The Board", ["1", "2"])
    with door.world.gateway.unit(system_actor(1)) as unit:
        integration_id = integrations.add(unit, "members", "memory", {})
    made.sync = lambda: sync.run(door.world.gateway, 1, integration_id)
    made.sync()
    door.world.clock.advance(minutes=1)
    return made


def test_a_group_as_an_interest(door, ams, clock):
    """Found, made once a key, resolved, shown with when; another brand's is not there."""
    (group,) = door.call("FindRemoteGroups", integration="members").item
    assert (group.groupId, group.name, group.size, group.interestId) == ("board", "The Board", 2, None)
    made = door.call("AddDynamicInterest", clientRequestId="k", integration="members", groupId="board")
    assert (made.name, made.integration, made.members) == ("The Board", "members", 0)
    again = door.call("AddDynamicInterest", clientRequestId="k", integration="members", groupId="board")
    assert again.interestId == made.interestId
    told = door.call("ResolveInterest", interest="The Board")
    assert (told.state, told.members, told.joined, told.left) == ("success", 2, 2, 0)
    clock.advance(seconds=1)
    found = door.call("FindInterests", name="The Board").item[0]
    assert found.members == 2 and {each.name for each in found.extra} == {"groupId", "resolvedAt"}
    (group,) = door.call("FindRemoteGroups", integration="members").item
    assert {each.name: each.value for each in group.extra}.items() >= {"lastState": "success"}.items()
    del ams.groups["board"]
    (group,) = door.call("FindRemoteGroups", integration="members").item
    assert (group.groupId, group.interestId, group.size) == ("board", made.interestId, None)
    assert {each.name: each.value for each in group.extra}["gone"] == "true"
    with pytest.raises(Refused) as refused:
        door.call("ResolveInterest", interest="Gold")
    assert refused.value.code == "STATE_CONFLICT"
    with pytest.raises(Refused) as refused:
        door.call("FindRemoteGroups", brand=2, integration="members")
    assert refused.value.code == "NOT_FOUND"


def test_orphans_and_a_comparison(door, ams):
    """ID-32, ID-65."""
    told = door.call("ReconcileIntegration", integration="members")
    assert (told.state, [each.name for each in told.list], told.complete) == ("agrees", ["members", "Gold"], True)
    gone = ams.people.pop()
    told = door.call("ReconcileIntegration", integration="members", list="members", names=True)
    assert (told.state, [(each.remoteId, each.reason) for each in told.person]) == ("differs", [("3", "gone_there")])
    assert [(each.kind, each.count) for each in told.list[0].difference] == [("only_here", 1)]
    ams.sync()
    door.world.clock.advance(seconds=1)
    (orphan,) = door.call("FindOrphans").item
    assert (orphan.remoteId, orphan.email, orphan.reason) == ("3", gone.email, "gone")
    assert [each.remedy for each in orphan.remedy] == ["comes_back", "include", "erase"]
    assert door.call("FindOrphans", brand=2).item == []
