"""Acts on people and interests over both SOAP versions. (SOAP-47, SOAP-49, SOAP-50, SOAP-52, SOAP-53)"""

import pytest

from tests.soap.door import Refused

ANN = {"remoteId": "K-1", "email": "ann@example.org"}
BO = {"remoteId": "K-2", "email": "bo@example.org"}


@pytest.fixture
def peopled(door, clock, version):
    """Ann and Bo are in News, as the sender's integration says."""
    door.version = version
    door.call("ImportSubscribers", mode="AddOrUpdate", interest=["News"], record=[ANN, BO])
    door.call("CreateInterest", name="Board")
    clock.advance(seconds=1)
    return door


def interests_of(door, who):
    return sorted(each.name for each in door.call("GetSubscriber", identifier=who).interest if each.until is None)


def test_opt_out_leaves_one_interest(peopled):
    """SOAP-47, ID-39, ID-50: no import adds them again; other mail goes on."""
    answer = peopled.call("OptOut", interest=["News"], entry=[
        {"email": "ann@example.org", "reason": "too much"}, {"remoteId": "K-9"}, {}])
    assert [(each.status, each.code) for each in answer.result] == [
        ("updated", None), ("failed", "NOT_FOUND"), ("failed", "IDENTIFIER_MISSING")]
    assert peopled.call("OptOut", interest=["News"], entry=[{"remoteId": "K-1"}]).unchanged == 1
    again = peopled.call("ImportSubscribers", mode="AddOrUpdate", interest=["News"], record=[ANN])
    assert [each.code for each in again.result[0].warning] == ["INTEREST_OPTED_OUT"]
    assert peopled.call("GetSubscriber", identifier={"remoteId": "K-1"}).sendable is True
    with pytest.raises(Refused, match="LIST_UNKNOWN"):
        peopled.call("OptOut", interest=["Nothing"], entry=[{"remoteId": "K-1"}])


def test_change_remote_id(peopled):
    """SOAP-49, ID-29: the one act that joins two remote IDs."""
    for _ in range(2):
        changed = peopled.call("ChangeRemoteId", clientRequestId="k", oldRemoteId="K-1", newRemoteId="K-10")
        assert (changed.status, changed.remoteId) == ("updated", "K-10")
    assert peopled.call("ChangeRemoteId", oldRemoteId="K-1", newRemoteId="K-10").status == "unchanged"
    assert peopled.call("GetSubscriber", identifier={"remoteId": "K-10"}).email == "ann@example.org"
    unknown = peopled.call("ChangeRemoteId", oldRemoteId="K-9", newRemoteId="K-11")
    assert (unknown.status, unknown.code) == ("failed", "NOT_FOUND")
    with pytest.raises(Refused) as refused:
        peopled.call("ChangeRemoteId", oldRemoteId="K-2", newRemoteId="K-3", integration="nobody", user="admin")
    assert (refused.value.code, refused.value.field) == ("NOT_FOUND", "integration")


def test_update_interest(peopled):
    """SOAP-50: what is left out stays; an empty description is taken away."""
    board = peopled.call("FindInterests", name="Board").item[0]
    changed = peopled.call("UpdateInterest", interestId=board.interestId, name="The board", public=True,
                           description="Papers")
    assert (changed.interestId, changed.name, changed.public, changed.description) == (
        board.interestId, "The board", True, "Papers")
    same = peopled.call("UpdateInterest", interestId=board.interestId)
    assert (same.name, same.public, same.description) == ("The board", True, "Papers")
    assert peopled.call("UpdateInterest", interestId=board.interestId, description="").description is None
    for given, code in (({"interestId": board.interestId, "name": "News"}, "ALREADY_EXISTS"),
                        ({"interestId": "999"}, "NOT_FOUND"), ({"interestId": "x"}, "NOT_FOUND")):
        with pytest.raises(Refused) as refused:
            peopled.call("UpdateInterest", **given)
        assert refused.value.code == code
    with pytest.raises(Refused, match="NOT_FOUND"):
        peopled.call("UpdateInterest", interestId=board.interestId, name="Mine", brand=2)


def test_change_interest_members(peopled):
    """SOAP-52: the known people that are named; the others stay, or leave with ReplaceAll."""
    answer = peopled.call("ChangeInterestMembers", interest="Board", mode="Add", member=[
        {"remoteId": "K-1"}, {"email": "bo@example.org"}, {"subscriberId": "x"}, {"remoteId": "K-9"}, {}])
    assert [(each.status, each.code) for each in answer.result] == [
        ("updated", None), ("updated", None), ("failed", "NOT_FOUND"), ("failed", "NOT_FOUND"),
        ("failed", "IDENTIFIER_MISSING")]
    assert interests_of(peopled, {"remoteId": "K-1"}) == ["Board", "News"]
    assert peopled.call("ChangeInterestMembers", interest="Board", mode="ReplaceAll",
                        member=[{"remoteId": "K-2"}]).overall == "OK"
    assert interests_of(peopled, {"remoteId": "K-1"}) == ["News"]
    assert peopled.call("ChangeInterestMembers", interest="Board", mode="Remove",
                        member=[{"remoteId": "K-2"}]).updated == 1
    with pytest.raises(Refused, match="LIST_UNKNOWN"):
        peopled.call("ChangeInterestMembers", interest="Nothing", mode="Add", member=[{"remoteId": "K-1"}])


def test_the_brake(door):
    """SOAP-52, ID-70: a fault, and nothing changed."""
    people = [{"remoteId": f"K-{i}", "email": f"p{i}@example.org"} for i in range(30)]
    door.call("ImportSubscribers", mode="Add", record=people)
    door.call("CreateInterest", name="Board")
    door.call("ChangeInterestMembers", interest="Board", mode="Add", member=[{"remoteId": f"K-{i}"} for i in range(30)])
    with pytest.raises(Refused) as refused:
        door.call("ChangeInterestMembers", interest="Board", mode="ReplaceAll", member=[{"remoteId": "K-1"}])
    assert refused.value.code == "BRAKE_HELD"
    door.world.clock.advance(seconds=1)
    assert door.call("FindInterests", name="Board").item[0].members == 30


def test_find_interest_changes(peopled, clock):
    """SOAP-53: who came and went, page by page."""
    since = clock.now
    peopled.call("ChangeInterestMembers", interest="Board", mode="Add", member=[{"remoteId": "K-1"}])
    clock.advance(seconds=1)
    peopled.call("OptOut", interest=["Board"], entry=[{"remoteId": "K-1"}])
    clock.advance(seconds=1)
    seen, token = [], None
    while True:
        page = peopled.call("FindInterestChanges", since=since, pageSize=1, pageToken=token, user="reader")
        seen += [(each.change, each.interest, each.email) for each in page.item]
        token = page.nextToken
        if token is None:
            break
    assert seen == [("joined", "Board", "ann@example.org"), ("left", "Board", "ann@example.org")]
    assert len(peopled.call("FindInterestChanges", interest="News").item) == 2
    assert peopled.call("FindInterestChanges", since=since, brand=2).item == []
    with pytest.raises(Refused) as refused:
        peopled.call("FindInterestChanges")
    assert (refused.value.code, refused.value.field) == ("INVALID_VALUE", "since")
