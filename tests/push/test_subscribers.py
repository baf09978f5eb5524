"""Batches of people, looking at them, and stopping and starting mail."""

import pytest


def test_the_shape_of_an_answer(call):
    """PUSH-27, PUSH-28: every member, in the order sent; an error message that can be read on its own."""
    call.post("/subscribers", json=[{"email": "bo@example.org"}])
    answer = call.post("/subscribers", json={"records": [
        {"remoteId": "K-17", "email": "Ada@Example.org", "fields": {"FirstName": "Ada"}},
        {"remoteId": "K-18", "email": "bo@example.org"}, {"remoteId": "K-19", "email": "nobody"}]})
    body = answer.json
    assert list(body)[:5] == ["replayed", "success", "count", "errorMessage", "requestId"]
    assert (body["success"], body["count"], body["received"], body["dryRun"], body["replayed"]) == (
        False, 2, 3, False, False)
    assert (body["created"], body["adopted"], body["failed"]) == (1, 1, 1)
    assert sum(body[word] for word in ("created", "adopted", "updated", "unchanged", "skipped", "suppressed",
                                       "failed")) == body["received"]
    assert body["errorMessage"].startswith("1 of 3 records failed; the first is record 2: INVALID_EMAIL.")
    created, adopted, failed = body["results"]
    assert (created["index"], created["remoteId"], created["status"], created["rule"], created["warnings"]) == (
        0, "K-17", "created", "ID-13", [])
    assert created["subscriberId"].isdigit()
    assert (adopted["status"], adopted["rule"], adopted["matchedBy"]) == ("adopted", "ID-12", "email")
    assert (failed["status"], failed["code"], failed["field"], failed["remoteId"]) == (
        "failed", "INVALID_EMAIL", "email", "K-19")
    assert failed["message"]


def test_a_thousand_people_in_one_call(call, door):
    """PUSH-31: the most that a call takes; one result each, in the order sent, also when the last one is bad."""
    people = [{"remoteId": f"K-{n}", "email": f"p{n}@example.org" if n < 999 else "p"} for n in range(1000)]
    body = call.post("/subscribers", json=people).json
    assert (body["received"], body["created"], body["failed"]) == (1000, 999, 1)
    assert [each["remoteId"] for each in body["results"]] == [each["remoteId"] for each in people]
    assert call.post("/subscribers?detail=none", json=people).json["unchanged"] == 999
    assert door.count("subscriber") == 999


def test_success(call):
    """PUSH-28: an empty message on success; an empty batch is one."""
    body = call.post("/subscribers", json=[]).json
    assert (body["success"], body["count"], body["errorMessage"], body["results"]) == (True, 0, "", [])


@pytest.mark.parametrize(("detail", "indexes"), [("all", [0, 1]), ("failures", [1]), ("none", [])])
def test_detail(call, detail, indexes):
    """PUSH-28: trims the results, never the counters."""
    for path in ("/subscribers", "/subscribers/unsubscribe"):
        body = call.post(f"{path}?detail={detail}", json=[{"email": "a@example.org"}, {"email": "nobody"}]).json
        assert [each["index"] for each in body["results"]] == indexes
        assert (body["received"], body["failed"]) == (2, 1)


@pytest.mark.parametrize(("record", "code", "field"), [
    ({"email": "nobody"}, "INVALID_EMAIL", "email"), ({}, "IDENTIFIER_MISSING", None),
    ({"email": None, "remoteId": ""}, "IDENTIFIER_MISSING", None), ({"remoteId": "9"}, "EMAIL_MISSING", "email"),
    ({"remoteId": "x" * 256, "email": "a@example.org"}, "FIELD_TOO_LONG", "remoteId"),
    ({"email": "a@example.org", "fields": {"City": "x" * 4001}}, "FIELD_TOO_LONG", "City"),
    ({"email": "a@example.org", "fields": {"Birthday": "2026-02-30"}}, "INVALID_DATE", "Birthday"),
    ({"email": "a@example.org", "fields": {"City": 1.5}}, "INVALID_VALUE", "City"),
    ({"email": "a@example.org", "doNotEmail": "perhaps"}, "INVALID_VALUE", "doNotEmail"),
    ({"email": "a@example.org", "RemoteId": "1"}, "FIELD_UNKNOWN", "RemoteId"), ("x", "INVALID_VALUE", None)])
def test_bad_records_fail_alone(call, door, record, code, field):
    """PUSH-11: one result with its code; the good record beside it is stored."""
    body = call.post("/subscribers", json=[record, {"email": "fine@example.org"}]).json
    assert [each["status"] for each in body["results"]] == ["failed", "created"]
    assert body["results"][0]["code"] == code
    if field is not None:
        assert body["results"][0]["field"] == field
    assert door.count("subscriber") == 1


def test_unknown_things_are_warnings(call):
    """PUSH-10, PUSH-103, FIELD_UNKNOWN of the catalogue: a member and a field that do not exist."""
    record = {"email": "a@example.org", "TenantCode": "x", "fields": {"Shoe": "38"}}
    body = call.post("/subscribers", json=[record]).json
    assert (body["success"], {(w["code"], w["field"]) for w in body["results"][0]["warnings"]}) == (
        True, {("FIELD_UNKNOWN", "TenantCode"), ("FIELD_UNKNOWN", "Shoe")})


def test_habits_of_callers(call):
    """PUSH-9, PUSH-97: numbers as IDs, booleans as text."""
    body = call.post("/subscribers", json=[{"remoteId": 17, "email": "a@example.org", "doNotEmail": "False",
                                            "fields": {"IsMember": True, "PostalCode": 1067}}]).json
    assert body["results"][0]["remoteId"] == "17"
    person = call.get(f"/subscribers/{body['results'][0]['subscriberId']}").json
    assert {each["name"]: each["value"] for each in person["fields"]} == {"IsMember": "true", "PostalCode": "1067"}


@pytest.mark.parametrize(("mode", "unknown", "known"), [
    ("AddOrUpdate", "created", "updated"), ("Add", "created", "skipped"), ("Update", "skipped", "updated"),
    ("Remove", "skipped", "updated")])
def test_modes(call, mode, unknown, known):
    """PUSH-31, PUSH-51, PUSH-52, PUSH-53, PUSH-54: what happens to a stranger and to a known person."""
    call.post("/subscribers?interest=News", json=[{"email": "a@example.org"}])
    fields = {} if mode == "Remove" else {"fields": {"City": "Bonn"}}
    body = call.post(f"/subscribers?mode={mode}&interest=News",
                     json=[{"email": "new@example.org"}, {"email": "a@example.org", **fields}]).json
    assert [each["status"] for each in body["results"]] == [unknown, known]


def test_dry_run(call, door):
    """PUSH-56: answers as usual, stores nobody."""
    body = call.post("/subscribers?dryRun=true&interest=News", json=[{"email": "a@example.org"}]).json
    assert (body["dryRun"], body["created"]) == (True, 1)
    assert (door.count("subscriber"), door.count("interest")) == (0, 0)


def test_empty_values(call, door):
    """PUSH-50, ID-41: missing keeps, null clears, "" follows emptyValue."""
    found = []
    for fields, options in (({"City": "Bonn"}, ""), ({}, ""), ({"City": ""}, ""), ({"City": ""}, "?emptyValue=Clear"),
                            ({"City": "Bonn"}, ""), ({"City": None}, "")):
        call.post(f"/subscribers{options}", json=[{"email": "a@example.org", "fields": fields}])
        door.world.clock.advance(seconds=1)
        person = call.get("/subscribers?email=a@example.org").json["items"][0]
        found.append({each["name"]: each["value"] for each in person["fields"]}.get("City"))
    assert found == ["Bonn", "Bonn", "Bonn", None, "Bonn", None]


def test_looking_at_people(call, other, door):
    """PUSH-36: by id, by address, by remote ID; another brand's people are not there."""
    made = call.post("/subscribers?interest=News", json=[{"remoteId": "K-1", "email": "fam@example.org"},
                                                         {"remoteId": "K-2", "email": "fam@example.org"}]).json
    first = made["results"][0]["subscriberId"]
    door.world.clock.advance(seconds=1)
    person = call.get(f"/subscribers/{first}").json
    assert (person["subscriberId"], person["email"], person["remoteId"], person["status"], person["sendable"]) == (
        first, "fam@example.org", "K-1", "active", True)
    assert person["links"] == [{"integration": "api", "remoteId": "K-1"}]
    assert [each["name"] for each in person["interests"]] == ["News"]
    assert person["createdAt"] == "2026-01-15T12:00:00.000Z"
    found = call.get("/subscribers", query_string={"email": "FAM@example.org"}).json
    assert [each["remoteId"] for each in found["items"]] == ["K-1", "K-2"]
    assert "next" not in found
    assert found["asOf"]
    page = call.get("/subscribers?email=fam@example.org&limit=1").json
    rest = call.get("/subscribers", query_string={"email": "fam@example.org", "limit": 1, "after": page["next"]}).json
    assert [each["remoteId"] for each in (*page["items"], *rest["items"])] == ["K-1", "K-2"]
    assert [each["email"] for each in call.get("/subscribers?remoteId=K-2").json["items"]] == ["fam@example.org"]
    assert other.get(f"/subscribers/{first}").status_code == 404
    assert other.get("/subscribers?email=fam@example.org").json["items"] == []
    assert call.get("/subscribers").json["code"] == "INVALID_REQUEST"


def test_unsubscribe_and_resubscribe(call, door):
    """PUSH-35, ID-50, ID-51: by address or remote ID; starting again needs a reason; both are idempotent."""
    call.post("/subscribers", json=[{"remoteId": "K-1", "email": "a@example.org"}])
    body = call.post("/subscribers/unsubscribe", json=[{"remoteId": "K-1", "reason": "asked by phone"},
                                                       {"email": "stranger@example.org"}]).json
    assert body["success"]
    door.world.clock.advance(seconds=1)
    person = call.get("/subscribers?email=a@example.org").json["items"][0]
    assert (person["status"], person["sendable"], person["blockedBy"]) == ("unsubscribed", False, ["opt_out"])
    again = call.post("/subscribers/unsubscribe", json=[{"email": "a@example.org"}]).json
    assert again["unchanged"] == 1
    assert call.post("/subscribers/resubscribe", json=[{"email": "a@example.org"}]).json["failed"] == 1
    entry = {"email": "a@example.org", "reason": "wrote to us"}
    back = call.post("/subscribers/resubscribe", json={"records": [entry]})
    assert back.json["success"]
    door.world.clock.advance(seconds=1)
    assert call.get("/subscribers?email=a@example.org").json["items"][0]["sendable"] is True


@pytest.mark.parametrize(("entry", "code"), [
    ("x", "INVALID_VALUE"), ({}, "IDENTIFIER_MISSING"), ({"Email": "a@example.org"}, "FIELD_UNKNOWN"),
    ({"email": "a@example.org", "interests": ["News"]}, "INVALID_VALUE"), ({"email": "nobody"}, "INVALID_EMAIL"),
    ({"remoteId": "missing"}, "NOT_FOUND"), ({"email": "a\u0000@example.org"}, "INVALID_CHARACTER"),
    ({"email": "a@example.org", "reason": "x\ud800"}, "INVALID_CHARACTER"), ({"subscriberId": "x"}, "INVALID_VALUE")])
def test_bad_status_entries_fail_alone(call, entry, code):
    """PUSH-35: a result with its code; the good entry beside it acts."""
    body = call.post("/subscribers/unsubscribe", json=[entry, {"email": "b@example.org"}]).json
    assert [each["status"] == "failed" for each in body["results"]] == [True, False]
    assert body["results"][0]["code"] == code


def test_too_many_status_entries(call):
    """PUSH-5: 1,000 for every synchronous call."""
    answer = call.post("/subscribers/unsubscribe", json=[{"email": f"p{n}@example.org"} for n in range(1001)])
    assert (answer.status_code, answer.json["code"]) == (413, "TOO_MANY_RECORDS")


def test_two_brands_do_not_meet(call, other, door):
    """ID-P15: the same remote ID and address in two brands are two people."""
    for caller in (call, other):
        body = caller.post("/subscribers", json=[{"remoteId": "K-1", "email": "a@example.org"}]).json
        assert body["created"] == 1
    other.post("/subscribers/unsubscribe", json=[{"email": "a@example.org"}])
    door.world.clock.advance(seconds=1)
    assert call.get("/subscribers?email=a@example.org").json["items"][0]["sendable"] is True


def test_interests(call, other, door):
    """PUSH-37: create and list; a name that is taken; another brand sees none of it."""
    made = call.post("/interests", json={"name": "News", "description": "Monthly", "public": True}).json
    assert (made["name"], made["public"], made["members"], made["description"]) == ("News", True, 0, "Monthly")
    assert call.post("/interests", json={"name": "News"}).json["code"] == "ALREADY_EXISTS"
    assert call.post("/interests", json={"name": "News"}).status_code == 409
    call.post("/subscribers?interest=News", json=[{"email": "a@example.org"}])
    door.world.clock.advance(seconds=1)
    listed = call.get("/interests").json
    assert [(each["name"], each["members"], each["sendable"]) for each in listed["items"]] == [("News", 1, 1)]
    assert call.get("/interests?name=Other").json["items"] == []
    assert other.get("/interests").json["items"] == []


@pytest.mark.parametrize(("body", "code"), [
    ({}, "INVALID_REQUEST"), ({"name": ""}, "INVALID_VALUE"), ({"name": "a\u0000b"}, "INVALID_CHARACTER"),
    ({"name": "x" * 256}, "INVALID_VALUE"), ({"name": 1.5}, "INVALID_VALUE"),
    ({"name": "a", "colour": "x"}, "INVALID_REQUEST"),
    ({"name": "a", "public": "perhaps"}, "INVALID_VALUE"), ([], "INVALID_REQUEST")])
def test_bad_interests(call, door, body, code):
    """A command with a member that does not exist or a bad value is refused as a whole."""
    answer = call.post("/interests", json=body)
    assert (answer.status_code, answer.json["code"]) == (400, code)
    assert door.count("interest") == 0
