"""Lists of the compatible face (PUSH-17, PUSH-24)."""

import pytest

from gateway.domain.accounts import system_actor
from gateway.services import brandsettings


def contact(number, **details):
    return {"ContactDetails": {"ContactId": f"K-{number}", "PrimaryEmailAddress": f"p{number}@example.org", **details}}


def news(mode, *numbers, **more):
    named = {"ListId": "news", "ListName": "Monthly news"}
    return named | {"Mode": mode, "ContactIds": [f"K-{n}" for n in numbers]} | more


@pytest.fixture
def people(call):
    call.contacts(*[contact(n) for n in range(30)])
    return call


def members(call, name="Monthly news"):
    return [n for n in range(30) if name in call.interests(f"K-{n}")]


def test_the_example_of_the_specification(people):
    """PUSH-17, PUSH-24: a list that is new is made; who is not known is named, the others join."""
    answer = people.lists({"ListId": "news", "ListName": "Monthly news", "Mode": "Add", "ContactIds": ["K-17", "K-99"]})
    assert (answer.status, answer.json["success"], answer.json["count"], answer.json["created"]) == (200, True, 1, 1)
    assert answer.json["results"] == [{"index": 0, "ListId": "news", "status": "created", "rule": "ID-38",
                                       "warnings": [], "unknownContactIds": ["K-99"]}]
    assert members(people) == [17]


@pytest.mark.parametrize("spelled", [str, str.upper, str.lower])
def test_modes(people, spelled):
    """PUSH-24: Add, Remove and Replace in any case; each again is unchanged."""
    assert people.lists(news(spelled("Replace"))).json["created"] == 1
    for mode, numbers, expected in (("Add", (1, 2, 3), [1, 2, 3]), ("Remove", (2, 9), [1, 3]),
                                    ("Replace", (3, 4), [3, 4]), ("Replace", (), [])):
        assert people.lists(news(spelled(mode), *numbers)).json["updated"] == 1
        assert members(people) == expected
        assert people.lists(news(spelled(mode), *numbers)).json["unchanged"] == 1


def test_replace_is_of_this_channel_alone(people, house):
    """PUSH-19, PUSH-24, ID-38: groups, native memberships and other integrations stay; and whole state leaves lists."""
    crm = house.caller(integration="crm")
    crm.push("/push/v1/subscribers", [{"remoteId": "9", "email": "p1@example.org"}])
    crm.lists({"ListId": "news", "ListName": "CRM news", "Mode": "Add", "ContactIds": ["9"]})
    people.contacts(contact(1) | {"Groups": [{"GroupId": "news", "GroupName": "Monthly news"}]})
    people.push("/push/v1/subscribers?interest=Monthly news".replace(" ", "%20"), [{"remoteId": "K-2"}])
    people.lists(news("Add", 1, 3))
    assert members(people) == [1, 2, 3]
    people.lists(news("Replace", 3))
    assert (members(people), crm.interests("9")) == ([1, 2, 3], ["CRM news"])
    assert people.contacts(contact(1), contact(3)).json["failed"] == 0
    assert members(people) == [2, 3]


def test_the_brake_holds_a_mass_change(people, house):
    """PUSH-24, ID-70: more than ten and more than a tenth; the held list is as it was, its neighbour changes."""
    people.lists(news("Add", *range(20)))
    answer = people.lists(news("Replace", 1), news("Add", 5, ListId="other", ListName="Other"))
    assert answer.status == 200
    held, other = answer.json["results"]
    assert (held["status"], held["code"], held["ListId"]) == ("failed", "BRAKE_HELD", "news")
    assert other["status"] == "created"
    assert "the first is record 0 (ListId news): BRAKE_HELD" in answer.json["errorMessage"]
    assert (members(people), members(people, "Other")) == (list(range(20)), [5])
    with house.world.unit(system_actor(1)) as unit:
        brandsettings.change(unit, {"brakeRows": "19"})
    assert people.lists(news("Replace", 1)).json["updated"] == 1  # a person with the right has allowed it


def test_all_failed_is_422(people, house):
    """PUSH-83; and what failed can be found later (PUSH-14)."""
    answer = people.lists(news("Append", 1), news("Add", 1, ContactIds=None), {"mode": "Add", "ListId": "x"}, "x")
    assert (answer.status, answer.json["code"], answer.json["failed"]) == (422, "INVALID_VALUE", 4)
    assert [(each["code"], each.get("field"), each.get("ListId")) for each in answer.json["results"]] == [
        ("INVALID_VALUE", "Mode", "news"), ("INVALID_VALUE", "ContactIds", "news"), ("FIELD_UNKNOWN", "mode", "x"),
        ("INVALID_VALUE", None, None)]
    assert house.count("interest") == 0
    with house.gateway.engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT d.code, u.request_id, u.door FROM decision d JOIN upload u "
                                          "ON u.id = d.upload_id WHERE d.status = 'failed'").all()
    assert [tuple(row) for row in kept] == [
        (code, answer.json["requestId"], "v2")
        for code in ("INVALID_VALUE", "INVALID_VALUE", "FIELD_UNKNOWN", "INVALID_VALUE")]


def test_who_has_left_a_list(people, house):
    """ID-39: a warning, and they stay out."""
    people.lists(news("Add", 1, 2))
    with house.gateway.engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO interest_opt_out (brand_id, subscriber_id, interest_id, left_at, "
                                   "origin) SELECT brand_id, subscriber_id, interest_id, since, 'form' FROM membership")
    answer = people.lists(news("Replace", 1, 2, 3))
    (warning,) = answer.json["results"][0]["warnings"]
    assert (warning["code"], warning["field"]) == ("INTEREST_OPTED_OUT", "ContactIds")
    assert "K-1, K-2" in warning["message"]


def test_people_who_are_gone_are_unknown(people):
    """PUSH-22, PUSH-24: a link that has ended is nobody's."""
    people.contacts({"ContactDetails": {"ContactId": "K-1", "IsDeleted": True}})
    assert people.lists(news("Add", 1, 2)).json["results"][0]["unknownContactIds"] == ["K-1"]


def test_two_brands(people, house):
    """ID-P15: the same list in another brand is another list."""
    other = house.caller(brand_id=2)
    answer = other.lists(news("Replace", 1, 2))
    assert answer.json["results"][0]["unknownContactIds"] == ["K-1", "K-2"]
    people.lists(news("Add", 1))
    other.contacts(contact(1))
    other.lists(news("Replace", 1))
    other.lists(news("Remove", 1))
    assert (members(people), other.interests("K-1")) == ([1], [])


def test_scopes(house):
    """PUSH-1: only ``import`` pushes."""
    answer = house.caller("report").lists(news("Add"))
    assert (answer.status, answer.json["code"]) == (403, "NOT_ALLOWED")


def test_a_long_list(people):
    """PUSH-24: thousands of IDs in one element cost one look-up."""
    answer = people.lists({"ListId": "big", "Mode": "Replace", "ContactIds": [f"K-{n}" for n in range(20_000)]})
    result = answer.json["results"][0]
    assert (result["status"], len(result["unknownContactIds"])) == ("created", 20_000 - 30)


def test_a_list_is_made_and_renamed(people, house):
    """PUSH-24, PUSH-29: an empty list that is made is created, a new name is a change; the same again is neither."""
    def statuses(*elements):
        return [each["status"] for each in people.lists(*elements).json["results"]]

    def named():
        with house.gateway.engine.connect() as connection:
            return list(connection.exec_driver_sql("SELECT name FROM interest ORDER BY name").scalars())

    def empty(list_id, name):
        return {"ListId": list_id, "ListName": name, "Mode": "Replace", "ContactIds": []}

    assert statuses(empty("a", "One"), empty("b", "Two")) == ["created", "created"]
    swapped = empty("a", "Two"), empty("b", "One")
    assert statuses(*swapped) == ["updated", "updated"] and named() == ["One", "Two"]
    before = house.rows("interest")
    assert statuses(*swapped) == ["unchanged", "unchanged"] and house.rows("interest") == before
    assert statuses(empty("a", "Three"), empty("c", "Two")) == ["updated", "created"]
    assert named() == ["One", "Three", "Two"]
    assert statuses(empty("a", "x"), empty("a", "Three")) == ["unchanged", "unchanged"]  # the last one names it
