"""People of the compatible face: whole state, and its limits (PUSH-16, PUSH-19..23, PUSH-25..30, PUSH-76, PUSH-83)."""

import pytest

from gateway.domain.fields import STANDARD_FIELDS
from gateway.domain.records import Identifier, ImportOptions, StatusEntry, SubscriberRecord
from gateway.services import imports, suppression

PERSONAL = ("subscriber", "remote_key", "source_values", "membership", "address_status", "interest", "field")


def contact(contact_id="K-17", email="ada@example.org", *, groups=None, **details):
    made = {"ContactDetails": {"ContactId": contact_id, "PrimaryEmailAddress": email, "FirstName": "Ada",
                               "LastName": "Quill", **details}}
    return made if groups is None else {**made, "Groups": groups}


def deleted(contact_id):
    return {"ContactDetails": {"ContactId": contact_id, "IsDeleted": True}}


def result(answer, at=0):
    return answer.json["results"][at]


def test_the_example_of_the_specification(call):
    """PUSH-16, PUSH-23, PUSH-27: a person with a group, and a deletion of somebody unknown."""
    answer = call.contacts(
        {"ContactDetails": {"ContactId": "K-17", "FirstName": "Ada", "LastName": "Quill",
                            "PrimaryEmailAddress": "ada@example.org", "DoNotEmail": False, "IsMember": True,
                            "MemberExpiresOn": "2027-06-30T00:00:00.000Z"},
         "Groups": [{"GroupId": "north", "GroupName": "North Chapter", "GroupType": "Chapter",
                     "BeginDate": "2026-01-01T00:00:00.000-05:00"}]}, deleted("K-18"))
    assert (answer.status, answer.json["success"], answer.json["count"], answer.json["errorMessage"]) == (
        200, True, 2, "")
    created, gone = answer.json["results"]
    assert {name: created[name] for name in ("index", "ContactId", "remoteId", "status", "rule", "warnings")} == {
        "index": 0, "ContactId": "K-17", "remoteId": "K-17", "status": "created", "rule": "ID-13", "warnings": []}
    assert (gone["ContactId"], gone["status"], [(each["code"], each["field"]) for each in gone["warnings"]]) == (
        "K-18", "unchanged", [("NOT_FOUND", "ContactDetails.ContactId")])
    assert call.fields("K-17") == {"FirstName": "Ada", "LastName": "Quill", "IsMember": "true",
                                   "MemberExpiresOn": "2027-06-30"}
    assert call.interests("K-17") == ["North Chapter"]


def test_the_shape_of_an_answer(call):
    """PUSH-27..29: what V1-style callers read comes with one result each, in the order sent; the counters add up."""
    call.push("/push/v1/subscribers", [{"email": "bo@example.org"}])
    body = call.contacts(contact(), contact("K-18", "bo@example.org"), contact("K-19", "nobody")).json
    assert (body["success"], body["count"], body["received"], body["created"], body["adopted"], body["failed"]) == (
        False, 2, 3, 1, 1, 1)
    assert sum(body[word] for word in ("created", "adopted", "updated", "unchanged", "skipped", "suppressed",
                                       "failed")) == body["received"]
    assert [each["ContactId"] for each in body["results"]] == ["K-17", "K-18", "K-19"]
    assert [each["status"] for each in body["results"]] == ["created", "adopted", "failed"]
    assert (body["results"][2]["code"], body["results"][2]["field"]) == (
        "INVALID_EMAIL", "ContactDetails.PrimaryEmailAddress")
    assert body["errorMessage"] == (
        "1 of 3 records failed; the first is record 2 (ContactId K-19): INVALID_EMAIL at "
        f"ContactDetails.PrimaryEmailAddress. {body['results'][2]['message']}")
    assert (body["replayed"], body["dryRun"]) == (False, False)


@pytest.mark.parametrize(("detail", "indexes"), [("all", [0, 1]), ("failures", [1]), ("none", [])])
def test_detail(call, detail, indexes):
    """PUSH-28: trims the results, never the counters nor the message."""
    body = call.push(f"/v2/contactinfo?detail={detail}", [contact(), contact("K-18", "nobody")]).json
    assert [each["index"] for each in body["results"]] == indexes
    assert (body["received"], body["failed"], "K-18" in body["errorMessage"]) == (2, 1, True)


def test_all_failed_is_422_with_the_same_body(call, house):
    """PUSH-83: callers look at the status alone; the answer says the same as always, and the code."""
    answer = call.contacts(contact("K-1", "nobody"), contact(None))
    assert (answer.status, answer.json["success"], answer.json["count"], answer.json["failed"]) == (422, False, 0, 2)
    assert (answer.json["code"], answer.json["retryable"]) == ("INVALID_EMAIL", False)
    assert [each["code"] for each in answer.json["results"]] == ["INVALID_EMAIL", "REMOTE_ID_REQUIRED"]
    assert house.count("subscriber") == 0
    assert call.contacts(contact(None)).json["errorMessage"].startswith(
        "1 of 1 records failed; the first is record 0 (without ContactId): REMOTE_ID_REQUIRED at ContactDetails.")


def test_what_a_caller_drops_can_be_found_again(call, house):
    """PUSH-14, PUSH-100, PUSH-101: the message that is mailed to a person says who, what and what to do; and the error
    log knows the person and the request."""
    people = [contact(f"K-{n}", f"p{n}@example.org") for n in range(99)]
    answer = call.contacts(*people[:42], contact("K-42", "ann@example"), *people[43:])
    assert (answer.status, answer.json["failed"], answer.json["results"][42]["status"]) == (200, 1, "failed")
    message = answer.json["errorMessage"]
    assert message == ("1 of 99 records failed; the first is record 42 (ContactId K-42): INVALID_EMAIL at "
                       f"ContactDetails.PrimaryEmailAddress. {answer.json['results'][42]['message']}")
    house.world.clock.advance(seconds=1)
    (kept,) = call("GET", "/push/v1/errors?remoteId=K-42").json["items"]
    assert (kept["code"], kept["email"], kept["requestId"]) == (
        "INVALID_EMAIL", "ann@example", answer.json["requestId"])


def test_nobody_is_a_success(call):
    """PUSH-15: an array of 0."""
    answer = call.contacts()
    assert (answer.status, answer.json["success"], answer.json["count"], answer.json["results"]) == (200, True, 0, [])


def test_the_same_again_is_unchanged_and_writes_nothing(call, house):
    """PUSH-76, PUSH-102, ID-P1: no idempotency key is needed."""
    people = [contact(f"K-{n}", f"p{n}@example.org", Birthday="1990-01-31T00:00:00.000-05:00", IsMember="True",
                      DoNotEmail=False, groups=[{"GroupId": "north", "GroupName": "North", "Role": "Chair",
                                                 "BeginDate": "2026-01-01T00:00:00.000Z"}])
              | {"Orders": [{"Id": n, "Total": "9.50"}], "Demographics": [{"Type": "Shoe", "Value": n}],
                 "Addresses": [{"City": "Ghent", "IsPrimary": True}]} for n in range(3)]
    assert call.contacts(*people).json["created"] == 3
    before = house.rows(*PERSONAL)
    house.world.clock.advance(hours=24)
    answer = call.contacts(*people)
    assert (answer.json["unchanged"], [each["warnings"] for each in answer.json["results"]]) == (3, [[], [], []])
    assert house.rows(*PERSONAL) == before


def test_what_is_left_out_is_cleared(call):
    """PUSH-19: left out, null and empty are the same; a group left out is a group left."""
    groups = [{"GroupId": "a", "GroupName": "A"}, {"GroupId": "b", "GroupName": "B"}, {"GroupId": "c"}]
    full = contact(Title="Dr", City="x", groups=groups)
    del full["ContactDetails"]["City"]
    call.contacts(full | {"Addresses": [{"City": "Ghent", "PostalCode": "9000"}], "Demographics": [
        {"Type": "Shoe", "Value": "38"}, {"Type": "Hat", "Value": "7"}]})
    assert {"Title", "City", "PostalCode", "Shoe", "Hat"} <= call.fields("K-17").keys()
    assert call.interests("K-17") == ["A", "B", "c"]
    answer = call.contacts(contact(Title="", FirstName=None, groups=[{"GroupId": "b", "GroupName": "B"}])
                           | {"Addresses": [{"City": None}], "Demographics": [{"Type": "Hat", "Value": "7"}]})
    assert result(answer)["status"] == "updated"
    assert call.fields("K-17") == {"LastName": "Quill", "Hat": "7"}
    assert call.interests("K-17") == ["B"]
    assert result(call.contacts({"ContactDetails": {"ContactId": "K-17", "PrimaryEmailAddress": "ada@example.org"}}))[
        "status"] == "updated"
    assert (call.fields("K-17"), call.interests("K-17")) == ({}, [])


def test_the_limits_of_whole_state(call, house):
    """PUSH-19, ID-38, ID-40: opt-outs, bounces, values and memberships of all others stay."""
    crm = house.caller(integration="crm")
    call.contacts(contact(groups=[{"GroupId": "a", "GroupName": "A"}]))
    call.push("/push/v1/subscribers?interest=Native", [{"remoteId": "K-17"}])
    crm.push("/push/v1/subscribers?interest=Theirs", [
        {"remoteId": "9", "email": "ada@example.org", "fields": {"Title": "Dr"}}])
    with house.world.unit(house.world.actor("ams")) as unit:
        suppression.unsubscribe(unit, [StatusEntry(Identifier(remote_id="K-17"))])
    with house.world.unit(house.world.actor("none", role="admin")) as unit:
        imports.import_records(unit, [SubscriberRecord(email="bo@example.org", values={"City": "Oslo"})],
                               ImportOptions(interests=("Uploaded",), label="fair"))
    call.contacts(contact("K-18", "bo@example.org"))  # adopts what was uploaded
    assert result(call.contacts(contact(groups=[])))["status"] == "updated"
    assert call.interests("K-17") == ["Native"]
    assert (call.person("K-17")["status"], crm.interests("9"), crm.fields("9")["Title"]) == (
        "unsubscribed", ["Theirs"], "Dr")
    assert call.contacts(contact("K-18", "bo@example.org")).json["unchanged"] == 1
    assert (call.fields("K-18")["City"], call.interests("K-18")) == ("Oslo", ["Uploaded"])


def test_the_choice_of_the_address(call):
    """PUSH-20: a new person needs one; it may be the preferred or the only one; the path is named."""
    answer = call.contacts(contact("K-1", ""), contact("K-2", "") | {"EmailAddresses": [{"EmailAddress": "b@x.org"}]},
                           contact("K-3", "") | {"EmailAddresses": [
                               {"EmailAddress": "c1@x.org"}, {"EmailAddress": "c2@", "IsPreferred": "true"}]})
    assert [(each.get("code"), each.get("field")) for each in answer.json["results"]] == [
        ("EMAIL_MISSING", "ContactDetails.PrimaryEmailAddress"), (None, None),
        ("INVALID_EMAIL", "EmailAddresses[1].EmailAddress")]
    assert call.person("K-2")["email"] == "b@x.org"


def test_an_address_that_is_withdrawn(call):
    """PUSH-20, ID-33: known and without an address: the link ends, the last address stays for history."""
    call.contacts(contact(groups=[{"GroupId": "a"}]))
    answer = call.contacts(contact(email=None, groups=[{"GroupId": "a"}]))
    assert (answer.status, result(answer)["status"], result(answer)["rule"]) == (200, "updated", "ID-33")
    person = call.person("K-17")
    assert (person["orphan"], person["sendable"], person["email"]) == (True, False, "ada@example.org")
    assert call.contacts(contact(email="")).json["unchanged"] == 1
    assert result(call.contacts(contact(email="new@example.org")))["status"] == "updated"
    assert (call.person("K-17")["email"], call.person("K-17")["orphan"]) == ("new@example.org", False)


def test_a_changed_address_overwrites(call):
    """PUSH-20, ID-11."""
    call.contacts(contact())
    mine = call.person("K-17")["subscriberId"]
    assert result(call.contacts(contact(email="Lee@Example.org")))["rule"] == "ID-11"
    assert (call.person("K-17")["email"], call.person("K-17")["subscriberId"]) == ("lee@example.org", mine)


def test_do_not_email(call):
    """PUSH-21: true sets, an explicit false clears, silence keeps; it never undoes an opt-out made here."""
    call.contacts(contact(DoNotEmail="True"))
    assert call.person("K-17")["blockedBy"] == ["remote_flag"]
    for silence in ({}, {"DoNotEmail": None}, {"DoNotEmail": ""}):
        assert call.contacts(contact(**silence)).json["unchanged"] == 1
        assert call.person("K-17")["blockedBy"] == ["remote_flag"]
    call.contacts(contact(DoNotEmail="False"))
    assert call.person("K-17")["blockedBy"] == []
    call.push("/push/v1/subscribers/unsubscribe", [{"remoteId": "K-17"}])
    call.contacts(contact(DoNotEmail=False))
    assert call.person("K-17")["blockedBy"] == ["opt_out"]


def test_deleted_people(call):
    """PUSH-22: the link ends, whatever else stands there; the record stays, is no unsubscribe, and can revive."""
    call.contacts(contact(DoNotEmail=True, groups=[{"GroupId": "a", "GroupName": "A"}]))
    mine = call.person("K-17")["subscriberId"]
    answer = call.contacts({"ContactDetails": {"ContactId": "K-17", "IsDeleted": "true", "Birthday": "never",
                                               "PrimaryEmailAddress": "x"}, "Groups": 7})
    assert (result(answer)["status"], result(answer)["rule"], result(answer)["warnings"]) == ("updated", "ID-32", [])
    person = call.person("K-17")
    assert (person["orphan"], person["links"], person["email"]) == (True, [], "ada@example.org")
    assert all("until" in each for each in person["interests"])
    assert "remote_flag" in person["blockedBy"]
    assert call.contacts(deleted("K-17")).json["unchanged"] == 1
    revived = result(call.contacts(contact(groups=[{"GroupId": "a", "GroupName": "A"}])))
    assert (revived["status"], revived["subscriberId"]) == ("updated", mine)
    assert (call.person("K-17")["orphan"], call.interests("K-17")) == (False, ["A"])
    assert call.person("K-17")["blockedBy"] == ["remote_flag"]


def test_ids_are_texts_whose_digits_and_case_count(call):
    """PUSH-9, PUSH-97, ID-6: numbers as IDs; leading zeros and case are somebody else."""
    answer = call.contacts(contact(17, "a@x.org"), contact("017", "b@x.org"), contact("k", "c@x.org"),
                           contact("K", "d@x.org"), contact(" 17 ", "a@x.org"))
    assert [each["status"] for each in answer.json["results"]] == ["created"] * 4 + ["unchanged"]
    assert [each["ContactId"] for each in answer.json["results"]] == ["17", "017", "k", "K", "17"]


def test_group_ids_are_case_sensitive_and_names_follow(call):
    """PUSH-23: keyed by GroupId, shown as GroupName; a new name renames, another integration's stays apart."""
    call.contacts(contact(groups=[{"GroupId": "n", "GroupName": "North"}, {"GroupId": "N", "GroupName": "Other"}]))
    assert call.interests("K-17") == ["North", "Other"]
    call.contacts(contact(groups=[{"GroupId": "n", "GroupName": "Northern"}, {"GroupId": "N", "GroupName": "Other"}]))
    assert call.interests("K-17") == ["Northern", "Other"]


@pytest.mark.parametrize("names", [("B", "A", "C"), ("B", "C", "A"), ("B", "C", "D"), ("D", "A", "B"), ("A", "A", "A")])
def test_groups_that_change_their_names_in_one_call(call, house, names):
    """PUSH-23, PUSH-76: swapped in one person or over several, all at once; the same again writes nothing."""
    def push(names):
        shown = [{"GroupId": group_id, "GroupName": name} for group_id, name in zip("abc", names, strict=True)]
        return call.contacts(contact("K-1", groups=shown[:1]), contact("K-2", groups=shown[1:]))

    assert push("ABC").json["created"] == 2
    assert push(names).json["unchanged"] == 2
    before = house.rows("interest")
    assert call.interests("K-1") + call.interests("K-2") == (
        [names[0], *sorted(names[1:])] if len(set(names)) == 3 else ["A", "B", "C"])
    push(names)
    assert house.rows("interest") == before


def test_a_group_under_two_names_in_one_call(call, house):
    """PUSH-23, PUSH-76: the last one counts, and pushing the same again changes it no more."""
    people = [contact(f"K-{name}", groups=[{"GroupId": "a", "GroupName": name}]) for name in ("North", "South")]
    call.contacts(*people)
    assert call.interests("K-North") == ["South"]
    before = house.rows("interest")
    call.contacts(*people)
    assert house.rows("interest") == before


def test_a_name_that_is_taken(call, house):
    """PUSH-23: a group called like somebody else's interest is not that interest."""
    house.caller(integration="crm").push("/push/v1/interests", {"name": "Board"})
    call.contacts(contact(groups=[{"GroupId": "b", "GroupName": "Board"}]))
    assert call.interests("K-17") == ["Board (ams)"]
    assert call.contacts(contact(groups=[{"GroupId": "b", "GroupName": "Board"}])).json["unchanged"] == 1


def test_a_group_that_was_left_by_the_person(call, house):
    """ID-39: an import that adds again warns and changes nothing."""
    call.contacts(contact(groups=[{"GroupId": "b", "GroupName": "Board"}]))
    with house.gateway.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO interest_opt_out (brand_id, subscriber_id, interest_id, left_at, "
                                   "origin) SELECT brand_id, subscriber_id, interest_id, since, 'form' FROM membership")
    warnings = result(call.contacts(contact(groups=[{"GroupId": "b", "GroupName": "Board"}])))["warnings"]
    assert [(each["code"], each["field"]) for each in warnings] == [("INTEREST_OPTED_OUT", "Groups")]


@pytest.mark.parametrize(("element", "code", "field"), [
    (contact(Birthday="2026-02-30T00:00:00Z"), "INVALID_DATE", "ContactDetails.Birthday"),
    (contact(IsMember="perhaps"), "INVALID_VALUE", "ContactDetails.IsMember"),
    (contact(Title="x" * 4001), "FIELD_TOO_LONG", "ContactDetails.Title"),
    (contact("x" * 256), "FIELD_TOO_LONG", "ContactDetails.ContactId"),
    (contact(True), "INVALID_VALUE", "ContactDetails.ContactId"),
    (contact(groups=[{"GroupId": False}]), "INVALID_VALUE", "Groups[0].GroupId"),
    (contact(Title="a\0b"), "INVALID_CHARACTER", "ContactDetails.Title"),
    (contact("a\ud800"), "INVALID_CHARACTER", "ContactDetails.ContactId"),
    (contact() | {"Addresses": [{"City": "x"}, {"City": "\ufffe", "IsPrimary": True}]}, "INVALID_CHARACTER",
     "Addresses[1].City"),
    (contact() | {"PhoneNumbers": [{"FormattedNumber": "\x0b"}]}, "INVALID_CHARACTER",
     "PhoneNumbers[0].FormattedNumber"),
    (contact() | {"Demographics": [{"Type": "Shoe", "Value": "\0"}]}, "INVALID_CHARACTER", "Demographics[0].Value"),
    (contact() | {"Demographics": [{"Type": f"T{n}", "Value": "1"} for n in range(201)]}, "FIELD_TOO_LONG", None),
    (contact() | {"Demographics": [{"Type": "a\0", "Value": "x"}]}, "INVALID_CHARACTER", None),
    (contact() | {"Orders": [{"Note": "x" * 70_000}]}, "FIELD_TOO_LONG", "Orders"),
    (contact() | {"groups": []}, "FIELD_UNKNOWN", "groups"),
    ({"ContactDetails": {"contactId": "1"}}, "FIELD_UNKNOWN", "ContactDetails.contactId")])
def test_bad_elements_fail_alone(call, house, element, code, field):
    """PUSH-5, PUSH-6, PUSH-8, PUSH-10, PUSH-11: nothing of them is stored, their neighbour is."""
    answer = call.contacts(element, contact("fine", "fine@example.org"))
    assert answer.status == 200
    assert [each["status"] for each in answer.json["results"]] == ["failed", "created"]
    assert result(answer)["code"] == code
    if field is not None:
        assert result(answer)["field"] == field
    assert (house.count("subscriber"), house.count("interest")) == (1, 0)


def test_one_who_comes_twice(call):
    """ID-27: in order, as if each came alone."""
    answer = call.contacts(contact(Title="A"), contact(Title="B"), deleted("K-17"), contact(Title="C"))
    assert [each["status"] for each in answer.json["results"]] == ["created", "updated", "updated", "updated"]
    assert "DUPLICATE_IN_BATCH" in [each["code"] for each in result(answer, 1)["warnings"]]
    assert call.fields("K-17")["Title"] == "C"


def test_fields_exist_from_the_start_and_demographics_on_arrival(call, house):
    """PUSH-26: every standard field exists in a new brand; a type of Demographics becomes a field here alone."""
    def fields(brand_id):
        with house.gateway.engine.connect() as connection:
            return dict(tuple(row) for row in connection.exec_driver_sql(
                f"SELECT name, kind FROM field WHERE brand_id = {brand_id}"))

    assert fields(1) == fields(2) == STANDARD_FIELDS
    call.contacts(contact() | {"Demographics": [{"Type": "Shoe size", "Value": 38}]})
    assert fields(1) == STANDARD_FIELDS | {"Shoe size": "text"}
    assert fields(2) == STANDARD_FIELDS
    assert call.fields("K-17")["Shoe size"] == "38"


def test_two_brands(call, house):
    """ID-P15: the same IDs and addresses in another brand are other people."""
    other = house.caller(brand_id=2)
    call.contacts(contact(groups=[{"GroupId": "a", "GroupName": "A"}]))
    assert other.person("K-17") is None
    assert other.contacts(deleted("K-17")).json["unchanged"] == 1
    other.contacts(contact(FirstName="Eve", groups=[{"GroupId": "a", "GroupName": "Z"}]))
    other.contacts(deleted("K-17"))
    assert (call.fields("K-17")["FirstName"], call.interests("K-17"), call.person("K-17")["orphan"]) == (
        "Ada", ["A"], False)


def test_scopes(house):
    """PUSH-1: only ``import`` pushes; the refusal names it."""
    answer = house.caller("report", "send").contacts(contact())
    assert (answer.status, answer.json["code"], "import" in answer.json["errorMessage"]) == (403, "NOT_ALLOWED", True)
    assert house.caller("import").contacts(contact()).json["created"] == 1


def test_an_idempotency_key_is_taken_all_the_same(call):
    """PUSH-73: not needed, not refused."""
    first, again = (call.push("/v2/contactinfo", [contact()], **{"Idempotency-Key": "k1"}) for _ in range(2))
    assert (first.json["replayed"], again.json["replayed"], again.json["created"]) == (False, True, 1)
    assert call.push("/v2/contactinfo", [], **{"Idempotency-Key": "k1"}).status == 409


def test_fields_in_merge_tags(call):
    """PUSH-26: what ContactInfo fills can be written into a mailing; what is kept as JSON cannot."""
    call.contacts(contact(groups=[{"GroupId": "n", "GroupName": "News"}]) | {
        "Orders": [{"Id": 1}], "Addresses": [{"City": "Ghent"}], "Demographics": [{"Type": "Shoe", "Value": 38}]})
    draft = call.push("/push/v1/mailings", {
        "name": "m", "subject": "{{ FirstName }} {{ City }} {{ Shoe }}|{{ Orders }}|", "fromAddress": "n@example.org",
        "html": "<p>x</p>", "interests": ["News"]}).json
    assert [(each["code"], each["field"]) for each in draft["warnings"]] == [("FIELD_UNKNOWN", "Orders")]
    preview = call.push(f"/push/v1/mailings/{draft['mailingId']}/preview", {"remoteId": "K-17"}).json
    assert (preview["subject"], preview["recipients"]) == ("Ada Ghent 38||", 1)


def test_groups_outside_their_dates_are_not_mailed(call, house):
    """PUSH-23: before BeginDate and after EndDate a membership rests; it begins and ends without another push."""
    call.contacts(contact(groups=[
        {"GroupId": "a", "EndDate": "2026-01-15T11:59:59Z"}, {"GroupId": "b", "BeginDate": "2026-01-15T13:00:00+01:00"},
        {"GroupId": "c", "BeginDate": "2026-01-16T00:00:00Z", "EndDate": "2026-01-17T00:00:00.000Z"}]))

    def reached():
        found = {}
        for name in "abc":
            draft = call.push("/push/v1/mailings", {"name": "m", "subject": "s", "fromAddress": "n@example.org",
                                                    "html": "<p>x</p>", "interests": [name]}).json
            found[name] = call.push(f"/push/v1/mailings/{draft['mailingId']}/preview", {}).json["recipients"]
        return found

    assert reached() == {"a": 0, "b": 1, "c": 0}
    house.world.clock.advance(hours=24)
    assert reached() == {"a": 0, "b": 1, "c": 1}
    house.world.clock.advance(hours=24)
    assert reached() == {"a": 0, "b": 1, "c": 0}
