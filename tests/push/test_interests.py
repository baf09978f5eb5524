"""Interests over HTTP: change them, change who is in them, leave them (PUSH-35, PUSH-37)."""

import pytest


@pytest.fixture
def news(door, call):
    """The id of an interest with two people in it."""
    call.post("/subscribers?interest=News", json=[{"remoteId": "1", "email": "a@example.org"},
                                                  {"remoteId": "2", "email": "b@example.org"}])
    door.world.clock.advance(seconds=1)  # a feed ends before this moment
    return call.get("/interests?name=News").json["items"][0]["interestId"]


def names(door, call, remote_id):
    """The interests that a person is in."""
    door.world.clock.advance(seconds=1)
    person = call.get(f"/subscribers?remoteId={remote_id}").json["items"][0]
    return {each["name"] for each in person["interests"] if "until" not in each}


def test_rename_and_make_public(door, call, other, news):
    """PUSH-37: rename or make public; what is not named stays; another brand's interest is not there."""
    changed = call("PATCH", f"/interests/{news}", json={"name": "Monthly", "public": "true"})
    assert changed.status_code == 200
    assert (changed.json["name"], changed.json["public"], changed.json["members"]) == ("Monthly", True, 2)
    described = call("PATCH", f"/interests/{news}", json={"description": "What happened", "name": None})
    assert (described.json["name"], described.json["public"]) == ("Monthly", True)
    call.post("/interests", json={"name": "Board"})
    for path, body, status, code in [
            (f"/interests/{news}", {"name": "Board"}, 409, "ALREADY_EXISTS"),
            (f"/interests/{news}", {"name": ""}, 400, "INVALID_VALUE"),
            (f"/interests/{news}", {"nome": "x"}, 400, "INVALID_REQUEST"),
            (f"/interests/{news}", {"public": "perhaps"}, 400, "INVALID_VALUE"),
            ("/interests/99", {"name": "x"}, 404, "NOT_FOUND"), ("/interests/x", {"name": "x"}, 404, "NOT_FOUND")]:
        answer = call("PATCH", path, json=body)
        assert (answer.status_code, answer.json["code"]) == (status, code), body
    assert other("PATCH", f"/interests/{news}", json={"name": "x"}).status_code == 404
    assert door.caller("report")("PATCH", f"/interests/{news}", json={"name": "x"}).status_code == 403


def test_members(door, call, other, news):
    """PUSH-37: Add, Remove, ReplaceAll by remote IDs or addresses, one result each; another brand's is not there."""
    call.post("/subscribers", json=[{"remoteId": "3", "email": "c@example.org"}])
    path = f"/interests/{news}/members"
    added = call.post(path, json={"mode": "Add", "remoteIds": [3], "emails": ["nobody@example.org"]}).json
    assert (added["updated"], added["failed"]) == (1, 1)
    assert [each.get("code") for each in added["results"]] == [None, "NOT_FOUND"]
    assert names(door, call, "3") == {"News"}
    assert call.post(path, json={"mode": "Add", "remoteIds": ["3"]}).json["unchanged"] == 1
    assert call.post(f"{path}?detail=none", json={"mode": "Remove", "emails": ["c@example.org"]}).json["results"] == []
    assert names(door, call, "3") == set()
    for body, status, code in [({"remoteIds": ["1"]}, 400, "INVALID_REQUEST"),
                               ({"mode": "Append", "remoteIds": ["1"]}, 400, "INVALID_VALUE"),
                               ({"mode": "ReplaceAll"}, 400, "INVALID_REQUEST"),
                               ({"mode": "Add", "remoteIds": ["x"] * 1001}, 413, "TOO_MANY_RECORDS")]:
        answer = call.post(path, json=body)
        assert (answer.status_code, answer.json["code"]) == (status, code), body
    assert other.post(path, json={"mode": "Add", "emails": ["a@example.org"]}).status_code == 404


def test_the_brake(door, call):
    """PUSH-37, ID-70: a ReplaceAll that would end too much is held, and changes nothing."""
    people = [{"remoteId": str(n), "email": f"p{n}@example.org"} for n in range(30)]
    call.post("/subscribers", json=people)
    number = call.post("/interests", json={"name": "Chapter"}).json["interestId"]
    path = f"/interests/{number}/members"
    everybody = [each["remoteId"] for each in people]
    assert call.post(path, json={"mode": "Add", "remoteIds": everybody}).json["updated"] == 30
    held = call.post(path, json={"mode": "ReplaceAll", "remoteIds": ["1"]})
    assert (held.status_code, held.json["code"]) == (409, "BRAKE_HELD")
    assert names(door, call, "29") == {"Chapter"}
    less = call.post(path, json={"mode": "ReplaceAll", "remoteIds": everybody[:25]})
    assert less.status_code == 200 and names(door, call, "29") == set()


def test_leaving_single_interests(call, other, news):
    """PUSH-35, ID-39: each entry names what the person leaves, or the address does; imports do not add them again."""
    call.post("/subscribers?interest=Board", json=[{"remoteId": "1"}, {"remoteId": "2"}])
    left = call.post("/subscribers/optout", json=[
        {"remoteId": "1", "interests": ["News"], "reason": "wrote"}, {"email": "b@example.org", "interests": ["Board"]},
        {"email": "a@example.org"}, {"remoteId": "9", "interests": ["News"]}, {"remoteId": "1", "interests": "News"},
        {"remote_id": "1", "interests": ["News"]}, 7]).json
    assert [each.get("code") for each in left["results"]] == [
        None, None, "INVALID_VALUE", "NOT_FOUND", "INVALID_VALUE", "FIELD_UNKNOWN", "INVALID_VALUE"]
    assert [each["index"] for each in left["results"]] == list(range(7))
    assert (left["received"], left["updated"], left["failed"], left["count"]) == (7, 2, 5, 2)
    again = call.post("/subscribers/optout?interest=News", json=[{"remoteId": "1"}, {"remoteId": "2"}]).json
    assert [each["status"] for each in again["results"]] == ["unchanged", "updated"]
    joined = call.post("/subscribers?interest=News", json=[{"remoteId": "1"}]).json
    assert [each["code"] for each in joined["results"][0]["warnings"]] == ["INTEREST_OPTED_OUT"]
    back = call.post("/subscribers/rejoin", json=[
        {"remoteId": "1", "interests": ["News"], "reason": "asked by phone"}, {"remoteId": "2", "interests": ["Board"]},
        {"remoteId": "1", "interests": ["News"], "reason": "asked by phone"}]).json
    assert [(each["status"], each.get("field")) for each in back["results"]] == [
        ("updated", None), ("failed", "reason"), ("unchanged", None)]
    joined = call.post("/subscribers?interest=News", json=[{"remoteId": "1"}]).json
    assert joined["results"][0]["warnings"] == []
    for path, body, status, code in [
            ("/subscribers/optout", [{"remoteId": "1"}], 400, "INVALID_REQUEST"),
            ("/subscribers/rejoin", [{"remoteId": "1"}], 400, "INVALID_REQUEST"),
            ("/subscribers/optout", [], 400, "INVALID_REQUEST"),
            ("/subscribers/optout?interest=Nothing", [{"remoteId": "1"}], 422, "LIST_UNKNOWN")]:
        answer = call.post(path, json=body)
        assert (answer.status_code, answer.json["code"]) == (status, code), (path, body)
    for name in ("optout", "rejoin"):
        assert other.post(f"/subscribers/{name}?interest=News", json=[{"remoteId": "1"}]).status_code == 422


@pytest.mark.parametrize(("method", "path", "body"), [
    ("PATCH", "/interests/{id}", {"name": "Renamed"}),
    ("POST", "/interests/{id}/members", {"mode": "Add", "remoteIds": [1]}),
    ("POST", "/subscribers/optout", [{"remoteId": "1", "interests": ["News"]}])])
def test_each_write_is_done_once_with_a_key(call, news, method, path, body):
    """PUSH-73: the stored answer, marked; another content is a conflict."""
    headers = {"Idempotency-Key": "once"}
    first = call(method, path.format(id=news), json=body, headers=headers)
    second = call(method, path.format(id=news), json=body, headers=headers)
    assert first.status_code == 200 and second.json == {**first.json, "replayed": True}
    third = call(method, path.format(id=news) + "?x=", json=body, headers=headers)
    fourth = call(method, path.format(id=news), json=[*body, {}] if isinstance(body, list) else {**body, "x": 1},
                  headers=headers)
    assert third.status_code == 400 and fourth.status_code in (400, 409)
